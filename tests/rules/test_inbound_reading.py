"""Mail that came back, as many hosts and providers send it: tests/rules/data/inbound, with the verdicts in expected.json."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.events.rules.classify import Classifier
from homing.inbound.rules.reading import read
from homing.inbound.types import Kind

CORPUS = Path(__file__).parent / "data" / "inbound"
EXPECTED = json.loads((CORPUS / "expected.json").read_text())
CLASSIFIER = Classifier.from_package()


def load(name: str) -> bytes:
    return (CORPUS / f"{name}.eml").read_bytes()


def by_machine(raw: bytes) -> bool:
    return raw.startswith(b"Return-Path: <>")


def test_every_message_has_a_verdict_and_the_other_way_round():
    assert {each.stem for each in CORPUS.glob("*.eml")} == set(EXPECTED)
    assert len(EXPECTED) >= 60


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_message_is_read_as_what_it_is(name):
    raw, wanted = load(name), EXPECTED[name]
    found = read(raw, null_sender=by_machine(raw))
    assert found.kind == wanted["kind"], found
    if wanted["kind"] in ("bounce", "delayed"):
        assert found.failures
        first = found.failures[0]
        if wanted.get("recipient"):
            assert wanted["recipient"] in (first.recipient, first.original)
        if "status" in wanted:
            assert first.status == wanted["status"]
        if "remote" in wanted:
            assert first.remote == wanted["remote"]
    if wanted["kind"] == "bounce":
        verdict = CLASSIFIER.classify(found.failures[0].text)
        if wanted["class"] is not None:
            assert verdict.bounce_class == wanted["class"], (found.failures[0].text, verdict)
        if "suppress" in wanted:
            assert verdict.suppress == wanted["suppress"], (found.failures[0].text, verdict)
    if "count" in wanted:
        assert len(found.failures) == wanted["count"]
    if "feedback_type" in wanted:
        assert found.report.feedback_type == wanted["feedback_type"]
    if "message_id" in wanted:
        assert wanted["message_id"] in found.returned.message_ids
    if "path" in wanted:
        assert wanted["path"] in found.returned.paths
    if "msfbl" in wanted:
        assert found.returned.msfbl == (wanted["msfbl"],)


@given(st.sampled_from([name for name in sorted(EXPECTED) if load(name)]), st.data())
@settings(max_examples=300)
def test_a_message_may_be_torn(name, data):
    raw = load(name)
    cut = data.draw(st.integers(0, len(raw)))
    place = data.draw(st.integers(0, len(raw) - 1))
    torn = bytearray(raw[:cut] + data.draw(st.binary(max_size=20)) + raw[place:])
    read(bytes(torn), null_sender=data.draw(st.booleans()))


_LINES = st.sampled_from(
    [
        b"Content-Type: multipart/report; boundary=x", b"Content-Type: message/delivery-status", b"Content-Type: text/html",
        b"Content-Type: message/rfc822", b"Content-Type: message/feedback-report", b"--x", b"--x--", b"", b" folded",
        b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable", b"Final-Recipient: rfc822; a@b",
        b"Action: failed", b"Status: 5.1.1", b"Status: 9.9", b"Diagnostic-Code: smtp; 550 \xff no", b"Feedback-Type: abuse",
        b"=?utf-8?q?=FF?=", b"Subject: =?x?b?!!?=", b"<a@b>:", b"550 5.1.1 no", b"Message-ID: <x>", b"\x00\xff",
        b"Content-Type: text/plain; charset=punycode", b"Content-Type: text/plain; charset=utf-16",
    ]
)  # fmt: skip


@given(st.lists(_LINES, max_size=60), st.booleans(), st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_any_message_is_read(lines, null_sender, end):
    assert isinstance(read(end.join(lines), null_sender=null_sender).kind, Kind)


@given(st.binary(max_size=2000), st.booleans())
def test_any_octets_are_read(raw, null_sender):
    assert isinstance(read(raw, null_sender=null_sender).kind, Kind)


def _nested(depth: int) -> bytes:
    parts = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number) for number in range(depth)]
    return b"".join(parts) + b"Content-Type: text/plain\r\n\r\nend\r\n"


_BIG = 1_100_000
HOSTILE: dict[str, Callable[[], bytes]] = {
    "deep": lambda: _nested(20_000),
    "many parts": lambda: b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\na\r\n" * 100_000,
    "many statuses": lambda: b"Content-Type: message/delivery-status\r\n\r\n" + b"Final-Recipient: rfc822; a@b\r\n\r\n" * 30_000,
    "many fields": lambda: b"a:\r\n" * 250_000,
    "one long line": lambda: b"Subject: " + b"x" * _BIG,
    "dashes": lambda: b"From: mailer-daemon@x\r\n\r\n" + b"-" * _BIG,
    "angles": lambda: b"Content-Type: text/html\r\n\r\n" + b"<" * _BIG,
    "styles": lambda: b"Content-Type: text/html\r\n\r\n" + b"<style>" * 100_000,
    "digits": lambda: b"From: mailer-daemon@x\r\nSubject: failure notice\r\n\r\n" + b"5.5.5" * 200_000,
    "at signs": lambda: b"From: mailer-daemon@x\r\nSubject: failure notice\r\n\r\n" + b"a@" * 500_000,
    "spaces": lambda: b"From: mailer-daemon@x\r\nSubject: failure notice\r\n\r\n" + b"  user " * 150_000,
    "quotes": lambda: b'Content-Type: multipart/mixed; boundary="' + b'\\"' * 500_000,
    "parameters": lambda: b"Content-Type: multipart/mixed" + b'; a="' * 200_000,
    "encoded words": lambda: b"Subject: " + b"=?utf-8?q?a?= " * 70_000 + b"\r\n\r\n",
    "blank lines": lambda: b"From: mailer-daemon@x\r\nSubject: failure notice\r\n\r\n" + b"\r\n" * 500_000,
    "confirm": lambda: b"From: a@x\r\n\r\n" + b"please confirm your " * 50_000,
    "unsubscribe": lambda: b"Subject: " + b"re:" * 300_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_message_is_read_in_time(name):
    raw = HOSTILE[name]()
    begun = time.process_time()
    read(raw, null_sender=True)
    assert time.process_time() - begun < 2.0
