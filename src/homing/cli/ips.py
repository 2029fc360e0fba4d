"""`homing ips` and `homing pools`: the addresses that customers have of their own, and how far each is warmed up."""

import ipaddress
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from homing.accounts import store as accounts
from homing.cli import control, output, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.delivery.room import name_of
from homing.egress import pair_store, store, warmup_store
from homing.egress.pair_store import Key
from homing.egress.rules.pairs import Pair
from homing.egress.rules.warmup import LAST_STAGE, Tally, per_day, per_hour, room
from homing.egress.types import DEFAULT_POOL, IpPool, SendingIp, WhenFull
from homing.ground import db
from homing.ground.config import Settings
from homing.ground.errors import Misuse

app = typer.Typer(help="Show, give and take sending IPs; begin and end their warm-up.", invoke_without_command=True)

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="For example 192.0.2.10.", show_default=False)]


@app.callback()
def show(context: typer.Context, account: AccountOption = None, json: JsonOption = False) -> None:
    """Show the addresses that belong to customers: pool, stage of warm-up, and what was sent of today's volume."""
    if context.invoked_subcommand is not None:
        return
    chosen, now = reach.settings(), datetime.now(UTC)

    async def work() -> list[dict[str, Any]]:
        async with reach.database(chosen) as pool:
            owner = None if account is None else (await reach.account(pool, account)).account_id
            found = await store.sending_ips(pool, owner)
            names = await _names(pool)
            tallies = await warmup_store.tallies(pool, [ip.address for ip in found], since=now.date())
            pairs = await pair_store.of_addresses(pool, [ip.address for ip in found if ip.stage is not None])
            return [{**_facts(ip, names, tallies[ip.address], now), "providers": _caps(pairs, ip.address)} for ip in found]

    listed = reach.run(work())
    if json:
        output.print_json({"ips": listed, "shared": _shared(chosen, listed) if account is None else None})
        return
    console = output.console()
    if not listed:
        console.print("No customer has an address of his own; `homing ips assign ADDRESS` gives one.")
    else:
        console.print(_table(listed))
    if account is None:
        shared = _shared(chosen, listed)
        console.print(f"Shared by all customers: {', '.join(shared) if shared else 'what the system chooses'}.")


@app.command("assign")
def assign(
    address: AddressArgument,
    account: AccountOption = None,
    pool_id: Annotated[str, typer.Option("--pool", metavar="ID", help="The pool that it comes into.")] = DEFAULT_POOL,
    ehlo: Annotated[
        str | None,
        typer.Option(
            "--ehlo", metavar="NAME", help="Its reverse DNS name. Default: as in HOMING_SOURCE_IPS.", show_default=False
        ),
    ] = None,
    warm: Annotated[bool, typer.Option("--warm", help="It is warm already: no automatic warm-up.")] = False,
    customer_provided: Annotated[bool, typer.Option("--customer-provided", help="The customer brought it along.")] = False,
    json: JsonOption = False,
) -> None:
    """Give a customer an address for his mail alone. Its automatic warm-up begins at stage 1."""
    chosen, named, today = reach.settings(), _read(address), datetime.now(UTC).date()
    configured = {source.address: source.ehlo for source in chosen.source_ips}
    hostname = ehlo or configured.get(named) or chosen.hostname or socket.gethostname()

    async def work() -> tuple[str, SendingIp]:
        async with reach.database(chosen) as pool:
            owner = await reach.account(pool, account)
            made = SendingIp(
                address=named,
                hostname=hostname,
                account_id=owner.account_id,
                pool_id=pool_id.lower(),
                customer_provided=customer_provided,
                stage=None if warm else 1,
            )
            try:
                await store.assign(pool, made, today=today)
            except store.Taken:
                raise Misuse(f"{named} belongs to a customer already; `homing ips release {named}` takes it back") from None
            except store.NoSuchPool:
                raise reach.NotFound(f"{owner.name} has no pool {pool_id}; `homing pools` shows what there is") from None
            return owner.name, made

    owner, made = reach.run(work())
    if json:
        output.print_json(made)
    else:
        how = "warm" if warm else f"warming up at stage 1 ({output.number(per_day(1))} a day)"
        output.console().print(Text.assemble((named, "bold"), f" is {owner}'s, in the pool {made.pool_id}, {how}."))
    trouble = _unusable(named)
    if trouble:
        output.remark(f"this machine cannot send from {named} ({trouble}); add the address to one of its interfaces")
    if configured and not set(configured) - {named}:
        output.remark("no shared address is left: mail of customers without one leaves by what the system chooses")


@app.command("release")
def release(address: AddressArgument) -> None:
    """Take an address back from its customer; it is shared again if HOMING_SOURCE_IPS names it."""
    chosen, named = reach.settings(), _read(address)

    async def work() -> bool:
        async with reach.database(chosen) as pool:
            return await store.release(pool, named)

    if not reach.run(work()):
        raise reach.NotFound(f"{named} belongs to no customer")
    shared = named in {source.address for source in chosen.source_ips}
    output.console().print(f"{named} belongs to no customer now" + ("; it is shared." if shared else " and is not used."))


