"""The account and its usage on the wire: bodies in, objects out (SparkPost reference, section 2.25)."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from homing.accounts.rules.usage import Period, span_of
from homing.accounts.types import SANDBOX_MESSAGES, Account, AccountOptions, Limits
from homing.accounts.usage import Usage
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type

MOST_NAME = 255
OPTIONS = AccountOptions.__struct_fields__
MOST_DAYS = 400  # of a history
DAYS = 31


class AccountIn(msgspec.Struct, kw_only=True):
    """What to change of an account; `null` means absent."""

    company_name: str | None = None
    tfa_required: bool | None = None
    options: dict[str, Any] | None = None


def read_company_name(text: str | None) -> str | None:
    """Return a company's name. Raises Wrong."""
    if text is None:
        return None
    if not text.strip() or len(text) > MOST_NAME or not text.isprintable():
        raise Wrong(bad_type(f"company_name must be 1 to {MOST_NAME} printable characters"))
    return text.strip()


def read_options(given: Mapping[str, Any] | None) -> dict[str, bool]:
    """Return the options that are changed; others are ignored. Raises Wrong."""
    options = {name: given[name] for name in OPTIONS if given.get(name) is not None} if given else {}
    for name, value in options.items():
        if not isinstance(value, bool):
            raise Wrong(bad_type(f"options.{name} must be a boolean"))
    return options


def check_tfa(required: bool | None) -> None:
    """Refuse what nothing here could enforce. Raises Wrong."""
    if required:
        raise Wrong(bad_params("tfa_required is not available: nobody signs in here, keys are all there is"))


def read_days(query: Mapping[str, str], *, today: date) -> tuple[date, date]:
    """Return the first and last day of a history; a month back from today where nothing is asked for. Raises Wrong."""
    last = min(_day(query, "to") or today, today)
    first = _day(query, "from") or last - timedelta(days=DAYS - 1)
    if first > last:
        raise Wrong(bad_params("from must not be later than to"))
    if (last - first).days >= MOST_DAYS:
        raise Wrong(bad_params(f"a history has at most {MOST_DAYS} days"))
    return first, last


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        found = date.fromisoformat(text[:10])
    except ValueError:
        found = date.min
    if found.year < 1970:
        raise Wrong(bad_params(f"{name} must be a day in the form YYYY-MM-DD"))
    return found


def show(account: Account, usage: Usage | None, *, now: datetime, sandbox: tuple[int, bool] = (0, False)) -> dict[str, Any]:
    """Return an account as customers see it.

    usage     None where it was not asked for
    sandbox   messages that it sent from there, and whether there is one
    """
    shown: dict[str, Any] = {
        "customer_id": account.account_id,
        "company_name": account.company_name or account.name,
        "status": "active" if account.suspended_at is None else "suspended",
        "status_updated": moment(account.suspended_at or account.created_at),
        "status_reason_category": "",
        "tfa_required": False,
        "service_level": "self-hosted",
        "created": moment(account.created_at),
        "updated": moment(account.updated_at or account.created_at),
        "subscription": _subscription(account),
        "options": {name: getattr(account.options, name) for name in OPTIONS},
        "support": {"online": False, "phone": False},
    }
    if usage is not None:
        used, offered = sandbox
        left = {"used": used, "limit": SANDBOX_MESSAGES if offered else 0}
        shown["usage"] = {"timestamp": moment(now), **_spans(usage, account.limits, now), "sandbox": left}
    return shown


def _subscription(account: Account) -> dict[str, Any]:
    shown: dict[str, Any] = {"code": "self-hosted", "name": "Self-hosted", "self_serve": False, "type": "default"}
    if account.limits.monthly is not None:
        shown["plan_volume"] = account.limits.monthly
    return shown


def show_usage(usage: Usage, limits: Limits, *, now: datetime) -> dict[str, Any]:
    """Return how much of one kind an account has used, as GET /usage tells it."""
    last_day = None if usage.last_day is None else usage.last_day.isoformat()
    return {**_spans(usage, limits, now), "last_usage_date": last_day, "timestamp": moment(now)}


def show_history(days: Mapping[date, int], first: date, last: date) -> list[dict[str, Any]]:
    """Return how much of one kind an account has used on every day from the first to the last."""
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [{"date": day.isoformat(), "usage": days.get(day, 0)} for day in every]


def _spans(usage: Usage, limits: Limits, now: datetime) -> dict[str, Any]:
    """Return `day` and `month`, and `hour` where there is such a limit; a limit that is not there is not told."""
    used = usage.used
    spans = {
        "day": (Period.DAY, used.day, limits.daily),
        "month": (Period.MONTH, used.month, limits.monthly),
        **({} if limits.hourly is None else {"hour": (Period.HOUR, used.hour, limits.hourly)}),
    }
    return {name: _span(*span, now=now) for name, span in spans.items()}


def _span(period: Period, used: int, limit: int | None, *, now: datetime) -> dict[str, Any]:
    span = span_of(period, now)
    shown: dict[str, Any] = {"used": used, "start": moment(span.start), "end": moment(span.end)}
    return shown if limit is None else {**shown, "limit": limit}


def moment(at: datetime) -> str:
    """Return a moment as this resource writes it (reference, section 1.9)."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


NO_ACCOUNT = Problem(404, "Resource could not be found")
