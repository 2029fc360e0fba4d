"""The OpenAPI 3.1 document: made from what the routes say of themselves, so it cannot forget one."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import JSON

Schema = Mapping[str, Any]

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
                    "code": {"type": "string", "description": "extended error code, digits"},
                },
            },
        }
    },
}
REQUEST_ID_HEADER: Schema = {
    "X-SparkPost-Request-Id": {"schema": {"type": "string"}, "description": "quote it when something went wrong"}
}
_EVERYWHERE = {405: "method not allowed (1102)", 503: "try again later; Retry-After says when", 504: "took too long"}
_GUARDED = {400: "malformed request", 401: "no valid API key", 403: "the key lacks the grant"}
SUBACCOUNT_HEADER: Schema = {
    "name": "X-MSYS-SUBACCOUNT",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0, "maximum": 2_147_483_647},
    "description": "act as this subaccount (0: the primary account); ignored for a subaccount's own key",
}


class Operation(msgspec.Struct, frozen=True):
    """What a route says of itself.

    answers      status -> description, or (description, schema of the JSON, or media type of what is no JSON)
    parameters   OpenAPI parameter objects
    body         schema of the body, None where none is read
    media        of the body
    text         media type of an answer without a schema
    """

    summary: str
    answers: Mapping[int, str | tuple[str, Schema | str | None]]
    description: str = ""
    parameters: Sequence[Schema] = ()
    body: Schema | None = None
    schemas: Mapping[str, Schema] = {}
    media: Sequence[str] = (JSON,)
    text: str = "text/plain"


def open_answers(
    schema: Schema | None, *, also: Mapping[int, str] | None = None
) -> dict[int, str | tuple[str, Schema | str | None]]:
    """Return the answers of a route that everybody may call."""
    return {200: ("what was asked for", schema), **(also or {})}


def route(handlers: Iterable[HTTPRouteHandler]) -> HTTPRouteHandler:
    """Return the route that serves the document of these handlers and of itself."""
    described = list(handlers)

    @cache
    def rendered() -> bytes:
        return msgspec.json.encode(document([*described, openapi]))

    @get(
        "/api/openapi.json", sync_to_thread=False, opt={"operation": Operation("This document", open_answers({"type": "object"}))}
    )
    def openapi() -> Response[bytes]:
        return Response(rendered(), media_type=JSON)

    return openapi


def document(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
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
                paths.setdefault(_path(path), {})[method.lower()] = _operation(operation, handler)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "homing",
            "version": version("homing"),
            "description": "SparkPost-compatible sending API. Unknown members and parameters are ignored; a trailing slash too.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "the API key alone"},
                "basic": {"type": "http", "scheme": "basic", "description": "the API key as user name, no password"},
            },
        },
    }


def _operation(operation: Operation, handler: HTTPRouteHandler) -> dict[str, Any]:
    grants, roles = handler.opt.get("grants"), handler.opt.get("staff")
    answers: dict[int, str | tuple[str, Schema | str | None]] = {
        **_EVERYWHERE,
        **(_GUARDED if grants or roles else {}),
        **operation.answers,
    }
    text = operation.description
    made: dict[str, Any] = {"summary": operation.summary}
    if grants:
        text = f"{text}\n\nGrant: {' or '.join(f'`{grant}`' for grant in grants)}.".strip()
        made["security"] = [{"key": []}, {"basic": []}]
        made["x-grants"] = list(grants)
    if roles:
        text = f"{text}\n\nStaff: {', '.join(f'`{role}`' for role in roles)}.".strip()
        made.setdefault("security", []).append({"key": []})
        made["x-staff"] = list(roles)
    if text:
        made["description"] = text
    parameters = [*operation.parameters, *([SUBACCOUNT_HEADER] if grants else [])]
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": {media: {"schema": operation.body} for media in operation.media}}
    made["responses"] = {str(status): _answer(status, said, operation.text) for status, said in sorted(answers.items())}
    return made


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
