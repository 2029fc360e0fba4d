"""How `homing tam` shows oversight and threads: tables for people. What others wrote is made fit for a terminal."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.text import Text

from homing.api.v1.support_oversight_wire import show_stream
from homing.cli import output
from homing.contracts.types import Tam
from homing.support.clocks.rules.words import in_service_zone
from homing.support.clocks.types import Reading
from homing.support.threads.oversight import Stream
from homing.support.threads.types import Item, ItemKind, Letter, Message, Risk, Sort, Way

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_RISK = {
    Risk.DUE: Text("due", style="yellow"),
    Risk.MISSED: Text("missed", style="bold red"),
    Risk.CRITICAL: Text("critical", style="bold red"),
    Risk.NEWS: Text(""),
}


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of a thread."""

    account: str
    tam: Tam | None
    ways: Sequence[Way]
    messages: Sequence[Message]
    clocks: Mapping[int, Reading]
    recordings: Sequence[Any]
    letters: Sequence[Letter]


def show(stream: Stream, *, now: datetime) -> None:
    """Print one page of the stream."""
    console = output.console()
    names = {one.account_id: one.name for one in stream.watched}
    rows = output.table("Oversight", "risk", "when", "customer", "what", "", "state", nowrap=("risk", "when"))
    for item in stream.items:
        rows.add_row(
            _RISK[item.risk],
            output.relative(item.at if item.risk is Risk.NEWS or item.due_at is None else item.due_at, now),
            Text("nobody knows" if item.account_id is None else plain(names.get(item.account_id, str(item.account_id)))),
            item.kind.value,
            Text(output.shortened(plain(_words(item)), 70)),
            item.state.replace("_", " "),
        )
    console.print(rows if stream.items else "nothing has happened in these accounts")
    for one in stream.watched:
        if one.tam is None:
            console.print(Text(f"{plain(one.name)}: has no TAM"))
        elif one.tam.acting.person_id != one.tam.primary.person_id:
            because = f", {one.tam.away_because}" if one.tam.away_because else ""
            said = (
                f"{plain(one.name)}: {one.tam.acting.name} stands in for {one.tam.primary.name}{because}, who has the oversight"
            )
            console.print(Text(said))
    if stream.next is not None:
        link: str = show_stream(stream, {}, "")["links"]["next"]
        console.print(f"more: --cursor {link.partition('cursor=')[2]}", soft_wrap=True)


def show_thread(thread: Thread, *, now: datetime) -> None:
    """Print a thread, the oldest message first."""
    console = output.console()
    if thread.tam is None:
        console.print(Text(f"{plain(thread.account)} has no TAM"))
    else:
        acting = thread.tam.acting
        stands_in = "" if acting.person_id == thread.tam.primary.person_id else f"; {acting.name} stands in"
        ways = ", ".join(one.address for one in thread.ways) or "no number or address yet"
        console.print(Text(f"{plain(thread.account)}: TAM {thread.tam.primary.name}{stands_in}; {ways}"))
    for one in reversed(thread.messages):
        console.print(Text(f"\n{one.number}  {output.clock(one.received_at)}  {_who(one)}  {one.sort.value}", style="bold"))
        for line in (one.subject, one.body, one.remark):
            if line:
                console.print(Text(plain(line)))
        for row in thread.recordings:
            if row["call_ref"] == one.call_ref:
                console.print(f"recording {row['recording_id']}: {row['state']}, {row['seconds'] or '?'} s")
        for letter in thread.letters:
            if letter.message_id == one.message_id and letter.trouble:
                console.print(Text(f"not sent to {plain(letter.email)} yet: {letter.trouble}"))
        clock = thread.clocks.get(one.message_id)
        if clock is not None:
            console.print(_clock(clock, now))
    if not thread.messages:
        console.print("nothing was said yet")


def plain(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return _CONTROL.sub("", text)


def _who(message: Message) -> str:
    return plain(message.author or message.sender or "somebody") + (" (a machine)" if message.automatic else "")


def _clock(clock: Reading, now: datetime) -> str:
    due = ""
    if clock.due_at is not None and clock.pin is not None and clock.ended_at is None:
        due = f", due {in_service_zone(clock.due_at, clock.pin.zone)} ({output.relative(clock.due_at, now)})"
    return f"{clock.kind.value} ({clock.nature.value}): {clock.state.value}{due}"


def _words(item: Item) -> str:
    detail = item.detail
    match item.kind:
        case ItemKind.PROMISE:
            return f"{item.what} ({detail.get('nature')}) of {detail.get('of')} {detail.get('reference') or detail.get('of_id')}"
        case ItemKind.CASE:
            return f"{detail.get('case')}: {item.what}"
        case ItemKind.MESSAGE:
            return f"in {detail.get('case')}, {detail.get('author')}: {item.what}"
        case ItemKind.CALL:
            return f"{item.what} from {detail.get('caller') or 'a withheld number'}"
        case ItemKind.PAGE:
            return f"{item.what} to staff {detail.get('person_id')} by {detail.get('by')}"
        case _:
            said = f": {item.what}" if item.state not in (Sort.VOICEMAIL,) else ""
            return f"message {detail.get('message')}, {detail.get('author') or 'unknown'}{said}"
