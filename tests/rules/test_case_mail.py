"""What support mail says and proves: own words, threads, tags, DKIM against the standard oracle."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta

import dkim as oracle
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.contracts.types import Contact, ContactRole
from homing.domains.types import SigningKey
from homing.spool.dkim import sign
from homing.support.cases.rules import addresses, dkim
from homing.support.cases.rules.addresses import Tagged, Use, number_in, without_token
from homing.support.cases.rules.reading import clean, clean_text, own_words, read_mail, safe_name
from homing.support.cases.rules.threading import Append, Candidate, Open, Quarantine, place
from tests.kit.dkim_oracle import record

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
RSA = generate_private_key(public_exponent=65537, key_size=1024)
KEYS = {
    "rsa": SigningKey(domain="acme.test", selector="s1", private=RSA),
    "ed25519": SigningKey(domain="acme.test", selector="s1", private=Ed25519PrivateKey.generate()),
}
MAIL = (
    b"From: Kim <kim@acme.test>\r\nTo: help@support.test\r\nSubject:  Mail\r\n\tis slow\r\n\r\n"
    b"Hello,  \r\n\r\n see below \t.\r\n\r\n\r\n"
)


def proves(raw: bytes, key: SigningKey, *, domain: str = "acme.test", now: datetime = NOW) -> bool:
    return any(dkim.holds(raw, claim, record(key).decode()) for claim in dkim.claims(raw, domain, now=now))


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_our_own_signature_proves_its_domain(key: SigningKey):
    signed = sign(MAIL, [key], now=NOW) + MAIL
    assert proves(signed, key)
    assert proves(signed, key, domain="mail.acme.test"), "relaxed alignment"
    assert not proves(signed, key, domain="evil.test")
    assert not proves(signed.replace(b"see below", b"see above"), key)
    assert not proves(signed.replace(b"kim@", b"pat@"), key)
    assert not proves(signed, KEYS["rsa" if key.algorithm == "ed25519" else "ed25519"])


@pytest.mark.parametrize("header_form", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body_form", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"", b"\r\n", b"one\r\n\r\n\r\n", b" two \r\n\tthree", b"a" * 3000 + b"\r\n"])
def test_a_signature_of_another_signer_holds_in_every_canonical_form(header_form: bytes, body_form: bytes, body: bytes):
    mail = b"From: kim@acme.test\r\nSubject:  Mail  is\r\n slow\r\nTo: help@support.test\r\n\r\n" + body
    pem = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    field = oracle.sign(mail, b"s1", b"acme.test", pem, canonicalize=(header_form, body_form))
    now = datetime.now(UTC)
    assert proves(field + mail, KEYS["rsa"], now=now)
    assert not proves(field + mail + b"more\r\n", KEYS["rsa"], now=now)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_no_octets_break_the_check(body: bytes):
    raw = b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.test; s=s1; h=from; bh=" + body + b"\r\n" + MAIL
    assert not proves(raw, KEYS["rsa"])
    assert isinstance(read_mail(body, null_sender=False).body, str)


def changed(field: bytes, what: bytes, by: bytes) -> bytes:
    made = re.sub(what, by, field, count=1)
    assert made != field
    return made


@pytest.mark.parametrize(
    ("what", "by"),
    [
        (rb"v=1", b"v=2"),
        (rb"d=acme", b"d=evil"),
        (rb"h=from:", b"h="),
        (rb"t=\d+;", b"t=99999999999;"),
        (rb"t=\d+;", b"t=1; x=2;"),
        (rb"c=relaxed/relaxed;", b"c=relaxed/relaxed; l=0;"),
        (rb"c=relaxed/relaxed;", b"c=nowsp/relaxed;"),
        (rb"a=rsa-sha256", b"a=rsa-sha1"),
        (rb"s=s1", b"s=s1/../x"),
    ],
)
def test_a_signature_that_does_not_say_enough_is_not_even_looked_up(what: bytes, by: bytes):
    signed = sign(MAIL, [KEYS["rsa"]], now=NOW)
    every_from = what == rb"h=from:"
    signed = re.sub(rb"(?i)\bfrom\b", b"sender", signed) if every_from else changed(signed, what, by)
    assert dkim.claims(signed + MAIL, "acme.test", now=NOW) == []


@pytest.mark.parametrize(
    "published", ["", "v=DKIM1; p=", "v=DKIM2; p=x", "v=DKIM1; k=ed25519; p=AAAA", "v=DKIM1; h=sha1; p=AAAA", "p=!"]
)
def test_a_key_that_is_revoked_or_no_key_proves_nothing(published: str):
    raw = sign(MAIL, [KEYS["rsa"]], now=NOW) + MAIL
    claim = dkim.claims(raw, "acme.test", now=NOW)[0]
    assert not dkim.holds(raw, claim, published)


def test_a_short_key_proves_nothing():
    weak = SigningKey(domain="acme.test", selector="s1", private=generate_private_key(public_exponent=65537, key_size=1024))
    raw = sign(MAIL, [weak], now=NOW) + MAIL
    assert proves(raw, weak)
    claim = dkim.claims(raw, "acme.test", now=NOW)[0]
    short = base64.b64encode(base64.b64decode("MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==")).decode()  # fmt: skip  # noqa: E501
    assert not dkim.holds(raw, claim, f"v=DKIM1; p={short}")


@pytest.mark.parametrize(
    ("signer", "author", "is_one"),
    [
        ("acme.test", "acme.test", True),
        ("acme.test", "mail.acme.test", True),
        ("mail.acme.test", "acme.test", True),
        ("acme.test", "notacme.test", False),
        ("evil.test", "acme.test", False),
        ("test", "acme.test", False),
        ("", "acme.test", False),
        ("acme.test", "", False),
    ],
)
def test_alignment(signer: str, author: str, is_one: bool):
    assert dkim.aligned(signer, author) is is_one


# Words and threads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("works, but still slow\n\nOn Wed, 20 May 2026 at 12:00, Support wrote:\n> Is it over?", "works, but still slow"),
        ("Yes.\n> Is it over?\n> Really?\nThank you.", "Yes.\n\nThank you."),
        ("Ja\n\nAm 20.05.2026 um 12:00 schrieb Support:\n> Vorbei?", "Ja"),
        ("Oui\nLe mer. 20 mai 2026 à 12:00, Support a écrit :\n> Fini ?", "Oui"),
        ("No\n-----Original Message-----\nFrom: Support\nbut not this", "No"),
        ("Done\n\n________________________________\nFrom: Support <help@support.test>\nSent: today", "Done"),
        ("Agreed.\n-- \nKim, not a robot", "Agreed."),
        ("\n> only a quote\n", ""),
        ("From where we stand it works", "From where we stand it works"),
    ],
)
def test_own_words_are_those_that_he_did_not_quote(body: str, words: str):
    assert re.sub(r"\n+", "\n", own_words(body)) == re.sub(r"\n+", "\n", words)


def test_what_a_mail_answers_comes_most_direct_first():
    raw = b"From: kim@acme.test\r\nIn-Reply-To: <a@x>\r\nReferences: <c@x> <b@x>\r\n <a@x>\r\n\r\nhi\r\n"
    assert read_mail(raw, null_sender=False).answers == ("a@x", "b@x", "c@x")


def test_copies_of_one_mail_are_known_by_id_and_author_or_by_their_octets():
    one = read_mail(b"From: kim@acme.test\r\nMessage-ID: <1@x>\r\n\r\na\r\n", null_sender=False)
    again = read_mail(b"Received: by b\r\nFrom: kim@acme.test\r\nMessage-ID: <1@x>\r\n\r\na\r\n", null_sender=False)
    other = read_mail(b"From: pat@acme.test\r\nMessage-ID: <1@x>\r\n\r\na\r\n", null_sender=False)
    bare = read_mail(b"From: pat@acme.test\r\n\r\na\r\n", null_sender=False)
    assert one.dedupe == again.dedupe
    assert len({one.dedupe, other.dedupe, bare.dedupe}) == 3


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\log.txt", "log.txt"),
        ('a"b;c\r\nd', "a_b_c d"),
        ("...", "file-7"),
        ("", "file-7"),
        ("größe.pdf", "größe.pdf"),
        ("\u202egpj.exe", "gpj.exe"),
    ],
)
def test_a_files_name_is_harmless(name: str, safe: str):
    assert safe_name(name, 7) == safe


def test_texts_are_cleaned_of_what_nobody_can_store():
    assert clean("a\x00b\r\nc\ud800 d", 100) == "a b c d"
    assert clean_text("a\x00b\r\nc\ud800\rd") == "ab\nc\nd"
    assert clean("x" * 300, 200) == "x" * 200


def token(message: bytes) -> bytes:
    return hashlib.blake2b(message, digest_size=16, key=b"k").digest()


def test_an_address_names_its_letter_and_what_it_is_for():
    for use in Use:
        address = addresses.tagged_address("help@support.test", use, 123, token)
        tag = address.partition("@")[0].partition("+")[2]
        assert addresses.read_tag(tag, token) == Tagged(use, 123)
        assert addresses.read_tag(tag.upper(), token) == Tagged(use, 123)
        other = ("a" if use is Use.REPLY else "r") + tag[1:]
        for wrong in (other, tag[:-1], tag.replace("123", "124"), tag + "0", ""):
            assert addresses.read_tag(wrong, token) is None
    assert len(addresses.tagged_address("help@s.test", Use.REPLY, 10**12, token).partition("@")[0]) <= 64


def test_a_link_names_its_letter():
    link = addresses.link_of(123, token)
    assert addresses.read_link(link, token) == 123
    for wrong in (link[:-1], link.replace("123", "124"), "", "123", "123-", "x" * 60):
        assert addresses.read_link(wrong, token) is None


def test_the_subject_names_a_case():
    assert number_in("Re: AW: slow [Case 1042]") == 1042
    assert number_in("[case #1042] slow") == 1042
    assert number_in("case 1042") is None
    assert without_token("Re: AW: [Case 1042] Fwd: slow") == "slow"
    assert without_token("RE: Fw: slow") == "slow"


def contact(contact_id: int, account_id: int) -> Contact:
    return Contact(
        contact_id=contact_id,
        account_id=account_id,
        name="Kim",
        email="kim@acme.test",
        email_verified_at=None,
        role=ContactRole.VIEWER,
        may_sign=False,
        may_open_sev1=False,
        language="en",
    )


ONE, TWO = contact(1, 10), contact(2, 20)
CASE = Candidate(case_id=1001, account_id=20)


@pytest.mark.parametrize(
    ("case", "contacts", "automatic", "expected"),
    [
        (CASE, [ONE, TWO], False, Append(case_id=1001, contact=TWO)),
        (CASE, [TWO], True, Append(case_id=1001, contact=TWO)),
        (CASE, [ONE], False, Quarantine),
        (CASE, [], False, Quarantine),
        (None, [ONE], False, Open(contact=ONE)),
        (None, [ONE], True, Quarantine),
        (None, [ONE, TWO], False, Quarantine),
        (None, [], False, Quarantine),
    ],
)
def test_who_is_not_on_the_account_waits_whatever_he_knows(case, contacts, automatic, expected):
    found = place(case, contacts, automatic=automatic, addressee=None)
    assert found == expected if not isinstance(expected, type) else isinstance(found, expected)


def test_a_future_signature_is_refused_and_a_small_skew_is_not():
    raw = sign(MAIL, [KEYS["rsa"]], now=NOW + timedelta(minutes=4)) + MAIL
    assert proves(raw, KEYS["rsa"])
    raw = sign(MAIL, [KEYS["rsa"]], now=NOW + timedelta(minutes=6)) + MAIL
    assert not proves(raw, KEYS["rsa"])
