"""/api/v1/suppression-list: who must not be written to (SparkPost reference, section 2.6).

Reads of a primary key without X-MSYS-SUBACCOUNT show all lists, changes touch the primary account's (section 1.4).
"""

import asyncio
from mmap import mmap
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import DECODE_APART_FROM, has_body, problem_with, query_of, read_body, refusals, sender_of
from homing.api.v1.suppression_wire import (
    MOST_BULK,
    MOST_BY_PAGE,
    MOST_ENTRIES,
    MOST_PER_PAGE,
    BulkIn,
    Change,
    EntryIn,
    RemovalIn,
    links,
    read_bulk,
    read_change,
    read_filters,
    read_list_id,
    read_paging,
    read_recipient,
    read_type,
    rows_of,
    show,
)
from homing.ground.db import Pool, trouble_is_temporary
from homing.ingress.rules.problem import Problem
from homing.recipients import store
from homing.recipients.rules.provenance import of_key
from homing.recipients.search import BadCursor, Filters, search, search_numbered
from homing.recipients.types import Source, SuppressionType

PATH = "/api/v1/suppression-list"
MANAGE = ("suppression_lists/manage",)
_NOT_FOUND = Problem(404, "Recipient could not be found")
_NOTHING = (b"", b"[]")  # what clients send that have nothing to say; an empty array is PHP's
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"grants": MANAGE, "operation": SEARCH})
    async def search_suppressions(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            return await _page(request, recipient=None)

    @get(f"{PATH}/summary", opt={"grants": MANAGE, "operation": SUMMARY})
    async def summarize_suppressions(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        counts = await store.summary(pool, sender.account_id, subaccount_id=sender.scope)
        named = {source.lower().replace(" ", "_"): count for source, count in counts.items()}
        return await json_answer(request, _encode({"results": {**named, "total": sum(counts.values())}}))

    @put(PATH, opt={"grants": MANAGE, "operation": BULK})
    async def put_suppressions(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.large(request, most=MOST_BULK) as body:
            with refusals():
                apart = len(body) >= DECODE_APART_FROM
                changes = await asyncio.to_thread(_decode_bulk, body) if apart else _decode_bulk(body)
            await _apply(sender_of(request), changes)
        return await json_answer(request, _encode({"results": {"message": "Suppression List successfully updated"}}))

    @get(f"{PATH}/{{recipient:path}}", opt={"grants": MANAGE, "operation": RETRIEVE})
    async def get_suppression(request: Request[Any, Any, Any], recipient: str) -> Response[bytes]:
        with refusals():
            address = read_recipient(_named(recipient))
            if address is None:
                raise ApiError(_NOT_FOUND)
            return await _page(request, recipient=address)

    @put(f"{PATH}/{{recipient:path}}", opt={"grants": MANAGE, "operation": UPSERT})
    async def put_suppression(request: Request[Any, Any, Any], recipient: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                address = read_recipient(_named(recipient))
                if address is None:
                    raise ApiError(_NO_ADDRESS)
                change = read_change(read_body(body, EntryIn), address)
        present = await store.rows_of(pool, sender.account_id, address, subaccount_id=sender.subaccount_id)
        touched = {(kind, change.list_id) for kind in (*change.put, *change.removed)}
        if any(row.source == Source.COMPLIANCE and (row.type, row.list_id) in touched for row in present):
            raise ApiError(_COMPLIANCE)
        await _apply(sender, [change])
        return await json_answer(request, _encode({"results": {"message": "Suppression list successfully updated"}}))

    @delete(f"{PATH}/{{recipient:path}}", status_code=204, opt={"grants": MANAGE, "operation": DELETE})
    async def delete_suppression(request: Request[Any, Any, Any], recipient: str) -> None:
        sender = sender_of(request)
        given = RemovalIn()
        with refusals():
            if has_body(request):
                async with bodies.json(request) as body:
                    given = given if body.strip() in _NOTHING else read_body(body, RemovalIn)
            kind = None if given.type is None else read_type(given.type)
            list_id = read_list_id(query_of(request).get("list_id", given.list_id))
        address = read_recipient(_named(recipient))
        removed = None
        if address is not None:
            removed = await store.remove(pool, sender.account_id, sender.subaccount_id, address, type=kind, list_id=list_id)
        if removed is None:
            raise ApiError(_NOT_FOUND)
        if not removed:
            raise ApiError(_COMPLIANCE_STAYS)

    async def _page(request: Request[Any, Any, Any], *, recipient: str | None) -> Response[bytes]:
        sender, query = sender_of(request), query_of(request)
        filters = read_filters(query, account_id=sender.account_id, subaccount_id=sender.scope)
        if recipient is not None:
            filters = Filters(account_id=sender.account_id, subaccount_id=sender.scope, recipient=recipient, types=filters.types)
        cursor, page, per_page = read_paging(query)
        try:
            if cursor is not None:
                found = await search(pool, filters, cursor=cursor, per_page=per_page)
            else:
                found = await search_numbered(pool, filters, page=page, per_page=per_page)
        except BadCursor:
            raise ApiError(_BAD_CURSOR) from None
        if recipient is not None and not found.total:
            raise ApiError(_NOT_FOUND)
        answer = {
            "results": [show(row) for row in found.rows],
            "links": links(request.scope["path"].rstrip("/"), query, found, page=page, per_page=per_page),
            "total_count": found.total,
        }
        return await json_answer(request, _encode(answer))

    async def _apply(sender: Sender, changes: list[Change]) -> None:
        """Put and take off what was asked for, in one transaction; rows of compliance stay as they are."""
        provenance = of_key(sender.key_id)
        rows = rows_of(changes, account_id=sender.account_id, subaccount_id=sender.subaccount_id, provenance=provenance)
        removals = [(change.recipient, kind, change.list_id) for change in changes for kind in change.removed]
        with trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                await store.suppress(connection, rows)
                await store.take_off(connection, sender.account_id, sender.subaccount_id, removals)

    return [
        search_suppressions,
        summarize_suppressions,
        put_suppressions,
        get_suppression,
        put_suppression,
        delete_suppression,
    ]


def _decode_bulk(body: bytes | mmap) -> list[Change]:
    return read_bulk(read_body(body, BulkIn))


def _named(recipient: str) -> str:
    """Return the address in a path. A slash is a letter of local parts, so it is the rest of the path."""
    return recipient.strip("/")


_ENTRY: Schema = {
    "type": "object",
    "required": ["recipient", "type", "source", "description", "created", "updated"],
    "properties": {
        "recipient": {"type": "string"},
        "type": {"type": "string", "enum": [kind.value for kind in SuppressionType]},
        "source": {"type": "string", "enum": [source.value for source in Source]},
        "description": {"type": "string"},
        "list_id": {"type": "string"},
        "created": {"type": "string"},
        "updated": {"type": "string"},
        "transactional": {"type": "boolean", "deprecated": True},
        "non_transactional": {"type": "boolean", "deprecated": True},
        "subaccount_id": {"type": "string"},
        "provenance": {"type": "string", "description": "the event and message, API key or import that put it there"},
    },
}
_PAGE: Schema = {
    "type": "object",
    "required": ["results", "links", "total_count"],
    "properties": {
        "results": {"type": "array", "items": _ENTRY},
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["href", "rel"],
                "properties": {"href": {"type": "string"}, "rel": {"enum": ["next", "previous", "first", "last"]}},
            },
        },
        "total_count": {"type": "integer"},
    },
}
_DONE: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LIST_ID: Schema = {"type": "string", "maxLength": 255, "description": "of one List-Id alone"}
_ENTRY_IN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": [kind.value for kind in SuppressionType]},
        "description": {"type": "string", "description": "why, for you"},
        "list_id": _LIST_ID,
        "transactional": {"type": "boolean", "deprecated": True},
        "non_transactional": {"type": "boolean", "deprecated": True},
    },
}
_NO_ADDRESS = Problem(400, "Recipient is not a valid email address")
_NO_TYPE = Problem(400, "Must supply a suppression type")
_COMPLIANCE = Problem(403, "Recipient could not be updated - Compliance")
_COMPLIANCE_STAYS = Problem(403, "Recipient could not be removed - Compliance")
_BAD_TYPE = problem_with(read_type, "")
_BAD_LIST = problem_with(read_list_id, "..")
_BAD_CURSOR = Problem(400, "cursor is not one of ours; begin again with cursor=initial")
FILTER_ERRORS = (_BAD_TYPE, _BAD_LIST)
_LIST_LIMIT = Limit("list_id", 255, "characters", "400")
_PAGE_LIMITS = (
    Limit("per_page", MOST_PER_PAGE, "entries", "400"),
    Limit("entries that page reaches", MOST_BY_PAGE, "entries", "400"),
    _LIST_LIMIT,
)


