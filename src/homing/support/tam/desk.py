"""The desk of the programme: one step of a record is one transaction, with its clocks, the mail that it owes, and the audit."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from homing.accounts import store as accounts
from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import ContactRole, OrderForm, Tam
from homing.ground import db
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.types import SYSTEM, Actor, Side
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.pins import pins_of, promise
from homing.support.clocks.store import Calendars, LegalClock
from homing.support.clocks.types import Kind, Promise
from homing.support.tam import letter_store, store
from homing.support.tam.happened import Began, Event, Payload, Reminded, Scheduled, Sent, SupersededBy
from homing.support.tam.letter_store import Letter
from homing.support.tam.rules import states
from homing.support.tam.rules.clockwork import clocks_of
from homing.support.tam.rules.fold import apply, begin, fold
from homing.support.tam.rules.letters import Facts, Owed, compose, owed_for
from homing.support.tam.rules.states import Decision, Refusal
from homing.support.tam.types import Check, Content, Purpose, Record, RecordKind, State, Topic

_TOLD = frozenset({Purpose.PROPOSAL, Purpose.RECOMMENDATION, Purpose.EDUCATION, Purpose.MINUTES})  # whose sending is a step
Answer = Record | No | None
"""None: there is no such record, or it is not the caller's."""


class Taken:
    """A record that is ours until the transaction ends. at: of everything that happens in this step, by the legal clock."""

    def __init__(self, connection: db.Executor, record_id: int, account_id: int, events: list[Event], at: datetime) -> None:
        self.connection = connection
        self.record_id = record_id
        self.account_id = account_id
        self.at = at
        self.events = events
        self._record = fold(events, account_id=account_id) if events else None
        self._calendars = Calendars(connection)
        self._forms: list[OrderForm] | None = None

    @property
    def record(self) -> Record:
        """Return the record as it is now."""
        if self._record is None:
            raise ValueError("a record begins with Began")
        return self._record

    async def forms(self) -> list[OrderForm]:
        """Return the Order Forms in force."""
        if self._forms is None:
            every = await contracts.order_forms_of(self.connection, self.account_id)
            self._forms = [one for one in every if one.begins_at <= self.at and (one.ends_at is None or self.at < one.ends_at)]
        return self._forms

    async def promises(self, kind: Kind) -> dict[Kind, Promise]:
        """Return what a clock that starts now is started with."""
        forms = await self.forms()
        await self._calendars.load(pins_of(forms))
        return {kind: promise(kind, forms, self.at, self._calendars.of)}

    async def tam(self) -> Tam | None:
        """Return the account's TAM, and who acts."""
        return await contracts.tam_at(self.connection, self.account_id, self.at)

    async def is_tam(self, by: Actor) -> bool:
        """Return whether a member of the staff is the account's TAM, or stands in."""
        tam = await self.tam()
        return by.side is Side.PROVIDER and tam is not None and by.person_id in (tam.primary.person_id, tam.acting.person_id)

    async def commit(self, payloads: Sequence[Payload], by: Actor) -> None:
        """Let something happen."""
        if not payloads:
            return
        made: list[Event] = []
        owed: list[tuple[Owed, Payload]] = []
        for payload in payloads:
            seq = len(self.events) + 1
            event = Event(record_id=self.record_id, seq=seq, at=self.at, actor=by.name, side=by.side, payload=payload)
            first = self._record is None
            self._record = begin(event, account_id=self.account_id) if first else apply(self.record, event)
            self.events.append(event)
            made.append(event)
            owed += [(one, payload) for one in owed_for(self._record, event)]
        await store.put(self.connection, self.record)
        await store.append(self.connection, made)
        logs = clocks_of(self.events)
        await clocks.put(
            self.connection,
            store.SUBJECT,
            self.record_id,
            logs,
            account_id=self.account_id,
            now=self.at,
            calendars=self._calendars,
        )
        for event in made:
            await contracts.note(
                self.connection,
                actor=by.name,
                action=f"{self.record.kind.value}: {type(event.payload).__name__.lower()}",
                account_id=self.account_id,
                subject=f"tam record {self.record_id}",
                detail={"seq": event.seq, "state": self.record.state.value},
            )
        for one, last in owed:
            await self._owe(one, last)

    async def _owe(self, owed: Owed, last: Payload) -> None:
        tam = await self.tam()
        account = await accounts.account_by_id(self.connection, self.account_id)
        forms = await self.forms()
        name = "" if account is None else account.company_name or account.name
        if owed.side is Side.CUSTOMER:
            readers = await authorised(self.connection, self.account_id)
        else:
            mine = await contracts.reader_at(self.connection, self.account_id, self.at)
            readers = [] if mine is None else [(mine.person_id, mine.name, mine.email)]
        for person_id, reader, email in readers:
            facts = Facts(
                reader=reader,
                account=name,
                tam="" if tam is None else tam.acting.name,
                zone=forms[0].zone if forms else None,
            )
            await letter_store.add(
                self.connection,
                compose(owed, self.record, last, facts),
                account_id=self.account_id,
                purpose=owed.purpose,
                side=owed.side,
                person_id=person_id,
                email=email,
                now=self.at,
                record_id=self.record_id,
                version=owed.version,
            )


Decide = Callable[[Taken], Awaitable[Decision]]


