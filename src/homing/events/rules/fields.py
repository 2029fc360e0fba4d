"""The fields of events: what each means, an example, and which type has which (SparkPost reference, sections 4.3, 4.4)."""

from collections.abc import Iterable
from typing import Any

from homing.events.types import INGEST_TYPES, EventType

# name: (meaning, example); examples are of the search's types: ids of accounts are numbers, times ISO 8601.
FIELDS: dict[str, tuple[str, Any]] = {
    "type": ("Type of event this record describes", "bounce"),
    "event_id": ("Unique event identifier", "61200417733910255"),
    "timestamp": ("Event date and time, in UTC", "2026-05-05T16:53:20.000+00:00"),
    "injection_time": ("Time at which this message was injected", "2026-05-05T16:53:18.000+00:00"),
    "scheduled_time": ("Unix time at which the message was scheduled to be sent", "1778000000"),
    "customer_id": ("Account identifier through which this message was sent", 1),
    "subaccount_id": ("Subaccount identifier through which this message was sent; absent for the primary account", 101),
    "message_id": ("Message identifier, one for each recipient", "0009b1f4a26603c7d5f9"),
    "transmission_id": ("Transmission which originated this message", "65832150921904138"),
    "campaign_id": ("Campaign of which this message was a part", "spring"),
    "template_id": ("Slug of the template used to construct this message", "template_65832150921904138"),
    "template_version": ("Version of the template used to construct this message", "0"),
    "friendly_from": ("Address of the From header", "news@acme.test"),
    "msg_from": (
        "Envelope sender of this message; of an injection the address before it is made unique (VERP)",
        "bounces@bounce.acme.test",
    ),
    "sending_domain": ("Domain of the From header", "acme.test"),
    "rcpt_to": ("Lower-case version of the recipient's address", "kim@there.test"),
    "raw_rcpt_to": ("The recipient's address as submitted", "Kim@there.test"),
    "rcpt_hash": ("SHA-1 of the lower-case recipient address", "e86b56e3a4b0e4d6c0a3e8a1b5b3bbd5ce3a8d54"),
    "rcpt_meta": ("Metadata of the recipient, merged over that of the transmission", {"uid": "7"}),
    "rcpt_tags": ("Tags applied to the message", ["vip"]),
    "rcpt_type": ("How the copy was addressed: cc, bcc or archive; of SMTP injection only", "cc"),
    "rcpt_subs": ("Substitution data of the recipient", {"first": "Kim"}),
    "recipient_domain": ("Domain receiving this message", "there.test"),
    "routing_domain": ("Domain this message is routed to", "there.test"),
    "mailbox_provider": ("Mailbox provider of the recipient", "Gmail"),
    "mailbox_provider_region": ("Region of the mailbox provider", "Global"),
    "subject": ("Subject line of the message", "Hi Kim"),
    "ip_pool": ("IP pool through which this message was sent", "default"),
    "sending_ip": ("IP address through which this message was sent", "192.0.2.10"),
    "ip_address": ("IP address of the host that the message was delivered or offered to", "198.51.100.5"),
    "remote_addr": ("Address of the host that injected the message", "203.0.113.8"),
    "recv_method": ("Protocol by which this message was received", "rest"),
    "delv_method": ("Protocol by which this message was delivered", "esmtp"),
    "msg_size": ("Message size in bytes; of an injection over the API an estimate from its content", "2048"),
    "num_retries": ("Number of failed attempts before this one", "0"),
    "queue_time": ("Delay, in milliseconds, between injection and this event", "812"),
    "outbound_tls": ("TLS of the connection: 1 used, 0 not offered, -1 negotiation failed", 1),
    "bounce_class": ("Classification code of the failure", "10"),
    "error_code": ("Error code by which the remote host described the failure", "550"),
    "reason": ("Canonicalised text of the response, addresses masked", "550 5.1.1 <...>: no such user"),
    "raw_reason": ("Unmodified text of the response", "550 5.1.1 <kim@there.test>: no such user"),
    "transactional": ("1 if the message was transactional, 0 if not", "0"),
    "open_tracking": ("Open tracking was enabled", True),
    "click_tracking": ("Click tracking was enabled", True),
    "initial_pixel": ("Initial open tracking was enabled", True),
    "amp_enabled": ("The message has an AMP part", False),
    "user_agent": (
        "User-Agent of the client that opened or clicked",
        "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
    ),
    "user_agent_parsed": (
        "What the User-Agent says",
        {
            "agent_family": "Firefox",
            "device_brand": "",
            "device_family": "",
            "os_family": "Linux",
            "os_version": "",
            "is_mobile": False,
            "is_proxy": False,
            "is_prefetched": False,
        },
    ),
    "geo_ip": (
        "Where the client's address is",
        {"country": "NO", "region": "03", "city": "Oslo", "latitude": 59.9, "longitude": 10.7, "zip": 150, "postal_code": "0150"},
    ),
    "target_link_url": ("URL of the link that was clicked", "https://shop.acme.test/?q=1"),
    "target_link_name": ("Name of the link that was clicked", "Raw URL"),
    "fbtype": ("Type of the complaint: abuse, fraud or what else the report says", "abuse"),
    "report_by": ("Domain that reported the complaint", "isp.test"),
    "report_to": ("Address that the complaint was sent to", "fbl@bounce.acme.test"),
    "mailfrom": ("Envelope sender of the original message", "bounces@bounce.acme.test"),
    "relay_id": ("Identifier of the inbound message", "0009b1f4a26603c7d5f9"),
    "origination": ("Where the relayed message came from", "inbound"),
    "ab_test": (
        "The A/B test",
        {
            "id": "pay-conf",
            "name": "Pay conf",
            "version": 2,
            "test_mode": "bayesian",
            "engagement_metric": "count_unique_confirmed_opened",
            "default_template": {"template_id": "pc-a"},
            "variants": [{"template_id": "pc-b"}],
            "winning_template_id": "pc-b",
        },
    ),
    "batch_id": ("Identifier of the batch of events that was handed in", "b2013586-c13f-4da4-baf4-11b9d8e40c50"),
    "number_succeeded": ("Events of the batch that were taken", 998),
    "number_duplicates": ("Events of the batch that had come before", 1),
    "number_failed": ("Lines of the batch that are no events, or cannot be taken", 1),
    "error_type": ("What was wrong with those lines", "validation"),
    "retryable": ("Whether it may help to hand the same lines in again", False),
    "href": ("Where those lines can be had", "/api/v1/ingest/events/failures/b2013586-c13f-4da4-baf4-11b9d8e40c50"),
    "expiration_timestamp": ("Until when the batch can be had", "2026-05-08T16:53:20.000+00:00"),
    "ab_test_id": ("A/B test that the message was part of", "pay-conf"),
    "ab_test_version": ("Version of that A/B test", "1"),
}

