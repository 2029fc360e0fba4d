"""What the routes of /api/v1/sending-domains say of themselves in the OpenAPI document."""

from typing import Any

import msgspec

from homing.api.openapi import Operation, Schema
from homing.api.v1.sending_domains_wire import CreateIn, UpdateIn, VerifyIn
from homing.domains.keys import LONGEST_BITS, SHORTEST_BITS

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
_GONE = {404: "this account has no such domain (1600)"}
_IN_BODY = {
    408: "the body arrived too slowly",
    413: "the body is too large",
    415: "the body is not application/json (1700)",
    422: "a member is missing (1400), of a wrong form or type (1300), or excludes another (1301)",
}


def _results(schema: Schema) -> Schema:
    return {"type": "object", "required": ["results"], "properties": {"results": schema}}


def _bodies() -> tuple[dict[str, Schema], dict[str, Any]]:
    schemas, components = msgspec.json.schema_components(
        [CreateIn, UpdateIn, VerifyIn], ref_template="#/components/schemas/{name}"
    )
    components["CreateIn"]["required"] = ["domain"]
    components["CreateIn"]["properties"]["dkim_key_length"] = {
        "type": ["integer", "null"],
        "minimum": SHORTEST_BITS,
        "maximum": LONGEST_BITS,
        "default": 2048,
    }
    renamed = {"CreateIn": "SendingDomainCreate", "UpdateIn": "SendingDomainUpdate", "VerifyIn": "SendingDomainVerify"}
    renamed["DkimIn"] = "SendingDomainDkim"
    text = msgspec.json.encode([list(schemas), components]).decode()
    for name, better in renamed.items():  # names in the document are of the whole API, not of one module
        text = text.replace(f'"{name}"', f'"{better}"').replace(f'/schemas/{name}"', f'/schemas/{better}"')
    (create, update, verify), components = msgspec.json.decode(text)
    return {"create": create, "update": update, "verify": verify}, components


_BODIES, _SCHEMAS = _bodies()


def _filter(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": "only domains with this value"}


CREATE = Operation(
    "Add a sending domain",
    {
        200: ("added, with its DKIM keys", _results(_MADE)),
        400: "malformed JSON (1300), restricted (7000), in use by another account (7004), or a value that cannot be (1200)",
        409: "you have it already (1602)",
        **_IN_BODY,
    },
    description=(
        "Keys are made unless `dkim` brings one or `generate_dkim` is false: RSA as everybody knows it, and Ed25519 beside "
        "it, which signs once its record is published too. Private keys are never shown."
    ),
    body=_BODIES["create"],
    schemas=_SCHEMAS,
)
LIST = Operation(
    "List sending domains",
    {
        200: (
            "domains by name",
            _results(
                {"type": "array", "items": {**_DOMAIN, "properties": {"domain": {"type": "string"}, **_DOMAIN["properties"]}}}
            ),
        ),
        400: "a filter cannot be used (1200)",
    },
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
            _results({**_DOMAIN, "properties": {**_DOMAIN["properties"], "dkim": _DKIM, "dns_records": _RECORDS}}),
        ),
        **_GONE,
    },
    parameters=(_NAME,),
)
UPDATE = Operation(
    "Change a sending domain",
    {
        200: ("changed", _results({"type": "object"})),
        400: "malformed JSON (1300), a value that cannot be (1200), or the new key is not in DNS (1404)",
        **_GONE,
        **_IN_BODY,
    },
    description="What is absent stays as it is. A key of yours takes the place of the RSA key once it is seen in DNS.",
    parameters=(_NAME,),
    body=_BODIES["update"],
    schemas=_SCHEMAS,
)
DELETE = Operation(
    "Delete a sending domain",
    {204: "deleted; scheduled mail from it will be rejected", **_GONE},
    parameters=(_NAME,),
)
VERIFY = Operation(
    "Verify a sending domain in DNS",
    {
        200: ("the statuses, whether or not a check passed", _results(_VERIFIED)),
        400: "malformed JSON (1300), proved by another account (7004), or a mailbox that cannot be asked now (1200)",
        **_GONE,
        **_IN_BODY,
    },
    description=(
        "`dkim_verify`: the TXT record of the key. `cname_verify`, `mx_verify`: bounces lead to us. `postmaster_at_verify`, "
        "`abuse_at_verify`, `verification_mailbox_verify` with `verification_mailbox` (a local part): that mailbox is sent a "
        "token, good for 7 days; the latest one, posted as `..._token`, proves the domain."
    ),
    parameters=(_NAME,),
    body=_BODIES["verify"],
    schemas=_SCHEMAS,
)
