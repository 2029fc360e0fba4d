"""Support mail over real SMTP: it opens cases and joins them, strangers wait, machines stop nothing, answers go out."""

import email
import email.policy
import json
import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from homing.contracts.types import Role
from homing.events.types import EventType, Logged
from homing.ground import db
from homing.support.cases import letter_store, quarantine, store
from homing.support.cases.desk import contact_actor
from homing.support.cases.held_post import HeldPost
from homing.support.cases.releasing import Gate
from homing.support.cases.rules import threading
from homing.support.cases.types import Case, Purpose, Severity, Side, State, Verified
from homing.support.cases.undelivered import UndeliveredFollower
from homing.support.clocks.rules.cadence import Every
from homing.support.clocks.types import Kind
from homing.support.clocks.types import State as Clock
from tests.kit.cases import Bench
from tests.kit.hours import at
from tests.kit.support import ADDRESS, Town, support_town

NOON = "2026-05-20T11:00Z"


@pytest.fixture
async def town(pool: db.Pool, tmp_path: Path):
    async with support_town(pool, tmp_path, NOON) as made:
        yield made


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body()
    assert body is not None
    return str(body.get_content())


async def opened(town: Town) -> int:
    assert (await town.arrives(town.mail("It is slow since noon."))).startswith("250")
    await town.sent()
    return await town.only_case()


async def test_a_mail_of_a_contact_opens_a_case_and_is_acknowledged_in_its_thread(town: Town):
    raw = town.mail("It is slow since noon.\n\nKim", message_id="<first@acme.test>")
    assert (await town.arrives(raw)).startswith("250")
    number = await town.only_case()
    case = await town.case(number)
    assert (case.state, case.subject, case.source.value, case.people) == (
        State.NEW,
        "Mail is slow",
        "e-mail",
        (town.kim.contact_id,),
    )
    message = (await town.messages(number))[0]
    assert (message.body, message.verified, message.automatic) == ("It is slow since noon.\n\nKim", Verified.DKIM, False)
    receipt, notice = await town.sent()
    assert (receipt["To"], receipt["From"], receipt["Auto-Submitted"]) == (
        "kim@acme.test",
        f"Support <{ADDRESS}>",
        "auto-replied",
    )
    assert receipt["Subject"] == f"Mail is slow [Case {number}]"
    assert (receipt["In-Reply-To"], receipt["References"]) == ("<first@acme.test>", "<first@acme.test>")
    assert re.fullmatch(r"help\+r\d+-[0-9a-f]{16}@support\.test", receipt["Reply-To"])
    words = text_of(receipt)
    assert f"case {number}" in words
    assert "08:30-16:30 UK time" in words
    assert "Wed 2026-05-20 16:00 BST (UTC+01:00)" in words
    assert "objective of ours, not a term of the contract" in words
    assert notice["To"] == "tam@provider.test"
    assert (await town.shows(number, Kind.ACK_MAIL)).state is Clock.MET


async def test_an_answer_goes_out_in_the_thread_and_its_reply_comes_back_to_the_case(town: Town):
    number = await opened(town)
    town.clock.forward(minutes=10)
    await town.desk.write(number, town.ours("Which host is slow?"), town.ann, question=True)
    assert (await town.case(number)).state is State.OPEN
    (answer,) = await town.sent()
    assert (answer["Subject"], answer["Auto-Submitted"]) == (f"Re: Mail is slow [Case {number}]", None)
    assert text_of(answer).startswith("Which host is slow?")
    assert (await town.case(number)).state is State.WAITING
    assert (await town.shows(number, Kind.FIRST_RESPONSE)).state is Clock.MET
    assert answer["Message-ID"] in [f"<{one.message_id}>" for one in await letter_store.of_case(town.pool, number)]
    town.clock.forward(hours=1)
    back = town.mail(
        "The second one.\n\nOn Wed, Support wrote:\n> Which host is slow?", subject="Re: whatever", to=answer["Reply-To"]
    )
    assert (await town.arrives(back, to=answer["Reply-To"])).startswith("250")
    assert (await town.case(number)).state is State.OPEN
    assert (await town.shows(number, Kind.UPDATE)).ran_since == town.clock.now()


