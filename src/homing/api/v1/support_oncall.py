"""/api/v1/support/oncall: who is on duty, which ladders run, and what a person who was paged says. For staff alone."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.auth import STAFF
from homing.api.bodies import json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Operation, Schema
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.ground.clock import Clock
from homing.ingress.rules.problem import Problem
from homing.support.oncall import runs, store
from homing.support.oncall.rules import ladder
from homing.support.oncall.rules.duty import on_duty, shifts
from homing.support.oncall.runs import Answer, Owed
from homing.support.oncall.types import Run, Schedule

PATH = "/api/v1/support/oncall"
RUNS = f"{PATH}/runs"
ONE = f"{RUNS}/{{run_id:str}}"
ANYBODY = tuple(Role)
HELD = "staff {person} holds it; if no attempt follows, the claim lapses after three minutes"
LOOKS_AHEAD = timedelta(days=14)
_encode = msgspec.json.Encoder().encode
AnswerLadder = Callable[[db.Executor, int, int, Answer, datetime], Awaitable[Run | None]]
"""Carries out what somebody says, for the ladder and for what it is for."""


def routes(*, pool: db.Pool, clock: Clock, answer: AnswerLadder = runs.answer) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"staff": ANYBODY, "operation": SHOW})
    async def show_oncall(request: Request[Any, Any, Any]) -> Response[bytes]:
        now = clock.now()
        plans = [shown_schedule(one, now) for one in await store.schedules(pool, now)]
        return await json_answer(request, _encode({"results": {"schedules": plans}}))

    @get(RUNS, opt={"staff": ANYBODY, "operation": LIST})
    async def list_runs(request: Request[Any, Any, Any]) -> Response[bytes]:
        now = clock.now()
        return await json_answer(request, _encode({"results": [shown(one, now) for one in await runs.latest(pool)]}))

    @get(ONE, opt={"staff": ANYBODY, "operation": RETRIEVE})
    async def get_run(request: Request[Any, Any, Any], run_id: str) -> Response[bytes]:
        found = await _found(run_id)
        pages = [shown_page(page) for page in await runs.pages_of(pool, found.run_id)]
        return await json_answer(request, _encode({"results": {**shown(found, clock.now()), "pages": pages}}))

    @post(f"{ONE}/acknowledge", status_code=200, opt={"staff": ANYBODY, "operation": ACKNOWLEDGE})
    async def acknowledge(request: Request[Any, Any, Any], run_id: str) -> Response[bytes]:
        return await _answered(request, run_id, Answer.ACKNOWLEDGE)

    @post(f"{ONE}/claim", status_code=200, opt={"staff": ANYBODY, "operation": CLAIM})
    async def claim(request: Request[Any, Any, Any], run_id: str) -> Response[bytes]:
        return await _answered(request, run_id, Answer.CLAIM)

    @post(f"{ONE}/hand-on", status_code=200, opt={"staff": ANYBODY, "operation": HAND_ON})
    async def hand_on(request: Request[Any, Any, Any], run_id: str) -> Response[bytes]:
        return await _answered(request, run_id, Answer.HAND_ON)

    async def _answered(request: Request[Any, Any, Any], run_id: str, what: Answer) -> Response[bytes]:
        found = await _found(run_id)
        state: Any = request.scope["state"]
        member: StaffMember = state[STAFF]
        now = clock.now()
        with db.trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                after = await answer(connection, found.run_id, member.person_id, what, now)
        if after is None:
            latest = await _found(run_id)
            raise ApiError(_not_now(_why_not(latest, now)))
        return await json_answer(request, _encode({"results": shown(after, now)}))

    async def _found(run_id: str) -> Run:
        number = int(run_id) if run_id.isascii() and run_id.isdigit() and len(run_id) < 19 else 0
        found = await runs.one(pool, number)
        if found is None:
            raise ApiError(NOT_FOUND)
        return found

    return [show_oncall, list_runs, get_run, acknowledge, claim, hand_on]


def _why_not(run: Run, now: datetime) -> str:
    if run.ended_at is not None:
        return f"the ladder has ended: {run.ended_because}"
    return HELD.format(person=ladder.holder(run, now))


def _not_now(why: str) -> Problem:
    return Problem(409, "not possible now", why)


def shown_schedule(schedule: Schedule, now: datetime) -> dict[str, Any]:
    """Return a schedule as staff sees it: who is on duty, and in the next two weeks."""
    return {
        "name": schedule.name,
        "on_duty": on_duty(schedule, now),
        "shifts": shifts(schedule, now, now + LOOKS_AHEAD),
        "rotations": schedule.rotations,
        "overrides": schedule.overrides,
    }


def shown(run: Run, now: datetime) -> dict[str, Any]:
    """Return a run as staff sees it."""
    claim = run.claim if ladder.holder(run, now) is not None else None
    return {
        "run_id": run.run_id,
        "obligation": run.obligation,
        "account_id": run.account_id,
        "severity": run.severity,
        "reference": run.reference,
        "started_at": run.started_at,
        "due_at": run.due_at,
        "steps": len(run.steps),
        "next_step": run.next_step,
        "next_at": ladder.next_look(run),
        "claimed_by": None if claim is None else claim.person_id,
        "claim_lapses_at": None if claim is None else ladder.lapses_at(claim),
        "engaged_by": run.engaged_by,
        "engaged_at": run.engaged_at,
        "ended_at": run.ended_at,
        "ended_because": run.ended_because,
    }


def shown_page(page: Owed) -> dict[str, Any]:
    """Return a page as staff sees it; never the address."""
    return {
        "page_id": page.page_id,
        "step": page.step,
        "person_id": page.person_id,
        "kind": page.kind,
        "alarm": page.alarm,
        "made_at": page.made_at,
        "attempts": page.attempts,
        "sent_at": page.sent_at,
        "outcome": page.outcome,
        "acknowledged_at": page.acknowledged_at,
    }


_ID: Schema = {"name": "run_id", "in": "path", "required": True, "schema": {"type": "string"}}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_NOT_NOW = (NOT_FOUND, _not_now(HELD.format(person=3)), _not_now("the ladder has ended: attempt placed"))
SHOW = Operation("Who is on duty, now and in the next two weeks", {200: ("each schedule", _RESULTS)})
LIST = Operation("List ladders that run or ran", {200: ("those that go on first, 50 at most", _LISTED)})
RETRIEVE = Operation("Look at one ladder with its pages", {200: ("whole", _RESULTS)}, parameters=(_ID,), errors=(NOT_FOUND,))
ACKNOWLEDGE = Operation(
    "Say that you are awake",
    {200: ("the ladder", _RESULTS)},
    description="The ladder goes on, and so does the clock of the call-back: an attempt alone stops it.",
    parameters=(_ID,),
    errors=(NOT_FOUND, _NOT_NOW[2]),
)
CLAIM = Operation(
    "Take it on yourself",
    {200: ("the ladder", _RESULTS)},
    description="The ladder waits. Without an attempt the claim lapses after three minutes, and the ladder goes on.",
    parameters=(_ID,),
    errors=_NOT_NOW,
)
HAND_ON = Operation(
    "Hand it on",
    {200: ("the ladder", _RESULTS)},
    description="The next step comes at once.",
    parameters=(_ID,),
    errors=_NOT_NOW,
)
