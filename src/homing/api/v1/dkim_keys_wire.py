"""DKIM keys of a sending domain on the wire (SparkPost reference, section 2.8).

Here what is wrong in a body is 400 with message `invalid params` (section 1.6, code 1300).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.v1.sending_domains_pages import DNS_LIMIT
from homing.api.v1.sending_domains_wire import HEADERS, DkimIn, conflict, not_found
from homing.domains.keys import DEFAULT_BITS, LONGEST_BITS, SHORTEST_BITS
from homing.domains.rules.keys import MOST_KEYS, is_key_id
from homing.domains.rules.names import is_selector
from homing.domains.rules.verify import record_name, record_value
from homing.domains.types import DEFAULT_KEY, Conflict, DkimKey
from homing.domains.verify import Seen
from homing.ingress.rules.problem import Problem, Wrong, missing


class KeyIn(msgspec.Struct, kw_only=True):
    """A key to add; without private, public and selector one is made. `headers` is ignored."""

    id: str | None = None
    signing_domain: str | None = None
    private: str | None = None
    public: str | None = None
    selector: str | None = None
    dkim_key_length: int | None = None
    headers: str | None = None


class KeyUpdateIn(msgspec.Struct, kw_only=True):
    """What to change; what is absent stays. `is_default: true` is ours: the key signs where a message names none."""

    id: str | None = None
    signing_domain: str | None = None
    private: str | None = None
    public: str | None = None
    selector: str | None = None
    headers: str | None = None
    is_default: bool | None = None


class VerifyKeyIn(msgspec.Struct, kw_only=True):
    """Nothing is asked but the check itself."""


@contextmanager
def key_refusals() -> Iterator[None]:
    """Answer with the problem that a rule found, in the shape of this resource."""
    try:
        yield
    except Wrong as wrong:
        problem = wrong.problem
        if problem.code in ("1300", "1200") and problem.status in (400, 422) and problem.message != _MALFORMED:
            problem = bad_key(problem.description)
        raise ApiError(problem) from None


_MALFORMED = "Request body parsing failed"


def read_id(text: str | None) -> str:
    """Return the id of a key to add. Raises Wrong."""
    if not text:
        raise Wrong(missing("id is required"))
    if text == DEFAULT_KEY:
        raise Wrong(bad_key("Key ID 'default' is reserved"))
    if not is_key_id(text):
        raise Wrong(bad_key("id must have 1 to 64 letters, digits, '-' and '_', and begin with a letter or digit"))
    return text


def read_material(given: KeyIn | KeyUpdateIn) -> DkimIn | None:
    """Return the key that a customer brings, None where he brings none. Raises Wrong."""
    parts = (given.private, given.public, given.selector)
    if not any(part is not None for part in parts):
        return None
    if not all(parts):
        raise Wrong(bad_key("When providing custom keys, private, public, and selector must all be specified"))
    if not is_selector(given.selector or ""):
        raise Wrong(bad_key("selector must be a DNS name of letters, digits and '-'"))
    return DkimIn(private=given.private, public=given.public, selector=given.selector)


def read_length(given: KeyIn) -> int:
    """Return the bits of the RSA key to make. Raises Wrong."""
    bits = given.dkim_key_length
    if bits is not None and not SHORTEST_BITS <= bits <= LONGEST_BITS:
        raise Wrong(bad_key(f"dkim_key_length must be from {SHORTEST_BITS} to {LONGEST_BITS}"))
    return bits or DEFAULT_BITS


def bad_key(description: str) -> Problem:
    """A value of a key cannot be."""
    return Problem(400, "invalid params", description, "1300")


def exists(key_id: str) -> Problem:
    """The domain has a key of that id."""
    return bad_key(f"Key ID '{key_id}' already exists")


def full() -> Problem:
    """The domain has as many keys as there may be."""
    return bad_key(f"a domain has at most {MOST_KEYS} keys besides the default; delete one that signs nothing any more")


def selector_taken(selector: str, signing_domain: str) -> Problem:
    """Another key's record stands in that place."""
    return bad_key(f"the record at {record_name(selector, signing_domain)} belongs to another key; choose another selector")


