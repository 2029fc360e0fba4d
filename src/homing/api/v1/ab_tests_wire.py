"""A/B tests on the wire: bodies in, objects out (SparkPost reference, section 2.24). Errors carry a message alone."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from homing.abtests.rules.phase import latest_end, phase, told
from homing.abtests.types import NOTHING, AbTest, Arm, Audience, CountsOf, Metric, Mode, Phase, Plan, Status
from homing.accounts.types import Sender
from homing.ingress.rules.problem import Problem, Wrong

PATH = "/api/v1/ab-test"
DRAFTS = f"{PATH}/draft"
MOST_VARIANTS = 20
MOST_ID = 64
MOST_NAME = 1_024
MOST_SAMPLE = 1_000_000_000
LONGEST_TIMEOUT_H = 29 * 24.0
STATUSES = ("draft", "scheduled", "running", "cancelled", "completed")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_ENUM = TypeVar("_ENUM", bound=StrEnum)


class ArmIn(msgspec.Struct, kw_only=True):
    """One template; what is read only is ignored."""

    template_id: str | None = None
    sample_size: int | None = None
    percent: float | None = None


class AbTestIn(msgspec.Struct, kw_only=True):
    """The body; `null` means absent."""

    id: str | None = None
    name: str | None = None
    default_template: ArmIn | None = None
    variants: list[ArmIn] | None = None
    metric: str | None = None
    audience_selection: str | None = None
    test_mode: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    total_sample_size: int | None = None
    confidence_level: float | None = None
    engagement_timeout: float | None = None


class ScheduleIn(msgspec.Struct, kw_only=True):
    """The body that schedules a draft."""

    start_time: str | None = None
    end_time: str | None = None
    engagement_timeout: float | None = None


def refuse(message: str, *, status: int = 400) -> Wrong:
    """Return a refusal in the form of these resources."""
    return Wrong(Problem(status, message))


def created(given: AbTestIn, sender: Sender, *, draft: bool, now: datetime) -> AbTest:
    """Return a new test.

    raises   Wrong
    """
    if not given.name:
        raise refuse("name is required")
    name = _name(given.name)
    if given.default_template is None:
        raise refuse("default_template is required")
    base = AbTest(
        account_id=sender.account_id,
        subaccount_id=sender.subaccount_id,
        test_id=_id(given.id, name),
        name=name,
        status=Status.DRAFT if draft else Status.SCHEDULED,
        plan=Plan(default=_arm(given.default_template, "default_template")),
        created_at=now,
        updated_at=now,
    )
    made = changed(base, given, now=now)
    if not draft:
        check(made, now=now)
    return made


def changed(before: AbTest, given: AbTestIn, *, now: datetime) -> AbTest:
    """Return a test with what the body says in place of what it was; only the form of each member is looked at.

    raises   Wrong
    """
    plan = before.plan
    changes: dict[str, Any] = {}
    if given.default_template is not None:
        changes["default"] = _arm(given.default_template, "default_template")
    if given.variants is not None:
        if len(given.variants) > MOST_VARIANTS:
            raise refuse(f"variants must have at most {MOST_VARIANTS} templates")
        changes["variants"] = tuple(_arm(one, "Variants") for one in given.variants)
    if given.metric is not None:
        changes["metric"] = _one_of(Metric, given.metric, "metric")
    if given.audience_selection is not None:
        changes["audience"] = _one_of(Audience, given.audience_selection, "audience_selection")
    if given.test_mode is not None:
        changes["mode"] = _one_of(Mode, given.test_mode, "test_mode")
    if given.total_sample_size is not None:
        if not 1 <= given.total_sample_size <= MOST_SAMPLE:
            raise refuse(f"total_sample_size must be a number from 1 to {MOST_SAMPLE}")
        changes["total_sample_size"] = given.total_sample_size
    if given.confidence_level is not None:
        if not 0.5 <= given.confidence_level < 1.0:
            raise refuse("confidence_level must be a number from 0.5 to below 1")
        changes["confidence_level"] = given.confidence_level
    if given.engagement_timeout is not None:
        changes["engagement_timeout_h"] = _timeout(given.engagement_timeout)
    name = before.name if given.name is None else _name(given.name)
    made = structs.replace(before, name=name, plan=structs.replace(plan, **changes), updated_at=now)
    return _timed(made, given.start_time, given.end_time)


def scheduled(draft: AbTest, given: ScheduleIn, *, now: datetime) -> AbTest:
    """Return a draft as a test that will run.

    raises   Wrong
    """
    if not given.start_time:
        raise refuse("start_time is required")
    plan = draft.plan
    if given.engagement_timeout is not None:
        plan = structs.replace(plan, engagement_timeout_h=_timeout(given.engagement_timeout))
    made = structs.replace(draft, status=Status.SCHEDULED, plan=plan, updated_at=now)
    made = _timed(made, given.start_time, given.end_time)
    check(made, now=now)
    return made


def restarted(before: AbTest, given: AbTestIn, *, now: datetime) -> AbTest:
    """Return the next version of a test that is over. Its default template is the old winner, unless the body names another.

    Where the winner stands among the variants that stay, the old default template takes its place.
    raises   Wrong
    """
    plan = structs.replace(before.plan, end_given=False)
    if before.winner and given.default_template is None:
        old = plan.default
        plan = structs.replace(
            plan,
            default=structs.replace(old, template_id=before.winner),
            variants=tuple(
                structs.replace(arm, template_id=old.template_id) if arm.template_id == before.winner else arm
                for arm in plan.variants
            ),
        )
    base = AbTest(
        account_id=before.account_id,
        subaccount_id=before.subaccount_id,
        test_id=before.test_id,
        version=before.version + 1,
        name=before.name,
        status=Status.SCHEDULED,
        plan=plan,
        start_at=now.replace(microsecond=0),
        created_at=before.created_at,
        updated_at=now,
    )
    made = changed(base, given, now=now)
    check(made, now=now)
    return made


def check(test: AbTest, *, now: datetime) -> None:
    """See that a test has all it needs to run.

    raises   Wrong
    """
    plan = test.plan
    if not plan.variants:
        raise refuse("variants is required: at least one template to compare the default template with")
    for value, name in ((plan.metric, "metric"), (plan.audience, "audience_selection"), (plan.mode, "test_mode")):
        if value is None:
            raise refuse(f"{name} is required")
    if len({arm.template_id for arm in plan.arms}) != len(plan.arms):
        raise refuse("default_template and variants must be different templates")
    for arm, name in ((plan.default, "default_template"), *((arm, "Variants") for arm in plan.variants)):
        if plan.audience is Audience.SAMPLE_SIZE and arm.sample_size is None:
            raise refuse(f"{name} must have a sample_size")
        if plan.audience is Audience.PERCENT and arm.percent is None:
            raise refuse(f"{name} must have a percent")
    if plan.audience is Audience.PERCENT and abs(sum(arm.percent or 0.0 for arm in plan.arms) - 100.0) > 0.01:
        raise refuse("percent of default_template and variants must add up to 100")
    if test.start_at is None or test.end_at is None:
        raise refuse("start_time is required")
    if test.end_at <= test.start_at:
        raise refuse("end_time must be later than start_time")
    if test.end_at > latest_end(test.start_at, plan.engagement_timeout_h):
        raise refuse("a test lasts at most 30 days from start_time, engagement_timeout included; choose an earlier end_time")
    if test.end_at <= now:
        raise refuse("end_time has passed; choose a later start_time or end_time")


def check_filter(text: str | None) -> str | None:
    """Return the status that a list is filtered by. Raises Wrong."""
    if text and text not in STATUSES:
        raise refuse(f"status must be one of: {', '.join(STATUSES)}")
    return text or None


def read_version(text: str | None) -> int | None:
    """Return the version that is asked for; None: the latest. Raises Wrong."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise refuse("version must be a number, 1 or more")
    return int(text)


