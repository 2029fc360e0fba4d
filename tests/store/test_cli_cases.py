"""`homing cases` on a real database."""

import asyncio

import pytest

from homing.cli import checks_world
from homing.ground import db
from homing.ground.config import HostPort, Settings
from homing.support.cases import quarantine
from homing.support.clocks.store import ServerClock
from tests.kit.cases import Bench
from tests.kit.hours import at
from tests.kit.moved_clock import MovedClock
from tests.store.test_cli_views import Shell


@pytest.fixture
def shell(database: str, capsys, monkeypatch) -> Shell:
    async def settle_in() -> None:
        async with db.pool(database, name="test") as pool:
            await Bench(pool, MovedClock(), ServerClock()).settle_in()

    asyncio.run(settle_in())
    monkeypatch.setenv("HOMING_DATABASE_URL", database)
    return Shell(capsys, monkeypatch)


ANN = ("--as", "ann@provider.test")
TAM = ("--as", "tam@provider.test")


def opened(shell: Shell, *more: str) -> str:
    said = shell("cases", "open", "--subject", "Mail is slow", "--text", "He phoned.", *ANN, *more)
    return said.split()[1]


def test_a_case_is_opened_taken_answered_and_shown(shell: Shell):
    number = opened(shell, "--contact", "kim@acme.test", "--phone", "--kind", "bug")
    assert "is open, non-critical" in shell("cases", "own", number, *ANN)
    shell("cases", "answer", number, *ANN, "--text", "Which host?", "--question")
    shell("cases", "note", number, *TAM, "--text", "Mind\x1b[31m the log.")
    shown = shell("cases", "show", number, "--events")
    assert f"Case {number} of acme: Mail is slow" in shown
    assert "owner: Ann; TAM: Tam" in shown
    assert "objective" in shown
    assert "Mind[31m the log." in shown, "what others wrote moves no cursor"
    assert "Opened" in shown
    found = shell.json("cases", "show", number, "--events")
    assert [one["purpose"] for one in found["messages"]] == ["word", "answer", "note"]
    assert found["case"]["severity"] == "non_critical"
    assert found["events"][0]["payload"]["event"] == "opened"
    (listed,) = shell.json("cases", "list")
    assert (listed["state"], listed["next_due"]["nature"]) == ("open", "objective")
    assert "Ann" in shell("cases", "list", "--owner", "ann@provider.test")
    assert "no such case" in shell("cases", "list", "--state", "resolved")


def test_a_case_is_given_away_made_critical_proposed_and_merged(shell: Shell):
    number, other = opened(shell), opened(shell)
    assert "is open" in shell("cases", "own", number, *ANN)
    assert "is open" in shell("cases", "own", number, *ANN, "--to", "tam@provider.test")
    assert "is open" in shell("cases", "people", number, *ANN, "--contact", "kim@acme.test")
    assert "kim@acme.test" in shell("cases", "show", number)
    assert "critical" in shell("cases", "critical", number, *ANN, "--text", "All hosts are down.")
    assert "No Severity 1 call was made." in shell("cases", "show", number)
    shell("cases", "answer", number, *ANN, "--text", "Found it.", "--eta-unknown", "the disk is being copied")
    shell("cases", "answer", number, *ANN, "--text", "Found it.", "--eta", "2030-01-01T10:00:00")
    assert "merged" not in shell("cases", "merge", other, "--into", number, *ANN)
    assert "resolution proposed" in shell("cases", "propose", number, *TAM, "--text", "It is over.")
    shell("cases", "close", number, *TAM, code=1)
    assert "three reminders" in shell.err


def test_who_is_not_of_the_staff_and_what_is_not_there(shell: Shell):
    number = opened(shell)
    shell("cases", "own", number, "--as", "kim@acme.test", code=1)
    assert "nobody of the staff" in shell.err
    shell("cases", "show", "77", code=1)
    shell("cases", "own", "77", *ANN, code=1)
    shell("cases", "answer", number, *ANN, "--text", " ", code=2)
    shell("cases", "list", "--state", "lost", code=2)
    shell("cases", "open", "--subject", " ", "--text", "x y z", *ANN, code=2)
    shell("cases", "open", "--subject", "s", "--text", "x y z", "--kind", "wish", *ANN, code=2)
    shell("cases", "open", "--subject", "s", "--text", "x y z", "--contact", "no@acme.test", *ANN, code=1)


