"""What figures and verified domains say about advice and ramps."""

from collections.abc import Sequence
from datetime import date, datetime

from homing.domains.types import SendingDomain, Verdict
from homing.support.tam.types import (
    Counts,
    DomainCheck,
    Migration,
    Need,
    RampCheck,
    Rate,
    RateCheck,
    Record,
    RecordKind,
    Result,
    Stage,
    State,
)

_PARTS = {
    Rate.BOUNCE: ("count_bounce", "count_sent"),
    Rate.HARD_BOUNCE: ("count_hard_bounce", "count_sent"),
    Rate.BLOCK: ("count_block_bounce", "count_sent"),
    Rate.COMPLAINT: ("count_spam_complaint", "count_delivered"),
    Rate.DELAY: ("count_delayed", "count_sent"),
}


def rate_of(counts: Counts, rate: Rate) -> float | None:
    """Return a rate; None where there was no mail to take it of."""
    part, whole = _PARTS[rate]
    base: int = getattr(counts, whole)
    return getattr(counts, part) / base if base else None


def rates_of(counts: Counts) -> dict[str, float | None]:
    """Return every rate of some mail."""
    return {rate.value: rate_of(counts, rate) for rate in Rate}


def percent(rate: float | None) -> str:
    """Return a rate as people read it."""
    return "no mail" if rate is None else f"{100 * rate:.3f} %"


def judge_domain(check: DomainCheck, domain: SendingDomain | None, *, now: datetime, because: str) -> Result:
    """Return whether a domain has what it needs, by what DNS said when it was last asked."""
    if domain is None:
        said = f"{check.domain} is no sending domain of this account"
        return Result(at=now, passed=None, said=said, measured={}, because=because)
    status = domain.status
    measured: dict[str, str | int | float] = {
        "dkim_status": status.dkim_status,
        "cname_status": status.cname_status,
        "mx_status": status.mx_status,
        "compliance_status": status.compliance_status,
        "checked_at": domain.checked_at.isoformat() if domain.checked_at is not None else "",
    }
    valid = Verdict.VALID.value
    has = {
        Need.DKIM: status.dkim_status == valid,
        Need.RETURN_PATH: valid in (status.cname_status, status.mx_status),
        Need.COMPLIANCE: status.compliance_status == valid,
    }
    lacks = [need.value for need in check.needs if not has[need]]
    said = f"{check.domain} lacks {', '.join(lacks)}" if lacks else f"{check.domain} has {', '.join(check.needs)}"
    return Result(at=now, passed=not lacks, said=said, measured=measured, because=because)


def judge_rate(check: RateCheck, counts: Counts, *, since: date, until: date, now: datetime, because: str) -> Result:
    """Return whether a rate kept within its bound. since, until: first and last day."""
    part, whole = _PARTS[check.rate]
    base: int = getattr(counts, whole)
    rate = rate_of(counts, check.rate)
    measured: dict[str, str | int | float] = {
        "since": since.isoformat(),
        "until": until.isoformat(),
        part: getattr(counts, part),
        whole: base,
    }
    words = check.rate.value.replace("_", " ")
    if rate is None or base < check.least:
        said = f"{base} messages from {since} to {until}; {check.least} are needed to say something about the {words}"
        return Result(at=now, passed=None, said=said, measured=measured, because=because)
    measured[check.rate.value] = rate
    passed = rate <= check.most
    word = "within" if passed else "above"
    said = f"the {words} was {percent(rate)} from {since} to {until}, {word} {percent(check.most)}"
    return Result(at=now, passed=passed, said=said, measured=measured, because=because)


def judge_ramp(check: RampCheck, plan: Record | None, *, now: datetime, because: str) -> Result:
    """Return whether a migration keeps to its plan."""
    if plan is None or plan.kind is not RecordKind.MIGRATION:
        said = f"{check.plan} is no migration plan of this account"
        return Result(at=now, passed=None, said=said, measured={}, because=because)
    last = plan.judged[-1] if plan.judged else None
    measured: dict[str, str | int | float] = {"state": plan.state.value, "stage": plan.stage}
    if last is None:
        return Result(at=now, passed=None, said="no day of it was judged", measured=measured, because=because)
    measured |= {"day": last.day.isoformat(), "met": int(last.met)}
    passed = last.met and plan.state in (State.RUNNING, State.COMPLETED)
    return Result(at=now, passed=passed, said=f"the plan is {plan.state.value}; {last.said}", measured=measured, because=because)


def day_said(stage: Stage, plan: Migration, day: date, counts: Counts) -> tuple[bool, str]:
    """Return whether a day met the volume and the limits of a stage, in a sentence."""
    lacks: list[str] = []
    if counts.count_injected < stage.per_day:
        lacks.append(f"{counts.count_injected} of {stage.per_day} messages were sent")
    bounces, complaints = rate_of(counts, Rate.BOUNCE), rate_of(counts, Rate.COMPLAINT)
    if bounces is not None and bounces > plan.most_bounces:
        lacks.append(f"the bounce rate was {percent(bounces)}, above {percent(plan.most_bounces)}")
    if complaints is not None and complaints > plan.most_complaints:
        lacks.append(f"the spam complaint rate was {percent(complaints)}, above {percent(plan.most_complaints)}")
    if lacks:
        return False, f"on {day} " + "; ".join(lacks)
    figures = f"bounce rate {percent(bounces)}, spam complaint rate {percent(complaints)}"
    return True, f"on {day} {counts.count_injected} messages were sent, {figures}"


def lapsed(followed: bool, results: Sequence[Result]) -> bool:
    """Return whether what counts as followed holds no more: the last run that could say something failed.

    results   the latest first
    """
    if not followed:
        return False
    said = [one.passed for one in results if one.passed is not None]
    return bool(said) and not said[0]
