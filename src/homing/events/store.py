"""The log in PostgreSQL: its daily partitions, and how it is read. Events are appended by the queue, in its transactions.

A column list for the COPY of events, in the order of `Event` behind (day, shard, seq), is COLUMNS.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from homing.events.rules.erasure import erased
from homing.events.rules.search import After, Search
from homing.events.types import EventType, Logged
from homing.ground import db
from homing.ground.errors import Temporary
from homing.ground.ids import moment_of
from homing.ground.log import get

log = get("events")
_sql = db.queries("homing.events")

COLUMNS = (
    "day",
    "shard",
    "seq",
    "at",
    "type",
    "account_id",
    "subaccount_id",
    "message_id",
    "transmission_id",
    "recipient",
    "recipient_domain",
    "campaign_id",
    "detail",
)
DAYS_AHEAD = 7
SEARCH_TIMEOUT_S = 10.0
_LOCK_TIMEOUT = "3s"  # rather try again later than hold up the writers


class TooSlow(Temporary):
    """A search took longer than the store gives it; a narrower one will do."""


class Page(NamedTuple):
    """Some events, newest first; total is None unless it was asked for."""

    events: list[Logged]
    total: int | None


async def of_message(executor: db.Executor, message_id: bytes) -> list[Logged]:
    """Return the life of one message, oldest first."""
    with db.trouble_is_temporary():
        return [logged(row) async for row in _sql.of_message(executor, message_id=message_id)]


async def origins(executor: db.Executor, message_ids: Sequence[bytes]) -> dict[bytes, Logged]:
    """Return the delivery of each of these messages, or else its injection; what the log does not know is left out."""
    first = min((moment_of(one) for one in message_ids), default=None)
    if first is None:
        return {}
    with db.trouble_is_temporary():
        rows = _sql.origins(
            executor,
            message_ids=list(message_ids),
            first_day=first.date() - timedelta(days=1),
            delivery=int(EventType.DELIVERY),
            injection=int(EventType.INJECTION),
        )
        return {row["message_id"]: logged(row) async for row in rows}


async def has_event(executor: db.Executor, message_id: bytes, kind: EventType) -> bool:
    """Return whether the log has an event of this type about a message."""
    with db.trouble_is_temporary():
        found: bool = await _sql.has_event(
            executor, message_id=message_id, type=int(kind), first_day=moment_of(message_id).date() - timedelta(days=1)
        )
    return found


async def failed_of(executor: db.Executor, account_id: int, transmission_id: bytes) -> int:
    """Return how many messages of a transmission could not be made, as far as the log reaches."""
    with db.trouble_is_temporary():
        found: int = await _sql.failed_of(
            executor,
            account_id=account_id,
            transmission_id=transmission_id,
            first_day=moment_of(transmission_id).date() - timedelta(days=1),
        )
    return found


async def last_outcomes(
    executor: db.Executor, account_id: int, recipients: Sequence[str], *, subaccount_id: int | None
) -> dict[str, tuple[EventType, datetime]]:
    """Return the last delivery or hard bounce (classes 10 and 30) of each of these addresses, as far as the log reaches.

    recipients   lower case; those that the log does not know are left out
    """
    with db.trouble_is_temporary():
        rows = _sql.last_outcomes(
            executor,
            account_id=account_id,
            recipients=list(recipients),
            subaccount_id=subaccount_id,
            types=[int(EventType.DELIVERY), int(EventType.BOUNCE), int(EventType.OUT_OF_BAND)],
            delivery=int(EventType.DELIVERY),
        )
        return {row["recipient"]: (EventType(row["type"]), row["at"]) async for row in rows}


async def search(pool: db.Pool, wanted: Search, *, after: After | None, limit: int, offset: int = 0) -> Page:
    """Return the newest events that match, behind a place if one is given; without one it also counts all that match.

    offset   matching events to leave out first
    raises   TooSlow, StoreUnavailable
    """
    arguments = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            # Filters that are absent should cost nothing, so each search is planned with its own values.
            await connection.execute(f"SET LOCAL statement_timeout = {int(SEARCH_TIMEOUT_S * 1000)}")
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            try:
                campaign = None
                if wanted.campaigns is not None:
                    names = await _campaigns(connection, wanted)
                    campaign = names[0] if len(names) == 1 else None
                    arguments["campaigns"] = None if campaign else names
                rows = [
                    row
                    async for row in _sql.search(
                        connection,
                        **arguments,
                        campaign=campaign,
                        with_total=after is None,
                        after_at=after.at if after else None,
                        after_shard=after.shard if after else None,
                        after_seq=after.seq if after else None,
                        limit=limit,
                        offset=offset,
                    )
                ]
            except db.TookTooLong as trouble:
                raise TooSlow(f"the search took longer than {SEARCH_TIMEOUT_S:.0f} seconds") from trouble
    total = None if after is not None else rows[0]["total"] if rows else 0
    return Page([logged(row) for row in rows], total)


async def _campaigns(connection: db.Executor, wanted: Search) -> list[str]:
    found = _sql.campaigns_like(connection, account_id=wanted.account_id, first_day=wanted.first_day, patterns=wanted.campaigns)
    return [row["campaign_id"] async for row in found]


async def erase(
    connection: db.Executor,
    account_id: int,
    subaccount_id: int | None,
    recipients: Sequence[str],
    *,
    marker: Callable[[str], str],
    limit: int,
) -> int:
    """Take what tells of persons out of some events about them, in the caller's transaction; return how many events.

    subaccount_id   None: of the whole account
    recipients      as events have them
    marker          gives what stands in place of an address
    """
    rows = [
        row
        async for row in _sql.about_recipients(
            connection, account_id=account_id, subaccount_id=subaccount_id, recipients=list(recipients), limit=limit
        )
    ]
    if rows:
        await _sql.erase(
            connection,
            days=[row["day"] for row in rows],
            shards=[row["shard"] for row in rows],
            seqs=[row["seq"] for row in rows],
            recipients=[marker(row["recipient"]) for row in rows],
            details=[erased(EventType(row["type"]), row["detail"].encode(), row["recipient"]).decode() for row in rows],
        )
    return len(rows)


async def ensure_partitions(pool: db.Pool, today: date, days_ahead: int = DAYS_AHEAD) -> list[date]:
    """Make what is missing of the partitions from yesterday to `days_ahead` days from today; return the days made.

    Each is created alone and then attached, which stops neither readers nor writers.
    raises   StoreUnavailable if a lock was not to be had; the next call goes on from there
    """
    made = []
    with db.trouble_is_temporary():
        async with pool.acquire() as connection:
            for offset in range(-1, days_ahead + 1):
                day = today + timedelta(days=offset)
                async with connection.transaction():
                    await _sql.lock_partitions(connection)
                    present = {row["name"] async for row in _sql.partitions(connection)}
                    if _name(day) in present:
                        continue
                    loose = {row["name"] async for row in _sql.loose_partitions(connection)}
                    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                    if _name(day) not in loose:
                        await connection.execute(f"CREATE TABLE {_name(day)} (LIKE events INCLUDING ALL)")
                    await connection.execute(
                        f"ALTER TABLE events ATTACH PARTITION {_name(day)} "
                        f"FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
                    )
                    made.append(day)
    return made


async def days_ready(executor: db.Executor, today: date) -> int:
    """Return how many days from today on have a partition without a gap; readiness wants 2 or more."""
    with db.trouble_is_temporary():
        present = {row["name"] async for row in _sql.partitions(executor) if not row["detaching"]}
    days = 0
    while _name(today + timedelta(days=days)) in present:
        days += 1
    return days


async def drop_partitions(pool: db.Pool, before: date) -> list[date]:
    """Remove the days before `before` from the log; return them. What was interrupted last time is finished first.

    raises   StoreUnavailable if a lock was not to be had; the next call goes on from there
    """
    dropped: list[date] = []
    with db.trouble_is_temporary():
        async with pool.acquire() as connection:
            await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            try:
                for row in [row async for row in _sql.partitions(connection)]:
                    if _day(row["name"]) < before:
                        # CONCURRENTLY: no lock that a reader or writer would wait behind; it wants no transaction around.
                        how = "FINALIZE" if row["detaching"] else "CONCURRENTLY"
                        await connection.execute(f"ALTER TABLE events DETACH PARTITION {row['name']} {how}")
                for row in [row async for row in _sql.loose_partitions(connection)]:
                    if _day(row["name"]) < before:
                        await connection.execute(f"DROP TABLE {row['name']}")
                        dropped.append(_day(row["name"]))
            finally:
                if not connection.is_closed():
                    await connection.execute("RESET lock_timeout")
    if dropped:
        log.info("events_dropped", days=[str(day) for day in dropped])
    return dropped


def _name(day: date) -> str:
    return f"events_{day:%Y%m%d}"


def _day(name: str) -> date:
    digits = name.removeprefix("events_")
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


def logged(row: Any) -> Logged:
    """Return a row of the log as its type."""
    return Logged(
        shard=row["shard"],
        seq=row["seq"],
        type=EventType(row["type"]),
        at=row["at"],
        account_id=row["account_id"],
        subaccount_id=row["subaccount_id"],
        message_id=row["message_id"],
        transmission_id=row["transmission_id"],
        recipient=row["recipient"],
        recipient_domain=row["recipient_domain"],
        campaign_id=row["campaign_id"],
        detail=row["detail"].encode(),
        day=row.get("day", date.min),
    )
