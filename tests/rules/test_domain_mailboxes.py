"""Proof by mail: when a mailbox is asked, and what proves."""

from datetime import UTC, datetime, timedelta

import pytest

from homing.domains.rules.mailboxes import (
    GOOD_FOR,
    MOST_OF_ACCOUNT,
    MOST_OF_DOMAIN,
    Proof,
    Sent,
    Way,
    local_part,
    proves,
    why_not,
)

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def sent(*, ago: timedelta | None = None, of_domain: int = 0, of_account: int = 0) -> Sent:
    return Sent(last_at=None if ago is None else NOW - ago, of_domain=of_domain, of_account=of_account)


@pytest.mark.parametrize(
    ("mails", "words"),
    [
        (sent(), None),
        (sent(ago=timedelta(minutes=1), of_domain=1), None),
        (sent(ago=timedelta(seconds=59), of_domain=1), "less than a minute ago"),
        (sent(ago=timedelta(hours=1), of_domain=MOST_OF_DOMAIN), "for this domain today"),
        (sent(of_account=MOST_OF_ACCOUNT), "for this account today"),
    ],
)
def test_nobody_can_fill_a_strangers_mailbox_through_us(mails, words):
    found = why_not(mails, now=NOW)
    assert (found is None) if words is None else (words in (found or ""))


def test_only_the_latest_token_within_its_days_proves():
    proof = Proof("hostmaster", b"hash", NOW - GOOD_FOR)
    assert proves(proof, b"hash", now=NOW)
    assert not proves(proof, b"hash", now=NOW + timedelta(seconds=1))
    assert not proves(proof, b"other", now=NOW)
    assert not proves(None, b"hash", now=NOW)


@pytest.mark.parametrize("text", ["hostmaster", "Kim.Lee+x", '"a b"'])
def test_a_mailbox_is_a_local_part(text):
    assert local_part(text, "acme.test") == text


@pytest.mark.parametrize(
    "text", ["", "postmaster", "Abuse", "a@b", "a@acme.test", "a b", "a\r\nb", "\0", "ä", "x" * 65, "a..b", '"a@b"']
)
def test_anything_else_is_refused(text):
    assert local_part(text, "acme.test") is None


def test_a_way_names_its_members_on_the_wire():
    assert [way.status for way in Way] == ["abuse_at_status", "postmaster_at_status", "verification_mailbox_status"]
