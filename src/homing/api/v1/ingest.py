"""/api/v1/ingest/events: events of other platforms (SparkPost reference, section 2.16).

A batch is answered once it is on disk. Its lines are read in the background; an event of type success or error tells what became
of them (GET /events/ingest).
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, SEARCH_TOO_SLOW, ApiError, not_of
from homing.api.openapi import OPEN, Limit, Operation, Schema
from homing.api.reading import sender_of
from homing.api.v1.events import ADDRESS_LIMIT, BAD_EVENTS, TOO_LONG, bad_query, named_types, query_lists
from homing.events import store as events
from homing.events.rules.search import INGEST_PATH, After, BadQuery, next_link, read_ingest_query
from homing.events.rules.wire import shown
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.errors import Overloaded
from homing.ingest import store
from homing.ingest.batches import MOST_OPEN, Batches, TooMany
from homing.ingest.rules.cutting import MOST_LINE, MOST_PACKED, MOST_RAW, BadBatch
from homing.ingest.rules.reading import ingest_documentation, ingest_samples
from homing.ingress.rules.problem import Problem, bad_params

PATH = "/api/v1/ingest/events"
NDJSON = "application/x-ndjson"
GZIP = "application/gzip"
INGEST = ("events/ingest",)
_NOT_GZIP = Problem(415, "unsupported Content-Encoding", "the Content-Encoding must be gzip", "1700")
_TOO_MANY = Problem(429, "Too many requests", f"{MOST_OPEN} batches of yours wait to be read; try again in a few seconds")
_encode = msgspec.json.Encoder().encode


def routes(
    *, pool: Pool, bodies: Bodies, clock: Clock, batches: Batches, refuse_new: Callable[[], str | None]
) -> list[HTTPRouteHandler]:
    """Return the routes."""

    async def download(request: Request[Any, Any, Any], text: str, *, failures: bool) -> Response[Any]:
        batch_id, sender = _id(text), sender_of(request)
        shares = None if batch_id is None else await store.shares_of(pool, sender.account_id, sender.scope, batch_id)
        if batch_id is None or shares is None:
            raise ApiError(NOT_FOUND)
        name = f"{batch_id}{'-failures' if failures else ''}.ndjson.gz"
        return Stream(
            store.members(pool, batch_id, shares, failures=failures),
            media_type=GZIP,
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    @post(PATH, status_code=200, opt={"grants": INGEST, "operation": SEND})
    async def ingest_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        reason = refuse_new()
        if reason is not None:
            raise Overloaded(reason)
        check_headers(request)
        sender = sender_of(request)
        async with bodies.counted(request, most=MOST_PACKED) as body:
            try:
                batch_id = await batches.take(
                    body,
                    account_id=sender.account_id,
                    subaccount_id=sender.subaccount_id,
                    any_subaccount=sender.acts_for_all,
                    now=clock.now(),
                )
            except TooMany:
                raise ApiError(_TOO_MANY, retry_after=5) from None
            except BadBatch as trouble:
                if trouble.too_large:
                    raise ApiError(_too_large(str(trouble))) from None
                raise ApiError(_unreadable(str(trouble))) from None
        return await json_answer(request, _encode({"results": {"id": str(batch_id)}}))

    @get(f"{PATH}/{{batch_id:str}}", opt={"grants": INGEST, "operation": BATCH})
    async def get_ingest_batch(request: Request[Any, Any, Any], batch_id: str) -> Response[Any]:
        return await download(request, batch_id, failures=False)

    @get(f"{PATH}/failures/{{batch_id:str}}", opt={"grants": INGEST, "operation": FAILURES})
    async def get_ingest_failures(request: Request[Any, Any, Any], batch_id: str) -> Response[Any]:
        return await download(request, batch_id, failures=True)

    @get(f"{PATH}/documentation", opt={"grants": OPEN, "operation": DOCUMENTATION})
    async def document_ingest(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": ingest_documentation()}))

    @get(f"{PATH}/samples", opt={"grants": OPEN, "operation": SAMPLES})
    async def sample_ingest(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": ingest_samples(named_types(request))}))

    @get(INGEST_PATH, opt={"grants": (*INGEST, "message_events/view"), "operation": SEARCH})
    async def search_ingest(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender, query = sender_of(request), query_lists(request)
        only = sender.subaccount_id if sender.pinned else None  # the header is not used here (reference, section 1.4)
        asked = read_ingest_query(query, account_id=sender.account_id, subaccount_id=only, now=clock.now())
        if isinstance(asked, BadQuery):
            raise bad_query(asked.text)
        page = await events.search(pool, asked.search, after=asked.after, limit=asked.per_page + 1)
        total = page.total if page.total is not None else asked.total or 0
        found, links = page.events[: asked.per_page], {}
        if len(page.events) > asked.per_page:
            last = After(found[-1].at, found[-1].shard, found[-1].seq)
            links["next"] = next_link(query, asked, last=last, total=total, path=INGEST_PATH)
        answer = {"results": [shown(event) for event in found], "total_count": total, "links": links}
        return await json_answer(request, _encode(answer))

    return [ingest_events, get_ingest_batch, get_ingest_failures, document_ingest, sample_ingest, search_ingest]


def check_headers(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that does not say it is gzip of lines of JSON.

    raises   ApiError 415
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if media != NDJSON:
        raise ApiError(not_of((NDJSON,)))
    if encoding != "gzip":
        raise ApiError(_NOT_GZIP)


def _too_large(text: str) -> Problem:
    return Problem(413, "Request entity too large", text)


def _unreadable(text: str) -> Problem:
    return Problem(400, "Request body parsing failed", text, "1300")


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _text(name: str, meaning: str) -> Schema:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}


_ID: Schema = {"name": "batch_id", "in": "path", "required": True, "schema": {"type": "string"}}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_PAGE: Schema = {
    "type": "object",
    "required": ["results", "total_count", "links"],
    "properties": {
        "results": {"type": "array", "items": {"type": "object", "required": ["type"]}},
        "total_count": {"type": "integer"},
        "links": {"type": "object", "properties": {"next": {"type": "string"}}},
    },
}
_EXAMPLE = (
    '{"msys":{"message_event":{"type":"delivery","event_id":"1","message_id":"0001","timestamp":1778000000,'
    '"delv_method":"esmtp","rcpt_to":"ann@there.test"}}}'
)
SEND = Operation(
    "Hand in events of another platform",
    {200: ("the batch is on disk; its id", _RESULTS)},
    errors=(
        _unreadable("the body is not gzip"),
        _NOT_GZIP,
        _too_large(f"the body unpacks to more than {MOST_RAW} bytes; hand it in as several batches"),
        _TOO_MANY,
    ),
    limits=(
        Limit("body, unpacked", MOST_RAW, "bytes", "413"),
        Limit("line", MOST_LINE, "bytes", "400 (1300)"),
        Limit("batches of an account that wait", MOST_OPEN, "batches", "429"),
    ),
    description=(
        'The body is gzip of lines `{"msys":{"<class>":{...}}}`, with Content-Type application/x-ndjson. Each event has '
        "event_id, message_id, type, timestamp (Unix seconds, at most 24 hours old) and recv_method or delv_method. Lines are "
        "judged in the background: GET /events/ingest tells. An event_id that came before is a duplicate, and counts once."
    ),
    body={"type": "string", "description": "lines of JSON"},
    media=(NDJSON,),
    packed=True,
    body_bytes=MOST_PACKED,
    example=_EXAMPLE,
)
BATCH = Operation(
    "Download a batch of the last 3 days",
    {200: ("gzip of its lines", None)},
    errors=(NOT_FOUND,),
    parameters=(_ID,),
    text=GZIP,
)
FAILURES = Operation(
    "Download the lines of a batch of the last 3 days that failed",
    {200: ("gzip of those lines; empty where none failed", None)},
    errors=(NOT_FOUND,),
    parameters=(_ID,),
    text=GZIP,
)
DOCUMENTATION = Operation("The fields of events that can be handed in", {200: ("one object a type", _LISTED)})
SAMPLES = Operation(
    "One example of every event that can be handed in",
    {200: ("flat events", _LISTED)},
    errors=(BAD_EVENTS, TOO_LONG),
    limits=(ADDRESS_LIMIT,),
    parameters=(_text("events", "event types, separated by commas; all where absent"),),
)
SEARCH = Operation(
    "Search what became of batches",
    {200: ("events of type success and error, newest first", _PAGE)},
    errors=(bad_params("retryable must be true or false"), TOO_LONG, SEARCH_TOO_SLOW),
    limits=(ADDRESS_LIMIT, Limit("per_page", 10_000, "events", "400 (1200)")),
    parameters=(
        _text("from", "YYYY-MM-DDTHH:MM:SSZ, inclusive; 24 hours ago where absent"),
        _text("to", "YYYY-MM-DDTHH:MM:SSZ, exclusive; 1 minute ago where absent"),
        _text("cursor", "'initial', or from links.next"),
        {
            "name": "per_page",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000},
            "description": "events on a page",
        },
        _text("delimiter", "what separates the values of a list"),
        _text("events", "success, error; both where absent"),
        _text("event_ids", "ids of these events"),
        _text("batch_ids", "ids of batches"),
        _text("error_types", "for example validation"),
        _text("retryable", "true or false"),
        _text("subaccounts", "subaccount ids; 0 is the primary account"),
    ),
)
