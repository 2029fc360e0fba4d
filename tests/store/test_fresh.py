import asyncio

from homing.recipients import store
from homing.recipients.fresh import Fresh
from homing.recipients.types import SuppressionRow


def row(recipient, account_id=1):
    return SuppressionRow(
        account_id=account_id, recipient=recipient, type="non_transactional", source="Manually Added", provenance="api"
    )


async def test_a_row_is_known_after_the_next_look(pool):
    fresh = Fresh(pool, give_back=lambda accounts: None)
    await store.suppress(pool, [row("old@there.test")])
    await asyncio.sleep(0.05)
    await fresh.look()
    await store.suppress(pool, [row("Kim@There.test"), row("jörg@bücher.test")])
    assert not fresh.may_stop(1, "kim@there.test")
    await fresh.look()
    assert fresh.may_stop(1, "KIM@there.test")
    assert fresh.may_stop(1, "jörg@bücher.test")
    assert not fresh.may_stop(2, "kim@there.test")
    assert not fresh.may_stop(1, "lee@there.test")


async def test_a_row_whose_transaction_commits_late_is_not_missed(pool):
    fresh = Fresh(pool, give_back=lambda accounts: None)
    await fresh.look()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await store.suppress(connection, [row("late@there.test")])
        for _ in range(3):
            await fresh.look()
            await asyncio.sleep(0.05)
        assert not fresh.may_stop(1, "late@there.test")
        await transaction.commit()
    await fresh.look()
    assert fresh.may_stop(1, "late@there.test")


async def test_an_import_floods_its_account_and_its_messages_are_given_back_once(pool, monkeypatch):
    given_back = []
    fresh = Fresh(pool, give_back=lambda accounts: given_back.append(accounts), most_at_once=10)
    await fresh.look()
    await store.suppress(pool, [row(f"u{n}@there.test") for n in range(50)])
    await fresh.look()
    assert fresh.may_stop(1, "anybody@there.test")
    assert not fresh.may_stop(2, "anybody@there.test")
    assert given_back == []
    monkeypatch.setattr("homing.recipients.fresh.EXPANDING_S", 0.0)
    fresh._flood({1})
    fresh._since = None
    await fresh.look()
    assert given_back == [{1}]
    assert fresh.may_stop(1, "anybody@there.test")
    await fresh.look()
    assert given_back == [{1}]
    assert not fresh.may_stop(1, "anybody@there.test")


async def test_what_is_remembered_is_bounded_and_whose_rows_are_forgotten_asks_the_list(pool):
    fresh = Fresh(pool, give_back=lambda accounts: None, most_kept=20)
    await fresh.look()
    for start in range(0, 30, 10):
        await store.suppress(pool, [row(f"u{n}@there.test") for n in range(start, start + 10)])
        await fresh.look()
    assert len(fresh._seen) <= 20
    assert fresh.may_stop(1, "u0@there.test")
