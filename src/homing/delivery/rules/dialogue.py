"""The client's half of SMTP without sockets: reply bytes in, commands out (RFC 5321, RFC 2920).

`ReplyReader` makes replies of bytes however they are cut; `capabilities` reads the answer to EHLO; `Transaction` is one
message from MAIL to the answer to its final dot, pipelined or step by step, with every way in which that can go wrong.
"""

from enum import IntEnum

import msgspec

from homing.delivery.types import Reply, Stage, Trouble
from homing.ground.errors import Misuse

MAX_LINE_BYTES = 2048  # RFC 5321 section 4.5.3.1.5 allows 512; real servers write more
MAX_LINES = 100
MAX_TEXT = 4096  # characters kept of one reply; the rest of a chatty peer is read and forgotten
SERVICE_CLOSING = 421
START_MAIL_INPUT = 354


class ReplyReader:
    """Cuts a stream of bytes into replies. Any chunking of the same bytes gives the same replies.

    A multi-line reply whose lines disagree counts by its last code (RFC 5321 section 4.2.1 leaves it open). A bare LF
    ends a line as CRLF does. Anything else that is no reply breaks the reader for good.

    broken   what was wrong, '' while all is well; replies before that point are still returned
    """

    __slots__ = ("_kept", "_lines", "_pending", "_texts", "broken")

    def __init__(self) -> None:
        self._pending = b""
        self._texts: list[str] = []
        self._lines = 0
        self._kept = 0
        self.broken = ""

    @property
    def midway(self) -> bool:
        """Return whether a reply has begun and not ended."""
        return bool(self._pending or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """Take the next bytes and return the replies that they complete."""
        if self.broken:
            return []
        if self._pending:
            data = self._pending + data
        replies: list[Reply] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            line = data[start:end]
            start = end + 1
            if len(line) > MAX_LINE_BYTES:
                return self._break("a line is too long", replies)
            if line[-1:] == b"\r":
                line = line[:-1]
            mark = line[3:4]
            if len(line) < 3 or not line[:3].isdigit() or not 50 <= line[0] <= 53 or mark not in (b" ", b"-", b""):
                return self._break(f"not a reply: {clean(line[:80])!r}", replies)
            self._keep(line[4:])
            if mark == b"-":
                if self._lines >= MAX_LINES:
                    return self._break("a reply has too many lines", replies)
                continue
            replies.append(Reply(int(line[:3]), tuple(self._texts)))
            self._texts = []
            self._lines = self._kept = 0
        self._pending = data[start:] if start else data
        if len(self._pending) > MAX_LINE_BYTES:
            return self._break("a line is too long", replies)
        return replies

    def _keep(self, line: bytes) -> None:
        self._lines += 1
        if self._kept < MAX_TEXT:
            text = clean(line)[: MAX_TEXT - self._kept]
            self._kept += len(text)
            self._texts.append(text)

    def _break(self, why: str, replies: list[Reply]) -> list[Reply]:
        self.broken = why
        self._pending = b""
        self._texts = []
        return replies


def clean(line: bytes) -> str:
    """Return a peer's bytes as text that is safe to store and show: no control, format or line-breaking characters."""
    text = line.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else "" for char in text)


