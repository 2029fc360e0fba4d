"""The page behind the link in a mail: looking does nothing, the button signs, refuses or disputes, once."""

import re
from pathlib import Path

import httpx
import pytest

from homing.ground import db
from homing.support.cases import store
from homing.support.cases.types import Method, Severity, State, Verdict, Verified
from homing.support.clocks.rules.cadence import Every, Times
from homing.support.clocks.types import Kind, Nature
from homing.support.clocks.types import State as Clock
from homing.web import letter
from tests.kit.http import HttpDoor, http_door
from tests.kit.support import BASE, TOKEN, Town, support_town

NOON = "2026-05-20T11:00Z"


class Visit:
    """A browser that follows links in mails."""

    def __init__(self, town: Town, door: HttpDoor) -> None:
        self.town = town
        self.door = door

    async def links(self, to: str = "kim@acme.test") -> list[str]:
        """Return the paths of the links in the mails that somebody was sent just now."""
        found = []
        for mail in await self.town.sent():
            body = mail.get_body()
            if mail["To"] == to and body is not None:
                found += re.findall(rf"{BASE}(/support/letter/\S+)", str(body.get_content()))
        return found

    async def look(self, path: str) -> httpx.Response:
        return await self.door.client.get(path, headers={"Authorization": ""})

    async def press(self, path: str, act: str, words: str = "") -> httpx.Response:
        return await self.door.client.post(path, data={"act": act, "words": words}, headers={"Authorization": ""})


@pytest.fixture
async def visit(pool: db.Pool, tmp_path: Path):
    async with support_town(pool, tmp_path, NOON) as town:
        pages = letter.routes(pool=pool, desk=town.desk, course=town.course, endings=town.endings, token=TOKEN)
        async with http_door(pool, pages=pages) as door:
            yield Visit(town, door)


async def proposed(visit: Visit, text: str = "The queue is larger now.") -> tuple[int, str]:
    town = visit.town
    await town.arrives(town.mail("It is slow since noon."))
    number = await town.only_case()
    await town.desk.own(number, town.ann.person_id, town.ann)
    await town.endings.propose(number, text, town.ann, author="Ann")
    (path,) = await visit.links()
    return number, path


async def test_looking_shows_the_exact_words_and_signs_nothing(visit: Visit):
    number, path = await proposed(visit, "It is <b>over</b> & done.\nSecond line ✓")
    for _ in range(3):
        page = await visit.look(path)
        assert page.status_code == 200
    assert "It is &lt;b&gt;over&lt;/b&gt; &amp; done.\nSecond line ✓" in page.text
    case = await visit.town.case(number)
    assert case.proposals[0].sha256 in page.text
    assert "Kim (kim@acme.test)" in page.text
    assert case.state is State.PROPOSED
    assert len(case.signatures) == 1


async def test_a_page_can_do_nothing_and_be_framed_by_nobody(visit: Visit):
    _, path = await proposed(visit)
    for page in (await visit.look(path), await visit.look("/support/letter/1-x"), await visit.press(path, "nothing")):
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert "script" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-content-type-options"] == "nosniff"


async def test_the_button_signs_once(visit: Visit):
    number, path = await proposed(visit)
    done = await visit.press(path, "agree", "Thank you.")
    assert "Both sides have agreed" in done.text
    case = await visit.town.case(number)
    assert case.state is State.RESOLVED
    signature = case.signatures[-1]
    assert (signature.method, signature.email, signature.evidence.startswith("letter ")) == (Method.PORTAL, "kim@acme.test", True)
    assert (await visit.press(path, "refuse")).status_code == 410
    assert (await visit.look(path)).status_code == 410
    assert (await visit.town.case(number)).state is State.RESOLVED


async def test_words_that_contradict_the_button_are_confirmed_on_a_second_page(visit: Visit):
    number, path = await proposed(visit)
    visit.town.clock.forward(hours=1)
    done = await visit.press(path, "agree", "works, but still slow")
    assert "confirm it" in done.text
    case = await visit.town.case(number)
    assert (case.state, case.draft) == (State.OPEN, visit.town.kim.contact_id)
    (second,) = await visit.links()
    page = await visit.look(second)
    assert "works, but still slow" in page.text
    assert "<textarea" not in page.text
    assert "Both sides have agreed" in (await visit.press(second, "agree")).text
    assert (await visit.town.case(number)).state is State.RESOLVED