class Desk:
    """Carries out steps. One for a worker. news: is called where mail may be owed."""

    def __init__(self, pool: db.Pool, legal: LegalClock, news: Callable[[], None] = lambda: None) -> None:
        self.pool = pool
        self.legal = legal
        self.news = news

    async def act(self, record_id: int, by: Actor, decide: Decide, *, account_id: int | None = None) -> Answer:
        """Take a record, decide, carry out.

        account_id   whose it must be; None: whichever
        raises       StoreUnavailable; then nothing happened
        """
        with db.trouble_is_temporary():
            async with self.pool.acquire() as connection, connection.transaction():
                taken = await self._take(connection, record_id)
                if taken is None or (account_id is not None and taken.account_id != account_id):
                    return None
                decision = await decide(taken)
                if isinstance(decision, No):
                    return decision
                await taken.commit(decision.payloads if isinstance(decision, Refusal) else decision, by)
                if isinstance(decision, Refusal):
                    return decision.no
        self.news()
        return taken.record

    async def _take(self, connection: db.Executor, record_id: int) -> Taken | None:
        row = await store.lock(connection, record_id)
        if row is None:
            return None
        events = await store.events_of(connection, record_id)
        at = max(await self.legal.now(connection), events[-1].at)
        return Taken(connection, record_id, row.account_id, events, at)

    async def open(
        self,
        account_id: int,
        kind: RecordKind,
        title: str,
        by: Actor,
        *,
        text: str = "",
        check: Check | None = None,
        supersedes: int | None = None,
        content: Content | None = None,
        meets_at: datetime | None = None,
        topics: Sequence[Topic] = (),
    ) -> Record | No:
        """Begin a record. A plan has content, a review a moment and topics, the others a text.

        supersedes   a recommendation of the same account, in whose place this one stands
        """
        wrong = _lacking(kind, text=text, meets_at=meets_at, topics=topics)
        if wrong:
            return No(Bar.WHAT, wrong)
        with db.trouble_is_temporary():
            async with self.pool.acquire() as connection, connection.transaction():
                if supersedes is not None:
                    older = await self._take(connection, supersedes)
                    if older is None or older.account_id != account_id or kind is not RecordKind.RECOMMENDATION:
                        return No(Bar.WHAT, f"supersedes: the account has no recommendation {supersedes}")
                    if no := states.barred(older.record, states.Step.SUPERSEDE):
                        return no
                at = await self.legal.now(connection)
                taken = Taken(connection, await store.new_number(connection), account_id, [], at)
                began = Began(kind=kind, title=title, text=text, check=check, supersedes=supersedes)
                further: list[Payload] = []
                refusal: Refusal | None = None
                if kind in (RecordKind.ONBOARDING, RecordKind.MIGRATION):
                    draft = begin(_first(taken, began, by), account_id=account_id)
                    decision = _first_version(draft, content, by)
                    if isinstance(decision, No):
                        return decision
                    refusal = decision if isinstance(decision, Refusal) else None
                    further = decision.payloads if isinstance(decision, Refusal) else decision
                if meets_at is not None:
                    further = [Scheduled(meets_at=meets_at, topics=tuple(topics))]
                await taken.commit([began, *further], by)
                if supersedes is not None and older is not None:
                    await older.commit([SupersededBy(record=taken.record_id)], by)
        self.news()
        if refusal is not None:
            said = f"{refusal.no.why}. The plan is record {taken.record_id}, still without tasks, with what was decided"
            return No(Bar.WHAT, said)
        return taken.record

    async def sent(self, letter: Letter, *, message_id: str) -> None:
        """Note that a letter about a record was accepted for delivery; the first of its kind is a step."""
        with db.trouble_is_temporary():
            async with self.pool.acquire() as connection, connection.transaction():
                taken = await self._take(connection, letter.record_id or 0)
                if taken is None or not await letter_store.sent(connection, letter, at=taken.at, message_id=message_id):
                    return
                known = any(
                    isinstance(one.payload, Sent)
                    and (one.payload.purpose, one.payload.version) == (letter.purpose, letter.version)
                    for one in taken.events
                )
                if letter.side is Side.CUSTOMER and letter.purpose in _TOLD and not known:
                    promises = await taken.promises(Kind.CONFIRM) if _asks(taken.record, letter) else {}
                    await taken.commit([Sent(purpose=letter.purpose, version=letter.version, promises=promises)], SYSTEM)

    async def remind(self, record_id: int, number: int) -> Answer:
        """Ask the customer again, unless he has answered meanwhile."""

        async def decide(taken: Taken) -> Decision:
            still = taken.record.awaits is Side.CUSTOMER and taken.record.reminders == number - 1
            return [Reminded(number=number)] if still else []

        return await self.act(record_id, SYSTEM, decide)


async def authorised(executor: db.Executor, account_id: int) -> list[tuple[int, str, str]]:
    """Return number, name and address of an account's authorised contacts."""
    found = await contacts.of_account(executor, account_id)
    return [(one.contact_id, one.name, one.email) for one in found if one.role is ContactRole.AUTHORISED]


def _asks(record: Record, letter: Letter) -> bool:
    waiting = record.proposed
    match letter.purpose:
        case Purpose.PROPOSAL:
            return waiting is not None and waiting.number == letter.version and record.ended_at is None
        case Purpose.RECOMMENDATION:
            return record.state is State.ISSUED
        case _:
            return False


def _first(taken: Taken, began: Began, by: Actor) -> Event:
    return Event(record_id=taken.record_id, seq=1, at=taken.at, actor=by.name, side=by.side, payload=began)


def _first_version(draft: Record, content: Content | None, by: Actor) -> Decision:
    if content is None:
        return No(Bar.WHAT, "an onboarding plan has tasks, a migration plan has stages")
    return states.revise(draft, content, by=by, promises={})


def _lacking(kind: RecordKind, *, text: str, meets_at: datetime | None, topics: Sequence[Topic]) -> str:
    if kind in (RecordKind.RECOMMENDATION, RecordKind.EDUCATION) and not text:
        return "text is a required field"
    if kind is RecordKind.REVIEW:
        return states.lacking(topics) if meets_at is not None else "meets_at is a required field"
    return ""
