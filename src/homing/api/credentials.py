"""The API key in an Authorization header (SparkPost reference, section 1.2)."""

import base64
import binascii


def key_of(authorization: str) -> str | None:
    """Return the API key of an Authorization header: the key alone, or the user name of Basic; None where there is none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return authorization or None
    try:
        user, _, _ = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user or None
