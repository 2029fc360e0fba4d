"""Schedules, rotations, overrides, ladders, and a ladder that runs for one obligation (model, sections 3.1 and 4.2)."""

from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

from homing.hours.types import Windows


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """People who take turns. Turns change by the clock on the wall of the zone, so a day of a clock change is 23 or 25 hours.

    zone            IANA, such as Europe/London
    people          staff, in the order of their turns
    starts_on       the local date of the first turn; nobody is on duty before
    hands_over_min  the reading at which turns change, in minutes of the day
    every_days      how long a turn is; 7: a week
    weekly          seven days, Monday first, on duty only then; (): always
    """

    rotation_id: int = 0
    zone: str
    people: tuple[int, ...]
    starts_on: date
    hands_over_min: int = 9 * 60
    every_days: int = 7
    weekly: tuple[Windows, ...] = ()


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody (None: nobody) is on duty instead of all rotations of a schedule: [begins_at, ends_at).

    Of several the one that was recorded last counts.
    """

    override_id: int = 0
    person_id: int | None
    begins_at: datetime
    ends_at: datetime
    reason: str = ""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on duty for something. Rotations are on duty together, in their order."""

    schedule_id: int = 0
    name: str
    rotations: tuple[Rotation, ...] = ()
    overrides: tuple[Override, ...] = ()


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """The same people are on duty throughout [begins_at, ends_at)."""

    begins_at: datetime
    ends_at: datetime
    people: tuple[int, ...]


class Severity(StrEnum):
    """How urgent a ladder is. Nothing holds back a page of Severity 1 (invariant 8)."""

    ONE = "severity 1"
    ORDINARY = "ordinary"


class Whom(StrEnum):
    """Whom a step pages."""

    SCHEDULE = "schedule"  # who is on duty in the schedule of that name
    TAM = "tam"  # the account's TAM, or who covers, within its Business Hours
    ROLE = "role"  # everybody of the staff who holds it
    PERSON = "person"  # one member of the staff, by number
    EVERYBODY = "everybody"  # the roster: whoever a schedule names, and role oncall


class Target(msgspec.Struct, frozen=True):
    """Whom a step pages. name: of the schedule or role; the number of the person."""

    whom: Whom
    name: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a ladder.

    after_s   seconds since the ladder started
    alarm     the promise is about to be missed: it is told at its own time, never earlier, whoever holds a claim
    """

    after_s: int
    targets: tuple[Target, ...]
    alarm: bool = False


class Ladder(msgspec.Struct, frozen=True, kw_only=True):
    """An EscalationLadder: steps in the order of their times."""

    name: str
    steps: tuple[Step, ...]


class Claim(msgspec.Struct, frozen=True):
    """Somebody has taken it on himself. It holds the ladder until it lapses.

    until   he talks with whoever is owed a call until then at most, and no alarm comes over it; None: he does not
    """

    person_id: int
    at: datetime
    until: datetime | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A ladder as it was when an obligation began (LadderSnapshot), and how far it has come.

    obligation   of whoever owes; one ladder each. What belongs to one has its name, a space, and more
    reference    what a page may name; nothing of the customer's problem
    due_at       when what is owed falls due; pages say it
    next_step    0 to len(steps): the ladder is at its end, and goes round
    forward_s    by how much the rest is earlier than written, since steps were empty or handed on
    found        whether anybody was paged yet
    rounds       times that everybody was paged again after the last step
    paged_at     when somebody was paged last
    """

    run_id: int = 0
    obligation: str
    account_id: int | None
    severity: Severity
    reference: str
    steps: tuple[Step, ...]
    started_at: datetime
    due_at: datetime | None = None
    next_step: int = 0
    forward_s: int = 0
    found: bool = False
    rounds: int = 0
    paged_at: datetime | None = None
    claim: Claim | None = None
    engaged_by: int | None = None
    engaged_at: datetime | None = None
    ended_at: datetime | None = None
    ended_because: str = ""

    def at(self, seconds: int) -> datetime:
        """Return the instant so many seconds after the start."""
        return self.started_at + timedelta(seconds=seconds)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Who can be reached at an instant.

    on_duty    of each schedule, by its name
    roster     whoever a schedule names, and role oncall
    by_role    everybody who holds a role
    tam        who acts as TAM of the account, within its Business Hours; None: nobody, or they are closed
    reachable  people with at least one channel; nobody else is paged
    is_scheduled   whether any schedule names anybody
    """

    on_duty: dict[str, tuple[int, ...]]
    roster: tuple[int, ...]
    by_role: dict[str, tuple[int, ...]]
    tam: int | None
    reachable: frozenset[int]
    is_scheduled: bool = False


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Page these people now.

    step       which step says so; len(steps): the ladder goes round
    broadcast  every step was empty: everybody of the roles oncall and admin (E27)
    """

    step: int
    people: tuple[int, ...]
    alarm: bool = False
    broadcast: bool = False


class ChannelKind(StrEnum):
    """How somebody is paged."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    SERVICE = "service"  # any service that the library apprise knows
    VOICE = "voice"
    TEXT = "text"
