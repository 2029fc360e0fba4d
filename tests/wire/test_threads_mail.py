"""Mail to a TAM's address over real SMTP: into the thread of its account, TAM_REPLY, strangers, machines, answers."""

import email.policy
import re
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import pytest

from homing.boot.support import THREADS, TOKEN_BYTES
from homing.boot.tam import Tam
from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.ground import db
from homing.support.cases import store as cases
from homing.support.cases.rules import threading
from homing.support.cases.types import Side, Verified
from homing.support.clocks.auditor import Auditor
from homing.support.clocks.types import Basis, Nature, State
from homing.support.tam.types import RecordKind
from homing.support.threads import store
from homing.support.threads.audit import ThreadSource
from homing.support.threads.types import Sort
from tests.kit.cases import Bench
from tests.kit.hours import at
from tests.kit.line import MASTER_KEY
from tests.kit.support import ADDRESS
from tests.kit.tam_line import TAM_ADDRESS, TamHouse, tam_house

NOON = "2026-05-20T11:00Z"


@pytest.fixture
async def house(pool: db.Pool, tmp_path: Path):
    async with tam_house(pool, tmp_path, NOON) as made:
        yield made


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body()
    assert body is not None
    return str(body.get_content())


async def written(house: TamHouse, text: str = "May we double our volume?") -> None:
    assert (await house.arrives(house.writes(text, subject="Volume", message_id="<first@acme.test>"))).startswith("250")
    await house.mails()


async def test_a_mail_of_a_contact_is_a_word_in_the_thread_and_starts_tam_reply(house: TamHouse):
    assert (await house.arrives(house.writes("May we double our volume?", subject="Volume"))).startswith("250")
    (told,) = await house.thread()
    assert (told.sort, told.subject, told.contact_id) == (Sort.WORD, "Volume", house.kim.contact_id)
    assert told.verified is Verified.DKIM
    clock = await house.clock_of(told)
    assert clock is not None
    assert (clock.basis, clock.nature, clock.due_at) == (Basis.BUSINESS, Nature.OBJECTIVE, at("2026-05-20T15:00Z"))
    assert await cases.find(house.pool, account_id=None, limit=9) == [], "it is no case"
    (notice,) = await house.mails()
    assert (notice["To"], notice["Auto-Submitted"]) == ("tam@provider.test", "auto-generated")
    assert "Wed 2026-05-20 16:00 BST (UTC+01:00)" in text_of(notice)
    assert "objective of ours, not a term of the contract" in text_of(notice)


async def test_where_the_tam_has_left_somebody_else_of_the_staff_is_told(house: TamHouse):
    await house.pool.execute("UPDATE staff SET left_at = $2 WHERE person_id = $1", house.tam.person_id, house.clock.now())
    assert (await house.arrives(house.writes("May we send twice as much?", subject="Volume"))).startswith("250")
    assert len(await house.thread()) == 1
    (notice,) = await house.mails()
    assert notice["To"] == "ann@provider.test"


async def test_a_notice_that_waits_does_not_go_to_a_tam_who_leaves_meanwhile(house: TamHouse):
    await house.arrives(house.writes("May we send twice as much?", subject="Volume"))
    await house.pool.execute("UPDATE staff SET left_at = $2 WHERE person_id = $1", house.tam.person_id, house.clock.now())
    (notice,) = await house.mails()
    assert notice["To"] == "ann@provider.test"


async def test_the_tams_answer_goes_out_from_his_address_and_stops_the_clock_once_it_is_accepted(house: TamHouse):
    await written(house)
    house.clock.forward(hours=1)
    done = await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from Monday on."})
    assert done.status_code == 200, done.text
    clock = await house.clock_of((await house.thread())[0])
    assert clock is not None
    assert clock.state is State.RUNNING, "it has not left yet"
    house.clock.forward(minutes=5)
    (answer,) = await house.mails()
    assert (answer["From"], answer["To"], answer["Subject"]) == (f"Tam <{TAM_ADDRESS}>", "kim@acme.test", "Re: Volume")
    assert (answer["In-Reply-To"], answer["Auto-Submitted"]) == ("<first@acme.test>", None)
    assert re.fullmatch(r"tam\.tina\+r\d+-[0-9a-f]{16}@support\.test", answer["Reply-To"])
    assert text_of(answer).startswith("Yes, from Monday on.")
    first = (await house.thread())[0]
    clock = await house.clock_of(first)
    assert clock is not None
    assert (clock.state, clock.outcome_at, clock.elapsed_s) == (State.MET, house.clock.now(), 3_900)
    assert (first.answered_by, first.answered_at) == (2, house.clock.now())


