"""GET and DELETE /api/v1/transmissions: what is scheduled, and taking it back (SparkPost reference, section 2.1.6)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Request, Response, delete, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, refusals, sender_of
from homing.events import store as events
from homing.ground import ids
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import Problem
from homing.queue import submissions
from homing.queue.submissions import Written, state_of

PATH = "/api/v1/transmissions"
VIEW = ("transmissions/view", "transmissions/modify")
MODIFY = ("transmissions/modify",)
WINDOW_S = 660  # a transmission that begins within it is not taken back by its id
STILL_WAITING = timedelta(days=3)  # a message outlives its start no longer
MOST_LISTED = 10_000
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, clock: Clock, news: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes.

    news   called when the shards' inboxes have something
    """

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_transmissions(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            query = query_of(request)
        template = query.get("template_id")
        found = await submissions.of_account(
            pool,
            sender.account_id,
            sender.scope,
            campaign_id=query.get("campaign_id"),
            template_id="" if template == "inline" else template,
            limit=MOST_LISTED,
        )
        now = clock.now()
        return await json_answer(request, _encode({"results": [_row(one, now) for one in found]}))

    @get(f"{PATH}/{{transmission_id:str}}", opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_transmission(request: Request[Any, Any, Any], transmission_id: str) -> Response[bytes]:
        sender = sender_of(request)
        found = await submissions.one(pool, sender.account_id, sender.scope, _id_of(transmission_id))
        if found is None:
            raise ApiError(_missing(transmission_id))
        failed = await events.failed_of(pool, sender.account_id, found.transmission_id)
        shown = _whole(found, clock.now(), failed=failed)
        return await json_answer(request, _encode({"results": {"transmission": shown}}))

    @delete(PATH, status_code=204, opt={"grants": MODIFY, "operation": CANCEL})
    async def cancel_campaign(request: Request[Any, Any, Any]) -> None:
        sender = sender_of(request)
        with refusals():
            campaign_id = query_of(request).get("campaign_id")
        if not campaign_id:
            raise ApiError(_NO_CAMPAIGN)
        since = clock.now() - STILL_WAITING
        if await submissions.cancel_campaign(pool, sender.account_id, sender.subaccount_id, campaign_id, since=since):
            news()

    @delete(f"{PATH}/{{transmission_id:str}}", status_code=204, opt={"grants": MODIFY, "operation": DELETE})
    async def delete_transmission(request: Request[Any, Any, Any], transmission_id: str) -> None:
        sender = sender_of(request)
        ident = _id_of(transmission_id)
        found = await submissions.one(pool, sender.account_id, sender.subaccount_id, ident)
        if found is None:
            raise ApiError(_missing(transmission_id))
        now = clock.now()
        state = state_of(found, now=now)
        if state != "submitted":
            raise ApiError(_in_progress(state))
        before = now + timedelta(seconds=WINDOW_S)
        if found.start_at <= before:
            raise ApiError(_TOO_LATE)
        if not await submissions.cancel_one(pool, sender.account_id, sender.subaccount_id, ident, before=before):
            raise ApiError(_in_progress("Canceled"))
        news()

    return [list_transmissions, get_transmission, cancel_campaign, delete_transmission]


def _id_of(text: str) -> bytes:
    try:
        return ids.from_digits(text)
    except ids.BadId:
        raise ApiError(_missing(text)) from None


def _missing(transmission_id: str) -> Problem:
    return Problem(
        404, "resource not found", f"Transmission '{transmission_id[:64]}' does not exist, or is not scheduled", "1600"
    )


def _in_progress(state: str) -> Problem:
    text = f"Unable to delete a transmission that is in progress (state={state})"
    return Problem(409, "transmission database record is in an invalid state for deletion", text, "2006")


_NO_CAMPAIGN = Problem(400, "required parameter missing", "campaign_id is a required parameter", "1401")
_TOO_LATE = Problem(
    409,
    "too close to generation time to delete transmission",
    f"Deletion time window ({WINDOW_S} seconds) doesn't permit transmission deletion",
    "2003",
)


def _row(one: Written, now: datetime) -> dict[str, Any]:
    return {
        "id": submissions.digits(one),
        "campaign_id": one.campaign_id,
        "description": one.description,
        "state": state_of(one, now=now),
        "content": {"template_id": one.template_id or "inline"},
    }


def _whole(one: Written, now: datetime, *, failed: int) -> dict[str, Any]:
    """Return a transmission. failed: messages that could not be made, of those whose turn has come."""
    facts = one.facts
    assert facts is not None
    made = one.recipients if one.expanded else 0
    draft = bool(one.template_id) and facts.template_version == "0"  # versions that are published count from 1
    return {
        **_row(one, now),
        "content": {"template_id": one.template_id or "inline", "use_draft_template": draft},
        "return_path": facts.return_path or "",
        "rcpt_list_id": one.list_id,
        "rcpt_list_chunk_size": 100,
        "rcpt_list_total_chunks": -(-one.recipients // 100),
        "num_rcpts": one.recipients,
        "num_generated": max(0, made - failed),
        "num_failed_gen": failed,
        "generation_start_time": _moment(one.start_at),
        "generation_end_time": _moment(max(one.start_at, one.expanded_at or one.start_at)),
        "substitution_data": "",
        "metadata": facts.metadata,
        "options": {
            "open_tracking": facts.open_tracking,
            "click_tracking": facts.click_tracking,
            "transactional": facts.transactional,
            "inline_css": facts.inline_css,
            "start_time": _moment(one.start_at),
        },
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


_ID: Schema = {"name": "transmission_id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
_CAMPAIGN = "of this campaign; empty: without campaign"
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
LIST = Operation(
    "List scheduled transmissions",
    {200: ("scheduled transmissions, the latest start first", _LISTED)},
    limits=(Limit("transmissions listed", MOST_LISTED, "transmissions", "left out"),),
    description="They are kept for 10 days after their start. States: submitted, Generating, Success, Canceled.",
    parameters=(
        {"name": "campaign_id", "in": "query", "schema": {"type": "string"}, "description": _CAMPAIGN},
        {"name": "template_id", "in": "query", "schema": {"type": "string"}, "description": "of this template"},
    ),
)
RETRIEVE = Operation(
    "Look at one scheduled transmission",
    {200: ("the transmission", _RESULTS)},
    errors=(_missing("123"),),
    parameters=(_ID,),
)
CANCEL = Operation(
    "Cancel what a campaign has scheduled",
    {204: "messages that are not yet sent will bounce as cancelled"},
    errors=(_NO_CAMPAIGN,),
    description=(
        "The subaccount that scheduled it must ask. What is under way at this moment may still arrive; everything else ends with "
        "a bounce event of class 25, 554 5.7.1 [internal] Campaign cancelled, usually within seconds."
    ),
    parameters=({"name": "campaign_id", "in": "query", "required": True, "schema": {"type": "string"}, "description": "which"},),
)
DELETE = Operation(
    "Cancel one scheduled transmission",
    {204: "cancelled"},
    errors=(_missing("123"), _TOO_LATE, _in_progress("Generating")),
    limits=(Limit("time before its start", WINDOW_S, "seconds", "409 (2003)"),),
    parameters=(_ID,),
)