_BASE = (
    "type event_id timestamp customer_id subaccount_id campaign_id friendly_from ip_pool sending_ip rcpt_to raw_rcpt_to "
    "rcpt_hash rcpt_meta rcpt_tags recipient_domain sending_domain template_id template_version transactional "
    "transmission_id mailbox_provider mailbox_provider_region scheduled_time ab_test_id ab_test_version"
)
_FLAGS = "open_tracking click_tracking initial_pixel amp_enabled"
_MESSAGE = "message_id msg_from msg_size injection_time"
_FAILURE = "error_code reason raw_reason"
_OPENED = (
    f"{_MESSAGE} {_FLAGS} rcpt_type delv_method routing_domain subject ip_address num_retries queue_time user_agent geo_ip "
    "user_agent_parsed"
)
_LEFT = f"{_MESSAGE} {_FLAGS} rcpt_type recv_method routing_domain subject ip_address num_retries queue_time mailfrom"
_OWN = {
    EventType.INJECTION: f"{_MESSAGE} {_FLAGS} rcpt_type recv_method routing_domain subject",
    EventType.DELIVERY: (
        f"{_MESSAGE} {_FLAGS} rcpt_type recv_method delv_method routing_domain subject ip_address num_retries queue_time "
        "outbound_tls"
    ),
    EventType.BOUNCE: (
        f"{_MESSAGE} {_FLAGS} {_FAILURE} bounce_class rcpt_type recv_method delv_method routing_domain subject ip_address "
        "num_retries"
    ),
    EventType.DELAY: (
        f"{_MESSAGE} {_FLAGS} {_FAILURE} bounce_class rcpt_type recv_method delv_method routing_domain subject ip_address "
        "num_retries queue_time outbound_tls"
    ),
    EventType.POLICY_REJECTION: (f"{_FAILURE} bounce_class rcpt_type recv_method remote_addr message_id msg_from injection_time"),
    EventType.OUT_OF_BAND: (
        f"{_MESSAGE} {_FAILURE} bounce_class recv_method delv_method routing_domain subject ip_address num_retries queue_time"
    ),
    EventType.SPAM_COMPLAINT: (
        f"{_MESSAGE} rcpt_type delv_method routing_domain subject ip_address num_retries queue_time fbtype report_by report_to"
    ),
    EventType.OPEN: _OPENED,
    EventType.INITIAL_OPEN: _OPENED,
    EventType.CLICK: f"{_OPENED} target_link_url target_link_name",
    EventType.AMP_OPEN: _OPENED,
    EventType.AMP_INITIAL_OPEN: _OPENED,
    EventType.AMP_CLICK: f"{_OPENED} target_link_url target_link_name",
    EventType.LIST_UNSUBSCRIBE: _LEFT,
    EventType.LINK_UNSUBSCRIBE: f"{_LEFT} delv_method user_agent target_link_url target_link_name",
    EventType.GENERATION_FAILURE: f"{_FAILURE} rcpt_subs recv_method routing_domain",
    EventType.GENERATION_REJECTION: f"{_FAILURE} bounce_class rcpt_subs recv_method routing_domain subject",
}
_RELAYED = (
    "type event_id message_id timestamp injection_time customer_id subaccount_id rcpt_to raw_rcpt_to rcpt_hash msg_from msg_size "
    "routing_domain ip_pool sending_ip recv_method origination relay_id"
)
_RELAY_TRIED = f"{_RELAYED} queue_time num_retries delv_method"
_AB_TEST = "type event_id timestamp customer_id subaccount_id ab_test"
_INGEST = "type event_id timestamp customer_id subaccount_id batch_id number_succeeded number_duplicates expiration_timestamp"
_WHOLE = {
    EventType.RELAY_INJECTION: _RELAYED,
    EventType.RELAY_REJECTION: (
        "type event_id timestamp customer_id subaccount_id rcpt_to raw_rcpt_to msg_from recv_method origination relay_id "
        "reason raw_reason error_code bounce_class remote_addr"
    ),
    EventType.RELAY_DELIVERY: _RELAY_TRIED,
    EventType.RELAY_TEMPFAIL: f"{_RELAY_TRIED} {_FAILURE}",
    EventType.RELAY_PERMFAIL: f"{_RELAY_TRIED} {_FAILURE} outbound_tls",
    EventType.AB_TEST_COMPLETED: _AB_TEST,
    EventType.AB_TEST_CANCELLED: _AB_TEST,
    EventType.INGEST_SUCCESS: _INGEST,
    EventType.INGEST_ERROR: f"{_INGEST} number_failed error_type reason href retryable",
}
# What each type shows, in the order of the reference.
FIELDS_OF: dict[EventType, tuple[str, ...]] = {
    **{kind: tuple(f"{_BASE} {own}".split()) for kind, own in _OWN.items()},
    **{kind: tuple(whole.split()) for kind, whole in _WHOLE.items()},
}

