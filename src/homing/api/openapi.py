"""The OpenAPI 3.1 document: made from what the routes say of themselves, so it cannot forget one.

Beyond the standard each operation has `x-homing-grants` (one of them is needed), `x-homing-staff` where roles of the staff may
call it (without either everybody may), `x-homing-errors` (status and the error as it is written on the wire) and
`x-homing-limits`. What holds for every operation stands at the top of the document as well.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import JSON
from homing.api.errors import (
    BAD_QUERY,
    BAD_SUBACCOUNT,
    FORBIDDEN,
    GONE,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_PLAIN,
    SUSPENDED,
    TIMED_OUT,
    TOO_SLOW,
    UNAUTHORIZED,
    UNAVAILABLE,
    URI_TOO_LONG,
    error_members,
    not_of,
    too_large,
)
from homing.api.server import MOST_HEAD_BYTES
from homing.ingress.rules.problem import Problem, bad_type
from homing.ingress.rules.transmission import malformed

Schema = Mapping[str, Any]
OPEN: tuple[str, ...] = ()  # the grants of a route that everybody may call

_ERRORS = {"$ref": "#/components/schemas/Errors"}
_ERRORS_SCHEMA: Schema = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "message": {"type": "string"},
                    "description": {"type": "string"},
                    "code": {
                        "type": ["string", "integer"],
                        "description": "extended error code, digits; a number where the target of a webhook failed",
                    },
                },
            },
        }
    },
}
REQUEST_ID_HEADER: Schema = {
    "X-SparkPost-Request-Id": {"schema": {"type": "string"}, "description": "quote it when something went wrong"}
}
SUBACCOUNT_HEADER: Schema = {
    "name": "X-MSYS-SUBACCOUNT",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0, "maximum": 2_147_483_647},
    "description": "act as this subaccount (0: the primary account); ignored for a subaccount's own key",
}
EVERYWHERE = (METHOD_NOT_ALLOWED, URI_TOO_LONG, INTERNAL, UNAVAILABLE, TIMED_OUT)
_GUARDED = (UNAUTHORIZED, FORBIDDEN, BAD_SUBACCOUNT)
_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_OF_A_BODY = (TOO_SLOW, GONE)
_OF_JSON = (
    malformed(b"{", ValueError("JSON is malformed: expected `:` (byte 1)")),
    malformed(b"\xff", ValueError()),
    bad_type("description: expected a string, got an integer"),
)


class Limit(msgspec.Struct, frozen=True):
    """One bound of a route.

    beyond   what happens past it: a status and its code, or words
    """

    what: str
    most: int
    unit: str
    beyond: str


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds every route of this installation."""

    body_bytes: int
    large_bytes: int
    answer_s: float
    uri_bytes: int

    def limits(self) -> list[Limit]:
        """Return the bounds of every request."""
        return [
            Limit("request head", MOST_HEAD_BYTES, "bytes", "431"),
            Limit("address with its query", self.uri_bytes, "bytes", "414"),
            Limit("time until the answer", int(self.answer_s), "seconds", "504"),
        ]


class Operation(msgspec.Struct, frozen=True):
    """What a route says of itself.

    answers      status -> description, or (description, schema of the JSON, or media type of what is no JSON)
    parameters   OpenAPI parameter objects
    body         schema of the body, None where none is read
    media        of the body, the usual one first
    packed       the body is gzip
    text         media type of an answer without a schema
    errors       how it refuses, one of each kind, beyond what every route does and every body can be
    limits       its own bounds, beyond those in its schemas
    example      a body that it takes
    body_bytes   the longest body, 0: as everywhere
    optional     the body may be left out
    """

    summary: str
    answers: Mapping[int, str | tuple[str, Schema | str | None]]
    description: str = ""
    parameters: Sequence[Schema] = ()
    body: Schema | None = None
    schemas: Mapping[str, Schema] = {}
    media: Sequence[str] = (JSON,)
    packed: bool = False
    text: str = "text/plain"
    errors: Sequence[Problem] = ()
    limits: Sequence[Limit] = ()
    example: Any = None
    body_bytes: int = 0
    large: bool = False
    optional: bool = False


def open_answers(
    schema: Schema | None, *, also: Mapping[int, str] | None = None
) -> dict[int, str | tuple[str, Schema | str | None]]:
    """Return the answers of a route that everybody may call."""
    return {200: ("what was asked for", schema), **(also or {})}


def route(whole: Callable[[], Mapping[str, Any]]) -> HTTPRouteHandler:
    """Return the route that serves the document.

    whole   gives it; called once
    """
    rendered: list[bytes] = []

    @get("/api/openapi.json", sync_to_thread=False, opt={"grants": OPEN, "operation": _THIS})
    def openapi() -> Response[bytes]:
        if not rendered:
            rendered.append(msgspec.json.encode(whole()))
        return Response(rendered[0], media_type=JSON)

    return openapi


_THIS = Operation("This document, for machines", open_answers({"type": "object"}))


