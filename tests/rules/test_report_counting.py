"""What a month's statement counts of promises, and as what (model, section 5.7)."""

from datetime import UTC, datetime, timedelta
from itertools import product

from msgspec import structs

from homing.contracts.history import without_tam
from homing.contracts.kept import CallBack, Stand
from homing.contracts.types import Assignment, Objectives, OrderForm, Role, StaffMember
from homing.hours.rules.contract import TERMS, calendar_of
from homing.hours.rules.text import read_week
from homing.hours.types import HolidaySet, OpeningHours, ServiceZone, Version
from homing.support.clocks.types import Basis, Kind, Nature, Reading, State, Voided
from homing.support.line.rules.callback import Counted, attainment
from homing.support.line.types import Entitlement, Outcome
from homing.support.report.rules import counting
from tests.kit.hours import at

MARCH, APRIL = at("2026-03-01T00:00Z"), at("2026-04-01T00:00Z")
TWO = Voided(at=MARCH, people=("a", "b"), reason="a test")


def reading(kind: Kind, nature: Nature, outcome: State | None = None, *, void: Voided | None = None) -> Reading:
    return Reading(
        kind=kind, nature=nature, basis=Basis.BUSINESS, pin=None, budget_s=60, started_at=MARCH,
        state=outcome or State.RUNNING, due_at=None, elapsed_s=0, remaining_s=0, spans=(), outcome=outcome,
        outcome_at=None if outcome is None else MARCH, void=void,
    )  # fmt: skip


def test_a_call_back_stands_in_exactly_one_figure_and_as_the_line_counts_it():
    for outcome, entitlement, voided in product((None, *Outcome), Entitlement, (False, True)):
        figure = counting.counted_as(outcome, entitlement, voided=voided)
        lines = attainment([Counted(outcome=outcome, entitlement=entitlement, voided=voided)])
        counted = [one for one in structs.fields(lines) if getattr(lines, one.name) and one.name != "undecided_missed"]
        assert [one.name for one in counted] == ([] if figure == "owed" else [figure])


def test_a_miss_of_a_caller_about_whom_nobody_decides_is_told():
    calls = [
        CallBack(
            reference="S1-X", source="call", first_ring_at=MARCH, due_at=MARCH, returned_at=None, connected_at=None,
            counted_as=figure, outcome=outcome,
        )
        for figure, outcome in (("undecided", "missed"), ("undecided", "met"), ("missed", "missed"), ("not_entitled", "missed"))
    ]  # fmt: skip
    found = counting.call_backs(calls)
    assert (found.undecided, found.undecided_missed, found.missed) == (2, 1, 1)


def test_connected_call_backs_are_those_that_were_promised():
    def one(figure: str, connected: bool) -> CallBack:
        return CallBack(
            reference="x", source="call", first_ring_at=MARCH, due_at=MARCH, returned_at=MARCH,
            connected_at=MARCH if connected else None, counted_as=figure,
        )  # fmt: skip

    found = counting.call_backs([one("met", True), one("met", False), one("missed", True), one("void", True), one("owed", False)])
    assert (found.count, found.met, found.missed, found.owed, found.void, found.connected) == (5, 2, 1, 1, 1, 2)


def test_what_is_contractual_is_never_added_to_what_is_not():
    found = counting.promises(
        [
            reading(Kind.FIRST_RESPONSE, Nature.OBJECTIVE, State.MET), reading(Kind.CADENCE, Nature.PROVISIONAL, State.MISSED),
            reading(Kind.CADENCE, Nature.CONTRACTUAL, State.MET), reading(Kind.CADENCE, Nature.CONTRACTUAL),
            reading(Kind.CADENCE, Nature.CONTRACTUAL, State.SUPERSEDED), reading(Kind.ENGAGE, Nature.INTERNAL, State.MISSED),
            reading(Kind.CONFIRM, Nature.COURTESY, State.MISSED), reading(Kind.CALLBACK, Nature.CONTRACTUAL, State.MET),
        ],
        MARCH,
        APRIL,
    )  # fmt: skip
    assert [(one.nature, one.kind, one.started) for one in found] == [
        ("contractual", "CADENCE", 3), ("provisional", "CADENCE", 1), ("objective", "FIRST_RESPONSE", 1),
    ]  # fmt: skip
    first = found[0]
    assert (first.met, first.missed, first.running, first.superseded, first.void) == (1, 0, 1, 1, 0)


def test_a_clock_that_two_people_made_void_counts_nowhere_else():
    void = reading(Kind.UPDATE, Nature.OBJECTIVE, State.MISSED, void=TWO)
    (found,) = counting.promises([void, reading(Kind.UPDATE, Nature.OBJECTIVE, State.VOID, void=TWO)], MARCH, APRIL)
    assert (found.started, found.missed, found.void) == (2, 0, 2)
    assert counting.misses([("case 1", void)], MARCH, APRIL) == []


def test_a_miss_across_the_months_end_is_running_in_the_one_and_missed_in_the_other():
    across = structs.replace(
        reading(Kind.UPDATE, Nature.OBJECTIVE, State.MISSED),
        started_at=APRIL - timedelta(days=2),
        outcome_at=APRIL + timedelta(days=1),
    )
    may = at("2026-05-01T00:00Z")
    (first,), (then,) = (counting.promises([across], *month) for month in ((MARCH, APRIL), (APRIL, may)))
    assert (first.started, first.carried, first.missed, first.running) == (1, 0, 0, 1)
    assert (then.started, then.carried, then.missed, then.running) == (0, 1, 1, 0)
    assert counting.misses([("case 1", across)], MARCH, APRIL) == []
    assert [one.due_at for one in counting.misses([("case 1", across)], APRIL, may)] == [across.outcome_at]


