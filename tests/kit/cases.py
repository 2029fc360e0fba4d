"""What tests of cases share: a life of a case without a database, and a desk with one, on a clock that a test moves."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from homing.accounts import store as accounts
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole, Objectives, OrderForm, Role, StaffMember
from homing.ground import db
from homing.hours.rules.contract import calendar_of
from homing.hours.types import Calendar, HolidaySet, ServiceZone
from homing.support.cases import letter_store, store
from homing.support.cases.course import Course
from homing.support.cases.desk import Desk, Opening, contact_actor
from homing.support.cases.endings import Endings
from homing.support.cases.happened import Came, Event, Opened, Owned, Payload, Sent
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules import chain, closing, writing
from homing.support.cases.rules.clockwork import clocks_of
from homing.support.cases.rules.decision import Decision, No
from homing.support.cases.rules.fold import fold
from homing.support.cases.types import (
    Actor,
    Case,
    CaseKind,
    Channel,
    Incoming,
    Method,
    Purpose,
    Severity,
    Side,
    Source,
    Verified,
)
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.run import read
from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.store import LegalClock
from homing.support.clocks.types import Basis, Kind, Pin, Promise, Reading
from tests.kit.hours import at
from tests.kit.moved_clock import MovedClock, MovedLegalClock

LONDON = Pin(zone=ServiceZone.UK, holiday_set=HolidaySet.GB_EAW, order_form_id=1)
KIM = Actor(side=Side.CUSTOMER, name="contact 7", person_id=7, email="kim@acme.test")
ANN = Actor(side=Side.PROVIDER, name="staff 3", person_id=3, email="ann@provider.test")
TAM = Actor(side=Side.PROVIDER, name="staff 4", person_id=4, email="tam@provider.test")


def promises(*kinds: Kind) -> dict[Kind, Promise]:
    """Return what clocks of a London account are started with."""
    return {
        kind: Promise(budget_s=TERMS[kind].budget_s, pin=LONDON if TERMS[kind].basis is Basis.BUSINESS else None)
        for kind in kinds
    }


EVERY = promises(*Kind)


class Life:
    """A case and its steps, in memory. Every step says how much later it happens."""

    def __init__(
        self, begin: str = "2026-05-20T09:00Z", *, severity: Severity = Severity.NON_CRITICAL, called: bool = False
    ) -> None:
        self.at = at(begin)
        self.events: list[Event] = []
        self.messages = 1
        kinds = [Kind.ACK_MAIL, Kind.OWN, Kind.FIRST_RESPONSE]
        if severity is Severity.CRITICAL:
            kinds = [] if called else [Kind.ENGAGE, Kind.CADENCE]
        self.add(
            Opened(
                kind=CaseKind.BUG,
                severity=severity,
                subject="Mail is slow",
                source=Source.API,
                contact_id=KIM.person_id,
                owner_id=TAM.person_id,
                called=called,
                promises=promises(*kinds),
            ),
            by=KIM,
        )
        self.add(self.came(1), by=KIM)

    def came(self, message: int, *, automatic: bool = False, received: datetime | None = None) -> Came:
        return Came(
            message=message,
            contact_id=KIM.person_id,
            received_at=received or self.at,
            verified=Verified.DKIM,
            automatic=automatic,
            sha256="",
        )

    def add(self, *payloads: Payload, by: Actor) -> None:
        last = self.events[-1] if self.events else None
        self.events += chain.linked(
            1001,
            [(payload, by.name, by.side) for payload in payloads],
            at=self.at,
            seq=last.seq if last else 0,
            prev_hash=last.hash if last else chain.GENESIS,
        )

    def later(self, **by: float) -> "Life":
        self.at += timedelta(**by)
        return self

    def until(self, moment: str) -> "Life":
        assert at(moment) >= self.at
        self.at = at(moment)
        return self

    def do(self, decision: "list[Payload] | No", by: Actor) -> "Life":
        assert not isinstance(decision, No), decision.why
        self.add(*decision, by=by)
        return self

    @property
    def case(self) -> Case:
        return fold(self.events, number=1001, account_id=1)

    # what people do -----------------------------------------------------------------------------------------------------

    def own(self, by: Actor = ANN) -> "Life":
        return self.do(writing.own(self.case, by.person_id, by), by)

    def answer(self, text: str = "We look at it.", *, question: bool = False, by: Actor = ANN, tam: bool = False) -> "Life":
        self.messages += 1
        self.do(writing.write(self.case, message=self.messages, body=text, by=by, tam=tam, question=question), by)
        return self.sent(self.messages, Purpose.ANSWER, question=question, by_tam=tam)

    def sent(self, message: int, purpose: Purpose, *, question: bool = False, by_tam: bool = False, version: int = 0) -> "Life":
        kinds = (Kind.UPDATE, Kind.CONFIRM) if purpose is Purpose.PROPOSAL else (Kind.UPDATE,)
        self.add(
            Sent(message=message, purpose=purpose, question=question, by_tam=by_tam, version=version, promises=promises(*kinds)),
            by=ANN,
        )
        return self

    def word(self, words: str = "One more thing.", *, automatic: bool = False, received: datetime | None = None) -> "Life":
        self.messages += 1
        decided = writing.word(
            self.case,
            came=self.came(self.messages, automatic=automatic, received=received),
            words=words,
            at=self.at,
            reopening=promises(Kind.UPDATE),
        )
        assert isinstance(decided, list), decided
        return self.do(decided, KIM)

    def propose(self, text: str = "The queue was full; it is larger now.", *, by: Actor = ANN) -> "Life":
        ours = by.side is Side.PROVIDER
        if ours:
            self.messages += 1
        decided = closing.propose(
            self.case, text, by=by, tam=by is TAM, message=self.messages if ours else 0, promises=promises(Kind.CONFIRM)
        )
        self.do(decided, by)
        return self.sent(self.messages, Purpose.PROPOSAL, version=len(self.case.proposals)) if ours else self

    def sign(self, *, by: Actor = KIM, words: str = "", may: str = "", version: int | None = None) -> "Decision":
        decided = closing.sign(
            self.case,
            version or len(self.case.proposals),
            by=by,
            method=Method.PORTAL,
            evidence="letter 1",
            may=may,
            at=self.at,
            words=words,
        )
        if isinstance(decided, list):
            self.add(*decided, by=by)
        return decided

    # what follows -------------------------------------------------------------------------------------------------------

    def clocks(self) -> list[Reading]:
        return [read(log, calendar_of_pin(log.started.pin), now=max(self.at, log.marks[-1].at)) for log in clocks_of(self.events)]

    def clock(self, kind: Kind) -> Reading:
        """Return the last clock of a kind."""
        return [one for one in self.clocks() if one.kind is kind][-1]


def calendar_of_pin(pin: Pin | None) -> Calendar | None:
    return None if pin is None else calendar_of(pin.zone, pin.holiday_set)


def owned() -> Life:
    return Life().later(minutes=5).own()


class Bench:
    """A desk over a real database, an account with people on both sides, and a clock that stands still until it is moved."""

    def __init__(self, pool: db.Pool, clock: MovedClock, legal: LegalClock | None = None) -> None:
        self.pool = pool
        self.clock = clock
        self.legal = legal or MovedLegalClock(clock)
        self.desk = Desk(pool, self.legal)
        self.course = Course(self.desk)
        self.endings = Endings(self.desk)
        self.account_id = 0
        self.kim: Contact
        self.pat: Contact  # who may not sign
        self.ann: Actor
        self.tam: Actor

    async def settle_in(self, *, zone: ServiceZone = ServiceZone.UK, account: str = "acme") -> "Bench":
        self.account_id = (await accounts.get_or_create_account(self.pool, account)).account_id
        self.kim = await self.contact(f"kim@{account}.test", may_sign=True)
        self.pat = await self.contact(f"pat@{account}.test", may_sign=False)
        self.ann = await self.staff("ann", Role.CST)
        self.tam = await self.staff("tam", Role.TAM)
        await contracts.assign_tam(
            self.pool, self.account_id, self.tam.person_id, begins_at=datetime(2026, 1, 1, tzinfo=UTC), actor="operator"
        )
        await self.pool.execute("UPDATE tam_assignments SET recorded_at = lower(period)")  # not by the server's clock, but ours
        await self.order_form(zone=zone)
        return self

    async def contact(self, email: str, *, may_sign: bool = True) -> Contact:
        made = await contacts.add(
            self.pool,
            Contact(
                contact_id=0,
                account_id=self.account_id,
                name=email.partition("@")[0].title(),
                email=email,
                email_verified_at=None,
                role=ContactRole.AUTHORISED,
                may_sign=may_sign,
                may_open_sev1=True,
                language="en",
            ),
            actor="operator",
        )
        assert made is not None
        return made

    async def staff(self, name: str, *roles: Role) -> Actor:
        email = f"{name}@provider.test"
        made = await people.by_email(self.pool, email) or await people.add(
            self.pool,
            StaffMember(person_id=0, name=name.title(), email=email, phone="", roles=frozenset(roles)),
            actor="operator",
        )
        assert made is not None
        return Actor(side=Side.PROVIDER, name=f"staff {made.person_id}", person_id=made.person_id, email=email)

    async def order_form(self, *, zone: ServiceZone, service: str = "email", begins: datetime | None = None) -> OrderForm:
        made = await contracts.add_order_form(
            self.pool,
            OrderForm(
                order_form_id=0,
                account_id=self.account_id,
                service=service,
                plan="Enterprise",
                zone=zone,
                holiday_set=calendar_of(zone).holiday_set,
                sev1_entitled=True,
                objectives=Objectives(),
                cadence_s=3600,
                target_uptime=Decimal("99.99"),
                begins_at=begins or datetime(2026, 1, 1, tzinfo=UTC),
                ends_at=None,
                recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
                recorded_by="",
            ),
            actor="operator",
        )
        assert made is not None
        await self.pool.execute(  # as if it had been recorded when it begins: by the clock of the test
            "UPDATE order_forms SET recorded_at = lower(period),"
            " end_recorded_at = CASE WHEN end_recorded_at IS NOT NULL THEN upper(period) END"
        )
        return made

    def said(self, text: str, *, by: Contact | None = None, automatic: bool = False) -> Incoming:
        contact = by or self.kim
        return Incoming(
            side=Side.CUSTOMER,
            actor=f"contact {contact.contact_id}",
            author=contact.name,
            channel=Channel.EMAIL,
            purpose=Purpose.WORD,
            verified=Verified.DKIM,
            automatic=automatic,
            sender=contact.email,
            body=text,
        )

    def ours(self, text: str, purpose: Purpose = Purpose.ANSWER, *, by: Actor | None = None) -> Incoming:
        actor = by or self.ann
        return Incoming(
            side=Side.PROVIDER,
            actor=actor.name,
            author="Ann",
            channel=Channel.STAFF,
            purpose=purpose,
            verified=Verified.STAFF,
            sender=actor.email,
            body=text,
        )

    async def open(self, text: str = "Mail is slow.", **more: object) -> Case:
        given = {
            "account_id": self.account_id,
            "kind": CaseKind.BUG,
            "subject": "Mail is slow",
            "source": Source.EMAIL,
            "first": self.said(text),
            "contact_id": self.kim.contact_id,
            **more,
        }
        return await self.desk.open(Opening(**given), contact_actor(self.kim))  # type: ignore[arg-type]

    async def post(self, case_id: int) -> list[Letter]:
        """Let every letter of a case be accepted for delivery, and return those that were."""
        waiting = [one for one in await letter_store.of_case(self.pool, case_id) if one.sent_at is None]
        for one in waiting:
            await self.desk.sent(one, message_id=f"{one.letter_id}@support.test")
        return waiting

    async def word(self, case_id: int, text: str, *, by: Contact | None = None, **more: object) -> Case:
        contact = by or self.kim
        answer = await self.desk.word(
            case_id,
            self.said(text, by=contact, automatic=bool(more.pop("automatic", False))),
            contact_actor(contact),
            contact_id=contact.contact_id,
            words=text,
            **more,  # type: ignore[arg-type]
        )
        assert isinstance(answer, Case), answer
        return answer

    async def answer(self, case_id: int, text: str = "We look at it.", *, question: bool = False, send: bool = True) -> Case:
        done = await self.desk.write(case_id, self.ours(text), self.ann, question=question)
        assert isinstance(done, Case), done
        if send:
            await self.post(case_id)
        return await self.case(case_id)

    async def case(self, case_id: int) -> Case:
        found = await self.desk.case(case_id)
        assert found is not None
        return found

    async def clocks(self, case_id: int) -> list[Reading]:
        return [one.reading for one in await clocks.of_subject(self.pool, "case", case_id)]

    async def shows(self, case_id: int, kind: Kind) -> Reading:
        """Return the last clock of a kind."""
        return [one for one in await self.clocks(case_id) if one.kind is kind][-1]

    async def happened(self, case_id: int) -> list[str]:
        return [type(one.payload).__name__ for one in await store.events_of(self.pool, case_id)]


async def bench(pool: db.Pool, begin: str, **more: object) -> Bench:
    return await Bench(pool, MovedClock(at(begin))).settle_in(**more)  # type: ignore[arg-type]


__all__ = ["ANN", "EVERY", "KIM", "LONDON", "TAM", "Bench", "Life", "Owned", "bench", "owned", "promises"]
