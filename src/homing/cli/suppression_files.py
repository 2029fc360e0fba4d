"""`homing suppressions import`, `export` and `imports`: many at once, in and out."""

import asyncio
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from homing.accounts import subaccounts
from homing.cli import output, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.ground import db
from homing.ground.errors import Misuse, Permanent
from homing.recipients import export, imports
from homing.recipients.importing import Batch, Refusal, SourceFile, Tally, open_rehearsal, put, rehearse
from homing.recipients.imports import Import
from homing.recipients.rules.forms.known import Platform
from homing.recipients.rules.forms.types import Unreadable
from homing.recipients.rules.importing import Terms
from homing.recipients.search import Filters

CLAIM_S = 60.0
SHOWN = 10  # refused records that the screen shows


class Kind(StrEnum):
    """Which mail imported suppressions stop."""

    TRANSACTIONAL = "transactional"
    NON_TRANSACTIONAL = "non_transactional"
    BOTH = "both"


ApplyOption = Annotated[
    bool,
    typer.Option(
        "--apply/--dry-run", help="Do it. Without it nothing is changed: you see what would be done, as with every import here."
    ),
]
SubaccountOption = Annotated[int, typer.Option("--subaccount", min=0, max=2**31 - 1, help="0: the primary account.")]


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON, UTF-8.", show_default=False)],
    platform: Annotated[Platform, typer.Option("--from", help="The platform that exported it.")] = Platform.HOMING,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="Which suppressions, where the file does not tell.", show_default=False)
    ] = "",
    type: Annotated[
        Kind | None, typer.Option("--type", help="Which mail all of them stop. Default: what the file says.", show_default=False)
    ] = None,
    subaccount: SubaccountOption = 0,
    refused: Annotated[
        Path | None,
        typer.Option(
            "--refused", metavar="FILE", help="Where refused records are told. Default: beside FILE.", show_default=False
        ),
    ] = None,
    apply: ApplyOption = False,
    account: AccountOption = None,
    json: JsonOption = False,
) -> None:
    """Bring suppressions from a file onto the list. Rows may name their subaccount; the others go to --subaccount."""
    if not file.is_file():
        raise Misuse(f"{file} is no file that can be read")
    terms = Terms(
        form=platform.value,
        kind=kind,
        type=type.value if type is not None else "",
        subaccount_id=subaccount,
        any_subaccount=True,
        compliance=True,
    )
    told_in = refused or file.with_name(file.name + ".refused")

    async def work() -> tuple[Tally, list[Refusal], UUID | None]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            known = await subaccounts.numbers(pool, owner.account_id)
            if subaccount and subaccount not in known:
                raise reach.NotFound(f"{owner.name} has no subaccount {subaccount}; `homing subaccount list` shows them")
            return await _import(pool, owner.account_id, known, file, terms, told_in, apply=apply)

    try:
        tally, first, import_id = reach.run(work())
    except Unreadable as trouble:
        raise Permanent(f"{file}: {trouble}") from trouble
    facts = {
        "applied": apply,
        "import_id": None if import_id is None else str(import_id),
        **{name: getattr(tally, name) for name in tally.__struct_fields__},
        "refused_in": str(told_in) if tally.refused else None,
    }
    if json:
        output.print_json(facts)
    else:
        _tell(tally, first, told_in, apply=apply, import_id=import_id)
    if tally.refused:
        raise typer.Exit(1)


async def _import(
    pool: db.Pool, account_id: int, known: frozenset[int], file: Path, terms: Terms, told_in: Path, *, apply: bool
) -> tuple[Tally, list[Refusal], UUID | None]:
    import_id = uuid4() if apply else None
    me = f"homing-cli {os.getpid()}"
    size = file.stat().st_size
    tally, first = Tally(), list[Refusal]()
    source = SourceFile.open(file, terms, now=datetime.now(UTC), subaccounts=known)
    if import_id is not None:
        await imports.add(
            pool, import_id, account_id=account_id, terms=terms, name=file.name[:255], size_bytes=size, by_command=me
        )
    why = "the command ended before its time; import the file again"
    try:
        with _progress(size) as (bar, task), _Told(told_in) as told:
            async with pool.acquire() as connection:
                if import_id is None:
                    await open_rehearsal(connection)
                while (batch := source.next_batch()) is not None:
                    async with connection.transaction():
                        if import_id is None:
                            done = await rehearse(connection, batch, account_id=account_id)
                        else:
                            done = await _apply(connection, batch, account_id, import_id, me, tally)
                    tally.add(done)
                    told.write(batch.refusals)
                    first += batch.refusals[: SHOWN - len(first)]
                    bar.update(task, completed=batch.place, counts=f"{tally.records:,} records, {tally.refused:,} refused")
        why = ""
    except Unreadable as trouble:
        why = str(trouble)
        raise
    finally:
        source.close()
        if import_id is not None:
            await asyncio.shield(imports.end(pool, import_id, claimed_by=me, why=why))
    return tally, first, import_id


