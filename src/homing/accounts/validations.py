"""How many addresses accounts had validated, and how many they may: counted in the transaction that takes them, one at a time."""

from datetime import UTC, date, datetime

from homing.accounts.rules.usage import Period, Used, passed, span_of
from homing.accounts.types import Limits
from homing.accounts.usage import KEPT, Usage
from homing.ground.db import Executor, Record, queries, trouble_is_temporary

_sql = queries("homing.accounts", "validations.sql")


async def take(connection: Executor, account_id: int, addresses: int, *, now: datetime) -> bool:
    """Count addresses in the caller's transaction; False: they would pass a limit, and none was counted.

    Until that transaction ends nobody else counts for this account, so together none pass a limit either.
    """
    with trouble_is_temporary():
        limits = _limits(await _sql.hold_validation_limits(connection, account_id=account_id))
        if passed(limits, (await of_account(connection, account_id, now=now)).used, addresses) is not None:
            return False
        await _sql.count_validated(connection, account_id=account_id, day=_day(now), addresses=addresses)
    return True


async def is_used_up(executor: Executor, account_id: int, *, now: datetime) -> bool:
    """Return whether not one address more may be validated now."""
    limits = await limits_of(executor, account_id)
    if not limits.any:
        return False
    return passed(limits, (await of_account(executor, account_id, now=now)).used, 1) is not None


async def give_back(connection: Executor, account_id: int, addresses: int, *, taken_at: datetime) -> None:
    """Count addresses no more, in the caller's transaction: they were not validated after all."""
    await _sql.give_validated_back(connection, account_id=account_id, day=_day(taken_at), addresses=addresses)


async def of_account(executor: Executor, account_id: int, *, now: datetime) -> Usage:
    """Return how many addresses an account had validated in the day and month of a moment."""
    month = span_of(Period.MONTH, now).start
    with trouble_is_temporary():
        row = await _sql.validated(executor, account_id=account_id, day=_day(now), month=_day(month))
    return Usage(Used(day=row["day"], month=row["month"]), row["last_day"])


async def by_day(executor: Executor, account_id: int, *, first: date, last: date) -> dict[date, int]:
    """Return how many addresses an account had validated on each day; those without any are absent."""
    with trouble_is_temporary():
        rows = _sql.validated_by_day(executor, account_id=account_id, first=first, last=last)
        return {row["day"]: row["addresses"] async for row in rows}


async def limits_of(executor: Executor, account_id: int) -> Limits:
    """Return how many addresses an account may have validated in a day and month."""
    with trouble_is_temporary():
        return _limits(await _sql.validation_limits(executor, account_id=account_id))


async def set_limits(executor: Executor, account_id: int, limits: Limits) -> bool:
    """Say how many it may; in force at once. False where there is no such account."""
    with trouble_is_temporary():
        found = await _sql.set_validation_limits(executor, account_id=account_id, daily=limits.daily, monthly=limits.monthly)
    return found is not None


async def tidy(executor: Executor, *, now: datetime) -> None:
    """Forget days that are long past."""
    with trouble_is_temporary():
        await _sql.forget_validated(executor, before=_day(now - KEPT))


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _limits(row: Record | None) -> Limits:
    if row is None:
        return Limits()
    return Limits(daily=row["validation_daily_limit"], monthly=row["validation_monthly_limit"])