async def test_the_customers_reply_comes_back_to_the_thread_and_is_owed_an_answer_of_its_own(house: TamHouse):
    await written(house)
    await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from Monday on."})
    (answer,) = await house.mails()
    house.clock.forward(minutes=30)
    back = house.writes("Thank you. And the week after?", subject="whatever", to=answer["Reply-To"], signed=False)
    assert (await house.arrives(back, to=answer["Reply-To"])).startswith("250")
    last = (await house.thread())[-1]
    assert last.verified is Verified.ADDRESS
    clock = await house.clock_of(last)
    assert clock is not None
    assert (clock.started_at, clock.state) == (house.clock.now(), State.RUNNING)


@pytest.mark.parametrize("way", ["In_Reply_To", "References"])
async def test_a_reply_without_the_signed_address_finds_its_thread_by_message_id(house: TamHouse, pool: db.Pool, way: str):
    """Kim is a contact of two accounts of this TAM: what he answers says which one he means."""
    await written(house)
    other = Bench(pool, house.clock)
    other.account_id = (await pool.fetchval("INSERT INTO accounts (name) VALUES ('other') RETURNING account_id")) or 0
    await other.contact(house.kim.email)
    await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from Monday on."})
    (answer,) = await house.mails()
    await house.arrives(house.writes("Thank you.", **{way: answer["Message-ID"]}))
    assert (await house.thread())[-1].body == "Thank you."


async def second(house: TamHouse, pool: db.Pool, *, of_tam: bool = True) -> Bench:
    """Make Kim a contact of another account, too."""
    other = Bench(pool, house.clock)
    other.account_id = (await pool.fetchval("INSERT INTO accounts (name) VALUES ('beta') RETURNING account_id")) or 0
    other.kim = await other.contact(house.kim.email)
    if of_tam:
        begins = house.clock.now() - timedelta(days=1)
        await contracts.assign_tam(pool, other.account_id, house.tam.person_id, begins_at=begins, actor="operator")
    return other


async def test_whoever_is_a_contact_of_several_accounts_is_let_in_in_one_step_by_whoever_knows(house: TamHouse, pool: db.Pool):
    other = await second(house, pool)
    assert (await house.arrives(house.writes("May we?", subject="Volume"))).startswith("250")
    assert await house.thread() == await house.thread(other.account_id) == []
    (held,) = (await house.api("GET", "thread-quarantine")).json()["results"]
    names = [await pool.fetchval("SELECT name FROM accounts WHERE account_id = $1", house.account_id), "beta"]
    both = [f"{names[0]} ({house.account_id})", f"beta ({other.account_id})"]
    assert held["reason"] == f"the sender is a contact of {', '.join(both)}, and nothing says which one it is about"
    assert [(one["account_id"], one["account"], one["contact"]) for one in held["candidates"]] == [
        (house.account_id, names[0], "kim@acme.test"),
        (other.account_id, "beta", "kim@acme.test"),
    ]
    path = f"thread-quarantine/{held['quarantine_id']}/release"
    done = await house.api("POST", path, json={"account_id": other.account_id})
    assert done.status_code == 200, done.text
    (told,) = await house.thread(other.account_id)
    assert (told.contact_id, told.received_at) == (other.kim.contact_id, at(NOON))


async def test_a_tam_does_not_learn_of_which_other_accounts_a_sender_is_a_contact(house: TamHouse, pool: db.Pool):
    await pool.execute("UPDATE contacts SET removed_at = now() WHERE contact_id = $1", house.kim.contact_id)
    for name in ("beta", "gamma"):
        other = Bench(pool, house.clock)
        other.account_id = (await pool.fetchval("INSERT INTO accounts (name) VALUES ($1) RETURNING account_id", name)) or 0
        await other.contact("kim@acme.test")
    await house.arrives(house.writes("May we?"))
    (held,) = (await house.api("GET", "thread-quarantine")).json()["results"]
    reason = "the sender is a contact of several accounts, and this address or number is for none of them"
    assert (held["reason"], held["candidates"]) == (reason, [])
    path = f"thread-quarantine/{held['quarantine_id']}/release"
    refused = await house.api("POST", path, json={"account_id": house.account_id})
    assert refused.status_code == 400, "he is no contact of this one"
    admin = await house.staff("max", Role.ADMIN)
    (held,) = (await house.api("GET", "thread-quarantine", who=admin)).json()["results"]
    assert [one["account"] for one in held["candidates"]] == ["beta", "gamma"]


