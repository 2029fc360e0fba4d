"""What the routes of templates and previews say of themselves in the OpenAPI document."""

from typing import Any

from msgspec import structs

from homing.api.openapi import Limit, Operation, Schema
from homing.api.schemas import components, ref
from homing.api.v1 import content_pages
from homing.api.v1.templates_wire import (
    MOST_CONTENT,
    MOST_ID,
    MOST_NAME,
    OptionsIn,
    PreviewIn,
    PreviewOptionsIn,
    TemplateIn,
    content_problem,
)
from homing.ingress.rules.content import PartIn
from homing.ingress.rules.problem import Problem, bad_params, bad_type, missing
from homing.ingress.rules.sandbox import TEMPLATE_ID
from homing.spool.rendered import Problem as ContentProblem
from homing.spool.rendered import ProblemKind
from homing.spool.types import MOST_INLINED
from homing.templates.language import MAX_EXPRESSIONS, MAX_STEPS


def missing_template(template_id: str) -> Problem:
    """Return the error of a template that this account does not have."""
    return Problem(404, "resource not found", f"Template '{template_id[:64]}' does not exist", "1600")


def taken(template_id: str) -> Problem:
    """Return the error of an id that another template has."""
    return Problem(400, "template already exists", f"template '{template_id}' already exists", "3030")


_ID: Schema = {"name": "template_id", "in": "path", "required": True, "schema": {"type": "string"}}
_DRAFT: Schema = {
    "name": "draft",
    "in": "query",
    "schema": {"type": "boolean"},
    "description": "true: the draft; false: the published version; absent: the newest",
}
_SHARED: Schema = {
    "name": "shared_with_subaccounts",
    "in": "query",
    "schema": {"type": "boolean"},
    "description": "shared ones alone",
}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_BAD_FLAG = bad_params("draft must be true or false")
OTHER_ID = bad_type("id cannot be changed")
OF_SANDBOX = Problem(422, "sandbox template may not be modified", f"template '{TEMPLATE_ID}' is the sandbox's", "3051")
IN_USE = Problem(409, "resource conflict", "Template is in use by msg generation", "1602")
_NO_SUCH = (missing_template("welcome"),)
_PROBLEM = ContentProblem(ProblemKind.SYNTAX, "substitution statement missing ending '}}'", "html", 3)
_SYNTAX = content_problem(_PROBLEM)
_MIME = content_problem(structs.replace(_PROBLEM, kind=ProblemKind.MIME, message="an inline image has no usable Content-ID"))
_RENDER = content_problem(structs.replace(_PROBLEM, kind=ProblemKind.RENDER, message="attempt to call a nil value"))
_SCHEMAS = components(
    {
        TemplateIn: "Template",
        OptionsIn: "TemplateOptions",
        PreviewIn: "Preview",
        PreviewOptionsIn: "PreviewOptions",
        **{kind: name for kind, name in content_pages.NAMES.items() if name != "Override"},
    },
    {
        **{kind: texts for kind, texts in content_pages.TEXTS.items() if content_pages.NAMES[kind] != "Override"},
        TemplateIn: {
            "id": "made where absent; id or name is needed",
            "name": "the id where absent",
            "description": "for you",
            "content": "without attachments and inline_images",
            "published": "true: publish it",
            "options": "what transmissions that use it do unless they say otherwise",
            "shared_with_subaccounts": "subaccounts may use it",
        },
        PreviewIn: {
            "content": "what is rendered: all of a content or some of its members",
            "substitution_data": "values for the template language",
            "metadata": "further values; substitution_data wins",
            "options": "as of a transmission",
        },
        PreviewOptionsIn: {"inline_css": "move the CSS of HTML into its elements"},
    },
    required={PartIn: ("name", "type", "data")},
)
_CREATED = {**_SCHEMAS["Template"], "required": ["content"]}
_LIMITS = (
    Limit("id", MOST_ID, "bytes", "422 (1300)"),
    Limit("name, description", MOST_NAME, "bytes", "422 (1300)"),
    Limit("content", MOST_CONTENT, "bytes", "422 (1300)"),
    *content_pages.LIMITS,
)
_IN_CONTENT = (*content_pages.ERRORS, _SYNTAX, _MIME)
CREATE = Operation(
    "Store a template",
    {200: ("its id", _RESULTS)},
    errors=(missing("id or name is a required field"), taken("welcome"), OF_SANDBOX, *_IN_CONTENT),
    limits=_LIMITS,
    example={"id": "welcome", "name": "Welcome", "published": True, "content": content_pages.EXAMPLE},
    description="As a draft, or with `published: true` as version 1.",
    body=_CREATED,
    schemas=_SCHEMAS,
)
LIST = Operation("List templates", {200: ("without content", _LISTED)}, parameters=(_DRAFT, _SHARED), errors=(_BAD_FLAG,))
RETRIEVE = Operation(
    "Look at one template",
    {200: ("with content", _RESULTS)},
    errors=(*_NO_SUCH, _BAD_FLAG),
    parameters=(_ID, _DRAFT, {"name": "version", "in": "query", "schema": {"type": "integer", "minimum": 1}}),
)
VERSIONS = Operation(
    "List the versions that were published", {200: ("the newest first", _LISTED)}, parameters=(_ID,), errors=_NO_SUCH
)
UPDATE = Operation(
    "Change one template",
    {200: ("its id", _RESULTS)},
    errors=(*_NO_SUCH, _BAD_FLAG, OTHER_ID, OF_SANDBOX, *_IN_CONTENT, IN_USE),
    limits=_LIMITS,
    example={"content": content_pages.EXAMPLE, "published": True},
    schemas=_SCHEMAS,
    description=(
        "`content` replaces the draft, or with `update_published` becomes the published version at once. "
        "`published: true` publishes the draft."
    ),
    parameters=(_ID, {"name": "update_published", "in": "query", "schema": {"type": "boolean", "default": False}}),
    body=ref("Template"),
)
DELETE = Operation(
    "Remove one template",
    {200: ("removed", {"type": "object"})},
    errors=(*_NO_SUCH, OF_SANDBOX, IN_USE),
    parameters=(_ID,),
)
_DATA: dict[str, Any] = {
    "type": "object",
    "properties": {name: _SCHEMAS["Preview"]["properties"][name] for name in ("substitution_data", "metadata", "options")},
}
_HTML = content_problem(structs.replace(_PROBLEM, kind=ProblemKind.HTML, message="its CSS takes too long to be inlined"))
_STEPS = (
    Limit("HTML whose CSS is inlined", MOST_INLINED, "bytes", "422 (3050)"),
    Limit("expressions in a part", MAX_EXPRESSIONS, "expressions", "422 (3000)"),
    Limit("work of one rendering", MAX_STEPS, "steps", "422 (3001)"),
)
RENDER = Operation(
    "Render one template with test data",
    {200: ("the members of its content", _RESULTS)},
    errors=(*_NO_SUCH, _BAD_FLAG, _SYNTAX, _RENDER, _HTML),
    limits=_STEPS,
    example={"substitution_data": {"first": "Kim"}},
    parameters=(_ID, _DRAFT),
    body=_DATA,
    schemas=_SCHEMAS,
)
PREVIEWER = Operation(
    "Render content with test data",
    {200: ("the members that were given", _RESULTS)},
    errors=(*_IN_CONTENT, _RENDER, _HTML),
    limits=(*_STEPS, *content_pages.LIMITS),
    example={"content": content_pages.EXAMPLE, "substitution_data": {"first": "Kim"}},
    body={**_SCHEMAS["Preview"], "required": ["content", "substitution_data"]},
    schemas=_SCHEMAS,
)
