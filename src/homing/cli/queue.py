"""`homing queue`: what waits, where, why, and until when; pause and resume."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from homing.accounts import store as accounts
from homing.cli import control, output, reach, sites
from homing.cli.keys import AccountOption, JsonOption
from homing.ground import db
from homing.ground.config import Settings
from homing.ground.errors import Misuse
from homing.queue import holds, views
from homing.queue.holds import Hold
from homing.queue.views import Waiting

app = typer.Typer(help="Show what waits; pause and resume.", invoke_without_command=True)

PLACED_BY = "operator"


class By(StrEnum):
    """How the queue is grouped."""

    PROVIDER = "provider"
    SITE = "site"
    CUSTOMER = "customer"
    LANE = "lane"
    DOMAIN = "domain"


_LABELS = {
    By.PROVIDER: ("provider",),
    By.SITE: ("site", "provider"),
    By.CUSTOMER: ("customer",),
    By.LANE: ("customer", "campaign", "pool", "domain"),
    By.DOMAIN: ("domain",),
}


@app.callback()
def show(
    context: typer.Context,
    by: Annotated[By, typer.Option("--by", help="Group by this.")] = By.DOMAIN,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Lines at most.")] = 50,
    json: JsonOption = False,
) -> None:
    """Show what waits: how much, since when, the next attempt, the last reply, and what holds it."""
    if context.invoked_subcommand is not None:
        return
    picture = reach.run(_look(reach.settings(), by, limit))
    if json:
        output.print_json(picture)
        return
    console, now = output.console(), datetime.now(UTC)
    if picture["groups"]:
        console.print(_table(by, picture["groups"], now))
    console.print(_summary(picture))
    if picture["holds"]:
        console.print()
        console.print(hold_table(picture["holds"], now))


async def _look(chosen: Settings, by: By, limit: int) -> dict[str, Any]:
    live = await control.ask(chosen, "snapshot")
    async with reach.database(chosen) as pool:
        waiting, due = await views.total(pool)
        standing = await standing_holds(pool)
        match by:
            case By.CUSTOMER:
                groups = [_group(row, customer=_customer(row)) for row in await views.by_customer(pool, limit=limit)]
            case By.LANE:
                groups = [_lane(row) for row in await views.by_lane(pool, limit=limit)]
            case By.DOMAIN:
                groups = [_group(row, domain=row.domain) for row in await views.by_domain(pool, limit=limit)]
            case By.SITE | By.PROVIDER:
                rows = await views.by_domain(pool, limit=10_000)
                book = await sites.book(chosen, [row.domain for row in rows], live)
                groups = _joined(rows, book, by)[:limit]
    if by in (By.SITE, By.PROVIDER):
        _add_memory(groups, control.sites_of(live), by)
    return {"by": by.value, "waiting": waiting, "due": due, "running": live is not None, "groups": groups, "holds": standing}


def _group(row: Waiting, **labels: Any) -> dict[str, Any]:
    return {
        **labels,
        "waiting": row.depth,
        "oldest_at": row.oldest_at,
        "next_attempt_at": row.next_due,
        "last_reply": row.last_reply,
    }


def _customer(row: Waiting) -> str:
    return row.account or str(row.account_id)


def _lane(row: Waiting) -> dict[str, Any]:
    return _group(
        row, customer=_customer(row), subaccount=row.subaccount_id, campaign=row.campaign_id, pool=row.ip_pool, domain=row.domain
    )


def _joined(rows: Iterable[Waiting], book: dict[str, sites.Place], by: By) -> list[dict[str, Any]]:
    """Return domains joined to the sites or providers that take their mail, deepest first."""
    groups: dict[str, dict[str, Any]] = {}
    for row in rows:
        place = book[row.domain]
        key = place.site if by is By.SITE else place.provider or place.site
        group = groups.get(key)
        if group is None:
            labels: dict[str, Any] = {"site": key, "provider": place.provider} if by is By.SITE else {"provider": key}
            groups[key] = {**_group(row, **labels), "domains": [row.domain]}
            continue
        group["domains"].append(row.domain)
        group["waiting"] += row.depth
        group["oldest_at"] = min(group["oldest_at"], row.oldest_at)
        group["next_attempt_at"] = min(group["next_attempt_at"], row.next_due)
        group["last_reply"] = group["last_reply"] or row.last_reply
    return sorted(groups.values(), key=lambda group: -group["waiting"])


def _add_memory(groups: list[dict[str, Any]], live: list[dict[str, Any]], by: By) -> None:
    """Add what workers hold in memory for each group: ready messages, connections, attempts under way."""
    for group in groups:
        name = group[by.value]
        mine = [one for one in live if name in (one.get("site"), one.get("provider") if by is By.PROVIDER else None)]
        for member in ("ready", "connections", "busy"):
            group[member] = sum(int(one.get(member) or 0) for one in mine)


def _table(by: By, groups: list[dict[str, Any]], now: datetime) -> Table:
    labels = _LABELS[by]
    live = ("ready", "connections") if by in (By.SITE, By.PROVIDER) else ()
    rows = output.table(
        "",
        *labels,
        "waiting",
        *live,
        "oldest",
        "next attempt",
        "last reply",
        right=("waiting", *live),
        nowrap=("oldest", "next attempt"),
    )
    for group in groups:
        rows.add_row(
            *(output.shortened(str(group[label] or "–"), 60) for label in labels),
            output.number(group["waiting"]),
            *(output.number(group[member]) for member in live),
            output.relative(group["oldest_at"], now),
            _next(group["next_attempt_at"], now),
            Text(output.shortened(group["last_reply"], 120), style="yellow"),
        )
    return rows


def _next(moment: datetime, now: datetime) -> str:
    return "now" if moment <= now else output.relative(moment, now)


def _summary(picture: dict[str, Any]) -> Text:
    if not picture["waiting"]:
        text = Text("Nothing waits.", style="green")
    else:
        text = Text.assemble(
            (output.number(picture["waiting"]), "bold"),
            " waiting, ",
            (output.number(picture["due"]), "bold"),
            " of them due now; ",
            (str(len(picture["holds"])), "bold"),
            " hold" + ("" if len(picture["holds"]) == 1 else "s"),
        )
    if not picture["running"]:
        text.append("\nNo `homing up` answers on this data folder: nothing is sent now.", style="yellow")
    return text


_ENDS = {holds.SUSPENDED: "active again"}  # what ends a hold that no moment and no `homing queue resume` ends

# holds ------------------------------------------------------------------------------------------------------------------


async def standing_holds(pool: db.Pool) -> list[dict[str, Any]]:
    """Return the holds that stand now, with the names of their customers."""
    names = {one.account_id: one.name for one in await accounts.all_accounts(pool)}
    now = datetime.now(UTC)
    return [
        hold_facts(hold, names)
        for hold in sorted(await holds.standing(pool), key=lambda hold: (hold.placed_by == "delivery", hold.scope, hold.key))
        if hold.until is None or hold.until > now
    ]


def hold_facts(hold: Hold, names: dict[int, str]) -> dict[str, Any]:
    """Return a hold for a table or for JSON."""
    return {
        "scope": hold.scope,
        "key": _key(hold, names),
        "customer": names.get(hold.account_id or 0, ""),
        "source_ip": hold.source_ip,
        "until": hold.until,
        "reason": hold.reason,
        "last_reply": hold.last_reply,
        "placed_by": hold.placed_by,
        "placed_at": hold.placed_at,
    }


def _key(hold: Hold, names: dict[int, str]) -> str:
    name = names.get(hold.account_id or 0, hold.key)
    if hold.scope == holds.SUSPENDED:
        return name if hold.key == "0" else f"{name}, subaccount {hold.key}"
    return name if hold.scope == "customer" else hold.key


def hold_table(standing: list[dict[str, Any]], now: datetime) -> Table:
    """Return the holds as a table."""
    rows = output.table("Holds", "what", "since", "until", "why", nowrap=("since", "until"))
    for hold in standing[:30]:
        whose = f" of {hold['customer']}" if hold["scope"] == "campaign" and hold["customer"] else ""
        rows.add_row(
            f"{hold['scope']} {output.shortened(hold['key'], 60)}{whose}"
            + (f" from {hold['source_ip']}" if hold["source_ip"] else ""),
            output.relative(hold["placed_at"], now),
            output.relative(hold["until"], now) if hold["until"] else _ENDS.get(hold["scope"], "somebody resumes it"),
            Text(output.shortened(hold["last_reply"] or hold["reason"], 100), style="yellow"),
        )
    if len(standing) > 30:
        rows.add_row(f"… and {len(standing) - 30} more", "", "", "`homing queue --json` lists them all")
    return rows


# pause and resume -------------------------------------------------------------------------------------------------------

CampaignOption = Annotated[
    str | None, typer.Option("--campaign", metavar="ID", help="One campaign of a customer.", show_default=False)
]
CustomerOption = Annotated[
    str | None, typer.Option("--customer", metavar="NAME", help="Everything of one customer.", show_default=False)
]
DomainOption = Annotated[
    str | None, typer.Option("--domain", metavar="DOMAIN", help="Mail to one recipient domain.", show_default=False)
]
SiteOption = Annotated[
    str | None,
    typer.Option("--site", metavar="SITE", help="Mail to one site, as `homing queue --by site` names it.", show_default=False),
]


@app.command("pause")
def pause(
    campaign: CampaignOption = None,
    customer: CustomerOption = None,
    domain: DomainOption = None,
    site: SiteOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; shown to whoever looks.")] = "paused by an operator",
    account: AccountOption = None,
) -> None:
    """Stop a campaign, a customer, a recipient domain or a site. What is being sent at this moment is finished."""
    _exactly_one(campaign, customer, domain, site)

    async def work() -> Hold:
        async with reach.database(reach.settings()) as pool:
            hold = await _named(pool, campaign, customer, domain, site, account, reason)
            await holds.place(pool, hold)
            return hold

    hold = reach.run(work())
    output.console().print(f"{hold.scope} {hold.key} is paused; `homing queue resume --{hold.scope} ...` lets it go on")


@app.command("resume")
def resume(
    campaign: CampaignOption = None,
    customer: CustomerOption = None,
    domain: DomainOption = None,
    site: SiteOption = None,
    account: AccountOption = None,
) -> None:
    """Lift a hold: an operator's, or one that delivery placed itself."""
    _exactly_one(campaign, customer, domain, site)

    async def work() -> tuple[Hold, int]:
        async with reach.database(reach.settings()) as pool:
            wanted = await _named(pool, campaign, customer, domain, site, account, "")
            lifted = 0
            for hold in await holds.standing(pool):
                if (hold.scope, hold.key, hold.account_id) == (wanted.scope, wanted.key, wanted.account_id):
                    lifted += await holds.lift(
                        pool, scope=hold.scope, key=hold.key, account_id=hold.account_id, source_ip=hold.source_ip
                    )
            return wanted, lifted

    wanted, lifted = reach.run(work())
    if not lifted:
        raise reach.NotFound(f"nothing holds {wanted.scope} {wanted.key}; `homing queue` shows the holds")
    output.console().print(f"{wanted.scope} {wanted.key} goes on")