MEANING: dict[EventType, tuple[str, str]] = {
    EventType.INJECTION: ("Injection", "Message is received by or injected into the platform."),
    EventType.DELIVERY: ("Delivery", "Remote host acknowledged receipt of the message."),
    EventType.BOUNCE: ("Bounce", "The message failed permanently: refused, expired, suppressed or cancelled."),
    EventType.DELAY: ("Delay", "Remote host, or the platform, put the message off; it is tried again."),
    EventType.POLICY_REJECTION: ("Policy Rejection", "Due to policy, the platform rejected the message."),
    EventType.OUT_OF_BAND: ("Out of Band", "Remote host returned the message after it had taken it."),
    EventType.SPAM_COMPLAINT: ("Spam Complaint", "The recipient called the message spam, and the mailbox provider reported it."),
    EventType.OPEN: ("Open", "The recipient opened the message: the pixel at its end was fetched."),
    EventType.INITIAL_OPEN: ("Initial Open", "The recipient opened the message: the pixel at its beginning was fetched."),
    EventType.CLICK: ("Click", "The recipient followed a tracked link."),
    EventType.AMP_OPEN: ("AMP Open", "The recipient opened the AMP part: the pixel at its end was fetched."),
    EventType.AMP_INITIAL_OPEN: (
        "AMP Initial Open",
        "The recipient opened the AMP part: the pixel at its beginning was fetched.",
    ),
    EventType.AMP_CLICK: ("AMP Click", "The recipient followed a tracked link of the AMP part."),
    EventType.LIST_UNSUBSCRIBE: ("List Unsubscribe", "The recipient unsubscribed by the List-Unsubscribe header."),
    EventType.LINK_UNSUBSCRIBE: ("Link Unsubscribe", "The recipient followed a link that is marked as unsubscribing."),
    EventType.GENERATION_FAILURE: ("Generation Failure", "Message generation failed for an intended recipient."),
    EventType.GENERATION_REJECTION: ("Generation Rejection", "Due to policy, the platform did not make the message."),
    EventType.RELAY_INJECTION: ("Relay Injection", "An inbound message was taken for a relay webhook."),
    EventType.RELAY_REJECTION: ("Relay Rejection", "An inbound message was refused."),
    EventType.RELAY_DELIVERY: ("Relay Delivery", "The target of a relay webhook took an inbound message."),
    EventType.RELAY_TEMPFAIL: ("Relay Temporary Failure", "The target of a relay webhook failed for now; it is tried again."),
    EventType.RELAY_PERMFAIL: ("Relay Permanent Failure", "The target of a relay webhook failed until the last try."),
    EventType.AB_TEST_COMPLETED: ("A/B Test Completed", "An A/B test came to its end."),
    EventType.AB_TEST_CANCELLED: ("A/B Test Cancelled", "An A/B test was cancelled."),
    EventType.INGEST_SUCCESS: ("Ingest Success", "Every event of a batch that was handed in was taken."),
    EventType.INGEST_ERROR: ("Ingest Error", "Some lines of a batch that was handed in could not be taken."),
}

