"""/telephony/v1/...: what carriers ask. Each request is signed, or refused and counted; each answer is a document or nothing.

The address that a signature is checked with is HOMING_SEV1_URL and the path as it was sent. While the store is away a request is
written down on the disk, and the caller hears the words for that.
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies
from homing.api.errors import GONE, NOT_FOUND, TOO_SLOW, ApiError, too_large
from homing.api.openapi import OPEN, Operation, Schema
from homing.ground.clock import Clock
from homing.ground.log import get
from homing.ground.turns import PASSING
from homing.ground.waiting import Patience
from homing.ingress.rules.problem import Problem, missing
from homing.support.line.addresses import PREFIX, LineAddresses
from homing.support.line.attempts import NotNow
from homing.support.line.away import AwayCalls
from homing.support.line.carriers import TIMEOUT_S
from homing.support.line.code_calls import CodeCalls
from homing.support.line.desk import Desk, Replayed
from homing.support.line.journal import Journal, Noted
from homing.support.line.legs import AWAY_VOICEMAIL, WAIT, Legs
from homing.support.line.page_calls import PageCalls
from homing.support.line.returning import Returning
from homing.support.line.rules.document import Document, Gather, Hangup, Pause, Say
from homing.support.line.rules.heard import members, read
from homing.support.line.rules.offline import OFFLINE, fallback_document
from homing.support.line.rules.rendering import rendered
from homing.support.line.rules.signatures import Seen, check, form_fields
from homing.support.line.types import Carrier, Happened, Step, Verdict

log = get("line")

CALLS = f"{PREFIX}/{{carrier:str}}/calls/{{step:str}}"
ATTEMPTS = f"{PREFIX}/{{carrier:str}}/attempts/{{attempt_id:int}}/{{leg:str}}"
PAGES = f"{PREFIX}/{{carrier:str}}/pages/{{page_id:int}}/{{leg:str}}"
CODES = f"{PREFIX}/{{carrier:str}}/codes/{{code_id:int}}/{{leg:str}}"
PATIENCE_S = 3.0  # for the store; a carrier waits five seconds for the first words
MOST_BODY = 65_536
AWAY = "Severity 1. Our own store does not answer. Press 1 to take what you are woken for."
NOTED = "What you pressed is written down, and counts as soon as our store is back."
AWAY_LEGS = ("away-ask", "away-key", "away-status")
_STEPS = frozenset(step.value for step in Step)
FORGED = Problem(403, "Forbidden.", "the signature of this request is not the carrier's")
REPLAYED = Problem(403, "Forbidden.", "this call is over")
NAMES_NO_CALL = missing("the request names no call")


class Refusals(Counter[str]):
    """How many requests were refused, by why; a worker's gauges show it."""


class CarrierGate:
    """Lets the requests of carriers in, and nobody else's. refused: counts the others."""

    def __init__(self, carriers: dict[str, Carrier], *, bodies: Bodies, clock: Clock, base: str, refused: Refusals) -> None:
        self._carriers = carriers
        self._bodies = bodies
        self._clock = clock
        self._base = base.rstrip("/")
        self.refused = refused

    async def __call__(self, request: Request[Any, Any, Any], name: str) -> tuple[Carrier, Happened]:
        """Return the carrier that a request comes from, and what it tells.

        raises   ApiError 403, 404, 413
        """
        carrier = self._carriers.get(name)
        if carrier is None:
            raise ApiError(NOT_FOUND)
        scope: Any = request.scope
        body = await self._bodies.small(request, most=MOST_BODY)
        query = scope["query_string"].decode("latin-1")
        url = self._base + scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        seen = Seen(url=url, headers=headers, body=body)
        verdict = check(carrier.family, seen, carrier.keys, now_s=self._clock.now().timestamp())
        if verdict is not Verdict.GENUINE:
            self.refused[verdict.value] += 1
            log.error("sev1_webhook_refused", carrier=name, why=verdict.value, path=scope["path"][:200])
            raise ApiError(FORGED)
        is_json = headers.get("content-type", "").startswith("application/json")
        given: dict[str, Any] = members(body) if is_json else dict(form_fields(body))
        happened = read(carrier.family, given)
        if not happened.call_id:
            raise ApiError(NAMES_NO_CALL)
        return carrier, happened


