"""Who does something to a case on the command line, to which case, in which words; and what that came to."""

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from homing.cli import output, reach
from homing.contracts import contacts, people
from homing.contracts.types import Contact, StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.support.cases.desk import Answer, Desk
from homing.support.cases.rules.decision import No
from homing.support.cases.rules.reading import LONGEST_BODY, clean_text
from homing.support.cases.types import Actor, Case, Side
from homing.support.clocks.store import ServerClock

NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", help="Of the case.", min=1, max=2**62, show_default=False)]
TextOption = Annotated[str, typer.Option("--text", metavar="TEXT", help="What you write; - reads standard input.")]

Work = Callable[[db.Pool, Desk, Actor, str], Awaitable[Answer]]


def done(who: str, work: Work) -> Case:
    """Carry a step out; return the case after it. raises NotFound with the sentence that says why nothing happened."""

    async def run() -> Answer:
        async with reach.database(reach.settings()) as pool:
            member = await member_of(pool, who)
            return await work(pool, Desk(pool, ServerClock()), actor_of(member.person_id, member.email), member.name)

    made = reach.run(run())
    if made is None:
        raise reach.NotFound("there is no such case; `homing cases list` shows them")
    if isinstance(made, No):
        raise reach.NotFound(made.why)
    return made


def say(case: Case) -> None:
    """Print where a case stands."""
    output.console().print(f"case {case.number} is {case.state.value.replace('_', ' ')}, {case.severity.value.replace('_', '-')}")


async def member_of(pool: db.Pool, email: str) -> StaffMember:
    """Return a member of the staff. raises NotFound."""
    found = await people.by_email(pool, email)
    if found is None or found.left_at is not None:
        raise reach.NotFound(f"nobody of the staff has the address {email}")
    return found


async def contact_of(pool: db.Pool, account_id: int, email: str) -> Contact:
    """Return a contact of an account. raises NotFound."""
    found = await contacts.of_account(pool, account_id)
    named = next((one for one in found if one.email == email.lower()), None)
    if named is None:
        raise reach.NotFound(f"that customer has no contact {email}")
    return named


def actor_of(person_id: int, email: str) -> Actor:
    """Return a member of the staff as somebody who does something."""
    return Actor(side=Side.PROVIDER, name=f"staff {person_id}", person_id=person_id, email=email)


def words_of(text: str) -> str:
    """Return what somebody writes, fit to be kept. raises Misuse."""
    said = clean_text(sys.stdin.read() if text == "-" else text)
    if not said.strip() or len(said) > LONGEST_BODY:
        raise Misuse(f"--text needs words, at most {LONGEST_BODY} characters")
    return said
