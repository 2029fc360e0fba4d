"""What availability is measured by: sets of seconds, exclusions, findings, statements. Sets as in evidence/rules/seconds.py."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from homing.evidence.rules.seconds import Seconds
from homing.evidence.types import DAY_S, Door


class Doors(NamedTuple):
    """A set of seconds for each door."""

    api: Seconds = 0
    smtp: Seconds = 0

    def of(self, door: Door) -> Seconds:
        """Return the set of one door."""
        return self.api if door is Door.API else self.smtp

    @property
    def either(self) -> Seconds:
        """Return the seconds of both together."""
        return self.api | self.smtp


class Seen(NamedTuple):
    """What there is evidence of in a stretch of seconds.

    attempted   seconds with an attempt
    answered    those of them in which at least one ended well
    unknown     seconds without an attempt of which nobody can say that there was none
    """

    attempted: Doors = Doors()
    answered: Doors = Doors()
    unknown: Doors = Doors()


class Judged(NamedTuple):
    """What the evidence comes to (clause D).

    unavailable   at one door or both there were attempts, and all of them failed (D1, reading R7)
    strict        the attempts at both doors taken together all failed
    attempted     seconds with an attempt at any door
    unknown       seconds of which nothing is known: never counted as good
    """

    unavailable: Seconds
    strict: Seconds
    attempted: Seconds
    unknown: Seconds

    @property
    def available(self) -> Seconds:
        """Return the seconds with attempts that were not Unavailable."""
        return self.attempted & ~self.unavailable


class Episode(NamedTuple):
    """Unavailable seconds that belong together; start and end are seconds, the end is the first one after it."""

    start: int
    end: int
    seconds: int


class Rule(StrEnum):
    """Why somebody should look."""

    PERSISTENT = "persistent"  # clause F1, reading R8: 60 Unavailable seconds in one episode
    COSTLY = "costly"  # half of a month's budget within one hour
    DECLARED = "declared"  # a person said so


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should look at.

    start        the first Unavailable second of it
    reached_at   the second in which the rule was met
    seconds      Unavailable seconds so far
    """

    account_id: int
    rule: Rule
    start: datetime
    reached_at: datetime
    seconds: int
    note: str = ""
    by: str = ""


class ExclusionKind(StrEnum):
    """Why Unavailable seconds are not held against us."""

    MAINTENANCE = "announced_maintenance"
    CUSTOMER = "customer_caused"
    FORCE_MAJEURE = "force_majeure"
    OTHER = "other"


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """An overlay over a stretch of time: it never alters what was measured. It counts while two people stand behind it.

    account_id   None: every account
    reason       public: the customer reads it
    evidence     where it is proven: an announcement, a ticket
    *_by_id      which member of the staff that is; None: nobody yet, or a name that was typed when names were enough
    """

    exclusion_id: int
    account_id: int | None
    since: datetime
    until: datetime
    kind: ExclusionKind
    reason: str
    evidence: str
    proposed_by: str
    proposed_at: datetime
    approved_by: str = ""
    approved_at: datetime | None = None
    withdrawn_by: str = ""
    withdrawn_at: datetime | None = None
    proposed_by_id: int | None = None
    approved_by_id: int | None = None
    withdrawn_by_id: int | None = None

    @property
    def in_force(self) -> bool:
        """Return whether it counts."""
        return self.approved_at is not None and self.withdrawn_at is None


class Month(NamedTuple):
    """A UTC calendar month (reading R10)."""

    year: int
    number: int

    @property
    def first(self) -> date:
        """Return its first day."""
        return date(self.year, self.number, 1)

    @property
    def after(self) -> date:
        """Return the first day of the next month."""
        return (self.first + timedelta(days=32)).replace(day=1)

    @property
    def days(self) -> list[date]:
        """Return its days."""
        return [self.first + timedelta(days=n) for n in range((self.after - self.first).days)]

    @property
    def seconds(self) -> int:
        """Return how many seconds it has."""
        return (self.after - self.first).days * DAY_S

    @property
    def start(self) -> int:
        """Return its first Unix second."""
        return start_of(self.first)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


def start_of(day: date) -> int:
    """Return the first Unix second of a UTC day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def moment(second: int) -> datetime:
    """Return the moment at which a Unix second begins."""
    return datetime.fromtimestamp(second, UTC)
