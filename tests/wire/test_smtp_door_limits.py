"""What the SMTP door does with clients that are too many, too slow, too large or no clients at all."""

import asyncio
import os
from pathlib import Path

import pytest

from homing.accounts.types import Sender
from homing.evidence.types import FaultTag
from tests.kit.smtp_door import open_door
from tests.kit.smtp_script import OWNER

ENVELOPE = b"MAIL FROM:<a@acme.test>\r\nRCPT TO:<x@there.test>\r\n"
HELLO = b"EHLO c\r\n"


async def all_trusted(ip: str) -> Sender | None:
    return OWNER


async def test_connections_beyond_the_bound_are_told_to_come_again(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, max_connections=2) as door:
        lines = [await door.connect() for _ in range(3)]
        assert (await lines[0].hear()).startswith("220")
        assert (await lines[1].hear()).startswith("220")
        assert (await lines[2].hear()).startswith("421 4.3.2")
        assert await lines[2].rest() == b""
        assert door.desk.counted == {(None, FaultTag.SERVER): 1}
        lines[0].close()
        await lines[0].writer.wait_closed()
        async with asyncio.timeout(2):
            while door.door.counters.open_connections > 1:
                await asyncio.sleep(0.01)
        assert (await (await door.connect()).hear()).startswith("220")


async def test_a_silent_client_is_sent_away(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, idle_s=0.2) as door:
        line = await door.connect()
        assert (await line.hear()).startswith("220")
        assert (await line.hear()).startswith("421 4.4.2")
        assert door.desk.counted == {}


async def test_a_command_that_trickles_in_counts_as_silence(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, idle_s=0.5) as door:
        line = await door.connect()
        await line.hear()
        for _ in range(100):
            line.writer.write(b"X")
            await asyncio.sleep(0.05)
            if line.reader._buffer:  # type: ignore[attr-defined]
                break
        assert (await line.hear()).startswith("421 4.4.2")


async def test_a_message_that_trickles_in_has_an_end(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, trusted=all_trusted, idle_s=5, data_s=0.3) as door:
        line = await door.connect()
        line.writer.write(HELLO + ENVELOPE + b"DATA\r\n")
        for _ in range(5):
            last = await line.hear()
        assert last.startswith("354")
        for _ in range(100):
            line.writer.write(b"X")
            await asyncio.sleep(0.05)
            if line.reader._buffer:  # type: ignore[attr-defined]
                break
        assert (await line.hear()).startswith("421 4.4.2 timeout: the message took too long")
        assert door.door.budget.held == 0


async def test_our_own_silence_has_an_end_too_and_is_our_fault(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, trusted=all_trusted, answer_s=0.2) as door:
        door.desk.gate.clear()
        line = await door.connect()
        line.writer.write(HELLO + ENVELOPE + b"DATA\r\nFrom: a@acme.test\r\n\r\nx\r\n.\r\n")
        for _ in range(5):
            await line.hear()
        assert (await line.hear()).startswith("451 4.3.0")
        assert door.desk.counted == {(7, FaultTag.TIMEOUT): 1}
        door.desk.gate.set()


async def test_an_oversize_message_is_read_away_and_refused(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, trusted=all_trusted, max_message_bytes=10_000) as door:
        line = await door.connect()
        line.writer.write(HELLO + ENVELOPE + b"DATA\r\n" + b"x" * 998 + b"\r\n")
        for _ in range(2000):
            line.writer.write(b"x" * 998 + b"\r\n")
            await line.writer.drain()
        line.writer.write(b".\r\nQUIT\r\n")
        said = (await line.rest()).decode().splitlines()
        assert said[-2].startswith("552 5.3.4")
        assert said[-1].startswith("221")
        assert door.desk.counted == {(7, FaultTag.CLIENT): 1}


async def test_while_the_disk_is_low_nothing_new_is_begun(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, trusted=all_trusted) as door:
        door.desk.why_not = "disk space is low"
        line = await door.connect()
        line.writer.write(HELLO + b"MAIL FROM:<>\r\nQUIT\r\n")
        assert b"452 4.3.1 disk space is low" in await line.rest()
        assert door.desk.counted == {(7, FaultTag.SERVER): 1}


async def test_smuggled_messages_are_refused_with_their_carrier(tmp_path: Path):
    async with open_door(tmp_path, has_tls=False, trusted=all_trusted) as door:
        for false_end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r"):
            line = await door.connect()
            line.writer.write(
                HELLO
                + ENVELOPE
                + b"DATA\r\nFrom: a@acme.test\r\n\r\nx"
                + false_end
                + ENVELOPE
                + b"DATA\r\nFrom: e@evil.test\r\n\r\n"
                b"evil\r\n.\r\nQUIT\r\n"
            )
            said = (await line.rest()).decode().splitlines()
            assert [text[:9] for text in said[-2:]] == ["550 5.6.0", "221 2.3.0"]
        assert door.desk.taken == []


@pytest.mark.parametrize("seed", range(5))
async def test_rubbish_is_answered_and_breaks_nothing(tmp_path: Path, seed: int):
    async with open_door(tmp_path, has_tls=False, trusted=all_trusted) as door:
        line = await door.connect()
        line.writer.write(os.urandom(50_000))
        said = await line.rest()
        assert all(text[:3].isdigit() for text in said.splitlines())
        again = await door.connect()
        assert (await again.hear()).startswith("220")
