"""`homing cases`, how a case ends with both sides' word, and what becomes of mail that nobody has vouched for."""

from typing import Annotated

import typer

from homing.cli import output, reach
from homing.cli.cases_who import NumberArgument, actor_of, contact_of, done, member_of, say
from homing.cli.keys import AccountOption
from homing.cli.people import AsOption
from homing.ground import db
from homing.ground.errors import Misuse
from homing.support.cases.desk import Answer, Desk
from homing.support.cases.endings import Endings
from homing.support.cases.releasing import Gate
from homing.support.cases.rules.reading import clean_text
from homing.support.cases.types import Actor, Case, Method
from homing.support.clocks.store import ServerClock

IdArgument = Annotated[int, typer.Argument(metavar="ID", help="Of the mail.", min=1, max=2**62, show_default=False)]
VersionOption = Annotated[int, typer.Option("--version", metavar="NUMBER", help="Of the proposal.", min=1, max=2**31 - 1)]


def add_to(app: typer.Typer) -> None:
    """Add these commands to `homing cases`."""
    app.command("sign")(sign)
    app.command("consent")(consent)
    app.command("refuse")(refuse)
    app.command("release")(release)
    app.command("discard")(discard)


def sign(number: NumberArgument, who: AsOption, version: VersionOption) -> None:
    """Sign a resolution that the customer proposed: the owner's, or the TAM's."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Endings(desk).sign(number, by, version=version, method=Method.PORTAL, evidence="command line")

    say(done(who, work))


def consent(
    number: NumberArgument,
    who: AsOption,
    version: VersionOption,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="Who agreed.")],
    recording: Annotated[
        str, typer.Option("--recording", metavar="TEXT", help="The call on which he did: of ours by its number, else in words.")
    ] = "",
    message: Annotated[int | None, typer.Option("--message", metavar="NUMBER", help="His message in the case.", min=1)] = None,
) -> None:
    """Enter what a contact agreed to on a call or in a message. He is told, and can dispute it for five business days."""
    if bool(recording.strip()) == (message is not None):
        raise Misuse("give either --recording or --message: the evidence")
    method = Method.CALL if message is None else Method.MESSAGE
    named = clean_text(recording)[:200].strip()
    evidence = str(message) if message is not None else f"recording {named}" if named.isdigit() else named

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        case = await desk.case(number)
        if case is None:
            return None
        named = await contact_of(pool, case.account_id, contact)
        return await Endings(desk).enter_consent(number, by, version=version, contact=named, method=method, evidence=evidence)

    case = done(who, work)
    say(case)
    if case.live and case.draft is not None:
        output.console().print("it is no plain yes: it counts once the contact confirms by the link that he is sent")


def refuse(
    number: NumberArgument,
    who: AsOption,
    version: VersionOption,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="Why.")] = "",
) -> None:
    """Refuse a proposal, or take ours back: every signature under it is void, and work goes on."""

    async def work(pool: db.Pool, desk: Desk, by: Actor, name: str) -> Answer:
        return await Endings(desk).refuse(number, by, version=version, words=clean_text(text)[:2_000].strip())

    say(done(who, work))


def release(
    quarantine_id: IdArgument,
    who: AsOption,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="Whose word it is.")],
    account: AccountOption = None,
    case: Annotated[int | None, typer.Option("--case", metavar="NUMBER", help="Into this case.", min=1, max=2**62)] = None,
) -> None:
    """Let a mail in that you vouch for; without --case it opens one. It counts from when it was received."""

    async def work() -> Case | str | None:
        async with reach.database(reach.settings()) as pool:
            member = await member_of(pool, who)
            owner = await reach.account(pool, account)
            named = await contact_of(pool, owner.account_id, contact)
            legal = ServerClock()
            gate = Gate(pool, Desk(pool, legal), legal)
            return await gate.release(quarantine_id, actor_of(member.person_id, member.email), case_id=case, contact=named)

    found = reach.run(work())
    if found is None:
        raise reach.NotFound("no such mail waits; `homing cases quarantine` shows them")
    if isinstance(found, str):
        raise reach.NotFound(found)
    output.console().print(f"it is in case {found.number}")


def discard(quarantine_id: IdArgument, who: AsOption) -> None:
    """Throw a mail away that nobody wants."""

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            member = await member_of(pool, who)
            legal = ServerClock()
            return await Gate(pool, Desk(pool, legal), legal).discard(quarantine_id, actor_of(member.person_id, member.email))

    if not reach.run(work()):
        raise reach.NotFound("no such mail waits; `homing cases quarantine` shows them")
    output.console().print("discarded")
