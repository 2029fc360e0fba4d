"""/api/labs/snippets: pieces of content that templates name (SparkPost reference, section 2.4)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1.templates_wire import MOST_ID, MOST_NAME, MOST_SNIPPET, SnippetIn, changed_snippet, read_snippet, show_snippet
from homing.ground.db import Pool
from homing.ingress.rules.problem import Problem, Wrong, bad_header, bad_params, bad_type, missing
from homing.templates import store
from homing.templates.types import Snippet

PATH = "/api/labs/snippets"
ONE = f"{PATH}/{{snippet_id:str}}"
VIEW = ("templates/view", "templates/modify")
MODIFY = ("templates/modify",)
_NOT_FOUND = Problem(404, "Resource could not be found")
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, forget: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes. forget: called when a snippet was changed."""

    @post(PATH, status_code=200, opt={"grants": MODIFY, "operation": CREATE})
    async def create_snippet(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                made = read_snippet(read_body(body, SnippetIn), sender_of(request))
        if not await store.add_snippet(pool, made):
            raise ApiError(_taken(made.snippet_id))
        forget()
        return await json_answer(request, _encode({"results": {"id": made.snippet_id}}))

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_snippets(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            text = query_of(request).get("shared_with_subaccounts")
            if text and text.lower() not in ("true", "false"):
                raise Wrong(_BAD_FLAG)
        shared = None if not text else text.lower() == "true"
        found = await store.snippets_of(pool, sender.account_id, sender.scope, shared=shared)
        return await json_answer(request, _encode({"results": [show_snippet(one, content=False) for one in found]}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_snippet(request: Request[Any, Any, Any], snippet_id: str) -> Response[bytes]:
        found = await _found(sender_of(request), snippet_id)
        return await json_answer(request, _encode({"results": show_snippet(found, content=True)}))

    @put(ONE, opt={"grants": MODIFY, "operation": UPDATE})
    async def update_snippet(request: Request[Any, Any, Any], snippet_id: str) -> Response[bytes]:
        sender = sender_of(request)
        found = await _found(sender, snippet_id)
        if found.subaccount_id != sender.subaccount_id:
            raise ApiError(_NOT_FOUND)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, SnippetIn)
                if given.id is not None and given.id != snippet_id:
                    raise Wrong(_OTHER_ID)
                after = changed_snippet(found, given, sender)
        if not await store.change_snippet(pool, after):
            raise ApiError(_NOT_FOUND)
        forget()
        return await json_answer(request, _encode({"results": {"id": snippet_id}}))

    @delete(ONE, status_code=204, opt={"grants": MODIFY, "operation": DELETE})
    async def delete_snippet(request: Request[Any, Any, Any], snippet_id: str) -> None:
        sender = sender_of(request)
        if "\0" in snippet_id or not await store.delete_snippet(pool, sender.account_id, sender.subaccount_id, snippet_id):
            raise ApiError(_NOT_FOUND)
        forget()

    async def _found(sender: Sender, snippet_id: str) -> Snippet:
        found = None
        if "\0" not in snippet_id:
            found = await store.find_snippet(
                pool, sender.account_id, sender.subaccount_id, snippet_id, any_of=sender.scope is None
            )
        if found is None:
            raise ApiError(_NOT_FOUND)
        return found

    return [create_snippet, list_snippets, get_snippet, update_snippet, delete_snippet]


def _taken(snippet_id: str) -> Problem:
    return Problem(409, f"snippet '{snippet_id}' already exists")


_ID: Schema = {"name": "snippet_id", "in": "path", "required": True, "schema": {"type": "string"}}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_BODY: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "how templates name it"},
        "name": {"type": "string", "description": "the id where absent"},
        "content": {
            "type": "object",
            "properties": {
                "html": {"type": "string", "description": "for HTML parts; empty: removed"},
                "text": {"type": "string", "description": "for text parts; empty: removed"},
                "amp_html": {"type": "string", "description": "for AMP parts; empty: removed"},
            },
        },
        "shared_with_subaccounts": {"type": "boolean", "description": "subaccounts may use it"},
    },
}
_NO_SUCH = (_NOT_FOUND,)
_OTHER_ID = bad_type("id cannot be changed")
_BAD_FLAG = bad_params("shared_with_subaccounts must be true or false")
_CONTENT = (
    bad_header("name must not contain line breaks or control characters"),
    Problem(422, "Error while compiling part html: line 1: substitution statement missing ending '}}'"),
    Problem(422, "render_snippet() cannot be used in a snippet (part html)"),
)
_LIMITS = (
    Limit("id", MOST_ID, "bytes", "422 (1300)"),
    Limit("name", MOST_NAME, "bytes", "422 (1300)"),
    Limit("each part of content", MOST_SNIPPET, "bytes", "422 (1300)"),
)
CREATE = Operation(
    "Store a snippet",
    {200: ("its id", _RESULTS)},
    errors=(missing("id is a required field"), *_CONTENT, _taken("footer")),
    limits=_LIMITS,
    example={"id": "footer", "name": "Footer", "content": {"html": "<p>bye</p>", "text": "bye"}},
    description="A snippet may not name snippets or dynamic content.",
    body={**_BODY, "required": ["id", "content"]},
)
LIST = Operation(
    "List snippets",
    {200: ("without content", _LISTED)},
    errors=(_BAD_FLAG,),
    parameters=({"name": "shared_with_subaccounts", "in": "query", "schema": {"type": "boolean"}},),
)
RETRIEVE = Operation("Look at one snippet", {200: ("with content", _RESULTS)}, parameters=(_ID,), errors=_NO_SUCH)
UPDATE = Operation(
    "Change one snippet",
    {200: ("its id", _RESULTS)},
    errors=(*_NO_SUCH, _OTHER_ID, missing("content.html, content.text or content.amp_html is a required field"), *_CONTENT),
    limits=_LIMITS,
    example={"content": {"html": "<p>good bye</p>", "text": ""}},
    parameters=(_ID,),
    body=_BODY,
)
DELETE = Operation("Remove one snippet", {204: "removed"}, parameters=(_ID,), errors=_NO_SUCH)
