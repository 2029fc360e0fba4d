"""Whether a request really comes from the carrier that it names (model, sections 4.1 and 4.4).

Every comparison takes the same time whatever is given, and every secret that is valid now is tried, so that secrets can be
rotated: two are active at once. The address is the one that we gave the carrier: from settings, never from the Host header.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from homing.support.line.types import Family, Keys, Verdict

OLDEST_S = 300  # of a signature that tells when it was made
MOST_FIELDS = 1_000
_USUAL = {"https": 443, "http": 80}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came. url: base address of ours, path and query as they were sent; headers: names in lower case."""

    url: str
    headers: Mapping[str, str]
    body: bytes = b""


def check(family: Family, seen: Seen, keys: Keys, *, now_s: float) -> Verdict:
    """Judge a request."""
    match family:
        case Family.TWILIO:
            return _twilio(seen, keys, ("x-twilio-signature",))
        case Family.SIGNALWIRE:
            return _twilio(seen, keys, ("x-signalwire-signature", "x-twilio-signature"))
        case Family.TELNYX:
            return _telnyx(seen, keys, now_s)
        case Family.JAMBONZ:
            return _jambonz(seen, keys, now_s)


def form_fields(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form in order; bytes that are no UTF-8 are kept as surrogates.

    raises   ValueError where there are too many
    """
    return parse_qsl(
        body.decode("ascii", "surrogateescape"), keep_blank_values=True, errors="surrogateescape", max_num_fields=MOST_FIELDS
    )


def classic(url: str, fields: Sequence[tuple[str, str]], secret: str, *, algorithm: str = "sha1") -> str:
    """Return the signature of a form: the address, then each distinct name in byte order with its distinct values in order."""
    values: dict[str, set[str]] = {}
    for name, value in fields:
        values.setdefault(name, set()).add(value)
    signed = url + "".join(f"{name}{value}" for name in sorted(values) for value in sorted(values[name]))
    digest = hmac.digest(secret.encode(), signed.encode("utf-8", "surrogateescape"), algorithm)
    return base64.b64encode(digest).decode("ascii")


def spellings(url: str) -> Iterator[str]:
    """Give an address without its port, with it, and with the usual one of its scheme: a carrier may have signed any."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    port = parts.port
    name = host if port is None else host.rpartition(":")[0]
    before, after = url.split("://", 1)[0], url.split("://", 1)[1][len(parts.netloc) :]
    given = {name, f"{name}:{port or _USUAL.get(parts.scheme, 443)}"}
    for one in sorted(given):
        yield f"{before}://{one}{after}"


def _twilio(seen: Seen, keys: Keys, headers: Sequence[str]) -> Verdict:
    given = next((seen.headers[name] for name in headers if seen.headers.get(name)), "")
    if not given:
        return Verdict.UNSIGNED
    secrets, algorithm = _chosen(seen.headers.get("x-twilio-webhooks-signature-settings"), keys)
    expected = dict(parse_qsl(urlsplit(seen.url).query)).get("bodySHA256")
    is_form = seen.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
    whole = True
    if expected is not None and not is_form:  # then the address alone is signed, and it names the digest of the body
        whole = _same(hashlib.sha256(seen.body).hexdigest(), expected.lower())
        fields: list[tuple[str, str]] = []
    elif is_form or not seen.body:
        try:
            fields = form_fields(seen.body)
        except ValueError:
            return Verdict.FORGED
    else:
        return Verdict.FORGED  # a body that nothing vouches for
    matches = [
        _same(classic(url, fields, secret, algorithm=algorithm), given) for secret in secrets for url in spellings(seen.url)
    ]
    return Verdict.GENUINE if whole and any(matches) else Verdict.FORGED


def _chosen(settings: str | None, keys: Keys) -> tuple[Sequence[str], str]:
    """Return the secrets that may have signed, and how: `key=<name>,algorithm=HMAC_SHA256` names a shared key."""
    if settings is None:
        return keys.secrets, "sha1"
    said = dict(part.strip().partition("=")[::2] for part in settings.split(","))
    if said.get("algorithm", "").upper() != "HMAC_SHA256":
        return (), "sha256"
    return keys.shared, "sha256"


def _telnyx(seen: Seen, keys: Keys, now_s: float) -> Verdict:
    given, stamp = seen.headers.get("telnyx-signature-ed25519", ""), seen.headers.get("telnyx-timestamp", "")
    if not given or not stamp:
        return Verdict.UNSIGNED
    try:
        signature = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return Verdict.FORGED
    genuine = False
    for key in keys.public:
        try:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(key)).verify(signature, stamp.encode() + b"|" + seen.body)
            genuine = True
        except (InvalidSignature, ValueError):
            continue
    if not genuine:
        return Verdict.FORGED
    return Verdict.GENUINE if _is_fresh(stamp, now_s) else Verdict.OLD


def _jambonz(seen: Seen, keys: Keys, now_s: float) -> Verdict:
    header = seen.headers.get("jambonz-signature", "")
    if header:
        parts = [part.strip().partition("=") for part in header.split(",")]
        stamp = next((value for name, _, value in parts if name == "t"), "")
        given = [value for name, _, value in parts if name == "v1"]
        signed = stamp.encode() + b"." + seen.body
        made = [hmac.digest(secret.encode(), signed, "sha256").hex() for secret in keys.secrets]
        matches = [_same(one, other) for one in made for other in given]
        if not any(matches):
            return Verdict.FORGED
        return Verdict.GENUINE if _is_fresh(stamp, now_s) else Verdict.OLD
    scheme, _, rest = seen.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return Verdict.UNSIGNED
    try:
        pair = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return Verdict.FORGED
    matches = [_same(one, pair) for one in keys.basic]
    return Verdict.GENUINE if any(matches) else Verdict.FORGED


def _is_fresh(stamp: str, now_s: float) -> bool:
    return stamp.isascii() and stamp.isdigit() and len(stamp) < 15 and abs(now_s - int(stamp)) <= OLDEST_S


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))
