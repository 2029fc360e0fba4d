"""Journals are folded into the ledger: united over nodes, however often and in whatever order, and nothing is lost."""

import hashlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homing.accounts import store as accounts
from homing.evidence import store
from homing.evidence.badges import key_badge, name_badge
from homing.evidence.fold import Folder
from homing.evidence.journal import Journal
from homing.evidence.types import Door, FaultTag
from homing.ground import db
from homing.ground.errors import StoreUnavailable
from homing.ground.secrets import hash_api_key

HOUR = 500_000
START = HOUR * 3_600
OK, BAD = (FaultTag.NONE, "200"), (FaultTag.SERVER, "503")


class Node:
    """A machine with a journal."""

    def __init__(self, pool: db.Pool, folder: Path, name: str = "a") -> None:
        self.folder = folder / name
        self.now = datetime.fromtimestamp(START + 100, UTC)
        self.journal = Journal(self.folder, "worker")
        self.folder_ = Folder(pool, self.folder, name, clock=lambda: self.now)

    def note(self, second: int, account: int | None, end=OK, *, door: Door = Door.API, key: str = "") -> None:
        self.journal.begin(door, START + second, account, key).ended(*end)

    async def fold(self) -> int:
        await self.journal.flush()
        hours = 0
        while True:
            done = await self.folder_.fold()
            hours += done.hours
            if not done.more:
                return hours


@pytest.fixture
async def acme(pool: db.Pool) -> int:
    return (await accounts.get_or_create_account(pool, "acme")).account_id


async def ledger(pool: db.Pool, *account_ids: int, node: str | None = None) -> dict[tuple[int, Door], tuple[int, int]]:
    """Return attempted and answered seconds of the test's hour, of one node or united over all."""
    found: dict[tuple[int, Door], tuple[int, int]] = {}
    for one in await store.segments(pool, account_ids, since=HOUR, until=HOUR + 1):
        if node is None or one.node == node:
            for door, (attempted, answered) in ((Door.API, one.sets[:2]), (Door.SMTP, one.sets[2:])):
                before = found.get((one.account_id, door), (0, 0))
                if attempted:
                    found[one.account_id, door] = (before[0] | attempted, before[1] | answered)
    return found


async def everything(pool: db.Pool) -> list[tuple]:
    rows = await pool.fetch("SELECT * FROM ledger_segments ORDER BY account_id, hour, node")
    return [tuple(row) for row in rows]


async def test_what_a_journal_says_is_folded_by_account_door_and_hour(pool: db.Pool, tmp_path: Path, acme: int):
    node = Node(pool, tmp_path)
    node.note(0, acme)
    node.note(1, acme, BAD)
    node.note(1, acme, BAD)
    node.note(2, acme, BAD)
    node.note(2, acme, OK)
    node.note(3, acme, BAD, door=Door.SMTP)
    node.note(3_600, acme)
    assert await node.fold() == 2
    assert await ledger(pool, acme) == {(acme, Door.API): (0b111, 0b101), (acme, Door.SMTP): (0b1000, 0)}
    later = await store.segments(pool, [acme], since=HOUR + 1, until=HOUR + 2)
    assert [one.sets for one in later] == [(1, 1, 0, 0)]


async def test_only_what_is_new_is_read_again(pool: db.Pool, tmp_path: Path, acme: int):
    node = Node(pool, tmp_path)
    node.note(0, acme)
    assert await node.fold() == 1
    assert (await node.folder_.fold()).lines == 0
    node.note(1, acme, BAD)
    assert await node.fold() == 1
    assert await ledger(pool, acme) == {(acme, Door.API): (0b11, 0b1)}


async def test_a_file_that_is_folded_twice_changes_nothing(pool: db.Pool, tmp_path: Path, acme: int):
    node = Node(pool, tmp_path)
    for second in range(50):
        node.note(second, acme, BAD if second % 3 else OK)
    await node.fold()
    before = await everything(pool)
    await pool.execute("DELETE FROM ledger_files")
    done = await node.folder_.fold()
    assert (done.lines, done.hours) == (50, 0)
    assert await everything(pool) == before


