"""X-MSFBL: the header field by which a complaint finds its message, though the recipient's address was blacked out.

    base64(keyed digest) | base64(JSON)          JSON: r, message_id, customer_id, subaccount_id, tenant_id, k

The shape is SparkPost's (reference, section 6.7), but for the keepsake k. Only we can make the digest, so nobody can complain
in another's name.
"""

import base64
import binascii
import hmac
from collections.abc import Callable

import msgspec

MAC_BYTES = 16
PURPOSE = "msfbl"  # of the token (MasterKey.token)
_LINE = 800  # characters of a value before it is broken: a line has 998 at the most, and nobody else may break it
_MAX = 4_000  # characters of a value that is looked at


class Feedback(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the field carries. customer_id and subaccount_id are digits, '0' for the primary account."""

    r: str  # recipient
    message_id: str  # 20 hex digits
    customer_id: str
    subaccount_id: str = "0"
    tenant_id: str = "spc"
    k: str = ""  # the keepsake's word (keepsake.py); '' in mail of before there were any


_decode = msgspec.json.Decoder(Feedback).decode


def compose(feedback: Feedback, token: Callable[[bytes], bytes]) -> str:
    """Return the value of the field.

    token   keyed digest, MAC_BYTES long, of purpose PURPOSE
    """
    body = msgspec.json.encode(feedback)
    value = f"{base64.b64encode(token(body)).decode()}|{base64.b64encode(body).decode()}"
    return value if len(value) <= _LINE else " ".join(value[at : at + _LINE] for at in range(0, len(value), _LINE))


def parse(value: str, token: Callable[[bytes], bytes]) -> Feedback | None:
    """Return what a field says, or None if it is not one that we made. White space from folding is dropped."""
    digest, bar, body = "".join(value[:_MAX].split()).partition("|")
    if not bar:
        return None
    try:
        octets = base64.b64decode(body, validate=True)
        if not hmac.compare_digest(base64.b64decode(digest, validate=True), token(octets)):
            return None
        return _decode(octets)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
