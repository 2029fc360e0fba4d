"""`homing templates`: templates of other platforms, translated into our language."""

import json as json_module
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from homing.accounts import subaccounts
from homing.accounts.types import Sender
from homing.api.v1.templates_wire import TemplateIn, read_template
from homing.cli import output, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.suppression_files import ApplyOption, SubaccountOption
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ingress.rules.problem import Wrong
from homing.queue import submissions
from homing.spool.types import Content, encode_content
from homing.templates import store
from homing.templates.language import Place
from homing.templates.rules.exports import Exported, From, NoTemplate, exported
from homing.templates.rules.tags import Untranslatable
from homing.templates.rules.translate import translate
from homing.templates.types import StoredTemplate

app = typer.Typer(help="Import templates of other platforms.", no_args_is_help=True)
MOST_BYTES = 67_108_864  # of one file
_PLACES = {"html": Place.HTML, "text": Place.TEXT}  # everything else stands in a header


class Outcome(msgspec.Struct, kw_only=True):
    """What becomes of one template.

    state     new, changed, unchanged, refused
    remarks   (part, line, text): what its owner should know
    """

    id: str
    name: str
    state: str
    part: str = ""
    line: int = 0
    at: str = ""
    why: str = ""
    remarks: list[tuple[str, int, str]] = []


@app.command("import")
def import_templates(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="JSON, as the platform's API answers.", show_default=False)
    ],
    platform: Annotated[From, typer.Option("--from", help="The platform that exported them.", show_default=False)],
    sender: Annotated[
        str,
        typer.Option("--sender", metavar="ADDRESS", help="From of templates that have none: 'Acme <news@example.com>'."),
    ] = "",
    publish: Annotated[bool, typer.Option("--publish", help="Publish them at once. Without it they become drafts.")] = False,
    subaccount: SubaccountOption = 0,
    apply: ApplyOption = False,
    account: AccountOption = None,
    json: JsonOption = False,
) -> None:
    """Translate templates and store them. One that has no faithful translation is refused, with the place."""
    try:
        found = exported([document for file in files for document in _documents(file)], platform)
    except NoTemplate as trouble:
        raise Misuse(f"{trouble}; is it an export of {platform.value}?") from trouble

    async def work() -> list[Outcome]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            if subaccount and await subaccounts.one(pool, owner.account_id, subaccount) is None:
                raise reach.NotFound(f"{owner.name} has no subaccount {subaccount}; `homing subaccount list` shows them")
            who = Sender(account_id=owner.account_id, subaccount_id=subaccount)
            outcomes: list[Outcome] = []
            for one in found:
                seen = {outcome.id for outcome in outcomes if outcome.state != "refused"}
                outcomes.append(await _import(pool, who, one, seen, sender=sender, publish=publish, apply=apply))
            return outcomes

    outcomes = reach.run(work())
    if json:
        output.print_json({"applied": apply, "templates": outcomes})
    else:
        _tell(outcomes, apply=apply, publish=publish)
    if any(outcome.state == "refused" for outcome in outcomes):
        raise typer.Exit(1)


def _documents(file: Path) -> Iterator[Any]:
    """Give the documents of JSON in a file, which may follow each other."""
    if not file.is_file():
        raise Misuse(f"{file} is no file that can be read")
    if file.stat().st_size > MOST_BYTES:
        raise Misuse(f"{file} is larger than {MOST_BYTES} bytes; split it")
    try:
        text = file.read_text(encoding="utf-8-sig").strip()
    except UnicodeDecodeError as trouble:
        raise Misuse(f"{file} is not UTF-8") from trouble
    decoder, at = json_module.JSONDecoder(), 0
    while at < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as trouble:
            raise Misuse(f"{file} is not JSON: {trouble}") from trouble
        yield document
        while at < len(text) and text[at].isspace():
            at += 1


