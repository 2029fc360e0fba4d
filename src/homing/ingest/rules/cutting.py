"""A batch is cut into shares while it is unpacked, so that nobody ever holds more of it than a share."""

import zlib
from collections.abc import Iterator

from homing.ingest.types import Cut

MOST_PACKED = 5 * 1024 * 1024  # bytes of a body (SparkPost reference, section 2.16)
MOST_RAW = 128 * 1024 * 1024  # bytes that it may unpack to: 25 times as many; a bomb has a thousand times as many
MOST_LINE = 1024 * 1024
SHARE_LINES = 1_000
SHARE_BYTES = 1024 * 1024  # a share ends with the line that reaches this
_STEP = 65_536
_GZIP = 31  # zlib's way to say: with gzip's header and trailer


class BadBatch(Exception):
    """A body that is no batch; too_large: it is, but too much."""

    def __init__(self, text: str, *, too_large: bool = False) -> None:
        super().__init__(text)
        self.too_large = too_large


def cut(body: bytes, *, most_raw: int = MOST_RAW) -> Iterator[Cut]:
    """Give the shares of a gzip body, of one or several members.

    raises   BadBatch, perhaps after some shares
    """
    share: list[bytes] = []
    size = lines = begun = number = 0
    for piece in _unpacked(body, most_raw):
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            line = piece[start : end + 1]
            start = end + 1
            number += 1
            share.append(line)
            size += len(line)
            lines += 1 if begun or line.strip() else 0
            _check_length(begun + len(line), number)
            begun = 0
            if lines >= SHARE_LINES or size >= SHARE_BYTES:
                yield Cut(b"".join(share), lines)
                share, size, lines = [], 0, 0
        if rest := piece[start:]:
            share.append(rest)
            size += len(rest)
            begun += len(rest)
            _check_length(begun, number + 1)
    if begun:
        share.append(b"\n")
        lines += 1
    if lines:
        yield Cut(b"".join(share), lines)


def pack(raw: bytes) -> bytes:
    """Return bytes as one gzip member; members can be put behind each other."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packer.compress(raw) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """Return what `pack` was given."""
    return zlib.decompress(packed, _GZIP)


def _check_length(length: int, number: int) -> None:
    if length > MOST_LINE:
        raise BadBatch(f"line {number} has more than {MOST_LINE} bytes")


def _unpacked(body: bytes, most_raw: int) -> Iterator[bytes]:
    rest, raw = body, 0
    while rest:
        opener = zlib.decompressobj(_GZIP)
        while not opener.eof:
            try:
                piece = opener.decompress(rest, _STEP)
            except zlib.error:
                raise BadBatch("the body is not gzip") from None
            rest = opener.unconsumed_tail
            if not piece and not rest and not opener.eof:
                raise BadBatch("the gzip body ends before its time")
            raw += len(piece)
            if raw > most_raw:
                raise BadBatch(f"the body unpacks to more than {most_raw} bytes; hand it in as several batches", too_large=True)
            if piece:
                yield piece
        rest = opener.unused_data
