"""`homing tam`: the TAM's programme for the staff. Files hold what the API takes as a body; `-` is standard input.

Whoever changes something says who he is with `--as`; mail that is owed leaves with the next turn of a worker.
"""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from homing.accounts import store as accounts
from homing.api.v1.support_tam_wire import (
    GivenIn,
    line,
    shown_event,
    shown_note,
    shown_result,
    shown_row,
    text_of,
    title_of,
)
from homing.boot.figures import AccountFigures
from homing.cli import output, oversight, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.people import AsOption, somebody
from homing.contracts import store as contracts
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ingress.rules.problem import Wrong
from homing.support.cases.rules.decision import No
from homing.support.cases.types import Actor, Side
from homing.support.clocks.store import ServerClock
from homing.support.tam import measuring, notes, store
from homing.support.tam.reviews import wrong_stretch
from homing.support.tam.rules.trends import sentences
from homing.support.tam.types import WRITERS, Record, RecordKind

app = typer.Typer(
    help="Technical Account Managers: oversight, threads, plans, reviews, recommendations, education, trends.",
    no_args_is_help=True,
)
app.add_typer(oversight.app)
T = TypeVar("T")
MOST_BYTES = 1_048_576  # of a file
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, max=2**63 - 1, help="Of the record.")]
KindArgument = Annotated[RecordKind, typer.Argument(metavar="KIND", help=", ".join(RecordKind), show_default=False)]
FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="JSON, as the API takes it; '-': standard input.")]


async def _writer(pool: db.Pool, email: str) -> tuple[StaffMember, Actor]:
    member = await somebody(pool, email)
    if not member.is_a(*WRITERS):
        raise Misuse(f"{email} is neither a TAM nor an admin")
    return member, Actor(side=Side.PROVIDER, name=f"staff {member.person_id}", person_id=member.person_id, email=member.email)


async def _found(pool: db.Pool, number: int) -> Record:
    record = await store.record(pool, number)
    if record is None:
        raise reach.NotFound(f"there is no record {number}; `homing tam list` shows them")
    return record


