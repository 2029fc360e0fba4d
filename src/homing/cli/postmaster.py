"""`homing postmaster`: read what people wrote to postmaster@ and abuse@ of this installation."""

import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from homing.cli import output, reach
from homing.inbound.postmaster import KEPT, Letter, latest, one

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def postmaster(
    mail_id: Annotated[
        int | None,
        typer.Argument(metavar="ID", help="Show this mail as it came. Default: the list.", min=1, max=2**62, show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many to list.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show mail to postmaster@ and abuse@ of our own domains, newest first, or one of them."""
    if mail_id is not None:
        _show(mail_id)
        return

    async def work() -> list[Letter]:
        async with reach.database(reach.settings()) as pool:
            return await latest(pool, limit=limit)

    letters = reach.run(work())
    if json:
        output.print_json(letters)
        return
    rows = output.table("Mail for the postmaster", "id", "from", "to", "subject", "came", right=("id",))
    for letter in letters:
        when = output.relative(letter.received_at, datetime.now(UTC))
        rows.add_row(str(letter.mail_id), _plain(letter.mail_from), _plain(letter.rcpt_to), _plain(letter.subject), when)
    output.console().print(rows if letters else f"nobody has written in the last {KEPT.days} days")


def _show(mail_id: int) -> None:
    async def work() -> bytes | None:
        async with reach.database(reach.settings()) as pool:
            return await one(pool, mail_id)

    raw = reach.run(work())
    if raw is None:
        raise reach.NotFound(f"there is no mail {mail_id} (any more); `homing postmaster` lists them")
    typer.echo(_CONTROL.sub("", raw.decode("utf-8", "replace")))


def _plain(text: str) -> str:
    """Return a stranger's text fit for a terminal."""
    return _CONTROL.sub("", text.replace("\n", " "))
