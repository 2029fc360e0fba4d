"""A message's octets: where DATA ends, how long a chunk is, and whether what came can be a message.

Only CRLF.CRLF ends DATA. What is wrong with the octets is found after the end, so that the rest of a bad message is
never read as commands. All scans run in C over the whole buffer, none goes line by line.
"""

from homing.message.lines import has_long_line
from homing.smtp import replies
from homing.smtp.replies import Reply

_END = b"\r\n.\r\n"
_LINE_OCTETS = 65_536  # RFC 5321 section 4.5.3.1.6 asks senders for 1,000; real HTML has longer ones, delivery wraps them


class Budget:
    """Memory that all unfinished messages of one worker share.

    held   octets held now
    most   octets beyond which a growing message is refused with 452 (and read to its end without keeping it)
    """

    __slots__ = ("held", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0


class Collector:
    """Collects the octets of one message at a time, from DATA or from BDAT chunks."""

    __slots__ = ("_at_start", "_budget", "_chunks", "_held", "_left", "_limit", "_scanned", "has_chunks", "octets", "refusal")

    def __init__(self, limit: int, budget: Budget) -> None:
        self._limit = limit
        self._budget = budget
        self._held = 0
        self._chunks = bytearray()
        self.reset()

    def reset(self) -> None:
        """Forget the message and give its memory back."""
        if self._held:
            self._hold(0)
        if self._chunks:
            self._chunks = bytearray()
        self.has_chunks = False
        self.refusal: Reply | None = None  # what the message or chunk will be answered with, once all of it came
        self.octets = 0  # of the current chunk
        self._left = 0
        self._scanned = 0
        self._at_start = False

    def _hold(self, octets: int) -> bool:
        """Say how much is held now; False where the worker holds too much with it."""
        self._budget.held += octets - self._held
        self._held = octets
        return self._budget.held <= self._budget.most

    # ── DATA ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin_data(self) -> bool:
        """Expect a message; False where the worker's memory is full already."""
        self._scanned = 0
        self._at_start = True
        return self._budget.held <= self._budget.most

    def take_data(self, buffer: bytearray) -> bool:
        """Look for the end in the connection's buffer; True once the message is complete and cut out of it."""
        if self._at_start:
            if len(buffer) < 3 and b".\r\n".startswith(buffer):
                return False  # an empty message, or only its first line
            self._at_start = False
            if buffer.startswith(b".\r\n"):
                del buffer[:3]
                return True
        end = buffer.find(_END, self._scanned)
        size = len(buffer)
        if end >= 0:
            if self.refusal is None:
                if end + 2 > self._limit:
                    self.refusal = replies.TOO_LARGE
                else:
                    self._chunks = buffer[: end + 2]
                    self._hold(end + 2)
            del buffer[: end + 5]
            return True
        if self.refusal is None:
            if size > self._limit + 4:  # the end, when it comes, is beyond the limit
                self.refusal = replies.TOO_LARGE
            elif not self._hold(size):
                self.refusal = replies.OVERLOADED
        if self.refusal is None:
            self._scanned = max(0, size - 4)
        else:
            del buffer[:-4]
            self._scanned = 0
            self._hold(0)
        return False

    # ── BDAT ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin_chunk(self, octets: int, refusal: Reply | None) -> None:
        """Expect a chunk; with a refusal, or too large, it is read and dropped."""
        self.octets = self._left = octets
        if refusal is None and len(self._chunks) + octets > self._limit:
            refusal = replies.TOO_LARGE
        self.refusal = refusal
        self.has_chunks = self.has_chunks or refusal is None

    def take_chunk(self, buffer: bytearray) -> bool:
        """Take what the buffer holds of the chunk; True once all of it was there."""
        taken = min(self._left, len(buffer))
        if taken:
            if self.refusal is None:
                self._chunks += buffer if taken == len(buffer) else buffer[:taken]
                if not self._hold(len(self._chunks)):
                    self.refusal = replies.OVERLOADED
            del buffer[:taken]
            self._left -= taken
        if self.refusal is not None and self._chunks:
            self._chunks = bytearray()
            self._hold(0)
        return self._left == 0

    # ── the whole ───────────────────────────────────────────────────────────────────────────────────────────────────

    def finish(self) -> bytes | Reply:
        """Return the message with dots unstuffed, or the reply that refuses it. Its memory stays held until `reset`."""
        body, self._chunks = bytes(self._chunks), bytearray()
        refusal = self.refusal or check(body)
        if refusal is not None:
            return refusal
        if not self.has_chunks:
            body = unstuff(body)
        return body if body.endswith(b"\r\n") or not body else body + b"\r\n"


def unstuff(body: bytes) -> bytes:
    """Return a DATA body without the dots that transparency added (RFC 5321 section 4.5.2)."""
    if body.startswith(b"."):
        body = body[1:]
    return body.replace(b"\r\n.", b"\r\n") if b"\r\n." in body else body


def check(body: bytes) -> Reply | None:
    """Return why these octets are no message that could be passed on; None where they are.

    source   RFC 5321 sections 2.3.8 and 4.1.1.4: CR and LF only together; BINARYMIME is not offered
    """
    pairs = body.count(b"\r\n")
    if body.count(b"\n") != pairs or body.count(b"\r") != pairs:
        return replies.BARE_IN_DATA
    if b"\0" in body:
        return replies.NUL_IN_DATA
    return replies.LONG_LINE if has_long_line(body, _LINE_OCTETS) else None
