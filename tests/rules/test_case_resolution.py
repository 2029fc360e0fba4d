"""Two-sided resolution by S1 to S7 of the model, and what is no yes."""

import hashlib
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.support.cases.happened import Doubted, Drafted, Resolved, Signed
from homing.support.cases.rules import chain, closing, resolution, urgency, writing
from homing.support.cases.rules.clockwork import clocks_of
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.rules.resolution import Answer, contradicts, digest, is_agreed, meaning
from homing.support.cases.types import LIVE, Actor, Method, Side, State
from homing.support.clocks.rules.run import read
from homing.support.clocks.types import Kind
from homing.support.clocks.types import State as Clock
from tests.kit.cases import ANN, KIM, TAM, Life, owned, promises
from tests.kit.hours import calendar

LONDON = calendar("UK")


def proposed(text: str = "The queue was full; it is larger now.") -> Life:
    return owned().answer().later(hours=1).propose(text)


def test_s1_what_is_signed_is_the_hash_of_the_exact_words():
    text = "Größer ✓ "
    assert digest(text) == hashlib.sha256(text.encode()).hexdigest()
    life = proposed(text)
    assert life.case.proposals[0].sha256 == digest(text)
    life.sign()
    assert {one.sha256 for one in life.case.signatures} == {digest(text)}


def test_s2_the_proposers_side_signs_by_proposing_and_one_signature_is_not_two():
    life = proposed()
    assert [(one.side, one.person) for one in life.case.signatures] == [(Side.PROVIDER, "staff 3")]
    assert life.case.state is State.PROPOSED
    decided = life.sign(by=ANN)
    assert isinstance(decided, No)
    assert decided.bar is Bar.WHO
    decided = life.sign()
    assert isinstance(decided, list)
    assert [type(one) for one in decided] == [Signed, Resolved]
    assert (life.case.state, life.case.ended_at) == (State.RESOLVED, life.at)


def test_s3_one_person_never_signs_for_both_sides():
    life = proposed()
    both = Actor(side=Side.CUSTOMER, name="contact 9", person_id=9, email=ANN.email)
    decided = life.sign(by=both)
    assert isinstance(decided, No)
    assert "both sides" in decided.why
    assert not is_agreed(
        life.case.proposals[0],
        [*life.case.signatures, msgspec.structs.replace(life.case.signatures[0], side=Side.CUSTOMER)],
    )


def test_s4_who_may_not_sign_does_not():
    decided = proposed().sign(may="this contact may not sign resolutions")
    assert decided == No(Bar.WHO, "this contact may not sign resolutions")


def test_s5_a_newer_version_voids_what_was_signed_before():
    life = proposed("One.")
    life.later(hours=1).propose("Another one.", by=TAM)
    assert [one.void for one in life.case.signatures] == [True, False]
    assert isinstance(life.sign(version=1), No)
    life.sign(version=2)
    assert life.case.state is State.RESOLVED


def test_s5_a_refusal_voids_every_signature_and_work_goes_on():
    life = proposed()
    paused = life.clock(Kind.UPDATE)
    assert paused.state is Clock.PAUSED
    life.later(hours=3).do(closing.refuse(life.case, 1, by=KIM, words="no"), KIM)
    assert (life.case.state, life.case.proposal) == (State.OPEN, None)
    assert all(one.void for one in life.case.signatures)
    assert life.clock(Kind.UPDATE).state is Clock.RUNNING
    assert life.clock(Kind.UPDATE).remaining_s == paused.remaining_s
    assert life.clock(Kind.CONFIRM).state is Clock.MET
    assert isinstance(life.sign(), No)


@pytest.mark.parametrize(
    "words",
    [
        "works, but still slow",
        "Yes. It does not happen any more on host 1",
        "ok, however the second host is down",
        "agreed?",
        "It's fixed. Why did it happen?",
        "Yes, it's resolved, except for the reports",
        "ja, aber es ist noch langsam",
        "oui, mais pas toujours",
        "sí, pero todavía lento",
        "it didn’t come back",
    ],
)
def test_s6_a_word_that_contradicts_an_approval_is_seen(words: str):
    assert contradicts(words)


