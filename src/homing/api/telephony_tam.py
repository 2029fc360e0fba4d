"""/telephony/v1/{carrier}/tam/...: what carriers ask about calls to the numbers of Technical Account Managers.

Signed as the requests of the Severity 1 Line are, and answered as those are while the store is away.
"""

from collections.abc import Coroutine
from typing import Any

from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import OPEN, Operation
from homing.api.telephony import PATIENCE_S, REFUSALS, REPLAYED, CarrierGate, answer, whole
from homing.ground.clock import Clock
from homing.ground.log import get
from homing.ground.turns import PASSING
from homing.ground.waiting import Patience
from homing.ingress.rules.problem import Problem
from homing.support.line.addresses import PREFIX
from homing.support.line.desk import Replayed
from homing.support.line.journal import Journal, Noted
from homing.support.line.rules.document import Document, Hangup
from homing.support.line.rules.offline import OFFLINE
from homing.support.line.types import Carrier
from homing.support.threads.own_addresses import FOLDER, OwnNumberAddresses
from homing.support.threads.own_number import OwnNumber, away_document
from homing.support.threads.types import OwnStep

log = get("tam")

CALLS = f"{PREFIX}/{{carrier:str}}/{FOLDER}/{{step:str}}"
_STEPS = frozenset(step.value for step in OwnStep)


def routes(*, own: OwnNumber, gate: CarrierGate, journal: Journal, clock: Clock, base: str) -> list[HTTPRouteHandler]:
    """Return the routes."""
    patience = Patience(PATIENCE_S)

    @post(CALLS, status_code=200, opt={"grants": OPEN, "operation": ASK})
    async def ask_about_tam_call(request: Request[Any, Any, Any], carrier: str, step: str) -> Response[bytes]:
        known, happened = await gate(request, carrier)
        query = request.query_params
        turn, empty = whole(query.get("n")), query.get("empty") == "1"
        named = str(query.get("step", ""))[:40].replace("\0", "")
        call_ref, person_id = whole(query.get("i")), whole(query.get("p"))
        noted = Noted(
            at=clock.now(),
            carrier=known.name,
            what=step,
            happened=happened,
            step=named,
            turn=turn,
            empty=empty,
            call=call_ref,
            person=person_id,
        )
        work: Coroutine[Any, Any, Document | None]
        if step == "inbound":
            work = own.inbound(known, happened)
        elif step == "status":
            work = _none(own.status(known, happened))
        elif step == "recording":
            work = _none(own.recording(known, named, turn, happened))
        elif step == "whisper":
            work = own.whisper(known, call_ref, person_id)
        elif step == "whisper-accept":
            work = own.whisper_accept(known, call_ref, person_id, happened)
        elif step == OFFLINE:
            work = own.offline(known, happened)
        elif step in _STEPS:
            work = own.step(known, step, turn, happened, empty=empty)
        else:
            raise ApiError(NOT_FOUND)
        try:
            return answer(known, await patience.wait(work))
        except Replayed:
            gate.refused["replayed"] += 1
            log.error("sev1_webhook_replayed", carrier=known.name, step=step)
            raise ApiError(REPLAYED) from None
        except PASSING as trouble:
            log.error("sev1_store_away", carrier=known.name, step=step, cause=type(trouble).__name__)
            return await away(known, noted)

    async def away(carrier: Carrier, noted: Noted) -> Response[bytes]:
        """Write a request down, and answer without the store."""
        try:
            await journal.keep(noted)
        except OSError as trouble:  # then the carrier must try again
            log.critical("sev1_journal_failed", carrier=carrier.name, cause=str(trouble))
            raise ApiError(Problem(503, "Service unavailable"), retry_after=1) from None
        if noted.what in ("status", "recording"):
            return answer(carrier, None)
        if noted.what in (OFFLINE, "whisper"):
            return answer(carrier, (Hangup(),))
        if noted.what == "whisper-accept":
            return answer(carrier, () if noted.happened.digits == "1" else (Hangup(),))
        return answer(carrier, away_document(own.settings, OwnNumberAddresses(base, carrier.name)))

    return [ask_about_tam_call]


async def _none(work: Coroutine[Any, Any, None]) -> None:
    await work


ASK = Operation(
    "A carrier tells what happened in a call to a TAM's number",
    {200: ("what is spoken next, as the carrier's family wants it", {"type": "string"}), 204: "taken; nothing is spoken"},
    errors=REFUSALS,
    description="Signed by the carrier. Asked again with the same answer, it gives the same document.",
    parameters=(
        {"name": "carrier", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "step", "in": "path", "required": True, "schema": {"type": "string"}},
    ),
)
