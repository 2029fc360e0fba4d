"""What accounts have sent: counted in the transaction that takes the messages, read by the hour, day and month."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from homing.accounts.rules.usage import Period, Used, hour_of, span_of
from homing.accounts.types import SANDBOX_MESSAGES
from homing.ground.db import Executor, queries, trouble_is_temporary

_sql = queries("homing.accounts", "usage.sql")
WRITTEN_DOWN = -1  # in place of a shard: of transmissions that are written down before they have one
KEPT = timedelta(days=400)
_OPEN = timedelta(hours=2)  # an hour that ended so long ago is added to its day

Counted = Mapping[tuple[int, datetime], int]
"""Messages by account and hour."""


class Usage(NamedTuple):
    """What an account has sent.

    last_day   on which it last did; None: never
    """

    used: Used
    last_day: date | None


async def count(executor: Executor, counted: Counted, *, shard: int = WRITTEN_DOWN) -> None:
    """Count messages in the caller's transaction, which takes them: so none is counted twice, and none is forgotten."""
    if not counted:
        return
    keys = sorted(counted)
    await _sql.count_usage(
        executor,
        shard=shard,
        account_ids=[account_id for account_id, _ in keys],
        hours=[hour for _, hour in keys],
        messages=[counted[key] for key in keys],
    )


async def count_sandbox(executor: Executor, account_id: int, messages: int) -> bool:
    """Count messages against an account's sandbox in the caller's transaction; False: they do not fit, nothing was counted."""
    found = await _sql.count_sandbox(executor, account_id=account_id, messages=messages, most=SANDBOX_MESSAGES)
    return found is not None


async def of_sandbox(executor: Executor, account_id: int) -> int:
    """Return how many messages an account has sent from the sandbox, ever."""
    with trouble_is_temporary():
        used: int | None = await _sql.sandbox_of(executor, account_id=account_id)
    return used or 0


async def of_account(executor: Executor, account_id: int, *, now: datetime) -> Usage:
    """Return what an account has sent in the hour, day and month of a moment."""
    with trouble_is_temporary():
        row = await _sql.usage_of(
            executor,
            account_id=account_id,
            hour=hour_of(now),
            day=span_of(Period.DAY, now).start,
            month=span_of(Period.MONTH, now).start,
        )
    return Usage(Used(hour=row["hour"], day=row["day"], month=row["month"]), row["last_day"])


async def by_day(executor: Executor, account_id: int, *, first: date, last: date) -> dict[date, int]:
    """Return what an account has sent on each day; those without anything are absent."""
    with trouble_is_temporary():
        rows = _sql.usage_by_day(executor, account_id=account_id, first=first, last=last)
        return {row["day"]: row["messages"] async for row in rows}


async def tidy(executor: Executor, *, now: datetime) -> None:
    """Add up hours that are over, and forget days that are long past."""
    with trouble_is_temporary():
        await _sql.add_up_hours(executor, before=hour_of(now) - _OPEN)
        await _sql.forget_days(executor, before=(now - KEPT).date())
