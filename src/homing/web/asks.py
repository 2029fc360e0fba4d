"""What the page of a letter asks its reader: words, notes, buttons. None where it has nothing to ask any more."""

import msgspec

from homing.contracts.types import Contact
from homing.ground import db
from homing.hours.rules.contract import zone_info
from homing.support.cases import steps
from homing.support.cases.letter_store import Letter
from homing.support.cases.post import doubt_under
from homing.support.cases.rules.resolution import said_on
from homing.support.cases.types import LIVE, TO_SIGN, Case, Purpose, State, Verdict
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.cadence import in_words
from homing.support.clocks.rules.words import local_time

_ANYTHING = "Anything to add?"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A letter whose link was followed."""

    letter: Letter
    case: Case
    contact: Contact


class Asks(msgspec.Struct, frozen=True, kw_only=True):
    """What a page shows.

    quote     the words that it is about, exactly
    said      what the reader wrote under them
    label     over a field for words; '' where there is none
    buttons   what they do, what they say; the first one is what most people want
    sha256    of the quote, where that is signed
    """

    title: str
    intro: str
    buttons: tuple[tuple[str, str], ...]
    quote: str = ""
    said: str = ""
    notes: tuple[str, ...] = ()
    label: str = ""
    sha256: str = ""


async def asks_of(pool: db.Pool, opened: Opened) -> Asks | None:
    """Return what a letter asks now."""
    match opened.letter.purpose:
        case purpose if purpose in TO_SIGN:
            return await _to_sign(pool, opened)
        case Purpose.CONSENT:
            return await _to_dispute(pool, opened)
        case Purpose.CADENCE:
            return _cadence(opened)
        case Purpose.STEP_DOWN:
            return _step_down(opened)
        case Purpose.SCOPE:
            return _scope(opened)
        case Purpose.CLOSED | Purpose.RESOLVED:
            return _to_reopen(opened)
        case _:
            return None


async def _to_sign(pool: db.Pool, opened: Opened) -> Asks | None:
    letter, proposal = opened.letter, opened.case.proposal
    if proposal is None or proposal.version != letter.version or not opened.case.live:
        return None
    confirming = letter.purpose is Purpose.CONFIRM
    doubt = await doubt_under(pool, letter) if confirming else ""
    return Asks(
        title="Is it over?",
        intro="These are the words that both sides are to agree on:",
        quote=proposal.text,
        said=doubt,
        notes=("So please say it once more. Until you do, we go on working.",) if doubt else (),
        label="" if confirming else _ANYTHING,
        buttons=(("agree", "We agree: it is over"), ("refuse", "It is not over: go on")),
        sha256=proposal.sha256,
    )


async def _to_dispute(pool: db.Pool, opened: Opened) -> Asks | None:
    case, version = opened.case, opened.letter.version
    entered = [one for one in case.signatures if one.version == version and one.entered_by and not one.void]
    if not entered or not 0 < version <= len(case.proposals):
        return None
    signature, until = entered[-1], ""
    if signature.dispute_until is not None:
        kept = await clocks.of_subject(pool, steps.SUBJECT, case.case_id)
        pins = [one.reading.pin for one in kept if one.reading.pin is not None]
        until = f" until {local_time(signature.dispute_until, zone_info(pins[0].zone))}" if pins else ""
    how = said_on(signature)
    return Asks(
        title="This was agreed in your name",
        intro=f"We have entered that you agree to these words ({how}):",
        quote=case.proposals[version - 1].text,
        notes=(
            f"If you did not agree, say so{until}. The agreement is void then, and we go on working.",
            "If you did, there is nothing that you have to do.",
        ),
        label=_ANYTHING,
        buttons=(("dispute", "I did not agree"),),
    )


def _cadence(opened: Opened) -> Asks | None:
    version = opened.letter.version
    asked = [one for one in opened.case.agreements if one.version == version and one.effective_at is None]
    if not asked or not opened.case.live or version != len(opened.case.agreements):
        return None
    return Asks(
        title="How often do you hear from us?",
        intro="We propose to write to you about this Critical Issue",
        quote=in_words(asked[0].cadence),
        notes=(
            "Each time we say what is known, and when we expect it to be over. Either side can propose another cadence at any "
            "time.",
            "If you want it otherwise, answer the mail that led you here.",
        ),
        buttons=(("agree", "We agree"),),
    )


def _step_down(opened: Opened) -> Asks | None:
    asked = opened.case.downgrade
    if asked is None or asked[0] != opened.letter.version or not opened.case.live:
        return None
    return Asks(
        title="Is it critical no more?",
        intro="We propose that this case is a Critical Issue no more, in these words:",
        quote=asked[2],
        notes=(
            "The case stays open, and we go on working on it during Business Hours.",
            "If you do not agree, there is nothing that you have to do: it stays a Critical Issue.",
        ),
        buttons=(("agree", "We agree"),),
    )


def _scope(opened: Opened) -> Asks | None:
    scope = opened.case.scope
    if scope is None or scope.verdict is Verdict.IN or scope.acknowledged_at is not None:
        return None
    return Asks(
        title="This is not in the contract",
        intro="We have decided:" if scope.verdict is Verdict.OUT else "Before we can go on, terms have to be agreed:",
        quote=scope.text,
        notes=(
            f"Clause {scope.clause} of the contract decides this. Another way: {scope.route}",
            "If you see it differently, answer the mail that led you here.",
        ),
        buttons=(("agree", "We have taken note"),),
    )


def _to_reopen(opened: Opened) -> Asks | None:
    case = opened.case
    if case.state in LIVE or case.state is State.MERGED:
        return None
    resolved = opened.letter.purpose is Purpose.RESOLVED
    return Asks(
        title="Is it not over?",
        intro="Both sides have agreed that this is over:" if resolved else "We closed this case since nobody answered:",
        quote=case.proposals[opened.letter.version - 1].text if 0 < opened.letter.version <= len(case.proposals) else "",
        notes=("If it is not over, open the case again; we go on where we were.",),
        label="What is still open?",
        buttons=(("reopen", "Open the case again"),),
    )