def _exactly_one(*values: str | None) -> None:
    if sum(bool(value) for value in values) != 1:
        raise Misuse("say what: exactly one of --campaign, --customer, --domain, --site")


async def _named(
    pool: db.Pool,
    campaign: str | None,
    customer: str | None,
    domain: str | None,
    site: str | None,
    account: str | None,
    reason: str,
) -> Hold:
    """Return the hold that the options name; exactly one of the four is given."""
    given = [
        name for name, value in (("campaign", campaign), ("customer", customer), ("domain", domain), ("site", site)) if value
    ]
    if len(given) != 1:
        raise Misuse("say what: exactly one of --campaign, --customer, --domain, --site")
    if campaign:
        owner = await reach.account(pool, account)
        return Hold(scope="campaign", key=campaign, account_id=owner.account_id, reason=reason, placed_by=PLACED_BY)
    if customer:
        owner = await reach.account(pool, customer)
        return Hold(scope="customer", key=str(owner.account_id), account_id=owner.account_id, reason=reason, placed_by=PLACED_BY)
    if domain:
        return Hold(scope="domain", key=domain.strip().lower().rstrip("."), reason=reason, placed_by=PLACED_BY)
    assert site is not None
    return Hold(scope="site", key=site.strip().lower(), reason=reason, placed_by=PLACED_BY)
