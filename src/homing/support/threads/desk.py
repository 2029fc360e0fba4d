"""Threads: what is said between an account and its TAM, and the TAM_REPLY that each word of the customer is owed.

Each word here is one transaction, or a part of the caller's. A clock begins when a mail or voicemail is received, and ends when
a person's answer to it was accepted for delivery, or was given by telephone; machines begin and end none.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import OrderForm, StaffMember, Tam
from homing.ground import db
from homing.hours.rules import measure
from homing.hours.types import Open, ServiceZone
from homing.support.cases.rules.decision import has_words
from homing.support.cases.rules.threading import MOST_AN_HOUR
from homing.support.cases.types import Channel, Incoming, Purpose, Side, Verified
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.pins import pins_of, promise
from homing.support.clocks.store import Calendars, LegalClock
from homing.support.clocks.types import Kind, Promise
from homing.support.threads import store
from homing.support.threads.rules.placing import MOST_ATTACHED
from homing.support.threads.types import ANSWERS, OWES, SUBJECT, Letter, Message, Sort, Void, WayKind

_HOUR = timedelta(hours=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
NO_WORDS = "write something"
NO_READER = "name the contact who is to be answered"
NO_ADDRESS = "this TAM has no address that an answer could come from; `homing tam address` gives him one"
TOO_MUCH = "the files of this thread are too large together"
TOO_OFTEN = f"your TAM takes {MOST_AN_HOUR} messages an hour from you; write again later, or phone if your mail is failing now"
NO_REASON = "say why: a duplicate, a test, spam"
NOTHING_OWED = "no answer is promised to this message, or it is void already"
ANOTHER = "another person has to say so too"
NO_THREAD = "nothing was said in this thread yet"


class Threads:
    """Keeps threads. One for a worker. news: is told that mail waits."""

    def __init__(self, pool: db.Pool, legal: LegalClock, *, news: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self.legal = legal
        self.news = news

    async def word_in(
        self,
        connection: db.Executor,
        account_id: int,
        incoming: Incoming,
        *,
        sort: Sort,
        contact_id: int | None,
        received_at: datetime | None = None,
        call_ref: int | None = None,
    ) -> Message:
        """Keep a word of the customer in the transaction of the caller, who tells of the news. Who acts as TAM gets a mail.

        Where there is none, somebody else of the desk gets it.
        """
        now = await self.legal.now(connection)
        number = await store.take_thread(connection, account_id)
        came = min(received_at or now, now)
        owed = sort in OWES and not incoming.automatic
        made = await store.add_message(
            connection,
            account_id,
            number,
            incoming,
            sort=sort,
            contact_id=contact_id,
            received_at=came,
            call_ref=call_ref,
            promise=await self._promise(connection, account_id, came) if owed else None,
        )
        await self._keep_clock(connection, made, now)
        reader = None if incoming.automatic else await contracts.reader_at(connection, account_id, now)
        if reader is not None:
            await store.owe(
                connection,
                made.message_id,
                side=Side.PROVIDER,
                person_id=reader.person_id,
                email=reader.email,
                now=now,
            )
        return made

    async def word(self, account_id: int, incoming: Incoming, *, contact_id: int | None) -> Message | str:
        """Keep what the customer writes otherwise than by mail; it starts what a mail would. Returns it, or why not."""
        if not has_words(incoming.body):
            return NO_WORDS
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await store.hold_thread(connection, account_id)
                since = await self.legal.now(connection) - _HOUR
                if await store.written_since(connection, account_id, since) >= MOST_AN_HOUR:
                    return TOO_OFTEN
                if incoming.attachments and await store.attached_bytes(connection, account_id) > MOST_ATTACHED:
                    return TOO_MUCH
                made = await self.word_in(connection, account_id, incoming, sort=Sort.WORD, contact_id=contact_id)
        self.news()
        return made

    async def void(self, account_id: int, number: int, by: StaffMember, reason: str) -> Message | str | None:
        """Say that no answer was ever owed: a duplicate, a test, spam. The second person who says so makes the clock void.

        What was missed stays missed, and no longer counts.

        returns   the message, or why not, in a sentence; None where there is no such message
        """
        if not has_words(reason):
            return NO_REASON
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await store.hold_thread(connection, account_id):
                    return None
                found = await store.message(connection, account_id, number)
                if found is None:
                    return None
                if found.promise is None or found.is_void:
                    return NOTHING_OWED
                if any(one.person_id == by.person_id for one in found.voids):
                    return ANOTHER
                now = await self.legal.now(connection)
                voids = (*found.voids, Void(person_id=by.person_id, reason=reason[:500], at=now))
                await store.put_voids(connection, found.message_id, voids)
                done = msgspec.structs.replace(found, voids=voids)
                await self._keep_clock(connection, done, now)
                await contracts.note(
                    connection,
                    actor=f"staff {by.person_id}",
                    action="TAM_REPLY void" if done.is_void else "TAM_REPLY void asked",
                    account_id=account_id,
                    subject=f"thread message {number}",
                    detail={"reason": reason[:500]},
                )
        return done

    async def answer(self, account_id: int, text: str, by: StaffMember, *, contact_id: int | None = None) -> Message | str:
        """Answer by mail. Clocks end once it is accepted for delivery.

        contact_id   whom; None: who wrote last
        returns      the message, or why it cannot be, in a sentence
        """
        if not has_words(text):
            return NO_WORDS
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                now = await self.legal.now(connection)
                reader_id = contact_id if contact_id is not None else await store.last_writer(connection, account_id)
                reader = None if reader_id is None else await contacts.one(connection, account_id, reader_id)
                if reader is None:
                    return NO_READER
                if await address_of(connection, account_id, now) is None:
                    return NO_ADDRESS
                number = await store.take_thread(connection, account_id)
                made = await store.add_message(
                    connection,
                    account_id,
                    number,
                    _ours(text, by, Channel.EMAIL),
                    sort=Sort.ANSWER,
                    contact_id=reader.contact_id,
                    received_at=now,
                )
                await store.owe(
                    connection,
                    made.message_id,
                    side=Side.CUSTOMER,
                    person_id=reader.contact_id,
                    email=reader.email,
                    now=now,
                )
        self.news()
        return made

    async def phoned(self, account_id: int, text: str, by: StaffMember, *, contact_id: int | None = None) -> Message | str:
        """Write down what was said by telephone: it is an answer, too. Returns it, or why not, in a sentence."""
        if not has_words(text):
            return NO_WORDS
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                now = await self.legal.now(connection)
                if contact_id is not None and await contacts.one(connection, account_id, contact_id) is None:
                    return NO_READER
                number = await store.take_thread(connection, account_id)
                made = await store.add_message(
                    connection,
                    account_id,
                    number,
                    _ours(text, by, Channel.PHONE),
                    sort=Sort.PHONED,
                    contact_id=contact_id,
                    received_at=now,
                    sent_at=now,
                )
                await self._answered(connection, made, now)
        return made

    async def note_in(self, connection: db.Executor, account_id: int, incoming: Incoming) -> Message:
        """Keep what staff writes to itself, in the transaction of the caller."""
        now = await self.legal.now(connection)
        number = await store.take_thread(connection, account_id)
        return await store.add_message(
            connection, account_id, number, incoming, sort=Sort.NOTE, contact_id=None, received_at=now, sent_at=now
        )

    async def count(self, account_id: int, number: int) -> Message | None:
        """A person says that a machine's message is somebody's word: it is owed an answer since it was received.

        returns   None where there is no such message of a machine
        """
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await store.hold_thread(connection, account_id):
                    return None
                found = await store.message(connection, account_id, number)
                if found is None or not found.automatic or found.sort not in OWES:
                    return None
                await store.counted(connection, found.message_id, await self._promise(connection, account_id, found.received_at))
                now = await self.legal.now(connection)
                counted = await store.message(connection, account_id, number)
                assert counted is not None
                await self._keep_clock(connection, counted, now)
        return counted

    async def sent(self, letter: Letter) -> None:
        """Note that a letter was accepted for delivery; an answer ends the clocks of what came before it.

        raises   StoreUnavailable; then nothing is noted, and the letter will be sent again under the same Message-ID
        """
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                message = await store.message_by_id(connection, letter.message_id)
                if message is None or not await store.hold_thread(connection, message.account_id):
                    return
                now = await self.legal.now(connection)
                if not await store.letter_sent(connection, letter.letter_id, now) or letter.side is not Side.CUSTOMER:
                    return
                if await store.message_sent(connection, message.message_id, now):
                    await self._answered(connection, message, now)

    async def _answered(self, connection: db.Executor, answer: Message, now: datetime) -> None:
        if answer.sort not in ANSWERS:
            return
        for owed in await store.owed_before(connection, answer.account_id, answer.number):
            at = max(now, owed.received_at)
            await store.answered(connection, owed.message_id, at=at, answered_by=answer.number)
            done = await store.message_by_id(connection, owed.message_id)
            assert done is not None
            await self._keep_clock(connection, done, now)

    async def _promise(self, connection: db.Executor, account_id: int, at: datetime) -> Promise:
        forms = await forms_at(connection, account_id, at)
        calendars = Calendars(connection)
        await calendars.load(pins_of(forms))
        return promise(Kind.TAM_REPLY, forms, at, calendars.of)

    async def _keep_clock(self, connection: db.Executor, message: Message, now: datetime) -> None:
        log = message.clock()
        if log is not None:
            await clocks.put(connection, SUBJECT, message.message_id, [log], account_id=message.account_id, now=now)


async def forms_at(executor: db.Executor, account_id: int, at: datetime) -> list[OrderForm]:
    """Return the Order Forms of an account that are in force at an instant."""
    return await contracts.order_forms_at(executor, account_id, at)


class BusinessHours(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the Business Hours of some accounts run at an instant. changes_at: None: not within the horizon."""

    zone: ServiceZone
    is_open: bool
    changes_at: datetime | None