def show(test: AbTest, counts: CountsOf, *, now: datetime) -> dict[str, Any]:
    """Return a test as customers see it; counts once it runs."""
    plan, where = test.plan, phase(test, now)
    counted = where not in (Phase.DRAFT, Phase.SCHEDULED) and test.start_at is not None
    shown: dict[str, Any] = {
        "id": test.test_id,
        "name": test.name,
        "version": test.version,
        "status": told(where),
        "default_template": _shown_arm(plan.default, plan, counts if counted else None),
    }
    if test.winner and test.status is Status.COMPLETED:
        shown["winning_template_id"] = test.winner
    optional = {
        "variants": [_shown_arm(arm, plan, counts if counted else None) for arm in plan.variants] or None,
        "metric": plan.metric,
        "audience_selection": plan.audience,
        "test_mode": plan.mode,
        "start_time": _moment(test.start_at),
        "end_time": _moment(test.end_at),
        "total_sample_size": plan.total_sample_size,
    }
    shown |= {name: value for name, value in optional.items() if value is not None}
    if plan.mode is Mode.BAYESIAN:
        shown["confidence_level"] = plan.confidence_level
    if where is not Phase.DRAFT:
        shown["engagement_timeout"] = _plain(plan.engagement_timeout_h)
    shown["created_at"], shown["updated_at"] = _moment(test.created_at), _moment(test.updated_at)
    if test.subaccount_id:
        shown["subaccount_id"] = test.subaccount_id
    return shown


