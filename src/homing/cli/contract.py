"""`homing contract`: what a customer was promised, who its TAM is, and whom we may talk to."""

import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from homing.cli import output, reach
from homing.cli.domains import master_key
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.people import ACTOR, somebody
from homing.contracts import contacts, store
from homing.contracts.rules import read_email, read_phone
from homing.contracts.types import EMAIL, Contact, ContactRole, Objectives, OrderForm, Phone, Tam
from homing.ground.errors import Misuse
from homing.hours.types import HolidaySet, ServiceZone

app = typer.Typer(help="Order Forms, TAM, contacts, PIN and audit of a customer.", no_args_is_help=True)

FromOption = Annotated[str, typer.Option("--from", metavar="TIME", help="now, or a time with offset such as 2026-12-01T00:00Z.")]
_SETS = {
    ServiceZone.ET: (HolidaySet.US_FRB, HolidaySet.US_FED),
    ServiceZone.PT: (HolidaySet.US_FRB, HolidaySet.US_FED),
    ServiceZone.UK: (HolidaySet.GB_EAW, HolidaySet.GB_SCT, HolidaySet.GB_NIR),
}
_PIN_TRIES = 20


@app.command("show")
def show(account: AccountOption = None, json: JsonOption = False) -> None:
    """Show what a customer was promised, by whom it is kept, and whom we may talk to."""

    async def work() -> tuple[str, list[OrderForm], Tam | None, list[Contact]]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            number = owner.account_id
            return (
                owner.name,
                await store.order_forms_of(pool, number),
                await store.tam_at(pool, number, datetime.now(UTC)),
                await contacts.of_account(pool, number),
            )

    name, forms, tam, people = reach.run(work())
    if json:
        output.print_json({"account": name, "order_forms": forms, "tam": tam, "contacts": people})
        return
    rows = output.table(f"Order Forms of {name}", "service", "plan", "hours", "Severity 1", "from", "until", "uptime")
    for form in forms:
        rows.add_row(
            form.service,
            form.plan,
            f"{form.zone}/{form.holiday_set}",
            "yes" if form.sev1_entitled else "no",
            output.clock(form.begins_at),
            output.clock(form.ends_at) if form.ends_at else "-",
            f"{form.target_uptime.normalize():f} %",
        )
    console = output.console()
    console.print(rows if forms else f"{name} has no Order Form; `homing contract add` records one.")
    if tam is None:
        console.print("Technical Account Manager: nobody; `homing contract tam EMAIL` assigns one (clause B1)")
    else:
        away = "" if tam.acting == tam.primary else f"; {tam.acting.name} stands in ({tam.away_because})"
        console.print(f"Technical Account Manager: {tam.primary.name} <{tam.primary.email}> {tam.primary.phone}{away}")
    if people:
        table = output.table("Contacts", "number", "name", "address", "phones", "may", right=("number",))
        for one in people:
            may = [one.role.value, *(["sign"] if one.may_sign else []), *(["open Severity 1"] if one.may_open_sev1 else [])]
            phones = ", ".join(phone.number + ("" if phone.verified_at else " (not verified)") for phone in one.phones)
            address = one.email + ("" if one.email_verified_at else " (not verified)")
            table.add_row(str(one.contact_id), one.name, address, phones or "-", ", ".join(may))
        console.print(table)
    authorised = sum(one.role is ContactRole.AUTHORISED for one in people)
    if authorised < contacts.LEAST_AUTHORISED:
        console.print(f"{authorised} authorised contacts: before going live there must be {contacts.LEAST_AUTHORISED}")


@app.command("add")
def add(
    zone: Annotated[ServiceZone, typer.Option("--zone", case_sensitive=False, help="Service Time Zone (clause B3).")],
    plan: Annotated[str, typer.Option("--plan", metavar="NAME", help="What was bought.")],
    holidays: Annotated[
        HolidaySet | None,
        typer.Option("--holidays", case_sensitive=False, help="Default: US-FRB, or GB-EAW.", show_default=False),
    ] = None,
    sev1: Annotated[bool, typer.Option("--sev1/--no-sev1", help="May call the Severity 1 Line.")] = True,
    service: Annotated[str, typer.Option("--service", metavar="NAME", help="Where a part has an Order Form of its own.")] = EMAIL,
    begins: FromOption = "now",
    first_response: Annotated[int, typer.Option(min=60, help="Objective in seconds of Business Hours.")] = 14_400,
    cadence: Annotated[int, typer.Option(min=60, help="Seconds between updates before a cadence is agreed.")] = 3_600,
    uptime: Annotated[str, typer.Option(metavar="PERCENT", help="Target of a month.")] = "99.99",
    account: AccountOption = None,
) -> None:
    """Record an Order Form. The one in force for the same service ends when it begins."""
    chosen = holidays or _SETS[zone][0]
    if chosen not in _SETS[zone]:
        raise Misuse(f"{chosen} is no holiday set of {zone}; there are {', '.join(_SETS[zone])}")
    if not plan.strip() or not service.strip() or "\0" in plan + service:
        raise Misuse("--plan and --service must say something")
    form = OrderForm(
        order_form_id=0,
        account_id=0,
        service=service.strip(),
        plan=plan.strip(),
        zone=zone,
        holiday_set=chosen,
        sev1_entitled=sev1,
        objectives=Objectives(first_response_s=first_response),
        cadence_s=cadence,
        target_uptime=_percent(uptime),
        begins_at=_moment(begins),
        ends_at=None,
        recorded_at=datetime.now(UTC),
        recorded_by=ACTOR,
    )

    async def work() -> OrderForm | None:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return await store.add_order_form(pool, _of(form, owner.account_id), actor=ACTOR)

    made = reach.run(work())
    if made is None:
        raise Misuse("an Order Form of that service begins at that time or later already; `homing contract show` lists them")
    output.console().print(f"Order Form {made.order_form_id}: {made.plan}, {zone}/{chosen}, from {output.clock(made.begins_at)}")


