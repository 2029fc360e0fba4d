"""What the demo shows: progress by provider while it runs, and what happened and why at the end."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from homing.cli import happened, output
from homing.events.types import EventType
from homing.ground import db
from homing.queue import holds, views
from homing.queue.holds import Hold
from homing.simulator.providers import Provider

_sql = db.queries("homing.cli")
_BAR = 28  # characters


@dataclass(slots=True)
class Tally:
    """What became of the mail to one provider.

    bounced   messages by bounce class
    delays    attempts that failed for now
    reasons   one example of a reply by bounce class
    """

    provider: Provider
    recipients: int
    delivered: int = 0
    bounced: Counter[str] = field(default_factory=Counter)
    delays: int = 0
    waiting: int = 0
    tries: int = 0
    waiting_reply: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)  # "delay", "bounce", "waiting" -> message id

    @property
    def done(self) -> int:
        """Return how many messages have ended."""
        return self.delivered + self.bounced.total()

    @property
    def attempts(self) -> int:
        """Return how often a host was tried; a message that ended without a host (no MX) was not."""
        return self.delivered + self.delays + (self.bounced.total() if self.provider.addresses else 0)


async def tally(
    pool: db.Pool, cast: Sequence[Provider], given: dict[str, int], *, transmission_id: bytes, account_id: int, since: object
) -> list[Tally]:
    """Count what happened so far, provider by provider."""
    tallies = {provider.name: Tally(provider, given[provider.name]) for provider in cast}
    by_domain = {
        domain: tallies[provider.name]
        for provider in cast
        for domain in (*provider.domains, *(domain for domain, _ in provider.also))
    }
    rows = _sql.outcomes_of_transmission(pool, transmission_id=transmission_id, account_id=account_id, since=since)
    async for row in rows:
        one = by_domain[row["domain"]]
        match EventType(row["type"]):
            case EventType.DELIVERY:
                one.delivered += row["messages"]
            case EventType.DELAY:
                one.delays += row["events"]
                one.examples.setdefault("delay", row["example"])
            case EventType.BOUNCE | EventType.POLICY_REJECTION | EventType.GENERATION_FAILURE:
                one.bounced[row["bounce_class"]] += row["messages"]
                one.reasons[row["bounce_class"]] = row["reason"] or ""
                one.examples.setdefault("bounce", row["example"])
    for part in await views.of_transmission(pool, transmission_id):
        one = by_domain[part.domain]
        one.waiting += part.depth
        one.tries = max(one.tries, part.tries)
        one.waiting_reply = one.waiting_reply or part.last_reply
        one.examples.setdefault("waiting", part.example)
    for hold in await holds.standing(pool):
        for one in tallies.values():
            if one.waiting and _names(hold, one.provider):
                one.waiting_reply = f"held: {hold.last_reply or hold.reason}"
    return list(tallies.values())


def _names(hold: Hold, provider: Provider) -> bool:
    """Return whether a hold stops a provider's site, or its first domain."""
    site = ",".join(sorted(provider.host(number) for number in range(len(provider.addresses))))
    return hold.key == {"site": site, "domain": provider.domains[0]}.get(hold.scope)


def progress(tallies: Iterable[Tally], *, seconds: float) -> RenderableType:
    """Return the picture while it runs."""
    some = list(tallies)
    rows = Table.grid(padding=(0, 2))
    for one in some:
        rows.add_row(
            Text(one.provider.name, style="bold"),
            _bar(one),
            Text(f"{one.done:>4}/{one.recipients}", style="green" if one.done == one.recipients else ""),
            Text(f"{one.waiting} waiting" if one.waiting else "", style="yellow"),
            Text(one.provider.about, style="dim"),
        )
    done, total = sum(one.done for one in some), sum(one.recipients for one in some)
    head = Text.assemble(
        (output.number(done), "bold green"), f" of {output.number(total)} messages have ended, ", f"{seconds:.1f} s"
    )
    return Group(head, Text(), rows)


def _bar(one: Tally) -> Text:
    """Return a bar: delivered, bounced, tried and waiting, not tried yet."""
    parts = ((one.delivered, "green"), (one.bounced.total(), "red"), (one.waiting if one.tries else 0, "yellow"))
    text, used = Text(), 0.0
    for count, style in parts:
        until = used + count / max(1, one.recipients) * _BAR
        text.append("━" * (round(until) - round(used)), style=style)
        used = until
    return text.append("━" * max(0, _BAR - round(used)), style="bright_black")


def line(tallies: Iterable[Tally], *, seconds: float) -> str:
    """Return the progress on one line, for where there is no terminal."""
    some = list(tallies)
    delivered, bounced = sum(one.delivered for one in some), sum(one.bounced.total() for one in some)
    total, waiting = sum(one.recipients for one in some), sum(one.waiting for one in some)
    return f"{seconds:5.1f} s: {delivered:,} delivered, {bounced:,} bounced, {waiting:,} waiting, of {total:,}"


def result(tallies: Iterable[Tally], *, width: int) -> Table:
    """Return what happened, by provider, and why; width of the console in columns."""
    some = list(tallies)
    rows = output.table(
        "What happened",
        "provider",
        "sent to",
        "delivered",
        "bounced",
        "waiting",
        "attempts",
        "why",
        right=("sent to", "delivered", "bounced", "waiting", "attempts"),
        nowrap=("provider",),
    )
    reasons = rows.columns[-1]  # one line for each, as far as the width goes
    reasons.no_wrap, reasons.overflow, reasons.max_width = True, "ellipsis", max(40, width - 66)
    for one in some:
        rows.add_row(
            Text(one.provider.name, style="bold"),
            output.number(one.recipients),
            _count(one.delivered, "green"),
            _count(one.bounced.total(), "red"),
            _count(one.waiting, "yellow"),
            output.number(one.attempts),
            _why(one),
        )
    rows.add_section()
    rows.add_row(
        Text("all", style="bold"),
        output.number(sum(one.recipients for one in some)),
        _count(sum(one.delivered for one in some), "green"),
        _count(sum(one.bounced.total() for one in some), "red"),
        _count(sum(one.waiting for one in some), "yellow"),
        output.number(sum(one.attempts for one in some)),
        "",
    )
    return rows


def _count(number: int, style: str) -> Text:
    return Text(output.number(number), style=style if number else "bright_black")


def _why(one: Tally) -> Text:
    text = Text(one.provider.about, style="dim")
    for number, count in one.bounced.most_common():
        text.append(f"\n{count} × {happened.class_name(number)}", style="red")
        text.append(f"  {one.reasons.get(number, '')}", style="dim")
    if one.waiting:
        text.append(f"\n{one.waiting} wait", style="yellow")
        text.append(f"  {one.waiting_reply or 'not tried yet'}", style="dim")
    elif one.delays:
        text.append(f"\n{one.delays} attempt{'s' if one.delays != 1 else ''} deferred, then it went", style="yellow")
    return text