async def _import(
    pool: db.Pool,
    who: Sender,
    one: Exported | tuple[str, str],
    seen: set[str],
    *,
    sender: str,
    publish: bool,
    apply: bool,
) -> Outcome:
    """Store one template, or tell what would be done, or why it is refused."""
    if isinstance(one, tuple):
        return Outcome(id="", name=one[0], state="refused", why=one[1])
    outcome = Outcome(id=one.template_id, name=one.name, state="refused")
    if one.template_id in seen:
        outcome.why = "another template of this import has the same id"
        return outcome
    try:
        content = _translated(one, outcome)
        if sender and not content.get("from"):
            content["from"] = sender
        if not content.get("from"):
            outcome.why = "it has no From; say one with --sender"
            return outcome
        made, read = _read(one, content, who)
    except Untranslatable as trouble:
        outcome.line, outcome.at, outcome.why = trouble.line, trouble.at, trouble.problem
        return outcome
    except Wrong as wrong:
        outcome.why = wrong.problem.description or wrong.problem.message
        return outcome
    outcome.part = ""
    await _store(pool, outcome, made, read, publish=publish, apply=apply)
    return outcome


def _translated(one: Exported, outcome: Outcome) -> dict[str, Any]:
    """Return the members of a content of ours; the outcome hears which part is looked at, and the remarks.

    raises   Untranslatable
    """
    if one.dialect is None:
        return dict(one.content)
    made: dict[str, Any] = {}
    for part, text in one.content.items():
        outcome.part = part
        translated = translate(text, dialect=one.dialect, place=_PLACES.get(part, Place.HEADER))
        made[part] = translated.text
        outcome.remarks += [(part, remark.line, remark.text) for remark in translated.remarks]
    return made


def _read(one: Exported, content: dict[str, Any], who: Sender) -> tuple[StoredTemplate, Content]:
    """Return the template and its content, checked as the API checks them.

    raises   Wrong
    """
    given = {
        "id": one.template_id or None,
        "name": one.name[:1000] or None,
        "description": one.description or None,
        "content": content,
        "options": one.options or None,
    }
    try:
        return read_template(msgspec.convert(given, TemplateIn), who)
    except msgspec.ValidationError as trouble:
        raise Misuse(f"template {one.name}: {trouble}") from trouble


async def _store(pool: db.Pool, outcome: Outcome, made: StoredTemplate, read: Content, *, publish: bool, apply: bool) -> None:
    content = encode_content(read)
    known = await store.find(pool, made.account_id, made.subaccount_id, made.template_id)
    if known is None:
        outcome.state = "new"
        if apply and not await store.add(pool, made, content, publish=publish):
            outcome.state, outcome.why = "refused", "somebody else stored a template of this id meanwhile"
        return
    number = known.published_version if publish else 0 if known.has_draft else known.published_version
    newest = None if number is None else await store.version(pool, known, number)
    outcome.state = "unchanged" if newest is not None and newest.content == content else "changed"
    if not apply or outcome.state == "unchanged":
        return
    async with pool.acquire() as connection, connection.transaction():
        locked = await store.lock(connection, made.account_id, made.subaccount_id, made.template_id)
        if locked is None:
            outcome.state, outcome.why = (
                "refused",
                "a template of this id belongs to the primary account, or was removed meanwhile",
            )
        elif await submissions.template_in_use(
            connection, made.account_id, made.subaccount_id, made.template_id, now=datetime.now(UTC)
        ):
            outcome.state, outcome.why = "refused", "the template is in use by messages that are made now; try again later"
        elif publish:
            await store.publish_content(connection, locked, content)
        else:
            await store.set_draft(connection, locked, content)


def _tell(outcomes: Sequence[Outcome], *, apply: bool, publish: bool) -> None:
    console = output.console()
    kind = "published" if publish else "draft"
    title = f"Imported ({kind})" if apply else f"What would be imported ({kind})"
    table = output.table(title, "id", "name", "state", "where", "why")
    for one in outcomes:
        where = f"{one.part}, line {one.line}: {one.at}" if one.line else ""
        table.add_row(one.id, Text(one.name), one.state, Text(where), Text(one.why))
    console.print(table)
    for one in outcomes:
        for part, line, text in one.remarks if one.state != "refused" else ():
            console.print(Text(f"{one.id}, {part}, line {line}: {text}"), soft_wrap=True)
    if not apply:
        console.print("Nothing was changed. --apply does it.")
