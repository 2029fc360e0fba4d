"""What events lose that happen long after the send (SparkPost reference, section 4.5)."""

from datetime import datetime, timedelta

from homing.events.types import EventType
from homing.ground.ids import is_foreign, moment_of

ENRICHED = timedelta(days=60)  # after the send
LOST = frozenset(
    {
        "subject", "ip_pool", "sending_ip", "rcpt_meta", "rcpt_tags", "routing_domain", "sending_domain", "template_id",
        "template_version",
    }
)  # fmt: skip
_LOSING = frozenset(
    {
        EventType.OPEN, EventType.INITIAL_OPEN, EventType.CLICK, EventType.AMP_OPEN, EventType.AMP_INITIAL_OPEN,
        EventType.AMP_CLICK, EventType.SPAM_COMPLAINT, EventType.LIST_UNSUBSCRIBE, EventType.LINK_UNSUBSCRIBE,
    }
)  # fmt: skip


def is_late(kind: EventType, message_id: bytes | None, at: datetime) -> bool:
    """Return whether an event of this type about a message loses members. A message of another platform has no known age."""
    if kind not in _LOSING or message_id is None or is_foreign(message_id):
        return False
    return at - moment_of(message_id) > ENRICHED
