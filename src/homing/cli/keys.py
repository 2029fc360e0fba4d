"""`homing key`: make, list and revoke API keys."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from homing.accounts import store, subaccounts
from homing.accounts.grants import KEY_GRANTS, SUBACCOUNT_KEY_GRANTS, check_grants, read_masks
from homing.accounts.types import ApiKey
from homing.cli import output, reach
from homing.ground.errors import Misuse

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="The customer, where there are several.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the key is for.")],
    grant: Annotated[
        list[str] | None,
        typer.Option("--grant", metavar="GRANT", help="What it may do; again for more. Default: everything.", show_default=False),
    ] = None,
    subaccount: Annotated[int, typer.Option("--subaccount", min=0, max=2**31 - 1, help="0: the primary account.")] = 0,
    valid_ip: Annotated[
        list[str] | None,
        typer.Option("--valid-ip", metavar="CIDR", help="Where it may be used from. Default: anywhere.", show_default=False),
    ] = None,
    account: AccountOption = None,
) -> None:
    """Make an API key and print it, alone, on standard output. It cannot be shown again."""
    if not name.strip():
        raise Misuse("a key needs a name; for example --name website")
    grants = grant or sorted(SUBACCOUNT_KEY_GRANTS if subaccount else KEY_GRANTS)
    refused = check_grants(grants, subaccount_id=subaccount)
    if refused:
        there_are = ", ".join(sorted(SUBACCOUNT_KEY_GRANTS if subaccount else KEY_GRANTS))
        whose = "a subaccount's key" if subaccount else "an API key"
        raise Misuse(f"{whose} cannot hold {', '.join(refused)}; there are: {there_are}")
    try:
        masks = [str(network) for network in read_masks(valid_ip or [])]
    except ValueError as trouble:
        raise Misuse(f"--valid-ip: {trouble}; write for example 192.0.2.0/24") from trouble

    async def work() -> str:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account, make=True)
            if subaccount and await subaccounts.one(pool, owner.account_id, subaccount) is None:
                raise reach.NotFound(f"{owner.name} has no subaccount {subaccount}; `homing subaccount list` shows them")
            made = await store.create_key(
                pool, account_id=owner.account_id, label=name.strip(), grants=grants, subaccount_id=subaccount, valid_ips=masks
            )
            return made.clear

    typer.echo(reach.run(work()))


@app.command("list")
def list_keys(account: AccountOption = None, json: JsonOption = False) -> None:
    """List the keys of a customer; the keys themselves are not kept."""

    async def work() -> tuple[str, list[ApiKey]]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return owner.name, await store.list_keys(pool, owner.account_id)

    owner, keys = reach.run(work())
    if json:
        output.print_json({"account": owner, "keys": keys})
        return
    rows = output.table(f"API keys of {owner}", "id", "name", "begins", "subaccount", "grants", "from", "made", right=("id",))
    for key in keys:
        every = frozenset(key.grants) >= (SUBACCOUNT_KEY_GRANTS if key.subaccount_id else KEY_GRANTS)
        rows.add_row(
            str(key.key_id),
            key.label,
            key.short_key + "…",
            str(key.subaccount_id or ""),
            "all" if every else ", ".join(key.grants),
            ", ".join(key.valid_ips) or "anywhere",
            output.relative(key.created_at, datetime.now(UTC)),
        )
    output.console().print(rows if keys else f"{owner} has no API key; `homing key create --name N` makes one.")


@app.command("revoke")
def revoke(
    key_id: Annotated[
        int,
        typer.Argument(metavar="ID", help="The number that `homing key list` shows.", min=1, max=2**63 - 1, show_default=False),
    ],
    account: AccountOption = None,
) -> None:
    """End a key for good. Every door refuses it within five seconds."""

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return await store.revoke_key(pool, owner.account_id, key_id, at=datetime.now(UTC))

    if not reach.run(work()):
        raise reach.NotFound(f"there is no key {key_id} (any more); `homing key list` shows them")
    output.console().print(f"key {key_id} is revoked")
