"""`homing tam stream`, threads, answers, numbers and addresses, on a real database."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from homing.ground import db
from homing.support.cases.types import Channel, Incoming, Purpose, Side, Verified
from homing.support.clocks.store import ServerClock
from homing.support.threads import store
from homing.support.threads.desk import Threads
from homing.support.threads.types import Sort
from tests.kit.carrier import FakeCarrier
from tests.store.test_cli_views import House, Shell, dns, homing, house  # noqa: F401 - fixtures

KIM = "kim@acme.test"


@pytest.fixture
def staffed(homing: Shell, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:  # noqa: F811
    """A customer with a contact, a TAM and somebody who stands in for nobody; a carrier with a second number."""
    file = tmp_path / "carriers.toml"
    file.write_text(FakeCarrier().toml(api="https://tel.example"))
    file.chmod(0o600)
    monkeypatch.setenv("HOMING_SEV1_CARRIERS", str(file))
    homing("account", "create", "acme")
    for name, role in (("tina", "tam"), ("ann", "cst")):
        homing("staff", "add", "--name", name.title(), "--email", f"{name}@provider.test", "--role", role)
    homing("contract", "tam", "tina@provider.test", "--account", "acme", "--from", "2026-01-01T00:00Z")
    homing("contract", "contact", "--account", "acme", "--name", "Kim", "--email", KIM)
    return homing


def writes(house: House, text: str) -> None:  # noqa: F811
    """Let the customer write to his TAM."""

    async def work() -> None:
        async with db.pool(house.dsn, name="test") as pool, pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow("SELECT account_id, contact_id FROM contacts WHERE email = $1", KIM)
            said = Incoming(
                side=Side.CUSTOMER,
                actor="contact 1",
                author="Kim",
                channel=Channel.EMAIL,
                purpose=Purpose.WORD,
                verified=Verified.DKIM,
                sender=KIM,
                subject="Volume",
                body=text,
            )
            threads = Threads(pool, ServerClock())
            await threads.word_in(connection, row["account_id"], said, sort=Sort.WORD, contact_id=row["contact_id"])

    asyncio.run(work())


def test_a_tam_sees_what_is_at_risk_and_answers(staffed: Shell, house: House):  # noqa: F811
    staffed("tam", "address", "tina@support.test", "--of", "tina@provider.test")
    assert "nothing has happened" in staffed("tam", "stream", "--as", "tina@provider.test")
    writes(house, "May we \x1b[31mdouble\x07 it?")
    shown = staffed("tam", "stream", "--as", "tina@provider.test")
    assert "TAM_REPLY (objective) of thread message 1" in shown
    assert "\x1b" not in shown
    found = staffed.json("tam", "stream", "--limit", "1")
    assert (found["results"][0]["risk"], found["results"][0]["what"]) == ("due", "TAM_REPLY")
    cursor = found["links"]["next"].partition("cursor=")[2]
    (news,) = staffed.json("tam", "stream", "--cursor", cursor)["results"]
    assert (news["kind"], news["risk"]) == ("thread", "news")
    assert f"more: --cursor {cursor[:20]}" in staffed("tam", "stream", "--limit", "1")
    staffed("tam", "stream", "--cursor", "mine", code=2)
    staffed("tam", "stream", "--as", "ann@provider.test", code=1)
    assert "stands in for none" in staffed.err

    assert "a second person" in staffed("tam", "void", "acme", "1", "--as", "tina@provider.test", "--reason", "a test")
    staffed("tam", "void", "acme", "1", "--as", "tina@provider.test", "--reason", "a test", code=2)
    staffed("tam", "void", "acme", "9", "--as", "tina@provider.test", "--reason", "a test", code=1)

    thread = staffed("tam", "thread", "acme")
    assert "TAM Tina; tina@support.test" in thread
    assert "TAM_REPLY (objective): running, due" in thread
    staffed("tam", "answer", "acme", "--as", "ann@provider.test", "--text", "Yes, of course.", code=1)
    staffed("tam", "answer", "acme", "--as", "tina@provider.test", "--text", "?", code=2)
    staffed("tam", "answer", "acme", "--as", "tina@provider.test", "--text", "Yes.", "--contact", "lee@acme.test", code=1)
    said = staffed("tam", "answer", "acme", "--as", "tina@provider.test", "--text", "Yes, of course.")
    assert "message 2 leaves with the next turn" in said
    staffed("tam", "answer", "acme", "--as", "tina@provider.test", "--text", "Told him all of it.", "--phoned")
    messages = staffed.json("tam", "thread", "acme")
    assert [one["sort"] for one in messages] == ["phoned", "answer", "word"]
    assert messages[-1]["clock"]["state"] == "met"


def test_mail_that_nobody_can_place_is_listed_with_whose_it_may_be_and_let_in(staffed: Shell, house: House):  # noqa: F811
    assert "nothing waits" in staffed("tam", "quarantine")
    beta = house.account("beta")

    async def arrives(_: object) -> None:
        async with db.pool(house.dsn) as pool:
            await pool.execute(
                "INSERT INTO contacts (account_id, name, email, role) VALUES ($1, 'Kim', 'kim@acme.test', 'authorised')", beta
            )
            person = await pool.fetchval("SELECT person_id FROM staff WHERE email = 'tina@provider.test'")
            for number in (1, 2):
                raw = f"From: kim@acme.test\nSubject: Volume\n\nMay we, {number}?\n".encode()
                now = datetime.now(UTC)
                await store.quarantine(
                    pool,
                    received_at=now,
                    way=None,
                    account_id=None,
                    sender=KIM,
                    subject="Volume",
                    reason="several accounts",
                    raw=raw,
                    dedupe=bytes([number]) * 16,
                    person_id=person,
                )

    house.do(arrives)
    listed = staffed("tam", "quarantine")
    assert "several accounts" in " ".join(listed.split())
    first, second = [one["quarantine_id"] for one in staffed.json("tam", "quarantine")]
    assert {one["account"] for one in staffed.json("tam", "quarantine")[0]["candidates"]} == {"acme", "beta"}
    tina = ("--as", "tina@provider.test")
    staffed("tam", "release", str(first), *tina, "--account", "beta", code=1)
    assert "does not oversee" in staffed.err
    staffed("tam", "release", str(first), "--as", "ann@provider.test", "--account", "acme", code=1)
    staffed("tam", "release", str(first), *tina, "--account", "acme", "--contact", "lee@acme.test", code=1)
    assert "is message 1 of acme" in staffed("tam", "release", str(first), *tina, "--account", "acme")
    staffed("tam", "release", str(first), *tina, "--account", "acme", code=1)
    assert "thrown away" in staffed("tam", "discard", str(second), *tina)
    staffed("tam", "discard", str(second), *tina, code=1)
    assert [one["body"] for one in staffed.json("tam", "thread", "acme")] == ["May we, 2?"]


def test_a_case_is_escalated_from_the_command_line(staffed: Shell, house: House):  # noqa: F811
    staffed("tam", "escalate", "1001", "--as", "tina@provider.test", "--reason", "He asks for you.", code=1)
    staffed("tam", "escalate", "1001", "--as", "tina@provider.test", "--reason", "He asks.", "--to", "nobody", code=2)


def test_numbers_and_addresses_lead_to_one_tam_each(staffed: Shell, house: House):  # noqa: F811
    number = ("tam", "number", "+1 800 555 0177")
    staffed(*number, "--of", "tina@provider.test", code=2)
    assert "--carrier is one of tel" in staffed.err
    staffed("tam", "number", "+18005550100", "--carrier", "tel", "--of", "tina@provider.test", code=2)
    assert "of the Severity 1 Line" in staffed.err
    staffed(*number, "--carrier", "tel", code=2)
    staffed(*number, "--carrier", "tel", "--of", "tina@provider.test", "--account", "acme", code=2)
    staffed(*number, "--carrier", "tel", "--account", "acme")
    staffed(*number, "--carrier", "tel", "--of", "tina@provider.test", code=2)
    (shown,) = staffed.json("tam", "number")
    assert (shown["address"], shown["of"], shown["carrier"]) == ("+18005550177", "acme", "tel")
    assert shown["call"].endswith("/telephony/v1/tel/tam/inbound")
    staffed("tam", "address", "tina+x@support.test", "--of", "tina@provider.test", code=2)
    staffed("tam", "address", "nonsense", "--of", "tina@provider.test", code=2)
    staffed("tam", "address", "Tina@Support.test", "--of", "tina@provider.test")
    assert "tina@support.test" in staffed("tam", "address")
    staffed("tam", "address", "tina@support.test", "--remove")
    staffed("tam", "address", "tina@support.test", "--remove", code=1)
    assert "there is none yet" in staffed("tam", "address")
    assert "TAM phone added" in staffed("contract", "audit", "--all")
