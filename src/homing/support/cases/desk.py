"""The desk: everything that people do with cases. Each word here is one transaction; the rules decide, the desk gathers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from homing.contracts import contacts, people
from homing.contracts.types import Contact, ContactRole
from homing.ground import db
from homing.support.cases import agreeing, letter_store, steps, store
from homing.support.cases.happened import Came, Noted, Opened, Owned, Payload, Sent, Wrote
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules import closing, resolution, writing
from homing.support.cases.rules.decision import Bar, Decision, No, has_words
from homing.support.cases.rules.evidence import Named
from homing.support.cases.rules.fold import fold
from homing.support.cases.steps import Step
from homing.support.cases.store import CallOfCase
from homing.support.cases.types import (
    SYSTEM,
    TO_SIGN,
    Actor,
    Case,
    CaseKind,
    Channel,
    Eta,
    Incoming,
    Method,
    Purpose,
    Severity,
    Side,
    Source,
    State,
    Verified,
)
from homing.support.clocks.store import LegalClock
from homing.support.clocks.types import Kind

Decide = Callable[[Step], Awaitable[Decision]]
Answer = Case | No | None  # None: there is no such case
DISPUTE_DAYS = 5
_encode = msgspec.json.Encoder().encode
_AT_OPENING = (Kind.ACK_MAIL, Kind.OWN, Kind.FIRST_RESPONSE)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants who opens a case.

    called   he is on the Severity 1 Line: its room keeps the CALLBACK of his call
    """

    account_id: int
    kind: CaseKind
    subject: str
    source: Source
    first: Incoming
    severity: Severity = Severity.NON_CRITICAL
    contact_id: int | None = None
    service: str = ""
    called: bool = False
    reopened_from: int | None = None
    received_at: datetime | None = None


