"""How what was promised to an account was kept in a month: what statements say of it beside availability (model, section 5.7)."""

from datetime import date, datetime

import msgspec


class CallBack(msgspec.Struct, frozen=True, kw_only=True):
    """A call to the Severity 1 Line, and how it was returned (clause F4).

    counted_as   met or missed; owed: not decided yet; not_entitled, undecided (whether he is entitled) and void stand apart
    outcome      whether it was met or missed, whatever it is counted as; None: that is open
    by_hand_at   when the staff says that it dialled by hand; no carrier proves it, so it counts for nothing
    """

    reference: str
    source: str
    first_ring_at: datetime
    due_at: datetime
    returned_at: datetime | None
    connected_at: datetime | None
    counted_as: str
    outcome: str | None = None
    by_hand_at: datetime | None = None


class CallBacks(msgspec.Struct, frozen=True, kw_only=True):
    """The call-backs that fell due in the month. connected: of those met, missed or owed, in how many somebody was reached.

    undecided_missed   of those undecided, how many were not returned in time
    calls              the first 1,000
    """

    count: int = 0
    met: int = 0
    missed: int = 0
    owed: int = 0
    connected: int = 0
    not_entitled: int = 0
    undecided: int = 0
    undecided_missed: int = 0
    void: int = 0
    calls: list[CallBack] = []


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """The clocks of one kind in the month. Those of another nature are another line; they are never added up.

    started      in the month; carried: before it, and not decided when it began. Together they are all of the other figures
    missed       what fell due in the month
    running      not decided when the month ended
    void         they should never have run; they are in no other figure but `started` or `carried`
    superseded   another clock took their place, or the matter ended before anything was decided
    """

    kind: str
    nature: str
    basis: str
    started: int
    met: int
    missed: int
    running: int
    superseded: int
    void: int
    carried: int = 0


class Miss(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that was missed. ended_at: when it was kept after all, or nothing was owed any more; None: it is owed still."""

    kind: str
    nature: str
    subject: str
    due_at: datetime
    ended_at: datetime | None


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to Support Cases within the month.

    agreed        both sides signed that it is over (clauses E6 and F6)
    unconfirmed   closed on silence: nobody agreed (reading R9)
    by_tam        messages to the customer that the TAM wrote
    """

    opened: int = 0
    critical: int = 0
    cadences_agreed: int = 0
    agreed: int = 0
    unconfirmed: int = 0
    withdrawn: int = 0
    merged: int = 0
    reopened: int = 0
    tam_called: int = 0
    by_tam: int = 0


class CriticalCase(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which a case was critical, within the month or across its ends.

    opened_at   when it became so: at the first ring, where somebody called
    ended_at    when it was stepped down, or ended; None: it is critical still
    """

    case: int
    opened_at: datetime
    ended_at: datetime | None


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody stood in for the TAM. recorded_at: None, before this was kept."""

    name: str
    begins_at: datetime
    ends_at: datetime
    reason: str
    recorded_at: datetime | None = None


class TamOfMonth(msgspec.Struct, frozen=True, kw_only=True):
    """Who was Technical Account Manager within the month (clause B1); None: it began before, or has not ended."""

    name: str
    email: str
    begins_at: datetime
    ends_at: datetime | None
    recorded_at: datetime
    covers: list[Stand]


class Programme(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the programme of the TAM within the month (clauses B4 to B9).

    plans_agreed                 onboarding and migration plans that both sides agreed to for the first time
    plan_changes_agreed          later versions of plans that both sides agreed to
    recommendations_followed     by checked data, or by the TAM's word
    recommendations_superseded   a newer one took their place
    education_delivered          by mail, once it was accepted for delivery, or in another way
    trend_notes                  whose first mail was accepted for delivery
    """

    plans_agreed: int = 0
    plan_changes_agreed: int = 0
    plans_completed: int = 0
    plans_aborted: int = 0
    reviews_held: int = 0
    recommendations_issued: int = 0
    recommendations_followed: int = 0
    recommendations_declined: int = 0
    recommendations_superseded: int = 0
    education_delivered: int = 0
    education_acknowledged: int = 0
    trend_notes: int = 0


class HoursInForce(msgspec.Struct, frozen=True, kw_only=True):
    """Hours that held from an instant of the month on. version 0: those of the contract."""

    since: datetime
    version: int
    week: str
    reason: str


class Holiday(msgspec.Struct, frozen=True, kw_only=True):
    """A bank holiday of the month."""

    day: date
    name: str


class CalendarOfMonth(msgspec.Struct, frozen=True, kw_only=True):
    """Business Hours of one Order Form, from since to until within the month, as it was recorded when the month ended.

    seconds          how many of them there were or will be
    recorded_later   it was recorded after the month: it changes nothing of what was promised in it
    """

    service: str
    order_form_id: int
    plan: str
    calendar: str
    since: datetime
    until: datetime
    seconds: int
    recorded_at: datetime
    recorded_later: bool
    versions: list[HoursInForce]
    holidays: list[Holiday]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """All of it.

    misses              the first 1,000
    without_tam_s       for how many seconds of the month nobody was TAM, by what was recorded at each of them
    without_tam_now_s   the same with what was recorded afterwards
    """

    call_backs: CallBacks = CallBacks()
    promises: list[Promise] = []
    misses: list[Miss] = []
    cases: Cases = Cases()
    critical: list[CriticalCase] = []
    tams: list[TamOfMonth] = []
    without_tam_s: int = 0
    without_tam_now_s: int = 0
    programme: Programme = Programme()
    calendars: list[CalendarOfMonth] = []
