"""/api/v1/support/...: the TAM's programme as both sides have it, from figures that are real, with mail that really leaves."""

import email
import email.policy
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.accounts import usage
from homing.accounts.types import Limits
from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.ground import db
from homing.ground.errors import StoreUnavailable
from homing.support.cases.types import Actor
from homing.support.clocks.auditor import Auditor
from homing.support.tam import letter_store
from homing.support.tam.audit import TamSource
from homing.support.threads import store as ways
from homing.support.threads.types import WayKind
from tests.kit.cases import Bench
from tests.kit.hours import at
from tests.kit.moved_clock import MovedClock
from tests.kit.resources import ResourceDoor, resource_door
from tests.kit.tam import count, token_of

FROM = "tam@ours.test"
TODAY = date(2026, 5, 20)
TASKS = [
    {"title": "Verify news.acme.test", "kind": "authentication", "owner": "customer", "who": "Kim"},
    {"title": "Set up pools", "kind": "sending_ips", "owner": "provider", "due_on": "2026-06-01"},
]
STAGES = [{"starts_on": "2026-05-19", "per_day": 1_000}, {"starts_on": "2026-05-20", "per_day": 2_000}]
AGENDA = [{"kind": kind, "text": f"{kind} of acme"} for kind in ("new_needs", "capacity", "features")]


class Programme:
    """A door with an account that has a TAM, a contact, an Order Form in London; a clock that stands at 10:00 on a Wednesday."""

    def __init__(self, door: ResourceDoor, bench: Bench, eve: Actor, tokens: dict[str, str]) -> None:
        self.door = door
        self.bench = bench
        self.eve = eve
        self.tokens = tokens

    async def call(self, method: str, path: str, *, by: str = "tam", expect: int = 200, **body: Any) -> Any:
        """Call as `tam`, `eve` (TAM of nobody), `cst`, `admin`, `kim` (the customer) or `stranger`."""
        more = {} if method == "GET" else {"json": body}
        answer = await self.door.call(method, f"support/{path}", key=self.tokens[by], **more)
        assert answer.status_code == expect, (path, answer.text)
        if expect >= 400:
            (error,) = answer.json()["errors"]
            return error.get("description", error["message"])
        return answer.json()["results"]

    async def made(self, kind: str, **more: Any) -> dict[str, Any]:
        return await self.call("POST", kind, account_id=self.bench.account_id, title="First mail", **more)

    async def post(self) -> list[Any]:
        """Let all mail that is owed leave; return it."""
        before = len(self.door.notices.chunks)
        while await self.door.tam.post.turn():
            pass
        raw = [chunk.content.rfc822 for chunk in self.door.notices.chunks[before:]]  # type: ignore[union-attr]
        return [email.message_from_bytes(one, policy=email.policy.default) for one in raw]

    async def state(self, path: str) -> str:
        return (await self.call("GET", path))["state"]


@pytest.fixture
async def tam(pool: db.Pool) -> AsyncIterator[Programme]:
    bench = Bench(pool, MovedClock(at("2026-05-20T09:00Z")))
    async with resource_door(pool, notice_from=FROM, clock=bench.legal.clock, legal=bench.legal) as door:
        operator = await accounts.get_or_create_account(pool, "operator")
        await door.door.domain("ours.test", account_id=operator.account_id)
        await bench.settle_in(account="acme")
        eve, admin = await bench.staff("eve", Role.TAM), await bench.staff("boss", Role.ADMIN)
        tokens = {
            "tam": await token_of(pool, bench.tam),
            "eve": await token_of(pool, eve),
            "cst": await token_of(pool, bench.ann),
            "admin": await token_of(pool, admin),
            "kim": door.door.key,
            "stranger": await door.stranger(),
        }
        yield Programme(door, bench, eve, tokens)


# Mail ---------------------------------------------------------------------------------------------------------------------


async def test_answers_to_mails_of_the_programme_go_to_the_tams_own_address_where_he_has_one(tam: Programme):
    pool, tina = tam.bench.pool, "tam.tina@ours.test"
    item = await tam.made("education-items", text="What one-click unsubscribe is.")
    await tam.call("POST", f"education-items/{item['number']}/send")
    assert {mail["Reply-To"] for mail in await tam.post()} == {FROM}, "he has none"

    await ways.add_way(pool, WayKind.EMAIL, tina, person_id=tam.bench.tam.person_id, actor="operator")
    plan = await tam.made("onboarding-plans", tasks=TASKS)
    mails = await tam.post()
    assert {mail["From"].endswith(f"<{FROM}>") for mail in mails} == {True}
    assert all(re.fullmatch(r"tam\.tina\+p\d+-[0-9a-f]{16}@ours\.test", mail["Reply-To"]) for mail in mails), "it says of what"
    await tam.call("POST", f"onboarding-plans/{plan['number']}/objection", by="kim", version=1, reason="We need more time.")
    (told,) = await tam.post()
    assert (told["To"], told["Reply-To"]) == ("tam@provider.test", FROM), "what he answers himself is no word of the customer"