@pytest.mark.parametrize("words", ["", "Agreed.", "Yes, thank you!", "It works. Great job, Ann", "ja, danke", "LGTM"])
def test_s6_a_plain_approval_contradicts_nothing(words: str):
    assert not contradicts(words)


def test_s6_an_approval_with_a_doubt_waits_to_be_confirmed_while_work_goes_on():
    life = proposed().later(hours=2)
    decided = life.sign(words="works, but still slow")
    assert isinstance(decided, list)
    assert [type(one) for one in decided] == [Doubted, Drafted]
    case = life.case
    assert (case.state, case.draft) == (State.OPEN, KIM.person_id)
    assert not any(one.side is Side.CUSTOMER for one in case.signatures)
    assert life.clock(Kind.UPDATE).state is Clock.RUNNING
    assert case.proposal is not None
    assert case.proposal.doubted
    life.later(hours=1).sign()
    assert (life.case.state, life.case.draft) == (State.RESOLVED, None)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Yes, agreed. Thanks!", Answer.YES),
        ("It works", Answer.YES),
        ("works, but still slow", Answer.DOUBT),
        ("No, it happens on Mondays", Answer.NO),
        ("It still happens", Answer.NO),
        ("This is not resolved", Answer.NO),
        ("not resolved", Answer.NO),
        ("I don't agree", Answer.NO),
        ("Here is the log you wanted", Answer.WORDS),
        ("", Answer.WORDS),
        ("Thanks", Answer.WORDS),
        ("nein", Answer.NO),
        ("yesterday it failed", Answer.WORDS),
        ("workshop tomorrow", Answer.WORDS),
    ],
)
def test_what_words_under_a_proposal_mean(words: str, expected: Answer):
    assert meaning(words) is expected


@pytest.mark.parametrize(
    ("words", "stands", "draft"),
    [
        ("Yes, agreed.", True, KIM.person_id),
        ("works, but still slow", True, KIM.person_id),
        ("Here is the log", True, None),
        ("No, it happens again", False, None),
    ],
)
def test_s7_words_alone_never_sign_and_always_let_the_work_go_on(words: str, stands: bool, draft: int | None):
    life = proposed().later(hours=1).word(words)
    assert (life.case.state, life.case.draft) == (State.OPEN, draft)
    assert (life.case.proposal is not None) is stands
    assert not any(one.side is Side.CUSTOMER for one in life.case.signatures)
    assert life.clock(Kind.UPDATE).state is Clock.RUNNING
    assert life.clock(Kind.UPDATE).ran_since == life.at


def test_the_customer_may_propose_and_signs_by_a_link_of_his_own():
    life = owned().answer().later(hours=1).propose("We found it ourselves.", by=KIM)
    assert (life.case.state, life.case.draft) == (State.PROPOSED, KIM.person_id)
    assert life.case.signatures == ()
    assert life.clock(Kind.UPDATE).state is Clock.PAUSED
    assert life.clock(Kind.CONFIRM).state is Clock.RUNNING
    assert isinstance(life.sign(by=ANN), list)
    assert life.case.state is State.PROPOSED
    life.sign()
    assert life.case.state is State.RESOLVED


@pytest.mark.parametrize("words", ["No, it is broken again.", "It came back.", "Works, but still slow", "One more thing."])
def test_s5_what_the_customer_says_under_his_own_proposal_voids_it(words: str):
    life = owned().answer().later(hours=1).propose("We found it ourselves.", by=KIM)
    life.sign()
    assert [one.side for one in life.case.signatures] == [Side.CUSTOMER]
    life.later(hours=1).word(words)
    assert (life.case.proposal, life.case.draft, life.case.state) == (None, None, State.OPEN)
    assert [one.void for one in life.case.signatures] == [True]
    assert isinstance(life.later(days=3).sign(by=ANN), No), "nobody resolves it against his word"
    assert life.clock(Kind.UPDATE).state is not Clock.PAUSED