def no_such_key(key_id: str) -> Problem:
    """The domain has no such key."""
    return Problem(404, "resource not found", f"DKIM key '{key_id[:64]}' does not exist", "1600")


def unverified(key_id: str, domain: str) -> Problem:
    """The key cannot sign yet."""
    return Problem(400, f"DKIM key '{key_id}' is not verified for sending domain '{domain}'", code="1100")


IS_DEFAULT = bad_key("Cannot delete default key")
NOT_HERE = bad_key("Cannot update default key via this endpoint. Use /sending-domains/{domain} instead.")
IMMUTABLE = bad_key("Field 'id' is immutable")


def show_key(parts: Sequence[DkimKey], *, default_key: str, dns: bool = True) -> dict[str, Any]:
    """Return a key as it is shown; its Ed25519 part, where it has one, beside the reference's members.

    parts   of one key, RSA first
    """
    first = parts[0]
    shown: dict[str, Any] = {
        "id": first.key_id,
        **_public(first),
        "is_default": first.key_id == default_key,
        "dkim_key_length": first.key_bits,
    }
    if first.key_id != default_key:
        shown |= {"created_at": _moment(first.created_at), "updated_at": _moment(first.updated_at)}
    if dns:
        shown["dns"] = _dns(first)
    for part in parts[1:]:
        shown[part.algorithm] = _public(part) | ({"dns": _dns(part)} if dns else {})
    return shown


def show_checked(parts: Sequence[DkimKey], seen: Sequence[Seen]) -> dict[str, Any]:
    """Return what a verification found."""
    pairs = list(zip(parts, seen, strict=True))
    first, found = pairs[0]
    shown: dict[str, Any] = {"id": first.key_id, "dkim_status": first.status, "dns": _dns(first, found)}
    for part, found in pairs[1:]:
        shown[part.algorithm] = {"dkim_status": part.status, "dns": _dns(part, found)}
    return shown


def _public(key: DkimKey) -> dict[str, Any]:
    return {
        "signing_domain": key.signing_domain,
        "public": key.public_key,
        "selector": key.selector,
        "headers": HEADERS,
        "dkim_status": key.status,
    }


def _dns(key: DkimKey, seen: Seen | None = None) -> dict[str, str]:
    return {
        "dkim_record": record_name(key.selector, key.signing_domain),
        "dkim_value": record_value(key.public_key, algorithm=key.algorithm),
    } | ({"dkim_error": seen.error} if seen is not None and seen.error else {})


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_TEXT: Schema = {"type": "string"}
_VERDICT: Schema = {"type": "string", "enum": ["unverified", "pending", "invalid", "valid"]}
_DNS: Schema = {
    "type": "object",
    "required": ["dkim_record", "dkim_value"],
    "properties": {"dkim_record": _TEXT, "dkim_value": _TEXT, "dkim_error": _TEXT},
    "description": "the name of the record, what it must hold, and why it does not",
}
_HALF: dict[str, Any] = {
    **dict.fromkeys(("signing_domain", "public", "selector", "headers"), _TEXT),
    "dkim_status": _VERDICT,
    "dns": _DNS,
}
_KEY: Schema = {
    "type": "object",
    "required": ["id", "signing_domain", "public", "selector", "headers", "dkim_status", "is_default", "dkim_key_length"],
    "properties": {
        "id": _TEXT,
        **_HALF,
        "is_default": {"type": "boolean"},
        "dkim_key_length": {"type": "integer"},
        "created_at": _TEXT,
        "updated_at": _TEXT,
        "ed25519": {"type": "object", "properties": _HALF, "description": "the second part of a key (an addition of homing)"},
    },
}
_CHECKED: Schema = {
    "type": "object",
    "required": ["id", "dkim_status", "dns"],
    "properties": {
        "id": _TEXT,
        "dkim_status": _VERDICT,
        "dns": _DNS,
        "ed25519": {"type": "object", "properties": {"dkim_status": _VERDICT, "dns": _DNS}},
    },
}
_MATERIAL: dict[str, Any] = {
    name: {"type": ["string", "null"]} for name in ("signing_domain", "private", "public", "selector", "headers")
}
_CREATE: Schema = {
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$", "maxLength": 64},
        **_MATERIAL,
        "dkim_key_length": {
            "type": ["integer", "null"],
            "minimum": SHORTEST_BITS,
            "maximum": LONGEST_BITS,
            "default": DEFAULT_BITS,
        },
    },
}
_UPDATE: Schema = {"type": "object", "properties": {**_MATERIAL, "is_default": {"type": ["boolean", "null"]}}}
_DOMAIN: Schema = {"name": "domain", "in": "path", "required": True, "schema": _TEXT}
_NAMED: Schema = {"name": "key_id", "in": "path", "required": True, "schema": _TEXT, "description": "`default`: the default key"}
_NO_DOMAIN = not_found("mail.acme.test")
_GONE = (_NO_DOMAIN, no_such_key("spring"))
_IN_BODY = (
    bad_key("When providing custom keys, private, public, and selector must all be specified"),
    selector_taken("spring", "mail.acme.test"),
)
_LIMITS = (Limit("length of an RSA key", LONGEST_BITS, "bits", "400 (1300)"),)