@pytest.mark.parametrize("way", ["reply address", "message id", "references", "subject"])
async def test_the_thread_is_found_by_address_then_message_id_then_subject(town: Town, way: str):
    number = await opened(town)
    await town.desk.write(number, town.ours("We look at it."), town.ann)
    (answer,) = await town.sent()
    headers = {"message id": {"In_Reply_To": answer["Message-ID"]}, "references": {"References": f"<x@y> {answer['Message-ID']}"}}
    subject = f"AW: slow [case {number}]" if way == "subject" else "Something else"
    to = answer["Reply-To"] if way == "reply address" else ADDRESS
    raw = town.mail("One more thing.", subject=subject, to=to, **headers.get(way, {}))
    assert (await town.arrives(raw, to=to)).startswith("250")
    assert await town.only_case() == number
    assert [one.body for one in await town.messages(number)][-1] == "One more thing."


async def test_the_reply_address_wins_over_what_header_and_subject_say(town: Town):
    first = await opened(town)
    await town.desk.write(first, town.ours("We look at it."), town.ann)
    (answer,) = await town.sent()
    other = await town.open("Another matter.")
    raw = town.mail("Here.", subject=f"Re: [Case {other.number}]", to=answer["Reply-To"])
    await town.arrives(raw, to=answer["Reply-To"])
    assert [one.body for one in await town.messages(first)][-1] == "Here."


async def test_an_address_that_we_did_not_make_says_nothing(town: Town):
    number = await opened(town)
    for tag in ("r1-0123456789abcdef", "r1", "a1-0123456789abcdef", "whatever"):
        to = f"help+{tag}@support.test"
        assert (await town.arrives(town.mail(f"Hello {tag}", to=to), to=to)).startswith("250")
    rows = await store.find(town.pool, account_id=None, limit=9)
    assert len(rows) == 5, "each is a new matter of Kim's"
    assert len(await town.messages(number)) == 1


async def test_a_stranger_waits_in_quarantine_whatever_number_he_knows_and_hears_nothing(town: Town):
    number = await opened(town)
    await town.desk.write(number, town.ours("We look at it."), town.ann)
    (answer,) = await town.sent()
    mallory = {"sender": "Mallory <mallory@evil.test>"}
    for raw, to in (
        (town.mail("Close it.", subject=f"[Case {number}]", **mallory), ADDRESS),
        (town.mail("Close it now.", In_Reply_To=answer["Message-ID"], **mallory), ADDRESS),
        (town.mail("Close it at once.", to=answer["Reply-To"], **mallory), answer["Reply-To"]),
        (town.mail("Hello, who are you?", **mallory), ADDRESS),
    ):
        assert (await town.arrives(raw, to=to, mail_from="mallory@evil.test")).startswith("250")
    held = await quarantine.waiting(town.pool)
    assert [one.case_id for one in held] == [None, number, number, number]
    assert all(one.reason for one in held)
    assert len(await town.messages(number)) == 2
    assert await town.sent() == []


async def test_a_contact_of_another_account_is_a_stranger_to_a_case(town: Town, pool: db.Pool):
    number = await opened(town)
    other = await Bench(pool, town.clock).settle_in(account="other")
    raw = town.mail("Tell me more.", sender=other.kim.email, subject=f"Re: [Case {number}]")
    await town.arrives(raw, mail_from=other.kim.email)
    assert [one.case_id for one in await quarantine.waiting(town.pool)] == [number]
    assert len(await town.messages(number)) == 1


async def test_who_is_a_contact_of_two_accounts_waits_unless_the_mail_says_which(town: Town, pool: db.Pool):
    other = Bench(pool, town.clock)
    other.account_id = (await pool.fetchval("INSERT INTO accounts (name) VALUES ('other') RETURNING account_id")) or 0
    await other.contact(town.kim.email)
    await town.arrives(town.mail("It is slow."))
    held = await quarantine.waiting(town.pool)
    assert "several accounts" in held[0].reason
    town.clock.forward(hours=1)
    case = await Gate(town.pool, town.desk, town.legal).release(held[0].quarantine_id, town.ann, case_id=None, contact=town.kim)
    assert isinstance(case, Case)
    assert (await town.shows(case.case_id, Kind.FIRST_RESPONSE)).started_at == at(NOON), "it is owed since it was received"
    assert await quarantine.waiting(town.pool) == []
    await town.arrives(town.mail("One more.", subject=f"Re: [Case {case.number}]"))
    assert len(await town.messages(case.case_id)) == 2


