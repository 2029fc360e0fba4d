"""/api/v1/support/cases: open Support Cases, look at them, write in them (clauses E2 to E5)."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.reading import query_of, read_body, refusals
from homing.api.v1 import support_cases_pages as pages
from homing.api.v1.support_callers import MANAGE, STAFF, VIEW, Caller, Office, act, number_of
from homing.api.v1.support_cases_wire import (
    MessageIn,
    OpenIn,
    StepIn,
    eta_of,
    files_of,
    is_public,
    line,
    shown_event,
    shown_message,
    shown_row,
    subject_of,
    text_of,
)
from homing.contracts import contacts
from homing.contracts.types import Contact, ContactRole
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type
from homing.support.cases import store
from homing.support.cases.desk import Answer, Opening
from homing.support.cases.rules.reading import MOST_ATTACHED
from homing.support.cases.types import (
    CaseKind,
    Channel,
    Incoming,
    Purpose,
    Severity,
    Side,
    Source,
    State,
    Verified,
)
from homing.support.cases.view import next_due

PATH = "/api/v1/support/cases"
ONE = f"{PATH}/{{number:str}}"
MOST = 200  # of a page
_encode = msgspec.json.Encoder().encode
_BY_STAFF = {Source.STAFF.value: Source.STAFF, Source.PHONE.value: Source.PHONE}


def routes(*, office: Office, bodies: Bodies) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"grants": VIEW, "staff": STAFF, "operation": pages.LIST})
    async def list_cases(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller = await office.caller(request)
        with refusals():
            query = query_of(request)
            states = None if "state" not in query else [_state(one) for one in query["state"].split(",")]
            severity = None if "severity" not in query else severity_of(query["severity"])
            before = None if "before" not in query else number_of(query["before"])
            limit = _limit(query.get("per_page", "50"))
        account_id, owner_id = caller.account_id, None
        if caller.staff is not None:
            account_id = _small(query["account_id"]) if "account_id" in query else None
            owner_id = _owner(query.get("owner"), caller)
        rows = await store.find(
            office.pool,
            account_id=account_id,
            states=states,
            severity=severity,
            owner_id=owner_id,
            before=before,
            limit=limit,
        )
        due = await next_due(office.pool, rows)
        shown = [shown_row(row, due.get(row.case_id), staff=caller.staff is not None) for row in rows]
        return await json_answer(request, _encode({"results": shown}))

    @post(PATH, status_code=200, opt={"grants": MANAGE, "staff": STAFF, "operation": pages.OPEN})
    async def open_case(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, OpenIn)
                caller = await office.caller(request)
                opening, caller = await _opening(office, caller, given)
                case = await office.desk.open(opening, caller.actor)
        return await office.answer(request, caller, case)

    @get(ONE, opt={"grants": VIEW, "staff": STAFF, "operation": pages.RETRIEVE})
    async def get_case(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        caller = await office.caller(request)
        return await office.answer(request, caller, await office.found(caller, number))

    @get(f"{ONE}/messages", opt={"grants": VIEW, "staff": STAFF, "operation": pages.MESSAGES})
    async def list_messages(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        caller = await office.caller(request)
        case = await office.found(caller, number)
        found = await store.messages_of(office.pool, case.case_id)
        shown = [shown_message(one) for one in found if caller.staff is not None or is_public(one)]
        return await json_answer(request, _encode({"results": shown}))

    @post(f"{ONE}/messages", status_code=200, opt={"grants": MANAGE, "staff": STAFF, "operation": pages.WRITE})
    async def write(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, MessageIn)
                caller = await office.caller(request)
                if caller.staff is None:
                    caller = await office.caller(request, given.contact)
                case = await office.found(caller, number)
                done = await _write(office, caller, case.case_id, given)
        return await office.answer(request, caller, done)

    @get(
        f"{ONE}/messages/{{message:str}}/attachments/{{file:str}}",
        opt={"grants": VIEW, "staff": STAFF, "operation": pages.ATTACHMENT},
    )
    async def get_attachment(request: Request[Any, Any, Any], number: str, message: str, file: str) -> Response[bytes]:
        caller = await office.caller(request)
        case = await office.found(caller, number)
        there = await store.message(office.pool, case.case_id, _small(message))
        if there is None or (caller.staff is None and not is_public(there)):
            raise ApiError(NOT_FOUND)
        found = await store.attachment(office.pool, case.case_id, there.number, _small(file))
        if found is None:
            raise ApiError(NOT_FOUND)
        plain = found.name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
        headers = {
            "content-disposition": f'attachment; filename="{plain}"',
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox; default-src 'none'",
            "cache-control": "private, no-store",
        }
        return Response(found.data, media_type="application/octet-stream", headers=headers)

    @post(f"{ONE}/messages/{{message:str}}/count", status_code=200, opt={"staff": STAFF, "operation": pages.COUNT})
    async def count_message(request: Request[Any, Any, Any], number: str, message: str) -> Response[bytes]:
        caller = await office.caller(request)
        case = await office.found(caller, number)
        return await office.answer(request, caller, await office.desk.count(case.case_id, _small(message), caller.actor))

    @get(f"{ONE}/events", opt={"grants": VIEW, "staff": STAFF, "operation": pages.EVENTS})
    async def list_events(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        caller = await office.caller(request)
        case = await office.found(caller, number)
        found = await store.events_of(office.pool, case.case_id)
        shown = [shown_event(one, staff=caller.staff is not None) for one in found]
        return await json_answer(request, _encode({"results": shown}))

    @put(f"{ONE}/owner", opt={"staff": STAFF, "operation": pages.OWN})
    async def own(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async def step(caller: Caller, case_id: int, given: StepIn) -> Answer:
            return await office.desk.own(case_id, await person_of(office, given.person_id, caller), caller.actor)

        return await act(request, office, bodies, number, step)

    return [
        list_cases,
        open_case,
        get_case,
        list_messages,
        write,
        get_attachment,
        count_message,
        list_events,
        own,
    ]


async def _opening(office: Office, caller: Caller, given: OpenIn) -> tuple[Opening, Caller]:
    """Return what a caller wants opened, and the caller with the contact whom it is for. raises Wrong."""
    by_staff = caller.staff is not None
    account_id = given.account_id if by_staff else caller.account_id or 0
    if by_staff and (account_id >= 2**31 or await accounts.account_by_id(office.pool, account_id) is None):
        raise Wrong(bad_params("account_id is the number of a customer"))
    contact = await _contact(office, account_id, given.contact)
    author = contact.name if contact is not None else caller.author
    first = Incoming(
        side=Side.CUSTOMER,
        actor=caller.actor.name,
        author=author,
        channel=Channel.STAFF if by_staff else Channel.API,
        purpose=Purpose.WORD,
        verified=Verified.STAFF if by_staff else Verified.KEY,
        sender=contact.email if contact is not None else "",
        body=text_of(given.text),
        attachments=files_of(given.attachments),
    )
    opening = Opening(
        account_id=account_id,
        kind=kind_of(given.kind),
        subject=subject_of(given.subject),
        source=_BY_STAFF.get(given.source, Source.STAFF) if by_staff else Source.API,
        first=first,
        severity=severity_of(given.severity),
        contact_id=None if contact is None else contact.contact_id,
        service=line(given.service, 100),
    )
    return opening, msgspec.structs.replace(caller, contact=contact)


async def _contact(office: Office, account_id: int, email: str) -> Contact | None:
    """Return the contact whom a case is for: the named one, else the first who is authorised. raises Wrong."""
    found = await contacts.of_account(office.pool, account_id)
    if email:
        named = next((one for one in found if one.email == email.lower()), None)
        if named is None:
            raise Wrong(bad_params("contact is the address of a contact of this account"))
        return named
    return next((one for one in found if one.role is ContactRole.AUTHORISED), None)


async def _write(office: Office, caller: Caller, case_id: int, given: MessageIn) -> Answer:
    body, files = text_of(given.text), files_of(given.attachments)
    if files and await store.attached_bytes(office.pool, case_id) > MOST_ATTACHED:
        raise Wrong(Problem(413, "Request entity too large", "the files of this case are too large together"))
    purpose = Purpose.WORD
    if caller.staff is not None:
        purpose = Purpose.NOTE if given.internal else Purpose.UPDATE if given.update is not None else Purpose.ANSWER
    incoming = Incoming(
        side=caller.actor.side,
        actor=caller.actor.name,
        author=caller.author,
        channel=Channel.STAFF if caller.staff is not None else Channel.API,
        purpose=purpose,
        verified=Verified.STAFF if caller.staff is not None else Verified.KEY,
        sender=caller.actor.email,
        body=body,
        attachments=files,
    )
    if caller.staff is None:
        contact_id = None if caller.contact is None else caller.contact.contact_id
        return await office.desk.word(
            case_id, incoming, caller.actor, contact_id=contact_id, words=body, account_id=caller.account_id
        )
    eta = None if given.update is None else eta_of(given.update)
    return await office.desk.write(case_id, incoming, caller.actor, question=given.question, eta=eta)


async def person_of(office: Office, person_id: int, caller: Caller) -> int:
    """Return who is to own a case: the named member of the staff, else who asks. raises Wrong."""
    if not person_id:
        return caller.actor.person_id
    if not await office.desk.is_staff(person_id):
        raise Wrong(bad_params("person_id is the number of a member of the staff"))
    return person_id


def kind_of(text: str) -> CaseKind:
    """Return a kind. raises Wrong."""
    try:
        return CaseKind(text)
    except ValueError:
        raise Wrong(bad_type(f"kind is one of {', '.join(CaseKind)}")) from None


def severity_of(text: str) -> Severity:
    """Return a severity. raises Wrong."""
    try:
        return Severity(text)
    except ValueError:
        raise Wrong(bad_type(f"severity is one of {', '.join(Severity)}")) from None


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Wrong(bad_params(f"state is one of {', '.join(State)}")) from None


def _limit(text: str) -> int:
    number = number_of(text)
    if not 1 <= number <= MOST:
        raise Wrong(bad_params(f"per_page is 1 to {MOST}"))
    return number


def _owner(text: str | None, caller: Caller) -> int | None:
    if text is None:
        return None
    return caller.actor.person_id if text == "me" else _small(text)


def _small(text: str) -> int:
    """Return a number that fits into an integer of the database; 0 where it does not."""
    number = number_of(text)
    return number if number < 2**31 else 0
