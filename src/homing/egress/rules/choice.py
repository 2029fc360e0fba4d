"""Which address a message leaves from: its pool's, those that overflow takes, or none for now."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from homing.egress.types import Line
from homing.ground.config import SourceIP


class Standing(Enum):
    """What automatic warm-up says of an address."""

    FREE = "free"  # it is not warming
    ROOM = "room"  # it is warming, and its volume is not used up
    FULL = "full"  # its volume of this hour or day is used up


class Choice(NamedTuple):
    """An address; beyond: its volume is used up, and it sends all the same."""

    source: SourceIP
    beyond: bool = False


def choose(line: Line, *, start: int, standing: Callable[[str], Standing], refused: Callable[[str], bool]) -> Choice | None:
    """Return the address for a message; None: all that could take it have used up their volume.

    Warming addresses with room come first, because only what they deliver lets them advance; then the others of the pool,
    then overflow. An address that the site refuses now is passed over; that alone never makes mail overflow.

    start   number of the message: the same message begins at the same address
    """
    if len(line.own) == 1 and standing(line.own[0].address) is Standing.FREE:
        return Choice(line.own[0])
    own = _turned(line.own, start)
    standings = [standing(source.address) for source in own]
    for wanted in (Standing.ROOM, Standing.FREE):
        for source, how in zip(own, standings, strict=True):
            if how is wanted and not refused(source.address):
                return Choice(source)
    if Standing.FULL not in standings:
        return Choice(own[0])  # all are refused: the message waits for the first one, under its hold
    for source in _turned(line.overflow, start):
        if standing(source.address) is not Standing.FULL and not refused(source.address):
            return Choice(source)
    return None


def beyond(line: Line, *, start: int, standing: Callable[[str], Standing], refused: Callable[[str], bool]) -> Choice:
    """Return the address for a message that must not wait for room any longer."""
    own = _turned(line.own, start)
    for source in own:
        if not refused(source.address):
            return Choice(source, beyond=standing(source.address) is Standing.FULL)
    return Choice(own[0], beyond=standing(own[0].address) is Standing.FULL)


def is_full(line: Line, standing: Callable[[str], Standing]) -> bool:
    """Return whether no site can be sent to: every address of the pool and of its overflow has used up its volume."""
    return all(standing(source.address) is Standing.FULL for source in (*line.own, *line.overflow))


def _turned(sources: Sequence[SourceIP], start: int) -> list[SourceIP]:
    if len(sources) < 2:
        return list(sources)
    first = start % len(sources)
    return [*sources[first:], *sources[:first]]
