import asyncio
from datetime import UTC, datetime
from importlib import resources

import msgspec
import pytest

from homing.accounts.store import get_or_create_account
from homing.domains import store
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.domains.registry import register
from homing.domains.types import Conflict, DomainStatus, KeyStanding, SendingDomain
from homing.ground import db
from homing.ground.errors import StoreUnavailable
from homing.ground.secrets import MasterKey
from tests.kit.moved_clock import MovedClock

KEY = MasterKey(b"k" * 32)
NOW = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
async def acme(pool):
    return (await get_or_create_account(pool, "acme")).account_id


@pytest.fixture
async def other(pool):
    return (await get_or_create_account(pool, "other")).account_id


async def add(pool, account_id, name, **differences):
    return await register(pool, KEY, domain=name, account_id=account_id, now=NOW, **{"dkim_bits": 1024, **differences})


async def test_a_new_domain_has_two_keys_and_no_private_one_in_the_clear(pool, acme):
    made = await add(pool, acme, "acme.test")
    assert isinstance(made, SendingDomain)
    keys = (await store.keys_of(pool, ["acme.test"]))["acme.test"]
    assert [(key.algorithm, key.selector, key.key_bits) for key in keys] == [
        ("rsa", "scph0526", 1024),
        ("ed25519", "scph0526e", 256),
    ]
    assert {key.signing_domain for key in keys} == {"acme.test"}


async def test_a_domain_can_have_no_keys(pool, acme):
    await add(pool, acme, "acme.test", dkim_bits=None)
    assert (await store.keys_of(pool, ["acme.test"]))["acme.test"] == []


async def test_a_name_belongs_to_one_account(pool, acme, other):
    await add(pool, acme, "acme.test")
    assert await add(pool, acme, "acme.test") is Conflict.ALREADY_YOURS
    assert await add(pool, other, "acme.test") is Conflict.OTHER_ACCOUNT
    assert await store.get(pool, "acme.test", account_id=other) is None
    assert not await store.delete(pool, "acme.test", account_id=other)
    assert await store.list_domains(pool, other) == []


@pytest.mark.parametrize("relative", ["mail.acme.test", "deep.mail.acme.test"])
async def test_a_proved_domain_keeps_its_relatives_and_a_mere_claim_does_not(pool, acme, other, relative):
    claim = await add(pool, acme, "acme.test")
    assert isinstance(await add(pool, other, relative), SendingDomain)
    await store.delete(pool, relative, account_id=other)
    await store.trust(pool, claim)
    assert await add(pool, other, relative) is Conflict.OTHER_ACCOUNT
    assert isinstance(await add(pool, acme, relative), SendingDomain)
    assert isinstance(await add(pool, other, "notacme.test"), SendingDomain)


async def test_a_parent_of_a_proved_domain_is_taken_too(pool, acme, other):
    await add(pool, acme, "mail.acme.test", trusted=True)
    assert await add(pool, other, "acme.test") is Conflict.OTHER_ACCOUNT


async def test_of_two_claims_on_relatives_the_first_proof_wins(pool, acme, other):
    mine, theirs = await add(pool, acme, "acme.test"), await add(pool, other, "mail.acme.test")
    assert isinstance(await store.set_status(pool, mine, DomainStatus(dkim_status="valid")), SendingDomain)
    assert await store.set_status(pool, theirs, DomainStatus(dkim_status="valid")) is Conflict.OTHER_ACCOUNT
    assert await store.trust(pool, theirs) is Conflict.OTHER_ACCOUNT


async def test_two_who_add_a_name_at_once_do_not_both_get_it(pool, acme, other):
    outcomes = await asyncio.gather(*(add(pool, account, "acme.test", dkim_bits=None) for account in (acme, other, acme)))
    assert sum(isinstance(outcome, SendingDomain) for outcome in outcomes) == 1


