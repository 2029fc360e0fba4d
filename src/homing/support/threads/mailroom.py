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
from homing.support.cases.types import Channel, Incoming, Purpose, Side, Verified
from homing.support.tam import letter_store as programme
from homing.support.threads import store
from homing.support.threads.desk import Threads
from homing.support.threads.rules.placing import MOST_ATTACHED, Quarantine, place
from homing.support.threads.types import Letter, Message, Sort, Way, WayKind

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
                letter, answered, reader = await self._answered(connection, mail, tag)
                if letter is not None and letter.side is Side.PROVIDER:
                    return await self._from_staff(connection, raw, mail, way, letter, answered, signed=signed)
                found = await contacts.by_email(connection, mail.sender) if mail.sender else []
                served = await store.served(connection, way, now)
                names = await store.names_of(connection, found, served)
                where = place(answered, found, served, automatic=mail.automatic, names=names)
                if isinstance(where, Quarantine):
                    return await self._quarantine(connection, raw, mail, way, where)
                verified = Verified.DKIM if signed else Verified.ADDRESS if reader == mail.sender else Verified.NONE
                await self._word(connection, mail, where.contact, verified)
        return "word"

    async def _answered(self, connection: db.Executor, mail: MailIn, tag: str) -> tuple[Letter | None, int | None, str | None]:
        """Return the letter of a thread that a mail answers, the account that it is about, and who was sent its signed address.

        The signed address says it, of a thread or of the programme; else the Message-IDs of whatever this account was sent.
        """
        tagged = addresses.read_tag(tag, self._token)
        if tagged is not None and tagged.use is Use.PROGRAMME:
            sent = await programme.one(connection, tagged.letter_id)
            if sent is not None and sent.side is Side.CUSTOMER:
                return None, sent.account_id, sent.email
        letter = None if tagged is None or tagged.use is not Use.REPLY else await store.letter(connection, tagged.letter_id)
        if letter is not None:
            message = await store.message_by_id(connection, letter.message_id)
            return letter, None if message is None else message.account_id, letter.email
        return None, await store.account_of_mail_ids(connection, mail.answers), None

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