class Capabilities(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a peer offers in its answer to EHLO; the defaults are what HELO gives.

    size   largest message in bytes (RFC 1870); 0: no limit known
    """

    pipelining: bool = False
    eight_bit_mime: bool = False
    smtputf8: bool = False
    starttls: bool = False
    chunking: bool = False
    enhanced_status_codes: bool = False
    size: int = 0


def capabilities(reply: Reply) -> Capabilities:
    """Read the answer to EHLO. Its first line is the greeting; keywords count in any case (RFC 5321 section 4.1.1.1)."""
    words: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, rest = line.strip().partition(" ")
        words[keyword.upper()] = rest.strip()
    size = words.get("SIZE", "")
    return Capabilities(
        pipelining="PIPELINING" in words,
        eight_bit_mime="8BITMIME" in words,
        smtputf8="SMTPUTF8" in words,
        starttls="STARTTLS" in words,
        chunking="CHUNKING" in words,
        enhanced_status_codes="ENHANCEDSTATUSCODES" in words,
        size=int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0,
    )


def wants_helo(reply: Reply) -> bool:
    """Tell whether a refused EHLO is worth a HELO. 521 and 554 say that the host takes no mail at all (RFC 7504)."""
    return 500 <= reply.code < 600 and reply.code not in (521, 554)


def envelope(mail_from: str, rcpt: str, *, size: int, utf8: bool, eight_bit: bool, offered: Capabilities) -> tuple[bytes, bytes]:
    """Return the MAIL and RCPT commands; parameters only where the peer offered them.

    mail_from   without angle brackets; '' is the null sender
    size        bytes of the message
    utf8        the message needs SMTPUTF8 (RFC 6531); the caller has checked that it is offered
    raises      Misuse for an address that would break the command line
    """
    for address in (mail_from, rcpt):
        if not address.isprintable() or "<" in address or ">" in address:
            raise Misuse("an envelope address cannot hold control characters or angle brackets")
    mail = f"MAIL FROM:<{mail_from}>"
    if offered.size:
        mail += f" SIZE={size}"
    if eight_bit and offered.eight_bit_mime:
        mail += " BODY=8BITMIME"
    if utf8 and offered.smtputf8:
        mail += " SMTPUTF8"
    return f"{mail}\r\n".encode(), f"RCPT TO:<{rcpt}>\r\n".encode()


def stuffed(message: bytes) -> bytes:
    """Return a message as DATA carries it: leading dots doubled, ended by a lone dot (RFC 5321 section 4.5.2).

    message   with CRLF line ends; a missing last one is added
    """
    if b"\r\n." in message:
        message = message.replace(b"\r\n.", b"\r\n..")
    first = b"." if message.startswith(b".") else b""
    return b"".join((first, message, b".\r\n" if message.endswith(b"\r\n") or not message else b"\r\n.\r\n"))


class _Step(IntEnum):
    RESET = 0
    MAIL = 1
    RCPT = 2
    DATA = 3
    BODY = 4  # the message is on its way; the answer to its final dot is awaited
    LONE_DOT = 5  # an empty message ends a DATA that should not have been granted


_STAGES = (Stage.MAIL, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_DATA, Stage.DATA)


class Transaction:
    """One message to one recipient. Write `opening()`, then what each `take` returns, until `finished`.

    The first refusal is the result, and what follows it only keeps the session in step. With PIPELINING all three
    envelope commands leave at once, so DATA can be granted although the recipient was refused; RFC 2920 section 3.1
    then asks for an empty message, which the peer must refuse for want of recipients. Where the peer took the
    recipient but not the sender, even that could be delivered, so the session is closed instead.

    stage, reply, trouble, note   the result, once finished
    body_sent     the final dot was handed out for writing
    close         the session cannot be used any further
    needs_reset   RSET must come before the next MAIL
    """

    __slots__ = (
        "_body",
        "_mail",
        "_pipelining",
        "_rcpt",
        "_rcpt_taken",
        "_reset",
        "_step",
        "body_sent",
        "close",
        "finished",
        "needs_reset",
        "note",
        "reply",
        "stage",
        "trouble",
    )

    def __init__(self, *, mail: bytes, rcpt: bytes, body: bytes, pipelining: bool, reset: bool = False) -> None:
        self._mail = mail
        self._rcpt = rcpt
        self._body = body
        self._pipelining = pipelining
        self._reset = reset
        self._step = _Step.RESET if reset else _Step.MAIL
        self._rcpt_taken = False
        self.stage = Stage.MAIL
        self.reply: Reply | None = None
        self.trouble: Trouble | None = None
        self.note = ""
        self.body_sent = False
        self.close = False
        self.finished = False
        self.needs_reset = False

    @property
    def awaits_final_answer(self) -> bool:
        """Return whether the next reply answers the message itself."""
        return self._step is _Step.BODY and not self.finished

    def opening(self) -> bytes:
        """Return what to write first."""
        if self._pipelining:
            return b"".join((b"RSET\r\n" if self._reset else b"", self._mail, self._rcpt, b"DATA\r\n"))
        return b"RSET\r\n" if self._reset else self._mail

    def take(self, reply: Reply) -> bytes:
        """Take the next reply and return what to write; b'' while nothing is due."""
        code = reply.code
        step = self._step
        if code == SERVICE_CLOSING:
            self._refuse(reply)
            return self._end(close=True)
        if step is _Step.BODY:
            if code < 300 or code >= 400:
                self.stage, self.reply = Stage.END_OF_DATA, reply
                return self._end()
            return self.violate(f"{code} is no answer to a message")
        if step is _Step.RCPT:
            return self._after_rcpt(reply)
        if step is _Step.MAIL:
            return self._after_mail(reply)
        if step is _Step.DATA:
            return self._after_data(reply)
        if step is _Step.LONE_DOT:
            return self._end()  # whatever it says, the result is the refusal that came before
        if 200 <= code < 300:
            self._step = _Step.MAIL
            return b"" if self._pipelining else self._mail
        return self.violate(f"RSET was refused: {reply.text[:200]}")

    def take_early(self, reply: Reply) -> bytes:
        """Take an answer to the message that came before the message had left. A refusal counts; a consent cannot."""
        if 400 <= reply.code < 600:
            self.take(reply)
            self.close = True
            return b""
        return self.violate(f"{reply.code} before the message was sent")

    def violate(self, note: str) -> bytes:
        """End because the peer does not speak SMTP."""
        return self.lose(Trouble.NOT_SMTP, note)

    def lose(self, trouble: Trouble, note: str = "") -> bytes:
        """End without a reply (dropped, timeout). A refusal that came before remains the result."""
        if self.reply is None:
            self.stage, self.trouble, self.note = _STAGES[self._step], trouble, note
        return self._end(close=True)

    def _after_mail(self, reply: Reply) -> bytes:
        taken = 200 <= reply.code < 300
        if not taken:
            if reply.code < 400:
                return self.violate(f"{reply.code} is no answer to MAIL")
            self._refuse(reply)
            if not self._pipelining:
                return self._end()
        self._step = _Step.RCPT
        return b"" if self._pipelining else self._rcpt

    def _after_rcpt(self, reply: Reply) -> bytes:
        self._rcpt_taken = 200 <= reply.code < 300
        if not self._rcpt_taken:
            if reply.code < 400:
                return self.violate(f"{reply.code} is no answer to RCPT")
            self._refuse(reply)
            if not self._pipelining:
                return self._end()
        self._step = _Step.DATA
        return b"" if self._pipelining else b"DATA\r\n"

    def _after_data(self, reply: Reply) -> bytes:
        if reply.code == START_MAIL_INPUT:
            if self.reply is None:
                self._step = _Step.BODY
                self.body_sent = True
                return self._body
            if self._rcpt_taken:
                return self._end(close=True)
            self._step = _Step.LONE_DOT
            return b".\r\n"
        if reply.code < 400:
            return self.violate(f"{reply.code} is no answer to DATA")
        self._refuse(reply)
        return self._end()

    def _refuse(self, reply: Reply) -> None:
        if self.reply is None:
            self.stage, self.reply = _STAGES[self._step], reply

    def _end(self, *, close: bool = False) -> bytes:
        self.finished = True
        self.close = self.close or close
        self.needs_reset = self._step < _Step.BODY
        self._body = b""
        return b""
