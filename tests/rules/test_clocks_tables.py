"""Clocks by the tables of the contract's model: pauses, severity, cadence, zones, versions; the letters are its own."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from homing.contracts.types import Objectives, OrderForm
from homing.hours.rules.contract import calendar_of
from homing.hours.types import Calendar, HolidaySet, ServiceZone
from homing.support.clocks.rules import cadence, severity
from homing.support.clocks.rules.cadence import Every, Times, Version
from homing.support.clocks.rules.pins import promise
from homing.support.clocks.types import HOUR_S, ClockLog, Kind, Nature, Paused, Pin, Reached, Resumed, State, Superseded
from tests.kit.clocks import begun, paused, shown, stopped
from tests.kit.hours import at, calendar, change, version
from tests.kit.hours import shown as local

EASTERN, LONDON = calendar("ET"), calendar("UK")
THURSDAY = "Thu 2026-02-12 14:00 EST"


@pytest.mark.parametrize(
    ("pauses", "due"),
    [
        pytest.param([], "Fri 2026-02-13 10:00 EST", id="no pause"),
        pytest.param([("Thu 2026-02-12 15:00 EST", "Fri 2026-02-13 11:00 EST")], "Fri 2026-02-13 14:00 EST", id="W1"),
        pytest.param(
            [("Thu 2026-02-12 18:00 EST", "Fri 2026-02-13 08:00 EST")], "Fri 2026-02-13 10:00 EST", id="a pause in the night"
        ),
        pytest.param(
            [("Thu 2026-02-12 15:00 EST", "Thu 2026-02-12 15:30 EST"), ("Fri 2026-02-13 09:30 EST", "Fri 2026-02-13 13:00 EST")],
            "Fri 2026-02-13 14:00 EST",
            id="W3",
        ),
        pytest.param(
            [("Fri 2026-02-13 09:30 EST", "Tue 2026-02-17 09:00 EST")],
            "Tue 2026-02-17 09:30 EST",
            id="over a long weekend with a holiday",
        ),
        pytest.param(
            [("Fri 2026-02-13 10:00 EST", "Fri 2026-02-13 12:00 EST")], "Fri 2026-02-13 12:00 EST", id="at the due instant"
        ),
    ],
)
def test_waiting_for_the_customer_moves_what_is_due(pauses: list[tuple[str, str]], due: str):
    started = begun(Kind.UPDATE, EASTERN, THURSDAY, hours=4)
    found = shown(Kind.UPDATE, EASTERN, started, *paused(*pauses), now="Thu 2026-02-12 14:00 EST")
    assert (found.state, found.due_at) == (State.RUNNING, at(due))
    assert local(at(due), "ET") == due


def test_w4_an_answer_that_overtook_the_pause_makes_it_last_no_time():
    started = begun(Kind.UPDATE, EASTERN, THURSDAY, hours=4)
    pause, answer = Paused(at=at("Thu 2026-02-12 15:00 EST")), Resumed(at=at("Thu 2026-02-12 14:59 EST"))
    found = shown(Kind.UPDATE, EASTERN, started, pause, answer, now="Thu 2026-02-12 15:00 EST")
    assert (found.state, found.due_at) == (State.RUNNING, at("Fri 2026-02-13 10:00 EST"))
    assert all(span.runs for span in found.spans)


def test_w5_what_was_missed_before_a_pause_stays_missed():
    started = begun(Kind.UPDATE, EASTERN, THURSDAY, hours=4)
    late = paused(("Fri 2026-02-13 10:30 EST", "Fri 2026-02-13 12:00 EST"))
    found = shown(Kind.UPDATE, EASTERN, started, *late, stopped("Fri 2026-02-13 12:30 EST"))
    due = at("Fri 2026-02-13 10:00 EST")
    assert (found.state, found.outcome, found.outcome_at, found.due_at) == (State.MISSED, State.MISSED, due, due)
    assert (found.ended_at, found.elapsed_s) == (at("Fri 2026-02-13 12:30 EST"), 5 * HOUR_S)


def test_a_clock_that_waits_shows_what_remains_and_no_due_time():
    started = begun(Kind.UPDATE, EASTERN, THURSDAY, hours=4)
    found = shown(Kind.UPDATE, EASTERN, started, Paused(at=at("Thu 2026-02-12 15:00 EST")))
    assert (found.state, found.due_at, found.remaining_s, found.elapsed_s) == (State.PAUSED, None, 3 * HOUR_S, HOUR_S)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.UPDATE])
def test_no_other_clock_ever_waits(kind: Kind):
    started = begun(kind, EASTERN, THURSDAY)
    without = shown(kind, EASTERN, started, now=THURSDAY)
    assert shown(kind, EASTERN, started, Paused(at=at(THURSDAY)), now=THURSDAY) == without
    assert without.state is State.RUNNING


@pytest.mark.parametrize(
    ("stop", "state"),
    [("14:00 EST", State.MET), ("13:59 EST", State.MET), ("14:01 EST", State.MISSED)],
    ids=["at the very instant", "before", "after"],
)
def test_what_happens_at_the_due_instant_is_in_time(stop: str, state: State):
    started = begun(Kind.FIRST_RESPONSE, EASTERN, "Wed 2026-01-14 10:00 EST", hours=4)
    found = shown(Kind.FIRST_RESPONSE, EASTERN, started, stopped(f"2026-01-14 {stop}"))
    assert (found.state, found.due_at) == (state, at("2026-01-14 14:00 EST"))


def test_fractions_of_a_second_make_nobody_late():
    started = begun(Kind.CALLBACK, None, at("2026-01-14T10:00Z") + timedelta(milliseconds=999))
    in_time = shown(Kind.CALLBACK, None, started, stopped("2026-01-14T10:15:00.900Z"))
    late = shown(Kind.CALLBACK, None, started, stopped("2026-01-14T10:15:01.000Z"))
    assert (in_time.state, late.state) == (State.MET, State.MISSED)


def test_n3_an_answer_before_opening_costs_no_business_time():
    started = begun(Kind.FIRST_RESPONSE, LONDON, "Wed 2026-01-14 06:00 GMT", hours=1)
    found = shown(Kind.FIRST_RESPONSE, LONDON, started, stopped("Wed 2026-01-14 08:10 GMT"))
    assert (found.state, found.elapsed_s) == (State.MET, 0)


def test_n1_an_answer_after_a_weekend_with_a_clock_change_took_two_hours():
    started = begun(Kind.FIRST_RESPONSE, EASTERN, "Fri 2026-10-30 16:30 EDT")
    found = shown(Kind.FIRST_RESPONSE, EASTERN, started, stopped("Mon 2026-11-02 10:30 EST"))
    assert (found.state, found.elapsed_s, found.remaining_s) == (State.MET, 2 * HOUR_S, 2 * HOUR_S)


@pytest.mark.parametrize(
    ("ring", "due"),
    [
        pytest.param("2026-03-08T06:50Z", "2026-03-08T07:05Z", id="K1"),
        pytest.param("2026-11-01T05:50Z", "2026-11-01T06:05Z", id="first pass of the repeated hour"),
        pytest.param("2026-11-01T06:50Z", "2026-11-01T07:05Z", id="K3"),
        pytest.param("2026-03-29T00:52Z", "2026-03-29T01:07Z", id="K5"),
        pytest.param("2026-12-26T04:58Z", "2026-12-26T05:13Z", id="K7"),
    ],
)
def test_a_call_is_returned_within_fifteen_minutes_of_any_night(ring: str, due: str):
    found = shown(Kind.CALLBACK, None, severity.callback(at(ring)), now=ring)
    assert (found.due_at, found.nature) == (at(due), Nature.CONTRACTUAL)


def test_an_attempt_returns_the_call_and_reaching_the_customer_is_told_beside_it():
    ring = at("2026-01-14T10:00Z")
    marks = (severity.callback(ring), stopped("2026-01-14T10:14Z"), Reached(at=at("2026-01-14T10:31Z")))
    found = shown(Kind.CALLBACK, None, *marks)
    assert (found.state, found.reached_at) == (State.MET, at("2026-01-14T10:31Z"))


# Severity ---------------------------------------------------------------------------------------------------------------

RAISED, RING = "Fri 2026-05-22 16:00 BST", "Mon 2026-05-25 10:00 BST"  # Monday is the spring bank holiday


def test_s1_a_call_supersedes_the_first_response_and_starts_the_call_back():
    first = begun(Kind.FIRST_RESPONSE, LONDON, RAISED, hours=4)
    before = shown(Kind.FIRST_RESPONSE, LONDON, first, now=RAISED)
    assert before.due_at == at("Tue 2026-05-26 12:00 BST")
    flip = severity.escalated(by_call=True)
    assert Kind.FIRST_RESPONSE in flip.supersedes
    after = shown(Kind.FIRST_RESPONSE, LONDON, first, Superseded(at=at(RING), by="critical"))
    assert (after.state, after.elapsed_s, after.remaining_s) == (State.SUPERSEDED, HOUR_S // 2, int(3.5 * HOUR_S))
    call = shown(Kind.CALLBACK, None, severity.callback(at(RING)), now=RING)
    assert call.due_at == at("Mon 2026-05-25 10:15 BST")


def test_s2_a_downgrade_starts_a_whole_update_from_the_agreement():
    agreed = "Mon 2026-05-25 10:40 BST"
    flip = severity.downgraded([Kind.CADENCE, Kind.FIRST_RESPONSE])
    assert flip.starts == (Kind.UPDATE,)
    assert Kind.CADENCE in flip.supersedes
    found = shown(Kind.UPDATE, LONDON, begun(Kind.UPDATE, LONDON, agreed), now=agreed)
    assert (found.due_at, found.remaining_s) == (at("Tue 2026-05-26 16:30 BST"), 8 * HOUR_S)


def test_s3_a_downgrade_within_the_fifteen_minutes_leaves_the_call_back_due():
    flip = severity.downgraded([Kind.CALLBACK, Kind.ENGAGE])
    assert not {Kind.CALLBACK, Kind.ENGAGE} & flip.supersedes
    ignored = Superseded(at=at("Mon 2026-05-25 10:06 BST"), by="non-critical")
    found = shown(Kind.CALLBACK, None, severity.callback(at(RING)), ignored, now="Mon 2026-05-25 10:07 BST")
    assert (found.state, found.due_at) == (State.RUNNING, at("Mon 2026-05-25 10:15 BST"))


@pytest.mark.parametrize(
    ("again", "due"),
    [("10:05", "10:15"), ("10:14", "10:15"), ("10:20", "10:20")],
    ids=["five minutes later", "a minute before", "when the first is overdue"],
)
def test_s4_a_second_call_never_buys_time(again: str, due: str):
    second = at(f"2026-05-25 {again} BST")
    started = severity.callback(second, earlier_due=at("2026-05-25 10:15 BST"))
    assert shown(Kind.CALLBACK, None, started, now=second).due_at == at(f"2026-05-25 {due} BST")


def test_staff_who_escalate_without_a_call_wake_somebody_and_owe_word():
    assert severity.escalated(by_call=False).starts == (Kind.ENGAGE, Kind.CADENCE)
    assert severity.escalated(by_call=True).starts == ()


# Cadence ----------------------------------------------------------------------------------------------------------------

LAST, OLD_DUE = at("2026-01-14T14:00Z"), at("2026-01-14T15:00Z")


@pytest.mark.parametrize(
    ("minutes", "agreed", "due"),
    [
        pytest.param(30, "14:20", "14:30", id="C1"),
        pytest.param(15, "14:20", "14:35", id="shorter than what has passed: a whole interval from the agreement"),
        pytest.param(20, "14:20", "14:40", id="just passed counts as passed"),
        pytest.param(50, "14:55", "15:00", id="never later than the old promise, where the new one has passed"),
        pytest.param(240, "14:20", "18:00", id="C3"),
        pytest.param(30, "15:10", "15:40", id="C5"),
        pytest.param(240, "15:10", "19:10", id="overdue, and longer"),
        pytest.param(60, "15:00", "15:00", id="at the due instant it is not overdue yet, and due now"),
    ],
)
def test_another_cadence_counts_from_the_last_update(minutes: int, agreed: str, due: str):
    accepted = at(f"2026-01-14T{agreed}Z")
    found = cadence.renegotiated(Every(interval_s=minutes * 60), last_update=LAST, old_due=OLD_DUE, accepted=accepted)
    assert found == at(f"2026-01-14T{due}Z")


@pytest.mark.parametrize(
    ("zone", "reading", "last", "dues"),
    [
        pytest.param("America/Los_Angeles", "09:00", "2026-10-31T15:00Z", ["2026-10-31T16:00Z", "2026-11-01T17:00Z"], id="C7"),
        pytest.param(
            "America/New_York", "09:00", "2026-03-07T13:00Z", ["2026-03-07T14:00Z", "2026-03-08T13:00Z"], id="spring, ET"
        ),
        pytest.param("Europe/London", "09:00", "2026-03-28T08:00Z", ["2026-03-28T09:00Z", "2026-03-29T08:00Z"], id="spring, UK"),
        pytest.param(
            "America/New_York",
            "02:30",
            "2026-03-07T08:00Z",
            ["2026-03-08T07:00Z", "2026-03-09T06:30Z"],
            id="a reading that is skipped",
        ),
        pytest.param(
            "America/New_York",
            "01:30",
            "2026-10-31T06:00Z",
            ["2026-11-01T05:30Z", "2026-11-02T06:30Z"],
            id="a reading that comes twice",
        ),
    ],
)
def test_a_cadence_of_readings_keeps_the_reading(zone: str, reading: str, last: str, dues: list[str]):
    hours, minutes = reading.split(":")
    daily = Times(zone=zone, minutes=(int(hours) * 60 + int(minutes),))
    found, moment = [], at(last)
    for _ in dues:
        moment = cadence.following(daily, moment)
        found.append(moment)
    assert found == [at(due) for due in dues]


def test_c9_every_24_hours_keeps_the_distance():
    found = cadence.following(Every(interval_s=86_400), at("2026-10-31 09:00 PDT"))
    assert local(found, "PT") == "Sun 2026-11-01 08:00 PST"


def test_an_update_at_the_reading_serves_it_and_one_before_does_not():
    daily = Times(zone="UTC", minutes=(540, 1020))
    assert cadence.following(daily, at("2026-01-14T09:00Z")) == at("2026-01-14T17:00Z")
    assert cadence.following(daily, at("2026-01-14T08:59Z")) == at("2026-01-14T09:00Z")
    assert cadence.following(daily, at("2026-01-14T17:00Z")) == at("2026-01-15T09:00Z")


def test_the_highest_accepted_version_that_has_begun_is_in_force():
    first = Version(1, Every(interval_s=3600), at("2026-01-14T10:00Z"))
    second = Version(2, Every(interval_s=1800), at("2026-01-14T12:00Z"))
    third = Version(3, Every(interval_s=900), at("2026-01-14T11:00Z"))
    assert cadence.in_force([], at("2026-01-14T12:00Z")) is None
    assert cadence.in_force([first, second], at("2026-01-14T11:59Z")) == first
    assert cadence.in_force([first, second], at("2026-01-14T12:00Z")) == second
    assert cadence.in_force([first, second, third], at("2026-01-14T13:00Z")) == third


@pytest.mark.parametrize(
    "wrong",
    [
        Every(interval_s=299),
        Every(interval_s=8 * 86_400),
        Times(zone="Mars/Olympus", minutes=(540,)),
        Times(zone="../etc/passwd", minutes=(540,)),
        Times(zone="UTC", minutes=()),
        Times(zone="UTC", minutes=(540, 540)),
        Times(zone="UTC", minutes=(600, 540)),
        Times(zone="UTC", minutes=(1440,)),
    ],
    ids=str,
)
def test_a_cadence_that_nobody_could_keep_is_refused_with_a_sentence(wrong):
    assert len(cadence.complaint(wrong)) > 10


def test_a_provisional_cadence_is_never_contractual():
    started = begun(Kind.CADENCE, None, "2026-01-14T10:00Z")
    assert shown(Kind.CADENCE, None, started).nature is Nature.PROVISIONAL
    agreed = ClockLog(kind=Kind.CADENCE, marks=(started,)).started
    assert shown(Kind.CADENCE, None, type(agreed)(at=agreed.at, budget_s=60, agreed=True)).nature is Nature.CONTRACTUAL


# Zones and versions -----------------------------------------------------------------------------------------------------


def form(number: int, zone: str, holiday_set: str | None = None, **changes) -> OrderForm:
    made = calendar_of(ServiceZone(zone), HolidaySet(holiday_set) if holiday_set else None)
    given = {
        "order_form_id": number,
        "account_id": 1,
        "service": f"service {number}",
        "plan": "Enterprise",
        "zone": made.zone,
        "holiday_set": made.holiday_set,
        "sev1_entitled": True,
        "objectives": Objectives(first_response_s=HOUR_S),
        "cadence_s": 3600,
        "target_uptime": Decimal("99.99"),
        "begins_at": datetime(2026, 1, 1, tzinfo=UTC),
        "ends_at": None,
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "recorded_by": "operator",
    }
    return OrderForm(**{**given, **changes})


def plain(pin: Pin) -> Calendar:
    return calendar_of(pin.zone, pin.holiday_set)


@pytest.mark.parametrize(
    ("raised", "forms", "zone", "due"),
    [
        pytest.param("2026-03-16T13:30Z", [("ET", None), ("PT", None)], "ET", "2026-03-16T14:30Z", id="Z1: Eastern is open"),
        pytest.param("2026-03-16T13:30Z", [("PT", None), ("UK", None)], "UK", "2026-03-16T14:30Z", id="Z1: London is open"),
        pytest.param("2026-03-16T21:00Z", [("UK", None), ("PT", None)], "PT", "2026-03-16T22:00Z", id="only Pacific is open"),
        pytest.param("2026-07-03T14:00Z", [("ET", "US-FED"), ("UK", None)], "UK", "2026-07-03T15:00Z", id="Z3: federal holiday"),
        pytest.param("2026-07-03T14:00Z", [("ET", "US-FED"), ("PT", "US-FED")], "ET", "2026-07-06T14:00Z", id="Z3: both closed"),
        pytest.param("2026-07-03T14:00Z", [], "ET", "", id="no Order Form: the zone that promises most"),
    ],
)
def test_e18_of_several_order_forms_the_earlier_due_counts(raised: str, forms: list, zone: str, due: str):
    found = promise(Kind.FIRST_RESPONSE, [form(n, *one) for n, one in enumerate(forms, 1)], at(raised), plain)
    assert found.pin is not None
    assert found.pin.zone == zone
    started = begun(Kind.FIRST_RESPONSE, plain(found.pin), raised, hours=found.budget_s / HOUR_S)
    if forms:
        assert shown(Kind.FIRST_RESPONSE, plain(found.pin), started, now=raised).due_at == at(due)


def test_an_order_form_sets_the_objectives_of_its_clocks_and_no_contractual_one():
    objectives = Objectives(first_response_s=1, update_s=2, own_s=3, tam_reply_s=4)
    mine = form(1, "ET", objectives=objectives, cadence_s=1800)
    found = {kind: promise(kind, [mine], at("2026-01-14T15:00Z"), plain).budget_s for kind in Kind}
    assert found == {
        Kind.ACK_MAIL: 60,
        Kind.OWN: 3,
        Kind.FIRST_RESPONSE: 1,
        Kind.UPDATE: 2,
        Kind.TAM_REPLY: 4,
        Kind.CALLBACK: 900,
        Kind.ENGAGE: 300,
        Kind.CADENCE: 1800,
        Kind.ENTITLEMENT: 3600,
        Kind.CONFIRM: 80 * HOUR_S,
    }


def test_z4_a_running_clock_keeps_the_zone_that_it_was_pinned_to():
    started = begun(Kind.FIRST_RESPONSE, EASTERN, "2026-03-16T13:30Z")
    with pytest.raises(ValueError, match="pinned"):
        shown(Kind.FIRST_RESPONSE, LONDON, started)
    with pytest.raises(ValueError, match="pinned"):
        shown(Kind.FIRST_RESPONSE, calendar("ET/US-FED"), started)
    assert shown(Kind.FIRST_RESPONSE, EASTERN, started, now="2026-03-16T13:30Z").due_at == at("2026-03-16T17:30Z")


CUT = {"2026-12-24": "09:00-11:00"}


@pytest.mark.parametrize(
    ("recorded", "due"),
    [
        pytest.param(None, "Thu 2026-12-24 12:00 EST", id="V1: none"),
        pytest.param("2026-12-23 18:00 EST", "Mon 2026-12-28 10:00 EST", id="cut in time"),
        pytest.param("2026-12-24 11:30 EST", "Mon 2026-12-28 09:30 EST", id="V3: cut after the fact"),
        pytest.param("2026-12-24 12:30 EST", "Thu 2026-12-24 12:00 EST", id="cut once it was due"),
    ],
)
def test_hours_that_are_cut_move_only_what_lies_ahead(recorded: str | None, due: str):
    versions = (version("ET", recorded=recorded, begins="2026-12-01T00:00Z", on=CUT),) if recorded else ()
    changed = calendar("ET", versions=versions)
    started = begun(Kind.FIRST_RESPONSE, changed, "Wed 2026-12-23 16:00 EST", hours=4)
    assert shown(Kind.FIRST_RESPONSE, changed, started, now="Wed 2026-12-23 16:00 EST").due_at == at(due)


def test_a_cut_that_is_recorded_after_a_miss_does_not_undo_it():
    started = begun(Kind.FIRST_RESPONSE, EASTERN, "Wed 2026-12-23 16:00 EST", hours=4)
    stop = stopped("Thu 2026-12-24 12:10 EST")
    cut = calendar("ET", versions=(version("ET", recorded="2026-12-24 12:05 EST", begins="2026-12-01T00:00Z", on=CUT),))
    before, after = (shown(Kind.FIRST_RESPONSE, one, started, stop) for one in (EASTERN, cut))
    assert before.state is State.MISSED
    assert (after.state, after.outcome_at) == (before.state, before.outcome_at)


def test_v7_a_holiday_declared_late_moves_a_due_time():
    london = calendar("UK", holiday_changes=(change("GB-EAW", "2026-06-15", recorded="2026-06-12 17:00 BST"),))
    started = begun(Kind.FIRST_RESPONSE, london, "Fri 2026-06-12 16:00 BST", hours=2)
    assert shown(Kind.FIRST_RESPONSE, london, started, now="2026-06-12 16:00 BST").due_at == at("Tue 2026-06-16 10:00 BST")
