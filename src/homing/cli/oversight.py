"""`homing tam stream` and its neighbours: oversight of accounts, their threads, and the numbers and addresses of TAMs.

Whoever sees or changes something says who he is with `--as`; an operator without it sees every account.
"""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from homing.accounts import store as accounts
from homing.accounts.types import Account
from homing.api.v1.support_oversight_wire import cursor_of, show_message, show_stream
from homing.boot.carriers import line_base, line_settings
from homing.cli import output, oversight_held, oversight_view, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.people import ACTOR, AsOption, somebody
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.rules import read_email, read_phone
from homing.contracts.types import StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ingress.rules.problem import Wrong
from homing.support.cases.desk import Desk
from homing.support.cases.rules.decision import No
from homing.support.cases.rules.reading import LONGEST_BODY, clean_text
from homing.support.clocks import store as clocks
from homing.support.clocks.store import Calendars, ServerClock
from homing.support.threads import own_number_store as calls
from homing.support.threads import store
from homing.support.threads.desk import Threads, people_of
from homing.support.threads.oversight import Escalations, Stream, accounts_of, sees_unnamed, stream
from homing.support.threads.own_addresses import OwnNumberAddresses
from homing.support.threads.types import SUBJECT, Message, WayKind

app = typer.Typer(help="Technical Account Managers: oversight, threads, numbers and addresses.", no_args_is_help=True)
app.command("quarantine")(oversight_held.quarantine)
app.command("release")(oversight_held.release)
app.command("discard")(oversight_held.discard)

TextOption = Annotated[str, typer.Option("--text", metavar="TEXT", help="What you write; - reads standard input.")]
CustomerArgument = Annotated[str, typer.Argument(metavar="CUSTOMER", help="By name or number.", show_default=False)]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Let it lead nowhere instead.")]
OfOption = Annotated[str, typer.Option("--of", metavar="EMAIL", help="The TAM whose it is, for all of his accounts.")]
STEPS = ("tam", "management", "critical")


@app.command("stream")
def show_stream_of(
    who: Annotated[str, typer.Option("--as", metavar="EMAIL", help="Of his accounts. Default: every account.")] = "",
    account: AccountOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="How many.")] = 40,
    cursor: Annotated[str, typer.Option("--cursor", metavar="CURSOR", help="From the page before.")] = "initial",
    json: JsonOption = False,
) -> None:
    """Show what is at risk, then what is new, in the accounts of a TAM: cases, messages, calls, pages, promises."""
    try:
        place = cursor_of(cursor)
    except Wrong as wrong:
        raise Misuse(wrong.problem.description) from None

    async def work() -> Stream:
        async with reach.database(reach.settings()) as pool:
            mine = await _overseen(pool, who)
            if account is not None:
                owner = await reach.account(pool, account)
                if owner.account_id not in mine:
                    raise reach.NotFound(f"{who} does not oversee {account}")
                mine = [owner.account_id]
            unnamed = account is None and (not who or sees_unnamed(await somebody(pool, who)))
            return await stream(pool, ServerClock(), mine, cursor=place, limit=limit, unnamed=unnamed)

    found = reach.run(work())
    if json:
        output.print_json(show_stream(found, {}, ""))
    else:
        oversight_view.show(found, now=datetime.now(UTC))


@app.command("escalate")
def escalate(
    number: Annotated[int, typer.Argument(metavar="CASE", min=1, max=2**53, help="Its number.", show_default=False)],
    who: AsOption,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")],
    to: Annotated[str, typer.Option("--to", metavar="WHOM", help=" or ".join(STEPS))] = "tam",
) -> None:
    """Escalate a case: to its TAM, to management by a page, or to a Critical Issue."""
    if to not in STEPS:
        raise Misuse(f"--to is one of {', '.join(STEPS)}")
    why = clean_text(reason)[:2_000]

    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            member = await somebody(pool, who)
            steps = Escalations(pool, Desk(pool, ServerClock()))
            if await steps.account_of(number) not in await _overseen(pool, who):
                raise reach.NotFound(f"there is no case {number} among the accounts of {who}")
            step = {"tam": steps.to_tam, "management": steps.to_management, "critical": steps.to_critical}[to]
            done = await step(number, member, why)
            if isinstance(done, No):
                raise Misuse(done.why)

    reach.run(work())
    output.console().print(f"case {number}: escalated to {to}")


