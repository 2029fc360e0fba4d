"""`homing demo`: the platform in a small simulated internet, one transmission, and what became of it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.live import Live
from rich.status import Status
from rich.text import Text

from homing.accounts import store as accounts
from homing.accounts.grants import KEY_GRANTS
from homing.cli import census, demo_view, domains, output, reach, send, trace
from homing.cli.demo_house import House, house
from homing.cli.demo_view import Tally
from homing.cli.keys import JsonOption
from homing.domains import store as domain_store
from homing.domains.rules.verify import record_name, record_value
from homing.ground import db, ids
from homing.simulator.dns import Record
from homing.simulator.providers import CAST
from homing.simulator.town import Town

DOMAIN = "shop.test"
EVERY_S = 0.25
LONGEST_S = 75.0  # from hand-in to the report
QUIET_S = 12.0  # nothing has ended for so long: what still waits would go on waiting
LEAST_S = 20.0


@dataclass(slots=True)
class Sent:
    """The one transmission of the demo."""

    transmission_id: bytes
    account_id: int
    since: datetime
    accepted_s: float
    started_s: float


def demo(
    recipients: Annotated[int, typer.Option("--recipients", min=20, max=50_000, help="How many.")] = 2000,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up afterwards until Ctrl-C, so that you can look around; keep the data.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Send 2,000 mails through a small simulated internet, and show what happened. Needs no network and no set-up."""
    try:
        uvloop.run(_demo(recipients, keep=keep, json=json))
    except asyncio.CancelledError:
        raise SystemExit(143) from None


async def _demo(count: int, *, keep: bool, json: bool) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    talk = Console(stderr=True, highlight=False) if json else output.console()
    with _step(talk, "starting a small internet: DNS and mailbox providers on 127.0.0.x"):
        town = Town(CAST, keep=2 * count + 1000)
        await town.__aenter__()
    try:
        async with _platform(talk, town, keep=keep) as running, reach.database(running.settings, most=3) as pool:
            sent = await _send(talk, town, running, pool, count)
            tallies = await _watch(talk, pool, sent, count)
            await _report(talk, running, pool, sent, tallies, town, json=json, keep=keep)
            if keep:
                await _stay(talk, running)
    finally:
        await town.__aexit__(None, None, None)


@asynccontextmanager
async def _platform(talk: Console, town: Town, *, keep: bool) -> AsyncIterator[House]:
    stack = contextlib.AsyncExitStack()
    try:
        with _step(talk, "starting the platform: database, doors, delivery"):
            running = await stack.enter_async_context(house(dns=town.dns, delivery_port=town.port, keep=keep))
        yield running
    finally:
        with _step(talk, "stopping the platform"):
            await stack.aclose()