def _read(name: str) -> GivenIn:
    if name == "-":
        body = sys.stdin.buffer.read(MOST_BYTES + 1)
    else:
        try:
            with Path(name).open("rb") as file:
                body = file.read(MOST_BYTES + 1)
        except OSError as trouble:
            raise Misuse(f"{name}: {trouble.strerror}") from None
    if len(body) > MOST_BYTES:
        raise Misuse(f"at most {MOST_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=GivenIn)
    except (msgspec.DecodeError, UnicodeDecodeError) as trouble:
        raise Misuse(f"{name}: {trouble}") from None


@app.command("list")
def list_records(
    account: AccountOption = None,
    kind: Annotated[RecordKind | None, typer.Option("--kind", metavar="KIND", help=", ".join(RecordKind))] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 50,
    json: JsonOption = False,
) -> None:
    """List records, the latest first."""

    async def work() -> tuple[list[store.Row], dict[int, str]]:
        async with reach.database(reach.settings()) as pool:
            wanted = None if account is None else [(await reach.account(pool, account)).account_id]
            rows = await store.find(pool, account_ids=wanted, kind=kind, limit=limit)
            return rows, {one.account_id: one.name for one in await accounts.all_accounts(pool)}

    found, names = reach.run(work())
    if json:
        output.print_json([{**shown_row(one, staff=True), "kind": one.kind.value} for one in found])
        return
    rows = output.table("Programme", "number", "account", "kind", "title", "state", "waits for", "since", right=("number",))
    for one in found:
        rows.add_row(
            str(one.record_id),
            names.get(one.account_id, "?"),
            one.kind.value.replace("_", " "),
            one.title,
            one.state.value.replace("_", " "),
            one.awaits.value if one.awaits else "-",
            output.clock(one.updated_at),
        )
    output.console().print(rows if found else "there is nothing; `homing tam make recommendation FILE` begins.")


@app.command("show")
def show(number: NumberArgument, events: Annotated[bool, typer.Option("--events", help="Every step instead.")] = False) -> None:
    """Show one record, as JSON."""

    async def work() -> Any:
        async with reach.database(reach.settings()) as pool:
            record = await _found(pool, number)
            if events:
                return [shown_event(one) for one in await store.events_of(pool, number)]
            from homing.cli import tam_steps  # as its head says

            return await tam_steps.look(pool, record)

    output.print_json(reach.run(work()))


@app.command("make")
def make(kind: KindArgument, file: FileArgument, who: AsOption, account: AccountOption = None) -> None:
    """Make a record: an onboarding plan, a migration plan, a planning review, a recommendation or an education item."""
    from homing.cli import tam_steps

    given = _read(file)

    async def work() -> Record | No:
        async with reach.database(reach.settings()) as pool:
            member, actor = await _writer(pool, who)
            given.account_id = (await reach.account(pool, account)).account_id
            return await tam_steps.make(pool, member, actor, kind, given)

    made = reach.run(work())
    if isinstance(made, No):
        raise Misuse(made.why)
    output.console().print(f"{kind.value.replace('_', ' ')} {made.record_id} is {made.state.value}; `homing tam show` shows it")


@app.command("step")
def step(
    number: NumberArgument,
    name: Annotated[str, typer.Argument(metavar="STEP", help="As in the API: agreement, start, advance, held ...")],
    who: AsOption,
    file: FileArgument = "",
) -> None:
    """Take a step of a record."""
    from homing.cli import tam_steps

    given = _read(file) if file else GivenIn()

    async def work() -> Record:
        async with reach.database(reach.settings()) as pool:
            member, actor = await _writer(pool, who)
            return await tam_steps.take(pool, member, actor, await _found(pool, number), name, given)

    after = reach.run(work())
    output.console().print(f"{after.kind.value.replace('_', ' ')} {number} is {after.state.value.replace('_', ' ')}")


@app.command("check")
def check(number: NumberArgument, json: JsonOption = False) -> None:
    """Run the check of a recommendation now; each run is kept."""

    async def work() -> Any:
        async with reach.database(reach.settings()) as pool:
            record = await _found(pool, number)
            legal = ServerClock()
            now = await legal.now(pool)
            return await measuring.run(pool, AccountFigures(pool, legal), record, now=now, because="operator")

    found = reach.run(work())
    if found is None:
        raise Misuse(f"record {number} has no check")
    if json:
        output.print_json(shown_result(found))
    else:
        verdict = {True: "passed", False: "failed", None: "nothing can be said"}[found.passed]
        output.console().print(f"{verdict}: {found.said}")


@app.command("document")
def document(
    number: NumberArgument,
    which: Annotated[int, typer.Argument(metavar="DOCUMENT", min=0, max=10_000, help="0: the last one.")] = 0,
    json: JsonOption = False,
) -> None:
    """Show what a planning review was prepared with; `homing tam step NUMBER documents` prepares it."""

    async def work() -> store.Document | None:
        async with reach.database(reach.settings()) as pool:
            record = await _found(pool, number)
            return await store.document(pool, number, which or record.documents)

    found = reach.run(work())
    if found is None:
        raise reach.NotFound(f"record {number} has no such document")
    typer.echo(found.data if json else found.words, nl=json)


@app.command("note")
def note(
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Subject of the mail.")],
    who: AsOption,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="In your words.")] = "",
    provider: Annotated[str, typer.Option("--provider", metavar="NAME", help="Mailbox provider that it is about.")] = "",
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="Draw figures from this day of UTC on ...")] = "",
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="... to this one.")] = "",
    json: JsonOption = False,
) -> None:
    """Write a note about a trend: in words, or drawn from our own figures across accounts. `homing tam tell` sends it."""
    if bool(since) != bool(until):
        raise Misuse("--from and --until go together")
    first, last = (_day(since), _day(until)) if since else (None, None)
    given = GivenIn(title=title, text=text, provider=provider)

    async def work() -> notes.Note | No:
        async with reach.database(reach.settings()) as pool:
            legal = ServerClock()
            if first is not None and last is not None and (wrong := wrong_stretch(first, last, now=await legal.now(pool))):
                raise Misuse(wrong)
            _, actor = await _writer(pool, who)
            return await _written(pool, actor, given, first, last)

    made = reach.run(work())
    if isinstance(made, No):
        raise Misuse(made.why)
    if json:
        output.print_json(shown_note(made))
        return
    for sentence in sentences(made.trends):
        output.console().print(sentence)
    output.console().print(f"note {made.note_id} is written; `homing tam tell {made.note_id}` sends it")


async def _written(pool: db.Pool, actor: Actor, given: GivenIn, first: date | None, last: date | None) -> notes.Note | No:
    try:
        title, body, provider = title_of(given), text_of(given.text), line(given.provider, 100)
    except Wrong as wrong:
        raise Misuse(wrong.problem.description or wrong.problem.message) from None
    legal = ServerClock()
    figures = AccountFigures(pool, legal)
    return await notes.write(pool, legal, figures, actor, title=title, body=body, provider=provider, first=first, last=last)


@app.command("tell")
def tell(
    number: NumberArgument,
    who: AsOption,
    account: Annotated[
        list[str] | None, typer.Option("--account", metavar="NAME", help="Again for more. Default: whom it concerns.")
    ] = None,
    names_checked: Annotated[bool, typer.Option("--names-checked", help="What looks like an account's name is none.")] = False,
) -> None:
    """Send a note to the accounts that it concerns; each gets its own figures, and nobody else's."""

    async def work() -> list[int] | No | None:
        async with reach.database(reach.settings()) as pool:
            member, actor = await _writer(pool, who)
            legal = ServerClock()
            wanted = [(await reach.account(pool, one)).account_id for one in account or []]
            may = None
            if not member.is_a(Role.ADMIN):
                may = frozenset(await contracts.accounts_of_tam(pool, member.person_id, await legal.now(pool)))
            return await notes.send(
                pool, legal, AccountFigures(pool, legal), actor, number, wanted=wanted, may=may, names_checked=names_checked
            )

    told = reach.run(work())
    if told is None:
        raise reach.NotFound(f"there is no note {number}")
    if isinstance(told, No):
        raise Misuse(told.why)
    output.console().print(f"note {number} is on its way to {len(told)} accounts that had not had it")


def _day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise Misuse(f"'{text[:20]}' is no day; write for example 2026-05-20") from None
    if not 2000 <= found.year < 2200:
        raise Misuse("days lie from 2000 to 2199")
    return found