def _query(name: str, meaning: str, schema: Schema | None = None) -> Schema:
    return {"name": name, "in": "query", "schema": schema or {"type": "string"}, "description": meaning}


_PAGING = (
    _query("cursor", "'initial', or from a link of an earlier page; page is then passed over"),
    _query("per_page", "entries on a page", {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": 1000}),
    _query("page", "number of a page; reaches the first 10,000 entries", {"type": "integer", "minimum": 1, "maximum": 10_000}),
)
_TYPES = _query("types", "types, separated by commas")
_RECIPIENT: Schema = {"name": "recipient", "in": "path", "required": True, "schema": {"type": "string"}}
_LISTS = "a value: that list only; empty: the account's own entries; absent: everything"
FILTERS = (
    _query("from", "changed at or after, YYYY-MM-DDTHH:mm:ssZ"),
    _query("to", "changed at or before"),
    _query("domain", "domain of the address"),
    _query("sources", f"sources, separated by commas: {', '.join(Source)}"),
    _TYPES,
    _query("description", "part of the description, upper and lower case alike"),
    _query("description_strict", "the description must be this whole text", {"type": "boolean", "default": False}),
    _query("list_id", _LISTS, _LIST_ID),
)
SEARCH = Operation(
    "Search the suppression list",
    {200: ("entries, the last changed first", _PAGE)},
    errors=(*FILTER_ERRORS, _BAD_CURSOR),
    limits=_PAGE_LIMITS,
    parameters=(
        *FILTERS,
        _query("sort", "by the last change", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}),
        *_PAGING,
    ),
)
SUMMARY = Operation("Count the entries by source", {200: ("counts", _DONE)})
BULK = Operation(
    f"Put up to {MOST_ENTRIES:,} entries on the list",
    {200: ("put", _DONE)},
    errors=(
        problem_with(read_bulk, BulkIn(msgspec.Raw(b'[{"recipient":"kim"},{"recipient":"lee"}]'))),
        problem_with(read_bulk, BulkIn()),
        _NO_TYPE,
        _BAD_TYPE,
        _BAD_LIST,
    ),
    limits=(Limit("recipients", MOST_ENTRIES, "entries", "400"), _LIST_LIMIT),
    example={"recipients": [{"recipient": "kim@there.test", "type": "non_transactional", "description": "asked by phone"}]},
    description="Entries that are there already are renewed; those of source Compliance stay as they are.",
    body_bytes=MOST_BULK,
    body={
        "type": "object",
        "required": ["recipients"],
        "properties": {
            "recipients": {
                "type": "array",
                "maxItems": MOST_ENTRIES,
                "items": {
                    **_ENTRY_IN,
                    "required": ["recipient", "type"],
                    "properties": {"recipient": {"type": "string"}, **_ENTRY_IN["properties"]},
                },
            }
        },
    },
)
RETRIEVE = Operation(
    "Look one recipient up",
    {200: ("its entries", _PAGE)},
    errors=(_NOT_FOUND, _BAD_TYPE, _BAD_CURSOR),
    limits=_PAGE_LIMITS[:2],
    parameters=(_RECIPIENT, _TYPES, *_PAGING),
)
UPSERT = Operation(
    "Put one recipient on the list",
    {200: ("put", _DONE)},
    errors=(_NO_TYPE, _BAD_TYPE, _BAD_LIST, _NO_ADDRESS, _COMPLIANCE),
    limits=(_LIST_LIMIT,),
    example={"type": "transactional", "description": "asked by phone"},
    parameters=(_RECIPIENT,),
    body={**_ENTRY_IN, "required": ["type"]},
)
DELETE = Operation(
    "Take one recipient off the list",
    {204: "removed"},
    errors=(_NOT_FOUND, _BAD_TYPE, _BAD_LIST, _COMPLIANCE_STAYS),
    limits=(_LIST_LIMIT,),
    description="A body with a type takes only that type off; without one everything goes.",
    body={"type": "object", "properties": {name: _ENTRY_IN["properties"][name] for name in ("type", "list_id")}},
    example={"type": "transactional"},
    optional=True,
    parameters=(_RECIPIENT, _query("list_id", _LISTS, _LIST_ID)),
)
