"""Calls that a carrier knows and we do not: their webhooks were lost."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

from homing.ground import db
from homing.support.line.carriers import Carriers, Listed
from homing.support.line.types import Carrier

LOOKS_BACK = timedelta(hours=1)
HEARD_WITHIN = timedelta(seconds=10)


async def lost_calls(
    pool: db.Pool,
    carriers: Carriers,
    carrier: Carrier,
    number: str,
    *,
    known: Callable[..., AsyncIterator[Any]],
    now: datetime,
) -> list[Listed]:
    """Return the calls of the last hour to a number of ours that are not known, but for those whose webhook may be on its way.

    known    the statement `known_calls` of the room that the number belongs to
    raises   NotPlaced where the carrier does not say
    """
    listed = await carriers.recent(carrier, number, since=now - LOOKS_BACK)
    rows = known(pool, carrier=carrier.name, call_ids=[one.happened.call_id for one in listed])
    ids = {row["call_id"] async for row in rows}
    return [one for one in listed if one.happened.call_id not in ids and now - one.started_at >= HEARD_WITHIN]
