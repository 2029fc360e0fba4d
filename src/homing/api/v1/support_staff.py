"""/api/v1/support/staff: the people of the Provider, their roles, their tokens, and who stands in for whom. For staff alone."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import FORBIDDEN, NOT_FOUND, ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import read_body, refusals
from homing.api.v1.support_askers import ADMIN, ANYBODY, LISTED, RESULTS, member_of, number_of, path_number, reads, taken
from homing.api.v1.support_contract_wire import MOST_TEXT, line_in, moment_in
from homing.contracts import people, store
from homing.contracts.rules import MOST_NAME, read_email, read_name, read_phone, read_roles
from homing.contracts.types import Cover, Role, StaffMember
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import Wrong, bad_params, bad_type, missing

PATH = "/api/v1/support/staff"
ONE = f"{PATH}/{{person_id:str}}"
TAKEN = taken("somebody has this address already")
LEFT = taken("he has left")
MOST_NAMED = 20
_HOLDS = "make somebody else TAM first (PUT /api/v1/support/contract/tam) of accounts"
HOLDS = taken(f"{_HOLDS}: 7 (acme)")
LAST = taken("he is the last admin; make somebody else one first")
OVERLAPS = taken("somebody stands in within that time already")
NOBODY = bad_params("delegate_id: nobody of that number is there")
_encode = msgspec.json.Encoder().encode


class MemberIn(msgspec.Struct, kw_only=True):
    """A member of the staff, or what changes of one."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    roles: list[str] | None = None


class TokenIn(msgspec.Struct, kw_only=True):
    """What a token is for."""

    label: str = "API"


class CoverIn(msgspec.Struct, kw_only=True):
    """Who stands in, and when."""

    delegate_id: int | None = None
    begins_at: str | None = None
    ends_at: str | None = None
    reason: str | None = None


