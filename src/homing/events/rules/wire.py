"""How a logged event looks to customers: flat, absent values omitted (SparkPost reference, sections 2.14, 4.4 and 4.7)."""

import hashlib
from typing import Any

import msgspec

from homing.events.detail import iso
from homing.events.rules.fields import CLASS_OF, FIELDS, FIELDS_OF, MESSAGE_TYPES
from homing.events.rules.late import is_late
from homing.events.rules.search import event_id
from homing.events.types import EventType, Logged
from homing.ground.ids import to_digits, to_hex

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_EVERY_FIELD = frozenset(FIELDS)
_FIELDS_OF = {kind: frozenset(names) for kind, names in FIELDS_OF.items()}
_QUOTED = ("customer_id", "subaccount_id", "outbound_tls")
_FALSE = ("open_tracking", "click_tracking", "initial_pixel", "amp_enabled")


def shown(event: Logged) -> dict[str, Any]:
    """Return an event as GET /events/message shows it: the log's columns, its detail, and the defaults that are not stored."""
    kind = event.type
    allowed = _FIELDS_OF.get(kind, _EVERY_FIELD)
    detail = _decode(event.detail)
    fields: dict[str, Any] = {
        "type": kind.wire,
        "event_id": event_id(event.shard, event.seq),
        "timestamp": iso(event.at),
        "customer_id": event.account_id,
    }
    if event.subaccount_id:
        fields["subaccount_id"] = event.subaccount_id
    if event.message_id is not None and "message_id" in allowed:
        fields["message_id"] = to_hex(event.message_id)
    if event.transmission_id is not None and "transmission_id" in allowed:
        fields["transmission_id"] = to_digits(event.transmission_id)
        if "template_id" not in detail and not detail.get("recalled"):  # inline content goes by a name that is made up
            fields["template_id"] = f"template_{fields['transmission_id']}"
            fields["template_version"] = "0"
    if event.campaign_id and "campaign_id" in allowed:
        fields["campaign_id"] = event.campaign_id
    if event.recipient and "rcpt_to" in allowed:
        fields["rcpt_to"] = fields["raw_rcpt_to"] = event.recipient
    if event.recipient and "rcpt_hash" in allowed:
        fields["rcpt_hash"] = hashlib.sha1(event.recipient.encode(), usedforsecurity=False).hexdigest()
    if event.recipient_domain:
        if "recipient_domain" in allowed:
            fields["recipient_domain"] = event.recipient_domain
        if "routing_domain" in allowed and not is_late(kind, event.message_id, event.at):
            fields["routing_domain"] = event.recipient_domain
    if "rcpt_meta" in allowed:
        fields["rcpt_meta"] = {}
        fields["rcpt_tags"] = []
        fields["transactional"] = "0"
    if "open_tracking" in allowed:
        fields.update(dict.fromkeys(_FALSE, False))
    fields.update((name, value) for name, value in detail.items() if name in allowed)
    return fields


def pushed(event: Logged) -> dict[str, Any]:
    """Return an event as webhooks carry it: `{"msys": {<class>: {...}}, "cust": {"id": ...}}` (sections 4.3, 4.6 and 4.7).

    It differs from the search: the timestamp is Unix seconds as text, and so are ids of accounts and outbound_tls.
    """
    return enveloped(event.type, shown(event), int(event.at.timestamp()))


def enveloped(kind: EventType, fields: dict[str, Any], timestamp: int) -> dict[str, Any]:
    """Return the fields of the search as an element of a webhook's batch."""
    fields["timestamp"] = str(timestamp)
    for name in _QUOTED:
        if name in fields:
            fields[name] = str(fields[name])
    return {"msys": {CLASS_OF[kind]: fields}, "cust": {"id": fields["customer_id"]}}


def wire_types() -> frozenset[str]:
    """Return the names of all event types."""
    return frozenset(kind.wire for kind in EventType)


def message_types() -> frozenset[str]:
    """Return the names of the event types that the search of messages shows."""
    return frozenset(kind.wire for kind in MESSAGE_TYPES)
