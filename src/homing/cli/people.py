"""`homing staff`: the people of the Provider, their roles and their tokens."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from homing.cli import output, reach
from homing.cli.keys import JsonOption
from homing.contracts import people
from homing.contracts.rules import read_email, read_name, read_phone, read_roles
from homing.contracts.types import StaffMember
from homing.ground import db
from homing.ground.errors import Misuse

app = typer.Typer(help="People of ours: TAMs, CST representatives, on-call, admins.", no_args_is_help=True)
MOST_NAMED = 10
ACTOR = "operator"  # at the command line; the machine's own records say who that was

AsOption = Annotated[str, typer.Option("--as", metavar="EMAIL", help="Who you are, of the staff.", show_default=False)]
WhoArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="His address.", show_default=False)]
RoleOption = Annotated[
    list[str], typer.Option("--role", metavar="ROLE", help="tam, cst, oncall or admin; again for more.", show_default=False)
]


async def somebody(pool: db.Pool, email: str) -> StaffMember:
    """Return a member of the staff who has not left.

    raises   reach.NotFound
    """
    found = await people.by_email(pool, email)
    if found is None or found.left_at is not None:
        raise reach.NotFound(f"nobody of ours has the address {email}; `homing staff list` shows everybody")
    return found


@app.command("list")
def list_staff(json: JsonOption = False) -> None:
    """List everybody."""

    async def work() -> list[StaffMember]:
        async with reach.database(reach.settings()) as pool:
            return await people.everybody(pool)

    found = reach.run(work())
    if json:
        output.print_json([shown(one) for one in found])
        return
    rows = output.table("Staff", "number", "name", "address", "phone", "roles", right=("number",))
    for one in found:
        roles = "left " + output.moment(one.left_at) if one.left_at else ", ".join(sorted(one.roles))
        rows.add_row(str(one.person_id), one.name, one.email, one.phone or "-", roles)
    output.console().print(rows if found else "there is nobody yet; `homing staff add` begins.")


@app.command("add")
def add(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="His name.")],
    email: Annotated[str, typer.Option("--email", metavar="ADDRESS", help="His address; it names him from now on.")],
    role: RoleOption,
    phone: Annotated[str, typer.Option("--phone", metavar="NUMBER", help="With country code: +44 20 7183 8750.")] = "",
) -> None:
    """Add somebody. He needs a token next: `homing staff token EMAIL`."""
    wanted = StaffMember(
        person_id=0,
        name=read_name(name),
        email=read_email(email),
        phone=read_phone(phone) if phone else "",
        roles=read_roles(role),
    )

    async def work() -> StaffMember | None:
        async with reach.database(reach.settings()) as pool:
            return await people.add(pool, wanted, actor=ACTOR)

    made = reach.run(work())
    if made is None:
        raise Misuse(f"somebody has the address {wanted.email} already")
    output.console().print(f"{made.name} is number {made.person_id}: {', '.join(sorted(made.roles))}")


@app.command("token")
def token(
    who: WhoArgument,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What it is for.")] = "command line",
    revoke: Annotated[bool, typer.Option("--revoke", help="Make all his tokens void instead.")] = False,
) -> None:
    """Make a token and print it, alone, on standard output. It cannot be shown again."""

    async def work() -> str:
        async with reach.database(reach.settings()) as pool:
            member = await somebody(pool, who)
            if revoke:
                await people.revoke_tokens(pool, member.person_id, actor=ACTOR)
                return ""
            return await people.new_token(pool, member.person_id, label=label, actor=ACTOR)

    made = reach.run(work())
    if made:
        typer.echo(made)
    else:
        output.console().print(f"every token of {who} is void now")


@app.command("change")
def change(who: WhoArgument, role: RoleOption) -> None:
    """Give somebody other roles; those that are not named are taken from him."""
    roles = read_roles(role)

    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            member = await somebody(pool, who)
            changed = StaffMember(
                person_id=member.person_id, name=member.name, email=member.email, phone=member.phone, roles=roles
            )
            await _change(pool, changed)

    reach.run(work())
    output.console().print(f"{who}: {', '.join(sorted(roles))}")


@app.command("leave")
def leave(who: WhoArgument) -> None:
    """Let somebody be one of ours no more: he holds no role, and his tokens are void. What he did stays his.

    Refused while he is the TAM of an account; nobody stands in any more for whom he did.
    """

    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            member = await somebody(pool, who)
            await _change(pool, people.left(member, datetime.now(UTC)))

    reach.run(work())
    output.console().print(f"{who} has left")


async def _change(pool: db.Pool, member: StaffMember) -> None:
    try:
        await people.change(pool, member, actor=ACTOR)
    except people.StillTam as held:
        ways = "; ".join(f"homing contract tam EMAIL --account {name}" for _, name in held.accounts[:MOST_NAMED])
        more = len(held.accounts) - MOST_NAMED
        tail = f"; and {more} more" if more > 0 else ""
        raise Misuse(f"{member.name} is the TAM of accounts; make somebody else it first: {ways}{tail}") from None


def shown(one: StaffMember) -> dict[str, object]:
    """Return a member of the staff for machines."""
    return {
        "person_id": one.person_id,
        "name": one.name,
        "email": one.email,
        "phone": one.phone,
        "roles": sorted(one.roles),
        "left_at": one.left_at,
    }