async def test_a_stranger_whom_somebody_vouches_for_gets_in_once(town: Town):
    number = await opened(town)
    await town.arrives(town.mail("I am Lee.", sender="lee@acme.test", subject=f"Re: [Case {number}]"), mail_from="lee@acme.test")
    held = (await quarantine.waiting(town.pool))[0]
    release = Gate(town.pool, town.desk, town.legal).release
    assert isinstance(await release(held.quarantine_id, town.ann, case_id=number, contact=None), str)
    lee = await town.contact("lee@acme.test")
    assert isinstance(await release(held.quarantine_id, town.ann, case_id=4711, contact=lee), str)
    done = await release(held.quarantine_id, town.ann, case_id=number, contact=lee)
    assert isinstance(done, Case)
    message = (await town.messages(number))[-1]
    assert (message.body, message.verified) == ("I am Lee.", Verified.STAFF)
    assert await release(held.quarantine_id, town.ann, case_id=number, contact=lee) is None
    assert not await Gate(town.pool, town.desk, town.legal).discard(held.quarantine_id, town.ann)


AUTOMATIC = [
    pytest.param({"Auto_Submitted": "auto-replied"}, "Re: Mail is slow", "kim@acme.test", id="RFC 3834"),
    pytest.param({"Auto_Submitted": "auto-generated"}, "Re: Mail is slow", "kim@acme.test", id="generated"),
    pytest.param({"X_Autoreply": "yes"}, "Re: Mail is slow", "kim@acme.test", id="an older mark"),
    pytest.param({"Precedence": "auto_reply"}, "Re: Mail is slow", "kim@acme.test", id="precedence"),
    pytest.param({}, "Out of office: Mail is slow", "kim@acme.test", id="subject"),
    pytest.param({}, "Re: Mail is slow", "", id="empty envelope sender"),
]


@pytest.mark.parametrize(("headers", "subject", "mail_from"), AUTOMATIC)
async def test_an_automatic_reply_stops_no_clock_and_starts_none(town: Town, headers: dict, subject: str, mail_from: str):
    number = await opened(town)
    await town.desk.write(number, town.ours("Which host?"), town.ann, question=True)
    (answer,) = await town.sent()
    before = await town.clocks(number)
    town.clock.forward(minutes=1)
    raw = town.mail("I am away until Monday.", subject=subject, to=answer["Reply-To"], **headers)
    assert (await town.arrives(raw, to=answer["Reply-To"], mail_from=mail_from)).startswith("250")
    case = await town.case(number)
    assert (case.state, len(case.automatic)) == (State.WAITING, 1)
    after = await town.clocks(number)
    assert [(one.state, one.due_at, one.spans) for one in after] == [(one.state, one.due_at, one.spans) for one in before]
    assert await town.sent() == [], "and nobody is written to"


async def test_an_automatic_mail_opens_no_case(town: Town):
    await town.arrives(town.mail("I am away.", Auto_Submitted="auto-replied"))
    assert await store.find(town.pool, account_id=None, limit=9) == []
    assert "automatic" in (await quarantine.waiting(town.pool))[0].reason


async def test_two_machines_do_not_talk_for_ever(town: Town):
    """A ticket system on the other side answers each of our mails, and does not say that it is one."""
    number = await opened(town)
    answered = 0
    for _ in range(40):
        await town.desk.write(number, town.ours(f"We look at it. {answered}"), town.ann)
        for mail in await town.sent():
            if mail["To"] == "kim@acme.test":
                raw = town.mail(f"We have your mail {answered}.", subject=f"Re: {mail['Subject']}", to=mail["Reply-To"])
                await town.arrives(raw, to=mail["Reply-To"])
                assert not [one for one in await town.sent() if one["To"] == "kim@acme.test"], "nothing of ours answers by itself"
                answered += 1
    assert answered == 40
    said = [one for one in await town.messages(number) if one.side is Side.CUSTOMER]
    assert len(said) == threading.MOST_AN_HOUR