# Plans ------------------------------------------------------------------------------------------------------------------


async def test_an_onboarding_plan_goes_from_a_draft_to_completed(tam: Programme):
    plan = await tam.made("onboarding-plans", tasks=TASKS)
    path = f"onboarding-plans/{plan['number']}"
    assert (plan["state"], plan["proposed"], plan["tam"], plan["account_id"]) == ("draft", 1, "Tam", tam.bench.account_id)
    assert {one["kind"] for one in plan["not_included"]} == {"template_creation", "template_translation", "customer_project"}
    assert plan["clocks"] == {"objectives": [], "reminders": []}, "nothing is asked before the mail is on its way"

    mails = await tam.post()
    assert {mail["To"] for mail in mails} == {"kim@acme.test", "pat@acme.test"}
    assert mails[0]["From"].endswith(f"<{FROM}>")
    assert "Not included (clause B4)" in mails[0].get_content()
    seen = await tam.call("GET", path, by="kim")
    assert (seen["awaits"], "account_id" in seen) == ("customer", False)
    assert [one["kind"] for one in seen["clocks"]["reminders"]] == ["CONFIRM"]
    assert seen["clocks"]["reminders"][0]["due_local"].endswith("BST (UTC+01:00)")

    assert "name him as contact" in await tam.call("POST", f"{path}/agreement", by="kim", version=1, expect=403)
    await tam.call("POST", f"{path}/agreement", by="kim", version=1, contact="eve@evil.test", expect=400)
    agreed = await tam.call("POST", f"{path}/agreement", by="kim", version=1, contact="kim@acme.test")
    assert (agreed["state"], agreed["in_force"], agreed["awaits"]) == ("agreed", 1, None)
    assert agreed["versions"][0]["agreed_by"] == f"contact {tam.bench.kim.contact_id}"
    (told,) = await tam.post()
    assert (told["To"], "agrees to version 1" in told.get_content()) == ("tam@provider.test", True)

    await tam.call("POST", f"{path}/start", by="kim", expect=403)
    assert (await tam.call("POST", f"{path}/start"))["state"] == "in_progress"
    assert "provider's" in await tam.call("POST", f"{path}/done", by="kim", number=2, expect=403)
    await tam.call("POST", f"{path}/done", by="kim", number=1)
    assert (await tam.call("POST", f"{path}/done", number=2))["state"] == "completed"
    assert "in_progress" in await tam.call("POST", f"{path}/done", number=2, expect=409)
    steps = [one["event"] for one in await tam.call("GET", f"{path}/events", by="kim")]
    assert steps == ["began", "versioned", "sent", "agreed", "started", "taskdone", "taskdone", "completed"]
    noted = [one.action for one in await contracts.audit_of(tam.bench.pool, tam.bench.account_id)]
    assert [one for one in reversed(noted) if one.startswith("onboarding")] == [f"onboarding_plan: {one}" for one in steps]


async def test_what_is_not_included_is_refused_with_clause_and_route_and_can_be_acknowledged(tam: Programme):
    ours = {"title": "Welcome mail", "kind": "template_creation", "owner": "provider"}
    body = {"account_id": tam.bench.account_id, "title": "t", "tasks": [ours]}
    said = await tam.call("POST", "onboarding-plans", **body, expect=422)
    assert "is not included (clause B4); give the task to the customer" in said
    (kept,) = await tam.call("GET", "onboarding-plans", by="kim")
    path = f"onboarding-plans/{kept['number']}"
    plan = await tam.call("GET", path, by="kim")
    (decision,) = plan["scope_decisions"]
    assert (decision["verdict"], decision["clause"], decision["decided_by"]) == ("out", "B4", tam.bench.tam.name)
    assert plan["versions"] == []
    noted = await tam.call("POST", f"{path}/scope/acknowledgement", by="kim", number=1, contact="kim@acme.test")
    assert noted["scope_decisions"][0]["acknowledged_at"] == "2026-05-20T09:00:00Z"
    await tam.call("POST", f"{path}/scope/acknowledgement", by="kim", number=1, expect=409)
    assert (await tam.call("PUT", path, tasks=[{**ours, "owner": "customer"}]))["proposed"] == 1


