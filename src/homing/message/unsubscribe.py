"""The address in List-Unsubscribe that a mail program writes to: it names its message, and only we can make it.

    mailto:u-<20 hex digits of the message id>-<hex of the token>@bounce.domain?subject=unsubscribe:<keepsake>

Read as return paths are (verp.py): without regard to case. Some programs drop the local part and keep the subject, so the
same words are understood in a subject, too. A local part has no room for a keepsake (64 octets, RFC 5321 section 4.5.3.1.1).
"""

import hmac
import re
from collections.abc import Callable

PURPOSE = "unsubscribe"  # of the token (MasterKey.token)
_WORD = re.compile(r"(?<![0-9a-z])u-([0-9a-f]{20})-([0-9a-f]{8,32})(?![0-9a-z])", re.ASCII | re.IGNORECASE)
_MOST = 20  # words of a text that are tried


def compose(message_id: bytes, token: Callable[[bytes], bytes], domain: str) -> str:
    """Return the address.

    token    keyed digest of the id, 4 to 16 bytes, of purpose PURPOSE
    domain   one whose mail comes to us
    """
    return f"u-{message_id.hex()}-{token(message_id).hex()}@{domain}"


def parse(text: str, token: Callable[[bytes], bytes]) -> bytes | None:
    """Return the message id that an address or a subject names, or None if it names none that we made."""
    for number, found in enumerate(_WORD.finditer(text[:2_000])):
        if number >= _MOST:
            return None
        if len(found[2]) % 2 == 0:
            message_id = bytes.fromhex(found[1])
            if hmac.compare_digest(token(message_id), bytes.fromhex(found[2])):
                return message_id
    return None
