"""The command line on a real database: what it prints, and how it fails."""

import asyncio
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from homing.accounts import store as accounts
from homing.cli import app, checks_world
from homing.cli.findings import Level
from homing.events import store as event_store
from homing.events.types import EventType
from homing.ground import db, ids, secrets
from homing.ground.config import HostPort, Settings
from homing.privacy import store as privacy
from homing.privacy.types import Ask
from homing.queue.types import LaneKey
from homing.simulator.dns import DnsServer, Record, Zones
from homing.spool.types import ChunkFacts, encode_facts

NOW = datetime.now(UTC)


class Shell:
    """Runs `homing ...` in this process and keeps what it printed."""

    def __init__(self, capsys, monkeypatch):
        self.capsys = capsys
        self.monkeypatch = monkeypatch

    def __call__(self, *words: str, code: int = 0) -> str:
        self.monkeypatch.setattr(sys, "argv", ["homing", *words])
        try:
            got = app.main()
        except SystemExit as end:
            got = end.code or 0
        said = self.capsys.readouterr()
        self.out, self.err = said.out, said.err
        assert got == code, self.out + self.err
        assert "Traceback" not in self.err
        return self.out

    def json(self, *words: str, code: int = 0):
        return json.loads(self(*words, "--json", code=code))


class House:
    """A database with rows as a running platform leaves them."""

    def __init__(self, dsn: str):
        self.dsn = dsn
        self.number = 0

    def do(self, work):
        async def run():
            connection = await asyncpg.connect(self.dsn)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(run())

    def account(self, name: str) -> int:
        return self.do(lambda connection: accounts.get_or_create_account(connection, name)).account_id

    def open_log(self):
        async def run():
            async with db.pool(self.dsn) as pool:
                await event_store.ensure_partitions(pool, NOW.date())

        asyncio.run(run())

    def event(self, kind: EventType, message_id: bytes, *, account: int, at=NOW, recipient="kim@there.test", **detail):
        self.number += 1

        async def work(connection):
            await connection.execute(
                "INSERT INTO events VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, 'spring', $11)",
                *(at.date(), 1, self.number, at, int(kind), account, message_id, message_id, recipient),
                *(recipient.partition("@")[2], json.dumps(detail)),
            )

        self.do(work)

    def entry(self, message_id: bytes, *, account: int, due=NOW, tries: int = 0, reply: str | None = None) -> None:
        key = LaneKey(account, 0, "spring", "there.test")
        facts = encode_facts(
            ChunkFacts(
                account_id=account,
                transmission_id=message_id,
                accepted_at=NOW,
                recv_method="rest",
                sending_domain="y.test",
                friendly_from="s@y.test",
            )
        )

        async def work(connection):
            shard = ids.shard_of(message_id)
            await connection.execute(
                "INSERT INTO lanes VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING", shard, key.number(), *key
            )
            await connection.execute("INSERT INTO chunks VALUES ($1, $2, $2, $3, 1, $4, '')", shard, message_id, account, facts)
            await connection.execute(
                "INSERT INTO queue_entries VALUES ($1, $2, $3, $4, $5, $2, 'Kim@there.test', $6, $7)",
                *(shard, message_id, key.number(), due, NOW + timedelta(hours=72), tries, reply),
            )

        self.do(work)


