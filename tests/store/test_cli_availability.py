"""`homing availability` on a real database: what it prints, what it decides, and how it refuses."""

import asyncio
import csv
import io
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homing.accounts import store as accounts
from homing.availability import witnesses
from homing.availability.rules import outside
from homing.availability.rules.outside import FIRST, Saw
from homing.availability.types import Doors
from homing.boot.names import node_name, resolved
from homing.contracts import people
from homing.contracts.types import Role, StaffMember
from homing.evidence.rules.seconds import span
from homing.ground import config, db
from homing.ground.secrets import load_or_make
from tests.kit.ledger import FAIL, OK, Ledger
from tests.store.test_cli_views import Shell

YESTERDAY = (datetime.now(UTC) - timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
START = int(YESTERDAY.timestamp())
DAY = YESTERDAY.date().isoformat()
MONTH = DAY[:7]
KEY = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()
VERIFY = Path(__file__).parents[2] / "docs" / "verify_day.py"


def stamp(second: int) -> str:
    return datetime.fromtimestamp(START + second, UTC).isoformat()


class Place:
    """A data folder and a database in which acme failed for ten seconds, two days ago."""

    def __init__(self, database: str, data: Path) -> None:
        self.dsn = database
        self.data = data

    def do(self, work):
        async def run():
            async with db.pool(self.dsn) as pool:
                return await work(pool)

        return asyncio.run(run())

    async def fill(self, pool: db.Pool) -> None:
        acme = await accounts.get_or_create_account(pool, "acme")
        await accounts.get_or_create_account(pool, "other")
        for name, role in (("Ana", Role.CST), ("Bo", Role.TAM), ("Pat", Role.ONCALL)):
            one = StaffMember(person_id=0, name=name, email=f"{name.lower()}@provider.test", phone="", roles=frozenset({role}))
            await people.add(pool, one, actor="operator")
        await pool.execute("UPDATE accounts SET created_at = $1", YESTERDAY - timedelta(days=1))
        ledger = Ledger(pool, self.data, YESTERDAY + timedelta(hours=12))
        here = ledger.node("evidence")  # the folder of this machine's journals
        here.fold_._node = node_name(resolved(config.read()))
        for second in range(10):
            here.note(START + 100 + second, acme.account_id, FAIL)
        here.note(START + 105, acme.account_id, OK)
        here.watch(START, START + 1_000)
        await ledger.go(YESTERDAY + timedelta(hours=12))
        await ledger.watch_days(YESTERDAY.date(), 2, here.fold_._node)


@pytest.fixture
def place(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("HOMING_DATABASE_URL", database)
    monkeypatch.setenv("HOMING_DATA", str(tmp_path))
    monkeypatch.setenv("HOMING_HOSTNAME", "mail.acme.test")
    monkeypatch.chdir(tmp_path)
    load_or_make(tmp_path / "master.key")
    made = Place(database, tmp_path)
    made.do(made.fill)
    return made


@pytest.fixture
def homing(place: Place, capsys, monkeypatch) -> Shell:
    return Shell(capsys, monkeypatch)


def test_a_month_of_every_customer(homing: Shell):
    found = homing.json("availability", "months", MONTH)
    assert [(one["account"], one["unavailable_net"]) for one in found["accounts"]] == [("acme", 9), ("other", 0)]
    assert "acme" in homing("availability", "months", MONTH)


def test_the_statement_of_a_customer_in_every_form(homing: Shell, tmp_path: Path):
    found = homing.json("availability", "month", MONTH, "--account", "acme")
    assert (found["seconds"]["unavailable_gross"], found["verdict"]) == (9, "open")
    assert "99.99" in homing("availability", "month", MONTH, "--account", "acme")
    rows = list(csv.DictReader(io.StringIO(homing("availability", "month", MONTH, "--account", "acme", "--csv"))))
    assert next(row for row in rows if row["day"] == DAY)["unavailable"] == "9"
    page = tmp_path / "page.html"
    homing("availability", "month", MONTH, "--account", "acme", "--html", str(page))
    assert "Monthly statement for acme" in page.read_text()


def test_single_seconds(homing: Shell):
    span_ = ("--from", stamp(0), "--to", stamp(3_600))
    found = homing.json("availability", "seconds", "--account", "acme", *span_)
    assert found["unavailable"] == [[START + 100, 5], [START + 106, 4]]
    assert "unavailable" in homing("availability", "seconds", "--account", "acme", *span_)
    assert "nothing" in homing("availability", "seconds", "--account", "other", *span_)


@pytest.mark.parametrize(
    "words",
    [
        ("month", "march", "--account", "acme"), ("month", "1999-01", "--account", "acme"), ("months", "2999-01"),
        ("seconds", "--account", "acme", "--from", "2026-03-10T00:00:00"), ("seconds", "--account", "acme", "--from", "x"),
        ("seconds", "--account", "acme", "--from", "2999-01-01T00:00:00Z"), ("day", "x", "--account", "acme"),
        ("day", "2999-01-01", "--account", "acme"), ("fold", "--folder", "x"), ("reclassify", "2001-01-01"),
        ("declare", "--as", "pat@provider.test", "--from", "2026-03-10T00:00:00Z", "--account", "acme"),
        ("declare", "--as", "ana@provider.test", "--from", "2999-03-10T00:00:00Z", "--account", "acme"),
        ("witness", "add", "--name", "w", "--public-key", "zz", "--ours"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(homing: Shell, words: tuple[str, ...]):
    homing("availability", *words, code=2)
    assert len(homing.err.strip()) > 20


def test_two_people_exclude_and_one_takes_it_back(homing: Shell):
    what = ("--kind", "announced_maintenance", "--reason", "announced", "--evidence", "mail")
    homing("availability", "exclusion", "propose", "--as", "ana@provider.test", "--from", stamp(100), "--to", stamp(103), *what)
    assert homing.json("availability", "months", MONTH)["accounts"][0]["unavailable_net"] == 9
    homing("availability", "exclusion", "approve", "1", "--as", "ANA@provider.test", code=2)
    assert "somebody else" in homing.err
    homing("availability", "exclusion", "approve", "1", "--as", "bo@provider.test")
    assert homing.json("availability", "months", MONTH)["accounts"][0]["unavailable_net"] == 6
    (listed,) = homing.json("availability", "exclusion", "list", MONTH)
    assert (listed["proposed_by"], listed["approved_by"], listed["account_id"]) == ("Ana", "Bo", None)
    assert listed["proposed_by_id"] != listed["approved_by_id"]
    assert "announced" in homing("availability", "exclusion", "list", MONTH)
    homing("availability", "exclusion", "withdraw", "1", "--as", "ana@provider.test")
    assert homing.json("availability", "months", MONTH)["accounts"][0]["unavailable_net"] == 9


def test_nobody_decides_who_is_not_of_the_staff_or_holds_no_role_for_it(homing: Shell):
    span_ = ("--from", stamp(100), "--to", stamp(103), "--kind", "other", "--reason", "x")
    homing("availability", "exclusion", "propose", "--as", "eve@provider.test", *span_, code=1)
    assert "nobody of ours" in homing.err
    homing("availability", "exclusion", "propose", "--as", "pat@provider.test", *span_, code=2)
    homing("availability", "exclusion", "approve", "99", "--as", "bo@provider.test", code=1)
    homing("availability", "exclusion", "withdraw", "99", "--as", "bo@provider.test", code=1)
    assert "no exclusion 99" in homing.err


def test_a_person_declares_it_persistent(homing: Shell):
    words = (
        "availability",
        "declare",
        "--as",
        "ana@provider.test",
        "--from",
        stamp(100),
        "--note",
        "they called",
        "--account",
        "acme",
    )
    assert "declared" in homing(*words)
    assert "already" in homing(*words)
    (found,) = homing.json("availability", "month", MONTH, "--account", "acme")["findings"]
    assert (found["rule"], found["by"], found["note"]) == ("declared", "Ana", "they called")


def test_days_are_sealed_audited_and_exported_for_the_script(homing: Shell, place: Place, tmp_path: Path):
    assert "no day is sealed" in homing("availability", "roots")
    assert DAY in homing("availability", "seal")
    assert "nothing is due" in homing("availability", "seal")
    roots = homing.json("availability", "roots")
    assert roots[0]["day"] == DAY
    assert DAY in homing("availability", "roots")
    assert "agree" in homing("availability", "audit")
    path = tmp_path / "day.json"
    path.write_text(homing("availability", "day", DAY, "--account", "acme"))
    done = subprocess.run(
        [sys.executable, str(VERIFY), roots[0]["public_key"], str(path)], capture_output=True, text=True, check=False
    )
    assert "is genuine: 9 Unavailable seconds" in done.stdout, done.stderr
    place.do(lambda pool: pool.execute("UPDATE ledger_leaves SET unavailable = ''"))
    homing("availability", "audit", code=1)
    assert "do not follow" in homing.err


def test_witnesses_are_known_and_their_reports_decided(homing: Shell, place: Place):
    homing("availability", "witness", "add", "--name", "elsewhere", "--public-key", PUBLIC, "--account", "acme")
    homing("availability", "witness", "add", "--name", "again", "--public-key", PUBLIC, "--ours", code=2)
    homing("availability", "witness", "add", "--name", "ours", "--public-key", "ab" * 32, "--ours")
    assert [one["name"] for one in homing.json("availability", "witness", "list")] == ["elsewhere", "ours"]
    assert "elsewhere" in homing("availability", "witness", "list")
    saw = Saw(Doors(span(0, 5), 0), Doors())
    body, signature = outside.make(saw, since=START + 200, until=START + 260, number=1, previous=FIRST, key=KEY)
    place.do(lambda pool: witnesses.take(pool, body, signature, now=datetime.now(UTC)))
    (listed,) = homing.json("availability", "report", "list", "--account", "acme")
    assert (listed["decision"], listed["since"]) == ("open", START + 200)
    assert "no report" in homing("availability", "report", "list", "--ours")
    homing("availability", "report", "accept", "1", "--as", "ana@provider.test")
    assert homing.json("availability", "months", MONTH)["accounts"][0]["unavailable_net"] == 14
    homing("availability", "report", "reject", "1", "--as", "ana@provider.test")
    assert homing.json("availability", "months", MONTH)["accounts"][0]["unavailable_net"] == 9
    homing("availability", "report", "accept", "7", "--as", "ana@provider.test", code=1)
    homing("availability", "report", "accept", "1", "--as", "pat@provider.test", code=2)
    ours = str(homing.json("availability", "witness", "list")[1]["witness_id"])
    homing("availability", "witness", "end", ours, "--account", "acme", code=1)
    homing("availability", "witness", "end", ours, "--ours")


def test_machines_are_listed_retired_and_folded_from_their_disks(homing: Shell, place: Place, tmp_path: Path):
    (node,) = homing.json("availability", "node", "list")
    assert node["node"] == "mail-acme-test"
    homing("availability", "node", "retire", "elsewhere", code=1)
    homing("availability", "node", "retire", "mail-acme-test", "--at", stamp(50_000))
    assert homing.json("availability", "node", "list")[0]["until"]
    homing("availability", "node", "retire", "mail-acme-test", "--again")
    assert "mail-acme-test" in homing("availability", "node", "list")
    disk = tmp_path / "disk"
    shutil.copytree(tmp_path / "evidence", disk)
    assert "hours of accounts changed" in homing("availability", "fold", "--folder", str(disk), "--node", "gone")
    assert "0 lines read" in homing("availability", "fold", "--folder", str(disk), "--node", "gone")
    assert "0 lines read" in homing("availability", "fold")
    assert len(homing.json("availability", "node", "list")) == 2


def test_a_day_is_judged_anew_from_its_journals(homing: Shell):
    homing("availability", "seal")
    assert homing("availability", "reclassify", DAY).strip() == "0 hours of accounts changed, 0 sealed leaves amended"
    assert homing.json("availability", "disputed", DAY) == []
    assert "agree" in homing("availability", "disputed", DAY)


def test_what_is_printed_as_json_is_json(homing: Shell):
    homing("availability", "seal")
    day = json.loads(homing("availability", "day", DAY, "--account", "acme"))
    assert day["leaves"][0]["version"] == 0