@app.command("thread")
def show_thread(
    customer: CustomerArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="How many.")] = 20,
    json: JsonOption = False,
) -> None:
    """Show what was said between a customer and his TAM, with what is owed."""

    async def work() -> oversight_view.Thread:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, customer)
            now = await ServerClock().now(pool)
            found = await store.messages_of(pool, owner.account_id, limit=limit)
            kept = await clocks.of_subjects(pool, SUBJECT, [one.message_id for one in found])
            calendars = Calendars(pool)
            tam = await contracts.tam_at(pool, owner.account_id, now)
            return oversight_view.Thread(
                account=owner.name,
                tam=tam,
                ways=await store.ways_of(pool, owner.account_id, people_of(tam)),
                messages=found,
                clocks={one: await calendars.read(each[0].log, now) for one, each in kept.items() if each},
                recordings=await calls.recordings_of(pool, [one.call_ref for one in found if one.call_ref is not None]),
                letters=await store.letters_of(pool, [one.message_id for one in found]),
            )

    found = reach.run(work())
    if json:
        output.print_json(
            [
                show_message(
                    one,
                    clock=found.clocks.get(one.message_id),
                    letters=[each for each in found.letters if each.message_id == one.message_id],
                    recordings=[row for row in found.recordings if row["call_ref"] == one.call_ref],
                )
                for one in found.messages
            ]
        )
    else:
        oversight_view.show_thread(found, now=datetime.now(UTC))


@app.command("answer")
def answer(
    customer: CustomerArgument,
    who: AsOption,
    text: TextOption,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="Whom. Default: who wrote last.")] = "",
    phoned: Annotated[bool, typer.Option("--phoned", help="It was said by telephone already.")] = False,
) -> None:
    """Answer a customer as his TAM. It goes out by mail; the clock stops once it is accepted for delivery."""
    body = _words(text)

    async def work() -> Message:
        async with reach.database(reach.settings()) as pool:
            member, owner = await _over(pool, who, customer)
            reader_id = None
            if contact:
                known = await contacts.of_account(pool, owner.account_id)
                reader_id = next((one.contact_id for one in known if one.email == contact.lower()), None)
                if reader_id is None:
                    raise reach.NotFound(f"{contact} is no contact of {owner.name}")
            threads = Threads(pool, ServerClock())
            say = threads.phoned if phoned else threads.answer
            done = await say(owner.account_id, body, member, contact_id=reader_id)
            if isinstance(done, str):
                raise Misuse(done)
            return done

    made = reach.run(work())
    said = "is written down" if phoned else "leaves with the next turn of a worker"
    output.console().print(f"message {made.number} {said}")


@app.command("void")
def void(
    customer: CustomerArgument,
    number: Annotated[int, typer.Argument(metavar="MESSAGE", min=1, max=2**31 - 1, help="Its number.", show_default=False)],
    who: AsOption,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why: a duplicate, a test, spam.")],
) -> None:
    """Say that a message was never owed an answer. It takes two people; what was missed stays missed."""
    why = clean_text(reason)

    async def work() -> Message:
        async with reach.database(reach.settings()) as pool:
            member, owner = await _over(pool, who, customer)
            done = await Threads(pool, ServerClock()).void(owner.account_id, number, member, why)
            if done is None:
                raise reach.NotFound(f"{owner.name} has no message {number}")
            if isinstance(done, str):
                raise Misuse(done)
            return done

    made = reach.run(work())
    said = "its clock is void" if made.is_void else "noted; a second person has to say so too"
    output.console().print(f"message {made.number}: {said}")


@app.command("number")
def number(
    phone: Annotated[str, typer.Argument(metavar="NUMBER", help="Of ours, at a carrier. Left out: list.")] = "",
    of: OfOption = "",
    account: AccountOption = None,
    carrier: Annotated[str, typer.Option("--carrier", metavar="NAME", help="In the file of HOMING_SEV1_CARRIERS.")] = "",
    remove: RemoveOption = False,
    json: JsonOption = False,
) -> None:
    """Give a TAM, or a customer, a telephone number that rings his TAM in Business Hours."""
    if not phone:
        _list(WayKind.PHONE, json=json)
        return
    wanted = read_phone(phone)
    if not remove:
        known = line_settings(reach.settings()).carriers
        if carrier not in known:
            raise Misuse(f"--carrier is one of {', '.join(known) or 'none: HOMING_SEV1_CARRIERS names no file'}")
        if any(wanted in one.numbers for one in known.values()):
            raise Misuse(f"{wanted} is a number of the Severity 1 Line")
    _lead(WayKind.PHONE, wanted, of=of, account=account, carrier=carrier, remove=remove)


