"""What is left of an event once the person it is about has asked to be forgotten."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.events.about import about
from homing.events.rules.classify import Classifier
from homing.events.rules.erasure import erased, is_erased, marker
from homing.events.rules.fields import FIELDS, FIELDS_OF
from homing.events.rules.wire import shown
from homing.events.types import EventType, Logged
from homing.inbound.rules.consequence import consequence
from homing.inbound.rules.destination import Desk, Destination
from homing.inbound.types import Kind, Reading

KIM = "kim.miller@there.test"
NOW = datetime(2026, 5, 5, tzinfo=UTC)


def token(message: bytes) -> bytes:
    return hashlib.blake2b(message, key=b"secret", digest_size=16).digest()


def left(kind: EventType = EventType.BOUNCE, recipient: str = KIM, **detail: Any) -> dict[str, Any]:
    return msgspec.json.decode(erased(kind, msgspec.json.encode(detail), recipient))


def logged(recipient: str, kind: EventType = EventType.DELIVERY, **detail: Any) -> Logged:
    return Logged(
        shard=1, seq=2, type=kind, at=NOW, account_id=7, subaccount_id=0, message_id=bytes(10), transmission_id=None,
        recipient=recipient, recipient_domain="there.test", campaign_id="spring", detail=msgspec.json.encode(detail),
    )  # fmt: skip


def test_what_tells_of_a_person_goes_and_what_became_of_the_message_stays():
    assert left(
        raw_rcpt_to="Kim.Miller@there.test",
        rcpt_meta={"name": "Kim"},
        rcpt_tags=["vip"],
        rcpt_subs={"name": "Kim"},
        subject="Hi Kim",
        template_id="welcome",
        bounce_class="10",
        ip_address="198.51.100.5",
        num_retries="0",
    ) == {"template_id": "welcome", "bounce_class": "10", "ip_address": "198.51.100.5", "num_retries": "0"}


def test_a_readers_place_and_program_go():
    detail = {
        "ip_address": "203.0.113.8",
        "user_agent": "x",
        "user_agent_parsed": {},
        "geo_ip": {},
        "target_link_url": "https://x/kim",
    }
    assert left(EventType.CLICK, **detail, target_link_name="Shop") == {"target_link_name": "Shop"}
    assert left(EventType.LIST_UNSUBSCRIBE, ip_address="203.0.113.8") == {}


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("550 5.1.1 <Kim.Miller@there.test>: no such user", "550 5.1.1 <...>: no such user"),
        ("550 mailbox kim.miller is full", "550 mailbox ... is full"),
        ("550 kim.millers cat", "550 kim.millers cat"),
        ("550 via other@there.test at 192.0.2.1", "550 via <...> at x.x.x.x"),
    ],
)
def test_replies_keep_their_words_without_the_address(reason, kept):
    assert left(raw_reason=reason, reason=reason, reply=reason) == {"raw_reason": kept, "reason": kept, "reply": kept}


def test_an_address_hidden_in_an_envelope_sender_goes_too():
    assert left(msg_from="b+kim.miller=there.test@bounce.acme.test") == {"msg_from": "b+...@bounce.acme.test"}


def test_a_marker_is_the_same_for_an_address_of_an_account_and_tells_nothing():
    made = marker(1, KIM, token)
    assert made == marker(1, KIM, token) != marker(2, KIM, token)
    assert made != marker(1, "other@there.test", token)
    assert is_erased(made)
    assert not is_erased(KIM)
    assert "kim" not in made


WORDS = st.sampled_from(["a", KIM, KIM.upper(), "kim.miller=there.test", f"<{KIM}>", f"x{KIM}y", "é"])


@given(
    st.dictionaries(st.sampled_from(sorted(FIELDS)), st.lists(WORDS, max_size=4).map(" ".join)), st.sampled_from(list(EventType))
)
def test_the_address_is_nowhere_left(detail, kind):
    text = erased(kind, msgspec.json.encode(detail), KIM).decode().lower()
    assert KIM not in text
    assert "kim.miller=there.test" not in text
    event = logged(marker(7, KIM, token), kind, **msgspec.json.decode(text))
    assert set(shown(event)) <= set(FIELDS_OF[kind])
    assert KIM not in msgspec.json.encode(shown(event)).decode().lower()


@pytest.mark.parametrize("recipient", ["a@b.test", "", "no-address", '"a b"@there.test', "(.*)+$@there.test", "é@there.test"])
def test_any_recipient_can_be_erased(recipient):
    assert left(recipient=recipient, raw_reason=f"550 {recipient} x")["raw_reason"].endswith(" x")


def test_what_happens_later_to_an_erased_message_tells_of_nobody():
    original = logged(marker(7, KIM, token), template_id="welcome")
    own = {"raw_reason": f"550 <{KIM}>: gone", "reason": "550 <...>: gone", "bounce_class": "10", "user_agent": "x"}
    event = about(original, EventType.OUT_OF_BAND, at=NOW, own=own)
    assert event.recipient == original.recipient
    assert msgspec.json.decode(event.detail) == {
        "template_id": "welcome",
        "raw_reason": "550 <...>: gone",
        "reason": "550 <...>: gone",
        "bounce_class": "10",
    }


@pytest.mark.parametrize("kind", [Kind.COMPLAINT, Kind.UNSUBSCRIBE])
def test_a_complaint_about_an_erased_message_suppresses_nobody(kind):
    where = Destination(Desk.FEEDBACK if kind is Kind.COMPLAINT else Desk.UNSUBSCRIBE, "x@bounce.here.test", bytes(10))
    for recipient, suppressed in ((KIM, True), (marker(7, KIM, token), False)):
        found = consequence(Reading(kind=kind), where, [logged(recipient)], rules=Classifier.from_package())
        assert found is not None
        assert (found.suppression is not None) is suppressed
