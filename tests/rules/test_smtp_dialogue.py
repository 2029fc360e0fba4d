"""What the SMTP door answers, command by command (RFC 5321, 1870, 2920, 3030, 3207, 4954, 6531)."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.smtp import replies
from homing.smtp.rules.sasl import Credentials
from tests.kit.smtp_script import KEY, NO_GRANT_KEY, OWNER, STRANGER, SUBACCOUNT_KEY, Script

MESSAGE = b"From: a@acme.test\r\nSubject: hi\r\n\r\nhello\r\n"
ENVELOPE = b"MAIL FROM:<a@acme.test>\r\nRCPT TO:<x@there.test>\r\n"


def ready(**settings: object) -> Script:
    """Return a conversation that may send: a trusted network, EHLO said."""
    script = Script(trusted=OWNER, **settings)
    script.say(b"EHLO client.test\r\n")
    return script


def plain(user: str = "SMTP_Injection", key: str = KEY, identity: str = "") -> bytes:
    return b64encode(f"{identity}\0{user}\0{key}".encode())


# ── greeting and small talk ─────────────────────────────────────────────────────────────────────────────────────────


def test_ehlo_offers_what_the_door_can_do():
    said = Script().say(b"EHLO client.test\r\n")
    assert said[0] == "250-mx.homing.test says EHLO to 127.0.0.1:40000"
    assert [line[4:] for line in said[1:]] == [
        "PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000", "CHUNKING", "ENHANCEDSTATUSCODES", "STARTTLS", "AUTH PLAIN LOGIN",
    ]  # fmt: skip


def test_a_stranger_is_offered_auth_only_under_tls():
    script = Script(peer=STRANGER)
    assert not any("AUTH" in line for line in script.say(b"EHLO client.test\r\n"))
    assert script.codes(b"STARTTLS\r\n") == ["220 2.0.0"]
    said = script.say(b"EHLO client.test\r\n")
    assert "250 AUTH PLAIN LOGIN" in said
    assert not any("STARTTLS" in line for line in said)


@pytest.mark.parametrize("has_tls", [True, False])
def test_an_operator_may_take_auth_in_the_clear(has_tls: bool):
    script = Script(peer=STRANGER, has_tls=has_tls, auth_in_clear=True)
    assert "250 AUTH PLAIN LOGIN" in script.say(b"EHLO client.test\r\n")
    assert script.codes(b"AUTH PLAIN " + plain() + b"\r\n") == ["235 2.7.0"]
    public = Script(peer=STRANGER, is_public=True, auth_in_clear=True)
    assert not any("AUTH" in line for line in public.say(b"EHLO client.test\r\n"))


def test_helo_gets_one_line_and_the_message_is_plain_smtp():
    script = Script(trusted=OWNER)
    assert script.say(b"HELO client.test\r\n") == ["250 mx.homing.test"]
    script.say(ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n")
    assert script.mails[0].protocol == "SMTP"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"NOOP", "250 2.0.0"),
        (b"NOOP with words", "250 2.0.0"),
        (b"RSET", "250 2.0.0"),
        (b"RSET now", "501 5.5.4"),
        (b"VRFY someone", "252 2.5.2"),
        (b"HELP", "214 2.0.0"),
        (b"EXPN list", "502 5.5.1"),
        (b"ETRN there.test", "502 5.5.1"),
        (b"TURN", "502 5.5.1"),
        (b"QUIT", "221 2.3.0"),
        (b"QUIT now", "501 5.5.4"),
        (b"EHLO", "501 5.5.4"),
        (b"EHLO two words", "501 5.5.4"),
        (b"FOO", "500 5.5.2"),
        (b"", "500 5.5.2"),
        (b"\xff\xfe\x80", "500 5.5.2"),
        (b"NO\0OP", "500 5.5.2"),
        (b"N" * 3000, "500 5.5.2"),
        (b"N" * 30000, "500 5.5.2"),
        (b"DATA", "503 5.5.1"),
        (b"RCPT TO:<x@there.test>", "503 5.5.1"),
        (b"BDAT 0 LAST", "503 5.5.1"),
        (b"noop", "250 2.0.0"),
    ],
)
def test_each_command_outside_a_message(line: bytes, code: str):
    assert ready().codes(line + b"\r\n") == [code]


@pytest.mark.parametrize("order", [b"MAIL FROM:<a@acme.test>", b"AUTH PLAIN", b"STARTTLS"])
def test_nothing_begins_before_a_greeting(order: bytes):
    assert Script(trusted=OWNER).codes(order + b"\r\n") == ["503 5.5.1"]


def test_quit_closes():
    script = ready()
    script.say(b"QUIT\r\n")
    assert script.closed
    assert script.say(b"NOOP\r\n") == []


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"MAIL FROM:<a@acme.test>\nRCPT TO:<x@there.test>\r\n"])
def test_a_bare_line_end_in_a_command_ends_the_conversation(line: bytes):
    script = ready()
    assert script.codes(line + b"NOOP\r\n") == ["500 5.5.2"]
    assert script.closed


def test_a_browser_is_sent_away_at_its_first_line():
    script = Script()
    assert script.codes(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.test>\r\n") == ["421 4.7.0"]
    assert script.closed


def test_twenty_mistakes_are_borne_and_no_more():
    script = ready()
    assert script.codes(b"FOO\r\n" * 25) == ["500 5.5.2"] * 20 + ["421 4.7.0"]
    assert script.closed


def test_a_message_forgives_earlier_mistakes():
    script = ready()
    for _ in range(4):
        script.say(b"FOO\r\n" * 10 + ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n")
    assert len(script.mails) == 4
    assert not script.closed


def test_small_talk_without_a_message_ends():
    script = ready(max_idle_commands=5)
    assert script.codes(b"NOOP\r\n" * 5)[-1] == "421 4.7.0"


# ── who may send ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_no_open_relay():
    script = Script(peer=STRANGER)
    script.say(b"EHLO client.test\r\n")
    assert script.codes(ENVELOPE + b"DATA\r\n") == ["530 5.7.0", "550 5.7.1", "503 5.5.1"]
    assert "Relaying denied" in script.say(b"RCPT TO:<x@there.test>\r\n")[0]
    assert script.mails == []


def test_octets_in_a_refused_transaction_are_never_a_message():
    script = Script()
    script.say(b"EHLO client.test\r\n")
    assert script.codes(ENVELOPE + b"BDAT 4 LAST\r\nQUITNOOP\r\n") == ["530 5.7.0", "550 5.7.1", "503 5.5.1", "250 2.0.0"]


def test_auth_plain_with_initial_response():
    script = Script()
    assert script.codes(b"EHLO c\r\nAUTH PLAIN " + plain() + b"\r\n" + ENVELOPE)[-3:] == ["235 2.7.0", "250 2.0.0", "250 2.0.0"]
    assert script.session.sender == OWNER


def test_auth_plain_with_challenge():
    script = Script()
    script.say(b"EHLO c\r\n")
    assert script.say(b"AUTH PLAIN\r\n") == ["334 "]
    assert script.codes(plain(identity="SMTP_Injection") + b"\r\n") == ["235 2.7.0"]


def test_auth_login_with_and_without_initial_response():
    script = Script()
    script.say(b"EHLO c\r\n")
    assert script.say(b"AUTH LOGIN\r\n") == ["334 VXNlcm5hbWU6"]
    assert script.say(b64encode(b"SMTP_Injection") + b"\r\n") == ["334 UGFzc3dvcmQ6"]
    assert script.codes(b64encode(KEY.encode()) + b"\r\n") == ["235 2.7.0"]
    other = Script()
    other.say(b"EHLO c\r\n")
    assert other.say(b"AUTH LOGIN " + b64encode(b"SMTP_Injection") + b"\r\n") == ["334 UGFzc3dvcmQ6"]
    assert other.codes(b64encode(KEY.encode()) + b"\r\n") == ["235 2.7.0"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"AUTH", "501 5.5.4"),
        (b"AUTH PLAIN a b", "501 5.5.4"),
        (b"AUTH CRAM-MD5", "504 5.5.4"),
        (b"AUTH PLAIN !!!", "501 5.5.2"),
        (b"AUTH PLAIN =", "501 5.5.2"),
        (b"AUTH PLAIN " + b64encode(b"no parts"), "501 5.5.2"),
        (b"AUTH PLAIN " + plain(key="0" * 40), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(key=""), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(key="schlüssel"), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(key=NO_GRANT_KEY), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(user="root"), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(identity="root"), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(user="SMTP_Injection:X-MSYS-SUBACCOUNT=x"), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(user="SMTP_Injection:X-MSYS-SUBACCOUNT=9999999999"), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(user="SMTP_Injection:X-MSYS-SUBACCOUNT=5", key=SUBACCOUNT_KEY), "535 5.7.8"),
        (b"AUTH PLAIN " + plain(key=SUBACCOUNT_KEY), "235 2.7.0"),
        (b"AUTH PLAIN\r\n*", "501 5.7.0"),
        (b"AUTH LOGIN\r\n*", "501 5.7.0"),
        (b"AUTH PLAIN " + b"A" * 20_000, "500 5.5.2"),
        (b"AUTH PLAIN\r\n" + b"A" * 20_000, "500 5.5.6"),
    ],
)
def test_each_way_of_authenticating(line: bytes, code: str):
    script = Script()
    script.say(b"EHLO c\r\n")
    assert script.codes(line + b"\r\n")[-1] == code
    assert script.codes(b"NOOP\r\n") == ["250 2.0.0"]  # whatever happened, the exchange is over


def test_a_primary_key_can_act_as_a_subaccount():
    script = Script()
    script.say(b"EHLO c\r\nAUTH PLAIN " + plain(user="SMTP_Injection:X-MSYS-SUBACCOUNT=42") + b"\r\n")
    sender = script.session.sender
    assert sender is not None
    assert (sender.account_id, sender.subaccount_id, sender.acts_for_all) == (7, 42, False)


def test_the_third_failed_authentication_ends_the_conversation():
    script = Script()
    script.say(b"EHLO c\r\n")
    wrong = b"AUTH PLAIN " + plain(key="0" * 40) + b"\r\n"
    assert script.codes(wrong * 4) == ["535 5.7.8", "535 5.7.8", "421 4.7.0"]
    assert script.closed


def test_passing_trouble_with_keys_is_no_failed_authentication():
    script = Script(auth_trouble=replies.AUTH_UNAVAILABLE)
    script.say(b"EHLO c\r\n")
    assert script.codes((b"AUTH PLAIN " + plain() + b"\r\n") * 5) == ["454 4.7.0"] * 5


def test_auth_in_the_clear_from_elsewhere_is_refused_before_a_key_is_looked_at():
    script = Script(peer=STRANGER)
    script.say(b"EHLO c\r\n")
    assert script.codes(b"AUTH PLAIN " + plain() + b"\r\n") == ["538 5.7.11"]


def test_auth_twice_and_auth_within_a_message_are_out_of_order():
    script = Script()
    script.say(b"EHLO c\r\nAUTH PLAIN " + plain() + b"\r\n")
    assert script.codes(b"AUTH PLAIN " + plain() + b"\r\n") == ["503 5.5.1"]
    assert ready().codes(ENVELOPE + b"AUTH PLAIN\r\n")[-1] == "503 5.5.1"


def test_a_key_is_not_shown_by_repr():
    assert KEY not in repr(Credentials(KEY, None))


# ── STARTTLS ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_said_in_the_clear_does_not_survive_starttls():
    script = Script(peer=STRANGER)
    script.say(b"EHLO c\r\n")
    said = script.codes(b"STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@evil.test>\r\n")
    assert said == ["220 2.0.0"]
    assert script.handshakes == 1
    assert script.codes(b"MAIL FROM:<a@acme.test>\r\n") == ["503 5.5.1"]  # not even the greeting


def test_authentication_in_the_clear_ends_with_starttls():
    script = Script()
    script.say(b"EHLO c\r\nAUTH PLAIN " + plain() + b"\r\nSTARTTLS\r\n")
    assert script.session.sender is None


@pytest.mark.parametrize(("line", "code"), [(b"STARTTLS now", "501 5.5.4"), (b"STARTTLS\r\nX\r\n", "220 2.0.0")])
def test_starttls_arguments(line: bytes, code: str):
    assert ready().codes(line + b"\r\n")[0] == code


def test_starttls_is_not_offered_without_a_certificate_nor_twice():
    assert ready(has_tls=False).codes(b"STARTTLS\r\n") == ["502 5.5.1"]
    script = ready()
    script.say(b"STARTTLS\r\n")
    assert script.codes(b"EHLO c\r\nSTARTTLS\r\n")[-1] == "503 5.5.1"


def test_the_protocol_name_tells_tls_auth_and_utf8():
    script = Script()
    script.say(b"EHLO c\r\nSTARTTLS\r\n")
    script.say(b"EHLO c\r\nAUTH PLAIN " + plain() + b"\r\n")
    script.say(ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n")
    script.say(b"MAIL FROM:<\xc3\xa4@acme.test> SMTPUTF8\r\nRCPT TO:<x@there.test>\r\nDATA\r\n" + MESSAGE + b".\r\n")
    assert [mail.protocol for mail in script.mails] == ["ESMTPSA", "UTF8SMTPSA"]


# ── the envelope ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        (b"FROM:<>", "250 2.0.0"),
        (b"FROM:<a@acme.test>", "250 2.0.0"),
        (b"from:<a@acme.test>", "250 2.0.0"),
        (b"FROM: <a@acme.test>", "250 2.0.0"),
        (b"FROM:<@relay.test:a@acme.test>", "250 2.0.0"),
        (b'FROM:<"a b>"@acme.test>', "250 2.0.0"),
        (b"FROM:<a@[192.0.2.1]>", "250 2.0.0"),
        (b"FROM:<a@acme.test> SIZE=1000 BODY=8BITMIME AUTH=<> SMTPUTF8", "250 2.0.0"),
        (b"FROM:<a@acme.test> body=7bit", "250 2.0.0"),
        (b"FROM:<a@acme.test> AUTH=e+3Dmc2@example.com", "250 2.0.0"),
        (b"FROM:<\xc3\xa4@acme.test> SMTPUTF8", "250 2.0.0"),
        (b"FROM:<a@b\xc3\xbccher.test> SMTPUTF8", "250 2.0.0"),
        (b"FROM:<\xc3\xa4@acme.test>", "553 5.6.7"),
        (b"FROM:<\xff@acme.test> SMTPUTF8", "501 5.5.4"),
        (b"", "501 5.5.4"),
        (b"TO:<a@acme.test>", "501 5.5.4"),
        (b"FROM:", "501 5.1.7"),
        (b"FROM:a@acme.test", "501 5.1.7"),
        (b"FROM:<a>", "501 5.1.7"),
        (b"FROM:<a@>", "501 5.1.7"),
        (b"FROM:<a@b..c>", "501 5.1.7"),
        (b"FROM:<a@acme.test>SIZE=1", "501 5.1.7"),
        (b"FROM:<" + b"l" * 65 + b"@acme.test>", "501 5.1.7"),
        (b"FROM:<a@" + b"d." * 130 + b"test>", "501 5.1.7"),
        (b"FROM:<a@acme.test> SIZE=100001", "552 5.3.4"),
        (b"FROM:<a@acme.test> SIZE=x", "501 5.5.4"),
        (b"FROM:<a@acme.test> SIZE", "501 5.5.4"),
        (b"FROM:<a@acme.test> SIZE=1 SIZE=2", "501 5.5.4"),
        (b"FROM:<a@acme.test> SMTPUTF8=1", "501 5.5.4"),
        (b"FROM:<a@acme.test> AUTH=+zz", "501 5.5.4"),
        (b"FROM:<a@acme.test> ==", "501 5.5.4"),
        (b"FROM:<a@acme.test> BODY=BINARYMIME", "555 5.5.4"),
        (b"FROM:<a@acme.test> RET=HDRS", "555 5.5.4"),
    ],
)
def test_each_mail_from(argument: bytes, code: str):
    script = ready()
    assert script.codes(b"MAIL " + argument + b"\r\n") == [code]
    assert script.codes(b"RCPT TO:<x@there.test>\r\n") == ["250 2.0.0" if code.startswith("250") else "503 5.5.1"]


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        (b"TO:<x@there.test>", "250 2.0.0"),
        (b"TO: <x@there.test>", "250 2.0.0"),
        (b"TO:<@relay.test,@other.test:x@there.test>", "250 2.0.0"),
        (b"TO:<>", "501 5.1.3"),
        (b"TO:<x>", "501 5.1.3"),
        (b"TO:x@there.test", "501 5.1.3"),
        (b"TO:<x@there.test", "501 5.1.3"),
        (b"TO:<x@[192.0.2.1]>", "501 5.1.3"),
        (b"TO:<\xc3\xa4@there.test>", "553 5.6.7"),
        (b"FROM:<x@there.test>", "501 5.5.4"),
        (b"TO:<x@there.test> NOTIFY=NEVER", "555 5.5.4"),
    ],
)
def test_each_rcpt_to(argument: bytes, code: str):
    assert ready().codes(b"MAIL FROM:<a@acme.test>\r\nRCPT " + argument + b"\r\n")[-1] == code


def test_recipients_are_routed_by_lower_case_a_labels_and_kept_as_given():
    script = ready()
    script.say(
        b"MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<Jo@B\xc3\xbccher.Test>\r\nRCPT TO:<X@There.Test>\r\nDATA\r\n" + MESSAGE + b".\r\n"
    )
    mail = script.mails[0]
    assert mail.reverse_path == ""
    assert [(to.email, to.domain) for to in mail.recipients] == [
        ("Jo@Bücher.Test", "xn--bcher-kva.test"),
        ("X@There.Test", "there.test"),
    ]


def test_a_second_mail_from_is_out_of_order_until_rset():
    script = ready()
    mail = b"MAIL FROM:<a@acme.test>\r\n"
    assert script.codes(mail + mail + b"RSET\r\n" + mail) == ["250 2.0.0", "503 5.5.1", "250 2.0.0", "250 2.0.0"]


def test_recipients_beyond_the_bound_belong_to_another_message():
    script = ready(max_recipients=3)
    rcpts = b"".join(b"RCPT TO:<x%d@there.test>\r\n" % number for number in range(5))
    assert script.codes(b"MAIL FROM:<>\r\n" + rcpts) == ["250 2.0.0"] * 4 + ["452 4.5.3"] * 2
    script.say(b"DATA\r\n" + MESSAGE + b".\r\n")
    assert len(script.mails[0].recipients) == 3


def test_ehlo_within_a_message_begins_anew():
    script = ready()
    assert script.codes(ENVELOPE + b"HELO c\r\nDATA\r\n")[-1] == "503 5.5.1"


def test_data_without_a_good_recipient_is_refused():
    assert ready().codes(b"MAIL FROM:<>\r\nRCPT TO:<bad>\r\nDATA\r\n")[-1] == "554 5.5.1"


def test_nothing_new_is_taken_while_the_disk_is_low():
    script = ready(refuse="disk space is low")
    assert script.say(b"MAIL FROM:<>\r\n") == ["452 4.3.1 disk space is low; try again later"]
    script.refuse = None
    script.say(ENVELOPE)
    script.refuse = "disk space is low"
    assert script.codes(b"DATA\r\n") == ["452 4.3.1"]
    assert script.codes(b"BDAT 3 LAST\r\nabc") == ["452 4.3.1"]


def test_a_bound_on_messages_sends_the_client_to_a_new_connection():
    script = ready(max_messages=2)
    one = ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n"
    assert script.codes(one * 3)[-1] == "421 4.7.0"
    assert len(script.mails) == 2


# ── any chunking, any rubbish ───────────────────────────────────────────────────────────────────────────────────────

LINES = st.sampled_from(
    [
        b"EHLO client.test\r\n", b"HELO c\r\n", b"NOOP\r\n", b"RSET\r\n", b"FOO\r\n", b"MAIL FROM:<a@acme.test>\r\n",
        b"MAIL FROM:<> SIZE=200000\r\n",
        b"RCPT TO:<x@there.test>\r\n", b"RCPT TO:<bad\r\n", b"DATA\r\n", b"BDAT 7\r\n", b"BDAT 5 LAST\r\n",
        b"BDAT 0 LAST\r\n", b"AUTH PLAIN\r\n", b"AUTH PLAIN " + plain() + b"\r\n", b"AUTH LOGIN\r\n", plain() + b"\r\n", b"*\r\n",
        MESSAGE, b".\r\n", b"..\r\n", b".\n", b"\n.\r\n", b"x" * 40, b"\r\n", b"\r", b"\n", b"\0", b"x" * 2500, b"QUIT\r\n",
        ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n", ENVELOPE + b"BDAT 41 LAST\r\n" + MESSAGE,
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(LINES, max_size=25),
    cuts=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    trusted=st.booleans(),
    size=st.sampled_from([60, 100_000]),
)
def test_any_chunking_of_the_octets_gives_the_same_replies(lines: list[bytes], cuts: list[int], trusted: bool, size: int):
    data = b"EHLO c\r\n" + b"".join(lines)
    whole, cut = (Script(trusted=OWNER if trusted else None, size=size) for _ in range(2))
    whole.say(data)
    place = turn = 0
    while place < len(data):
        step = cuts[turn % len(cuts)]
        cut.say(data[place : place + step])
        place, turn = place + step, turn + 1
    assert cut.wrote == whole.wrote
    assert cut.mails == whole.mails
    assert cut.closed == whole.closed


@settings(max_examples=100, deadline=None)
@given(chunks=st.lists(st.one_of(st.binary(max_size=200), LINES), max_size=20))
def test_rubbish_never_breaks_it_and_every_answer_is_well_formed(chunks: list[bytes]):
    script = Script(trusted=OWNER)
    for chunk in chunks:
        script.say(chunk)
    assert all(line[:3].isdigit() and line[3:4] in "- " for line in script.wrote.decode().split("\r\n")[:-1])
    assert all(len(line) <= 510 for line in script.wrote.split(b"\r\n"))
    script.session.close()
    assert script.budget.held == 0
