"""Addresses: what passes, what does not, and in which form it comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.message.addresses import (
    BadAddress,
    parse_address,
    parse_mailbox,
    routing_domain,
    split_mailbox,
    split_mailboxes,
)


@pytest.mark.parametrize(
    ("text", "local", "domain", "utf8"),
    [
        ("kim@there.test", "kim", "there.test", False),
        ("Kim.O'Hara+x@There.TEST", "Kim.O'Hara+x", "there.test", False),
        ("a@b", "a", "b", False),
        ('"a b"@there.test', '"a b"', "there.test", False),
        ('"a@b"@there.test', '"a@b"', "there.test", False),
        (r'"a\"b"@there.test', r'"a\"b"', "there.test", False),
        ("kim@bücher.example", "kim", "xn--bcher-kva.example", False),
        ("kim@BÜCHER.example", "kim", "xn--bcher-kva.example", False),
        ("kim@faß.example", "kim", "xn--fa-hia.example", False),
        ("kim@XN--BCHER-KVA.example", "kim", "xn--bcher-kva.example", False),
        ("用户@例子.测试", "用户", "xn--fsqu00a.xn--0zwm56d", True),
        ("kim@例子。测试", "kim", "xn--fsqu00a.xn--0zwm56d", False),
        ("x" * 64 + "@there.test", "x" * 64, "there.test", False),
    ],
)
def test_an_address_is_read(text, local, domain, utf8):
    address = parse_address(text)
    assert (address.local, address.domain, address.utf8) == (local, domain, utf8)
    assert address.text == f"{local}@{domain}"
    assert routing_domain(text) == domain


@pytest.mark.parametrize(
    "text",
    [
        "", "kim", "@there.test", "kim@", "kim@@there.test", ".kim@there.test", "kim.@there.test", "k..m@there.test",
        "k im@there.test", "kim@the re.test", "kim@there..test", "kim@.there.test", "kim@there.test.", "kim@-there.test",
        "kim@there_here.test", "kim@there.test\r\n", "kim@there.test\r\nRCPT TO:<x@y>", "k\0im@there.test",
        "kim@1.2.3.4", "kim@[192.0.2.1]", "x" * 65 + "@there.test", "kim@" + "a." * 130 + "test", "é" * 33 + "@there.test",
        "kim@" + "a" * 64 + ".test", '"a@there.test', 'a"b"@there.test', "kim,lee@there.test", "<kim@there.test>",
        "kim@there.test\u2028", "k\x85m@there.test", "kim\ud800@there.test", "kïm\u3000x@there.test", "kim@\u2028.test",
        "kim@☃\u200d.☃", "kim@xn--.xn--é",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(text):
    with pytest.raises(BadAddress) as refused:
        parse_address(text)
    assert len(str(refused.value)) > 10


def test_an_address_literal_passes_only_where_it_is_asked_for():
    assert parse_address("kim@[192.0.2.1]", literals=True).domain == "[192.0.2.1]"
    assert parse_address("kim@[IPv6:2001:db8::1]", literals=True).domain == "[IPv6:2001:db8::1]"
    with pytest.raises(BadAddress):
        parse_address("kim@[there]", literals=True)


@pytest.mark.parametrize(
    ("text", "name", "email"),
    [
        ("a@b", None, "a@b"),
        ("Name <a@b>", "Name", "a@b"),
        ('"Name, Dr." <a@B.test>', "Name, Dr.", "a@b.test"),
        ("Acme, Inc. <news@acme.test>", "Acme, Inc.", "news@acme.test"),
        (r'"The \"Shop\"" <a@b>', 'The "Shop"', "a@b"),
        ("<a@b>", None, "a@b"),
        ("Zoë 山 <a@b>", "Zoë 山", "a@b"),
    ],
)
def test_a_mailbox_is_split_into_name_and_address(text, name, email):
    assert parse_mailbox(text) == (name, email)


@pytest.mark.parametrize("text", ["Name\r\nBcc: x@y <a@b>", "Name <a@b\r\n>", "Name", "Name <>", "\x00 <a@b>"])
def test_a_mailbox_that_could_end_its_header_is_refused(text):
    with pytest.raises(BadAddress):
        parse_mailbox(text)


def test_a_mailbox_with_template_language_is_split_unread():
    assert split_mailbox('"{{shop}}" <news@{{domain}}>') == ("{{shop}}", "news@{{domain}}")


def test_a_list_of_mailboxes_is_split_outside_of_quotes_comments_and_angles():
    assert split_mailboxes('"To, one" <to@x>, lee@x (Lee, of x), =?utf-8?q?Z=C3=A9?= <z@x>, "q x"@y') == [
        ("To, one", "to@x"), ("", "lee@x"), ("=?utf-8?q?Z=C3=A9?=", "z@x"), ("", '"q x"@y'),
    ]  # fmt: skip


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_and_what_is_read_is_one_line(text):
    try:
        address = parse_address(text)
    except BadAddress:
        return
    assert address.domain.isascii()
    assert address.domain == address.domain.lower()
    assert not set(address.text) & set("\r\n\0")
    assert parse_address(address.text) == address


@given(st.text(alphabet='a@.,<>"\\()[] \tü', max_size=40))
def test_any_list_is_split_or_refused(text):
    try:
        split_mailboxes(text)
    except BadAddress:
        return


def test_a_list_of_unclosed_quotes_is_refused_at_once():
    with pytest.raises(BadAddress):
        split_mailboxes('"\\' * 100_000)
    with pytest.raises(BadAddress):
        split_mailboxes("(" * 100_000)
