"""Persistent Unavailability is noticed within seconds, told once, and written down; also while the database is away."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from homing.accounts import store as accounts
from homing.availability import decisions
from homing.availability.detector import Detector
from homing.availability.rules.share import budget
from homing.availability.types import Finding, Rule
from homing.evidence.badges import key_badge, name_badge
from homing.evidence.journal import Journal
from homing.evidence.slate import Left
from homing.evidence.types import Door
from homing.ground import db
from homing.ground.secrets import hash_api_key
from tests.kit.ledger import FAIL, OK, Ledger, at, unix

START = unix("2026-03-10 23:59:30")  # midnight comes on the way


class Desk:
    """A detector whose clock a test moves, over a journal that it writes."""

    def __init__(self, pool: db.Pool, folder: Path) -> None:
        self.pool = pool
        self.now = START
        self.left: list[Left] = []
        self.paged: list[Finding] = []
        self.journal = Journal(folder, "worker")
        self.detector = Detector(
            pool,
            folder,
            "a",
            page=self.page,
            under_way=lambda: iter(self.left),
            now=lambda: datetime.fromtimestamp(self.now, UTC),
        )

    async def page(self, findings) -> None:
        self.paged += findings

    async def second(self, *ends, account: int | None = 1, door: Door = Door.API, key: str = "") -> list[Finding]:
        """Let a second pass with these attempts, and look."""
        for end in ends:
            self.journal.begin(door, self.now, account, key).ended(*end)
        self.now += 1
        await self.journal.flush()
        return await self.detector.look()

    async def seconds(self, count: int, *ends, **who) -> list[Finding]:
        found = []
        for _ in range(count):
            found += await self.second(*ends, **who)
        return found


@pytest.fixture
async def desk(pool: db.Pool, tmp_path: Path) -> Desk:
    made = Desk(pool, tmp_path / "a")
    await made.second(OK)
    return made


async def test_sixty_seconds_of_failure_page_once_at_the_sixtieth(desk: Desk):
    assert await desk.seconds(59, FAIL) == []
    (found,) = await desk.second(FAIL)
    assert desk.paged == [found]
    assert (found.account_id, found.rule, found.seconds) == (1, Rule.PERSISTENT, 60)
    assert (found.start, found.reached_at) == (
        datetime.fromtimestamp(START + 1, UTC),
        datetime.fromtimestamp(START + 60, UTC),
    )
    assert await desk.seconds(30, FAIL) == []


async def test_it_is_written_down_for_the_statement(desk: Desk):
    (found,) = await desk.seconds(60, FAIL)
    assert list(await decisions.findings(desk.pool, 1, since=at("2026-03-01"), until=at("2026-04-01"))) == [found]


async def test_pauses_without_attempts_do_not_hide_it_and_served_seconds_end_it(desk: Desk):
    await desk.seconds(30, FAIL)
    await desk.seconds(50)
    assert await desk.seconds(29, FAIL) == []
    await desk.second(FAIL, OK)
    assert await desk.seconds(59, FAIL) == []
    assert len(await desk.second(FAIL)) == 1


async def test_another_episode_pages_again(desk: Desk):
    await desk.seconds(60, FAIL)
    await desk.second(OK)
    await desk.seconds(61)
    assert len(await desk.seconds(60, FAIL)) == 1
    assert len(desk.paged) == 2


async def test_an_attempt_under_way_may_still_rescue_its_second(desk: Desk):
    await desk.seconds(59, FAIL)
    desk.left = [Left(desk.now, 1, Door.API, "", 1, 0, 0)]
    assert await desk.second(FAIL) == []
    desk.left = []  # it ended, and was no attempt at all: no line says so
    assert len(await desk.second()) == 1


async def test_each_door_is_enough(desk: Desk):
    for _ in range(60):
        desk.journal.begin(Door.API, desk.now, 1).ended(*OK)
        await desk.second(FAIL, door=Door.SMTP)
    assert len(desk.paged) == 1


async def test_an_expensive_hour_is_written_down_and_wakes_nobody(desk: Desk):
    half = budget(2_678_400) // 2
    found = []
    for number in range(half):
        found += await desk.second(FAIL)
        if number % 2 == 0:
            found += await desk.second(OK)
    assert [one.rule for one in found] == [Rule.COSTLY]
    assert desk.paged == []
    assert await desk.seconds(5, FAIL) == []


async def test_half_a_budget_is_that_of_the_order_form_in_force_else_of_the_setting(pool: db.Pool, desk: Desk):
    strict, ended, without = [(await accounts.get_or_create_account(pool, name)).account_id for name in ("a", "b", "c")]
    begin = at("2026-01-01 00:00:00")
    for account, end in ((strict, None), (ended, at("2026-03-01 00:00:00"))):
        await pool.execute(
            "INSERT INTO order_forms (account_id, service, plan, zone, holiday_set, sev1_entitled, target_uptime, period, "
            "recorded_by) VALUES ($1, 'email', 'Enterprise', 'ET', 'US-FRB', true, 99.999, tstzrange($2, $3), 'operator')",
            account,
            begin,
            end,
        )
    await desk.detector._learn_all()
    half = budget(2_678_400, Decimal("99.999")) // 2
    assert (half, budget(2_678_400) // 2) == (13, 133)
    for _ in range(half):
        for account in (strict, ended, without):
            desk.journal.begin(Door.API, desk.now, account).ended(*FAIL)
        found = await desk.second()
    assert [(one.account_id, one.rule, one.seconds) for one in found] == [(strict, Rule.COSTLY, 13)]


async def test_keys_that_nobody_could_check_are_known_by_their_badges(pool: db.Pool, desk: Desk):
    acme = await accounts.get_or_create_account(pool, "acme")
    made = await accounts.create_key(pool, account_id=acme.account_id, label="k", grants=[])
    (one,) = await desk.seconds(60, FAIL, account=None, key=key_badge(hash_api_key(made.clear)))
    assert one.account_id == acme.account_id
    assert await desk.seconds(60, FAIL, account=None, key=name_badge("acme"), door=Door.SMTP) == [], "it goes on"
    assert await desk.seconds(60, FAIL, account=None, key="f" * 16) == []


async def test_while_the_database_is_away_it_pages_and_writes_it_down_later(database: str, tmp_path: Path):
    async with db.pool(database) as pool:
        acme = await accounts.get_or_create_account(pool, "acme")
        made = await accounts.create_key(pool, account_id=acme.account_id, label="k", grants=[])
        desk = Desk(pool, tmp_path / "a")
        await desk.second()
        await desk.detector._learn_all()
        await pool.close()
        found = await desk.seconds(60, FAIL, account=None, key=key_badge(hash_api_key(made.clear)))
        assert desk.paged == found != []
        async with db.pool(database) as back:
            desk.detector._pool = back
            await desk.second()
            kept = await decisions.findings(back, acme.account_id, since=at("2026-03-01"), until=at("2026-04-01"))
            assert list(kept) == found


async def test_another_node_that_serves_the_account_means_that_it_is_not_cut_off(pool: db.Pool, tmp_path: Path):
    acme = await accounts.get_or_create_account(pool, "acme")
    ledger = Ledger(pool, tmp_path, datetime.fromtimestamp(START, UTC))
    for second in range(0, 200, 2):
        ledger.node("b").note(START + second, acme.account_id, OK)
    await ledger.node("b").fold()
    desk = Desk(pool, tmp_path / "a")
    await desk.second()
    assert await desk.seconds(120, FAIL, account=acme.account_id) == []
    found = await desk.seconds(140, FAIL, account=acme.account_id)
    assert [one.rule for one in found] == [Rule.COSTLY, Rule.PERSISTENT]
    assert found[1].start >= datetime.fromtimestamp(START, UTC) + timedelta(seconds=1)
