"""Header fields as written are what the standard library reads."""

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.utils import getaddresses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homing.ground.errors import Permanent
from homing.message.headers import (
    BadHeader,
    check_header_name,
    format_date,
    write_header,
    write_mailboxes,
    write_parameter,
    write_parameters,
)
from homing.message.words import decode_words, encode_words

# Text that a header can hold: no controls, no surrogates; "=?" would be read as an encoded-word, on purpose.
LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=200).filter(lambda text: "=?" not in text)
NAME = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=60).filter(
    lambda text: "=?" not in text
)


def read(field: bytes):
    return email.message_from_bytes(field + b"\r\n", policy=email.policy.default)


def read_mailboxes(field: bytes) -> list[tuple[str, str]]:
    # The newer parser of Python 3.11 keeps the fold between two encoded-words of a phrase as a space; this one does not.
    old = email.message_from_bytes(field + b"\r\n", policy=email.policy.compat32)
    unfolded = re.sub(r"\r\n(?=[ \t])", "", next(iter(old.values())))
    return [(str(make_header(decode_header(name))), address) for name, address in getaddresses([unfolded])]


def lines_are_short(field: bytes, most: int = 76) -> bool:
    return all(len(line) <= most for line in field.split(b"\r\n"))


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("Subject", "Hello", b"Subject: Hello\r\n"),
        ("Subject", "Grüße", b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"),
        ("Subject", "Hi Zoë and all", b"Subject: Hi =?utf-8?q?Zo=C3=AB?= and all\r\n"),
        ("Subject", "日本語", b"Subject: =?utf-8?b?5pel5pys6Kqe?=\r\n"),
        ("X-Folded", "a\r\n b", b"X-Folded: a b\r\n"),
        ("Cc", "lee@there.test, Kim Ö <kim@bücher.example>",
         b"Cc: lee@there.test, =?utf-8?q?Kim_=C3=96?= <kim@xn--bcher-kva.example>\r\n"),
        ("Reply-To", "Acme Inc. <a@b.test>", b'Reply-To: "Acme Inc." <a@b.test>\r\n'),
        ("To", "undisclosed-recipients:;", b"To: undisclosed-recipients:;\r\n"),
        ("List-Id", "<news.acme.test>", b"List-Id: <news.acme.test>\r\n"),
        ("List-Id", "News, näher <news.acme.test>", b"List-Id: =?utf-8?q?News=2C_n=C3=A4her?= <news.acme.test>\r\n"),
        ("To", "用户@例子.测试", "To: 用户@xn--fsqu00a.xn--0zwm56d\r\n".encode()),
    ],
)  # fmt: skip
def test_a_field_is_written(name, value, written):
    assert write_header(name, value) == written


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\n", "Ü", "X\0", "x" * 127])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(BadHeader):
        check_header_name(name)


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y", "a\nb", "a\rb", "a\0b", "a\x1bb", "a\u2028b", "a\r\n\r\nbody", "a\x85b"])
@pytest.mark.parametrize("name", ["Subject", "To", "X-Any", "List-Id", "Message-ID"])
def test_a_value_that_could_begin_another_header_is_refused(name, value):
    with pytest.raises(BadHeader):
        write_header(name, value)


@given(LINE)
@example("x" * 2000)
@example("  two  spaces  ")
@example("a " * 80 + "ü" + " b" * 80)
def test_a_subject_of_any_script_reads_back(text):
    field = write_header("Subject", text)
    assert field.isascii()
    message = read(field)
    assert message.keys() == ["Subject"]
    assert str(message["Subject"]) == text.strip(" \t")
    assert decode_words(text.strip()) == text.strip()


@given(LINE)
def test_lines_are_folded(text):
    words = " ".join(word[:60] for word in text.split())
    assert lines_are_short(write_header("X-Some", words), 78)


@given(st.text(min_size=1, max_size=300), st.integers(0, 80))
def test_no_character_is_split_between_encoded_words(text, room):
    words = encode_words(text, room=room)
    assert all(len(word) <= 75 for word in words)
    assert "".join(decode_words(word) for word in words) == text.encode("utf-8", "replace").decode()


