"""`homing events`: what happened, newest last, and as it happens."""

import asyncio
import re
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from homing.cli import happened, output, reach
from homing.cli.happened import Happened
from homing.cli.keys import AccountOption, JsonOption
from homing.events.types import EventType
from homing.ground import db, ids
from homing.ground.errors import Misuse

FOLLOW_EVERY_S = 0.5
OVERLAP = timedelta(seconds=10)  # an event is dated when it happened and written a little later
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|d|w)?$")
_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800, None: 1}


def events(
    message: Annotated[str | None, typer.Option("--message", metavar="ID", help="Of one message.", show_default=False)] = None,
    transmission: Annotated[
        str | None, typer.Option("--transmission", metavar="ID", help="Of one transmission.", show_default=False)
    ] = None,
    recipient: Annotated[
        str | None, typer.Option("--recipient", metavar="ADDRESS", help="Of one recipient.", show_default=False)
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", metavar="DOMAIN", help="Of one recipient domain.", show_default=False)
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="Of this type; again for more.", show_default=False)
    ] = None,
    campaign: Annotated[str | None, typer.Option("--campaign", metavar="ID", help="Of one campaign.", show_default=False)] = None,
    since: Annotated[str, typer.Option("--since", help="A span (30s, 15min, 2h, 3d) or a time (2026-03-09T14:00).")] = "24h",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Events at most.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on and show what happens, until Ctrl-C.")] = False,
    account: AccountOption = None,
    json: JsonOption = False,
) -> None:
    """Show what happened: the newest events that match, newest last. Filters can be joined."""
    search = Search(
        since=moment(since, datetime.now(UTC)),
        message_id=_message_id(message),
        transmission_id=_transmission_id(transmission),
        recipient=recipient.lower() if recipient else None,
        domain=domain.lower() if domain else None,
        types=[type_named(one) for one in kind] if kind else None,
        campaign_id=campaign,
    )
    reach.run(_show(search, limit=limit, follow=follow, account=account, json=json))


class Search:
    """What to look for; None: whatever it is."""

    def __init__(
        self,
        *,
        since: datetime,
        message_id: bytes | None = None,
        transmission_id: bytes | None = None,
        recipient: str | None = None,
        domain: str | None = None,
        types: list[int] | None = None,
        campaign_id: str | None = None,
    ) -> None:
        self.since = since
        self.message_id = message_id
        self.transmission_id = transmission_id
        self.recipient = recipient
        self.domain = domain
        self.types = types
        self.campaign_id = campaign_id
        self.account_id: int | None = None

    async def newest(self, executor: db.Executor, *, limit: int, since: datetime | None = None) -> list[Happened]:
        """Return the newest matching events, oldest of them first."""
        return await happened.newest(
            executor,
            since=since or self.since,
            limit=limit,
            message_id=self.message_id,
            transmission_id=self.transmission_id,
            recipient=self.recipient,
            domain=self.domain,
            types=self.types,
            campaign_id=self.campaign_id,
            account_id=self.account_id,
        )


async def _show(search: Search, *, limit: int, follow: bool, account: str | None, json: bool) -> None:
    console = output.console()
    async with reach.database(reach.settings()) as pool:
        if account is not None:
            search.account_id = (await reach.account(pool, account)).account_id
        found = await search.newest(pool, limit=limit)
        if json and not follow:
            output.print_json([event.as_json() for event in found])
            return
        _print(console, found, json=json)
        if not found and not follow:
            output.remark(f"no event matches since {output.clock(search.since)} UTC; --since 7d looks further back")
        if not json and not follow and len(found) == limit:
            output.remark(f"the newest {limit}; --limit shows more")
        if follow:
            await _follow(console, pool, search, found, json=json)


async def _follow(console: Console, pool: db.Pool, search: Search, found: list[Happened], *, json: bool) -> None:
    """Show what is appended, until interrupted. An event is shown once, by its place in the log."""
    seen: deque[tuple[int, int]] = deque((event.place for event in found), maxlen=200_000)
    known = set(seen)
    last = found[-1].at if found else datetime.now(UTC)
    while True:
        await asyncio.sleep(FOLLOW_EVERY_S)
        recent = await search.newest(pool, limit=10_000, since=max(search.since, last - OVERLAP))
        fresh = [event for event in recent if event.place not in known]
        for event in fresh:
            if len(seen) == seen.maxlen:
                known.discard(seen[0])
            seen.append(event.place)
            known.add(event.place)
        if fresh:
            last = max(last, fresh[-1].at)
            _print(console, fresh, json=json)


def _print(console: Console, found: list[Happened], *, json: bool) -> None:
    for event in found:
        if json:
            output.print_json_line(event.as_json())
            continue
        line = Text.assemble(
            (output.clock(event.at), "dim"),
            "  ",
            (f"{event.type.wire:<18}", happened.STYLES.get(event.type, "")),
            "  ",
            (event.message_id or "–", "dim"),
            "  ",
            (event.recipient, "bold"),
        )
        said = happened.told(event)
        if event.type is EventType.BOUNCE:
            said = f"[{happened.class_name(str(event.detail.get('bounce_class', '')))}] {said}"
        if said:
            line.append("  " + said)
        if console.is_terminal:
            console.print(line, no_wrap=True, overflow="ellipsis")  # one line each; --json and trace show the whole reply
        else:
            console.print(line, soft_wrap=True)


def moment(text: str, now: datetime) -> datetime:
    """Read `--since`: a span before now, or a moment (UTC unless it says otherwise).

    raises   Misuse saying what to write
    """
    span = _SPAN.match(text.strip())
    if span:
        return now - timedelta(seconds=float(span[1]) * _UNITS[span[2]])
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Misuse(f"--since {text!r} is neither a span (30s, 15min, 2h, 3d) nor a time (2026-03-09T14:00)") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def type_named(name: str) -> int:
    """Return the number of an event type.

    raises   Misuse naming the types there are
    """
    try:
        return int(EventType[name.strip().upper()])
    except KeyError:
        raise Misuse(f"there is no event type {name!r}; there are: {', '.join(kind.wire for kind in EventType)}") from None


def _message_id(text: str | None) -> bytes | None:
    try:
        return ids.from_hex(text.strip().lower()) if text else None
    except ids.BadId as trouble:
        raise Misuse(f"--message {text!r}: {trouble}") from trouble


def _transmission_id(text: str | None) -> bytes | None:
    try:
        return ids.from_digits(text.strip()) if text else None
    except ids.BadId as trouble:
        raise Misuse(f"--transmission {text!r}: {trouble}") from trouble
