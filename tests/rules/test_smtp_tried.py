"""An SMTP attempt is a transaction, or a connection in which none began; it ends with whose fault its end was."""

import pytest

from homing.evidence.types import FaultTag
from homing.smtp import replies
from homing.smtp.replies import Reply
from homing.smtp.rules.tried import Tried
from tests.kit.evidence import Evidence
from tests.kit.smtp_script import AUTH_LINE, OWNER, TAKEN, Script

MAIL = b"MAIL FROM:<a@acme.test>\r\n"
RCPT = b"RCPT TO:<x@there.test>\r\n"
NO_RCPT = b"RCPT TO:<x@>\r\n"
BODY = b"DATA\r\nFrom: a@acme.test\r\n\r\nx\r\n.\r\n"
HELLO = b"EHLO c\r\n"
SERVER, CLIENT, NONE, VOID, TIMEOUT = FaultTag.SERVER, FaultTag.CLIENT, FaultTag.NONE, FaultTag.VOID, FaultTag.TIMEOUT


class Told:
    """A conversation, and what the evidence heard of it; each call of `say` is a second later."""

    def __init__(self, *, trusted: bool = True, **script) -> None:
        self.evidence, self.second = Evidence(), 0
        self.script = Script(trusted=OWNER if trusted else None, tried=Tried(self.evidence.begin, lambda: self.second), **script)

    def say(self, *data: bytes) -> "Told":
        for one in data:
            self.second += 1
            self.script.say(one)
        return self

    def gone(self, last: Reply | None = None) -> list[tuple[int, FaultTag, str]]:
        """End the connection, and return what was heard of it: second, fault, code."""
        self.script.session.close(last)
        assert self.evidence.open == []
        found = zip(self.evidence.seconds, self.evidence.ended, self.evidence.codes, strict=True)
        return [(second, fault, code) for second, (account, fault), code in found if fault is not VOID]


def test_a_transaction_belongs_to_the_second_of_its_mail_and_ends_with_its_answer():
    assert Told().say(HELLO, MAIL, RCPT, BODY).gone() == [(2, NONE, "250/2.0.0")]


def test_each_transaction_of_a_connection_is_an_attempt():
    told = Told().say(HELLO, MAIL + RCPT + BODY, MAIL + RCPT + BODY, b"QUIT\r\n")
    assert told.gone() == [(2, NONE, "250/2.0.0"), (3, NONE, "250/2.0.0")]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (replies.LOCAL_ERROR, SERVER),
        (replies.STORE_UNAVAILABLE, SERVER),
        (replies.ANSWER_TIMEOUT, TIMEOUT),
        (replies.BAD_HEADER, CLIENT),
    ],
)
def test_the_end_of_data_decides(answer: Reply, fault: FaultTag):
    assert Told(answer=answer).say(HELLO, MAIL, RCPT, BODY).gone() == [(2, fault, answer.label)]


def test_a_refused_recipient_ends_nothing_and_does_not_hide_a_failure():
    told = Told(answer=replies.LOCAL_ERROR).say(HELLO, MAIL, NO_RCPT, RCPT, BODY)
    assert told.gone() == [(2, SERVER, "451/4.3.0")]


def test_a_message_that_cannot_be_one_was_answered():
    told = Told().say(HELLO, MAIL, RCPT, b"DATA\r\nFrom: a@acme.test\r\n\r\nx\ny\r\n.\r\n")
    assert told.gone() == [(2, CLIENT, "550/5.6.0")]


def test_a_chunk_too_many_was_answered():
    told = Told(size=10).say(HELLO, MAIL, RCPT, b"BDAT 20 LAST\r\n" + b"x" * 20)
    assert told.gone() == [(2, CLIENT, "552/5.3.4")]


def test_mail_that_is_refused_for_our_want_of_room_is_a_failed_attempt():
    told = Told(refuse="disk space is low").say(HELLO, MAIL, b"QUIT\r\n")
    assert told.gone() == [(2, SERVER, "452/4.3.1")]


