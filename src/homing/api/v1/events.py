"""GET /api/v1/events/message and what describes it (SparkPost reference, section 2.14)."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.auth import SENDER
from homing.api.bodies import json_answer
from homing.api.errors import SEARCH_TOO_SLOW, ApiError
from homing.api.openapi import OPEN, Limit, Operation, Schema
from homing.events import store
from homing.events.rules.fields import documentation, samples
from homing.events.rules.search import PATH, After, BadQuery, next_link, read_query
from homing.events.rules.wire import message_types, shown
from homing.events.types import Logged
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import Problem, bad_params

LONGEST_QUERY = 4_096  # bytes of the URI
SHOW_APART_FROM = 100  # events; more are put into words in a thread

_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"grants": ("message_events/view",), "operation": SEARCH})
    async def search_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender: Sender = request.scope["state"][SENDER]
        query = query_lists(request)
        only = sender.subaccount_id if sender.pinned else None  # the header is not used here (reference, section 1.4)
        asked = read_query(query, account_id=sender.account_id, subaccount_id=only, now=clock.now())
        if isinstance(asked, BadQuery):
            raise bad_query(asked.text)
        page = await store.search(pool, asked.search, after=asked.after, limit=asked.per_page + 1)  # is there another page?
        total = page.total if page.total is not None else asked.total or 0
        events = page.events[: asked.per_page]
        links: dict[str, str] = {}
        if len(page.events) > asked.per_page:
            last = events[-1]
            links["next"] = next_link(query, asked, last=After(last.at, last.shard, last.seq), total=total)
        body = (
            await asyncio.to_thread(_body, events, total, links)
            if len(events) >= SHOW_APART_FROM
            else _body(events, total, links)
        )
        return await json_answer(request, body)

    @get(f"{PATH}/documentation", opt={"grants": OPEN, "operation": DOCUMENTATION})
    async def document_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": documentation()}))

    @get(f"{PATH}/samples", opt={"grants": OPEN, "operation": SAMPLES})
    async def sample_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": samples(named_types(request))}))

    return [search_events, document_events, sample_events]


def _body(events: Sequence[Logged], total: int, links: dict[str, str]) -> bytes:
    return _encode({"results": [shown(event) for event in events], "total_count": total, "links": links})


def named_types(request: Request[Any, Any, Any]) -> frozenset[str] | None:
    """Return the types that `events` names; None: it names none. Raises ApiError."""
    named = [name.strip() for text in query_lists(request).get("events", ()) for name in text.split(",") if name.strip()]
    unknown = sorted(set(named) - message_types())
    if unknown:
        raise bad_query(f"events: '{unknown[0][:64]}' is not an event type")
    return frozenset(named) or None


def query_lists(request: Request[Any, Any, Any]) -> dict[str, list[str]]:
    """Return every parameter of the query string with all its values. Raises ApiError."""
    raw = request.scope["query_string"]
    if len(raw) + len(request.scope["raw_path"]) > LONGEST_QUERY:
        raise ApiError(TOO_LONG)
    try:
        return parse_qs(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except (UnicodeDecodeError, ValueError) as trouble:
        raise bad_query("the query string cannot be read: it must be percent-encoded UTF-8") from trouble


def bad_query(text: str) -> ApiError:
    """Return the refusal of a parameter."""
    return ApiError(bad_params(text))


TOO_LONG = Problem(414, "URI too long", f"the address may have at most {LONGEST_QUERY} characters")
BAD_EVENTS = bad_params("events: 'opened' is not an event type")
ADDRESS_LIMIT = Limit("address with its query", LONGEST_QUERY, "characters", "414")


def _text(name: str, meaning: str) -> Schema:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}


_EXACT = {
    "events": "event types; all where absent",
    "event_ids": "event ids",
    "recipients": "recipient addresses",
    "from_addresses": "addresses of the From header",
    "bounce_classes": "bounce classification codes",
    "sending_ips": "addresses that mail left from",
    "subaccounts": "subaccount ids; 0 is the primary account",
    "messages": "message ids",
    "transmissions": "transmission ids",
    "ab_test_versions": "versions; needs ab_tests",
}
_KEYWORD = (
    "recipient_domains",
    "sending_domains",
    "ab_tests",
    "campaigns",
    "ip_pools",
    "reasons",
    "subjects",
    "templates",
    "mailbox_providers",
    "mailbox_provider_regions",
)
_EVENT_LIST: Schema = {"type": "array", "items": {"type": "object", "required": ["type"]}}
SEARCH = Operation(
    "Search events",
    {
        200: (
            "events, newest first",
            {
                "type": "object",
                "required": ["results", "total_count", "links"],
                "properties": {
                    "results": _EVENT_LIST,
                    "total_count": {"type": "integer"},
                    "links": {"type": "object", "properties": {"next": {"type": "string"}}},
                },
            },
        ),
    },
    errors=(BAD_EVENTS, TOO_LONG, SEARCH_TOO_SLOW),
    limits=(ADDRESS_LIMIT, Limit("per_page", 10_000, "events", "400 (1200)")),
    description=(
        "Lists are separated by commas, or by `delimiter`. Keyword filters match whole segments (set apart by space, - or _, in "
        "domains also by a dot), upper and lower case alike. Follow links.next until it is absent; total_count is that of "
        "the first page. Events are kept for 10 days by default."
    ),
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
        *(_text(name, f"exact: {meaning}") for name, meaning in _EXACT.items()),
        *(_text(name, "keyword") for name in _KEYWORD),
    ),
)
DOCUMENTATION = Operation(
    "The fields of every event type",
    {200: ("one object a type", {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}})},
)
SAMPLES = Operation(
    "One example of every event type",
    {
        200: ("flat events", {"type": "object", "required": ["results"], "properties": {"results": _EVENT_LIST}}),
    },
    errors=(BAD_EVENTS, TOO_LONG),
    limits=(ADDRESS_LIMIT,),
    parameters=(_text("events", "event types, separated by commas; all where absent"),),
)