async def test_our_own_mail_that_comes_back_is_dropped(town: Town):
    number = await opened(town)
    await town.desk.write(number, town.ours("We look at it."), town.ann)
    (answer,) = await town.sent()
    for sender in (ADDRESS, "notices@here.test", f"Support <{ADDRESS.upper()}>"):
        raw = town.mail(f"back {sender}", sender=sender, to=answer["Reply-To"])
        assert (await town.arrives(raw, to=answer["Reply-To"], mail_from=ADDRESS)).startswith("250")
    assert len(await town.messages(number)) == 2
    assert await quarantine.waiting(town.pool) == []
    assert town.mailroom.counters["loop"] == 3


async def test_a_mail_bomb_is_deferred_and_one_sender_opens_few_cases(town: Town):
    replies = [await town.arrives(town.mail(f"bomb {n}", subject=f"bomb {n}")) for n in range(14)]
    assert [reply[:3] for reply in replies] == ["250"] * threading.MOST_CASES_AN_HOUR + ["450"] * 4
    strangers = [
        await town.arrives(town.mail(f"bomb {n}", sender="m@evil.test"), mail_from="m@evil.test")
        for n in range(threading.MOST_AN_HOUR + 2)
    ]
    assert [reply[:3] for reply in strangers] == ["250"] * threading.MOST_AN_HOUR + ["450"] * 2
    town.clock.forward(hours=1, seconds=1)
    assert (await town.arrives(town.mail("later"))).startswith("250"), "it is taken once the hour is over"


async def test_a_full_quarantine_defers_strangers_and_nobody_else(town: Town, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quarantine, "MOST_MAILS", 2)
    replies = [await town.arrives(town.mail("hello", sender=f"m{n}@evil.test"), mail_from=f"m{n}@evil.test") for n in range(3)]
    assert [reply[:3] for reply in replies] == ["250", "250", "450"]
    assert (await town.arrives(town.mail("It is slow."))).startswith("250")


async def test_the_same_mail_twice_is_one_word(town: Town):
    raw = town.mail("It is slow.")
    assert (await town.arrives(raw)).startswith("250")
    assert (await town.arrives(raw)).startswith("250")
    assert len(await town.messages(await town.only_case())) == 1


async def test_a_forged_sender_may_say_something_and_decides_nothing(town: Town):
    number = await opened(town)
    await town.desk.own(number, town.ann.person_id, town.ann)
    await town.endings.propose(number, "It is over.", town.ann, author="Ann")
    proposal = next(one for one in await town.sent() if one["To"] == "kim@acme.test")
    agree = re.search(r"help\+a\S+", text_of(proposal))
    assert agree is not None
    for text in ("no", "Agreed."):
        await town.arrives(town.mail(text, subject=f"Re: [Case {number}]", signed=False))
        case = await town.case(number)
        assert (case.state, case.draft) == (State.OPEN, None)
        assert case.proposal is not None, "a refusal that anybody could write voids nothing"
    assert (await town.messages(number))[-1].verified is Verified.NONE
    await town.arrives(town.mail("yes", signed=False, to=agree[0]), to=agree[0])
    case = await town.case(number)
    assert [one.side for one in case.signatures] == [Side.PROVIDER]
    assert case.state is State.OPEN


async def agreeing(town: Town) -> tuple[int, EmailMessage, str]:
    number = await opened(town)
    await town.desk.own(number, town.ann.person_id, town.ann)
    await town.endings.propose(number, "The queue is larger now.", town.ann, author="Ann")
    proposal = next(one for one in await town.sent() if one["To"] == "kim@acme.test")
    words = text_of(proposal)
    assert "    The queue is larger now." in words
    assert "https://support.test/support/letter/" in words
    agree = re.search(r"help\+a\S+", words)
    assert agree is not None
    return number, proposal, agree[0]


async def test_s7_a_signed_mail_of_the_signatory_to_the_single_use_address_is_his_signature(town: Town):
    number, _, agree = await agreeing(town)
    town.clock.forward(hours=1)
    await town.arrives(town.mail("Agreed, thank you.", to=agree), to=agree)
    case = await town.case(number)
    assert case.state is State.RESOLVED
    signature = case.signatures[-1]
    assert (signature.method.value, signature.email) == ("e-mail token", "kim@acme.test")
    assert signature.evidence.startswith("letter ")
    told = [one for one in await town.sent() if one["To"] == "kim@acme.test"]
    assert ["Both sides have agreed" in text_of(one) for one in told] == [True]


