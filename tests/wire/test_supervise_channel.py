"""Asking and telling between processes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from homing.ground.channel import MAX_FRAME_BYTES, Channel, ChannelClosed, control, opened, serve_control
from homing.ground.errors import Misuse, Overloaded, Temporary


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Channel, Channel]]:
    left, right = socket.socketpair()
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(opened(left, name="left")),
            await stack.enter_async_context(opened(right, name="right")),
        )


async def test_both_sides_ask_and_answer(ends: tuple[Channel, Channel]):
    left, right = ends

    async def slowly(text: str) -> str:
        await asyncio.sleep(0.01)
        return text.upper()

    right.on("double", lambda number: number * 2)
    left.on("shout", slowly)
    assert await left.ask("double", number=21) == 42
    assert await right.ask("shout", text="hello") == "HELLO"


async def test_answers_find_their_question_whatever_their_order(ends: tuple[Channel, Channel]):
    left, right = ends

    async def after(wait_s: float) -> float:
        await asyncio.sleep(wait_s)
        return wait_s

    right.on("after", after)
    assert await asyncio.gather(*(left.ask("after", wait_s=wait) for wait in (0.03, 0.01, 0.02))) == [0.03, 0.01, 0.02]


async def test_what_is_told_arrives_in_order(ends: tuple[Channel, Channel]):
    left, right = ends
    heard: list[int] = []
    right.on("note", lambda number: heard.append(number))
    right.on("flush", lambda: True)
    for number in range(100):
        left.tell("note", number=number)
    assert await left.ask("flush")
    assert heard == list(range(100))


async def test_an_error_of_ours_arrives_as_itself_and_any_other_by_its_type_alone(ends: tuple[Channel, Channel]):
    left, right = ends

    def full() -> None:
        raise Overloaded("the queue is full")

    async def broken() -> None:
        raise RuntimeError("password=secret")

    right.on("full", full)
    right.on("broken", broken)
    with pytest.raises(Overloaded, match="the queue is full"):
        await left.ask("full")
    with pytest.raises(Temporary) as caught:
        await left.ask("broken")
    assert "RuntimeError" in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(Misuse, match="nothing answers"):
        await left.ask("unheard of")
    right.on("odd", object)
    with pytest.raises(Misuse, match="cannot be sent"):
        await left.ask("odd")


async def test_silence_and_departure_end_the_wait(ends: tuple[Channel, Channel]):
    left, right = ends
    right.on("never", asyncio.Event().wait)
    with pytest.raises(ChannelClosed, match="did not answer"):
        await left.ask("never", timeout_s=0.02)
    waiting = asyncio.ensure_future(left.ask("never"))
    await asyncio.sleep(0.01)
    right.close()
    with pytest.raises(ChannelClosed):
        await waiting
    await asyncio.wait_for(left.wait_closed(), 1)
    with pytest.raises(ChannelClosed):
        left.tell("anything")


async def test_a_frame_beyond_the_bound_closes_the_channel_and_is_never_read():
    ours, theirs = socket.socketpair()
    async with opened(ours) as channel:
        theirs.sendall(struct.pack(">I", MAX_FRAME_BYTES + 1))
        await asyncio.wait_for(channel.wait_closed(), 1)
    theirs.close()


async def test_rubbish_closes_the_channel():
    for rubbish in (b"\x00\x00\x00\x02\xc1\xc1", b"\x00\x00\x00\x01\x01", b"\x00\x00\x00\x03\x92\x01\x02"):
        ours, theirs = socket.socketpair()
        async with opened(ours) as channel:
            theirs.sendall(rubbish)
            await asyncio.wait_for(channel.wait_closed(), 1)
        theirs.close()


@pytest.mark.parametrize("depth", [1, 60])
async def test_the_command_line_reaches_the_platform_however_deep_its_folder_is(tmp_path: Path, depth: int):
    data = tmp_path.joinpath(*["deep"] * depth)
    data.mkdir(parents=True)
    with pytest.raises(Temporary, match="homing up"):
        async with control(data):
            pass
    async with serve_control(data, {"add": lambda a, b: a + b}) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        async with control(data) as channel:
            assert await channel.ask("add", a=1, b=2) == 3
    assert not path.exists()
    async with serve_control(data, {"add": lambda a, b: a + b}), control(data) as channel:
        assert await channel.ask("add", a=1, b=2) == 3
