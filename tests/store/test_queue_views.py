"""What an operator sees of the queue, on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from homing.accounts import store as accounts
from homing.cli.queue import standing_holds
from homing.ground import ids
from homing.queue import holds, views
from homing.queue.types import LaneKey
from homing.spool.types import ChunkFacts, encode_facts
from tests.kit.http import subaccount

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


class Filler:
    """Puts rows into the queue as a worker would have left them."""

    def __init__(self, pool):
        self.pool = pool
        self.number = 0

    async def account(self, name: str) -> int:
        return await self.pool.fetchval("INSERT INTO accounts (name) VALUES ($1) RETURNING account_id", name)

    async def entry(
        self,
        key: LaneKey,
        *,
        shard: int = 1,
        accepted: datetime = NOW,
        due: datetime = NOW,
        tries: int = 0,
        reply: str | None = None,
    ) -> bytes:
        self.number += 1
        ms = int(accepted.timestamp() * 1000)
        chunk, entry = ids.compose(ms, shard, 2 * self.number), ids.compose(ms, shard, 2 * self.number + 1)
        facts = ChunkFacts(
            account_id=key.account_id,
            transmission_id=chunk,
            accepted_at=accepted,
            recv_method="rest",
            sending_domain="y.test",
            friendly_from="s@y.test",
            subject="Hello",
        )
        async with self.pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO lanes VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING", shard, key.number(), *key
            )
            await connection.execute(
                "INSERT INTO chunks VALUES ($1, $2, $2, $3, 1, $4, '')", shard, chunk, key.account_id, encode_facts(facts)
            )
            await connection.execute(
                "INSERT INTO queue_entries VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                *(shard, entry, key.number(), due, accepted + 72 * HOUR, chunk, f"u{self.number}@{key.domain}", tries, reply),
            )
        return entry


@pytest.fixture
def fill(pool) -> Filler:
    return Filler(pool)


async def test_domains_are_listed_deepest_first_over_all_shards(pool, fill):
    account = await fill.account("acme")
    deep, flat = LaneKey(account, 0, "spring", "deep.test"), LaneKey(account, 0, "", "flat.test")
    await fill.entry(deep, shard=1, accepted=NOW - HOUR)
    await fill.entry(deep, shard=2, due=NOW + HOUR, tries=1, reply="451 4.3.0 later")
    await fill.entry(flat, due=NOW + HOUR)
    first, second = await views.by_domain(pool, limit=10)
    assert (first.domain, first.depth, first.oldest_at, first.next_due) == ("deep.test", 2, NOW - HOUR, NOW)
    assert first.last_reply == "451 4.3.0 later"
    assert (second.domain, second.depth, second.last_reply) == ("flat.test", 1, "")
    assert await views.total(pool) == (3, 1)


async def test_customers_and_lanes_have_their_names(pool, fill):
    acme, beta = await fill.account("acme"), await fill.account("beta")
    for _ in range(2):
        await fill.entry(LaneKey(acme, 0, "spring", "x.test"))
    await fill.entry(LaneKey(acme, 7, "", "x.test"))
    await fill.entry(LaneKey(beta, 0, "", "y.test"))
    assert [(row.account, row.depth) for row in await views.by_customer(pool, limit=10)] == [("acme", 3), ("beta", 1)]
    lanes = await views.by_lane(pool, limit=10)
    assert [(row.account, row.subaccount_id, row.campaign_id, row.domain, row.depth) for row in lanes[:1]] == [
        ("acme", 0, "spring", "x.test", 2)
    ]
    assert len(await views.by_lane(pool, limit=2)) == 2


async def test_a_message_that_waits_shows_its_place_and_its_facts(pool, fill):
    account = await fill.account("acme")
    key = LaneKey(account, 0, "spring", "x.test")
    await fill.entry(key)
    wanted = await fill.entry(key, due=NOW + HOUR, tries=2, reply="450 4.2.0 Greylisted")
    await fill.entry(key, due=NOW + 2 * HOUR)
    await fill.entry(key, shard=9)
    found = await views.entry(pool, wanted)
    assert (found.before, found.depth, found.tries, found.last_reply) == (1, 3, 2, "450 4.2.0 Greylisted")
    assert (found.account, found.campaign_id, found.domain, found.facts.subject) == ("acme", "spring", "x.test", "Hello")
    assert (found.due_at, found.owner) == (NOW + HOUR, None)
    assert await views.entry(pool, ids.compose(0, 1, 0)) is None


async def test_a_hold_binds_what_it_names_and_nothing_else(pool, fill):
    acme, beta = await fill.account("acme"), await fill.account("beta")
    entry = await views.entry(pool, await fill.entry(LaneKey(acme, 0, "spring", "x.test")))
    for scope, key, account, until in (
        ("site", "mx1.x.test,mx2.x.test", None, None),
        ("domain", "x.test", None, NOW + HOUR),
        ("campaign", "spring", beta, None),
        ("campaign", "spring", acme, NOW - HOUR),
        ("customer", str(acme), acme, None),
        ("customer", str(beta), beta, None),
    ):
        hold = holds.Hold(scope=scope, key=key, account_id=account, until=until, reason="why", placed_by="operator")
        await holds.place(pool, hold)
    standing = await holds.standing(pool)
    assert [hold.scope for hold in views.binding(standing, entry)] == ["customer", "domain"]
    assert [hold.scope for hold in views.binding(standing, entry, site="mx1.x.test,mx2.x.test")] == ["customer", "domain", "site"]


async def test_whoever_is_suspended_is_held_with_his_subaccounts(pool, fill):
    acme, beta = await fill.account("acme"), await fill.account("beta")
    for number, status, compliance in ((1, "active", "active"), (2, "terminated", "active"), (3, "active", "suspended")):
        await subaccount(pool, beta, number, status=status, compliance_status=compliance)

    async def reasons(account: int, subaccount_id: int) -> list[str]:
        entry = await views.entry(pool, await fill.entry(LaneKey(account, subaccount_id, "spring", "x.test")))
        return [hold.reason for hold in views.binding(await holds.standing(pool), entry)]

    assert await reasons(acme, 0) == await reasons(beta, 0) == await reasons(beta, 1) == []
    assert await reasons(beta, 2) == ["the subaccount is terminated"]
    assert await reasons(beta, 3) == ["the subaccount is suspended"]
    await accounts.suspend(pool, beta, at=NOW)
    assert await reasons(beta, 0) == await reasons(beta, 1) == ["the account is suspended"]
    assert await reasons(acme, 0) == []
    assert [(one["scope"], one["key"]) for one in await standing_holds(pool)] == [
        ("suspended", "beta"),
        ("suspended", "beta, subaccount 2"),
        ("suspended", "beta, subaccount 3"),
    ]


async def test_what_waits_of_a_transmission_is_told_by_domain(pool, fill):
    account = await fill.account("acme")
    entry = await fill.entry(LaneKey(account, 0, "", "x.test"))
    chunk = await pool.fetchval("SELECT chunk_id FROM queue_entries WHERE entry_id = $1", entry)
    assert await views.of_transmission(pool, chunk) == [views.WaitingPart("x.test", 1, NOW, "", 0, entry.hex())]
