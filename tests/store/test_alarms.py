"""What the ledger finds wakes whoever is on call (P1), or is told to the TAM (P3); each finding once, whoever dies meanwhile."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import structs

from homing.accounts import store as accounts
from homing.availability import decisions
from homing.availability.types import Finding, Rule
from homing.boot.alarms import Alarms
from homing.contracts import people
from homing.contracts import store as contracts
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.support.oncall import runs
from homing.support.oncall.types import Severity
from tests.kit.cases import Bench, bench


class Mailbox:
    """Mail of the platform, kept; `away` lets nobody take it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send(self, to: str, *, subject: str, text: str) -> bool:
        self.sent.append((to, text))
        return True


@pytest.fixture
async def town(pool: db.Pool) -> Bench:
    return await bench(pool, "2026-05-20T11:00Z")


def finding(town: Bench, rule: Rule, **by: float) -> Finding:
    start = town.clock.now() - timedelta(**by)
    return Finding(account_id=town.account_id, rule=rule, start=start, reached_at=start + timedelta(seconds=60), seconds=60)


async def test_an_outage_is_one_ladder_of_severity_1_and_the_tams_of_its_accounts_are_told(town: Bench):
    mail = Mailbox()
    other = await accounts.get_or_create_account(town.pool, "other")
    eve = await town.staff("eve", Role.TAM)
    await contracts.assign_tam(
        town.pool, other.account_id, eve.person_id, begins_at=town.clock.now() - timedelta(days=1), actor="operator"
    )
    first = finding(town, Rule.PERSISTENT, minutes=2)
    await decisions.note(town.pool, first)
    await decisions.note(town.pool, structs.replace(first, account_id=other.account_id, rule=Rule.DECLARED))
    done = await asyncio.gather(*(Alarms(town.pool, town.clock, mail).turn() for _ in range(3)))
    assert sum(done) == 2
    assert await Alarms(town.pool, town.clock, mail).turn() == 0
    (run,) = await runs.latest(town.pool)
    assert (run.severity, run.account_id, run.due_at) == (Severity.ONE, town.account_id, None)
    assert run.reference == "persistent Unavailability since 10:58:00 UTC"  # read on locked screens, it names nobody
    assert [to for to, _ in mail.sent] == ["tam@provider.test", "eve@provider.test"]
    async with town.pool.acquire() as connection, connection.transaction():
        await runs.end_ladder(connection, run.obligation, because="staff 1 has it in hand", now=town.clock.now())
    await decisions.note(town.pool, finding(town, Rule.PERSISTENT, seconds=70))
    await Alarms(town.pool, town.clock, mail).turn()
    assert len(await runs.latest(town.pool)) == 2  # what comes later is another one


async def test_half_of_the_months_budget_within_an_hour_is_told_to_the_tam_and_to_who_stands_in(town: Bench):
    delegate = await people.add(
        town.pool,
        StaffMember(person_id=0, name="Dee", email="dee@provider.test", phone="", roles=frozenset({Role.TAM})),
        actor="operator",
    )
    assert delegate is not None
    now = town.clock.now()
    await contracts.add_cover(
        town.pool,
        person_id=town.tam.person_id,
        delegate_id=delegate.person_id,
        begins_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=1),
        reason="away",
        actor="operator",
    )
    mail = Mailbox()
    await decisions.note(town.pool, finding(town, Rule.COSTLY, minutes=5))
    assert await Alarms(town.pool, town.clock, mail).turn() == 1
    assert [to for to, _ in mail.sent] == ["dee@provider.test", "tam@provider.test"]
    assert "60 Unavailable seconds within an hour, since 2026-05-20 10:55:00 UTC" in mail.sent[0][1]
    assert await runs.latest(town.pool) == []  # a warning wakes nobody


async def test_where_nothing_can_be_mailed_a_warning_is_left_to_a_worker(town: Bench):
    await decisions.note(town.pool, finding(town, Rule.COSTLY, minutes=5))
    await decisions.note(town.pool, finding(town, Rule.PERSISTENT, minutes=5))
    assert await Alarms(town.pool, town.clock, None).turn() == 1
    assert len(await runs.latest(town.pool)) == 1
    mail = Mailbox()
    assert await Alarms(town.pool, town.clock, mail).turn() == 1
    assert [to for to, _ in mail.sent] == ["tam@provider.test"]


async def test_what_is_found_hours_later_wakes_nobody(town: Bench):
    await decisions.note(town.pool, finding(town, Rule.PERSISTENT, hours=7))
    assert await Alarms(town.pool, town.clock, Mailbox()).turn() == 1
    assert await runs.latest(town.pool) == []


async def test_a_worker_that_dies_before_its_commit_leaves_the_finding_to_another(town: Bench):
    await decisions.note(town.pool, finding(town, Rule.PERSISTENT, minutes=2))
    async with town.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert len([one async for one in decisions.untold(connection, rules=list(Rule))]) == 1
        assert await Alarms(town.pool, town.clock, Mailbox()).turn() == 0  # it is another one's
        await transaction.rollback()
    assert await Alarms(town.pool, town.clock, Mailbox()).turn() == 1