async def hours_at(executor: db.Executor, account_id: int, at: datetime) -> BusinessHours:
    """Return whether the Business Hours of an account run. Of several Order Forms those count that run, or begin first (E18)."""
    calendars = Calendars(executor)
    found = []
    for pin in pins_of(await forms_at(executor, account_id, at)):
        await calendars.load([pin])
        status = measure.status(calendars.of(pin), at)
        changes = status.closes_at if isinstance(status, Open) else status.opens_at
        found.append(BusinessHours(zone=pin.zone, is_open=isinstance(status, Open), changes_at=changes))
    return sooner(found)


def sooner(found: Sequence[BusinessHours]) -> BusinessHours:
    """Return the hours that run; if none do, those that begin first."""
    running = [one for one in found if one.is_open]
    return running[0] if running else min(found, key=lambda one: one.changes_at or _NEVER)


async def address_of(executor: db.Executor, account_id: int, now: datetime) -> str | None:
    """Return the address that an account's TAM is reached by, and that his answers come from; None: he has none."""
    tam = await contracts.tam_at(executor, account_id, now)
    found = await store.ways_of(executor, account_id, people_of(tam))
    return next((one.address for one in found if one.kind is WayKind.EMAIL), None)


def people_of(tam: Tam | None) -> list[int]:
    """Return the TAM, and who acts for him."""
    return [] if tam is None else list(dict.fromkeys((tam.primary.person_id, tam.acting.person_id)))


def _ours(text: str, by: StaffMember, channel: Channel) -> Incoming:
    return Incoming(
        side=Side.PROVIDER,
        actor=f"staff {by.person_id}",
        author=by.name,
        channel=channel,
        purpose=Purpose.ANSWER,
        verified=Verified.STAFF,
        sender=by.email,
        body=text,
    )
