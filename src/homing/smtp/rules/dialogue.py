"""The SMTP server's side of a conversation, without a socket: bytes in, replies and requests out (RFC 5321).

`feed` answers whatever is complete in the bytes so far. Where an answer needs the world (a key or a recipient to look up,
a TLS handshake, a message to store) the last action asks for it and the session waits; what the client pipelined behind
it stays in the buffer until `auth_answered`, `recipient_answered`, `tls_started` or `mail_answered` goes on. Any chunking
of the bytes gives the same replies, with two exceptions that are meant: octets that came in the clear behind STARTTLS are
thrown away (RFC 3207 section 4.2), and the worker's memory bound is met when it is met.

Lines end in CRLF. A bare LF or CR in a command ends the conversation, in a message it refuses the message after its true
end: never is a part of a message read as a command, nor two messages read from one (SMTP smuggling).
"""

import re
from collections.abc import Callable
from typing import cast

from homing.accounts.types import Sender
from homing.evidence.badges import key_badge
from homing.evidence.types import nobodys
from homing.ground.secrets import hash_api_key
from homing.smtp import replies
from homing.smtp.replies import Reason, Reply
from homing.smtp.rules import sasl
from homing.smtp.rules.collect import Budget, Collector
from homing.smtp.rules.envelope import Envelope
from homing.smtp.rules.lines import LineReader
from homing.smtp.rules.tried import Tried
from homing.smtp.types import CLOSE, START_TLS, Accept, Action, Authenticate, CheckRecipient, Mail, Mailbox, Offer, Peer, StartTls

GRANT = "smtp/inject"
_CHUNK_SIZE = re.compile(rb"([0-9]{1,20})( +(?i:LAST))?\Z")
_MISTAKES = frozenset({Reason.SYNTAX, Reason.ORDER, Reason.AUTH})
_COMMAND, _DATA, _CHUNK, _WAITING, _CLOSED = range(5)