@contextlib.contextmanager
def _step(talk: Console, text: str) -> Any:
    """Say what is being done; on a terminal with something that turns meanwhile."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with Status(text, console=talk) if talk.is_terminal else contextlib.nullcontext():
        yield
    talk.print(Text.assemble(("✓ ", "green"), text, (f"  {loop.time() - began:.1f} s", "dim")))


async def _send(talk: Console, town: Town, running: House, pool: db.Pool, count: int) -> Sent:
    """Make a key and a domain, publish its DKIM records, and hand in one transmission by REST."""
    with _step(talk, f"an API key, and the domain {DOMAIN} with its DKIM records in DNS"):
        owner = await reach.account(pool, None, make=True)
        key = await accounts.create_key(pool, account_id=owner.account_id, label="demo", grants=sorted(KEY_GRANTS))
        await domains.add_domain(pool, domains.master_key(running.settings), DOMAIN, account_id=owner.account_id, trust=True)
        for one in (await domain_store.keys_of(pool, [DOMAIN]))[DOMAIN]:
            value = domains.quoted(record_value(one.public_key, algorithm=one.algorithm))
            town.zones.add(Record(record_name(one.selector, one.signing_domain), "TXT", value))
    body = {
        "campaign_id": "demo",
        "content": {
            "from": {"email": f"news@{DOMAIN}", "name": "The Shop"},
            "subject": "{{first_name}}, your parcel is on its way",
            "text": "Hello {{first_name}},\n\nyour parcel number {{parcel}} left our house today.\n\nThe Shop\n",
            "html": "<p>Hello {{first_name}},</p><p>your parcel number <b>{{parcel}}</b> left our house today.</p>",
        },
        "recipients": [
            {"address": {"email": email, "name": name}, "substitution_data": {"first_name": name.split()[0], "parcel": number}}
            for number, (email, name) in enumerate(census.recipients(CAST, count), start=1001)
        ],
    }
    loop = asyncio.get_running_loop()
    since, began = datetime.now(UTC) - timedelta(minutes=1), loop.time()
    with _step(talk, f"one API call with {output.number(count)} recipients"):
        answer = await asyncio.to_thread(send.post, running.url, "/api/v1/transmissions", key.clear, body)
    return Sent(
        transmission_id=ids.from_digits(str(answer["results"]["id"])),
        account_id=owner.account_id,
        since=since,
        accepted_s=loop.time() - began,
        started_s=began,
    )


async def _watch(talk: Console, pool: db.Pool, sent: Sent, count: int) -> list[Tally]:
    """Show progress until every message has ended, or what waits would wait for long."""
    loop = asyncio.get_running_loop()
    given = census.shares(CAST, count)
    last_done, last_change = -1, loop.time()
    tallies: list[Tally] = []
    with _picture(talk) as show:
        while True:
            tallies = await demo_view.tally(
                pool, CAST, given, transmission_id=sent.transmission_id, account_id=sent.account_id, since=sent.since
            )
            now = loop.time()
            seconds = now - sent.started_s
            show(tallies, seconds)
            done = sum(one.done for one in tallies)
            if done != last_done:
                last_done, last_change = done, now
            if done >= count or seconds > LONGEST_S or (seconds > LEAST_S and now - last_change > QUIET_S):
                return tallies
            await asyncio.sleep(EVERY_S)


@contextlib.contextmanager
def _picture(talk: Console) -> Any:
    """Give a function that shows progress: a live picture on a terminal, a line every five seconds elsewhere."""
    if talk.is_terminal:
        talk.print()
        with Live(console=talk, refresh_per_second=8, transient=True) as live:
            yield lambda tallies, seconds: live.update(demo_view.progress(tallies, seconds=seconds))
        return
    said = -5.0

    def say(tallies: list[Tally], seconds: float) -> None:
        nonlocal said
        if seconds - said >= 5.0:
            said = seconds
            talk.print(demo_view.line(tallies, seconds=seconds))

    yield say


async def _report(
    talk: Console, running: House, pool: db.Pool, sent: Sent, tallies: list[Tally], town: Town, *, json: bool, keep: bool
) -> None:
    if json:
        received, twice = _received(town)
        output.print_json({**_facts(sent, tallies), "received": received, "received_twice": twice})
        return
    seconds = asyncio.get_running_loop().time() - sent.started_s
    talk.print()
    talk.print(demo_view.result(tallies, width=talk.width))
    received, twice = _received(town)
    talk.print(
        f"Accepted in {sent.accepted_s:.2f} s, watched for {seconds:.0f} s. The simulated providers took "
        f"{output.number(received)} messages, {'none of them' if not twice else output.number(twice)} twice."
    )
    example = _example(tallies, "Greypost", "delay") or _example(tallies, "", "delay")
    story = await trace.tell(running.settings, pool, bytes.fromhex(example)) if example else None
    if story is not None:
        talk.print("\nThe life of one of them, as `homing trace` shows it:\n", style="bold")
        trace.show(talk, story)
    _further(talk, running, sent, tallies, keep=keep)


def _received(town: Town) -> tuple[int, int]:
    """Return how many messages the providers took, and how many of them they had already."""
    received = sum(counts.messages for counts in town.counts().values())
    return received, len(town.received) - len({one.message_id for one in town.received})


def _further(talk: Console, running: House, sent: Sent, tallies: list[Tally], *, keep: bool) -> None:
    """Say where to look further."""
    homing = f"homing --config {running.file}"
    words = [
        f"trace {_example(tallies, '', 'bounce')}",
        f"trace {_example(tallies, '', 'waiting')}",
        f"events --transmission {ids.to_digits(sent.transmission_id)} --type bounce",
        "events --domain bigmail.test --type delay",
        "queue --by site",
        "doctor",
    ]
    talk.print(
        "\nWhere to look further" + (":" if keep else " (with `homing demo --keep` the platform stays up for it):"), style="bold"
    )
    for word in words:
        if not word.endswith(" None"):
            talk.print(Text(f"  {homing} {word}"), soft_wrap=True)
    talk.print()


def _example(tallies: list[Tally], provider: str, kind: str) -> str | None:
    for one in tallies:
        if provider in ("", one.provider.name) and kind in one.examples:
            return one.examples[kind]
    return None


def _facts(sent: Sent, tallies: list[Tally]) -> dict[str, Any]:
    return {
        "transmission_id": ids.to_digits(sent.transmission_id),
        "accepted_s": round(sent.accepted_s, 3),
        "providers": [
            {
                "provider": one.provider.name,
                "about": one.provider.about,
                "recipients": one.recipients,
                "delivered": one.delivered,
                "bounced": dict(one.bounced),
                "waiting": one.waiting,
                "waiting_reply": one.waiting_reply,
                "deferred_attempts": one.delays,
                "attempts": one.attempts,
            }
            for one in tallies
        ],
    }


async def _stay(talk: Console, running: House) -> None:
    """Stay up until Ctrl-C."""
    talk.print(f"The platform stays up: {running.url}; its data is in {running.folder}. Ctrl-C ends it.", style="bold")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
