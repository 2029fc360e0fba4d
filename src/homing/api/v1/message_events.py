"""GET /api/v1/message-events: the search that older clients still call (SparkPost reference, section 2.15)."""

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import json_answer
from homing.api.errors import SEARCH_TOO_SLOW
from homing.api.openapi import OPEN, Limit, Operation, Schema
from homing.api.reading import problem_with, refusals, sender_of
from homing.api.v1.events import ADDRESS_LIMIT, BAD_EVENTS, SHOW_APART_FROM, TOO_LONG, bad_query, named_types, query_lists
from homing.api.v1.webhooks_wire import read_zone
from homing.events import store
from homing.events.rules.fields import documentation, samples
from homing.events.rules.legacy import MOST_BY_PAGE, PATH, as_text, links, read_legacy, shown_legacy
from homing.events.rules.search import After, BadQuery
from homing.events.types import Logged
from homing.ground.clock import Clock
from homing.ground.db import Pool

_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"grants": ("message_events/view",), "operation": SEARCH})
    async def search_message_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender, query = sender_of(request), query_lists(request)
        with refusals():
            zone = read_zone((query.get("timezone") or [""])[-1])
        only = sender.subaccount_id if sender.pinned else None  # the header is not used here (reference, section 1.4)
        wanted = read_legacy(query, account_id=sender.account_id, subaccount_id=only, zone=zone, now=clock.now())
        if isinstance(wanted, BadQuery):
            raise bad_query(wanted.text)
        asked, offset = wanted.asked, wanted.offset
        page = await store.search(pool, asked.search, after=asked.after, limit=asked.per_page + 1, offset=offset)
        total = page.total if page.total is not None else asked.total or 0
        if offset and not page.events:  # behind the last page nothing tells the number
            total = (await store.search(pool, asked.search, after=None, limit=1)).total or 0
        events = page.events[: asked.per_page]
        last = After(events[-1].at, events[-1].shard, events[-1].seq) if len(page.events) > asked.per_page else None

        def body() -> bytes:
            return _body(events, total, links(query, wanted, total=total, last=last))

        return await json_answer(request, await asyncio.to_thread(body) if len(events) >= SHOW_APART_FROM else body())

    @get(f"{PATH}/events/documentation", opt={"grants": OPEN, "operation": DOCUMENTATION})
    async def document_message_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": documentation()}))

    @get(f"{PATH}/events/samples", opt={"grants": OPEN, "operation": SAMPLES})
    async def sample_message_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        shown = [as_text(sample) for sample in samples(named_types(request))]
        return await json_answer(request, _encode({"results": shown}))

    return [search_message_events, document_message_events, sample_message_events]


def _body(events: list[Logged], total: int, places: list[dict[str, str]]) -> bytes:
    return _encode({"results": [shown_legacy(event) for event in events], "links": places, "total_count": total})


def _text(name: str, meaning: str) -> Schema:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}


_EVENT_LIST: Schema = {"type": "array", "items": {"type": "object", "required": ["type"]}}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": _EVENT_LIST}}
_LINK: Schema = {
    "type": "object",
    "required": ["href", "rel"],
    "properties": {"href": {"type": "string"}, "rel": {"type": "string", "enum": ["next", "previous", "first", "last"]}},
}
SEARCH = Operation(
    "Search events, the legacy way",
    {
        200: (
            "events, newest first; every scalar is text",
            {
                "type": "object",
                "required": ["results", "links", "total_count"],
                "properties": {
                    "results": _EVENT_LIST,
                    "links": {"type": "array", "items": _LINK},
                    "total_count": {"type": "integer"},
                },
            },
        ),
    },
    errors=(BAD_EVENTS, problem_with(read_zone, "Mars"), TOO_LONG, SEARCH_TOO_SLOW),
    limits=(
        ADDRESS_LIMIT,
        Limit("per_page", 10_000, "events", "400 (1200)"),
        Limit("page times per_page", MOST_BY_PAGE, "events", "400 (1200)"),
    ),
    description=(
        "Use /events/message in what you write anew. Filters match as there, under their older names. "
        f"Numbered pages reach {MOST_BY_PAGE} events; `cursor=initial` begins pages without an end."
    ),
    parameters=(
        _text("from", "YYYY-MM-DDTHH:MM, inclusive; an hour before `to` where absent"),
        _text("to", "YYYY-MM-DDTHH:MM, exclusive; now where absent"),
        _text("timezone", "of from and to; UTC where absent"),
        {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 1}, "description": "its number"},
        {
            "name": "per_page",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000},
            "description": "events on a page",
        },
        _text("cursor", "'initial', or from a link; page is ignored then"),
        _text("delimiter", "what separates the values of a list"),
        _text("reason", "a pattern over the whole reason, % for any text, _ for any character"),
        *(
            _text(name, f"list; as `{today}` of /events/message")
            for name, today in {
                "events": "events",
                "recipients": "recipients",
                "bounce_classes": "bounce_classes",
                "subaccounts": "subaccounts",
                "campaign_ids": "campaigns",
                "template_ids": "templates",
                "friendly_froms": "from_addresses",
                "message_ids": "messages",
                "transmission_ids": "transmissions",
                "ab_test_ids": "ab_tests",
            }.items()
        ),
    ),
)
DOCUMENTATION = Operation(
    "The fields of every event type, for the legacy search",
    {200: ("one object a type", {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}})},
)
SAMPLES = Operation(
    "One example of every event type, as the legacy search shows it",
    {
        200: ("flat events", _RESULTS),
    },
    errors=(BAD_EVENTS, TOO_LONG),
    limits=(ADDRESS_LIMIT,),
    parameters=(_text("events", "event types, separated by commas; all where absent"),),
)
