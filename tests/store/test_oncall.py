"""Ladders that run on a real database: frozen, once for an obligation, carried out once by whichever worker is there."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.contracts import people
from homing.contracts import store as contracts
from homing.contracts.types import Objectives, OrderForm, Role, StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.hours.types import HolidaySet, ServiceZone
from homing.support.oncall import runs, store
from homing.support.oncall.channels import Call, Channels
from homing.support.oncall.engine import Engine
from homing.support.oncall.rules.ladder import SEVERITY_1
from homing.support.oncall.runs import Answer
from homing.support.oncall.types import ChannelKind, Ladder, Override, Rotation, Run, Severity, Step, Target, Whom
from tests.kit.moved_clock import MovedClock
from tests.kit.target import target

KEY = MasterKey(b"k" * 32)
START = datetime(2026, 11, 2, 15, 0, tzinfo=UTC)  # a Monday, 10:00 in New York
KINDS = frozenset({ChannelKind.VOICE})


class Phones:
    """Every number there is. Those that are engaged cannot be called; nobody answers while it is silent."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.engaged: set[str] = set()
        self.silent = False

    async def __call__(self, number: str, call: Call, person_id: int) -> str:
        if self.silent:
            await asyncio.sleep(60)
        self.rung.append((number, call.reference))
        self.texts.append(call.text)
        return "busy" if number in self.engaged else ""


class Night:
    """A worker's engine over phones, with a clock that is moved."""

    def __init__(self, pool: db.Pool, hook_port: int = 80) -> None:
        self.pool = pool
        self.clock = MovedClock(START)
        self.phones = Phones()
        self.http = OutboundHttp(TargetPolicy(allow_private=True, ports=(hook_port,)))
        self.engine = self.worker()

    def worker(self, **more: Any) -> Engine:
        return Engine(self.pool, self.clock, Channels(KEY, self.http, dial=self.phones), self.http, **more)

    async def person(self, name: str, *roles: Role) -> StaffMember:
        number = f"+1202555{len(await people.everybody(self.pool)):04d}"
        wanted = StaffMember(
            person_id=0, name=name, email=f"{name}@provider.test", phone=number, roles=frozenset(roles or {Role.ONCALL})
        )
        made = await people.add(self.pool, wanted, actor="operator")
        assert made is not None
        return made

    async def duty(self, schedule: str, *members: StaffMember) -> None:
        assert await store.add_schedule(self.pool, schedule, actor="operator")
        turns = Rotation(zone="UTC", people=tuple(one.person_id for one in members), starts_on=date(2026, 10, 5))
        assert await store.add_rotation(self.pool, schedule, turns, actor="operator")

    async def call(self, obligation: str = "callback 1", **changes: Any) -> Run:
        given: dict[str, Any] = {
            "account_id": None,
            "reference": "S1-1",
            "now": self.clock.now(),
            "due_at": self.clock.now() + timedelta(minutes=15),
        }
        async with self.pool.acquire() as connection, connection.transaction():
            await runs.start_ladder(connection, obligation, **{**given, **changes})
        return await self.run(obligation)

    async def run(self, obligation: str = "callback 1") -> Run:
        found = await runs.of_obligation(self.pool, obligation)
        assert found is not None
        return found

    async def answer(self, who: StaffMember, what: Answer, obligation: str = "callback 1") -> Run | None:
        run = await self.run(obligation)
        async with self.pool.acquire() as connection, connection.transaction():
            return await runs.answer(connection, run.run_id, who.person_id, what, self.clock.now())

    async def turn(self, **by: float) -> list[str]:
        """Move the clock, look, and return who was rung by it."""
        self.clock.forward(**by)
        before = len(self.phones.rung)
        await self.engine.turn()
        await self.engine.landed()
        return [number for number, _ in self.phones.rung[before:]]


@pytest.fixture
async def night(pool: db.Pool) -> Night:
    return Night(pool)


@pytest.fixture
async def team(night: Night) -> tuple[StaffMember, ...]:
    """Ann is primary, Bob secondary, Eve on the roster, Zoe the boss."""
    ann, bob, eve = [await night.person(name) for name in ("ann", "bob", "eve")]
    zoe = await night.person("zoe", Role.ADMIN)
    await night.duty("primary", ann)
    await night.duty("secondary", bob)
    return ann, bob, eve, zoe


