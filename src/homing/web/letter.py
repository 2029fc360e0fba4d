"""The page behind the link in a mail about a case: sign or refuse a resolution, confirm a signature, dispute an agreement.

The link names a letter and carries a keyed digest, so it is its reader's alone. It serves once: looking is free, the button
uses it up.
"""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.contracts import contacts
from homing.contracts.types import Contact
from homing.ground import db
from homing.hours.rules.contract import zone_info
from homing.support.cases import letter_store
from homing.support.cases.desk import Answer, Desk, contact_actor
from homing.support.cases.endings import Endings
from homing.support.cases.letter_store import Letter
from homing.support.cases.post import doubt_under
from homing.support.cases.rules.addresses import Token, read_link
from homing.support.cases.rules.reading import clean_text
from homing.support.cases.rules.states import No
from homing.support.cases.types import Case, Method, Proposal, Purpose, Side, Signature, State
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.words import local_time
from homing.web.pages import form_of, page

PATH = "/support/letter/{link:str}"
_TO_SIGN = (Purpose.PROPOSAL, Purpose.REMINDER, Purpose.CONFIRM)
_LONGEST_WORDS = 2_000


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A letter whose link was followed."""

    letter: Letter
    case: Case
    contact: Contact


def routes(*, pool: db.Pool, desk: Desk, endings: Endings, token: Token) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH)
    async def look_at_letter(link: str) -> Response[bytes]:
        opened = await _opened(pool, desk, token, link)
        return _nothing() if opened is None else await _shown(pool, opened)

    @post(PATH, status_code=200)
    async def act_on_letter(request: Request[Any, Any, Any], link: str) -> Response[bytes]:
        opened = await _opened(pool, desk, token, link)
        if opened is None:
            return _nothing()
        form = await form_of(request)
        if form is None:
            return page("said.html", status=400, title="That did not work", words="Please go back, and use the button.")
        words = clean_text(form.get("words", ""))[:_LONGEST_WORDS].strip()
        return await _done(endings, opened, form.get("act", ""), words)

    return [look_at_letter, act_on_letter]


async def _opened(pool: db.Pool, desk: Desk, token: Token, link: str) -> Opened | None:
    letter_id = read_link(link, token)
    letter = None if letter_id is None else await letter_store.one(pool, letter_id)
    if letter is None or letter.side is not Side.CUSTOMER:
        return None
    case = await desk.case(letter.case_id)
    contact = None if case is None else await contacts.one(pool, case.account_id, letter.person_id)
    return None if case is None or contact is None else Opened(letter=letter, case=case, contact=contact)


async def _shown(pool: db.Pool, opened: Opened) -> Response[bytes]:
    letter, case = opened.letter, opened.case
    if letter.used_at is not None:
        return page("said.html", status=410, title="This link was used", words="It serves once. The case shows what came of it.")
    if letter.purpose is Purpose.CONSENT:
        return await _dispute_page(pool, opened)
    proposal = case.proposal
    if letter.purpose not in _TO_SIGN or proposal is None or proposal.version != letter.version or not case.live:
        return _no_more()
    return page(
        "sign.html",
        title="Is it over?",
        number=case.number,
        subject=case.subject,
        text=proposal.text,
        sha256=proposal.sha256,
        doubt=await doubt_under(pool, letter) if letter.purpose is Purpose.CONFIRM else "",
        confirming=letter.purpose is Purpose.CONFIRM,
        name=opened.contact.name,
        email=opened.contact.email,
    )


async def _dispute_page(pool: db.Pool, opened: Opened) -> Response[bytes]:
    signature, proposal = _entered(opened)
    if signature is None or proposal is None:
        return _no_more()
    until = ""
    if signature.dispute_until is not None:
        kept = await clocks.of_subject(pool, "case", opened.case.case_id)
        pins = [one.reading.pin for one in kept if one.reading.pin is not None]
        until = f" until {local_time(signature.dispute_until, zone_info(pins[0].zone))}" if pins else ""
    return page(
        "dispute.html",
        title="This was agreed in your name",
        number=opened.case.number,
        subject=opened.case.subject,
        text=proposal.text,
        method=signature.method.value,
        evidence=signature.evidence,
        until=until,
        name=opened.contact.name,
        email=opened.contact.email,
    )


async def _done(endings: Endings, opened: Opened, act: str, words: str) -> Response[bytes]:
    letter, by = opened.letter, contact_actor(opened.contact)
    number = opened.case.case_id
    if letter.used_at is not None:
        return page("said.html", status=410, title="This link was used", words="It serves once. The case shows what came of it.")
    if act == "agree" and letter.purpose in _TO_SIGN:
        said = "" if letter.purpose is Purpose.CONFIRM else words
        evidence = f"letter {letter.letter_id}"
        signed = await endings.sign(
            number, by, version=letter.version, method=Method.PORTAL, evidence=evidence, words=said, letter=letter
        )
        return _after(signed)
    if act == "refuse" and letter.purpose in _TO_SIGN:
        refused = await endings.refuse(number, by, version=letter.version, words=words, letter=letter)
        return _refused(refused) or page("said.html", title="Thank you", words="It is not over, then: we go on working.")
    if act == "dispute" and letter.purpose is Purpose.CONSENT:
        disputed = await endings.dispute(number, by, version=letter.version, words=words, letter=letter)
        return _refused(disputed) or page(
            "said.html", title="Thank you", words="The agreement is void, and the case is open again."
        )
    return page("said.html", status=400, title="That did not work", words="Please go back, and use the button.")


def _after(signed: Answer) -> Response[bytes]:
    refusal = _refused(signed)
    if refusal is not None or not isinstance(signed, Case):
        return refusal or _nothing()
    if signed.state is State.RESOLVED:
        return page(
            "said.html", title="Thank you", words="Both sides have agreed: it is resolved. Any word of yours opens it again."
        )
    if signed.draft is not None:
        words = (
            "You agreed, and also wrote something that sounds otherwise. We have sent you a mail to confirm it; until you do, "
            "we go on working."
        )
        return page("said.html", title="Please confirm", words=words)
    return page(
        "said.html", title="Thank you", words="Your signature is kept. The case is resolved once our side has signed, too."
    )


def _refused(done: Answer) -> Response[bytes] | None:
    if isinstance(done, No):
        return page("said.html", status=409, title="That did not work", words=f"{done.why[:1].upper()}{done.why[1:]}.")
    return None if isinstance(done, Case) else _nothing()


def _entered(opened: Opened) -> tuple[Signature | None, Proposal | None]:
    case, version = opened.case, opened.letter.version
    found = [one for one in case.signatures if one.version == version and one.entered_by and not one.void]
    proposal = case.proposals[version - 1] if 0 < version <= len(case.proposals) else None
    return (found[-1] if found else None), proposal


def _nothing() -> Response[bytes]:
    return page("said.html", status=404, title="There is nothing here", words="The link is not whole, or not one of ours.")


def _no_more() -> Response[bytes]:
    words = "This proposal was refused, a newer one took its place, or the case has ended. A newer mail tells more."
    return page("said.html", status=410, title="It does not stand any more", words=words)
