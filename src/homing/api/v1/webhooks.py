"""/api/v1/webhooks: who is told what happened (SparkPost reference, section 2.13).

A webhook that is made, or gets another target, is tried first with an empty element; nothing is stored unless the target takes
it. Replay and the signing secret are ours besides.
"""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from msgspec import structs

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1.webhooks_wire import (
    MOST_WEBHOOKS,
    PATH,
    ReplayIn,
    WebhookIn,
    changed,
    created,
    links_of,
    read_id,
    read_range,
    read_types,
    read_zone,
    show,
    show_tried,
)
from homing.events.rules.fields import documentation_by_class, samples
from homing.events.rules.wire import enveloped, wire_types
from homing.events.types import EventType
from homing.ground.clock import Clock
from homing.ground.http import Answered, OutboundHttp, Refused, Unanswered
from homing.ingress.rules.problem import Problem, Wrong, bad_params
from homing.webhooks.delivery import PING, NoToken, Posted, Poster
from homing.webhooks.rules.retry import is_success
from homing.webhooks.store import Webhooks
from homing.webhooks.types import Webhook

ONE = f"{PATH}/{{webhook_id:str}}"
VIEW = ("webhooks/view", "webhooks/modify")
MODIFY = ("webhooks/modify",)
MOST_TRIED = 1_000
SAMPLE_AT = 1_778_000_000
_NOT_FOUND = Problem(404, "Resource could not be found")
_encode = msgspec.json.Encoder().encode


