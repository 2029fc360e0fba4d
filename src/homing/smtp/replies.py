"""Every reply that an SMTP door of ours can give, but for its own business: code, text, whose fault it reports, and why.

Texts follow the SparkPost reference, section 2.31.1, where it observed one; enhanced codes follow RFC 3463. What a
stranger reads names no host of ours, no table and no path; the cause goes to the log.
"""

import re
from enum import StrEnum

import msgspec

from homing.evidence.types import FaultTag
from homing.ground.errors import LeaseLost, Overloaded, StoreUnavailable

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?= )")
_TEXT_OCTETS = 400  # RFC 5321 section 4.5.3.1.5 allows 512 octets a reply line


class Reason(StrEnum):
    """Why a reply says what it says: the label of the door's counters."""

    OK = "ok"
    SYNTAX = "syntax"  # a command or argument that cannot be read
    ORDER = "order"  # a good command at the wrong moment
    AUTH = "auth"  # wrong or missing credentials
    ADDRESS = "address"  # a sender or recipient address that cannot be used
    CONTENT = "content"  # the message or its X-MSYS-API
    POLICY = "policy"  # admission refused
    SIZE = "size"
    LIMIT = "limit"  # a bound that this client reached
    IDLE = "idle"  # the client was silent or slow
    OVERLOAD = "overload"  # a bound of ours, or disk or store unavailable
    SHUTDOWN = "shutdown"
    FAULT = "fault"  # an error of ours
    TIMEOUT = "timeout"  # our own answer took too long


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One reply, ready for the wire (all its lines, CRLF included)."""

    code: int
    wire: bytes
    fault: FaultTag
    reason: Reason

    @property
    def is_refusal(self) -> bool:
        """Return whether it says no (4yz or 5yz)."""
        return self.code >= 400

    @property
    def label(self) -> str:
        """Return code and enhanced code as the evidence keeps them: `451/4.3.0`."""
        found = _ENHANCED.match(self.wire, 4)
        return f"{self.code}/{found[0].decode()}" if found else str(self.code)


_CLIENT = FaultTag.CLIENT
_SERVER = FaultTag.SERVER
_NONE = FaultTag.NONE


def printable(value: str, limit: int = 120) -> str:
    """Return a stranger's text fit for one reply line: no control characters, not too long."""
    text = _CONTROL.sub("?", value)
    return text if len(text) <= limit else text[:limit] + "..."


def reply(code: int, enhanced: str, text: str, reason: Reason, fault: FaultTag = _NONE) -> Reply:
    """Make a one-line reply; enhanced may be '' where RFC 2034 wants none."""
    line = f"{code} {enhanced} {text}" if enhanced else f"{code} {text}"
    wire = _CONTROL.sub(" ", line).encode("utf-8", "replace")
    if len(wire) > _TEXT_OCTETS:
        wire = wire[:_TEXT_OCTETS].decode("utf-8", "ignore").encode()
    return Reply(code, wire + b"\r\n", fault, reason)


def _ok(code: int, enhanced: str, text: str) -> Reply:
    return reply(code, enhanced, text, Reason.OK)


def no(code: int, enhanced: str, text: str, reason: Reason) -> Reply:
    """Make a refusal through the client's fault."""
    return reply(code, enhanced, text, reason, _CLIENT)


# ── the conversation ────────────────────────────────────────────────────────────────────────────────────────────────
MAIL_OK = _ok(250, "2.0.0", "MAIL FROM accepted")
RCPT_OK = _ok(250, "2.0.0", "RCPT TO accepted")
RESET_OK = _ok(250, "2.0.0", "reset")
NOOP_OK = _ok(250, "2.0.0", "OK")
VRFY_OK = _ok(252, "2.5.2", "cannot verify, send some mail and see")
START_MAIL = _ok(354, "3.0.0", 'continue.  finished with "\\r\\n.\\r\\n"')
START_TLS = _ok(220, "2.0.0", "continue")
ASK_USER = _ok(334, "", "VXNlcm5hbWU6")  # base64 of "Username:"
ASK_PASSWORD = _ok(334, "", "UGFzc3dvcmQ6")  # base64 of "Password:"
ASK_PLAIN = Reply(334, b"334 \r\n", _NONE, Reason.OK)
AUTHED = _ok(235, "2.7.0", "Authed. Go on.")
HELP = _ok(214, "2.0.0", "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT; RFC 5321")

