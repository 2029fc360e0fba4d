"""Reading a file of records, CSV or JSON, of any size, in bounded memory: never more of it than one record.

What cannot be read of one record is told with it, and the next one is read. Encodings other than UTF-8 are not guessed.

    CSV    the first line names the columns, unless the file is one column of addresses; commas, semicolons or tabs
    JSON   an array of records, an object that holds one (`{"results": [...]}`), several of them one after the other, or
           one record a line
"""

import csv
import json
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from homing.recipients.rules.forms.types import Unreadable, fold

MOST_LINE = 65_536  # bytes of a line of CSV
MOST_RECORD = 65_536  # characters of a record of JSON
MOST_COLUMNS = 200
_CHUNK = 65_536
_BOM = b"\xef\xbb\xbf"
_ADDRESS = "recipient"


class Read(NamedTuple):
    """One record, or why it cannot be read.

    number   of the line it ends in; of JSON, of the record; from 1
    record   folded name -> value; {} where there is a problem
    text     of it, for whoever must find it, cut
    problem  '' where there is none
    """

    number: int
    record: dict[str, Any]
    text: str = ""
    problem: str = ""


def read(file: IO[bytes], holders: frozenset[str]) -> Iterator[Read]:
    """Return the records of a file that is open at its beginning.

    holders   folded names of members of JSON objects that hold the records
    raises    Unreadable, also in the middle of broken JSON
    """
    start = file.read(4096)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("the file is UTF-16; save it as UTF-8")
    first = start.removeprefix(_BOM).lstrip()[:1]
    if not first:
        raise Unreadable("the file is empty")
    file.seek(len(_BOM) if start.startswith(_BOM) else 0)
    return _json(file, holders) if first in (b"[", b"{") else _csv(file)


# CSV ----------------------------------------------------------------------------------------------------------------------


class _TooLong(Exception):
    """A line that is longer than anybody writes."""