@app.command("tam")
def tam(
    who: Annotated[str, typer.Argument(metavar="EMAIL", help="A member of the staff with the role tam.", show_default=False)],
    begins: FromOption = "now",
    account: AccountOption = None,
) -> None:
    """Make somebody the customer's Technical Account Manager (clause B1); whoever it is then ends at that instant."""
    moment = _moment(begins)

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            owner, member = await reach.account(pool, account), await somebody(pool, who)
            if "tam" not in member.roles:
                raise Misuse(f"{member.name} does not hold the role tam; `homing staff change {who} --role tam` gives it")
            return await store.assign_tam(pool, owner.account_id, member.person_id, begins_at=moment, actor=ACTOR)

    if not reach.run(work()):
        raise Misuse("somebody is assigned from that time or later already")
    output.console().print(f"{who} is the Technical Account Manager from {output.clock(moment)}")


@app.command("cover")
def cover(
    who: Annotated[str, typer.Argument(metavar="EMAIL", help="Who is away.", show_default=False)],
    by: Annotated[str, typer.Option("--by", metavar="EMAIL", help="Who stands in.")],
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="A time with offset.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; customers may read it.")],
    begins: FromOption = "now",
) -> None:
    """Let somebody stand in while a TAM is away."""
    start, end = _moment(begins), _moment(until)
    if end <= start:
        raise Misuse("--until must be later than --from")

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            away, delegate = await somebody(pool, who), await somebody(pool, by)
            if away.person_id == delegate.person_id:
                raise Misuse("nobody stands in for himself")
            return await store.add_cover(
                pool, away.person_id, delegate.person_id, begins_at=start, ends_at=end, reason=reason, actor=ACTOR
            )

    if not reach.run(work()):
        raise Misuse("somebody stands in within that time already")
    output.console().print(f"{by} stands in for {who} until {output.clock(end)}")


@app.command("contact")
def contact(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="His name.")],
    email: Annotated[str, typer.Option("--email", metavar="ADDRESS", help="His address.")],
    phone: Annotated[
        list[str] | None,
        typer.Option("--phone", metavar="NUMBER", help="With country code; again for more.", show_default=False),
    ] = None,
    viewer: Annotated[bool, typer.Option("--viewer", help="May look, and nothing else.")] = False,
    sign: Annotated[bool, typer.Option("--sign/--no-sign", help="May sign resolutions.")] = True,
    sev1: Annotated[bool, typer.Option("--sev1/--no-sev1", help="May open Severity 1.")] = True,
    account: AccountOption = None,
) -> None:
    """Add somebody of the customer whom we may talk to."""
    wanted = Contact(
        contact_id=0,
        account_id=0,
        name=name.strip(),
        email=read_email(email),
        email_verified_at=None,
        role=ContactRole.VIEWER if viewer else ContactRole.AUTHORISED,
        may_sign=sign and not viewer,
        may_open_sev1=sev1 and not viewer,
        language="en",
        phones=tuple(Phone(number) for number in dict.fromkeys(read_phone(one) for one in phone or [])),
    )
    if not wanted.name or not wanted.name.isprintable():
        raise Misuse("--name must be printable")

    async def work() -> Contact | None:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return await contacts.add(pool, _of(wanted, owner.account_id), actor=ACTOR)

    made = reach.run(work())
    if made is None:
        raise Misuse(f"the customer has a contact {wanted.email} already")
    output.console().print(f"contact {made.contact_id}: {made.name} <{made.email}>")


@app.command("pin")
def pin(account: AccountOption = None) -> None:
    """Make a new support PIN and print it, alone, on standard output. It cannot be shown again; the old one is void."""

    async def work() -> str:
        chosen = reach.settings()
        async with reach.database(chosen) as pool:
            owner = await reach.account(pool, account)
            for _ in range(_PIN_TRIES):
                made = f"{secrets.randbelow(10**8):08d}"
                if await contacts.set_pin(pool, master_key(chosen), owner.account_id, made, actor=ACTOR):
                    return made
            raise Misuse("no PIN was free; try again")

    typer.echo(reach.run(work()))


@app.command("audit")
def audit(
    account: AccountOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Of every customer and of the staff.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows.")] = 50,
    json: JsonOption = False,
) -> None:
    """Show who changed what, the latest first."""

    async def work() -> list[Any]:
        async with reach.database(reach.settings()) as pool:
            number = None if everything else (await reach.account(pool, account)).account_id
            return await store.audit_of(pool, number, limit=limit)

    found = reach.run(work())
    if json:
        output.print_json(found)
        return
    rows = output.table("Audit", "at", "who", "did", "to")
    for entry in found:
        rows.add_row(output.clock(entry.at), entry.actor, entry.action, entry.subject)
    output.console().print(rows if found else "nothing was changed yet")


def _of(thing: Any, account_id: int) -> Any:
    return type(thing)(**{**{name: getattr(thing, name) for name in thing.__struct_fields__}, "account_id": account_id})


def _moment(text: str) -> datetime:
    if text == "now":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misuse(f"'{text[:40]}' is no time; write now, or for example 2026-12-01T00:00Z") from None
    if moment.tzinfo is None:
        raise Misuse(f"'{text[:40]}' needs an offset: Z, or for example -05:00")
    if abs(moment - datetime.now(UTC)) > timedelta(days=36_500):
        raise Misuse(f"'{text[:40]}' is more than a hundred years away")
    return moment


def _percent(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not 0 < value <= 100:
        raise Misuse("--uptime must be a percentage such as 99.99")
    return value
