"""`homing privacy`: what people asked about their personal data, and how far it is."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from homing.accounts import store as accounts
from homing.cli import output, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.privacy import store
from homing.privacy.types import Ask, PrivacyRequest

app = typer.Typer(help="See what people asked about their personal data.", no_args_is_help=True)

_WORDS = {Ask.FORGET: "be forgotten", Ask.OPT_OUT: "opt out"}


@app.command("list")
def list_(
    account: AccountOption = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are not done.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many to list.")] = 50,
    json: JsonOption = False,
) -> None:
    """List requests to be forgotten and to opt out, newest first. Whom a request that is done was about is not kept."""

    async def work() -> tuple[list[PrivacyRequest], dict[int, str]]:
        async with reach.database(reach.settings()) as pool:
            only = None if account is None else (await reach.account(pool, account)).account_id
            found = await store.latest(pool, account_id=only, open_only=open_only, limit=limit)
            return found, {one.account_id: one.name for one in await accounts.all_accounts(pool)}

    requests, names = reach.run(work())
    if json:
        output.print_json(requests)
        return
    now = datetime.now(UTC)
    rows = output.table(
        "Requests about personal data",
        "id", "customer", "asked to", "addresses", "of", "came", "state", "events erased",
        right=("id", "addresses", "events erased"),
    )  # fmt: skip
    for one in requests:
        rows.add_row(
            str(one.request_id),
            names.get(one.account_id, str(one.account_id)),
            _WORDS[one.ask],
            output.number(one.recipients),
            _of(one),
            output.relative(one.requested_at, now),
            _state(one, now),
            output.number(one.events) if one.ask is Ask.FORGET else "",
        )
    output.console().print(rows if requests else "nobody has asked anything")


def _of(request: PrivacyRequest) -> str:
    if request.subaccount_id is None:
        return "all subaccounts"
    return f"subaccount {request.subaccount_id}" if request.subaccount_id else "primary account"


def _state(request: PrivacyRequest, now: datetime) -> str:
    if request.done_at is not None:
        return f"done {output.relative(request.done_at, now)}"
    if request.looks:
        return f"erased; last look {output.relative(request.due_at, now)}"
    return "under way"