def routes(
    *,
    desk: Desk,
    legs: Legs,
    returning: Returning,
    page_calls: PageCalls,
    codes: CodeCalls,
    away_calls: AwayCalls,
    carriers: dict[str, Carrier],
    journal: Journal,
    bodies: Bodies,
    clock: Clock,
    base: str,
    refused: Refusals,
) -> list[HTTPRouteHandler]:
    """Return the routes."""
    patience, longer = Patience(PATIENCE_S), Patience(PATIENCE_S + TIMEOUT_S)
    genuine = CarrierGate(carriers, bodies=bodies, clock=clock, base=base, refused=refused)

    @post(CALLS, status_code=200, opt={"grants": OPEN, "operation": ASK_CALL})
    async def ask_about_call(request: Request[Any, Any, Any], carrier: str, step: str) -> Response[bytes]:
        known, happened = await genuine(request, carrier)
        query = request.query_params
        turn, empty = whole(query.get("n")), query.get("empty") == "1"
        named = str(query.get("step", ""))[:40].replace("\0", "")
        noted = Noted(
            at=clock.now(),
            carrier=known.name,
            what=step,
            happened=happened,
            step=named,
            turn=turn,
            empty=empty,
            call=whole(query.get("i")),
            person=whole(query.get("p")),
        )
        work: Coroutine[Any, Any, Document | None]
        if step == "inbound":
            work = desk.inbound(known, happened)
        elif step == "status":
            work = _none(desk.status(known, happened))
        elif step == "recording":
            work = _none(desk.recording(known, named, turn, happened))
        elif step == "whisper":
            work = desk.whisper(known, whole(query.get("i")), whole(query.get("p")))
        elif step == "whisper-accept":
            work = desk.whisper_accept(known, whole(query.get("i")), whole(query.get("p")), happened)
        elif step == OFFLINE:
            work = desk.offline(known, happened)
        elif step in AWAY_LEGS:
            person, named_call = whole(query.get("p")), str(query.get("k", ""))
            leg = step.removeprefix("away-")
            return answer(known, await away_calls.heard(known, leg, named_call, person, happened.digits, clock.now()))
        elif step == "test":
            return answer(known, (Pause(8), Hangup()))
        elif step in _STEPS:
            work = desk.step(known, step, turn, happened, empty=empty)
        else:
            raise ApiError(NOT_FOUND)
        try:
            return answer(known, await patience.wait(work))
        except Replayed:
            refused["replayed"] += 1
            log.error("sev1_webhook_replayed", carrier=known.name, step=step)
            raise ApiError(REPLAYED) from None
        except PASSING as trouble:
            log.error("sev1_store_away", carrier=known.name, step=step, cause=type(trouble).__name__)
            return await away(known, noted)

    @post(ATTEMPTS, status_code=200, opt={"grants": OPEN, "operation": ASK_ATTEMPT})
    async def ask_about_attempt(request: Request[Any, Any, Any], carrier: str, attempt_id: int, leg: str) -> Response[bytes]:
        received = clock.now()
        known, happened = await genuine(request, carrier)
        if not 0 <= attempt_id < 2**62:
            raise ApiError(NOT_FOUND)

        def told(now: datetime) -> datetime:
            return now - max(clock.now() - received, timedelta(0))  # by the clock that counts, however long it had to wait

        answers: dict[str, Callable[[], Coroutine[Any, Any, Document | None]]] = {
            "rep": lambda: legs.rep_leg(known, attempt_id),
            "rep-key": lambda: legs.rep_key(known, attempt_id, happened),
            "rep-status": lambda: _none(legs.rep_status(attempt_id, happened)),
            "join": lambda: legs.joined(known, attempt_id),
            "customer": lambda: _none(legs.customer_status(known, attempt_id, happened, told=told)),
            "machine": lambda: _none(legs.machine(known, attempt_id, happened)),
            "voicemail": lambda: legs.voicemail(attempt_id),
            "refused": legs.refused,
            "end": lambda: _document((Hangup(),)),
            "room": lambda: _none(_nothing()),
            "test": lambda: _none(_nothing()),
        }
        if leg not in answers:
            raise ApiError(NOT_FOUND)
        try:
            waits = longer if leg == "machine" else patience  # the carrier is asked for something
            return answer(known, await waits.wait(answers[leg]()))
        except NotNow:
            raise ApiError(NOT_FOUND) from None
        except PASSING as trouble:
            log.error("sev1_store_away", carrier=known.name, step=leg, cause=type(trouble).__name__)
            if leg == "voicemail":
                return answer(known, (Say(AWAY_VOICEMAIL), Hangup()))
            noted = Noted(at=received, carrier=known.name, what=f"attempt-{leg}", happened=happened, step=str(attempt_id))
            return await away(known, noted)

    @post(CODES, status_code=200, opt={"grants": OPEN, "operation": ASK_CODE})
    async def ask_about_code(request: Request[Any, Any, Any], carrier: str, code_id: int, leg: str) -> Response[bytes]:
        known, happened = await genuine(request, carrier)
        if leg not in ("ask", "say", "status") or not 0 <= code_id < 2**62:
            raise ApiError(NOT_FOUND)
        return answer(known, None if leg == "status" else await codes.heard(known, code_id, leg, happened.digits))

    @post(PAGES, status_code=200, opt={"grants": OPEN, "operation": ASK_PAGE})
    async def ask_about_page(request: Request[Any, Any, Any], carrier: str, page_id: int, leg: str) -> Response[bytes]:
        known, happened = await genuine(request, carrier)
        turn = whole(request.query_params.get("n"))
        answers: dict[str, Callable[[], Coroutine[Any, Any, Document | None]]] = {
            "whisper": lambda: page_calls.whisper(known, page_id, happened),
            "key": lambda: page_calls.key(known, page_id, turn, happened, returning),
            "status": lambda: _none(page_calls.status(known, page_id, happened, legs)),
        }
        if leg not in answers or not 0 <= page_id < 2**62:
            raise ApiError(NOT_FOUND)
        try:
            return answer(known, await patience.wait(answers[leg]()))
        except NotNow:
            raise ApiError(NOT_FOUND) from None
        except Replayed:
            refused["replayed"] += 1
            log.error("sev1_webhook_replayed", carrier=known.name, step=leg)
            raise ApiError(REPLAYED) from None
        except PASSING as trouble:
            log.error("sev1_store_away", carrier=known.name, step=leg, cause=type(trouble).__name__)
            noted = Noted(at=clock.now(), carrier=known.name, what=f"page-{leg}", happened=happened, step=str(page_id), turn=turn)
            return await away(known, noted)

    async def away(carrier: Carrier, noted: Noted) -> Response[bytes]:
        """Write a request down, and answer without the store."""
        try:
            await journal.keep(noted)
        except OSError as trouble:  # then the carrier must try again, or ask the document on another host
            log.critical("sev1_journal_failed", carrier=carrier.name, cause=str(trouble))
            raise ApiError(Problem(503, "Service unavailable"), retry_after=1) from None
        if noted.what in ("status", "recording", "page-status", "attempt-rep-status", "attempt-customer", "attempt-machine"):
            return answer(carrier, None)
        if noted.what == "attempt-rep-key":
            pressed = noted.happened.digits == "1"
            return answer(carrier, (Say(WAIT), legs.room(carrier, int(noted.step))) if pressed else (Hangup(),))
        if noted.what == "page-whisper":
            key = LineAddresses(base, carrier.name).page(int(noted.step), "key", 0)
            return answer(carrier, (Gather(action=key, prompt=(Say(AWAY),), digits=1, timeout_s=10), Hangup()))
        if noted.what == "page-key":
            return answer(carrier, (Say(NOTED), Hangup()))
        if noted.what == OFFLINE:
            return answer(carrier, (Hangup(),))
        if noted.what == "whisper-accept":
            return answer(carrier, () if noted.happened.digits == "1" else (Hangup(),))
        at = LineAddresses(base, carrier.name)
        return answer(carrier, fallback_document(desk.settings, action=at.step(OFFLINE, 0), status=at.recording(OFFLINE, 0)))

    return [ask_about_call, ask_about_attempt, ask_about_code, ask_about_page]