@given(st.lists(NAME.filter(str.strip), min_size=1, max_size=5))
def test_display_names_of_any_script_read_back(names):
    field = write_mailboxes("To", [(name, f"u{number}@there.test") for number, name in enumerate(names)])
    assert field.isascii()
    assert read(field).keys() == ["To"]
    assert read_mailboxes(field) == [(name, f"u{number}@there.test") for number, name in enumerate(names)]


def test_names_of_many_kinds_read_back():
    names = ["Kim", "Kim Lee", "Lee, Kim", 'Kim "K" Lee', "K\\L", "山田 太郎", "Zoë " * 30 + "x", "a@b", "Dr. No", "x" * 90]
    field = write_mailboxes("From", [(name, "kim@there.test") for name in names])
    assert lines_are_short(field)
    assert [name for name, _ in read_mailboxes(field)] == names


@given(st.text(max_size=120))
def test_no_text_at_all_makes_a_second_header(text):
    for name in ("Subject", "To", "Reply-To", "X-Any", "List-Id", "References", "List-Unsubscribe"):
        try:
            field = write_header(name, text)
        except Permanent:
            continue
        assert read(field).keys() == [name]
        assert b"\r\n\r\n" not in field
        assert all(line.strip() for line in field.split(b"\r\n")[:-1])


def test_a_mailbox_needs_an_address():
    with pytest.raises(Permanent):
        write_mailboxes("To", [("Kim", "nobody")])


@given(NAME)
@example('name;with=all "of" it.pdf')
@example("Größe 山.pdf")
@example("山" * 80 + ".pdf")
@example("x" * 255)
@example("it's 100%.txt")
@example("<x>")
def test_file_names_of_any_script_read_back(name):
    field = write_parameters("Content-Disposition", "attachment", write_parameter("filename", name))
    assert field.isascii()
    message = email.message_from_bytes(field + b"\r\n", policy=email.policy.default)
    assert message.keys() == ["Content-Disposition"]
    assert message["Content-Disposition"].params["filename"] == name  # get_filename() drops angle brackets around it
    assert email.message_from_bytes(field + b"\r\n", policy=email.policy.compat32).get_filename() is not None


def test_a_date_is_written_as_in_the_standard():
    assert format_date(datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC)) == "Sun, 01 Feb 2026 03:04:05 +0000"


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?R3LDvMOfZQ==?= x", "Grüße x"),
        ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "ü"),
        ("=?iso-8859-1?Q?=FC?= =?utf-8?Q?=C3=BC?=", "üü"),
        ("=?iso-8859-1*de?Q?=FC?=", "ü"),
        ("a =?bad", "a =?bad"),
        ("=?nonsense?q?=C3=BC?=", "ü"),
        ("=?base64?q?abc?=", "abc"),
        ("=?utf-8?b?!!!?=", ""),
    ],
)
def test_encoded_words_are_read(text, decoded):
    assert decode_words(text) == decoded


@given(st.text(alphabet="=?utf8-bqBQ_+ /AC3\t", max_size=60))
def test_any_rubbish_like_encoded_words_is_read_without_an_error(text):
    decode_words(text)


def test_an_address_can_be_read_by_others():
    message = read(write_mailboxes("To", [("Kim Ö", "kim@bücher.example"), (None, "lee@there.test")]))
    assert message["To"].addresses == (
        Address("Kim Ö", "kim", "xn--bcher-kva.example"), Address("", "lee", "there.test"),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["Reply-To", "List-Id", "From"])
@pytest.mark.parametrize("word", ["=?utf-8?q?a=0D=0ABcc:_x@y?=", "=?utf-8?b?YQ0KQmNjOiB4QHk=?=", "=?utf-8?q?=C3=BC=00=0A?="])
def test_a_line_break_inside_an_encoded_word_makes_no_header(name, word):
    for field in (write_header(name, f"{word} <a@b.test>"), write_mailboxes(name, [(word, "a@b.test")])):
        assert read(field).keys() == [name]
        assert b"\r\nBcc" not in field


def test_names_that_are_encoded_already_are_not_encoded_twice():
    field = write_mailboxes("From", [("=?utf-8?q?Z=C3=A9?=", "a@b.test")])
    assert read(field)["From"].addresses[0].display_name == "Zé"