async def test_the_other_button_refuses(visit: Visit):
    number, path = await proposed(visit)
    done = await visit.press(path, "refuse", "It happens every night.")
    assert "we go on working" in done.text
    case = await visit.town.case(number)
    assert (case.state, case.proposal) == (State.OPEN, None)
    assert (await visit.press(path, "agree")).status_code == 410


async def test_an_older_proposal_cannot_be_signed(visit: Visit):
    number, path = await proposed(visit)
    await visit.town.endings.propose(number, "Another text.", visit.town.ann, author="Ann")
    assert (await visit.look(path)).status_code == 410
    assert (await visit.press(path, "agree")).status_code == 409
    (newer,) = await visit.links()
    assert "Both sides have agreed" in (await visit.press(newer, "agree")).text


async def test_who_may_sign_no_more_does_not(visit: Visit):
    number, path = await proposed(visit)
    await visit.town.pool.execute("UPDATE contacts SET may_sign = false")
    answer = await visit.press(path, "agree")
    assert answer.status_code == 409
    assert "may not sign" in answer.text
    await visit.town.pool.execute("UPDATE contacts SET may_sign = true")
    assert "Both sides have agreed" in (await visit.press(path, "agree")).text, "the link is not used up by a refusal"
    await visit.town.pool.execute("UPDATE contacts SET removed_at = now()")
    assert (await visit.look(path)).status_code == 404
    assert (await visit.town.case(number)).state is State.RESOLVED


async def test_consent_that_staff_entered_is_disputed_by_its_button(visit: Visit):
    number, _ = await proposed(visit)
    town = visit.town
    await town.endings.enter_consent(number, town.ann, version=1, contact=town.kim, method=Method.CALL, evidence="he phoned Ann")
    links = await visit.links()
    page = await visit.look(links[0])
    assert "a recorded call outside of our own logs: he phoned Ann" in page.text
    assert "until Thu 2026-05-28 12:00 BST (UTC+01:00)" in page.text
    assert (await visit.press(links[0], "agree")).status_code == 400
    done = await visit.press(links[0], "dispute", "I never said so")
    assert "void" in done.text
    assert (await town.case(number)).state is State.OPEN
    assert (await visit.press(links[0], "dispute")).status_code == 410


async def critical(visit: Visit) -> int:
    case = await visit.town.open(severity=Severity.CRITICAL)
    await visit.town.desk.own(case.case_id, visit.town.ann.person_id, visit.town.ann)
    await visit.links()
    return case.case_id


async def test_a_cadence_that_we_propose_is_agreed_by_its_button(visit: Visit):
    town, number = visit.town, await critical(visit)
    await town.course.propose_cadence(number, town.ann, Every(interval_s=1800))
    (older,) = await visit.links()
    await town.course.propose_cadence(number, town.ann, Times(zone="Europe/London", minutes=(540, 1020)))
    (path,) = await visit.links()
    page = await visit.look(path)
    assert "every day at 09:00 and 17:00 (Europe/London)" in page.text
    assert (await visit.look(older)).status_code == 410, "a newer one took its place"
    assert (await visit.press(path, "refuse")).status_code == 400
    await town.pool.execute("UPDATE contacts SET role = 'viewer'")
    assert (await visit.press(path, "agree")).status_code == 409
    await town.pool.execute("UPDATE contacts SET role = 'authorised'")
    assert "It is agreed" in (await visit.press(path, "agree")).text
    assert (await visit.press(path, "agree")).status_code == 410
    agreement = (await town.case(number)).agreements[-1]
    assert agreement.began
    assert (await town.shows(number, Kind.CADENCE)).nature is Nature.CONTRACTUAL
    (told,) = [one for one in await town.sent() if one["To"] == "kim@acme.test"]
    assert "every day at 09:00 and 17:00 (Europe/London)" in str(told.get_content())


