"""Whoever waits with patience waits no longer than he said, also for work that cannot be stopped at once."""

import asyncio

import pytest

from homing.ground.waiting import Patience


async def test_work_that_does_not_heed_its_end_is_left_behind():
    server, ended = asyncio.Event(), asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await server.wait()  # as a transaction does whose server does not answer
            ended.set()

    with pytest.raises(TimeoutError):
        await Patience(0.01).wait(hangs())
    assert not ended.is_set()
    server.set()
    await ended.wait()


async def test_what_work_returns_and_raises_comes_through():
    async def says() -> int:
        return 7

    async def fails() -> int:
        raise ValueError("no")

    assert await Patience(1.0).wait(says()) == 7
    with pytest.raises(ValueError, match="no"):
        await Patience(1.0).wait(fails())
