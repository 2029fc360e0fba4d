"""What the routes of /api/v1/sending-domains say of themselves in the OpenAPI document."""

from typing import Any

from homing.api.openapi import Limit, Operation, Schema
from homing.api.schemas import components, in_results, ref
from homing.api.v1.sending_domains_mail import CANNOT
from homing.api.v1.sending_domains_wire import CreateIn, DkimIn, UpdateIn, VerifyIn, conflict, not_found
from homing.domains.keys import LONGEST_BITS, SHORTEST_BITS
from homing.domains.types import Conflict
from homing.ingress.rules.problem import Problem, bad_combination, bad_params, bad_type, missing

_VERDICT: Schema = {"type": "string", "enum": ["unverified", "pending", "invalid", "valid"]}
_VERDICTS = (
    "dkim_status",
    "cname_status",
    "mx_status",
    "spf_status",
    "abuse_at_status",
    "postmaster_at_status",
    "verification_mailbox_status",
)
_STATUS: dict[str, Any] = {
    "type": "object",
    "required": ["ownership_verified", *_VERDICTS, "compliance_status"],
    "properties": {
        "ownership_verified": {"type": "boolean"},
        **dict.fromkeys(_VERDICTS, _VERDICT),
        "compliance_status": {"type": "string", "enum": ["valid", "blocked", "pending"]},
        "verification_mailbox": {"type": "string", "description": "local part of the mailbox that was asked"},
    },
}
_PUBLIC: dict[str, Any] = {name: {"type": "string"} for name in ("headers", "public", "selector", "signing_domain")}
_DKIM: Schema = {
    "type": "object",
    "properties": {**_PUBLIC, "ed25519": {"type": "object", "properties": {**_PUBLIC, "dkim_status": _VERDICT}}},
}
_RECORDS: Schema = {
    "type": "array",
    "items": {"type": "object", "properties": {name: {"type": "string"} for name in ("type", "name", "value")}},
    "description": "what to publish, ready to paste (an addition of homing)",
}
_DOMAIN: dict[str, Any] = {
    "type": "object",
    "required": ["status", "is_default_bounce_domain", "creation_time"],
    "properties": {
        "status": _STATUS,
        "tracking_domain": {"type": "string"},
        "shared_with_subaccounts": {"type": "boolean"},
        "subaccount_id": {"type": "integer"},
        "is_default_bounce_domain": {"type": "boolean"},
        "creation_time": {"type": "string"},
    },
}
_MADE: Schema = {
    "type": "object",
    "required": ["message", "domain"],
    "properties": {
        "message": {"type": "string"},
        "domain": {"type": "string"},
        "dkim": _DKIM,
        "dns_records": _RECORDS,
    },
}
_VERIFIED: Schema = {
    **_STATUS,
    "properties": {
        **_STATUS["properties"],
        "dns": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_NAME: Schema = {"name": "domain", "in": "path", "required": True, "schema": {"type": "string"}}
_GONE = (not_found("mail.acme.test"),)
_NO_TRACKING = bad_params("Tracking domain 'track.acme.test' is not a registered tracking domain")
_NOT_IN_DNS = Problem(400, "request to remote endpoint failed", "no DKIM record found", "1404")


def _schemas() -> dict[str, Any]:
    made = components(
        {
            CreateIn: "SendingDomainCreate",
            UpdateIn: "SendingDomainUpdate",
            VerifyIn: "SendingDomainVerify",
            DkimIn: "SendingDomainDkim",
        },
        {
            CreateIn: {
                "domain": "the name",
                "tracking_domain": "a registered tracking domain for its links",
                "generate_dkim": "make keys; true where absent",
                "dkim": "a key pair of yours",
                "shared_with_subaccounts": "subaccounts may send from it",
            },
            UpdateIn: {
                "tracking_domain": "a registered tracking domain; empty: none",
                "dkim": "a key pair of yours, or another signing_domain",
                "shared_with_subaccounts": "subaccounts may send from it",
                "is_default_bounce_domain": "bounces of mail without a return_path come here",
            },
            VerifyIn: {
                "dkim_verify": "look for the TXT record of the key",
                "cname_verify": "look whether its CNAME leads to us",
                "mx_verify": "look whether its MX leads to us",
                "spf_verify": "has no effect",
            },
            DkimIn: {
                "private": "RSA, PKCS#1 or PKCS#8, base64 without armour",
                "public": "its other half",
                "selector": "where the record is",
                "signing_domain": "the domain itself or one above it",
                "headers": "has no effect",
            },
        },
        required={CreateIn: ("domain",)},
    )
    made["SendingDomainCreate"]["properties"]["dkim_key_length"] = {
        "type": ["integer", "null"],
        "minimum": SHORTEST_BITS,
        "maximum": LONGEST_BITS,
        "default": 2048,
        "description": "bits of the RSA key that is made",
    }
    return made


_SCHEMAS = _schemas()
DNS_LIMIT = Limit("time for DNS to answer", 5, "seconds", "the check fails")
_KEY_LIMITS = (Limit("length of an RSA key", LONGEST_BITS, "bits", "422 (1300)"),)


def _filter(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": "only domains with this value"}


CREATE = Operation(
    "Add a sending domain",
    {
        200: ("added, with its DKIM keys", in_results(_MADE)),
    },
    errors=(
        missing("domain is a required field"),
        bad_type("Error domain name contains no '.'(s) for domain: 'acme'"),
        bad_combination("dkim_key_length goes only with generate_dkim"),
        Problem(400, "Restricted domain", "Restricted domain: 'gmail.com'", "7000"),
        *(conflict("mail.acme.test", one) for one in Conflict),
        _NO_TRACKING,
    ),
    limits=(Limit("domain", 253, "characters", "422 (1300)"), *_KEY_LIMITS),
    example={"domain": "mail.acme.test", "dkim_key_length": 2048, "shared_with_subaccounts": False},
    description=(
        "Keys are made unless `dkim` brings one or `generate_dkim` is false: RSA as everybody knows it, and Ed25519 beside "
        "it, which signs once its record is published too. Private keys are never shown."
    ),
    body=ref("SendingDomainCreate"),
    schemas=_SCHEMAS,
)
LIST = Operation(
    "List sending domains",
    {
        200: (
            "domains by name",
            in_results(
                {"type": "array", "items": {**_DOMAIN, "properties": {"domain": {"type": "string"}, **_DOMAIN["properties"]}}}
            ),
        ),
    },
    errors=(bad_params("ownership_verified must be true or false"),),
    parameters=(
        _filter("ownership_verified", {"type": "boolean"}),
        _filter("is_default_bounce_domain", {"type": "boolean"}),
        *(_filter(name, _VERDICT) for name in _VERDICTS if name != "verification_mailbox_status"),
        _filter("compliance_status", _STATUS["properties"]["compliance_status"]),
    ),
)
RETRIEVE = Operation(
    "Look at a sending domain",
    {
        200: (
            "the domain",
            in_results({**_DOMAIN, "properties": {**_DOMAIN["properties"], "dkim": _DKIM, "dns_records": _RECORDS}}),
        ),
    },
    errors=_GONE,
    parameters=(_NAME,),
)
UPDATE = Operation(
    "Change a sending domain",
    {
        200: ("changed", in_results({"type": "object"})),
    },
    errors=(
        *_GONE,
        missing("dkim.selector is a required field"),
        bad_params("is_default_bounce_domain needs a valid cname_status or mx_status"),
        _NO_TRACKING,
        _NOT_IN_DNS,
        *(conflict("mail.acme.test", one) for one in Conflict),
    ),
    limits=_KEY_LIMITS,
    example={"shared_with_subaccounts": True, "is_default_bounce_domain": True},
    description="What is absent stays as it is. A key of yours takes the place of the RSA key once it is seen in DNS.",
    parameters=(_NAME,),
    body=ref("SendingDomainUpdate"),
    schemas=_SCHEMAS,
)
DELETE = Operation(
    "Delete a sending domain",
    {204: "deleted; what waits of its mail will be rejected"},
    errors=_GONE,
    parameters=(_NAME,),
)
VERIFY = Operation(
    "Verify a sending domain in DNS",
    {
        200: ("the statuses, whether or not a check passed", in_results(_VERIFIED)),
    },
    errors=(
        *_GONE,
        bad_params("postmaster_at_verify is not offered here; verify with dkim_verify, cname_verify or mx_verify"),
        missing("verification_mailbox is a required field"),
        bad_type("verification_mailbox must be the part of an address before the @, not postmaster or abuse"),
        CANNOT,
        *(conflict("mail.acme.test", one) for one in Conflict),
    ),
    limits=(DNS_LIMIT,),
    example={"dkim_verify": True, "cname_verify": True},
    description=(
        "`dkim_verify`: the TXT record of the key. `cname_verify`, `mx_verify`: bounces lead to us. `postmaster_at_verify`, "
        "`abuse_at_verify`, `verification_mailbox_verify` with `verification_mailbox` (a local part): that mailbox is sent a "
        "token, good for 7 days; the latest one, posted as `..._token`, proves the domain."
    ),
    parameters=(_NAME,),
    body=ref("SendingDomainVerify"),
    schemas=_SCHEMAS,
)
