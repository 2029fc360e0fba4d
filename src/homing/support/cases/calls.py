"""What the Severity 1 Line tells cases: a call opens one or belongs to one, is answered, returned, reached, made void.

All of it over the connection that is given: the line keeps in the same transaction what it has told. Instants are those that the
line judges by, so it changes nothing that a case hears of them a little later.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

import msgspec

from homing.ground import db
from homing.support.cases import steps, store
from homing.support.cases.desk import Desk, Opening
from homing.support.cases.happened import (
    Called,
    CalledBack,
    CallReached,
    CallVoided,
    Engaged,
    EntitlementDecided,
    Escalated,
    Payload,
)
from homing.support.cases.types import (
    SYSTEM,
    Actor,
    CaseKind,
    Channel,
    Incoming,
    Purpose,
    Severity,
    Side,
    Source,
    Verified,
)
from homing.support.clocks.rules.severity import AWAY
from homing.support.clocks.store import LegalClock
from homing.support.clocks.types import Kind


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was woken for a call has answered."""

    person_id: int
    at: datetime


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """A call was returned. live: it was taken at once, and the caller wants no other."""

    person_id: int
    at: datetime
    live: bool = False


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever called was on the line with us."""

    at: datetime


class Void(msgspec.Struct, frozen=True, kw_only=True):
    """Two people say that a call is not owed back."""

    people: tuple[int, int]
    reason: str
    at: datetime


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A person decided whether the caller is entitled."""

    verdict: str
    at: datetime


Became = Answered | Returned | Reached | Void | Decided


class CallIn(msgspec.Struct, frozen=True, kw_only=True):
    """A call on the line.

    call       its number there
    entitled   whether that is known; if not, a person decides within 60 minutes
    into       the case that an earlier call of the same customer is in; 0: none
    became     what has become of it already
    """

    call: int
    reference: str
    account_id: int
    contact_id: int | None
    first_ring_at: datetime
    due_at: datetime
    source: Source
    verified: Verified
    words: str
    entitled: bool
    into: int = 0
    became: tuple[Became, ...] = ()


class Calls:
    """Carries it out."""

    def __init__(self, desk: Desk, legal: LegalClock) -> None:
        self._desk = desk
        self._legal = legal

    def news(self) -> None:
        """Tell whoever sends mail that some may be owed: after the caller's transaction."""
        self._desk.news()

    async def open(self, connection: db.Executor, came: CallIn) -> int:
        """Return the case that a call belongs to: that of an earlier call which waits, else a new critical one.

        What has become of the call is one step with it: clocks that are read between would show a miss, for good, of what was
        kept in time.
        """
        by = _caller(came.contact_id)
        known = await steps.take(connection, came.into, self._legal) if came.into else None
        if known is None or known.account_id != came.account_id or not known.case.live:
            opened = await self._desk.open_in(connection, self._opening(came), by)
            case_id = opened.case_id
        else:
            case_id = came.into
            made: list[Payload] = []
            if known.case.severity is not Severity.CRITICAL:
                made.append(
                    Escalated(
                        reason=f"call {came.reference}",
                        by_call=True,
                        first_ring_at=came.first_ring_at,
                        late=await known.has_missed(AWAY),
                    )
                )
            await known.commit(made, by)
            await self.word(connection, case_id, came.contact_id, came.words, verified=came.verified)
        step = await steps.take(connection, case_id, self._legal)
        assert step is not None
        kinds = [Kind.ENGAGE] + ([] if came.entitled else [Kind.ENTITLEMENT])
        called = Called(
            call=came.call,
            reference=came.reference,
            first_ring_at=came.first_ring_at,
            due_at=came.due_at,
            promises=await step.promises(*kinds),
        )
        await step.commit_each([(called, by), *await self._steps(step, came.call, came.became)])
        return case_id

    async def word(
        self, connection: db.Executor, case_id: int, contact_id: int | None, words: str, *, verified: Verified = Verified.NONE
    ) -> None:
        """Add what a caller said, to whichever case this one has become."""
        await self._desk.word_in(
            connection, case_id, _words(contact_id, words, verified), _caller(contact_id), contact_id=contact_id, words=words
        )

    async def hold(self, connection: db.Executor, case_id: int) -> None:
        """Take a case until the transaction ends."""
        await store.lock(connection, case_id)

    async def engaged(self, connection: db.Executor, case_id: int, person_id: int, at: datetime) -> None:
        """Somebody who was woken for a case has answered; there is no call."""
        await self.tell(connection, case_id, 0, [Answered(person_id=person_id, at=at)])

    async def tell(self, connection: db.Executor, case_id: int, call: int, became: Sequence[Became]) -> None:
        """Tell a case what has become of its call. Once it was returned, the customer is owed updates."""
        step = await steps.take(connection, case_id, self._legal)
        if step is not None:
            await step.commit_each(await self._steps(step, call, became))
            further, carried = (
                await self._goes_on(connection, step),
                [one for one in became if isinstance(one, Answered | Returned)],
            )
            if further is not None and carried:
                await further.commit_each(await self._steps(further, call, carried))

    async def _goes_on(self, connection: db.Executor, step: steps.Step) -> steps.Step | None:
        """Return the case that the case of a call goes on in: updates are owed there, the call-back stays with its call."""
        found: steps.Step | None = step
        while found is not None and found.case.merged_into is not None:
            found = await steps.take(connection, found.case.merged_into, self._legal)
        return None if found is step or found is None or not found.case.live else found

    async def _steps(self, step: steps.Step, call: int, became: Sequence[Became]) -> list[tuple[Payload, Actor]]:
        made: list[tuple[Payload, Actor]] = []
        for one in became:
            match one:
                case Answered(person_id=person_id, at=at):
                    made.append((Engaged(person_id=person_id, engaged_at=at), _staff(person_id)))
                case Returned(person_id=person_id, at=at, live=live):
                    promises = await step.promises(Kind.CADENCE)
                    made.append((CalledBack(placed_at=at, promises=promises, call=call, live=live), _staff(person_id)))
                case Reached(at=at):
                    made.append((CallReached(call=call, reached_at=at), SYSTEM))
                case Void(people=(first, second), reason=reason, at=at):
                    people = (f"staff {first}", f"staff {second}")
                    made.append((CallVoided(call=call, people=people, reason=reason, voided_at=at), SYSTEM))
                case Decided(verdict=verdict, at=at):
                    made.append((EntitlementDecided(call=call, verdict=verdict, decided_at=at), SYSTEM))
                case _:
                    assert_never(one)
        return made

    def _opening(self, came: CallIn) -> Opening:
        return Opening(
            account_id=came.account_id,
            kind=CaseKind.BUG,
            subject=f"Severity 1: {came.reference}",
            source=came.source,
            first=_words(came.contact_id, came.words, came.verified),
            severity=Severity.CRITICAL,
            contact_id=came.contact_id,
            called=True,
        )


def _words(contact_id: int | None, words: str, verified: Verified) -> Incoming:
    by = _caller(contact_id)
    return Incoming(
        side=Side.CUSTOMER,
        actor=by.name,
        author=by.name,
        channel=Channel.PHONE,
        purpose=Purpose.WORD,
        verified=verified,
        body=words,
    )


def _caller(contact_id: int | None) -> Actor:
    if contact_id is None:
        return Actor(side=Side.CUSTOMER, name="caller")
    return Actor(side=Side.CUSTOMER, name=f"contact {contact_id}", person_id=contact_id)


def _staff(person_id: int) -> Actor:
    return Actor(side=Side.PROVIDER, name=f"staff {person_id}", person_id=person_id)