# The class of each type, under which `msys` holds it in webhooks: (key, name, meaning, types).
CLASSES: tuple[tuple[str, str, str, tuple[EventType, ...]], ...] = (
    (
        "message_event",
        "Message Events",
        "What becomes of a message on its way.",
        (
            EventType.INJECTION,
            EventType.DELIVERY,
            EventType.BOUNCE,
            EventType.DELAY,
            EventType.POLICY_REJECTION,
            EventType.OUT_OF_BAND,
            EventType.SPAM_COMPLAINT,
        ),
    ),
    (
        "track_event",
        "Engagement Events",
        "What a recipient does with a message.",
        (
            EventType.OPEN,
            EventType.INITIAL_OPEN,
            EventType.CLICK,
            EventType.AMP_OPEN,
            EventType.AMP_INITIAL_OPEN,
            EventType.AMP_CLICK,
        ),
    ),
    (
        "gen_event",
        "Generation Events",
        "Messages that could not be made.",
        (EventType.GENERATION_FAILURE, EventType.GENERATION_REJECTION),
    ),
    (
        "unsubscribe_event",
        "Unsubscribe Events",
        "Recipients who want no more mail.",
        (EventType.LIST_UNSUBSCRIBE, EventType.LINK_UNSUBSCRIBE),
    ),
    (
        "relay_event",
        "Relay Events",
        "What becomes of inbound messages.",
        (
            EventType.RELAY_INJECTION,
            EventType.RELAY_REJECTION,
            EventType.RELAY_DELIVERY,
            EventType.RELAY_TEMPFAIL,
            EventType.RELAY_PERMFAIL,
        ),
    ),
    (
        "ab_test_event",
        "A/B Test Events",
        "What becomes of A/B tests.",
        (EventType.AB_TEST_COMPLETED, EventType.AB_TEST_CANCELLED),
    ),
    (
        "ingest_event",
        "Ingest Events",
        "What becomes of batches of events that were handed in.",
        (EventType.INGEST_SUCCESS, EventType.INGEST_ERROR),
    ),
)
CLASS_OF: dict[EventType, str] = {kind: key for key, _, _, kinds in CLASSES for kind in kinds}


MESSAGE_TYPES = tuple(kind for kind in FIELDS_OF if kind not in INGEST_TYPES)  # what the search of messages shows


def documentation(kinds: Iterable[EventType] = MESSAGE_TYPES) -> list[dict[str, Any]]:
    """Return GET /events/message/documentation: the fields of every type with meaning and example."""
    return [
        {
            name: {"description": FIELDS[name][0], "sampleValue": kind.wire if name == "type" else FIELDS[name][1]}
            for name in names
        }
        | {"display_name": MEANING[kind][0], "event_description": MEANING[kind][1]}
        for kind in kinds
        for names in (FIELDS_OF[kind],)
    ]


def samples(wanted: frozenset[str] | None) -> list[dict[str, Any]]:
    """Return GET /events/message/samples: one event of each type of message events, or of the types that are wanted."""
    return [
        {name: kind.wire if name == "type" else FIELDS[name][1] for name in names}
        for kind, names in FIELDS_OF.items()
        if (kind in MESSAGE_TYPES if wanted is None else kind.wire in wanted)
    ]


def documentation_by_class() -> dict[str, Any]:
    """Return GET /webhooks/events/documentation: classes, their types, the fields of each."""
    return {
        key: {
            "display_name": name,
            "description": meaning,
            "events": {
                kind.wire: {
                    "display_name": MEANING[kind][0],
                    "description": MEANING[kind][1],
                    "event": {
                        field: {
                            "description": FIELDS[field][0],
                            "sampleValue": kind.wire if field == "type" else FIELDS[field][1],
                        }
                        for field in FIELDS_OF[kind]
                    },
                }
                for kind in kinds
            },
        }
        for key, name, meaning, kinds in CLASSES
    }
