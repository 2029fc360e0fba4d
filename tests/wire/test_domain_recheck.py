"""Verified domains are looked at again of our own accord, against a DNS server that says, or does not say, what a test wants."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from homing.accounts.store import get_or_create_account
from homing.contracts.store import audit_of
from homing.domains import check_store, key_store, store, tracking_store
from homing.domains.recheck import BATCH, CLAIM, Rechecker
from homing.domains.registry import fresh_keys, register
from homing.domains.rules.recheck import EVERY, Finding
from homing.domains.rules.verify import record_name, record_value
from homing.domains.types import DomainStatus
from homing.domains.verify import DomainDns
from homing.ground import db
from homing.ground.secrets import MasterKey
from tests.kit.dns import NXDOMAIN, REFUSED, SERVFAIL, SILENCE, DnsServer, dns_server
from tests.kit.moved_clock import MovedClock

KEY = MasterKey(b"k" * 32)
BOUNCES, CLICKS = "bounce.mta.test", "click.mta.test"


class Town:
    """One account's domains, the DNS they stand in, and two workers that look."""

    def __init__(self, pool: db.Pool, dns: DnsServer, account_id: int) -> None:
        self.pool = pool
        self.dns = dns
        self.account_id = account_id
        self.clock = MovedClock()
        self.changes = 0
        self.one, self.two = (self._rechecker() for _ in range(2))

    def _rechecker(self) -> Rechecker:
        def changed() -> None:
            self.changes += 1

        return Rechecker(
            self.pool,
            self.clock,
            DomainDns(self.dns.address, patience_s=0.3),
            bounce_hosts=frozenset({BOUNCES}),
            tracking_hosts=frozenset({CLICKS}),
            changed=changed,
            chance=lambda: 0.5,
        )

    async def domain(self, name: str = "acme.test", **statuses: str) -> None:
        """Add a verified domain with its records."""
        made = await register(self.pool, KEY, domain=name, account_id=self.account_id, now=self.clock.now(), dkim_bits=1024)
        keys = [msgspec.structs.replace(key, status="valid") for key in (await store.keys_of(self.pool, [name]))[name]]
        status = DomainStatus(**({"dkim_status": "valid"} | statuses))
        await store.set_status(self.pool, made, status, keys=keys)
        for key in keys:
            self.publish(key)
        if statuses.get("cname_status"):
            self.dns.records[f"{name} CNAME"] = [f"{BOUNCES}."]
        if statuses.get("mx_status"):
            self.dns.records[f"{name} MX"] = [f"10 {BOUNCES}."]
        await self.make_due()

    def publish(self, key) -> None:
        text = record_value(key.public_key, algorithm=key.algorithm)
        place = f"{record_name(key.selector, key.signing_domain)} TXT"
        self.dns.records[place] = [" ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))]

    def withdraw(self, ending: str) -> None:
        for place in [place for place in self.dns.records if place.endswith(ending)]:
            del self.dns.records[place]

    async def make_due(self) -> None:
        for table in ("sending_domains", "tracking_domains"):
            await self.pool.execute(f"UPDATE {table} SET next_check_at = $1", self.clock.now())

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.make_due()
            await self.one.turn()
            self.clock.forward(hours=6)

    async def found(self, name: str = "acme.test"):
        return await store.find(self.pool, name)

    async def keys(self, name: str = "acme.test") -> list[tuple[str, int]]:
        return [(key.status, key.failures) for key in (await store.keys_of(self.pool, [name]))[name]]


@pytest.fixture
async def town(pool) -> AsyncIterator[Town]:
    account = await get_or_create_account(pool, "acme")
    async with dns_server({f"{BOUNCES} A": ["127.0.0.1"]}, follow=False) as dns:
        yield Town(pool, dns, account.account_id)


async def test_a_domain_whose_records_stand_stays_as_it_is_and_is_looked_at_a_day_later(town):
    await town.domain(cname_status="valid")
    looked_at = town.clock.now()
    await town.one.turn()
    found = await town.found()
    assert (found.status.dkim_status, found.status.cname_status, found.checked_at) == ("valid", "valid", looked_at)
    assert await town.pool.fetchval("SELECT next_check_at FROM sending_domains") == looked_at + EVERY
    assert town.changes == 0
    asked = sum(town.dns.asked.values())
    town.clock.forward(hours=23)
    assert await town.one.turn() == 0
    assert sum(town.dns.asked.values()) == asked
    town.clock.forward(hours=2)
    assert await town.one.turn() == 1


@pytest.mark.parametrize("gone", ["withdrawn", "nxdomain", "another record"])
async def test_a_domain_that_lost_its_record_is_marked_after_three_definite_failures(town, gone):
    await town.domain()
    if gone == "withdrawn":
        town.withdraw(" TXT")
        town.dns.records["scph0526._domainkey.acme.test A"] = ["127.0.0.1"]
    elif gone == "nxdomain":
        town.withdraw(" TXT")
    else:
        for place in [place for place in town.dns.records if place.endswith(" TXT")]:
            town.dns.records[place] = ['"v=DKIM1; p=AAAA"']
    await town.look(2)
    assert (await town.found()).status.dkim_status == "valid"
    assert await town.keys() == [("valid", 2), ("valid", 2)]
    await town.look()
    assert (await town.found()).status.dkim_status == "invalid"
    assert await town.keys() == [("invalid", 3), ("invalid", 3)]
    assert town.changes == 1


@pytest.mark.parametrize("trouble", [SERVFAIL, REFUSED, SILENCE])
async def test_a_dns_server_in_trouble_never_takes_a_domain_away(town, trouble):
    await town.domain(cname_status="valid", mx_status="valid")
    for place in list(town.dns.records):
        town.dns.records[place] = trouble
    await town.look(4)
    found = await town.found()
    assert (found.status.dkim_status, found.status.cname_status, found.status.mx_status) == ("valid", "valid", "valid")
    assert (found.cname_failures, found.mx_failures, await town.keys()) == (0, 0, [("valid", 0), ("valid", 0)])
    assert town.changes == 0


async def test_a_timeout_between_two_failures_neither_counts_nor_forgives(town):
    await town.domain(cname_status="valid")
    for answer in (NXDOMAIN, NXDOMAIN, SERVFAIL, NXDOMAIN):
        town.dns.records["acme.test CNAME"] = answer
        before = (await town.found()).cname_failures
        await town.look()
        assert (await town.found()).cname_failures == before + (answer == NXDOMAIN)
    assert (await town.found()).status.cname_status == "invalid"


async def test_a_record_that_comes_back_in_time_is_forgiven(town):
    await town.domain(cname_status="valid")
    town.dns.records["acme.test CNAME"] = ["elsewhere.test."]
    await town.look(2)
    town.dns.records["acme.test CNAME"] = [f"{BOUNCES}."]
    await town.look()
    found = await town.found()
    assert (found.status.cname_status, found.cname_failures) == ("valid", 0)


async def test_a_doubtful_domain_is_looked_at_again_sooner(town):
    await town.domain()
    town.withdraw(" TXT")
    now = town.clock.now()
    await town.one.turn()
    assert await town.pool.fetchval("SELECT next_check_at FROM sending_domains") == now + timedelta(hours=6)


async def test_what_is_lost_comes_back_only_by_a_verification(town):
    await town.domain(mx_status="valid")
    town.withdraw(" MX")
    town.dns.records["acme.test A"] = ["127.0.0.1"]
    await town.look(3)
    found = await town.found()
    assert (found.status.mx_status, found.status.dkim_status) == ("invalid", "valid")
    town.dns.records["acme.test MX"] = [f"10 {BOUNCES}."]
    await town.look()
    assert (await town.found()).status.mx_status == "invalid"
    await store.set_status(town.pool, found, msgspec.structs.replace(found.status, mx_status="valid"))
    town.withdraw(" MX")
    await town.look(2)
    again = await town.found()
    assert (again.status.mx_status, again.mx_failures) == ("valid", 2)


async def test_a_further_key_is_watched_like_the_default_one(town):
    await town.domain()
    parts = await fresh_keys(KEY, bits=1024, selector="mkt0526", signing_domain="acme.test", key_id="mkt")
    await key_store.add(town.pool, await town.found(), parts)
    keys = [key for key in (await store.keys_of(town.pool, ["acme.test"]))["acme.test"] if key.key_id == "mkt"]
    await key_store.keep_status(town.pool, [msgspec.structs.replace(key, status="valid") for key in keys])
    await town.look(3)
    assert await town.keys() == [("valid", 0), ("valid", 0), ("invalid", 3), ("invalid", 3)]
    assert (await town.found()).status.dkim_status == "valid"


async def test_a_domain_that_nobody_verified_is_not_asked_about(town):
    await register(town.pool, KEY, domain="new.test", account_id=town.account_id, now=town.clock.now(), dkim_bits=1024)
    await town.look()
    assert sum(town.dns.asked.values()) == 0
    assert (await town.found("new.test")).status == DomainStatus()


async def test_a_tracking_domain_that_lost_its_alias_is_marked_likewise(town):
    made = await tracking_store.add(town.pool, domain="click.acme.test", account_id=town.account_id)
    await tracking_store.set_status(town.pool, made, "valid")
    town.dns.records["click.acme.test CNAME"] = [f"{CLICKS}."]
    await town.look(4)
    town.dns.records["click.acme.test CNAME"] = SERVFAIL
    await town.look(4)

    async def found():
        return await tracking_store.get(town.pool, "click.acme.test", account_id=town.account_id)

    assert ((await found()).cname_status, (await found()).failures) == ("valid", 0)
    del town.dns.records["click.acme.test CNAME"]
    await town.look(2)
    assert ((await found()).cname_status, (await found()).failures) == ("valid", 2)
    await town.look()
    assert ((await found()).cname_status, town.changes) == ("invalid", 1)
    asked = sum(town.dns.asked.values())
    await town.look()
    assert sum(town.dns.asked.values()) == asked


async def test_two_workers_never_look_at_one_domain(town):
    for number in range(12):
        await town.domain(f"d{number}.test")
    taken = await asyncio.gather(*(worker.turn() for worker in (town.one, town.two)))
    assert sum(taken) == 12
    assert set(town.dns.asked.values()) == {1}


async def test_a_turn_takes_no_more_than_a_batch(town):
    await town.pool.execute(
        "INSERT INTO sending_domains (domain, account_id, next_check_at) SELECT 'd' || n || '.test', $1, $2"
        " FROM generate_series(1, $3::integer) n",
        town.account_id, town.clock.now(), BATCH + 5,
    )  # fmt: skip
    assert [await town.one.turn(), await town.two.turn(), await town.one.turn()] == [BATCH, 5, 0]


async def test_what_a_dead_worker_had_claimed_is_looked_at_by_another(town):
    await town.domain()
    now = town.clock.now()
    assert len(await check_store.claim_domains(town.pool, now=now, until=now + CLAIM, limit=5)) == 1
    assert await town.two.turn() == 0
    town.clock.forward(minutes=10)
    assert await town.two.turn() == 1
    assert (await town.found()).checked_at is not None


async def test_a_key_that_was_replaced_meanwhile_is_not_judged_by_the_old_ones_record(town):
    await town.domain()
    (domain,) = await check_store.claim_domains(town.pool, now=town.clock.now(), until=town.clock.now() + CLAIM, limit=5)
    keys = (await store.keys_of(town.pool, ["acme.test"]))["acme.test"]
    fresh = (await fresh_keys(KEY, bits=1024, selector="new", signing_domain="acme.test"))[0]
    await store.update(
        town.pool, domain, shared=False, is_default_bounce=False, tracking_domain=None,
        key=msgspec.structs.replace(fresh, status="valid"), dkim_status="valid",
    )  # fmt: skip
    look = check_store.Look(keys=dict.fromkeys(keys[:1], Finding.GONE))
    for _ in range(3):
        kept = await check_store.keep_look(town.pool, domain, look, now=town.clock.now(), next_check_at=town.clock.now())
        assert kept.lost == ()
    assert (await town.found()).status.dkim_status == "valid"


async def test_a_domain_that_was_removed_meanwhile_is_no_trouble(town):
    await town.domain()
    (domain,) = await check_store.claim_domains(town.pool, now=town.clock.now(), until=town.clock.now() + CLAIM, limit=5)
    await store.delete(town.pool, "acme.test", account_id=town.account_id)
    look = check_store.Look(cname=None, keys={})
    kept = await check_store.keep_look(town.pool, domain, look, now=town.clock.now(), next_check_at=town.clock.now())
    assert kept.lost == ()


async def test_the_looks_of_many_domains_are_spread_over_the_day(town):
    await town.pool.execute(
        "INSERT INTO sending_domains (domain, account_id) SELECT 'd' || n || '.test', $1 FROM generate_series(1, 400) n",
        town.account_id,
    )
    hours = await town.pool.fetch("SELECT extract(epoch FROM next_check_at - now())::integer / 3600 AS hour FROM sending_domains")
    assert {row["hour"] for row in hours} >= set(range(12, 36)) - {12, 35}


# domains that nobody proves -------------------------------------------------------------------------------------------------


async def unproved(town: Town, name: str, **changes: object) -> None:
    await register(town.pool, KEY, domain=name, account_id=town.account_id, now=town.clock.now(), dkim_bits=1024)
    for column, value in changes.items():
        await town.pool.execute(f"UPDATE sending_domains SET {column} = $1 WHERE domain = $2", value, name)


async def there(town: Town) -> set[str]:
    return {row["domain"] for row in await town.pool.fetch("SELECT domain FROM sending_domains")}


async def test_a_domain_that_nobody_proves_is_removed_after_two_weeks(town):
    town.clock.forward(seconds=(datetime.now(UTC) - town.clock.now()).total_seconds())  # rows are made by the server's clock
    await unproved(town, "acme.test")
    town.clock.forward(days=13, hours=23)
    await town.one.turn()
    assert (await there(town), town.changes) == ({"acme.test"}, 0)
    town.clock.forward(hours=2)
    await asyncio.gather(town.one.turn(), town.two.turn())
    assert (await there(town), town.changes) == (set(), 1)
    assert await town.pool.fetchval("SELECT count(*) FROM dkim_keys") == 0
    (told,) = await audit_of(town.pool, town.account_id)
    assert (told.actor, told.action, told.subject) == ("system", "domain.removed", "domain acme.test")
    assert "nobody proved within two weeks" in str(told.detail["why"])
    await unproved(town, "acme.test")  # the name is free again


async def test_what_was_proved_once_or_is_in_use_stays_for_good(town):
    await unproved(town, "unproved.test")
    await town.domain("proved.test")
    await town.domain("lost.test")
    await store.set_status(town.pool, await town.found("lost.test"), DomainStatus(dkim_status="invalid"))
    await unproved(town, "vouched.test")
    await store.trust(town.pool, await town.found("vouched.test"))
    await store.trust(town.pool, await town.found("vouched.test"), trusted=False)
    await unproved(town, "signs.test")
    await town.pool.execute(
        "INSERT INTO ip_pools (account_id, pool_id, name, signing_domain) VALUES ($1, 'p', 'P', 'signs.test')", town.account_id
    )
    await unproved(town, "blocked.test", status='{"compliance_status":"blocked"}')
    await unproved(town, "bounces.test", is_default_bounce=True)
    town.clock.forward(seconds=(datetime.now(UTC) - town.clock.now()).total_seconds(), days=400)
    await town.one.turn()
    assert await there(town) == {
        "proved.test", "lost.test", "vouched.test", "signs.test", "blocked.test", "bounces.test"
    }  # fmt: skip


async def test_a_proof_that_comes_as_the_time_ends_wins_over_the_removal(town):
    await unproved(town, "acme.test")
    found = await town.found()
    town.clock.forward(days=400)
    async with town.pool.acquire() as connection, connection.transaction():
        held = await store.hold(connection, "acme.test", account_id=town.account_id)
        assert await check_store.remove_unproved(town.pool, now=town.clock.now(), limit=5) == []  # it is held
        await store.write_status(connection, held, DomainStatus(dkim_status="valid"))
    assert await check_store.remove_unproved(town.pool, now=town.clock.now(), limit=5) == []
    assert found.verify_by is not None
    assert (await town.found()).verify_by is None


async def test_many_unproved_domains_go_in_turns(town):
    await town.pool.execute(
        "INSERT INTO sending_domains (domain, account_id, verify_by) "
        "SELECT 'd' || n || '.test', $1, $2 FROM generate_series(1, 50) n",
        town.account_id,
        town.clock.now(),
    )
    while await town.one.turn() >= BATCH:
        pass
    assert await there(town) == set()