async def test_a_fold_that_is_killed_in_the_middle_is_done_again_and_nothing_is_lost(
    pool: db.Pool, tmp_path: Path, acme: int, monkeypatch: pytest.MonkeyPatch
):
    node = Node(pool, tmp_path)
    node.note(0, acme)
    await node.journal.flush()
    really = store.put_positions

    async def killed(*_: object) -> None:
        raise ConnectionResetError("the fold was killed")

    monkeypatch.setattr(store, "put_positions", killed)
    with pytest.raises(StoreUnavailable):
        await node.folder_.fold()
    monkeypatch.setattr(store, "put_positions", really)
    assert await everything(pool) == []
    assert await node.fold() == 1
    assert await ledger(pool, acme) == {(acme, Door.API): (1, 1)}


async def test_nodes_are_united_in_any_order(pool: db.Pool, tmp_path: Path, acme: int):
    one, other = Node(pool, tmp_path, "a"), Node(pool, tmp_path, "b")
    one.note(0, acme, BAD)
    one.note(1, acme, BAD)
    other.note(1, acme, OK)
    other.note(2, acme, BAD)
    await other.fold()
    await one.fold()
    assert await ledger(pool, acme) == {(acme, Door.API): (0b111, 0b010)}
    assert await ledger(pool, acme, node="a") == {(acme, Door.API): (0b11, 0)}


async def test_many_files_in_random_order_and_pieces_give_the_same_sets(pool: db.Pool, tmp_path: Path, acme: int):
    chance = random.Random(7)
    attempted = answered = 0
    nodes = [Node(pool, tmp_path, name) for name in "abc"]
    for _ in range(400):
        second, fine = chance.randrange(3_600), chance.random() < 0.3
        attempted |= 1 << second
        answered |= fine << second
        node = chance.choice(nodes)
        node.note(second, acme, OK if fine else BAD)
        if chance.random() < 0.05:
            await chance.choice(nodes).fold()
    for node in chance.sample(nodes, 3):
        await node.fold()
        await pool.execute("DELETE FROM ledger_files WHERE node = $1", chance.choice("abc"))
        await node.fold()
    assert await ledger(pool, acme) == {(acme, Door.API): (attempted, answered)}


async def test_while_the_store_is_away_the_files_wait(database: str, tmp_path: Path):
    async with db.pool(database) as other:
        account = (await accounts.get_or_create_account(other, "acme")).account_id
        node = Node(other, tmp_path)
        node.note(0, account, BAD)
        await node.journal.flush()
        await other.close()
        with pytest.raises(StoreUnavailable):
            await node.folder_.fold()
    async with db.pool(database) as again:
        back = Node(again, tmp_path)
        assert await back.fold() == 1
        assert await ledger(again, account) == {(account, Door.API): (1, 0)}


async def test_a_key_that_was_shown_while_nobody_could_check_it_leads_to_its_account(pool: db.Pool, tmp_path: Path, acme: int):
    made = await accounts.create_key(pool, account_id=acme, label="k", grants=[])
    gone = await accounts.create_key(pool, account_id=acme, label="k", grants=[])
    revoked_at = datetime.fromtimestamp(START - 3_600, UTC)
    await accounts.revoke_key(pool, acme, gone.key_id, at=revoked_at)
    node = Node(pool, tmp_path)
    node.note(5, None, BAD, key=key_badge(hash_api_key(made.clear)))
    node.note(6, None, BAD, key=key_badge(hash_api_key(gone.clear)))
    node.note(7, None, BAD, key="f" * 16)
    node.note(8, None, BAD)
    node.note(-7_000, None, BAD, key=key_badge(hash_api_key(gone.clear)))
    await node.fold()
    found = await ledger(pool, acme, store.NOBODY)
    assert found == {(acme, Door.API): (1 << 5, 0), (store.NOBODY, Door.API): (0b111 << 6, 0)}
    before = await store.segments(pool, [acme], since=HOUR - 2, until=HOUR)
    assert [one.sets[0] for one in before] == [1 << 200], "it was not revoked then"


async def test_a_trusted_networks_account_is_found_by_its_name(pool: db.Pool, tmp_path: Path):
    account = (await accounts.get_or_create_account(pool, "Müller & Söhne")).account_id
    node = Node(pool, tmp_path)
    node.note(5, None, BAD, door=Door.SMTP, key=name_badge("Müller & Söhne"))
    node.note(6, None, BAD, door=Door.SMTP, key=name_badge("nobody"))
    await node.fold()
    found = await ledger(pool, account, store.NOBODY)
    assert found == {(account, Door.SMTP): (1 << 5, 0), (store.NOBODY, Door.SMTP): (1 << 6, 0)}


