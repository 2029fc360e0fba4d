"""The call-back: fifteen minutes on the wall (table K), which attempt counts, E10 to E16."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.contracts.types import Contact, ContactRole, Phone
from homing.hours.types import ServiceZone
from homing.support.line.rules import callback, numbers
from homing.support.line.rules.callback import (
    Counted,
    attainment,
    due_at,
    is_not_set_up,
    judged,
    linked_due,
    may_claim,
    next_try,
    numbers_to_try,
    placed_at,
    progress,
)
from homing.support.line.rules.heard import number_of, read
from homing.support.line.rules.promise import promise, shown
from homing.support.line.types import AttemptStatus, CallStatus, Entitlement, Family, Outcome

DUE = datetime(2026, 3, 8, 7, 5, tzinfo=UTC)


def after(**by: float) -> datetime:
    return DUE + timedelta(**by)


K = [
    ("K1", "America/New_York", "2026-03-08T06:50", "2026-03-08 03:05 EDT"),
    ("K3", "America/New_York", "2026-11-01T06:50", "2026-11-01 02:05 EST"),
    ("K5", "Europe/London", "2026-03-29T00:52", "2026-03-29 02:07 BST"),
    ("K7", "America/New_York", "2026-12-26T04:58", "2026-12-26 00:13 EST"),
    ("K2", "America/New_York", "2026-11-01T05:50", "2026-11-01 01:05 EST"),
]


@pytest.mark.parametrize(("name", "zone", "ring", "due"), K, ids=[one[0] for one in K])
def test_table_k_the_fifteen_minutes_are_wall_clock(name, zone, ring, due):
    rang = datetime.fromisoformat(ring).replace(tzinfo=UTC)
    assert due_at(rang) - rang == timedelta(seconds=900)
    assert f"{due_at(rang).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}" == due


def test_the_promise_is_said_in_utc_and_in_the_service_time_zone():
    due = datetime(2026, 11, 30, 2, 28, tzinfo=UTC)
    said = promise(due, number="+442071838750", zone=ServiceZone.ET)
    assert said == ("A representative calls plus, 4, 4, 2, 0, 7, 1, 8, 3, 8, 7, 5, 0 before 02:28 UTC, that is 21:28 Eastern.")
    assert promise(due, number="", zone=None) == "A representative gets in touch with you before 02:28 UTC."
    assert shown(due, ServiceZone.PT) == "2026-11-29 18:28 PST (-08:00)"
    assert shown(due, None) == "2026-11-30 02:28 UTC (+00:00)"


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(-1, Outcome.MET), (0, Outcome.MET), (1, Outcome.MISSED)],
)
def test_an_attempt_at_exactly_the_due_instant_is_in_time(seconds, outcome):
    assert judged(DUE, [after(seconds=seconds)], pending=False, now=after(minutes=1)) is outcome


def test_what_is_open_and_what_is_missed():
    assert judged(DUE, [], pending=False, now=DUE) is None
    assert judged(DUE, [], pending=False, now=after(seconds=1)) is Outcome.MISSED
    assert judged(DUE, [], pending=True, now=after(hours=1)) is None  # the store was away: what was told is heard first
    assert judged(DUE, [after(seconds=60), after(seconds=-60)], pending=False, now=after(hours=1)) is Outcome.MET


def test_placed_is_when_the_carrier_took_it_and_ringing_came_within_ten_seconds():
    taken = after(seconds=-30)
    assert placed_at(accepted_at=taken, evidence_at=taken + timedelta(seconds=10)) == taken
    assert placed_at(accepted_at=taken, evidence_at=taken + timedelta(seconds=10, microseconds=1)) is None
    assert placed_at(accepted_at=taken, evidence_at=None) is None
    assert placed_at(accepted_at=None, evidence_at=None) is None


def test_ringing_may_come_before_the_carriers_answer():
    rang = after(seconds=-1)
    assert placed_at(accepted_at=after(seconds=2), evidence_at=rang) == rang
    assert placed_at(accepted_at=None, evidence_at=rang) == rang


def test_without_ringing_an_attempt_was_not_set_up():
    assert not is_not_set_up(accepted_at=DUE, evidence_at=None, now=after(seconds=10))
    assert is_not_set_up(accepted_at=DUE, evidence_at=None, now=after(seconds=11))
    assert not is_not_set_up(accepted_at=None, evidence_at=None, now=after(hours=1))


@pytest.mark.parametrize("status", list(CallStatus))
def test_busy_failed_and_mere_acceptance_are_no_ringing(status):
    proofs = {CallStatus.RINGING, CallStatus.ANSWERED, CallStatus.COMPLETED, CallStatus.NO_ANSWER}
    assert callback.is_proof(status) is (status in proofs)


def test_one_claim_at_a_time_and_three_minutes_without_an_attempt():
    until = DUE + callback.CLAIM
    assert until - DUE == timedelta(seconds=180)
    assert may_claim(claimed_by=None, claim_until=None, person_id=1, now=DUE)
    assert may_claim(claimed_by=1, claim_until=until, person_id=1, now=DUE)
    assert not may_claim(claimed_by=2, claim_until=until, person_id=1, now=DUE)
    assert may_claim(claimed_by=2, claim_until=until, person_id=1, now=until)
    assert not may_claim(claimed_by=2, claim_until=None, person_id=1, now=after(hours=1))  # his attempt is under way


def test_e12_the_earlier_promise_stands():
    assert linked_due(DUE, [after(minutes=-4), after(minutes=-2)]) == after(minutes=-4)
    assert linked_due(DUE, []) == DUE
    assert linked_due(DUE, [after(minutes=3)]) == DUE


def test_e14_who_was_not_reached_is_called_again_after_5_15_and_30_minutes_then_at_the_cadence():
    hour = timedelta(hours=1)
    found = [next_try(DUE, tries, last_at=DUE, cadence=hour) - DUE for tries in (1, 2, 3, 4)]
    assert found == [timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30), hour]
    assert next_try(DUE, 1, last_at=after(minutes=9), cadence=hour) == after(minutes=9)


def contact(name, *phones, role=ContactRole.AUTHORISED):
    return Contact(
        contact_id=1, account_id=1, name=name, email=f"{name}@acme.test", email_verified_at=None, role=role, may_sign=True,
        may_open_sev1=True, language="en", phones=tuple(Phone(number, at) for number, at in phones),
    )  # fmt: skip


def test_e15_busy_or_invalid_the_next_number_is_tried():
    kim = contact("kim", ("+15550100003", DUE), ("+15550100004", None))
    first = contact("ana", ("+15550100005", None))
    viewer = contact("vi", ("+15550100009", DUE), role=ContactRole.VIEWER)
    all_of = {"given": "+15550100001", "caller": "+15550100002", "contact": kim, "contacts": [viewer, first, kim]}
    assert numbers_to_try(**all_of) == ["+15550100001", "+15550100002", "+15550100003", "+15550100005"]
    assert numbers_to_try(**all_of, tried=["+15550100001", "+15550100002"])[:2] == ["+15550100003", "+15550100005"]
    same = {**all_of, "caller": "+15550100001"}
    assert numbers_to_try(**same) == ["+15550100001", "+15550100003", "+15550100005"]


def test_e13_a_withheld_number_leaves_the_accounts_own():
    assert numbers_to_try(given="", caller="", contact=None, contacts=[contact("ana", ("+15550100005", None))]) == [
        "+15550100005"
    ]
    assert numbers_to_try(given="", caller="", contact=None, contacts=[]) == []


def test_e16_unknown_callers_are_called_back_and_counted_apart():
    rows = [
        Counted(outcome=Outcome.MET, entitlement=Entitlement.YES),
        Counted(outcome=Outcome.MISSED, entitlement=Entitlement.YES),
        Counted(outcome=Outcome.MISSED, entitlement=Entitlement.NO),
        Counted(outcome=Outcome.MET, entitlement=Entitlement.UNKNOWN),
        Counted(outcome=Outcome.MISSED, entitlement=Entitlement.UNKNOWN),
        Counted(outcome=Outcome.VOID, entitlement=Entitlement.YES),
        Counted(outcome=None, entitlement=Entitlement.YES),
    ]
    found = attainment(rows)
    assert (found.met, found.missed, found.not_entitled, found.undecided, found.void) == (1, 1, 1, 2, 1)
    assert found.undecided_missed == 1


def test_an_attempt_never_goes_back():
    assert progress(AttemptStatus.SET_UP, CallStatus.RINGING, machine="") is AttemptStatus.RINGING
    assert progress(AttemptStatus.HUMAN, CallStatus.RINGING, machine="") is AttemptStatus.HUMAN
    assert progress(AttemptStatus.RINGING, CallStatus.ANSWERED, machine="machine_start") is AttemptStatus.MACHINE
    assert progress(AttemptStatus.MACHINE, CallStatus.ANSWERED, machine="") is AttemptStatus.MACHINE
    assert progress(AttemptStatus.RINGING, CallStatus.BUSY, machine="") is AttemptStatus.BUSY
    assert progress(AttemptStatus.HUMAN, CallStatus.COMPLETED, machine="") is AttemptStatus.HUMAN


@given(
    st.lists(st.integers(-900, 900), max_size=5),
    st.booleans(),
    st.integers(-900, 1800),
    st.integers(0, 1800),
)
def test_once_missed_always_missed(placed, pending, now, later):
    known = [after(seconds=one) for one in placed if one <= now]
    first = judged(DUE, known, pending=pending, now=after(seconds=now))
    then = judged(DUE, [*known, after(seconds=now + later)], pending=False, now=after(seconds=now + later))
    if first is Outcome.MET or (first is Outcome.MISSED and now + later > 0 and now >= 0):
        assert then is first


@pytest.mark.parametrize(
    ("pressed", "near", "expected"),
    [
        ("00442071838750", "+15550100001", "+442071838750"), ("011442071838750", "+15550100001", "+442071838750"),
        ("02071838750", "+442079460000", "+442071838750"), ("8005550100", "", ""), ("2125550100", "+18005550100", "+12125550100"),
        ("12125550100", "+18005550100", "+12125550100"), ("+49 (30) 123-456", "", "+4930123456"),
        ("030123456", "+4930999999", "+4930123456"),
        ("", "+18005550100", ""), ("1", "+18005550100", ""), ("0", "+442079460000", ""), ("999999999999999999", "+1", ""),
        ("**12", "+1", ""), ("1125550100", "+18005550100", ""), ("442071838750", "", "+442071838750"), ("٣٤٥", "+1", ""),
    ],
)  # fmt: skip
def test_numbers_that_people_press(pressed, near, expected):
    assert numbers.parse(pressed, near=near) == expected


def test_numbers_that_cost_are_warned_of_and_never_refused():
    assert numbers.warned("+19005550100", ()).premium
    assert numbers.warned("+442071838750", ("1",)).foreign
    assert not numbers.warned("+442071838750", ("1", "44")).any
    assert not numbers.warned("+998901234567", ()).any


@pytest.mark.parametrize(
    ("given", "expected"),
    [("+442071838750", "+442071838750"), ("442071838750", "+442071838750"), ("anonymous", ""), ("Restricted", ""),
     ("+266696687", ""),
     ("sip:+442071838750@pbx.example", "+442071838750"), ("sip:kim@pbx.example", ""), ("", ""), ("+4420 7183", "")],
)  # fmt: skip
def test_a_withheld_number_is_a_word(given, expected):
    assert number_of(given) == expected


def test_what_carriers_say_is_bounded_and_clean():
    given = {
        "CallSid": "CA\0" + "x" * 9_000,
        "From": "anonymous",
        "Digits": "hangup",
        "SequenceNumber": "3",
        "CallStatus": "no-answer",
    }
    found = read(Family.TWILIO, given)
    assert (found.hung_up, found.digits, found.sequence, found.status) == (True, "", 3, CallStatus.NO_ANSWER)
    assert len(found.call_id) < 2_001
    assert "\0" not in found.call_id
    spoken = {
        "call_sid": "1",
        "from": "+442071838750",
        "speech": {"alternatives": [{"transcript": "down \ud83d"}]},
        "dial_call_status": "completed",
    }
    found = read(Family.JAMBONZ, spoken)
    assert (found.speech, found.bridged) == ("down ?", True)
    assert read(Family.JAMBONZ, {"speech": [], "call_sid": True}).call_id == ""
