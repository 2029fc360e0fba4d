"""`homing account` and `homing subaccount`: who our customers are, whether they may send, and how much."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from msgspec import structs

from homing.accounts import store, subaccounts, usage, validations
from homing.accounts.types import Account, Limits, Subaccount, SubaccountStatus
from homing.accounts.usage import Usage
from homing.cli import output, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.ground import db
from homing.ground.errors import Misuse

app = typer.Typer(help="Customers: list, make, suspend, limit.", no_args_is_help=True)
subaccount_app = typer.Typer(help="Subaccounts of a customer: list, make, suspend.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The customer, by name or number.", show_default=False)]
NumberArgument = Annotated[
    int, typer.Argument(metavar="NUMBER", help="As `homing subaccount list` shows it.", min=1, max=2**31 - 1, show_default=False)
]
LimitOption = Annotated[str | None, typer.Option(metavar="MESSAGES|none", show_default=False)]
AddressLimitOption = Annotated[str | None, typer.Option(metavar="ADDRESSES|none", show_default=False)]


@app.command("list")
def list_accounts(json: JsonOption = False) -> None:
    """List the customers, with what they have sent and may send."""

    async def work() -> list[tuple[Account, Usage]]:
        async with reach.database(reach.settings()) as pool:
            now = datetime.now(UTC)
            everybody = await store.all_accounts(pool)
            return [(one, await usage.of_account(pool, one.account_id, now=now)) for one in everybody]

    found = reach.run(work())
    if json:
        output.print_json([_shown(account, used) for account, used in found])
        return
    rows = output.table("Customers", "number", "name", "state", "this hour", "today", "this month", right=("number",))
    for account, used in found:
        limits, counts = account.limits, used.used
        rows.add_row(
            str(account.account_id),
            account.name,
            "suspended" if account.suspended_at else "active",
            _of(counts.hour, limits.hourly),
            _of(counts.day, limits.daily),
            _of(counts.month, limits.monthly),
        )
    output.console().print(rows if found else "there is no customer yet; `homing account create NAME` makes one.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the customer is called here.", show_default=False)],
) -> None:
    """Make a customer. It needs a key next: `homing key create --account NAME`."""
    wanted = name.strip()
    if not wanted or len(wanted) > 255 or not wanted.isprintable() or wanted.isdigit():
        raise Misuse("a customer's name is 1 to 255 printable characters, and no number")

    async def work() -> Account | None:
        async with reach.database(reach.settings()) as pool:
            return await store.create_account(pool, wanted)

    made = reach.run(work())
    if made is None:
        raise Misuse(f"there is a customer {wanted!r} already")
    output.console().print(f"customer {made.name} is number {made.account_id}")


@app.command("suspend")
def suspend(name: NameArgument) -> None:
    """Let a customer read, but not send or change anything. What waits in the queue is still delivered."""
    _suspend(name, datetime.now(UTC))
    output.console().print(f"{name} is suspended; every door refuses it within five seconds, and its mail waits")


@app.command("resume")
def resume(name: NameArgument) -> None:
    """Let a suspended customer work again."""
    _suspend(name, None)
    output.console().print(f"{name} may send again")


@app.command("limit")
def limit(
    name: NameArgument,
    hourly: LimitOption = None,
    daily: LimitOption = None,
    monthly: LimitOption = None,
    validation_daily: AddressLimitOption = None,
    validation_monthly: AddressLimitOption = None,
) -> None:
    """Say how many messages a customer may send in an hour, a day and a month of UTC, and how many addresses it may have
    validated; none: as many as it likes.
    """
    sending = _wanted({"hourly": hourly, "daily": daily, "monthly": monthly})
    validating = _wanted({"daily": validation_daily, "monthly": validation_monthly}, kind="validation-")
    if not sending and not validating:
        raise Misuse("say which limit: --hourly, --daily or --monthly, with a number or `none`; see --help for more")

    async def work() -> tuple[Limits, Limits]:
        async with reach.database(reach.settings()) as pool:
            account = await reach.account(pool, name)
            limits = structs.replace(account.limits, **sending)
            validation = structs.replace(await validations.limits_of(pool, account.account_id), **validating)
            if sending:
                await store.set_limits(pool, account.account_id, limits)
            if validating:
                await validations.set_limits(pool, account.account_id, validation)
            return limits, validation

    limits, validation = reach.run(work())
    output.console().print(f"{name} may send {_told(limits)}")
    if validation.any:
        output.console().print(f"{name} may have addresses validated: {_told(validation)}")


@subaccount_app.command("list")
def list_subaccounts(account: AccountOption = None, json: JsonOption = False) -> None:
    """List the subaccounts of a customer."""

    async def work() -> tuple[str, list[Subaccount]]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return owner.name, await subaccounts.of_account(pool, owner.account_id)

    owner, found = reach.run(work())
    if json:
        output.print_json({"account": owner, "subaccounts": found})
        return
    rows = output.table(f"Subaccounts of {owner}", "number", "name", "status", "by us", "pool", "made", right=("number",))
    for one in found:
        rows.add_row(
            str(one.subaccount_id),
            one.name,
            one.status,
            one.compliance_status,
            one.ip_pool,
            output.relative(one.created_at, datetime.now(UTC)),
        )
    output.console().print(rows if found else f"{owner} has no subaccount; `homing subaccount create NAME` makes one.")


@subaccount_app.command("create")
def create_subaccount(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Up to 64 characters.", show_default=False)],
    account: AccountOption = None,
) -> None:
    """Make a subaccount and print its number, alone, on standard output."""
    wanted = name.strip()
    if not wanted or len(wanted) > 64 or not wanted.isprintable():
        raise Misuse("a subaccount's name is 1 to 64 printable characters")

    async def work() -> int:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            with db.trouble_is_temporary():
                async with pool.acquire() as connection, connection.transaction():
                    return (await subaccounts.create(connection, owner.account_id, name=wanted)).subaccount_id

    typer.echo(reach.run(work()))


@subaccount_app.command("suspend")
def suspend_subaccount(number: NumberArgument, account: AccountOption = None) -> None:
    """Let a subaccount read, but not send or change anything; its customer cannot undo that."""
    _comply(number, account, SubaccountStatus.SUSPENDED)
    output.console().print(f"subaccount {number} is suspended; every door refuses it within five seconds, and its mail waits")


@subaccount_app.command("resume")
def resume_subaccount(number: NumberArgument, account: AccountOption = None) -> None:
    """Let a subaccount that we suspended work again, as far as its customer lets it."""
    _comply(number, account, SubaccountStatus.ACTIVE)
    output.console().print(f"subaccount {number} may work again")


def _suspend(name: str, at: datetime | None) -> None:
    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            await store.suspend(pool, (await reach.account(pool, name)).account_id, at=at)

    reach.run(work())


def _comply(number: int, account: str | None, status: SubaccountStatus) -> None:
    async def work() -> tuple[str, bool]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return owner.name, await subaccounts.set_compliance(pool, owner.account_id, number, status.value)

    owner, found = reach.run(work())
    if not found:
        raise reach.NotFound(f"{owner} has no subaccount {number}; `homing subaccount list` shows them")


def _wanted(given: Mapping[str, str | None], *, kind: str = "") -> dict[str, int | None]:
    """Return the limits that are said. kind: what stands before the period in the option."""
    return {period: _limit(kind + period, text) for period, text in given.items() if text is not None}


def _told(limits: Limits) -> str:
    periods = (("an hour", limits.hourly), ("a day", limits.daily), ("a month", limits.monthly))
    told = [f"{output.number(most)} {period}" for period, most in periods if most is not None]
    return output.joined(told) or "as much as it likes"


def _limit(period: str, text: str) -> int | None:
    if text.lower() == "none":
        return None
    digits = text.replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise Misuse(f"--{period} takes a number, or `none`")
    return int(digits)


def _of(used: int, most: int | None) -> str:
    return output.number(used) + ("" if most is None else f" of {output.number(most)}")


def _shown(account: Account, found: Usage) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "name": account.name,
        "created_at": account.created_at,
        "suspended_at": account.suspended_at,
        "limits": account.limits,
        "used": found.used,
    }
