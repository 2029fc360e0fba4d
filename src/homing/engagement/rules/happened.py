"""From a request to a tracked address to the event, and the suppression that it brings."""

from datetime import datetime
from typing import Any

import msgspec

from homing.engagement.rules.agents import MOST_AGENT, read_agent
from homing.events.about import about
from homing.events.rules.erasure import is_erased
from homing.events.types import Event, EventType, Logged
from homing.message.tracked import Kind, Tracked
from homing.recipients.rules.provenance import of_event
from homing.recipients.types import Source, SuppressionRow, SuppressionType

_TYPES = {
    Kind.CLICK: EventType.CLICK,
    Kind.AMP_CLICK: EventType.AMP_CLICK,
    Kind.UNSUBSCRIBE_LINK: EventType.LINK_UNSUBSCRIBE,
    Kind.OPEN: EventType.OPEN,
    Kind.INITIAL_OPEN: EventType.INITIAL_OPEN,
    Kind.AMP_OPEN: EventType.AMP_OPEN,
    Kind.AMP_INITIAL_OPEN: EventType.AMP_INITIAL_OPEN,
    Kind.UNSUBSCRIBE: EventType.LIST_UNSUBSCRIBE,
}
_SOURCES = {EventType.LINK_UNSUBSCRIBE: Source.UNSUBSCRIBE_LINK, EventType.LIST_UNSUBSCRIBE: Source.LIST_UNSUBSCRIBE}


class Request(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request to a tracked address, as it came.

    ip   of the client, as far as it can be believed
    geo  where that is; {} where unknown
    """

    tracked: Tracked
    at: datetime
    ip: str
    agent: str = ""
    head: bool = False
    geo: dict[str, Any] = {}


def type_of(tracked: Tracked) -> EventType:
    """Return the event type that a request to this address is."""
    return _TYPES[tracked.kind]


def happened(request: Request, original: Logged) -> Event:
    """Return the event of a request about a message. original: its delivery, or its injection."""
    kind = type_of(request.tracked)
    own: dict[str, Any] = {"ip_address": request.ip}
    if kind is not EventType.LIST_UNSUBSCRIBE or request.agent:
        delivered = original.at if original.type is EventType.DELIVERY else None
        own["user_agent"] = request.agent[:MOST_AGENT]
        own["user_agent_parsed"] = read_agent(
            request.agent, delivered_at=delivered, now=request.at, head=request.head, click=bool(request.tracked.url)
        )
    if request.geo:
        own["geo_ip"] = request.geo
    if request.tracked.url:
        own |= {"target_link_url": request.tracked.url, "target_link_name": request.tracked.name}
    event = about(original, kind, at=request.at, own=own)
    detail = msgspec.json.decode(event.detail)
    if kind in _SOURCES and detail.get("msg_from"):
        detail["mailfrom"] = detail["msg_from"]
    return msgspec.structs.replace(event, detail=msgspec.json.encode(detail))


def suppression_of(request: Request, original: Logged) -> SuppressionRow | None:
    """Return the row that an unsubscribe puts on the list; None for opens and clicks."""
    kind = type_of(request.tracked)
    source = _SOURCES.get(kind)
    if source is None or not original.recipient or is_erased(original.recipient):
        return None
    detail = msgspec.json.decode(original.detail)
    transactional = str(detail.get("transactional", "0")) == "1"
    return SuppressionRow(
        account_id=original.account_id,
        subaccount_id=original.subaccount_id,
        recipient=original.recipient,
        type=SuppressionType.of(transactional).value,
        source=source.value,
        provenance=of_event(kind, original.message_id),
        list_id=str(detail.get("list_id", "")).lower() if kind is EventType.LIST_UNSUBSCRIBE else "",
    )
