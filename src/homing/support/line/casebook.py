"""Opens a critical case for each call whose account is known, and tells it what becomes of the call.

What a case knows is kept with the call: a worker that dies between leaves nothing untold and nothing told twice. A caller whom
nobody knows has a call, a call-back and a ladder all the same; his case is opened as soon as a person says whose he is.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from homing.ground import db
from homing.ground.log import get
from homing.ground.turns import PASSING
from homing.support.cases.calls import Answered, Became, CallIn, Calls, Decided, Reached, Returned, Void
from homing.support.cases.types import Source as CaseSource
from homing.support.cases.types import Verified
from homing.support.line import store
from homing.support.line.rules import callback, told
from homing.support.line.rules.told import Told
from homing.support.line.types import Call, Entitlement, Obligation, Proof, Source

log = get("line")

OPENS_AFTER = timedelta(minutes=1)  # where the number alone says whose a call is; until then a PIN may say better
TELLS = timedelta(days=30)  # after a call, what becomes of it is told
_SOURCES = {Source.FORM: CaseSource.PORTAL, Source.API: CaseSource.API}
_VERIFIED = {Proof.PIN: Verified.PIN, Proof.KEY: Verified.KEY}


class UntoldCases:
    """Says which cases do not know yet what became of their calls: until then nothing is missed for good (clocks.keeper)."""

    async def subjects(self, connection: db.Executor, now: datetime) -> Sequence[int]:
        """Return their numbers."""
        return [row["case_id"] async for row in store.sql.cases_untold(connection, since=now - TELLS, now=now)]


class CaseBook:
    """Keeps cases up with their calls, for one worker."""

    def __init__(self, pool: db.Pool, calls: Calls) -> None:
        self._pool = pool
        self._calls = calls

    async def open(self, now: datetime) -> None:
        """Open cases: once it is proven whose a call is, when it ends, after a minute at the latest."""
        async with db.holding(self._pool, store.sql.caseless, before=now - OPENS_AFTER) as (connection, rows):
            for row in rows:
                one = store.call_of(row)
                try:
                    async with connection.transaction():
                        await self._open(connection, one, now)
                except PASSING:
                    raise
                except Exception:  # the edge of one call
                    log.exception("case_failed", intake=one.intake_id)
        if rows:
            self._calls.news()

    async def tell(self, now: datetime) -> None:
        """Tell cases what is new of their calls."""
        async with db.holding(self._pool, store.sql.untold, since=now - TELLS) as (connection, rows):
            for row in rows:
                one, owed = store.call_of(row), await store.obligation(connection, row["intake_id"])
                assert owed is not None
                for what in told.news(one, owed, frozenset(row["told"])):
                    try:
                        async with connection.transaction():
                            await self._tell(connection, one, owed, what)
                            await store.sql.add_told(connection, intake_id=one.intake_id, what=what.value)
                    except PASSING:
                        raise
                    except Exception:  # the edge of one step of one call
                        log.exception("case_not_told", intake=one.intake_id, what=what.value)
        if rows:
            self._calls.news()

    async def _open(self, connection: db.Executor, one: Call, now: datetime) -> None:
        owed = await store.obligation(connection, one.intake_id)
        assert one.account_id is not None
        assert owed is not None
        if callback.in_the_balance(owed.outcome, due=owed.due_at, now=now):
            return  # an attempt of the last seconds may still prove itself; a clock that is read now would show a miss
        knows = told.news(one, owed, frozenset())
        earlier = None if one.linked_to is None else await store.call(connection, one.linked_to)
        into = earlier.case_ref if earlier is not None and earlier.account_id == one.account_id else None
        case_id = await self._calls.open(
            connection,
            CallIn(
                call=one.intake_id,
                reference=one.reference,
                account_id=one.account_id,
                contact_id=one.contact_id,
                first_ring_at=one.first_ring_at,
                due_at=one.due_at,
                source=_SOURCES.get(one.source, CaseSource.PHONE),
                verified=_VERIFIED.get(one.proof, Verified.NONE),
                words=told.opening(one, await _recordings(connection, one)),
                entitled=one.entitlement is not Entitlement.UNKNOWN,
                into=int(into) if into else 0,
                became=tuple([each for what in knows for each in await self._became(connection, one, owed, what)]),
            ),
        )
        knows_all = [what.value for what in knows]
        await store.sql.set_case(connection, intake_id=one.intake_id, case_ref=str(case_id), told=knows_all)
        await store.note(connection, one.intake_id, now, "homing", "case opened", case=str(case_id))

    async def _tell(self, connection: db.Executor, one: Call, owed: Obligation, what: Told) -> None:
        assert one.case_ref is not None
        case_id = int(one.case_ref)
        if what is Told.WORDS:
            said = told.given(one, await _recordings(connection, one))
            words = "\n".join([f"The call {one.reference} is over. The caller gave:", said or "nothing."])
            verified = _VERIFIED.get(one.proof, Verified.NONE)
            await self._calls.word(connection, case_id, one.contact_id, words, verified=verified)
        else:
            await self._calls.tell(connection, case_id, one.intake_id, await self._became(connection, one, owed, what))

    async def _became(self, connection: db.Executor, one: Call, owed: Obligation, what: Told) -> list[Became]:
        """Return what a case is told; nothing of words, which are a message."""
        match what:
            case Told.ANSWERED if owed.answered_by is not None and owed.answered_at is not None:
                return [Answered(person_id=owed.answered_by, at=owed.answered_at)]
            case Told.RETURNED:
                at = min(at for at in (owed.returned_at, owed.engaged_at) if at is not None)
                person = await store.sql.who_returned(connection, intake_id=one.intake_id)
                return [Returned(person_id=int(person or 0), at=at, live=owed.returned_at is None)]
            case Told.REACHED if owed.connected_at is not None:
                return [Reached(at=owed.connected_at)]
            case Told.VOID if owed.voided_at is not None:
                first, second = owed.voids[:2]
                people = (first.person_id, second.person_id)
                return [Void(people=people, reason=first.reason, at=owed.voided_at)]
            case Told.ENTITLEMENT:
                decided_at = await store.sql.decided_at(connection, intake_id=one.intake_id)
                return [] if decided_at is None else [Decided(verdict=one.entitlement.value, at=decided_at)]
            case _:
                return []


async def _recordings(connection: db.Executor, one: Call) -> dict[str, int]:
    rows: list[Any] = [row async for row in store.sql.recordings_of(connection, intake_id=one.intake_id)]
    return {row["step"]: row["recording_id"] for row in rows if row["state"] != "absent"}
