"""`homing cases`: Support Cases for the staff: list, show, take, answer, propose an end, decide on quarantine, audit.

Whoever changes something says who he is with `--as`; mail that is owed leaves with the next turn of a worker.
"""

from datetime import UTC, datetime, time
from typing import Annotated

import typer

from homing.accounts import store as accounts
from homing.cli import cases_course, cases_end, cases_view, output, reach, typed
from homing.cli.cases_who import NumberArgument, TextOption, actor_of, contact_of, done, member_of, say, words_of
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.people import AsOption
from homing.cli.typed import MonthArgument
from homing.contracts import people
from homing.ground import db
from homing.ground.errors import Misuse
from homing.support.cases import outages, store
from homing.support.cases import quarantine as held
from homing.support.cases.course import Course
from homing.support.cases.desk import Answer, Desk, Opening
from homing.support.cases.endings import Endings
from homing.support.cases.rules.reading import LONGEST_SUBJECT, clean
from homing.support.cases.types import (
    LIVE,
    Actor,
    Case,
    CaseKind,
    Channel,
    Eta,
    Incoming,
    Purpose,
    Severity,
    Side,
    Source,
    State,
    Verified,
)
from homing.support.cases.view import look, next_due
from homing.support.clocks import auditor
from homing.support.clocks import store as clocks
from homing.support.clocks.auditor import Audit, Auditor
from homing.support.clocks.rules.tally import Tally, tallies
from homing.support.clocks.store import ServerClock

app = typer.Typer(help="Support Cases: list, show, answer, resolve.", no_args_is_help=True)


@app.command("list")
def list_cases(
    account: AccountOption = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", metavar="STATE", help="Again for more. Default: live ones.")
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="EMAIL", help="Only his.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Ended ones too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 50,
    json: JsonOption = False,
) -> None:
    """List cases, the latest first, with what is due next."""
    states = [_state(one) for one in state] if state else None if everything else sorted(LIVE)

    async def work() -> cases_view.Listed:
        async with reach.database(reach.settings()) as pool:
            account_id = None if account is None else (await reach.account(pool, account)).account_id
            owner_id = None if owner is None else (await member_of(pool, owner)).person_id
            rows = await store.find(pool, account_id=account_id, states=states, owner_id=owner_id, limit=limit)
            return cases_view.Listed(
                rows=rows,
                due=await next_due(pool, rows),
                accounts={one.account_id: one.name for one in await accounts.all_accounts(pool)},
                staff={one.person_id: one.name for one in await people.everybody(pool)},
            )

    cases_view.show_list(reach.run(work()), now=datetime.now(UTC), json=json)


@app.command("show")
def show(
    number: NumberArgument,
    events: Annotated[bool, typer.Option("--events", help="Every step, too.")] = False,
    json: JsonOption = False,
) -> None:
    """Show one case: where it stands, its clocks, what was written."""

    async def work() -> cases_view.Shown:
        async with reach.database(reach.settings()) as pool:
            legal = ServerClock()
            case = await Desk(pool, legal).case(number)
            if case is None:
                raise reach.NotFound(f"there is no case {number}; `homing cases list` shows them")
            owner = await accounts.account_by_id(pool, case.account_id)
            return cases_view.Shown(
                seen=await look(pool, legal, case),
                messages=await store.messages_of(pool, number),
                events=await store.events_of(pool, number) if events else [],
                account=owner.name if owner is not None else "",
            )

    cases_view.show_case(reach.run(work()), json=json)


