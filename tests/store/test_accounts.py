import asyncio
import ipaddress
from datetime import UTC, datetime

import pytest

from homing.accounts import store
from homing.accounts.authenticate import Authenticator
from homing.ground import db
from homing.ground.config import TrustedNet
from homing.ground.errors import StoreUnavailable
from homing.ground.secrets import hash_api_key
from tests.kit.moved_clock import MovedClock

SOME_DAY = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def door(pool, clock):
    return Authenticator(pool, clock)


async def new_key(pool, **differences):
    account = await store.get_or_create_account(pool, differences.pop("account", "acme"))
    return await store.create_key(
        pool, account_id=account.account_id, **{"label": "k", "grants": ["smtp/inject", "templates/view"], **differences}
    )


async def test_an_account_is_made_once_however_many_ask(pool):
    found = await asyncio.gather(*(store.get_or_create_account(pool, "acme") for _ in range(4)))
    assert len({account.account_id for account in found}) == 1
    assert await store.create_account(pool, "acme") is None


async def test_a_key_is_shown_once_and_kept_as_a_hash(pool):
    made = await new_key(pool)
    assert len(made.clear) == 40
    assert made.short_key == made.clear[:4]
    rows = await pool.fetch("SELECT api_keys::text AS everything FROM api_keys")
    assert made.clear not in rows[0]["everything"]
    facts = await store.find_by_hash(pool, hash_api_key(made.clear))
    assert facts is not None
    assert facts.key.key_id == made.key_id


async def test_keys_of_another_account_are_neither_listed_nor_revoked(pool):
    mine, other = await new_key(pool), await new_key(pool, account="other")
    account = await store.get_or_create_account(pool, "acme")
    assert [key.key_id for key in await store.list_keys(pool, account.account_id)] == [mine.key_id]
    assert await store.get_key(pool, account.account_id, other.key_id) is None
    assert not await store.revoke_key(pool, account.account_id, other.key_id, at=SOME_DAY)
    assert not await store.update_key(pool, account.account_id, other.key_id, label="x", grants=[], valid_ips=[])


async def test_a_key_says_who_holds_it(door, pool):
    made = await new_key(pool)
    sender = await door.authenticate(made.clear, ip="127.0.0.1")
    assert (sender.key_id, sender.subaccount_id, sender.acts_for_all) == (made.key_id, 0, True)
    assert sender.grants == {"smtp/inject", "templates/view"}


async def test_a_subaccounts_key_is_pinned(door, pool):
    made = await new_key(pool, subaccount_id=5)
    sender = await door.authenticate(made.clear, ip="127.0.0.1")
    assert (sender.subaccount_id, sender.pinned, sender.acts_for_all) == (5, True, False)


@pytest.mark.parametrize("rubbish", ["", "x", "0" * 40, "0" * 39, "G" * 40, "0" * 100_000, "\0" * 40, "\ud800" * 40, "é" * 40])
async def test_what_is_no_key_of_ours_is_nobody(door, rubbish):
    assert await door.authenticate(rubbish, ip="127.0.0.1") is None


async def test_a_key_works_only_from_its_addresses(door, pool):
    made = await new_key(pool, valid_ips=["192.0.2.0/24"])
    assert await door.authenticate(made.clear, ip="192.0.2.1") is not None
    assert await door.authenticate(made.clear, ip="198.51.100.1") is None


async def test_a_revoked_key_stops_within_seconds(door, pool, clock):
    made = await new_key(pool)
    sender = await door.authenticate(made.clear, ip="127.0.0.1")
    assert await store.revoke_key(pool, sender.account_id, made.key_id, at=SOME_DAY)
    clock.forward(seconds=5)
    assert await door.authenticate(made.clear, ip="127.0.0.1") is None


async def test_a_key_made_just_now_works_within_a_second_even_if_it_was_tried_before(door, pool, clock):
    made = await new_key(pool)
    await pool.execute("UPDATE api_keys SET revoked_at = now()")
    assert await door.authenticate(made.clear, ip="127.0.0.1") is None
    await pool.execute("UPDATE api_keys SET revoked_at = NULL")
    clock.forward(seconds=1)
    assert await door.authenticate(made.clear, ip="127.0.0.1") is not None


async def test_a_suspended_account_is_marked(door, pool, clock):
    made = await new_key(pool)
    sender = await door.authenticate(made.clear, ip="127.0.0.1")
    assert await store.suspend(pool, sender.account_id, at=SOME_DAY)
    clock.forward(seconds=5)
    assert (await door.authenticate(made.clear, ip="127.0.0.1")).suspended
    assert await store.suspend(pool, sender.account_id, at=None)
    clock.forward(seconds=5)
    assert not (await door.authenticate(made.clear, ip="127.0.0.1")).suspended


async def test_a_known_key_works_for_a_minute_without_a_database_and_an_unknown_one_is_not_called_wrong(database, clock):
    async with db.pool(database, name="test-outage") as pool:
        made = await new_key(pool)
        door = Authenticator(pool, clock)
        assert await door.authenticate(made.clear, ip="127.0.0.1") is not None
        await pool.close()  # from here on every look-up fails as one to a lost server does
        clock.forward(seconds=59)
        assert await door.authenticate(made.clear, ip="127.0.0.1") is not None
        with pytest.raises(StoreUnavailable):
            await door.authenticate("0" * 40, ip="127.0.0.1")
        clock.forward(seconds=2)
        with pytest.raises(StoreUnavailable):
            await door.authenticate(made.clear, ip="127.0.0.1")


async def test_a_crowd_with_one_key_asks_the_database_once(database, clock):
    async with db.pool(database, least=1, most=1, name="test-crowd") as pool:
        made = await new_key(pool)
        door = Authenticator(pool, clock)
        async with pool.acquire() as held:  # the only connection: whoever asks must wait
            crowd = [asyncio.create_task(door.authenticate(made.clear, ip="127.0.0.1")) for _ in range(50)]
            await asyncio.sleep(0.05)
            crowd[0].cancel()  # the first of them leaves; the others still get their answer
            assert len(door._keys._in_flight) == 1
            del held
        answers = await asyncio.gather(*crowd, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert all(answer.key_id == made.key_id for answer in answers[1:])


async def test_a_trusted_network_injects_for_its_account(door, pool):
    acme = await store.get_or_create_account(pool, "acme")
    inner = await store.get_or_create_account(pool, "inner")
    nets = (
        TrustedNet(ipaddress.ip_network("10.0.0.0/8"), "acme"),
        TrustedNet(ipaddress.ip_network("10.1.0.0/16"), "inner"),
        TrustedNet(ipaddress.ip_network("10.2.0.0/16"), "nobody-made-it"),
    )
    assert (await door.trusted("10.9.0.1", nets)).account_id == acme.account_id
    assert (await door.trusted("10.1.0.1", nets)).account_id == inner.account_id
    assert (await door.trusted("10.1.0.1", nets)).may("smtp/inject")
    assert await door.trusted("10.2.0.1", nets) is None
    assert await door.trusted("192.0.2.1", nets) is None
    assert await door.trusted("192.0.2.1", ()) is None
