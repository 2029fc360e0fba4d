"""/api/v1/support/sev1: the Severity 1 Line for people who cannot phone. /api/v1/support/line: the same calls for the staff.

What comes in here is taken in as a call is: people are paged, and it is returned within fifteen minutes.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.api.auth import STAFF, UNASKED
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1 import support_sev1_wire as wire
from homing.api.v1.support_contract_wire import moment_in
from homing.contracts import people
from homing.contracts import store as contracts
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.ground.clock import Clock
from homing.ingress.rules.problem import Problem, Wrong, bad_params, missing
from homing.support.line import store
from homing.support.line.attempts import NotNow
from homing.support.line.by_hand import ByHand
from homing.support.line.desk import Desk
from homing.support.line.ladders import name_of
from homing.support.line.recordings import Recordings
from homing.support.line.reports import Later, NotKept, Report, Reports, TooMany
from homing.support.line.returning import Result, Returning
from homing.support.line.rules.callback import attainment
from homing.support.line.types import Call, Entitlement, Source
from homing.support.oncall import runs

PATH = "/api/v1/support/sev1"
ONE = f"{PATH}/{{reference:str}}"
LINE = "/api/v1/support/line/calls"
CALL = f"{LINE}/{{call_id:int}}"
RECORDING = "/api/v1/support/line/recordings/{recording_id:int}"
VIEW = ("support/view", "support/manage")
MANAGE = ("support/manage",)
STAFFED = (Role.CST, Role.TAM, Role.ONCALL, Role.ADMIN)
MOST_LISTED = 200
HIGHEST = 2**62
_encode = msgspec.json.Encoder().encode


def routes(
    *,
    pool: db.Pool,
    bodies: Bodies,
    clock: Clock,
    desk: Desk,
    reports: Reports,
    returning: Returning,
    by_hand: ByHand,
    recordings: Recordings,
    numbers: Sequence[str],
) -> list[HTTPRouteHandler]:
    """Return the routes. numbers: of the line, to phone where nothing can be kept."""

    async def shown(one: Call, *, staff: bool = False) -> dict[str, Any]:
        owed = await store.obligation(pool, one.intake_id)
        assert owed is not None
        zone = await desk.zone_of(pool, one.account_id, one.first_ring_at)
        refuser = None if one.decision is None or one.decision.by is None else await people.one(pool, one.decision.by)
        show = wire.show_to_staff if staff else wire.show
        made = show(one, owed, zone, "" if refuser is None else refuser.name)
        by_hands = await store.hand_calls_of(pool, owed.obligation_id)
        return {**made, "by_hand": [wire.show_hand_call(each, staff=staff) for each in by_hands]}

    async def known(call_id: int) -> Call:
        with db.trouble_is_temporary():
            found = await store.call(pool, call_id) if 0 < call_id < HIGHEST else None
        if found is None:
            raise ApiError(NOT_FOUND)
        return found

    async def full(call_id: int) -> dict[str, Any]:
        one = await known(call_id)
        with db.trouble_is_temporary():
            owed = await store.obligation(pool, call_id)
            assert owed is not None
            tries = await store.attempts_of(pool, owed.obligation_id)
            return {
                **await shown(one, staff=True),
                "numbers": await returning.numbers(pool, one, tries),
                "attempts": [wire.show_attempt(attempt) for attempt in tries],
                "ladder": wire.show_ladder(await runs.of_obligation(pool, name_of(owed.obligation_id))),
                "recordings": wire.show_recordings([row async for row in store.sql.recordings_of(pool, intake_id=call_id)]),
                "events": [
                    {"at": wire.at(event.at), "actor": event.actor, "kind": event.kind, "detail": event.detail}
                    for event in await store.events_of(pool, call_id)
                ],
            }

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": OPEN, "away": True})
    async def open_sev1(request: Request[Any, Any, Any]) -> Response[bytes]:
        unasked = request.scope["state"].get(UNASKED, b"")
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.Sev1In)
                answers = wire.answers_of(given)
                key = wire.text_of(given.idempotency_key, "idempotency_key", 200) or secrets.token_hex(16)
        account_id = None if unasked else sender_of(request).account_id
        report = Report(
            source=Source.API,
            key=f"{unasked.hex()[:32] if unasked else account_id}:{key}",
            answers=answers,
            account_id=account_id,
            key_hash=unasked,
            ip=request.client.host if request.client else "",
        )
        try:
            made = await reports.take(report)
        except TooMany:
            raise ApiError(TOO_MANY) from None
        except NotKept:
            phone = f"phone {', '.join(numbers)}" if numbers else "try again at once"
            raise ApiError(Problem(503, "Service unavailable", f"nothing was stored: {phone}")) from None
        if isinstance(made, Later):
            later = wire.show_later(answers, Source.API, made, numbers)
            return await json_answer(request, _encode({"results": later}), status=202)
        with db.trouble_is_temporary():
            return await json_answer(request, _encode({"results": await shown(made)}))

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_sev1(request: Request[Any, Any, Any]) -> Response[bytes]:
        with db.trouble_is_temporary():
            found = await store.calls(pool, account_id=sender_of(request).account_id, is_open=False, limit=MOST_LISTED)
            return await json_answer(request, _encode({"results": [await shown(one) for one in found]}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_sev1(request: Request[Any, Any, Any], reference: str) -> Response[bytes]:
        with db.trouble_is_temporary():
            clean = reference.replace("\0", "").upper()[:20]
            found = await store.call_of_account(pool, sender_of(request).account_id, clean)
            if found is None:
                raise ApiError(NOT_FOUND)
            return await json_answer(request, _encode({"results": await shown(found)}))

    @get(LINE, opt={"staff": STAFFED, "operation": STAFF_LIST})
    async def list_line_calls(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            query = query_of(request)
            days = _days(query.get("days"))
        now = clock.now()
        with db.trouble_is_temporary():
            found = await store.calls(pool, account_id=None, is_open=query.get("open") == "true", limit=MOST_LISTED)
            rows = await store.counted(pool, since=now - timedelta(days=days), until=now, account_id=None)
            listed = [await shown(one, staff=True) for one in found]
        return await json_answer(
            request, _encode({"results": listed, "attainment": {"days": days, **msgspec.to_builtins(attainment(rows))}})
        )

    @get(CALL, opt={"staff": STAFFED, "operation": STAFF_GET})
    async def get_line_call(request: Request[Any, Any, Any], call_id: int) -> Response[bytes]:
        return await json_answer(request, _encode({"results": await full(call_id)}))

    @post(f"{CALL}/claim", status_code=200, opt={"staff": STAFFED, "operation": CLAIM})
    async def claim_call_back(request: Request[Any, Any, Any], call_id: int) -> Response[bytes]:
        with _asked(call_id):
            await returning.claim(call_id, _member(request).person_id)
        return await json_answer(request, _encode({"results": await full(call_id)}))

    @delete(f"{CALL}/claim", status_code=204, opt={"staff": STAFFED, "operation": HAND_ON})
    async def hand_call_back_on(request: Request[Any, Any, Any], call_id: int) -> None:
        with _asked(call_id):
            await returning.hand_on(call_id, _member(request).person_id)

    @post(f"{CALL}/attempts", status_code=200, opt={"staff": STAFFED, "operation": ATTEMPT})
    async def call_back(request: Request[Any, Any, Any], call_id: int) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.AttemptIn)
                number = wire.text_of(given.number, "number", 40)
                carrier = wire.text_of(given.carrier, "carrier", 63)
        with _asked(call_id):
            made = await returning.begin(call_id, _member(request), number=number, confirmed=given.confirmed, carrier=carrier)
        return await json_answer(request, _encode({"results": wire.show_attempt(made)}))

    @post(f"{CALL}/hand-calls", status_code=200, opt={"staff": STAFFED, "operation": HAND_CALL})
    async def note_hand_call(request: Request[Any, Any, Any], call_id: int) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.HandCallIn)
                number = wire.text_of(given.number, "number", 40)
                evidence = wire.text_of(given.evidence, "evidence", 2_000)
                if not number or not evidence or given.reached is None:
                    raise Wrong(
                        Problem(422, "required field is missing", "number, called_at, reached and evidence are required", "1400")
                    )
                called_at = moment_in(given.called_at, "called_at", now=clock.now())
        with _asked(call_id):
            who = _member(request).person_id
            await by_hand.note(call_id, who, number=number, called_at=called_at, reached=given.reached, evidence=evidence)
        return await json_answer(request, _encode({"results": await full(call_id)}))

    @put(f"{CALL}/attempts/{{attempt_id:int}}", opt={"staff": STAFFED, "operation": RESULT})
    async def set_result_of_attempt(request: Request[Any, Any, Any], call_id: int, attempt_id: int) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.ResultIn)
                if given.result not in set(Result):
                    raise Wrong(bad_params(f"result must be one of {', '.join(Result)}"))
        with _asked(min(call_id, attempt_id), max(call_id, attempt_id)):
            changed = await returning.choose(call_id, attempt_id, _member(request).person_id, Result(given.result))
        return await json_answer(request, _encode({"results": wire.show_attempt(changed)}))

    @post(f"{CALL}/engaged", status_code=200, opt={"staff": STAFFED, "operation": ENGAGED})
    async def note_engaged_live(request: Request[Any, Any, Any], call_id: int) -> Response[bytes]:
        with _asked(call_id):
            await returning.engaged(call_id, _member(request).person_id)
        return await json_answer(request, _encode({"results": await full(call_id)}))

    @post(f"{CALL}/void", status_code=200, opt={"staff": STAFFED, "operation": VOID})
    async def ask_for_void(request: Request[Any, Any, Any], call_id: int) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                reason = wire.text_of(read_body(body, wire.VoidIn).reason, "reason", 2_000)
                if not reason:
                    raise Wrong(Problem(422, "required field is missing", "reason is required", "1400"))
        with _asked(call_id):
            await returning.void(call_id, _member(request).person_id, reason)
        return await json_answer(request, _encode({"results": await full(call_id)}))

    @post(f"{CALL}/entitlement", status_code=200, opt={"staff": STAFFED, "operation": ENTITLEMENT})
    async def decide_entitlement(request: Request[Any, Any, Any], call_id: int) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.EntitlementIn)
                texts = {name: wire.text_of(getattr(given, name), name, 2_000) for name in ("clause", "reason", "route")}
                if given.verdict not in (Entitlement.YES, Entitlement.NO):
                    raise Wrong(bad_params("verdict must be yes or no"))
                if given.verdict == Entitlement.NO and not all(texts.values()):
                    raise Wrong(Problem(422, "required field is missing", "a refusal names clause, reason and route", "1400"))
        account_id = given.account_id
        if account_id is not None:
            with db.trouble_is_temporary():
                owner = await accounts.account_by_id(pool, account_id) if 0 < account_id < 2**31 else None
            if owner is None:
                raise ApiError(bad_params("account_id: there is no such account"))
        with _asked(call_id):
            await returning.decide(
                call_id, _member(request).person_id, Entitlement(given.verdict), account_id=account_id, **texts
            )
        return await json_answer(request, _encode({"results": await full(call_id)}))

    @get(RECORDING, opt={"staff": STAFFED, "operation": LISTEN})
    async def listen_to_recording(request: Request[Any, Any, Any], recording_id: int) -> Response[bytes]:
        actor = f"staff {_member(request).person_id}"
        sound = await recordings.listen(recording_id, actor=actor) if 0 < recording_id < HIGHEST else None
        if sound is None:
            raise ApiError(NOT_FOUND)
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        return Response(sound, media_type="audio/wav", headers=headers)

    @delete(RECORDING, status_code=204, opt={"staff": (Role.ADMIN, Role.TAM), "operation": ERASE})
    async def erase_recording(request: Request[Any, Any, Any], recording_id: int) -> None:
        member = _member(request)
        his = 0 < recording_id < HIGHEST and (member.is_a(Role.ADMIN) or await _is_his(member, recording_id))
        erased = his and await recordings.erase(recording_id, actor=f"staff {member.person_id}", why="erasure was asked for")
        if not erased:
            raise ApiError(NOT_FOUND)

    async def _is_his(tam: StaffMember, recording_id: int) -> bool:
        """Return whether a recording is of an account whose TAM somebody is, or stands in for: it is evidence of others' else."""
        with db.trouble_is_temporary():
            row = await store.sql.recording(pool, recording_id=recording_id)
            return row is not None and row["account_id"] in await contracts.accounts_of_tam(pool, tam.person_id, clock.now())

    return [
        open_sev1,
        list_sev1,
        get_sev1,
        list_line_calls,
        get_line_call,
        claim_call_back,
        hand_call_back_on,
        call_back,
        note_hand_call,
        set_result_of_attempt,
        note_engaged_live,
        ask_for_void,
        decide_entitlement,
        listen_to_recording,
        erase_recording,
    ]