@pytest.mark.parametrize("lacks", ["signature", "person", "may sign"])
async def test_s7_anything_less_is_a_draft_or_nothing(town: Town, lacks: str):
    number, _, agree = await agreeing(town)
    sender = {"signature": "kim@acme.test", "person": "pat@acme.test", "may sign": "kim@acme.test"}[lacks]
    if lacks == "may sign":
        await town.pool.execute("UPDATE contacts SET may_sign = false WHERE email = 'kim@acme.test'")
    await town.arrives(town.mail("Agreed.", sender=sender, to=agree, signed=lacks != "signature"), to=agree)
    case = await town.case(number)
    assert case.state is State.OPEN
    assert [one.side for one in case.signatures] == [Side.PROVIDER]


async def test_works_but_still_slow_under_the_approval_asks_to_confirm_while_work_goes_on(town: Town):
    number, _, agree = await agreeing(town)
    paused = await town.shows(number, Kind.UPDATE)
    assert paused.state is Clock.PAUSED
    town.clock.forward(hours=2)
    await town.arrives(town.mail("works, but still slow", to=agree), to=agree)
    case = await town.case(number)
    assert (case.state, case.draft) == (State.OPEN, town.kim.contact_id)
    assert (await town.shows(number, Kind.UPDATE)).ran_since == town.clock.now()
    asked = [one for one in await town.sent() if one["To"] == "kim@acme.test"]
    assert ["works, but still slow" in text_of(one) for one in asked] == [True]
    assert asked[0]["Auto-Submitted"] == "auto-replied"


@pytest.mark.parametrize(
    ("words", "signed", "agreed"),
    [("Yes, please.", True, True), ("Yes, but every hour?", True, False), ("Yes.", False, False)],
    ids=["yes", "doubt", "unproved"],
)
async def test_a_cadence_is_agreed_by_a_signed_yes_to_its_address(town: Town, words: str, signed: bool, agreed: bool):
    number = (await town.open(severity=Severity.CRITICAL)).case_id
    await town.desk.own(number, town.ann.person_id, town.ann)
    await town.endings.propose(number, "It is larger now.", town.ann, author="Ann")
    await town.sent()
    await town.course.propose_cadence(number, town.ann, Every(interval_s=1800))
    texts = [text_of(one) for one in await town.sent() if one["To"] == "kim@acme.test"]
    (address,) = {found for text in texts for found in re.findall(r"help\+a\S+", text)}
    await town.arrives(town.mail(words, to=address, signed=signed), to=address)
    case = await town.case(number)
    assert case.agreements[0].began is agreed
    assert [one.side for one in case.signatures if not one.void] == [Side.PROVIDER], "it signs nothing else"
    assert case.state is not State.RESOLVED
    assert (await town.messages(number))[-1].body.strip() == words, "it is a word like any other"


def returned(letter: letter_store.Letter, account_id: int, **changes: object) -> Logged:
    """Return the event of a letter that bounced."""
    detail = {"rcpt_meta": {"case_letter": str(letter.letter_id)}, "raw_reason": "550 5.1.1 there is no such mailbox"}
    given: dict[str, object] = {
        "shard": 1,
        "seq": 1,
        "type": EventType.BOUNCE,
        "at": datetime.now(UTC),
        "account_id": account_id,
        "subaccount_id": 0,
        "message_id": bytes(10),
        "transmission_id": bytes(8),
        "recipient": letter.email,
        "recipient_domain": "acme.test",
        "campaign_id": "",
        "detail": json.dumps(detail).encode(),
        **changes,
    }
    return Logged(**given)  # type: ignore[arg-type]


