"""Records are read from files of any form in bounded memory, and what cannot be read is told with its place."""

import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.recipients.records import MOST_LINE, MOST_RECORD, read
from homing.recipients.rules.forms.types import Unreadable

HOLDERS = frozenset({"results", "items"})


def records(data: bytes | str) -> list[tuple[int, dict]]:
    raw = data if isinstance(data, bytes) else data.encode()
    return [(one.number, one.record) for one in read(io.BytesIO(raw), HOLDERS) if not one.problem]


def problems(data: bytes | str) -> list[tuple[int, str]]:
    raw = data if isinstance(data, bytes) else data.encode()
    return [(one.number, one.problem) for one in read(io.BytesIO(raw), HOLDERS) if one.problem]


KIM = {"recipient": "kim@there.test"}
LEE = {"recipient": "lee@there.test"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("recipient,type\nkim@there.test,transactional\n", [(2, {**KIM, "type": "transactional"})]),
        ("\ufeffRecipient;List-ID\nkim@there.test;news\n", [(2, {**KIM, "listid": "news"})]),
        ("Email Address\tReason\r\nkim@there.test\tgone\r\n", [(2, {"emailaddress": "kim@there.test", "reason": "gone"})]),
        (
            'recipient,description\nkim@there.test,"two\nlines, one field"\n',
            [(3, {**KIM, "description": "two\nlines, one field"})],
        ),
        ("\n\nrecipient\nkim@there.test\n\nlee@there.test", [(4, KIM), (6, {"recipient": "lee@there.test"})]),
        ("kim@there.test\nlee@there.test\n", [(1, KIM), (2, {"recipient": "lee@there.test"})]),
        ("recipient,type\nkim@there.test\n", [(2, KIM)]),
        ("recipient\n", []),
    ],
)
def test_csv_is_read_as_people_write_it(text, found):
    assert records(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"recipient":"kim@there.test"}]', [KIM]),
        ('{"results":[{"recipient":"kim@there.test"}],"links":[],"total_count":1}', [KIM]),
        ('{"total":{"results":[1]},"Items":[{"recipient":"kim@there.test"},"lee@there.test"]}', [KIM, LEE]),
        ('{"recipient":"kim@there.test"}\n{"Recipient":"lee@there.test"}', [KIM, LEE]),
        ('{"items":[{"recipient":"kim@there.test"}]}{"items":[]}{"items":[{"n":1.5e3}]}', [KIM, {"n": 1500.0}]),
        ("[]", []),
        ('\ufeff [ ] ', []),
    ],
)  # fmt: skip
def test_json_is_read_as_platforms_write_it(text, found):
    assert [record for _, record in records(text)] == found


def test_a_sign_of_several_bytes_may_lie_on_the_edge_of_what_is_held():
    for shift in range(6):
        text = '["' + "a" * shift + "ü€😀" * 30_000 + '"]'
        (one,) = read(io.BytesIO(text.encode()), HOLDERS) if len(text) < MOST_RECORD else [None]
        assert one is None or one.record["recipient"].endswith("😀")
    words = ["ü€😀" * 50 + f"{n}@there.test" for n in range(2_000)]
    found = records("[" + ",".join(f'"{word}"' for word in words) + "]")
    assert [record["recipient"] for _, record in found] == words


def test_a_number_may_lie_on_the_edge_of_what_is_held():
    numbers = list(range(100_000, 150_000))
    found = records("[" + ",".join(f'{{"n":{number}}}' for number in numbers) + "]")
    assert [record["n"] for _, record in found] == numbers


def test_what_cannot_be_read_of_csv_is_told_with_its_line_and_the_rest_is_read():
    data = b"recipient,type\nkim@there.test,\xff\nx" + b"y" * 2 * MOST_LINE + b"\na,b,c\nlee@there.test,t\na\0b,t\n"
    assert problems(data) == [
        (2, "it is not UTF-8"),
        (3, f"the line is longer than {MOST_LINE} bytes"),
        (4, "it has 3 fields, and the first line names 2"),
        (6, "it holds a NUL"),
    ]
    assert records(data) == [(5, {"recipient": "lee@there.test", "type": "t"})]


def test_a_quotation_mark_that_never_closes_costs_a_stretch_and_not_the_file():
    lines = [f"u{n}@there.test,d" for n in range(20_000)]
    lines[10] = '"' + lines[10]
    data = "\n".join(["recipient,description", *lines])
    (told,) = problems(data)
    assert "quotation mark is not closed" in told[1]
    assert records(data)[-1] == (20_001, {"recipient": "u19999@there.test", "description": "d"})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        ("recipient\nkim@there.test".encode("utf-16"), "UTF-16"),
        (b'[{"recipient":"a@b.test"},', "not JSON"),
        (b'[{"recipient":"a@b.test"} {"recipient"', "missing"),
        (b'{"results":[{"a":' + b"[" * 5000, "not JSON|too deep"),
        (b'{"recipient" "x"}', "missing"),
        (b'["' + b"x" * 3 * MOST_RECORD + b'"]', "more than"),
        (b"{1:2}", "not JSON"),
        (b'["a"] x', "not JSON|missing"),
        (b"recipient\ra@b.test\r", "line feed"),
    ],
)
def test_a_file_that_is_neither_is_refused_with_a_sentence(data, why):
    with pytest.raises(Unreadable, match=why):
        list(read(io.BytesIO(data), HOLDERS))


@pytest.mark.parametrize("text", ["[1]", "[null]", "[[1]]"])
def test_a_record_of_json_must_be_an_object_or_an_address(text):
    assert problems(text) == [(1, "it is no object")]


def test_half_a_sign_of_utf_16_is_told():
    assert problems('[{"recipient":"a@b.test","d":"\\ud800"}]') == [(1, "it holds half a sign of UTF-16")]


@given(st.binary(max_size=300) | st.text(alphabet='[]{}",:\n\r\\ab@.\u00e9\0', max_size=200).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_whatever_is_uploaded_is_read_or_refused(data):
    with contextlib.suppress(Unreadable):
        for one in read(io.BytesIO(data), HOLDERS):
            assert one.number >= 1
            one.text.encode()
            for name, value in one.record.items():
                name.encode()
                assert not isinstance(value, str) or value.encode() is not None
