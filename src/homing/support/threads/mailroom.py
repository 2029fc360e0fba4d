"""Mail for a TAM's address becomes a word in the thread of its account, or waits in quarantine; it is answered with 250 only once
that is on disk.

It is read, proved and bounded as support mail is. Nothing here writes to a stranger; a machine's mail is kept, and no clock
begins or ends with it.
"""

import asyncio
import time
from collections import Counter
from datetime import timedelta

import msgspec

from homing.contracts import contacts, people
from homing.contracts.types import Contact
from homing.ground import db, log
from homing.ground.clock import Clock
from homing.support.cases.mailroom import LookUp, attached_of, is_signed, said
from homing.support.cases.rules import addresses
from homing.support.cases.rules.addresses import Token, Use
from homing.support.cases.rules.reading import MailIn, read_mail
from homing.support.cases.rules.threading import MOST_AN_HOUR
from homing.support.cases.types import Actor, Channel, Incoming, Purpose, Side, Verified
from homing.support.threads import own_number_store as calls
from homing.support.threads import store
from homing.support.threads.desk import Threads
from homing.support.threads.rules.placing import MOST_ATTACHED, Quarantine, place
from homing.support.threads.types import Letter, Message, Quarantined, Sort, Way, WayKind

_log = log.get("tam")
_AT_ONCE = 2  # mails that are being read
_HOUR = timedelta(hours=1)
_REMEMBERED_S = 5.0  # addresses are asked for anew after so long


class TamMail:
    """Takes mail for TAMs. One for a worker.

    own        addresses of this installation, lower case: what comes from them is a loop
    token      keyed digest of 16 bytes
    counters   what became of mails
    """

    def __init__(
        self,
        pool: db.Pool,
        threads: Threads,
        clock: Clock,
        *,
        own: frozenset[str],
        token: Token,
        look_up: LookUp,
    ) -> None:
        self._pool = pool
        self._threads = threads
        self._clock = clock
        self._own = own
        self._token = token
        self._look_up = look_up
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._known: dict[str, Way] = {}
        self._asked_at: float | None = None
        self.counters: Counter[str] = Counter()

    async def knows(self, email: str) -> bool:
        """Return whether an address is a TAM's, with or without something after a plus. raises StoreUnavailable."""
        return await self._way(email) is not None

    async def take(self, raw: bytes, *, mail_from: str, address: str) -> bool:
        """Take a mail for an address that is known; False: it is too much for now.

        raises   StoreUnavailable; then nothing was taken
        """
        way = await self._way(address)
        if way is None:
            return True
        tag = address.rpartition("@")[0].partition("+")[2]
        async with self._slots:
            mail = await asyncio.to_thread(read_mail, raw, null_sender=not mail_from)
            if mail.sender in self._own or mail.sender in self._known:
                what = "loop"
                _log.warning("tam_mail_loop", sender=log.masked(mail.sender))
            else:
                signed = await is_signed(raw, mail, self._look_up, now=self._clock.now())
                what = await self._keep(raw, mail, way, tag, signed=signed)
        self.counters[what] += 1
        _log.info("tam_mail", what=what, automatic=mail.automatic, sender=log.masked(mail.sender))
        if what == "word":
            self._threads.news()
        return what != "refused"

    async def _way(self, email: str) -> Way | None:
        local, _, domain = email.lower().rpartition("@")
        bare = f"{local.partition('+')[0]}@{domain}"
        if self._asked_at is None or time.monotonic() - self._asked_at > _REMEMBERED_S:
            self._known = {one.address: one for one in await store.ways(self._pool) if one.kind is WayKind.EMAIL}
            self._asked_at = time.monotonic()
        return self._known.get(bare)

    async def _keep(self, raw: bytes, mail: MailIn, way: Way, tag: str, *, signed: bool) -> str:
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                if await store.lock_mail(connection, mail.dedupe):
                    return "repeated"
                now = await self._threads.legal.now(connection)
                if await store.mails_from(connection, mail.sender, now - _HOUR) >= MOST_AN_HOUR:
                    return "refused"
                letter, answered = await self._answered(connection, mail, tag)
                if letter is not None and letter.side is Side.PROVIDER:
                    return await self._from_staff(connection, raw, mail, way, letter, answered, signed=signed)
                found = await contacts.by_email(connection, mail.sender) if mail.sender else []
                where = place(answered, found, await store.served(connection, way, now), automatic=mail.automatic)
                if isinstance(where, Quarantine):
                    return await self._quarantine(connection, raw, mail, way, where)
                theirs = letter is not None and letter.email == mail.sender
                verified = Verified.DKIM if signed else Verified.ADDRESS if theirs else Verified.NONE
                await self._word(connection, mail, where.contact, verified)
        return "word"

    async def _answered(self, connection: db.Executor, mail: MailIn, tag: str) -> tuple[Letter | None, int | None]:
        """Return the letter whose signed address a mail came to, and the account in whose thread it answers something."""
        tagged = addresses.read_tag(tag, self._token)
        letter = None if tagged is None or tagged.use is not Use.REPLY else await store.letter(connection, tagged.letter_id)
        if letter is not None:
            message = await store.message_by_id(connection, letter.message_id)
            return letter, None if message is None else message.account_id
        return None, await store.account_of_mail_ids(connection, mail.answers)

    async def _word(self, connection: db.Executor, mail: MailIn, contact: Contact, verified: Verified) -> Message:
        incoming = said(mail, contact, verified=verified)
        if incoming.attachments and await store.attached_bytes(connection, contact.account_id) > MOST_ATTACHED:
            names = ", ".join(one.name for one in incoming.attachments)[:200]
            remark = f"the files of this thread are too large together; not kept: {names}"
            incoming = msgspec.structs.replace(incoming, attachments=(), remark=remark)
        return await self._threads.word_in(
            connection, contact.account_id, incoming, sort=Sort.WORD, contact_id=contact.contact_id
        )

    async def _from_staff(
        self,
        connection: db.Executor,
        raw: bytes,
        mail: MailIn,
        way: Way,
        letter: Letter,
        account_id: int | None,
        *,
        signed: bool,
    ) -> str:
        """Keep what a member of the staff answers to a notice of ours: a note, if it is his own word."""
        person = await people.by_email(connection, mail.sender) if mail.sender else None
        his = person is not None and person.person_id == letter.person_id and person.left_at is None
        if person is None or account_id is None or not his or not signed or mail.automatic:
            reason = "an answer to a notice for our staff that is not proved to be his"
            return await self._quarantine(connection, raw, mail, way, Quarantine(reason=reason, account_id=account_id))
        note = Incoming(
            side=Side.PROVIDER,
            actor=f"staff {person.person_id}",
            author=person.name,
            channel=Channel.EMAIL,
            purpose=Purpose.NOTE,
            verified=Verified.DKIM,
            sender=mail.sender,
            subject=mail.subject,
            body=mail.words or mail.body,
            message_id=mail.message_id,
            dedupe=mail.dedupe,
            attachments=attached_of(mail),
        )
        await self._threads.note_in(connection, account_id, note)
        return "note"

    async def _quarantine(self, connection: db.Executor, raw: bytes, mail: MailIn, way: Way, where: Quarantine) -> str:
        if await store.is_full(connection):
            return "refused"
        await store.quarantine(
            connection,
            received_at=await self._threads.legal.now(connection),
            way=way,
            account_id=where.account_id,
            sender=mail.sender,
            subject=mail.subject,
            reason=where.reason,
            automatic=mail.automatic,
            raw=raw,
            dedupe=mail.dedupe,
        )
        return "quarantined"

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
