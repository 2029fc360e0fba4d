"""Automatic warm-up: how much a new address may send in an hour and a day, and when that grows.

The ladder, its 90 %, the end after ten days without progress: SparkPost reference, section 2.19. Hours, holding, stepping
back, idle days: deliverability reference, sections 1.4 to 1.6. Days and hours are UTC.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

import msgspec
from msgspec import structs

LADDER = (
    200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 50_000, 75_000, 100_000, 150_000, 200_000, 250_000, 325_000,
    400_000, 500_000, 600_000, 750_000, 1_000_000, 1_250_000, 1_750_000, 2_000_000, 3_000_000, 4_250_000, 5_000_000,
    6_000_000, 7_500_000, 10_000_000,
)  # fmt: skip
LAST_STAGE = len(LADDER)
HOURS_OF_A_DAY = 6  # a day's volume is spread over so many hours at least
ATTEMPTS_OF_A_MESSAGE = 2  # a day sees so many attempts for each message of its volume, at most
LEASE_PART = 20  # a worker is let send this part of what is left, at most
MOST_LEASED = 500

ADVANCE_ABOVE = 0.9  # share of the stage's volume that was delivered
STALLED_AFTER = 10  # days with mail and without an advance
IDLE_STEPS = {7: 1, 14: 2}  # days without mail -> further stages back: one after 7 days, three after 14
IDLE_RESTART = 30
RATES_FROM = 200  # attempts; below it, counts of three days decide
BACK_STAGES = 2


class Tally(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What was counted of one address on one day.

    sent       messages that workers were let send, less what they gave back
    put_off    attempts that were deferred; the message gave back what it took, because it counts when it ends
    beyond     of `sent`, those that went although the volume was used up
    in_hour    of `sent`, those of `hour`
    deferred   first attempts that were deferred
    """

    day: date
    sent: int = 0
    put_off: int = 0
    beyond: int = 0
    hour: int = 0
    in_hour: int = 0
    delivered: int = 0
    hard_bounced: int = 0
    blocked: int = 0
    deferred: int = 0
    complained: int = 0

    @property
    def attempts(self) -> int:
        """Return how many attempts there were."""
        return self.sent + self.put_off


