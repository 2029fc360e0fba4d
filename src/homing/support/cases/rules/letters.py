"""What mails about a case say. Plain text alone: nothing that a customer or a stranger wrote is ever shown as HTML.

An objective is called one, and never a promise of the contract (R5); a provisional cadence is called provisional (R6).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from homing.hours.rules.contract import zone_info
from homing.hours.types import ServiceZone
from homing.support.cases.happened import (
    CadenceAccepted,
    CadenceProposed,
    Came,
    Disputed,
    Doubted,
    Downgraded,
    DowngradeProposed,
    Escalated,
    Opened,
    Owned,
    Payload,
    Proposed,
    Refused,
    Reopened,
    Resolved,
    Withdrawn,
)
from homing.support.cases.rules.addresses import subject_token
from homing.support.cases.types import FROM_A_PERSON, Case, Eta, Message, Proposal, Purpose, Severity, State
from homing.support.clocks.rules.cadence import in_words
from homing.support.clocks.rules.words import hours_of, local_time
from homing.support.clocks.types import Kind, Reading
from homing.support.clocks.types import State as Clock

_MOST_QUOTED = 2_000  # signs of the customer's words in a notice to staff
# Mails that answer a person's by themselves; the others of the platform are generated (RFC 3834 section 5).
_REPLIES = frozenset({Purpose.RECEIPT, Purpose.CONFIRM})


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail may need to know besides the case.

    reader          name of whom it goes to
    link            page for its reader alone; '' where it needs none
    agree_address   address to agree by; '' where it needs none
    first_due_at    of the FIRST_RESPONSE
    zone            Service Time Zone of the case; None: unknown
    words           what the customer said under an approval
    dispute_until   until when consent that was entered can be disputed
    due             what is due soon, or was missed, in a sentence
    cadence         that the mail is about, in words
    step_down       words that both sides are to agree on
    numbers         of the Severity 1 Line
    evidence        of consent that was entered
    news            what has happened, for staff
    undelivered     which mail did not arrive, and why
    """

    reader: str = ""
    link: str = ""
    agree_address: str = ""
    first_due_at: datetime | None = None
    zone: ServiceZone | None = None
    words: str = ""
    dispute_until: datetime | None = None
    due: str = ""
    account: str = ""
    cadence: str = ""
    step_down: str = ""
    numbers: tuple[str, ...] = ()
    evidence: str = ""
    news: str = ""
    undelivered: str = ""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A mail. auto_submitted: '' where a person wrote it."""

    subject: str
    body: str
    auto_submitted: str = ""


def compose(purpose: Purpose, case: Case, message: Message | None, proposal: Proposal | None, facts: Facts) -> Text:
    """Return what a mail says."""
    body = _body(purpose, case, message, proposal, facts)
    shown = f"{case.subject} {subject_token(case.number)}"
    subject = shown if purpose is Purpose.RECEIPT else f"Re: {shown}"
    auto = "" if purpose in FROM_A_PERSON else "auto-replied" if purpose in _REPLIES else "auto-generated"
    return Text(subject=subject, body=f"{body.strip()}\n\n{_foot(purpose, case, facts)}\n", auto_submitted=auto)


def _body(purpose: Purpose, case: Case, message: Message | None, proposal: Proposal | None, facts: Facts) -> str:
    said = message.body if message is not None else ""
    words = proposal.text if proposal is not None else ""
    match purpose:
        case Purpose.RECEIPT:
            return _receipt(case, facts)
        case Purpose.ANSWER:
            return said
        case Purpose.UPDATE:
            return f"{said}\n\n{_eta(case.eta, facts)}"
        case Purpose.PROPOSAL:
            return _proposal(words, facts)
        case Purpose.SCOPE:
            scope = case.scope
            more = "" if scope is None else f"\n\nClause {scope.clause} of the contract decides this.\nAnother way: {scope.route}"
            note = f"\n\nPlease say that you have taken note:\n\n    {facts.link}" if facts.link else ""
            return f"{said}{more}{note}\n\nIf you see it differently, answer this mail."
        case Purpose.REMINDER:
            return f"We have not heard from you about this proposal:\n\n{_quoted(words)}\n\n{_how_to_sign(facts)}"
        case Purpose.CONFIRM:
            return _confirm(words, facts)
        case Purpose.CONSENT:
            return _consent(words, facts)
        case Purpose.CLOSED:
            return (
                "We have asked three times whether this is over, and have not heard from you. We close the case now, without "
                f"your agreement; in every report it stands as closed, unconfirmed.\n\n{_how_to_undo(facts)}"
            )
        case Purpose.RESOLVED:
            return f"Both sides have agreed that this is over:\n\n{_quoted(words)}\n\n{_how_to_undo(facts)}"
        case Purpose.CADENCE:
            return (
                f"We propose to write to you about this Critical Issue {facts.cadence}, with its nature and the time at which we "
                f"expect it to be over.\n\n{_how_to_agree(facts)}\n\nUntil a cadence is agreed, ours is provisional."
            )
        case Purpose.AGREED:
            return (
                f"It is agreed that we write to you about this Critical Issue {facts.cadence}. Either side can propose another "
                "cadence at any time."
            )
        case Purpose.STEP_DOWN:
            return (
                f"We propose that this case is a Critical Issue no more:\n\n{_quoted(facts.step_down)}\n\n{_how_to_agree(facts)}"
                "\n\nNothing changes unless you agree, and the case goes on in either way."
            )
        case Purpose.CRITICAL:
            return _critical(facts)
        case Purpose.UNDELIVERED:
            return f"{facts.undelivered}\n\nCase {case.number} of {facts.account}: {case.subject}\n\nPlease reach him otherwise."
        case Purpose.DUE | Purpose.MISSED:
            return f"{facts.due}\n\nCase {case.number} of {facts.account}: {case.subject}"
        case Purpose.TAM:
            return f"{facts.account} asks for you, as Technical Account Manager, in case {case.number}: {case.subject}"
        case _:
            return _for_staff(case, facts)


def _critical(facts: Facts) -> str:
    return (
        "This case is treated as a Critical Issue from now on.\n\nNobody of you has called the Severity 1 Line about it. Please "
        f"do{_by(facts)}: a representative calls back within fifteen minutes.\n\nWe write to you here as it goes on."
    )


def _by(facts: Facts) -> str:
    return f" ({' or '.join(facts.numbers)})" if facts.numbers else ""


def _receipt(case: Case, facts: Facts) -> str:
    lines = [f"We have your message; it is case {case.number}."]
    if case.severity is Severity.CRITICAL:
        lines.append(
            "It is treated as a Critical Issue. If nobody of you has called the Severity 1 Line yet, please "
            f"do{_by(facts)}: a representative calls back within fifteen minutes."
        )
    else:
        when = f" ({hours_of(facts.zone)}, Monday to Friday, not on bank holidays)" if facts.zone is not None else ""
        lines.append(f"A person answers you by e-mail during Business Hours{when}.")
        if facts.first_due_at is not None and facts.zone is not None:
            due = local_time(facts.first_due_at, zone_info(facts.zone))
            lines.append(f"Our objective for that is {due}. It is an objective of ours, not a term of the contract.")
        lines.append(f"If your mail cannot be sent at all, please call the Severity 1 Line{_by(facts)} instead of writing.")
    return "\n\n".join(lines)


def _proposal(words: str, facts: Facts) -> str:
    return f"We think that this is over, and propose these words:\n\n{_quoted(words)}\n\n{_how_to_sign(facts)}"


def _how_to_sign(facts: Facts) -> str:
    by_mail = f"\nor send a mail to\n\n    {facts.agree_address}\n" if facts.agree_address else ""
    if not facts.link:
        return "If you agree, say so; if not, answer this mail, and we go on."
    return (
        f"If you agree, press the button on this page:\n\n    {facts.link}\n{by_mail}\n"
        "If you do not, answer this mail, or say so on that page, and we go on working. Nothing is closed without you."
    )


def _how_to_agree(facts: Facts) -> str:
    if not facts.link:
        return "If you agree, say so in an answer to this mail."
    return (
        f"If you agree, press the button on this page:\n\n    {facts.link}\n\nor write yes to\n\n    {facts.agree_address}\n\n"
        "If you want it otherwise, answer this mail."
    )


def _how_to_undo(facts: Facts) -> str:
    by_page = f", or the button on this page:\n\n    {facts.link}" if facts.link else "."
    return f"If it is not over, any answer to this mail opens the case again{by_page}"


def _confirm(words: str, facts: Facts) -> str:
    doubt = (
        f"\n\nYou also wrote:\n\n{_quoted(facts.words)}\n\nSo we ask you, and go on working until you confirm."
        if facts.words
        else ""
    )
    return (
        f"You seem to agree that this is over:\n\n{_quoted(words)}{doubt}\n\n"
        f"Your agreement counts once you have confirmed it:\n\n    {facts.link}\n\n"
        "If it is not over, there is nothing that you have to do."
    )


def _consent(words: str, facts: Facts) -> str:
    until = "" if facts.dispute_until is None or facts.zone is None else _until(facts.dispute_until, facts.zone)
    return (
        f"This was agreed in your name, by what you told us ({facts.evidence}):\n\n{_quoted(words)}\n\n"
        f"If you did not agree, say so here{until}:\n\n    {facts.link}"
    )


def _until(moment: datetime, zone: ServiceZone) -> str:
    return f" until {local_time(moment, zone_info(zone))}"


def due(reading: Reading) -> str:
    """Return what is due soon, or was missed, and what that is worth."""
    if reading.due_at is None:
        return ""
    zone = UTC if reading.pin is None else zone_info(reading.pin.zone)
    what = f"{reading.kind.value} ({reading.nature.value})"
    if reading.outcome is Clock.MISSED and reading.kind is Kind.ENTITLEMENT:
        return (
            f"Whether the caller is entitled to the Severity 1 Line was to be decided by {local_time(reading.due_at, zone)}. "
            "Until somebody does, statements count his call-back as undecided, and say whether it was missed."
        )
    if reading.outcome is Clock.MISSED:
        return (
            f"{what} was due at {local_time(reading.due_at, zone)}, and was not done by then. It stays missed; it is still owed."
        )
    return f"{what} is due at {local_time(reading.due_at, zone)}."


def _for_staff(case: Case, facts: Facts) -> str:
    state = case.state.value.replace("_", " ")
    lines = [f"Case {case.number} of {facts.account}: {case.subject}", f"It is {state}, {case.severity.value.replace('_', '-')}."]
    if case.no_call and case.state is not State.RESOLVED:
        lines.append("No Severity 1 call was made.")
    return "\n\n".join(["\n".join(lines), *([facts.news] if facts.news else []), "`homing cases show` tells more."])


def news(payloads: Sequence[Payload], words: str) -> str:
    """Return what a step was, for whoever owns the case.

    words   that the customer wrote in it
    """
    said = f"\n\n{_quoted(words[:_MOST_QUOTED])}" if words else ""
    return "\n\n".join(text for text in (_news(one, said) for one in payloads) if text)


def _news(payload: Payload, said: str) -> str:
    match payload:
        case Opened():
            return "It was opened just now."
        case Came():
            return f"The customer writes:{said}"
        case Owned(accepted=False):
            return "It was given to you."
        case Escalated(reason=reason):
            return f"It was made critical:\n\n{_quoted(reason)}" if reason else "It was made critical."
        case Downgraded():
            return "Both sides agree that it is critical no more."
        case DowngradeProposed(version=version, text=text):
            return f"The customer proposes that it is critical no more (step down {version}):\n\n{_quoted(text)}"
        case CadenceProposed(version=version, cadence=cadence):
            return f"The customer wants to hear {in_words(cadence)} (cadence {version}), and waits for you to agree."
        case CadenceAccepted(version=version):
            return f"Cadence {version} is agreed."
        case Reopened():
            return "It was opened again."
        case Withdrawn(reason=reason):
            return f"The customer has withdrawn it. {reason}".rstrip()
        case Proposed(version=version, text=text):
            return f"The customer proposes its end (version {version}), and waits for your signature:\n\n{_quoted(text)}"
        case Refused(words=why):
            return f"The customer does not agree that it is over.{_he_says(why)}"
        case Disputed(words=why):
            return f"The customer disputes what was entered in his name.{_he_says(why)}"
        case Doubted():
            return "He has written something else under the proposal, so work goes on."
        case Resolved():
            return "Both sides have agreed that it is over."
        case _:
            return ""


def _he_says(words: str) -> str:
    return f" He says:\n\n{_quoted(words)}" if words else ""


def _eta(eta: Eta | None, facts: Facts) -> str:
    if eta is None:
        return ""
    if eta.at is None:
        return f"Expected time of resolution: unknown, because {eta.unknown_because}"
    zone = zone_info(facts.zone) if facts.zone is not None else zone_info(ServiceZone.UK)
    return f"Expected time of resolution: {local_time(eta.at, zone)}"


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _foot(purpose: Purpose, case: Case, facts: Facts) -> str:
    if purpose in (Purpose.STAFF, Purpose.TAM, Purpose.DUE, Purpose.MISSED, Purpose.UNDELIVERED):
        return f"-- \nCase {case.number}. An answer to this mail becomes an internal note."
    return f"-- \nCase {case.number}. Answer this mail to add to it."
