"""The pace keeper, asked by workers over their channels."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from homing.egress.pace import PaceClient, PaceKeeper
from homing.ground.channel import Channel, opened

IP, SITE = "192.0.2.1", "mx.example"


class Node:
    def __init__(self, stack: AsyncExitStack) -> None:
        self.keeper = PaceKeeper()
        self.ours: dict[str, Channel] = {}
        self.recalls: list[tuple[str, int]] = []
        self._stack = stack

    async def worker(self, name: str) -> PaceClient:
        left, right = socket.socketpair()
        self.ours[name] = await self._stack.enter_async_context(opened(left, name=name))
        self.keeper.attach(name, self.ours[name])
        channel = await self._stack.enter_async_context(opened(right, name="supervisor"))
        return PaceClient(channel, recalled=lambda ip, site, keep: self.recalls.append((name, keep)))


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with AsyncExitStack() as stack:
        yield Node(stack)


async def test_two_workers_share_a_site_without_exceeding_its_limit(node: Node):
    a, b = await node.worker("a"), await node.worker("b")
    assert await a.slots(IP, SITE, wanted=10, limit=10) == 10
    assert await b.slots(IP, SITE, wanted=10, limit=10) == 0
    await asyncio.sleep(0.02)
    assert node.recalls == [("a", 5)]
    assert a.surplus(IP, SITE, 10) == 5
    assert await a.slots(IP, SITE, wanted=10, limit=10) == 5
    await a.release(IP, SITE, 5)
    assert a.surplus(IP, SITE, 5) == 0
    assert await b.slots(IP, SITE, wanted=10, limit=10) == 5


async def test_what_was_granted_is_not_asked_for_again(node: Node):
    a = await node.worker("a")
    assert await a.slots(IP, SITE, wanted=3, limit=10) == 3
    node.ours["a"].on("pace_want", lambda **_: pytest.fail("asked"))
    assert await a.slots(IP, SITE, wanted=2, limit=10) == 3


async def test_a_worker_cut_off_from_the_keeper_opens_nothing_new(node: Node):
    a = await node.worker("a")
    assert await a.slots(IP, SITE, wanted=3, limit=10) == 3
    node.ours["a"].close()
    await asyncio.sleep(0.02)
    assert await a.slots(IP, SITE, wanted=3, limit=10) == 0
    assert await a.slots(IP, "other.example", wanted=3, limit=10) == 0
    assert await a.tokens(IP, SITE, per_minute=60) == 0


async def test_the_slots_of_a_dead_worker_are_free_once_it_is_reaped(node: Node):
    a, b = await node.worker("a"), await node.worker("b")
    await a.slots(IP, SITE, wanted=10, limit=10)
    node.ours["a"].close()
    assert await b.slots(IP, SITE, wanted=10, limit=10) == 0
    node.keeper.detach("a")
    assert await b.slots(IP, SITE, wanted=10, limit=10) == 10


async def test_all_workers_together_get_the_messages_of_one_limit(node: Node):
    clients = [await node.worker(name) for name in "abc"]
    taken = [await client.tokens(IP, SITE, per_minute=300) for _ in range(20) for client in clients]
    assert 10 <= sum(taken) <= 11, "the first two seconds' worth, and hardly more"
