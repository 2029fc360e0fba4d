"""The legs of a call-back: the representative's first and then the customer's, what each hears, and what carriers tell of them.

Whatever dies meanwhile, the rows say where to go on.
"""

import asyncio

from msgspec import structs

from homing.ground import db
from homing.ground.log import get
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.attempts import BEFORE_CUSTOMER, Attempts
from homing.support.line.carriers import Carriers, NotPlaced
from homing.support.line.ringing import Ringing, sender
from homing.support.line.rules import callback
from homing.support.line.rules.document import Conference, Document, Gather, Hangup, Say
from homing.support.line.types import Attempt, AttemptStatus, CallStatus, Carrier, Family, Happened

log = get("line")

BRIDGE = "Severity 1 call-back. Press 1 to be connected with the customer."
WAIT = "One moment. We are calling."
REFUSED = "The carrier did not take the call to the customer. If there is another carrier, it rings you now."
VOICEMAIL = "This is support, returning your call. Your reference is {reference}. We will try again shortly."


class Legs:
    """Connects representatives with customers. One for a worker; `news` is set when a leg must be placed at once."""

    def __init__(self, pool: db.Pool, attempts: Attempts, carriers: Carriers, ringing: Ringing, *, base: str) -> None:
        self._pool = pool
        self._attempts = attempts
        self._carriers = carriers
        self._ringing = ringing
        self._base = base
        self.news = asyncio.Event()

    async def rep_leg(self, carrier: Carrier, attempt_id: int) -> Document:
        """Return what the representative hears: a voicemail presses no key."""
        at = LineAddresses(self._base, carrier.name)
        return (Gather(action=at.attempt(attempt_id, "rep-key"), prompt=(Say(BRIDGE),), digits=1, timeout_s=8), Hangup())

    async def rep_key(self, carrier: Carrier, attempt_id: int, happened: Happened) -> Document:
        """Let the representative wait in the room, and have the customer's leg placed."""
        if happened.digits != "1":
            return (Hangup(),)
        async with self._attempts.attempt(attempt_id) as (connection, _, attempt):
            if attempt.carrier != carrier.name or attempt.ended_at is not None:
                return (Hangup(),)
            if attempt.status is AttemptStatus.CALLING_REP:
                await store.put_attempt(connection, structs.replace(attempt, status=AttemptStatus.REP_ANSWERED))
        self.news.set()
        return (Say(WAIT), self.room(carrier, attempt_id))

    async def rep_status(self, attempt_id: int, happened: Happened) -> None:
        """Note that the representative's leg is over before the customer's was placed."""
        if happened.status is None or not happened.status.is_end:
            return
        async with self._attempts.attempt(attempt_id) as (connection, now, attempt):
            if attempt.status in BEFORE_CUSTOMER and attempt.ended_at is None:
                await self._attempts.ended(connection, structs.replace(attempt, status=AttemptStatus.REP_LOST), now)

    async def joined(self, carrier: Carrier, attempt_id: int) -> Document:
        """Connect the customer, who has answered."""
        return (self.room(carrier, attempt_id),)

    async def voicemail(self, attempt_id: int) -> Document:
        """Return what a machine is told: nothing of the problem."""
        async with self._attempts.attempt(attempt_id) as (connection, _, attempt):
            owed = await store.obligation_by_id(connection, attempt.obligation_id)
            one = await store.call(connection, owed.intake_id)
        assert one is not None
        return (Say(VOICEMAIL.format(reference=" ".join(one.reference))), Hangup())

    async def refused(self) -> Document:
        """Return what a representative hears whose carrier did not take the customer's leg."""
        return (Say(REFUSED), Hangup())

    async def customer_status(self, carrier: Carrier, attempt_id: int, happened: Happened) -> None:
        """Note how far the customer's leg has come. It may be told before the carrier's answer to us comes back."""
        if happened.status is None:
            return
        async with self._attempts.attempt(attempt_id) as (connection, now, attempt):
            if attempt.carrier != carrier.name or (happened.sequence is not None and happened.sequence <= attempt.sequence):
                return
            if attempt.status in BEFORE_CUSTOMER:
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
            await self._attempts.proven(connection, attempt, now)
            over = happened.status.is_end
            human = attempt.status is AttemptStatus.HUMAN and (over or carrier.family is Family.JAMBONZ)
            if human and attempt.connected_at is not None:
                await self._attempts.reached(connection, attempt)
            if over:
                await self._attempts.ended(connection, attempt, now)
            else:
                await store.put_attempt(connection, attempt)

    async def machine(self, carrier: Carrier, attempt_id: int, happened: Happened) -> None:
        """Note who answered, as the carrier found out meanwhile; a machine is told neutral words."""
        is_machine = happened.machine.startswith(("machine", "fax"))
        async with self._attempts.attempt(attempt_id) as (connection, _, attempt):
            if attempt.carrier != carrier.name or not happened.machine:
                return
            if is_machine:
                await store.put_attempt(connection, structs.replace(attempt, status=AttemptStatus.MACHINE))
            elif attempt.connected_at is not None:
                await self._attempts.reached(connection, attempt)
        if is_machine and attempt.call_id:
            at = LineAddresses(self._base, carrier.name)
            await self._carriers.redirect(carrier, attempt.call_id, at.attempt(attempt_id, "voicemail"))

    async def place(self) -> int:
        """Place the customer's legs that representatives wait for; return how many."""
        with db.trouble_is_temporary():
            async with db.holding(self._pool, store.sql.to_place) as (connection, rows):
                waiting = [(store.attempt_of(row), row["called"]) for row in rows]
                for attempt, _ in waiting:
                    await store.put_attempt(connection, structs.replace(attempt, status=AttemptStatus.PLACING))
        async with asyncio.TaskGroup() as tasks:
            for attempt, called in waiting:
                tasks.create_task(self._place(attempt, called))
        return len(waiting)

    async def room_of(self, connection: db.Executor, carrier: Carrier, call_id: str) -> Document:
        """Return the room that a representative's leg waits in, once more."""
        attempt_id = await store.sql.attempt_of_leg(connection, carrier=carrier.name, call_id=call_id)
        return (Hangup(),) if attempt_id is None else (Say(WAIT), self.room(carrier, attempt_id))

    def room(self, carrier: Carrier, attempt_id: int) -> Conference:
        """Return the room in which representative and customer of an attempt meet."""
        at = LineAddresses(self._base, carrier.name)
        return Conference(room=f"cb-{attempt_id}", action=at.attempt(attempt_id, "end"), status=at.attempt(attempt_id, "room"))

    async def leg_over(self, carrier: Carrier, call_id: str) -> None:
        """Note that a representative's leg is over that began as another call."""
        attempt_id = await store.sql.attempt_of_leg(self._pool, carrier=carrier.name, call_id=call_id)
        if attempt_id is not None:
            await self.rep_status(attempt_id, Happened(call_id=call_id, status=CallStatus.COMPLETED))

    async def _place(self, attempt: Attempt, called: str) -> None:
        carrier = self._carriers.all[attempt.carrier]
        at = LineAddresses(self._base, carrier.name)
        try:
            call_id = await self._carriers.call(
                carrier,
                to=attempt.number,
                sender=sender(carrier, called),
                url=at.attempt(attempt.attempt_id, "join"),
                status=at.attempt(attempt.attempt_id, "customer"),
                detect=at.attempt(attempt.attempt_id, "machine"),
                ring_s=60,
            )
        except NotPlaced as trouble:
            async with self._attempts.attempt(attempt.attempt_id) as (connection, now, known):
                if known.evidence_at is not None:  # its answer alone was lost
                    return
                log.warning("sev1_leg_refused", attempt=attempt.attempt_id, carrier=carrier.name, why=str(trouble))
                await self._attempts.ended(connection, structs.replace(known, status=AttemptStatus.FAILED), now)
            await self._ringing.elsewhere(known)
            return
        async with self._attempts.attempt(attempt.attempt_id) as (connection, now, known):
            taken = known.accepted_at or now
            known = structs.replace(
                known,
                call_id=call_id,
                accepted_at=taken,
                placed_at=known.placed_at or callback.placed_at(accepted_at=taken, evidence_at=known.evidence_at),
                status=AttemptStatus.SET_UP if known.status is AttemptStatus.PLACING else known.status,
            )
            await self._attempts.proven(connection, known, now)
            await store.put_attempt(connection, known)