async def test_a_question_that_did_not_arrive_waits_for_nobody_and_is_told_to_the_owner(town: Town, pool: db.Pool):
    follower = UndeliveredFollower(town.legal, address=ADDRESS, news=lambda: town.desk.news)
    number = (await town.open()).case_id
    await town.desk.own(number, town.ann.person_id, town.ann)
    await town.desk.write(number, town.ours("Which host?"), town.ann, question=True)
    await town.sent()
    assert (await town.case(number)).state is State.WAITING
    letters = await letter_store.of_case(pool, number)
    (asked,) = [one for one in letters if one.purpose is Purpose.ANSWER]
    forged = [
        returned(asked, town.account_id + 1),
        returned(asked, town.account_id, recipient="eve@acme.test"),
        returned(asked, town.account_id, type=EventType.DELIVERY),
        returned(asked, town.account_id, detail=b'{"rcpt_meta": {"case_letter": 7}}'),
        returned(asked, town.account_id, detail=b'{"rcpt_meta": {"case_letter": "9999999999999999999"}}'),
        returned(asked, town.account_id, detail=b'["case_letter"'),
    ]
    town.clock.forward(hours=1)
    async with pool.acquire() as connection, connection.transaction():
        await follower.fold(connection, forged)
    assert (await town.case(number)).state is State.WAITING, "nobody else says so"
    for _ in range(2):
        async with pool.acquire() as connection, connection.transaction():
            assert await follower.cares(connection)
            await follower.fold(connection, [returned(asked, town.account_id)])
    assert (await town.case(number)).state is State.OPEN
    update = await town.shows(number, Kind.UPDATE)
    assert (update.state, update.ran_since) == (Clock.RUNNING, town.clock.now())
    assert (await town.shows(number, Kind.FIRST_RESPONSE)).outcome is Clock.MET, "an outcome is written once"
    (told,) = [text_of(one) for one in await town.sent() if one["To"] == "ann@provider.test"]
    assert "A mail to Kim (kim@acme.test) did not arrive (answer, message 2): 550 5.1.1" in told


async def test_a_notice_to_our_staff_says_what_has_happened(town: Town):
    async def told() -> str:
        (mail,) = [one for one in await town.sent() if one["To"] == "ann@provider.test"]
        town.clock.forward(seconds=1)
        return text_of(mail).replace("\r\n", "\n")

    number = (await town.open(severity=Severity.CRITICAL)).case_id
    await town.desk.own(number, town.ann.person_id, town.tam)
    assert "It was given to you." in await told()
    await town.word(number, "It is the second host.\nAnd the third.")
    assert "The customer writes:\n\n    It is the second host.\n    And the third." in await told()
    kim = contact_actor(town.kim)
    await town.course.propose_cadence(number, kim, Every(interval_s=600))
    assert "wants to hear every 10 minutes (cadence 1)" in await told()
    await town.course.step_down(number, kim, text="It flows again.")
    assert "step down 1):\n\n    It flows again." in await told()
    await town.desk.own(number, town.ann.person_id, town.ann)
    await town.endings.propose(number, "It is larger now.", kim, author="Kim")
    assert "its end (version 1), and waits for your signature:\n\n    It is larger now." in await told()
    await town.endings.propose(number, "It is much larger now.", town.ann, author="Ann")
    await town.sent()
    await town.endings.refuse(number, kim, version=2, words="It is not.")
    assert "does not agree that it is over. He says:\n\n    It is not." in await told()


async def test_a_case_that_becomes_critical_without_a_call_is_told_with_the_number_to_call(town: Town):
    number = (await town.open()).case_id
    await town.sent()
    await town.course.escalate(number, town.ann, reason="Every host is down.")
    (mail,) = [one for one in await town.sent() if one["To"] == "kim@acme.test"]
    assert "+15550100000" in text_of(mail)
    assert "within fifteen minutes" in text_of(mail)
    await town.course.escalate(number, town.ann, reason="Every host is down.")
    assert await town.sent() == [], "once"


async def test_an_answer_of_staff_to_a_notice_is_a_note_if_it_is_proved_to_be_his(town: Town):
    await town.arrives(town.mail("It is slow."))
    number = await town.only_case()
    notice = next(one for one in await town.sent() if one["To"] == "tam@provider.test")
    to = notice["Reply-To"]
    await town.arrives(town.mail("Ask Eve.", sender="tam@provider.test", to=to), to=to, mail_from="tam@provider.test")
    await town.arrives(
        town.mail("Forged.", sender="tam@provider.test", to=to, signed=False), to=to, mail_from="tam@provider.test"
    )
    await town.arrives(town.mail("Not mine.", to=to), to=to)
    assert [(one.purpose, one.body) for one in await town.messages(number)][1:] == [(Purpose.NOTE, "Ask Eve.")]
    assert len(await quarantine.waiting(town.pool)) == 2
    assert (await town.shows(number, Kind.FIRST_RESPONSE)).state is Clock.RUNNING