@pytest.mark.parametrize("way", ["Reply-To", "Message-ID", "of a case"])
async def test_an_answer_to_mail_of_the_programme_or_of_a_case_says_which_account_it_is_about(
    house: TamHouse, pool: db.Pool, way: str
):
    await second(house, pool)
    token = partial(MASTER_KEY.token, purpose=THREADS, size=TOKEN_BYTES)
    tam = Tam(pool, house.legal, house.notices, address=ADDRESS, token=token)
    to, answers = TAM_ADDRESS, {}
    if way == "of a case":
        await house.open("Mail is slow.")
        await house.office.turn()
        (mail, *_) = [one for one in await house.sent() if one["To"] == "kim@acme.test"]
        answers = {"In_Reply_To": mail["Message-ID"]}
    else:
        await tam.desk.open(house.account_id, RecordKind.RECOMMENDATION, "Clean lists", house.tam, text="Clean your lists.")
        await tam.post.turn()
        (mail, *_) = [one for one in await house.sent() if one["To"] == "kim@acme.test"]
        assert re.fullmatch(r"tam\.tina\+p\d+-[0-9a-f]{16}@support\.test", mail["Reply-To"])
        to, answers = (mail["Reply-To"], {}) if way == "Reply-To" else (TAM_ADDRESS, {"In_Reply_To": mail["Message-ID"]})
    raw = house.writes("We did that.", to=to, signed=False, **answers)
    assert (await house.arrives(raw, to=to)).startswith("250")
    (told,) = await house.thread()
    expected = Verified.ADDRESS if way == "Reply-To" else Verified.NONE
    assert (told.body, told.contact_id, told.verified) == ("We did that.", house.kim.contact_id, expected)
    forged = house.writes("Tell me.", sender="Mallory <mallory@evil.test>", to=to, **answers)
    await house.arrives(forged, to=to, mail_from="mallory@evil.test")
    assert [one["account_id"] for one in (await house.api("GET", "thread-quarantine")).json()["results"]] == [house.account_id]


async def test_one_answer_answers_all_that_came_before_it_and_nothing_that_came_after(house: TamHouse):
    await written(house)
    house.clock.forward(minutes=10)
    await house.arrives(house.writes("And which address?"))
    await house.mails()
    await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes. The second one."})
    house.clock.forward(minutes=1)
    await house.arrives(house.writes("One more thing."))  # before the answer has left
    await house.mails()
    states = [clock and clock.state for clock in [await house.clock_of(one) for one in await house.thread()]]
    assert states == [State.MET, State.MET, None, State.RUNNING]


async def test_what_was_missed_stays_missed_and_is_owed_until_somebody_answers(house: TamHouse):
    await written(house)
    house.clock.forward(hours=5)
    done = await house.api(
        "POST", f"threads/{house.account_id}/messages", json={"text": "Told her on the telephone.", "by": "phone"}
    )
    assert done.status_code == 200
    clock = await house.clock_of((await house.thread())[0])
    assert clock is not None
    assert (clock.outcome, clock.outcome_at) == (State.MISSED, at("2026-05-20T15:00Z"))
    assert clock.ended_at == house.clock.now()


async def test_who_stands_in_is_told_and_answers_and_both_are_named(house: TamHouse):
    await house.on_leave()
    await house.arrives(house.writes("May we?"))
    (notice,) = await house.mails()
    assert notice["To"] == "cora@provider.test"
    done = await house.api("POST", f"threads/{house.account_id}/messages", who=house.cover, json={"text": "You may."})
    assert done.status_code == 200
    (answer,) = await house.mails()
    assert answer["From"] == f"Cora <{TAM_ADDRESS}>"
    assert "Cora stands in for Tam, your Technical Account Manager." in text_of(answer)
    assert (await house.api("GET", f"threads/{house.account_id}")).json()["acting"]["name"] == "Cora"


