"""A public door: anybody may send, to those whom the house knows; nobody may authenticate."""

from hypothesis import given
from hypothesis import strategies as st

from homing.smtp import replies
from tests.kit.smtp_script import KEY, STRANGER, Script

MAIL = b"MAIL FROM:<>\r\n"
MESSAGE = b"Subject: x\r\n\r\nx\r\n.\r\n"


def public(**more: int) -> Script:
    script = Script(peer=STRANGER, is_public=True, **more)
    script.say(b"EHLO mx.there.test\r\n")
    return script


def test_auth_is_neither_offered_nor_known():
    script = Script(peer=STRANGER, is_public=True)
    offered = script.say(b"EHLO mx.there.test\r\n")
    assert not any("AUTH" in line for line in offered)
    assert any("STARTTLS" in line for line in offered)
    assert script.codes(b"AUTH PLAIN " + KEY.encode() + b"\r\n") == ["502 5.5.1"]


def test_a_stranger_may_send_to_whom_the_house_knows():
    script = public()
    assert script.codes(MAIL + b"RCPT TO:<kim@here.test>\r\nDATA\r\n") == ["250 2.0.0", "250 2.0.0", "354 3.0.0"]
    assert script.codes(MESSAGE) == ["250 2.0.0"]
    mail = script.mails[0]
    assert (mail.sender, mail.reverse_path, mail.protocol) == (None, "", "ESMTP")
    assert [mailbox.email for mailbox in mail.recipients] == ["kim@here.test"]


def test_it_relays_nothing():
    script = public()
    assert script.codes(MAIL + b"RCPT TO:<kim@there.test>\r\nDATA\r\n") == ["250 2.0.0", "550 5.7.1", "554 5.5.1"]
    for trick in (b"<kim%there.test@here.test.>", b"<@here.test:kim@there.test>", b'<"kim@there.test"@elsewhere.test>', b"<kim>"):
        assert script.codes(b"RCPT TO:" + trick + b"\r\n")[0][:1] == "5"
    assert script.mails == []


def test_asking_for_addresses_without_end_ends_the_conversation():
    script = public(max_bad_commands=5)
    script.say(MAIL)
    for _ in range(5):
        assert script.codes(b"RCPT TO:<x@there.test>\r\n") == ["550 5.7.1"]
    assert script.codes(b"RCPT TO:<x@there.test>\r\n") == ["421 4.7.0"]
    assert script.closed


def test_the_order_is_kept():
    script = public()
    assert script.codes(b"RCPT TO:<kim@here.test>\r\n") == ["503 5.5.1"]
    assert script.codes(MAIL + b"RCPT TO:<kim@here.test>\r\nRSET\r\nDATA\r\n")[-1] == "503 5.5.1"


@given(st.data())
def test_any_chunking_gives_the_same(data):
    whole = MAIL + b"RCPT TO:<a@here.test>\r\nRCPT TO:<b@there.test>\r\nDATA\r\n" + MESSAGE + b"QUIT\r\n"
    script, place = public(), 0
    while place < len(whole):
        size = data.draw(st.integers(1, 40))
        script.say(whole[place : place + size])
        place += size
    plain = public()
    plain.say(whole)
    assert script.wrote == plain.wrote
    assert [mail.body for mail in script.mails] == [mail.body for mail in plain.mails] == [b"Subject: x\r\n\r\nx\r\n"]


def test_a_recipient_that_cannot_be_looked_up_now_may_come_again():
    script = public()
    script.say(MAIL)
    session = script.session
    session.feed(b"")
    actions = session._advance([])
    assert actions == []
    assert session.recipient_answered(replies.STORE_UNAVAILABLE) == [replies.STORE_UNAVAILABLE]