@contextmanager
def dns_beside(zones: Zones):
    """Serve zones from a thread of its own while the command line runs its own loop."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    where: list[str] = []

    async def serve():
        async with DnsServer(zones, listen_on=HostPort("127.0.0.1", 0)) as server:
            where.append(str(server.where))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(5)
    try:
        yield where[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        loop.close()


@pytest.fixture(scope="module")
def dns() -> Iterator[str]:
    """A resolver that knows there.test."""
    with dns_beside(Zones([Record("there.test", "MX", "10 mx.there.test."), Record("mx.there.test", "A", "127.0.0.1")])) as where:
        yield where


@pytest.fixture
def homing(capsys, monkeypatch, database, tmp_path, dns) -> Shell:
    for name in list(os.environ):
        if name.startswith("HOMING_"):
            monkeypatch.delenv(name)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOMING_DATABASE_URL", database)
    monkeypatch.setenv("HOMING_DATA", str(data))
    monkeypatch.setenv("HOMING_DNS", dns)
    monkeypatch.setenv("HOMING_HOSTNAME", "mail.y.test")
    return Shell(capsys, monkeypatch)


@pytest.fixture
def house(database) -> House:
    return House(database)


def new_id(number: int, shard: int = 1, at: datetime = NOW) -> bytes:
    return ids.compose(int(at.timestamp() * 1000), shard, number)


# keys -------------------------------------------------------------------------------------------------------------------


def test_a_key_is_printed_alone_and_works(homing, house):
    key = homing("key", "create", "--name", "website")
    assert re.fullmatch(r"[0-9a-f]{40}\n", key)
    found = house.do(lambda c: accounts.find_by_hash(c, secrets.hash_api_key(key.strip())))
    assert "transmissions/modify" in found.key.grants
    assert "smtp/inject" in found.key.grants


def test_a_key_has_the_grants_that_it_was_given(homing, house):
    homing("account", "create", "default")
    assert homing("subaccount", "create", "Joe") == "1\n"
    homing("key", "create", "--name", "n", "--grant", "smtp/inject", "--valid-ip", "192.0.2.0/24", "--subaccount", "1")
    (key,) = homing.json("key", "list")["keys"]
    assert (key["grants"], key["valid_ips"], key["subaccount_id"]) == (["smtp/inject"], ["192.0.2.0/24"], 1)
    assert "smtp/inject" in homing("key", "list")


def test_a_key_is_made_for_no_subaccount_that_does_not_exist(homing):
    homing("account", "create", "default")
    homing("key", "create", "--name", "n", "--subaccount", "9", code=1)
    assert "no subaccount 9" in homing.err


# accounts ---------------------------------------------------------------------------------------------------------------


def test_accounts_are_made_suspended_and_listed(homing, house):
    assert "no customer yet" in homing("account", "list")
    homing("account", "create", "default")
    assert "customer acme is number" in homing("account", "create", " acme ")
    (default, acme) = homing.json("account", "list")
    assert (default["name"], acme["name"], acme["suspended_at"]) == ("default", "acme", None)
    homing("account", "suspend", "acme")
    assert homing.json("account", "list")[1]["suspended_at"] is not None
    assert "suspended" in homing("account", "list")
    homing("account", "resume", str(acme["account_id"]))
    assert homing.json("account", "list")[1]["suspended_at"] is None


def test_limits_are_set_one_by_one_and_lifted(homing):
    homing("account", "create", "default")
    said = homing("account", "limit", "default", "--daily", "5,000", "--monthly", "50_000")
    assert "default may send 5,000 a day and 50,000 a month" in said
    homing("account", "limit", "default", "--daily", "none", "--hourly", "0")
    (found,) = homing.json("account", "list")
    assert found["limits"] == {"hourly": 0, "daily": None, "monthly": 50_000}
    assert "0 of 50,000" in homing("account", "list")
    assert "as much as it likes" in homing("account", "limit", "default", "--hourly", "none", "--monthly", "none")
    said = homing("account", "limit", "default", "--validation-daily", "1,000")
    assert "may have addresses validated: 1,000 a day" in said
    assert "as much as it likes" in said
    homing("account", "limit", "default", "--validation-monthly", "x", code=2)
    assert "--validation-monthly" in homing.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("account", "create", "default"), 2, "already"),
        (("account", "create", "12"), 2, "no number"),
        (("account", "create", " "), 2, "printable"),
        (("account", "suspend", "nobody"), 1, "no customer"),
        (("account", "limit", "default"), 2, "say which limit"),
        (("account", "limit", "default", "--daily", "many"), 2, "--daily"),
        (("account", "limit", "default", "--daily", "-1"), 2, "--daily"),
        (("subaccount", "create", "x" * 65), 2, "64"),
        (("subaccount", "suspend", "9"), 1, "no subaccount 9"),
    ],
)
def test_what_cannot_be_done_with_accounts_is_said(homing, words, code, says):
    homing("account", "create", "default")
    homing(*words, code=code)
    assert says in homing.err


def test_subaccounts_are_made_suspended_and_listed(homing):
    homing("account", "create", "default")
    assert "no subaccount" in homing("subaccount", "list")
    assert [homing("subaccount", "create", name) for name in ("Joe", "Ann")] == ["1\n", "2\n"]
    homing("subaccount", "suspend", "2")
    found = homing.json("subaccount", "list")["subaccounts"]
    assert [(one["subaccount_id"], one["name"], one["compliance_status"]) for one in found] == [
        (1, "Joe", "active"),
        (2, "Ann", "suspended"),
    ]
    assert "Joe" in homing("subaccount", "list")
    homing("subaccount", "resume", "2")
    assert homing.json("subaccount", "list")["subaccounts"][1]["compliance_status"] == "active"


def test_a_revoked_key_is_gone(homing):
    homing("key", "create", "--name", "n")
    (key,) = homing.json("key", "list")["keys"]
    assert "revoked" in homing("key", "revoke", str(key["key_id"]))
    assert homing.json("key", "list")["keys"] == []
    homing("key", "revoke", str(key["key_id"]), code=1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["key", "create", "--name", "n", "--grant", "nonsense"], "cannot hold nonsense"),
        (["key", "create", "--name", "n", "--valid-ip", "300.1.1.1"], "--valid-ip"),
        (["key", "create", "--name", " "], "needs a name"),
        (["key", "create"], "--name"),
        (["trace", "xyz"], "20 hex digits"),
        (["events", "--type", "explosion"], "there is no event type"),
        (["events", "--since", "yore"], "neither a span"),
        (["queue", "pause"], "exactly one of"),
        (["queue", "--by", "colour"], "colour"),
        (["domain", "add", "nodots"], "no '.'"),
        (["domain", "add", "gmail.com"], "Restricted"),
        (["send", "--from", "a@b.test", "--to", "c@d.test"], "an API key is needed"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_misuse_is_one_sentence_and_exit_code_2(homing, words, says):
    homing(*words, code=2)
    assert says in homing.err.replace("\n", " ")


def test_a_wrong_setting_is_misuse(homing, monkeypatch):
    monkeypatch.setenv("HOMING_NONSENSE", "1")
    homing("queue", code=2)
    assert "HOMING_NONSENSE" in homing.err


def test_without_a_running_house_every_command_says_how_to_start_it(homing, monkeypatch):
    monkeypatch.delenv("HOMING_DATABASE_URL")
    for words in (["queue"], ["events"], ["trace", "0" * 20], ["key", "list"], ["domain", "list"]):
        homing(*words, code=1)
        assert "homing up" in homing.err
    monkeypatch.setenv("HOMING_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    homing("queue", code=1)
    assert "does not answer" in homing.err


# domains ----------------------------------------------------------------------------------------------------------------


def test_a_trusted_domain_may_send_at_once_and_shows_its_records(homing, house, tmp_path):
    secrets.load_or_make(tmp_path / "data" / "master.key")
    house.account("acme")
    text = homing("domain", "add", "News.Y.test", "--trust")
    assert "news.y.test is added" in text
    assert "_domainkey.news.y.test. IN TXT" in text
    assert "v=DKIM1; k=rsa" in text
    (one,) = homing.json("domain", "list")
    assert (one["domain"], one["may_send"], len(one["records"])) == ("news.y.test", True, 2)
    assert "is yours already" in homing("domain", "add", "news.y.test")
    assert "news.y.test" in homing("domain", "list")


def test_a_domain_is_verified_by_its_record_in_dns(homing, house, tmp_path, monkeypatch):
    secrets.load_or_make(tmp_path / "data" / "master.key")
    house.account("acme")
    records = homing.json("domain", "add", "y.test")["records"]
    zones = Zones()
    with dns_beside(zones) as where:
        monkeypatch.setenv("HOMING_DNS", where)
        assert "not verified" in homing("domain", "verify", "y.test", code=1)
        for record in records:
            value = record["value"]
            zones.add(Record(record["name"], "TXT", " ".join(f'"{value[n : n + 255]}"' for n in range(0, len(value), 255))))
        assert "verified" in homing("domain", "verify", "y.test")
    assert homing.json("domain", "list")[0]["may_send"]
    homing("domain", "verify", "z.test", code=1)


def test_a_domain_whose_record_is_missed_says_so_in_the_list(homing, house, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    secrets.load_or_make(tmp_path / "data" / "master.key")
    house.account("acme")
    homing("domain", "add", "y.test")
    house.do(lambda c: c.execute("UPDATE dkim_keys SET status = 'valid', failures = 2"))
    house.do(
        lambda c: c.execute(
            "UPDATE sending_domains SET checked_at = $1, cname_failures = 3,"
            """ status = '{"dkim_status": "valid", "cname_status": "invalid"}'""",
            NOW,
        )
    )
    text = homing("domain", "list")
    assert "valid (not found 2 times)" in text
    assert "invalid (not found 3 times)" in text
    assert f"{NOW:%Y-%m-%d %H:%M}" in text
    (one,) = homing.json("domain", "list")
    assert (one["failures"], one["records"][0]["failures"]) == ({"cname": 3, "mx": 0}, 2)


# events and trace -------------------------------------------------------------------------------------------------------


@pytest.fixture
def told(house) -> tuple[int, bytes]:
    """A message that was deferred once and then delivered."""
    house.open_log()
    account, message = house.account("acme"), new_id(7)
    house.event(EventType.INJECTION, message, account=account, subject="Hi Kim", recv_method="rest", friendly_from="s@y.test")
    house.event(
        EventType.DELAY,
        message,
        account=account,
        at=NOW + timedelta(seconds=1),
        raw_reason="450 4.2.0 Greylisted",
        ip_address="127.0.0.41",
        num_retries="0",
    )
    house.event(
        EventType.DELIVERY,
        message,
        account=account,
        at=NOW + timedelta(seconds=4),
        reply="250 2.0.0 Ok",
        ip_address="127.0.0.41",
        outbound_tls=1,
    )
    return account, message


def test_events_are_listed_newest_last_and_filtered(homing, house, told):
    account, message = told
    other = new_id(8)
    house.event(EventType.BOUNCE, other, account=account, recipient="max@else.test", bounce_class="10", raw_reason="550 no")
    assert [one["type"] for one in homing.json("events", "--message", message.hex())] == ["injection", "delay", "delivery"]
    assert [one["type"] for one in homing.json("events", "--type", "bounce", "--type", "delay")] == ["bounce", "delay"]
    assert [one["rcpt_to"] for one in homing.json("events", "--recipient", "MAX@else.test")] == ["max@else.test"]
    assert len(homing.json("events", "--limit", "1")) == 1
    assert homing.json("events", "--campaign", "none") == []
    text = homing("events")
    assert "[10 Invalid Recipient] 550 no" in text
    assert message.hex() in text


def test_a_trace_tells_the_life_of_a_message(homing, told):
    _, message = told
    story = homing.json("trace", message.hex())
    assert (story["state"], story["attempts"], story["waiting"], story["customer"]) == ("delivered", 2, None, "acme")
    text = homing("trace", message.hex().upper())
    for word in ("delivered", "450 4.2.0 Greylisted", "250 2.0.0 Ok", "Hi Kim", "127.0.0.41", "spring"):
        assert word in text


def test_a_trace_of_a_message_that_waits_names_what_binds_it(homing, house):
    house.open_log()
    account, message = house.account("acme"), new_id(9)
    house.event(EventType.INJECTION, message, account=account)
    house.entry(message, account=account, due=datetime.now(UTC) + timedelta(minutes=20), tries=1, reply="451 4.3.0 busy")
    house.entry(new_id(10), account=account)
    homing("queue", "pause", "--campaign", "spring", "--reason", "wrong prices")
    waiting = homing.json("trace", message.hex())["waiting"]
    assert (waiting["failed_tries"], waiting["last_reply"], waiting["due"]) == (1, "451 4.3.0 busy", False)
    assert (waiting["lane"]["due_before"], waiting["lane"]["waiting"]) == (1, 2)
    assert [hold["reason"] for hold in waiting["holds"]] == ["wrong prices"]
    assert waiting["binds"] == "not_running"
    text = homing("trace", message.hex())
    for word in ("It waits", "wrong prices", "451 4.3.0 busy", "attempt 2"):
        assert word in text
    assert re.search(r"in (1\d|20) min", text), text


def test_an_unknown_message_is_not_found(homing):
    homing("trace", "00112233445566778899", code=1)
    assert "nothing is known" in homing.err


# queue ------------------------------------------------------------------------------------------------------------------


def test_the_queue_is_shown_by_whatever_one_asks_for(homing, house):
    account = house.account("acme")
    house.entry(new_id(1), account=account, tries=1, reply="451 4.3.0 busy", due=NOW + timedelta(hours=5))
    house.entry(new_id(2, shard=2), account=account)
    for by in ("domain", "customer", "lane", "site", "provider"):
        picture = homing.json("queue", "--by", by)
        (group,) = picture["groups"]
        assert group.get("site", "mx.there.test") == "mx.there.test"
        assert (picture["waiting"], picture["due"], group["waiting"], group["last_reply"]) == (2, 1, 2, "451 4.3.0 busy")
    text = homing("queue")
    assert "there.test" in text
    assert "451 4.3.0 busy" in text
    assert "2 waiting, 1 of them due now" in text
    assert "Nothing waits" not in text


def test_an_empty_queue_says_so(homing):
    assert "Nothing waits." in homing("queue")


def test_pause_and_resume_are_rows_that_people_see(homing, house):
    house.account("acme")
    homing("queue", "pause", "--domain", "There.test", "--reason", "they asked")
    homing("queue", "pause", "--customer", "acme")
    holds = homing.json("queue")["holds"]
    assert {(hold["scope"], hold["key"], hold["placed_by"]) for hold in holds} == {
        ("domain", "there.test", "operator"),
        ("customer", "acme", "operator"),
    }
    assert "they asked" in homing("queue")
    homing("queue", "resume", "--domain", "there.test")
    homing("queue", "resume", "--customer", "acme")
    assert homing.json("queue")["holds"] == []
    homing("queue", "resume", "--domain", "there.test", code=1)
    homing("queue", "pause", "--customer", "nobody", code=1)


# doctor -----------------------------------------------------------------------------------------------------------------


def test_doctor_tells_what_is_wrong_and_what_to_do(homing, house, tmp_path):
    house.open_log()
    report = homing.json("doctor", code=1)
    found = {one["area"]: one for one in report["findings"]}
    assert found["master key"]["level"] == "fail"
    assert found["durability"]["level"] == "fail"  # the tests' server runs without fsync, and doctor sees it
    assert found["schema"]["level"] == found["database"]["level"] == found["clocks"]["level"] == "ok"
    assert found["DNS"]["level"] == found["event log"]["level"] == "ok"
    secrets.load_or_make(tmp_path / "data" / "master.key")
    assert {one["area"]: one for one in homing.json("doctor", code=1)["findings"]}["master key"]["level"] == "ok"
    text = homing("doctor", code=1)
    assert "→" in text
    assert "ok," in text
    assert "failed" in text


def test_doctor_gives_the_ballast_back(homing, tmp_path):
    ballast = tmp_path / "data" / "ballast"
    ballast.write_bytes(b"x" * 1000)
    homing("doctor", "--free", code=1)
    assert not ballast.exists()
    assert "released" in homing.err


def test_doctor_reports_a_wrong_setting_instead_of_failing_on_it(homing, monkeypatch):
    monkeypatch.setenv("HOMING_WORKERS", "many")
    report = homing.json("doctor", code=1)
    assert report["findings"][0]["area"] == "settings"


async def test_a_silent_resolver_is_a_warning_only():
    (found,) = await checks_world.resolver(Settings(dns=HostPort("127.0.0.1", 9)), timeout_s=0.3)
    assert (found.level, found.area) == (Level.WARN, "DNS")


def test_requests_about_personal_data_are_listed(homing, house):
    assert "nobody has asked anything" in homing("privacy", "list")
    acme = house.account("acme")

    async def ask():
        async with db.pool(house.dsn) as pool:
            for what, sub in ((Ask.FORGET, None), (Ask.OPT_OUT, 0)):
                await privacy.add(
                    pool, account_id=acme, subaccount_id=sub, ask=what, recipients=["kim@there.test", "lee@there.test"], now=NOW
                )

    asyncio.run(ask())
    house.do(
        lambda connection: connection.execute("UPDATE privacy_requests SET done_at = now(), looks = 1 WHERE ask = 'opt_out'")
    )
    house.do(lambda connection: connection.execute("UPDATE privacy_requests SET events = 1234 WHERE ask = 'rtbf'"))
    said = homing("privacy", "list")
    for words in ("be forgotten", "opt out", "acme", "all subaccounts", "primary account", "under way", "done", "1,234"):
        assert words in said
    assert "kim@" not in said
    assert [one["ask"] for one in homing.json("privacy", "list", "--open")] == ["rtbf"]
    assert len(homing.json("privacy", "list", "--account", "acme", "--limit", "1")) == 1
