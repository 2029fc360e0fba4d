"""How simulated providers treat their clients."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.events.rules.classify import Classifier
from homing.simulator.providers import BIG, CAST, CORPORATE, OLD, PLAIN
from homing.simulator.rules.behaviour import (
    Answer,
    Behaviour,
    Bounded,
    Memory,
    on_connect,
    on_data,
    on_leave,
    on_mail,
    on_message,
    on_recipient,
    share_of,
)


def rcpt(behaviour: Behaviour, memory: Memory, recipient: str = "a@x.test", *, now_s: float, client: str = "127.0.0.1") -> Answer:
    return on_recipient(behaviour, memory, client=client, sender="s@y.test", recipient=recipient, now_s=now_s)


def mail(behaviour: Behaviour, memory: Memory, *, now_s: float, before: int = 0, client: str = "127.0.0.1") -> Answer:
    return on_mail(behaviour, memory, client=client, messages_before=before, now_s=now_s)


def test_the_same_address_is_unknown_every_time_and_about_the_right_share_is():
    behaviour = Behaviour(unknown_share=0.1)
    addresses = [f"user{n}@x.test" for n in range(2000)]
    first = [rcpt(behaviour, Memory(), a, now_s=0) for a in addresses]
    assert first == [rcpt(behaviour, Memory(), a.upper(), now_s=9) for a in addresses]
    assert 150 < first.count(Answer.UNKNOWN_USER) < 250


def test_nobody_is_unknown_everywhere():
    assert rcpt(Behaviour(), Memory(), "nobody-7@x.test", now_s=0) is Answer.UNKNOWN_USER


def test_greylisting_puts_off_a_new_triple_and_remembers_it():
    behaviour, memory = Behaviour(greylist_s=3), Memory()
    assert rcpt(behaviour, memory, now_s=100) is Answer.GREYLISTED
    assert rcpt(behaviour, memory, now_s=102.9) is Answer.GREYLISTED
    assert rcpt(behaviour, memory, now_s=103) is Answer.OK
    assert rcpt(behaviour, memory, now_s=103, client="127.0.0.2") is Answer.GREYLISTED


def test_a_busy_provider_recovers_after_its_first_contact():
    behaviour, memory = Behaviour(busy_s=8), Memory()
    on_connect(behaviour, memory, client="127.0.0.1", now_s=50)
    assert mail(behaviour, memory, now_s=57) is Answer.BUSY
    assert mail(behaviour, memory, now_s=58) is Answer.OK


def test_connections_beyond_the_limit_are_refused_until_one_leaves():
    behaviour, memory = Behaviour(max_connections=2), Memory()
    answers = [on_connect(behaviour, memory, client="127.0.0.1", now_s=0) for _ in range(3)]
    assert answers == [Answer.OK, Answer.OK, Answer.TOO_MANY_CONNECTIONS]
    assert on_connect(behaviour, memory, client="127.0.0.2", now_s=0) is Answer.OK
    on_leave(memory, client="127.0.0.1")
    on_leave(memory, client="127.0.0.1")
    assert on_connect(behaviour, memory, client="127.0.0.1", now_s=0) is Answer.OK


def test_the_message_after_the_last_allowed_on_a_connection_is_refused():
    behaviour = Behaviour(max_messages=20)
    assert mail(behaviour, Memory(), now_s=0, before=19) is Answer.OK
    assert mail(behaviour, Memory(), now_s=0, before=20) is Answer.TOO_MANY_MESSAGES


def test_too_many_messages_in_a_window_bring_a_penalty_that_is_remembered():
    behaviour, memory = Behaviour(rate_messages=2, rate_window_s=10, penalty_s=30), Memory()
    assert [mail(behaviour, memory, now_s=t) for t in (0, 1, 2)] == [Answer.OK, Answer.OK, Answer.TOO_FAST]
    assert on_connect(behaviour, memory, client="127.0.0.1", now_s=31) is Answer.TOO_FAST
    assert mail(behaviour, memory, now_s=31) is Answer.TOO_FAST
    assert on_connect(behaviour, memory, client="127.0.0.9", now_s=31) is Answer.OK
    assert on_connect(behaviour, memory, client="127.0.0.1", now_s=32) is Answer.OK
    assert [mail(behaviour, memory, now_s=t) for t in (32, 33, 34)] == [Answer.OK, Answer.OK, Answer.TOO_FAST]


def test_who_waits_out_a_penalty_that_is_shorter_than_the_window_starts_anew():
    behaviour, memory = Behaviour(rate_messages=1, rate_window_s=60, penalty_s=4), Memory()
    answers = [mail(behaviour, memory, now_s=t) for t in (0, 1, 5, 6)]
    assert answers == [Answer.OK, Answer.TOO_FAST, Answer.OK, Answer.TOO_FAST]


def test_a_mailbox_that_is_full_is_full_for_now_or_for_good():
    assert rcpt(Behaviour(full_share=1.0), Memory(), now_s=0) is Answer.MAILBOX_FULL
    assert rcpt(Behaviour(full_share=1.0, full_for_good=True), Memory(), now_s=0) is Answer.MAILBOX_FULL_FOR_GOOD


def test_a_cut_happens_as_often_as_it_should_for_each_address():
    memory = Memory()
    twice = Behaviour(cut_share=1.0, cut_tries=2)
    assert [on_data(twice, memory, recipient="a@x.test") for _ in range(3)] == [Answer.CUT, Answer.CUT, Answer.OK]
    always = Behaviour(cut_share=1.0, cut_tries=0)
    assert {on_data(always, Memory(), recipient="a@x.test") for _ in range(5)} == {Answer.CUT}


def test_blocking_and_spam_are_decided_where_real_providers_decide_them():
    assert mail(Behaviour(blocks_all=True), Memory(), now_s=0) is Answer.BLOCKED
    assert on_message(Behaviour(spam_share=1.0), recipient="a@x.test") is Answer.SPAM


def test_memory_forgets_the_oldest():
    some: Bounded[int, int] = Bounded(3)
    for number in range(5):
        some.put(number, number)
    assert (len(some), some.get(1), some.get(4)) == (3, None, 4)


@given(st.text(min_size=1), st.text())
def test_a_share_is_a_share(recipient: str, salt: str):
    assert 0.0 <= share_of(recipient, salt) < 1.0


@pytest.mark.parametrize("wording", [PLAIN, BIG, OLD, CORPORATE], ids=["plain", "big", "old", "corporate"])
def test_every_answer_has_words_that_are_one_smtp_reply(wording):
    for answer in set(Answer) - {Answer.CUT}:
        lines = (
            wording[answer]
            .format(ip="192.0.2.1", to="a@x.test", user="a", domain="x.test", sender="s@y.test", host="mx1.x.test", id="1")
            .split("\n")
        )
        assert len({line[:3] for line in lines}) == 1, answer
        assert all(line[3] == "-" for line in lines[:-1]), answer
        assert lines[-1][3] == " ", answer
        assert all(len(line) <= 510 for line in lines), answer
        assert (lines[0][0] == "2") == (answer is Answer.OK), answer


def test_the_cast_has_names_that_cannot_exist_and_addresses_of_this_machine():
    for provider in CAST:
        assert all(domain.endswith(".test") for domain in provider.domains)
        assert all(address.startswith("127.0.0.") for address in provider.addresses)


@pytest.mark.parametrize("wording", [PLAIN, BIG, OLD, CORPORATE], ids=["plain", "big", "old", "corporate"])
def test_our_own_classifier_understands_the_wordings_as_it_would_the_real_ones(wording):
    expected = {
        Answer.UNKNOWN_USER: "recipient.unknown",
        Answer.MAILBOX_FULL: "mailbox.full",
        Answer.MAILBOX_FULL_FOR_GOOD: "mailbox.full",
        Answer.GREYLISTED: "greylist",
        Answer.RELAY_DENIED: "relay.denied",
    }
    blocks = {Answer.TOO_FAST: "rate", Answer.TOO_MANY_CONNECTIONS: "rate", Answer.SPAM: "content", Answer.BLOCKED: "reputation"}
    classifier = Classifier.from_package()
    for answer, text in wording.items():
        said = text.format(ip="127.0.0.1", to="a@x.test", user="a", domain="x.test", sender="s@y.test", host="mx1.x.test", id="1")
        judged = classifier.classify(said)
        if answer in expected:
            assert judged.subclass == expected[answer]
        elif answer in blocks:
            assert blocks[answer] in judged.subclass
