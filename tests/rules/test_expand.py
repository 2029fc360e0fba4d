"""From recipients to entries and events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.accounts.types import Sender
from homing.events.types import EventType
from homing.ingress.accept import shares
from homing.ingress.rules.admission import Known
from homing.ingress.rules.expand import chunk_size, decode_share, expand, facts_of
from homing.ingress.types import Recipient, Transmission
from homing.queue.types import NewChunk
from homing.spool.reencode import MOST_AMP
from homing.spool.types import InlineContent, Part, RawContent, RecipientDetail, decode_content, decode_detail

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LIFETIME = timedelta(hours=72)
CONTENT = InlineContent(from_email="news@acme.test", subject="Hi", text="hello")
TWO = [Recipient("Kim@there.test", "there.test"), Recipient("lee@here.test", "here.test", RecipientDetail(name="Lee"))]


def transmission(**changes: Any) -> Transmission:
    members: dict[str, Any] = {
        "recipients": TWO,
        "content": CONTENT,
        "recv_method": "rest",
        "from_email": "news@acme.test",
        "sending_domain": "acme.test",
    }
    return Transmission(**members | changes)


def expanded(
    suppressed: dict[str, str] | None = None, *, canceled: bool = False, rejection: str = "", **changes: Any
) -> NewChunk:
    known = Known(domains={}, bounce_domain=changes.pop("bounce_domain", ""))
    wish = transmission(**changes)
    return expand(
        facts_of(wish, Sender(account_id=1, subaccount_id=2), known, transmission_id=b"T" * 10, now=NOW),
        wish.content,
        wish.recipients,
        suppressed=suppressed or {},
        shard=5,
        chunk_id=b"C" * 10,
        message_ids=[bytes([n]) * 10 for n in range(len(wish.recipients))],
        lifetime=LIFETIME,
        now=NOW,
        canceled=canceled,
        rejection=rejection,
    )


def test_each_recipient_becomes_an_entry_and_an_injection():
    chunk = expanded()
    assert [(entry.entry_id, entry.recipient, entry.domain) for entry in chunk.entries] == [
        (b"\x00" * 10, "Kim@there.test", "there.test"),
        (b"\x01" * 10, "lee@here.test", "here.test"),
    ]
    assert [event.type for event in chunk.events] == [EventType.INJECTION] * 2
    assert (chunk.shard, chunk.chunk_id, chunk.facts.transmission_id) == (5, b"C" * 10, b"T" * 10)
    assert (chunk.facts.account_id, chunk.facts.subaccount_id, chunk.facts.ip_pool) == (1, 2, "default")
    assert chunk.entries[0].detail is None
    assert decode_detail(chunk.entries[1].detail or b"") == RecipientDetail(name="Lee")


def test_a_suppressed_recipient_is_injected_and_bounced_and_never_tried():
    chunk = expanded({"kim@there.test": "Unsubscribe Link"})
    assert [entry.recipient for entry in chunk.entries] == ["lee@here.test"]
    assert [(event.type, event.recipient) for event in chunk.events] == [
        (EventType.INJECTION, "kim@there.test"),
        (EventType.BOUNCE, "kim@there.test"),
        (EventType.INJECTION, "lee@here.test"),
    ]
    detail = json.loads(chunk.events[1].detail)
    assert (detail["bounce_class"], detail["error_code"]) == ("25", "554")
    assert detail["raw_reason"] == ("554 5.7.1 recipient address was suppressed due to customer policy (Link Unsubscribe)")


def test_an_injection_tells_the_size_of_the_content_and_whom_it_is_from():
    html = "<p>ü</p>"
    content = InlineContent(from_email="a@acme.test", subject="Hi", html=html, attachments=(Part("a", "text/plain", b"x" * 30),))
    chunk = expanded({"kim@there.test": "Bounce Rule"}, content=content, bounce_domain="bounce.here.test")
    told = [json.loads(event.detail) for event in chunk.events]
    assert [(one["msg_size"], one["msg_from"]) for one in told] == [(str(2 + 9 + 40), "bounces@bounce.here.test")] * 3
    own = [TWO[0], Recipient("lee@here.test", "here.test", RecipientDetail(return_path="lee@b.acme.test"))]
    told = [json.loads(event.detail) for event in expanded(return_path="me@b.acme.test", recipients=own).events]
    assert [one["msg_from"] for one in told] == ["me@b.acme.test", "lee@b.acme.test"]
    assert [one["msg_size"] for one in told] == [str(len("Hi" + "hello"))] * 2
    raw = b"From: news@acme.test\r\n\r\nhello\r\n"
    assert json.loads(expanded(content=RawContent(rfc822=raw)).events[0].detail)["msg_size"] == str(len(raw))


ALTERNATIVE = (
    b'From: news@acme.test\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'
    b"hi\r\n--b\r\nContent-type:\r\n text/X-AMP-html; charset=utf-8\r\n\r\n<html amp4email>\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("content", "amp"),
    [
        (RawContent(rfc822=ALTERNATIVE), True),
        (RawContent(rfc822=ALTERNATIVE + b"x" * MOST_AMP), True),
        (RawContent(rfc822=ALTERNATIVE.replace(b"X-AMP-html", b"html")), False),
        (RawContent(rfc822=b"From: a@acme.test\r\n\r\nContent-Type: text/x-amp-html\r\n\r\nquoted\r\n"), False),
        (RawContent(rfc822=b"From: a@acme.test\r\nContent-Type: text/x-amp-html\r\n\r\nalone\r\n"), False),
        (InlineContent(from_email="a@acme.test", text="hi", amp_html="<html amp4email>"), True),
        (CONTENT, False),
    ],
)
def test_an_amp_part_is_told_however_it_came(content, amp):
    chunk = expanded(content=content)
    assert json.loads(chunk.events[0].detail).get("amp_enabled", False) is amp


def test_an_archive_copy_has_the_links_of_the_first_recipient():
    copies = [Recipient(f"{kind}@there.test", "there.test", RecipientDetail(rcpt_type=kind)) for kind in ("cc", "bcc", "archive")]
    entries = expanded(recipients=[*TWO, *copies]).entries
    linked = [None if entry.detail is None else decode_detail(entry.detail).links_of for entry in entries]
    assert linked == [None, None, None, None, (entries[0].entry_id, entries[0].recipient)]


def test_what_may_not_be_sent_any_more_is_a_generation_rejection_and_never_an_injection():
    chunk = expanded({"kim@there.test": "Unsubscribe Link"}, rejection="550 5.7.1 Unconfigured Sending Domain <acme.test>")
    assert chunk.entries == []
    assert [(event.type, event.recipient) for event in chunk.events] == [
        (EventType.GENERATION_REJECTION, "kim@there.test"),
        (EventType.GENERATION_REJECTION, "lee@here.test"),
    ]
    detail = json.loads(chunk.events[0].detail)
    assert (detail["bounce_class"], detail["error_code"]) == ("25", "550")
    cancelled = expanded(canceled=True, rejection="550 5.7.1 no")
    assert [event.type for event in cancelled.events] == [EventType.INJECTION, EventType.BOUNCE] * 2


def test_mail_is_due_now_or_at_its_start_and_expires_a_lifetime_later():
    entry = expanded().entries[0]
    assert (entry.due_at, entry.expires_at) == (NOW, NOW + LIFETIME)
    start = NOW + timedelta(days=2)
    entry = expanded(start_time=start).entries[0]
    assert (entry.due_at, entry.expires_at) == (start, start + LIFETIME)
    entry = expanded(start_time=NOW - timedelta(days=9)).entries[0]
    assert entry.due_at == NOW


def test_the_same_address_twice_is_two_messages():
    assert len(expanded(recipients=[TWO[0], TWO[0]]).entries) == 2


def test_a_thousand_recipients_share_a_chunk_unless_the_content_is_large():
    assert chunk_size(50_000, 4_000) == 1_000
    assert chunk_size(50_000, 20 * 1024 * 1024) == 16_667  # three copies of 20 MB
    assert chunk_size(2_000, 100 * 1024 * 1024) == 2_000


def test_shares_hold_everything_once_and_in_order():
    many = [Recipient(f"u{n}@there.test", "there.test", RecipientDetail(tags=(str(n),))) for n in range(2_500)]
    wish = transmission(recipients=many, campaign_id="spring")
    facts = facts_of(
        wish, Sender(account_id=1), Known(domains={}, default_bounce="b.acme.test"), transmission_id=b"T" * 10, now=NOW
    )
    read = [decode_share(payload) for payload in shares(facts, wish)]
    assert [len(share.recipients) for share in read] == [1_000, 1_000, 500]
    assert [Recipient(*recipient) for share in read for recipient in share.recipients] == many
    assert facts.return_path == "bounces@b.acme.test"
    assert all(share.facts == facts and decode_content(share.content) == CONTENT for share in read)