@app.command("open")
def open_case(
    subject: Annotated[str, typer.Option("--subject", metavar="TEXT", help="In a few words.")],
    text: TextOption,
    who: AsOption,
    account: AccountOption = None,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="Whom to answer. Default: nobody.")] = "",
    critical: Annotated[bool, typer.Option("--critical", help="A bug that causes persistent Unavailability.")] = False,
    kind: Annotated[str, typer.Option("--kind", help=" or ".join(CaseKind))] = CaseKind.INFORMATION.value,
    phone: Annotated[bool, typer.Option("--phone", help="The customer has phoned.")] = False,
) -> None:
    """Open a case for a customer."""
    body, about = words_of(text), clean(subject, LONGEST_SUBJECT)
    if not about:
        raise Misuse("--subject needs words")
    if kind not in set(CaseKind):
        raise Misuse(f"--kind is one of {', '.join(CaseKind)}")

    async def work() -> Case:
        async with reach.database(reach.settings()) as pool:
            member = await member_of(pool, who)
            owner = await reach.account(pool, account)
            named = await contact_of(pool, owner.account_id, contact) if contact else None
            by = actor_of(member.person_id, member.email)
            first = Incoming(
                side=Side.CUSTOMER,
                actor=by.name,
                author=named.name if named is not None else member.name,
                channel=Channel.STAFF,
                purpose=Purpose.WORD,
                verified=Verified.STAFF,
                sender=named.email if named is not None else "",
                body=body,
            )
            opening = Opening(
                account_id=owner.account_id,
                kind=CaseKind(kind),
                subject=about,
                source=Source.PHONE if phone else Source.STAFF,
                first=first,
                severity=Severity.CRITICAL if critical else Severity.NON_CRITICAL,
                contact_id=None if named is None else named.contact_id,
            )
            return await Desk(pool, ServerClock()).open(opening, by)

    made = reach.run(work())
    output.console().print(f"case {made.number} is {made.state.value}")


@app.command("own")
def own(
    number: NumberArgument,
    who: AsOption,
    to: Annotated[str | None, typer.Option("--to", metavar="EMAIL", help="Give it to a colleague.", show_default=False)] = None,
) -> None:
    """Take a case, or give it to a colleague."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        person_id = by.person_id if to is None else (await member_of(pool, to)).person_id
        return await desk.own(number, person_id, by)

    say(done(who, work))


@app.command("answer")
def answer(
    number: NumberArgument,
    who: AsOption,
    text: TextOption,
    question: Annotated[bool, typer.Option("--question", help="The customer has to answer.")] = False,
    eta: Annotated[
        datetime | None,
        typer.Option("--eta", help="A status update: when it will be over, in UTC.", show_default=False),
    ] = None,
    eta_unknown: Annotated[str, typer.Option("--eta-unknown", metavar="REASON", help="A status update: why nobody knows.")] = "",
) -> None:
    """Write to the customer. It goes out by e-mail; clocks stop once it is accepted for delivery."""
    body = words_of(text)
    expected = None
    if eta is not None or eta_unknown:
        expected = _eta(eta, eta_unknown)

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        purpose = Purpose.ANSWER if expected is None else Purpose.UPDATE
        return await desk.write(number, _said(body, purpose, by, name), by, question=question, eta=expected)

    say(done(who, work))


@app.command("update")
def update(
    who: AsOption,
    text: TextOption,
    case: Annotated[
        list[int] | None, typer.Option("--case", metavar="NUMBER", help="Again for more.", min=1, max=2**62, show_default=False)
    ] = None,
    all_critical: Annotated[bool, typer.Option("--all-critical", help="Every case that is critical now.")] = False,
    eta: Annotated[datetime | None, typer.Option("--eta", help="When it will be over, in UTC.", show_default=False)] = None,
    eta_unknown: Annotated[str, typer.Option("--eta-unknown", metavar="REASON", help="Why nobody knows.")] = "",
) -> None:
    """Write one status update in the cases of an outage. Each has its own mail and clock; a call-back is never shared."""
    body = words_of(text)
    if bool(case) == all_critical:
        raise Misuse("give either --case or --all-critical")
    if (eta is None) == (not eta_unknown.strip()):
        raise Misuse("give either --eta or --eta-unknown")

    async def work() -> list[outages.Told]:
        async with reach.database(reach.settings()) as pool:
            member = await member_of(pool, who)
            numbers = case or await outages.all_critical(pool)
            by = actor_of(member.person_id, member.email)
            expected = _eta(eta, eta_unknown)
            return await outages.update(Desk(pool, ServerClock()), numbers, by, author=member.name, text=body, eta=expected)

    told = reach.run(work())
    for one in told:
        output.console().print(f"case {one.number}: {one.why or 'written'}")
    if not told:
        output.console().print("no case is critical")
    if any(not one.written for one in told):
        raise typer.Exit(1)


@app.command("note")
def note(number: NumberArgument, who: AsOption, text: TextOption) -> None:
    """Write a note that the customer never sees."""
    body = words_of(text)

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await desk.write(number, _said(body, Purpose.NOTE, by, name), by)

    say(done(who, work))


@app.command("critical")
def critical(
    number: NumberArgument,
    who: AsOption,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="Why; - reads standard input.")] = "",
    call: Annotated[
        str, typer.Option("--call", metavar="CALL", help="The call about it on the Severity 1 Line, such as S1-7KQ2MX.")
    ] = "",
) -> None:
    """Make a case critical: say why, or name the call that was about it."""
    words = "" if call else words_of(text)

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        if call:
            return await Course(desk).link_call(number, by, call)
        return await Course(desk).escalate(number, by, reason=words)

    say(done(who, work))


@app.command("propose")
def propose(number: NumberArgument, who: AsOption, text: TextOption) -> None:
    """Propose the exact words that both sides sign."""
    words = words_of(text)

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Endings(desk).propose(number, words, by, author=name)

    say(done(who, work))


@app.command("close")
def close(number: NumberArgument, who: AsOption) -> None:
    """Close a case that nobody answers: the TAM's, after three reminders over ten business days. It is not resolved."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Endings(desk).close_unconfirmed(number, by)

    say(done(who, work))


