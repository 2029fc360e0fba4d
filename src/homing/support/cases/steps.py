"""One step of a case, in one transaction: the case is taken, what it is follows from its events, new events are added, and
with them clocks, the row that lists show, and the mail that is owed.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole, OrderForm, Tam
from homing.ground import db
from homing.hours.rules import measure
from homing.support.cases import letter_store, store
from homing.support.cases.happened import Event, Opened, Payload
from homing.support.cases.rules import chain, waking
from homing.support.cases.rules.clockwork import clocks_of
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.rules.evidence import heard_on, named
from homing.support.cases.rules.fold import apply, fold
from homing.support.cases.rules.owed import Owed, Who, owed_for
from homing.support.cases.rules.urgency import due_cadences
from homing.support.cases.store import Head
from homing.support.cases.types import SYSTEM, Actor, Case, Incoming, Purpose, Side
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.pins import pins_of, promise
from homing.support.clocks.store import Calendars, LegalClock
from homing.support.clocks.types import BUSINESS_DAY_S, Kind, Promise, State
from homing.support.oncall import runs as oncall

SUBJECT = "case"  # of clocks


class Step:
    """A case that is ours until the transaction ends.

    at   the moment of everything that happens in this step, by the legal clock; never before the last event
    """

    def __init__(self, connection: db.Executor, head: Head, events: list[Event], at: datetime) -> None:
        self.connection = connection
        self.at = at
        self.calendars = Calendars(connection)
        self._head = head
        self.events = events
        self._case = fold(events, number=head.case_id, account_id=head.account_id) if events else None
        self._forms: list[OrderForm] | None = None
        self._tam: Tam | None = None

    @property
    def case(self) -> Case:
        """Return the case as it is now."""
        if self._case is None:
            raise ValueError("a case begins with Opened")
        return self._case

    @property
    def account_id(self) -> int:
        """Return whose it is."""
        return self._head.account_id

    @property
    def case_id(self) -> int:
        """Return its number."""
        return self._head.case_id

    async def commit(self, payloads: Sequence[Payload], by: Actor) -> None:
        """Let something happen."""
        await self.commit_each([(payload, by) for payload in payloads])

    async def commit_each(self, steps: Sequence[tuple[Payload, Actor]]) -> None:
        """Let several people's doing become known at once: clocks are read when all of it is known."""
        if not steps:
            return
        made = chain.linked(
            self.case_id,
            [(payload, by.name, by.side) for payload, by in steps],
            at=self.at,
            seq=self._head.seq,
            prev_hash=self._head.hash,
        )
        owed: list[tuple[Owed, Event]] = []
        woken: list[tuple[Case | None, Event]] = []
        for event in made:
            woken.append((self._case, event))
            if isinstance(event.payload, Opened):
                self._case = fold([event], number=self.case_id, account_id=self.account_id)
            else:
                self._case = apply(self.case, event)
            owed += [(one, event) for one in owed_for(self.case, event)]
        before = clocks_of(self.events)
        self._head = msgspec.structs.replace(self._head, seq=made[-1].seq, hash=made[-1].hash)
        self.events += made
        await store.put(self.connection, self.case, self._head.hash)
        await store.append(self.connection, made)
        await clocks.put(
            self.connection,
            SUBJECT,
            self.case_id,
            clocks_of(self.events),
            account_id=self.account_id,
            now=self.at,
            calendars=self.calendars,
            before=before,
        )
        written: set[tuple[Purpose, Side, int]] = set()
        for one, _ in owed:
            await self._owe(one, written)
        for earlier, event in woken:
            await self._wake(earlier, event)

    async def warn(self, clock: int, purpose: Purpose) -> bool:
        """Owe a mail to whoever is responsible: a clock is due soon (DUE), or was missed (MISSED, to the TAM as well: clause B6).
        False: he was told.
        """
        told = await letter_store.of_case(self.connection, self.case_id)
        if any((one.purpose, one.version) == (purpose, clock) for one in told):
            return False
        written: set[tuple[Purpose, Side, int]] = set()
        for who in (Who.OWNER, Who.TAM) if purpose is Purpose.MISSED else (Who.OWNER,):
            await self._owe(Owed(purpose=purpose, who=who, version=clock), written)
        return True

    async def say(self, incoming: Incoming, *, received_at: datetime | None = None) -> int:
        """Keep a message; returns its number. The case has to exist."""
        number = await self.next_message()
        await store.add_message(self.connection, self.case_id, number, incoming, at=received_at or self.at)
        return number

    async def next_message(self) -> int:
        """Return the number that the next message will have."""
        return await store.last_message(self.connection, self.case_id) + 1

    async def promises(self, *kinds: Kind) -> dict[Kind, Promise]:
        """Return what clocks that start now are started with: by the Order Form of the affected service (E18)."""
        forms = await self.forms()
        await self.calendars.load(pins_of(forms))
        return {kind: promise(kind, forms, self.at, self.calendars.of) for kind in kinds}

    async def forms(self, service: str | None = None) -> list[OrderForm]:
        """Return the Order Forms in force that may be meant."""
        if self._forms is None:
            every = await contracts.order_forms_of(self.connection, self.account_id)
            now = [one for one in every if one.begins_at <= self.at and (one.ends_at is None or self.at < one.ends_at)]
            wanted = service if service is not None else self.case.service if self._case is not None else ""
            self._forms = [one for one in now if wanted and one.service == wanted] or now
        return self._forms

    async def tam(self) -> Tam | None:
        """Return the TAM of the account, and who acts."""
        if self._tam is None:
            self._tam = await contracts.tam_at(self.connection, self.account_id, self.at)
        return self._tam

    async def is_tam(self, by: Actor) -> bool:
        """Return whether a member of the staff is the TAM, or stands in."""
        tam = await self.tam()
        return by.side is Side.PROVIDER and tam is not None and by.person_id in (tam.primary.person_id, tam.acting.person_id)

    async def responsible(self) -> int | None:
        """Return who owns a case that nobody has taken: the acting TAM, else any person of the staff; None: there is nobody."""
        found = await contracts.reader_at(self.connection, self.account_id, self.at)
        return None if found is None else found.person_id

    async def business_days_from_now(self, days: int) -> datetime:
        """Return the end of so many business days, in the hours of the case."""
        forms = await self.forms()
        pins = pins_of(forms)
        await self.calendars.load(pins)
        return max(measure.due(self.calendars.of(pin), self.at, days * BUSINESS_DAY_S) for pin in pins)

    async def _wake(self, before: Case | None, event: Event) -> None:
        """Have people woken for a case that became critical without a call, or let them sleep; owe extracts of the ledger."""
        name = waking.ladder_name(self.case_id)
        if waking.wakes(before, event):
            await oncall.start_ladder(
                self.connection,
                f"{name} {event.seq}",
                account_id=self.account_id,
                reference=f"case {self.case.number}",
                now=self.at,
            )
        elif because := waking.lets_sleep(self.case, event):
            await oncall.end_ladder(self.connection, name, because=because, now=self.at)
        if waking.looks_into_ledger(before, event):
            await store.add_extracts(self.connection, self.case_id, event.seq, event.at, waking.EXTRACTS_S)

    async def _owe(self, owed: Owed, written: set[tuple[Purpose, Side, int]]) -> None:
        side = Side.PROVIDER if owed.who in (Who.OWNER, Who.TAM) else Side.CUSTOMER
        for person_id, email in await self._readers(owed):
            if (owed.purpose, side, person_id) in written:  # one step is told once
                continue
            written.add((owed.purpose, side, person_id))
            await letter_store.add(
                self.connection,
                case_id=self.case_id,
                message=owed.message,
                purpose=owed.purpose,
                version=owed.version,
                side=side,
                person_id=person_id,
                email=email,
                now=self.at,
            )

    async def has_missed(self, kinds: Collection[Kind]) -> bool:
        """Return whether a clock of these kinds was missed and is still owed: no step of an earlier moment can undo that."""
        readings = [await self.calendars.read(log, self.at) for log in clocks_of(self.events) if log.kind in kinds]
        return any(one.outcome is State.MISSED and one.ended_at is None for one in readings)

    async def why_unread(self) -> No | None:
        """Say so where nobody of the customer would get a mail of this case: no clock could ever be met by it."""
        if await self._people():
            return None
        return No(
            Bar.STATE, "nobody of the customer would get it; add an authorised contact to the account, or people to the case"
        )

    async def _people(self) -> list[Contact]:
        """Return whom a case is written to: the people in it; where there is none, such as on a call by PIN from a telephone
        that nobody knows, every authorised contact of the account.
        """
        found = [await contacts.one(self.connection, self.account_id, one) for one in self.case.people]
        people_in = [one for one in found if one is not None]
        if people_in:
            return people_in
        everybody = await contacts.of_account(self.connection, self.account_id)
        return [one for one in everybody if one.role is ContactRole.AUTHORISED]

    async def _readers(self, owed: Owed) -> list[tuple[int, str]]:
        match owed.who:
            case Who.PEOPLE:
                return [(one.contact_id, one.email) for one in await self._people()]
            case Who.CONTACT:
                named = await contacts.one(self.connection, self.account_id, owed.contact_id)
                return [] if named is None else [(named.contact_id, named.email)]
            case _:
                meant = self.case.owner_id if owed.who is Who.OWNER else None
                reader = await contracts.reader_at(self.connection, self.account_id, self.at, person_id=meant)
                return [] if reader is None else [(reader.person_id, reader.email)]


async def call_of(step: Step, evidence: str) -> str | No:
    """Return the call of ours that evidence names, as it is kept; '': it is outside of our logs; or why it cannot be that one."""
    wanted = named(evidence)
    if wanted is None:
        return ""
    return heard_on(wanted, await store.our_calls(step.connection, wanted), account_id=step.account_id)


async def take(connection: db.Executor, case_id: int, legal: LegalClock) -> Step | None:
    """Take a case, and let happen what has become due in it; None: there is none."""
    head = await store.lock(connection, case_id)
    if head is None:
        return None
    events = await store.events_of(connection, case_id)
    step = Step(connection, head, events, await moment(connection, legal, events))
    await step.commit(due_cadences(step.case, step.at), SYSTEM)
    return step


async def begin(connection: db.Executor, account_id: int, legal: LegalClock) -> Step:
    """Return the step in which a case is opened."""
    number = await store.new_number(connection)
    return Step(connection, Head(case_id=number, account_id=account_id), [], await legal.now(connection))


async def moment(connection: db.Executor, legal: LegalClock, events: Sequence[Event]) -> datetime:
    """Return the moment of a step. The clock of a server may go back a little; time in a case does not."""
    now = await legal.now(connection)
    return max(now, events[-1].at) if events else now
