"""`homing tam` on a real database."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from homing.ground import db
from tests.kit.tam import count
from tests.store.test_cli_views import House, Shell, dns, homing, house  # noqa: F401 - fixtures

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
TAM = ("--as", "tam@provider.test")
AGENDA = [{"kind": kind, "text": "x"} for kind in ("new_needs", "capacity", "features")]


@pytest.fixture
def settled(homing: Shell, house: House) -> int:  # noqa: F811
    """An account with a TAM."""
    number = house.account("acme")
    for name, role in (("tam", "tam"), ("eve", "tam"), ("boss", "admin"), ("ann", "cst")):
        homing("staff", "add", "--name", name.title(), "--email", f"{name}@provider.test", "--role", role)
    homing("contract", "tam", "tam@provider.test", "--account", "acme")
    return number


def counted(house: House, account_id: int, **numbers: int) -> None:  # noqa: F811
    async def work(_: object) -> None:
        async with db.pool(house.dsn) as pool:
            await count(pool, account_id, YESTERDAY, **numbers)

    house.do(work)


def test_a_programme_is_carried_out_from_files(homing: Shell, house: House, settled: int, tmp_path: Path):  # noqa: F811
    def file(**body: object) -> str:
        path = tmp_path / "body.json"
        path.write_text(json.dumps(body), encoding="utf-8")
        return str(path)

    assert "there is nothing" in homing("tam", "list")
    acme = ("--account", "acme", *TAM)
    check = {"type": "rate", "rate": "bounce_rate", "most": 0.05, "least": 1}
    homing("tam", "make", "recommendation", file(title="Clean lists", text="x", check=check), *acme)
    number = homing.json("tam", "list", "--account", "acme")[0]["number"]
    assert "Clean lists" in homing("tam", "list", "--kind", "recommendation")
    assert "nothing can be said" in homing("tam", "check", str(number))
    counted(house, settled, delivered=90, inband_bounce=10)
    assert "failed: the bounce rate was 10.000 %" in homing("tam", "check", str(number))
    homing("tam", "step", str(number), "follow", *TAM, code=2)
    assert "is possible while it is acknowledged" in homing.err
    homing("tam", "step", str(number), "teleport", *TAM, code=2)
    assert "one of acknowledge, decline, follow" in homing.err
    shown = json.loads(homing("tam", "show", str(number)))
    assert (shown["state"], shown["last_result"]["passed"], shown["tam"]) == ("issued", False, "Tam")

    homing(
        "tam", "make", "planning_review", file(title="Summer", meets_at="2026-06-15T14:00:00Z", topics=AGENDA[:2]), *acme, code=2
    )
    assert "it lacks features" in homing.err
    homing("tam", "make", "planning_review", file(title="Summer", meets_at="2026-06-15T14:00:00Z", topics=AGENDA), *acme)
    review = str(homing.json("tam", "list", "--kind", "planning_review")[0]["number"])
    homing("tam", "document", review, code=1)
    homing("tam", "step", review, "documents", *TAM)
    assert "bounce rate            10.000 %" in homing("tam", "document", review)
    assert homing.json("tam", "document", review)["counts"]["count_sent"] == 100
    assert [one["event"] for one in json.loads(homing("tam", "show", review, "--events"))][-1] == "documentprepared"
    assert "recommendation: began" in homing("contract", "audit", "--all")

    plan = file(title="t", tasks=[{"title": "Welcome mail", "kind": "template_creation", "owner": "provider"}])
    homing("tam", "make", "onboarding_plan", plan, *acme, code=2)
    assert "clause B4" in homing.err


def test_who_may_not_and_what_is_not_there(homing: Shell, house: House, settled: int, tmp_path: Path):  # noqa: F811
    body = tmp_path / "body.json"
    body.write_text('{"title": "t", "text": "x"}', encoding="utf-8")
    made = ("tam", "make", "recommendation", str(body), "--account", "acme")
    homing(*made, "--as", "eve@provider.test", code=2)
    assert "the account's TAM" in homing.err
    homing(*made, "--as", "ann@provider.test", code=2)
    homing(*made, "--as", "nobody@provider.test", code=1)
    homing("tam", "make", "recommendation", str(tmp_path / "none.json"), "--account", "acme", *TAM, code=2)
    body.write_text("{", encoding="utf-8")
    homing(*made, *TAM, code=2)
    for words in (("show", "7"), ("check", "7"), ("document", "7"), ("step", "7", "start", *TAM), ("tell", "7", *TAM)):
        homing("tam", *words, code=1)


def test_a_note_is_written_and_told(homing: Shell, house: House, settled: int):  # noqa: F811
    day = YESTERDAY.isoformat()
    homing("tam", "note", "--title", "t", *TAM, code=2)
    homing("tam", "note", "--title", "t", "--from", day, *TAM, code=2)
    homing("tam", "note", "--title", "t", "--from", "soon", "--until", day, *TAM, code=2)
    homing("tam", "note", "--title", "t", "--from", day, "--until", day, *TAM, code=2)
    assert "needs 5 accounts" in homing.err
    for name in ("initech", "globex", "umbrella", "hooli"):
        counted(house, house.account(name), delivered=500)
    counted(house, settled, delivered=480, block_bounce=20, inband_bounce=20)
    said = homing("tam", "note", "--title", "Gmail blocks more", "--from", day, "--until", day, *TAM)
    assert "block bounce rate 0.800 %" in " ".join(said.split())
    number = said.rsplit("note ", 1)[1].split()[0]
    assert "to 1 accounts" in homing("tam", "tell", number, *TAM)
    assert "to 4 accounts" in homing("tam", "tell", number, "--as", "boss@provider.test")
    homing("tam", "tell", number, "--account", "globex", *TAM, code=2)
    assert "not the TAM" in homing.err