def test_quarantine_and_audits(shell: Shell, database: str):
    opened(shell)
    assert "nothing waits" in shell("cases", "quarantine")
    assert shell.json("cases", "quarantine") == []
    assert "no audit was made yet" in shell("cases", "audit")
    (found,) = shell.json("cases", "audit", "--now")
    assert (found["subjects"], found["findings"]) == (1, [])

    async def hand() -> None:
        async with db.pool(database, name="test") as pool:
            await pool.execute("UPDATE cases SET state = 'withdrawn'")

    asyncio.run(hand())
    assert "the row says" in shell("cases", "audit", "--now", code=1)
    (found,) = shell.json("cases", "audit", "--now", code=1)
    assert "the row says" in found["findings"][0]["what"]


def test_a_critical_case_gets_a_cadence_a_tam_and_a_step_down(shell: Shell):
    number = opened(shell, "--contact", "kim@acme.test", "--critical")
    asked = shell("cases", "cadence", number, *ANN, "--every", "30")
    assert "cadence 1: every 30 minutes, proposed; the customer is asked" in asked
    spoken = ("--contact", "kim@acme.test", "--evidence", "she phoned at 11:00")
    agreed = shell("cases", "cadence", number, *ANN, "--at", "17:00", "--at", "9:00", "--zone", "Europe/London", *spoken)
    assert "cadence 2: every day at 09:00 and 17:00 (Europe/London), agreed" in " ".join(agreed.split())
    for wrong in ((), ("--every", "1"), ("--every", "30", "--at", "09:00"), ("--at", "9am"), ("--at", "09:00", "--zone", "Mars")):
        shell("cases", "cadence", number, *ANN, *wrong, code=2)
    shell("cases", "cadence", number, *ANN, "--every", "30", "--contact", "kim@acme.test", code=1)
    assert "recorded call" in shell.err
    shell("cases", "cadence", number, *ANN, "--accept", "1", code=1)
    quiet = opened(shell)
    news = ("--text", "Found it.", "--eta-unknown", "the disk is being copied")
    assert f"case {number}: written" in shell("cases", "update", "--all-critical", *ANN, *news)
    refused = shell("cases", "update", "--case", number, "--case", quiet, "--case", "77", *ANN, *news, code=1)
    assert [line.split(": ")[1] for line in refused.splitlines()] == [
        "written",
        "status updates belong to a critical case; write an answer",
        "there is no such case",
    ]
    shell("cases", "update", *ANN, *news, code=2)
    shell("cases", "update", "--all-critical", *ANN, "--text", "Found it.", code=2)
    assert "is open" in shell("cases", "restored", number, *ANN, "--text", "Mail flows.")
    assert "is open" in shell("cases", "tam", number, *ANN, "--text", "Nobody moves.")
    assert "critical" in shell("cases", "normal", number, *ANN, "--text", "Mail flows again.")
    shell("cases", "normal", number, *ANN, "--accept", "1", code=1)
    assert "both" in shell.err
    shown = shell("cases", "show", number)
    assert "TAM_REPLY" in shown
    assert "cadence to kim@acme.test has not left" in shown
    assert "cadence 1: every 30 minutes, proposed by the provider; waits for the other side" in shown
    assert "cadence 2: every day at 09:00 and 17:00 (Europe/London), proposed by the provider; agreed, from 20" in shown
    assert "on a call outside of our logs: she phoned at 11:00" in " ".join(shown.split())
    assert "step down 1, proposed by the provider, waits for the other side: Mail flows again." in shown
    counted = {(one["nature"], one["kind"]): one["open"] for one in shell.json("cases", "promises", "--account", "acme")}
    assert counted["contractual", "CADENCE"] == 1
    assert "contractual" in shell("cases", "promises", "--account", "acme")
    assert "nothing was promised" in shell("cases", "promises", "2020-01", "--account", "acme")


