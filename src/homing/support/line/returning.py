"""Calls back: who has it in hand, the representative first and then the customer, which attempt counts, who is paged again.

The carrier's events decide. An attempt counts from the moment at which the carrier took the customer's leg, if ringing is told
within ten seconds (rules/callback.py). Whatever dies meanwhile, the rows say where to go on.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import structs

from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import EMAIL, Contact, StaffMember
from homing.ground import db
from homing.ground.log import get
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.carriers import Carriers, NotPlaced
from homing.support.line.ladders import Ladders
from homing.support.line.rules import callback
from homing.support.line.rules.document import Conference, Document, Gather, Hangup, Say
from homing.support.line.rules.numbers import parse, warned
from homing.support.line.store import LegalClock
from homing.support.line.types import (
    Attempt,
    AttemptStatus,
    Call,
    CallStatus,
    Carrier,
    Entitlement,
    Family,
    Happened,
    LineSettings,
    Obligation,
    Outcome,
    Page,
    PageReason,
    Void,
)

log = get("line")

LOST_AFTER = timedelta(seconds=90)  # an attempt that neither rings nor ends by then was cut off (a worker died)
DEFAULT_CADENCE = timedelta(hours=1)
BRIDGE = "Severity 1 call-back. Press 1 to be connected with the customer."
WAIT = "One moment. We are calling."
VOICEMAIL = "This is support, returning your call. Your reference is {reference}. We will try again shortly."
_WRONG = frozenset({AttemptStatus.BUSY, AttemptStatus.FAILED, AttemptStatus.NOT_SET_UP})
_BEFORE_CUSTOMER = (AttemptStatus.CALLING_REP, AttemptStatus.REP_ANSWERED)


class Result(StrEnum):
    """What a representative says became of his attempt."""

    REACHED = "reached"
    VOICEMAIL = "voicemail"
    NOT_REACHED = "not_reached"
    WRONG_NUMBER = "wrong_number"


class NotNow(Exception):
    """What was asked cannot be done; the text says why, and what to do. missing: there is no such thing."""

    def __init__(self, why: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.missing = missing


class Returning:
    """Calls back. One for a worker; `news` is set when a leg must be placed at once."""

    def __init__(
        self,
        pool: db.Pool,
        legal: LegalClock,
        settings: LineSettings,
        carriers: Carriers,
        *,
        base: str,
        ladders: Ladders,
    ) -> None:
        self._pool = pool
        self._legal = legal
        self._settings = settings
        self._carriers = carriers
        self._base = base
        self._ladders = ladders
        self.news = asyncio.Event()

    # what people do -------------------------------------------------------------------------------------------------------

    async def claim(self, intake_id: int, person_id: int) -> Obligation:
        """Let somebody take a call-back in hand, for three minutes.

        raises   NotNow where somebody else has it
        """
        async with self._owed(intake_id) as (connection, now, owed):
            self._refuse_void(owed)
            self._refuse_claimed(owed, person_id, now)
            await self._claimed(connection, owed, person_id, now + callback.CLAIM, now)
            return structs.replace(owed, claimed_by=person_id, claim_until=now + callback.CLAIM)

    async def hand_on(self, intake_id: int, person_id: int) -> None:
        """Let a claim go; people are paged again.

        raises   NotNow where it is not his, or his attempt is under way
        """
        async with self._owed(intake_id) as (connection, now, owed):
            if owed.claimed_by != person_id:
                raise NotNow("you have not claimed this call-back")
            if owed.claim_until is None:
                raise NotNow("your attempt is under way; it must end first")
            await self._lapsed(connection, owed, now, why="handed on", hand_on=True)

    async def begin(self, intake_id: int, person: StaffMember, *, number: str = "", confirmed: bool = False) -> Attempt:
        """Begin to call back: the representative's own telephone rings first.

        number     E.164; '': the best that is known
        confirmed  a number that nobody gave, or that costs, is meant
        raises     NotNow
        """
        if not person.phone:
            raise NotNow("your own number is not known; have it added to the staff")
        async with self._owed(intake_id) as (connection, now, owed):
            one = await store.call(connection, intake_id)
            carrier = None if one is None else self._carriers.of(one.called)
            if carrier is None:
                raise NotNow("no carrier is set up that could call")
            attempt_id = await self._begun(connection, owed, carrier, person.person_id, now, number=number, confirmed=confirmed)
        at = LineAddresses(self._base, carrier.name)
        try:
            call_id = await self._carriers.call(
                carrier,
                to=person.phone,
                sender=carrier.numbers[0],
                url=at.attempt(attempt_id, "rep"),
                status=at.attempt(attempt_id, "rep-status"),
            )
        except NotPlaced as trouble:
            async with self._attempt(attempt_id) as (connection, now, attempt):
                await self._ended(connection, structs.replace(attempt, status=AttemptStatus.REP_LOST), now)
            raise NotNow(f"your telephone could not be rung: {trouble}") from None
        async with self._attempt(attempt_id) as (connection, _, attempt):
            attempt = structs.replace(attempt, rep_call_id=call_id)
            await store.put_attempt(connection, attempt)
            return attempt

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
        return (Say(WAIT), self._room(carrier, attempt_id))

    async def room_of(self, connection: db.Executor, carrier: Carrier, call_id: str) -> Document:
        """Return the room that a representative's leg waits in, once more."""
        attempt_id = await store.sql.attempt_of_leg(connection, carrier=carrier.name, call_id=call_id)
        return (Hangup(),) if attempt_id is None else (Say(WAIT), self._room(carrier, attempt_id))

    async def leg_over(self, carrier: Carrier, call_id: str) -> None:
        """Note that a representative's leg is over that began as another call."""
        attempt_id = await store.sql.attempt_of_leg(self._pool, carrier=carrier.name, call_id=call_id)
        if attempt_id is not None:
            await self.rep_status(attempt_id, Happened(call_id=call_id, status=CallStatus.COMPLETED))

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
        await self._claimed(connection, owed, person_id, None, now)
        attempt_id: int = await store.sql.add_attempt(
            connection,
            obligation_id=owed.obligation_id,
            person_id=person_id,
            carrier=carrier.name,
            number=number,
            now=now,
        )
        await store.note(connection, owed.intake_id, now, f"staff {person_id}", "attempt", number=number, attempt=attempt_id)
        return attempt_id

    async def choose(self, intake_id: int, attempt_id: int, person_id: int, result: Result) -> Attempt:
        """Keep what a representative says became of his attempt.

        raises   NotNow
        """
        async with self._attempt(attempt_id) as (connection, now, attempt):
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
            elif attempt.placed_at is not None and owed.connected_at is None and owed.next_try_at is None:
                await self._try_again(connection, owed, now)
            return attempt

    async def engaged(self, intake_id: int, person_id: int) -> Obligation:
        """Note that a call was taken live, and that the caller wants no call-back (model, section 4.2, step 3).

        raises   NotNow where he did not take it
        """
        async with self._owed(intake_id) as (connection, now, owed):
            one = await store.call(connection, intake_id)
            assert one is not None
            self._refuse_void(owed)
            if not one.state.human_took or one.accepted_by != person_id:
                raise NotNow("only who took this call live can say that no call-back is needed; call back instead")
            outcome = callback.judged(owed.due_at, [now], pending=False, now=now)
            await store.put_result(connection, owed, engaged_at=now, outcome=outcome, outcome_at=now)
            await self._ladders.end(connection, owed.obligation_id, because=f"staff {person_id} took the call live", now=now)
            await store.note(connection, intake_id, now, f"staff {person_id}", "engaged live")
            return await store.obligation_by_id(connection, owed.obligation_id)

    async def void(self, intake_id: int, person_id: int, reason: str) -> Obligation:
        """Say that a call-back is not owed: a test, a duplicate, spam. The second person makes it so.

        raises   NotNow where he has said so already
        """
        async with self._owed(intake_id) as (connection, now, owed):
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
        async with self._owed(intake_id) as (connection, now, owed):
            one = await store.call(connection, intake_id)
            assert one is not None
            said = {"clause": clause, "reason": reason, "route": route}
            known = account_id if account_id is not None else one.account_id
            if known is not None:
                await self._ladders.belong(connection, owed.obligation_id, known, owed.due_at)
            await store.sql.decide(
                connection,
                intake_id=intake_id,
                entitlement=verdict.value,
                decision=msgspec.json.encode({"by": person_id, "at": now.isoformat(), **said}).decode(),
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

    # what carriers tell ---------------------------------------------------------------------------------------------------

    async def rep_leg(self, carrier: Carrier, attempt_id: int) -> Document:
        """Return what the representative hears: a voicemail presses no key."""
        at = LineAddresses(self._base, carrier.name)
        return (Gather(action=at.attempt(attempt_id, "rep-key"), prompt=(Say(BRIDGE),), digits=1, timeout_s=8), Hangup())

    async def rep_key(self, carrier: Carrier, attempt_id: int, happened: Happened) -> Document:
        """Let the representative wait in the room, and have the customer's leg placed."""
        if happened.digits != "1":
            return (Hangup(),)
        async with self._attempt(attempt_id) as (connection, _, attempt):
            if attempt.carrier != carrier.name or attempt.ended_at is not None:
                return (Hangup(),)
            if attempt.status is AttemptStatus.CALLING_REP:
                await store.put_attempt(connection, structs.replace(attempt, status=AttemptStatus.REP_ANSWERED))
        self.news.set()
        return (Say(WAIT), self._room(carrier, attempt_id))

    async def rep_status(self, attempt_id: int, happened: Happened) -> None:
        """Note that the representative's leg is over before the customer's was placed."""
        if happened.status is None or not happened.status.is_end:
            return
        async with self._attempt(attempt_id) as (connection, now, attempt):
            if attempt.status in _BEFORE_CUSTOMER and attempt.ended_at is None:
                await self._ended(connection, structs.replace(attempt, status=AttemptStatus.REP_LOST), now)

    async def joined(self, carrier: Carrier, attempt_id: int) -> Document:
        """Connect the customer, who has answered."""
        return (self._room(carrier, attempt_id),)

    async def voicemail(self, attempt_id: int) -> Document:
        """Return what a machine is told: nothing of the problem."""
        async with self._attempt(attempt_id) as (connection, _, attempt):
            owed = await store.obligation_by_id(connection, attempt.obligation_id)
            one = await store.call(connection, owed.intake_id)
        assert one is not None
        return (Say(VOICEMAIL.format(reference=" ".join(one.reference))), Hangup())

    async def customer_status(self, carrier: Carrier, attempt_id: int, happened: Happened) -> None:
        """Note how far the customer's leg has come. It may be told before the carrier's answer to us comes back."""
        if happened.status is None:
            return
        async with self._attempt(attempt_id) as (connection, now, attempt):
            if attempt.carrier != carrier.name or (happened.sequence is not None and happened.sequence <= attempt.sequence):
                return
            if attempt.status in _BEFORE_CUSTOMER:
                return  # nobody has placed that leg
            evidence = attempt.evidence_at or (now if callback.is_proof(happened.status) else None)
            connected = attempt.connected_at or (now if happened.status is CallStatus.ANSWERED else None)
            attempt = structs.replace(
                attempt,
                status=callback.progress(attempt.status, happened.status, machine=happened.machine),
                call_id=attempt.call_id or happened.call_id,
                evidence_at=evidence,
                placed_at=attempt.placed_at or callback.placed_at(accepted_at=attempt.accepted_at, evidence_at=evidence),
                connected_at=connected,
                sequence=attempt.sequence if happened.sequence is None else happened.sequence,
            )
            await self._proven(connection, attempt, now)
            over = happened.status.is_end
            human = attempt.status is AttemptStatus.HUMAN and (over or carrier.family is Family.JAMBONZ)
            if human and attempt.connected_at is not None:
                await self._reached(connection, attempt)
            if over:
                await self._ended(connection, attempt, now)
            else:
                await store.put_attempt(connection, attempt)

    async def machine(self, carrier: Carrier, attempt_id: int, happened: Happened) -> None:
        """Note who answered, as the carrier found out meanwhile; a machine is told neutral words."""
        is_machine = happened.machine.startswith(("machine", "fax"))
        async with self._attempt(attempt_id) as (connection, _, attempt):
            if attempt.carrier != carrier.name or not happened.machine:
                return
            if is_machine:
                await store.put_attempt(connection, structs.replace(attempt, status=AttemptStatus.MACHINE))
            elif attempt.connected_at is not None:
                await self._reached(connection, attempt)
        if is_machine and attempt.call_id:
            at = LineAddresses(self._base, carrier.name)
            await self._carriers.redirect(carrier, attempt.call_id, at.attempt(attempt_id, "voicemail"))

    # what time does -------------------------------------------------------------------------------------------------------

    async def place(self) -> int:
        """Place the customer's legs that representatives wait for; return how many."""
        with db.trouble_is_temporary():
            async with db.holding(self._pool, store.sql.to_place) as (connection, rows):
                waiting = [store.attempt_of(row) for row in rows]
                for attempt in waiting:
                    await store.put_attempt(connection, structs.replace(attempt, status=AttemptStatus.PLACING))
        async with asyncio.TaskGroup() as tasks:
            for attempt in waiting:
                tasks.create_task(self._place(attempt))
        return len(waiting)

    async def judge(self, now: datetime) -> None:
        """Write down what did not ring, what was missed, whose claim is over, and page for whom it is time."""
        too_late = {"accepted_before": now - callback.PROOF_WITHIN, "created_before": now - LOST_AFTER}
        async with db.holding(self._pool, store.sql.unproven, **too_late) as (connection, rows):
            for attempt in map(store.attempt_of, rows):
                lost = AttemptStatus.REP_LOST if attempt.status in _BEFORE_CUSTOMER else AttemptStatus.NOT_SET_UP
                await self._ended(connection, structs.replace(attempt, status=lost), now)
        async with db.holding(self._pool, store.sql.overdue, now=now) as (connection, rows):
            for owed in map(store.obligation_of, rows):
                await self._overdue(connection, owed, now)
        async with db.holding(self._pool, store.sql.lapsed, now=now) as (connection, rows):
            for owed in map(store.obligation_of, rows):
                await self._lapsed(connection, owed, now, why="claim lapsed")
        async with db.holding(self._pool, store.sql.to_retry, now=now) as (connection, rows):
            for owed in map(store.obligation_of, rows):
                await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=None)
                await self._ladders.start(connection, await self._page(connection, owed, PageReason.RETRY), now)
                await store.note(connection, owed.intake_id, now, "homing", "time to try again")

    # steps ----------------------------------------------------------------------------------------------------------------

    async def _place(self, attempt: Attempt) -> None:
        carrier = self._carriers.all[attempt.carrier]
        at = LineAddresses(self._base, carrier.name)
        try:
            call_id = await self._carriers.call(
                carrier,
                to=attempt.number,
                sender=carrier.numbers[0],
                url=at.attempt(attempt.attempt_id, "join"),
                status=at.attempt(attempt.attempt_id, "customer"),
                detect=at.attempt(attempt.attempt_id, "machine"),
                ring_s=60,
            )
        except NotPlaced as trouble:
            async with self._attempt(attempt.attempt_id) as (connection, now, known):
                if known.evidence_at is None:  # else its answer alone was lost
                    log.warning("sev1_leg_refused", attempt=attempt.attempt_id, why=str(trouble))
                    await self._ended(connection, structs.replace(known, status=AttemptStatus.FAILED), now)
            return
        async with self._attempt(attempt.attempt_id) as (connection, now, known):
            taken = known.accepted_at or now
            known = structs.replace(
                known,
                call_id=call_id,
                accepted_at=taken,
                placed_at=known.placed_at or callback.placed_at(accepted_at=taken, evidence_at=known.evidence_at),
                status=AttemptStatus.SET_UP if known.status is AttemptStatus.PLACING else known.status,
            )
            await self._proven(connection, known, now)
            await store.put_attempt(connection, known)

    async def _proven(self, connection: db.Executor, attempt: Attempt, now: datetime) -> None:
        """Let an attempt count, once it is placed: for its own call-back, and for those of the same contact and number."""
        if attempt.placed_at is None:
            return
        owed = await store.obligation_by_id(connection, attempt.obligation_id)
        await self._ladders.end(connection, owed.obligation_id, because=f"staff {attempt.person_id} called back", now=now)
        if owed.returned_at is not None or owed.voided_at is not None:
            return
        one = await store.call(connection, owed.intake_id)
        assert one is not None
        rows = store.sql.siblings(
            connection,
            obligation_id=owed.obligation_id,
            placed_at=attempt.placed_at,
            account_id=one.account_id,
            number=attempt.number,
            contact_id=one.contact_id,
        )
        for each in [owed, *[store.obligation_of(row) async for row in rows]]:
            outcome = callback.judged(each.due_at, [attempt.placed_at], pending=False, now=now)
            await store.put_result(connection, each, returned_at=attempt.placed_at, outcome=outcome, outcome_at=attempt.placed_at)
            if each is not owed:
                await self._ladders.end(connection, each.obligation_id, because=f"staff {attempt.person_id} called back", now=now)
            await store.note(
                connection,
                each.intake_id,
                now,
                f"staff {attempt.person_id}",
                "returned",
                attempt=attempt.attempt_id,
                placed_at=attempt.placed_at.isoformat(),
                in_time=attempt.placed_at <= each.due_at,
            )

    async def _reached(self, connection: db.Executor, attempt: Attempt) -> None:
        owed = await store.obligation_by_id(connection, attempt.obligation_id)
        await store.put_result(connection, owed, connected_at=attempt.connected_at)
        await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=None)

    async def _ended(self, connection: db.Executor, attempt: Attempt, now: datetime) -> None:
        """End an attempt: its claim runs on for three minutes, and who was not reached is tried again (E14, E15)."""
        if attempt.ended_at is not None:
            await store.put_attempt(connection, attempt)
            return
        attempt = structs.replace(attempt, ended_at=now)
        await store.put_attempt(connection, attempt)
        owed = await store.obligation_by_id(connection, attempt.obligation_id)
        await store.note(
            connection, owed.intake_id, now, "carrier", "attempt ended", attempt=attempt.attempt_id, status=attempt.status.value
        )
        if owed.claimed_by == attempt.person_id:
            await store.sql.put_claim(
                connection, obligation_id=owed.obligation_id, person_id=owed.claimed_by, until=now + callback.CLAIM
            )
            await self._ladders.hold(connection, owed.obligation_id, owed.claimed_by, now)
        if attempt.placed_at is not None and owed.connected_at is None and attempt.status is not AttemptStatus.HUMAN:
            await self._try_again(connection, owed, now)

    async def _try_again(self, connection: db.Executor, owed: Obligation, now: datetime) -> None:
        placed = [one.placed_at for one in await store.attempts_of(connection, owed.obligation_id) if one.placed_at is not None]
        if not placed or owed.voided_at is not None:
            return
        form = None if owed.account_id is None else await contracts.order_form_at(connection, owed.account_id, EMAIL, now)
        cadence = DEFAULT_CADENCE if form is None else timedelta(seconds=form.cadence_s)
        at = callback.next_try(min(placed), len(placed), last_at=now, cadence=cadence)
        await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=at)
        await store.note(connection, owed.intake_id, now, "homing", "not reached", next_try_at=at.isoformat())

    async def _overdue(self, connection: db.Executor, owed: Obligation, now: datetime) -> None:
        tries = await store.attempts_of(connection, owed.obligation_id)
        placed = [one.placed_at for one in tries if one.placed_at is not None]
        pending = any(
            one.ended_at is None and one.evidence_at is None and one.accepted_at is not None and one.accepted_at <= owed.due_at
            for one in tries
        )
        outcome = callback.judged(owed.due_at, placed, pending=pending, now=now)
        if outcome is None:
            return
        await store.put_result(connection, owed, outcome=outcome, outcome_at=owed.due_at)
        if outcome is Outcome.MISSED:
            await store.note(connection, owed.intake_id, now, "homing", "missed", due_at=owed.due_at.isoformat())
            log.error("sev1_call_back_missed", intake=owed.intake_id, due_at=owed.due_at)

    async def _lapsed(self, connection: db.Executor, owed: Obligation, now: datetime, *, why: str, hand_on: bool = False) -> None:
        await store.sql.put_claim(connection, obligation_id=owed.obligation_id, person_id=None, until=None)
        await store.note(connection, owed.intake_id, now, "homing", why, person=owed.claimed_by)
        page = await self._page(connection, owed, PageReason.CLAIM_LAPSED)
        await self._ladders.let_go(connection, page, now, hand_on=hand_on)

    async def _page(self, connection: db.Executor, owed: Obligation, reason: PageReason) -> Page:
        one = await store.call(connection, owed.intake_id)
        assert one is not None
        return Page(
            reason=reason,
            reference=one.reference,
            obligation_id=owed.obligation_id,
            account_id=one.account_id,
            first_ring_at=one.first_ring_at,
            due_at=owed.due_at,
        )

    async def _claimed(
        self, connection: db.Executor, owed: Obligation, person_id: int, until: datetime | None, now: datetime
    ) -> None:
        await store.sql.put_claim(connection, obligation_id=owed.obligation_id, person_id=person_id, until=until)
        await self._ladders.hold(connection, owed.obligation_id, person_id, now)
        await store.sql.answered(connection, obligation_id=owed.obligation_id, person_id=person_id, now=now)
        if owed.claimed_by != person_id:
            await store.note(connection, owed.intake_id, now, f"staff {person_id}", "claimed")

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

    def _room(self, carrier: Carrier, attempt_id: int) -> Conference:
        at = LineAddresses(self._base, carrier.name)
        return Conference(room=f"cb-{attempt_id}", action=at.attempt(attempt_id, "end"), status=at.attempt(attempt_id, "room"))

    def _refuse_void(self, owed: Obligation) -> None:
        if owed.voided_at is not None:
            raise NotNow("two people have said that this call-back is not owed")

    def _refuse_claimed(self, owed: Obligation, person_id: int, now: datetime) -> None:
        if not callback.may_claim(claimed_by=owed.claimed_by, claim_until=owed.claim_until, person_id=person_id, now=now):
            until = "while his attempt is under way" if owed.claim_until is None else f"until {owed.claim_until:%H:%M:%S} UTC"
            raise NotNow(f"staff {owed.claimed_by} has this call-back in hand {until}")

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[tuple[Any, datetime]]:
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection, await self._legal.now(connection)

    @asynccontextmanager
    async def _owed(self, intake_id: int) -> AsyncIterator[tuple[Any, datetime, Obligation]]:
        async with self._transaction() as (connection, now):
            owed = await store.obligation_locked(connection, intake_id)
            if owed is None:
                raise NotNow("there is no such call", missing=True)
            yield connection, now, owed

    @asynccontextmanager
    async def _attempt(self, attempt_id: int) -> AsyncIterator[tuple[Any, datetime, Attempt]]:
        async with self._transaction() as (connection, now):
            attempt = await store.attempt_locked(connection, attempt_id)
            if attempt is None:
                raise NotNow("there is no such attempt", missing=True)
            yield connection, now, attempt
