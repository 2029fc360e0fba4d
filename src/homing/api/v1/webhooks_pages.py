"""What the routes of webhooks say of themselves in the OpenAPI document."""

from typing import Any

from homing.api.errors import NOT_FOUND
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with
from homing.api.v1.webhooks_wire import (
    MOST_EXCEPTIONS,
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    MOST_LIMIT,
    MOST_NAME,
    MOST_TOKEN,
    MOST_TRIED,
    MOST_WEBHOOKS,
    OF_NAME,
    failed,
    read_headers,
    read_limit,
    read_types,
    read_zone,
)
from homing.ground.http import MOST_URL, Answered
from homing.ingress.rules.problem import bad_params, bad_type, missing
from homing.webhooks.delivery import TIMEOUT_S

TOO_MANY = bad_params(f"an account has at most {MOST_WEBHOOKS} webhooks")
NOT_YOURS = bad_params("subaccount_id can be changed by the primary account alone")
_ID: Schema = {"name": "webhook_id", "in": "path", "required": True, "schema": {"type": "string"}}
_ZONE: Schema = {
    "name": "timezone",
    "in": "query",
    "schema": {"type": "string", "default": "UTC"},
    "description": "of last_successful and last_failure",
}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_BODY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "for you"},
        "target": {"type": "string", "description": "https:// or http://, on port 443 or 80"},
        "events": {"type": "array", "items": {"type": "string", "enum": sorted(OF_NAME)}, "description": "what it is told"},
        "active": {"type": "boolean", "description": "false: nothing is posted"},
        "custom_headers": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "further headers of every post",
        },
        "exception_subaccounts": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "subaccounts that it is not told of",
        },
        "auth_type": {"type": "string", "enum": ["none", "basic", "oauth2"]},
        "auth_request_details": {"type": "object", "description": "with oauth2: url, and body of the request for a token"},
        "auth_credentials": {"type": "object", "description": "with basic: username and password"},
        "auth_token": {"type": "string", "description": "X-MessageSystems-Webhook-Token of every post"},
    },
}
_REFUSAL = Answered(status=502, headers={}, body="Bad Gateway")
_TARGET = (
    failed("POST to webhook target URL failed", "", _REFUSAL),
    failed("POST to webhook tokens URL failed", "no access_token in the answer", _REFUSAL),
    bad_params("the host 10.0.0.1 cannot be posted to: it is a private address"),
)
_IN_BODY = (
    missing("name is a required field"),
    problem_with(read_types, ["opened"]),
    *(problem_with(read_headers, one) for one in ({"a": "b" * MOST_HEADER_BYTES}, {"Host": "x"}, dict.fromkeys("abcdef", ""))),
    *_TARGET,
)
_LIMITS = (
    Limit("webhooks of an account", MOST_WEBHOOKS, "webhooks", "400 (1200)"),
    Limit("name", MOST_NAME, "characters", "422 (1300)"),
    Limit("target", MOST_URL, "characters", "400 (1200)"),
    Limit("custom_headers", MOST_HEADERS, "headers", "422 (10002)"),
    Limit("custom_headers", MOST_HEADER_BYTES, "bytes in all", "413 (10001)"),
    Limit("exception_subaccounts", MOST_EXCEPTIONS, "subaccounts", "422 (1300)"),
    Limit("auth_token, username, password", MOST_TOKEN, "characters", "422 (1300)"),
    Limit("body of auth_request_details", MOST_TOKEN, "bytes", "422 (1300)"),
)
_NO_SUCH = (NOT_FOUND,)
_NO_ZONE = problem_with(read_zone, "Mars")
_EXAMPLE = {
    "name": "app events",
    "target": "https://app.acme.test/hook",
    "events": ["delivery", "bounce", "open", "click"],
    "auth_type": "basic",
    "auth_credentials": {"username": "u", "password": "a long random word"},
    "custom_headers": {"x-app": "1"},
}
CREATE = Operation(
    "Make a webhook",
    {200: ("its id, links and signing secret", _RESULTS)},
    errors=(*_IN_BODY, TOO_MANY),
    limits=_LIMITS,
    example=_EXAMPLE,
    description='The target gets a test, `[{"msys":{}}]`, and must answer with 200 before anything is stored.',
    body={**_BODY, "required": ["name", "target", "events"]},
)
LIST = Operation("List webhooks", {200: ("every webhook", _LISTED)}, parameters=(_ZONE,), errors=(_NO_ZONE,))
RETRIEVE = Operation(
    "Look at one webhook", {200: ("the webhook", _RESULTS)}, parameters=(_ID, _ZONE), errors=(*_NO_SUCH, _NO_ZONE)
)
UPDATE = Operation(
    "Change one webhook",
    {200: ("changed", _RESULTS)},
    errors=(*_NO_SUCH, *_IN_BODY, NOT_YOURS),
    limits=_LIMITS[1:],
    example={"events": ["delivery", "bounce"], "active": True},
    description="A new target, or other credentials, are tried first. `active: true` resumes a webhook that was paused.",
    parameters=(_ID,),
    body={**_BODY, "properties": {**_BODY["properties"], "subaccount_id": {"type": "integer", "minimum": -1}}},
)
DELETE = Operation("Delete one webhook", {204: "what waits still goes out"}, parameters=(_ID,), errors=_NO_SUCH)
VALIDATE = Operation(
    "Post a test to the target",
    {200: ("what the target answered", _RESULTS)},
    errors=(*_NO_SUCH, *_TARGET),
    limits=(Limit("time for the target to answer", int(TIMEOUT_S), "seconds", "400"),),
    example={"message": {"msys": {}}},
    parameters=(_ID,),
    body={"description": "an array of elements, or an object with one element as `message`"},
)
BATCHES = Operation(
    "Batches that failed at least once",
    {200: ("those of the last 24 hours, the latest first", _LISTED)},
    errors=(*_NO_SUCH, problem_with(read_limit, "0")),
    limits=(Limit("limit", MOST_LIMIT, "batches", "400 (1200)"),),
    parameters=(
        _ID,
        {
            "name": "limit",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": MOST_TRIED},
        },
    ),
)
SECRET = Operation("Show the secret that signs the posts", {200: ("the secret", _RESULTS)}, parameters=(_ID,), errors=_NO_SUCH)
REPLAY = Operation(
    "Tell a time range once more",
    {200: ("how many events", _RESULTS)},
    errors=(
        *_NO_SUCH,
        missing("from is a required field"),
        bad_type("from must be before to, and in the past"),
        problem_with(read_types, ["opened"]),
    ),
    limits=(Limit("events", len(OF_NAME), "types", "422 (1300)"),),
    example={"from": "2026-05-01T10:00:00Z", "to": "2026-05-01T12:00:00Z", "events": ["bounce"]},
    description="As far as the log reaches (HOMING_EVENT_RETENTION_DAYS). The events keep their ids; the batches are new.",
    parameters=(_ID,),
    body={
        "type": "object",
        "required": ["from"],
        "properties": {
            "from": {"type": "string"},
            "to": {"type": "string"},
            "events": {"type": "array", "items": {"type": "string", "enum": sorted(OF_NAME)}},
        },
    },
)
DOCUMENTATION = Operation("The fields of every event type, by class", {200: ("an object by class", _RESULTS)})
SAMPLES = Operation(
    "One example of every event type, as webhooks carry it",
    {200: ("elements of a batch", _LISTED)},
    errors=(problem_with(read_types, ["opened"]),),
    parameters=({"name": "events", "in": "query", "schema": {"type": "string"}, "description": "event types, by commas"},),
)
