"""The page behind the link in a mail about a case: sign or refuse a resolution, confirm a signature, dispute an agreement, agree
to a cadence or a step down, take note of a decision, open a case again.

The link names a letter and carries a keyed digest, so it is its reader's alone. It serves once: looking is free, the button
uses it up.
"""

from typing import Any

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.contracts import contacts
from homing.ground import db
from homing.support.cases import letter_store
from homing.support.cases.course import Course
from homing.support.cases.desk import Answer, Desk, contact_actor
from homing.support.cases.endings import Endings
from homing.support.cases.rules.addresses import Token, read_link
from homing.support.cases.rules.decision import No
from homing.support.cases.rules.reading import clean_text
from homing.support.cases.types import TO_SIGN, Case, Method, Purpose, Side, State
from homing.web.asks import Opened, asks_of
from homing.web.pages import form_of, page

PATH = "/support/letter/{link:str}"
_LONGEST_WORDS = 2_000
_THANKS = {
    Purpose.CADENCE: "It is agreed: you hear from us as proposed.",
    Purpose.STEP_DOWN: "It is agreed: the case is a Critical Issue no more, and work on it goes on.",
    Purpose.SCOPE: "It is noted that you have read the decision. If you see it differently, answer the mail.",
}


def routes(*, pool: db.Pool, desk: Desk, course: Course, endings: Endings, token: Token) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH)
    async def look_at_letter(link: str) -> Response[bytes]:
        opened = await _opened(pool, desk, token, link)
        if opened is None:
            return _nothing()
        if opened.letter.used_at is not None:
            return _used()
        asks = await asks_of(pool, opened)
        if asks is None:
            return _no_more(opened.letter.purpose)
        case, contact = opened.case, opened.contact
        return page(
            "letter.html",
            title=asks.title,
            number=case.number,
            subject=case.subject,
            asks=asks,
            name=contact.name,
            email=contact.email,
        )

    @post(PATH, status_code=200)
    async def act_on_letter(request: Request[Any, Any, Any], link: str) -> Response[bytes]:
        opened = await _opened(pool, desk, token, link)
        if opened is None:
            return _nothing()
        form = await form_of(request)
        if form is None:
            return _unread()
        if opened.letter.used_at is not None:
            return _used()
        words = clean_text(form.get("words", ""))[:_LONGEST_WORDS].strip()
        return await _done(course, endings, opened, form.get("act", ""), words)

    return [look_at_letter, act_on_letter]


async def _opened(pool: db.Pool, desk: Desk, token: Token, link: str) -> Opened | None:
    letter_id = read_link(link, token)
    letter = None if letter_id is None else await letter_store.one(pool, letter_id)
    if letter is None or letter.side is not Side.CUSTOMER:
        return None
    case = await desk.case(letter.case_id)
    contact = None if case is None else await contacts.one(pool, case.account_id, letter.person_id)
    return None if case is None or contact is None else Opened(letter=letter, case=case, contact=contact)


async def _done(course: Course, endings: Endings, opened: Opened, act: str, words: str) -> Response[bytes]:
    letter, by = opened.letter, contact_actor(opened.contact)
    number, version = opened.case.case_id, letter.version
    match act, letter.purpose:
        case "agree", purpose if purpose in TO_SIGN:
            said = "" if purpose is Purpose.CONFIRM else words
            evidence = f"letter {letter.letter_id}"
            return _after(
                await endings.sign(
                    number, by, version=version, method=Method.PORTAL, evidence=evidence, words=said, letter=letter
                )
            )
        case "refuse", purpose if purpose in TO_SIGN:
            done = await endings.refuse(number, by, version=version, words=words, letter=letter)
            return _thanks(done, "It is not over, then: we go on working.")
        case "dispute", Purpose.CONSENT:
            done = await endings.dispute(number, by, version=version, words=words, letter=letter)
            return _thanks(done, "The agreement is void, and the case is open again.")
        case "agree", Purpose.CADENCE | Purpose.STEP_DOWN | Purpose.SCOPE as purpose:
            return _thanks(await course.agree(number, by, letter=letter), _THANKS[purpose])
        case "reopen", Purpose.CLOSED | Purpose.RESOLVED:
            done = await endings.undo(number, by, words=words, contact=opened.contact, letter=letter)
            again = "The case is open again, and we go on working."
            if isinstance(done, Case) and done.case_id != number:
                again = f"That case ended too long ago to be opened again, so we go on in a new one: case {done.number}."
            return _thanks(done, again)
        case _:
            return _unread()


def _after(signed: Answer) -> Response[bytes]:
    if not isinstance(signed, Case):
        return _thanks(signed, "")
    if signed.state is State.RESOLVED:
        return _said("Thank you", "Both sides have agreed: it is resolved. Any word of yours opens it again.")
    if signed.draft is not None:
        words = (
            "You agreed, and also wrote something that sounds otherwise. We have sent you a mail to confirm it; until you do, "
            "we go on working."
        )
        return _said("Please confirm", words)
    return _said("Thank you", "Your signature is kept. The case is resolved once our side has signed, too.")


def _thanks(done: Answer, words: str) -> Response[bytes]:
    if isinstance(done, No):
        return _said("That did not work", f"{done.why[:1].upper()}{done.why[1:]}.", status=409)
    return _nothing() if done is None else _said("Thank you", words)


def _said(title: str, words: str, *, status: int = 200) -> Response[bytes]:
    return page("said.html", status=status, title=title, number=0, words=words)


def _used() -> Response[bytes]:
    return _said("This link was used", "It serves once. The case shows what came of it.", status=410)


def _unread() -> Response[bytes]:
    return _said("That did not work", "Please go back, and use the button.", status=400)


def _nothing() -> Response[bytes]:
    return _said("There is nothing here", "The link is not whole, or not one of ours.", status=404)


def _no_more(purpose: Purpose) -> Response[bytes]:
    words = "This proposal was refused, a newer one took its place, or the case has ended. A newer mail tells more."
    if purpose in (Purpose.CLOSED, Purpose.RESOLVED):
        words = "The case is open already. Answer any mail of it to add something."
    if purpose is Purpose.SCOPE:
        words = "The decision was noted, or another one took its place. A newer mail tells more."
    return _said("It does not stand any more", words, status=410)
