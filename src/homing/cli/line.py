"""`homing line`: what an operator needs of the Severity 1 Line."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from homing.boot.carriers import line_base, line_settings, outbound
from homing.cli import output, reach
from homing.cli.people import somebody
from homing.contracts.types import StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.carriers import Carriers, NotPlaced
from homing.support.line.ladders import test_name
from homing.support.line.rules.offline import OFFLINE, fallback_document
from homing.support.line.rules.rendering import rendered
from homing.support.line.trial import call_ourselves
from homing.support.line.types import Carrier
from homing.support.oncall import runs
from homing.support.oncall.runs import Owed

app = typer.Typer(help="The Severity 1 Line: addresses for the carrier, the document for when we are away.", no_args_is_help=True)
PATIENCE_S = 30.0
CarrierArgument = Annotated[str, typer.Argument(metavar="CARRIER", help="Its name in the file of HOMING_SEV1_CARRIERS.")]


@app.command("fallback")
def print_fallback(carrier: CarrierArgument) -> None:
    """Print the static document that a carrier asks for when we do not answer; it belongs on another host."""
    settings = reach.settings()
    known = line_settings(settings)
    one = known.carriers.get(carrier)
    if one is None:
        raise Misuse(f"there is no carrier {carrier!r}; {_known(list(known.carriers))}")
    at = LineAddresses(line_base(settings), carrier)
    body, _ = rendered(one, fallback_document(known, action=at.step(OFFLINE, 0), status=at.recording(OFFLINE, 0)))
    typer.echo(body.decode())


@app.command("carriers")
def list_carriers(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the carriers, their numbers and the addresses to enter there."""
    settings = reach.settings()
    rows = []
    for name, one in line_settings(settings).carriers.items():
        at = LineAddresses(line_base(settings), name)
        rows.append((name, one.family.value, ", ".join(one.numbers), at.inbound(), at.status()))
    if json:
        output.print_json([dict(zip(("carrier", "family", "numbers", "call", "status"), row, strict=True)) for row in rows])
        return
    table = output.table(
        "Carriers of the Severity 1 Line", "carrier", "family", "numbers", "when a call comes in", "when it changes"
    )
    for row in rows:
        table.add_row(*row)
    output.console().print(
        table if rows else "there is no carrier; HOMING_SEV1_CARRIERS must name a file of carriers (docs/severity1.md shows one)"
    )


@app.command("test")
def try_out(
    carrier: Annotated[str, typer.Argument(metavar="[CARRIER]", help="Default: every one that test calls are set up for.")] = "",
    wake: Annotated[
        str, typer.Option("--wake", metavar="EMAIL", help="Wake this member of the staff, as a call of a customer would.")
    ] = "",
    patience: Annotated[float, typer.Option("--wait", min=1, max=600, help="Seconds.")] = PATIENCE_S,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Call our own numbers through the carrier and the running house: is the call heard, is somebody woken, does he answer?"""
    settings = reach.settings()
    known = line_settings(settings)
    chosen = [one for name, one in known.carriers.items() if one.test_from and carrier in ("", name)]
    if not chosen:
        raise Misuse(
            f"no test call can be made: test_from is not set for {carrier or 'any carrier'}; {_known(list(known.carriers))}"
        )
    carriers = Carriers(outbound(settings), known)

    async def work() -> list[Tried]:
        async with reach.database(settings) as pool:
            member = await somebody(pool, wake) if wake else None
            numbers = [(one, number) for one in chosen for number in one.numbers]
            return [await _tried(pool, carriers, one, number, line_base(settings), member, patience) for one, number in numbers]

    tried = reach.run(work())
    if json:
        output.print_json([msgspec.to_builtins(one) for one in tried])
    else:
        for one in tried:
            output.console().print(f"{one.carrier} {one.number}: {one.said}")
            for page in one.pages:
                output.console().print(f"  {page}")
    if not all(one.good for one in tried):
        raise reach.NotFound("the line does not do all that it should; docs/severity1.md says what a call needs")


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one test call."""

    carrier: str
    number: str
    said: str
    good: bool
    heard_after_s: float | None = None
    pages: tuple[str, ...] = ()


async def _tried(
    pool: db.Pool, carriers: Carriers, one: Carrier, number: str, base: str, member: StaffMember | None, patience: float
) -> Tried:
    wakes = None if member is None else member.person_id
    began = datetime.now(UTC)
    try:
        test_id = await call_ourselves(pool, carriers, one, number, base=base, now=began, wakes=wakes)
    except NotPlaced as trouble:
        return Tried(carrier=one.name, number=number, said=f"the carrier took no call: {trouble}", good=False)
    pages: list[Owed] = []
    try:
        async with asyncio.timeout(patience):
            heard, run = False, None
            while not heard or (wakes is not None and (run is None or not run.next_step or any(page.due_at for page in pages))):
                heard = (await store.sql.test(pool, test_id=test_id))["seen_at"] is not None
                run = await runs.of_obligation(pool, test_name(test_id))
                pages = [] if run is None else await runs.pages_of(pool, run.run_id)
                await asyncio.sleep(0.2)
    except TimeoutError:
        pass
    row = await store.sql.test(pool, test_id=test_id)
    if row["seen_at"] is None:
        return Tried(carrier=one.name, number=number, said="nobody heard the call", good=False)
    after = (row["seen_at"] - row["made_at"]).total_seconds()
    shown = tuple(f"{page.kind}: {page.outcome or 'not yet sent'}" for page in pages)
    woken = wakes is None or any(page.sent_at for page in pages)
    said = f"heard after {after:.1f} s" + (
        "" if member is None else f", {member.name} {'was woken' if woken else 'was not woken'}"
    )
    return Tried(carrier=one.name, number=number, said=said, good=woken, heard_after_s=after, pages=shown)


def _known(names: list[str]) -> str:
    return f"there are {', '.join(names)}" if names else "HOMING_SEV1_CARRIERS names no file"