@app.command("merge")
def merge(
    number: NumberArgument,
    into: Annotated[int, typer.Option("--into", metavar="NUMBER", help="The case that it goes on in.", min=1, max=2**62)],
    who: AsOption,
) -> None:
    """Let a duplicate go on in another case of the same customer."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Course(desk).merge(number, into, by)

    say(done(who, work))


@app.command("quarantine")
def quarantine(json: JsonOption = False) -> None:
    """List mail that nobody has vouched for; `homing cases release` lets it in, `homing cases discard` throws it away."""

    async def work() -> list[held.Quarantined]:
        async with reach.database(reach.settings()) as pool:
            return await held.waiting(pool)

    cases_view.show_quarantine(reach.run(work()), now=datetime.now(UTC), json=json)


@app.command("promises")
def promises(
    account: AccountOption = None,
    month: MonthArgument = None,
    json: JsonOption = False,
) -> None:
    """Count what became of the promises to a customer: cases and calls, each worth by itself."""
    wanted = typed.month(month)
    begin, end = (datetime.combine(day, time(), UTC) for day in (wanted.first, wanted.after))

    async def work() -> list[Tally]:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return tallies(one.reading for one in await clocks.of_account(pool, owner.account_id, begin, end))

    cases_view.show_promises(reach.run(work()), json=json)


@app.command("audit")
def audit(
    now: Annotated[bool, typer.Option("--now", help="Replay now, instead of showing what the nights found.")] = False,
    json: JsonOption = False,
) -> None:
    """Show what the nightly audits found: they replay the events of cases, calls, threads and the programme, and compare."""
    from homing.boot.support import audited  # the whole wing; every other command starts faster without it

    async def work() -> list[Audit]:
        async with reach.database(reach.settings()) as pool:
            legal = ServerClock()
            if now:
                return [await Auditor(pool, legal, audited(legal)).audit(await legal.now(pool))]
            return await auditor.latest(pool)

    found = reach.run(work())
    cases_view.show_audits(found, json=json)
    if any(one.findings for one in found):
        raise typer.Exit(1)


cases_course.add_to(app)
cases_end.add_to(app)


def _eta(eta: datetime | None, unknown: str) -> Eta:
    return Eta(at=None if eta is None else eta.replace(tzinfo=eta.tzinfo or UTC), unknown_because=clean(unknown, 500))


def _said(body: str, purpose: Purpose, by: Actor, name: str) -> Incoming:
    return Incoming(
        side=Side.PROVIDER,
        actor=by.name,
        author=name,
        channel=Channel.STAFF,
        purpose=purpose,
        verified=Verified.STAFF,
        sender=by.email,
        body=body,
    )


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Misuse(f"--state is one of {', '.join(State)}") from None
