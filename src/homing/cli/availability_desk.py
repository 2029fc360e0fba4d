"""`homing availability`, what people decide: exclusions, witnesses and their reports, what is persistent."""

from datetime import UTC, datetime, time
from typing import Annotated

import typer

from homing.accounts.types import Account
from homing.api.v1.availability_wire import WitnessIn, witness_in
from homing.availability import decisions, witnesses
from homing.availability.rules.exclusions import check_person
from homing.availability.types import Exclusion, ExclusionKind, Finding, Rule
from homing.cli import output, reach, typed
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.people import AsOption, somebody
from homing.cli.typed import MonthArgument, NumberArgument, OursOption
from homing.ground.errors import Misuse

exclusion = typer.Typer(help="What is not held against us: proposed by one person, approved by another.", no_args_is_help=True)
witness = typer.Typer(help="Programs elsewhere that ask our doors (`homing probe`).", no_args_is_help=True)
report = typer.Typer(help="What witnesses of customers saw.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to `homing availability`."""
    app.add_typer(exclusion, name="exclusion")
    app.add_typer(witness, name="witness")
    app.add_typer(report, name="report")
    app.command("declare")(declare)


def declare(
    who: AsOption,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="Since when, such as 2026-03-10T14:00:00Z.")],
    note: Annotated[str, typer.Option("--note", help="Why; the customer reads it.")] = "",
    account: AccountOption = None,
) -> None:
    """Declare Unavailability persistent, sooner than the detector does."""
    start, now = typed.moment(since, "--from"), typed.now()
    if start > now:
        raise Misuse("--from lies in the future")

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            owner, by = await reach.account(pool, account), await somebody(pool, who)
            check_person(by)
            found = Finding(
                account_id=owner.account_id, rule=Rule.DECLARED, start=start, reached_at=now, seconds=0, note=note, by=by.name
            )
            return await decisions.note(pool, found)

    output.console().print("declared" if reach.run(typed.told(work())) else "it was declared already")


@exclusion.command("propose")
def propose(
    who: AsOption,
    since: Annotated[str, typer.Option("--from", metavar="TIME", help="Such as 2026-03-10T14:00:00Z.")],
    until: Annotated[str, typer.Option("--to", metavar="TIME", help="The first moment after it.")],
    kind: Annotated[ExclusionKind, typer.Option("--kind", help="Why it is not held against us.")],
    reason: Annotated[str, typer.Option("--reason", help="Public: the customer reads it.")],
    proof: Annotated[str, typer.Option("--evidence", help="Where it is proven: an announcement, a ticket.")] = "",
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="One customer. Default: all of them.", show_default=False)
    ] = None,
) -> None:
    """Propose an exclusion. It counts once another person approves it."""

    async def work() -> int:
        async with reach.database(reach.settings()) as pool:
            owner: Account | None = None if account is None else await reach.account(pool, account)
            made = await decisions.propose(
                pool,
                account_id=None if owner is None else owner.account_id,
                since=typed.moment(since, "--from"),
                until=typed.moment(until, "--to"),
                kind=kind,
                reason=reason,
                evidence=proof,
                by=await somebody(pool, who),
            )
            return made.exclusion_id

    number = reach.run(typed.told(work()))
    output.console().print(
        f"exclusion {number} is proposed; somebody else approves it: homing availability exclusion approve {number}"
    )


@exclusion.command("approve")
def approve(number: NumberArgument, who: AsOption) -> None:
    """Approve what another person proposed."""

    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            _known(await decisions.approve(pool, number, by=await somebody(pool, who)), number)

    reach.run(typed.told(work()))
    output.console().print(f"exclusion {number} counts")


@exclusion.command("withdraw")
def withdraw(number: NumberArgument, who: AsOption) -> None:
    """Take an exclusion back: what was measured counts again."""

    async def work() -> None:
        async with reach.database(reach.settings()) as pool:
            _known(await decisions.withdraw(pool, number, by=await somebody(pool, who)), number)

    reach.run(typed.told(work()))
    output.console().print(f"exclusion {number} counts no more")


def _known(one: Exclusion | None, number: int) -> None:
    if one is None:
        raise reach.NotFound(f"there is no exclusion {number}; `homing availability exclusion list` shows a month's")


