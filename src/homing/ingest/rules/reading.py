"""One line of a batch becomes an event of the log, or is told what is wrong with it (SparkPost reference, section 2.16).

The log keeps what the type has as fields; ids of the other platform stay as text, so that they can never be taken for ours.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from homing.events.detail import SUBJECT_LETTERS, without_nul
from homing.events.rules.fields import CLASS_OF, FIELDS, FIELDS_OF, MEANING
from homing.events.types import INGEST_TYPES, Event, EventType
from homing.ground import ids
from homing.ingest.types import Faulty, Taken

OLDEST = timedelta(hours=24)
AHEAD = timedelta(hours=1)  # clocks differ: what lies no further ahead happened when it was received
MOST_ID = 128  # characters of an event's or a message's id
MOST_DETAIL = 65_536  # bytes
MOST_RECIPIENT = 512  # characters
MOST_CAMPAIGN = 64
MOST_TEXT = 4_096  # characters of a field
MOST_DEPTH = 32  # levels of rcpt_meta and the like

_ADAPTIVE = "adaptive_event"  # of traffic shaping inside the other platform: taken, and not kept
_CLASSES = frozenset({*CLASS_OF.values(), _ADAPTIVE}) - {"ingest_event"}
# Names of on-premises platforms, where they differ from ours.
_NAMES = {
    "reception": EventType.INJECTION,
    "inband": EventType.BOUNCE,
    "permfail": EventType.BOUNCE,
    "tempfail": EventType.DELAY,
    "outband": EventType.OUT_OF_BAND,
    "outofband": EventType.OUT_OF_BAND,
    "rejection": EventType.POLICY_REJECTION,
    "feedback": EventType.SPAM_COMPLAINT,
}
TYPES = {**{kind.wire: kind for kind in EventType if kind not in INGEST_TYPES}, **_NAMES}
_COLUMNS = frozenset(
    {
        "type",
        "timestamp",
        "customer_id",
        "subaccount_id",
        "transmission_id",
        "campaign_id",
        "rcpt_to",
        "rcpt_hash",
        "recipient_domain",
    }
)
_FLAGS = frozenset({"open_tracking", "click_tracking", "initial_pixel", "amp_enabled"})
# Digits that the log takes of a number: reports add them up in columns that must not run over.
_NUMBERS = {"msg_size": 10, "queue_time": 10, "num_retries": 5, "bounce_class": 3}
_AGENT_FLAGS = frozenset({"is_mobile", "is_proxy", "is_prefetched"})
_AGENT_TEXTS = ("agent_family", "device_brand", "device_family", "os_family", "os_version")
_OBJECTS = frozenset({"rcpt_meta", "rcpt_subs", "geo_ip", "user_agent_parsed", "ab_test"})
REQUIRED = ("event_id", "message_id", "type", "timestamp")
METHODS = ("recv_method", "delv_method")
# What reports are made of.
_REPORTING = frozenset(
    [
        "type",
        "timestamp",
        "campaign_id",
        "template_id",
        "subaccount_id",
        "sending_ip",
        "ip_pool",
        "recipient_domain",
        "sending_domain",
        "routing_domain",
        "mailbox_provider",
        "mailbox_provider_region",
        "bounce_class",
        "reason",
        "raw_reason",
        "error_code",
        "num_retries",
        "queue_time",
        "msg_size",
        "subject",
        "target_link_name",
        "target_link_url",
        "delv_method",
        "recv_method",
        "rcpt_to",
        "friendly_from",
        "transmission_id",
        "message_id",
        "event_id",
    ]
)
_SECONDS = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def read_line(
    raw: bytes, *, account_id: int, subaccount_id: int, subaccounts: AbstractSet[int] | None, received_at: datetime
) -> Taken | Faulty:
    """Return the event of a line that is not blank.

    subaccounts   that the account has, and the line may name; None: it may name none
    received_at   when the batch came: what is a day older than that is not taken
    """
    try:
        wrapper = _decode(raw).get("msys")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Faulty("the line is no JSON object in UTF-8")
    if not isinstance(wrapper, dict) or len(wrapper) != 1:
        return Faulty('the line must be {"msys":{"<class>":{...}}} with one class')
    ((group, fields),) = wrapper.items()
    if group not in _CLASSES or not isinstance(fields, dict):
        return Faulty(f"'{_short(group)}' is no class of events")
    absent = [name for name in REQUIRED if not _text(fields.get(name))]
    if absent:
        return Faulty(f"{absent[0]} is missing")
    if not any(_text(fields.get(name)) for name in METHODS):
        return Faulty("recv_method or delv_method is missing")
    event_id, message_id = _text(fields["event_id"]), _text(fields["message_id"])
    if not (_is_id(event_id) and _is_id(message_id)):
        return Faulty(f"event_id and message_id must have at most {MOST_ID} printable characters")
    at = _moment(_text(fields["timestamp"]))
    if at is None:
        return Faulty("timestamp must be in Unix seconds")
    if at < received_at - OLDEST:
        return Faulty("timestamp is older than 24 hours")
    if at > received_at + AHEAD:
        return Faulty("timestamp lies in the future")
    at = min(at, received_at)
    if group == _ADAPTIVE:
        return Taken(event_id, None)
    kind = TYPES.get(_text(fields["type"]))
    if kind is None or CLASS_OF[kind] != group:
        return Faulty(f"'{_short(_text(fields['type']))}' is no type of {group}")
    if subaccounts is not None:
        named = _text(fields.get("subaccount_id"))
        if named and not (named.isascii() and named.isdigit() and len(named) <= 10 and int(named) < 1 << 31):
            return Faulty("subaccount_id must be a number")
        subaccount_id = int(named) if named else subaccount_id
        if subaccount_id and subaccount_id not in subaccounts:  # nobody could see its events, until somebody got that number
            return Faulty(f"this account has no subaccount {subaccount_id}")
    if any(_too_deep(fields.get(name)) for name in _OBJECTS):
        return Faulty(f"the event is nested deeper than {MOST_DEPTH} levels")
    detail = _encode(_detail(kind, fields, event_id, message_id))
    if len(detail) > MOST_DETAIL:
        return Faulty(f"the event has more than {MOST_DETAIL} bytes")
    recipient = _text(fields.get("rcpt_to")).lower()[:MOST_RECIPIENT]
    transmission_id = _transmission(fields)
    return Taken(
        event_id,
        Event(
            type=kind,
            at=at,
            account_id=account_id,
            subaccount_id=subaccount_id,
            message_id=ids.foreign(message_id, of=account_id),
            transmission_id=transmission_id,
            recipient=recipient,
            recipient_domain=_domain(fields, recipient),
            campaign_id=_text(fields.get("campaign_id"))[:MOST_CAMPAIGN],
            detail=detail,
        ),
    )


def ingest_documentation() -> list[dict[str, Any]]:
    """Return GET /ingest/events/documentation: the fields of every type, which must be there and which reports use."""
    return [
        {
            name: {
                "description": FIELDS[name][0],
                "sampleValue": kind.wire if name == "type" else FIELDS[name][1],
                "required": name in REQUIRED,
                "reporting": name in _REPORTING,
            }
            for name in dict.fromkeys((*REQUIRED, *names, *METHODS))
        }
        | {"display_name": MEANING[kind][0], "event_description": MEANING[kind][1]}
        for kind, names in FIELDS_OF.items()
        if kind not in INGEST_TYPES
    ]


def ingest_samples(wanted: frozenset[str] | None) -> list[dict[str, Any]]:
    """Return GET /ingest/events/samples: one event of each type, as it can be handed in."""
    return [
        {
            name: kind.wire if name == "type" else "1778000000" if name == "timestamp" else FIELDS[name][1]
            for name in dict.fromkeys((*REQUIRED, *names, *(() if set(METHODS) & set(names) else METHODS[:1])))
            if name not in ("customer_id", "subaccount_id", "rcpt_hash")
        }
        for kind, names in FIELDS_OF.items()
        if kind not in INGEST_TYPES and (wanted is None or kind.wire in wanted)
    ]


def _detail(kind: EventType, fields: Mapping[str, Any], event_id: str, message_id: str) -> dict[str, Any]:
    detail: dict[str, Any] = {"event_id": event_id}
    allowed = FIELDS_OF[kind]
    for name in allowed:
        value = _field(name, fields.get(name)) if name not in _COLUMNS else None
        if value is not None:
            detail[name] = value
    if "message_id" in allowed:
        detail["message_id"] = message_id
    if "transmission_id" in allowed and _transmission(fields) is None and _text(fields.get("transmission_id")):
        detail["transmission_id"] = _text(fields["transmission_id"])[:MOST_ID]
    if "sending_ip" in allowed and "sending_ip" not in detail and _text(fields.get("binding")):
        detail["sending_ip"] = _text(fields["binding"])
    if "subject" in detail:
        detail["subject"] = detail["subject"][:SUBJECT_LETTERS]
    return detail


def _field(name: str, value: Any) -> Any:
    """Return a field in the type that the log has it in; None: it is absent, or of no use."""
    if name == "user_agent_parsed":
        return _agent(value) if isinstance(value, dict) else None
    if name in _OBJECTS:
        return without_nul(value) if isinstance(value, dict) else None
    if name == "rcpt_tags":
        return [_text(tag) for tag in value if _text(tag)] if isinstance(value, list) else None
    text = _text(value)
    if name in _NUMBERS:
        return text if text.isascii() and text.isdigit() and len(text) <= _NUMBERS[name] else None
    if name in _FLAGS:
        return text.lower() in ("1", "true") if text else None
    if name == "outbound_tls":
        return int(text) if text in ("1", "0", "-1") else None
    return text[:MOST_TEXT] or None


def _agent(value: dict[str, Any]) -> dict[str, Any]:
    """Return what a User-Agent says, in the types that reports read."""
    flags = {name: told for name, told in value.items() if name in _AGENT_FLAGS and isinstance(told, bool)}
    return flags | {name: _text(value[name])[:MOST_ID] for name in _AGENT_TEXTS if _text(value.get(name))}


def _text(value: Any) -> str:
    """Return a scalar as text without NUL; '' for what is none."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, int | float) else ""


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH):
        members = [list(one.values()) if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [member for some in members for member in some]
        if not level:
            return False
    return True


def _short(text: str) -> str:
    return "".join(sign for sign in text[:64] if sign.isprintable())


def _is_id(text: str) -> bool:
    return len(text) <= MOST_ID and text.isprintable()


def _moment(text: str) -> datetime | None:
    return datetime.fromtimestamp(float(text), UTC) if _SECONDS.fullmatch(text) is not None else None


def _transmission(fields: Mapping[str, Any]) -> bytes | None:
    try:
        return ids.from_digits(_text(fields.get("transmission_id")))
    except (ids.BadId, ValueError):
        return None


def _domain(fields: Mapping[str, Any], recipient: str) -> str:
    for text in (_text(fields.get("recipient_domain")), recipient.rpartition("@")[2], _text(fields.get("routing_domain"))):
        if text and "." in text:
            return text.lower()[:255]
    return ""
