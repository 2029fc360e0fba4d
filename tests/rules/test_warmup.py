"""Automatic warm-up: what a stage lets through, and what a day comes to."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.egress.rules.warmup import (
    LADDER,
    LAST_STAGE,
    MOST_LEASED,
    Progress,
    Returned,
    Tally,
    Verdict,
    close_day,
    give_back,
    lease,
    open_day,
    patience,
    per_day,
    per_hour,
    room,
)

DAY = date(2026, 5, 4)
NOW = datetime(2026, 5, 4, 10, 20, tzinfo=UTC)


def tally(**counts: int) -> Tally:
    return Tally(day=DAY, **counts)


def delivered(stage: int, share: float = 1.0, **counts: int) -> Tally:
    return tally(sent=per_day(stage), **{"delivered": round(per_day(stage) * share), **counts})


def test_the_ladder_is_sparkposts():
    assert len(LADDER) == LAST_STAGE == 29
    assert (per_day(1), per_day(5), per_day(10), per_day(20), per_day(28), per_day(29)) == (
        200, 5_000, 75_000, 1_000_000, 7_500_000, 10_000_000,
    )  # fmt: skip
    assert list(LADDER) == sorted(set(LADDER))


def test_an_hour_takes_a_sixth_of_the_day():
    assert (per_hour(1), per_hour(2), per_hour(6)) == (34, 84, 1_667)


# leases -----------------------------------------------------------------------------------------------------------------


def test_a_lease_is_a_part_of_what_is_left_and_ends_with_the_hour():
    got, counted = lease(6, tally(), now=NOW)
    assert (got.count, got.until) == (83, NOW.replace(hour=11, minute=0))
    assert (counted.sent, counted.in_hour, counted.hour) == (83, 83, 10)


def test_a_full_hour_gives_nothing_until_the_next_and_a_full_day_until_midnight():
    of_hour, same = lease(1, tally(sent=34, hour=10, in_hour=34), now=NOW)
    assert (of_hour.count, of_hour.again_at, same.sent) == (0, NOW.replace(hour=11, minute=0), 34)
    of_day, _ = lease(1, tally(sent=200, hour=9, in_hour=20), now=NOW)
    assert (of_day.count, of_day.again_at) == (0, datetime(2026, 5, 5, tzinfo=UTC))


def test_a_new_hour_begins_at_nothing():
    assert room(1, tally(sent=34, hour=10, in_hour=34), now=NOW) == 0
    assert room(1, tally(sent=34, hour=10, in_hour=34), now=NOW + timedelta(hours=1)) == 34


def test_a_clock_that_is_behind_does_not_open_an_hour_again():
    assert room(1, tally(sent=34, hour=11, in_hour=34), now=NOW) == 0


def test_what_was_put_off_gives_back_its_volume_but_a_day_sees_two_attempts_a_message_at_most():
    after = give_back(tally(sent=10, hour=10, in_hour=10), Returned(day=DAY, hour=10, put_off=4))
    assert (after.sent, after.put_off, after.in_hour, after.attempts) == (6, 4, 6, 10)
    assert room(1, tally(sent=100, put_off=295), now=NOW) == 5
    assert lease(1, tally(sent=100, put_off=300), now=NOW)[0].again_at == datetime(2026, 5, 5, tzinfo=UTC)


def test_what_comes_back_from_an_earlier_hour_leaves_this_hour_alone():
    after = give_back(tally(sent=50, hour=11, in_hour=20), Returned(day=DAY, hour=10, unused=5))
    assert (after.sent, after.in_hour) == (45, 20)


def test_what_went_beyond_the_volume_is_counted():
    after = give_back(tally(sent=200, hour=10, in_hour=34), Returned(day=DAY, hour=10, beyond=7))
    assert (after.sent, after.beyond, room(1, after, now=NOW)) == (207, 7, 0)


_moves = st.lists(
    st.tuples(st.sampled_from(["lease", "unused", "put_off", "hour"]), st.integers(0, 3), st.floats(0, 1)), max_size=300
)


@given(stage=st.integers(1, 12), moves=_moves)
def test_whatever_workers_do_no_day_or_hour_sends_more_than_its_stage(stage, moves):
    """Four workers lease, use some, give some back; what they hold or have sent never exceeds the volume."""
    counted, now = tally(), NOW.replace(hour=0, minute=0)
    holds = [0, 0, 0, 0]
    sent, in_hour = 0, 0
    for what, worker, share in moves:
        some = round(holds[worker] * share)
        match what:
            case "lease":
                got, counted = lease(stage, counted, now=now)
                assert 0 <= got.count <= MOST_LEASED
                holds[worker] += got.count
            case "unused" | "put_off":
                counted = give_back(counted, Returned(day=DAY, hour=now.hour, **{what: some}))
                holds[worker] -= some
            case "hour" if now.hour < 23:
                for each, held in enumerate(holds):  # what is left of a lease ends with the hour
                    used = round(held * share)
                    sent += used
                    counted = give_back(counted, Returned(day=DAY, hour=now.hour, unused=held - used))
                    holds[each] = 0
                now, in_hour = now + timedelta(hours=1), 0
        assert in_hour + sum(holds) <= per_hour(stage)
        assert sent + sum(holds) == counted.sent <= per_day(stage)
        assert counted.attempts <= 2 * per_day(stage)


@given(
    stage=st.integers(1, LAST_STAGE), sent=st.integers(0, 12_000_000), hour=st.integers(0, 23), in_hour=st.integers(0, 2_000_000)
)
def test_a_lease_is_never_more_than_the_room_and_never_nothing_where_there_is_some(stage, sent, hour, in_hour):
    before = tally(sent=sent, hour=hour, in_hour=in_hour)
    left = room(stage, before, now=NOW)
    got, after = lease(stage, before, now=NOW)
    assert (got.count > 0) == (left > 0)
    assert got.count <= left
    assert after.sent - before.sent == got.count
    assert got.again_at > NOW or got.count


# days -------------------------------------------------------------------------------------------------------------------


def test_more_than_nine_tenths_of_the_volume_advance_a_stage():
    assert close_day(Progress(stage=4, stalled=3), tally(sent=2000, delivered=1801)) == (Progress(stage=5), Verdict.ADVANCED)
    assert close_day(Progress(stage=4, stalled=3), tally(sent=2000, delivered=1800)) == (
        Progress(stage=4, stalled=4),
        Verdict.STAYED,
    )


def test_the_last_stage_ends_warm_up():
    assert close_day(Progress(stage=29), delivered(29)) == (None, Verdict.DONE)


def test_ten_days_with_mail_and_without_an_advance_end_warm_up_beyond_stage_one():
    assert close_day(Progress(stage=2, stalled=9), tally(sent=20, delivered=20)) == (None, Verdict.STALLED)
    assert close_day(Progress(stage=2, stalled=8), tally(sent=20, delivered=20))[1] is Verdict.STAYED
    assert close_day(Progress(stage=1, stalled=50), tally(sent=20, delivered=20))[1] is Verdict.STAYED


@pytest.mark.parametrize(
    "counts",
    [{"hard_bounced": 100}, {"blocked": 100}, {"complained": 6, "delivered": 1900}],
    ids=["5 % hard bounces", "5 % blocks", "0.3 % complaints"],
)
def test_much_trouble_steps_two_stages_back(counts):
    assert close_day(Progress(stage=4, stalled=5), delivered(4, **counts)) == (Progress(stage=2), Verdict.STEPPED_BACK)
    assert close_day(Progress(stage=1), delivered(1, hard_bounced=10))[0] == Progress(stage=1)


@pytest.mark.parametrize(
    "counts",
    [{"hard_bounced": 40}, {"blocked": 40}, {"complained": 2, "delivered": 1950}, {"deferred": 400}],
    ids=["2 % hard bounces", "2 % blocks", "0.1 % complaints", "20 % deferred at first"],
)
def test_some_trouble_holds_the_stage_and_does_not_count_as_standing_still(counts):
    assert close_day(Progress(stage=4, stalled=5), delivered(4, **counts)) == (Progress(stage=4, stalled=5), Verdict.HELD)


def test_one_complaint_is_no_rate():
    assert close_day(Progress(stage=1), delivered(1, complained=1))[1] is Verdict.ADVANCED


def test_few_attempts_are_judged_by_counts_of_three_days():
    few = tally(sent=190, delivered=185, hard_bounced=2)
    assert close_day(Progress(stage=1), few)[1] is Verdict.ADVANCED
    assert close_day(Progress(stage=1), few, [tally(hard_bounced=2), tally(hard_bounced=1)])[1] is Verdict.HELD


def test_an_address_that_is_silent_goes_back_and_begins_again_after_a_month():
    progress, stages = Progress(stage=12, stalled=4), []
    for _ in range(30):
        progress, verdict = close_day(progress, tally())
        assert progress is not None
        stages.append(progress.stage)
    assert (stages[5], stages[6], stages[12], stages[13], stages[28], stages[29]) == (12, 11, 11, 9, 9, 1)
    assert verdict is Verdict.STEPPED_BACK
    assert close_day(progress, delivered(1)) == (Progress(stage=2), Verdict.ADVANCED)


_counts = st.integers(0, 3_000)


@given(
    stage=st.integers(1, LAST_STAGE), stalled=st.integers(0, 20), idle=st.integers(0, 60), sent=_counts, put_off=_counts,
    done=_counts, hard=_counts, blocked=_counts, deferred=_counts, complained=_counts,
)  # fmt: skip
def test_no_day_advances_more_than_one_stage_or_without_its_volume(
    stage, stalled, idle, sent, put_off, done, hard, blocked, deferred, complained
):
    day = tally(
        sent=sent, put_off=put_off, delivered=done, hard_bounced=hard, blocked=blocked, deferred=deferred, complained=complained
    )
    after, verdict = close_day(Progress(stage=stage, stalled=stalled, idle=idle), day)
    if after is None:
        assert verdict is Verdict.DONE or (verdict is Verdict.STALLED and stage > 1)
        return
    assert 1 <= after.stage <= min(stage + 1, LAST_STAGE)
    if after.stage > stage:
        assert done > 0.9 * per_day(stage)
        assert verdict is Verdict.ADVANCED


def test_a_day_is_judged_some_minutes_after_its_end():
    midnight = datetime(2026, 5, 5, tzinfo=UTC)
    assert open_day(midnight + timedelta(minutes=9)) == DAY
    assert open_day(midnight + timedelta(minutes=10)) == midnight.date()


def test_mail_waits_a_day_at_most_and_a_third_of_its_lifetime():
    assert patience(timedelta(hours=72)) == timedelta(hours=24)
    assert patience(timedelta(hours=240)) == timedelta(hours=24)
    assert patience(timedelta(hours=6)) == timedelta(hours=2)
