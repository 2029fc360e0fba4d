"""/api/v1/templates and the content previewer (SparkPost reference, sections 2.2 and 2.3). Versions are ours besides."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1 import templates_pages as pages
from homing.api.v1.templates_pages import IN_USE, OTHER_ID, missing_template, taken
from homing.api.v1.templates_wire import (
    PreviewIn,
    TemplateIn,
    changed,
    content_of,
    read_previewed,
    read_stored,
    read_template,
    render_problem,
    show_content,
    show_options,
    show_template,
)
from homing.ground.clock import Clock
from homing.ground.db import Pool, trouble_is_temporary
from homing.ingress.rules import sandbox
from homing.ingress.rules.problem import Wrong, bad_params, missing
from homing.queue import submissions
from homing.spool.css import InlineCss
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
    *,
    pool: Pool,
    bodies: Bodies,
    clock: Clock,
    snippets: SnippetBook,
    inline: InlineCss,
    forget: Callable[[], None],
    sandbox_domain: str = "",
) -> list[HTTPRouteHandler]:
    """Return the routes.

    sandbox_domain  that the template of the sandbox is sent from; '': there is no such template
    inline   moves CSS in previews
    forget   called when a template was changed
    """
    one_at_a_time = asyncio.Lock()

    @post(PATH, status_code=200, opt={"grants": MODIFY, "operation": pages.CREATE})
    async def create_template(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, TemplateIn)
                made, content = read_template(given, sender_of(request))
                refuse_sandbox(made.template_id)
        if not await store.add(pool, made, encode_content(content), publish=given.published is True):
            raise ApiError(taken(made.template_id))
        forget()
        return await json_answer(request, _encode({"results": {"id": made.template_id}}))

    @get(PATH, opt={"grants": VIEW, "operation": pages.LIST})
    async def list_templates(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            draft, shared = _flag(request, "draft"), _flag(request, "shared_with_subaccounts")
        found = await store.of_account(pool, sender.account_id, sender.scope, draft=draft, shared=shared)
        if sandbox_domain:
            found = [one for one in found if one.template_id != sandbox.TEMPLATE_ID]
            found += [sandbox.template(sender.account_id)] if draft is not True and shared is not False else []
        listed = []
        for one in found:
            shown = show_template(one, published=one.published_version is not None)
            shown["shared_with_subaccount"] = shown["shared_with_subaccounts"]
            listed.append(shown)
        return await json_answer(request, _encode({"results": listed}))

    @get(ONE, opt={"grants": VIEW, "operation": pages.RETRIEVE})
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

    @get(f"{ONE}/versions", opt={"grants": VIEW, "operation": pages.VERSIONS})
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

    @put(ONE, opt={"grants": MODIFY, "operation": pages.UPDATE})
    async def update_template(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                refuse_sandbox(template_id)
                directly = _flag(request, "update_published") is True
                given = read_body(body, TemplateIn)
                if given.id is not None and given.id != template_id:
                    raise Wrong(OTHER_ID)
                brought = content_of(given)
                content = None if brought is None else encode_content(read_stored(brought))
        with refusals(), trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                before = await store.lock(connection, sender.account_id, sender.subaccount_id, template_id)
                if before is None:
                    raise ApiError(missing_template(template_id))
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

    @delete(ONE, status_code=200, opt={"grants": MODIFY, "operation": pages.DELETE})
    async def delete_template(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            refuse_sandbox(template_id)
        with trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                found = await store.lock(connection, sender.account_id, sender.subaccount_id, template_id)
                if found is None:
                    raise ApiError(missing_template(template_id))
                await _refuse_in_use(connection, found)
                await store.delete(connection, found)
        forget()
        return await json_answer(request, b"{}")

    @post(f"{ONE}/preview", status_code=200, opt={"grants": PREVIEW, "operation": pages.RENDER})
    async def preview_template(request: Request[Any, Any, Any], template_id: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                draft = _flag(request, "draft")
                given = read_body(body, PreviewIn)
        content, _ = await _content(await _found(sender, template_id), draft=draft, number=None)
        return await json_answer(request, _encode({"results": await _previewed(sender, content, given)}))

    @post("/api/v1/utils/content-previewer", status_code=200, opt={"grants": PREVIEW, "operation": pages.PREVIEWER})
    async def preview_content(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, PreviewIn)
                if given.content is None:
                    raise Wrong(missing("content is a required field"))
                if given.substitution_data is None:
                    raise Wrong(missing("substitution_data is a required field"))
                content, absent = read_previewed(given.content)
        shown = await _previewed(sender, content, given)
        shown = {name: value for name, value in shown.items() if name not in absent}
        return await json_answer(request, _encode({"results": shown}))

    def refuse_sandbox(template_id: str) -> None:
        if sandbox_domain and template_id == sandbox.TEMPLATE_ID:
            raise Wrong(pages.OF_SANDBOX)

    async def _previewed(sender: Sender, content: Content, given: PreviewIn) -> dict[str, Any]:
        known = await snippets.of(sender.account_id, sender.subaccount_id)
        wanted = given.options is not None and given.options.inline_css is True
        render = partial(
            preview,
            content,
            given.substitution_data or {},
            given.metadata or {},
            snippets=known,
            now=clock.now(),
            inline=inline if wanted else None,
        )
        try:
            if not wanted:
                return render()
            async with one_at_a_time:  # those who wait hold no thread meanwhile
                return await asyncio.to_thread(render)
        except CannotRender as trouble:
            raise ApiError(render_problem(trouble)) from None

    async def _found(sender: Sender, template_id: str) -> StoredTemplate:
        if "\0" in template_id:
            raise ApiError(missing_template(template_id))
        if sandbox_domain and template_id == sandbox.TEMPLATE_ID:
            return sandbox.template(sender.account_id)
        found = await store.find(pool, sender.account_id, sender.subaccount_id, template_id, any_of=sender.scope is None)
        if found is None:
            raise ApiError(missing_template(template_id))
        return found

    async def _content(found: StoredTemplate, *, draft: bool | None, number: int | None) -> tuple[Content, int]:
        """Return a content and its version; 0 is the draft. draft None: the newest."""
        if number is None:
            newest = draft if draft is not None else found.has_draft
            number = 0 if newest else found.published_version
        if sandbox_domain and found.template_id == sandbox.TEMPLATE_ID and number == sandbox.VERSION:
            return sandbox.content(sandbox_domain), number
        version = None if number is None else await store.version(pool, found, number)
        if version is None:
            raise ApiError(missing_template(found.template_id))
        return decode_content(version.content), version.version

    async def _refuse_in_use(connection: Any, found: StoredTemplate) -> None:
        used = await submissions.template_in_use(
            connection, found.account_id, found.subaccount_id, found.template_id, now=clock.now()
        )
        if used:
            raise ApiError(IN_USE)

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
