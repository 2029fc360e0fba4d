"""Every endpoint says of itself who may call it, how it refuses, and what bounds it; the documentation is made of that."""

import re
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import jsonschema_rs
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from homing.accounts.grants import GRANTS
from homing.api.app import Deps, make_app
from homing.api.openapi import Common, Operation, document
from homing.boot.routes import resources
from homing.ground.config import Settings
from tests.kit.each import each

ROOT = Path(__file__).parents[2]
COMMON = Common(body_bytes=20_971_520, large_bytes=104_857_600, answer_s=300, uri_bytes=16_384)
_NAMES_NOTHING = {"validate_address"}  # whatever stands in its path is answered
_BOUNDS = {"maxLength", "maxItems", "maximum", "maxProperties", "enum"}


class Nothing:
    """Stands for whatever the routes are wired to: none of them is called."""

    def __getattr__(self, name: str) -> "Nothing":
        return self

    def __call__(self, *_: Any, **__: Any) -> "Nothing":
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())


@cache
def handlers() -> list[HTTPRouteHandler]:
    """Return the routes of a worker, as it is wired."""
    nothing: Any = Nothing()
    wired = partial(resources, nothing, settings=Settings(), pool=nothing, clock=nothing, master_key=nothing)
    given = dict.fromkeys(("authenticate", "accept", "begin", "refuse_new", "ready", "metrics", "pool", "clock"), nothing)
    app = make_app(Deps(**given, more_routes=wired))
    found = [handler for route in app.inner.routes if isinstance(route, HTTPRoute) for handler in route.route_handlers]
    ours = {handler for handler in found if handler.http_methods != {"OPTIONS"}}
    return sorted(ours, key=lambda handler: (sorted(handler.paths), sorted(handler.http_methods)))


each_route = each(handlers, name=lambda route: route.handler_name)


def whole() -> dict[str, Any]:
    """Return the document of all routes."""
    return document(handlers(), COMMON)


@each_route
def test_an_endpoint_says_who_may_call_it(route):
    assert {"grants", "staff"} & set(route.opt), 'opt["grants"] must name the grants, or be OPEN: everybody may call it'
    grants = route.opt.get("grants", ())
    assert isinstance(grants, tuple)
    assert set(grants) <= {grant.key for grant in GRANTS}


@each_route
def test_an_endpoint_declares_an_error_for_every_status_it_refuses_with(route):
    operation: Operation = route.opt["operation"]
    covered = {problem.status for problem in operation.errors}
    in_words = {status for status, said in operation.answers.items() if status >= 400 and isinstance(said, str)}
    assert not in_words - covered, "errors=(...) must hold the error as it is written, not only words about it"
    names_one = any("{" in path for path in route.paths) and route.handler_name not in _NAMES_NOTHING
    if names_one and route.http_methods & {"GET", "DELETE"}:
        assert 404 in covered, "what is not there is a 404"


@cache
def codes_of_the_manual() -> set[str]:
    manual = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return set(re.findall(r"\b\d{3,5}\b", " ".join(re.findall(r"^\| [\d, ]+ \| [\d, ]* \|", manual, re.MULTILINE))))


@each_route
def test_the_errors_of_an_endpoint_have_a_text_and_a_code_that_the_manual_has(route):
    known = codes_of_the_manual()
    for problem in route.opt["operation"].errors:
        assert 400 <= problem.status < 600
        assert problem.message
        assert problem.code == "" or problem.code in known, f"docs/api.md does not have {problem.status} {problem.code}"


@each_route
def test_an_endpoint_that_takes_a_body_bounds_its_members_and_shows_one_that_it_takes(route):
    operation: Operation = route.opt["operation"]
    if operation.body is None:
        return
    schema = {**operation.body, "components": {"schemas": operation.schemas}}
    assert operation.limits or _BOUNDS & set(_words(schema)), "limits=(...) must bound what a body can hold"
    assert operation.example is not None, "example must be a body that it takes"
    jsonschema_rs.Draft202012Validator(schema).validate(operation.example)


def test_the_document_has_grants_errors_and_limits_for_every_operation():
    made = whole()
    operations = [operation for item in made["paths"].values() for operation in item.values()]
    assert len(operations) == len(handlers())
    assert len({operation["operationId"] for operation in operations}) == len(operations), "names of handlers are their ids"
    for operation in operations:
        assert isinstance(operation["x-homing-grants"], list), operation["operationId"]
        assert all({"status", "message"} <= set(error) for error in operation["x-homing-errors"])
        assert {405, 500, 503, 504} <= {error["status"] for error in operation["x-homing-errors"]}
        assert all({"what", "most", "unit", "beyond"} <= set(limit) for limit in operation["x-homing-limits"])
        assert len(operation["x-homing-limits"]) >= 3
        if operation["x-homing-grants"]:
            assert {401, 403} <= {error["status"] for error in operation["x-homing-errors"]}
        if "requestBody" in operation:
            of_json = {422} if "application/json" in operation["requestBody"]["content"] else set()
            assert {400, 408, 413, 415, *of_json} <= {error["status"] for error in operation["x-homing-errors"]}
            assert "body" in {limit["what"] for limit in operation["x-homing-limits"]}


def _words(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        return [*schema, *(word for one in schema.values() for word in _words(one))]
    return [word for one in schema for word in _words(one)] if isinstance(schema, list | tuple) else []
