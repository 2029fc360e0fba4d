"""Who asks about the TAM's programme: a customer by his key, or a member of the staff by his token; and what a step answers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar import Request, Response

from homing.api.auth import STAFF as IN_STATE
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import FORBIDDEN, NOT_FOUND, ApiError
from homing.api.reading import read_body, refusals, sender_of
from homing.api.v1.support_tam_wire import GivenIn, shown
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole, Role, StaffMember
from homing.ground import db
from homing.ingress.rules.problem import Problem, Wrong, bad_params
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.types import Actor, Side
from homing.support.clocks import store as clocks
from homing.support.clocks.store import Calendars, LegalClock
from homing.support.tam import store
from homing.support.tam.desk import Answer, Desk
from homing.support.tam.ports import Figures
from homing.support.tam.types import Record, RecordKind, State

VIEW = ("support/view", "support/manage")
MANAGE = ("support/manage",)
READERS = (Role.TAM, Role.CST, Role.ADMIN)
_STATUS = {Bar.STATE: 409, Bar.WHO: 403, Bar.WHAT: 422}
_MESSAGE = {Bar.STATE: "not as it stands", Bar.WHO: "Forbidden.", Bar.WHAT: "invalid data format/type"}
_CODE = {Bar.STATE: "", Bar.WHO: "", Bar.WHAT: "1300"}
NOT_YOURS = Problem(403, FORBIDDEN.message, "the account's TAM, who stands in for him, or an admin changes its programme")
NOT_BOTH = Problem(
    403, FORBIDDEN.message, "this contact's address is that of a member of the staff: nobody agrees for both sides"
)
HIDDEN = (RecordKind.EDUCATION, State.PREPARED)  # from customers, until it is delivered
_encode = msgspec.json.Encoder().encode


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. account_id: whose records he may see; None: everybody's (staff)."""

    account_id: int | None
    actor: Actor
    staff: StaffMember | None = None


class TamOffice(msgspec.Struct, frozen=True, kw_only=True):
    """What the routes of the programme need of the house."""

    pool: db.Pool
    legal: LegalClock
    desk: Desk
    figures: Figures

    def caller(self, request: Request[Any, Any, Any]) -> Caller:
        """Return who asks. raises ApiError 404 for a subaccount's own key: the programme is the account's."""
        state: Any = request.scope["state"]
        member: StaffMember | None = state.get(IN_STATE)
        if member is not None:
            name = f"staff {member.person_id}"
            actor = Actor(side=Side.PROVIDER, name=name, person_id=member.person_id, email=member.email)
            return Caller(account_id=None, actor=actor, staff=member)
        sender = sender_of(request)
        if sender.pinned:
            raise ApiError(NOT_FOUND)
        return Caller(account_id=sender.account_id, actor=Actor(side=Side.CUSTOMER, name=f"key {sender.key_id}"))

    async def found(self, caller: Caller, kind: RecordKind, number: str) -> Record:
        """Return a record that the caller may see. raises ApiError 404."""
        wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0
        record = await store.record(self.pool, wanted)
        if record is None or record.kind is not kind:
            raise ApiError(NOT_FOUND)
        if caller.staff is None and (record.account_id != caller.account_id or (record.kind, record.state) == HIDDEN):
            raise ApiError(NOT_FOUND)
        return record

    async def may_change(self, caller: Caller, account_id: int) -> None:
        """Let through whoever may change the programme of an account. raises ApiError 403."""
        if caller.staff is None or caller.staff.is_a(Role.ADMIN):
            return
        tam = await contracts.tam_at(self.pool, account_id, await self.legal.now(self.pool))
        if tam is None or caller.staff.person_id not in (tam.primary.person_id, tam.acting.person_id):
            raise ApiError(NOT_YOURS)

    async def contact(self, account_id: int, email: str) -> Contact | None:
        """Return the contact of an address; None where none is named. raises Wrong, ApiError."""
        if not email:
            return None
        named = next((one for one in await contacts.of_account(self.pool, account_id) if one.email == email.lower()), None)
        if named is None:
            raise Wrong(bad_params("contact is the address of a contact of this account"))
        if await people.by_email(self.pool, named.email) is not None:
            raise ApiError(NOT_BOTH)
        return named

    async def person(self, caller: Caller, record: Record, email: str, *, authorised: bool = False) -> str:
        """Return whose word it is, as it is kept; '': nobody is named, or nobody who may.

        authorised   only a contact who is authorised counts
        """
        named = await self.contact(record.account_id, email)
        if named is None or (authorised and named.role is not ContactRole.AUTHORISED):
            return ""
        return f"contact {named.contact_id}"

    async def answer(self, request: Request[Any, Any, Any], caller: Caller, done: Answer) -> Response[bytes]:
        """Return what a step answers: the whole record as it is now, or why nothing happened. raises ApiError."""
        return await json_answer(request, _encode({"results": await self.look(taken(done), staff=caller.staff is not None)}))

    async def look(self, record: Record, *, staff: bool) -> dict[str, Any]:
        """Return a record as either side sees it."""
        now = await self.legal.now(self.pool)
        calendars = Calendars(self.pool)
        kept = await clocks.of_subject(self.pool, store.SUBJECT, record.record_id)
        return shown(
            record,
            staff=staff,
            tam=await contracts.tam_at(self.pool, record.account_id, now),
            clocks=[await calendars.read(one.log, now) for one in kept],
            results=await store.results_of(self.pool, record.record_id) if record.check is not None else (),
            documents=await store.documents_of(self.pool, record.record_id) if record.documents else (),
        )


StepOf = Callable[[TamOffice, Caller, Record, GivenIn], Awaitable[Answer]]


async def act(
    request: Request[Any, Any, Any], office: TamOffice, bodies: Bodies, kind: RecordKind, number: str, step: StepOf
) -> Response[bytes]:
    """Carry out a step of a record that the caller may change, with what its body says."""
    async with bodies.json(request) as body:
        with refusals():
            given = read_body(body, GivenIn)
            caller = office.caller(request)
            record = await office.found(caller, kind, number)
            await office.may_change(caller, record.account_id)
            done = await step(office, caller, record, given)
    return await office.answer(request, caller, done)


def taken(done: Answer) -> Record:
    """Return the record after a step. raises ApiError 403, 404, 409 or 422 with the sentence that says why nothing happened."""
    if done is None:
        raise ApiError(NOT_FOUND)
    if isinstance(done, No):
        raise ApiError(problem(done))
    return done


def problem(no: No) -> Problem:
    """Return why something did not happen, as it is answered."""
    return Problem(_STATUS[no.bar], _MESSAGE[no.bar], no.why, _CODE[no.bar])


def states_of(text: str | None) -> Sequence[State] | None:
    """Return states by their names. raises Wrong."""
    if text is None:
        return None
    try:
        return [State(one) for one in text.split(",")]
    except ValueError:
        raise Wrong(bad_params(f"state is one of {', '.join(State)}")) from None


def number_in(query: dict[str, str], name: str, *, most: int = 2**63 - 1) -> int | None:
    """Return a number of the query string; None where it is absent. raises Wrong."""
    text = query.get(name)
    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 1 <= number <= most:
        raise Wrong(bad_params(f"{name} is 1 to {most}"))
    return number
