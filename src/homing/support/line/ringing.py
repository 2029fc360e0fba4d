"""Rings a representative who calls back, by one carrier after the other: the second one is there for when the first is down.

An attempt is one carrier's. What a carrier refuses ends there, and another attempt of the same person begins at the next one.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import structs

from homing.contracts import people
from homing.ground import db
from homing.ground.log import get
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.attempts import Attempts
from homing.support.line.carriers import Carriers, NotPlaced
from homing.support.line.ladders import Ladders
from homing.support.line.rules import callback
from homing.support.line.types import Attempt, AttemptStatus, Call, Carrier, Obligation

log = get("line")


class Ringing:
    """Rings representatives. One for a worker."""

    def __init__(self, attempts: Attempts, carriers: Carriers, *, base: str, ladders: Ladders) -> None:
        self._attempts = attempts
        self._carriers = carriers
        self._base = base
        self._ladders = ladders

    def ways(self, one: Call, tries: Sequence[Attempt], now: datetime, *, wanted: str = "") -> list[Carrier]:
        """Return the carriers to call back by, best first. wanted: the name of the one that the representative chose."""
        at = self._carriers.of(one.called)
        usual = "" if at is None else at.name
        names = callback.carriers_to_try(list(self._carriers.all), tries, usual=usual, wanted=wanted, now=now)
        return [self._carriers.all[name] for name in names]

    async def claimed(
        self, connection: db.Executor, owed: Obligation, person_id: int, until: datetime | None, now: datetime
    ) -> None:
        """Note who has a call-back in hand. until: None: while his attempt is under way."""
        await store.sql.put_claim(connection, obligation_id=owed.obligation_id, person_id=person_id, until=until)
        await self._ladders.hold(connection, owed.obligation_id, person_id, now)
        await store.sql.answered(connection, obligation_id=owed.obligation_id, person_id=person_id, now=now)
        if owed.claimed_by != person_id:
            await store.note(connection, owed.intake_id, now, f"staff {person_id}", "claimed")

    async def begun(
        self, connection: db.Executor, owed: Obligation, carrier: Carrier, person_id: int, number: str, now: datetime
    ) -> int:
        """Write down that an attempt begins, and return its number."""
        await self.claimed(connection, owed, person_id, None, now)
        attempt_id: int = await store.sql.add_attempt(
            connection,
            obligation_id=owed.obligation_id,
            person_id=person_id,
            carrier=carrier.name,
            number=number,
            now=now,
        )
        said = {"number": number, "attempt": attempt_id, "carrier": carrier.name}
        await store.note(connection, owed.intake_id, now, f"staff {person_id}", "attempt", **said)
        return attempt_id

    async def ring(self, attempt_id: int, ways: Sequence[Carrier], *, phone: str, called: str) -> Attempt:
        """Have a representative rung by the first carrier that takes it; the attempt is that carrier's.

        attempt_id   at the first of the ways
        called       what the customer had called
        raises       NotPlaced where none does
        """
        refused: list[str] = []
        for carrier in ways:
            if refused:
                attempt_id = await self._at_another(attempt_id, carrier)
            at = LineAddresses(self._base, carrier.name)
            try:
                call_id = await self._carriers.call(
                    carrier,
                    to=phone,
                    sender=sender(carrier, called),
                    url=at.attempt(attempt_id, "rep"),
                    status=at.attempt(attempt_id, "rep-status"),
                )
            except NotPlaced as trouble:
                async with self._attempts.attempt(attempt_id) as (connection, now, attempt):
                    if attempt.status is not AttemptStatus.CALLING_REP:  # he has answered: the carrier's answer alone was lost
                        return attempt
                    log.warning("sev1_leg_refused", attempt=attempt_id, carrier=carrier.name, why=str(trouble))
                    await self._attempts.ended(connection, structs.replace(attempt, status=AttemptStatus.REP_LOST), now)
                refused.append(f"{carrier.name}: {trouble}")
                continue
            async with self._attempts.attempt(attempt_id) as (connection, _, attempt):
                attempt = structs.replace(attempt, rep_call_id=call_id)
                await store.put_attempt(connection, attempt)
                return attempt
        raise NotPlaced("; ".join(refused))

    async def elsewhere(self, attempt: Attempt) -> None:
        """Ring the representative by another carrier: the one of an attempt has refused the customer's leg."""
        if attempt.rep_call_id:  # he waits in a room to which nobody comes
            carrier = self._carriers.all[attempt.carrier]
            at = LineAddresses(self._base, carrier.name)
            await self._carriers.redirect(carrier, attempt.rep_call_id, at.attempt(attempt.attempt_id, "refused"))
        async with self._attempts.attempt(attempt.attempt_id) as (connection, now, known):
            owed = await store.obligation_by_id(connection, known.obligation_id)
            one = await store.call(connection, owed.intake_id)
            person = await people.one(connection, known.person_id)
            assert one is not None
            if person is None or not person.phone:
                return
            tries = await store.attempts_of(connection, owed.obligation_id)
            his = owed.claimed_by == known.person_id and owed.voided_at is None
            refused = callback.refused_at(tries, known.number, now)
            ways = [way for way in self.ways(one, tries, now) if way.name not in refused]
            if not his or not ways or any(each.ended_at is None for each in tries):
                return
            attempt_id = await self.begun(connection, owed, ways[0], known.person_id, known.number, now)
        try:
            await self.ring(attempt_id, ways, phone=person.phone, called=one.called)
        except NotPlaced as trouble:
            log.error("sev1_no_carrier_calls", intake=one.intake_id, why=str(trouble))

    async def _at_another(self, attempt_id: int, carrier: Carrier) -> int:
        async with self._attempts.attempt(attempt_id) as (connection, now, lost):
            owed = await store.obligation_by_id(connection, lost.obligation_id)
            if owed.claimed_by not in (None, lost.person_id):  # somebody else has taken it meanwhile
                raise NotPlaced(f"staff {owed.claimed_by} has this call-back in hand")
            return await self.begun(connection, owed, carrier, lost.person_id, lost.number, now)


def sender(carrier: Carrier, called: str) -> str:
    """Return the number that is shown: the one that the customer called, else one of the carrier's, which he was given, too."""
    return called if called in carrier.numbers else carrier.numbers[0]
