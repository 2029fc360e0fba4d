"""Who asks about Support Cases: a customer by his key, or a member of the staff by his token; and what a step answers."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request, Response

from homing.api.auth import STAFF as IN_STATE
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.reading import read_body, refusals, sender_of
from homing.api.v1.support_cases_wire import StepIn, shown_case
from homing.contracts import contacts
from homing.contracts.types import Contact, Role, StaffMember
from homing.ground import db
from homing.ingress.rules.problem import Problem, Wrong, bad_params
from homing.support.cases.course import Course
from homing.support.cases.desk import Answer, Desk
from homing.support.cases.endings import Endings
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.types import Actor, Case, Side
from homing.support.cases.view import look
from homing.support.clocks.store import LegalClock

VIEW = ("support/view", "support/manage")
MANAGE = ("support/manage",)
STAFF = (Role.CST, Role.TAM, Role.ONCALL, Role.ADMIN)
_STATUS = {Bar.STATE: 409, Bar.WHO: 403, Bar.WHAT: 422}
_MESSAGE = {
    Bar.STATE: "not as the case stands",
    Bar.WHO: "Forbidden.",
    Bar.WHAT: "invalid data format/type",
}
_encode = msgspec.json.Encoder().encode


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks.

    account_id   whose cases he may see; None: everybody's (staff)
    contact      on whose behalf the holder of a key speaks
    """

    account_id: int | None
    actor: Actor
    staff: StaffMember | None = None
    contact: Contact | None = None

    @property
    def author(self) -> str:
        """Return the name that stands over what he writes."""
        if self.staff is not None:
            return self.staff.name
        return self.contact.name if self.contact is not None else ""


class Office(msgspec.Struct, frozen=True, kw_only=True):
    """What the routes of cases need of the house."""

    pool: db.Pool
    legal: LegalClock
    desk: Desk
    course: Course
    endings: Endings

    async def caller(self, request: Request[Any, Any, Any], email: str = "") -> Caller:
        """Return who asks.

        email    of the contact whom the holder of a key speaks for
        raises   ApiError 404 for a subaccount's own key: cases are the account's; Wrong for a contact that there is not
        """
        state: Any = request.scope["state"]
        member: StaffMember | None = state.get(IN_STATE)
        if member is not None:
            name = f"staff {member.person_id}"
            actor = Actor(side=Side.PROVIDER, name=name, person_id=member.person_id, email=member.email)
            return Caller(account_id=None, actor=actor, staff=member)
        sender = sender_of(request)
        if sender.pinned:
            raise ApiError(NOT_FOUND)
        contact = None
        if email:
            found = await contacts.of_account(self.pool, sender.account_id)
            contact = next((one for one in found if one.email == email.lower()), None)
            if contact is None:
                raise Wrong(bad_params("contact is the address of a contact of this account"))
        actor = Actor(
            side=Side.CUSTOMER,
            name=f"key {sender.key_id}",
            person_id=0 if contact is None else contact.contact_id,
            email="" if contact is None else contact.email,
        )
        return Caller(account_id=sender.account_id, actor=actor, contact=contact)

    async def found(self, caller: Caller, number: str) -> Case:
        """Return a case that the caller may see. raises ApiError 404."""
        case = await self.desk.case(number_of(number), account_id=caller.account_id)
        if case is None:
            raise ApiError(NOT_FOUND)
        return case

    async def answer(self, request: Request[Any, Any, Any], caller: Caller, done: Answer) -> Response[bytes]:
        """Return what a step answers: the whole case as it is now, or why nothing happened. raises ApiError."""
        case = taken(done)
        seen = await look(self.pool, self.legal, case)
        return await json_answer(request, _encode({"results": shown_case(seen, staff=caller.staff is not None)}))


Step = Callable[[Caller, int, StepIn], Awaitable[Answer]]


async def act(request: Request[Any, Any, Any], office: Office, bodies: Bodies, number: str, step: Step) -> Response[bytes]:
    """Carry out a step of a case that the caller may see, with what its body says."""
    async with bodies.json(request) as body:
        with refusals():
            given = read_body(body, StepIn)
            caller = await office.caller(request, given.contact if _is_customer(request) else "")
            case = await office.found(caller, number)
            done = await step(caller, case.case_id, given)
    return await office.answer(request, caller, done)


def taken(done: Answer) -> Case:
    """Return the case after a step.

    raises   ApiError 403, 404, 409 or 422 with the sentence that says why nothing happened
    """
    if done is None:
        raise ApiError(NOT_FOUND)
    if isinstance(done, No):
        raise ApiError(Problem(_STATUS[done.bar], _MESSAGE[done.bar], done.why))
    return done


def number_of(text: str) -> int:
    """Return a number of a path; 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _is_customer(request: Request[Any, Any, Any]) -> bool:
    state: Any = request.scope["state"]
    return state.get(IN_STATE) is None
