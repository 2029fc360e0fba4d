"""/api/v1/alerts: be told when a rate passes a threshold (SparkPost reference, section 2.22)."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import refusals, sender_of
from homing.api.v1.alerts_wire import (
    LONGEST_NAME,
    MOST_ALERTS,
    MOST_EMAILS,
    MOST_FILTERS,
    MOST_SUBACCOUNTS,
    changed,
    made,
    read,
    shown,
    shown_incident,
)
from homing.ground.http import OutboundHttp
from homing.ingress.rules.problem import Problem
from homing.metrics.alert_types import Alert, AlertMetric, Source
from homing.metrics.alerts import Alerts

PATH = "/api/v1/alerts"
ONE = f"{PATH}/{{alert_id:str}}"
VIEW = ("alerts/view", "alerts/manage")
MANAGE = ("alerts/manage",)
_encode = msgspec.json.Encoder().encode


def routes(*, alerts: Alerts, http: OutboundHttp, bodies: Bodies, mail: bool) -> list[HTTPRouteHandler]:
    """Return the routes. mail: whether this installation can write mails."""

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_alerts(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await alerts.of_account(sender_of(request).account_id)
        return await json_answer(request, _encode({"results": [shown(one) for one in found]}))

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": CREATE})
    async def create_alert(request: Request[Any, Any, Any]) -> Response[bytes]:
        account_id = sender_of(request).account_id
        async with bodies.json(request) as body:
            with refusals():
                alert = made(read(body), account_id, http, mail=mail)
        if await alerts.count(account_id) >= MOST_ALERTS:
            raise ApiError(_TOO_MANY)
        return await json_answer(request, _encode({"results": {"id": await alerts.add(alert)}}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_alert(request: Request[Any, Any, Any], alert_id: str) -> Response[bytes]:
        return await json_answer(request, _encode({"results": shown(await _found(sender_of(request), alert_id))}))

    @put(ONE, opt={"grants": MANAGE, "operation": UPDATE})
    async def update_alert(request: Request[Any, Any, Any], alert_id: str) -> Response[bytes]:
        alert = await _found(sender_of(request), alert_id)
        async with bodies.json(request) as body:
            with refusals():
                wanted = changed(alert, read(body), http, mail=mail)
        after = await alerts.change(wanted)
        if after is None:
            raise ApiError(NOT_FOUND)
        return await json_answer(request, _encode({"results": shown(after)}))

    @delete(ONE, status_code=200, opt={"grants": MANAGE, "operation": DELETE})
    async def delete_alert(request: Request[Any, Any, Any], alert_id: str) -> Response[bytes]:
        alert = await _found(sender_of(request), alert_id)
        if not await alerts.delete(alert.account_id, alert.alert_id):
            raise ApiError(NOT_FOUND)
        return await json_answer(request, _encode({"results": {"id": alert.alert_id}}))

    @get(f"{ONE}/incidents", opt={"grants": VIEW, "operation": INCIDENTS})
    async def list_incidents(request: Request[Any, Any, Any], alert_id: str) -> Response[bytes]:
        alert = await _found(sender_of(request), alert_id)
        found = await alerts.incidents(alert.account_id, alert.alert_id)
        return await json_answer(request, _encode({"results": [shown_incident(one) for one in found]}))

    async def _found(sender: Sender, alert_id: str) -> Alert:
        number = int(alert_id) if alert_id.isascii() and alert_id.isdigit() and len(alert_id) < 10 else 0
        # Alerts belong to the account; a subaccount's own key has none.
        found = None if sender.pinned else await alerts.one(sender.account_id, number)
        if found is None:
            raise ApiError(NOT_FOUND)
        return found

    return [list_alerts, create_alert, get_alert, update_alert, delete_alert, list_incidents]


_ID: Schema = {"name": "alert_id", "in": "path", "required": True, "schema": {"type": "string"}}
_TARGET: Schema = {"type": "object", "required": ["target"], "properties": {"target": {"type": "string"}}}
_BODY: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "metric": {"type": "string", "enum": list(AlertMetric)},
        "muted": {"type": "boolean", "description": "incidents are kept, nobody is told"},
        "subaccounts": {"type": "array", "items": {"type": "integer"}, "description": "-1: everything together (default)"},
        "any_subaccount": {"type": "boolean", "description": "each subaccount by itself"},
        "filters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["filter_type", "filter_values"],
                "properties": {
                    "filter_type": {"type": "string", "enum": ["sending_domain", "sending_ip", "mailbox_provider"]},
                    "filter_values": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "threshold_evaluator": {
            "type": "object",
            "required": ["operator", "source", "value"],
            "properties": {
                "operator": {"type": "string", "enum": ["gt", "lt"]},
                "source": {"type": "string", "enum": list(Source)},
                "value": {"type": "number", "description": "per cent; of health_score, points"},
            },
        },
        "channels": {
            "type": "object",
            "properties": {"emails": {"type": "array", "items": {"type": "string"}}, "webhook": _TARGET, "slack": _TARGET},
        },
    },
}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_TOO_MANY = Problem(409, f"an account may have {MOST_ALERTS} alerts; remove one first")
_IN_BODY = (
    Problem(400, "threshold_evaluator: source is a required field"),
    Problem(400, "name is required"),
    Problem(400, "threshold_evaluator.operator must be gt or lt"),
)
_LIMITS = (
    Limit("name", LONGEST_NAME, "characters", "400"),
    Limit("subaccounts", MOST_SUBACCOUNTS, "values", "400"),
    Limit("filter_values of all filters", MOST_FILTERS, "values", "400"),
    Limit("channels.emails", MOST_EMAILS, "addresses", "400"),
)
_EXAMPLE: dict[str, Any] = {
    "name": "too many bounces",
    "metric": "hard_bounce_rate",
    "muted": False,
    "filters": [{"filter_type": "sending_domain", "filter_values": ["mail.acme.test"]}],
    "threshold_evaluator": {"operator": "gt", "source": "raw", "value": 5},
    "channels": {"webhook": {"target": "https://app.acme.test/alert"}},
}
LIST = Operation("List alerts", {200: ("whole alerts", _LISTED)})
CREATE = Operation(
    "Make an alert",
    {200: ("its id", _RESULTS)},
    errors=(*_IN_BODY, _TOO_MANY),
    limits=(Limit("alerts of an account", MOST_ALERTS, "alerts", "409"), *_LIMITS),
    example=_EXAMPLE,
    description=(
        "Rates are per cent of what was sent in the last hour, judged each minute. At most 100 alerts. One incident for each "
        "combination of filters; it is over when it has not fired for 30 minutes, or after 24 hours."
    ),
    body={**_BODY, "required": ["name", "metric", "muted", "filters", "threshold_evaluator", "channels"]},
)
RETRIEVE = Operation("Look at one alert", {200: ("whole", _RESULTS)}, parameters=(_ID,), errors=(NOT_FOUND,))
UPDATE = Operation(
    "Change one alert",
    {200: ("whole", _RESULTS)},
    errors=(*_IN_BODY, NOT_FOUND),
    limits=_LIMITS,
    example={"muted": True},
    parameters=(_ID,),
    body=_BODY,
)
DELETE = Operation("Remove one alert with its incidents", {200: ("its id", _RESULTS)}, parameters=(_ID,), errors=(NOT_FOUND,))
INCIDENTS = Operation(
    "List the incidents of an alert", {200: ("the latest first", _LISTED)}, parameters=(_ID,), errors=(NOT_FOUND,)
)
