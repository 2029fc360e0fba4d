"""/api/v1/availability: which seconds of an account were Unavailable, what that comes to, and what proves it (clause D)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.accounts.types import Account
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import OPEN, Operation, Schema
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1.availability_wire import (
    MOST_REPORTS,
    MOST_ROOT_DAYS,
    MOST_WITNESSES,
    PATH,
    ReportsIn,
    WitnessIn,
    day_in,
    days_in,
    format_in,
    month_in,
    range_in,
    reports_in,
    show_listed,
    show_witness,
    witness_in,
)
from homing.availability import store, witnesses
from homing.availability.export import NotSealed, exported
from homing.availability.pages import csv_of, html_of
from homing.availability.rules.outside import Unusable
from homing.availability.rules.statement import Statement
from homing.availability.statement import Nothing, link_of, statement
from homing.availability.types import Month
from homing.availability.views import extract, show
from homing.availability.witnesses import Conflict
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.secrets import MasterKey
from homing.ingress.rules.problem import Problem, bad_params, missing

GRANTS = ("support/manage",)
MOST_LISTED = 1_000
_NOT_FOUND = Problem(404, "Resource could not be found")
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock, master_key: MasterKey, target: Decimal) -> list[HTTPRouteHandler]:
    """Return the routes. target: percentage that statements are judged by."""

    async def account_of(request: Request[Any, Any, Any]) -> Account:
        found = await accounts.account_by_id(pool, sender_of(request).account_id)
        if found is None:  # accounts are never deleted
            raise ApiError(_NOT_FOUND)
        return found

    async def made(request: Request[Any, Any, Any], month: Month, now: datetime) -> Statement:
        try:
            return await statement(pool, await account_of(request), month, master_key=master_key, now=now, target=target)
        except Nothing as nothing:
            raise ApiError(Problem(404, "Resource could not be found", str(nothing))) from None

    @get(PATH, opt={"grants": GRANTS, "operation": ROOT})
    async def show_availability(request: Request[Any, Any, Any]) -> Response[bytes]:
        now = clock.now()
        links = {name: f"{PATH}/{name}" for name in ("months", "seconds", "days", "roots", "witnesses", "evidence")}
        return await json_answer(request, _encode({"results": {"now": int(now.timestamp()), "zone": "UTC", "links": links}}))

    @get(f"{PATH}/months/{{month:str}}", opt={"grants": GRANTS, "operation": MONTH})
    async def get_month(request: Request[Any, Any, Any], month: str) -> Response[bytes]:
        with refusals():
            wanted, form = month_in(month), format_in(query_of(request))
        found = await made(request, wanted, clock.now())
        if form == "csv":
            name = f'attachment; filename="availability-{found.month}.csv"'
            return Response(csv_of(found).encode(), media_type="text/csv", headers={"content-disposition": name})
        if form == "html":
            return Response(html_of(found).encode(), media_type="text/html", headers={"content-security-policy": _NO_SCRIPTS})
        return await json_answer(request, _encode({"results": found}))

    @get(f"{PATH}/seconds", opt={"grants": GRANTS, "operation": SECONDS})
    async def get_seconds(request: Request[Any, Any, Any]) -> Response[bytes]:
        now = clock.now()
        with refusals():
            since, until = range_in(query_of(request), now=now)
        found = await extract(pool, await account_of(request), since=since, until=until, now=now)
        return await json_answer(request, _encode({"results": show(found)}))

    @get(f"{PATH}/days/{{day:str}}", opt={"grants": GRANTS, "operation": DAY})
    async def get_day(request: Request[Any, Any, Any], day: str) -> Response[bytes]:
        with refusals():
            wanted = day_in(day)
        try:
            found = await exported(pool, await account_of(request), wanted)
        except NotSealed as trouble:
            raise ApiError(Problem(404, "Resource could not be found", str(trouble))) from None
        return await json_answer(request, _encode({"results": found}))

    @get(f"{PATH}/roots", opt={"grants": OPEN, "operation": ROOTS})
    async def list_roots(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            since, until = days_in(query_of(request), now=clock.now())
        found = await store.roots(pool, since, until, limit=MOST_ROOT_DAYS)
        return await json_answer(request, _encode({"results": [link_of(one) for one in found]}))

    @post(f"{PATH}/witnesses", status_code=200, opt={"grants": GRANTS, "operation": ADD_WITNESS})
    async def add_witness(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                name, public_key = witness_in(read_body(body, WitnessIn))
        account_id = sender_of(request).account_id
        known = await witnesses.of_account(pool, account_id)
        if sum(one.ended_at is None for one in known) >= MOST_WITNESSES:
            text = f"an account has at most {MOST_WITNESSES} witnesses; end one that you do not use"
            raise ApiError(Problem(400, "invalid params", text, "1200"))
        added = await witnesses.add(pool, account_id=account_id, name=name, public_key=public_key)
        if added is None:
            text = "this public key belongs to a witness already; make another with `homing probe init`"
            raise ApiError(Problem(409, "resource conflict", text, "1602"))
        return await json_answer(request, _encode({"results": show_witness(added)}))

    @get(f"{PATH}/witnesses", opt={"grants": GRANTS, "operation": LIST_WITNESSES})
    async def list_witnesses(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await witnesses.of_account(pool, sender_of(request).account_id)
        return await json_answer(request, _encode({"results": [show_witness(one) for one in found]}))

    @delete(f"{PATH}/witnesses/{{witness_id:str}}", status_code=204, opt={"grants": GRANTS, "operation": END_WITNESS})
    async def end_witness(request: Request[Any, Any, Any], witness_id: str) -> None:
        number = int(witness_id) if witness_id.isascii() and witness_id.isdigit() and len(witness_id) < 19 else 0
        if not number or not await witnesses.end(pool, sender_of(request).account_id, number):
            raise ApiError(_NOT_FOUND)

    @post(f"{PATH}/evidence", status_code=200, opt={"grants": GRANTS, "operation": ADD_EVIDENCE})
    async def add_evidence(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                reports = reports_in(read_body(body, ReportsIn))
        account_id, now, new = sender_of(request).account_id, clock.now(), 0
        for place, one in enumerate(reports):
            try:
                taken = await witnesses.take(pool, one.report.encode(), one.signature, now=now, whose=(None, account_id))
            except Conflict as trouble:
                raise ApiError(Problem(409, "resource conflict", f"reports[{place}]: {trouble}", "1602")) from None
            except (Unusable, UnicodeEncodeError) as trouble:
                why = str(trouble) if isinstance(trouble, Unusable) else "this is no report of a witness"
                raise ApiError(Problem(422, "invalid data format/type", f"reports[{place}]: {why}", "1300")) from None
            new += taken.is_new
        return await json_answer(request, _encode({"results": {"taken": new, "known": len(reports) - new}}))

    @get(f"{PATH}/evidence", opt={"grants": GRANTS, "operation": LIST_EVIDENCE})
    async def list_evidence(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await witnesses.listed(pool, sender_of(request).account_id, limit=MOST_LISTED)
        return await json_answer(request, _encode({"results": [show_listed(one) for one in found]}))

    return [
        show_availability,
        get_month,
        get_seconds,
        get_day,
        list_roots,
        add_witness,
        list_witnesses,
        end_witness,
        add_evidence,
        list_evidence,
    ]


_NO_SCRIPTS = "default-src 'none'; style-src 'unsafe-inline'"
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_FROM: Schema = {"name": "from", "in": "query", "schema": {"type": "string"}}
_TO: Schema = {"name": "to", "in": "query", "schema": {"type": "string"}}
_RUNS: Schema = {
    "type": "array",
    "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
    "description": "first Unix second, and how many",
}
_DOOR: Schema = {"type": "object", "properties": {"attempted": _RUNS, "failed": _RUNS}}
_EXTRACT: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "object",
            "properties": {
                "from": {"type": "integer"},
                "to": {"type": "integer"},
                "api": _DOOR,
                "smtp": _DOOR,
                "unavailable": _RUNS,
                "strict": _RUNS,
                "unknown": _RUNS,
                "contested": _RUNS,
            },
        }
    },
}
_BODY_ERRORS = (missing("name and public_key are required fields"), bad_params("public_key must be 64 hex digits"))
_TAKEN = Problem(409, "resource conflict", "this public key belongs to a witness already", "1602")
ROOT = Operation(
    "What there is about availability, and what time it is",
    {200: ("the Unix second of our clock, and links", _RESULTS)},
    description="Cheap; a witness that makes your attempts from elsewhere asks for it (`homing probe`).",
)
MONTH = Operation(
    "The statement of a UTC calendar month",
    {
        200: ("the statement; with `format` a page or lines for a spreadsheet", _RESULTS),
    },
    errors=(bad_params("month must be YYYY-MM"), NOT_FOUND),
    description=(
        "Unavailable seconds gross, excluded and net, unknown seconds, uptime to six decimals, episodes, exclusions, amendments, "
        "and for each sealed day the proof that it is in the ledger."
    ),
    parameters=(
        {"name": "month", "in": "path", "required": True, "schema": {"type": "string"}, "description": "YYYY-MM"},
        {"name": "format", "in": "query", "schema": {"type": "string", "enum": ["json", "csv", "html"], "default": "json"}},
    ),
)
SECONDS = Operation(
    "Single seconds",
    {200: ("runs of seconds", _EXTRACT)},
    errors=(bad_params("from must not be later than to"),),
    description="Of at most a day; by default the last hour. The last minutes may still change.",
    parameters=(_FROM, _TO),
)
DAY = Operation(
    "A sealed day, to be verified without us",
    {200: ("each leaf and how it leads to a signed root", _RESULTS)},
    errors=(bad_params("day must be YYYY-MM-DD"), NOT_FOUND),
    description="Keep `results` as a file, and run `docs/verify_day.py` on it.",
    parameters=({"name": "day", "in": "path", "required": True, "schema": {"type": "string"}, "description": "YYYY-MM-DD"},),
)
ROOTS = Operation(
    "The roots of the ledger, day by day",
    {200: (f"up to {MOST_ROOT_DAYS} days, chained and signed", _LISTED)},
    errors=(bad_params("from must not be later than to"),),
    description="Open to everybody: whoever compares them sees that all customers are shown the same ledger.",
    parameters=(_FROM, _TO),
)
ADD_WITNESS = Operation(
    "Know a witness: a program elsewhere that makes attempts of yours and signs what it saw",
    {200: ("the witness", _RESULTS)},
    errors=(*_BODY_ERRORS, _TAKEN),
    example={"name": "Oslo", "public_key": "3d" * 32},
    body={
        "type": "object",
        "required": ["name", "public_key"],
        "properties": {
            "name": {"type": "string"},
            "public_key": {"type": "string", "maxLength": 64, "description": "Ed25519, 64 hex digits"},
        },
    },
)
LIST_WITNESSES = Operation("Your witnesses", {200: ("all of them", _LISTED)})
END_WITNESS = Operation(
    "Take no further reports of a witness",
    {204: "what it reported stays"},
    errors=(NOT_FOUND,),
    parameters=({"name": "witness_id", "in": "path", "required": True, "schema": {"type": "string"}},),
)
ADD_EVIDENCE = Operation(
    "Hand in what witnesses saw",
    {200: ("how many reports are new, and how many were known", _RESULTS)},
    errors=(*_BODY_ERRORS, _TAKEN),
    description=(
        "Where we did not watch, your witness is the evidence. Where we did, a person decides. Reports about the last 30 days "
        "are taken, as often as they come."
    ),
    example={"reports": [{"report": "{}", "signature": "00"}]},
    body={
        "type": "object",
        "required": ["reports"],
        "properties": {
            "reports": {
                "type": "array",
                "maxItems": MOST_REPORTS,
                "items": {
                    "type": "object",
                    "required": ["report", "signature"],
                    "properties": {"report": {"type": "string"}, "signature": {"type": "string"}},
                },
            }
        },
    },
)
LIST_EVIDENCE = Operation("What your witnesses handed in, the latest first", {200: ("up to 1,000 reports", _LISTED)})
