"""Call-backs that somebody dialled by hand, since no carrier of ours would: what he says of them, kept beside what is proven.

Such a call is no attempt (model, section 4.3: the carrier took the call, and ringing was told): it meets no promise and mends no
miss. Whoever reads of the miss reads of it, too. People are woken no more once somebody says that he reached the customer.
"""

from datetime import datetime

from homing.support.line import store
from homing.support.line.attempts import Attempts, NotNow
from homing.support.line.ladders import Ladders
from homing.support.line.rules.numbers import parse


class ByHand:
    """Keeps what people say that they dialled. One for a worker."""

    def __init__(self, attempts: Attempts, ladders: Ladders) -> None:
        self._attempts = attempts
        self._ladders = ladders

    async def note(
        self, intake_id: int, person_id: int, *, number: str, called_at: datetime, reached: bool, evidence: str
    ) -> None:
        """Keep a call that somebody dialled by hand; the same one twice is one.

        called_at  aware; as he says
        evidence   how it is known: a call list, a bill, who heard it
        raises     NotNow
        """
        async with self._attempts.owed(intake_id) as (connection, now, owed):
            one = await store.call(connection, intake_id)
            assert one is not None
            given = parse(number, near=one.caller or one.called)
            if not given:
                raise NotNow("this is no telephone number; write +<country code><number>")
            if not one.first_ring_at <= called_at <= now:
                raise NotNow("called_at must be between the first ring of the call and now")
            if owed.voided_at is not None:
                raise NotNow("two people have said that this call-back is not owed")
            said = {"number": given, "reached": reached, "evidence": evidence}
            new = await store.sql.add_hand_call(
                connection, obligation_id=owed.obligation_id, person_id=person_id, called_at=called_at, now=now, **said
            )
            if new is None:
                return
            who = f"staff {person_id}"
            await store.note(connection, intake_id, now, who, "called by hand", called_at=called_at.isoformat(), **said)
            if reached:
                await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=None)
                if owed.claim_until is not None:  # no attempt is under way
                    await store.sql.put_claim(connection, obligation_id=owed.obligation_id, person_id=None, until=None)
                because = f"{who} says that he reached the customer by hand"
                await self._ladders.end(connection, owed.obligation_id, because=because, now=now)