async def test_a_proposal_of_the_customer_is_answered_by_the_tam_within_an_objective(tam: Programme):
    plan = await tam.made("onboarding-plans", tasks=TASKS)
    path = f"onboarding-plans/{plan['number']}"
    seen = await tam.call("PUT", path, by="kim", tasks=[*TASKS, {"title": "Train us", "kind": "training", "owner": "provider"}])
    (clock,) = seen["clocks"]["objectives"]
    assert (clock["kind"], clock["due_at"], seen["awaits"]) == ("TAM_REPLY", "2026-05-20T13:00:00Z", "provider")
    tam.bench.clock.forward(hours=5)
    late = (await tam.call("GET", path))["clocks"]["objectives"][0]
    assert late["state"] == "missed"
    agreed = await tam.call("POST", f"{path}/agreement", version=2)
    assert (agreed["state"], agreed["clocks"]["objectives"][0]["state"]) == ("agreed", "missed"), "once missed, always missed"


async def test_two_people_make_a_tam_reply_of_a_plan_void_and_what_was_missed_stays_missed(tam: Programme):
    plan = await tam.made("onboarding-plans", tasks=TASKS)
    path = f"onboarding-plans/{plan['number']}"
    await tam.post()  # CONFIRM begins
    await tam.call("PUT", path, by="kim", tasks=TASKS[:1])
    body = {"number": 2, "reason": "a test of theirs"}
    assert "clock 1 is no TAM_REPLY" in await tam.call("POST", f"{path}/void", expect=422, number=1, reason="a test")
    await tam.call("POST", f"{path}/void", expect=422, number=9, reason="a test")
    assert "say in reason why" in await tam.call("POST", f"{path}/void", expect=422, number=2, reason="?")
    await tam.call("POST", f"{path}/void", by="kim", expect=403, **body)
    await tam.call("POST", f"{path}/void", by="eve", expect=403, **body)
    asked = await tam.call("POST", f"{path}/void", **body)
    (clock,) = asked["clocks"]["objectives"]
    assert (clock["number"], clock["state"], clock["void"]) == (2, "running", False)
    assert asked["voids_asked"] == [{"clock": 2, "person_id": tam.bench.tam.person_id, "reason": "a test of theirs"}]
    assert "voids_asked" not in await tam.call("GET", path, by="kim")
    assert "another person has to say so too" in await tam.call("POST", f"{path}/void", expect=409, **body)
    done = await tam.call("POST", f"{path}/void", by="admin", number=2, reason="so it is")
    (clock,) = done["clocks"]["objectives"]
    assert (clock["state"], clock["void"], done["voids_asked"], done["awaits"]) == ("void", True, [], "provider")
    assert "that clock is void" in await tam.call("POST", f"{path}/void", by="admin", expect=409, **body)

    await tam.call("PUT", path, by="kim", tasks=TASKS)  # another word of the customer is owed an answer of its own
    tam.bench.clock.forward(hours=5)
    await tam.call("POST", f"{path}/void", number=3, reason="a mistake")
    late = (await tam.call("POST", f"{path}/void", by="admin", number=3, reason="yes"))["clocks"]["objectives"][1]
    assert (late["number"], late["state"], late["void"]) == (3, "missed", True)
    assert await tam.call("POST", f"{path}/agreement", version=3), "it can be answered all the same"
    assert (await Auditor(tam.bench.pool, tam.bench.legal, [TamSource()]).audit(tam.bench.clock.now())).findings == ()


async def test_staff_writes_down_consent_with_evidence_and_nobody_agrees_for_both_sides(tam: Programme):
    plan = await tam.made("onboarding-plans", tasks=TASKS)
    path = f"onboarding-plans/{plan['number']}/agreement"
    await tam.call("POST", path, version=1, expect=403)
    await tam.call("POST", path, version=1, contact="kim@acme.test", expect=403)
    await tam.bench.contact("tam@provider.test")
    assert "for both sides" in await tam.call("POST", path, by="kim", version=1, contact="tam@provider.test", expect=403)
    done = await tam.call("POST", path, version=1, contact="kim@acme.test", evidence="his mail of 19 May")
    assert done["versions"][0]["evidence"] == "his mail of 19 May"
    (told,) = [mail for mail in await tam.post() if mail["To"] == "kim@acme.test" and "in your name" in mail["Subject"]]
    assert "you agree to it" in told.get_content()
    assert "his mail of 19 May" in told.get_content()


async def test_the_customer_is_asked_again_after_two_five_and_nine_business_days(tam: Programme):
    await tam.made("onboarding-plans", tasks=TASKS)
    assert len(await tam.post()) == 2
    reminded = []
    for day in range(1, 20):
        tam.bench.clock.forward(days=1)
        await tam.door.tam.keeper.turn()
        for mail in await tam.post():
            assert "a reminder" in mail["Subject"]
            assert mail["In-Reply-To"].startswith("<tam-")
            if mail["To"] == "kim@acme.test":
                reminded.append((TODAY + timedelta(days=day)).isoformat())
    assert reminded == ["2026-05-22", "2026-05-28", "2026-06-03"], "25 May is a bank holiday"