def document(handlers: Iterable[HTTPRouteHandler], common: Common) -> dict[str, Any]:
    """Return the OpenAPI document of some routes.

    raises   KeyError for a route that does not describe itself
    """
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Errors": _ERRORS_SCHEMA}
    for handler in handlers:
        operation: Operation = handler.opt["operation"]
        schemas.update(operation.schemas)
        for path in handler.paths:
            for method in sorted(handler.http_methods):
                paths.setdefault(_path(path), {})[method.lower()] = _operation(operation, handler, _path(path), common)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "homing",
            "version": version("homing"),
            "description": "SparkPost-compatible sending API. Unknown members and parameters are ignored; a trailing slash too.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name} for name in dict.fromkeys(_tag(path) for path in paths)],
        "x-homing-errors": [_error(problem) for problem in EVERYWHERE],
        "x-homing-limits": [msgspec.structs.asdict(limit) for limit in common.limits()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "the API key alone"},
                "basic": {"type": "http", "scheme": "basic", "description": "the API key as user name, no password"},
            },
        },
    }


def _operation(operation: Operation, handler: HTTPRouteHandler, path: str, common: Common) -> dict[str, Any]:
    grants, roles = handler.opt.get("grants"), handler.opt.get("staff")
    reads = operation.body is not None
    body_bytes = operation.body_bytes or (common.large_bytes if operation.large else common.body_bytes)
    errors = list(operation.errors)
    if any(parameter["in"] == "query" for parameter in operation.parameters):
        errors.append(BAD_QUERY)
    if reads:
        errors += [*(_OF_JSON if JSON in operation.media else ()), *_OF_A_BODY, not_of(operation.media), too_large(body_bytes)]
        errors += [] if operation.packed else [NOT_PLAIN]
    errors += [SUSPENDED] if grants and handler.http_methods & _CHANGING else []
    errors += [*(_GUARDED if grants else (UNAUTHORIZED, FORBIDDEN) if roles else ()), *EVERYWHERE]
    limits = [*operation.limits, *([Limit("body", body_bytes, "bytes", "413")] if reads else []), *common.limits()]
    text = operation.description
    made: dict[str, Any] = {"operationId": handler.handler_name, "tags": [_tag(path)], "summary": operation.summary}
    if grants:
        text = f"{text}\n\nGrant: {' or '.join(f'`{grant}`' for grant in grants)}.".strip()
        made["security"] = [{"key": []}, {"basic": []}]
    if roles:
        text = f"{text}\n\nStaff: {', '.join(f'`{role}`' for role in roles)}.".strip()
        made.setdefault("security", []).append({"key": []})
        made["x-homing-staff"] = list(roles)
    if grants is not None or roles:
        made["x-homing-grants"] = list(grants or ())
    made["x-homing-errors"] = _different(errors)
    made["x-homing-limits"] = [msgspec.structs.asdict(limit) for limit in limits]
    if text:
        made["description"] = text
    parameters = [*operation.parameters, *([SUBACCOUNT_HEADER] if grants else [])]
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        content: dict[str, Any] = {"schema": operation.body}
        if operation.example is not None:
            content["example"] = operation.example
        made["requestBody"] = {"required": not operation.optional, "content": dict.fromkeys(operation.media, content)}
    answers: dict[int, str | tuple[str, Schema | str | None]] = {**_said(errors), **operation.answers}
    made["responses"] = {str(status): _answer(status, said, operation.text) for status, said in sorted(answers.items())}
    return made


def _said(errors: Iterable[Problem]) -> dict[int, str]:
    """Return what the errors of each status say, with their codes."""
    texts: dict[int, list[str]] = {}
    for problem in errors:
        text = problem.message + (f" ({problem.code})" if problem.code else "")
        if text not in texts.setdefault(problem.status, []):
            texts[problem.status].append(text)
    return {status: "; ".join(said) for status, said in texts.items()}


def _different(errors: Iterable[Problem]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for problem in errors:
        made = _error(problem)
        if made not in shown:
            shown.append(made)
    return shown


def _error(problem: Problem) -> dict[str, Any]:
    return {"status": problem.status, **error_members(problem)}


def _answer(status: int, said: str | tuple[str, Schema | str | None], text: str) -> dict[str, Any]:
    description, schema = (said, _ERRORS) if isinstance(said, str) else said
    made: dict[str, Any] = {"description": description, "headers": REQUEST_ID_HEADER}
    if status != 204:
        other = text if schema is None else schema
        made["content"] = {other: {}} if isinstance(other, str) else {JSON: {"schema": other}}
    return made


def _path(path: str) -> str:
    """Return Litestar's `/a/{name:str}` as OpenAPI's `/a/{name}`."""
    return "/".join(part.partition(":")[0] + "}" if part.startswith("{") and ":" in part else part for part in path.split("/"))


def _tag(path: str) -> str:
    """Return the resource that a path belongs to: what follows the version, or who asks where there is none."""
    parts = path.strip("/").split("/")
    if parts[0] != "api":
        return "operations"
    return parts[2] if len(parts) > 2 and parts[1] in ("v1", "labs") else "documentation"