class Desk:
    """Carries steps out. One for a worker.

    legal   says when things happen
    news    is told that mail waits
    """

    def __init__(self, pool: db.Pool, legal: LegalClock, *, news: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._legal = legal
        self.news = news

    # opening and looking ------------------------------------------------------------------------------------------------

    async def open(self, opening: Opening, by: Actor) -> Case:
        """Open a case. It is never refused. raises StoreUnavailable."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                case = await self.open_in(connection, opening, by)
        self.news()
        return case

    async def open_in(self, connection: db.Executor, opening: Opening, by: Actor) -> Case:
        """Open a case in the transaction of the caller, who tells of the news."""
        step = await steps.begin(connection, opening.account_id, self._legal)
        forms = await step.forms(opening.service)
        critical = opening.severity is Severity.CRITICAL
        kinds = [Kind.ENGAGE, Kind.CADENCE] if critical else list(_AT_OPENING[1:])
        if critical and opening.called:
            kinds = []
        if opening.contact_id is not None:
            kinds.insert(0, Kind.ACK_MAIL)
        opened = Opened(
            kind=opening.kind,
            severity=opening.severity,
            subject=opening.subject,
            source=opening.source,
            contact_id=opening.contact_id,
            service=opening.service,
            order_form_id=forms[0].order_form_id if len(forms) == 1 else None,
            reopened_from=opening.reopened_from,
            owner_id=await step.responsible(),
            called=opening.called,
            received_at=opening.received_at,
            promises=await step.promises(*kinds),
        )
        first = opening.first
        came = Came(
            message=1,
            contact_id=opening.contact_id,
            received_at=opening.received_at or step.at,
            verified=first.verified,
            automatic=first.automatic,
            sha256=resolution.digest(first.body),
        )
        await step.commit([opened, came], by)
        await step.say(first, received_at=came.received_at)
        return step.case

    async def case(self, case_id: int, *, account_id: int | None = None) -> Case | None:
        """Return a case as it is now; account_id None: of whichever account. raises StoreUnavailable."""
        row = await store.row(self._pool, case_id)
        if row is None or (account_id is not None and row.account_id != account_id):
            return None
        events = await store.events_of(self._pool, case_id)
        return fold(events, number=case_id, account_id=row.account_id)

    async def case_of_call(self, wanted: Named) -> CallOfCase | None:
        """Return a call on the Severity 1 Line, and the case that it opened. raises StoreUnavailable."""
        with db.trouble_is_temporary():
            return await store.case_of_call(self._pool, wanted)

    async def act(self, case_id: int, by: Actor, decide: Decide, *, account_id: int | None = None) -> Answer:
        """Take a case, decide, carry out.

        account_id   whose case it must be; None: whichever
        raises       StoreUnavailable; then nothing happened
        """
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                step = await steps.take(connection, case_id, self._legal)
                if step is None or (account_id is not None and step.account_id != account_id):
                    return None
                decision = await decide(step)
                if isinstance(decision, No):
                    return decision
                await step.commit(decision, by)
        self.news()
        return step.case

    @asynccontextmanager
    async def taking(self, *case_ids: int) -> AsyncIterator[dict[int, Step | None]]:
        """Take several cases in one transaction, always in the order of their numbers. raises StoreUnavailable."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                yield {number: await steps.take(connection, number, self._legal) for number in sorted(case_ids)}

    # words --------------------------------------------------------------------------------------------------------------

    async def own(self, case_id: int, person_id: int, by: Actor) -> Answer:
        """Somebody takes a case, or gives it to a colleague."""

        async def decide(step: Step) -> Decision:
            return writing.own(step.case, person_id, by)

        return await self.act(case_id, by, decide)

    async def word(
        self,
        case_id: int,
        incoming: Incoming,
        by: Actor,
        *,
        contact_id: int | None,
        words: str,
        account_id: int | None = None,
        received_at: datetime | None = None,
    ) -> Answer:
        """Take a word of the customer. It may belong to another case: one that this one goes on in, or a new one, if this one
        is long over; the case that took it comes back.

        words   without what he quotes
        """
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                answer = await self.word_in(
                    connection,
                    case_id,
                    incoming,
                    by,
                    contact_id=contact_id,
                    words=words,
                    account_id=account_id,
                    received_at=received_at,
                )
        self.news()
        return answer

    async def word_in(
        self,
        connection: db.Executor,
        case_id: int,
        incoming: Incoming,
        by: Actor,
        *,
        contact_id: int | None,
        words: str,
        account_id: int | None = None,
        received_at: datetime | None = None,
        consent: Letter | None = None,
        wants_to_agree: bool = False,
    ) -> Answer:
        """Take a word in the transaction of the caller, who tells of the news.

        consent          it came to the address that this letter gave its reader to agree by, and is proved to be his (S7)
        wants_to_agree   it came to the address of a proposal, proved or not: then it is a draft that he confirms by a link
        """
        step = await steps.take(connection, case_id, self._legal)
        if step is None or (account_id is not None and step.account_id != account_id):
            return None
        came = Came(
            message=await step.next_message(),
            contact_id=contact_id,
            received_at=received_at or step.at,
            verified=incoming.verified,
            automatic=incoming.automatic,
            sha256=resolution.digest(incoming.body),
        )
        case = step.case
        decided = writing.word(
            case,
            came=came,
            words=f"yes. {words}" if wants_to_agree and consent is None else words,
            at=step.at,
            reopening=await step.promises(reopening(case)),
        )
        if decided is State.MERGED and case.merged_into is not None:
            return await self.word_in(
                connection, case.merged_into, incoming, by, contact_id=contact_id, words=words, received_at=received_at
            )
        if isinstance(decided, State):
            opening = Opening(
                account_id=case.account_id,
                kind=case.kind,
                subject=case.subject,
                source=Source.EMAIL if incoming.channel is Channel.EMAIL else Source.API,
                first=incoming,
                contact_id=contact_id,
                service=case.service,
                reopened_from=case_id,
                received_at=received_at,
            )
            return await self.open_in(connection, opening, by)
        if isinstance(decided, No):
            return decided
        signs = consent is not None and consent.purpose in TO_SIGN
        await step.commit([came] if signs else decided, by)
        await step.say(incoming, received_at=came.received_at)
        if consent is not None and signs:
            await self._sign_by_mail(step, consent, by, words)
        elif consent is not None and resolution.meaning(words) is resolution.Answer.YES:
            await self._agree_by_mail(step, consent, by)
        return step.case

    async def _agree_by_mail(self, step: Step, consent: Letter, by: Actor) -> None:
        decision = await agreeing.agreed(step, consent, by)
        if not isinstance(decision, No) and await letter_store.use(step.connection, consent.letter_id, step.at):
            await step.commit(decision, by)

    async def _sign_by_mail(self, step: Step, letter: Letter, by: Actor, words: str) -> None:
        if not await letter_store.use(step.connection, letter.letter_id, step.at):
            return
        decision = closing.sign(
            step.case,
            letter.version,
            by=by,
            method=Method.EMAIL,
            evidence=f"letter {letter.letter_id}",
            may=await may_sign(step, by),
            at=step.at,
            words=words,
        )
        if not isinstance(decision, No):
            await step.commit(decision, by)

    async def count(self, case_id: int, message: int, by: Actor) -> Answer:
        """A person says that an automatic message is an answer after all; it counts from when it was received."""

        async def decide(step: Step) -> Decision:
            found = await store.message(step.connection, case_id, message)
            return writing.count(step.case, message, step.at if found is None else found.received_at)

        return await self.act(case_id, by, decide)

    async def note_in(self, connection: db.Executor, case_id: int, incoming: Incoming, by: Actor) -> None:
        """Keep a note in the transaction of the caller."""
        step = await steps.take(connection, case_id, self._legal)
        if step is not None:
            number = await step.say(incoming)
            await step.commit([Noted(message=number, sha256=resolution.digest(incoming.body))], by)

    async def write(
        self,
        case_id: int,
        incoming: Incoming,
        by: Actor,
        *,
        question: bool = False,
        eta: Eta | None = None,
    ) -> Answer:
        """Staff writes an answer, a status update (with eta), or, for itself, a note."""

        async def decide(step: Step) -> Decision:
            number = await step.next_message()
            if incoming.purpose is Purpose.NOTE:
                decision: Decision = [Noted(message=number, sha256=resolution.digest(incoming.body))]
                if not has_words(incoming.body):
                    return No(Bar.WHAT, "write something")
            else:
                decision = writing.write(
                    step.case,
                    message=number,
                    body=incoming.body,
                    by=by,
                    tam=await step.is_tam(by),
                    question=question,
                    eta=eta,
                    update=incoming.purpose is Purpose.UPDATE,
                )
                if not isinstance(decision, No) and (unread := await step.why_unread()) is not None:
                    return unread
            if not isinstance(decision, No):
                await step.say(incoming)
            return decision

        return await self.act(case_id, by, decide)

    async def sent(self, letter: Letter, *, message_id: str) -> None:
        """Note that a letter was accepted for delivery; the first letter of a message is what its clocks wait for.

        raises   StoreUnavailable; then nothing is noted, and the letter will be sent again under the same Message-ID
        """
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                step = await steps.take(connection, letter.case_id, self._legal)
                if step is None:
                    return
                returned = await letter_store.sent(connection, letter, at=step.at, message_id=message_id)
                if returned is None:
                    return
                if letter.side is not Side.CUSTOMER or any(_is_of(event.payload, letter) for event in step.events):
                    return
                if letter.message:
                    await store.message_sent(connection, letter.case_id, letter.message, step.at)
                    await step.commit([await self._sent_event(step, letter, arrived=not returned)], SYSTEM)
                elif letter.purpose is Purpose.RECEIPT:
                    await step.commit([Sent(message=0, purpose=Purpose.RECEIPT)], SYSTEM)
        self.news()

    async def _sent_event(self, step: Step, letter: Letter, *, arrived: bool) -> Sent:
        wrote = next(
            event.payload
            for event in reversed(step.events)
            if isinstance(event.payload, Wrote) and event.payload.message == letter.message
        )
        kinds = [Kind.UPDATE, Kind.CONFIRM] if letter.purpose is Purpose.PROPOSAL else [Kind.UPDATE]
        return Sent(
            message=letter.message,
            purpose=letter.purpose,
            question=wrote.question and arrived,
            by_tam=wrote.by_tam,
            version=wrote.version,
            promises=await step.promises(*kinds),
        )

    async def is_staff(self, person_id: int) -> bool:
        """Return whether somebody is one of ours, and has not left."""
        found = await people.one(self._pool, person_id) if person_id < 2**31 else None
        return found is not None and found.left_at is None

    # upkeep -------------------------------------------------------------------------------------------------------------

    async def archive(self, case_id: int) -> Answer:
        """Put away what ended long enough ago."""

        async def decide(step: Step) -> Decision:
            return closing.archive(step.case, step.at)

        return await self.act(case_id, SYSTEM, decide)

    async def settle(self, case_id: int) -> Answer:
        """Let happen what is due in a case."""

        async def decide(step: Step) -> Decision:
            return []

        return await self.act(case_id, SYSTEM, decide)

    async def warn(self, case_id: int, clock: int, purpose: Purpose) -> None:
        """Tell whoever is responsible, once, that a clock is due soon, or was missed."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                step = await steps.take(connection, case_id, self._legal)
                told = step is not None and await step.warn(clock, purpose)
        if told:
            self.news()

    async def hand_on(self, case_id: int) -> Answer:
        """Give a case whose owner has left to whoever is responsible."""

        async def decide(step: Step) -> Decision:
            person = await step.responsible()
            made: list[Payload] = [] if person is None else [Owned(person_id=person, accepted=False)]
            return made

        return await self.act(case_id, SYSTEM, decide)


async def may_sign(step: Step, by: Actor) -> str:
    """Return why somebody may not sign for his side, in a sentence; '' where he may (S4)."""
    if by.side is Side.PROVIDER:
        ours = by.person_id == step.case.owner_id or await step.is_tam(by)
        return "" if ours else "the owner of the case or the TAM signs for us"
    return why_not_sign(await contacts.one(step.connection, step.account_id, by.person_id))


def why_not_sign(contact: Contact | None) -> str:
    """Return why a contact cannot sign a resolution, in a sentence; '' where he can."""
    if contact is None:
        return "only a contact of the account signs a resolution"
    if contact.role is not ContactRole.AUTHORISED or not contact.may_sign:
        return "this contact may not sign resolutions; an authorised contact with may_sign does"
    return ""


def contact_actor(contact: Contact) -> Actor:
    """Return a contact as somebody who does something."""
    return Actor(side=Side.CUSTOMER, name=f"contact {contact.contact_id}", person_id=contact.contact_id, email=contact.email)


def reopening(case: Case) -> Kind:
    """Return which clock starts when a case is opened again."""
    return Kind.CADENCE if case.severity is Severity.CRITICAL else Kind.UPDATE


def own_words(purpose: Purpose, text: str, by: Actor, author: str) -> Incoming:
    """Return what a member of the staff says, as a message."""
    return Incoming(
        side=Side.PROVIDER,
        actor=by.name,
        author=author,
        channel=Channel.STAFF,
        purpose=purpose,
        verified=Verified.STAFF,
        sender=by.email,
        body=text,
    )


def _is_of(payload: Payload, letter: Letter) -> bool:
    """Return whether this tells already that what a letter carries was sent."""
    return isinstance(payload, Sent) and (payload.message, payload.purpose) == (letter.message, letter.purpose)
