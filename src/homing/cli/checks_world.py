"""What doctor checks beyond this process: the database, the workers, DNS, and on request the way out."""

import socket
import time
from datetime import UTC, datetime, timedelta
from importlib import resources

import dns.asyncresolver
import dns.exception
import dns.resolver

from homing.cli import reach
from homing.cli.findings import Finding, fail, ok, warn
from homing.domains import store as domains
from homing.domains.rules.status import facts_of
from homing.events import store as events
from homing.ground import db
from homing.ground.certificates import Certificates
from homing.ground.config import Settings

_sql = db.queries("homing.cli")
LEAST_SERVER = 150000
LEAST_DAYS_AHEAD = 2
MOST_CLOCK_DIFFERENCE = timedelta(seconds=1)
_SHOWN = 5  # names in one line
PORT_25_HOST = "gmail-smtp-in.l.google.com"


async def database(chosen: Settings) -> list[Finding]:
    """Check the server, its settings and clock, the schema, the log's partitions and the workers."""
    try:
        async with reach.database(chosen) as pool:
            found = [*await _server(pool), *await _schema(pool), *await secure_names(pool, chosen)]
            if await _sql.table_exists(pool, name="case_letters"):
                found += await support(pool, chosen)
                found += await sandbox(pool, chosen)
            return found
    except reach.NotRunning as trouble:
        return [fail("database", str(trouble), "start it with `homing up`, then ask again")]


async def _server(pool: db.Pool) -> list[Finding]:
    async with pool.acquire() as connection:
        await _sql.server_facts(connection)  # the first answer also pays for the plan
        asked = datetime.now(UTC)
        facts = await _sql.server_facts(connection)
        answered = datetime.now(UTC)
    found: list[Finding] = []
    size = f"PostgreSQL {facts['version'].split()[0]}, {facts['size_bytes'] / (1 << 20):,.0f} MiB"
    if facts["version_number"] < LEAST_SERVER:
        found.append(fail("database", size, "homing needs PostgreSQL 15 or later"))
    else:
        found.append(ok("database", size))
    off = [name for name in ("fsync", "synchronous_commit", "full_page_writes") if facts[name] in ("off", "local")]
    if off:
        advice = "switch it on: accepted mail could be lost in a crash"
        found.append(fail("durability", f"{', '.join(off)} is off", advice))
    else:
        found.append(ok("durability", f"fsync on, synchronous_commit {facts['synchronous_commit']}"))
    difference = facts["now"] - (asked + (answered - asked) / 2)
    text = f"{abs(difference.total_seconds()):.3f} s apart from the database's"
    if abs(difference) > MOST_CLOCK_DIFFERENCE:
        found.append(fail("clocks", text, "keep both machines on a time service"))
    else:
        found.append(ok("clocks", text))
    return found


async def _schema(pool: db.Pool) -> list[Finding]:
    if not await _sql.table_exists(pool, name="_yoyo_migration"):
        return [fail("schema", "no migration has been applied", "`homing up` applies them at its start")]
    files = resources.files("homing.sql").joinpath("migrations").iterdir()
    wanted = {file.name.removesuffix(".sql") for file in files if file.name.endswith(".sql") and "rollback" not in file.name}
    applied = {row["migration_id"] async for row in _sql.applied_migrations(pool)}
    missing, unknown = sorted(wanted - applied), sorted(applied - wanted)
    found: list[Finding] = []
    if missing:
        found.append(fail("schema", f"not applied: {', '.join(missing)}", "restart `homing up`: it applies them"))
    elif unknown:
        found.append(fail("schema", f"made by a newer homing: {unknown[-1]}", "use that version of homing"))
    else:
        found.append(ok("schema", f"{len(applied)} migration{'s' if len(applied) != 1 else ''} applied"))
    found.append(_partitions(await events.days_ready(pool, datetime.now(UTC).date())))
    found.append(await _workers(pool))
    return found


async def secure_names(pool: db.Pool, chosen: Settings) -> list[Finding]:
    """Check that each tracking domain whose links begin with https has a certificate, where homing shows them."""
    if chosen.tracking_certs is None or not await _sql.table_exists(pool, name="tracking_domains"):
        return []
    kept = Certificates(chosen.tracking_certs)
    kept.look()
    without = [row["domain"] async for row in _sql.secure_trackings(pool) if kept.of(row["domain"]) is None]
    if not without:
        return [ok("https of customers", "every secure tracking domain has a certificate")]
    more = f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else ""
    text = f"no certificate for {', '.join(without[:_SHOWN])}{more}"
    return [warn("https of customers", text, f"get one, and put it into {chosen.tracking_certs}")]


