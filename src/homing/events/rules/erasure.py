"""What the log keeps of an event once the person it is about has asked to be forgotten.

The recipient becomes a marker that only we can make again, so that counts of distinct recipients stay true; what he did and who
he is goes; what became of the message stays.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from homing.events.rules.reason import masked
from homing.events.types import EventType

ERASED = "erased.invalid"  # the domain of markers; RFC 2606: it never exists
_PERSONAL = frozenset(
    {
        "raw_rcpt_to", "rcpt_meta", "rcpt_tags", "rcpt_subs", "rcpt_hash", "subject", "user_agent", "user_agent_parsed", "geo_ip",
        "target_link_url", "accept_language", "user_str",
    }
)  # fmt: skip
_REPLIES = frozenset({"reason", "raw_reason", "reply"})
_OF_THE_READER = frozenset(
    {
        EventType.OPEN, EventType.INITIAL_OPEN, EventType.CLICK, EventType.AMP_OPEN, EventType.AMP_INITIAL_OPEN,
        EventType.AMP_CLICK, EventType.LIST_UNSUBSCRIBE, EventType.LINK_UNSUBSCRIBE,
    }
)  # fmt: skip
_SHORTEST = 3  # letters of a local part that is looked for by itself; shorter ones are everywhere
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def marker(account_id: int, recipient: str, token: Callable[[bytes], bytes]) -> str:
    """Return what stands for an address of an account.

    token   a keyed digest that only we can make
    """
    secret = token(f"{account_id}\0{recipient}".encode())
    return f"{secret.hex()}@{ERASED}"


def is_erased(recipient: str) -> bool:
    """Return whether an event's recipient asked to be forgotten: nobody knows any more who he was."""
    return recipient.endswith(f"@{ERASED}")


def erased(kind: EventType, detail: bytes, recipient: str) -> bytes:
    """Return the detail of an event without what tells of a person.

    recipient   his address, as the event has it
    """
    local, at, domain = recipient.rpartition("@")
    spellings = [re.escape(recipient)] + ([rf"{re.escape(local)}[=+]{re.escape(domain)}"] if at else [])
    whole = re.compile("|".join(spellings), re.IGNORECASE) if recipient else None
    alone = re.compile(rf"(?<!\w){re.escape(local)}(?!\w)", re.IGNORECASE) if len(local) >= _SHORTEST else None
    left: dict[str, Any] = {}
    for name, value in _decode(detail).items():
        if name in _PERSONAL or (name == "ip_address" and kind in _OF_THE_READER):
            continue
        if isinstance(value, str):
            value = value if whole is None else whole.sub("...", value)
            if name in _REPLIES:
                value = masked(value if alone is None else alone.sub("...", value))
        left[name] = value
    return _encode(left)
