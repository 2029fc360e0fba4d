"""While the store is away people are woken for calls from the duty sheet; when it is back, their ladder knows of it."""

import asyncio
import re

import pytest
from msgspec import structs

from homing.boot.channels import channels_of
from homing.boot.standby import Standby
from homing.contracts.types import Role
from homing.ground.config import Settings
from homing.ground.errors import StoreUnavailable
from homing.support.line.away import Away
from homing.support.line.reports import MOST_FROM_IP
from homing.support.line.types import Proof, Source
from homing.support.oncall import runs, sheet
from homing.support.oncall.sheet import FILE, SheetFile
from tests.kit.carrier import HANGS_UP, PUBLIC, SILENT, Person
from tests.kit.line import ANA, BO, KIM, MASTER_KEY, PIN, START, LineHouse, line_house


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
    assert "at 06:50:00 UTC" in first[1]
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


REPORT = {"company": "ACME", "name": "Kim", "phone": KIM, "email": "kim@acme.test", "description": "all mail fails"}


async def sent_form(house: LineHouse, **more: str):
    page = await house.door.client.get("/sev1")
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert ticket is not None
    return await house.door.client.post("/sev1", data={"ticket": ticket[1], **REPORT, **more})


async def test_a_form_is_written_down_and_its_reference_and_promise_stand(stage: Stage):
    house = stage.house
    house.line.desk._pool = Gone()
    answer = await sent_form(house, pin=PIN)
    assert answer.status_code == 202, answer.text
    assert "2026-03-08 07:05 UTC" in answer.text
    assert "+18005550100" in answer.text
    (file,) = await house.line.journal.waiting()
    assert b"all mail fails" not in file.read_bytes()
    assert PIN.encode() not in file.read_bytes()
    assert await stage.wake(seconds=6) == [ANA]
    await stage.back()
    one = await house.intake()
    assert one.reference in answer.text
    assert (one.source, one.first_ring_at, one.proof, one.account_id) == (Source.FORM, START, Proof.PIN, house.account_id)
    assert (await house.owed()).due_at == START.replace(hour=7, minute=5)
    assert await house.wake(seconds=1) == []  # nobody anew
    assert await house.line.journal.waiting() == []


@pytest.mark.parametrize("known", [True, False])
async def test_a_report_over_the_api_is_written_down_whether_its_key_can_be_asked_about_or_not(stage: Stage, known, monkeypatch):
    house = stage.house
    body = {**REPORT, "idempotency_key": "k1"}
    if not known:  # the store is away for longer than keys are remembered
        monkeypatch.setattr("homing.accounts.store.find_by_hash", nobody_says)
    house.line.desk._pool = Gone()
    answers = [await house.api("POST", "sev1", json=body) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    made = answers[0].json()["results"]
    assert (made["written_down"], made["due_at"], made["phone"]) == (True, "2026-03-08T07:05:00.000Z", ["+18005550100"])
    assert answers[1].json()["results"]["reference"] == made["reference"]
    assert await stage.wake(seconds=6) == [ANA]
    monkeypatch.undo()
    await stage.back()
    one = await house.intake()
    assert (one.reference, one.account_id, one.proof, one.first_ring_at) == (
        made["reference"], house.account_id, Proof.KEY, START,
    )  # fmt: skip
    assert await house.wake(seconds=1) == []
    again = await house.api("POST", "sev1", json=body)
    assert (again.status_code, again.json()["results"]["reference"]) == (200, made["reference"])


async def test_a_report_with_a_key_that_is_nobodys_is_taken_in_as_one_of_nobody(stage: Stage, monkeypatch):
    house = stage.house
    monkeypatch.setattr("homing.accounts.store.find_by_hash", nobody_says)
    house.line.desk._pool = Gone()
    sent = [
        await house.door.client.post("/api/v1/support/sev1", json=REPORT, headers={"Authorization": "0" * 40})
        for _ in range(MOST_FROM_IP + 1)
    ]
    assert [one.status_code for one in sent] == [202] * MOST_FROM_IP + [429]
    assert (await house.door.client.get("/api/v1/support/sev1")).status_code == 503  # nothing else is let through
    monkeypatch.undo()
    await stage.back()
    assert {(one.account_id, one.proof) for one in await house.intakes()} == {(None, Proof.NONE)}


async def test_who_reports_when_neither_store_nor_disk_takes_it_is_told_to_phone(stage: Stage):
    house = stage.house
    house.line.desk._pool = Gone()
    house.line.journal._folder.parent.joinpath("line").write_text("in the way")
    answer = await sent_form(house)
    assert answer.status_code == 503
    assert "Please phone" in answer.text
    answer = await house.api("POST", "sev1", json=REPORT)
    assert answer.status_code == 503
    assert "+18005550100" in answer.text


async def nobody_says(*given, **more):
    raise StoreUnavailable("the server is gone")


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


async def test_an_outage_that_cannot_be_written_down_wakes_who_is_on_duty_once(stage: Stage):
    house = stage.house
    house.carrier.people = {ANA: Person()}
    assert await stage.away.outage() == 2  # by call and short message
    await house.carrier.settle()
    assert await stage.away.outage() == 0  # of another account, in the same minutes
    (woken,) = [one for one in house.carrier.calls.values() if one.called == ANA]
    assert "persistent Unavailability" in woken.said
    assert [to for to, _ in house.carrier.texts] == [ANA]


@pytest.mark.parametrize("gone", [True, False])
async def test_an_outage_is_left_to_its_ladder_while_the_store_is_well(stage: Stage, gone):
    settings = Settings(
        data=stage.data, hostname="mx.homing.test", sev1_url=PUBLIC, sev1_carriers=stage.data / "carriers.toml",
        allow_private_targets=True, target_ports=(stage.house.carrier.port,),
    )  # fmt: skip
    pool = Gone() if gone else stage.pool
    standby = Standby(settings, pool, stage.house.clock, MASTER_KEY, served=lambda: True)  # type: ignore[arg-type]
    await standby.outage()
    assert bool(stage.house.carrier.texts) == gone


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