class _Lines:
    """Lines as text; one that is too long is passed over and told, and reading goes on behind it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(MOST_LINE)
        if not line:
            raise StopIteration
        if len(line) >= MOST_LINE and not line.endswith(b"\n"):
            while (rest := self._file.readline(MOST_LINE)) and not rest.endswith(b"\n"):
                pass
            raise _TooLong
        return line.decode("utf-8", "surrogateescape")


def _csv(file: IO[bytes]) -> Iterator[Read]:
    lines = _Lines(file)
    number = 0
    head = ""
    try:
        while not head.strip():
            head = next(lines)
            number += 1
    except (StopIteration, _TooLong):
        raise Unreadable("the first line must name the columns") from None
    separator = next((sign for sign in (",", ";", "\t") if sign in head), ",")
    try:
        columns = next(csv.reader([head], delimiter=separator))
    except csv.Error:
        raise Unreadable("the first line is no line of CSV; lines must end with a line feed") from None
    names = [fold(column) for column in columns[:MOST_COLUMNS]]
    if len(columns) == 1 and "@" in head:
        yield from _one([head.strip()], [_ADDRESS], number, head)
        names = [_ADDRESS]
    rows = csv.reader(lines, delimiter=separator)
    before = 0  # of the lines that the reader has taken; it does not count those that are too long
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except _TooLong:
            number += 1
            yield Read(number, {}, "", f"the line is longer than {MOST_LINE} bytes")
            continue
        except csv.Error as trouble:
            number, before = number + rows.line_num - before, rows.line_num
            yield Read(number, {}, "", _told(trouble))
            continue
        number, before = number + rows.line_num - before, rows.line_num
        if any(row):
            yield from _one(row, names, number, separator.join(row))


def _one(row: list[str], names: list[str], number: int, text: str) -> Iterator[Read]:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            yield Read(number, {}, _cut(shown), "it is not UTF-8")
            return
    if "\0" in text:
        yield Read(number, {}, _cut(text), "it holds a NUL")
    elif len(row) > len(names):
        yield Read(number, {}, _cut(text), f"it has {len(row)} fields, and the first line names {len(names)}")
    else:
        yield Read(number, dict(zip(names, row, strict=False)), _cut(text))


def _told(trouble: csv.Error) -> str:
    if "field larger" in str(trouble):
        return "a quotation mark is not closed, or a field is too long; the lines since the last record were passed over"
    return "it is no line of CSV"


def _cut(text: str) -> str:
    return text[:200].replace("\0", "").strip()


# JSON ---------------------------------------------------------------------------------------------------------------------

_decoder = json.JSONDecoder(parse_constant=lambda name: None)
_BLANK = " \t\r\n"


class _Text:
    """Text of a file, of which a little is held."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._rest = b""
        self._held = ""
        self._at = 0
        self._ended = False

    def _more(self) -> bool:
        """Hold more; False at the end of the file."""
        if self._ended:
            return False
        got = self._file.read(_CHUNK)
        self._ended = not got
        raw = self._rest + got
        keep = 0 if self._ended else _unfinished(raw)
        self._rest = raw[len(raw) - keep :]
        self._held = self._held[self._at :] + raw[: len(raw) - keep].decode("utf-8", "replace")
        self._at = 0
        return bool(got)

    def peek(self) -> str:
        """Return the next sign that is not blank; '' at the end."""
        while True:
            while self._at < len(self._held) and self._held[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def take(self, sign: str) -> None:
        """Take a sign that must come."""
        if self.peek() != sign:
            raise Unreadable(f"the file is not JSON: {sign!r} is missing {self.near()}")
        self._at += 1

    def value(self) -> Any:
        """Take one whole value."""
        self.peek()
        while True:
            try:
                found, end = _decoder.raw_decode(self._held, self._at)
            except ValueError:
                if len(self._held) - self._at <= MOST_RECORD and self._more():
                    continue
                raise Unreadable(f"the file is not JSON, or a record has more than {MOST_RECORD} signs, {self.near()}") from None
            except RecursionError:
                raise Unreadable(f"the JSON is nested too deep {self.near()}") from None
            if end < len(self._held) or self._ended:
                self._at = end
                return found
            self._more()  # a number may go on behind what is held

    def near(self) -> str:
        """Return where we are, for a person."""
        return f"near {self._held[self._at : self._at + 40]!r}"


def _unfinished(raw: bytes) -> int:
    """Return how many bytes at the end are the beginning of a sign of UTF-8."""
    for back in range(1, min(4, len(raw) + 1)):
        byte = raw[-back]
        if byte >= 0xC0:
            return back if (byte >= 0xF0 and back < 4) or (byte >= 0xE0 and back < 3) or back < 2 else 0
        if byte < 0x80:
            return 0
    return 0


def _json(file: IO[bytes], holders: frozenset[str]) -> Iterator[Read]:
    text = _Text(file)
    folded: dict[str, str] = {}
    number = 0
    while (sign := text.peek()) != "":
        found = _elements(text) if sign == "[" else _object(text, holders, folded)
        for element in found:
            number += 1
            yield _element(element, number, folded)


def _elements(text: _Text) -> Iterator[Any]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        yield text.value()
        if text.peek() == "]":
            text.take("]")
            return
        text.take(",")


def _object(text: _Text, holders: frozenset[str], folded: dict[str, str]) -> Iterator[Any]:
    """Give the records that an object holds, or itself where it is one."""
    text.take("{")
    own: dict[str, Any] = {}
    holds = False
    if text.peek() != "}":
        while True:
            name = text.value()
            if not isinstance(name, str):
                raise Unreadable(f"the file is not JSON {text.near()}")
            text.take(":")
            if _folded(name, folded) in holders and text.peek() == "[":
                holds = True
                yield from _elements(text)
            else:
                own[name] = text.value()
                if len(own) > MOST_COLUMNS:
                    raise Unreadable(f"an object has more than {MOST_COLUMNS} members")
            if text.peek() == "}":
                break
            text.take(",")
    text.take("}")
    if not holds:
        yield own


def _element(element: Any, number: int, folded: dict[str, str]) -> Read:
    if isinstance(element, str):
        element = {_ADDRESS: element}
    if not isinstance(element, dict):
        return Read(number, {}, _cut(str(element)), "it is no object")
    record = {_folded(name, folded): value for name, value in element.items()}
    shown = next((value for value in record.values() if isinstance(value, str) and "@" in value), "")
    for value in record.values():
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return Read(number, {}, "", "it holds half a sign of UTF-16")
    return Read(number, record, _cut(shown))


def _folded(name: str, folded: dict[str, str]) -> str:
    known = folded.get(name)
    if known is None:
        known = fold(name)
        if len(folded) < MOST_COLUMNS:
            folded[name] = known
    return known
