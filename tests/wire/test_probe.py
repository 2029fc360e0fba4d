"""A witness asks real doors, signs what it saw, keeps it over restarts, and posts it when it can."""

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from homing.availability.probe import Probe, Spool, Target
from homing.availability.rules import outside
from homing.availability.rules.outside import FIRST, Saw
from homing.availability.types import Doors
from homing.cli.probe import _post_all
from homing.evidence.types import FaultTag
from homing.ground.config import HostPort
from homing.ground.errors import Misuse
from tests.kit.resources import resource_door
from tests.kit.smtp_door import open_door
from tests.kit.smtp_script import KEY


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "probe")
    made.make()
    return made


def said(spool: Spool) -> list[tuple[outside.Report, Saw]]:
    """Return what the reports that wait say; each is signed, numbered, and follows the one before."""
    found, previous = [], FIRST
    for number, path in enumerate(spool.waiting(), 1):
        kept = json.loads(path.read_text())
        report, saw = outside.read(kept["report"].encode(), kept["signature"])
        assert (report.number, report.previous) == (number, previous)
        previous = (
            json.loads((spool.folder / "last.json").read_text())["sha256"] if number == len(spool.waiting()) else _sum(kept)
        )
        found.append((report, saw))
    return found


def _sum(kept: dict[str, str]) -> str:

    return hashlib.sha256(kept["report"].encode()).hexdigest()


@asynccontextmanager
async def asking(spool: Spool, until: Callable[[], bool] | None = None, **target) -> AsyncIterator[None]:
    """Ask while the block runs, and until the condition holds."""
    stop = asyncio.Event()
    running = asyncio.ensure_future(Probe(spool, Target(**target), report_s=2).run(stop))
    try:
        yield
        async with asyncio.timeout(20):
            while until is not None and not until():
                assert not running.done(), running.result()
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)


def port_nobody_listens_on() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


async def test_with_a_key_it_makes_attempts_of_the_account_at_both_doors(pool, spool: Spool, tmp_path: Path):
    async with resource_door(pool) as http, open_door(tmp_path, has_tls=False) as smtp:
        target = {
            "api": f"http://127.0.0.1:{http.door.port}",
            "smtp": HostPort("127.0.0.1", smtp.port),
        }
        async with asking(spool, lambda: len(http.door.counted) >= 2, key=http.door.key, **target):
            pass
        assert http.door.counted[0] == (http.account_id, FaultTag.NONE)
        (report, saw), *_ = said(spool)
        assert saw.asked.api
        assert saw.answered.api == saw.asked.api
        assert saw.asked.smtp
        assert saw.answered.smtp == saw.asked.smtp, "a wrong key there is answered, too"
        assert report.until - report.since <= 2


async def test_by_smtp_it_authenticates_and_leaves(spool: Spool, tmp_path: Path):
    async with open_door(tmp_path, has_tls=False) as smtp:
        async with asking(spool, lambda: bool(smtp.desk.counted), smtp=HostPort("127.0.0.1", smtp.port), key=KEY):
            pass
        assert set(smtp.desk.counted) == {(7, FaultTag.NONE)}


async def test_over_tls_certificates_are_judged_unless_it_is_told_not_to(spool: Spool, tmp_path: Path):
    async with open_door(tmp_path) as smtp:
        where = HostPort("127.0.0.1", smtp.port)
        async with asking(spool, lambda: bool(spool.waiting()), smtp=where, key=KEY):
            pass
        assert all(not saw.answered.smtp for _, saw in said(spool))
        before = len(spool.waiting())
        async with asking(spool, lambda: len(spool.waiting()) > before, smtp=where, key=KEY, trust_anybody=True):
            pass
        assert any(saw.answered.smtp for _, saw in said(spool)[before:])


async def test_without_a_key_it_makes_nobodys_attempts(pool, spool: Spool, tmp_path: Path):
    async with resource_door(pool) as http, open_door(tmp_path, has_tls=False) as smtp:
        target = {"api": f"http://127.0.0.1:{http.door.port}", "smtp": HostPort("127.0.0.1", smtp.port)}
        async with asking(spool, lambda: smtp.door.counters.connections >= 2, **target):
            pass
        assert http.door.evidence.ended == []
        assert smtp.desk.evidence.ended == []
        ((_, saw), *_) = said(spool)
        assert saw.answered.api
        assert saw.answered.smtp


async def test_doors_that_do_not_answer_are_failures(spool: Spool):
    port = port_nobody_listens_on()
    target = {"api": f"http://127.0.0.1:{port}", "smtp": HostPort("127.0.0.1", port)}
    async with asking(spool, lambda: bool(spool.waiting()), **target):
        pass
    ((_, saw), *_) = said(spool)
    assert saw.asked.api
    assert (saw.answered.api, saw.answered.smtp) == (0, 0)


async def test_a_door_that_is_silent_is_one_after_its_patience(spool: Spool):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = int(silent.getsockname()[1])
        target = {"api": f"http://127.0.0.1:{port}", "smtp": HostPort("127.0.0.1", port)}
        async with asking(spool, lambda: bool(spool.waiting()), patience_s=0.5, **target):
            pass
    ((_, saw), *_) = said(spool)
    assert saw.asked.smtp
    assert saw.answered == Doors()


@pytest.mark.parametrize("answer", [b"421 4.3.2 shutting down\r\n", b"421 4.7.0 too many from you\r\n"])
async def test_what_a_door_says_is_judged_by_its_code(spool: Spool, answer: bytes):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asking(spool, lambda: bool(spool.waiting()), smtp=HostPort("127.0.0.1", port)):
        pass
    server.close()
    ((_, saw), *_) = said(spool)
    assert bool(saw.answered.smtp) == (b"4.7.0" in answer)


async def test_a_restart_goes_on_with_the_next_number(spool: Spool):
    port = port_nobody_listens_on()
    for _ in range(2):
        before = len(spool.waiting())
        async with asking(spool, lambda before=before: len(spool.waiting()) > before, api=f"http://127.0.0.1:{port}"):
            pass
    assert len(said(spool)) >= 2


async def test_a_witness_has_one_key_and_keeps_it_to_itself(tmp_path: Path):
    spool = Spool(tmp_path / "w")
    with pytest.raises(Misuse, match="homing probe init"):
        spool.key()
    with pytest.raises(Misuse, match="homing probe init"):
        spool.waiting()
    public = spool.make()
    assert spool.key().public_key().public_bytes_raw().hex() == public
    assert (tmp_path / "w" / "probe.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Misuse, match="there already"):
        spool.make()
    (tmp_path / "w" / "probe.key").write_text("rubbish")
    with pytest.raises(Misuse):
        spool.key()


async def test_what_was_kept_is_posted_and_put_aside(pool, spool: Spool):

    async with resource_door(pool) as http:
        url = f"http://127.0.0.1:{http.door.port}"
        public = spool.key().public_key().public_bytes_raw().hex()
        answer = await http.call("POST", "availability/witnesses", json={"name": "w", "public_key": public})
        assert answer.status_code == 200
        async with asking(spool, lambda: len(spool.waiting()) >= 2, api=url):
            pass
        count = len(spool.waiting())
        assert await asyncio.to_thread(_post_all, spool, url, http.door.key) == count
        assert spool.waiting() == []
        assert len(list((spool.folder / "posted").iterdir())) == count
        assert await asyncio.to_thread(_post_all, spool, url, http.door.key) == 0
        assert len((await http.call("GET", "availability/evidence")).json()["results"]) == count