async def test_accounts_that_are_not_there_are_nobody(pool: db.Pool, tmp_path: Path, acme: int):
    node = Node(pool, tmp_path)
    node.note(5, acme + 1000)
    await node.fold()
    assert await ledger(pool, store.NOBODY) == {(store.NOBODY, Door.API): (32, 32)}


async def test_the_watch_says_since_when_a_node_is_there_and_how_far_it_is_folded(pool: db.Pool, tmp_path: Path):
    node = Node(pool, tmp_path)
    await node.fold()
    assert await store.nodes(pool) == []
    for second in (10, 11, 12, 20, 3_601):
        node.journal.watched(START + second)
    await node.fold()
    (known,) = await store.nodes(pool)
    assert (known.node, known.since) == ("a", datetime.fromtimestamp(START + 10, UTC))
    assert known.folded_until == node.now - timedelta(seconds=3)
    watched = await store.watch(pool, since=HOUR, until=HOUR + 2)
    assert [(one.hour, one.watched) for one in watched] == [(HOUR, 0b111 << 10 | 1 << 20), (HOUR + 1, 0b10)]
    node.journal.watched(START + 13)
    await node.fold()
    (first, _) = await store.watch(pool, since=HOUR, until=HOUR + 2)
    assert first.watched == 0b1111 << 10 | 1 << 20


async def test_a_clock_that_is_off_is_noted(pool: db.Pool, tmp_path: Path):
    node = Node(pool, tmp_path)
    node.now = datetime.now(UTC) + timedelta(seconds=5)
    node.journal.watched(START)
    await node.fold()
    (watch,) = await store.watch(pool, since=HOUR, until=HOUR + 1)
    assert 4_000 < watch.skew_ms < 6_000


async def test_a_journal_is_summed_when_its_day_is_over_and_again_if_it_grew(pool: db.Pool, tmp_path: Path, acme: int):
    node = Node(pool, tmp_path)
    node.note(0, acme, (FaultTag.NONE, "500"))
    await node.fold()
    day = datetime.fromtimestamp(START, UTC).date()
    assert await node.folder_.sum_up() == 0
    node.now = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1, hours=1, seconds=1)
    assert await node.folder_.sum_up() == 1
    assert await node.folder_.sum_up() == 0
    (file,) = await store.files_of_day(pool, day)
    path = node.folder / day.isoformat() / "worker.log"
    assert file.sha256 == hashlib.sha256(path.read_bytes()).digest()
    assert file.disputed == [("api", "none", "500", 1)]
    node.note(1, acme)
    await node.fold()
    assert await node.folder_.sum_up() == 1


async def test_retired_nodes_are_expected_no_more(pool: db.Pool, tmp_path: Path):
    node = Node(pool, tmp_path)
    node.journal.watched(START)
    await node.fold()
    until = datetime.fromtimestamp(START + 50, UTC)
    assert await store.retire_node(pool, "a", until=until)
    assert not await store.retire_node(pool, "x", until=until)
    assert (await store.nodes(pool))[0].until == until


async def test_more_hours_than_are_packed_at_once_come_into_the_ledger_and_are_united_with_what_is_there(pool: db.Pool):
    many = 2 * store.AT_ONCE + 1
    first = {(7, hour): (1 << hour % 3_600, 1 << hour % 3_600, 0b101, 0b100) for hour in range(many)}
    again = dict.fromkeys(list(first)[:10], (1, 1, 0, 0))
    today = datetime.fromtimestamp(0, UTC).date()
    async with pool.acquire() as connection, connection.transaction():
        assert await store.unite_segments(connection, "a", first, today=today) == many
        assert await store.unite_segments(connection, "a", again, today=today) == 9  # one second is there
    kept = {(one.account_id, one.hour): one.sets for one in await store.segments(pool, [7], since=0, until=many)}
    assert kept == first | {place: (sets[0] | 1, sets[1] | 1, *sets[2:]) for place, sets in list(first.items())[:10]}