class Session:
    """One connection's conversation.

    refuse_new   asked before a message begins: a reason in words for strangers (disk low, no shard), or None
    trusted      whom the peer's network may inject for without AUTH, or None
    tried        what is attempted here, for the evidence; None: nobody counts it
    """

    __slots__ = (
        "_asked_about",
        "_auth_failures",
        "_bad",
        "_buffer",
        "_chunk_failed",
        "_chunk_last",
        "_collector",
        "_envelope",
        "_exchange",
        "_extended",
        "_helo",
        "_idle",
        "_lines",
        "_messages",
        "_offer",
        "_peer",
        "_phase",
        "_refuse_new",
        "_tls",
        "_tried",
        "_trusted",
        "sender",
    )

    def __init__(
        self,
        offer: Offer,
        *,
        peer: Peer,
        budget: Budget,
        refuse_new: Callable[[], str | None],
        trusted: Sender | None = None,
        tried: Tried | None = None,
    ) -> None:
        self._offer = offer
        self._tried = tried or Tried(nobodys, lambda: 0)
        if trusted is not None:
            self._tried.known(trusted.account_id)
        self._peer = peer
        self._refuse_new = refuse_new
        self._trusted = trusted
        self.sender = trusted  # who injects: authenticated, trusted or nobody
        self._buffer = bytearray()
        self._lines = LineReader()
        self._exchange = sasl.Exchange()
        self._envelope = Envelope(max_recipients=offer.max_recipients)
        self._collector = Collector(offer.max_message_bytes, budget)
        self._phase = _COMMAND
        self._tls = False
        self._helo, self._extended = "", False
        self._messages = self._auth_failures = self._bad = self._idle = 0
        self._chunk_last = self._chunk_failed = False
        self._asked_about = Mailbox("", "")

    # ── for the shell ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def is_waiting(self) -> bool:
        """Return whether an answer of the shell is owed; fed bytes are only kept meanwhile."""
        return self._phase == _WAITING

    @property
    def is_receiving(self) -> bool:
        """Return whether a message's octets are on their way."""
        return self._phase in (_DATA, _CHUNK)

    @property
    def is_closed(self) -> bool:
        """Return whether the conversation has ended."""
        return self._phase == _CLOSED

    @property
    def unread(self) -> int:
        """Return how many octets wait in the buffer."""
        return len(self._buffer)

    def greet(self) -> list[Action]:
        """Return the 220."""
        return [replies.greeting(self._offer.hostname)]

    def feed(self, data: bytes) -> list[Action]:
        """Take octets from the client and return what to do, in order; a request to the shell or Close comes last."""
        if self._phase == _CLOSED:
            return []
        self._buffer += data
        return [] if self._phase == _WAITING else self._advance([])

    def close(self, last: Reply | None = None) -> None:
        """Forget everything: the connection is gone. Gives the memory of an unfinished message back.

        last   what we said last if it was us who ended it; None: the client has left
        """
        if self._phase != _CLOSED:
            self._tried.over(last)
        self._phase = _CLOSED
        self._buffer = bytearray()
        self._collector.reset()

    # ── answers of the shell ────────────────────────────────────────────────────────────────────────────────────────

    def tls_started(self) -> None:
        """The handshake is done: forget all that was said in the clear (RFC 3207 section 4.2)."""
        self._buffer.clear()
        self._tls = True
        self._helo, self._extended = "", False
        self.sender = self._trusted
        self._begin_anew()
        self._phase = _COMMAND

    def auth_answered(self, answer: Sender | Reply | None, credentials: sasl.Credentials) -> list[Action]:
        """Go on with what the key look-up gave: a sender, nobody, or a reply for passing trouble."""
        if self._phase == _CLOSED:
            return []
        self._phase = _COMMAND
        if isinstance(answer, Reply):
            self._tried.stranded(key_badge(hash_api_key(credentials.key)), answer)
            return self._advance([answer])
        sender = answer
        if sender is None or not may_inject(sender, credentials.subaccount):
            out: list[Action] = []
            self._auth_failed(out)
            return self._advance(out)
        self.sender = sender
        self._tried.known(sender.account_id)
        return self._advance([replies.AUTHED])

    def recipient_answered(self, reply: Reply) -> list[Action]:
        """Go on after a recipient was looked up; RCPT_OK takes it."""
        if self._phase == _CLOSED:
            return []
        self._phase = _COMMAND
        out: list[Action] = []
        if reply is replies.RCPT_OK:
            self._envelope.recipients.append(self._asked_about)
        self._judge(reply, out)
        return self._advance(out)

    def mail_answered(self, reply: Reply) -> list[Action]:
        """Go on after a message was stored or refused; reply is what its end of data is answered with."""
        self._collector.reset()
        if self._phase == _CLOSED:
            return []
        self._phase = _COMMAND
        self._tried.answered(reply)
        if not reply.is_refusal:
            self._messages += 1
            self._bad = self._idle = 0
        return self._advance([reply])

    # ── lines and message octets ────────────────────────────────────────────────────────────────────────────────────

    def _advance(self, out: list[Action]) -> list[Action]:
        buffer = self._buffer
        while buffer:
            if self._phase == _COMMAND:
                line = self._lines.take(buffer, in_auth=self._exchange.is_open)
                if line is None:
                    break
                self._line(line, out)
            elif self._phase == _DATA:
                if not self._collector.take_data(buffer):
                    break
                self._end_of_message(out)
            elif self._phase == _CHUNK:
                if not self._collector.take_chunk(buffer):
                    break
                self._end_of_chunk(out)
            else:
                break
        return out

    def _line(self, line: bytes | Reply, out: list[Action]) -> None:
        if isinstance(line, Reply):
            self._exchange.is_open = False
            if line is replies.BARE_LINE_END:
                self._hang_up(line, out)
            else:
                self._judge(line, out)
        elif self._exchange.is_open:
            self._authenticate(self._exchange.take(line), out)
        else:
            verb, _, argument = line.partition(b" ")
            verb = verb.upper()
            handler = _HANDLERS.get(verb)
            if handler is not None:
                handler(self, argument.strip(b" "), out)
            elif verb in _HTTP:
                self._hang_up(replies.NOT_SMTP, out)  # a browser tricked into talking to us
            else:
                self._judge(replies.UNKNOWN_COMMAND, out)

    def _judge(self, reply: Reply, out: list[Action]) -> None:
        """Send a reply; a mistake counts, and one too many ends the conversation."""
        if reply.reason in _MISTAKES:
            self._bad += 1
            if self._bad > self._offer.max_bad_commands:
                self._hang_up(replies.TOO_MANY_ERRORS, out)
                return
        self._tried.heard(reply)
        out.append(reply)

    def _idled(self, reply: Reply, out: list[Action]) -> None:
        """Answer a command that brings no message nearer, unless there were too many of them."""
        self._idle += 1
        if self._idle > self._offer.max_idle_commands:
            self._hang_up(replies.TOO_MANY_ERRORS, out)
        else:
            out.append(reply)

    def _hang_up(self, reply: Reply, out: list[Action]) -> None:
        out += (reply, CLOSE)
        self.close(reply)

    def _ask(self, request: StartTls | Authenticate | CheckRecipient | Accept, out: list[Action]) -> None:
        self._phase = _WAITING
        out.append(request)

    # ── greetings and small talk ────────────────────────────────────────────────────────────────────────────────────

    def _hello(self, argument: bytes, out: list[Action], *, extended: bool) -> None:
        name = argument.decode("utf-8", "replace")
        if not name or " " in name or len(name) > 255 or not name.isprintable():
            self._judge(replies.HELO_SYNTAX, out)
            return
        self._helo, self._extended = name, extended
        self._begin_anew()
        self._idled(replies.hello(self._offer.hostname, str(self._peer), self._keywords() if extended else ()), out)

    def _keywords(self) -> tuple[str, ...]:
        offer = self._offer
        words = ["PIPELINING", "8BITMIME", "SMTPUTF8", f"SIZE {offer.max_message_bytes}", "CHUNKING", "ENHANCEDSTATUSCODES"]
        if offer.has_tls and not self._tls:
            words.append("STARTTLS")
        if self._may_auth:
            words.append("AUTH PLAIN LOGIN")
        return tuple(words)

    @property
    def _may_auth(self) -> bool:
        """Keys travel under TLS, or inside this machine, unless the operator says otherwise. A public door wants none."""
        offer = self._offer
        return not offer.is_public and (self._tls or self._peer.is_loopback or offer.auth_in_clear)

    @property
    def _may_send(self) -> bool:
        return self.sender is not None or self._offer.is_public

    def _ehlo(self, argument: bytes, out: list[Action]) -> None:
        self._hello(argument, out, extended=True)

    def _helo_command(self, argument: bytes, out: list[Action]) -> None:
        self._hello(argument, out, extended=False)

    def _noop(self, argument: bytes, out: list[Action]) -> None:
        self._idled(replies.NOOP_OK, out)

    def _help(self, argument: bytes, out: list[Action]) -> None:
        self._idled(replies.HELP, out)

    def _vrfy(self, argument: bytes, out: list[Action]) -> None:
        self._idled(replies.VRFY_OK, out)

    def _rset(self, argument: bytes, out: list[Action]) -> None:
        if argument:
            self._judge(replies.NO_ARGUMENT, out)
            return
        self._begin_anew()
        self._idled(replies.RESET_OK, out)

    def _quit(self, argument: bytes, out: list[Action]) -> None:
        if argument:
            self._judge(replies.NO_ARGUMENT, out)
        else:
            self._hang_up(replies.goodbye(self._offer.hostname), out)

    def _not_implemented(self, argument: bytes, out: list[Action]) -> None:
        self._judge(replies.NOT_IMPLEMENTED, out)

    def _starttls(self, argument: bytes, out: list[Action]) -> None:
        if argument:
            self._judge(replies.NO_ARGUMENT, out)
        elif self._tls:
            self._judge(replies.TLS_ALREADY, out)
        elif not self._offer.has_tls:
            self._judge(replies.NOT_IMPLEMENTED, out)
        elif not self._helo:
            self._judge(replies.EHLO_FIRST, out)
        else:
            self._buffer.clear()  # whatever stands behind it was not said under TLS
            out.append(replies.START_TLS)
            self._ask(START_TLS, out)

    # ── AUTH (RFC 4954) ─────────────────────────────────────────────────────────────────────────────────────────────

    def _auth(self, argument: bytes, out: list[Action]) -> None:
        if not self._helo:
            self._judge(replies.EHLO_FIRST, out)
        elif self._envelope.has_sender:
            self._judge(replies.IN_TRANSACTION, out)
        elif self.sender is not self._trusted:
            self._judge(replies.AUTH_ALREADY, out)
        elif self._offer.is_public:
            self._judge(replies.NOT_IMPLEMENTED, out)
        elif not self._may_auth:
            self._judge(replies.AUTH_NEEDS_TLS, out)
        else:
            self._authenticate(self._exchange.begin(argument), out)

    def _authenticate(self, step: Reply | sasl.Credentials | None, out: list[Action]) -> None:
        if step is None:
            self._auth_failed(out)
        elif isinstance(step, Reply):
            self._judge(step, out)
        else:
            self._ask(Authenticate(step), out)

    def _auth_failed(self, out: list[Action]) -> None:
        self._auth_failures += 1
        if self._auth_failures >= self._offer.max_auth_failures:
            self._hang_up(replies.TOO_MANY_AUTH_FAILURES, out)
        else:
            out.append(replies.AUTH_REFUSED)

    # ── the envelope ────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin_anew(self) -> None:
        self._tried.left()
        self._envelope.clear()
        self._collector.reset()
        self._chunk_failed = False

    def _mail(self, argument: bytes, out: list[Action]) -> None:
        self._begin_transaction(argument, out)
        if self._phase != _CLOSED:
            self._tried.mail(cast(Reply, out[-1]))

    def _begin_transaction(self, argument: bytes, out: list[Action]) -> None:
        offer = self._offer
        if not self._helo:
            self._judge(replies.EHLO_FIRST, out)
        elif self._envelope.has_sender:
            self._judge(replies.NESTED_MAIL, out)
        elif not self._may_send:
            self._judge(replies.AUTH_REQUIRED if self._may_auth or not offer.has_tls else replies.TLS_REQUIRED, out)
        elif 0 < offer.max_messages <= self._messages:
            self._hang_up(replies.TOO_MANY_MESSAGES, out)
        elif (why := self._refuse_new()) is not None:
            out.append(replies.no_room(why))
        else:
            self._judge(self._envelope.take_sender(argument, max_message_bytes=offer.max_message_bytes), out)

    def _rcpt(self, argument: bytes, out: list[Action]) -> None:
        if not self._may_send:
            self._judge(replies.RELAYING_DENIED, out)
        elif not self._envelope.has_sender:
            self._judge(replies.MAIL_FIRST, out)
        else:
            found = self._envelope.read_recipient(argument)
            if isinstance(found, Reply):
                self._judge(found, out)
            elif self._offer.is_public:
                self._asked_about = found
                self._ask(CheckRecipient(found), out)
            else:
                self._envelope.recipients.append(found)
                out.append(replies.RCPT_OK)

    # ── the message ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _data(self, argument: bytes, out: list[Action]) -> None:
        if argument:
            self._judge(replies.NO_ARGUMENT, out)
        elif not self._envelope.has_sender:
            self._judge(replies.MAIL_FIRST, out)
        elif self._collector.has_chunks or self._chunk_failed:
            self._judge(replies.DATA_AFTER_BDAT, out)
        elif not self._envelope.recipients:
            self._judge(replies.NO_RECIPIENTS, out)
        elif (why := self._refuse_new()) is not None:
            self._judge(replies.no_room(why), out)
        elif not self._collector.begin_data():
            self._judge(replies.OVERLOADED, out)
        else:
            self._phase = _DATA
            out.append(replies.START_MAIL)

    def _bdat(self, argument: bytes, out: list[Action]) -> None:
        """Take one chunk (RFC 3030). Its octets follow whatever we answer, so those of a refused one are dropped."""
        found = _CHUNK_SIZE.match(argument)
        if found is None:
            self._hang_up(replies.BDAT_SYNTAX, out)
            return
        self._chunk_last = found[2] is not None
        refusal: Reply | None = None
        if not self._envelope.has_sender:
            refusal = replies.MAIL_FIRST
        elif self._chunk_failed:
            refusal = replies.BDAT_FAILED
        elif not self._envelope.recipients:
            refusal = replies.NO_RECIPIENTS
        elif not self._collector.has_chunks and (why := self._refuse_new()) is not None:
            refusal = replies.no_room(why)
        self._collector.begin_chunk(int(found[1]), refusal)
        self._phase = _CHUNK
        if self._collector.take_chunk(self._buffer):
            self._end_of_chunk(out)

    def _end_of_chunk(self, out: list[Action]) -> None:
        self._phase = _COMMAND
        refusal = self._collector.refusal
        if refusal is not None:
            self._chunk_failed = self._envelope.has_sender
            if self._chunk_last:
                self._tried.answered(refusal)
                self._begin_anew()
            self._judge(refusal, out)
        elif self._chunk_last:
            self._end_of_message(out)
        else:
            out.append(replies.chunk_taken(self._collector.octets))

    def _end_of_message(self, out: list[Action]) -> None:
        body, sender, envelope = self._collector.finish(), self.sender, self._envelope
        if isinstance(body, Reply) or not self._may_send:
            self._phase = _COMMAND
            refusal = body if isinstance(body, Reply) else replies.AUTH_REQUIRED
            self._tried.answered(refusal)
            out.append(refusal)
            self._begin_anew()
            return
        mail = Mail(
            sender=sender,
            reverse_path=envelope.reverse_path,
            recipients=envelope.recipients,
            body=body,
            helo=self._helo,
            protocol=self._protocol(),
            number=self._messages + 1,
        )
        envelope.clear()  # what stands behind the message belongs to the next one; the octets stay counted until the answer
        self._ask(Accept(mail), out)

    def _protocol(self) -> str:
        """Return the word after `with`: RFC 3848, and RFC 6531 section 4.3."""
        if not self._extended:
            return "SMTP"
        name = "UTF8SMTP" if self._envelope.parameters.utf8 else "ESMTP"
        return f"{name}{'S' if self._tls else ''}{'A' if self.sender is not self._trusted else ''}"


