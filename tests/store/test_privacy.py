"""Requests about personal data are carried out in steps, each whole, whoever dies in between."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from homing.events import store as events
from homing.events.rules.erasure import is_erased, marker
from homing.events.types import EventType
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.privacy import clerk as clerk_of
from homing.privacy import store
from homing.privacy.clerk import SETTLED, Clerk
from homing.privacy.types import Ask, PrivacyRequest
from homing.recipients import store as recipients
from homing.recipients.types import Source, Strike, SuppressionRow
from tests.store.test_events import append

NOW = datetime.now(UTC)
KIM, LEE = "kim@there.test", "lee@there.test"


def token(message: bytes) -> bytes:
    return hashlib.blake2b(message, key=b"secret", digest_size=16).digest()


class Desk:
    """A clerk, and what he works on."""

    def __init__(self, pool: db.Pool) -> None:
        self.pool = pool
        self.clerk = Clerk(pool, SystemClock(), token=token)

    async def ask(self, ask: Ask, *addresses: str, subaccount_id: int | None = 0, account_id: int = 1) -> int:
        return await store.add(
            self.pool, account_id=account_id, subaccount_id=subaccount_id, ask=ask, recipients=addresses or (KIM,), now=NOW
        )

    async def work(self, at: datetime = NOW) -> int:
        """Take every step that is due; return how many."""
        steps = 0
        while await self.clerk.step(at):
            steps += 1
            assert steps < 1_000
        return steps

    async def happen(self, recipient: str = KIM, **changes: Any) -> int:
        detail = {"raw_rcpt_to": recipient.title(), "rcpt_meta": {"name": "Kim"}, "subject": "Hi Kim", "ip_pool": "default"}
        row = {"day": NOW.date(), "at": NOW - timedelta(hours=1), "recipient": recipient, "detail": detail}
        return await append(self.pool, **{**row, **changes})

    async def log(self) -> dict[int, tuple[str, dict[str, Any]]]:
        rows = await self.pool.fetch("SELECT seq, recipient, detail FROM events")
        return {row["seq"]: (row["recipient"], msgspec.json.decode(row["detail"])) for row in rows}

    async def suppressed(self) -> list[tuple[int, str, str, str, str, str | None]]:
        rows = await self.pool.fetch(
            "SELECT subaccount_id, recipient, type, source, description, provenance FROM suppressions ORDER BY 1, 2, 3"
        )
        return [tuple(row) for row in rows]

    async def requests(self) -> Sequence[PrivacyRequest]:
        return await store.latest(self.pool, account_id=None, open_only=False, limit=100)

    async def suppress(self, source: Source, kind: str = "transactional", recipient: str = KIM, **changes: Any) -> None:
        row = SuppressionRow(
            **{
                "account_id": 1,
                "recipient": recipient,
                "type": kind,
                "source": source.value,
                "description": f"550 <{recipient}>",
                "provenance": "x",
                **changes,
            }
        )
        async with self.pool.acquire() as connection:
            await recipients.suppress(connection, [row])


@pytest.fixture
async def desk(pool: db.Pool) -> Desk:
    await events.ensure_partitions(pool, NOW.date())
    await pool.execute("INSERT INTO accounts (name) VALUES ('acme'), ('other')")
    return Desk(pool)


# opting out ------------------------------------------------------------------------------------------------------------


async def test_who_opts_out_is_suppressed_for_both_types(desk):
    await desk.ask(Ask.OPT_OUT, KIM, LEE)
    assert await desk.work() == 2
    rows = await desk.suppressed()
    assert [row[:5] for row in rows] == [
        (0, recipient, kind, "Manually Added", "opt-out request")
        for recipient in (KIM, LEE)
        for kind in ("non_transactional", "transactional")
    ]
    (done,) = await desk.requests()
    assert (done.done_at, done.looks, done.events) == (NOW, 1, 0)
    assert await desk.pool.fetchval("SELECT count(*) FROM privacy_recipients") == 0


async def test_opting_out_everywhere_reaches_every_subaccount(desk):
    await desk.pool.execute(
        "INSERT INTO subaccounts (account_id, subaccount_id, name) VALUES (1, 7, 'seven'), (1, 9, 'nine'), (2, 5, 'five')"
    )
    await desk.ask(Ask.OPT_OUT, subaccount_id=None)
    await desk.work()
    assert {row[0] for row in await desk.suppressed()} == {0, 7, 9}
    assert await desk.pool.fetchval("SELECT count(*) FROM suppressions WHERE account_id = 2") == 0


async def test_opting_out_of_one_subaccount_leaves_the_others(desk):
    await desk.ask(Ask.OPT_OUT, subaccount_id=7)
    await desk.work()
    assert {row[0] for row in await desk.suppressed()} == {7}


async def test_a_long_list_is_worked_off_in_steps(desk, monkeypatch):
    monkeypatch.setattr(clerk_of, "ROWS_AT_ONCE", 20)
    await desk.ask(Ask.OPT_OUT, *(f"u{number}@there.test" for number in range(35)))
    assert await desk.work() == 5  # 10, 10, 10, 5, and the end
    assert len(await desk.suppressed()) == 70


# being forgotten -------------------------------------------------------------------------------------------------------


async def test_events_keep_what_became_of_the_message_and_not_who_it_was_for(desk):
    mine = [await desk.happen(), await desk.happen(type=EventType.BOUNCE)]
    other = await desk.happen(LEE)
    await desk.ask(Ask.FORGET)
    await desk.work()
    log = await desk.log()
    names = {log[seq][0] for seq in mine}
    assert len(names) == 1
    assert all(is_erased(name) for name in names)
    assert [log[seq][1] for seq in mine] == [{"ip_pool": "default"}] * 2
    assert log[other][0] == LEE
    assert "rcpt_meta" in log[other][1]
    assert [row["recipient_domain"] for row in await desk.pool.fetch("SELECT DISTINCT recipient_domain FROM events")] == [
        "there.test"
    ]
    assert "kim" not in str(await desk.pool.fetch("SELECT recipient, detail FROM events WHERE seq = ANY($1)", mine)).lower()


async def test_another_account_and_other_subaccounts_keep_theirs(desk):
    kept = [await desk.happen(account_id=2), await desk.happen(subaccount_id=7)]
    gone = await desk.happen()
    await desk.ask(Ask.FORGET)
    await desk.work()
    log = await desk.log()
    assert [log[seq][0] for seq in kept] == [KIM, KIM]
    assert is_erased(log[gone][0])
    await desk.ask(Ask.FORGET, subaccount_id=None)
    await desk.work()
    log = await desk.log()
    assert [is_erased(log[seq][0]) for seq in kept] == [False, True]


async def test_an_address_is_found_however_its_domain_was_written(desk):
    spelled = [await desk.happen("kim@bücher.test"), await desk.happen("kim@xn--bcher-kva.test")]
    await desk.ask(Ask.FORGET, "kim@bücher.test")
    await desk.work()
    log = await desk.log()
    assert len({log[seq][0] for seq in spelled}) == 1
    assert is_erased(log[spelled[0]][0])


async def test_it_is_done_once_more_when_nothing_is_under_way_any_more(desk):
    await desk.happen()
    await desk.ask(Ask.FORGET)
    await desk.work()
    (request,) = await desk.requests()
    assert (request.looks, request.events, request.done_at, request.due_at) == (1, 1, None, NOW + SETTLED)
    assert await desk.work(NOW + SETTLED - timedelta(hours=1)) == 0
    late = await desk.happen(day=NOW.date() + timedelta(days=3), at=NOW + timedelta(days=3))
    await desk.work(NOW + SETTLED)
    (request,) = await desk.requests()
    assert (request.looks, request.events, request.done_at) == (2, 2, NOW + SETTLED)
    assert is_erased((await desk.log())[late][0])
    assert await desk.pool.fetchval("SELECT count(*) FROM privacy_recipients") == 0


async def test_who_was_forgotten_is_known_again_by_a_marker_alone(desk):
    for subaccount_id in (0, None):
        await desk.ask(Ask.FORGET, "KIM@there.test", subaccount_id=subaccount_id)
    await desk.work()
    mine = marker(1, KIM, token)
    people = [(1, 0, mine), (1, 9, mine), (2, 0, mine), (1, 0, marker(1, LEE, token))]
    assert await recipients.forgotten_at(desk.pool, people) == [NOW, NOW, None, None]
    await desk.work(NOW + SETTLED)
    assert await recipients.forgotten_at(desk.pool, people) == [NOW + SETTLED, NOW + SETTLED, None, None]
    assert await desk.pool.fetchval("SELECT count(*) FROM forgotten_people") == 2
    assert "kim" not in str(await desk.pool.fetch("SELECT * FROM forgotten_people")).lower()


async def test_many_events_are_erased_in_steps_of_which_each_is_whole(desk, monkeypatch):
    monkeypatch.setattr(clerk_of, "EVENTS_AT_ONCE", 10)
    for _ in range(25):
        await desk.happen()
    await desk.ask(Ask.FORGET)
    assert await desk.clerk.step(NOW)
    assert sum(is_erased(name) for name, _ in (await desk.log()).values()) == 10
    assert await desk.work() == 3  # 10, 5, and the end of the look
    assert all(is_erased(name) for name, _ in (await desk.log()).values())
    (request,) = await desk.requests()
    assert request.events == 25


async def test_clerks_of_several_workers_do_not_do_it_twice(desk, monkeypatch):
    monkeypatch.setattr(clerk_of, "EVENTS_AT_ONCE", 5)
    for _ in range(30):
        await desk.happen()
    for number in range(3):
        await desk.ask(Ask.FORGET, KIM, f"u{number}@there.test")
    others = [Desk(desk.pool) for _ in range(3)]
    await asyncio.gather(*(one.work() for one in others))
    assert sum(request.events for request in await desk.requests()) == 30
    assert all(request.looks == 1 for request in await desk.requests())


async def test_only_what_keeps_him_from_being_written_to_stays_on_the_list(desk):
    for source, kind in (
        (Source.BOUNCE_RULE, "transactional"),
        (Source.SPAM_COMPLAINT, "non_transactional"),
    ):
        await desk.suppress(source, kind)
    await desk.suppress(Source.BOUNCE_RULE, recipient=LEE)
    async with desk.pool.acquire() as connection:
        await recipients.strike_all(
            connection, [Strike(account_id=1, subaccount_id=0, recipient=KIM, subclass="mailbox.full", day=NOW.date())]
        )
    number = await desk.ask(Ask.FORGET)
    await desk.work()
    rows = await desk.suppressed()
    assert [row[5] for row in rows] == [f"privacy:{number}", "x"]  # a message's id would lead from the address to his events
    assert [(row[1], row[3], row[4]) for row in rows] == [
        (KIM, "Spam Complaint", ""),
        (LEE, "Bounce Rule", f"550 <{LEE}>"),
    ]
    assert await desk.pool.fetchval("SELECT count(*) FROM bounce_strikes") == 0


async def test_a_request_about_somebody_unknown_is_done_all_the_same(desk):
    await desk.ask(Ask.FORGET, "nobody@there.test")
    await desk.work()
    await desk.work(NOW + SETTLED)
    (request,) = await desk.requests()
    assert (request.done_at, request.events) == (NOW + SETTLED, 0)


async def test_a_step_that_fails_leaves_everything_as_it_was(desk, monkeypatch):
    seq = await desk.happen()
    await desk.ask(Ask.FORGET)

    async def broken(*args: object, **more: object) -> None:
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patched:
        patched.setattr(clerk_of.store, "looked_at", broken)
        with pytest.raises(RuntimeError):
            await desk.clerk.step(NOW)
    assert (await desk.log())[seq][0] == KIM
    await desk.work()
    assert is_erased((await desk.log())[seq][0])
