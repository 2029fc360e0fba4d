"""The mailroom: mail for the support address becomes a case, a word in one, or waits in quarantine; it is answered with 250 only
once that is on disk.

Nothing here ever writes to a stranger. A machine's mail is kept and stops no clock. The same mail again is the same word.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from homing.contracts import contacts, people
from homing.contracts.types import Contact
from homing.ground import db, log
from homing.ground.clock import Clock
from homing.support.cases import letter_store, quarantine, store
from homing.support.cases.desk import Answer, Desk, Opening, contact_actor
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules import addresses, dkim, threading
from homing.support.cases.rules.addresses import Tagged, Token, Use
from homing.support.cases.rules.reading import MOST_ATTACHED, MailIn, read_mail
from homing.support.cases.rules.threading import Append, Candidate, Quarantine
from homing.support.cases.types import (
    TO_SIGN,
    Actor,
    Attachment,
    Case,
    CaseKind,
    Channel,
    Incoming,
    Purpose,
    Side,
    Source,
    Verified,
)
from homing.support.clocks.store import LegalClock

_log = log.get("cases")
_sql = db.queries("homing.support.cases")
_AT_ONCE = 4  # mails that are being read
_HOUR = timedelta(hours=1)
_LOOK_UP_S = 5.0

LookUp = Callable[[str], Awaitable[tuple[str, ...]]]  # TXT records of a name; () where there is none, or no answer


class TooMuch(msgspec.Struct, frozen=True):
    """It is not taken now; the other host may come again."""

    why: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a mail. case_id None: it waits in quarantine, or was seen before."""

    case_id: int | None
    what: str


