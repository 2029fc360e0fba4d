"""Which seconds are Unavailable, and which are unknown (clauses D1 and D2, readings R7 and R8)."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from homing.availability.types import Doors, Judged, Seen
from homing.evidence.rules.seconds import Seconds, span

DEADLINE = timedelta(seconds=300)  # the longest that either door takes for an answer
FINAL_AFTER = DEADLINE + timedelta(seconds=10)  # by then the end of every attempt of a second is known


class Expected(NamedTuple):
    """A node that should watch. Seconds count from the stretch's first.

    since, until   it is expected from one to the other; until None: still
    known_until    what it noted before this second has been folded, or will never come
    """

    node: str
    since: int
    until: int | None
    known_until: int


def judge(seen: Seen) -> Judged:
    """Return what the evidence of a stretch of seconds comes to."""
    attempted, answered = seen.attempted, seen.answered
    tried = attempted.either
    return Judged(
        unavailable=(attempted.api & ~answered.api) | (attempted.smtp & ~answered.smtp),
        strict=tried & ~answered.either,
        attempted=tried,
        unknown=seen.unknown.either & ~tried,
    )


def provisional(unavailable: Seconds, unfinished: Seconds, *, now: int) -> Seconds:
    """Return the Unavailable seconds that no attempt under way can rescue any more.

    unfinished   seconds with an attempt that has not ended
    now          the second after the last one, counted as the others: attempts older than the deadline rescue nothing
    """
    deadline = int(DEADLINE.total_seconds())
    young = span(max(0, now - deadline), max(0, now))
    return unavailable & ~(unfinished & young)


def known_until(folded_until: int | None, *, now: int) -> int:
    """Return up to which second a node's silence means something: what it noted is folded, or so old that it is final."""
    return max(folded_until or 0, now - int(FINAL_AFTER.total_seconds()))


def blind(nodes: Iterable[Expected], watched: Mapping[str, Seconds], *, seconds: int) -> Seconds:
    """Return the seconds in which a node that should have watched did not.

    watched   by node
    seconds   length of the stretch
    """
    found = 0
    for node in nodes:
        end = min(seconds, node.known_until, seconds if node.until is None else node.until)
        found |= span(max(0, node.since), end) & ~watched.get(node.node, 0)
    return found


def with_unknown(seen: Seen, blind_at: Doors) -> Seen:
    """Return the evidence with what is unknown at each door: seconds without eyes in which no attempt was seen."""
    return seen._replace(
        unknown=Doors(blind_at.api & ~seen.attempted.api, blind_at.smtp & ~seen.attempted.smtp),
    )


def united(*all_seen: Seen) -> Seen:
    """Return the evidence of several eyes together."""
    api = smtp = api_ok = smtp_ok = 0
    for seen in all_seen:
        api |= seen.attempted.api
        smtp |= seen.attempted.smtp
        api_ok |= seen.answered.api
        smtp_ok |= seen.answered.smtp
    return Seen(Doors(api, smtp), Doors(api_ok, smtp_ok))
