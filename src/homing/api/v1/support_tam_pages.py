"""What the routes of the TAM's programme say of themselves in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from homing.api.errors import NOT_FOUND
from homing.api.openapi import Limit, Operation, Schema
from homing.api.v1.support_tam_wire import LONGEST_LINE, LONGEST_TITLE, MOST_DAYS
from homing.ingress.rules.problem import Problem, bad_params, bad_type, missing
from homing.support.cases.rules.reading import LONGEST_BODY
from homing.support.tam.rules.states import LONGEST_REASON, MOST_ACTIONS, MOST_STAGES, MOST_TASKS, MOST_TOPICS
from homing.support.tam.types import Need, Rate, State, TaskKind, TopicKind

RESULT: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
LISTED: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "array", "items": {"type": "object"}}},
}
_LATE = Problem(409, "not as it stands", "the recommendation is followed; 'decline' is possible while it is acknowledged, issued")
_NOT_HE = Problem(403, "Forbidden.", "the account's TAM, who stands in for him, or an admin changes its programme")
_NOT_SO = bad_type("each task has a title")
_MISSING = missing("title is a required field")
_STRANGER = bad_params("contact is the address of a contact of this account")
NUMBER: Schema = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}
DOCUMENT: Schema = {"name": "document", "in": "path", "required": True, "schema": {"type": "string"}}
TEXT: Schema = {"type": "string", "maxLength": LONGEST_BODY}
LINE: Schema = {"type": "string", "maxLength": LONGEST_LINE}
REASON: Schema = {"type": "string", "maxLength": LONGEST_REASON}
TITLE: Schema = {"type": "string", "maxLength": LONGEST_TITLE}
DAY: Schema = {"type": "string", "format": "date"}
TIME: Schema = {"type": "string", "format": "date-time"}
COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_991}
SIDE: Schema = {"type": "string", "enum": ["customer", "provider"]}
CONTACT: Schema = {"type": "string", "maxLength": 320, "description": "address of the contact whose word it is"}
EVIDENCE: Schema = {**LINE, "description": "staff: the customer's written word, or a recorded call"}
ACCOUNT: Schema = {"type": "integer", "minimum": 1, "maximum": 2_147_483_647}
_ABOUT: dict[str, Schema] = {name: {"type": "string", "maxLength": 253} for name in ("sending_domain", "ip_pool", "provider")}
RATE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
TASKS: Schema = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_TASKS,
    "items": {
        "type": "object",
        "required": ["title"],
        "properties": {
            "number": COUNT,
            "title": TITLE,
            "kind": {"type": "string", "enum": list(TaskKind)},
            "owner": SIDE,
            "who": TITLE,
            "due_on": DAY,
        },
    },
}
STAGES: Schema = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_STAGES,
    "items": {
        "type": "object",
        "required": ["starts_on", "per_day"],
        "properties": {"starts_on": DAY, "per_day": COUNT, "owner": SIDE, "who": TITLE, "what": TITLE},
    },
}
TOPICS: Schema = {
    "type": "array",
    "maxItems": MOST_TOPICS,
    "items": {
        "type": "object",
        "required": ["text"],
        "properties": {"kind": {"type": "string", "enum": list(TopicKind)}, "text": LINE},
    },
}
ACTIONS: Schema = {
    "type": "array",
    "maxItems": MOST_ACTIONS,
    "items": {
        "type": "object",
        "required": ["text"],
        "properties": {"text": LINE, "owner": SIDE, "who": TITLE, "due_on": DAY},
    },
}
CHECK: Schema = {
    "type": "object",
    "required": ["type"],
    "description": "what shows that it was followed; without one the TAM attests it",
    "properties": {
        "type": {"type": "string", "enum": ["domain", "rate", "ramp"]},
        "domain": {"type": "string", "maxLength": 253},
        "needs": {"type": "array", "maxItems": 3, "items": {"type": "string", "enum": list(Need)}},
        "rate": {"type": "string", "enum": list(Rate)},
        "most": RATE,
        "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS},
        "least": {"type": "integer", "minimum": 1, "maximum": 1_000_000_000},
        "about": {"type": "object", "properties": _ABOUT},
        "plan": COUNT,
    },
}
PLAN = {"tasks": TASKS}
RAMP: Mapping[str, Schema] = {"stages": STAGES, "most_bounces": RATE, "most_complaints": RATE, **_ABOUT}
A_PLAN = {"tasks": [{"title": "Verify news.example.com", "kind": "authentication", "owner": "customer", "due_on": "2026-06-01"}]}
A_RAMP = {
    "stages": [{"starts_on": "2026-06-01", "per_day": 5_000}, {"starts_on": "2026-06-02", "per_day": 10_000}],
    "most_bounces": 0.05,
    "most_complaints": 0.001,
}
AN_AGENDA = [
    {"kind": "new_needs", "text": "receipts by mail"},
    {"kind": "capacity", "text": "the autumn sale"},
    {"kind": "features", "text": "A/B tests"},
]
_QUERY = (
    {"name": "state", "in": "query", "schema": {"type": "string"}, "description": f"one or several of {', '.join(State)}"},
    {"name": "before", "in": "query", "schema": {"type": "integer"}, "description": "records with a lower number"},
    {"name": "per_page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}},
    {"name": "account_id", "in": "query", "schema": {"type": "integer"}, "description": "staff: of one customer"},
)


def body(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """Return the schema of a body."""
    made: dict[str, Any] = {"type": "object", "properties": properties}
    return {**made, "required": list(required)} if required else made


def listing(what: str) -> Operation:
    """Return what a list says of itself."""
    return Operation(
        f"List {what}s",
        {200: ("the latest first", LISTED)},
        errors=(bad_params("per_page is 1 to 200"),),
        parameters=_QUERY,
    )


def creating(what: str, schema: Schema, example: Mapping[str, Any], description: str) -> Operation:
    """Return what making a record says of itself."""
    return Operation(
        f"Make {what}",
        {200: ("the record", RESULT)},
        description=description,
        body=schema,
        errors=(_MISSING, _NOT_SO, _NOT_HE, _LATE, bad_params("account_id is the number of a customer")),
        limits=(Limit("text", LONGEST_BODY, "characters", "422"),),
        example=example,
    )


def looking(what: str, *more: Schema, listed: bool = False, description: str = "") -> Operation:
    """Return what looking at something of a record says of itself."""
    answer = LISTED if listed else RESULT
    return Operation(
        f"Look at {what}", {200: ("whole", answer)}, description=description, parameters=(NUMBER, *more), errors=(NOT_FOUND,)
    )


def stepping(summary: str, schema: Schema, example: Mapping[str, Any], description: str = "") -> Operation:
    """Return what a step says of itself."""
    return Operation(
        summary,
        {200: ("the whole record", RESULT)},
        description=description,
        parameters=(NUMBER,),
        body=schema,
        errors=(NOT_FOUND, _LATE, _NOT_HE, _NOT_SO, _MISSING, _STRANGER),
        limits=(Limit("text", LONGEST_BODY, "characters", "422"),),
        example=example,
    )
