"""What stands first in the stream of oversight (clause B6): what is at risk, then what is new.

At risk: promises that run, the one that is due soonest first; then promises that were missed and are still owed, the longest
first; then Critical Issues that are open, the oldest first. The rest follows by time, the latest first.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from homing.support.threads.types import Item, Risk

_RANK = {risk: rank for rank, risk in enumerate(Risk)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Place(msgspec.Struct, frozen=True, order=True):
    """Where an item stands; what is smaller comes first. key: microseconds, negative where the latest comes first."""

    rank: int
    key: int
    kind: str
    ident: str

    @property
    def is_news(self) -> bool:
        """Return whether it stands among the news, after all that is at risk."""
        return self.rank == _RANK[Risk.NEWS]


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended. until: the stream's own moment, in microseconds; what came later is on none of its pages."""

    place: Place
    until: int


def place_of(item: Item) -> Place:
    """Return where an item stands."""
    at = item.due_at if item.risk in (Risk.DUE, Risk.MISSED) and item.due_at is not None else item.at
    key = micros(at)
    return Place(_RANK[item.risk], -key if item.risk is Risk.NEWS else key, item.kind.value, item.ident)


def page(at_risk: Sequence[Item], news: Sequence[Item], after: Place | None, limit: int) -> tuple[list[Item], bool]:
    """Return one page, and whether there is more.

    at_risk   all of it
    news      in order, from where the page begins; one more than `limit`, if there are so many
    """
    ahead = sorted((one for one in at_risk if after is None or place_of(one) > after), key=place_of)
    found = [*ahead, *sorted(news, key=place_of)]
    return found[:limit], len(found) > limit


def micros(moment: datetime) -> int:
    """Return a moment in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(key: int) -> datetime:
    """Return the moment of a key.

    raises   OverflowError for one that no calendar has
    """
    return _EPOCH + timedelta(microseconds=abs(key))
