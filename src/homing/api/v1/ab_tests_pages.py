"""What the routes of A/B tests say of themselves in the OpenAPI document."""

from typing import Any

from homing.api.errors import NOT_FOUND
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with
from homing.api.v1.ab_tests_wire import (
    LONGEST_TIMEOUT_H,
    MOST_ID,
    MOST_NAME,
    MOST_SAMPLE,
    MOST_VARIANTS,
    STATUSES,
    check_filter,
    must_be,
    read_version,
    refuse,
)

_ID: Schema = {"name": "test_id", "in": "path", "required": True, "schema": {"type": "string"}}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_NO_SUCH = refuse("A/B test subject-lines does not exist", status=404).problem
_EXISTS = refuse("A/B test subject-lines already exists", status=409).problem
_RUNNING = refuse("A/B test subject-lines is running", status=409).problem
_NO_DRAFT = must_be("subject-lines", ("draft",)).problem
_IN_BODY = (
    refuse("name is required").problem,
    refuse("percent of default_template and variants must add up to 100").problem,
    refuse("template spring does not exist").problem,
)
_TIMES_LIMITS = (
    Limit("engagement_timeout", int(LONGEST_TIMEOUT_H), "hours", "400"),
    Limit("start_time to end_time, with engagement_timeout", 30, "days", "400"),
)
_LIMITS = (
    Limit("id", MOST_ID, "characters", "400"),
    Limit("name", MOST_NAME, "bytes", "400"),
    Limit("variants", MOST_VARIANTS, "templates", "400"),
    Limit("sample_size, total_sample_size", MOST_SAMPLE, "messages", "400"),
    *_TIMES_LIMITS,
)
_TEMPLATE: Schema = {
    "type": "object",
    "required": ["template_id"],
    "properties": {
        "template_id": {"type": "string"},
        "sample_size": {"type": "integer", "minimum": 1},
        "percent": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
    },
}
_TIMES: dict[str, Schema] = {
    "start_time": {"type": "string"},
    "end_time": {"type": "string"},
    "engagement_timeout": {"type": "number", "minimum": 0, "default": 24},
}
_BODY: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "default_template": _TEMPLATE,
        "variants": {"type": "array", "items": _TEMPLATE, "maxItems": MOST_VARIANTS},
        "metric": {"type": "string", "enum": ["count_unique_clicked", "count_unique_confirmed_opened"]},
        "audience_selection": {"type": "string", "enum": ["sample_size", "percent"]},
        "test_mode": {"type": "string", "enum": ["bayesian", "learning"]},
        "total_sample_size": {"type": "integer", "minimum": 1},
        "confidence_level": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 1, "default": 0.95},
        **_TIMES,
    },
}
_GIVEN = ["name", "default_template", "variants", "metric", "audience_selection", "test_mode", "start_time"]
_EXAMPLE: dict[str, Any] = {
    "id": "subject-lines",
    "name": "Subject lines",
    "default_template": {"template_id": "spring", "percent": 50},
    "variants": [{"template_id": "spring-short", "percent": 50}],
    "metric": "count_unique_clicked",
    "audience_selection": "percent",
    "test_mode": "bayesian",
    "start_time": "2027-04-03T22:00:00Z",
}
CREATE = Operation(
    "Make an A/B test",
    {200: ("its id", _RESULTS)},
    errors=(*_IN_BODY, _EXISTS),
    limits=_LIMITS,
    example=_EXAMPLE,
    description=(
        "Send it with content.ab_test_id. A recipient gets one of the templates by a hash of his address. The test ends at "
        "end_time, with so many accepted messages, or (bayesian) when one template is the best with confidence_level; "
        "engagement_timeout hours later it is completed."
    ),
    body={**_BODY, "required": _GIVEN},
)
LIST = Operation(
    "List A/B tests, each in its latest version",
    {200: ("every test", _LISTED)},
    errors=(problem_with(check_filter, "lost"),),
    parameters=({"name": "status", "in": "query", "schema": {"type": "string", "enum": list(STATUSES)}},),
)
RETRIEVE = Operation(
    "Look at one A/B test",
    {200: ("the test, with counts once it runs", _RESULTS)},
    errors=(_NO_SUCH, problem_with(read_version, "0")),
    parameters=(
        _ID,
        {
            "name": "version",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
            "description": "the latest where absent",
        },
    ),
)
UPDATE = Operation(
    "Change one A/B test, or begin its next version",
    {200: ("the version", _RESULTS)},
    errors=(*_IN_BODY, _NO_SUCH, _RUNNING, must_be("subject-lines", ("scheduled", "cancelled", "completed")).problem),
    limits=_LIMITS,
    example={"end_time": "2027-04-10T22:00:00Z"},
    description="A test that is over gets a new version, whose default template is the old winner unless the body names another.",
    parameters=(_ID,),
    body=_BODY,
)
CANCEL = Operation(
    "Cancel one A/B test",
    {200: ("its status", _RESULTS)},
    errors=(_NO_SUCH, must_be("subject-lines", ("scheduled", "running")).problem),
    description="What names it is sent with the default template from now on.",
    parameters=(_ID,),
)
DELETE = Operation(
    "Delete one A/B test with its versions",
    {204: "deleted"},
    errors=(NOT_FOUND, must_be("subject-lines", ("cancelled", "completed")).problem),
    parameters=(_ID,),
)
CREATE_DRAFT = Operation(
    "Make a draft of an A/B test",
    {200: ("its id", _RESULTS)},
    errors=(*_IN_BODY, _EXISTS),
    limits=_LIMITS,
    example={name: _EXAMPLE[name] for name in ("id", "name", "default_template")},
    body={**_BODY, "required": ["name", "default_template"]},
)
RETRIEVE_DRAFT = Operation("Look at a draft", {200: ("the draft", _RESULTS)}, parameters=(_ID,), errors=(_NO_SUCH,))
UPDATE_DRAFT = Operation(
    "Change a draft",
    {200: ("its id", _RESULTS)},
    errors=(*_IN_BODY, _NO_SUCH, _NO_DRAFT),
    limits=_LIMITS,
    example={"variants": [{"template_id": "spring-short", "percent": 50}]},
    parameters=(_ID,),
    body=_BODY,
)
DELETE_DRAFT = Operation("Delete a draft", {204: "deleted"}, parameters=(_ID,), errors=(NOT_FOUND, _NO_DRAFT))
SCHEDULE = Operation(
    "Schedule a draft",
    {200: ("its id", _RESULTS)},
    errors=(*_IN_BODY, _NO_SUCH, _NO_DRAFT),
    limits=_TIMES_LIMITS,
    example={"start_time": "2027-04-03T22:00:00Z", "engagement_timeout": 12},
    parameters=(_ID,),
    body={"type": "object", "required": ["start_time"], "properties": _TIMES},
)
