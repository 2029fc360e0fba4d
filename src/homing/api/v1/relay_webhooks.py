"""/api/v1/relay-webhooks: where the mail of an inbound domain is posted to (SparkPost reference, section 2.12)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import read_body, refusals, sender_of
from homing.api.v1.relay_webhooks_wire import MOST_HEADER_BYTES, MOST_HEADERS, WebhookIn, merged, read_id, show, wrong
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.http import MOST_URL, Answered, OutboundHttp, Unanswered
from homing.ground.oauth import NoToken
from homing.inbound import store
from homing.inbound.relay_types import RelayWebhook
from homing.inbound.rules.relay import sample
from homing.inbound.target import Poster, succeeded, why
from homing.ingress.rules.problem import Problem, Wrong

PATH = "/api/v1/relay-webhooks"
ONE = f"{PATH}/{{webhook_id:str}}"
VIEW = ("relay_webhooks/view", "relay_webhooks/modify")
MODIFY = ("relay_webhooks/modify",)
_encode = msgspec.json.Encoder().encode


def routes(
    *,
    pool: Pool,
    bodies: Bodies,
    clock: Clock,
    webhooks: store.RelayWebhooks,
    http: OutboundHttp,
    poster: Poster,
    forget: Callable[[], None],
) -> list[HTTPRouteHandler]:
    """Return the routes. forget: called after a change, so that this worker's MX door knows it at once."""

    @post(PATH, status_code=200, opt={"grants": MODIFY, "operation": CREATE})
    async def create_relay_webhook(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                wanted = merged(read_body(body, WebhookIn), None, (sender.account_id, sender.subaccount_id), http)
                await _owned(sender, wanted.domain)
        made = await webhooks.add(wanted)
        if made is None:
            raise ApiError(_in_use(wanted.domain))
        forget()
        return await json_answer(request, _told(made.webhook_id))

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_relay_webhooks(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        found = await webhooks.of_account(sender.account_id, subaccount_id=sender.scope)
        return await json_answer(request, _encode({"results": [show(one, with_id=True) for one in found]}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_relay_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        sender = sender_of(request)
        found = await _found(sender, webhook_id, subaccount_id=sender.scope)
        return await json_answer(request, _encode({"results": show(found, with_id=False)}))

    @put(ONE, opt={"grants": MODIFY, "operation": UPDATE})
    async def update_relay_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, WebhookIn)
                before = await _found(sender, webhook_id, subaccount_id=sender.subaccount_id)
                if given.is_empty:
                    raise Wrong(_NOTHING)
                wanted = merged(given, before, (0, 0), http)
                if wanted.domain != before.domain:
                    await _owned(sender, wanted.domain)
        changed = await webhooks.change(wanted)
        if changed is None:
            raise ApiError(NOT_FOUND)
        if not changed:
            raise ApiError(_in_use(wanted.domain))
        forget()
        return await json_answer(request, _told(wanted.webhook_id))

    @delete(ONE, status_code=200, opt={"grants": MODIFY, "operation": DELETE})
    async def delete_relay_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        sender = sender_of(request)
        number = read_id(webhook_id)
        if not await webhooks.delete(number, account_id=sender.account_id, subaccount_id=sender.subaccount_id):
            raise ApiError(NOT_FOUND)
        forget()
        return await json_answer(request, b"{}")

    @post(f"{ONE}/validate", status_code=200, opt={"grants": MODIFY, "operation": VALIDATE})
    async def validate_relay_webhook(request: Request[Any, Any, Any], webhook_id: str) -> Response[bytes]:
        sender = sender_of(request)
        found = await _found(sender, webhook_id, subaccount_id=sender.subaccount_id)
        body = sample(found.domain, account_id=found.account_id, webhook_id=found.webhook_id, now=clock.now())
        answer = await poster.post(found, body)
        if succeeded(answer):
            results = {"msg": "Test POST to endpoint succeeded", "response": _shown(answer)}
            return await json_answer(request, _encode({"results": results}))
        raise ApiError(_failed(answer))

    async def _found(sender: Sender, webhook_id: str, *, subaccount_id: int | None) -> RelayWebhook:
        number = read_id(webhook_id)
        found = await webhooks.of_account(sender.account_id, subaccount_id=subaccount_id, webhook_id=number)
        if not found:
            raise ApiError(NOT_FOUND)
        return found[0]

    async def _owned(sender: Sender, domain: str) -> None:
        """Refuse a domain that is not an inbound one of this sender. Raises Wrong."""
        found = await store.domains(pool, sender.account_id, subaccount_id=sender.subaccount_id, domain=domain)
        if not found:
            raise Wrong(_not_inbound(domain))

    return [
        create_relay_webhook,
        list_relay_webhooks,
        get_relay_webhook,
        update_relay_webhook,
        delete_relay_webhook,
        validate_relay_webhook,
    ]


def _told(webhook_id: int) -> bytes:
    return _encode({"results": {"id": str(webhook_id)}})


def _not_inbound(domain: str) -> Problem:
    return wrong("match.domain", f"Domain '{domain}' is not a registered inbound domain", domain, status=400).problem


def _in_use(domain: str) -> Problem:
    return Problem(409, f"Domain '{domain}' is already in use", more={"param": "match.domain", "value": domain})


def _shown(answer: Answered | Unanswered | NoToken) -> dict[str, Any]:
    if isinstance(answer, Answered):
        return {"status": answer.status, "headers": answer.headers, "body": answer.body}
    return {"status": 0, "headers": {}, "body": why(answer)[0]}


def _failed(answer: Answered | Unanswered | NoToken) -> Problem:
    what = "tokens" if isinstance(answer, NoToken) else "target"
    inner = answer.answer if isinstance(answer, NoToken) else answer
    return Problem(400, f"POST to webhook {what} URL failed", more={"code": 400, "response": _shown(inner)})


_NOTHING = Problem(400, "no valid fields in body")
_REFUSAL = Answered(status=502, headers={}, body="Bad Gateway")
_ID: Schema = {"name": "webhook_id", "in": "path", "required": True, "schema": {"type": "string"}}
_MEMBERS: Schema = {
    "name": {"type": "string", "maxLength": 1024},
    "target": {"type": "string", "maxLength": 2048},
    "match": {
        "type": "object",
        "required": ["domain"],
        "properties": {"protocol": {"type": "string", "enum": ["SMTP"]}, "domain": {"type": "string"}},
    },
    "auth_type": {"type": "string", "enum": ["none", "oauth2"]},
    "auth_request_details": {
        "type": "object",
        "properties": {"url": {"type": "string"}, "body": {"type": "object"}},
    },
    "auth_token": {"type": "string", "maxLength": 1024},
    "custom_headers": {"type": "object", "maxProperties": 5, "additionalProperties": {"type": "string"}},
}
_WEBHOOK: Schema = {"type": "object", "required": ["name", "target", "match", "auth_type"], "properties": {**_MEMBERS}}
_DONE: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
}
_REFUSED = (
    wrong("target", "target is required").problem,
    wrong("auth_type", "auth_type must be one of: none, oauth2", "basic").problem,
    wrong("custom_headers", "Header is reserved and cannot be used").problem,
    _not_inbound("in.acme.test"),
    _in_use("in.acme.test"),
)
_LIMITS = (
    Limit("target", MOST_URL, "characters", "422"),
    Limit("custom_headers", MOST_HEADERS, "headers", "422"),
    Limit("custom_headers", MOST_HEADER_BYTES, "bytes in all", "422"),
)
_EXAMPLE = {
    "name": "replies",
    "target": "https://app.acme.test/inbound",
    "match": {"protocol": "SMTP", "domain": "in.acme.test"},
    "auth_token": "a long random word",
}
CREATE = Operation(
    "Say where the mail of an inbound domain is posted to",
    {200: ("made", _DONE)},
    errors=_REFUSED,
    limits=_LIMITS,
    example=_EXAMPLE,
    description="One relay webhook for each inbound domain. Tokens and headers are kept sealed.",
    body={"type": "object", "required": ["target", "match"], "properties": _MEMBERS},
)
LIST = Operation(
    "List relay webhooks",
    {
        200: (
            "all of them",
            {
                "type": "object",
                "required": ["results"],
                "properties": {
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["id", "target", "match"],
                            "properties": {"id": {"type": "string"}, **_MEMBERS},
                        },
                    }
                },
            },
        )
    },
)
RETRIEVE = Operation(
    "Look at a relay webhook",
    {
        200: ("the webhook", {"type": "object", "required": ["results"], "properties": {"results": _WEBHOOK}}),
    },
    errors=(NOT_FOUND,),
    parameters=(_ID,),
)
UPDATE = Operation(
    "Change a relay webhook",
    {200: ("changed", _DONE)},
    errors=(NOT_FOUND, _NOTHING, *_REFUSED),
    limits=_LIMITS,
    example={"target": "https://app.acme.test/other"},
    description="Members that are absent stay; custom_headers {} clears them.",
    parameters=(_ID,),
    body={"type": "object", "properties": _MEMBERS},
)
DELETE = Operation(
    "Remove a relay webhook",
    {200: ("removed", {"type": "object"})},
    errors=(NOT_FOUND,),
    description="Mail that still waits is tried on; a new relay webhook for the domain receives it.",
    parameters=(_ID,),
)
VALIDATE = Operation(
    "Post a short test mail to the target",
    {
        200: (
            "the target took it",
            {
                "type": "object",
                "required": ["results"],
                "properties": {
                    "results": {
                        "type": "object",
                        "properties": {"msg": {"type": "string"}, "response": {"type": "object"}},
                    }
                },
            },
        ),
    },
    errors=(NOT_FOUND, _failed(_REFUSAL), _failed(NoToken(_REFUSAL, ""))),
    parameters=(_ID,),
)
