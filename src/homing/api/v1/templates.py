"""/api/v1/templates and the content previewer (SparkPost reference, sections 2.2 and 2.3). Versions are ours besides."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1.templates_wire import (
    PreviewIn,
    TemplateIn,
    changed,
    content_of,
    read_checked,
    read_stored,
    read_template,
    render_problem,
    show_content,
    show_options,
    show_template,
)
from homing.ground.clock import Clock
from homing.ground.db import Pool, trouble_is_temporary
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type, missing
from homing.queue import submissions
from homing.spool.preview import preview
from homing.spool.rendered import CannotRender
from homing.spool.types import Content, decode_content, encode_content
from homing.templates import store
from homing.templates.book import SnippetBook
from homing.templates.types import StoredTemplate

PATH = "/api/v1/templates"
ONE = f"{PATH}/{{template_id:str}}"
VIEW = ("templates/view", "templates/modify")
MODIFY = ("templates/modify",)
PREVIEW = ("templates/preview",)
_encode = msgspec.json.Encoder().encode


def routes(
    *, pool: Pool, bodies: Bodies, clock: Clock, snippets: SnippetBook, forget: Callable[[], None]
) -> list[HTTPRouteHandler]:
    """Return the routes. forget: called when a template was changed."""

    @post(PATH, status_code=200, opt={"grants": MODIFY, "operation": CREATE})
    async def create_template(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, TemplateIn)
                made, content = read_template(given, sender_of(request))
        if not await store.add(pool, made, encode_content(content), publish=given.published is True):
            raise ApiError(Problem(400, "template already exists", f"template '{made.template_id}' already exists", "3030"))
        forget()
        return await json_answer(request, _encode({"results": {"id": made.template_id}}))

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_templates(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            draft, shared = _flag(request, "draft"), _flag(request, "shared_with_subaccounts")
        found = await store.of_account(pool, sender.account_id, sender.scope, draft=draft, shared=shared)
        listed = []
        for one in found:
            shown = show_template(one, published=one.published_version is not None)
            shown["shared_with_subaccount"] = shown["shared_with_subaccounts"]
            listed.append(shown)
        return await json_answer(request, _encode({"results": listed}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_template(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        with refusals():
            draft, number = _flag(request, "draft"), _version(request)
        found = await _found(sender_of(request), template_id)
        content, version = await _content(found, draft=draft, number=number)
        shown = show_template(found, published=version > 0)
        shown |= {"options": show_options(found.options), "content": show_content(content)}
        if version:
            shown["version"] = version
        return await json_answer(request, _encode({"results": shown}))

    @get(f"{ONE}/versions", opt={"grants": VIEW, "operation": VERSIONS})
    async def list_versions(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        found = await _found(sender_of(request), template_id)
        listed = [
            {
                "version": number,
                "published_at": at.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
                "current": number == found.published_version,
            }
            for number, at in await store.versions(pool, found)
        ]
        return await json_answer(request, _encode({"results": listed}))

    @put(ONE, opt={"grants": MODIFY, "operation": UPDATE})
    async def update_template(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                directly = _flag(request, "update_published") is True
                given = read_body(body, TemplateIn)
                if given.id is not None and given.id != template_id:
                    raise Wrong(bad_type("id cannot be changed"))
                brought = content_of(given)
                content = None if brought is None else encode_content(read_stored(brought))
        with refusals(), trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                before = await store.lock(connection, sender.account_id, sender.subaccount_id, template_id)
                if before is None:
                    raise ApiError(_missing(template_id))
                await _refuse_in_use(connection, before)
                after = changed(before, given, sender)
                await store.change(connection, after)
                if content is not None and directly:
                    await store.publish_content(connection, after, content)
                elif content is not None:
                    await store.set_draft(connection, after, content)
                if given.published and not directly:
                    await store.publish_draft(connection, after)
        forget()
        return await json_answer(request, _encode({"results": {"id": template_id}}))

    @delete(ONE, status_code=200, opt={"grants": MODIFY, "operation": DELETE})
    async def delete_template(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        sender = sender_of(request)
        with trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                found = await store.lock(connection, sender.account_id, sender.subaccount_id, template_id)
                if found is None:
                    raise ApiError(_missing(template_id))
                await _refuse_in_use(connection, found)
                await store.delete(connection, found)
        forget()
        return await json_answer(request, b"{}")

    @post(f"{ONE}/preview", status_code=200, opt={"grants": PREVIEW, "operation": RENDER})
    async def preview_template(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                draft = _flag(request, "draft")
                given = read_body(body, PreviewIn)
        content, _ = await _content(await _found(sender, template_id), draft=draft, number=None)
        return await json_answer(request, _encode({"results": await _previewed(sender, content, given)}))

    @post("/api/v1/utils/content-previewer", status_code=200, opt={"grants": PREVIEW, "operation": PREVIEWER})
    async def preview_content(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, PreviewIn)
                if given.content is None:
                    raise Wrong(missing("content is a required field"))
                if given.substitution_data is None:
                    raise Wrong(missing("substitution_data is a required field"))
                if given.content.template_id is not None or given.content.ab_test_id is not None:
                    raise Wrong(bad_type("content must be given inline"))
                content = read_checked(given.content)
        return await json_answer(request, _encode({"results": await _previewed(sender, content, given)}))

    async def _previewed(sender: Sender, content: Content, given: PreviewIn) -> dict[str, Any]:
        known = await snippets.of(sender.account_id, sender.subaccount_id)
        try:
            return preview(content, given.substitution_data or {}, given.metadata or {}, snippets=known, now=clock.now())
        except CannotRender as trouble:
            raise ApiError(render_problem(trouble)) from None

    async def _found(sender: Sender, template_id: str) -> StoredTemplate:
        if "\0" in template_id:
            raise ApiError(_missing(template_id))
        found = await store.find(pool, sender.account_id, sender.subaccount_id, template_id, any_of=sender.scope is None)
        if found is None:
            raise ApiError(_missing(template_id))
        return found

    async def _content(found: StoredTemplate, *, draft: bool | None, number: int | None) -> tuple[Content, int]:
        """Return a content and its version; 0 is the draft. draft None: the newest."""
        if number is None:
            newest = draft if draft is not None else found.has_draft
            number = 0 if newest else found.published_version
        version = None if number is None else await store.version(pool, found, number)
        if version is None:
            raise ApiError(_missing(found.template_id))
        return decode_content(version.content), version.version

    async def _refuse_in_use(connection: Any, found: StoredTemplate) -> None:
        used = await submissions.template_in_use(
            connection, found.account_id, found.subaccount_id, found.template_id, now=clock.now()
        )
        if used:
            raise ApiError(Problem(409, "resource conflict", "Template is in use by msg generation", "1602"))

    return [
        create_template,
        list_templates,
        get_template,
        list_versions,
        update_template,
        delete_template,
        preview_template,
        preview_content,
    ]


def _missing(template_id: str) -> Problem:
    return Problem(404, "resource not found", f"Template '{template_id[:64]}' does not exist", "1600")


def _flag(request: Request[Any, Any, Any], name: str) -> bool | None:
    text = query_of(request).get(name)
    if not text:
        return None
    if text.lower() not in ("true", "false"):
        raise Wrong(bad_params(f"{name} must be true or false"))
    return text.lower() == "true"


def _version(request: Request[Any, Any, Any]) -> int | None:
    text = query_of(request).get("version")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0):
        raise Wrong(bad_params("version must be a number from 1 on"))
    return int(text)


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
_IN_BODY = {
    400: "a parameter is not possible (1200), a domain cannot be used (7001), or the body is no JSON (1300)",
    408: "the body came too slowly",
    413: "the body is too large",
    415: "not application/json (1700)",
    422: "a member is missing (1400) or has a wrong form (1300); the language (3000), a header (3002) or MIME (3020) is wrong",
}
_NO_SUCH = {404: "there is none (1600)"}
_BODY: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "description": {"type": "string"},
        "content": {"type": "object"},
        "published": {"type": "boolean"},
        "options": {"type": "object"},
        "shared_with_subaccounts": {"type": "boolean"},
    },
}
CREATE = Operation(
    "Store a template",
    {200: ("its id", _RESULTS), **_IN_BODY},
    description="As a draft, or with `published: true` as version 1. Content of at most 5 MB.",
    body={**_BODY, "required": ["content"]},
)
LIST = Operation(
    "List templates", {200: ("without content", _LISTED), 400: "a parameter is not possible (1200)"}, parameters=(_DRAFT, _SHARED)
)
RETRIEVE = Operation(
    "Look at one template",
    {200: ("with content", _RESULTS), 400: "a parameter is not possible (1200)", **_NO_SUCH},
    parameters=(_ID, _DRAFT, {"name": "version", "in": "query", "schema": {"type": "integer", "minimum": 1}}),
)
VERSIONS = Operation("List the versions that were published", {200: ("the newest first", _LISTED), **_NO_SUCH}, parameters=(_ID,))
UPDATE = Operation(
    "Change one template",
    {200: ("its id", _RESULTS), **_IN_BODY, **_NO_SUCH, 409: "a scheduled transmission uses it (1602)"},
    description=(
        "`content` replaces the draft, or with `update_published` becomes the published version at once. "
        "`published: true` publishes the draft."
    ),
    parameters=(_ID, {"name": "update_published", "in": "query", "schema": {"type": "boolean", "default": False}}),
    body=_BODY,
)
DELETE = Operation(
    "Remove one template",
    {200: ("removed", {"type": "object"}), **_NO_SUCH, 409: "a scheduled transmission uses it (1602)"},
    parameters=(_ID,),
)
_DATA: Schema = {"type": "object", "properties": {"substitution_data": {"type": "object"}, "metadata": {"type": "object"}}}
RENDER = Operation(
    "Render one template with test data",
    {200: ("the members of its content", _RESULTS), **_IN_BODY, **_NO_SUCH},
    parameters=(_ID, _DRAFT),
    body=_DATA,
)
PREVIEWER = Operation(
    "Render content with test data",
    {200: ("the members that were given", _RESULTS), **_IN_BODY},
    body={
        "type": "object",
        "required": ["content", "substitution_data"],
        "properties": {**_DATA["properties"], "content": {"type": "object"}},
    },
)