async def test_a_record_whose_reminder_fails_holds_up_no_other(tam: Programme):
    first = await tam.made("onboarding-plans", tasks=TASKS)
    await tam.made("onboarding-plans", tasks=TASKS)
    await tam.post()
    desk = tam.door.tam.keeper._desk
    remind = desk.remind

    async def fails_for_the_first(record_id: int, number: int) -> object:
        if record_id == first["number"]:
            raise ValueError("it is broken")
        return await remind(record_id, number)

    desk.remind = fails_for_the_first  # type: ignore[method-assign,assignment]
    tam.bench.clock.forward(days=2)
    await tam.door.tam.keeper.turn()
    assert any("a reminder" in mail["Subject"] for mail in await tam.post())


async def test_a_ramp_advances_by_figures_and_keeps_the_day_that_was_not_good_enough(tam: Programme):
    plan = await tam.made("migration-plans", stages=STAGES, provider="Gmail")
    path = f"migration-plans/{plan['number']}"
    await tam.call("POST", f"{path}/agreement", by="kim", version=1, contact="kim@acme.test")
    await tam.call("POST", f"{path}/start")
    tam.bench.clock.forward(days=1)
    yesterday = {"day": "2026-05-20"}
    assert "0 of 1000 messages were sent" in await tam.call("POST", f"{path}/advance", **yesterday, expect=409)
    await count(tam.bench.pool, tam.bench.account_id, TODAY, provider="Yahoo", injected=9_000, delivered=9_000)
    assert "0 of 1000" in await tam.call("POST", f"{path}/advance", **yesterday, expect=409), "it is about Gmail"
    await count(tam.bench.pool, tam.bench.account_id, TODAY, injected=1_000, delivered=960, inband_bounce=40)
    done = await tam.call("POST", f"{path}/advance")
    assert (done["stage"], done["stage_since"], [one["met"] for one in done["days"]]) == (2, "2026-05-21", [False, False, True])
    assert done["days"][2]["figures"]["count_sent"] == 1_000
    assert "not over" in await tam.call("POST", f"{path}/advance", day="2026-05-21", expect=422)
    assert "earlier day" in await tam.call("POST", f"{path}/advance", **yesterday, expect=422)
    await tam.call("POST", f"{path}/hold", expect=422)
    held = await tam.call("POST", f"{path}/hold", reason="a blocklist")
    assert (held["state"], held["held_because"]) == ("held", "a blocklist")
    await tam.call("POST", f"{path}/advance", expect=409)
    assert (await tam.call("POST", f"{path}/resume"))["state"] == "running"
    assert (await tam.call("POST", f"{path}/abort", reason="the old platform stays"))["state"] == "aborted"


# Reviews ----------------------------------------------------------------------------------------------------------------


