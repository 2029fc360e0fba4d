"""Which Unavailable seconds belong together, and when they are persistent (clause F1, reading R8)."""

from datetime import timedelta

from homing.availability.types import Episode, Judged
from homing.evidence.rules.seconds import Seconds, members, runs, span

GAP_S = 60  # at most so many seconds pass between two neighbours of one episode
PERSISTENT_S = 60  # so many Unavailable seconds in one episode are persistent
COSTLY_WITHIN = timedelta(hours=1)


def episodes(judged: Judged, *, gap_s: int = GAP_S) -> list[Episode]:
    """Return the episodes of a stretch, in order.

    Two Unavailable seconds are neighbours if at most gap_s seconds pass between them, and none of those had attempts and was
    available: whoever was served in between was not cut off all the time.
    """
    found: list[Episode] = []
    served = bin(judged.available)[:1:-1]
    for start, length in runs(judged.unavailable):
        end = start + length
        if found and start - found[-1].end <= gap_s and served.find("1", found[-1].end, start) < 0:
            found[-1] = Episode(found[-1].start, end, found[-1].seconds + length)
        else:
            found.append(Episode(start, end, length))
    return found


def reached(unavailable: Seconds, episode: Episode, *, seconds: int = PERSISTENT_S) -> int | None:
    """Return the second in which an episode had so many Unavailable seconds; None: it has fewer."""
    if episode.seconds < seconds:
        return None
    for number, second in enumerate(members(unavailable & span(episode.start, episode.end)), 1):
        if number == seconds:
            return second
    return None


def costly(unavailable: Seconds, *, budget_s: int, within: timedelta = COSTLY_WITHIN) -> tuple[int, int, int] | None:
    """Return the first stretch of an hour that cost half of a month's budget: first second, second it was reached, seconds.

    None: there is none. A budget below two seconds warns of nothing: half of it is any second.
    """
    half = budget_s // 2
    if half < 1 or unavailable.bit_count() < half:
        return None
    length = int(within.total_seconds())
    found = list(members(unavailable))
    for last in range(half - 1, len(found)):
        first = last - half + 1
        if found[last] - found[first] < length:
            return found[first], found[last], half
    return None
