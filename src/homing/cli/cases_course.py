"""`homing cases`, what changes the course of a case: severity, cadence, the TAM, scope, kind, clocks."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from homing.cli import output
from homing.cli.cases_who import NumberArgument, TextOption, contact_of, done, say, words_of
from homing.cli.people import AsOption
from homing.ground import db
from homing.ground.errors import Misuse
from homing.support.cases.course import Course
from homing.support.cases.desk import Answer, Desk
from homing.support.cases.rules.reading import clean_text
from homing.support.cases.types import Actor, CaseKind, Verdict
from homing.support.clocks.rules.cadence import Cadence, Every, Times, complaint, in_words

_LONGEST = 2_000


def add_to(app: typer.Typer) -> None:
    """Add these commands to `homing cases`."""
    app.command("normal")(normal)
    app.command("cadence")(cadence)
    app.command("restored")(restored)
    app.command("tam")(tam)
    app.command("scope")(scope)
    app.command("kind")(kind)
    app.command("people")(people)
    app.command("count")(count)
    app.command("void")(void)


def normal(
    number: NumberArgument,
    who: AsOption,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="What both sides are to agree on.")] = "",
    accept: Annotated[int | None, typer.Option("--accept", metavar="NUMBER", help="Accept the customer's.", min=1)] = None,
) -> None:
    """Propose, or accept, that a case is critical no more: the customer is mailed, and agrees."""
    said = words_of(text)[:_LONGEST] if accept is None else ""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        if accept is not None:
            return await Course(desk).accept_step_down(number, by, version=accept)
        return await Course(desk).step_down(number, by, text=said)

    say(done(who, work))


def cadence(
    number: NumberArgument,
    who: AsOption,
    every: Annotated[int | None, typer.Option("--every", metavar="MINUTES", help="So long between updates.", min=1)] = None,
    at: Annotated[list[str] | None, typer.Option("--at", metavar="HH:MM", help="Each day at; again for more.")] = None,
    zone: Annotated[str, typer.Option("--zone", metavar="NAME", help="Of --at, such as Europe/London.")] = "UTC",
    accept: Annotated[int | None, typer.Option("--accept", metavar="NUMBER", help="Accept the customer's.", min=1)] = None,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="Read back to him on a recorded call.")] = "",
    evidence: Annotated[
        str,
        typer.Option("--evidence", metavar="TEXT", help="Which call: of ours `call S1-7KQ2MX` or `recording 7`, else in words."),
    ] = "",
) -> None:
    """Propose how often the customer hears of a critical case, accept what he proposed, or enter what was agreed on a call."""
    wanted = None if accept is not None else _cadence(every, at or [], zone)

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        course = Course(desk)
        if wanted is None:
            return await course.accept_cadence(number, by, version=accept or 0)
        if not contact:
            return await course.propose_cadence(number, by, wanted)
        case = await desk.case(number)
        if case is None:
            return None
        named = await contact_of(pool, case.account_id, contact)
        return await course.read_back(number, by, wanted, contact=named, evidence=clean_text(evidence)[:200].strip())

    case = done(who, work)
    last = case.agreements[-1] if accept is None else case.agreements[accept - 1]
    waits = "proposed; the customer is asked" if last.effective_at is None else "agreed"
    output.console().print(f"case {case.number}, cadence {last.version}: {in_words(last.cadence)}, {waits}")


def restored(number: NumberArgument, who: AsOption, text: TextOption) -> None:
    """Say that the service works again; the case goes on until both sides agree that it is over."""
    said = words_of(text)[:_LONGEST]

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Course(desk).restore(number, by, text=said)

    say(done(who, work))


def tam(number: NumberArgument, who: AsOption, text: TextOption) -> None:
    """Ask the customer's TAM to look at a case; say why."""
    said = words_of(text)[:_LONGEST]

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Course(desk).call_tam(number, by, reason=said)

    say(done(who, work))


def scope(
    number: NumberArgument,
    who: AsOption,
    verdict: Annotated[Verdict, typer.Option("--verdict", help="Whether the contract covers it.", show_default=False)],
    clause: Annotated[str, typer.Option("--clause", metavar="CLAUSE", help="Which clause decides, such as B4.")],
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="Why; the customer is mailed.")] = "",
    route: Annotated[str, typer.Option("--route", metavar="TEXT", help="Another way, where it is not.")] = "",
) -> None:
    """Decide whether a case is in the contract. A refusal is mailed with its clause and another way, and deletes nothing."""
    said = words_of(text) if text else ""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Course(desk).decide_scope(
            number,
            by,
            verdict=verdict,
            clause=clause.strip().upper(),
            route=clean_text(route)[:_LONGEST].strip(),
            text=said[:10_000],
            author=name,
        )

    say(done(who, work))


def kind(
    number: NumberArgument,
    who: AsOption,
    to: Annotated[CaseKind, typer.Argument(help="What it is after all.", show_default=False)],
) -> None:
    """Say of what kind a case is."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Course(desk).reclassify(number, by, to)

    say(done(who, work))


def people(
    number: NumberArgument,
    who: AsOption,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="A contact of the customer.")],
) -> None:
    """Add a contact to the people of a case: from here on he is written to."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        case = await desk.case(number)
        return None if case is None else await Course(desk).join(number, by, await contact_of(pool, case.account_id, contact))

    say(done(who, work))


def count(
    number: NumberArgument,
    message: Annotated[int, typer.Argument(metavar="MESSAGE", help="Its number in the case.", min=1, max=2**31 - 1)],
    who: AsOption,
) -> None:
    """Count a message that was taken for a machine's as an answer of the customer."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await desk.count(number, message, by)

    say(done(who, work))


def void(
    number: NumberArgument,
    clock: Annotated[int, typer.Argument(metavar="CLOCK", help="Its number in the case.", min=1, max=32_767)],
    who: AsOption,
    text: TextOption,
) -> None:
    """Say that a clock should never have run: a duplicate, a test, spam. The second person who says so makes it void."""
    said = words_of(text)[:500]
    asker = 0

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        nonlocal asker
        asker = by.person_id
        return await Course(desk).void_clock(number, clock, by, reason=said)

    case = done(who, work)
    waits = any((asked, person) == (clock, asker) for asked, person, _ in case.voids)
    output.console().print(f"clock {clock}: {'another person has to say so too' if waits else 'void'}")


def _cadence(every: int | None, at: list[str], zone: str) -> Cadence:
    if (every is None) == (not at):
        raise Misuse("give either --every or --at")
    wanted: Cadence = Every(interval_s=every * 60) if every is not None else Times(zone=zone, minutes=_minutes(at))
    why = complaint(wanted)
    if why:
        raise Misuse(why)
    return wanted


def _minutes(at: list[str]) -> tuple[int, ...]:
    try:
        found = {datetime.strptime(text, "%H:%M").replace(tzinfo=UTC) for text in at}
    except ValueError:
        raise Misuse("--at is written as 09:00") from None
    return tuple(sorted(one.hour * 60 + one.minute for one in found))