class Returned(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a worker tells of what it was let send in one hour.

    unused    messages that it did not send
    put_off   attempts that were deferred
    beyond    messages that it sent without being let
    """

    day: date
    hour: int
    unused: int = 0
    put_off: int = 0
    beyond: int = 0


class Lease(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a worker is let send.

    count      messages; 0: the volume is used up
    until      unused ones are void from here on
    again_at   when there is room again at the earliest, where count is 0
    """

    count: int
    until: datetime
    again_at: datetime


class Progress(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How far an address has come.

    stalled   days with mail since the last advance
    idle      days without mail up to the last one
    """

    stage: int
    stalled: int = 0
    idle: int = 0


class Verdict(StrEnum):
    """What a day came to."""

    ADVANCED = "advanced"
    STAYED = "stayed"
    HELD = "held"  # the volume was delivered, but too much was refused or complained about
    STEPPED_BACK = "stepped back"
    IDLE = "idle"
    DONE = "done"  # the last stage is passed: the address is warm
    STALLED = "stalled"  # ten days without an advance: warm for what it sends, so it is limited no more


def per_day(stage: int) -> int:
    """Return how many messages a stage lets through in a day."""
    return LADDER[stage - 1]


def per_hour(stage: int) -> int:
    """Return how many messages a stage lets through in an hour."""
    return _hourly(LADDER[stage - 1])


def room(stage: int, tally: Tally, *, now: datetime) -> int:
    """Return how many more messages may go now, in the day of the tally."""
    return _room(per_day(stage), tally, now)


def lease(stage: int, tally: Tally, *, now: datetime) -> tuple[Lease, Tally]:
    """Let a worker send some messages of a stage; see `lease_of`."""
    return lease_of(per_day(stage), tally, now=now)


def lease_of(volume: int, tally: Tally, *, now: datetime) -> tuple[Lease, Tally]:
    """Let a worker send some messages of a day's volume; returns what, and the tally that counts them.

    Few at a time: what a killed worker had not used is lost for the day. So it sends too little, never too much.
    """
    left = _room(volume, tally, now)
    hour_ends = _hour_end(now)
    if left <= 0:
        again_at = hour_ends if _left_of_day(volume, tally) > 0 else _day_end(now)
        return Lease(count=0, until=now, again_at=again_at), tally
    count = max(1, min(MOST_LEASED, left // LEASE_PART))
    hour = _hour(tally, now)
    counted = structs.replace(tally, sent=tally.sent + count, hour=hour, in_hour=_in_hour(tally, now) + count)
    return Lease(count=count, until=hour_ends, again_at=now), counted


def give_back(tally: Tally, returned: Returned) -> Tally:
    """Return the tally of the lease's day after a worker has told what it did with it."""
    back = returned.unused + returned.put_off
    same_hour = tally.hour == returned.hour
    return structs.replace(
        tally,
        sent=max(0, tally.sent - back) + returned.beyond,
        put_off=tally.put_off + returned.put_off,
        beyond=tally.beyond + returned.beyond,
        in_hour=max(0, tally.in_hour - back) + returned.beyond if same_hour else tally.in_hour,
    )


def close_day(
    progress: Progress, tally: Tally, before: Sequence[Tally] = (), *, grew: bool = False
) -> tuple[Progress | None, Verdict]:
    """Judge a day that is over; returns where the address stands now (None: automatic warm-up ends), and why.

    before   tallies of the two days before, as far as there are any
    grew     what it may send to a provider has grown (rules/pairs.py): then it does not stand still
    """
    stage = progress.stage
    if not tally.attempts and not tally.delivered:
        return _idle(progress)
    if is_bad(tally):
        return Progress(stage=max(1, stage - BACK_STAGES)), Verdict.STEPPED_BACK
    if is_doubtful(tally, before):
        return Progress(stage=stage, stalled=progress.stalled), Verdict.HELD
    if tally.delivered > ADVANCE_ABOVE * per_day(stage):
        return (None, Verdict.DONE) if stage == LAST_STAGE else (Progress(stage=stage + 1), Verdict.ADVANCED)
    stalled = progress.stalled + (not grew)
    if stage > 1 and stalled >= STALLED_AFTER:
        return None, Verdict.STALLED
    return Progress(stage=stage, stalled=stalled), Verdict.STAYED


def open_day(now: datetime) -> date:
    """Return the first day that must not be judged yet: of the one before, the last seconds have been counted, too."""
    return (now - timedelta(minutes=10)).date()


def patience(lifetime: timedelta) -> timedelta:
    """Return how long mail waits for room before it goes all the same, counted from when it was to go.

    A third of its lifetime at most: what is left is for retries, so the limit of an address never expires a message.
    """
    return min(timedelta(hours=24), lifetime / 3)


def _idle(progress: Progress) -> tuple[Progress, Verdict]:
    """Providers keep about 30 days of history: an address that was silent goes back, or begins again."""
    idle = progress.idle + 1
    stage = 1 if idle >= IDLE_RESTART else max(1, progress.stage - IDLE_STEPS.get(idle, 0))
    verdict = Verdict.STEPPED_BACK if stage < progress.stage else Verdict.IDLE
    return Progress(stage=stage, stalled=progress.stalled if stage == progress.stage else 0, idle=idle), verdict


def is_bad(tally: Tally) -> bool:
    """Return whether a day was so bad that less is sent from now on."""
    attempts = tally.attempts
    if attempts < RATES_FROM:
        return False
    return _complaint_rate(tally) >= 0.003 or tally.hard_bounced >= 0.05 * attempts or tally.blocked >= 0.05 * attempts


def is_doubtful(tally: Tally, before: Sequence[Tally]) -> bool:
    """Return whether a day was not good enough to send more. before: tallies of the two days before."""
    attempts = tally.attempts
    if attempts < RATES_FROM:
        days = (tally, *before)
        return (
            sum(day.hard_bounced for day in days) >= 5
            or sum(day.complained for day in days) >= 2
            or sum(day.blocked for day in days) >= 10
        )
    return (
        _complaint_rate(tally) >= 0.001
        or tally.hard_bounced >= 0.02 * attempts
        or tally.blocked >= 0.02 * attempts
        or tally.deferred >= 0.2 * attempts
    )


def _complaint_rate(tally: Tally) -> float:
    """Return complaints for each delivery; a single one is no rate."""
    return tally.complained / max(1, tally.delivered) if tally.complained > 1 else 0.0


def _hourly(volume: int) -> int:
    return -(-volume // HOURS_OF_A_DAY)


def _left_of_day(volume: int, tally: Tally) -> int:
    return min(volume - tally.sent, ATTEMPTS_OF_A_MESSAGE * volume - tally.attempts)


def _room(volume: int, tally: Tally, now: datetime) -> int:
    return max(0, min(_left_of_day(volume, tally), _hourly(volume) - _in_hour(tally, now)))


def _hour(tally: Tally, now: datetime) -> int:
    return max(tally.hour, now.hour)  # clocks of two machines differ; an hour that has begun does not come again


def _in_hour(tally: Tally, now: datetime) -> int:
    return tally.in_hour if tally.hour == _hour(tally, now) else 0


def _hour_end(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _day_end(now: datetime) -> datetime:
    return _midnight(now.date() + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
