"""When to try again."""

from datetime import datetime, timedelta

import msgspec

BACKOFF_AFTER = 1.5  # a throttled first wait against a normal one: 30 minutes and 20 in the data
PAUSES_S = (600.0, 3600.0, 14400.0)  # bounce_rules.json, retry_profiles.pause.stop_minutes: 10, 60, 240


class RetryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How waits grow. The defaults are SparkPost's schedule: 20 minutes, doubling, at most 12 hours.

    first     wait after the first failed try
    factor    each later wait is this many times longer; 1.0 or more
    ceiling   no single wait is longer than this
    jitter    share by which a wait may vary both ways, 0.0 to below 1.0: failures must not return in step
    """

    first: timedelta = timedelta(minutes=20)
    factor: float = 2.0
    ceiling: timedelta = timedelta(hours=12)
    jitter: float = 0.1


def plan_for(profile: str, plan: RetryPlan) -> RetryPlan:
    """Return the plan of a retry profile (Classification.retry): normal, or backoff, which starts more slowly."""
    if profile == "backoff":
        return msgspec.structs.replace(plan, first=min(plan.first * BACKOFF_AFTER, plan.ceiling))
    return plan


def wait(plan: RetryPlan, *, tries: int, profile: str = "normal", jitter: float = 0.0) -> timedelta:
    """Return the wait after so many failed tries.

    tries     failed tries so far, 1 or more
    profile   normal, backoff or pause; pause stops for 10 minutes, then 1 hour, then 4 hours, or as the plan if shorter
    jitter    chance in -1.0..1.0; 0.0 is the exact schedule
    raises    ValueError if tries is below 1
    """
    if tries < 1:
        raise ValueError(f"tries counts failures, so it starts at 1; got {tries}")
    plan = plan_for(profile, plan)
    if profile == "pause":
        paused = timedelta(seconds=PAUSES_S[min(tries, len(PAUSES_S)) - 1])
        # The pause belongs to the site; a message of a plan with shorter waits (a test, an urgent stream) keeps them.
        base = min(paused, max(plan.first, _grown(plan, tries)))
    else:
        base = _grown(plan, tries)
    return base * (1.0 + max(-1.0, min(1.0, jitter)) * plan.jitter)


def next_attempt(
    plan: RetryPlan, *, tries: int, expires_at: datetime, now: datetime, profile: str = "normal", jitter: float = 0.0
) -> datetime | None:
    """Return the moment of the next try, or None once the message has outlived its time.

    tries        failed tries so far, 1 or more
    expires_at   aware; acceptance and lifetime
    now          aware; when the last try ended
    returns      aware and later than now, or None: bounce it as expired. A wait that would end beyond the expiry is cut
                 so that one last try is made shortly before, if that is at least half of the wait away
    raises       ValueError if tries is below 1
    source       RFC 5321 section 4.5.4.1; SparkPost: 20 minutes, doubling, 72 hours
    """
    pause = wait(plan, tries=tries, profile=profile, jitter=jitter)
    due = now + pause
    if due < expires_at:
        return due
    last = expires_at - min(timedelta(seconds=60), plan.first / 2)
    return last if last >= now + pause / 2 else None


def _grown(plan: RetryPlan, tries: int) -> timedelta:
    # In seconds, and with a bounded exponent: a timedelta overflows long before a message has been tried so often.
    seconds = plan.first.total_seconds() * plan.factor ** min(tries - 1, 64)
    return timedelta(seconds=min(seconds, plan.ceiling.total_seconds()))
