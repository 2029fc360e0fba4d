"""Calls back: who has it in hand, who says what became of it, whether it is owed at all. What people do, by API or by a key."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec import structs

from homing.contracts import contacts
from homing.contracts.types import Contact, StaffMember
from homing.ground import db
from homing.support.line import store
from homing.support.line.attempts import Attempts, NotNow, entitlement
from homing.support.line.carriers import Carriers, NotPlaced
from homing.support.line.ladders import Ladders
from homing.support.line.legs import WAIT, Legs
from homing.support.line.ringing import Ringing
from homing.support.line.rules import callback
from homing.support.line.rules.document import Document, Say
from homing.support.line.rules.numbers import parse, warned
from homing.support.line.types import Attempt, AttemptStatus, Call, Carrier, Decision, Entitlement, LineSettings, Obligation, Void

_WRONG = frozenset({AttemptStatus.BUSY, AttemptStatus.FAILED, AttemptStatus.NOT_SET_UP})


class Result(StrEnum):
    """What a representative says became of his attempt."""

    REACHED = "reached"
    VOICEMAIL = "voicemail"
    NOT_REACHED = "not_reached"
    WRONG_NUMBER = "wrong_number"


class Returning:
    """Lets people call back. One for a worker."""

    def __init__(
        self,
        attempts: Attempts,
        legs: Legs,
        settings: LineSettings,
        carriers: Carriers,
        *,
        ringing: Ringing,
        ladders: Ladders,
    ) -> None:
        self._attempts = attempts
        self.legs = legs
        self._settings = settings
        self._carriers = carriers
        self.ringing = ringing
        self._ladders = ladders

    async def claim(self, intake_id: int, person_id: int) -> Obligation:
        """Let somebody take a call-back in hand, for three minutes.

        raises   NotNow where somebody else has it
        """
        async with self._attempts.owed(intake_id) as (connection, now, owed):
            self._refuse_void(owed)
            self._refuse_claimed(owed, person_id, now)
            if callback.talks(owed, person_id, now):
                return owed
            await self.ringing.claimed(connection, owed, person_id, now + callback.CLAIM, now)
            return structs.replace(owed, claimed_by=person_id, claim_until=now + callback.CLAIM)

    async def hand_on(self, intake_id: int, person_id: int) -> None:
        """Let a claim go; people are paged again.

        raises   NotNow where it is not his, or his attempt is under way
        """
        async with self._attempts.owed(intake_id) as (connection, now, owed):
            if owed.claimed_by != person_id:
                raise NotNow("you have not claimed this call-back")
            if owed.claim_until is None:
                raise NotNow("your attempt is under way; it must end first")
            await self._attempts.lapsed(connection, owed, now, why="handed on", hand_on=True)

    async def begin(
        self, intake_id: int, person: StaffMember, *, number: str = "", confirmed: bool = False, carrier: str = ""
    ) -> Attempt:
        """Begin to call back: the representative's own telephone rings first, by the first carrier that takes the call.

        number     E.164; '': the best that is known
        confirmed  a number that nobody gave, or that costs, is meant
        carrier    the name of the carrier to begin with; '': that of the number that the customer called
        raises     NotNow
        """
        if not person.phone:
            raise NotNow("your own number is not known; have it added to the staff")
        async with self._attempts.owed(intake_id) as (connection, now, owed):
            one = await store.call(connection, intake_id)
            assert one is not None
            tries = await store.attempts_of(connection, owed.obligation_id)
            ways = self.ringing.ways(one, tries, now, wanted=carrier)
            if not ways:
                raise NotNow("no carrier is set up that could call")
            if carrier and ways[0].name != carrier:
                raise NotNow(f"there is no carrier of that name; there are {', '.join(self._carriers.all)}")
            attempt_id = await self._begun(connection, owed, ways[0], person.person_id, now, number=number, confirmed=confirmed)
        try:
            return await self.ringing.ring(attempt_id, ways, phone=person.phone, called=one.called)
        except NotPlaced as trouble:
            raise NotNow(
                f"your telephone could not be rung: {trouble}. Call by hand, and note it (POST .../hand-calls)"
            ) from None

    async def begin_from(
        self, connection: db.Executor, carrier: Carrier, obligation_id: int, person_id: int, call_id: str, now: datetime
    ) -> Document:
        """Begin to call back from a call that the representative is in already: he waits in the room (model, section 4.3).

        call_id   of his leg
        raises    NotNow
        """
        owed = await store.obligation_by_id(connection, obligation_id)
        attempt_id = await self._begun(connection, owed, carrier, person_id, now)
        attempt = await store.attempt_locked(connection, attempt_id)
        assert attempt is not None
        await store.put_attempt(connection, structs.replace(attempt, rep_call_id=call_id, status=AttemptStatus.REP_ANSWERED))
        return (Say(WAIT), self.legs.room(carrier, attempt_id))

    async def _begun(
        self,
        connection: db.Executor,
        owed: Obligation,
        carrier: Carrier,
        person_id: int,
        now: datetime,
        *,
        number: str = "",
        confirmed: bool = False,
    ) -> int:
        """Write down that an attempt begins, and return its number."""
        self._refuse_void(owed)
        self._refuse_claimed(owed, person_id, now)
        one = await store.call(connection, owed.intake_id)
        assert one is not None
        tries = await store.attempts_of(connection, owed.obligation_id)
        if any(attempt.ended_at is None for attempt in tries):
            raise NotNow("an attempt is under way")
        number = self._checked(number, await self.numbers(connection, one, tries), one, confirmed=confirmed)
        return await self.ringing.begun(connection, owed, carrier, person_id, number, now)

    async def choose(self, intake_id: int, attempt_id: int, person_id: int, result: Result) -> Attempt:
        """Keep what a representative says became of his attempt.

        raises   NotNow
        """
        async with self._attempts.attempt(attempt_id) as (connection, now, attempt):
            owed = await store.obligation_by_id(connection, attempt.obligation_id)
            if owed.intake_id != intake_id:
                raise NotNow("there is no such attempt", missing=True)
            if attempt.person_id != person_id:
                raise NotNow("this attempt is somebody else's")
            attempt = structs.replace(attempt, result=result.value)
            await store.put_attempt(connection, attempt)
            await store.note(connection, intake_id, now, f"staff {person_id}", "result", attempt=attempt_id, result=result.value)
            if result is Result.REACHED and attempt.placed_at is not None:
                await store.put_result(connection, owed, connected_at=attempt.connected_at or now)
                await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=None)
                await self._attempts.shown(connection, owed, attempt.number, now)
            elif attempt.placed_at is not None and owed.connected_at is None and owed.next_try_at is None:
                await self._attempts.try_again(connection, owed, now)
            return attempt

    async def engaged(self, intake_id: int, person_id: int) -> Obligation:
        """Note that a call was taken live, and that the caller wants no call-back (model, section 4.2, step 3).

        It counts from when they began to talk.

        raises   NotNow where he did not take it
        """
        async with self._attempts.owed(intake_id) as (connection, now, owed):
            one = await store.call(connection, intake_id)
            assert one is not None
            self._refuse_void(owed)
            over = one.state.human_took or one.ended_at is not None  # who pressed 1 and was not connected accepted nothing
            if not over or one.accepted_by != person_id:
                raise NotNow("only who took this call live can say that no call-back is needed; call back instead")
            began = one.accepted_at or now
            outcome = callback.judged(owed.due_at, [began], pending=False, now=now)
            await store.put_result(connection, owed, engaged_at=began, outcome=outcome, outcome_at=began)
            await self._ladders.end(connection, owed.obligation_id, because=f"staff {person_id} took the call live", now=now)
            await store.note(connection, intake_id, now, f"staff {person_id}", "engaged live")
            return await store.obligation_by_id(connection, owed.obligation_id)

    async def void(self, intake_id: int, person_id: int, reason: str) -> Obligation:
        """Say that a call-back is not owed: a test, a duplicate, spam. The second person makes it so.

        raises   NotNow where he has said so already
        """
        async with self._attempts.owed(intake_id) as (connection, now, owed):
            self._refuse_void(owed)
            if any(one.person_id == person_id for one in owed.voids):
                raise NotNow("you have said so already; a second person must agree")
            voids = (*owed.voids, Void(person_id=person_id, reason=reason, at=now))
            await store.note(connection, intake_id, now, f"staff {person_id}", "void asked", reason=reason)
            text = store.voids_text(voids)
            if len(voids) < 2:
                await store.sql.put_voids(connection, obligation_id=owed.obligation_id, voids=text)
            else:
                await store.sql.make_void(connection, obligation_id=owed.obligation_id, voids=text, now=now)
                await self._ladders.end(connection, owed.obligation_id, because="two people said that nothing is owed", now=now)
                await store.note(connection, intake_id, now, "homing", "void")
            return await store.obligation_by_id(connection, owed.obligation_id)

    async def decide(
        self,
        intake_id: int,
        person_id: int,
        verdict: Entitlement,
        *,
        account_id: int | None,
        clause: str,
        reason: str,
        route: str,
    ) -> None:
        """Keep what a person decided about a caller's entitlement (E16). It changes nothing of the call-back.

        raises   NotNow
        """
        async with self._attempts.owed(intake_id) as (connection, now, owed):
            one = await store.call(connection, intake_id)
            assert one is not None
            said = {"clause": clause, "reason": reason, "route": route}
            known = account_id if account_id is not None else one.account_id
            promised = Entitlement.UNKNOWN if known is None else await entitlement(connection, known, one.first_ring_at)
            if verdict is Entitlement.NO and Entitlement.YES in (one.entitlement, promised):
                raise NotNow("he is entitled; a call-back that was never owed is made void by two people")
            if known is not None:
                await self._ladders.belong(connection, owed.obligation_id, known, owed.due_at)
            await store.sql.decide(
                connection,
                intake_id=intake_id,
                entitlement=verdict.value,
                decision=msgspec.json.encode(Decision(by=person_id, at=now, **said)).decode(),
                account_id=known,
            )
            await store.note(connection, intake_id, now, f"staff {person_id}", "entitlement", verdict=verdict.value, **said)

    async def numbers(self, executor: db.Executor, one: Call, tries: Sequence[Attempt] = ()) -> list[str]:
        """Return the numbers to call, best first; those that were busy or wrong come last (E15)."""
        people: list[Contact] = [] if one.account_id is None else await contacts.of_account(executor, one.account_id)
        contact = next((person for person in people if person.contact_id == one.contact_id), None)
        tried = [attempt.number for attempt in tries if attempt.status in _WRONG or attempt.result == Result.WRONG_NUMBER.value]
        return callback.numbers_to_try(
            given=one.state.answers.phone, caller=one.caller, contact=contact, contacts=people, tried=tried
        )

    def _checked(self, number: str, known: Sequence[str], one: Call, *, confirmed: bool) -> str:
        """Return the number to call."""
        if not number:
            if not known:
                raise NotNow("there is no number to call; write to the contacts, or name a number")
            number = known[0]
        else:
            given = parse(number, near=one.caller or one.called)
            if not given:
                raise NotNow("this is no telephone number; write +<country code><number>")
            number = given
        look = warned(number, self._settings.countries)
        if number not in known and not confirmed:
            raise NotNow(f"nobody gave {number}; repeat it with confirmed: true if it is meant")
        if look.any and not confirmed:
            what = "it may cost a premium" if look.premium else "its country is not on the list"
            raise NotNow(f"{number}: {what}; repeat it with confirmed: true if it is meant")
        return number

    def _refuse_void(self, owed: Obligation) -> None:
        if owed.voided_at is not None:
            raise NotNow("two people have said that this call-back is not owed")

    def _refuse_claimed(self, owed: Obligation, person_id: int, now: datetime) -> None:
        if not callback.may_claim(claimed_by=owed.claimed_by, claim_until=owed.claim_until, person_id=person_id, now=now):
            until = "while his attempt is under way" if owed.claim_until is None else f"until {owed.claim_until:%H:%M:%S} UTC"
            raise NotNow(f"staff {owed.claimed_by} has this call-back in hand {until}")