async def test_a_review_is_prepared_from_the_figures_that_the_metrics_show_and_they_stay_as_they_were(tam: Programme):
    pool, account_id = tam.bench.pool, tam.bench.account_id
    await count(pool, account_id, date(2026, 5, 12), injected=900, delivered=880, inband_bounce=20, hard_bounce=15)
    await count(pool, account_id, date(2026, 5, 13), provider="Yahoo", injected=100, delivered=100, spam_complaint=2)
    await count(pool, account_id, date(2026, 5, 2), injected=500, delivered=500)
    await count(pool, (await accounts.get_or_create_account(pool, "stranger")).account_id, date(2026, 5, 12), injected=77)
    await usage.count(pool, {(account_id, at("2026-05-12T10:00Z")): 900, (account_id, at("2026-05-02T10:00Z")): 500})
    await accounts.set_limits(pool, account_id, Limits(monthly=2_000, daily=1_000))
    await tam.door.door.domain("news.acme.test")
    review = await tam.made("planning-reviews", meets_at="2026-06-15T14:00:00Z", topics=AGENDA)
    path = f"planning-reviews/{review['number']}"
    await tam.call("POST", f"{path}/topics", by="kim", kind="new_needs", text="mail in Welsh")
    stretch = {"since": "2026-05-11", "until": "2026-05-20"}
    (listed,) = (await tam.call("POST", f"{path}/documents", **stretch))["documents"]

    answer = await tam.door.call("GET", f"support/{path}/documents/1")
    made = answer.json()["results"]
    whole = "metrics/deliverability?from=2026-05-11T00:00Z&to=2026-05-21T00:00Z&precision=day"
    del made["counts"]["count_unsubscribe"]  # the metrics have that by the hour alone
    (shown,) = (await tam.door.call("GET", f"{whole}&metrics={','.join(made['counts'])}")).json()["results"]
    assert made["counts"] == shown
    assert (shown["count_injected"], shown["count_hard_bounce"], shown["count_spam_complaint"]) == (1_000, 15, 2)
    by_provider = (await tam.door.call("GET", whole.replace("deliverability?", "deliverability/mailbox-provider?"))).json()
    for one in by_provider["results"]:
        (mine,) = [each["counts"] for each in made["providers"] if each["provider"] == one["mailbox_provider"]]
        assert mine["count_sent"] == one["count_sent"]
    assert len(by_provider["results"]) == len(made["providers"]) == 2
    assert (made["counts_before"]["count_delivered"], made["rates"]["bounce_rate"]) == (500, 0.02)
    room = made["capacity"]
    assert (room["messages"], room["before"], room["growth"], room["peak_day"]) == (900, 500, 0.8, "2026-05-12")
    assert (room["month_so_far"], room["used_of_month"], room["peak_of_day"]) == (1_400, 0.7, 0.9)
    assert made["domains"][0]["domain"] == "news.acme.test"
    assert made["features"]["subaccounts"] == 4
    assert made["topics"][3] == {"kind": "new_needs", "text": "mail in Welsh", "side": "customer"}
    body = answer.content.removeprefix(b'{"results":').removesuffix(b"}")
    assert hashlib.sha256(body).hexdigest() == listed["sha256"]

    text = (await tam.door.call("GET", f"support/{path}/documents/1/text")).text
    assert "largest day         900 on 2026-05-12" in text
    assert "Gmail: 900 sent, bounces 2.222 %" in text
    await count(pool, account_id, date(2026, 5, 12), injected=5_000, delivered=5_000)
    assert (await tam.door.call("GET", f"support/{path}/documents/1")).content == answer.content, "as it was at that moment"
    await tam.call("POST", f"{path}/documents", **stretch)
    assert [one["document"] for one in await tam.call("GET", f"{path}/documents", by="kim")] == [1, 2]
    assert (await tam.call("GET", f"{path}/documents/2"))["counts"]["count_injected"] == 6_000
    for wrong, said in (({"since": "2026-05-21", "until": "2026-05-20"}, "before since"), ({"since": "2026-01-01"}, "at most 92"),
                        ({"until": "2026-05-21"}, "ahead"), ({"until": "0001-01-01"}, "2000-01-01")):  # fmt: skip
        assert said in await tam.call("POST", f"{path}/documents", **wrong, expect=422)
    for missing in ("3", "x", "0", "99999999999"):
        await tam.call("GET", f"{path}/documents/{missing}", expect=404)


async def test_a_review_is_held_minuted_and_done(tam: Programme):
    lacking = {"account_id": tam.bench.account_id, "title": "t", "meets_at": "2026-06-15T14:00:00Z", "topics": AGENDA[:2]}
    assert "it lacks features" in await tam.call("POST", "planning-reviews", **lacking, expect=422)
    review = await tam.made("planning-reviews", meets_at="2026-06-15T14:00:00Z", topics=AGENDA)
    path = f"planning-reviews/{review['number']}"
    invitation = (await tam.post())[0].get_content()
    assert "We meet Mon 2026-06-15 15:00 BST (UTC+01:00)" in invitation
    moved = await tam.call("PUT", path, meets_at="2026-05-20T08:00:00Z")
    assert (moved["meets_at"], len(moved["topics"])) == ("2026-05-20T08:00:00Z", 3)
    assert "prepare it first" in await tam.call("POST", f"{path}/held", expect=409)
    await tam.call("POST", f"{path}/documents")
    await tam.call("POST", f"{path}/held", held_at="2026-05-20T08:00:00Z", attendees="Kim, Tam")
    actions = [{"text": "Make a pool", "owner": "provider"}, {"text": "Fill it", "owner": "customer", "due_on": "2026-06-01"}]
    written = await tam.call("POST", f"{path}/minutes", text="We talked.", actions=actions)
    assert written["state"] == "held"
    minutes = [mail for mail in await tam.post() if "minutes" in mail["Subject"]]
    assert "2. Fill it (customer, by 2026-06-01)" in minutes[0].get_content()
    assert await tam.state(path) == "minutes_sent"
    assert (await tam.call("POST", f"{path}/actions"))["state"] == "actions_open"
    await tam.call("POST", f"{path}/done", by="kim", number=1, expect=403)
    await tam.call("POST", f"{path}/done", by="kim", number=2)
    assert (await tam.call("POST", f"{path}/done", number=1))["state"] == "done"


# Recommendations and education ------------------------------------------------------------------------------------------


