"""Every endpoint says of itself who may call it, how it refuses, and what bounds it; the documentation is made of that."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import litestar
import pytest

from homing.accounts.grants import GRANTS
from homing.api.openapi import Common, Operation, document

ROOT = Path(__file__).parents[2]
API = ROOT / "src" / "homing" / "api"
COMMON = Common(body_bytes=20_971_520, answer_s=300, uri_bytes=16_384)
_DECORATORS = ("get", "post", "put", "delete", "patch")
_BOUNDS = {"maxLength", "maxItems", "maximum", "maxProperties", "enum"}


def declared() -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return (name, method, path, opt) of every route, read from the decorators of the handlers."""
    found = []
    for path in sorted(API.rglob("*.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", []):
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") in _DECORATORS:
                    opt = next((word.value for word in decorator.keywords if word.arg == "opt"), ast.Dict([], []))
                    route, said = (
                        eval(compile(ast.Expression(one), str(path), "eval"), vars(module)) for one in (decorator.args[0], opt)
                    )
                    found.append((node.name, decorator.func.id, route, said))  # type: ignore[attr-defined]
    return found


ROUTES = declared()
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[0])


def whole() -> dict[str, Any]:
    """Return the document of all routes."""
    handlers = []
    for name, method, path, opt in ROUTES:

        async def nothing(**_: str) -> None: ...

        nothing.__name__ = name
        handler = getattr(litestar, method)(path, opt=opt)(nothing)
        handlers.append(handler)
    return document(handlers, COMMON)


@each_route
def test_an_endpoint_says_who_may_call_it(route):
    _, _, _, opt = route
    assert "grants" in opt, 'opt["grants"] must name the grants, or be OPEN: everybody may call it'
    assert isinstance(opt["grants"], tuple)
    assert set(opt["grants"]) <= {grant.key for grant in GRANTS}


@each_route
def test_an_endpoint_declares_an_error_for_every_status_it_refuses_with(route):
    _, method, path, opt = route
    operation: Operation = opt["operation"]
    covered = {problem.status for problem in operation.errors}
    in_words = {status for status, said in operation.answers.items() if status >= 400 and isinstance(said, str)}
    assert not in_words - covered, "errors=(...) must hold the error as it is written, not only words about it"
    if "{" in path and method in ("get", "delete"):
        assert 404 in covered, "what is not there is a 404"


@each_route
def test_the_errors_of_an_endpoint_have_a_text_and_a_code_that_the_manual_has(route):
    manual = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    known = set(re.findall(r"\b\d{3,5}\b", " ".join(re.findall(r"^\| [\d, ]+ \| [\d, ]* \|", manual, re.MULTILINE))))
    for problem in route[3]["operation"].errors:
        assert 400 <= problem.status < 600
        assert problem.message
        assert problem.code == "" or problem.code in known, f"docs/api.md does not have {problem.status} {problem.code}"


@each_route
def test_an_endpoint_that_takes_a_body_bounds_its_members_and_shows_one_that_it_takes(route):
    operation: Operation = route[3]["operation"]
    if operation.body is None:
        return
    schema = {**operation.body, "components": {"schemas": operation.schemas}}
    assert operation.limits or _BOUNDS & set(_words(schema)), "limits=(...) must bound what a body can hold"
    assert operation.example is not None, "example must be a body that it takes"
    jsonschema_rs.Draft202012Validator(schema).validate(operation.example)


def test_the_document_has_grants_errors_and_limits_for_every_operation():
    made = whole()
    operations = [operation for item in made["paths"].values() for operation in item.values()]
    assert len(operations) == len(ROUTES)
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
            assert {400, 408, 413, 415, 422} <= {error["status"] for error in operation["x-homing-errors"]}
            assert "body" in {limit["what"] for limit in operation["x-homing-limits"]}


def _words(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        return [*schema, *(word for one in schema.values() for word in _words(one))]
    return [word for one in schema for word in _words(one)] if isinstance(schema, list | tuple) else []
