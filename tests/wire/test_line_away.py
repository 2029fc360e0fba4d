"""While the store is away people are woken for calls from the duty sheet; when it is back, their ladder knows of it."""

import asyncio

import pytest
from msgspec import structs

from homing.boot.channels import channels_of
from homing.boot.standby import Standby
from homing.contracts.types import Role
from homing.ground.config import Settings
from homing.support.line.away import Away
from homing.support.oncall import runs, sheet
from homing.support.oncall.sheet import FILE, SheetFile
from tests.kit.carrier import HANGS_UP, SILENT, Person
from tests.kit.line import ANA, BO, KIM, MASTER_KEY, START, LineHouse, line_house


class Gone:
    """A pool whose server is gone."""

    def acquire(self):
        raise ConnectionRefusedError("the server is gone")


class Stage:
    """A house whose store goes and comes back, and the standby of its host."""

    def __init__(self, house: LineHouse) -> None:
        self.house = house
        self.data = house.line.journal._folder.parent
        self.sheets = SheetFile(self.data, MASTER_KEY)
        self.pool = house.line.desk._pool
        settings = Settings(data=self.data, hostname="mx.homing.test")
        self.away = Away(
            house.line.journal,
            house.line.away_book,
            self.sheets,
            channels_of(settings, MASTER_KEY, house.line.away_calls),
            house.line.carriers,
            house.clock,
        )

    async def take_sheet(self) -> None:
        await self.sheets.save(await sheet.take(self.pool, self.house.clock.now()))

    async def ring(self) -> None:
        """Let a call come in while the store is gone."""
        self.house.line.desk._pool = Gone()  # type: ignore[assignment]
        call = self.house.carrier.call(SILENT, HANGS_UP)
        await call.ring()
        assert "our own systems do not answer" in call.said

    async def wake(self, **by: float) -> list[str]:
        """Let time pass; return the numbers that are rung by it."""
        before = len(self.house.carrier.calls)
        self.house.clock.forward(**by)
        await self.away.turn()
        await self.away.landed()
        await self.house.carrier.settle()
        return [one.called for one in list(self.house.carrier.calls.values())[before:]]

    async def back(self) -> None:
        """Let the store come back, and the line and on-call do what is due."""
        self.house.line.desk._pool = self.pool
        await self.house.forward(seconds=1)


@pytest.fixture
async def stage(pool):
    """Ana is primary, Bo secondary."""
    async with line_house(pool) as house:
        await house.hire("zoe", "+15550100004", Role.ADMIN)
        await house.duty("primary", "ana")
        await house.duty("secondary", "bo")
        made = Stage(house)
        await made.take_sheet()
        yield made


async def test_people_are_woken_step_by_step_and_when_the_store_is_back_nobody_is_woken_anew(stage: Stage):
    house = stage.house
    await stage.ring()
    assert await stage.wake(seconds=4) == []  # it may be played yet
    assert await stage.wake(seconds=2) == [ANA]
    assert await stage.wake(seconds=30) == []
    assert await stage.wake(seconds=90) == [BO]
    (first, second) = house.carrier.texts
    assert [first[0], second[0]] == [ANA, BO]
    assert "customer called at 06:50:00 UTC" in first[1]
    assert KIM not in first[1]  # it is read on locked screens
    await stage.back()
    run = await house.ladder()
    assert (run.next_step, run.found, run.started_at) == (2, True, START)
    kept = await runs.pages_of(house.pool, run.run_id)
    assert [(one.person_id, one.kind, one.outcome) for one in kept] == [
        (house.staff[who].person_id, kind, "sent, while the store was away")
        for who in ("ana", "bo")
        for kind in ("voice", "text")
    ]
    assert all(one.sent_at is not None for one in kept)
    assert await house.wake(seconds=1) == []
    assert await house.mails() == []
    assert await stage.wake(seconds=1) == []  # its request has been played
    assert await house.wake(minutes=6) != []  # the ladder goes on


async def test_whoever_presses_1_hears_the_number_and_the_ladder_waits_for_him(stage: Stage):
    house = stage.house
    house.carrier.people = {ANA: Person(keys=("1",))}
    await stage.ring()
    await stage.wake(seconds=6)
    woken = next(one for one in house.carrier.calls.values() if one.called == ANA)
    assert "Call back by hand" in woken.said
    assert "4 4 2 0 7 1" in woken.said.replace(",", "")
    assert await stage.wake(minutes=2) == []
    await stage.back()
    run = await house.ladder()
    assert (run.engaged_by, run.claim.person_id) == (house.staff["ana"].person_id,) * 2
    assert all(one.acknowledged_at is not None for one in await runs.pages_of(house.pool, run.run_id))
    assert await house.wake(minutes=2) == [BO]  # a claim lapses without an attempt


async def test_who_presses_nothing_or_another_name_hears_no_number(stage: Stage):
    house = stage.house
    await stage.ring()
    house.carrier.people = {ANA: Person()}
    await stage.wake(seconds=6)
    woken = next(one for one in house.carrier.calls.values() if one.called == ANA)
    assert "Call back by hand" not in woken.said
    strange = await woken.ask(woken.status_url.replace("away-status?k=", "away-key?k=%2e%2e"), Digits="1")
    assert [verb["verb"] for verb in strange] == ["hangup"]
    assert await stage.wake(minutes=2) == [BO]


async def test_a_page_that_no_carrier_takes_is_followed_by_the_next_step_at_once(stage: Stage, monkeypatch):
    monkeypatch.setattr("homing.support.line.away.AGAIN_S", (0.0,))
    house = stage.house
    await stage.ring()
    house.carrier.refuses = 503
    assert await stage.wake(seconds=6) == []
    house.carrier.refuses = 0
    assert await stage.wake(seconds=1) == [BO]
    await stage.back()
    outcomes = {one.outcome for one in await runs.pages_of(house.pool, (await house.ladder()).run_id)}
    assert "sent, while the store was away" in outcomes
    assert any("not a valid number" in one for one in outcomes)


async def test_a_page_of_which_nothing_is_known_goes_out_once_more(stage: Stage):
    house = stage.house
    await stage.ring()
    await stage.wake(seconds=6)
    (key,) = await house.line.away_book.keys()
    call = await house.line.away_book.load(key)
    cut_off = tuple(structs.replace(one, outcome="", sent_at=None) for one in call.pages)  # the supervisor has died
    await house.line.away_book.save(key, structs.replace(call, pages=cut_off))
    await stage.back()
    assert await house.wake(seconds=1) == [ANA]


async def test_the_sheet_is_sealed_and_one_that_is_old_or_of_another_key_names_nobody(stage: Stage):
    file = stage.data / FILE
    assert file.stat().st_mode & 0o077 == 0
    assert ANA.encode() not in file.read_bytes()
    await stage.ring()
    stage.house.clock.forward(days=7, seconds=1)
    assert await stage.wake() == []
    file.write_bytes(b"x" * 40)
    assert await stage.wake() == []
    await stage.take_sheet()
    assert ANA in await stage.wake()


async def test_the_supervisor_keeps_the_sheet_while_the_store_is_well(stage: Stage):
    (stage.data / FILE).unlink()
    settings = Settings(data=stage.data, hostname="mx.homing.test")
    standby = Standby(settings, stage.pool, stage.house.clock, MASTER_KEY, served=lambda: True)
    halt = asyncio.Event()
    task = asyncio.create_task(standby.run(halt))
    async with asyncio.timeout(10):
        while await stage.sheets.load(stage.house.clock.now()) is None:
            await asyncio.sleep(0.01)
    halt.set()
    await task
