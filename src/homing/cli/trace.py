"""`homing trace`: the life of one message; and if it waits, what binds it and when the next try is."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from homing.accounts import store as accounts
from homing.cli import control, happened, output, reach, sites
from homing.cli.happened import Happened
from homing.cli.keys import JsonOption
from homing.cli.queue import hold_facts
from homing.delivery import room
from homing.events.types import EventType
from homing.ground import db, ids
from homing.ground.config import Settings
from homing.ground.errors import Misuse
from homing.queue import holds, views
from homing.queue.views import WaitingEntry

_ENDS = {
    EventType.DELIVERY: ("delivered", "bold green"),
    EventType.BOUNCE: ("bounced", "bold red"),
    EventType.POLICY_REJECTION: ("rejected", "bold red"),
    EventType.GENERATION_FAILURE: ("could not be made", "bold red"),
    EventType.GENERATION_REJECTION: ("rejected", "bold red"),
}


def trace(
    message: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="20 hex digits, as `homing events` shows them.")],
    json: JsonOption = False,
) -> None:
    """Show the life of one message: every attempt and reply; and if it waits, why, and when the next try is."""
    try:
        message_id = ids.from_hex(message.strip().lower())
    except ids.BadId as trouble:
        raise Misuse(f"{message!r}: {trouble}; `homing events --recipient ADDRESS` finds it") from trouble
    story = reach.run(_look(reach.settings(), message_id))
    if story is None:
        raise reach.NotFound(
            f"nothing is known of {message}, whose id was made at {output.clock(ids.moment_of(message_id))} UTC: either its "
            "events have passed their retention, or it is no message of this platform"
        )
    if json:
        output.print_json(story)
    else:
        show(output.console(), story)


async def _look(chosen: Settings, message_id: bytes) -> dict[str, Any] | None:
    async with reach.database(chosen) as pool:
        return await tell(chosen, pool, message_id)


async def tell(chosen: Settings, pool: db.Pool, message_id: bytes) -> dict[str, Any] | None:
    """Return everything that is known of a message; None where nothing is."""
    found = await happened.of_message(pool, message_id)
    waiting = await views.entry(pool, message_id)
    if not found and waiting is None:
        return None
    names = {one.account_id: one.name for one in await accounts.all_accounts(pool)}
    first = found[0] if found else None
    account_id = first.account_id if first else waiting.account_id if waiting else 0
    return {
        "message_id": ids.to_hex(message_id),
        "recipient": waiting.recipient if waiting else first.detail.get("raw_rcpt_to", first.recipient) if first else "",
        "customer": names.get(account_id, str(account_id)),
        "campaign_id": waiting.campaign_id if waiting else first.campaign_id if first else "",
        "transmission_id": first.transmission_id if first else "",
        "from": first.detail.get("friendly_from", "") if first else "",
        "subject": next((event.detail["subject"] for event in reversed(found) if event.detail.get("subject")), ""),
        "accepted_at": ids.moment_of(message_id),
        "state": _state(found, waiting),
        "attempts": attempts(found),
        "events": [event.as_json() for event in found],
        "waiting": await _binding(chosen, pool, waiting, names) if waiting else None,
    }


def attempts(found: list[Happened]) -> int:
    """Return how many times a host was tried: an end without an attempt (suppressed, expired, cancelled) is none."""
    tried = (EventType.DELIVERY, EventType.DELAY)
    return sum(event.type in tried or (event.type is EventType.BOUNCE and "ip_address" in event.detail) for event in found)


def _state(found: list[Happened], waiting: WaitingEntry | None) -> str:
    if waiting is not None:
        return "waiting"
    for event in reversed(found):
        if event.type in _ENDS:
            return _ENDS[event.type][0]
    return "unknown"


async def _binding(chosen: Settings, pool: db.Pool, waiting: WaitingEntry, names: dict[int, str]) -> dict[str, Any]:
    live = await control.ask(chosen, "trace", message_id=ids.to_hex(waiting.message_id))
    snapshot = await control.ask(chosen, "snapshot")
    place = (await sites.book(chosen, [waiting.domain], snapshot))[waiting.domain]
    standing = views.binding(await holds.standing(pool), waiting, site=place.site)
    running = live is not None or snapshot is not None
    pool_name = waiting.facts.ip_pool if waiting.facts is not None else ""
    no_room = room.name_of(waiting.account_id, pool_name) in control.pools_without_room(snapshot)
    return {
        "next_attempt_at": waiting.due_at,
        "due": waiting.due_at <= waiting.now,
        "failed_tries": waiting.tries,
        "last_reply": waiting.last_reply,
        "expires_at": waiting.expires_at,
        "site": place.site,
        "provider": place.provider,
        "holds": [hold_facts(hold, names) for hold in standing],
        "lane": {"shard": waiting.shard, "domain": waiting.domain, "due_before": waiting.before, "waiting": waiting.depth},
        "owner": waiting.owner,
        "running": running,
        "memory": live,
        "binds": binds(waiting, bool(standing), live, running=running, no_room=no_room),
    }


def binds(waiting: WaitingEntry, held: bool, live: dict[str, Any] | None, *, running: bool, no_room: bool = False) -> str:
    """Return in one word what a message waits for: the one thing that would let it go on."""
    if not running:
        return "not_running"
    if live and live.get("state") in ("in_flight", "looking_up"):
        return str(live["state"])
    if held:
        return "hold"
    if waiting.due_at > waiting.now:
        return "scheduled" if not waiting.tries else "retry"
    if waiting.owner is None:
        return "no_owner"
    return "room" if no_room and not (live and live.get("state")) else "turn"


_BINDS = {
    "not_running": "`homing up` does not run on this data folder: nothing is sent",
    "in_flight": "an attempt is under way at this moment",
    "looking_up": "its mail hosts are being looked up in the DNS",
    "hold": "a hold stops it",
    "scheduled": "its start time has not come",
    "retry": "the wait between two attempts",
    "no_owner": "no worker owns its shard at this moment; within half a minute one will",
    "room": "every address of its pool has sent what warm-up lets it send; `homing ips` shows them",
    "turn": "it is due: its turn comes as connections and limits of the site allow",
}


# for a person -----------------------------------------------------------------------------------------------------------


def show(console: Console, story: dict[str, Any]) -> None:
    """Print the story of a message."""
    console.print(_head(story))
    console.print(_life(story))
    if story["waiting"]:
        console.print(_wait(story["waiting"], datetime.now(UTC)))


def _head(story: dict[str, Any]) -> RenderableType:
    styles = dict(_ENDS.values()) | {"waiting": "bold yellow"}
    title = Text.assemble(
        ("Message ", "bold"), (story["message_id"], "bold cyan"), " to ", (story["recipient"], "bold"), ": "
    ).append(story["state"], style=styles.get(story["state"], "bold"))
    facts = [
        ("from", story["from"]),
        ("subject", story["subject"]),
        ("customer", story["customer"]),
        ("campaign", story["campaign_id"]),
        ("transmission", story["transmission_id"]),
    ]
    grid = Table.grid(padding=(0, 2))
    for name, value in facts:
        if value:
            grid.add_row(Text(name, style="dim"), str(value))
    return Group(title, Padding(grid, (0, 0, 0, 2)))


def _life(story: dict[str, Any]) -> RenderableType:
    rows = output.table(
        "", "time (UTC)", "after", "event", "host", "what it said", right=("after",), nowrap=("time (UTC)", "event")
    )
    for event in story["events"]:
        kind = EventType[str(event["type"]).upper()]
        after: timedelta = event["at"] - story["accepted_at"]
        rows.add_row(
            output.clock(event["at"]),
            output.span(after) if after > timedelta(0) else "0 s",
            happened.named(kind),
            str(event.get("ip_address", "")),
            _said(kind, event),
        )
    return rows


def _said(kind: EventType, event: dict[str, Any]) -> Text:
    text = Text()
    if kind is EventType.INJECTION:
        return text.append(f"accepted over {'REST' if event.get('recv_method') == 'rest' else 'SMTP'}")
    if kind is EventType.BOUNCE:
        text.append(f"{happened.class_name(str(event.get('bounce_class', '')))}: ", style="red")
    if kind is EventType.DELIVERY:
        text.append(f"{happened.tls_word(event)}  ", style="dim")
    return text.append(str(event.get("raw_reason") or event.get("reason") or event.get("reply") or ""))


def _wait(waiting: dict[str, Any], now: datetime) -> RenderableType:
    grid = Table.grid(padding=(0, 2))

    def fact(name: str, value: str | Text) -> None:
        grid.add_row(Text(name, style="dim"), value)

    fact("because", Text(_BINDS[waiting["binds"]], style="bold yellow"))
    for hold in waiting["holds"]:
        until = output.relative(hold["until"], now) if hold["until"] else "somebody resumes it"
        placed = f"placed {output.relative(hold['placed_at'], now)} by {hold['placed_by']}"
        fact("hold", f"on {hold['scope']} {hold['key']}, {placed}, until {until}")
        fact("", Text(hold["last_reply"] or hold["reason"], style="yellow"))
    due = (
        "now"
        if waiting["due"]
        else f"{output.relative(waiting['next_attempt_at'], now)} ({output.clock(waiting['next_attempt_at'])})"
    )
    fact("next try", f"{due}, attempt {waiting['failed_tries'] + 1}")
    if waiting["last_reply"]:
        fact("last reply", Text(waiting["last_reply"], style="yellow"))
    fact("gives up", f"{output.relative(waiting['expires_at'], now)} ({output.clock(waiting['expires_at'])})")
    fact("site", waiting["site"] + (f" ({waiting['provider']})" if waiting["provider"] else ""))
    lane = waiting["lane"]
    fact(
        "lane",
        f"{output.number(lane['waiting'])} of this campaign to {lane['domain']} wait in shard {lane['shard']}; "
        f"{output.number(lane['due_before'])} are due before it",
    )
    if waiting["memory"]:
        told = ", ".join(f"{name} {value}" for name, value in waiting["memory"].items() if value not in ("", None))
        fact("in memory", told or "no")
    return Group(Text("It waits", style="bold yellow"), Padding(grid, (0, 0, 1, 2)))
