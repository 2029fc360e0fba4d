"""Reads journals: lines, and what they come to as sets of seconds. One line costs about two microseconds."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from homing.evidence.journal import Outcome, Slot
from homing.evidence.rules.classify import disagrees, verdict
from homing.evidence.types import HOUR_S, Door, FaultTag, Verdict

Who = int | str | None  # an account, a badge of somebody whose account is to be found, or nobody known
Segment = tuple[Who, Door, int]  # who, where, first second of the hour


class Line(NamedTuple):
    """One line of a journal."""

    slot: Slot
    ended: Counter[Outcome]


@dataclass(slots=True)
class Gathered:
    """What lines come to. Sets are of the seconds of an hour.

    attempted, answered   by segment: seconds with an attempt, and those in which at least one ended well
    watched               by hour: seconds in which the doors were attended
    disputed              by (door, tag, code): answers whose tag and code say different things
    """

    attempted: dict[Segment, int] = field(default_factory=dict)
    answered: dict[Segment, int] = field(default_factory=dict)
    watched: dict[int, int] = field(default_factory=dict)
    disputed: Counter[tuple[Door, FaultTag, str]] = field(default_factory=Counter)
    lines: int = 0

    def take(self, data: bytes) -> None:
        """Add whole lines."""
        judged = _Judge()
        attempted, answered = self.attempted, self.answered
        before, hour, bit = b"", 0, 0
        for line in data.split(b"\n"):
            text, _, checksum = line.rpartition(b" ")
            if not text or checksum != b"%08x" % zlib.crc32(text):
                continue
            self.lines += 1
            words = text.split(b" ")
            if (second := words[0]) != before:
                before = second
                hour, place = divmod(int(second), HOUR_S)
                hour *= HOUR_S
                bit = 1 << place
            if len(words) == 2:
                self.watched[hour] = self.watched.get(hour, 0) | bit
                continue
            if len(words) != 5:
                continue  # written by another version
            _, account, door, badge, ended = words
            at, ok, failed, disputed = judged[door, ended]
            if disputed:
                self.disputed.update(disputed)
            if not (ok or failed):
                continue
            who: Who = int(account) if account != b"-" else badge.decode("ascii") if badge != b"-" else None
            segment = (who, at, hour)
            attempted[segment] = attempted.get(segment, 0) | bit
            if ok:
                answered[segment] = answered.get(segment, 0) | bit


class _Judge(dict[tuple[bytes, bytes], tuple[Door, bool, bool, Counter[tuple[Door, FaultTag, str]]]]):
    """Remembers what a line's door and last word come to: most lines of a second are alike."""

    def __missing__(self, key: tuple[bytes, bytes]) -> tuple[Door, bool, bool, Counter[tuple[Door, FaultTag, str]]]:
        door = _DOORS[key[0].decode("ascii")]
        ok = failed = False
        disputed: Counter[tuple[Door, FaultTag, str]] = Counter()
        for (fault, code), count in _ended(key[1].decode("ascii")).items():
            match verdict(door, fault, code):
                case Verdict.OK:
                    ok = True
                case Verdict.FAILED:
                    failed = True
                case Verdict.VOID:
                    pass
            if disagrees(door, fault, code):
                disputed[door, fault, code] += count
        found = (door, ok, failed, disputed)
        if len(self) < 10_000:
            self[key] = found
        return found


_DOORS = {door.value: door for door in Door}


def _ended(text: str) -> Counter[Outcome]:
    found: Counter[Outcome] = Counter()
    for part in text.split(","):
        tag, _, rest = part.partition(":")
        code, _, count = rest.rpartition("=")
        found[FaultTag(tag), "" if code == "-" else code] += int(count)
    return found


def parse(line: bytes) -> Line | None:
    """Read one line about attempts; None where it is torn, empty, or about something else."""
    text, _, checksum = line.rstrip(b"\n").rpartition(b" ")
    if not text or checksum != b"%08x" % zlib.crc32(text):
        return None
    words = text.decode("ascii").split(" ")
    if len(words) != 5:
        return None
    second, account, door, badge, ended = words
    slot = (int(second), None if account == "-" else int(account), Door(door), "" if badge == "-" else badge)
    return Line(slot, _ended(ended))


def lines(folder: Path, since: int, until: int) -> Iterator[Line]:
    """Give what all processes noted in the seconds since <= second < until, in order of second; lines of one slot are summed.

    Holds one day in memory at a time.
    """
    if until <= since:
        return
    first, last = (datetime.fromtimestamp(moment, UTC).date() for moment in (since, until - 1))
    for offset in range((last - first).days + 1):
        rows: dict[Slot, Counter[Outcome]] = {}
        for path in files(folder, (first + timedelta(days=offset)).isoformat()):
            with path.open("rb") as file:
                for found in filter(None, map(parse, file)):
                    if since <= found.slot[0] < until:
                        rows.setdefault(found.slot, Counter()).update(found.ended)
        for slot, ended in sorted(rows.items(), key=_order):
            yield Line(slot, ended)


def files(folder: Path, day: str) -> list[Path]:
    """Return the journals of a day, in order."""
    return sorted((folder / day).glob("*.log"))


def gathered(paths: Iterable[Path]) -> Gathered:
    """Return what whole files come to."""
    found = Gathered()
    for path in paths:
        found.take(path.read_bytes())
    return found


def _order(item: tuple[Slot, Counter[Outcome]]) -> tuple[int, int, str, str]:
    second, account_id, door, key = item[0]
    return second, -1 if account_id is None else account_id, door.value, key