async def test_a_stranger_waits_in_quarantine_whatever_he_knows_and_hears_nothing(house: TamHouse):
    await written(house)
    await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from Monday on."})
    (answer,) = await house.mails()
    mallory = {"sender": "Mallory <mallory@evil.test>"}
    for raw, to in (
        (house.writes("Tell me more.", In_Reply_To=answer["Message-ID"], **mallory), TAM_ADDRESS),
        (house.writes("Tell me all.", to=answer["Reply-To"], **mallory), answer["Reply-To"]),
        (house.writes("Who are you?", **mallory), TAM_ADDRESS),
    ):
        assert (await house.arrives(raw, to=to, mail_from="mallory@evil.test")).startswith("250")
    held = (await house.api("GET", "thread-quarantine")).json()["results"]
    assert [one["account_id"] for one in held] == [house.account_id] * 3
    assert len(await house.thread()) == 2
    assert await house.mails() == []
    assert (await house.api("DELETE", f"thread-quarantine/{held[0]['quarantine_id']}")).status_code == 204
    assert len((await house.api("GET", "thread-quarantine")).json()["results"]) == 2


async def test_a_stranger_whom_somebody_vouches_for_is_owed_an_answer_since_he_wrote(house: TamHouse):
    await house.arrives(house.writes("I am Lee.", sender="lee@acme.test"), mail_from="lee@acme.test")
    (held,) = (await house.api("GET", "thread-quarantine")).json()["results"]
    path = f"thread-quarantine/{held['quarantine_id']}/release"
    body = {"account_id": house.account_id, "contact": "lee@acme.test"}
    assert (await house.api("POST", path, json=body)).status_code == 400, "he is made a contact first"
    await house.contact("lee@acme.test")
    house.clock.forward(hours=1)
    done = await house.api("POST", path, json=body)
    assert done.status_code == 200, done.text
    (told,) = await house.thread()
    assert (told.received_at, told.verified) == (at(NOON), Verified.STAFF)
    assert (await house.api("POST", path, json=body)).status_code == 404


AUTOMATIC = [
    ({"Auto_Submitted": "auto-replied"}, "Re: Volume", "kim@acme.test"),
    ({"Precedence": "auto_reply"}, "Re: Volume!", "kim@acme.test"),
    ({}, "Out of office: Volume", "kim@acme.test"),
    ({}, "Re: Volume.", ""),
]


async def test_a_machine_starts_no_clock_and_stops_none(house: TamHouse):
    await written(house)
    await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from Monday on."})
    (answer,) = await house.mails()
    house.clock.forward(minutes=1)
    await house.arrives(house.writes("And when?"))
    await house.mails()
    before = await house.clock_of((await house.thread())[2])
    for headers, subject, mail_from in AUTOMATIC:
        raw = house.writes("I am away.", subject=subject, to=answer["Reply-To"], **headers)
        assert (await house.arrives(raw, to=answer["Reply-To"], mail_from=mail_from)).startswith("250")
    told = (await house.thread())[3:]
    assert [(one.automatic, one.promise) for one in told] == [(True, None)] * len(AUTOMATIC)
    assert await house.clock_of((await house.thread())[2]) == before
    assert await house.mails() == [], "and nobody is written to"
    done = await house.api("POST", f"threads/{house.account_id}/messages/{told[0].number}/count")
    assert done.json()["results"]["clock"]["state"] == "running", "a person says that it is somebody's word"
    assert (await house.api("POST", f"threads/{house.account_id}/messages/{told[0].number}/count")).status_code == 404


async def test_the_same_mail_again_is_the_same_word_and_our_own_is_a_loop(house: TamHouse):
    raw = house.writes("May we?")
    for _ in range(2):
        assert (await house.arrives(raw)).startswith("250")
    for sender in (TAM_ADDRESS, ADDRESS):
        await house.arrives(house.writes("Back.", sender=sender), mail_from=sender)
    assert len(await house.thread()) == 1
    assert house.oversight.mailroom.counters["loop"] == 2
    assert (await house.api("GET", "thread-quarantine")).json()["results"] == []


async def test_a_mail_bomb_is_deferred(house: TamHouse):
    for number in range(threading.MOST_AN_HOUR):
        assert (await house.arrives(house.writes(f"Again {number}."))).startswith("250")
    assert (await house.arrives(house.writes("And again."))).startswith("450")
    house.clock.forward(hours=1, seconds=1)
    assert (await house.arrives(house.writes("And again."))).startswith("250")