async def test_files_are_kept_within_limits_and_html_is_read_as_text(town: Town):
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = "kim@acme.test", ADDRESS, "Log", "<log@acme.test>"
    mail.set_content("<p>See <b>below</b></p><script>alert(1)</script>", subtype="html")
    mail.add_attachment(b"line\n" * 3, maintype="text", subtype="plain", filename="../../etc/pass wd.log")
    mail.add_attachment(b"<script>alert(1)</script>", maintype="text", subtype="html", filename='x".html')
    for number in range(20):
        mail.add_attachment(bytes([number]), maintype="application", subtype="octet-stream", filename=f"{number}.bin")
    assert (await town.arrives(mail.as_bytes())).startswith("250")
    message = (await town.messages(await town.only_case()))[0]
    assert "See below" in " ".join(message.body.split())
    assert "alert" not in message.body
    names = [one.name for one in message.attachments]
    assert names[:3] == ["message.html", "pass wd.log", "x_.html"]
    assert len(names) == 20
    assert "3 files were not kept" in message.remark
    first = await store.attachment(town.pool, message.case_id, 1, 2)
    assert first is not None
    assert first.data == b"line\r\nline\r\nline\r\n" or first.data == b"line\nline\nline\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"From: kim@acme.test\r\n\r\n",
        b"From: a@acme.test, kim@acme.test\r\nSubject: x\r\n\r\nhello there\r\n",
        b"From: kim@acme.test\r\nFrom: kim@acme.test\r\n\r\ntwo authors\r\n",
        b"Subject: =?utf-8?b?AAAA?=\r\nFrom: kim@acme.test\r\nContent-Transfer-Encoding: base64\r\n\r\nTlVMIAAg//4=\r\n",
        b"From: kim@acme.test\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n--x--\r\n",
        b"From: kim@acme.test\r\nContent-Type: text/plain; charset=utf-16\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n2ADYAA==\r\n",
    ],
)
async def test_strange_mail_is_taken_or_kept_apart_and_breaks_nothing(town: Town, raw: bytes):
    assert (await town.arrives(raw)).startswith("250")
    kept = len(await store.find(town.pool, account_id=None, limit=9)) + len(await quarantine.waiting(town.pool))
    assert kept == 1
    await town.sent()


async def test_a_letter_waits_until_the_platform_takes_mail_and_the_clock_runs_on(town: Town):
    await town.arrives(town.mail("It is slow."))
    number = await town.only_case()
    town.refuse = "the disk is full"
    assert await town.office.turn() == 2
    assert town.queue.chunks == []
    assert (await town.shows(number, Kind.ACK_MAIL)).state is Clock.RUNNING
    letters = await letter_store.of_case(town.pool, number)
    assert {one.trouble for one in letters} == {"Overloaded"}
    town.refuse = None
    town.clock.forward(minutes=2)
    assert len(await town.sent()) == 2
    assert (await town.shows(number, Kind.ACK_MAIL)).outcome is Clock.MISSED


async def test_a_letter_whose_worker_died_is_sent_again_under_the_same_id(town: Town):
    await town.arrives(town.mail("It is slow."))
    number = await town.only_case()
    sent, town.desk.sent = town.desk.sent, _dies  # type: ignore[method-assign]
    first = await town.sent()
    town.desk.sent = sent  # type: ignore[method-assign]
    assert await town.sent() == [], "it is claimed"
    town.clock.forward(minutes=3)
    again = await town.sent()
    assert [one["Message-ID"] for one in again] == [one["Message-ID"] for one in first]
    assert (await town.shows(number, Kind.ACK_MAIL)).state is Clock.MISSED


async def _dies(*_: object, **__: object) -> None:
    raise db.TEMPORARY[0]("the worker is gone")


async def test_a_letter_that_cannot_leave_for_five_days_is_given_up(town: Town):
    await town.arrives(town.mail("It is slow."))
    number = await town.only_case()
    await town.pool.execute("UPDATE sending_domains SET domain = 'other.test'")
    assert await town.sent() == []
    letters = await letter_store.of_case(town.pool, number)
    assert all("sending domain" in one.trouble for one in letters)
    town.clock.forward(days=6)
    assert await town.sent() == []
    assert {one.trouble for one in await letter_store.of_case(town.pool, number)} == {"it could not be sent for five days"}
    town.clock.forward(days=60)
    assert await town.office.turn() == 0


