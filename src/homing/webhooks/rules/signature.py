"""The signature of a post: an HMAC over its moment and body, so that a target can tell our posts from others'.

X-Homing-Signature: t=1778000000,v1=<hex of HMAC-SHA256(secret, "1778000000." + body)>
"""

import hashlib
import hmac

HEADER = "X-Homing-Signature"


def signature(secret: str, body: bytes, *, moment: int) -> str:
    """Return the header's value. moment: Unix seconds of this try."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"
