"""The legs of a call-back: the representative's first and then the customer's, what each hears, and what carriers tell of them.

Whatever dies meanwhile, the rows say where to go on.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import structs

from homing.ground import db
from homing.ground.log import get
from homing.ground.turns import PASSING, edge
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.attempts import BEFORE_CUSTOMER, Attempts
from homing.support.line.carriers import Carriers, NotPlaced
from homing.support.line.ringing import Ringing, sender
from homing.support.line.rules import callback
from homing.support.line.rules.document import Conference, Document, Gather, Hangup, Say
from homing.support.line.types import Attempt, AttemptStatus, CallStatus, Carrier, Family, Happened

log = get("line")

KEEPS_TRYING_S = 300.0  # to note that a leg was placed, while the store is away
When = Callable[[datetime], datetime]  # from the moment at which something is kept to that at which it was told

BRIDGE = "Severity 1 call-back. Press 1 to be connected with the customer."
WAIT = "One moment. We are calling."
AWAY_VOICEMAIL = "This is support, returning your call. We will try again shortly."
REFUSED = "The carrier did not take the call to the customer. If there is another carrier, it rings you now."
VOICEMAIL = "This is support, returning your call. Your reference is {reference}. We will try again shortly."


def just_now(now: datetime) -> datetime:
    """Return the moment itself: it was told just now."""
    return now


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

    async def customer_status(
        self, carrier: Carrier, attempt_id: int, happened: Happened, *, told: When = just_now, rang: When | None = None
    ) -> None:
        """Note how far the customer's leg has come. It may be told before the carrier's answer to us comes back.

        told   when the carrier told it; the store may have been away meanwhile
        rang   when it rang at the latest, where that is not when it was told
        """
        if happened.status is None:
            return
        async with self._attempts.attempt(attempt_id) as (connection, now, attempt):
            if attempt.carrier != carrier.name or attempt.status in BEFORE_CUSTOMER:
                return  # it is another one's, or nobody has placed that leg
            late = happened.sequence is not None and happened.sequence <= attempt.sequence
            evidence = attempt.evidence_at
            if callback.is_proof(happened.status) and attempt.placed_at is None:
                if evidence is None:
                    evidence = (rang or told)(now)
                elif rang is None:
                    evidence = min(evidence, told(now))  # what was told first may be heard last
            if late and evidence == attempt.evidence_at:
                return
            placed = attempt.placed_at or callback.placed_at(accepted_at=attempt.accepted_at, evidence_at=evidence)
            attempt = structs.replace(attempt, evidence_at=evidence, placed_at=placed)
            if late:
                await self._attempts.proven(connection, attempt, now)
                await store.put_attempt(connection, attempt)
                return
            connected = attempt.connected_at or (told(now) if happened.status is CallStatus.ANSWERED else None)
            attempt = structs.replace(
                attempt,
                status=callback.progress(attempt.status, happened.status, machine=happened.machine),
                call_id=attempt.call_id or happened.call_id,
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

    async def machine(self, carrier: Carrier, attempt_id: int, happened: Happened, *, late: bool = False) -> None:
        """Note who answered, as the carrier found out meanwhile; a machine is told neutral words, unless that is late."""
        is_machine = happened.machine.startswith(("machine", "fax"))
        async with self._attempts.attempt(attempt_id) as (connection, _, attempt):
            if attempt.carrier != carrier.name or not happened.machine:
                return
            if is_machine:
                await store.put_attempt(connection, structs.replace(attempt, status=AttemptStatus.MACHINE))
            elif attempt.connected_at is not None:
                await self._attempts.reached(connection, attempt)
        if is_machine and attempt.call_id and not late:
            at = LineAddresses(self._base, carrier.name)
            await self._carriers.redirect(carrier, attempt.call_id, at.attempt(attempt_id, "voicemail"))

    async def played(self, carrier: Carrier, attempt_id: int, leg: str, happened: Happened, *, at: datetime) -> None:
        """Take what a carrier told while the store was away. raises NotNow where there is no such attempt."""
        match leg:
            case "rep-key":
                await self.rep_key(carrier, attempt_id, happened)
            case "rep-status":
                await self.rep_status(attempt_id, happened)
            case "customer":
                await self.customer_status(carrier, attempt_id, happened, told=lambda now: min(at, now))
            case "machine":
                await self.machine(carrier, attempt_id, happened, late=True)
            case _:
                pass

    async def ask(self) -> None:
        """Ask carriers about the legs of which nobody told that they ring: that may have been lost.

        A leg that rings when it is asked about counts as having rung in time: its carrier is asked once that time is over.
        """
        async with asyncio.TaskGroup() as tasks:
            for attempt in await self._attempts.to_ask():
                tasks.create_task(self._ask(attempt))

    async def _ask(self, attempt: Attempt) -> None:
        carrier = self._carriers.all.get(attempt.carrier)
        with edge(log, waits="sev1_leg_not_asked", failed="sev1_leg_ask_failed", attempt=attempt.attempt_id):
            try:
                stands = None if carrier is None else await self._carriers.look(carrier, attempt.call_id)
            except NotPlaced as trouble:
                log.warning("sev1_leg_not_asked", attempt=attempt.attempt_id, why=str(trouble))
                return
            if carrier is not None and stands is not None and stands.status is not None:
                if callback.is_proof(stands.status):
                    log.error("sev1_webhook_lost", carrier=carrier.name, attempt=attempt.attempt_id)
                in_time = (attempt.accepted_at or attempt.created_at) + callback.PROOF_WITHIN
                await self.customer_status(carrier, attempt.attempt_id, stands, rang=lambda now: min(in_time, now))
            await self._attempts.asked(attempt.attempt_id)

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
        await self._taken(attempt.attempt_id, call_id)

    async def _taken(self, attempt_id: int, call_id: str) -> None:
        """Note that the carrier has taken the customer's leg, once the store is there: else nobody could ask for it."""
        loop = asyncio.get_running_loop()
        took, waits = loop.time(), 0.0
        while True:
            try:
                async with self._attempts.attempt(attempt_id) as (connection, now, known):
                    taken = known.accepted_at or now - timedelta(seconds=loop.time() - took if waits else 0.0)
                    known = structs.replace(
                        known,
                        call_id=call_id,
                        accepted_at=taken,
                        placed_at=known.placed_at or callback.placed_at(accepted_at=taken, evidence_at=known.evidence_at),
                        status=AttemptStatus.SET_UP if known.status is AttemptStatus.PLACING else known.status,
                    )
                    await self._attempts.proven(connection, known, now)
                    await store.put_attempt(connection, known)
                    return
            except PASSING as trouble:
                if loop.time() - took > KEEPS_TRYING_S:
                    raise
                log.warning("sev1_leg_waits_to_be_noted", attempt=attempt_id, cause=type(trouble).__name__)
                waits = min(2 * waits or 0.2, 2.0)
                await asyncio.sleep(waits)
