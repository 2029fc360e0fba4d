"""What put an address on the suppression list, in one word: an event of a message, a call of the API, an import.

bounce:0004c1a7e3f10a000001        the event, and the message that it happened to (`homing trace` tells its story)
api:12                             the API key that put it there
privacy:7                          a request of data privacy: to opt out, or to be forgotten, which took what stood here before
import:5f0c9b1e-...                the import; `homing suppressions imports` and the API tell what it did
"""

from typing import NamedTuple
from uuid import UUID

from homing.events.types import EventType
from homing.ground import ids

_MESSAGE_DIGITS = 20


class Provenance(NamedTuple):
    """What a provenance says; every member but `by` is '' where it says nothing.

    by       event, api, import, privacy or unknown
    event    the type of the event, as on the wire
    which    message id, key id, import id or number of the request
    """

    by: str
    event: str = ""
    which: str = ""


def of_event(kind: EventType, message_id: bytes | None) -> str:
    """Return the provenance of what happened to a message."""
    return kind.wire if message_id is None else f"{kind.wire}:{ids.to_hex(message_id)}"


def of_key(key_id: int) -> str:
    """Return the provenance of a call of the API; 0 where no key was used."""
    return f"api:{key_id}" if key_id else "api"


def of_import(import_id: UUID) -> str:
    """Return the provenance of an import."""
    return f"import:{import_id}"


def of_privacy(request_id: int) -> str:
    """Return the provenance of a request of data privacy."""
    return f"privacy:{request_id}"


def read(text: str | None) -> Provenance:
    """Return what a provenance says. Rows of before the events were named hold a bare message id."""
    word, _, which = (text or "").partition(":")
    if word in ("api", "import", "privacy"):
        return Provenance(word, "", which)
    if word in _EVENTS:
        return Provenance("event", word, which)
    if len(word) == _MESSAGE_DIGITS and not which:
        return Provenance("event", "", word)
    return Provenance("unknown", "", text or "")


_EVENTS = frozenset(kind.wire for kind in EventType)
