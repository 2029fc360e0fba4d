"""Events as the command line reads and shows them."""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import msgspec
from rich.text import Text

from homing.events import store
from homing.events.types import EventType, Logged
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

    place   (shard, seq): the same for no other
    """

    place: tuple[int, int]
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
    return [_happened(event) for event in await store.of_message(executor, message_id)]


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
        first_day=since.astimezone(UTC).date() - timedelta(days=1),  # the log is cut by the day of appending
        limit=limit,
        message_id=message_id,
        transmission_id=transmission_id,
        recipient=recipient,
        domain=domain,
        types=types,
        campaign_id=campaign_id,
        account_id=account_id,
    )
    return [_happened(Logged(**{**dict(row), "type": EventType(row["type"])})) async for row in rows][::-1]


def _happened(event: Logged) -> Happened:
    return Happened(
        place=(event.shard, event.seq),
        type=event.type,
        at=event.at,
        account_id=event.account_id,
        subaccount_id=event.subaccount_id,
        message_id=ids.to_hex(event.message_id) if event.message_id else "",
        transmission_id=ids.to_digits(event.transmission_id) if event.transmission_id else "",
        recipient=event.recipient,
        recipient_domain=event.recipient_domain,
        campaign_id=event.campaign_id,
        detail=msgspec.json.decode(event.detail),
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