def routes(*, pool: Pool, bodies: Bodies, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""

    async def found(request: Request[Any, Any, Any], person_id: str) -> StaffMember:
        me = member_of(request)
        known = me if person_id == "me" else await people.one(pool, number_of(person_id))
        if known is None:
            raise ApiError(NOT_FOUND)
        return known

    async def his_own(request: Request[Any, Any, Any], person_id: str) -> StaffMember:
        known = await found(request, person_id)
        me = member_of(request)
        if known.person_id != me.person_id and not me.is_a(Role.ADMIN):
            raise ApiError(FORBIDDEN)
        return known

    async def shown(request: Request[Any, Any, Any], one: StaffMember) -> Response[bytes]:
        return await json_answer(request, _encode({"results": show_member(one)}))

    async def changed(request: Request[Any, Any, Any], wanted: StaffMember) -> StaffMember:
        try:
            made = await people.change(pool, wanted, actor=_actor(request), spares_last_admin=True)
        except people.LastAdmin:
            raise ApiError(LAST) from None
        except people.StillTam as held:
            numbers = ", ".join(f"{number} ({name})" for number, name in held.accounts[:MOST_NAMED])
            more = f" and {len(held.accounts) - MOST_NAMED} more" if len(held.accounts) > MOST_NAMED else ""
            raise ApiError(taken(f"{_HOLDS}: {numbers}{more}")) from None
        if made is None:
            raise ApiError(NOT_FOUND)
        return made

    @get(PATH, opt={"staff": ANYBODY, "operation": LIST})
    async def list_staff(request: Request[Any, Any, Any]) -> Response[bytes]:
        everybody = await people.everybody(pool)
        return await json_answer(request, _encode({"results": [show_member(one) for one in everybody]}))

    @get(ONE, opt={"staff": ANYBODY, "operation": RETRIEVE})
    async def get_staff_member(request: Request[Any, Any, Any], person_id: str) -> Response[bytes]:
        return await shown(request, await found(request, person_id))

    @post(PATH, status_code=200, opt={"staff": ADMIN, "operation": ADD})
    async def add_staff_member(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, MemberIn)
                if given.name is None or given.email is None or given.roles is None:
                    raise Wrong(missing("name, email and roles are required fields"))
                with reads("email"):
                    email = read_email(given.email)
                wanted = _merged(StaffMember(person_id=0, name="", email=email, phone="", roles=frozenset()), given)
        there = await people.by_email(pool, wanted.email)
        made = await people.add(pool, wanted, actor=_actor(request)) if there is None else there
        if (
            made is None
            or made.left_at is not None
            or (made.name, made.phone, made.roles)
            != (
                wanted.name,
                wanted.phone,
                wanted.roles,
            )
        ):
            raise ApiError(TAKEN)
        return await shown(request, made)

    @put(ONE, opt={"staff": ADMIN, "operation": CHANGE})
    async def change_staff_member(request: Request[Any, Any, Any], person_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, MemberIn)
                known = await found(request, person_id)
                wanted = _merged(known, given)
        if known.left_at is not None:
            raise ApiError(LEFT)
        return await shown(request, known if wanted == known else await changed(request, wanted))

    @delete(ONE, status_code=204, opt={"staff": ADMIN, "operation": LEAVE})
    async def let_staff_member_leave(request: Request[Any, Any, Any], person_id: str) -> None:
        known = await found(request, person_id)
        if known.left_at is None:
            await changed(request, people.left(known, clock.now()))

    @post(f"{ONE}/tokens", status_code=200, opt={"staff": ANYBODY, "operation": NEW_TOKEN})
    async def make_staff_token(request: Request[Any, Any, Any], person_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                label = line_in(read_body(body, TokenIn).label, "label")
        known = await his_own(request, person_id)
        if known.left_at is not None:
            raise ApiError(LEFT)
        token = await people.new_token(pool, known.person_id, label=label, actor=_actor(request))
        return await json_answer(request, _encode({"results": {"person_id": known.person_id, "label": label, "token": token}}))

    @delete(f"{ONE}/tokens", status_code=204, opt={"staff": ANYBODY, "operation": REVOKE})
    async def revoke_staff_tokens(request: Request[Any, Any, Any], person_id: str) -> None:
        known = await his_own(request, person_id)
        await people.revoke_tokens(pool, known.person_id, actor=_actor(request))

    @get(f"{ONE}/covers", opt={"staff": ANYBODY, "operation": LIST_COVERS})
    async def list_covers(request: Request[Any, Any, Any], person_id: str) -> Response[bytes]:
        known = await found(request, person_id)
        covers = await store.covers_of(pool, known.person_id)
        return await json_answer(request, _encode({"results": [show_cover(one) for one in covers]}))

    @post(f"{ONE}/covers", status_code=200, opt={"staff": (Role.TAM, Role.ADMIN), "operation": ADD_COVER})
    async def add_cover(request: Request[Any, Any, Any], person_id: str) -> Response[bytes]:
        now = clock.now()
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, CoverIn)
                if given.delegate_id is None or given.ends_at is None or given.reason is None:
                    raise Wrong(missing("delegate_id, ends_at and reason are required fields"))
                reason = line_in(given.reason, "reason")
                begins_at = now if given.begins_at is None else moment_in(given.begins_at, "begins_at", now=now)
                ends_at = moment_in(given.ends_at, "ends_at", now=now)
                if ends_at <= begins_at:
                    raise Wrong(bad_type("ends_at must be later than begins_at"))
        known = await his_own(request, person_id)
        delegate = await people.one(pool, given.delegate_id) if 0 < given.delegate_id < 2**31 else None
        if delegate is None or delegate.left_at is not None or delegate.person_id == known.person_id:
            raise ApiError(NOBODY)

        async def there() -> Cover | None:
            same = (delegate.person_id, begins_at, ends_at, reason)
            covers = await store.covers_of(pool, known.person_id)
            return next((one for one in covers if (one.delegate_id, one.begins_at, one.ends_at, one.reason) == same), None)

        if await there() is None:
            await store.add_cover(
                pool,
                known.person_id,
                delegate.person_id,
                begins_at=begins_at,
                ends_at=ends_at,
                reason=reason,
                actor=_actor(request),
            )
        made = await there()
        if made is None:
            raise ApiError(OVERLAPS)
        return await json_answer(request, _encode({"results": show_cover(made)}))

    @delete(f"{ONE}/covers/{{cover_id:str}}", status_code=204, opt={"staff": (Role.TAM, Role.ADMIN), "operation": END_COVER})
    async def end_cover(request: Request[Any, Any, Any], person_id: str, cover_id: str) -> None:
        known = await his_own(request, person_id)
        if not await store.end_cover(pool, known.person_id, number_of(cover_id), now=clock.now(), actor=_actor(request)):
            raise ApiError(NOT_FOUND)

    return [
        list_staff,
        get_staff_member,
        add_staff_member,
        change_staff_member,
        let_staff_member_leave,
        make_staff_token,
        revoke_staff_tokens,
        list_covers,
        add_cover,
        end_cover,
    ]


def _actor(request: Request[Any, Any, Any]) -> str:
    return f"staff {member_of(request).person_id}"


def _merged(known: StaffMember, given: MemberIn) -> StaffMember:
    """Return a member with what a body changes. Raises Wrong."""
    name, phone, roles = known.name, known.phone, known.roles
    if given.name is not None:
        with reads("name"):
            name = read_name(given.name)
    if given.phone is not None:
        with reads("phone"):
            phone = read_phone(given.phone) if given.phone else ""
    if given.roles is not None:
        with reads("roles"):
            roles = read_roles(given.roles)
    return msgspec.structs.replace(known, name=name, phone=phone, roles=roles)


def show_member(one: StaffMember) -> dict[str, Any]:
    """Return a member of the staff as staff sees him."""
    return {
        "person_id": one.person_id,
        "name": one.name,
        "email": one.email,
        "phone": one.phone or None,
        "roles": sorted(one.roles),
        "left_at": one.left_at,
    }


def show_cover(one: Cover) -> dict[str, Any]:
    """Return a cover."""
    return {
        "cover_id": one.cover_id,
        "delegate_id": one.delegate_id,
        "begins_at": one.begins_at,
        "ends_at": one.ends_at,
        "reason": one.reason,
        "recorded_by": one.recorded_by,
        "recorded_at": one.recorded_at,
    }


_ID: Schema = {
    "name": "person_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^([0-9]{1,10}|me)$"},
    "description": "me: whoever asks",
}
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MOST_TEXT}
_MEMBERS: Schema = {
    "name": {"type": "string", "minLength": 1, "maxLength": MOST_NAME},
    "phone": {"type": "string", "maxLength": 40, "description": "with country code; '': none"},
    "roles": {
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "items": {"type": "string", "enum": [one.value for one in Role]},
    },
}
_BAD = bad_type("roles: a role is one of tam, cst, oncall, admin")
LIST = Operation("List the staff", {200: ("everybody; who has left comes last", LISTED)})
RETRIEVE = Operation("Look at one member of the staff", {200: ("who he is", RESULTS)}, errors=(NOT_FOUND,), parameters=(_ID,))
ADD = Operation(
    "Add a member of the staff",
    {200: ("who he is; he needs a token next", RESULTS)},
    errors=(missing("name, email and roles are required fields"), _BAD, TAKEN),
    description="The same body again answers with whoever is there. His address names him from now on.",
    body={
        "type": "object",
        "required": ["name", "email", "roles"],
        "properties": {**_MEMBERS, "email": {"type": "string", "maxLength": 320}},
    },
    example={"name": "Ann Lee", "email": "ann@provider.example", "roles": ["tam"], "phone": "+44 20 7183 8750"},
)
CHANGE = Operation(
    "Change a member of the staff",
    {200: ("who he is", RESULTS)},
    errors=(NOT_FOUND, _BAD, LAST, HOLDS),
    description="What is absent stays; `roles` are all he holds from now on.",
    parameters=(_ID,),
    body={"type": "object", "properties": _MEMBERS},
    example={"roles": ["tam", "oncall"]},
)
LEAVE = Operation(
    "Let somebody be one of ours no more",
    {204: "he holds no role, and his tokens are void; what he did stays his"},
    errors=(NOT_FOUND, LAST, HOLDS),
    description="Give his accounts another TAM first. Nobody stands in any more for whom he did.",
    parameters=(_ID,),
)
NEW_TOKEN = Operation(
    "Make a token",
    {200: ("the token; it cannot be shown again", RESULTS)},
    errors=(NOT_FOUND, bad_type("label must be 1 to 255 printable characters"), LEFT),
    description="One's own, or as an admin anybody's.",
    parameters=(_ID,),
    body={"type": "object", "properties": {"label": {**_TEXT, "default": "API"}}},
    example={"label": "laptop"},
)
REVOKE = Operation(
    "Make every token of somebody void",
    {204: "also the one that asks, if it is his"},
    errors=(NOT_FOUND,),
    description="One's own, or as an admin anybody's.",
    parameters=(_ID,),
)
LIST_COVERS = Operation(
    "Who stood, stands or will stand in for somebody",
    {200: ("oldest first", LISTED)},
    errors=(NOT_FOUND,),
    parameters=(_ID,),
)
ADD_COVER = Operation(
    "Let somebody stand in",
    {200: ("the cover", RESULTS)},
    errors=(
        NOT_FOUND,
        missing("delegate_id, ends_at and reason are required fields"),
        bad_type("ends_at must be later than begins_at"),
        NOBODY,
        OVERLAPS,
    ),
    description="A TAM for himself, or an admin for anybody. Customers are told the reason.",
    parameters=(_ID,),
    body={
        "type": "object",
        "required": ["delegate_id", "ends_at", "reason"],
        "properties": {
            "delegate_id": {"type": "integer", "minimum": 1, "maximum": 2_147_483_647},
            "begins_at": {"type": "string", "format": "date-time", "description": "default: now"},
            "ends_at": {"type": "string", "format": "date-time"},
            "reason": _TEXT,
        },
    },
    example={"delegate_id": 4, "ends_at": "2026-12-24T17:00:00Z", "reason": "leave"},
)
END_COVER = Operation(
    "End a cover, because the TAM is back",
    {204: "it ends now; one that has not begun never was"},
    errors=(NOT_FOUND,),
    parameters=(_ID, path_number("cover_id")),
)
