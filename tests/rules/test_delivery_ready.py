"""The ready queue of a site: customers take turns; a place under way is bounded; holds grow and are shared by name."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from homing.delivery.flight import SLOW_AFTER_S, InFlight
from homing.delivery.ready import Ready, SiteQueue
from homing.delivery.rules.hold import hold_for
from homing.delivery.types import Site
from homing.ground.config import SourceIP
from homing.queue.rules.lanes import Lane
from homing.queue.types import Entry, LaneKey

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MINUTES = timedelta(minutes=1)


def ready(account: int, number: int, shard: int = 0) -> Ready:
    entry = Entry(
        shard=shard,
        entry_id=number.to_bytes(10, "big"),
        lane=account,
        due_at=NOW,
        expires_at=NOW,
        chunk_id=b"",
        recipient="a@b.test",
        tries=0,
        detail=None,
    )
    return Ready(entry, Lane(shard, account, LaneKey(account, 0, "", "b.test")))


def site_queue() -> SiteQueue:
    return SiteQueue(SourceIP("", "mta.test"), Site("mx.b.test", ()), 10)


def popped(queue: SiteQueue, count: int) -> list[int]:
    return [found.lane.key.account_id for _ in range(count) if (found := queue.pop())]


def test_customers_take_turns_whatever_the_depth_of_their_backlogs():
    queue = site_queue()
    for number in range(1_000):
        queue.push(ready(1, number))
    for number in range(10):
        queue.push(ready(2, 2_000 + number))
        queue.push(ready(3, 3_000 + number))
    assert Counter(popped(queue, 30)) == {1: 10, 2: 10, 3: 10}
    assert queue.depth == 990


def test_one_customers_messages_keep_their_order():
    queue = site_queue()
    for number in range(5):
        queue.push(ready(1, number))
    assert [int.from_bytes(found.entry.entry_id, "big") for _ in range(5) if (found := queue.pop())] == [0, 1, 2, 3, 4]
    assert queue.pop() is None


def test_what_belongs_to_a_lost_shard_is_taken_out_and_the_rest_stays():
    queue = site_queue()
    for number in range(10):
        queue.push(ready(1, number, shard=number % 2))
    assert len(queue.remove_shard(1)) == 5
    assert queue.depth == 5
    assert {found.entry.shard for _ in range(5) if (found := queue.pop())} == {0}


def test_the_place_of_a_message_counts_what_goes_before_it_for_the_same_customer():
    queue = site_queue()
    for number in range(3):
        queue.push(ready(1, number))
    assert queue.place_of((2).to_bytes(10, "big")) == 2
    assert queue.place_of((9).to_bytes(10, "big")) is None


async def test_a_waiting_connection_is_woken_by_the_next_message():
    queue = site_queue()
    waiting = asyncio.ensure_future(queue.wait(5.0))
    await asyncio.sleep(0)
    queue.push(ready(1, 1))
    assert await waiting


async def test_a_waiting_connection_gives_up_after_its_idle_time():
    assert not await site_queue().wait(0.01)


async def test_no_more_attempts_begin_than_there_are_places():
    flight = InFlight(2)
    first, _ = await flight.enter(), await flight.enter()
    third = asyncio.ensure_future(flight.enter())
    await asyncio.sleep(0)
    assert not third.done()
    flight.leave(first)
    await third
    assert len(flight) == 2


async def test_an_attempt_that_waits_long_for_its_peer_gives_its_place_to_another():
    flight = InFlight(1)
    slow = await flight.enter()
    waiting = asyncio.ensure_future(flight.enter())
    await asyncio.sleep(0)
    flight.release_slow(asyncio.get_running_loop().time() + SLOW_AFTER_S + 1)
    await waiting
    assert (len(flight), flight.slow) == (1, 1)
    flight.leave(slow)
    assert flight.slow == 0


async def test_an_outcome_keeps_its_place_until_it_is_written():
    unwritten = 0
    flight = InFlight(2, unsettled=lambda: unwritten)
    first, second = await flight.enter(), await flight.enter()
    waiting = asyncio.ensure_future(flight.enter())
    await asyncio.sleep(0)
    unwritten = 2
    flight.leave(first)
    flight.leave(second)
    await asyncio.sleep(0)
    assert not waiting.done()
    unwritten = 1
    flight.settled()
    await waiting
    assert len(flight) == 1


async def test_a_caller_who_leaves_while_waiting_passes_its_place_on():
    flight = InFlight(1)
    token = await flight.enter()
    leaver, stayer = asyncio.ensure_future(flight.enter()), asyncio.ensure_future(flight.enter())
    await asyncio.sleep(0)
    flight.leave(token)
    leaver.cancel()
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await stayer


@pytest.mark.parametrize(("failures", "minutes"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 20), (60, 20)])
def test_each_hold_of_a_site_is_twice_as_long_until_the_first_retry(failures: int, minutes: int):
    assert hold_for(failures, first=20 * MINUTES, retry="normal") == minutes * MINUTES


@pytest.mark.parametrize(("failures", "minutes"), [(1, 10), (2, 60), (3, 240), (9, 240)])
def test_a_refusal_over_reputation_holds_for_as_long_as_the_bounce_rules_say(failures: int, minutes: int):
    assert hold_for(failures, first=20 * MINUTES, retry="pause") == minutes * MINUTES


def test_failures_count_from_one():
    with pytest.raises(ValueError, match="counts from 1"):
        hold_for(0, first=MINUTES, retry="normal")
