"""Events about an earlier message: a complaint, an unsubscribe, a bounce that came after the delivery."""

from datetime import datetime
from typing import Any

import msgspec

from homing.events.rules.erasure import erased, is_erased
from homing.events.rules.fields import FIELDS_OF
from homing.events.rules.late import LOST, is_late
from homing.events.types import Event, EventType, Logged

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def about(original: Logged, kind: EventType, *, at: datetime, own: dict[str, Any]) -> Event:
    """Return an event of another type about the message of a logged one: its fields, as far as that type has them, and its own.

    original   the delivery, or another event of the message
    own        named as on the wire; wins over the original's
    """
    allowed = FIELDS_OF.get(kind)
    forgotten = is_erased(original.recipient)
    late = is_late(kind, original.message_id, at)
    base = {
        name: value
        for name, value in _decode(original.detail).items()
        if (allowed is None or name in allowed or name == "recalled") and not (late and name in LOST)
    }
    detail = msgspec.json.encode({**base, **own})
    return Event(
        type=kind,
        at=at,
        account_id=original.account_id,
        subaccount_id=original.subaccount_id,
        message_id=original.message_id,
        transmission_id=None if late else original.transmission_id,
        recipient=original.recipient,
        recipient_domain=original.recipient_domain,
        campaign_id="" if late else original.campaign_id,
        detail=erased(kind, detail, original.recipient) if forgotten else detail,
    )