async def test_advice_counts_as_followed_once_our_own_data_says_so_and_lapses_when_it_does_not(tam: Programme):
    pool, account_id = tam.bench.pool, tam.bench.account_id
    check = {"type": "rate", "rate": "spam_complaint_rate", "most": 0.001, "days": 3, "about": {"provider": "Gmail"}}
    advice = await tam.made("recommendations", text="Remove who complains.", check=check)
    path = f"recommendations/{advice['number']}"
    assert "Remove who complains." in (await tam.post())[0].get_content()
    await tam.call("POST", f"{path}/follow", expect=409)
    seen = await tam.call("POST", f"{path}/acknowledge", by="kim", contact="kim@acme.test")
    assert (seen["state"], seen["clocks"]["reminders"][0]["state"]) == ("acknowledged", "met")
    assert "100 are needed" in await tam.call("POST", f"{path}/follow", evidence="I saw it", expect=409)
    await count(pool, account_id, TODAY, delivered=1_000, spam_complaint=2)
    assert "0.200 %" in await tam.call("POST", f"{path}/follow", expect=409)
    await count(pool, account_id, TODAY - timedelta(days=1), delivered=1_000)
    done = await tam.call("POST", f"{path}/follow")
    measured = done["evidence"]["result"]["measured"]
    assert (done["state"], done["lapsed"]) == ("followed", False)
    assert (measured["count_spam_complaint"], measured["count_delivered"], measured["spam_complaint_rate"]) == (2, 2_000, 0.001)

    await count(pool, account_id, TODAY + timedelta(days=1), delivered=100, spam_complaint=50)
    tam.bench.clock.forward(days=1)
    await tam.door.tam.keeper.turn()
    after = await tam.call("GET", path, by="kim")
    assert (after["state"], after["lapsed"], after["last_result"]["because"]) == ("followed", True, "daily")
    ran = [(one["because"], one["passed"]) for one in await tam.call("GET", f"{path}/checks", by="kim")]
    assert ran == [("daily", False), ("staff 2", True), ("staff 2", False), ("staff 2", None)]
    await tam.door.tam.keeper.turn()
    assert len(await tam.call("GET", f"{path}/checks")) == 4, "once a day"


async def test_a_domain_is_checked_by_what_dns_said(tam: Programme):
    await tam.door.door.domain("news.acme.test")
    check = {"type": "domain", "domain": "News.acme.test", "needs": ["dkim"]}
    advice = await tam.made("recommendations", text="Sign it.", check=check)
    path = f"recommendations/{advice['number']}"
    found = await tam.call("POST", f"{path}/checks", by="kim")
    assert (found["passed"], found["said"]) == (False, "news.acme.test lacks dkim")
    await tam.bench.pool.execute(
        "UPDATE sending_domains SET status = status || '{\"dkim_status\": \"valid\"}' WHERE domain = 'news.acme.test'"
    )
    assert (await tam.call("POST", f"{path}/checks"))["passed"] is False, "a run of the last ten seconds is not repeated"
    tam.bench.clock.forward(seconds=11)
    assert (await tam.call("POST", f"{path}/checks"))["passed"] is True
    theirs = await tam.made("recommendations", text="x", check={"type": "domain", "domain": "ours.test"})
    found = await tam.call("POST", f"recommendations/{theirs['number']}/checks")
    assert (found["passed"], found["said"]) == (None, "ours.test is no sending domain of this account")


async def test_without_a_check_the_accounts_own_tam_attests(tam: Programme):
    advice = await tam.made("recommendations", text="Warm up by hand.")
    path = f"recommendations/{advice['number']}"
    await tam.call("POST", f"{path}/checks", expect=400)
    await tam.call("POST", f"{path}/acknowledge", expect=403)
    await tam.call("POST", f"{path}/acknowledge", contact="kim@acme.test", evidence="his mail of 19 May")
    assert "attests it" in await tam.call("POST", f"{path}/follow", by="admin", evidence="I saw it", expect=403)
    done = await tam.call("POST", f"{path}/follow", evidence="seen in a call")
    assert (done["evidence"]["attestation"], done["evidence"]["by"]) == ("seen in a call", tam.bench.tam.name)
    newer = await tam.made("recommendations", text="Let it warm up by itself.", supersedes=advice["number"])
    old = await tam.call("GET", path)
    assert (old["state"], old["superseded_by"], newer["supersedes"]) == ("superseded", newer["number"], advice["number"])
    again = {"account_id": tam.bench.account_id, "title": "t", "text": "x", "supersedes": advice["number"]}
    await tam.call("POST", "recommendations", **again, expect=409)
    await tam.call("POST", "recommendations", **(again | {"supersedes": 999}), expect=422)
    declined = await tam.call("POST", f"recommendations/{newer['number']}/decline", by="kim", reason="we leave it")
    assert (declined["state"], declined["declined_because"]) == ("declined", "we leave it")


