"""From an HTTP call to the tables of a real queue, whole or in shares."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from homing.domains.facts import DomainBook
from homing.events import store
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.ids import from_digits
from homing.ingress.expand import Expander
from homing.ingress.generate import Generator
from homing.ingress.suppression import SuppressionDesk
from homing.queue.owner import Owner
from homing.queue.rules.lanes import Lane
from homing.queue.types import NewChunk, Wish
from homing.recipients import store as recipients
from homing.recipients.types import SuppressionRow
from tests.kit.http import HttpDoor, http_door
from tests.store.test_queue_owner import Recorder


async def always(lane: Lane) -> str | None:
    return None


@asynccontextmanager
async def house(dsn: str, pool: db.Pool) -> AsyncIterator[HttpDoor]:
    """Serve HTTP over a worker's own queue, whose delivery only remembers."""
    await store.ensure_partitions(pool, datetime.now(UTC).date())
    lifetime = timedelta(hours=72)
    queue = Owner(dsn=dsn, pool=pool, worker_id="one", term_s=5.0, lifetime=lifetime, clock=SystemClock())
    desk = SuppressionDesk.over(pool)
    domains = DomainBook(pool, SystemClock())
    generate = Generator(pool, desk, domains, lifetime=lifetime)

    async def generated(wish: Wish, payload: bytes) -> NewChunk | None:
        return await generate(payload, lambda count: queue.place_in(wish.shard, count), datetime.now(UTC))

    queue.attach(Recorder(), Expander(desk, domains, lifetime=lifetime), kinds={"generate": generated})
    stop = asyncio.Event()
    running = asyncio.ensure_future(queue.run(stop, may_read=always))
    try:
        await asyncio.wait_for(queue.keeper.first_claim.wait(), 10)
        async with http_door(pool, handover=queue) as door:
            await door.domain()
            yield door
    finally:
        stop.set()
        queue.drained.set()
        await asyncio.wait_for(running, 15)


async def until(pool: db.Pool, question: str, answer: int) -> None:
    async with asyncio.timeout(20):
        while await pool.fetchval(question) != answer:
            await asyncio.sleep(0.05)


async def test_what_was_answered_with_200_is_in_the_tables(database, pool):
    async with house(database, pool) as door:
        answer = await door.send(campaign_id="spring", recipients=[{"address": f"u{n}@there.test"} for n in range(150)])
        transmission_id = from_digits(answer.json()["results"]["id"])
        assert await pool.fetchval("SELECT pending FROM chunks WHERE transmission_id = $1", transmission_id) == 150
        assert await pool.fetchval("SELECT count(*) FROM events WHERE transmission_id = $1 AND type = 1", transmission_id) == 150


async def test_a_large_call_is_expanded_over_the_shards_each_recipient_once(database, pool):
    async with house(database, pool) as door:
        row = SuppressionRow(
            account_id=door.account_id,
            recipient="u7@there.test",
            type="non_transactional",
            source="Bounce Rule",
            provenance="api",
        )
        await recipients.suppress(pool, [row])
        answer = await door.send(recipients=[{"address": {"email": f"u{n}@there.test", "name": "U"}} for n in range(2_500)])
        assert answer.json()["results"]["total_accepted_recipients"] == 2_500
        transmission_id = from_digits(answer.json()["results"]["id"])
        await until(pool, "SELECT count(*) FROM inbox", 0)
        await until(pool, "SELECT count(DISTINCT recipient) FROM queue_entries", 2_499)
        assert await pool.fetchval("SELECT count(*) FROM queue_entries") == 2_499
        assert await pool.fetchval("SELECT count(*) FROM chunks WHERE transmission_id = $1", transmission_id) == 3
        assert await pool.fetchval("SELECT count(DISTINCT shard) FROM chunks") == 3
        events = "SELECT count(*) FROM events WHERE transmission_id = $1 AND type = $2"
        assert [await pool.fetchval(events, transmission_id, kind) for kind in (1, 3)] == [2_500, 1]


async def test_a_scheduled_message_waits_for_its_start(database, pool):
    async with house(database, pool) as door:
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
        assert (await door.send(options={"start_time": start.isoformat()})).status_code == 200
        await until(pool, "SELECT count(*) FROM queue_entries", 1)
        row = await pool.fetchrow("SELECT due_at, expires_at FROM queue_entries")
        assert (row["due_at"], row["expires_at"]) == (start, start + timedelta(hours=72))


async def test_an_event_of_now_is_found_by_search(database, pool):
    async with house(database, pool) as door:
        await door.send(campaign_id="spring")
        later = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = await door.client.get("/api/v1/events/message", params={"campaigns": "spring", "to": later})
        assert [event["type"] for event in found.json()["results"]] == ["injection"]


async def test_every_message_is_counted_once_whichever_way_it_takes(database, pool):
    async with house(database, pool) as door:
        row = SuppressionRow(
            account_id=door.account_id,
            recipient="u7@there.test",
            type="non_transactional",
            source="Bounce Rule",
            provenance="test",
        )
        await recipients.suppress(pool, [row])
        many = [{"address": f"u{n}@there.test"} for n in range(2_500)]
        later = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="seconds")
        for given, options in ((many[:1], {}), (many[:300], {}), (many[7:8], {}), (many, {}), (many[:40], {"start_time": later})):
            assert (await door.send(recipients=given, options=options)).status_code == 200
        assert await pool.fetchval("SELECT sum(messages) FROM usage_hours") == 1 + 300 + 1 + 2_500 + 40  # before it is expanded
        await until(pool, "SELECT count(*) FROM inbox", 0)
        assert await pool.fetchval("SELECT count(*) FROM events WHERE type = 1") == 1 + 300 + 1 + 2_500 + 40
        assert await pool.fetchval("SELECT sum(messages) FROM usage_hours") == 1 + 300 + 1 + 2_500 + 40
