"""`homing contract`: what a customer was promised, who its TAM is, and whom we may talk to."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from homing.boot.carriers import line_base, line_settings, outbound
from homing.cli import output, reach
from homing.cli.domains import master_key
from homing.cli.hours_args import words
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.people import ACTOR, somebody
from homing.contracts import contacts, phones, store
from homing.contracts.rules import read_email, read_name, read_percent, read_phone
from homing.contracts.types import EMAIL, Contact, ContactRole, Objectives, OrderForm, Phone, Tam
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.errors import Misuse
from homing.hours.rules.contract import calendar_of
from homing.hours.types import HolidaySet, ServiceZone
from homing.support.clocks.store import ServerClock
from homing.support.line.carriers import NO_CARRIER, Carriers
from homing.support.line.code_calls import CodeCalls

ContactArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The contact's address.", show_default=False)]

app = typer.Typer(help="Order Forms, TAM, contacts, PIN and audit of a customer.", no_args_is_help=True)

MOST_SHOWN = 100  # characters of a detail in a table
MOST_S = 31_536_000  # of an objective: a year
FromOption = Annotated[str, typer.Option("--from", metavar="TIME", help="now, or a time with offset such as 2026-12-01T00:00Z.")]


@app.command("show")
def show(account: AccountOption = None, json: JsonOption = False) -> None:
    """Show what a customer was promised, by whom it is kept, and whom we may talk to."""

    async def work() -> tuple[str, list[OrderForm], Tam | None, list[Contact], datetime | None]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            number = owner.account_id
            return (
                owner.name,
                await store.order_forms_of(pool, number),
                await store.tam_at(pool, number, datetime.now(UTC)),
                await contacts.of_account(pool, number),
                await contacts.pin_set_at(pool, number),
            )

    name, forms, tam, people, pin_set_at = reach.run(work())
    if json:
        output.print_json(
            {"account": name, "order_forms": forms, "tam": tam, "contacts": people, "support_pin_set_at": pin_set_at}
        )
        return
    rows = output.table(f"Order Forms of {name}", "service", "plan", "hours", "Severity 1", "from", "until", "uptime", "recorded")
    for form in forms:
        rows.add_row(
            form.service,
            form.plan,
            f"{form.zone}/{form.holiday_set}",
            "yes" if form.sev1_entitled else "no",
            output.moment(form.begins_at),
            output.moment(form.ends_at) if form.ends_at else "-",
            f"{form.target_uptime.normalize():f} %",
            output.moment(form.recorded_at),
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
    console.print(
        f"support PIN: set at {output.moment(pin_set_at)}" if pin_set_at else "support PIN: none; `homing contract pin` makes one"
    )
    authorised = sum(one.role is ContactRole.AUTHORISED for one in people)
    if authorised < contacts.LEAST_AUTHORISED:
        console.print(
            f"authorised contacts: {authorised} of the {contacts.LEAST_AUTHORISED} that there must be before going live; "
            "`homing contract contact` adds one"
        )


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
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="Default: until another one begins.", show_default=False)
    ] = "",
    first_response: Annotated[
        int, typer.Option(min=60, max=MOST_S, help="Our objective for the first answer, in seconds of Business Hours.")
    ] = 14_400,
    update: Annotated[int, typer.Option(min=60, max=MOST_S, help="Our objective between two answers, likewise.")] = 28_800,
    own: Annotated[int, typer.Option(min=60, max=MOST_S, help="Our objective until somebody takes a case.")] = 3_600,
    tam_reply: Annotated[int, typer.Option(min=60, max=MOST_S, help="Our objective for answers of the TAM.")] = 14_400,
    cadence: Annotated[int, typer.Option(min=60, max=MOST_S, help="Seconds between updates before a cadence is agreed.")] = 3_600,
    uptime: Annotated[str, typer.Option(metavar="PERCENT", help="Target of a month.")] = "99.99",
    account: AccountOption = None,
) -> None:
    """Record an Order Form. The one in force for the same service ends when it begins."""
    chosen = calendar_of(zone, holidays).holiday_set
    if not plan.strip() or not service.strip() or "\0" in plan + service:
        raise Misuse("--plan and --service must say something")
    starts, ends = _moment(begins), _moment(until) if until else None
    if ends is not None and ends <= starts:
        raise Misuse("--until must be later than --from")
    form = OrderForm(
        order_form_id=0,
        account_id=0,
        service=service.strip(),
        plan=plan.strip(),
        zone=zone,
        holiday_set=chosen,
        sev1_entitled=sev1,
        objectives=Objectives(first_response_s=first_response, update_s=update, own_s=own, tam_reply_s=tam_reply),
        cadence_s=cadence,
        target_uptime=read_percent(uptime),
        begins_at=starts,
        ends_at=ends,
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
    output.console().print(f"Order Form {made.order_form_id}: {made.plan}, {zone}/{chosen}, from {output.moment(made.begins_at)}")


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
                roles = " ".join(f"--role {one}" for one in sorted({*member.roles, "tam"}))
                raise Misuse(f"{member.name} does not hold the role tam; `homing staff change {who} {roles}` gives it")
            try:
                return await store.assign_tam(pool, owner.account_id, member.person_id, begins_at=moment, actor=ACTOR)
            except store.NotTam:
                raise Misuse(f"{member.name} has just left, or lost the role tam") from None

    if not reach.run(work()):
        raise Misuse("somebody is assigned from that time or later already")
    output.console().print(f"{who} is the Technical Account Manager from {output.moment(moment)}")


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
    output.console().print(f"{by} stands in for {who} until {output.moment(end)}")


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
        name=read_name(name),
        email=read_email(email),
        email_verified_at=None,
        role=ContactRole.VIEWER if viewer else ContactRole.AUTHORISED,
        may_sign=sign and not viewer,
        may_open_sev1=sev1 and not viewer,
        language="en",
        phones=tuple(Phone(number) for number in dict.fromkeys(read_phone(one) for one in phone or [])),
    )

    async def work() -> Contact | None:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return await contacts.add(pool, _of(wanted, owner.account_id), actor=ACTOR)

    made = reach.run(work())
    if made is None:
        raise Misuse(f"the customer has a contact {wanted.email} already")
    output.console().print(
        f"contact {made.contact_id}: {made.name} <{made.email}>, not verified yet (`homing contract verify {made.email}`)"
    )


@app.command("verify")
def verify(
    who: ContactArgument,
    how: Annotated[str, typer.Option("--how", metavar="TEXT", help="What shows it; the audit keeps it.")] = "",
    phone: Annotated[
        str, typer.Option("--phone", metavar="NUMBER", help="Which number. Default: his address.", show_default=False)
    ] = "",
    code: Annotated[str, typer.Option("--code", metavar="CODE", help="That came to the number, instead of --how.")] = "",
    account: AccountOption = None,
) -> None:
    """Say that a contact's address is his, or a number of his; or show the code that came to the number."""
    if bool(code) == bool(how) or (code and not phone):
        raise Misuse("say --how TEXT, or --phone NUMBER --code CODE")
    said, number = words(how, "--how") if how else "", read_phone(phone) if phone else ""

    async def work() -> None:
        settings = reach.settings()
        async with reach.database(settings) as pool:
            known = await _contact(pool, account, who)
            if number:
                _his(known, number)
            if not number:
                await contacts.verify_email(pool, known, actor=ACTOR, how=said)
            elif not code:
                await contacts.verify_phone(pool, known, number, actor=ACTOR, how=said)
            elif not await phones.show(
                pool, master_key(settings), known, number, code, now=await ServerClock().now(pool), actor=ACTOR
            ):
                raise Misuse("that is not the code, or it is good no more; `homing contract code` sends another")

    reach.run(work())
    output.console().print(f"verified: {number or who}")