async def test_what_a_person_writes_in_a_subject_is_no_template_and_no_header(town: Town):
    await town.arrives(town.mail("x y z", subject="{{ name }} €uro\tBcc: evil@evil.test"))
    receipt = (await town.sent())[0]
    assert "{{ name }} €uro Bcc: evil@evil.test" in receipt["Subject"]
    assert receipt["Bcc"] is None


async def test_reminders_name_the_page_and_the_address(town: Town):
    number, _, _ = await agreeing(town)
    town.clock.forward(days=5)
    await town.endings.remind(number)
    (reminder,) = [one for one in await town.sent() if one["To"] == "kim@acme.test"]
    words = text_of(reminder)
    assert "We have not heard from you" in words
    assert re.search(r"https://support\.test/support/letter/\d+-[0-9a-f]{32}", words)
    assert reminder["Auto-Submitted"] == "auto-generated"


async def test_a_mail_for_other_names_of_the_support_domain_is_refused(town: Town):
    for to in ("helpdesk@support.test", "xhelp@support.test", "help+a@other.test"):
        assert (await town.arrives(town.mail("x", to=to), to=to)).startswith("550")
    assert (await town.arrives(town.mail("It is slow.", to="HELP@Support.TEST"), to="HELP@Support.TEST")).startswith("250")


async def test_our_staff_of_another_case_is_no_contact(town: Town):
    eve = await town.staff("eve", Role.CST)
    await town.arrives(town.mail("hello", sender=eve.email), mail_from=eve.email)
    assert len(await quarantine.waiting(town.pool)) == 1


async def test_what_nobody_decides_on_stays_and_only_what_machines_sent_is_forgotten_once_it_was_told(town: Town):
    await town.arrives(town.mail("hello", sender="m@evil.test"), mail_from="m@evil.test")
    await town.arrives(town.mail("I am away.", sender="bot@evil.test", Auto_Submitted="auto-replied"), mail_from="")
    later = town.clock.now() + timedelta(days=31)
    await quarantine.forget_old(town.pool, later)
    assert len(await quarantine.waiting(town.pool)) == 2, "nobody was told"
    await HeldPost(town.pool, town.legal, town.notices, address=ADDRESS).turn()
    await quarantine.forget_old(town.pool, town.clock.now() + timedelta(days=29))
    assert len(await quarantine.waiting(town.pool)) == 2
    await quarantine.forget_old(town.pool, later)
    (stays,) = await quarantine.waiting(town.pool)
    assert stays.sender == "m@evil.test"
    gate = Gate(town.pool, town.desk, town.legal)
    assert await gate.discard(stays.quarantine_id, town.ann)
    await quarantine.forget_old(town.pool, later)
    assert await town.pool.fetchval("SELECT count(*) FROM case_quarantine") == 0


async def test_the_staff_is_told_of_quarantine_once_in_a_while_and_again_each_week(town: Town):
    post = HeldPost(town.pool, town.legal, town.notices, address=ADDRESS)
    number = await opened(town)

    async def told() -> list[EmailMessage]:
        await post.turn()
        return await town.sent()

    assert await told() == []
    await town.arrives(town.mail("hello", sender="m@evil.test", subject="Our mail\x07 fails"), mail_from="m@evil.test")
    (mail,) = await told()
    assert (mail["to"], mail["from"]) == ("ann@provider.test", f"Support <{ADDRESS}>")
    assert mail["auto-submitted"] == "auto-generated"
    assert "m@evil.test" in text_of(mail)
    assert "the sender is nobody's contact" in text_of(mail)
    assert await told() == [], "once"

    about = town.mail("me too", sender="n@evil.test", subject=f"Re: [Case {number}]")
    await town.arrives(about, mail_from="n@evil.test")
    assert await told() == [], "a flood makes few mails"
    town.clock.forward(minutes=16)
    (mail,) = await told()
    assert mail["to"] == "tam@provider.test", "it claims to be about a case of his account"
    town.clock.forward(days=7, minutes=1)
    again = await told()
    assert sorted(one["to"] for one in again) == ["ann@provider.test", "tam@provider.test"]
    town.refuse = "no room"
    town.clock.forward(days=8)
    assert await told() == []
    town.refuse = None
    town.clock.forward(minutes=16)
    assert len(await told()) == 2, "what could not be told is told later"
