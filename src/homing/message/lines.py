"""Line ends and line lengths of a message."""

import re

MAX_LINE = 998  # octets without CRLF, RFC 5322 section 2.1.1

_ANY_END = re.compile(rb"\r\n|\r|\n")


def normalise_line_ends(data: bytes) -> bytes:
    """Return the data with every CRLF, lone CR and lone LF as CRLF; what is right already is returned as it is."""
    ends = data.count(b"\r\n")
    if data.count(b"\n") == ends and data.count(b"\r") == ends:
        return data
    return _ANY_END.sub(b"\r\n", data)


def has_long_line(data: bytes, limit: int = MAX_LINE) -> bool:
    """Return whether a line is longer than `limit` octets without its CRLF. Jumps from line end to line end."""
    place, end = 0, len(data)
    while end - place > limit:
        line_end = data.rfind(b"\n", place, place + limit + 2)
        if line_end < 0:
            # The last line may lack its CRLF, so only what is over the limit by itself counts.
            return True
        place = line_end + 1
    return False
