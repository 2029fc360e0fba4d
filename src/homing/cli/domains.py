"""`homing domain`: the domains that mail may come from, their DKIM records, and whether DNS shows them."""

import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from homing.cli import output, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.domains import registry, store, verify
from homing.domains.rules.names import BadName, domain_name
from homing.domains.rules.status import is_owned
from homing.domains.rules.verify import record_name, record_value
from homing.domains.types import Conflict, DkimKey, SendingDomain
from homing.ground import db
from homing.ground.config import Settings
from homing.ground.errors import Misuse, Permanent
from homing.ground.secrets import MasterKey, load_or_make

app = typer.Typer(help="Add, list and verify the domains that mail may come from.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="For example news.example.com.", show_default=False)]


@app.command("add")
def add(
    name: NameArgument,
    trust: Annotated[
        bool, typer.Option("--trust", help="You vouch for it: mail may come from it without a look at DNS.")
    ] = False,
    account: AccountOption = None,
    json: JsonOption = False,
) -> None:
    """Add a domain with fresh DKIM keys (RSA and Ed25519), and show the records to publish."""
    chosen = reach.settings()
    domain = read_name(name)

    async def work() -> tuple[SendingDomain, list[DkimKey], bool]:
        async with reach.database(chosen) as pool:
            owner = await reach.account(pool, account, make=True)
            made, fresh = await add_domain(pool, master_key(chosen), domain, account_id=owner.account_id, trust=trust)
            return made, (await store.keys_of(pool, [domain]))[domain], fresh

    made, keys, fresh = reach.run(work())
    if json:
        output.print_json(_facts(made, keys))
        return
    console = output.console()
    console.print(Text.assemble((made.domain, "bold"), " is ", "added" if fresh else "yours already", _how(made)))
    if not is_owned(made.status, trusted=made.trusted):
        console.print("Publish these records, then run " + f"`homing domain verify {made.domain}`:")
    else:
        console.print("Receivers check the signatures against these records:")
    _print_records(console, keys)


@app.command("list")
def list_domains(account: AccountOption = None, json: JsonOption = False) -> None:
    """List the domains of a customer."""

    async def work() -> tuple[str, list[SendingDomain], dict[str, list[DkimKey]]]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            found = await store.list_domains(pool, owner.account_id)
            return owner.name, found, await store.keys_of(pool, [one.domain for one in found])

    owner, found, keys = reach.run(work())
    if json:
        output.print_json([_facts(one, keys[one.domain]) for one in found])
        return
    if not found:
        output.console().print(f"{owner} has no domain; `homing domain add NAME` adds one.")
        return
    rows = output.table(f"Domains of {owner}", "domain", "may send", "DKIM", "bounces", "looked at", "subaccount", "selectors")
    for one in found:
        sends = is_owned(one.status, trusted=one.trusted) and one.status.compliance_status == "valid"
        rows.add_row(
            one.domain,
            Text("yes" + (" (trusted)" if one.trusted else ""), style="green") if sends else Text(_not_yet(one), style="yellow"),
            one.status.dkim_status + _doubt(max((key.failures for key in default_keys(one, keys[one.domain])), default=0)),
            _bounces(one),
            "" if one.checked_at is None else f"{one.checked_at:%Y-%m-%d %H:%M}",
            str(one.subaccount_id or "") + (" shared" if one.shared else ""),
            ", ".join(key.selector for key in keys[one.domain]),
        )
    output.console().print(rows)


@app.command("verify")
def verify_domain(name: NameArgument, account: AccountOption = None, json: JsonOption = False) -> None:
    """Look into DNS for the DKIM records of a domain; show what stands there and what should."""
    chosen = reach.settings()
    domain = read_name(name)

    async def work() -> tuple[SendingDomain, list[DkimKey], dict[str, str]]:
        async with reach.database(chosen) as pool:
            owner = await reach.account(pool, account)
            found = await store.get(pool, domain, account_id=owner.account_id)
            if found is None:
                raise reach.NotFound(f"{owner.name} has no domain {domain}; `homing domain add {domain}` adds it")
            keys = (await store.keys_of(pool, [domain]))[domain]
            bounce_host = (chosen.bounce_domain or chosen.hostname or socket.gethostname()).lower()
            checked = await verify.verify(
                found, keys, verify.DomainDns(chosen.dns), dkim=True, bounce_hosts=frozenset({bounce_host})
            )
            kept = await store.set_status(pool, found, checked.status, keys=checked.keys)
            if isinstance(kept, Conflict):
                raise Permanent(f"{domain} or a domain above or beneath it is another customer's")
            if kept is None:
                raise reach.NotFound(f"{domain} was removed meanwhile")
            return kept, checked.keys, checked.dns

    kept, keys, said = reach.run(work())
    verified = kept.status.dkim_status == "valid"
    if json:
        output.print_json({**_facts(kept, keys), "dns": said})
    else:
        _print_verified(kept, keys, said, verified=verified)
    if not verified:
        raise typer.Exit(1)


def _print_verified(kept: SendingDomain, keys: Sequence[DkimKey], said: dict[str, str], *, verified: bool) -> None:
    console = output.console()
    if verified:
        console.print(Text.assemble((kept.domain, "bold"), " is ", ("verified", "bold green"), ": mail may come from it."))
    else:
        console.print(Text.assemble((kept.domain, "bold"), " is ", ("not verified", "bold red"), _how(kept)))
    for key in keys:
        prefix = "dkim" if key.algorithm == "rsa" else f"dkim_{key.algorithm}"
        place = record_name(key.selector, key.signing_domain)
        error = said.get(f"{prefix}_error")
        mark = Text("✓ ", style="green") if error is None else Text("✗ ", style="red")
        console.print(Text("  ").append_text(mark).append(f"{place}: {error or 'as it should be'}"))
    if not verified:
        console.print("Publish these records; then ask again:")
        _print_records(console, keys)


def read_name(text: str) -> str:
    """Return a domain in the form we keep.

    raises   Misuse
    """
    name = domain_name(text.strip())
    if isinstance(name, BadName):
        raise Misuse(name.text)
    return name


def master_key(chosen: Settings) -> MasterKey:
    """Return the master key of the running house.

    raises   NotRunning where there is none yet: only `homing up` makes it
    """
    path = chosen.master_key_path
    try:
        if path.exists():
            return load_or_make(path)
    except PermissionError:
        raise Misuse(f"{path} cannot be read by this user; run the command as the user that runs `homing up`") from None
    raise reach.NotRunning(f"there is no master key at {path}; start `homing up` first")


async def add_domain(pool: db.Pool, key: MasterKey, domain: str, *, account_id: int, trust: bool) -> tuple[SendingDomain, bool]:
    """Add a domain, or vouch for one that is there; returns it and whether it is new.

    raises   Permanent where it is another customer's
    """
    made = await registry.register(pool, key, domain=domain, account_id=account_id, now=datetime.now(UTC), trusted=trust)
    if isinstance(made, SendingDomain):
        return made, True
    known = await store.get(pool, domain, account_id=account_id) if made is Conflict.ALREADY_YOURS else None
    if known is None:
        raise Permanent(f"{domain}, or a domain above or beneath it, is another customer's")
    if not trust or known.trusted:
        return known, False
    vouched = await store.trust(pool, known)
    if not isinstance(vouched, SendingDomain):
        raise Permanent(f"{domain}, or a domain above or beneath it, is another customer's")
    return vouched, False


def default_keys(domain: SendingDomain, keys: Sequence[DkimKey]) -> list[DkimKey]:
    """Return the parts of the key that signs where a message names none."""
    return [key for key in keys if key.key_id == domain.default_key]


def _bounces(domain: SendingDomain) -> str:
    status = domain.status
    by_mx = status.mx_status == "valid" and status.cname_status != "valid"
    shown = status.mx_status if by_mx else status.cname_status
    doubt = _doubt(domain.mx_failures if by_mx else domain.cname_failures)
    return ("default, " if domain.is_default_bounce else "") + shown + doubt


def _doubt(failures: int) -> str:
    """Return what is said of a record that was not found lately, and still counts or was lost."""
    return f" (not found {failures} times)" if failures > 1 else " (not found once)" if failures else ""


def _how(domain: SendingDomain) -> str:
    if domain.trusted:
        return ", on your word: mail may come from it."
    return "." if is_owned(domain.status, trusted=False) else "; mail may come from it once it is verified."


def _not_yet(domain: SendingDomain) -> str:
    """Return that mail may not come from a domain yet, and when it is removed otherwise."""
    return "not yet" + ("" if domain.verify_by is None else f"; removed after {domain.verify_by:%Y-%m-%d}")


def _print_records(console: Console, keys: Sequence[DkimKey]) -> None:
    """Print records as a zone file has them, unbroken, so that they can be copied."""
    for key in keys:
        console.print(Text(f"\n{record_name(key.selector, key.signing_domain)}. IN TXT", style="bold cyan"))
        console.print(Text("  " + quoted(record_value(key.public_key, algorithm=key.algorithm))), soft_wrap=True)


def quoted(value: str) -> str:
    """Return a TXT value in strings of at most 255 characters (RFC 1035 section 3.3)."""
    return " ".join(f'"{value[start : start + 255]}"' for start in range(0, len(value), 255))


def _facts(domain: SendingDomain, keys: Sequence[DkimKey]) -> dict[str, Any]:
    return {
        "domain": domain.domain,
        "subaccount_id": domain.subaccount_id,
        "shared": domain.shared,
        "trusted": domain.trusted,
        "may_send": is_owned(domain.status, trusted=domain.trusted) and domain.status.compliance_status == "valid",
        "status": domain.status,
        "verify_by": domain.verify_by,
        "checked_at": domain.checked_at,
        "failures": {"cname": domain.cname_failures, "mx": domain.mx_failures},
        "tracking_domain": domain.tracking_domain,
        "default_key": domain.default_key,
        "records": [
            {
                "name": record_name(key.selector, key.signing_domain),
                "type": "TXT",
                "value": record_value(key.public_key, algorithm=key.algorithm),
                "status": key.status,
                "key_id": key.key_id,
                "failures": key.failures,
            }
            for key in keys
        ],
    }
