"""`homing tam quarantine`, `release`, `discard`: mail and voicemail for TAMs that nobody has vouched for."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from homing.accounts import store as accounts
from homing.api.v1.support_oversight_wire import show_quarantined
from homing.cli import output, reach
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.people import AsOption, somebody
from homing.contracts import contacts
from homing.contracts.contacts import Known
from homing.contracts.types import Role
from homing.ground import db
from homing.support.cases.rules.reading import clean
from homing.support.cases.types import Actor, Side
from homing.support.clocks.store import ServerClock
from homing.support.threads import store
from homing.support.threads.desk import Threads
from homing.support.threads.oversight import accounts_of
from homing.support.threads.releasing import Gate
from homing.support.threads.types import Message, Quarantined

IdArgument = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**62, help="As listed.", show_default=False)]
NOTHING = "no such mail or voicemail waits for you; `homing tam quarantine` shows them"


def quarantine(json: JsonOption = False) -> None:
    """List mail and voicemail for TAMs that nobody has vouched for, and whose word each may be."""

    async def work() -> list[tuple[Quarantined, list[Known]]]:
        async with reach.database(reach.settings()) as pool:
            held = await store.quarantined(pool, account_ids=None)
            everybody = [one.account_id for one in await accounts.all_accounts(pool)]
            known = await Gate(pool, Threads(pool, ServerClock())).candidates(held, everybody)
            return [(one, known[one.quarantine_id]) for one in held]

    found = reach.run(work())
    if json:
        output.print_json([show_quarantined(one, known) for one, known in found])
        return
    rows = output.table("Quarantine", "id", "from", "subject", "why", "may be of", "came", right=("id",))
    for one, known in found:
        whose = ", ".join(f"{each.account} ({each.account_id})" for each in known)
        came = output.relative(one.received_at, datetime.now(UTC))
        sender = "withheld" if not one.sender else clean(one.sender, 120)
        rows.add_row(str(one.quarantine_id), Text(sender), Text(clean(one.subject, 60)), Text(one.reason), Text(whose), came)
    output.console().print(rows if found else "nothing waits")


def release(
    quarantine_id: IdArgument,
    who: AsOption,
    account: AccountOption = None,
    contact: Annotated[str, typer.Option("--contact", metavar="EMAIL", help="Whose word it is. Default: the sender's.")] = "",
) -> None:
    """Let it into the thread of an account: an answer is owed since it was received."""

    async def work() -> tuple[Message | None, str]:
        async with reach.database(reach.settings()) as pool:
            gate = Gate(pool, Threads(pool, ServerClock()))
            owner = await reach.account(pool, account)
            held, by = await _mine(pool, quarantine_id, who, into=owner.account_id)
            known = (await gate.candidates([held], {owner.account_id}))[held.quarantine_id]
            wanted = contact.lower() or (known[0].email if known else "")
            named = next((one for one in await contacts.of_account(pool, owner.account_id) if one.email == wanted), None)
            if named is None:
                raise reach.NotFound(f"{wanted or 'the sender'} is no contact of {owner.name}; name one with --contact")
            return await gate.release(held.quarantine_id, by, contact=named), owner.name

    made, name = reach.run(work())
    if made is None:
        raise reach.NotFound(NOTHING)
    output.console().print(f"it is message {made.number} of {name}")


def discard(quarantine_id: IdArgument, who: AsOption) -> None:
    """Throw it away; the recording of a voicemail stays until its time is over."""

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            held, by = await _mine(pool, quarantine_id, who)
            return await Gate(pool, Threads(pool, ServerClock())).discard(held.quarantine_id, by)

    if not reach.run(work()):
        raise reach.NotFound(NOTHING)
    output.console().print("it is thrown away")


async def _mine(pool: db.Pool, quarantine_id: int, who: str, *, into: int | None = None) -> tuple[Quarantined, Actor]:
    """Return what waits, and who decides on it. raises reach.NotFound where he may not."""
    member, legal = await somebody(pool, who), ServerClock()
    mine = await accounts_of(pool, member, await legal.now(pool)) or []
    held = await store.held(pool, quarantine_id)
    his = held is not None and (held.account_id in mine or held.person_id == member.person_id or member.is_a(Role.ADMIN))
    if held is None or not his:
        raise reach.NotFound(NOTHING)
    if into is not None and into not in mine:
        raise reach.NotFound(f"{who} does not oversee that account")
    return held, Actor(side=Side.PROVIDER, name=f"staff {member.person_id}", person_id=member.person_id, email=member.email)