async def test_an_obligation_has_one_ladder_and_it_is_written_with_what_it_belongs_to(night, team):
    first = await night.call()
    again = await night.call(reference="other")
    assert (again.run_id, again.reference) == (first.run_id, "S1-1")
    async with night.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await runs.start_ladder(connection, "callback 2", account_id=None, reference="x", now=START)
        await transaction.rollback()
    assert await runs.of_obligation(night.pool, "callback 2") is None


async def test_the_ladder_wakes_one_after_another(night, team):
    ann, bob, eve, zoe = team
    await night.call()
    assert await night.turn() == [ann.phone]
    assert await night.turn(seconds=119) == []
    assert await night.turn(seconds=1) == [bob.phone]
    # +5 has neither TAM nor incident manager, so the roster is next at once and all else three minutes earlier.
    assert sorted(await night.turn(minutes=3)) == sorted([ann.phone, bob.phone, eve.phone])
    assert await night.turn(minutes=3) == [zoe.phone]
    assert len(await night.turn(minutes=5)) == 4, "the alarm at +13"
    assert "about to be missed" in night.phones.texts[-1]
    assert all("S1-1" in text and "acme" not in text for text in night.phones.texts)


async def test_a_running_ladder_stays_as_it_was_when_the_obligation_began(night, team):
    ann, _, _, zoe = team
    await night.call()
    only_zoe = Ladder(name=SEVERITY_1.name, steps=(Step(after_s=0, targets=(Target(Whom.ROLE, "admin"),)),))
    await store.put_ladder(night.pool, only_zoe, actor="operator")
    assert await night.turn() == [ann.phone]
    await night.call("callback 2")
    assert await night.turn() == [zoe.phone]
    assert await store.remove_ladder(night.pool, SEVERITY_1.name, actor="operator")
    assert (await store.ladders(night.pool)) == [SEVERITY_1]
    with pytest.raises(Misuse, match="no ladder"):
        await night.call("callback 3", steps="nothing")
    with pytest.raises(Misuse):
        await store.put_ladder(night.pool, Ladder(name="x", steps=()), actor="operator")


async def test_a_claim_holds_the_ladder_and_lapses_after_three_minutes_without_an_attempt(night, team):
    ann, bob, *_ = team
    await night.call()
    await night.turn()
    night.clock.forward(seconds=30)
    both = await asyncio.gather(night.answer(ann, Answer.CLAIM), night.answer(bob, Answer.CLAIM))
    assert sum(one is not None for one in both) == 1, "of two within a moment one gets it"
    assert await night.turn(minutes=2) == []
    assert await night.turn(minutes=1) == [bob.phone]
    run = await night.run()
    assert (run.claim, run.engaged_at, run.due_at) == (None, START + timedelta(seconds=30), START + timedelta(minutes=15))


async def test_an_attempt_ends_the_ladder_and_an_acknowledgement_does_not(night, team):
    ann, bob, *_ = team
    await night.call()
    await night.turn()
    acknowledged = await night.answer(ann, Answer.ACKNOWLEDGE)
    assert acknowledged is not None
    assert acknowledged.ended_at is None
    assert await night.turn(minutes=2) == [bob.phone]
    async with night.pool.acquire() as connection, connection.transaction():
        await runs.end_ladder(connection, "callback 1", because="attempt placed", now=night.clock.now())
        await runs.end_ladder(connection, "no such", because="attempt placed", now=night.clock.now())
    assert await night.turn(minutes=20) == []
    assert await night.answer(ann, Answer.CLAIM) is None
    pages = await runs.pages_of(night.pool, acknowledged.run_id)
    assert [(page.person_id, page.acknowledged_at is not None, page.outcome) for page in pages] == [
        (ann.person_id, True, "sent"),
        (bob.person_id, False, "sent"),
    ]
    assert [entry.action for entry in await contracts.audit_of(night.pool, None, limit=1)] == ["page: acknowledge"]


async def test_handing_on_wakes_the_next_at_once(night, team):
    ann, bob, *_ = team
    await night.call()
    await night.turn()
    assert await night.answer(ann, Answer.HAND_ON) is not None
    assert await night.turn(seconds=1) == [bob.phone]


