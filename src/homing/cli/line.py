"""`homing line`: what an operator needs of the Severity 1 Line."""

from typing import Annotated

import typer

from homing.api.telephony import rendered
from homing.boot.line import line_base, line_settings
from homing.cli import output, reach
from homing.ground.errors import Misuse
from homing.support.line.addresses import LineAddresses
from homing.support.line.desk import OFFLINE, fallback_document

app = typer.Typer(help="The Severity 1 Line: addresses for the carrier, the document for when we are away.", no_args_is_help=True)
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
    output.console().print(table if rows else "none; HOMING_SEV1_CARRIERS names no file")


def _known(names: list[str]) -> str:
    return f"there are {', '.join(names)}" if names else "HOMING_SEV1_CARRIERS names no file"