@app.command("code")
def code(
    who: ContactArgument,
    phone: Annotated[str, typer.Option("--phone", metavar="NUMBER", help="Which of his numbers.", show_default=False)],
    by: Annotated[
        phones.Way, typer.Option("--by", metavar="WAY", help="text, or voice: a call that reads it out.")
    ] = phones.Way.TEXT,
    account: AccountOption = None,
) -> None:
    """Send a contact a code that shows that a number is his; `homing contract verify --phone NUMBER --code CODE` takes it."""
    number = read_phone(phone)

    async def work() -> None:
        settings = reach.settings()
        known_line, key = line_settings(settings), master_key(settings)
        async with reach.database(settings) as pool:
            known = await _contact(pool, account, who)
            _his(known, number)
            codes = CodeCalls(
                pool, SystemClock(), Carriers(outbound(settings), known_line), known_line, key, base=line_base(settings)
            )
            why = NO_CARRIER if not codes.is_offered else codes.why_not(number)
            if why:
                raise Misuse(why)
            asked = await phones.ask(pool, key, known, number, by, now=await ServerClock().now(pool), actor=ACTOR)
            if asked is None:
                raise Misuse("this number, or this account, was sent too many codes within a day")
            trouble = await codes.bring(number, asked, by)
            if trouble:
                raise Misuse(f"no carrier took it: {trouble}")

    reach.run(work())
    output.console().print(f"{number} is {'called' if by is phones.Way.VOICE else 'sent a code'}; it is good for 10 minutes")


def _his(known: Contact, number: str) -> None:
    if all(one.number != number for one in known.phones):
        numbers = ", ".join(one.number for one in known.phones) or "none"
        raise Misuse(f"{number} is no number of {known.name}; he has {numbers}")


@app.command("remove")
def remove(who: ContactArgument, account: AccountOption = None) -> None:
    """Let somebody be a contact no more. What he signed stays."""

    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            known = await _contact(pool, account, who)
            await contacts.remove(pool, known.account_id, known.contact_id, actor=ACTOR)

    reach.run(work())
    output.console().print(f"{who} is a contact no more")


@app.command("pin")
def pin(account: AccountOption = None) -> None:
    """Make a new support PIN and print it, alone, on standard output. It cannot be shown again; the old one is void."""

    async def work() -> str:
        chosen = reach.settings()
        async with reach.database(chosen) as pool:
            owner = await reach.account(pool, account)
            return await contacts.new_pin(pool, master_key(chosen), owner.account_id, actor=ACTOR)

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
    rows = output.table("Audit", "at", "who", "did", "to", "what")
    for entry in found:
        what = ", ".join(f"{name} {_plain(value)}" for name, value in entry.detail.items())
        rows.add_row(output.moment(entry.at), entry.actor, entry.action, entry.subject, output.shortened(what, MOST_SHOWN))
    output.console().print(rows if found else "nothing was changed yet")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


async def _contact(pool: db.Pool, account: str | None, email: str) -> Contact:
    owner = await reach.account(pool, account)
    found = await contacts.of_account(pool, owner.account_id)
    for one in found:
        if one.email == email.strip().lower():
            return one
    raise reach.NotFound(f"{owner.name} has no contact {email}; `homing contract show --account {owner.name}` lists them")


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
