"""Letting mail and voicemail out of quarantine: a member of the staff says whose word it is, or that nobody wants it."""

import asyncio
from collections.abc import Collection, Sequence

import msgspec

from homing.contracts import contacts
from homing.contracts.contacts import Known
from homing.contracts.types import Contact
from homing.ground import db
from homing.support.cases.mailroom import said
from homing.support.cases.rules.reading import read_mail
from homing.support.cases.types import Actor, Verified
from homing.support.threads import own_number_store as calls
from homing.support.threads import store
from homing.support.threads.desk import Threads
from homing.support.threads.types import Message, Quarantined, Sort


class Gate:
    """Decides on what waits in quarantine."""

    def __init__(self, pool: db.Pool, threads: Threads) -> None:
        self._pool = pool
        self._threads = threads

    async def candidates(self, held: Sequence[Quarantined], account_ids: Collection[int]) -> dict[int, list[Known]]:
        """Return whose word each may be, by its number: contacts with that address or verified number in these accounts.

        What is known to belong to an account has those of that account alone.
        """
        known, allowed = await contacts.known_by(self._pool, [one.sender for one in held if one.sender]), set(account_ids)
        found: dict[int, list[Known]] = {}
        for one in held:
            mine = allowed if one.account_id is None else allowed & {one.account_id}
            found[one.quarantine_id] = [each for each in known.get(one.sender, []) if each.account_id in mine]
        return found

    async def release(self, quarantine_id: int, by: Actor, *, contact: Contact) -> Message | None:
        """Let a mail or voicemail in that a person vouches for; an answer is owed since it was received. None: none waits."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                taken = await store.take_quarantined(connection, quarantine_id)
                if taken is None:
                    return None
                held, raw = taken
                if held.call_ref is not None:
                    made = await self._voicemail(connection, held, contact)
                else:
                    mail = await asyncio.to_thread(read_mail, raw, null_sender=False)
                    incoming = msgspec.structs.replace(said(mail, contact, verified=Verified.STAFF), automatic=False, dedupe=None)
                    made = await self._threads.word_in(
                        connection,
                        contact.account_id,
                        incoming,
                        sort=Sort.WORD,
                        contact_id=contact.contact_id,
                        received_at=held.received_at,
                    )
                at = await self._threads.legal.now(connection)
                await store.decide(connection, quarantine_id, at=at, by=by.name, account_id=contact.account_id)
        self._threads.news()
        return made

    async def _voicemail(self, connection: db.Executor, held: Quarantined, contact: Contact) -> Message:
        call = await calls.call(connection, held.call_ref or 0)
        assert call is not None
        await calls.put_owner(connection, call.call_ref, account_id=contact.account_id, contact_id=contact.contact_id)
        return await self._threads.word_in(
            connection,
            contact.account_id,
            calls.voicemail(call, contact, verified=Verified.STAFF),
            sort=Sort.VOICEMAIL,
            contact_id=contact.contact_id,
            received_at=held.received_at,
            call_ref=call.call_ref,
        )

    async def discard(self, quarantine_id: int, by: Actor) -> bool:
        """Throw it away; False: it does not wait. The recording of a voicemail stays until its time is over."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                if await store.take_quarantined(connection, quarantine_id) is None:
                    return False
                at = await self._threads.legal.now(connection)
                await store.decide(connection, quarantine_id, at=at, by=by.name, account_id=None)
        return True