def may_inject(sender: Sender, subaccount: int | None) -> bool:
    """Return whether a key may inject for the subaccount that the user name asked for (None: for its own).

    source   SparkPost reference, sections 1.4 and 2.31.1: only a primary key may act as a subaccount
    """
    return sender.may(GRANT) and not sender.suspended and subaccount in (None, sender.subaccount_id)


_HANDLERS: dict[bytes, Callable[[Session, bytes, list[Action]], None]] = {
    b"EHLO": Session._ehlo,
    b"HELO": Session._helo_command,
    b"MAIL": Session._mail,
    b"RCPT": Session._rcpt,
    b"DATA": Session._data,
    b"BDAT": Session._bdat,
    b"RSET": Session._rset,
    b"NOOP": Session._noop,
    b"QUIT": Session._quit,
    b"HELP": Session._help,
    b"VRFY": Session._vrfy,
    b"AUTH": Session._auth,
    b"STARTTLS": Session._starttls,
    b"EXPN": Session._not_implemented,
    b"ETRN": Session._not_implemented,
    b"TURN": Session._not_implemented,
    b"ATRN": Session._not_implemented,
    b"SEND": Session._not_implemented,
    b"SOML": Session._not_implemented,
    b"SAML": Session._not_implemented,
}
_HTTP = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH", b"PRI"})