async def test_with_nobody_on_duty_everybody_of_oncall_and_admin_is_woken_at_once(night):
    await night.person("tam", Role.TAM)
    ann, zoe = await night.person("ann"), await night.person("zoe", Role.ADMIN)
    steps = Ladder(name="x", steps=(Step(after_s=0, targets=(Target(Whom.SCHEDULE, "primary"),)),))
    await night.call(steps=steps)
    assert sorted(await night.turn()) == sorted([ann.phone, zoe.phone])


async def test_a_house_without_any_staff_says_so_and_goes_on(night):
    run = await night.call()
    assert await night.turn() == []
    zoe = await night.person("zoe", Role.ADMIN)
    assert await night.turn(minutes=13) == [zoe.phone]
    assert len(await runs.pages_of(night.pool, run.run_id)) == 1


async def test_who_has_left_is_not_woken(night, team):
    ann, bob, *_ = team
    await people.change(night.pool, people.left(ann, START), actor="operator")
    await night.call()
    assert await night.turn() == [bob.phone]


async def test_the_tam_or_who_covers_is_woken_within_business_hours(night, team):
    account = (await accounts.get_or_create_account(night.pool, "acme")).account_id
    tam, cover = await night.person("tam", Role.TAM), await night.person("cover", Role.TAM)
    form = OrderForm(
        order_form_id=0, account_id=account, service="email", plan="E", zone=ServiceZone.ET, holiday_set=HolidaySet.US_FRB,
        sev1_entitled=True, objectives=Objectives(), cadence_s=3600, target_uptime=Decimal("99.99"),
        begins_at=START - timedelta(9), ends_at=None, recorded_at=START, recorded_by="",
    )  # fmt: skip
    await contracts.add_order_form(night.pool, form, actor="operator")
    await contracts.assign_tam(night.pool, account, tam.person_id, begins_at=START - timedelta(9), actor="operator")
    steps = Ladder(name="x", steps=(Step(after_s=0, targets=(Target(Whom.TAM),)),))
    await night.call(account_id=account, steps=steps)
    assert await night.turn() == [tam.phone]
    span = {"begins_at": START, "ends_at": START + timedelta(days=1)}
    await contracts.add_cover(night.pool, tam.person_id, cover.person_id, **span, reason="leave", actor="operator")
    await night.call("callback 2", account_id=account, steps=steps)
    assert await night.turn() == [cover.phone]
    night.clock.forward(hours=7)
    await night.call("callback 3", account_id=account, steps=steps)
    assert tam.phone not in await night.turn()


async def test_an_override_counts_while_it_lasts(night, team):
    _, bob, eve, _ = team
    override = Override(person_id=eve.person_id, begins_at=START, ends_at=START + timedelta(minutes=2), reason="swap")
    number = await store.add_override(night.pool, "secondary", override, actor="operator")
    await store.add_override(night.pool, "primary", override, actor="operator")
    await night.call()
    assert await night.turn() == [eve.phone]
    assert await night.turn(minutes=2) == [bob.phone]
    assert await store.remove_override(night.pool, number, actor="operator") is True
    assert await store.remove_override(night.pool, number, actor="operator") is False
    assert await store.add_override(night.pool, "nothing", override, actor="operator") is None


async def test_a_step_that_several_workers_see_is_carried_out_once(night, team):
    ann, *_ = team
    for number in range(5):
        await night.call(f"callback {number}")
    workers = [night.worker() for _ in range(3)]
    await asyncio.gather(*(worker.turn() for worker in workers))
    await asyncio.gather(*(worker.landed() for worker in workers))
    assert sorted(night.phones.rung) == [(ann.phone, "S1-1")] * 5


async def test_a_page_that_a_dying_worker_had_taken_goes_out_again_and_no_step_is_lost(night, team):
    ann, *_ = team
    await night.call()
    night.phones.silent = True
    dying = night.worker()
    await dying.turn()
    await asyncio.sleep(0.05)
    await dying._land(0)
    night.phones.silent = False
    assert await night.turn(seconds=10) == [], "it may still be at it"
    assert await night.turn(seconds=10) == [ann.phone]
    assert await night.turn(minutes=7) != [], "what fell due while nobody worked comes at once"
    (first, *_) = await runs.pages_of(night.pool, (await night.run()).run_id)
    assert (first.attempts, first.outcome) == (2, "sent")


