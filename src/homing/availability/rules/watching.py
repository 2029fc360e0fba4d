"""The last hour of one account, second by second: what the detector looks at. Seconds count from a base that moves on."""

from collections.abc import Mapping
from typing import NamedTuple

from homing.availability.rules.episodes import GAP_S, PERSISTENT_S, costly, episodes, reached
from homing.availability.rules.judging import judge, provisional
from homing.availability.types import Doors, Seen
from homing.evidence.rules.seconds import Seconds
from homing.evidence.types import Door

RING_S = 3_900  # an hour for the costly rule, and room for what ends late


class Ring(NamedTuple):
    """What was attempted and answered at each door since a second."""

    base: int
    attempted: Doors = Doors()
    answered: Doors = Doors()


class Persistent(NamedTuple):
    """An episode that is persistent; Unix seconds. end: the first one after its last Unavailable second so far."""

    start: int
    reached_at: int
    end: int
    seconds: int


def added(ring: Ring, door: Door, hour_at: int, attempted: Seconds, answered: Seconds) -> Ring:
    """Return a ring with seconds of one hour more; those before its base are left out."""
    shift = hour_at - ring.base
    attempted = attempted << shift if shift >= 0 else attempted >> -shift
    answered = answered << shift if shift >= 0 else answered >> -shift
    if door is Door.API:
        return ring._replace(
            attempted=ring.attempted._replace(api=ring.attempted.api | attempted),
            answered=ring.answered._replace(api=ring.answered.api | answered),
        )
    return ring._replace(
        attempted=ring.attempted._replace(smtp=ring.attempted.smtp | attempted),
        answered=ring.answered._replace(smtp=ring.answered.smtp | answered),
    )


def moved_on(ring: Ring, base: int) -> Ring:
    """Return a ring that begins later; what lies before is forgotten."""
    by = base - ring.base
    if by <= 0:
        return ring
    return Ring(base, Doors(*(bits >> by for bits in ring.attempted)), Doors(*(bits >> by for bits in ring.answered)))


def failed(ring: Ring) -> bool:
    """Return whether a ring holds any Unavailable second."""
    return judge(Seen(ring.attempted, ring.answered)).unavailable != 0


def persistent(ring: Ring, unfinished: Seconds, *, now: int) -> list[Persistent]:
    """Return the persistent episodes within a ring (rule P1: 60 Unavailable seconds, at most 60 s apart).

    unfinished   seconds, from the ring's base, with attempts under way: they may still rescue their second
    """
    seen = Seen(ring.attempted, ring.answered)
    judged = judge(seen)
    sure = judged._replace(unavailable=provisional(judged.unavailable, unfinished, now=now - ring.base))
    found = []
    for episode in episodes(sure, gap_s=GAP_S):
        at = reached(sure.unavailable, episode, seconds=PERSISTENT_S)
        if at is not None:
            found.append(Persistent(ring.base + episode.start, ring.base + at, ring.base + episode.end, episode.seconds))
    return found


def expensive(ring: Ring, *, budget_s: int) -> Persistent | None:
    """Return the first hour within a ring that cost half of a month's budget (rule P3)."""
    found = costly(judge(Seen(ring.attempted, ring.answered)).unavailable, budget_s=budget_s)
    if found is None:
        return None
    first, last, seconds = found
    return Persistent(ring.base + first, ring.base + last, ring.base + last + 1, seconds)


def goes_on(told: Persistent, found: Persistent) -> bool:
    """Return whether an episode is the one that somebody was told of, seen later."""
    return found.start <= told.end + GAP_S and found.end >= told.start


def unfinished_of(ring: Ring, under_way: Mapping[int, int]) -> Seconds:
    """Return the seconds of a ring with attempts under way. under_way: how many, by Unix second."""
    bits = 0
    for second, count in under_way.items():
        if count and second >= ring.base:
            bits |= 1 << (second - ring.base)
    return bits
