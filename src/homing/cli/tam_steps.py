"""What `homing tam` does as the API does it: looking at a record, making one, taking a step.

The doors of the API take half a second to import, so this is imported by the commands that need it, and not with `homing tam`.
"""

from collections.abc import Awaitable
from typing import Any, TypeVar

from homing.api.errors import ApiError
from homing.api.v1 import support_tam
from homing.api.v1.support_tam_office import Caller, TamOffice, taken
from homing.api.v1.support_tam_steps import STEPS, StepRoute
from homing.api.v1.support_tam_wire import GivenIn
from homing.boot.figures import AccountFigures
from homing.contracts.types import StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ingress.rules.problem import Wrong
from homing.support.cases.rules.decision import No
from homing.support.cases.types import Actor
from homing.support.clocks.store import ServerClock
from homing.support.tam.desk import Desk
from homing.support.tam.types import Record, RecordKind

T = TypeVar("T")
_NAMES = {"revise": "", "schedule": ""}  # steps that have no path of their own


async def look(pool: db.Pool, record: Record) -> Any:
    """Return a record as the staff sees it."""
    return await _office(pool).look(record, staff=True)


async def make(pool: db.Pool, member: StaffMember, actor: Actor, kind: RecordKind, given: GivenIn) -> Record | No:
    """Make a record. raises Misuse."""
    caller = Caller(account_id=None, actor=actor, staff=member)
    return await _told(support_tam.make_record(_office(pool), caller, kind, given))


async def take(pool: db.Pool, member: StaffMember, actor: Actor, record: Record, name: str, given: GivenIn) -> Record:
    """Take a step of a record; return the record after it. raises Misuse."""
    caller = Caller(account_id=None, actor=actor, staff=member)
    office = _office(pool)
    wanted = _step(record.kind, name)
    await _told(office.may_change(caller, record.account_id))
    done = await _told(wanted.take(office, caller, record, given))
    if isinstance(done, No):
        raise Misuse(done.why)
    return taken(done)


def _office(pool: db.Pool) -> TamOffice:
    legal = ServerClock()
    return TamOffice(pool=pool, legal=legal, desk=Desk(pool, legal), figures=AccountFigures(pool, legal))


async def _told(work: Awaitable[T]) -> T:
    """Turn what cannot be into a sentence."""
    try:
        return await work
    except Wrong as wrong:
        raise Misuse(wrong.problem.description or wrong.problem.message) from None
    except ApiError as refused:
        raise Misuse(str(refused)) from None


def _step(kind: RecordKind, name: str) -> StepRoute:
    there = {one.path.strip("/"): one for one in STEPS if one.kind is kind and one.staff}
    found = there.get(_NAMES.get(name, name))
    if found is None:
        names = sorted(each or "revise" for each in there)
        raise Misuse(f"{name!r} is no step of this; one of {', '.join(names)}")
    return found