async def test_a_page_that_cannot_be_sent_is_tried_three_times_and_then_the_next_step_comes_at_once(night, team):
    ann, bob, *_ = team
    night.phones.engaged = {ann.phone}
    await night.call()
    assert await night.turn() == [ann.phone]
    assert await night.turn(seconds=5) == [ann.phone]
    assert await night.turn(seconds=15) == [ann.phone]
    assert await night.turn(seconds=1) == [bob.phone]
    (first, _) = await runs.pages_of(night.pool, (await night.run()).run_id)
    assert (first.outcome, first.due_at, first.sent_at) == ("busy", None, None)


async def test_two_hundred_ordinary_pages_do_not_hold_up_severity_1(night, team):
    ann, *_ = team
    steps = Ladder(name="x", steps=(Step(after_s=0, targets=(Target(Whom.PERSON, str(ann.person_id)),)),))
    for number in range(60):
        await night.call(f"ordinary {number}", severity=Severity.ORDINARY, reference="o", steps=steps)
    for _ in range(6):
        await night.turn(seconds=1)
    assert len(night.phones.rung) <= 30, "ordinary pages have a limit"
    night.phones.silent = True
    for number in range(200):
        await night.call(f"more {number}", severity=Severity.ORDINARY, reference="o", steps=steps)
    await night.engine.turn()
    night.phones.silent = False
    await night.call()
    await night.engine.turn()
    await asyncio.sleep(0.5)
    assert night.phones.rung[-1] == (ann.phone, "S1-1")
    await night.engine._land(0)


async def test_a_webhook_of_a_person_hears_the_page_and_its_address_is_sealed(pool: db.Pool):
    async with target() as hook:
        night = Night(pool, hook.port)
        ann = await night.person("ann")
        await night.duty("primary", ann)
        number = await store.add_channel(pool, KEY, ann.person_id, ChannelKind.WEBHOOK, hook.url, label="chat", actor="operator")
        assert hook.url not in str(await pool.fetch("SELECT * FROM oncall_channels"))
        run = await night.call()
        await night.turn()
        (heard,) = hook.heard
        assert heard.body == {
            "text": "Severity 1: S1-1. A call-back is due at 15:15:00 UTC. Claim it, or hand it on.",
            "ladder": run.run_id,
            "page": heard.body["page"],
            "severity": "severity 1",
            "reference": "S1-1",
            "alarm": False,
            "due_at": "2026-11-02T15:15:00Z",
        }
        assert await store.remove_channel(pool, number, actor="operator")
        with pytest.raises(Misuse):
            await store.add_channel(pool, KEY, ann.person_id, ChannelKind.VOICE, "+12025550100", label="", actor="operator")


async def test_the_outside_hears_a_heartbeat_a_minute_while_the_engine_works(pool: db.Pool):
    async with target() as hook:
        night = Night(pool, hook.port)
        workers = [night.worker(heartbeat_url=hook.url) for _ in range(2)]
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        await _until(lambda: len(hook.heard) == 1)
        await asyncio.sleep(1.2)
        assert len(hook.heard) == 1, "one of them, once a minute"
        night.clock.forward(minutes=1)
        await _until(lambda: len(hook.heard) == 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_engine_whose_turns_fail_is_not_healthy(night: Night):
    assert not night.engine.healthy()
    await night.turn()
    assert night.engine.healthy()


async def test_a_ladder_that_cannot_be_read_does_not_hold_up_the_others(night, team):
    ann, *_ = team
    broken = await night.call("broken")
    await night.pool.execute("UPDATE oncall_runs SET steps = '[7]' WHERE run_id = $1", broken.run_id)
    await night.call()
    assert await night.turn(seconds=1) == [ann.phone]


async def test_a_schedule_that_cannot_be_read_has_nobody_on_duty(night, team):
    ann, bob, *_ = team
    await night.pool.execute("UPDATE oncall_rotations SET zone = 'Mars/Base' WHERE people = $1", [ann.person_id])
    await night.call()
    assert await night.turn() == [bob.phone]


async def _until(holds: Any) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.05)
