"""Tracking domains on the wire: bodies in, objects and errors out (SparkPost reference, sections 1.5 and 2.10)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with
from homing.api.v1.account_wire import moment
from homing.api.v1.sending_domains_pages import DNS_LIMIT
from homing.domains.rules.names import BadName, NameTrouble, domain_name
from homing.domains.rules.tracking import port_of
from homing.domains.types import TrackingDomain, Verdict
from homing.ground.certificates import Certificates
from homing.ingress.rules.problem import Problem, Wrong, bad_params

_HIGHEST_SUBACCOUNT = 2**31 - 1
_MOST_SUBACCOUNTS = 1_000


class TrackingIn(msgspec.Struct, kw_only=True):
    """A tracking domain to add, or to be changed; the types of its members are looked at one by one (see `flag`)."""

    domain: Any = None
    secure: Any = None
    default: Any = None


def bad_member(param: str, message: str, value: object, *, status: int = 422) -> Problem:
    """A member cannot be used, in the shape of this resource: what, why, and what was given."""
    shown: object = None
    if isinstance(value, str):
        shown = value[:253]
    elif isinstance(value, bool) or (isinstance(value, int) and abs(value) <= _HIGHEST_SUBACCOUNT):
        shown = value
    return Problem(status, message, more={"param": param, "value": shown})


def flag(value: object, param: str) -> bool | None:
    """Return a member that is true, false, or (null too) absent. Raises Wrong."""
    if value is None or isinstance(value, bool):
        return value
    raise Wrong(bad_member(param, f"{param} must be a boolean", value))


def read_name(text: object, *, own_hosts: frozenset[str]) -> str:
    """Return the domain to add as we keep it. Raises Wrong."""
    if text is None:
        raise Wrong(bad_member("domain", "domain is required", text))
    if not isinstance(text, str):
        raise Wrong(bad_member("domain", "domain must be a string", text))
    name = domain_name(text)
    if isinstance(name, BadName):
        if name.trouble is NameTrouble.RESTRICTED:
            raise Wrong(bad_member("domain", "domain is restricted", text, status=400))
        raise Wrong(bad_member("domain", "domain must be valid", text))
    if name in own_hosts:
        raise Wrong(bad_member("domain", "domain is restricted", text, status=400))
    return name


def read_filters(query: Mapping[str, str]) -> tuple[bool | None, list[int] | None]:
    """Return the filters of a list: default or not, and the subaccounts (0: the primary account). Raises Wrong."""
    default = query.get("default") or None
    if default not in (None, "true", "false"):
        raise Wrong(bad_params("default must be true or false"))
    numbers = None
    if query.get("subaccounts"):
        texts = [text.strip() for text in query["subaccounts"].split(",") if text.strip()]
        if len(texts) > _MOST_SUBACCOUNTS or not all(
            text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _HIGHEST_SUBACCOUNT for text in texts
        ):
            raise Wrong(bad_params("subaccounts must be numbers with commas between them, 0 for the primary account"))
        numbers = [int(text) for text in texts]
    return None if default is None else default == "true", numbers


EXISTS = Problem(409, "The tracking domain already exists")
NOT_FOUND = Problem(404, "resource not found")


def unverified(domain: str) -> Problem:
    """Only a verified domain can be the default."""
    return Problem(422, f"Tracking domain '{domain}' unverified.")


class Tls(NamedTuple):
    """What is told of a domain's certificate; `certificate` is empty where there is none."""

    status: str
    certificate: dict[str, Any]


def show_tls(certificates: Certificates, domain: str, *, now: datetime) -> Tls:
    """Return how TLS stands; without a folder of certificates whoever is before the site ends it, and nobody here knows."""
    held = certificates.of(domain)
    if held is None:
        return Tls("unavailable" if certificates.kept else "unknown", {})
    facts = {"issued_at": moment(held.issued_at), "expires_at": moment(held.expires_at), "error_code": None}
    return Tls("valid" if held.expires_at > now else "expired", facts)


def show(domain: TrackingDomain, *, own_base: str, tls: Tls) -> dict[str, Any]:
    """Return a tracking domain. own_base: what the installation's own tracked addresses begin with."""
    shown: dict[str, Any] = {
        "domain": domain.domain,
        "port": port_of(secure=domain.secure, own_base=own_base),
        "secure": domain.secure,
        "default": domain.is_default,
        "uses_managed_certificate": bool(tls.certificate),
        "status": {**show_status(domain), "tls_status": tls.status},
        **({"tls_certificate": tls.certificate} if tls.certificate else {}),
    }
    return shown | ({"subaccount_id": domain.subaccount_id} if domain.subaccount_id else {})


def show_status(domain: TrackingDomain) -> dict[str, Any]:
    """Return what a verification answers."""
    return {
        "verified": domain.cname_status == Verdict.VALID,
        "cname_status": domain.cname_status,
        "compliance_status": domain.compliance_status,
    }


