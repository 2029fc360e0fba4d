"""Letting mail out of quarantine: a member of the staff says whose word it is, or that nobody wants it."""

import asyncio

import msgspec

from homing.contracts.types import Contact
from homing.ground import db
from homing.support.cases import quarantine
from homing.support.cases.desk import Answer, Desk, Opening, contact_actor
from homing.support.cases.mailroom import said
from homing.support.cases.rules import addresses
from homing.support.cases.rules.reading import read_mail
from homing.support.cases.types import Actor, Case, CaseKind, Source, Verified
from homing.support.clocks.store import LegalClock


class Gate:
    """Decides on quarantined mail."""

    def __init__(self, pool: db.Pool, desk: Desk, legal: LegalClock) -> None:
        self._pool = pool
        self._desk = desk
        self._legal = legal

    async def release(self, quarantine_id: int, by: Actor, *, case_id: int | None, contact: Contact | None) -> Case | str | None:
        """Let a mail in that a person vouches for: into a case, or as a new one; it counts from when it was received.

        contact   whose word it is
        returns   the case; a sentence that says why not; None where no such mail waits
        """
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                taken = await quarantine.take(connection, quarantine_id)
                if taken is None:
                    return None
                held, raw = taken
                if contact is None:
                    return "name the contact whose word it is; a stranger is made a contact first"
                mail = await asyncio.to_thread(read_mail, raw, null_sender=False)
                incoming = said(mail, contact, verified=Verified.STAFF)
                actor = contact_actor(contact)
                if case_id is None:
                    opening = Opening(
                        account_id=contact.account_id,
                        kind=CaseKind.INFORMATION,
                        subject=addresses.without_token(mail.subject) or "(no subject)",
                        source=Source.EMAIL,
                        first=msgspec.structs.replace(incoming, automatic=False),
                        contact_id=contact.contact_id,
                        received_at=held.received_at,
                    )
                    case: Answer = await self._desk.open_in(connection, opening, actor)
                else:
                    case = await self._desk.word_in(
                        connection,
                        case_id,
                        incoming,
                        actor,
                        contact_id=contact.contact_id,
                        words=mail.words,
                        account_id=contact.account_id,
                        received_at=held.received_at,
                    )
                if not isinstance(case, Case):
                    return "there is no such case of this contact's account"
                at = await self._legal.now(connection)
                await quarantine.decide(connection, quarantine_id, at=at, by=by.name, case_id=case.case_id)
        self._desk.news()
        return case

    async def discard(self, quarantine_id: int, by: Actor) -> bool:
        """Throw a mail away; False: no such mail waits."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                if await quarantine.take(connection, quarantine_id) is None:
                    return False
                at = await self._legal.now(connection)
                await quarantine.decide(connection, quarantine_id, at=at, by=by.name, case_id=None)
        return True