@app.command("address")
def address(
    email: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Of ours; its domain is a sending domain. Left out: list.")
    ] = "",
    of: OfOption = "",
    account: AccountOption = None,
    remove: RemoveOption = False,
    json: JsonOption = False,
) -> None:
    """Give a TAM, or a customer, an address whose mail comes into the thread with his TAM."""
    if not email:
        _list(WayKind.EMAIL, json=json)
        return
    wanted = read_email(email)
    if "+" in wanted:
        raise Misuse("the address must have no plus: what stands after it names a letter")
    if wanted in (reach.settings().support_address.lower(), reach.settings().notice_from.lower()):
        raise Misuse(f"{wanted} is an address of the platform itself")
    _lead(WayKind.EMAIL, wanted, of=of, account=account, carrier="", remove=remove)


def _lead(kind: WayKind, wanted: str, *, of: str, account: str | None, carrier: str, remove: bool) -> None:
    if not remove and bool(of) == (account is not None):
        raise Misuse("say one of --of EMAIL and --account NAME")

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            if remove:
                return await store.remove_way(pool, wanted, actor=ACTOR)
            person_id = (await somebody(pool, of)).person_id if of else None
            account_id = None if account is None else (await reach.account(pool, account)).account_id
            return await store.add_way(
                pool, kind, wanted, carrier=carrier, person_id=person_id, account_id=account_id, actor=ACTOR
            )

    if not reach.run(work()):
        raise reach.NotFound(f"{wanted} leads nowhere") if remove else Misuse(f"{wanted} leads somewhere already")
    output.console().print(f"{wanted} leads nowhere any more" if remove else f"{wanted} leads to the TAM of {of or account}")


def _list(kind: WayKind, *, json: bool) -> None:
    settings = reach.settings()

    async def work() -> list[tuple[str, ...]]:
        async with reach.database(settings) as pool:
            names = {one.account_id: one.name for one in await accounts.all_accounts(pool)}
            found: list[tuple[str, ...]] = []
            for one in await store.ways(pool):
                if one.kind is not kind:
                    continue
                whose = names.get(one.account_id or 0, "")
                if one.person_id is not None:
                    person = await people.one(pool, one.person_id)
                    whose = "" if person is None else person.email
                if kind is WayKind.PHONE:
                    at = OwnNumberAddresses(line_base(settings), one.carrier)
                    found.append((one.address, whose, one.carrier, at.inbound(), at.status()))
                else:
                    found.append((one.address, whose))
            return found

    rows = reach.run(work())
    if json:
        output.print_json([dict(zip(("address", "of", "carrier", "call", "status"), row, strict=False)) for row in rows])
        return
    more = ("carrier", "when a call comes in", "when it changes") if kind is WayKind.PHONE else ()
    table = output.table("", kind.value, "leads to the TAM of", *more)
    for row in rows:
        table.add_row(*row)
    output.console().print(table if rows else "there is none yet")


async def _over(pool: db.Pool, who: str, customer: str) -> tuple[StaffMember, Account]:
    """Return a member of the staff and a customer whom he oversees. raises reach.NotFound."""
    member = await somebody(pool, who)
    owner = await reach.account(pool, customer)
    if owner.account_id not in await _overseen(pool, who):
        raise reach.NotFound(f"{who} does not oversee {owner.name}")
    return member, owner


async def _overseen(pool: db.Pool, who: str) -> list[int]:
    """Return the accounts that somebody oversees; without a name every account. raises reach.NotFound."""
    if not who:
        return [one.account_id for one in await accounts.all_accounts(pool)]
    member: StaffMember = await somebody(pool, who)
    mine = await accounts_of(pool, member, await ServerClock().now(pool))
    if mine is None:
        raise reach.NotFound(f"{who} is no TAM, stands in for none, and is no admin")
    return mine


def _words(text: str) -> str:
    given = sys.stdin.read(LONGEST_BODY + 1) if text == "-" else text
    if len(given) > LONGEST_BODY:
        raise Misuse(f"the text must be at most {LONGEST_BODY} characters")
    return clean_text(given)