class Mailroom:
    """Takes support mail. One for a worker.

    address    where support mail comes to; answers come from it, too
    own        addresses of this installation, lower case: what comes from them is a loop
    token      keyed digest of 16 bytes
    counters   what became of mails
    """

    def __init__(
        self,
        pool: db.Pool,
        desk: Desk,
        legal: LegalClock,
        clock: Clock,
        *,
        address: str,
        own: frozenset[str],
        token: Token,
        look_up: LookUp,
    ) -> None:
        self._pool = pool
        self._desk = desk
        self._legal = legal
        self._clock = clock
        self._address = address.lower()
        self._own = own | {self._address}
        self._token = token
        self._look_up = look_up
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.counters: Counter[str] = Counter()

    async def take(self, raw: bytes, *, mail_from: str, tag: str) -> Kept | TooMuch:
        """Take a mail.

        tag      what stands after the plus in the recipient's address; '' where there is none
        raises   StoreUnavailable; then nothing was taken
        """
        async with self._slots:
            mail = await asyncio.to_thread(read_mail, raw, null_sender=not mail_from)
            if mail.sender in self._own:
                self.counters["loop"] += 1
                _log.warning("support_mail_loop", sender=log.masked(mail.sender))
                return Kept(case_id=None, what="loop")
            signed = await is_signed(raw, mail, self._look_up, now=self._clock.now())
            kept = await self._keep(raw, mail, tag, signed=signed)
        what = "refused" if isinstance(kept, TooMuch) else kept.what
        self.counters[what] += 1
        case_id = None if isinstance(kept, TooMuch) else kept.case_id
        _log.info("support_mail", what=what, case=case_id, automatic=mail.automatic, sender=log.masked(mail.sender))
        if case_id is not None:
            self._desk.news()
        return kept

    async def _keep(self, raw: bytes, mail: MailIn, tag: str, *, signed: bool) -> Kept | TooMuch:
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await _sql.lock_mail(connection, dedupe=mail.dedupe)
                if await _sql.seen_before(connection, dedupe=mail.dedupe):
                    return Kept(case_id=None, what="repeated")
                refusal = await self._too_much(connection, mail)
                if refusal is not None:
                    return refusal
                tagged = addresses.read_tag(tag, self._token)
                letter = None if tagged is None else await letter_store.one(connection, tagged.letter_id)
                if letter is not None and letter.side is Side.PROVIDER:
                    return await self._from_staff(connection, raw, mail, letter, signed=signed)
                found = await contacts.by_email(connection, mail.sender) if mail.sender else []
                case = await self._answered(connection, mail, letter)
                addressee = letter.person_id if letter is not None else None
                where = threading.place(case, found, automatic=mail.automatic, addressee=addressee)
                if isinstance(where, Quarantine):
                    return await self._quarantine(connection, raw, mail, where)
                if await self._opens_too_many(connection, where):
                    return TooMuch("too many cases were opened by this sender in the last hour")
                done = await self._word(connection, mail, where, letter, tagged, signed=signed)
        if isinstance(done, Case):
            return Kept(case_id=done.case_id, what="word" if isinstance(where, Append) else "opened")
        return Kept(case_id=None, what="repeated")

    async def _too_much(self, connection: db.Executor, mail: MailIn) -> TooMuch | None:
        since = await self._legal.now(connection) - _HOUR
        if await _sql.mails_from(connection, sender=mail.sender, since=since) >= threading.MOST_AN_HOUR:
            return TooMuch("too much mail came from this sender in the last hour")
        return None

    async def _opens_too_many(self, connection: db.Executor, where: threading.Append | threading.Open) -> bool:
        if isinstance(where, Append):
            return False
        since = await self._legal.now(connection) - _HOUR
        count: int = await _sql.cases_by_mail(connection, contact_id=where.contact.contact_id, since=since)
        return count >= threading.MOST_CASES_AN_HOUR

    async def _answered(self, connection: db.Executor, mail: MailIn, letter: Letter | None) -> Candidate | None:
        """Return the case that a mail answers: by signed address, Message-ID, or the token in the subject."""
        case_id = letter.case_id if letter is not None else None
        if case_id is None and mail.answers:
            case_id = await _sql.case_of_message_ids(connection, ids=list(mail.answers))
        if case_id is None:
            case_id = addresses.number_in(mail.subject)
        row = None if case_id is None else await store.row(connection, case_id)
        return None if row is None else Candidate(case_id=row.case_id, account_id=row.account_id)

    async def _word(
        self,
        connection: db.Executor,
        mail: MailIn,
        where: threading.Append | threading.Open,
        letter: Letter | None,
        tagged: Tagged | None,
        *,
        signed: bool,
    ) -> Answer:
        contact = where.contact
        theirs = letter is not None and letter.email == mail.sender
        incoming = said(mail, contact, verified=Verified.DKIM if signed else Verified.ADDRESS if theirs else Verified.NONE)
        if not isinstance(where, Append):
            opening = Opening(
                account_id=contact.account_id,
                kind=CaseKind.INFORMATION,
                subject=addresses.without_token(mail.subject) or "(no subject)",
                source=Source.EMAIL,
                first=incoming,
                contact_id=contact.contact_id,
            )
            return await self._desk.open_in(connection, opening, contact_actor(contact))
        if await store.attached_bytes(connection, where.case_id) > MOST_ATTACHED and incoming.attachments:
            names = ", ".join(one.name for one in incoming.attachments)[:200]
            remark = f"the files of this case are too large together; not kept: {names}"
            incoming = msgspec.structs.replace(incoming, attachments=(), remark=remark)
        agrees = tagged is not None and tagged.use is Use.AGREE and theirs and signed and not mail.automatic
        return await self._desk.word_in(
            connection,
            where.case_id,
            incoming,
            contact_actor(contact),
            contact_id=contact.contact_id,
            words=mail.words,
            consent=letter if agrees else None,
            wants_to_agree=(
                tagged is not None
                and tagged.use is Use.AGREE
                and letter is not None
                and letter.purpose in TO_SIGN
                and not mail.automatic
            ),
        )

    async def _from_staff(
        self, connection: db.Executor, raw: bytes, mail: MailIn, letter: Letter, *, signed: bool
    ) -> Kept | TooMuch:
        """Keep what a member of the staff answers to a notice of ours: a note, if it is his own word."""
        person = await people.by_email(connection, mail.sender) if mail.sender else None
        if person is None or person.person_id != letter.person_id or person.left_at is not None or not signed or mail.automatic:
            where = Quarantine(reason="an answer to a notice for our staff that is not proved to be his", case_id=letter.case_id)
            return await self._quarantine(connection, raw, mail, where)
        by = Actor(side=Side.PROVIDER, name=f"staff {person.person_id}", person_id=person.person_id, email=person.email)
        note = Incoming(
            side=Side.PROVIDER,
            actor=by.name,
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
        await self._desk.note_in(connection, letter.case_id, note, by)
        return Kept(case_id=letter.case_id, what="note")

    async def _quarantine(self, connection: db.Executor, raw: bytes, mail: MailIn, where: Quarantine) -> Kept | TooMuch:
        if await quarantine.is_full(connection):
            return TooMuch("too much mail waits for a decision")
        await quarantine.keep(
            connection,
            received_at=await self._legal.now(connection),
            sender=mail.sender,
            subject=mail.subject,
            reason=where.reason,
            case_id=where.case_id,
            account_id=where.account_id,
            automatic=mail.automatic,
            raw=raw,
            dedupe=mail.dedupe,
        )
        return Kept(case_id=None, what="quarantined")


async def is_signed(raw: bytes, mail: MailIn, look_up: LookUp, *, now: datetime) -> bool:
    """Return whether the domain of the author signed this mail."""
    if not mail.domain:
        return False
    for claim in await asyncio.to_thread(dkim.claims, raw, mail.domain, now=now):
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                records = await look_up(claim.record_name)
        except TimeoutError:
            continue
        for record in records[:3]:
            if await asyncio.to_thread(dkim.holds, raw, claim, record):
                return True
    return False


def said(mail: MailIn, contact: Contact, *, verified: Verified) -> Incoming:
    """Return a mail as a word of a contact."""
    return Incoming(
        side=Side.CUSTOMER,
        actor=f"contact {contact.contact_id}",
        author=contact.name,
        channel=Channel.EMAIL,
        purpose=Purpose.WORD,
        verified=verified,
        automatic=mail.automatic,
        sender=mail.sender,
        subject=mail.subject,
        body=mail.body,
        remark=mail.remark,
        message_id=mail.message_id,
        in_reply_to=mail.answers[0] if mail.answers else "",
        dedupe=mail.dedupe,
        attachments=attached_of(mail),
    )


def attached_of(mail: MailIn) -> tuple[Attachment, ...]:
    """Return the files of a mail, as they are kept."""
    return tuple(store.attached(number, one.name, one.kind, one.data) for number, one in enumerate(mail.files, 1))