def person(name: str) -> StaffMember:
    return StaffMember(person_id=1, name=name, email=f"{name}@provider.test", phone="", roles=frozenset({Role.TAM}))


def test_the_tams_of_a_month_with_those_who_stood_in_and_the_time_without_one():
    def held(name: str, begins: datetime, ends: datetime | None) -> Assignment:
        return Assignment(person=person(name), begins_at=begins, ends_at=ends, recorded_at=begins, recorded_by="x")

    def stood(begins: str, ends: str) -> Stand:
        return Stand(name="Bo", begins_at=at(begins), ends_at=at(ends), reason="leave")

    covers = [stood("2026-02-01T00:00Z", "2026-02-05T00:00Z"), stood("2026-03-30T00:00Z", "2026-04-05T00:00Z")]
    all_ = [
        (held("old", at("2026-01-01T00:00Z"), at("2026-02-01T00:00Z")), []),
        (held("Ann", MARCH + timedelta(hours=2), None), covers),
    ]
    found = counting.tams(all_, MARCH, APRIL)
    assert ([one.name for one in found], [len(one.covers) for one in found]) == (["Ann"], [1])
    for as_recorded in (True, False):
        assert without_tam([one for one, _ in all_], MARCH, APRIL, as_recorded=as_recorded) == 7_200
        assert without_tam([], MARCH, APRIL, as_recorded=as_recorded) == 31 * 86_400


def test_what_is_recorded_of_a_tam_afterwards_hides_no_gap_and_makes_none():
    later = APRIL + timedelta(days=5)

    def held(begins: datetime, recorded: datetime, ends: datetime | None = None, ended: datetime | None = None) -> Assignment:
        return Assignment(
            person=person("Ann"), begins_at=begins, ends_at=ends, recorded_at=recorded, recorded_by="x", end_recorded_at=ended
        )

    backdated = [held(MARCH, later)]
    middle = MARCH + timedelta(days=10)
    followed = [held(MARCH, MARCH, middle, later), held(middle, later)]
    within = [held(MARCH, middle)]
    for assignments, as_recorded, now in ((backdated, 31, 0), (followed, 0, 0), (within, 10, 0)):
        assert without_tam(assignments, MARCH, APRIL, as_recorded=True) == as_recorded * 86_400
        assert without_tam(assignments, MARCH, APRIL, as_recorded=False) == now * 86_400


def test_the_hours_of_a_month_are_those_that_were_recorded_when_it_ended_and_others_stand_apart():
    middle, later = MARCH + timedelta(days=10), APRIL + timedelta(days=5)
    first = structs.replace(form(MARCH, middle), end_recorded_at=later)
    second = structs.replace(form(middle), order_form_id=8, recorded_at=later)
    found = counting.forms_of_month([first, second], APRIL)
    shown = [counting.calendar(one, calendar_of(ServiceZone.UK), MARCH, APRIL) for one in found]
    assert [(one.order_form_id, one.since, one.until, one.recorded_later) for one in shown if one is not None] == [
        (7, MARCH, APRIL, False), (8, middle, APRIL, True),
    ]  # fmt: skip


def form(begins: datetime, ends: datetime | None = None) -> OrderForm:
    return OrderForm(
        order_form_id=7, account_id=1, service="email", plan="Enterprise", zone=ServiceZone.UK, holiday_set=HolidaySet.GB_EAW,
        sev1_entitled=True, objectives=Objectives(), cadence_s=3_600, target_uptime=100, begins_at=begins, ends_at=ends,  # type: ignore[arg-type]
        recorded_at=begins, recorded_by="x",
    )  # fmt: skip


def test_the_hours_in_force_are_those_of_the_order_form_and_of_each_version():
    known = calendar_of(ServiceZone.UK)
    plain = counting.calendar(form(at("2026-01-01T00:00Z")), known, MARCH, APRIL)
    assert plain is not None
    # 22 weekdays of 8 hours; the night of the 29th loses an hour outside the windows.
    assert (plain.calendar, plain.seconds, plain.since, plain.until) == ("UK/GB-EAW", 22 * 28_800, MARCH, APRIL)
    assert [(one.version, one.week, one.reason) for one in plain.versions] == [(0, "mon-fri 08:30-16:30", "the contract")]
    longer = Version(
        number=1, zone=ServiceZone.UK, hours=OpeningHours(weekly=read_week("mon-fri 08:30-17:30")),
        effective_from=at("2026-03-16T00:00Z"), effective_to=at("2026-03-23T00:00Z"), recorded_at=at("2026-03-02T10:00Z"),
        author="kim", reason="a launch",
    )  # fmt: skip
    changed = counting.calendar(form(at("2026-01-01T00:00Z")), structs.replace(known, versions=(longer,)), MARCH, APRIL)
    assert changed is not None
    assert changed.seconds == plain.seconds + 5 * 3_600
    assert [(one.version, one.since) for one in changed.versions] == [
        (0, MARCH), (1, at("2026-03-16T00:00Z")), (0, at("2026-03-23T00:00Z")),
    ]  # fmt: skip
    assert TERMS[ServiceZone.UK].tz == "Europe/London"


def test_a_form_that_began_or_ended_in_between_counts_for_its_part_and_bank_holidays_are_named():
    known = calendar_of(ServiceZone.UK)
    part = counting.calendar(form(at("2026-04-03T00:00Z"), at("2026-04-07T00:00Z")), known, APRIL, at("2026-05-01T00:00Z"))
    assert part is not None
    assert (part.seconds, [one.name for one in part.holidays]) == (0, ["Good Friday", "Easter Monday"])
    assert counting.calendar(form(APRIL), known, MARCH, APRIL) is None
    assert counting.calendar(form(datetime(2025, 1, 1, tzinfo=UTC), MARCH), known, MARCH, APRIL) is None
