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
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import OPEN
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1 import webhooks_pages as pages
from homing.api.v1.webhooks_pages import NOT_YOURS, TOO_MANY
from homing.api.v1.webhooks_wire import (
    MOST_WEBHOOKS,
    OF_NAME,
    PATH,
    ReplayIn,
    WebhookIn,
    changed,
    created,
    failed,
    links_of,
    read_id,
    read_limit,
    read_range,
    read_types,
    read_zone,
    response_of,
    show,
    show_tried,
)
from homing.events.rules.fields import documentation_by_class, samples
from homing.events.rules.wire import enveloped, wire_types
from homing.ground.clock import Clock
from homing.ground.http import Answered, OutboundHttp, Refused, Unanswered
from homing.ground.oauth import NoToken
from homing.ingress.rules.problem import Wrong, bad_params
from homing.webhooks.delivery import PING, Poster
from homing.webhooks.rules.retry import is_success
from homing.webhooks.store import Webhooks
from homing.webhooks.types import Webhook

ONE = f"{PATH}/{{webhook_id:str}}"
VIEW = ("webhooks/view", "webhooks/modify")
MODIFY = ("webhooks/modify",)
SAMPLE_AT = 1_778_000_000
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
            raise ApiError(NOT_FOUND)
        return found

    async def tried(webhook: Webhook, body: bytes) -> tuple[Webhook, Answered]:
        """Post to a target that must take it.

        raises   ApiError
        """
        try:
            http.check(webhook.target)
            if webhook.auth_type == "oauth2":
                http.check(webhook.auth.token_url)
            posted = await poster.post(webhook, body)
        except Refused as trouble:
            raise ApiError(bad_params(str(trouble))) from None
        if isinstance(posted, NoToken):
            said = posted.answer if isinstance(posted.answer, Answered) else None
            raise ApiError(failed("POST to webhook tokens URL failed", posted.why, said))
        answer = posted.answer
        if isinstance(answer, Unanswered):
            raise ApiError(failed("POST to webhook target URL failed", answer.why, None))
        if not is_success(answer.status):
            raise ApiError(failed("POST to webhook target URL failed", "", answer))
        return structs.replace(webhook, auth=posted.auth), answer

    @post(PATH, status_code=200, opt={"grants": MODIFY, "operation": pages.CREATE})
    async def create_webhook(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                made = created(read_body(body, WebhookIn), sender_of(request))
        if await webhooks.count(made.account_id, made.subaccount_id or 0) >= MOST_WEBHOOKS:
            raise ApiError(TOO_MANY)
        made, _ = await tried(made, PING)
        await webhooks.add(made)
        results = {"id": str(made.webhook_id), "signing_secret": made.auth.secret, "links": links_of(made.webhook_id, "webhook")}
        return await json_answer(request, _encode({"results": results}))

    @get(PATH, opt={"grants": VIEW, "operation": pages.LIST})
    async def list_webhooks(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            zone = read_zone(query_of(request).get("timezone"))
        sender = sender_of(request)
        found = await webhooks.of_account(sender.account_id, sender.scope)
        listed = [{"id": str(one.webhook_id), **show(one, zone), "links": links_of(one.webhook_id, "webhook")} for one in found]
        return await json_answer(request, _encode({"results": listed}))

    @get(ONE, opt={"grants": VIEW, "operation": pages.RETRIEVE})
    async def get_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        with refusals():
            zone = read_zone(query_of(request).get("timezone"))
        found = await known(request, webhook_id)
        links = links_of(found.webhook_id, "validate", "batches")
        return await json_answer(request, _encode({"results": {**show(found, zone), "links": links}}))

    @put(ONE, opt={"grants": MODIFY, "operation": pages.UPDATE})
    async def update_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        before = await known(request, webhook_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, WebhookIn)
                if given.subaccount_id is not None and not sender_of(request).acts_for_all:
                    raise Wrong(NOT_YOURS)
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

    @delete(ONE, status_code=204, opt={"grants": MODIFY, "operation": pages.DELETE})
    async def delete_webhook(request: Request[Any, Any, Any], webhook_id: str) -> None:
        found = await known(request, webhook_id)
        await webhooks.remove(found.account_id, found.webhook_id)

    @post(f"{ONE}/validate", status_code=200, opt={"grants": MODIFY, "operation": pages.VALIDATE})
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
        results = {"msg": "Test POST to endpoint succeeded", "response": response_of(answer)}
        return await json_answer(request, _encode({"results": results}))

    @get(f"{ONE}/batch-status", opt={"grants": VIEW, "operation": pages.BATCHES})
    async def get_batch_status(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        with refusals():
            limit = read_limit(query_of(request).get("limit"))
        found = await known(request, webhook_id)
        listed = await webhooks.tried(found.account_id, found.webhook_id, limit=limit)
        return await json_answer(request, _encode({"results": [show_tried(one) for one in listed]}))

    @get(f"{ONE}/signing-secret", opt={"grants": MODIFY, "operation": pages.SECRET})
    async def get_signing_secret(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        found = await known(request, webhook_id)
        return await json_answer(request, _encode({"results": {"signing_secret": found.auth.secret}}))

    @post(f"{ONE}/replay", status_code=200, opt={"grants": MODIFY, "operation": pages.REPLAY})
    async def replay_events(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        found = await known(request, webhook_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, ReplayIn)
                since, until = read_range(given, now=clock.now())
                types = found.types if given.events is None else found.types & frozenset(read_types(given.events))
        count = await webhooks.owe_again(found, since=since, until=until, types=types)
        return await json_answer(request, _encode({"results": {"events": count}}))

    @get(f"{PATH}/events/documentation", opt={"grants": OPEN, "operation": pages.DOCUMENTATION})
    async def document_webhook_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": documentation_by_class()}))

    @get(f"{PATH}/events/samples", opt={"grants": OPEN, "operation": pages.SAMPLES})
    async def sample_webhook_events(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            names = [name.strip() for name in query_of(request).get("events", "").split(",") if name.strip()]
            unknown = sorted(set(names) - wire_types())
            if unknown:
                raise Wrong(bad_params(f"events: '{unknown[0][:64]}' is not an event type"))
        wanted = frozenset(names) or None
        found = [enveloped(OF_NAME[one["type"]], dict(one), SAMPLE_AT) for one in samples(wanted or wire_types())]
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