def _results(schema: Schema) -> Schema:
    return {"type": "object", "required": ["results"], "properties": {"results": schema}}


LIST = Operation(
    "List the DKIM keys of a sending domain",
    {
        200: (
            "the default key first",
            {
                "type": "object",
                "required": ["results", "total_count"],
                "properties": {"results": {"type": "array", "items": _KEY}, "total_count": {"type": "integer"}},
            },
        ),
    },
    errors=(_NO_DOMAIN,),
    parameters=(_DOMAIN,),
)
CREATE = Operation(
    "Add a DKIM key",
    {200: ("added", _results(_KEY))},
    errors=(missing("id is required"), exists("spring"), full(), *_IN_BODY, *_GONE),
    limits=(Limit("keys of a domain besides the default", MOST_KEYS, "keys", "400 (1300)"), *_LIMITS),
    example={"id": "spring", "dkim_key_length": 2048},
    description=(
        "A key is made (RSA, and Ed25519 beside it) unless private, public and selector bring one. It signs nothing until its "
        "record was seen in DNS; the keys that are there go on signing."
    ),
    parameters=(_DOMAIN,),
    body=_CREATE,
)
RETRIEVE = Operation(
    "Look at a DKIM key",
    {200: ("the key", _results(_KEY))},
    errors=_GONE,
    parameters=(_DOMAIN, _NAMED),
)
UPDATE = Operation(
    "Change a DKIM key",
    {
        200: (
            "changed",
            _results({"type": "object", "required": ["message", "id"], "properties": {"message": _TEXT, "id": _TEXT}}),
        ),
    },
    errors=(
        *_IN_BODY,
        NOT_HERE,
        IMMUTABLE,
        unverified("spring", "mail.acme.test"),
        *(conflict("mail.acme.test", one) for one in Conflict),
        *_GONE,
    ),
    limits=_LIMITS,
    example={"is_default": True},
    description=(
        "Another signing domain or other key material makes it unverified. `is_default: true` (an addition of homing) lets a "
        "verified key sign where a message names none; the key that did so stays, under an id of its own, until it is deleted."
    ),
    parameters=(_DOMAIN, _NAMED),
    body=_UPDATE,
)
DELETE = Operation(
    "Delete a DKIM key",
    {204: "deleted; mail that names it is signed by the default key"},
    errors=(IS_DEFAULT, *_GONE),
    parameters=(_DOMAIN, _NAMED),
)
VERIFY = Operation(
    "Look for the record of a DKIM key",
    {200: ("what was found", _results(_CHECKED))},
    errors=(*(conflict("mail.acme.test", one) for one in Conflict), *_GONE),
    limits=(DNS_LIMIT,),
    example={},
    optional=True,
    parameters=(_DOMAIN, _NAMED),
    body={"type": "object"},
)