# ── syntax and order ────────────────────────────────────────────────────────────────────────────────────────────────
UNKNOWN_COMMAND = no(500, "5.5.2", "unknown command", Reason.SYNTAX)
LINE_TOO_LONG = no(500, "5.5.2", "line too long", Reason.SYNTAX)
AUTH_LINE_TOO_LONG = no(500, "5.5.6", "authentication exchange line is too long", Reason.SYNTAX)
BARE_LINE_END = no(500, "5.5.2", "lines end in CRLF, never in a bare LF or CR; closing connection", Reason.SYNTAX)
NOT_TEXT = no(500, "5.5.2", "a command holds no NUL, no bare CR and only valid UTF-8", Reason.SYNTAX)
NOT_SMTP = no(421, "4.7.0", "this is SMTP, not HTTP", Reason.SYNTAX)
NO_ARGUMENT = no(501, "5.5.4", "this command takes no argument", Reason.SYNTAX)
HELO_SYNTAX = no(501, "5.5.4", "say EHLO your.host.name", Reason.SYNTAX)
MAIL_SYNTAX = no(501, "5.5.4", "say MAIL FROM:<address>", Reason.SYNTAX)
RCPT_SYNTAX = no(501, "5.5.4", "say RCPT TO:<address>", Reason.SYNTAX)
AUTH_SYNTAX = no(501, "5.5.4", "say AUTH PLAIN or AUTH LOGIN, with one initial response at most", Reason.SYNTAX)
BDAT_SYNTAX = no(501, "5.5.4", "say BDAT octets [LAST]; closing connection, where the chunk ends is unknown", Reason.SYNTAX)
BAD_BASE64 = no(501, "5.5.2", "that is not base64 of what the mechanism wants", Reason.SYNTAX)
AUTH_CANCELLED = no(501, "5.7.0", "authentication cancelled", Reason.AUTH)
BAD_PARAMETER_VALUE = no(501, "5.5.4", "a parameter is given twice or has a value that cannot be read", Reason.SYNTAX)
NOT_IMPLEMENTED = no(502, "5.5.1", "command not implemented", Reason.SYNTAX)
UNKNOWN_MECHANISM = no(504, "5.5.4", "mechanism not offered; AUTH PLAIN and AUTH LOGIN are", Reason.SYNTAX)
UNKNOWN_PARAMETER = no(555, "5.5.4", "parameter not recognised or not offered", Reason.SYNTAX)
EHLO_FIRST = no(503, "5.5.1", "say EHLO first", Reason.ORDER)
NESTED_MAIL = no(503, "5.5.1", "sender already given; say RSET to begin anew", Reason.ORDER)
MAIL_FIRST = no(503, "5.5.1", "say MAIL FROM first", Reason.ORDER)
NO_RECIPIENTS = no(554, "5.5.1", "no valid recipients", Reason.ORDER)
DATA_AFTER_BDAT = no(503, "5.5.1", "DATA and BDAT cannot be mixed in one message", Reason.ORDER)
BDAT_FAILED = no(503, "5.5.1", "an earlier chunk failed; say RSET", Reason.ORDER)
IN_TRANSACTION = no(503, "5.5.1", "not while a message is under way; say RSET", Reason.ORDER)
TLS_ALREADY = no(503, "5.5.1", "TLS is already active", Reason.ORDER)
AUTH_ALREADY = no(503, "5.5.1", "already authenticated", Reason.ORDER)
TOO_MANY_ERRORS = no(421, "4.7.0", "too many errors; closing connection", Reason.LIMIT)

# ── permission ──────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_REQUIRED = no(530, "5.7.0", "authentication required", Reason.AUTH)
TLS_REQUIRED = no(530, "5.7.0", "must issue a STARTTLS command first", Reason.AUTH)
RELAYING_DENIED = no(550, "5.7.1", "Relaying denied", Reason.AUTH)
AUTH_NEEDS_TLS = no(538, "5.7.11", "encryption required for authentication; say STARTTLS first", Reason.AUTH)
AUTH_REFUSED = no(535, "5.7.8", "Sorry.", Reason.AUTH)
TOO_MANY_AUTH_FAILURES = no(421, "4.7.0", "too many failed authentications; closing connection", Reason.AUTH)
AUTH_UNAVAILABLE = reply(454, "4.7.0", "temporary authentication failure; try again", Reason.OVERLOAD, _SERVER)

# ── addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────
BAD_SENDER = no(501, "5.1.7", "sender address cannot be read", Reason.ADDRESS)
BAD_RECIPIENT = no(501, "5.1.3", "recipient address cannot be read", Reason.ADDRESS)
RECIPIENT_LITERAL = no(501, "5.1.3", "recipients need a domain name, not an address literal", Reason.ADDRESS)
NEEDS_SMTPUTF8 = no(553, "5.6.7", "an address outside ASCII needs MAIL FROM:<...> SMTPUTF8", Reason.ADDRESS)
TOO_MANY_RECIPIENTS = no(452, "4.5.3", "too many recipients; send the rest as another message", Reason.LIMIT)
TOO_MANY_MESSAGES = no(421, "4.7.0", "that was the last message of this connection; connect again", Reason.LIMIT)

