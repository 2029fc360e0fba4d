"""`homing suppressions` on a real database."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from homing.accounts import store as accounts
from homing.events.types import EventType
from homing.ground import db
from homing.recipients import store
from homing.recipients.rules.provenance import of_event, of_key
from homing.recipients.types import SuppressionRow
from tests.kit.http import subaccount
from tests.store.test_cli_views import Shell

MESSAGE = bytes.fromhex("0004c1a7e3f10a000001")


@pytest.fixture
def homing(capsys, monkeypatch, database, tmp_path) -> Shell:
    for name in [name for name in os.environ if name.startswith("HOMING_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOMING_DATABASE_URL", database)
    monkeypatch.setenv("HOMING_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Shell(capsys, monkeypatch)


def put(dsn: str, *rows: SuppressionRow, account: str = "acme") -> int:
    """Put rows on the list of an account; return its number."""

    async def work() -> int:
        async with db.pool(dsn) as pool:
            owner = await accounts.get_or_create_account(pool, account)
            await store.suppress(pool, [_of(row, owner.account_id) for row in rows])
            return owner.account_id

    return asyncio.run(work())


def _of(row: SuppressionRow, account_id: int) -> SuppressionRow:
    return SuppressionRow(**{name: getattr(row, name) for name in row.__struct_fields__} | {"account_id": account_id})


async def made(dsn: str, account_id: int, number: int) -> None:
    async with db.pool(dsn) as pool:
        await subaccount(pool, account_id, number)


def row(recipient: str = "kim@there.test", **changes) -> SuppressionRow:
    facts = {"type": "non_transactional", "source": "Bounce Rule", "provenance": of_key(12)}
    return SuppressionRow(account_id=0, recipient=recipient, **(facts | changes))


def test_an_address_is_shown_with_the_event_that_put_it_on_the_list(homing, database):
    put(
        database,
        row(provenance=of_event(EventType.BOUNCE, MESSAGE), description="550 no such user"),
        row(type="transactional", source="Manually Added"),
    )
    text = homing("suppressions", "show", "Kim@There.test")
    assert "550 no such user" in text
    facts = homing.json("suppressions", "show", "kim@there.test")
    assert [(one["type"], one["put_by"]) for one in facts["suppressions"]] == [
        ("non_transactional", "event"),
        ("transactional", "api"),
    ]
    first, second = facts["suppressions"]
    assert (first["event"], first["message_id"], first["provenance"]) == ("bounce", MESSAGE.hex(), f"bounce:{MESSAGE.hex()}")
    assert second["key_id"] == "12"


def test_an_address_that_is_not_on_the_list_and_one_that_is_none(homing, database):
    put(database, row())
    homing("suppressions", "show", "lee@there.test", code=1)
    assert "lee@there.test is not on the suppression list of acme" in homing.err
    homing("suppressions", "show", "nobody", code=2)
    assert "no @" in homing.err


def test_the_list_of_another_customer_is_not_shown(homing, database):
    put(database, row())
    put(database, account="globex")
    homing("suppressions", "show", "kim@there.test", "--account", "globex", code=1)
    assert "kim@there.test" in homing("suppressions", "show", "kim@there.test", "--account", "acme")


# import and export ----------------------------------------------------------------------------------------------------------

FILE = "recipient,type,description\nkim@there.test,transactional,new\nlee@there.test,transactional,\nnobody,transactional,\n"


def test_an_import_is_rehearsed_unless_it_is_told_to_apply(homing, database, tmp_path):
    put(database, row(type="transactional", description="old"))
    file = tmp_path / "old.csv"
    file.write_text(FILE)
    said = homing.json("suppressions", "import", str(file), code=1)
    counted = {"records": 3, "added": 1, "updated": 1, "unchanged": 0, "refused": 1}
    assert {name: said[name] for name in counted} == counted
    assert (said["applied"], said["import_id"]) == (False, None)
    assert [one["description"] for one in homing.json("suppressions", "show", "kim@there.test")["suppressions"]] == ["old"]
    text = homing("suppressions", "import", str(file), "--dry-run", code=1)
    assert "Nothing was changed. --apply does it." in text
    said = homing.json("suppressions", "import", str(file), "--apply", code=1)
    assert {name: said[name] for name in counted} == counted
    (shown,) = homing.json("suppressions", "show", "kim@there.test")["suppressions"]
    assert (shown["description"], shown["import_id"]) == ("new", said["import_id"])
    said = homing.json("suppressions", "import", str(file), "--apply", code=1)
    assert (said["added"], said["updated"], said["unchanged"]) == (0, 0, 2)


def test_what_was_refused_is_told_in_a_file(homing, database, tmp_path):
    put(database)
    file, told = tmp_path / "old.csv", tmp_path / "no.tsv"
    file.write_text(FILE + 'a@b.test,"maybe\tnot",\n')
    text = homing("suppressions", "import", str(file), "--apply", "--refused", str(told), code=1)
    assert "line 4: the address has no @: nobody,transactional," in text
    assert told.read_text().splitlines() == [
        "line\treason\ttext",
        "4\tthe address has no @\tnobody,transactional,",
        "5\ttype must be one of: 'transactional', 'non_transactional'\ta@b.test,maybe not,",
    ]
    file.write_text("recipient,type\nkim@there.test,transactional\n")
    homing("suppressions", "import", str(file), "--apply")
    assert not (tmp_path / "old.csv.refused").exists()


def test_a_rehearsal_counts_repeats_across_batches_as_the_import_does(homing, database, tmp_path):
    facts = {"type": "transactional", "source": "Manually Added", "description": "first"}
    put(database, *(row(f"u{n}@there.test", **facts) for n in range(0, 6_000, 2)))
    lines = [f"u{n % 6_000}@there.test,transactional,{'last' if n >= 6_000 else 'first'}" for n in range(11_000)]
    file = tmp_path / "old.csv"
    file.write_text("recipient,type,description\n" + "\n".join(lines))
    rehearsed = homing.json("suppressions", "import", str(file))
    applied = homing.json("suppressions", "import", str(file), "--apply")
    names = ("records", "added", "updated", "unchanged", "refused")
    assert [rehearsed[name] for name in names] == [applied[name] for name in names] == [11_000, 3_000, 5_000, 3_000, 0]


def test_imports_are_listed_and_a_broken_one_says_why(homing, database, tmp_path):
    put(database)
    assert "imported nothing lately" in homing("suppressions", "imports")
    file = tmp_path / "old.json"
    file.write_text('[{"recipient":"kim@there.test","type":"transactional"}, oops')
    homing("suppressions", "import", str(file), "--apply", code=1)
    assert "not JSON" in homing.err
    (one,) = homing.json("suppressions", "imports")["imports"]
    assert (one["state"], one["by"], one["name"]) == ("failed", "command", "old.json")
    assert "not JSON" in one["reason"]
    assert "old.json" in homing("suppressions", "imports")


def test_a_file_that_is_not_there_and_a_form_that_does_not_fit(homing, database, tmp_path):
    put(database)
    homing("suppressions", "import", "nowhere.csv", code=2)
    assert "nowhere.csv is no file" in homing.err
    file = tmp_path / "old.csv"
    file.write_text("name\nKim\n")
    homing("suppressions", "import", str(file), code=1)
    assert "no column is named recipient" in homing.err
    homing("suppressions", "import", str(file), "--from", "moon", code=2)


def test_an_export_takes_subaccounts_and_compliance_along(homing, database, tmp_path):
    put(
        database,
        row("a@there.test", subaccount_id=7, list_id="news", description='say "no"'),
        row("b@there.test", source="Compliance"),
    )
    file = tmp_path / "list.csv"
    homing("suppressions", "export", "--output", str(file))
    text = homing("suppressions", "export")
    assert file.read_text() == text
    assert len(homing("suppressions", "export", "--subaccount", "7").splitlines()) == 2
    globex = put(database, account="globex")
    said = homing.json("suppressions", "import", str(file), "--account", "globex", code=1)
    assert (said["added"], said["refused"]) == (1, 1)  # globex has no subaccount 7 yet
    homing("suppressions", "import", str(file), "--account", "globex", "--subaccount", "7", code=1)
    assert "globex has no subaccount 7" in homing.err
    asyncio.run(made(database, globex, 7))
    said = homing.json("suppressions", "import", str(file), "--apply", "--account", "globex")
    assert (said["added"], said["refused"]) == (2, 0)
    assert homing("suppressions", "export", "--account", "globex").splitlines()[1].startswith("b@there.test,")
    facts = homing.json("suppressions", "show", "a@there.test", "--account", "globex")["suppressions"]
    assert [(one["subaccount_id"], one["list_id"], one["description"]) for one in facts] == [(7, "news", 'say "no"')]


_MEASURED = """
import re, sys
from pathlib import Path
from homing.cli import app, suppressions

def peak():  # of this program; ru_maxrss would count what its parent held as it forked
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))

sys.argv = ["homing", "suppressions", "import", sys.argv[1], *sys.argv[2:]]
before = peak()
try:
    code = app.main()
except SystemExit as end:
    code = end.code or 0
print(code, before, peak(), file=sys.stderr)
"""


@pytest.mark.parametrize("how", ["--apply", "--dry-run"])
def test_the_memory_of_an_import_does_not_grow_with_the_file(homing, database, tmp_path, how):
    put(database)
    file = tmp_path / "large.csv"
    with file.open("w") as out:
        out.write("recipient,type,description\n")
        for n in range(50_000):
            out.write(f"u{n}@there.test,transactional,{'x' * 1_000}\n")
    size_kib = file.stat().st_size // 1024
    assert size_kib > 48_000
    ran = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(file), how, "--json"], capture_output=True, text=True, timeout=110, check=True
    )
    code, before, after = map(int, ran.stderr.split()[-3:])
    assert code == 0, ran.stderr
    assert json.loads(ran.stdout)["added"] == 50_000
    assert after - before < 32_768, f"{after - before} KiB more for a file of {size_kib} KiB"
