"""/api/v1/support/cases/{number}/...: steps that change the course of a case, and its end (clauses E6, F5, F6)."""

from typing import Any

from litestar import Request, Response, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies
from homing.api.v1 import support_cases_pages as pages
from homing.api.v1.support_callers import MANAGE, STAFF, Caller, Office, act, number_of
from homing.api.v1.support_cases import ONE, kind_of, severity_of
from homing.api.v1.support_cases_wire import StepIn, cadence_of, line, text_of
from homing.contracts import contacts
from homing.contracts.types import Contact
from homing.ingress.rules.problem import Wrong, bad_params, bad_type, missing
from homing.support.cases.desk import Answer, why_not_sign
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.types import Method, Severity, Verdict

_METHODS = {"recorded_call": Method.CALL, "written_message": Method.MESSAGE}


def routes(*, office: Office, bodies: Bodies) -> list[HTTPRouteHandler]:
    """Return the routes."""
    both = {"grants": MANAGE, "staff": STAFF}

    @post(f"{ONE}/severity", status_code=200, opt={**both, "operation": pages.SEVERITY})
    async def change_severity(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            if given.accept:
                return await office.course.accept_step_down(case_id, caller.actor, version=given.accept)
            if severity_of(given.severity) is Severity.CRITICAL:
                if given.call and caller.staff is not None:
                    return await office.course.link_call(case_id, caller.actor, line(given.call, 200))
                return await office.course.escalate(case_id, caller.actor, reason=line(given.text))
            return await office.course.step_down(case_id, caller.actor, text=line(given.text))

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/cadence", status_code=200, opt={**both, "operation": pages.CADENCE})
    async def agree_on_cadence(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            effective = given.effective_at
            if effective is not None and effective.utcoffset() is None:
                raise Wrong(bad_type("effective_at needs a time zone"))
            if not given.accept and caller.staff is not None and given.contact:
                return await office.course.read_back(
                    case_id,
                    caller.actor,
                    cadence_of(given),
                    contact=await _contact(office, case_id, given.contact),
                    evidence=line(given.evidence, 200),
                    effective_at=effective,
                )
            if not given.accept:
                return await office.course.propose_cadence(case_id, caller.actor, cadence_of(given))
            return await office.course.accept_cadence(
                case_id, caller.actor, version=given.accept, effective_at=effective, evidence=line(given.evidence, 200)
            )

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/restored", status_code=200, opt={"staff": STAFF, "operation": pages.RESTORED})
    async def restored(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.restore(case_id, caller.actor, text=line(given.text))

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/tam", status_code=200, opt={**both, "operation": pages.TAM})
    async def call_tam(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.call_tam(case_id, caller.actor, reason=line(given.text))

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/resolution", status_code=200, opt={**both, "operation": pages.PROPOSE})
    async def propose(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            if caller.staff is None and (why := why_not_sign(caller.contact)):
                return No(Bar.WHO, why)
            return await office.endings.propose(case_id, text_of(given.text), caller.actor, author=caller.author)

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/resolution/signature", status_code=200, opt={**both, "operation": pages.SIGN})
    async def sign(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await _sign(office, caller, case_id, given)

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/resolution/refusal", status_code=200, opt={**both, "operation": pages.REFUSE})
    async def refuse(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.endings.refuse(case_id, caller.actor, version=given.version, words=line(given.words))

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/resolution/silence", status_code=200, opt={"staff": STAFF, "operation": pages.SILENCE})
    async def close_unconfirmed(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.endings.close_unconfirmed(case_id, caller.actor)

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/scope", status_code=200, opt={"staff": STAFF, "operation": pages.SCOPE})
    async def decide_scope(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.decide_scope(
                case_id,
                caller.actor,
                verdict=_verdict(given.verdict),
                clause=given.clause.strip().upper(),
                route=line(given.route),
                text=line(given.text, 10_000),
                author=caller.author,
            )

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/scope/acknowledgement", status_code=200, opt={"grants": MANAGE, "operation": pages.ACKNOWLEDGE})
    async def acknowledge_scope(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.acknowledge_scope(case_id, caller.actor)

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/merge", status_code=200, opt={"staff": STAFF, "operation": pages.MERGE})
    async def merge(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.merge(case_id, given.into if 0 < given.into < 2**62 else 0, caller.actor)

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/withdrawal", status_code=200, opt={"grants": MANAGE, "operation": pages.WITHDRAW})
    async def withdraw(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.withdraw(case_id, caller.actor, reason=line(given.text))

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/people", status_code=200, opt={"staff": STAFF, "operation": pages.PEOPLE})
    async def add_people(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.join(case_id, caller.actor, await _contact(office, case_id, given.contact))

        return await act(request, office, bodies, number, step)

    @put(f"{ONE}/kind", opt={"staff": STAFF, "operation": pages.KIND})
    async def reclassify(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.reclassify(case_id, caller.actor, kind_of(given.kind))

        return await act(request, office, bodies, number, step)

    @post(f"{ONE}/clocks/{{clock:str}}/void", status_code=200, opt={"staff": STAFF, "operation": pages.VOID})
    async def void_clock(request: Request[Any, Any, Any], number: str, clock: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.course.void_clock(case_id, number_of(clock), caller.actor, reason=line(given.text, 500))

        return await act(request, office, bodies, number, step)

    return [
        change_severity,
        agree_on_cadence,
        restored,
        call_tam,
        propose,
        sign,
        refuse,
        close_unconfirmed,
        decide_scope,
        acknowledge_scope,
        merge,
        withdraw,
        add_people,
        reclassify,
        void_clock,
    ]


async def _sign(office: Office, caller: Caller, case_id: int, given: StepIn) -> Answer:
    """Sign for the caller's side: staff at once, or with evidence for the customer; a key only provisionally (S3, S7)."""
    words = line(given.words)
    if caller.staff is None:
        if caller.contact is None:
            raise Wrong(missing("contact says who agrees; he confirms by a link that he is sent"))
        return await office.endings.draft_signature(
            case_id, caller.actor, version=given.version, contact=caller.contact, words=words
        )
    if not given.contact:
        return await office.endings.sign(
            case_id, caller.actor, version=given.version, method=Method.PORTAL, evidence="staff token", words=""
        )
    method = _METHODS.get(given.method)
    if method is None:
        raise Wrong(bad_type(f"method is one of {', '.join(_METHODS)}"))
    contact = await _contact(office, case_id, given.contact)
    return await office.endings.enter_consent(
        case_id, caller.actor, version=given.version, contact=contact, method=method, evidence=line(given.evidence, 200)
    )


async def _contact(office: Office, case_id: int, email: str) -> Contact:
    case = await office.desk.case(case_id)
    found = [] if case is None else await contacts.of_account(office.pool, case.account_id)
    named = next((one for one in found if one.email == email.lower()), None)
    if named is None:
        raise Wrong(bad_params("contact is the address of a contact of the case's account"))
    return named


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text)
    except ValueError:
        raise Wrong(bad_type(f"verdict is one of {', '.join(Verdict)}")) from None
