"""`homing templates import` on a real database."""

import asyncio
import json

import pytest

from homing.accounts import store as accounts
from homing.api.v1.templates_wire import show_content
from homing.ground import db
from homing.spool.types import decode_content
from homing.templates import store
from tests.kit.http import subaccount
from tests.rules.test_template_exports import MAILGUN, POSTMARK, SENDGRID
from tests.store.test_cli_suppressions import homing

__all__ = ["homing"]
SENDER = "Acme <news@acme.test>"


@pytest.fixture
def acme(database) -> int:
    async def work() -> int:
        async with db.pool(database) as pool:
            account_id = (await accounts.get_or_create_account(pool, "acme")).account_id
            await subaccount(pool, account_id, 7)
            return account_id

    return asyncio.run(work())


def stored(dsn: str, account_id: int, template_id: str, number: int = 0, subaccount_id: int = 0):
    """Return a template and one of its contents as the API shows it."""

    async def work():
        async with db.pool(dsn) as pool:
            found = await store.find(pool, account_id, subaccount_id, template_id)
            version = None if found is None else await store.version(pool, found, number)
            return found, None if version is None else show_content(decode_content(version.content))

    return asyncio.run(work())


def file(tmp_path, *documents) -> str:
    path = tmp_path / "templates.json"
    path.write_text("\n".join(json.dumps(one) for one in documents))
    return str(path)


def test_nothing_is_stored_unless_it_is_told_to_apply(homing, database, acme, tmp_path):
    path = file(tmp_path, SENDGRID)
    text = homing("templates", "import", path, "--from", "sendgrid", "--sender", SENDER)
    assert "Nothing was changed. --apply does it." in text
    assert stored(database, acme, SENDGRID["id"]) == (None, None)
    (one,) = homing.json("templates", "import", path, "--from", "sendgrid", "--sender", SENDER, "--apply")["templates"]
    assert one["state"] == "new"
    found, content = stored(database, acme, SENDGRID["id"])
    assert (found.name, found.description, found.has_draft, found.published_version) == ("Order confirmation", "v2", True, None)
    assert content == {
        "from": {"email": "news@acme.test", "name": "Acme"},
        "subject": "Order {{order.id}}",
        "text": "Thanks {{name}}",
        "html": "<p>Thanks {{name}}</p>",
    }


def test_a_repeated_import_changes_the_draft_alone(homing, database, acme, tmp_path):
    words = ("--from", "mailgun", "--apply")
    homing("templates", "import", file(tmp_path, MAILGUN), *words, "--publish")
    (one,) = homing.json("templates", "import", file(tmp_path, MAILGUN), *words)["templates"]
    assert one["state"] == "unchanged"
    version = {**MAILGUN["template"]["version"], "template": "<h2>{{title}}</h2>"}
    path = file(tmp_path, {"template": {**MAILGUN["template"], "version": version}})
    (one,) = homing.json("templates", "import", path, *words)["templates"]
    assert one["state"] == "changed"
    found, draft = stored(database, acme, "welcome-mail")
    assert (found.published_version, draft["html"], draft["reply_to"]) == (1, "<h2>{{title}}</h2>", "help@acme.test")
    assert stored(database, acme, "welcome-mail", 1)[1]["html"] == "<h1>{{title}}</h1>"
    homing("templates", "import", path, *words, "--publish")
    assert stored(database, acme, "welcome-mail", 2)[1]["html"] == "<h2>{{title}}</h2>"


def test_one_that_cannot_be_translated_is_refused_with_its_place_and_the_others_are_taken(homing, database, acme, tmp_path):
    bad = {**POSTMARK, "Alias": "bad", "HtmlBody": "<p>\n{{formatted x y}}</p>"}
    path = file(tmp_path, bad, POSTMARK, {**POSTMARK, "TemplateId": 2}, {"TemplateId": 3, "Name": "empty"})
    words = ("templates", "import", path, "--from", "postmark", "--apply")
    told = homing.json(*words, "--sender", SENDER, code=1)["templates"]
    assert [one["state"] for one in told] == ["refused", "new", "refused", "refused"]
    assert (told[0]["part"], told[0]["line"], told[0]["at"]) == ("html", 2, "{{formatted x y}}")
    assert "no counterpart" in told[0]["why"]
    assert "same id" in told[2]["why"]
    assert stored(database, acme, "bad") == (None, None)
    text = homing(*words, code=1)
    assert "it has no From; say one with --sender" in text


def test_what_the_api_would_refuse_is_refused(homing, acme, tmp_path):
    good = {"id": "t", "name": "T", "content": {"from": "news@acme.test", "subject": "Hi", "text": "x"}}
    broken = {**good, "id": "u", "content": {**good["content"], "text": "{{if}}"}}
    subjectless = {**good, "id": "v", "content": {"from": "news@acme.test", "text": "x"}}
    path = file(tmp_path, {"results": [good, broken, subjectless]})
    told = homing.json("templates", "import", path, "--from", "sparkpost", "--apply", "--publish", code=1)["templates"]
    assert [one["state"] for one in told] == ["new", "refused", "refused"]
    assert "part text: line 1" in told[1]["why"]
    assert "subject" in told[2]["why"]


def test_remarks_tell_what_the_owner_should_know(homing, acme, tmp_path):
    ses = {
        "TemplateName": "Hello",
        "TemplateContent": {"Subject": "Hi", "Html": '<p>{{email}} <a href="https://x.test/{{p}}">x</a>'},
    }
    text = homing("templates", "import", file(tmp_path, ses), "--from", "ses", "--sender", SENDER)
    assert "Hello, html, line 1: email is the recipient's own here" in text
    assert "within an address" in text


def test_a_subaccount_gets_templates_of_its_own(homing, database, acme, tmp_path):
    homing("templates", "import", file(tmp_path, MAILGUN), "--from", "mailgun", "--apply", "--subaccount", "7")
    assert stored(database, acme, "welcome-mail") == (None, None)
    assert stored(database, acme, "welcome-mail", subaccount_id=7)[0].subaccount_id == 7
    homing("templates", "import", file(tmp_path, MAILGUN), "--from", "mailgun", "--apply", "--subaccount", "8", code=1)
    assert "acme has no subaccount 8" in homing.err
    assert stored(database, acme, "welcome-mail", subaccount_id=8) == (None, None)


@pytest.mark.parametrize(
    ("text", "why"), [("[1]", "no object of JSON"), ("{", "is not JSON"), ("\udcff", "is not UTF-8"), (None, "is no file")]
)
def test_a_file_that_is_none_is_refused(homing, acme, tmp_path, text, why):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    homing("templates", "import", str(path), "--from", "ses", code=2)
    assert why in homing.err