async def test_an_address_that_is_nobodys_is_refused(house: TamHouse):
    assert (await house.arrives(house.writes("Hello"), to="nobody@support.test")).startswith("550")
    assert (await house.arrives(house.writes("Hello"), to=TAM_ADDRESS.upper())).startswith("250")


async def test_a_contact_of_another_account_has_a_thread_of_his_own(house: TamHouse, pool: db.Pool):
    other = await Bench(pool, house.clock).settle_in(account="other")
    await house.arrives(house.writes("Hello.", sender=other.kim.email), mail_from=other.kim.email)
    assert await house.thread() == []
    assert [one.body for one in await house.thread(other.account_id)] == ["Hello."]


async def test_the_tams_answer_to_a_notice_becomes_a_note_if_it_is_proved_his(house: TamHouse):
    await house.arrives(house.writes("May we?"))
    (notice,) = await house.mails()
    for signed in (False, True):
        raw = house.writes(f"Ask finance first. {signed}", sender="tam@provider.test", to=notice["Reply-To"], signed=signed)
        assert (await house.arrives(raw, to=notice["Reply-To"], mail_from="tam@provider.test")).startswith("250")
    last = (await house.thread())[-1]
    assert (last.sort, last.side, last.body) == (Sort.NOTE, Side.PROVIDER, "Ask finance first. True")
    clock = await house.clock_of((await house.thread())[0])
    assert clock is not None
    assert clock.state is State.RUNNING, "a note answers nobody"
    assert len((await house.api("GET", "thread-quarantine")).json()["results"]) == 1


async def test_files_come_with_a_mail_and_are_given_out_as_downloads_alone(house: TamHouse):
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"], made["Message-ID"] = "kim@acme.test", TAM_ADDRESS, "Plan", "<plan@acme.test>"
    made.set_content("Here is our plan.")
    made.add_attachment(b"<script>", maintype="text", subtype="html", filename="plan.html")
    await house.arrives(made.as_bytes())
    path = f"threads/{house.account_id}/messages/1/files"
    answer = await house.api("GET", f"{path}/1")
    assert (answer.content, answer.headers["content-type"]) == (b"<script>", "application/octet-stream")
    assert 'filename="plan.html"' in answer.headers["content-disposition"]
    assert (await house.api("GET", f"{path}/2")).status_code == 404


async def test_a_letter_that_cannot_leave_is_tried_again_under_the_same_message_id(house: TamHouse):
    await written(house)
    await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from Monday on."})
    house.refuse = "the disk is full"
    assert await house.mails() == []
    (_, letter) = await store.letters_of(house.pool, [one.message_id for one in await house.thread()])
    assert letter.trouble == "Overloaded"
    house.refuse = None
    house.clock.forward(minutes=1)
    (answer,) = await house.mails()
    assert answer["Message-ID"] == f"<{letter.mail_id}>"


async def test_a_tam_without_an_address_cannot_answer_by_mail(house: TamHouse):
    await written(house)
    await store.remove_way(house.pool, TAM_ADDRESS, actor="operator")
    done = await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from Monday on."})
    assert (done.status_code, "homing tam address" in done.text) == (409, True)


BAD = [
    ({"text": ""}, 422),
    ({"text": "?"}, 422),
    ({"text": 7}, 422),
    ({"text": "\u0000 yes, of course"}, 422),
    ({"text": "yes, of course", "by": "pigeon"}, 400),
    ({"text": "yes, of course", "contact": "lee@acme.test"}, 400),
    ({"text": "y" * 100_001}, 400),
]


async def test_bad_answers_are_refused_with_a_sentence(house: TamHouse):
    for body, status in BAD:
        answer = await house.api("POST", f"threads/{house.account_id}/messages", json=body)
        assert (body, answer.status_code, bool(answer.json()["errors"][0]["message"])) == (body, status, True)
    assert await house.thread() == []


async def test_the_auditor_finds_what_somebody_changed_in_the_database(house: TamHouse):
    await written(house)
    auditor = Auditor(house.pool, house.legal, [ThreadSource()])
    assert (await auditor.audit(house.clock.now())).findings == ()
    await house.pool.execute("UPDATE thread_messages SET received_at = received_at - interval '1 hour'")
    assert len((await auditor.audit(house.clock.now() + timedelta(hours=1))).findings) == 1