async def _apply(connection: Any, batch: Batch, account_id: int, import_id: UUID, me: str, before: Tally) -> Tally:
    if not await imports.hold(connection, import_id, claimed_by=me, records=before.records, claim_s=CLAIM_S):
        raise Permanent("the import was given up, because this command stood still for too long; import the file again")
    done = await put(connection, batch, account_id=account_id, import_id=import_id)
    await imports.advance(connection, import_id, done, batch.refusals, bytes_done=batch.place)
    return done


class _Told:
    """The file of refused records: made with the first one, `line TAB reason TAB text`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> "_Told":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, refusals: Iterable[Refusal]) -> None:
        """Write some more."""
        for one in refusals:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8")
                self._file.write("line\treason\ttext\n")
            text = one.text.replace("\t", " ").replace("\r", " ").replace("\n", " ")
            self._file.write(f"{one.line}\t{one.reason}\t{text}\n")


@contextmanager
def _progress(size: int) -> Iterator[tuple[Progress, TaskID]]:
    """Show a bar on standard error, where that is a terminal."""
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[counts]}"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bar:
        yield bar, bar.add_task("reading", total=size, counts="")


def _tell(tally: Tally, first: list[Refusal], told_in: Path, *, apply: bool, import_id: UUID | None) -> None:
    console = output.console()
    table = output.table("Imported" if apply else "What would be done", "what", "count", right=("count",))
    words = {
        "records": "records in the file",
        "added": "entries added" if apply else "entries to add",
        "updated": "entries updated" if apply else "entries to update",
        "unchanged": "entries unchanged",
        "refused": "records refused",
    }
    for name, text in words.items():
        table.add_row(text, output.number(getattr(tally, name)))
    console.print(table)
    for one in first:
        console.print(f"line {one.line}: {one.reason}: {one.text}" if one.text else f"line {one.line}: {one.reason}")
    if tally.refused:
        console.print(f"All that was refused is in {told_in}", soft_wrap=True)
    if import_id is not None:
        console.print(f"This is import {import_id}; the entries name it as their provenance.")
    else:
        console.print("Nothing was changed. --apply does it.")


def export_file(
    to: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Default: standard output.", show_default=False)
    ] = None,
    subaccount: Annotated[
        int | None, typer.Option("--subaccount", min=0, max=2**31 - 1, help="Of one alone. Default: of all.", show_default=False)
    ] = None,
    account: AccountOption = None,
) -> None:
    """Write the suppression list as CSV; `homing suppressions import` takes it back."""

    async def work(out: IO[str]) -> None:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            async for text in export.csv_text(pool, Filters(account_id=owner.account_id, subaccount_id=subaccount)):
                out.write(text)

    if to is None:
        reach.run(work(sys.stdout))
        sys.stdout.flush()
        return
    part = to.with_name(to.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as out:
            reach.run(work(out))
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def list_imports(account: AccountOption = None, json: JsonOption = False) -> None:
    """List the latest imports, by command and by API: how far they are, and what they did."""

    async def work() -> tuple[str, list[Import]]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return owner.name, await imports.latest(pool, owner.account_id)

    owner, found = reach.run(work())
    if json:
        output.print_json({"account": owner, "imports": [_facts(one) for one in found]})
        return
    numbers = ("records", "added", "updated", "unchanged", "refused")
    table = output.table(f"Imports of {owner}", "import", "from", "name", "state", "begun", *numbers, right=numbers)
    now = datetime.now(UTC)
    for one in found:
        state = f"{one.state}: {one.why}" if one.why else one.state
        if one.state == "running" and one.size_bytes:
            state = f"{one.state}, {min(100, one.bytes_done * 100 // one.size_bytes)} %"
        table.add_row(
            str(one.import_id),
            one.terms.form,
            one.name,
            state,
            output.relative(one.began_at or one.made_at, now),
            *(output.number(getattr(one.tally, name)) for name in numbers),
        )
    output.console().print(table if found else f"{owner} has imported nothing lately")


def _facts(one: Import) -> dict[str, Any]:
    return {
        "import_id": str(one.import_id),
        "state": one.state,
        "reason": one.why,
        "from": one.terms.form,
        "kind": one.terms.kind,
        "type": one.terms.type,
        "name": one.name,
        "by": "command" if one.by_command else "api",
        "size_bytes": one.size_bytes,
        "bytes_done": one.bytes_done,
        **{name: getattr(one.tally, name) for name in one.tally.__struct_fields__},
        "made_at": one.made_at,
        "began_at": one.began_at,
        "ended_at": one.ended_at,
    }