# ── content ─────────────────────────────────────────────────────────────────────────────────────────────────────────
TOO_LARGE = no(552, "5.3.4", "message is larger than the SIZE offered", Reason.SIZE)
BARE_IN_DATA = no(550, "5.6.0", "message holds a bare LF or bare CR; lines end in CRLF", Reason.CONTENT)
NUL_IN_DATA = no(550, "5.6.0", "message holds a NUL octet", Reason.CONTENT)
LONG_LINE = no(550, "5.6.0", "message holds a line of more than 65536 octets", Reason.CONTENT)
BAD_HEADER = no(550, "5.6.0", "message must begin with header fields (Name: value), then an empty line", Reason.CONTENT)
HEADER_TOO_LARGE = no(552, "5.3.4", "message has more than 524288 octets of header fields", Reason.CONTENT)
LOOP = no(554, "5.4.6", "too many hops, over 100 Received headers: this message is in a loop", Reason.CONTENT)

# ── ours ────────────────────────────────────────────────────────────────────────────────────────────────────────────
LOCAL_ERROR = reply(451, "4.3.0", "local error, the message was not taken; try again later", Reason.FAULT, _SERVER)
STORE_UNAVAILABLE = reply(451, "4.3.0", "storage is unavailable, the message was not taken; try again", Reason.OVERLOAD, _SERVER)
OVERLOADED = reply(452, "4.3.1", "insufficient system resources, the message was not taken; try again", Reason.OVERLOAD, _SERVER)
UNAVAILABLE = reply(421, "4.3.0", "service not available now; try again later", Reason.OVERLOAD, _SERVER)
TOO_MANY_CONNECTIONS = reply(421, "4.3.2", "too many connections; try again later", Reason.OVERLOAD, _SERVER)
TOO_MANY_FROM_YOU = no(421, "4.7.0", "too many connections from your address", Reason.LIMIT)
SHUTTING_DOWN = reply(421, "4.3.2", "shutting down; connect again", Reason.SHUTDOWN, _SERVER)
SHUTTING_DOWN_MIDWAY = reply(421, "4.3.2", "shutting down, the message was not taken; connect again", Reason.SHUTDOWN, _SERVER)
IDLE = no(421, "4.4.2", "timeout: nothing heard for too long; closing connection", Reason.IDLE)
TOO_SLOW = no(421, "4.4.2", "timeout: the message took too long; closing connection", Reason.IDLE)
ANSWER_TIMEOUT = reply(451, "4.3.0", "no answer from storage in time; try again", Reason.TIMEOUT, FaultTag.TIMEOUT)


def greeting(host: str) -> Reply:
    """Return the 220 of a new connection; RFC 5321 section 4.2 wants the name first."""
    return _ok(220, "", f"{host} ESMTP homing")


def goodbye(host: str) -> Reply:
    """Return the answer to QUIT."""
    return _ok(221, "2.3.0", f"{host} closing connection")


def hello(host: str, peer: str, keywords: tuple[str, ...]) -> Reply:
    """Return the answer to EHLO, or to HELO where there are no keywords."""
    first = f"{host} says EHLO to {peer}" if keywords else host
    lines = (first, *keywords)
    wire = "".join(f"250{'-' if number < len(lines) else ' '}{line}\r\n" for number, line in enumerate(lines, 1))
    return Reply(250, wire.encode(), _NONE, Reason.OK)


def chunk_taken(octets: int) -> Reply:
    """Return the answer to a BDAT that is not the last."""
    return _ok(250, "2.0.0", f"{octets} octets received")


def no_room(reason: str) -> Reply:
    """Return the answer when nothing new is taken (disk low, no shard); the reason is in words for strangers."""
    return reply(452, "4.3.1", f"{printable(reason)}; try again later", Reason.OVERLOAD, _SERVER)


def trouble(error: BaseException) -> Reply:
    """Word an exception of accept: the message is not ours, and may be tried again. Never a 5yz: nothing is judged."""
    match error:
        case Overloaded():
            return OVERLOADED
        case StoreUnavailable() | LeaseLost():
            return STORE_UNAVAILABLE
        case TimeoutError():
            return ANSWER_TIMEOUT
        case _:
            return LOCAL_ERROR
