"""`homing suppressions` on a real database."""

import asyncio
import os

import pytest

from homing.accounts import store as accounts
from homing.events.types import EventType
from homing.ground import db
from homing.recipients import store
from homing.recipients.rules.provenance import of_event, of_key
from homing.recipients.types import SuppressionRow
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