async def test_one_domain_of_a_subaccount_is_the_default_for_bounces(pool, acme):
    first, second = await add(pool, acme, "one.test"), await add(pool, acme, "two.test")
    for domain in (first, second):
        await store.update(pool, domain, shared=False, is_default_bounce=True, tracking_domain=None)
    assert (await store.default_bounce(pool, acme, 0)).domain == "two.test"
    assert not (await store.find(pool, "one.test")).is_default_bounce


async def test_deleting_a_domain_deletes_its_keys(pool, acme):
    await add(pool, acme, "acme.test")
    assert await store.delete(pool, "acme.test", account_id=acme)
    assert await pool.fetchval("SELECT count(*) FROM dkim_keys") == 0


async def test_facts_are_for_who_may_use_the_domain(pool, acme, other):
    await add(pool, acme, "acme.test", trusted=True, shared=True)
    await add(pool, acme, "own.test", trusted=True, subaccount_id=7)
    book = DomainBook(pool, MovedClock())
    assert (await book.facts(acme, 0, "acme.test")).usable_in_from
    assert await book.facts(acme, 7, "acme.test") is not None
    assert await book.facts(acme, 7, "own.test") is not None
    assert await book.facts(acme, 8, "own.test") is None
    assert await book.facts(other, 0, "acme.test") is None
    assert await book.facts(acme, 0, "unknown.test") is None
    assert await book.facts(acme, 0, "mail.acme.test") is None  # only the name itself


async def test_facts_follow_the_database_within_seconds(pool, acme):
    clock = MovedClock()
    book = DomainBook(pool, clock)
    domain = await add(pool, acme, "acme.test")
    assert not (await book.facts(acme, 0, "acme.test")).usable_in_from
    await store.trust(pool, domain)
    clock.forward(seconds=5)
    assert (await book.facts(acme, 0, "acme.test")).usable_in_from


async def test_facts_outlive_the_database_for_a_minute(database, acme):
    clock = MovedClock()
    async with db.pool(database, name="test-outage") as pool:
        await add(pool, acme, "acme.test", trusted=True)
        book = DomainBook(pool, clock)
        await book.facts(acme, 0, "acme.test")
        await pool.close()
        clock.forward(seconds=30)
        assert await book.facts(acme, 0, "acme.test") is not None
        with pytest.raises(StoreUnavailable):
            await book.facts(acme, 0, "other.test")


async def test_a_default_bounce_domain_counts_once_bounces_reach_us(pool, acme):
    clock = MovedClock()
    book = DomainBook(pool, clock)
    domain = await add(pool, acme, "acme.test", trusted=True)
    domain = await store.update(pool, domain, shared=False, is_default_bounce=True, tracking_domain=None)
    assert await book.default_bounce(acme, 0) is None
    await store.set_status(pool, domain, DomainStatus(cname_status="valid"))
    clock.forward(seconds=5)
    assert await book.default_bounce(acme, 0) == "acme.test"
    assert await book.default_bounce(acme, 9) == "acme.test"


async def test_the_ring_hands_out_rsa_before_ed25519_and_answers_at_once_the_second_time(pool, acme):
    clock = MovedClock()
    ring = KeyRing(pool, KEY, clock)
    await add(pool, acme, "acme.test", trusted=True)
    assert ring.get_cached(acme, 0, "acme.test") is None
    keys = await ring.signing_keys(acme, 0, "acme.test")
    assert [(key.algorithm, key.domain, key.selector) for key in keys] == [
        ("rsa", "acme.test", "scph0526"),
        ("ed25519", "acme.test", "scph0526e"),
    ]
    assert ring.get_cached(acme, 0, "acme.test") is keys
    clock.forward(seconds=30)
    assert ring.get_cached(acme, 0, "acme.test") is None


async def test_only_published_keys_sign(pool, acme):
    clock = MovedClock()
    ring = KeyRing(pool, KEY, clock)
    domain = await add(pool, acme, "acme.test")
    assert await ring.signing_keys(acme, 0, "acme.test") == ()
    keys = (await store.keys_of(pool, ["acme.test"]))["acme.test"]
    found = [msgspec.structs.replace(key, status="valid" if key.algorithm == "rsa" else "invalid") for key in keys]
    await store.set_status(pool, domain, DomainStatus(dkim_status="valid"), keys=found)
    clock.forward(seconds=30)
    assert [key.algorithm for key in await ring.signing_keys(acme, 0, "acme.test")] == ["rsa"]