async def test_a_step_down_that_we_propose_is_agreed_by_its_button(visit: Visit):
    town, number = visit.town, await critical(visit)
    await town.course.step_down(number, town.ann, text="Mail flows again.")
    (path,) = await visit.links()
    assert "Mail flows again." in (await visit.look(path)).text
    assert (await town.case(number)).severity is Severity.CRITICAL, "looking does nothing"
    assert "critical issue no more" in (await visit.press(path, "agree")).text.lower()
    assert (await town.case(number)).severity is Severity.NON_CRITICAL
    assert (await town.shows(number, Kind.UPDATE)).state is Clock.RUNNING


async def test_a_decision_about_the_scope_is_noted_by_its_button(visit: Visit):
    town = visit.town
    number = (await town.open()).case_id
    await town.course.decide_scope(
        number,
        town.ann,
        verdict=Verdict.OUT,
        clause="B4",
        route="our partners do that",
        text="Templates are yours.",
        author="Ann",
    )
    (path,) = await visit.links()
    page = await visit.look(path)
    assert "Clause B4" in page.text
    assert "our partners do that" in page.text
    assert "noted" in (await visit.press(path, "agree")).text
    scope = (await town.case(number)).scope
    assert scope is not None
    assert scope.acknowledged_at == town.clock.now()


async def test_an_end_is_undone_by_its_button(visit: Visit):
    number, path = await proposed(visit)
    await visit.press(path, "agree")
    (undo,) = await visit.links()
    page = await visit.look(undo)
    assert "The queue is larger now." in page.text
    assert (await visit.town.case(number)).state is State.RESOLVED
    assert "open again" in (await visit.press(undo, "reopen", "It is slow again.")).text
    case = await visit.town.case(number)
    assert (case.state, case.signatures[-1].void) == (State.OPEN, False)
    last = (await visit.town.messages(number))[-1]
    assert (last.body, last.verified, last.author) == ("It is slow again.", Verified.PORTAL, "Kim")
    assert (await visit.press(undo, "reopen")).status_code == 410


async def test_an_end_that_is_long_past_is_undone_in_a_new_case_and_once(visit: Visit):
    number, path = await proposed(visit)
    await visit.press(path, "agree")
    (undo,) = await visit.links()
    visit.town.clock.forward(hours=15 * 24)
    done = await visit.press(undo, "reopen")
    assert "a new one" in done.text
    assert (await visit.town.case(number)).state is State.RESOLVED
    (fresh, _) = await store.find(visit.town.pool, account_id=None, limit=9)
    assert (await visit.town.case(fresh.case_id)).reopened_from == number


async def test_what_is_open_already_need_not_be_undone(visit: Visit):
    number, path = await proposed(visit)
    await visit.press(path, "agree")
    (undo,) = await visit.links()
    await visit.town.word(number, "It is slow again.")
    assert (await visit.look(undo)).status_code == 410
    assert (await visit.press(undo, "reopen")).status_code == 409
    assert (await visit.press(undo, "agree")).status_code == 400


async def test_only_links_that_we_made_for_customers_lead_anywhere(visit: Visit):
    _, path = await proposed(visit)
    for wrong in (path[:-1] + ("0" if path[-1] != "0" else "1"), "/support/letter/999-" + "0" * 32, "/support/letter/x"):
        assert (await visit.look(wrong)).status_code == 404
        assert (await visit.press(wrong, "agree")).status_code == 404


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"act": "agree"}', "application/json"),
        (b"act=agree&words=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"act=\xff", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
        (b"act=agree" + b"&a=b" * 50, "application/x-www-form-urlencoded"),
    ],
    ids=["json", "large", "octets", "empty", "many"],
)
async def test_what_is_no_form_signs_nothing(visit: Visit, body: bytes, kind: str):
    number, path = await proposed(visit)
    answer = await visit.door.client.post(path, content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert (await visit.town.case(number)).state is State.PROPOSED


async def test_a_link_is_not_in_the_document_and_needs_no_key(visit: Visit):
    document = (await visit.door.client.get("/api/openapi.json")).json()
    assert not [path for path in document["paths"] if "letter" in path]
