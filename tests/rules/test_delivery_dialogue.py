"""The client's half of SMTP as a script: replies in, commands out, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.delivery.rules.dialogue import (
    MAX_LINE_BYTES,
    MAX_TEXT,
    Capabilities,
    ReplyReader,
    Transaction,
    capabilities,
    envelope,
    stuffed,
    wants_helo,
)
from homing.delivery.types import Reply, Stage, Trouble
from homing.ground.errors import Misuse


def read(data, *cuts):
    reader = ReplyReader()
    replies = []
    at = 0
    for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        replies += reader.feed(data[at:cut])
        at = cut
    return replies, reader.broken


line = st.one_of(
    st.sampled_from(
        [
            b"250 ok\r\n",
            b"250-mx\r\n",
            b"250 PIPELINING\n",
            b"354 go\r\n",
            b"550-5.1.1 no\r\n",
            b"421 bye\r\n",
            b"250\r\n",
            b"999 x\r\n",
        ]
    ),
    st.binary(max_size=12),
    st.builds(
        lambda code, mark, text: b"%d%s%s\r\n" % (code, mark, text),
        st.integers(200, 599),
        st.sampled_from([b" ", b"-"]),
        st.binary(max_size=8),
    ),
    st.just(b"250-" + b"x" * 1500),
)


@given(st.lists(line, max_size=12), st.lists(st.integers(0, 4000), max_size=30))
def test_any_chunking_of_the_bytes_gives_the_same_replies(lines, cuts):
    data = b"".join(lines)
    whole = read(data)
    assert read(data, *cuts) == whole
    assert read(data, *range(len(data))) == whole


@given(st.binary(max_size=6000))
def test_any_bytes_are_replies_or_rubbish_but_never_an_exception(data):
    replies, _ = read(data)
    for reply in replies:
        assert 200 <= reply.code <= 599
        assert all(text.isprintable() for text in reply.lines)


def test_a_reply_of_many_lines_is_one_reply():
    replies, broken = read(b"250-mx.test\r\n250-SIZE 100\r\n250 8BITMIME\r\n220 next\r\n")
    assert [reply.text for reply in replies] == ["250 mx.test SIZE 100 8BITMIME", "220 next"]
    assert broken == ""


def test_lines_that_disagree_count_by_the_last_code():
    assert read(b"250-one\r\n550 two\r\n")[0] == [Reply(550, ("one", "two"))]


def test_control_characters_of_a_peer_are_removed():
    (reply,), _ = read("550 5.1.1 \x1b[31mno\x00 such\tuser\u202e\x07 \u2028here\r\n".encode())
    assert reply.text == "550 5.1.1 [31mno such user  here"


def test_bytes_that_are_no_utf8_are_replaced():
    (reply,), _ = read(b"550 gr\xfcn\r\n")
    assert reply.text == "550 gr\ufffdn"


@pytest.mark.parametrize(
    "rubbish", [b"HTTP/1.1 200 OK\r\n", b"\r\n", b"25\r\n", b"250_x\r\n", b"150 x\r\n", b"x" * (MAX_LINE_BYTES + 1)]
)
def test_what_is_no_reply_breaks_the_reader_for_good(rubbish):
    replies, broken = read(b"220 hi\r\n" + rubbish + b"250 ok\r\n", 8, 8 + len(rubbish))
    assert [reply.code for reply in replies] == [220]
    assert broken


def test_a_reply_without_end_is_bounded():
    reader = ReplyReader()
    for _ in range(300):
        reader.feed(b"250-" + b"x" * 1000 + b"\r\n")
    assert reader.broken
    (reply,), _ = read((b"250-" + b"x" * 1000 + b"\r\n") * 50 + b"250 end\r\n")
    assert sum(map(len, reply.lines)) <= MAX_TEXT


def test_capabilities_are_read_in_any_case():
    offered = capabilities(Reply(250, ("mx.test greets you", "pipelining", "SIZE 1000", "8BitMIME", "STARTTLS", "AUTH PLAIN")))
    assert offered == Capabilities(pipelining=True, size=1000, eight_bit_mime=True, starttls=True)


def test_the_greeting_line_is_no_capability():
    assert capabilities(Reply(250, ("PIPELINING",))) == Capabilities()


@pytest.mark.parametrize(("argument", "size"), [("", 0), ("0", 0), ("12 34", 0), ("-5", 0), ("9" * 30, 0), ("٣", 0), ("77", 77)])
def test_a_size_that_is_no_number_is_no_limit(argument, size):
    assert capabilities(Reply(250, ("mx", f"SIZE {argument}"))).size == size


@pytest.mark.parametrize(
    ("code", "helo"), [(500, True), (502, True), (550, True), (554, False), (521, False), (421, False), (250, False)]
)
def test_helo_follows_only_where_ehlo_itself_was_refused(code, helo):
    assert wants_helo(Reply(code, ())) is helo


def test_parameters_go_only_to_those_who_offered_them():
    plain = envelope("a@x.test", "b@y.test", size=9, utf8=True, eight_bit=True, offered=Capabilities())
    assert plain == (b"MAIL FROM:<a@x.test>\r\n", b"RCPT TO:<b@y.test>\r\n")
    able = Capabilities(eight_bit_mime=True, smtputf8=True, size=100)
    mail, _ = envelope("", "b@y.test", size=9, utf8=True, eight_bit=True, offered=able)
    assert mail == b"MAIL FROM:<> SIZE=9 BODY=8BITMIME SMTPUTF8\r\n"


@pytest.mark.parametrize("address", ["a@x.test\r\nDATA", "a@x.test>", "<a@x.test", "a\x00@x.test", "a@x.test\u2028"])
def test_an_address_that_would_break_a_command_is_refused(address):
    with pytest.raises(Misuse):
        envelope("s@x.test", address, size=1, utf8=False, eight_bit=False, offered=Capabilities())


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"..\r\n.x\r\n", b"...\r\n..x\r\n.\r\n"),
        (b"a.b\r\n", b"a.b\r\n.\r\n"),
    ],
)
def test_leading_dots_are_doubled(message, wire):
    assert stuffed(message) == wire


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b".a", b"a.", b"a b"]), max_size=20))
def test_a_receiver_gets_back_the_message_that_was_stuffed(lines):
    message = b"".join(text + b"\r\n" for text in lines)
    got = []
    for text in stuffed(message).split(b"\r\n"):
        if text == b".":
            break
        got.append(text.removeprefix(b"."))
    assert b"".join(text + b"\r\n" for text in got) == message


def play(answers, *, pipelining, reset=False):
    """Feed answers to a transaction; return it and what it wrote, one item a write."""
    talk = Transaction(mail=b"M\r\n", rcpt=b"R\r\n", body=b"body\r\n.\r\n", pipelining=pipelining, reset=reset)
    said = [talk.opening()]
    for answer in answers:
        assert not talk.finished
        said.append(talk.take(Reply(answer, (f"answer {answer}",))))
    return talk, [text for text in said if text]


def test_with_pipelining_the_envelope_is_one_write_and_the_message_another():
    talk, said = play([250, 250, 354, 250], pipelining=True)
    assert said == [b"M\r\nR\r\nDATA\r\n", b"body\r\n.\r\n"]
    assert (talk.stage, talk.reply and talk.reply.code, talk.close, talk.needs_reset) == (Stage.END_OF_DATA, 250, False, False)
    assert talk.body_sent


def test_without_pipelining_every_command_waits():
    _, said = play([250, 250, 354, 250], pipelining=False)
    assert said == [b"M\r\n", b"R\r\n", b"DATA\r\n", b"body\r\n.\r\n"]


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_reset_comes_before_the_next_envelope(pipelining):
    _, said = play([250, 250, 250, 354, 250], pipelining=pipelining, reset=True)
    assert b"".join(said) == b"RSET\r\nM\r\nR\r\nDATA\r\nbody\r\n.\r\n"


# answers, writes after the opening, stage, code, must close, needs RSET
PIPELINED = [
    ([550, 503, 503], [], Stage.MAIL, 550, False, True),
    ([250, 550, 503], [], Stage.RCPT, 550, False, True),
    ([250, 450, 554], [], Stage.RCPT, 450, False, True),
    ([250, 250, 451], [], Stage.DATA, 451, False, True),
    ([250, 550, 354, 554], [b".\r\n"], Stage.RCPT, 550, False, False),
    ([250, 550, 354, 250], [b".\r\n"], Stage.RCPT, 550, False, False),
    ([550, 503, 354, 554], [b".\r\n"], Stage.MAIL, 550, False, False),
    ([550, 250, 354], [], Stage.MAIL, 550, True, True),
    ([250, 550, 421], [], Stage.RCPT, 550, True, True),
    ([250, 550, 250], [], Stage.RCPT, 550, True, True),
    ([421], [], Stage.MAIL, 421, True, True),
    ([250, 421], [], Stage.RCPT, 421, True, True),
    ([250, 250, 354, 421], [b"body\r\n.\r\n"], Stage.END_OF_DATA, 421, True, False),
    ([250, 250, 354, 552], [b"body\r\n.\r\n"], Stage.END_OF_DATA, 552, False, False),
    ([251, 252, 354, 252], [b"body\r\n.\r\n"], Stage.END_OF_DATA, 252, False, False),
]


@pytest.mark.parametrize(("answers", "writes", "stage", "code", "close", "reset"), PIPELINED)
def test_pipelined_refusals_keep_the_session_in_step(answers, writes, stage, code, close, reset):
    talk, said = play(answers, pipelining=True)
    assert talk.finished
    assert said[1:] == writes
    assert (talk.stage, talk.reply and talk.reply.code, talk.close, talk.needs_reset) == (stage, code, close, reset)


@pytest.mark.parametrize(
    ("answers", "stage", "code"),
    [([550], Stage.MAIL, 550), ([250, 550], Stage.RCPT, 550), ([250, 250, 450], Stage.DATA, 450)],
)
def test_step_by_step_a_refusal_ends_at_once(answers, stage, code):
    talk, _ = play(answers, pipelining=False)
    assert talk.finished
    assert (talk.stage, talk.reply and talk.reply.code, talk.close, talk.needs_reset) == (stage, code, False, True)


@pytest.mark.parametrize(
    ("answers", "stage"),
    [
        ([354], Stage.MAIL),
        ([250, 354], Stage.RCPT),
        ([250, 250, 250], Stage.DATA),
        ([250, 250, 354, 354], Stage.END_OF_DATA),
    ],
)
def test_a_reply_that_makes_no_sense_closes_the_session(answers, stage):
    talk, _ = play(answers, pipelining=True)
    assert talk.finished
    assert (talk.stage, talk.reply, talk.trouble, talk.close) == (stage, None, Trouble.NOT_SMTP, True)


def test_a_refused_reset_closes_the_session():
    talk, _ = play([500], pipelining=True, reset=True)
    assert (talk.stage, talk.trouble, talk.close) == (Stage.MAIL, Trouble.NOT_SMTP, True)


def test_a_connection_lost_after_a_refusal_is_still_that_refusal():
    talk, _ = play([250, 550], pipelining=True)
    talk.lose(Trouble.DROPPED, "reset")
    assert (talk.stage, talk.reply and talk.reply.code, talk.trouble) == (Stage.RCPT, 550, None)


def test_a_consent_before_the_message_left_is_not_believed():
    talk, _ = play([250, 250, 354], pipelining=True)
    talk.take_early(Reply(250, ("thanks",)))
    assert (talk.reply, talk.trouble, talk.close) == (None, Trouble.NOT_SMTP, True)


@given(st.lists(st.integers(200, 599), min_size=6, max_size=8), st.booleans(), st.booleans())
def test_any_answers_come_to_an_end_and_success_is_only_what_the_peer_said(answers, pipelining, reset):
    talk = Transaction(mail=b"M\r\n", rcpt=b"R\r\n", body=b"body\r\n.\r\n", pipelining=pipelining, reset=reset)
    said = [talk.opening()]
    for answer in answers:
        if talk.finished:
            break
        said.append(talk.take(Reply(answer, ())))
    assert talk.finished
    assert (talk.reply is None) != (talk.trouble is None)
    if talk.reply is not None and talk.reply.code < 400:
        assert talk.stage is Stage.END_OF_DATA
        assert b"".join(said).count(b"body") == 1
    assert b"".join(said).count(b"DATA") <= 1
