"""Sets of seconds: bit n is the second n after a base that the caller knows (an hour, a day, a month).

Python's integers are the sets: union is `|`, intersection `&`, what is in one and not in the other `a & ~b`, all in C over
machine words; a month has 2,678,400 bits, or 335 kB.

In the database and in exports a set is run lengths, as varints (LEB128, seven bits a byte, the lowest first): the gap before
the first run, its length, the gap to the next run, its length, and so on. An empty set is no byte at all.
"""

from collections.abc import Iterable, Iterator

Seconds = int
Run = tuple[int, int]  # first second, and how many

_SPARSE = 12  # seconds that are looked for one by one, by arithmetic
_FEW = 40  # runs that are set one by one; more are written as one text, and read as a number


def span(start: int, end: int) -> Seconds:
    """Return every second from start up to and without end; nothing where end is not later."""
    return ((1 << (end - start)) - 1) << start if end > start else 0


def of(seconds: Iterable[int]) -> Seconds:
    """Return the set of some seconds."""
    bits = 0
    for second in seconds:
        bits |= 1 << second
    return bits


def runs(bits: Seconds) -> Iterator[Run]:
    """Give the runs of a set, in order."""
    if bits.bit_count() <= _SPARSE:
        end = 0
        while bits:
            gap = (bits & -bits).bit_length() - 1
            bits >>= gap
            length = (~bits & (bits + 1)).bit_length() - 1
            bits >>= length
            yield end + gap, length
            end += gap + length
        return
    text = bin(bits)  # the highest second first, behind "0b"; searching it is faster than any arithmetic
    size = end = len(text)
    while (last := text.rfind("1", 2, end)) >= 0:
        end = max(1, text.rfind("0", 2, last))
        yield size - 1 - last, last - end


def members(bits: Seconds) -> Iterator[int]:
    """Give the seconds of a set, in order."""
    for start, length in runs(bits):
        yield from range(start, start + length)


def from_runs(found: Iterable[Run]) -> Seconds:
    """Return the set of some runs, which are in order and do not touch."""
    found = list(found)
    if len(found) < _FEW:
        bits = 0
        for start, length in found:
            bits |= span(start, start + length)
        return bits
    pieces: list[str] = []
    end = 0
    for start, length in found:
        pieces += ("0" * (start - end), "1" * length)
        end = start + length
    return int("".join(pieces)[::-1], 2)


def pack(bits: Seconds) -> bytes:
    """Return a set as run lengths."""
    out = bytearray()
    end = 0
    for start, length in runs(bits):
        number = start - end
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
        number = length
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
        end = start + length
    return bytes(out)


def unpack(packed: bytes, *, most: int) -> Seconds:
    """Return the set that `pack` wrote.

    most    the set must end before this second, so that nobody makes us build a huge one
    raises  ValueError where that is no set
    """
    found: list[Run] = []
    numbers: list[int] = []
    number = shift = end = 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte > 127:
            if shift > 28:
                raise ValueError("a run is too long")
            continue
        numbers.append(number)
        number = shift = 0
        if len(numbers) == 2:
            gap, length = numbers
            if length == 0 or (gap == 0 and found):
                raise ValueError("runs must have a length, and a gap between them")
            found.append((end + gap, length))
            end += gap + length
            if end > most:
                raise ValueError("a run ends too late")
            numbers = []
    if numbers or shift:
        raise ValueError("a run is cut off")
    return from_runs(found)