def answer(carrier: Carrier, document: Document | None) -> Response[bytes]:
    """Return a document as an answer; None: there is nothing to say."""
    if document is None:
        return Response(b"", status_code=204)
    body, media = rendered(carrier, document)
    return Response(body, media_type=media, headers={"cache-control": "no-store"})


async def _none(work: Coroutine[Any, Any, None]) -> None:
    await work


async def _nothing() -> None:
    return None


async def _document(document: Document) -> Document:
    return document


def whole(text: object) -> int:
    """Return a number of a query; 0 where it is none."""
    shown = str(text or "")
    return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 10 else 0


_CARRIER: Schema = {"name": "carrier", "in": "path", "required": True, "schema": {"type": "string"}}
_DOCUMENT: Schema = {"type": "string"}
REFUSALS = (NOT_FOUND, FORGED, REPLAYED, NAMES_NO_CALL, too_large(MOST_BODY), TOO_SLOW, GONE)
ASK_CALL = Operation(
    "A carrier tells what happened in a call",
    {200: ("what is spoken next, as the carrier's family wants it", _DOCUMENT), 204: "taken; nothing is spoken"},
    errors=REFUSALS,
    description="Signed by the carrier. Asked again with the same answer, it gives the same document.",
    parameters=(_CARRIER, {"name": "step", "in": "path", "required": True, "schema": {"type": "string"}}),
)
ASK_ATTEMPT = Operation(
    "A carrier tells what happened in a call-back",
    {200: ("what is spoken next, as the carrier's family wants it", _DOCUMENT), 204: "taken; nothing is spoken"},
    errors=REFUSALS,
    description="Signed by the carrier.",
    parameters=(
        _CARRIER,
        {"name": "attempt_id", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "leg", "in": "path", "required": True, "schema": {"type": "string"}},
    ),
)
ASK_CODE = Operation(
    "A carrier tells what happened in a call that reads a code out to a contact",
    {200: ("what is spoken next, as the carrier's family wants it", _DOCUMENT), 204: "taken; nothing is spoken"},
    errors=REFUSALS,
    description="Signed by the carrier. The code is spoken to whoever presses 1, as long as it is good.",
    parameters=(
        _CARRIER,
        {"name": "code_id", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "leg", "in": "path", "required": True, "schema": {"type": "string"}},
    ),
)
ASK_PAGE = Operation(
    "A carrier tells what happened in a call that wakes somebody of ours",
    {200: ("what is spoken next, as the carrier's family wants it", _DOCUMENT), 204: "taken; nothing is spoken"},
    errors=REFUSALS,
    description="Signed by the carrier. A key that is told twice has its effect once.",
    parameters=(
        _CARRIER,
        {"name": "page_id", "in": "path", "required": True, "schema": {"type": "integer"}},
        {"name": "leg", "in": "path", "required": True, "schema": {"type": "string"}},
    ),
)