def routes(*, webhooks: Webhooks, http: OutboundHttp, bodies: Bodies, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""
    poster = Poster(http, clock)

    async def known(request: Request[Any, Any, Any], text: str) -> Webhook:
        """Return the webhook that a path names, if this sender may see it."""
        webhook_id = read_id(text)
        sender = sender_of(request)
        found = None if webhook_id is None else await webhooks.one(sender.account_id, webhook_id)
        if found is None or not _may_see(sender, found):
            raise ApiError(_NOT_FOUND)
        return found

    async def tried(webhook: Webhook, body: bytes) -> tuple[Webhook, Answered]:
        """Post to a target that must take it.

        raises   ApiError
        """
        try:
            http.check(webhook.target)
            if webhook.auth_type == "oauth2":
                http.check(webhook.auth.token_url)
            posted: Posted = await poster.post(webhook, body)
        except Refused as trouble:
            raise ApiError(bad_params(str(trouble))) from None
        except NoToken as trouble:
            raise ApiError(_failed("POST to webhook tokens URL failed", str(trouble), trouble.answer)) from None
        answer = posted.answer
        if isinstance(answer, Unanswered):
            raise ApiError(_failed("POST to webhook target URL failed", answer.why, None))
        if not is_success(answer.status):
            raise ApiError(_failed("POST to webhook target URL failed", "", answer))
        return structs.replace(webhook, auth=posted.auth), answer

    @post(PATH, status_code=200, opt={"grants": MODIFY, "operation": CREATE})
    async def create_webhook(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                made = created(read_body(body, WebhookIn), sender_of(request))
        if await webhooks.count(made.account_id, made.subaccount_id or 0) >= MOST_WEBHOOKS:
            raise ApiError(bad_params(f"there can be at most {MOST_WEBHOOKS} webhooks"))
        made, _ = await tried(made, PING)
        await webhooks.add(made)
        results = {"id": str(made.webhook_id), "signing_secret": made.auth.secret, "links": links_of(made.webhook_id, "webhook")}
        return await json_answer(request, _encode({"results": results}))

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_webhooks(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            zone = read_zone(query_of(request).get("timezone"))
        sender = sender_of(request)
        found = await webhooks.of_account(sender.account_id, sender.scope)
        listed = [{"id": str(one.webhook_id), **show(one, zone), "links": links_of(one.webhook_id, "webhook")} for one in found]
        return await json_answer(request, _encode({"results": listed}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        with refusals():
            zone = read_zone(query_of(request).get("timezone"))
        found = await known(request, webhook_id)
        links = links_of(found.webhook_id, "validate", "batches")
        return await json_answer(request, _encode({"results": {**show(found, zone), "links": links}}))

    @put(ONE, opt={"grants": MODIFY, "operation": UPDATE})
    async def update_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        before = await known(request, webhook_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, WebhookIn)
                if given.subaccount_id is not None and not sender_of(request).acts_for_all:
                    raise Wrong(bad_params("subaccount_id can be changed by the primary account alone"))
                after = changed(before, given)
        owner = after.subaccount_id or 0
        if owner and owner != before.subaccount_id and not await webhooks.has_subaccount(after.account_id, owner):
            raise ApiError(bad_params(f"subaccount_id: this account has no subaccount {owner}"))
        auth_before = structs.replace(before.auth, access_token="", expires_in=0)
        auth_after = structs.replace(after.auth, access_token="", expires_in=0)
        if after.target != before.target or auth_after != auth_before or after.auth_type != before.auth_type:
            after, _ = await tried(after, PING)
        await webhooks.change(after)
        results = {"id": str(after.webhook_id), "links": links_of(after.webhook_id, "validate")}
        return await json_answer(request, _encode({"results": results}))

    @delete(ONE, status_code=204, opt={"grants": MODIFY, "operation": DELETE})
    async def delete_webhook(request: Request[Any, Any, Any], webhook_id: str) -> None:
        found = await known(request, webhook_id)
        await webhooks.remove(found.account_id, found.webhook_id)

    @post(f"{ONE}/validate", status_code=200, opt={"grants": MODIFY, "operation": VALIDATE})
    async def validate_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        found = await known(request, webhook_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, Any)
        message = given.get("message") if isinstance(given, dict) else None
        sent: list[Any] = [message if isinstance(message, dict) else {"msys": {}}]
        if isinstance(given, list) and given and all(isinstance(one, dict) for one in given):
            sent = given
        _, answer = await tried(found, _encode(sent))
        results = {"msg": "Test POST to endpoint succeeded", "response": _response(answer)}
        return await json_answer(request, _encode({"results": results}))

    @get(f"{ONE}/batch-status", opt={"grants": VIEW, "operation": BATCHES})
    async def get_batch_status(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        with refusals():
            limit = _limit(query_of(request).get("limit"))
        found = await known(request, webhook_id)
        listed = await webhooks.tried(found.account_id, found.webhook_id, limit=limit)
        return await json_answer(request, _encode({"results": [show_tried(one) for one in listed]}))

    @get(f"{ONE}/signing-secret", opt={"grants": MODIFY, "operation": SECRET})
    async def get_signing_secret(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        found = await known(request, webhook_id)
        return await json_answer(request, _encode({"results": {"signing_secret": found.auth.secret}}))

    @post(f"{ONE}/replay", status_code=200, opt={"grants": MODIFY, "operation": REPLAY})
    async def replay_events(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        found = await known(request, webhook_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, ReplayIn)
                since, until = read_range(given, now=clock.now())
                types = found.types if given.events is None else found.types & frozenset(read_types(given.events))
        count = await webhooks.owe_again(found, since=since, until=until, types=types)
        return await json_answer(request, _encode({"results": {"events": count}}))

    @get(f"{PATH}/events/documentation", opt={"operation": DOCUMENTATION})
    async def document_webhook_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": documentation_by_class()}))

    @get(f"{PATH}/events/samples", opt={"operation": SAMPLES})
    async def sample_webhook_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            names = [name.strip() for name in query_of(request).get("events", "").split(",") if name.strip()]
            unknown = sorted(set(names) - wire_types())
            if unknown:
                raise Wrong(bad_params(f"events: '{unknown[0][:64]}' is not an event type"))
        wanted = frozenset(names) or None
        found = [enveloped(_OF_NAME[one["type"]], dict(one), SAMPLE_AT) for one in samples(wanted or wire_types())]
        return await json_answer(request, _encode({"results": [{"msys": one["msys"]} for one in found]}))

    return [
        create_webhook,
        list_webhooks,
        get_webhook,
        update_webhook,
        delete_webhook,
        validate_webhook,
        get_batch_status,
        get_signing_secret,
        replay_events,
        document_webhook_events,
        sample_webhook_events,
    ]


def _may_see(sender: Sender, webhook: Webhook) -> bool:
    """Return whether a sender may see a webhook: the primary account all of them, a subaccount its own."""
    return sender.scope is None or webhook.subaccount_id == sender.scope


def _failed(message: str, why: str, answer: Answered | None) -> Problem:
    """Return why a target did not take a test; here alone the code is a number (SparkPost reference, section 1.5)."""
    more: dict[str, Any] = {"code": 400}
    if answer is not None:
        more["response"] = _response(answer)
    return Problem(400, message, why, more=more)


def _response(answer: Answered) -> dict[str, Any]:
    return {"status": answer.status, "headers": answer.headers, "body": answer.body}


def _limit(text: str | None) -> int:
    if not text:
        return MOST_TRIED
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= 10_000):
        raise Wrong(bad_params("limit must be a number from 1 to 10000"))
    return int(text)


_OF_NAME = {kind.wire: kind for kind in EventType}
_ID: Schema = {"name": "webhook_id", "in": "path", "required": True, "schema": {"type": "string"}}
_ZONE: Schema = {
    "name": "timezone",
    "in": "query",
    "schema": {"type": "string", "default": "UTC"},
    "description": "of last_successful and last_failure",
}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_IN_BODY = {
    400: "a member is not possible (1200), the body is no JSON (1300), or the target did not take the test",
    408: "the body came too slowly",
    413: "the body, or the custom headers (10001), are too large",
    415: "not application/json (1700)",
    422: "a member is missing (1400), has a wrong form (1300), or a header is reserved (10000) or one too many (10002)",
}
_BODY: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "target": {"type": "string"},
        "events": {"type": "array", "items": {"type": "string", "enum": sorted(_OF_NAME)}},
        "active": {"type": "boolean"},
        "custom_headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "exception_subaccounts": {"type": "array", "items": {"type": "integer"}},
        "auth_type": {"type": "string", "enum": ["none", "basic", "oauth2"]},
        "auth_request_details": {"type": "object"},
        "auth_credentials": {"type": "object"},
        "auth_token": {"type": "string"},
    },
}
_NO_SUCH = {404: "there is none"}
CREATE = Operation(
    "Make a webhook",
    {200: ("its id, links and signing secret", _RESULTS), **_IN_BODY},
    description='The target gets a test, `[{"msys":{}}]`, and must answer with 200 before anything is stored.',
    body={**_BODY, "required": ["name", "target", "events"]},
)
LIST = Operation("List webhooks", {200: ("every webhook", _LISTED), 400: "no such time zone (1200)"}, parameters=(_ZONE,))
RETRIEVE = Operation(
    "Look at one webhook", {200: ("the webhook", _RESULTS), 400: "no such time zone (1200)", **_NO_SUCH}, parameters=(_ID, _ZONE)
)
UPDATE = Operation(
    "Change one webhook",
    {200: ("changed", _RESULTS), **_IN_BODY, **_NO_SUCH},
    description="A new target, or other credentials, are tried first. `active: true` resumes a webhook that was paused.",
    parameters=(_ID,),
    body={**_BODY, "properties": {**_BODY["properties"], "subaccount_id": {"type": "integer", "minimum": -1}}},
)
DELETE = Operation("Delete one webhook", {204: "what waits still goes out", **_NO_SUCH}, parameters=(_ID,))
VALIDATE = Operation(
    "Post a test to the target",
    {200: ("what the target answered", _RESULTS), **_IN_BODY, **_NO_SUCH},
    parameters=(_ID,),
    body={"description": "an array of elements, or an object with one element as `message`"},
)
BATCHES = Operation(
    "Batches that failed at least once",
    {200: ("those of the last 24 hours, the latest first", _LISTED), 400: "limit cannot be used (1200)", **_NO_SUCH},
    parameters=(
        _ID,
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": MOST_TRIED}},
    ),
)
SECRET = Operation("Show the secret that signs the posts", {200: ("the secret", _RESULTS), **_NO_SUCH}, parameters=(_ID,))
REPLAY = Operation(
    "Tell a time range once more",
    {200: ("how many events", _RESULTS), **_IN_BODY, **_NO_SUCH},
    description="As far as the log reaches (HOMING_EVENT_RETENTION_DAYS). The events keep their ids; the batches are new.",
    parameters=(_ID,),
    body={
        "type": "object",
        "required": ["from"],
        "properties": {
            "from": {"type": "string"},
            "to": {"type": "string"},
            "events": {"type": "array", "items": {"type": "string", "enum": sorted(_OF_NAME)}},
        },
    },
)
DOCUMENTATION = Operation("The fields of every event type, by class", {200: ("an object by class", _RESULTS)})
SAMPLES = Operation(
    "One example of every event type, as webhooks carry it",
    {200: ("elements of a batch", _LISTED), 400: "an unknown event type (1200)"},
    parameters=({"name": "events", "in": "query", "schema": {"type": "string"}, "description": "event types, by commas"},),
)
