"""Who asks about a contract: a customer by his key, about his own; or a member of the staff by his token, about anybody's."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from litestar import Request

from homing.accounts import store as accounts
from homing.api.auth import STAFF as IN_STATE
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Schema
from homing.api.reading import sender_of
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type

VIEW = ("support/view", "support/manage")
MANAGE = ("support/manage",)
ANYBODY = tuple(Role)
ADMIN = (Role.ADMIN,)
DESK = (Role.CST, Role.TAM, Role.ADMIN)  # who talks with customers
WHOSE: Schema = {
    "name": "account_id",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 2_147_483_647},
    "description": "staff: whose; a key asks about its own account, whatever stands here",
}
NOT_SAID = bad_params("account_id: say whose, such as ?account_id=1")
RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_HIGHEST = 2**31


class Asker(NamedTuple):
    """Who asks, about which account.

    actor   as the audit names him
    staff   None: a customer
    """

    account_id: int
    actor: str
    staff: StaffMember | None


async def asker(pool: db.Pool, request: Request[Any, Any, Any], query: Mapping[str, str]) -> Asker:
    """Return who asks about which account.

    raises   ApiError 404 where there is no such account; Wrong where staff does not say which
    """
    member = staff_of(request)
    if member is None:
        sender = sender_of(request)
        return Asker(sender.account_id, f"key {sender.key_id}", None)
    if not query.get("account_id"):
        raise Wrong(NOT_SAID)
    number = number_of(query["account_id"])
    if number == 0 or await accounts.account_by_id(pool, number) is None:
        raise ApiError(NOT_FOUND)
    return Asker(number, f"staff {member.person_id}", member)


def staff_of(request: Request[Any, Any, Any]) -> StaffMember | None:
    """Return the member of the staff who asks; None where a customer does."""
    state: Any = request.scope["state"]
    member: StaffMember | None = state.get(IN_STATE)
    return member


def member_of(request: Request[Any, Any, Any]) -> StaffMember:
    """Return the member of the staff who asks, where nobody else can."""
    member = staff_of(request)
    if member is None:
        raise LookupError("a route for staff alone was called by somebody else")
    return member


def number_of(text: str) -> int:
    """Return the number of a row; 0, which no row has, where the text is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else 0
    return number if number < _HIGHEST else 0


class reads:
    """Answers with what a rule of the room finds wrong with a member of a body."""

    def __init__(self, member: str) -> None:
        self._member = member

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, trouble: BaseException | None, trace: object) -> None:
        """Name the member."""
        if isinstance(trouble, (Misuse, ValueError)):
            raise Wrong(bad_type(f"{self._member}: {trouble}")) from None


def taken(description: str) -> Problem:
    """What is asked for collides with what there is."""
    return Problem(409, "resource conflict", description, "1602")


def path_number(name: str) -> Schema:
    """Return the schema of a number in a path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]{1,10}$"}}