def test_a_plain_yes_under_his_own_proposal_leaves_it_as_it_is_and_a_later_word_voids_it():
    life = owned().answer().later(hours=1).propose("We found it ourselves.", by=KIM)
    life.sign()
    assert life.later(hours=1).word("Yes, it works.").case.proposal is not None
    assert life.later(hours=1).word("It is down.").case.proposal is None


def test_his_own_proposal_is_void_too_when_he_calls_it_critical_or_a_machine_of_his_is_counted_or_it_is_opened_again():
    life = owned().answer().later(hours=1).propose("We found it ourselves.", by=KIM)
    up = urgency.escalate(life.case, reason="Down again.", by=KIM, by_call=False, first_ring_at=None, promises={})
    assert life.do(up, KIM).case.proposal is None
    life = owned().answer().later(hours=1).propose("We found it ourselves.", by=KIM).word("I am away.", automatic=True)
    assert life.case.proposal is not None
    assert life.do(writing.count(life.case, life.messages, life.at), ANN).case.proposal is None
    life = owned().answer().later(hours=1).propose("We found it ourselves.", by=KIM)
    life.sign()
    life.do(closing.withdraw(life.case, by=KIM, reason=""), KIM).later(days=1).word("It is broken again.")
    assert (life.case.state, life.case.proposal) == (State.OPEN, None)
    assert isinstance(life.sign(by=ANN), No)


def test_on_our_side_owner_or_tam_proposes():
    other = Actor(side=Side.PROVIDER, name="staff 8", person_id=8, email="eve@provider.test")
    case = owned().answer().case
    ask = {"text": "It is over.", "message": 3, "promises": {}}
    assert isinstance(closing.propose(case, by=other, tam=False, **ask), No)
    assert isinstance(closing.propose(case, by=other, tam=True, **ask), list)
    assert isinstance(closing.propose(case, by=ANN, tam=False, **{**ask, "text": "  "}), No)
    assert isinstance(closing.propose(case, by=ANN, tam=False, **{**ask, "text": "x" * 10_001}), No)
    assert isinstance(closing.propose(Life().case, by=ANN, tam=True, **ask), No), "nobody has taken it"


def test_consent_that_staff_entered_can_be_disputed_for_five_business_days():
    life = proposed().later(hours=1)
    until = life.at + timedelta(days=7)
    decided = closing.sign(
        life.case,
        1,
        by=KIM,
        method=Method.CALL,
        evidence="recording 12",
        may="",
        at=life.at,
        entered_by=ANN.person_id,
        dispute_until=until,
    )
    life.do(decided, ANN)
    assert life.case.state is State.RESOLVED
    assert life.case.signatures[-1].entered_by == ANN.person_id
    late = closing.dispute(life.case, 1, words="", at=until + timedelta(seconds=1), reopening={})
    assert isinstance(late, No)
    life.at = until
    life.do(closing.dispute(life.case, 1, words="I never said so", at=until, reopening=promises(Kind.UPDATE)), KIM)
    assert life.case.state is State.OPEN
    assert all(one.void for one in life.case.signatures)
    assert life.clock(Kind.UPDATE).state is Clock.RUNNING
    assert isinstance(closing.dispute(proposed().case, 1, words="", at=life.at, reopening={}), No)


def test_the_chain_shows_what_was_changed_dropped_or_put_in():
    life = proposed()
    rows = [
        (one.case_id, one.seq, one.at, one.actor, one.side.value, chain.write_payload(one.payload), one.prev_hash, one.hash)
        for one in life.events
    ]
    assert chain.complaints(rows) == []
    assert all(chain.read_payload(row[5]) == one.payload for row, one in zip(rows, life.events, strict=True))
    changed = [*rows]
    changed[2] = (*changed[2][:3], "staff 99", *changed[2][4:])
    assert chain.complaints(changed) == ["event 3 was changed after it was written"]
    assert chain.complaints([*rows[:3], *rows[4:]])[0] == "event 4 is missing, 5 follows"
    assert "does not follow" in chain.complaints([*rows[:3], (*rows[3][:6], b"\1" * 32, rows[3][7])])[0]