def _partitions(days: int) -> Finding:
    text = f"partitions for today and {max(days - 1, 0)} day{'s' if days != 2 else ''} ahead"
    if days <= LEAST_DAYS_AHEAD:
        return fail("event log", text, "`homing up` makes partitions a week ahead: let it run, and look at its log")
    return ok("event log", text)


async def _workers(pool: db.Pool) -> Finding:
    workers = [row async for row in _sql.worker_facts(pool)]
    live = [row for row in workers if row["now"] - row["heartbeat_at"] < timedelta(seconds=30)]
    free = await _sql.free_shards(pool)
    text = f"{len(live)} alive, {sum(row['shards'] for row in live)} of 64 shards owned"
    if not live:
        return warn("workers", "none is alive: nothing is accepted or sent", "start `homing up`")
    if free:
        return warn("workers", text, f"{free} shards have no owner; within half a minute they should: ask again")
    return ok("workers", text)


async def support(pool: db.Pool, chosen: Settings) -> list[Finding]:
    """Check whether mail about Support Cases can come and leave; nothing, where there is no support address and no case."""
    domain = chosen.support_address.rpartition("@")[2].lower()
    facts = await _sql.support_facts(pool, domain=domain)
    waits = f"{facts['unsent']} mails about cases have waited for more than five minutes"
    if not domain:
        advice = "set HOMING_SUPPORT_ADDRESS: without it they wait for five days, and are given up"
        return [warn("support", waits, advice)] if facts["unsent"] else []
    if not facts["sends"]:
        advice = f"`homing domain add {domain}`: answers to customers cannot leave before"
        return [fail("support", f"{domain} is no sending domain", advice)]
    if chosen.mx is None:
        return [fail("support", "nothing takes mail for the support address", "set HOMING_MX, and point the MX record to it")]
    if facts["unsent"]:
        return [warn("support", waits, "`homing cases show` says why for each case")]
    held = f"{facts['quarantined']} in quarantine: `homing cases quarantine`" if facts["quarantined"] else "nothing in quarantine"
    return [ok("support", f"mail about cases leaves; {held}")]


async def sandbox(pool: db.Pool, chosen: Settings) -> list[Finding]:
    """Check whether mail of the sandbox can leave; nothing, where there is none."""
    domain = chosen.sandbox_domain.lower()
    if not domain:
        return []
    found = await domains.find(pool, domain)
    if found is None:
        return [
            fail("sandbox", f"{domain} is no sending domain", f"`homing domain add {domain}`: options.sandbox is refused before")
        ]
    if not facts_of(found).usable_in_from:
        return [
            fail("sandbox", f"{domain} is not verified", f"`homing domain verify {domain}`: options.sandbox is refused before")
        ]
    return [ok("sandbox", f"new customers can send from {domain}")]


async def resolver(chosen: Settings, *, timeout_s: float = 4.0) -> list[Finding]:
    """Ask the resolver for anything; a machine that only speaks to itself needs none."""
    asker = dns.asyncresolver.Resolver(configure=chosen.dns is None)
    where = "the system's resolver"
    if chosen.dns is not None:
        asker.nameservers, asker.port = [chosen.dns.host], chosen.dns.port
        where = str(chosen.dns)
    asker.lifetime = timeout_s
    began = time.monotonic()
    try:
        await asker.resolve("example.com", "MX", raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        pass  # an answer all the same
    except (dns.exception.DNSException, OSError) as trouble:
        advice = "mail cannot be routed without DNS: see /etc/resolv.conf, or set HOMING_DNS (the demo needs none)"
        return [warn("DNS", f"{where} does not answer: {str(trouble).splitlines()[0][:120]}", advice)]
    return [ok("DNS", f"{where} answers in {1000 * (time.monotonic() - began):.0f} ms")]


def port_25(host: str = PORT_25_HOST, *, port: int = 25, timeout_s: float = 8.0) -> list[Finding]:
    """Try to reach a large provider's mail host: many networks block port 25."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            greeting = connection.recv(512).decode("ascii", "replace").strip()
    except OSError as trouble:
        advice = "ask your network's provider to open outgoing port 25, or set HOMING_SMARTHOST"
        return [fail("port 25", f"{host}:{port} cannot be reached: {trouble.strerror or trouble}", advice)]
    if not greeting.startswith("220"):
        return [warn("port 25", f"{host} answers {greeting[:60]!r}", "this address of yours may be blocked there")]
    return [ok("port 25", f"{host} greets us")]
