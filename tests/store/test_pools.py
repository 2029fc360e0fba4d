"""Pools as sending sees them: whose addresses, in what order, how soon a change is known, and who signs."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from homing.accounts import store as accounts
from homing.delivery.letters import Chunk, Letter, Letters
from homing.domains import registry
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.domains.types import SendingDomain
from homing.egress import store
from homing.egress.pools import EVERY_S, PoolBook
from homing.egress.types import SHARED_POOL, IpPool, SendingIp, WhenFull
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.config import SourceIP
from homing.ground.errors import StoreUnavailable
from homing.ground.secrets import MasterKey
from homing.queue.types import Entry
from homing.spool.types import ChunkFacts, InlineContent
from homing.templates.book import SnippetBook

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
KEY = MasterKey(b"k" * 32)
CONFIGURED = (SourceIP("192.0.2.1", "one.test"), SourceIP("192.0.2.2", ""))


class Egress:
    """A customer, and what a worker knows of its pools."""

    def __init__(self, pool: db.Pool, account_id: int, configured: tuple[SourceIP, ...] = CONFIGURED) -> None:
        self.pool = pool
        self.account_id = account_id
        self.book = PoolBook(pool, source_ips=configured, hostname="host.test")

    async def add(self, pool_id: str, *addresses: str, **settings: object) -> None:
        if pool_id != "default":
            await store.add_pool(
                self.pool,
                IpPool(account_id=self.account_id, pool_id=pool_id, name=pool_id, **settings),  # type: ignore[arg-type]
            )
        for address in addresses:
            ip = SendingIp(address=address, hostname=f"mta{address[-1]}.test", account_id=self.account_id, pool_id=pool_id)
            await store.assign(self.pool, ip, today=NOW.date())

    async def line(self, pool_id: str = "default", account_id: int = 0) -> tuple[list[str], list[str]]:
        """Return the addresses of a pool and of its overflow."""
        account_id = account_id or self.account_id
        await self.book.refresh()
        assert await self.book.exists(account_id, pool_id)
        assert self.book.is_known(account_id, pool_id)
        found = self.book.line(account_id, pool_id)
        return [source.address for source in found.own], [source.address for source in found.overflow]


@pytest.fixture
async def egress(pool: db.Pool) -> Egress:
    account = await accounts.get_or_create_account(pool, "acme")
    return Egress(pool, account.account_id)


async def test_a_customer_without_addresses_sends_from_the_shared_ones(egress: Egress):
    assert await egress.line() == (["192.0.2.1", "192.0.2.2"], [])
    await egress.add("bulk")
    assert await egress.line("bulk") == (["192.0.2.1", "192.0.2.2"], [])
    assert egress.book.line(egress.account_id, "bulk").own[1].ehlo == "host.test"


async def test_a_pool_without_addresses_uses_those_of_the_default_pool(egress: Egress):
    await egress.add("default", "192.0.2.5")
    await egress.add("bulk", "192.0.2.6")
    await egress.add("empty")
    assert await egress.line() == (["192.0.2.5"], [])
    assert await egress.line("bulk") == (["192.0.2.6"], [])
    assert await egress.line("empty") == (["192.0.2.5"], [])
    assert await egress.line("sp_shared") == (["192.0.2.1", "192.0.2.2"], [])
    assert egress.book.line(egress.account_id, "bulk").own[0].ehlo == "mta6.test"


async def test_an_address_that_belongs_to_a_customer_is_shared_no_more(egress: Egress):
    await egress.add("default", "192.0.2.1")
    other = egress.account_id + 1
    assert await egress.line() == (["192.0.2.1"], [])
    assert await egress.line(account_id=other) == (["192.0.2.2"], [])
    await egress.add("bulk", "192.0.2.2")
    assert await egress.line(account_id=other) == ([""], [])  # none is left: the system chooses
    await store.release(egress.pool, "192.0.2.2")
    assert await egress.line(account_id=other) == (["192.0.2.2"], [])


async def test_every_address_that_mail_leaves_from_is_ours(egress: Egress):
    await egress.add("default", "192.0.2.5")
    await egress.line()
    assert [address in egress.book for address in ("192.0.2.5", "192.0.2.1", "192.0.2.9", "")] == [True, True, False, False]


async def test_overflow_goes_where_the_pool_says(egress: Egress):
    await egress.add("spare", "192.0.2.9")
    await egress.add("bulk", "192.0.2.6", overflow_pool="spare", when_full=WhenFull.SEND)
    await egress.add("news", "192.0.2.7", overflow_pool=SHARED_POOL)
    assert await egress.line("bulk") == (["192.0.2.6"], ["192.0.2.9"])
    assert egress.book.line(egress.account_id, "bulk").when_full is WhenFull.SEND
    assert await egress.line("news") == (["192.0.2.7"], ["192.0.2.1", "192.0.2.2"])
    await egress.add("default", "192.0.2.1", "192.0.2.2")
    assert await egress.line("news") == (["192.0.2.7"], [])


async def test_a_pool_of_somebody_else_is_not_there(egress: Egress):
    await egress.add("bulk", "192.0.2.6")
    assert not await egress.book.exists(egress.account_id + 1, "bulk")
    assert not await egress.book.exists(egress.account_id, "nope")


async def test_a_running_worker_notices_changes_by_itself(egress: Egress):
    changes: list[int] = []
    egress.book.changed = lambda: changes.append(1)
    running = asyncio.ensure_future(egress.book.run())
    try:
        async with asyncio.timeout(5):
            while not changes:
                await asyncio.sleep(0.02)
            await egress.add("default", "192.0.2.5")
            assert egress.book.line(egress.account_id, "default").own[0].address == "192.0.2.1"
            while egress.book.line(egress.account_id, "default").own[0].address != "192.0.2.5":
                await asyncio.sleep(0.02)
            assert len(changes) == 2
            await asyncio.sleep(EVERY_S + 0.2)
            assert len(changes) == 2  # nothing has changed, nothing is read
            await store.release(egress.pool, "192.0.2.5")
            egress.book.forget()
            await egress.book.ready(egress.account_id, "default")
            assert egress.book.line(egress.account_id, "default").own[0].address == "192.0.2.1"
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_without_the_store_what_is_known_stays_and_what_is_not_cannot_be_told(egress: Egress):
    await egress.add("bulk", "192.0.2.6")
    assert await egress.line("bulk") == (["192.0.2.6"], [])
    await egress.pool.close()
    egress.book.forget()
    assert await egress.book.exists(egress.account_id, "bulk")
    with pytest.raises(StoreUnavailable):
        await egress.book.exists(egress.account_id + 1, "bulk")
    fresh = PoolBook(egress.pool, source_ips=CONFIGURED, hostname="host.test")
    with pytest.raises(StoreUnavailable):
        await fresh.exists(egress.account_id, None)
    assert not fresh.is_known(egress.account_id, "default")


# who signs --------------------------------------------------------------------------------------------------------------


async def signers(egress: Egress, pool_id: str, *, provider: str = "", dkim_key: str = "default") -> list[str]:
    """Return the domains whose signatures a message of a pool has."""
    clock = SystemClock()
    letters = Letters(
        egress.pool,
        clock,
        KeyRing(egress.pool, KEY, clock),
        egress.book,
        DomainBook(egress.pool, clock),
        SnippetBook(egress.pool, clock),
        hostname="mta.test",
        bounce_domain="bounce.test",
        token=lambda message: message[:8],
    )
    facts = ChunkFacts(
        account_id=egress.account_id,
        transmission_id=bytes(10),
        accepted_at=NOW,
        recv_method="rest",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
        ip_pool=pool_id,
        dkim_key=dkim_key,
    )
    entry = Entry(
        shard=0, entry_id=bytes(10), lane=1, due_at=NOW, expires_at=NOW, chunk_id=bytes(10), recipient="kim@there.test",
        tries=0, detail=None,
    )  # fmt: skip
    await egress.book.refresh()
    content = InlineContent(from_email="news@acme.test", subject="Hello", text="Hi.")
    letter = await letters.make(entry, Chunk(facts, content), provider=provider)
    assert isinstance(letter, Letter)
    found = re.findall(rb"^ ?(?:DKIM-Signature: )?.*\bd=([a-z.]+);", letter.data.partition(b"\r\n\r\n")[0], re.MULTILINE)
    return sorted({name.decode() for name in found})


async def register(egress: Egress, *names: str) -> None:
    for name in names:
        made = await registry.register(egress.pool, KEY, domain=name, account_id=egress.account_id, now=NOW, trusted=True)
        assert isinstance(made, SendingDomain)


async def test_a_pools_domain_signs_in_place_of_the_from_domain(egress: Egress):
    await register(egress, "acme.test", "sign.test")
    await egress.add("bulk", signing_domain="sign.test")
    await egress.add("plain")
    assert await signers(egress, "bulk") == ["sign.test"]
    assert await signers(egress, "plain") == ["acme.test"]
    assert await signers(egress, "default") == ["acme.test"]


async def test_a_pools_domain_that_cannot_sign_any_more_leaves_it_to_the_from_domain(egress: Egress):
    await register(egress, "acme.test", "sign.test")
    await egress.add("bulk", signing_domain="sign.test")
    await egress.pool.execute("UPDATE sending_domains SET trusted = false WHERE domain = 'sign.test'")
    assert await signers(egress, "bulk") == ["acme.test"]
    await egress.pool.execute("UPDATE sending_domains SET trusted = true, subaccount_id = 4 WHERE domain = 'sign.test'")
    egress.book = PoolBook(egress.pool, source_ips=CONFIGURED, hostname="host.test")
    assert await signers(egress, "bulk") == ["acme.test"]  # it is not the primary account's own any more


async def test_the_feedback_domain_signs_besides_where_a_loop_goes_by_domain(egress: Egress):
    await register(egress, "acme.test", "fbl.test")
    await egress.add("bulk", fbl_signing_domain="fbl.test")
    assert await signers(egress, "bulk", provider="Yahoo") == ["acme.test", "fbl.test"]
    assert await signers(egress, "bulk", provider="Gmail") == ["acme.test"]
