"""Events as customers see them: flat in the search, in classes in webhooks."""

from datetime import UTC, datetime

import msgspec
import pytest

from homing.events.rules.fields import CLASS_OF, FIELDS, FIELDS_OF, MEANING, documentation, documentation_by_class, samples
from homing.events.rules.wire import pushed, shown
from homing.events.types import EventType, Logged

AT = datetime(2026, 5, 5, 16, 53, 20, tzinfo=UTC)


def logged(kind: EventType, **changes: object) -> Logged:
    detail = changes.pop("detail", {})
    values = {
        "shard": 2,
        "seq": 7,
        "type": kind,
        "at": AT,
        "account_id": 4471,
        "subaccount_id": 12,
        "message_id": bytes(9) + b"\1",
        "transmission_id": bytes(9) + b"\2",
        "recipient": "kim@there.test",
        "recipient_domain": "there.test",
        "campaign_id": "spring",
        "detail": msgspec.json.encode(detail),
    }
    return Logged(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(EventType))
def test_every_type_has_a_class_a_meaning_and_fields_that_are_explained(kind):
    assert kind in CLASS_OF
    assert kind in MEANING
    assert set(FIELDS_OF[kind]) <= set(FIELDS)


@pytest.mark.parametrize("kind", list(EventType))
def test_an_event_shows_only_fields_of_its_type(kind):
    event = logged(kind, detail=dict.fromkeys(FIELDS, "x"))
    assert set(shown(event)) <= set(FIELDS_OF[kind])
    (fields,) = pushed(event)["msys"].values()
    assert set(fields) <= set(FIELDS_OF[kind])


def test_the_search_has_numbers_where_webhooks_have_text():
    event = logged(EventType.DELIVERY, detail={"outbound_tls": 1, "num_retries": "0", "open_tracking": True})
    found, element = shown(event), pushed(event)
    assert (found["customer_id"], found["subaccount_id"], found["outbound_tls"]) == (4471, 12, 1)
    assert found["timestamp"] == "2026-05-05T16:53:20.000+00:00"
    assert list(element) == ["msys", "cust"]
    assert list(element["msys"]) == ["message_event"]
    fields = element["msys"]["message_event"]
    assert (fields["customer_id"], fields["subaccount_id"], fields["outbound_tls"]) == ("4471", "12", "1")
    assert fields["timestamp"] == "1778000000"
    assert (fields["num_retries"], fields["open_tracking"], fields["rcpt_meta"], fields["rcpt_tags"]) == ("0", True, {}, [])
    assert element["cust"] == {"id": "4471"}


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (EventType.BOUNCE, "message_event"),
        (EventType.SPAM_COMPLAINT, "message_event"),
        (EventType.CLICK, "track_event"),
        (EventType.GENERATION_FAILURE, "gen_event"),
        (EventType.LINK_UNSUBSCRIBE, "unsubscribe_event"),
        (EventType.RELAY_DELIVERY, "relay_event"),
        (EventType.AB_TEST_COMPLETED, "ab_test_event"),
        (EventType.INGEST_ERROR, "ingest_event"),
    ],
)
def test_msys_holds_exactly_one_class(kind, key):
    assert list(pushed(logged(kind))["msys"]) == [key]


def test_a_relay_event_tells_nothing_of_transmissions():
    fields = shown(logged(EventType.RELAY_INJECTION, detail={"relay_id": "r", "origination": "inbound"}))
    assert not {"transmission_id", "campaign_id", "rcpt_meta", "template_id", "transactional"} & set(fields)
    assert (fields["relay_id"], fields["origination"], fields["rcpt_to"]) == ("r", "inbound", "kim@there.test")


def test_documentation_and_samples_have_every_type():
    names = {kind.wire for kind in EventType}
    assert {sample["type"] for sample in samples(frozenset(names))} == names
    assert {sample["type"] for sample in samples(None)} == names - {"success", "error"}
    assert len(documentation()) == len(names) - 2
    of_classes = documentation_by_class()
    assert {name for one in of_classes.values() for name in one["events"]} == names
    bounce = of_classes["message_event"]["events"]["bounce"]
    assert bounce["event"]["type"] == {"description": FIELDS["type"][0], "sampleValue": "bounce"}
