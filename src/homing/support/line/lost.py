"""Calls that a carrier knows and we do not: their webhooks were lost (E28, invariant 7).

Each number is looked back upon to the last time at which all of its calls were taken in, however long nobody could ask.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from homing.ground import db
from homing.ground.turns import PASSING
from homing.support.line import store
from homing.support.line.carriers import Carriers, Listed
from homing.support.line.types import Carrier

LOOKS_BACK = timedelta(hours=1)  # before the last time, as a carrier may list a call late; and where there was no last time
LONGEST = timedelta(days=7)  # of a call that is older nobody is served by being called back
HEARD_WITHIN = timedelta(seconds=10)


def since(done_at: datetime | None, now: datetime) -> datetime:
    """Return from when on calls are looked for. done_at: when all of them were taken in the last time; None: never."""
    return max(min(done_at or now, now) - LOOKS_BACK, now - LONGEST)


async def take_lost_calls(
    pool: db.Pool,
    carriers: Carriers,
    carrier: Carrier,
    number: str,
    *,
    room: str,
    known: Callable[..., AsyncIterator[Any]],
    take: Callable[[Listed], Awaitable[bool]],
    log: Any,
    now: datetime,
) -> int:
    """Take in the calls to a number of ours that are not known, but for those whose webhook may be on its way; return how many.

    room     whose number it is
    known    the statement `known_calls` of that room
    take     takes one in; False: it was known after all
    log      of that room
    raises   NotPlaced where the carrier does not say
    """
    chore = f"{room} calls {carrier.name} {number}"
    done_at = await store.sql.chore_done_at(pool, name=chore)
    found, failed = 0, False
    async for listed in carriers.recent(carrier, number, since=since(done_at, now), now=now):
        rows = known(pool, carrier=carrier.name, call_ids=[one.happened.call_id for one in listed])
        ids = {row["call_id"] async for row in rows}
        for one in listed:
            if one.happened.call_id in ids or now - one.started_at < HEARD_WITHIN:
                continue
            try:
                found += await take(one)
            except PASSING:
                raise
            except Exception:  # the edge of one call: those after it are owed a call-back as well
                log.exception("lost_call_failed", carrier=carrier.name, started_at=one.started_at)
                failed = True
    if not failed:
        await store.sql.chore_done(pool, name=chore, now=now)
    return found