class _asked:
    """Answers with why something cannot be done now; numbers that no row can have are not found."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def __enter__(self) -> None:
        if not all(0 < number < HIGHEST for number in self._numbers):
            raise ApiError(NOT_FOUND)

    def __exit__(self, kind: object, trouble: BaseException | None, trace: object) -> None:
        if isinstance(trouble, NotNow):
            raise ApiError(NOT_FOUND if trouble.missing else Problem(409, "resource conflict", str(trouble), "1602")) from None


def _member(request: Request[Any, Any, Any]) -> StaffMember:
    state: Any = request.scope["state"]
    member: StaffMember = state[STAFF]
    return member


def _days(text: str | None) -> int:
    if not text:
        return 30
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= 3_660):
        raise Wrong(bad_params("days must be a number from 1 to 3660"))
    return int(text)


def _path(name: str, kind: str = "integer") -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": kind}}


def _flag(name: str, kind: str, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": {"type": kind}, "description": description}


_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_ID = (_path("call_id"),)


def _body(required: tuple[str, ...] = (), **members: str) -> Schema:
    properties = {name: {"type": kind} for name, kind in members.items()}
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


_BODY_ERRORS = (missing("description is required"), bad_params("verdict must be yes or no"))
_BUSY = Problem(409, "resource conflict", "you have not claimed this call-back", "1602")
TOO_MANY = Problem(429, "Too many requests", "too many reports came from this address; please phone")
OPEN = Operation(
    "Report a Critical Issue without a telephone",
    {
        200: ("the call that is owed back, and until when", _RESULTS),
        202: ("our store is away: it is written down, people are woken, and the same is owed (`written_down`)", _RESULTS),
    },
    errors=(*_BODY_ERRORS, TOO_MANY),
    description="The same `idempotency_key` is the same report. A call-back is owed within fifteen minutes, as for a call.",
    body=_body(
        ("description",),
        company="string",
        name="string",
        phone="string",
        email="string",
        description="string",
        idempotency_key="string",
    ),
)
LIST = Operation("List the account's calls to the Severity 1 Line", {200: ("the latest first", _LISTED)})
RETRIEVE = Operation(
    "Look at one call", {200: ("the call", _RESULTS)}, errors=(NOT_FOUND,), parameters=(_path("reference", "string"),)
)
STAFF_LIST = Operation(
    "List calls to the Severity 1 Line",
    {200: ("the latest first, and how the promise was kept", _LISTED)},
    errors=(bad_params("days must be a number from 1 to 366"),),
    parameters=(
        _flag("open", "boolean", "those alone whose call-back is owed, or of which nobody has said whose they are (`name_by`)"),
        _flag("days", "integer", "of the attainment; default 30"),
    ),
)
STAFF_GET = Operation(
    "Look at one call, with all that happened", {200: ("the call", _RESULTS)}, errors=(NOT_FOUND,), parameters=_ID
)
CLAIM = Operation(
    "Take a call-back in hand for three minutes",
    {200: ("the call", _RESULTS)},
    errors=(
        NOT_FOUND,
        _BUSY,
    ),
    parameters=_ID,
)
HAND_ON = Operation(
    "Hand a call-back on",
    {204: "people are paged again"},
    errors=(
        NOT_FOUND,
        _BUSY,
    ),
    parameters=_ID,
)
ATTEMPT = Operation(
    "Call back: your own telephone rings first",
    {200: ("the attempt", _RESULTS)},
    errors=(
        *_BODY_ERRORS,
        NOT_FOUND,
        _BUSY,
    ),
    description="Without `number` the best one that is known is called. `confirmed` is needed for one that nobody gave. "
    "A carrier that does not take the call is followed by the others; `carrier` names the one to begin with.",
    parameters=_ID,
    body=_body(number="string", confirmed="boolean", carrier="string"),
)
HAND_CALL = Operation(
    "Note a call-back that was dialled by hand; it counts as no attempt, and is shown beside them",
    {200: ("the call", _RESULTS)},
    errors=(*_BODY_ERRORS, NOT_FOUND, _BUSY),
    description="For when no carrier calls. `evidence` says how it is known. Once somebody was `reached`, nobody else is woken.",
    parameters=_ID,
    body=_body(
        ("number", "called_at", "reached", "evidence"), number="string", called_at="string", reached="boolean", evidence="string"
    ),
)
RESULT = Operation(
    "Say what became of an attempt",
    {200: ("the attempt", _RESULTS)},
    errors=(
        *_BODY_ERRORS,
        NOT_FOUND,
        _BUSY,
    ),
    parameters=(*_ID, _path("attempt_id")),
    body=_body(("result",), result="string"),
)
ENGAGED = Operation(
    "Say that the caller, connected live, wants no call-back",
    {200: ("the call", _RESULTS)},
    errors=(
        NOT_FOUND,
        _BUSY,
    ),
    parameters=_ID,
)
VOID = Operation(
    "Say that a call-back is not owed (a test, a duplicate, spam); it takes two people",
    {200: ("the call", _RESULTS)},
    errors=(
        *_BODY_ERRORS,
        NOT_FOUND,
        _BUSY,
    ),
    parameters=_ID,
    body=_body(("reason",), reason="string"),
)
ENTITLEMENT = Operation(
    "Decide whether a caller is entitled; it changes nothing of the call-back",
    {200: ("the call", _RESULTS)},
    errors=(
        *_BODY_ERRORS,
        NOT_FOUND,
        _BUSY,
    ),
    parameters=_ID,
    body=_body(("verdict",), verdict="string", account_id="integer", clause="string", reason="string", route="string"),
)
LISTEN = Operation(
    "Hear a recording; it is noted who did",
    {200: ("the sound", {"type": "string", "format": "binary"})},
    errors=(NOT_FOUND,),
    parameters=(_path("recording_id"),),
)
ERASE = Operation(
    "Erase a recording; its digest stays", {204: "erased"}, errors=(NOT_FOUND,), parameters=(_path("recording_id"),)
)
