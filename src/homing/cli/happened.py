"""Events as the command line reads and shows them."""

from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import msgspec
from rich.text import Text

from homing.events.types import EventType
from homing.ground import db, ids

_sql = db.queries("homing.cli")

STYLES = {
    EventType.INJECTION: "cyan",
    EventType.DELIVERY: "green",
    EventType.DELAY: "yellow",
    EventType.BOUNCE: "red",
    EventType.POLICY_REJECTION: "red",
    EventType.GENERATION_FAILURE: "red",
    EventType.GENERATION_REJECTION: "red",
    EventType.OUT_OF_BAND: "red",
    EventType.SPAM_COMPLAINT: "magenta",
}


class Happened(NamedTuple):
    """One event of the log.

    place   (day, shard, seq): where it stands; the same for no other
    """

    place: tuple[str, int, int]
    type: EventType
    at: datetime
    account_id: int
    subaccount_id: int
    message_id: str
    transmission_id: str
    recipient: str
    recipient_domain: str
    campaign_id: str
    detail: dict[str, Any]

    @property
    def reason(self) -> str:
        """Return the reply that decided, as the peer gave it, or why there was none."""
        return str(self.detail.get("raw_reason") or self.detail.get("reason") or self.detail.get("reply") or "")

    def as_json(self) -> dict[str, Any]:
        """Return the event as an object: the log's columns, and its further fields named as in the API."""
        return {
            "type": self.type.wire,
            "at": self.at,
            "message_id": self.message_id,
            "transmission_id": self.transmission_id,
            "customer_id": self.account_id,
            "subaccount_id": self.subaccount_id,
            "rcpt_to": self.recipient,
            "recipient_domain": self.recipient_domain,
            "campaign_id": self.campaign_id,
            **self.detail,
        }


async def of_message(executor: db.Executor, message_id: bytes) -> list[Happened]:
    """Return the life of one message, oldest first."""
    return [_happened(row) async for row in _sql.events_of_message(executor, message_id=message_id)]


async def newest(
    executor: db.Executor,
    *,
    since: datetime,
    limit: int,
    message_id: bytes | None = None,
    transmission_id: bytes | None = None,
    recipient: str | None = None,
    domain: str | None = None,
    types: list[int] | None = None,
    campaign_id: str | None = None,
    account_id: int | None = None,
) -> list[Happened]:
    """Return the newest events that match every given filter, oldest of them first."""
    rows = _sql.newest_events(
        executor,
        since=since,
        limit=limit,
        message_id=message_id,
        transmission_id=transmission_id,
        recipient=recipient,
        domain=domain,
        types=types,
        campaign_id=campaign_id,
        account_id=account_id,
    )
    return [_happened(row) async for row in rows][::-1]


def _happened(row: db.Record) -> Happened:
    detail = row["detail"]
    return Happened(
        place=(row["day"].isoformat(), row["shard"], row["seq"]),
        type=EventType(row["type"]),
        at=row["at"],
        account_id=row["account_id"],
        subaccount_id=row["subaccount_id"],
        message_id=ids.to_hex(row["message_id"]) if row["message_id"] else "",
        transmission_id=ids.to_digits(row["transmission_id"]) if row["transmission_id"] else "",
        recipient=row["recipient"],
        recipient_domain=row["recipient_domain"],
        campaign_id=row["campaign_id"],
        detail=msgspec.json.decode(detail) if isinstance(detail, str | bytes) else detail,
    )


def named(kind: EventType) -> Text:
    """Return an event type's name in its colour."""
    return Text(kind.wire, style=STYLES.get(kind, ""))


def told(event: Happened) -> str:
    """Return what is worth saying of an event in one line."""
    detail = event.detail
    match event.type:
        case EventType.INJECTION:
            parts = [f"by {detail.get('recv_method', '')}", str(detail.get("subject", ""))]
        case EventType.DELIVERY:
            parts = [where(detail), tls_word(detail), str(detail.get("reply", ""))]
        case EventType.DELAY | EventType.BOUNCE | EventType.OUT_OF_BAND:
            parts = [where(detail), event.reason]
        case _:
            parts = [event.reason]
    return "; ".join(part for part in parts if part.strip())


def where(detail: dict[str, Any]) -> str:
    """Return which host answered: its address, from which of ours."""
    address, source = detail.get("ip_address", ""), detail.get("sending_ip", "")
    return f"{address}{f' from {source}' if source else ''}" if address else ""


def tls_word(detail: dict[str, Any]) -> str:
    """Return whether the message went encrypted."""
    return {1: "TLS", -1: "TLS failed, sent in the clear", 0: "in the clear"}.get(detail.get("outbound_tls", 0), "")


@cache
def _class_names() -> dict[str, str]:
    """Return SparkPost's bounce classes; only the list is read, the rules need not be compiled to show a name."""
    raw = resources.files("homing.events").joinpath("data/bounce_rules.json").read_bytes()
    return {str(one["code"]): one["name"] for one in msgspec.json.decode(raw)["classes"]}


def class_name(number: str) -> str:
    """Return a bounce class as `10 Invalid Recipient`."""
    return f"{number} {_class_names().get(str(number), '')}".strip()
