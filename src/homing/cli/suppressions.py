"""`homing suppressions`: who must not be written to, and what put them there."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from homing.accounts.types import Account
from homing.cli import output, reach, suppression_files
from homing.cli.keys import AccountOption, JsonOption
from homing.ground.errors import Misuse
from homing.message.addresses import BadAddress, parse_address
from homing.recipients import store
from homing.recipients.rules import provenance
from homing.recipients.types import Suppression

app = typer.Typer(help="Look at the suppression list; import and export it.", no_args_is_help=True)
app.command("import")(suppression_files.import_file)
app.command("export")(suppression_files.export_file)
app.command("imports")(suppression_files.list_imports)


@app.command("show")
def show(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="A recipient.", show_default=False)],
    account: AccountOption = None,
    json: JsonOption = False,
) -> None:
    """Show what stops mail to an address, and the event, call or import that put it on the list."""
    try:
        recipient = parse_address(address.strip()).text.lower()
    except BadAddress as trouble:
        raise Misuse(f"{address}: {trouble}") from trouble

    async def work() -> tuple[Account, list[Suppression]]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return owner, await store.rows_of(pool, owner.account_id, recipient)

    owner, rows = reach.run(work())
    if json:
        output.print_json({"account": owner.name, "recipient": recipient, "suppressions": [_facts(row) for row in rows]})
        return
    if not rows:
        raise reach.NotFound(f"{recipient} is not on the suppression list of {owner.name}")
    now = datetime.now(UTC)
    table = output.table(
        f"{recipient} is on the suppression list of {owner.name}",
        "type", "subaccount", "list", "source", "since", "changed", "put there by", "description",
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row.type,
            str(row.subaccount_id or ""),
            row.list_id,
            row.source,
            output.relative(row.created_at, now),
            output.relative(row.updated_at, now),
            told(row.provenance),
            output.shortened(row.description, 120),
        )
    output.console().print(table)


def told(text: str | None) -> str:
    """Return a provenance as a person reads it, with the command that tells more."""
    match provenance.read(text):
        case ("event", event, which):
            what = f"{event} of a message" if event else "a message"
            return f"{what}; homing trace {which}" if which else what
        case ("api", _, which):
            return f"the API, key {which}" if which else "the API"
        case ("import", _, which):
            return f"import {which}"
        case ("privacy", _, which):
            return f"privacy request {which}"
        case _:
            return "unknown"


def _facts(row: Suppression) -> dict[str, Any]:
    by, event, which = provenance.read(row.provenance)
    return {
        "recipient": row.recipient,
        "subaccount_id": row.subaccount_id,
        "type": row.type,
        "list_id": row.list_id,
        "source": row.source,
        "description": row.description,
        "created": row.created_at,
        "updated": row.updated_at,
        "provenance": row.provenance,
        "put_by": by,
        **({"event": event} if event else {}),
        **(
            {{"event": "message_id", "api": "key_id", "import": "import_id", "privacy": "request_id"}[by]: which}
            if which and by != "unknown"
            else {}
        ),
    }