@exclusion.command("list")
def list_exclusions(month: MonthArgument = None, json: JsonOption = False) -> None:
    """List the exclusions of a month, those that do not count included."""
    wanted = typed.month(month)
    since = datetime.combine(wanted.first, time(), UTC)
    until = datetime.combine(wanted.after, time(), UTC)

    async def work() -> list[Exclusion]:
        async with reach.database(reach.settings()) as pool:
            return await decisions.exclusions(pool, None, since=since, until=until)

    found = reach.run(work())
    if json:
        output.print_json(found)
        return
    rows = output.table(
        f"Exclusions in {wanted}", "number", "customer", "from", "to", "kind", "reason", "proposed", "approved", "withdrawn"
    )
    for one in found:
        rows.add_row(
            str(one.exclusion_id),
            "all" if one.account_id is None else str(one.account_id),
            output.moment(one.since),
            output.moment(one.until),
            one.kind.value,
            one.reason,
            one.proposed_by,
            one.approved_by,
            one.withdrawn_by,
        )
    output.console().print(rows if found else f"there is no exclusion in {wanted}")


@witness.command("add")
def add_witness(
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What it is called.")],
    public_key: Annotated[str, typer.Option("--public-key", metavar="HEX", help="What `homing probe init` printed.")],
    account: AccountOption = None,
    ours: OursOption = False,
) -> None:
    """Know a witness: a customer's, whose attempts it makes, or one of ours, which makes none."""

    async def work() -> witnesses.Witness | None:
        name_, key = witness_in(WitnessIn(name=name, public_key=public_key))
        async with reach.database(reach.settings()) as pool:
            owner = None if ours else (await reach.account(pool, account)).account_id
            return await witnesses.add(pool, account_id=owner, name=name_, public_key=key)

    made = reach.run(typed.told(work()))
    if made is None:
        raise Misuse("this key belongs to a witness already")
    output.console().print(f"witness {made.witness_id} is known")


@witness.command("list")
def list_witnesses(json: JsonOption = False) -> None:
    """List all witnesses."""

    async def work() -> list[witnesses.Witness]:
        async with reach.database(reach.settings()) as pool:
            return await witnesses.everybody(pool)

    found = reach.run(work())
    if json:
        output.print_json(found)
        return
    rows = output.table("Witnesses", "number", "whose", "name", "public key", "ended")
    for one in found:
        whose = "ours" if one.account_id is None else str(one.account_id)
        rows.add_row(
            str(one.witness_id), whose, one.name, one.public_key[:16], "" if one.ended_at is None else output.moment(one.ended_at)
        )
    output.console().print(rows if found else "there is no witness")


@witness.command("end")
def end_witness(
    number: NumberArgument,
    account: AccountOption = None,
    ours: OursOption = False,
) -> None:
    """Take no further reports of a witness."""

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            owner = None if ours else (await reach.account(pool, account)).account_id
            return await witnesses.end(pool, owner, number)

    if not reach.run(work()):
        raise reach.NotFound(f"there is no witness {number} there; `homing availability witness list` shows them")
    output.console().print(f"witness {number} is heard no more")


@report.command("list")
def list_reports(
    account: AccountOption = None,
    ours: OursOption = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 50,
    json: JsonOption = False,
) -> None:
    """List the latest reports of a customer's witnesses."""

    async def work() -> list[witnesses.Listed]:
        async with reach.database(reach.settings()) as pool:
            owner = None if ours else (await reach.account(pool, account)).account_id
            return list(await witnesses.listed(pool, owner, limit=limit))

    found = reach.run(work())
    if json:
        output.print_json(found)
        return
    rows = output.table("Reports", "number", "witness", "from", "seconds", "decision", "by", right=("seconds",))
    for one in found:
        since = output.moment(datetime.fromtimestamp(one.since, UTC))
        rows.add_row(str(one.report_id), one.name, since, str(one.until - one.since), one.decision.value, one.decided_by)
    output.console().print(rows if found else "there is no report")


@report.command("accept")
def accept_report(number: NumberArgument, who: AsOption) -> None:
    """Let a report count in seconds in which we watched, too: the customer's word stands."""
    _decide(number, witnesses.Decision.ACCEPTED, who)


@report.command("reject")
def reject_report(number: NumberArgument, who: AsOption) -> None:
    """Let a report count nowhere, for example because the witness's own network was down."""
    _decide(number, witnesses.Decision.REJECTED, who)


def _decide(number: int, decision: witnesses.Decision, who: str) -> None:
    async def work() -> int | None:
        async with reach.database(reach.settings()) as pool:
            by = await somebody(pool, who)
            check_person(by)
            return await witnesses.decide(pool, number, decision, by=by, now=typed.now())

    if reach.run(typed.told(work())) is None:
        raise reach.NotFound(f"there is no report {number} of a customer's witness")
    output.console().print(f"report {number} is {decision.value}; a sealed day is amended within ten minutes")
