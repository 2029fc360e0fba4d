"""Where a test is, when it ends, and what it ends with (SparkPost reference, section 2.24)."""

from datetime import datetime, timedelta
from typing import NamedTuple

from homing.abtests.rules.bayes import chances
from homing.abtests.types import NOTHING, AbTest, Audience, CountsOf, Ended, Mode, Phase, Plan, Status

LONGEST = timedelta(days=30)  # from the start to completion
LEAST_ACCEPTED = 100  # of each template, before confidence may end a test: a look at few messages says too much too often


class End(NamedTuple):
    """Sending ends. leader: the template that reached the confidence level; '': another reason."""

    at: datetime
    why: Ended
    leader: str = ""


class Complete(NamedTuple):
    """The test is over. winner: '' where it was only to learn from."""

    winner: str


def phase(test: AbTest, now: datetime) -> Phase:
    """Return where a test is."""
    if test.status is not Status.SCHEDULED:
        return Phase(test.status.value)
    if test.start_at is None or now < test.start_at:
        return Phase.SCHEDULED
    ended_at = end_of(test)
    return Phase.SENDING if ended_at is None or now < ended_at else Phase.WAITING


def told(where: Phase) -> str:
    """Return a phase in the words that customers see."""
    return "running" if where in (Phase.SENDING, Phase.WAITING) else where.value


def end_of(test: AbTest) -> datetime | None:
    """Return when sending ends, or ended."""
    return test.ended_at if test.ended_at is not None else test.end_at


def latest_end(start_at: datetime, engagement_timeout_h: float) -> datetime:
    """Return when a test ends that names no end, and at the latest."""
    return start_at + LONGEST - timedelta(hours=engagement_timeout_h)


def next_step(test: AbTest, counts: CountsOf, now: datetime) -> End | Complete | None:
    """Return what happens to a test now; None: nothing."""
    where = phase(test, now)
    if where is Phase.SENDING:
        return _end_early(test, counts, now)
    if where is not Phase.WAITING:
        return None
    ended_at = end_of(test)
    if test.ended_at is None and ended_at is not None:
        return End(ended_at, Ended.END_TIME)
    if ended_at is None or now < ended_at + timedelta(hours=test.plan.engagement_timeout_h):
        return None
    return Complete(winner(test, counts))


def winner(test: AbTest, counts: CountsOf) -> str:
    """Return the template that wins: the one that reached the confidence level, or else the default one."""
    if test.plan.mode is not Mode.BAYESIAN:
        return ""
    return test.leader or _leader(test.plan, counts) or test.plan.default.template_id


def sample_size(plan: Plan) -> int | None:
    """Return after how many accepted messages a test ends; None: their number ends it never."""
    if plan.total_sample_size is not None:
        return plan.total_sample_size
    if plan.audience is Audience.SAMPLE_SIZE:
        return sum(arm.sample_size or 0 for arm in plan.arms)
    return None


def _end_early(test: AbTest, counts: CountsOf, now: datetime) -> End | None:
    plan = test.plan
    accepted = [counts.get(arm.template_id, NOTHING).accepted for arm in plan.arms]
    if plan.mode is Mode.BAYESIAN and min(accepted) >= LEAST_ACCEPTED:
        leader = _leader(plan, counts)
        if leader:
            return End(now, Ended.CONFIDENCE, leader)
    most = sample_size(plan)
    return End(now, Ended.SAMPLE_SIZE) if most is not None and sum(accepted) >= most else None


def _leader(plan: Plan, counts: CountsOf) -> str:
    """Return the template that is the best with the wanted confidence; '': none is."""
    found = [counts.get(arm.template_id, NOTHING) for arm in plan.arms]
    best = chances([(one.engaged(plan.metric), one.accepted) for one in found])
    place = max(range(len(best)), key=best.__getitem__)
    return plan.arms[place].template_id if best[place] >= plan.confidence_level else ""
