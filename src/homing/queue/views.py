"""What an operator sees of the queue: depths, ages, next attempts, what holds a message. Reads only."""

from datetime import datetime
from typing import Any, NamedTuple

from homing.ground import db, ids
from homing.queue.holds import Hold, name_of, of_suspension
from homing.spool.types import ChunkFacts, decode_facts

_sql = db.queries("homing.queue", "views.sql")
COUNT_AT_MOST = 100_000  # places in a lane are counted so far


class Waiting(NamedTuple):
    """One line of the queue: a domain, a customer or a lane.

    oldest_at   when its oldest message was accepted
    next_due    the earliest next attempt
    last_reply  of the most recently tried message, '' where none was tried
    """

    depth: int
    oldest_at: datetime
    next_due: datetime
    last_reply: str
    domain: str = ""
    account_id: int = 0
    account: str = ""
    subaccount_id: int = 0
    campaign_id: str = ""
    ip_pool: str = ""


class WaitingPart(NamedTuple):
    """What of one transmission waits for one domain.

    tries     the most failed tries of a message
    example   hex id of one of the messages
    """

    domain: str
    depth: int
    next_due: datetime
    last_reply: str
    tries: int
    example: str


class WaitingEntry(NamedTuple):
    """One message that waits.

    owner   worker that holds its shard, None: nobody now
    before  messages of its lane and shard that are due earlier, up to COUNT_AT_MOST
    depth   of its lane in its shard, up to COUNT_AT_MOST
    """

    message_id: bytes
    shard: int
    lane: int
    recipient: str
    domain: str
    account_id: int
    account: str
    subaccount_id: int
    campaign_id: str
    facts: ChunkFacts | None
    tries: int
    last_reply: str
    due_at: datetime
    expires_at: datetime
    now: datetime
    owner: str | None
    before: int
    depth: int


async def by_domain(executor: db.Executor, *, limit: int) -> list[Waiting]:
    """Return what waits by recipient domain, deepest first."""
    return [_waiting(row) async for row in _sql.waiting_by_domain(executor, limit=limit)]


async def by_customer(executor: db.Executor, *, limit: int) -> list[Waiting]:
    """Return what waits by customer, deepest first."""
    return [_waiting(row) async for row in _sql.waiting_by_customer(executor, limit=limit)]


async def by_lane(executor: db.Executor, *, limit: int) -> list[Waiting]:
    """Return what waits by customer, campaign and domain, deepest first."""
    return [_waiting(row) async for row in _sql.waiting_by_lane(executor, limit=limit)]


async def of_transmission(executor: db.Executor, transmission_id: bytes) -> list[WaitingPart]:
    """Return what of a transmission still waits, by domain, deepest first."""
    rows = _sql.waiting_of_transmission(executor, transmission_id=transmission_id)
    return [
        WaitingPart(row["domain"], row["depth"], row["next_due"], row["last_attempt"] or "", row["tries"], row["example"])
        async for row in rows
    ]


async def total(executor: db.Executor) -> tuple[int, int]:
    """Return how many messages wait, and how many of them are due now."""
    row = await _sql.waiting_total(executor)
    return row["depth"], row["due"]


async def entry(executor: db.Executor, message_id: bytes) -> WaitingEntry | None:
    """Return a message that waits; None where its story ended or never began here."""
    shard = ids.shard_of(message_id)
    row = await _sql.waiting_entry(executor, shard=shard, entry_id=message_id)
    if row is None:
        return None
    place = await _sql.place_in_lane(
        executor, shard=shard, lane=row["lane"], due_at=row["due_at"], entry_id=message_id, most=COUNT_AT_MOST
    )
    return WaitingEntry(
        message_id=message_id,
        shard=shard,
        lane=row["lane"],
        recipient=row["recipient"],
        domain=row["domain"] or row["recipient"].rpartition("@")[2].lower(),
        account_id=row["account_id"] or 0,
        account=row["account"] or "",
        subaccount_id=row["subaccount_id"] or 0,
        campaign_id=row["campaign_id"] or "",
        facts=decode_facts(row["facts"]) if row["facts"] is not None else None,
        tries=row["tries"],
        last_reply=row["last_attempt"] or "",
        due_at=row["due_at"],
        expires_at=row["expires_at"],
        now=row["now"],
        owner=row["owner"],
        before=place["before"],
        depth=place["depth"],
    )


def binding(standing: list[Hold], waiting: WaitingEntry, *, site: str = "") -> list[Hold]:
    """Return the holds that stop a message now, the widest first.

    site   key of its site where it is known, '' otherwise: then no hold on a site is found
    """
    names = [
        *dict.fromkeys(of_suspension(waiting.account_id, number) for number in (0, waiting.subaccount_id)),
        name_of("customer", str(waiting.account_id), waiting.account_id, ""),
        name_of("campaign", waiting.campaign_id, waiting.account_id, ""),
        name_of("domain", waiting.domain, None, ""),
    ]
    stands = [hold for hold in standing if hold.until is None or hold.until > waiting.now]
    return [hold for name in names for hold in stands if hold.name == name] + [
        hold for hold in stands if hold.scope == "site" and hold.key == site != ""
    ]


def _waiting(row: Any) -> Waiting:
    known = frozenset(row.keys())

    def maybe(name: str, other: Any) -> Any:
        return row[name] if name in known and row[name] is not None else other

    return Waiting(
        depth=row["depth"],
        oldest_at=ids.moment_of(bytes.fromhex(row["oldest"])),
        next_due=row["next_due"],
        last_reply=row["last_attempt"] or "",
        domain=maybe("domain", ""),
        account_id=maybe("account_id", 0),
        account=maybe("account", ""),
        subaccount_id=maybe("subaccount_id", 0),
        campaign_id=maybe("campaign_id", ""),
        ip_pool=maybe("ip_pool", ""),
    )