def test_scope_kind_void_and_the_customers_word(shell: Shell):
    number = opened(shell, "--contact", "kim@acme.test")
    shell("cases", "kind", number, "bug", *ANN)
    assert shell.json("cases", "show", number)["case"]["kind"] == "bug"
    assert "another person" in shell("cases", "void", number, "1", *ANN, "--text", "a test")
    assert "clock 1: void" in shell("cases", "void", number, "1", *TAM, "--text", "a test")
    shell("cases", "void", number, "99", *ANN, "--text", "a test", code=1)
    shell("cases", "count", number, "1", *ANN, code=1)
    shell("cases", "own", number, *ANN)
    shell("cases", "propose", number, *ANN, "--text", "It is over.")
    shell("cases", "consent", number, *ANN, "--version", "1", "--contact", "kim@acme.test", code=2)
    shell("cases", "consent", number, *ANN, "--version", "1", "--contact", "pat@acme.test", "--recording", "he phoned", code=1)
    shell("cases", "consent", number, *ANN, "--version", "1", "--contact", "kim@acme.test", "--recording", "7", code=1)
    assert "has no recording 7 in our logs" in " ".join(shell.err.split())
    shell("cases", "sign", number, *ANN, "--version", "1", code=1)
    assert "is open" in shell("cases", "refuse", number, *ANN, "--version", "1", "--text", "Not yet.")
    shell("cases", "propose", number, *ANN, "--text", "It is over now.")
    agreed = shell("cases", "consent", number, *ANN, "--version", "2", "--contact", "kim@acme.test", "--recording", "she phoned")
    assert "is resolved" in agreed
    shown = shell("cases", "show", number, "--events")
    assert "resolution 2: It is over now.; signed by provider (staff 1, portal), customer (contact 1, recorded call)" in shown
    assert "Proposed version 2, text It is over now." in shown
    out = opened(shell)
    terms = ("--verdict", "out", "--clause", "b4", "--text", "Templates are yours.")
    shell("cases", "scope", out, *ANN, *terms, code=1)
    assert "another way" in shell.err
    assert "is out of scope" in shell("cases", "scope", out, *ANN, *terms, "--route", "our partners do that")


def test_mail_in_quarantine_is_let_in_or_thrown_away(shell: Shell, database: str):
    async def strangers() -> list[int]:
        async with db.pool(database, name="test") as pool:
            return [
                await quarantine.keep(
                    pool,
                    received_at=await ServerClock().now(pool),
                    sender="kim@acme.test",
                    subject="hello",
                    reason="a test",
                    case_id=None,
                    account_id=None,
                    automatic=False,
                    raw=b"From: kim@acme.test\r\nSubject: hello\r\n\r\nI am Kim.\r\n",
                    dedupe=bytes([number]),
                )
                for number in range(2)
            ]

    first, second = (str(number) for number in asyncio.run(strangers()))
    assert "kim@acme.test" in shell("cases", "quarantine")
    shell("cases", "release", first, *ANN, "--contact", "no@acme.test", "--account", "acme", code=1)
    shell("cases", "release", first, *ANN, "--contact", "kim@acme.test", "--account", "acme", "--case", "77", code=1)
    said = shell("cases", "release", first, *ANN, "--contact", "kim@acme.test", "--account", "acme")
    assert "hello" in shell("cases", "show", said.split()[-1])
    shell("cases", "release", first, *ANN, "--contact", "kim@acme.test", "--account", "acme", code=1)
    assert "discarded" in shell("cases", "discard", second, *ANN)
    shell("cases", "discard", second, *ANN, code=1)
    assert "nothing waits" in shell("cases", "quarantine")


async def test_doctor_says_why_support_mail_does_not_leave(pool: db.Pool):
    town = await Bench(pool, MovedClock(at("2026-05-20T09:00Z"))).settle_in()
    address = Settings(support_address="help@support.test", mx=HostPort("127.0.0.1", 25))
    assert await checks_world.support(pool, Settings()) == []
    (without,) = await checks_world.support(pool, address)
    assert (without.level, without.advice.startswith("`homing domain add support.test`")) == ("fail", True)
    await pool.execute("INSERT INTO sending_domains (domain, account_id) VALUES ('support.test', $1)", town.account_id)
    (fine,) = await checks_world.support(pool, address)
    assert fine.level == "ok"
    (deaf,) = await checks_world.support(pool, Settings(support_address="help@support.test"))
    assert (deaf.level, "HOMING_MX" in deaf.advice) == ("fail", True)
    await town.open()
    for chosen in (address, Settings()):
        (late,) = await checks_world.support(pool, chosen)
        assert (late.level, late.text.startswith("2 mails")) == ("warn", True)
