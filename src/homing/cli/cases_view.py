"""How `homing cases` shows what it found: tables for people, JSON for scripts. What others wrote is made fit for a terminal."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from rich.text import Text

from homing.cli import output
from homing.support.cases.happened import Event
from homing.support.cases.quarantine import Quarantined
from homing.support.cases.rules.chain import write_payload
from homing.support.cases.store import Row
from homing.support.cases.types import Message, Purpose, Side, Verdict, Verified
from homing.support.cases.view import CaseSeen, ClockSeen
from homing.support.clocks.auditor import Audit
from homing.support.clocks.rules.cadence import in_words
from homing.support.clocks.rules.tally import Tally
from homing.support.clocks.rules.words import in_service_zone
from homing.support.clocks.types import Nature, Reading

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HOW = {
    Verified.DKIM: "signed by his domain",
    Verified.ADDRESS: "came to his address",
    Verified.PORTAL: "by his link",
    Verified.KEY: "by a key of the customer",
    Verified.STAFF: "entered by staff",
    Verified.NONE: "unproved",
}
_WORTH = {
    Nature.CONTRACTUAL: "contractual",
    Nature.OBJECTIVE: "objective",
    Nature.PROVISIONAL: "provisional",
    Nature.INTERNAL: "internal",
    Nature.COURTESY: "reminder",
}


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows."""

    rows: Sequence[Row]
    due: Mapping[int, Reading]
    accounts: Mapping[int, str]
    staff: Mapping[int, str]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown of one case."""

    seen: CaseSeen
    messages: Sequence[Message]
    events: Sequence[Event]
    account: str


def show_list(listed: Listed, *, now: datetime, json: bool) -> None:
    """Print a list of cases."""
    if json:
        output.print_json([{**_members(one), "next_due": _due_json(listed.due.get(one.case_id))} for one in listed.rows])
        return
    rows = output.table(
        "Support Cases", "number", "customer", "subject", "state", "severity", "owner", "next", "due", right=("number",)
    )
    for one in listed.rows:
        due = listed.due.get(one.case_id)
        rows.add_row(
            str(one.case_id),
            listed.accounts.get(one.account_id, str(one.account_id)),
            Text(output.shortened(plain(one.subject), 50)),
            one.state.value.replace("_", " "),
            one.severity.value.replace("_", "-"),
            listed.staff.get(one.owner_id or 0, ""),
            "" if due is None else f"{due.kind} ({_WORTH[due.nature]})",
            "" if due is None else output.relative(due.due_at, now),
        )
    output.console().print(rows if listed.rows else "there is no such case")


def show_case(shown: Shown, *, json: bool) -> None:
    """Print one case."""
    seen, case = shown.seen, shown.seen.case
    if json:
        output.print_json(
            {
                "account": shown.account,
                "case": case,
                "clocks": [{"number": one.number, "overdue": one.overdue, **_members(one.reading)} for one in seen.clocks],
                "messages": [_without_data(one) for one in shown.messages],
                "events": [_event(one) for one in shown.events],
            }
        )
        return
    out = output.console()
    owner = seen.owner.name if seen.owner is not None else "nobody"
    tam = "" if seen.tam is None else f"; TAM: {seen.tam.name}"
    acting = "" if seen.acting is None or seen.acting == seen.tam else f" ({seen.acting.name} stands in)"
    out.print(Text(f"Case {case.number} of {shown.account}: {plain(case.subject)}", style="bold"))
    out.print(
        f"{case.state.value.replace('_', ' ')}, {case.severity.value.replace('_', '-')}, {case.kind.value.replace('_', ' ')}; "
        f"owner: {owner}{'' if case.accepted else ' (not accepted)'}{tam}{acting}"
    )
    for line in _standing(seen):
        out.print(Text(line))
    for letter in seen.unsent:
        trouble = letter.returned or letter.trouble
        why = f": {plain(trouble)}" if trouble else ""
        left = "did not arrive" if letter.returned else f"has not left, {letter.attempts} tries"
        waits = f"{letter.purpose.value} to {plain(letter.email)} {left}{why}"
        out.print(Text(waits, style="yellow"))
    rows = output.table("Clocks", "no", "clock", "worth", "state", "due", "elapsed", "left", right=("no",))
    for clock in seen.clocks:
        rows.add_row(*_clock_row(clock))
    out.print(rows)
    for message in shown.messages:
        out.print(Text(f"\n{_head(message)}", style="bold"))
        out.print(Text(plain(message.body)))
        for file in message.attachments:
            out.print(Text(f"  [{file.number}] {plain(file.name)}, {output.number(file.size_bytes)} bytes", style="dim"))
    if shown.events:
        out.print()
    for event in shown.events:
        name = type(event.payload).__name__
        out.print(Text(output.shortened(f"{event.seq:4} {_utc(event.at)} {event.actor}: {name} {_details(event)}".rstrip(), 150)))


def show_quarantine(found: Sequence[Quarantined], *, now: datetime, json: bool) -> None:
    """Print what waits."""
    if json:
        output.print_json(found)
        return
    rows = output.table("Quarantine", "id", "from", "subject", "why", "case", "came", right=("id",))
    for one in found:
        came = output.relative(one.received_at, now)
        case = "" if one.case_id is None else str(one.case_id)
        rows.add_row(str(one.quarantine_id), Text(plain(one.sender)), Text(plain(one.subject)[:60]), one.reason, case, came)
    output.console().print(rows if found else "nothing waits")


def show_audits(audits: Sequence[Audit], *, json: bool) -> None:
    """Print audits."""
    if json:
        output.print_json(audits)
        return
    rows = output.table("Audits", "day", "cases", "clocks", "findings", "ended", right=("cases", "clocks", "findings"))
    for one in audits:
        ended = "" if one.ended_at is None else output.clock(one.ended_at)
        rows.add_row(str(one.day), output.number(one.subjects), output.number(one.clocks), str(len(one.findings)), ended)
    out = output.console()
    out.print(rows if audits else "no audit was made yet")
    for one in audits:
        for finding in one.findings:
            out.print(f"{one.day} {finding.subject} {finding.subject_id}, clock {finding.clock}: {finding.what}")


def show_promises(found: Sequence[Tally], *, json: bool) -> None:
    """Print what became of promises, contractual ones first."""
    if json:
        output.print_json([{**_members(one), "attainment": one.attainment} for one in found])
        return
    counts = ("met", "missed", "done late", "superseded", "void", "open", "attained")
    rows = output.table("Promises", "worth", "promise", *counts, right=counts)
    for one in found:
        share = "" if one.attainment is None else f"{one.attainment:.1%}"
        figures = (one.met, one.missed, one.late, one.superseded, one.void, one.open)
        rows.add_row(_WORTH[one.nature], one.kind.value, *(output.number(figure) for figure in figures), share)
    output.console().print(rows if found else "nothing was promised")


def plain(text: str) -> str:
    """Return what somebody else wrote, fit for a terminal."""
    return _CONTROL.sub("", text)


def _standing(seen: CaseSeen) -> list[str]:
    """Return what stands in a case, a line each: what waits for whom, under which number."""
    case = seen.case
    lines = []
    if seen.people:
        lines.append(f"contacts: {', '.join(f'{plain(one.name)} <{plain(one.email)}>' for one in seen.people)}")
    if case.stage is not None:
        lines.append(f"stage: {case.stage.value.replace('_', ' ')}")
    if case.no_call:
        lines.append("No Severity 1 call was made.")
    if case.restored_at is not None:
        lines.append(f"restored: {_utc(case.restored_at)}")
    if case.eta is not None:
        unknown = f"unknown, because {plain(case.eta.unknown_because)}"
        lines.append(f"expected to be over: {unknown if case.eta.at is None else _utc(case.eta.at)}")
    for one in case.agreements:
        waits = "waits for the other side" if case.live else "was not agreed"
        when = waits if one.effective_at is None else f"agreed, from {_utc(one.effective_at)}"
        spoken = f" on {one.call or 'a call outside of our logs: ' + _short(one.evidence)}" if one.entered_by else ""
        lines.append(f"cadence {one.version}: {in_words(one.cadence)}, proposed by the {one.side.value}; {when}{spoken}")
    if case.downgrade is not None and case.live:
        version, side, text = case.downgrade
        lines.append(f"step down {version}, proposed by the {side.value}, waits for the other side: {_short(text)}")
    for proposal in case.proposals:
        signed = [one for one in case.signatures if one.version == proposal.version and not one.void]
        names = ", ".join(f"{one.side.value} ({one.person}, {one.method.value})" for one in signed) or "nobody"
        stands = "" if proposal.stands or not case.live else " (does not stand any more)"
        asked = f"; reminders: {proposal.reminders}" if proposal.reminders else ""
        lines.append(f"resolution {proposal.version}{stands}: {_short(proposal.text)}; signed by {names}{asked}")
    if case.scope is not None:
        scope = case.scope
        noted = "" if scope.verdict is Verdict.IN else f", {'' if scope.acknowledged_at else 'not '}noted by the customer"
        lines.append(f"scope: {scope.verdict.value.replace('_', ' ')} by clause {scope.clause}{noted}")
    if case.merged_into is not None:
        lines.append(f"goes on in case {case.merged_into_number}")
    return lines


def _head(message: Message) -> str:
    sent = "" if message.side is Side.CUSTOMER or message.purpose is Purpose.NOTE else ", not sent yet"
    if message.sent_at is not None:
        sent = f", sent {_utc(message.sent_at)}"
    how = "" if message.side is not Side.CUSTOMER else f" ({_HOW[message.verified]}{', automatic' if message.automatic else ''})"
    author = plain(message.author) or message.actor
    return f"#{message.number} {message.purpose.value} by {author}{how}, {_utc(message.received_at)}{sent}"


def _details(event: Event) -> str:
    """Return what a step says besides its name, in short."""
    told = msgspec.json.decode(write_payload(event.payload))
    return ", ".join(
        f"{name} {_short(value if isinstance(value, str) else msgspec.json.encode(value).decode())}"
        for name, value in told.items()
        if name not in ("event", "promises", "sha256", "clocks")
    )


def _short(text: str) -> str:
    return output.shortened(" ".join(plain(text).split()), 60)


def _utc(moment: datetime) -> str:
    return f"{output.clock(moment)[:19]} UTC"


def _clock_row(clock: ClockSeen) -> tuple[str, ...]:
    one = clock.reading
    due = ""
    if one.due_at is not None:
        due = _utc(one.due_at) if one.pin is None else in_service_zone(one.due_at, one.pin.zone)
    state = f"{one.state}{', overdue' if clock.overdue else ''}{', void' if one.void is not None else ''}"
    return str(clock.number), one.kind.value, _WORTH[one.nature], state, due, _span(one.elapsed_s), _span(one.remaining_s)


def _span(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _due_json(due: Reading | None) -> Any:
    return None if due is None else {"kind": due.kind, "nature": due.nature, "due_at": due.due_at}


def _members(one: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _without_data(message: Message) -> dict[str, Any]:
    return {
        **_members(message),
        "attachments": [{name: value for name, value in _members(one).items() if name != "data"} for one in message.attachments],
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "at": event.at,
        "actor": event.actor,
        "side": event.side,
        "payload": msgspec.json.decode(write_payload(event.payload)),
        "hash": event.hash.hex(),
    }
