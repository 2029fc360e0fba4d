"""What holds for every calendar and every instant, and a march second by second that knows nothing of our arithmetic."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.hours.rules.contract import TERMS, zone_info
from homing.hours.rules.explain import explain, moves
from homing.hours.rules.holidays import holidays_of
from homing.hours.rules.measure import HORIZON_DAYS, due, elapsed, status, stretches
from homing.hours.types import (
    Calendar,
    Closed,
    HolidayChange,
    NeverDue,
    Open,
    OpeningHours,
    ServiceZone,
    Version,
    Why,
    Window,
)
from tests.kit.hours import at, calendar, change, march, open_seconds, version

HOUR = 3600
FROM = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = st.integers(0, 2 * 365 * 86_400)
INSTANTS = SECONDS.map(lambda second: FROM + timedelta(seconds=second))
NAMES = st.sampled_from(["ET/US-FRB", "ET/US-FED", "PT/US-FRB", "UK/GB-EAW", "UK/GB-SCT", "UK/GB-NIR"])
# Days on which something happens: clock changes, substitutes, and a plain one.
ODD_DAYS = [date.fromisoformat(text) for text in ("2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01", "2026-12-28")]


@st.composite
def windows(draw: st.DrawFn) -> tuple[Window, ...]:
    """Return up to three windows of a day, in order, apart."""
    edges = sorted(draw(st.sets(st.integers(0, 96), min_size=0, max_size=6)))
    return tuple(Window(15 * opens, 15 * closes) for opens, closes in zip(edges[::2], edges[1::2], strict=False))


@st.composite
def recorded(draw: st.DrawFn, *, within: tuple[datetime, datetime] | None = None) -> Calendar:
    """Return a calendar with a few versions and changes of holidays, recorded at any time."""
    begin, end = within or (FROM, FROM + timedelta(days=730))
    moments = st.integers(0, int((end - begin).total_seconds())).map(lambda second: begin + timedelta(seconds=second))
    days = st.one_of(
        st.sampled_from(ODD_DAYS),
        st.integers(0, (end - begin).days).map(lambda n: begin.date() + timedelta(days=n)),
    )
    made = calendar(draw(NAMES))
    versions = [
        Version(
            number=number,
            zone=made.zone,
            hours=OpeningHours(
                weekly=draw(st.one_of(st.just(TERMS[made.zone].hours.weekly), st.tuples(*[windows()] * 7))),
                exceptions=draw(st.dictionaries(days, windows(), max_size=4)),
            ),
            effective_from=draw(moments),
            effective_to=draw(st.none() | moments),
            recorded_at=recorded_at,
            author="kim",
            reason="chance",
        )
        for number, recorded_at in enumerate(sorted(draw(st.lists(moments, max_size=3))), 1)
    ]
    changes = [
        HolidayChange(
            number=number,
            holiday_set=made.holiday_set,
            day=draw(days),
            name="a day",
            active=draw(st.booleans()),
            source="chance",
            recorded_at=recorded_at,
            author="kim",
            reason="chance",
        )
        for number, recorded_at in enumerate(sorted(draw(st.lists(moments, max_size=2))), 1)
    ]
    return Calendar(zone=made.zone, holiday_set=made.holiday_set, versions=tuple(versions), holiday_changes=tuple(changes))


# One calendar in two is the contract's own: what is asked of most.
CALENDARS = st.one_of(NAMES.map(calendar), recorded())
few = settings(max_examples=40, deadline=None)


@few
@given(CALENDARS, INSTANTS, st.integers(0, 40 * 86_400), st.integers(0, 40 * 86_400))
def test_elapsed_is_additive_monotone_and_never_negative(cal: Calendar, start: datetime, first: int, second: int):
    middle, end = start + timedelta(seconds=first), start + timedelta(seconds=first + second)
    one, two, both = elapsed(cal, start, middle), elapsed(cal, middle, end), elapsed(cal, start, end)
    assert one + two == both
    assert 0 <= one <= both <= first + second


@few
@given(CALENDARS, INSTANTS, st.integers(0, 100 * HOUR))
def test_due_is_where_exactly_so_much_has_elapsed_and_no_earlier(cal: Calendar, start: datetime, seconds: int):
    try:
        found = due(cal, start, seconds)
    except NeverDue:
        assert elapsed(cal, start, start + timedelta(days=HORIZON_DAYS)) < seconds
        return
    assert found >= start
    assert elapsed(cal, start, found) == seconds
    if seconds:
        second = timedelta(seconds=1)
        assert elapsed(cal, start, found - second) == seconds - 1  # no earlier instant will do
        assert isinstance(status(cal, found - second), Open)  # in an open instant, or right at a window's close
    else:
        assert found == start


@few
@given(NAMES.map(calendar), INSTANTS, st.integers(0, 5 * 86_400), st.integers(0, 60 * HOUR), st.integers(0, 20 * HOUR))
def test_due_is_monotone_in_both_arguments(cal: Calendar, start: datetime, later: int, seconds: int, more: int):
    assert due(cal, start, seconds) <= due(cal, start, seconds + more)
    assert due(cal, start, seconds) <= due(cal, start + timedelta(seconds=later), seconds)


@few
@given(CALENDARS, INSTANTS, st.integers(0, 60 * 86_400))
def test_an_explanation_adds_up_to_the_second(cal: Calendar, start: datetime, length: int):
    end = start + timedelta(seconds=length)
    found = explain(cal, start, end)
    assert (found.start, found.end) == (start, end)
    assert found.counted_s == elapsed(cal, start, end)
    assert found.counted_s + found.skipped_s == length == sum(one.seconds for one in found.stretches)
    at_ = start
    for one in found.stretches:
        assert one.start == at_ < one.end
        assert one.start.astimezone(zone_info(cal.zone)).date() == one.day
        assert (one.why is Why.HOLIDAY) == bool(one.holiday)
        at_ = one.end
    for one, other in zip(found.stretches, found.stretches[1:], strict=False):
        assert (one.why, one.day, one.version, one.holiday) != (other.why, other.day, other.version, other.holiday)


@few
@given(recorded(), INSTANTS, st.integers(0, 60 * 86_400), INSTANTS)
def test_what_is_recorded_later_leaves_the_past_alone(cal: Calendar, start: datetime, length: int, moment: datetime):
    known = cal.as_known_at(moment)
    end = min(start + timedelta(seconds=length), moment)
    if start <= end:
        assert elapsed(cal, start, end) == elapsed(known, start, end)
        assert list(stretches(cal, start, end)) == list(stretches(known, start, end))


@few
@given(recorded(), INSTANTS, st.integers(1, 40 * HOUR))
def test_a_record_moves_a_due_time_only_where_it_lay_ahead(cal: Calendar, start: datetime, seconds: int):
    for move in moves(cal, start, seconds):
        assert move.before != move.after
        for moment in (move.before, move.after):
            assert moment is None or moment >= move.record.recorded_at


@few
@given(NAMES, st.integers(0, 5 * 86_400), st.integers(0, 30 * HOUR), st.integers(1, 4))
def test_whole_weeks_without_holidays_and_clock_changes_only_shift(name: str, start_s: int, seconds: int, weeks: int):
    cal = calendar(name)
    start = datetime(2026, 9, 8, tzinfo=UTC) + timedelta(seconds=start_s)  # after Labor Day, before Columbus Day
    end, shift = due(cal, start, seconds), timedelta(weeks=weeks)
    if (end + shift).date() < date(2026, 10, 12):
        assert not any(start.date() <= day <= (end + shift).date() for day in holidays_of(cal.holiday_set, 2026))
        assert due(cal, start + shift, seconds) == end + shift
        assert elapsed(cal, start + shift, end + shift) == elapsed(cal, start, end)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_march_second_by_second_agrees(data: st.DataObject):
    day = data.draw(st.sampled_from(ODD_DAYS))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    around = (noon - timedelta(hours=16), noon + timedelta(hours=16))
    cal = data.draw(recorded(within=around))
    start = around[0] + timedelta(seconds=data.draw(st.integers(0, 26 * HOUR)))
    length = data.draw(st.integers(0, 4 * HOUR))
    marched = march(cal, int(start.timestamp()), length)
    assert elapsed(cal, start, start + timedelta(seconds=length)) == sum(marched)
    whole = [one for one in stretches(cal, start, start + timedelta(seconds=length)) for _ in range(one.seconds)]
    assert [one.why.counts for one in whole] == marched
    wanted = data.draw(st.integers(1, max(1, sum(marched))))
    if wanted <= sum(marched):
        count = 0
        for n, counts in enumerate(marched, 1):
            count += counts
            if count == wanted:
                assert due(cal, start, wanted) == start + timedelta(seconds=n)
                break


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("ET/US-FRB", "2026-03-06T20:00Z", "2026-03-09T20:00Z"),  # the weekend of the clock change
        ("UK/GB-EAW", "2026-12-24T16:00Z", "2026-12-29T10:00Z"),  # Christmas with a substitute
        ("PT/US-FED", "2026-07-02T20:00Z", "2026-07-06T20:00Z"),  # an observed Friday
    ],
)
def test_a_march_over_a_whole_weekend_agrees(name: str, first: str, last: str):
    cal, start, end = calendar(name), at(first), at(last)
    marched = march(cal, int(start.timestamp()), int((end - start).total_seconds()))
    counted = [start + timedelta(seconds=n) for n, counts in enumerate(marched, 1) if counts]
    assert elapsed(cal, start, end) == len(counted)
    assert due(cal, start, HOUR) == counted[HOUR - 1]
    open_seconds.cache_clear()


# -- what is refused, and the edges


def test_a_calendar_that_never_opens_is_an_error_of_its_hours_and_not_an_endless_search():
    shut = calendar("ET", versions=(version("ET", recorded="2026-01-02T00:00Z", week=""),))
    with pytest.raises(NeverDue, match="holds only 0 of 3600 seconds"):
        due(shut, at("2026-02-02T12:00Z"), HOUR)
    assert status(shut, at("2026-02-02T15:00Z")) == Closed(opens_at=None, why=Why.DAY_OFF)
    assert elapsed(shut, at("2026-02-02T00:00Z"), at("2027-02-02T00:00Z")) == 0


def test_more_than_400_days_hold_is_never_due():
    with pytest.raises(NeverDue):
        due(calendar("ET"), at("2026-02-02T12:00Z"), 400 * 8 * HOUR)


def test_hours_that_never_end_have_no_close():
    always = calendar("UK", versions=(version("UK", recorded="2026-01-01T00:00Z", week="mon-sun 00:00-24:00"),))
    assert isinstance(status(always, at("2026-08-31T11:00Z")), Closed)  # a bank holiday is closed all the same
    assert status(always, at("2026-06-01T11:00Z")) == Open(closes_at=at("2026-08-30T23:00Z"))
    days = {(date(2026, 1, 1) + timedelta(days=n)).isoformat(): "00:00-24:00" for n in range(600)}
    every = calendar("UK", versions=(version("UK", recorded="2026-01-01T00:00Z", on=days),))
    assert status(every, at("2026-06-01T11:00Z")) == Open(closes_at=None)
    assert due(every, at("2026-03-28T23:30Z"), 24 * HOUR) == at("2026-03-29T23:30Z")


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (at("2026-02-02T12:00Z"), at("2026-02-02T11:59Z"), "is before the start"),
        (datetime(2026, 2, 2, 12), at("2026-02-03T11:59Z"), "needs a time zone"),
        (at("2022-02-02T12:00Z"), at("2026-02-02T11:59Z"), "2023 to 2099"),
        (at("2026-02-02T12:00Z"), at("2100-02-02T11:59Z"), "2023 to 2099"),
    ],
)
def test_instants_that_cannot_be_measured(start: datetime, end: datetime, says: str):
    with pytest.raises(ValueError, match=says):
        elapsed(calendar("ET"), start, end)


def test_a_promise_cannot_be_negative():
    with pytest.raises(ValueError, match="cannot last -1 seconds"):
        due(calendar("ET"), at("2026-02-02T12:00Z"), -1)


def test_fractions_of_a_second_are_dropped():
    start = at("2026-01-14T15:00Z") + timedelta(milliseconds=700)
    assert due(calendar("ET"), start, HOUR) == at("2026-01-14T16:00Z")
    assert due(calendar("ET"), start, 0) == at("2026-01-14T15:00Z")
    assert elapsed(calendar("ET"), start, start + timedelta(milliseconds=299)) == 0


def test_what_is_recorded_within_a_second_counts_from_the_next():
    cut = version("ET", recorded="2026-01-14T15:00:00.250Z", begins="2026-01-01T00:00Z", on={"2026-01-14": "closed"})
    assert elapsed(calendar("ET", versions=(cut,)), at("2026-01-14T14:00Z"), at("2026-01-14T20:00Z")) == HOUR + 1


def test_of_two_versions_the_last_recorded_decides_until_it_ends():
    longer = version("ET", number=1, recorded="2026-02-01T00:00Z", week="mon-fri 08:00-18:00")
    week = version(
        "ET",
        number=2,
        recorded="2026-02-02T00:00Z",
        begins="2026-02-09T05:00Z",
        ends="2026-02-14T05:00Z",
        week="mon-fri 10:00-12:00",
    )
    cal = calendar("ET", versions=(longer, week))

    def of_day(day: int) -> tuple[int, set[int]]:
        found = explain(cal, at(f"2026-02-{day:02d}T05:00Z"), at(f"2026-02-{day + 1:02d}T05:00Z"))
        return found.counted_s // HOUR, {one.version for one in found.stretches}

    assert of_day(6) == (10, {1})
    assert of_day(9) == (2, {2})
    assert of_day(13) == (2, {2})
    assert of_day(17) == (10, {1})
    assert of_day(16) == (0, {1})  # Washington's Birthday
    before = explain(cal, at("2026-01-30T05:00Z"), at("2026-01-31T05:00Z"))
    assert (before.counted_s, {one.version for one in before.stretches}) == (8 * HOUR, {0})  # the contract itself


def test_an_exception_opens_a_bank_holiday_and_a_weekend():
    cal = calendar(
        "UK",
        versions=(version("UK", recorded="2026-01-02T00:00Z", on={"2026-08-31": "10:00-12:00", "2026-08-30": "10:00-11:00"}),),
    )
    found = explain(cal, at("2026-08-29T23:00Z"), at("2026-08-31T23:00Z"))
    assert found.counted_s == 3 * HOUR
    assert [one.why for one in found.stretches] == [Why.EARLY, Why.OPENED, Why.LATE] * 2


def test_a_holiday_can_be_taken_back():
    cal = calendar("UK", holiday_changes=(change("GB-EAW", "2026-08-31", recorded="2026-08-01T00:00Z", active=False),))
    assert elapsed(cal, at("2026-08-30T23:00Z"), at("2026-08-31T23:00Z")) == 8 * HOUR


def test_an_explanation_names_every_reason():
    on = {"2026-12-22": "09:00-10:00,11:00-12:00", "2026-12-23": "closed"}
    cal = calendar("UK", versions=(version("UK", recorded="2026-12-01T00:00Z", on=on),))
    found = explain(cal, at("2026-12-21T20:00Z"), at("2026-12-27T00:00Z"))
    assert [(one.day.day, one.why, one.holiday) for one in found.stretches] == [
        (21, Why.LATE, ""),
        (22, Why.EARLY, ""),
        (22, Why.OPENED, ""),
        (22, Why.BETWEEN, ""),
        (22, Why.OPENED, ""),
        (22, Why.LATE, ""),
        (23, Why.CLOSED, ""),
        (24, Why.EARLY, ""),
        (24, Why.WEEKLY, ""),
        (24, Why.LATE, ""),
        (25, Why.HOLIDAY, "Christmas Day"),
        (26, Why.DAY_OFF, ""),
    ]


def test_a_customer_is_told_what_moved_his_due_time_and_why():
    cut = version("ET", recorded="2026-12-24T16:30Z", begins="2026-12-01T00:00Z", on={"2026-12-24": "09:00-11:00"})
    cal = calendar("ET", versions=(cut,))
    (move,) = moves(cal, at("Wed 2026-12-23 16:00 EST"), 4 * HOUR)
    assert (move.before, move.after) == (at("Thu 2026-12-24 12:00 EST"), at("Mon 2026-12-28 09:30 EST"))
    assert move.record is cut
    assert moves(cal, at("Wed 2026-12-23 16:00 EST"), HOUR) == ()  # it was over by then
    assert moves(cal, at("Thu 2026-12-24 12:00 EST"), 4 * HOUR) == ()  # it was known from the beginning


def test_a_zone_is_a_place_and_never_an_offset():
    assert {zone: zone_info(zone).key for zone in ServiceZone} == {
        "ET": "America/New_York",
        "PT": "America/Los_Angeles",
        "UK": "Europe/London",
    }