async def test_a_key_signs_for_its_own_account_and_for_the_subaccounts_that_may_use_its_domain(pool, acme, other):
    ring = KeyRing(pool, KEY)
    await add(pool, acme, "acme.test", trusted=True)
    await add(pool, acme, "shared.test", trusted=True, shared=True)
    await add(pool, acme, "seven.test", trusted=True, subaccount_id=7)

    async def sign(account_id: int, domain: str) -> list[int]:
        return [number for number in (0, 7, 8) if await ring.signing_keys(account_id, number, domain)]

    assert [await sign(acme, name) for name in ("acme.test", "shared.test", "seven.test")] == [[0], [0, 7, 8], [7]]
    assert [await sign(other, name) for name in ("acme.test", "shared.test", "seven.test")] == [[], [], []]
    assert ring.get_cached(acme, 7, "acme.test") == ring.get_cached(acme, 8, "seven.test") == ()
    assert await ring.standing(acme, "acme.test", "default") is KeyStanding.USABLE
    assert await ring.standing(other, "acme.test", "default") is KeyStanding.ABSENT


async def test_the_keys_of_who_has_a_domain_now_sign_nothing_of_who_had_it_before(pool, acme, other):
    clock = MovedClock()
    ring = KeyRing(pool, KEY, clock)
    await add(pool, acme, "acme.test", trusted=True)
    assert await ring.signing_keys(acme, 0, "acme.test")
    await store.delete(pool, "acme.test", account_id=acme)
    await add(pool, other, "acme.test", trusted=True)
    assert await ring.signing_keys(other, 0, "acme.test")
    clock.forward(seconds=30)
    assert await ring.signing_keys(acme, 0, "acme.test") == ()


async def test_a_no_that_ends_mail_is_asked_of_the_database_and_a_yes_is_believed_for_some_seconds(pool, acme):
    clock = MovedClock()
    book = DomainBook(pool, clock)
    domain = await add(pool, acme, "acme.test")
    assert await book.facts(acme, 0, "acme.test") is not None  # known from here on as one that is not verified
    assert not book.is_sender(acme, 0, "acme.test")
    assert not await book.may_send(acme, 0, "acme.test")
    await store.trust(pool, domain)
    assert await book.may_send(acme, 0, "acme.test")
    assert book.is_sender(acme, 0, "acme.test")
    assert not book.is_sender(acme, 7, "acme.test")
    assert not await book.may_send(acme, 7, "acme.test")
    assert not await book.may_send(acme + 1, 0, "acme.test")
    await pool.execute("""UPDATE sending_domains SET status = status || '{"compliance_status": "blocked"}'""")
    clock.forward(seconds=5)
    assert not book.is_sender(acme, 0, "acme.test")
    assert not await book.may_send(acme, 0, "acme.test")


async def test_domains_from_before_the_two_weeks_stay_where_they_may_have_been_proved(pool, acme):
    for name, status, trusted in (
        ("new.test", "{}", False),
        ("asked.test", '{"dkim_status":"pending","compliance_status":"valid"}', False),
        ("lost.test", '{"dkim_status":"invalid"}', False),
        ("proved.test", '{"cname_status":"valid","dkim_status":"unverified"}', False),
        ("vouched.test", "{}", True),
    ):
        await pool.execute(
            "INSERT INTO sending_domains (domain, account_id, status, trusted) VALUES ($1, $2, $3, $4)",
            name,
            acme,
            status,
            trusted,
        )
    migration = resources.files("homing.sql").joinpath("migrations/0031_verify_by.sql").read_text()
    await pool.execute(migration[migration.index("UPDATE") : migration.index("CREATE INDEX")])
    rows = await pool.fetch("SELECT domain FROM sending_domains WHERE verify_by IS NOT NULL ORDER BY domain")
    assert [row["domain"] for row in rows] == ["asked.test", "new.test"]