def test_room_that_runs_out_before_data_fails_the_transaction():
    told = Told().say(HELLO, MAIL, RCPT)
    told.script.refuse = "disk space is low"
    assert told.say(b"DATA\r\n", b"QUIT\r\n").gone() == [(2, SERVER, "452/4.3.1")]
    told = Told().say(HELLO, MAIL, RCPT)
    told.script.refuse = "disk space is low"
    told.say(b"DATA\r\n")
    told.script.refuse = None
    assert told.say(BODY).gone() == [(2, NONE, "250/2.0.0")], "it was tried once more, and taken"


def test_a_transaction_that_the_client_gives_up_was_answered():
    assert Told().say(HELLO, MAIL, RCPT, b"RSET\r\n").gone() == [(2, NONE, "250")]
    assert Told().say(HELLO, MAIL, NO_RCPT, b"QUIT\r\n").gone() == [(2, CLIENT, "501/5.1.3")]


def test_a_client_that_drops_the_line_mid_way_tells_nothing():
    assert Told().say(HELLO, MAIL, RCPT).gone() == []
    assert Told().say(HELLO, MAIL, RCPT, b"DATA\r\nFrom: a@acm").gone() == []


def test_a_line_that_we_cut_mid_way_is_our_failure():
    told = Told().say(HELLO, MAIL, RCPT, b"DATA\r\nFrom: a@acm")
    assert told.gone(replies.SHUTTING_DOWN_MIDWAY) == [(2, SERVER, "421/4.3.2")]


def test_a_client_that_falls_silent_mid_way_was_answered():
    assert Told().say(HELLO, MAIL).gone(replies.IDLE) == [(2, CLIENT, "421/4.4.2")]


@pytest.mark.parametrize(
    ("last", "heard"),
    [
        (replies.SHUTTING_DOWN, [(0, SERVER, "421/4.3.2")]),
        (replies.IDLE, [(0, CLIENT, "421/4.4.2")]),
        (None, []),
    ],
)
def test_a_connection_without_a_transaction_is_an_attempt_of_the_second_it_came_in(last: Reply | None, heard):
    assert Told().say(HELLO, b"NOOP\r\n").gone(last) == heard


def test_a_connection_that_says_quit_was_served():
    assert Told().say(HELLO, b"QUIT\r\n").gone() == [(0, NONE, "221/2.3.0")]


def test_between_two_transactions_nothing_is_attempted():
    assert Told().say(HELLO, MAIL + RCPT + BODY).gone(replies.SHUTTING_DOWN) == [(2, NONE, "250/2.0.0")]


def test_mail_without_rights_or_sense_is_nobodys_attempt():
    assert Told(trusted=False).say(HELLO, MAIL).gone() == []
    assert Told().say(HELLO, b"MAIL\r\n", b"MAIL TO:<x>\r\n").gone() == []


def test_a_key_makes_the_connection_its_accounts():
    told = Told(trusted=False).say(HELLO, AUTH_LINE, MAIL, RCPT, BODY)
    assert told.gone() == [(3, NONE, "250/2.0.0")]
    assert {account for account, _ in told.evidence.ended} == {OWNER.account_id}


def test_a_key_that_cannot_be_looked_up_is_a_failure_under_its_badge():
    told = Told(trusted=False, auth_trouble=replies.AUTH_UNAVAILABLE).say(HELLO, AUTH_LINE, AUTH_LINE)
    assert told.gone() == [(0, SERVER, "454/4.7.0")]
    assert len(told.evidence.keys[0]) == 16


def test_a_wrong_key_is_nobodys_attempt():
    assert Told(trusted=False).say(HELLO, b"AUTH PLAIN AGEAYg==\r\n").gone() == []
    assert TAKEN.label == "250/2.0.0"
