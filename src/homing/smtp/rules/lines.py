"""Command lines: cut out of the buffer at CRLF, and nowhere else (RFC 5321 section 2.3.8)."""

from homing.smtp import replies
from homing.smtp.replies import Reply

COMMAND_OCTETS = 2048  # RFC 5321 section 4.5.3.1.4 asks for 512; SMTPUTF8, SIZE and AUTH parameters need more
AUTH_OCTETS = 12_288  # RFC 4954 section 4.3


class LineReader:
    """Takes one line after another; remembers only whether it is inside one that is too long already."""

    __slots__ = ("_skipping",)

    def __init__(self) -> None:
        self._skipping = False

    def take(self, buffer: bytearray, *, in_auth: bool) -> bytes | Reply | None:
        """Return the next line without its end, the reply that refuses it, or None while it is not complete.

        in_auth   the line answers a 334, so it may be longer
        """
        end = buffer.find(b"\n")
        if end < 0:
            if self._skipping or len(buffer) > AUTH_OCTETS:
                self._skipping = True
                del buffer[:-1]  # the last octet may be the CR of the line's end
            return None
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        skipped, self._skipping = self._skipping, False
        if not line.endswith(b"\r"):
            return replies.BARE_LINE_END
        if skipped or (len(line) >= COMMAND_OCTETS and _too_long(line, in_auth)):
            return replies.AUTH_LINE_TOO_LONG if in_auth else replies.LINE_TOO_LONG
        line = line[:-1]
        if b"\r" in line:
            return replies.BARE_LINE_END
        return replies.NOT_TEXT if b"\0" in line else line


def _too_long(line: bytes, in_auth: bool) -> bool:
    return len(line) >= (AUTH_OCTETS if in_auth or line[:5].upper() == b"AUTH " else COMMAND_OCTETS)