@app.command("warmup")
def warmup(
    address: AddressArgument,
    stage: Annotated[
        int | None, typer.Option("--stage", min=1, max=LAST_STAGE, help="Go on from this stage; up or down.", show_default=False)
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="End it: the address is warm.")] = False,
) -> None:
    """Begin the automatic warm-up of an address at stage 1, set its stage, or end it."""
    if off and stage is not None:
        raise Misuse("--off and --stage exclude each other")
    named, today = _read(address), datetime.now(UTC).date()
    wanted = None if off else stage or 1

    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            found = await store.sending_ips(pool, address=named)
            if found:
                async with store.changing_ip(pool, found[0].account_id, named) as held:
                    if held is not None:
                        await held.set_stage(wanted, today=today)
                        return
            raise reach.NotFound(f"{named} belongs to no customer; `homing ips assign {named}` gives it to one")

    reach.run(work())
    if wanted is None:
        output.console().print(f"{named} is warm: nothing limits it but what receivers take.")
    else:
        output.console().print(f"{named} warms up at stage {wanted}: {output.number(per_day(wanted))} messages a day.")


def pools(account: AccountOption = None, json: JsonOption = False) -> None:
    """Show the pools of customers: their addresses, where their overflow goes, and whose mail waits for room."""
    chosen = reach.settings()

    async def work() -> list[dict[str, Any]]:
        waiting = control.pools_without_room(await control.ask(chosen, "snapshot"))
        async with reach.database(chosen) as pool:
            owners = [await reach.account(pool, account)] if account is not None else await accounts.all_accounts(pool)
            found: list[dict[str, Any]] = []
            for owner in owners:
                ips = await store.sending_ips(pool, owner.account_id)
                found += [
                    _pool_facts(one, owner.name, ips, waits=name_of(owner.account_id, one.pool_id) in waiting)
                    for one in (await store.pools_of(pool, owner.account_id)).values()
                ]
            return found

    listed = reach.run(work())
    if json:
        output.print_json(listed)
        return
    rows = output.table("", "customer", "pool", "name", "addresses", "overflow", "without room", "signs", "waits now")
    for one in listed:
        rows.add_row(
            one["account"],
            one["id"],
            one["name"],
            ", ".join(one["ips"]) or "shared",
            one["overflow_pool"] or "–",
            "mail waits" if one["when_full"] is WhenFull.WAIT else "sends all the same",
            ", ".join(filter(None, (one["signing_domain"], one["fbl_signing_domain"]))) or "From domain",
            Text("mail waits", style="yellow") if one["waits"] else "",
        )
    output.console().print(rows)


def _facts(ip: SendingIp, names: dict[int, str], tallies: Sequence[Tally], now: datetime) -> dict[str, Any]:
    today = tallies[-1] if tallies else Tally(day=now.date())
    return {
        "address": ip.address,
        "hostname": ip.hostname,
        "account": names.get(ip.account_id, str(ip.account_id)),
        "pool": ip.pool_id,
        "customer_provided": ip.customer_provided,
        "stage": ip.stage,
        "per_day": None if ip.stage is None else per_day(ip.stage),
        "per_hour": None if ip.stage is None else per_hour(ip.stage),
        "room": None if ip.stage is None else room(ip.stage, today, now=now),
        "sent": today.sent,
        "put_off": today.put_off,
        "beyond": today.beyond,
        "delivered": today.delivered,
        "hard_bounced": today.hard_bounced,
        "blocked": today.blocked,
        "complained": today.complained,
    }


def _caps(pairs: Mapping[Key, Pair], address: str) -> dict[str, int]:
    """Return how much an address may send in a day to each big provider that it has sent to."""
    return {key.provider: pair.cap for key, pair in pairs.items() if key.address == address}


def _table(listed: Sequence[dict[str, Any]]) -> Any:
    numbers = ("sent today", "of", "delivered", "put off", "beyond", "room now")
    rows = output.table("", "address", "name", "customer", "pool", "warm-up", *numbers, right=numbers, nowrap=("address",))
    for one in listed:
        if one["stage"] is None:
            rows.add_row(one["address"], one["hostname"], one["account"], one["pool"], Text("warm", style="green"), *[""] * 6)
            continue
        rows.add_row(
            one["address"],
            one["hostname"],
            one["account"],
            one["pool"],
            Text(f"stage {one['stage']}", style="yellow"),
            *(output.number(one[name]) for name in ("sent", "per_day", "delivered", "put_off", "beyond", "room")),
        )
    return rows


def _pool_facts(pool: IpPool, owner: str, ips: Sequence[SendingIp], *, waits: bool) -> dict[str, Any]:
    return {
        "account": owner,
        "id": pool.pool_id,
        "name": pool.name,
        "ips": [ip.address for ip in ips if ip.pool_id == pool.pool_id],
        "overflow_pool": pool.overflow_pool,
        "when_full": pool.when_full,
        "signing_domain": pool.signing_domain,
        "fbl_signing_domain": pool.fbl_signing_domain,
        "waits": waits,
    }


async def _names(pool: db.Pool) -> dict[int, str]:
    return {one.account_id: one.name for one in await accounts.all_accounts(pool)}


def _shared(chosen: Settings, listed: Sequence[dict[str, Any]]) -> list[str]:
    taken = {one["address"] for one in listed}
    return [source.address for source in chosen.source_ips if source.address not in taken]


def _read(text: str) -> str:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        raise Misuse(f"{text!r} is no IP address; write for example 192.0.2.10") from None
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id is not None:
        raise Misuse(f"{text!r} is an address of one link; mail cannot leave from it")
    return str(found)


def _unusable(address: str) -> str:
    """Return why this machine cannot send from an address; '' where it can."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.bind((address, 0))
    except OSError as trouble:
        return trouble.strerror or str(trouble)
    return ""
