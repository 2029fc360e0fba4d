"""What an event records, and what its reason may show."""

import json
from datetime import UTC, datetime

import pytest

from homing.events.detail import Addressee, EventBook, iso
from homing.events.rules.reason import masked
from homing.events.types import EventType
from homing.spool.types import ChunkFacts, RecipientDetail

NOW = datetime(2026, 5, 5, 16, 53, 18, 250_000, tzinfo=UTC)
FACTS = ChunkFacts(
    account_id=4471,
    subaccount_id=12,
    transmission_id=b"T" * 10,
    accepted_at=NOW,
    recv_method="rest",
    sending_domain="acme.test",
    friendly_from="news@acme.test",
    subject="Sale",
    campaign_id="spring",
    ip_pool="bulk",
    open_tracking=True,
    metadata={"run": "17", "uid": "all"},
    substitution_data={"shop": "Acme"},
)
KIM = Addressee(b"M" * 10, "Kim@There.test", "there.test", RecipientDetail(tags=("vip",), metadata={"uid": "7"}))


def test_an_injection_records_what_the_columns_do_not_tell():
    event = EventBook(FACTS).injection(KIM, at=NOW, msg_from="b@bounce.acme.test", msg_size=2048)
    assert (event.type, event.recipient, event.recipient_domain) == (EventType.INJECTION, "kim@there.test", "there.test")
    assert json.loads(event.detail) == {
        "friendly_from": "news@acme.test",
        "sending_domain": "acme.test",
        "ip_pool": "bulk",
        "recv_method": "rest",
        "injection_time": "2026-05-05T16:53:18.250+00:00",
        "open_tracking": True,
        "subject": "Sale",
        "msg_from": "b@bounce.acme.test",
        "msg_size": "2048",
        "raw_rcpt_to": "Kim@There.test",
        "rcpt_tags": ["vip"],
        "rcpt_meta": {"run": "17", "uid": "7"},
    }


def test_a_delivery_counts_in_strings_and_takes_the_rendered_subject():
    event = EventBook(FACTS).delivery(
        Addressee(b"M" * 10, "lee@there.test", "there.test"),
        at=NOW,
        ip_address="198.51.100.5",
        sending_ip="192.0.2.10",
        outbound_tls=-1,
        num_retries=2,
        queue_time_ms=812,
        msg_size=99,
        subject="Sale for Lee",
        reply="250 ok",
        provider="Gmail",
        region="Global",
    )
    detail = json.loads(event.detail)
    assert (detail["num_retries"], detail["queue_time"], detail["outbound_tls"]) == ("2", "812", -1)
    assert (detail["subject"], detail["rcpt_meta"]) == ("Sale for Lee", {"run": "17", "uid": "all"})
    assert (detail["mailbox_provider"], detail["mailbox_provider_region"]) == ("Gmail", "Global")


def test_failures_keep_the_reply_verbatim_and_masked():
    book, raw = EventBook(FACTS), "550 5.1.1 <kim@there.test>: no such user"
    delay = json.loads(
        book.delay(
            KIM, at=NOW, reason=raw, error_code="450", bounce_class=20, num_retries=0, queue_time_ms=7, outbound_tls=1
        ).detail
    )
    bounce = json.loads(book.bounce(KIM, at=NOW, reason=raw, error_code="550", bounce_class=10).detail)
    for detail in (delay, bounce):
        assert (detail["raw_reason"], detail["reason"]) == (raw, "550 5.1.1 <...>: no such user")
        assert detail["delv_method"] == "esmtp"
    assert (bounce["bounce_class"], bounce["error_code"], delay["queue_time"]) == ("10", "550", "7")


def test_generation_failures_show_the_substitution_data_and_no_flags():
    to = Addressee(b"M" * 10, "kim@there.test", "there.test", RecipientDetail(substitution_data={"first": "Kim"}))
    detail = json.loads(EventBook(FACTS).generation_failure(to, at=NOW, reason="554 5.3.3 [internal] line 1").detail)
    assert detail["rcpt_subs"] == {"shop": "Acme", "first": "Kim"}
    assert "open_tracking" not in detail
    assert "subject" not in detail


def test_policy_rejections_name_the_injecting_host():
    event = EventBook(FACTS).policy_rejection(KIM, at=NOW, reason="550 no", error_code="550", remote_addr="192.0.2.9")
    assert json.loads(event.detail)["remote_addr"] == "192.0.2.9"


def test_generation_rejections_show_the_substitution_data_and_the_subject_and_their_class():
    to = Addressee(b"M" * 10, "Kim@there.test", "there.test", RecipientDetail(substitution_data={"first": "Kim"}))
    event = EventBook(FACTS).generation_rejection(to, at=NOW, reason="550 5.7.1 no", error_code="550")
    detail = json.loads(event.detail)
    assert event.type is EventType.GENERATION_REJECTION
    assert detail["rcpt_subs"] == {"shop": "Acme", "first": "Kim"}
    assert (detail["bounce_class"], detail["error_code"], detail["raw_reason"]) == ("25", "550", "550 5.7.1 no")
    assert (detail["subject"], detail["raw_rcpt_to"]) == (FACTS.subject, "Kim@there.test")
    assert "open_tracking" not in detail


def test_a_nul_in_metadata_never_reaches_the_log():
    to = Addressee(b"M" * 10, "kim@there.test", "there.test", RecipientDetail(metadata={"a\0": ["x\0y", {"z": "\0"}]}))
    assert json.loads(EventBook(FACTS).injection(to, at=NOW).detail)["rcpt_meta"]["a"] == ["xy", {"z": ""}]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("550 5.1.1 <kim@there.test>: no", "550 5.1.1 <...>: no"),
        ("550 5.7.1 [192.0.2.1] is listed", "550 5.7.1 [x.x.x.x] is listed"),
        ("421 from 2001:db8::7 later", "421 from x:x::x later"),
        ("421 at 12:30:44 version 1.2.3", "421 at 12:30:44 version 1.2.3"),
        ("550 rfc822;kim@there.test gone", "550 rfc822;<...> gone"),
    ],
)
def test_reasons_hide_addresses_but_not_codes(raw, shown):
    assert masked(raw) == shown


def test_event_times_carry_milliseconds_and_a_numeric_offset():
    assert iso(NOW) == "2026-05-05T16:53:18.250+00:00"
