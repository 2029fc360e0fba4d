"""`homing cases` on a real database."""

import asyncio

import pytest

from homing.ground import db
from homing.support.clocks.store import ServerClock
from tests.kit.cases import Bench
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