async def test_an_education_item_is_hidden_until_it_is_delivered_and_then_acknowledged(tam: Programme):
    item = await tam.made("education-items", text="What one-click unsubscribe is.")
    path = f"education-items/{item['number']}"
    await tam.call("GET", path, by="kim", expect=404)
    assert await tam.call("GET", "education-items", by="kim") == []
    await tam.call("POST", f"{path}/send")
    assert "What one-click unsubscribe is." in (await tam.post())[0].get_content()
    assert (await tam.call("POST", f"{path}/acknowledge", by="kim"))["state"] == "acknowledged"
    other = await tam.made("education-items", text="x")
    shown = await tam.call("POST", f"education-items/{other['number']}/deliver", text="in a call")
    assert (shown["state"], shown["delivered_how"]) == ("delivered", "in a call")


# Who may what -----------------------------------------------------------------------------------------------------------


async def test_another_account_sees_nothing_and_another_tam_changes_nothing(tam: Programme):
    made = {
        "onboarding-plans": await tam.made("onboarding-plans", tasks=TASKS),
        "migration-plans": await tam.made("migration-plans", stages=STAGES),
        "planning-reviews": await tam.made("planning-reviews", meets_at="2026-06-15T14:00:00Z", topics=AGENDA),
        "recommendations": await tam.made("recommendations", text="x"),
    }
    await tam.call("POST", f"planning-reviews/{made['planning-reviews']['number']}/documents")
    for kind, one in made.items():
        path = f"{kind}/{one['number']}"
        assert await tam.call("GET", kind, by="stranger") == []
        assert await tam.call("GET", f"{kind}?account_id={tam.bench.account_id}", by="stranger") == []
        assert [each["number"] for each in await tam.call("GET", kind, by="kim")] == [one["number"]]
        for rest in ("", "/events"):
            await tam.call("GET", f"{path}{rest}", by="stranger", expect=404)
            await tam.call("GET", f"{path}{rest}", by="eve")
        other = next(each for each in made if each != kind)
        await tam.call("GET", f"{other}/{one['number']}", expect=404)
        await tam.call("POST", f"{kind}", by="kim", expect=403)
        await tam.call("POST", f"{kind}", by="cst", expect=403)
    review = f"planning-reviews/{made['planning-reviews']['number']}/documents"
    for path in (review, f"{review}/1", f"{review}/1/text"):
        await tam.call("GET", path, by="stranger", expect=404)
    steps = (
        ("onboarding-plans", "agreement", {"version": 1}),
        ("migration-plans", "objection", {"version": 1, "reason": "x"}),
        ("planning-reviews", "topics", {"text": "x"}),
        ("recommendations", "acknowledge", {}),
    )
    for kind, step, body in steps:
        path = f"{kind}/{made[kind]['number']}/{step}"
        await tam.call("POST", path, by="stranger", expect=404, **body)
        assert "the account's TAM" in await tam.call("POST", path, by="eve", expect=403, **body)
    body = {"account_id": tam.bench.account_id, "title": "t", "text": "x"}
    await tam.call("POST", "recommendations", by="eve", expect=403, **body)
    await tam.call("POST", "recommendations", by="admin", **body)
    begins, ends = at("2026-05-20T00:00Z"), at("2026-05-21T00:00Z")
    await contracts.add_cover(
        tam.bench.pool,
        tam.bench.tam.person_id,
        tam.eve.person_id,
        begins_at=begins,
        ends_at=ends,
        reason="leave",
        actor="operator",
    )
    covered = await tam.call("POST", "recommendations", by="eve", **body)
    assert (covered["tam"], covered["tam_acting"]) == ("Tam", "Eve"), "both are shown (E26)"


async def test_a_key_of_a_subaccount_has_no_part_in_it(tam: Programme):
    await tam.made("recommendations", text="x")
    for path in ("recommendations", "trend-notes"):
        key = await tam.door.door.key_with("support/view", subaccount_id=0)
        assert (await tam.door.call("GET", f"support/{path}", key=key)).status_code == 200
        assert (
            await tam.door.call("GET", f"support/{path}", key=await tam.door.door.key_with("templates/view"))
        ).status_code == 403


async def test_a_record_that_does_not_exist_is_not_found(tam: Programme):
    for number in ("0", "999", "x", "1" * 30, "%00", "-1", "²"):
        for kind in ("onboarding-plans", "recommendations", "trend-notes"):
            await tam.call("GET", f"{kind}/{number}", expect=404)
        await tam.call("POST", f"recommendations/{number}/acknowledge", expect=404)
        await tam.call("POST", f"trend-notes/{number}/send", expect=404)