_NAMED: Schema = {"name": "domain", "in": "path", "required": True, "schema": {"type": "string"}}
_FLAG: Schema = {"type": ["boolean", "null"]}
_VERIFIED: dict[str, Any] = {
    "verified": {"type": "boolean"},
    "cname_status": {"type": "string", "enum": ["unverified", "pending", "invalid", "valid"]},
    "compliance_status": {"type": "string", "enum": ["pending", "valid", "blocked"]},
}
_DOMAIN: Schema = {
    "type": "object",
    "required": ["domain", "port", "secure", "default", "status"],
    "properties": {
        "domain": {"type": "string"},
        "port": {"type": "integer"},
        "secure": {"type": "boolean", "description": "addresses begin with https"},
        "default": {"type": "boolean"},
        "uses_managed_certificate": {"type": "boolean", "description": "this installation has a certificate for it"},
        "status": {
            "type": "object",
            "required": ["verified", "cname_status", "compliance_status"],
            "properties": {**_VERIFIED, "tls_status": {"type": "string", "enum": ["unknown", "unavailable", "expired", "valid"]}},
        },
        "tls_certificate": {
            "type": "object",
            "properties": {
                "issued_at": {"type": "string"},
                "expires_at": {"type": "string"},
                "error_code": {"type": ["string", "null"]},
            },
        },
        "subaccount_id": {"type": "integer"},
    },
}
_BRIEF: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "object", "required": ["domain"], "properties": {"domain": {"type": "string"}}}},
}
_GONE = (NOT_FOUND,)
_NO_FLAG = problem_with(flag, "yes", "secure")
_LIMIT = Limit("domain", 253, "characters", "422")


def _results(schema: Schema) -> Schema:
    return {"type": "object", "required": ["results"], "properties": {"results": schema}}


CREATE = Operation(
    "Add a tracking domain",
    {200: ("added", _BRIEF)},
    errors=(
        bad_member("domain", "domain is restricted", "gmail.com", status=400),
        bad_member("domain", "domain is required", None),
        bad_member("domain", "domain must be valid", "acme"),
        _NO_FLAG,
        EXISTS,
    ),
    limits=(_LIMIT,),
    example={"domain": "track.acme.test", "secure": True},
    description="Point its CNAME to the host of HOMING_TRACKING_URL, then verify it. X-MSYS-SUBACCOUNT says whose it is.",
    body={
        "type": "object",
        "required": ["domain"],
        "properties": {"domain": {"type": "string", "maxLength": 253}, "secure": _FLAG},
    },
)
LIST = Operation(
    "List tracking domains",
    {200: ("domains by name", _results({"type": "array", "items": _DOMAIN}))},
    errors=(problem_with(read_filters, {"default": "yes"}),),
    limits=(Limit("subaccounts", _MOST_SUBACCOUNTS, "subaccounts", "400 (1200)"),),
    parameters=(
        {
            "name": "default",
            "in": "query",
            "schema": {"type": "boolean"},
            "description": "only those that are the default, or not",
        },
        {
            "name": "subaccounts",
            "in": "query",
            "schema": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": _HIGHEST_SUBACCOUNT}},
            "style": "form",
            "explode": False,
            "description": "only those of these subaccounts; 0: the primary account",
        },
    ),
)
RETRIEVE = Operation("Look at a tracking domain", {200: ("the domain", _results(_DOMAIN))}, parameters=(_NAMED,), errors=_GONE)
UPDATE = Operation(
    "Change a tracking domain",
    {200: ("changed", _BRIEF)},
    errors=(unverified("track.acme.test"), _NO_FLAG, *_GONE),
    limits=(_LIMIT,),
    example={"default": True},
    description="`default: true` takes the place of the default of its (sub)account. Only a verified one can be.",
    parameters=(_NAMED,),
    body={"type": "object", "properties": {"secure": _FLAG, "default": _FLAG}},
)
DELETE = Operation(
    "Delete a tracking domain",
    {204: "deleted; links that lead there are dead, and sending domains are not linked to it any more"},
    errors=_GONE,
    parameters=(_NAMED,),
)
VERIFY = Operation(
    "Verify a tracking domain in DNS",
    {
        200: (
            "the status, whether or not the check passed",
            _results(
                {
                    "type": "object",
                    "required": list(_VERIFIED),
                    "properties": {
                        **_VERIFIED,
                        "dns": {
                            "type": "object",
                            "properties": {name: {"type": "string"} for name in ("cname_record", "cname_error")},
                        },
                    },
                }
            ),
        ),
    },
    errors=(EXISTS, *_GONE),
    limits=(DNS_LIMIT,),
    example={},
    optional=True,
    parameters=(_NAMED,),
    body={"type": "object"},
)
