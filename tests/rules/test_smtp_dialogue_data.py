"""Where a message begins and ends on the wire, and what no message may hold: nothing is smuggled, nothing grows unbounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.smtp import replies
from tests.kit.smtp_script import OWNER, Script

ENVELOPE = b"MAIL FROM:<a@acme.test>\r\nRCPT TO:<x@there.test>\r\n"
HEAD = b"From: a@acme.test\r\n\r\n"


def in_data(**settings: object) -> Script:
    script = Script(trusted=OWNER, **settings)
    script.say(b"EHLO client.test\r\n" + ENVELOPE + b"DATA\r\n")
    return script


def test_a_message_is_taken_whole_and_answered_once():
    script = in_data()
    assert script.say(HEAD + b"hello\r\n") == []
    assert script.say(b".\r\n") == ["250 2.0.0 OK 1"]
    assert script.mails[0].body == HEAD + b"hello\r\n"
    assert script.mails[0].number == 1


def test_dots_are_unstuffed():
    script = in_data()
    script.say(b"..a: b\r\n\r\n...\r\n..\r\n.x\r\n.\r\n")
    assert script.mails[0].body == b".a: b\r\n\r\n..\r\n.\r\nx\r\n"


def test_an_empty_message_ends_at_once():
    script = in_data()
    script.say(b".\r\n")
    assert script.mails[0].body == b""


def test_what_is_pipelined_behind_the_end_is_answered_in_order():
    script = in_data()
    second = ENVELOPE + b"DATA\r\n" + HEAD + b"two\r\n.\r\nQUIT\r\n"
    assert script.codes(HEAD + b"one\r\n.\r\n" + second) == [
        "250 2.0.0", "250 2.0.0", "250 2.0.0", "354 3.0.0", "250 2.0.0", "221 2.3.0",
    ]  # fmt: skip
    assert [mail.number for mail in script.mails] == [1, 2]


@pytest.mark.parametrize(
    "false_end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n", b"\r\r\n.\r\r\n"]
)
def test_nothing_but_crlf_dot_crlf_ends_a_message(false_end: bytes):
    script = in_data()
    smuggled = b"MAIL FROM:<evil@evil.test>\r\nRCPT TO:<victim@there.test>\r\nDATA\r\nFrom: evil@evil.test\r\n\r\nevil"
    said = script.codes(HEAD + b"hello" + false_end + smuggled + b"\r\n.\r\n")
    assert said == ["550 5.6.0"]
    assert script.mails == []
    assert script.codes(b"NOOP\r\n") == ["250 2.0.0"]


@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n", b"\na\r\n", b"a\0b\r\n", b"x" * 65_537 + b"\r\n"])
def test_what_no_message_may_hold_is_refused_by_data_and_by_chunks(body: bytes):
    assert in_data().codes(HEAD + body + b".\r\n") == ["550 5.6.0"]
    script = Script(trusted=OWNER)
    script.say(b"EHLO c\r\n" + ENVELOPE)
    whole = HEAD + body
    assert script.codes(b"BDAT %d LAST\r\n" % len(whole) + whole) == ["550 5.6.0"]


@pytest.mark.parametrize("body", [b"x" * 65_536 + b"\r\n", b"\xff\xfe\x80\r\n", b"\r\n\r\n\r\n", (b"y" * 998 + b"\r\n") * 90])
def test_long_lines_and_eight_bits_are_taken(body: bytes):
    assert in_data().codes(HEAD + body + b".\r\n") == ["250 2.0.0"]


def test_an_oversize_message_is_read_to_its_end_in_bounded_memory():
    script = in_data(size=1000)
    for _ in range(500):
        assert script.say(b"x" * 998 + b"\r\n") == []
        assert script.session.unread <= 2000
    assert script.budget.held == 0
    assert script.codes(b".\r\n") == ["552 5.3.4"]
    assert script.codes(ENVELOPE) == ["250 2.0.0", "250 2.0.0"]


def test_a_message_of_exactly_the_size_offered_is_taken():
    body = b"From: a\r\n\r\n" + b"x" * 87 + b"\r\n"
    assert len(body) == 100
    assert in_data(size=100).codes(body + b".\r\n") == ["250 2.0.0"]
    assert in_data(size=99).codes(body + b".\r\n") == ["552 5.3.4"]


def test_beyond_the_workers_memory_a_message_is_refused_for_now():
    script = in_data(memory=5000)
    for _ in range(20):
        script.say(b"x" * 998 + b"\r\n")
    assert script.codes(b".\r\n") == ["452 4.3.1"]
    script.budget.held = 6000  # others hold it all
    assert script.codes(ENVELOPE + b"DATA\r\n") == ["250 2.0.0", "250 2.0.0", "452 4.3.1"]


def test_memory_stays_counted_until_the_answer():
    held = []
    script = in_data()
    taken = script.session.mail_answered

    def look(reply: replies.Reply) -> list[object]:
        held.append(script.budget.held)
        return taken(reply)

    for chunk in (HEAD, b"hello\r\n.\r\n"):
        actions = script.session.feed(chunk)
    assert len(actions) == 1
    look(replies.LOCAL_ERROR)
    assert held == [len(HEAD) + 7]
    assert script.budget.held == 0


def test_a_refused_message_leaves_the_conversation_open():
    script = in_data(answer=replies.LOCAL_ERROR)
    assert script.codes(HEAD + b".\r\n") == ["451 4.3.0"]
    assert script.codes(ENVELOPE) == ["250 2.0.0", "250 2.0.0"]


# ── BDAT (RFC 3030) ─────────────────────────────────────────────────────────────────────────────────────────────────


def chunked(data: bytes, **settings: object) -> tuple[list[str], Script]:
    script = Script(trusted=OWNER, **settings)
    script.say(b"EHLO c\r\n" + ENVELOPE)
    return script.codes(data), script


def test_chunks_make_one_message_without_dot_stuffing():
    said, script = chunked(b"BDAT 21\r\n" + HEAD + b"BDAT 9 LAST\r\n..\r\n.\r\n\r\n")
    assert said == ["250 2.0.0", "250 2.0.0"]
    assert script.mails[0].body == HEAD + b"..\r\n.\r\n\r\n"


def test_an_empty_last_chunk_ends_the_message():
    said, script = chunked(b"BDAT 21\r\n" + HEAD + b"bdat 0 last\r\nNOOP\r\n")
    assert said == ["250 2.0.0"] * 3
    assert script.mails[0].body == HEAD


def test_a_missing_last_line_end_is_added():
    _, script = chunked(b"BDAT 26 LAST\r\n" + HEAD + b"hello")
    assert script.mails[0].body == HEAD + b"hello\r\n"


def test_octets_of_a_refused_chunk_are_never_commands():
    said, script = chunked(b"BDAT 15 LAST\r\nQUIT\r\nQUIT\r\nXXXNOOP\r\n", size=10)
    assert said == ["552 5.3.4", "250 2.0.0"]
    assert script.mails == []


def test_after_a_failed_chunk_the_rest_is_refused_until_the_last():
    said, script = chunked(b"BDAT 6\r\nabcd\r\nBDAT 6\r\nabcd\r\nBDAT 6\r\nabcd\r\nBDAT 6 LAST\r\nabcd\r\n" + ENVELOPE, size=10)
    assert said == ["250 2.0.0", "552 5.3.4", "503 5.5.1", "503 5.5.1", "250 2.0.0", "250 2.0.0"]
    assert script.mails == []


def test_data_and_chunks_do_not_mix():
    said, _ = chunked(b"BDAT 21\r\n" + HEAD + b"DATA\r\nRSET\r\n" + ENVELOPE + b"DATA\r\n")
    assert said == ["250 2.0.0", "503 5.5.1", "250 2.0.0", "250 2.0.0", "250 2.0.0", "354 3.0.0"]


@pytest.mark.parametrize("argument", [b"", b"x", b"-1", b"1 FIRST", b"1 LAST x", b"9" * 21])
def test_a_chunk_of_unknown_length_ends_the_conversation(argument: bytes):
    said, script = chunked(b"BDAT " + argument + b"\r\nMAIL FROM:<evil@evil.test>\r\n")
    assert said == ["501 5.5.4"]
    assert script.closed


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=30).map(lambda b: b.translate(None, b"\r\n\0")), max_size=12),
    cut=st.integers(1, 40),
)
def test_any_text_comes_out_as_it_went_in(lines: list[bytes], cut: int):
    text = b"".join(line + b"\r\n" for line in lines)
    wire = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines) + b".\r\n"
    script = in_data()
    for place in range(0, len(wire), cut):
        script.say(wire[place : place + cut])
    assert [mail.body for mail in script.mails] == [text]