SENSELESS: list[tuple[str, dict[str, Any], int, str]] = [
    ("recommendations", {"title": "t"}, 422, "text is a required field"),
    ("recommendations", {"text": "x"}, 422, "title is a required field"),
    ("recommendations", {"title": "\0 ", "text": "x"}, 422, "title is a required field"),
    ("recommendations", {"title": "t", "text": "x", "account_id": 999}, 400, "account_id is the number of a customer"),
    ("recommendations", {"title": "t", "text": "x", "account_id": 2**40}, 400, "account_id is the number of a customer"),
    ("recommendations", {"title": "t", "text": "x", "check": {"type": "soul"}}, 422, ""),
    ("recommendations", {"title": "t", "text": "x", "check": {"type": "domain", "domain": "\0"}}, 422, "domain and needs"),
    (
        "recommendations",
        {"title": "t", "text": "x", "check": {"type": "rate", "rate": "delay_rate", "most": 2}},
        422,
        "days is 1 to 92",
    ),
    ("recommendations", {"title": "t", "text": "x", "check": {"type": "ramp", "plan": 2**70}}, 400, "plan is the number"),
    ("recommendations", {"title": "t", "text": "x", "supersedes": 2**70}, 400, "supersedes"),
    ("onboarding-plans", {"title": "t"}, 422, "1 to 200 tasks"),
    ("onboarding-plans", {"title": "t", "tasks": [{"title": "x", "number": -1}]}, 422, "number of its own"),
    ("onboarding-plans", {"title": "t", "tasks": [{"title": "x", "kind": "sorcery"}]}, 422, ""),
    ("migration-plans", {"title": "t", "stages": [{"starts_on": "2026-05-20", "per_day": 10**30}]}, 422, ""),
    ("migration-plans", {"title": "t", "stages": [{"starts_on": "0001-01-01", "per_day": 1}]}, 422, "starts_on lies"),
    ("planning-reviews", {"title": "t", "topics": AGENDA}, 422, "meets_at is a required field"),
    ("planning-reviews", {"title": "t", "meets_at": "2026-06-01T00:00:00", "topics": AGENDA}, 422, "time zone"),
    ("planning-reviews", {"title": "t", "meets_at": "9999-12-31T23:59:59Z", "topics": AGENDA}, 422, "meets_at lies"),
    ("education-items", {"title": "t", "text": "x" * 100_001}, 422, "100000 characters"),
]


async def test_what_makes_no_sense_is_refused_with_a_sentence(tam: Programme):
    for kind, body, status, said in SENSELESS:
        given = {"account_id": tam.bench.account_id, **body}
        assert said in await tam.call("POST", kind, **given, expect=status)


async def test_lists_are_filtered_and_paged(tam: Programme):
    numbers = [(await tam.made("recommendations", text="x"))["number"] for _ in range(3)]
    await tam.call("POST", f"recommendations/{numbers[0]}/acknowledge", by="kim")

    async def listed(query: str) -> list[int]:
        return [one["number"] for one in await tam.call("GET", f"recommendations?{query}", by="kim")]

    assert await listed("") == numbers[::-1]
    assert await listed("state=acknowledged,declined") == numbers[:1]
    assert await listed(f"before={numbers[2]}&per_page=1") == [numbers[1]]
    for wrong in ("state=asleep", "per_page=0", "per_page=201", "before=x", "before=" + "9" * 19):
        await tam.call("GET", f"recommendations?{wrong}", by="kim", expect=400)


async def test_the_nightly_audit_replays_the_programme_and_finds_what_a_hand_changed(tam: Programme):
    plan = await tam.made("onboarding-plans", tasks=TASKS)
    await tam.made("recommendations", text="x")
    await tam.post()
    auditor = Auditor(tam.bench.pool, tam.bench.legal, [TamSource()])
    audit = await auditor.audit(tam.bench.clock.now())
    assert (audit.subjects, audit.clocks, audit.findings) == (2, 2, ())
    await tam.bench.pool.execute("UPDATE tam_records SET state = 'agreed' WHERE record_id = $1", plan["number"])
    (finding,) = (await auditor.audit(tam.bench.clock.now())).findings
    assert "the row says" in finding.what
    with pytest.raises(Exception, match="only ever added"):
        await tam.bench.pool.execute("DELETE FROM tam_events")


async def test_a_letter_that_is_not_taken_is_sent_later_and_asks_only_then(tam: Programme):
    plan = await tam.made("onboarding-plans", tasks=TASKS)
    tam.door.notices.trouble = StoreUnavailable("away")
    await tam.door.tam.post.turn()
    letters = await letter_store.of_record(tam.bench.pool, plan["number"])
    assert {one.sent_at for one in letters} == {None}
    assert (await tam.call("GET", f"onboarding-plans/{plan['number']}"))["awaits"] is None
    tam.door.notices.trouble = None
    tam.bench.clock.forward(minutes=5)
    assert len(await tam.post()) == 2
    assert (await tam.call("GET", f"onboarding-plans/{plan['number']}"))["awaits"] == "customer"
