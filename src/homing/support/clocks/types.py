"""Kinds of clocks, the marks that move them, and what they show (model, section 3.4)."""

from datetime import datetime
from enum import StrEnum

import msgspec

from homing.hours.types import HolidaySet, ServiceZone

HOUR_S = 3_600
BUSINESS_DAY_S = 8 * HOUR_S  # of Business Hours: every window of clause B3 is 8 hours long


class Kind(StrEnum):
    """What is promised."""

    ACK_MAIL = "ACK_MAIL"  # the automatic receipt of a case
    OWN = "OWN"  # somebody takes the case
    FIRST_RESPONSE = "FIRST_RESPONSE"  # the first e-mail by a person
    UPDATE = "UPDATE"  # the next word of a person
    TAM_REPLY = "TAM_REPLY"  # an answer of the TAM
    CALLBACK = "CALLBACK"  # a call returned within fifteen minutes (clause F4)
    ENGAGE = "ENGAGE"  # somebody who was paged acknowledges
    CADENCE = "CADENCE"  # the next status update on a Critical Issue (clause F5)
    ENTITLEMENT = "ENTITLEMENT"  # whether an unknown caller is entitled
    CONFIRM = "CONFIRM"  # an answer to a proposed resolution


class Basis(StrEnum):
    """Which time counts."""

    WALL = "wall"  # all of it
    BUSINESS = "business"  # Business Hours of the clock's zone


class Nature(StrEnum):
    """What a clock is worth. Figures of one nature are never added to those of another."""

    CONTRACTUAL = "contractual"  # the contract says so
    OBJECTIVE = "objective"  # ours (reading R5), never shown as contractual
    PROVISIONAL = "provisional"  # a cadence that nobody has agreed yet (reading R6)
    INTERNAL = "internal"  # nobody else's business
    COURTESY = "courtesy"  # reminders


class State(StrEnum):
    """Where a clock stands. A missed clock stays missed, whatever comes."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    MISSED = "missed"
    SUPERSEDED = "superseded"  # another one took its place, or the matter ended; what had elapsed is kept
    VOID = "void"  # a duplicate, a test, spam: two people said so


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """Which Business Hours a clock counts, for its whole life: later Order Forms do not reach it.

    order_form_id   None: the account has none; then the zone that promises most
    """

    zone: ServiceZone
    holiday_set: HolidaySet
    order_form_id: int | None = None


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What one clock is started with.

    pin   None for clocks that run on the wall
    """

    budget_s: int
    pin: Pin | None = None


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started", tag_field="mark", omit_defaults=True):
    """It begins.

    agreed   of a CADENCE: both sides agreed, so it is contractual
    """

    at: datetime
    budget_s: int
    pin: Pin | None = None
    agreed: bool = False


class Paused(msgspec.Struct, frozen=True, kw_only=True, tag="paused", tag_field="mark"):
    """The customer has to move."""

    at: datetime


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag="resumed", tag_field="mark"):
    """He has moved; at is when his word was received, even if that was noticed later."""

    at: datetime


class Stopped(msgspec.Struct, frozen=True, kw_only=True, tag="stopped", tag_field="mark", omit_defaults=True):
    """What was promised was done."""

    at: datetime
    remark: str = ""


class Reached(msgspec.Struct, frozen=True, kw_only=True, tag="reached", tag_field="mark"):
    """Of a CALLBACK: the customer was on the line. Kept beside the outcome; it decides nothing (reading R4)."""

    at: datetime


class Superseded(msgspec.Struct, frozen=True, kw_only=True, tag="superseded", tag_field="mark"):
    """Another clock takes its place, or the matter ended; by says which."""

    at: datetime
    by: str


class Voided(msgspec.Struct, frozen=True, kw_only=True, tag="voided", tag_field="mark"):
    """It should never have run: two people say so, and why."""

    at: datetime
    people: tuple[str, str]
    reason: str

    def __post_init__(self) -> None:
        """Refuse what one person alone could do. raises ValueError."""
        if self.people[0] == self.people[1] or not all(self.people) or not self.reason.strip():
            raise ValueError("a clock is made void by two people, and with a reason")


Mark = Started | Paused | Resumed | Stopped | Reached | Superseded | Voided


class ClockLog(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one clock; the first mark is Started, the others follow in the order of recording."""

    kind: Kind
    marks: tuple[Mark, ...]

    @property
    def started(self) -> Started:
        """Return how it began."""
        first = self.marks[0]
        if not isinstance(first, Started):
            raise ValueError("the first mark of a clock is Started")
        return first


class Span(msgspec.Struct, frozen=True):
    """A stretch of a clock's life, [start, end); end None: until now."""

    start: datetime
    end: datetime | None
    runs: bool


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a clock shows.

    due_at        None while it is paused, superseded or void, or no Business Hours lie ahead; of a missed clock when it was
                  missed; of one that was met when it would have been due
    budget_s      seconds of its basis
    elapsed_s     seconds of its basis that have run
    remaining_s   what is left of the budget, 0 or more
    spans         without gap or overlap from the start to the end
    outcome       once written it never changes; None while nothing is decided
    outcome_at    a miss: the instant that was due
    ended_at      when nothing was owed any more; a missed clock may still be owed
    reached_at    see Reached
    remark        why it ended, where that needs a word
    void          why it does not count although it has another outcome
    """

    kind: Kind
    nature: Nature
    basis: Basis
    pin: Pin | None
    budget_s: int
    started_at: datetime
    state: State
    due_at: datetime | None
    elapsed_s: int
    remaining_s: int
    spans: tuple[Span, ...]
    outcome: State | None = None
    outcome_at: datetime | None = None
    ended_at: datetime | None = None
    reached_at: datetime | None = None
    remark: str = ""
    void: Voided | None = None

    @property
    def ran_since(self) -> datetime:
        """Return when the stretch began that runs now, or ran last: what moved the due time since then can be told."""
        running = [span.start for span in self.spans if span.runs]
        return running[-1] if running else self.started_at
