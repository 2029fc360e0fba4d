"""Variable envelope return paths: the address that a bounce comes back to names the message, and only we can make it.

    b-<20 hex digits of the message id>-<hex of the token>@bounce.domain

Digits and letters only, and read without regard to case: some hosts change the case of what they return.
"""

import hmac
import re
from collections.abc import Callable

from homing.message.addresses import parse_address

_VERP = re.compile(r"b-([0-9a-f]{20})-([0-9a-f]{8,32})", re.ASCII | re.IGNORECASE)


def compose(message_id: bytes, token: Callable[[bytes], bytes], bounce_domain: str) -> str:
    """Return the envelope sender of a message.

    message_id     10 bytes
    token          keyed digest of the id, 4 to 16 bytes (MasterKey.token)
    bounce_domain  A-labels
    """
    return f"b-{message_id.hex()}-{token(message_id).hex()}@{bounce_domain}"


def compose_under(message_id: bytes, token: Callable[[bytes], bytes], return_path: str) -> str:
    """Return the envelope sender under a customer's own return path: his domain, our local part.

    raises   BadAddress if the return path is no address
    """
    return compose(message_id, token, parse_address(return_path).domain)


def parse(address: str, token: Callable[[bytes], bytes]) -> bytes | None:
    """Return the message id of a return path, or None if it is not one that we made. The domain is the caller's to check."""
    found = _VERP.fullmatch(address.rpartition("@")[0])
    if found is None or len(found[2]) % 2:
        return None
    message_id = bytes.fromhex(found[1])
    return message_id if hmac.compare_digest(token(message_id), bytes.fromhex(found[2])) else None