def must_be(test_id: str, statuses: Sequence[str]) -> Wrong:
    """Return the refusal of an operation that a test's status does not allow."""
    words = " or ".join(f"'{status}'" for status in statuses)
    return refuse(f"A/B test '{test_id}' must have status {words} to use this endpoint", status=409)


def _shown_arm(arm: Arm, plan: Plan, counts: CountsOf | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"template_id": arm.template_id}
    if arm.sample_size is not None:
        shown["sample_size"] = arm.sample_size
    if arm.percent is not None:
        shown["percent"] = _plain(arm.percent)
    if counts is not None and plan.metric is not None:
        found = counts.get(arm.template_id, NOTHING)
        engaged = found.engaged(plan.metric)
        shown[plan.metric.value] = engaged
        shown["count_accepted"] = found.accepted
        shown["engagement_rate"] = min(1.0, round(engaged / found.accepted, 6)) if found.accepted else 0
    return shown


def _arm(given: ArmIn, member: str) -> Arm:
    if not given.template_id or len(given.template_id.encode()) > MOST_ID or "\0" in given.template_id:
        raise refuse(f"{member} must have a template_id")
    if given.sample_size is not None and not 1 <= given.sample_size <= MOST_SAMPLE:
        raise refuse(f"sample_size must be a number from 1 to {MOST_SAMPLE}")
    if given.percent is not None and not 0.0 < given.percent <= 100.0:
        raise refuse("percent must be a number above 0, up to 100")
    return Arm(template_id=given.template_id, sample_size=given.sample_size, percent=given.percent)


def _timed(test: AbTest, start: str | None, end: str | None) -> AbTest:
    """Return a test with the times that a body names; without an end it is counted from the start."""
    start_at = _read_moment(start, "start_time") if start else test.start_at
    end_at, plan = test.end_at, test.plan
    if end:
        end_at, plan = _read_moment(end, "end_time"), structs.replace(plan, end_given=True)
    elif start_at is not None and not plan.end_given:
        end_at = latest_end(start_at, plan.engagement_timeout_h)
    return structs.replace(test, start_at=start_at, end_at=end_at, plan=plan)


def _id(given: str | None, name: str) -> str:
    found = given if given else _NOT_SLUG.sub("-", name.lower()).strip("-")[:MOST_ID].rstrip("-")
    if _ID.fullmatch(found) is None:
        raise refuse("id must have 1 to 64 letters, digits, - and _")
    if found == "draft":
        raise refuse("id must not be 'draft'")
    return found


def _name(text: str) -> str:
    if not text.strip() or len(text.encode()) > MOST_NAME or not text.isprintable():
        raise refuse(f"name must be 1 to {MOST_NAME} bytes of printable characters")
    return text.strip()


def _timeout(hours: float) -> float:
    if not 0.0 <= hours <= LONGEST_TIMEOUT_H:
        raise refuse(f"engagement_timeout must be a number of hours from 0 to {LONGEST_TIMEOUT_H:g}")
    return hours


def _one_of(kind: type[_ENUM], text: str, name: str) -> _ENUM:
    try:
        return kind(text)
    except ValueError:
        raise refuse(f"{name} must be one of: {', '.join(one.value for one in kind)}") from None


def _read_moment(text: str, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(text) if "T" in text else None
        if at is not None:
            at = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
            if datetime(1970, 1, 1, tzinfo=UTC) <= at <= datetime(9000, 1, 1, tzinfo=UTC):
                return at
    except (ValueError, OverflowError):
        pass
    raise refuse(f"{name} must be a date in ISO 8601, for example 2026-04-03T22:08:33Z")


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number