ACTIONS = ("answer", "ask", "word", "doubt", "no", "auto", "propose", "propose back", "sign", "sign us", "sign doubt", "refuse",
           "withdraw", "escalate", "down", "own", "remind", "close")  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 3 * 86_400)), max_size=25))
@settings(deadline=None, max_examples=120)
def test_whatever_people_do_a_case_keeps_its_laws(actions: list[tuple[str, int]]):
    life = Life()
    for what, wait in actions:
        life.later(seconds=wait)
        before = life.case
        _try(life, what)
        case = life.case
        assert case.owner_id is not None or case.state is State.NEW
        if case.state is State.RESOLVED and before.state is not State.RESOLVED:
            proposal = case.proposals[-1]
            assert is_agreed(proposal, case.signatures), "two valid signatures on one hash (invariant 11)"
            assert len({one.side for one in resolution.valid(proposal, case.signatures)}) == 2
    logs = clocks_of(life.events)
    shown = [read(log, LONDON if log.started.pin else None, now=life.at) for log in logs]
    open_kinds = [one.kind for one in shown if one.ended_at is None]
    assert len(open_kinds) == len(set(open_kinds)), "one clock of a kind runs"
    if life.case.state not in LIVE:
        assert {one.kind for one in shown if one.ended_at is None} <= {Kind.ACK_MAIL}
    heard = [
        one.payload.received_at for one in life.events if one.payload.__class__.__name__ == "Came" and not one.payload.automatic
    ]
    for one in shown:
        for span in one.spans:
            if not span.runs:
                assert not [moment for moment in heard if span.start < moment < (span.end or life.at)], "invariant 18"
    half = len(life.events) // 2
    earlier = [log.marks for log in clocks_of(life.events[:half])]
    assert all(log.marks[: len(marks)] == marks for log, marks in zip(logs, earlier, strict=False)), "marks are only added"


def _try(life: Life, what: str) -> None:
    case = life.case
    gathered = promises(*Kind)
    if what in ("answer", "ask", "propose") and case.state in LIVE:
        if what == "propose" and case.state is not State.NEW and case.owner_id == ANN.person_id:
            life.propose()
        elif what != "propose":
            life.answer(question=what == "ask")
    elif what in ("word", "doubt", "no", "auto"):
        words = {"word": "Here is a log", "doubt": "yes, but still slow", "no": "no", "auto": "away"}[what]
        came = life.came(life.messages + 1, automatic=what == "auto")
        decided = writing.word(case, came=came, words=words, at=life.at, reopening=promises(Kind.UPDATE))
        if isinstance(decided, list):
            life.messages += 1
            life.add(*decided, by=KIM)
    elif what == "own" and case.state in LIVE:
        life.own()
    elif what.startswith("sign") and case.proposals:
        life.sign(by=ANN if what == "sign us" else KIM, words="but slow" if what == "sign doubt" else "")
    else:
        decisions = {
            "propose back": lambda: closing.propose(
                case, "We found it.", by=KIM, tam=False, message=0, promises=promises(Kind.CONFIRM)
            ),
            "refuse": lambda: closing.refuse(case, len(case.proposals), by=KIM, words="no"),
            "withdraw": lambda: closing.withdraw(case, by=KIM, reason=""),
            "escalate": lambda: urgency.escalate(
                case, reason="", by=KIM, by_call=False, first_ring_at=None, promises=promises(Kind.ENGAGE, Kind.CADENCE)
            ),
            "down": lambda: (
                urgency.accept_step_down(case, case.downgrade[0], by=KIM, promises=gathered)
                if case.downgrade
                else urgency.step_down(case, text="not so bad")
            ),
            "remind": lambda: closing.remind(case),
            "close": lambda: closing.close_unconfirmed(case, by=TAM, tam=True, exhausted=True),
        }
        made = decisions[what]() if what in decisions else No(Bar.STATE, "")
        if not isinstance(made, No):
            life.add(*made, by=ANN if what in ("down", "remind", "close") and not (what == "down" and case.downgrade) else KIM)
