"""What tests of the TAM's programme share: a record's life in memory, and an account with people and figures in a database."""

from datetime import UTC, date, datetime, timedelta

from homing.contracts import people
from homing.ground import db
from homing.metrics import store as metrics
from homing.metrics.rules.counting import set_id
from homing.metrics.types import COUNTED_BY, COUNTERS, CountRow, Grain, Scope, Set, Tally
from homing.support.cases.rules.decision import No
from homing.support.cases.types import SYSTEM, Actor, Side
from homing.support.clocks.rules.run import read
from homing.support.clocks.types import Kind, Promise, Reading
from homing.support.tam.happened import Began, DocumentPrepared, Event, Payload, Scheduled, Sent
from homing.support.tam.rules import states
from homing.support.tam.rules.clockwork import clocks_of
from homing.support.tam.rules.fold import fold
from homing.support.tam.rules.states import Refusal
from homing.support.tam.types import (
    REQUIRED_TOPICS,
    Action,
    Check,
    Content,
    Counts,
    Migration,
    Onboarding,
    Purpose,
    Record,
    RecordKind,
    Stage,
    State,
    Task,
    TaskKind,
    Topic,
)
from tests.kit.cases import KIM, TAM, calendar_of_pin, promises
from tests.kit.hours import at

TASKS = Onboarding(
    tasks=(
        Task(number=1, title="Verify news.acme.test", kind=TaskKind.AUTHENTICATION, owner=Side.CUSTOMER),
        Task(number=2, title="Set up pools", kind=TaskKind.SENDING_IPS, owner=Side.PROVIDER),
    )
)
RAMP = Migration(
    stages=(
        Stage(number=1, starts_on=date(2026, 5, 21), per_day=1_000),
        Stage(number=2, starts_on=date(2026, 5, 24), per_day=5_000),
    )
)
GOOD_DAY = Counts(count_injected=6_000, count_sent=6_000, count_delivered=5_990, count_bounce=10)
AGENDA = tuple(Topic(kind=kind, text="x", side=Side.PROVIDER) for kind in REQUIRED_TOPICS)
ACTIONS = (Action(number=1, text="Make a pool", owner=Side.PROVIDER), Action(number=2, text="Fill it", owner=Side.CUSTOMER))
ASKED = promises(Kind.CONFIRM)
OWED = promises(Kind.TAM_REPLY)


class Life:
    """A record and its steps, in memory. It begins on a Wednesday, at 10:00 in London."""

    def __init__(self, kind: RecordKind, *, check: Check | None = None, content: Content | None = None) -> None:
        self.at = at("2026-05-20T09:00Z")
        self.events: list[Event] = []
        self.add(Began(kind=kind, title="t", text="x", check=check), by=TAM)
        if kind in (RecordKind.ONBOARDING, RecordKind.MIGRATION):
            given = content or (TASKS if kind is RecordKind.ONBOARDING else RAMP)
            self.do(states.revise(self.record, given, by=TAM, promises={}), TAM)
        if kind is RecordKind.REVIEW:
            self.add(Scheduled(meets_at=at("2026-06-01T10:00Z"), topics=AGENDA), by=TAM)

    def add(self, *payloads: Payload, by: Actor) -> "Life":
        for payload in payloads:
            seq = len(self.events) + 1
            event = Event(record_id=1001, seq=seq, at=self.at, actor=by.name, side=by.side, payload=payload)
            self.events.append(event)
        return self

    def do(self, decision: "states.Decision", by: Actor) -> "Life":
        assert isinstance(decision, list), decision
        return self.add(*decision, by=by)

    def later(self, **by: float) -> "Life":
        self.at += timedelta(**by)
        return self

    def sent(self, purpose: Purpose, version: int = 0, *, given: dict[Kind, Promise] | None = None) -> "Life":
        return self.add(Sent(purpose=purpose, version=version, promises=ASKED if given is None else given), by=SYSTEM)

    @property
    def record(self) -> Record:
        return fold(self.events, account_id=1)

    def clocks(self) -> list[Reading]:
        return [read(log, calendar_of_pin(log.started.pin), now=self.at) for log in clocks_of(self.events)]


def refused(decision: "states.Decision") -> str:
    """Return why something is not done."""
    assert not isinstance(decision, list), decision
    return (decision.no if isinstance(decision, Refusal) else decision).why


def is_no(decision: "states.Decision") -> bool:
    return isinstance(decision, No | Refusal)


def in_state(kind: RecordKind, state: State, *, check: Check | None = None) -> Life:
    """Return a record that came to a state by the steps that lead there."""
    life = Life(kind, check=check)
    day = date(2026, 5, 21)
    if kind in (RecordKind.ONBOARDING, RecordKind.MIGRATION) and state not in (State.DRAFT, State.ABORTED):
        life.do(states.agree(life.record, 1, by=KIM, person="contact 7"), KIM)
        if state is not State.AGREED:
            life.do(states.start(life.record, today=life.at.date()), TAM)
        life.later(days=10)
    match kind, state:
        case RecordKind.ONBOARDING, State.COMPLETED:
            life.do(states.do_task(life.record, 1, by=KIM), KIM)
            life.do(states.do_task(life.record, 2, by=TAM), TAM)
        case RecordKind.MIGRATION, State.COMPLETED:
            life.do(states.advance(life.record, day, GOOD_DAY, now=life.at), TAM)
            life.do(states.advance(life.record, day + timedelta(days=5), GOOD_DAY, now=life.at), TAM)
        case RecordKind.MIGRATION, State.HELD:
            life.do(states.hold(life.record, "a blocklist"), TAM)
        case RecordKind.MIGRATION, State.ABORTED:
            life.do(states.abort(life.record, "it stays"), TAM)
        case RecordKind.REVIEW, _ if state is not State.SCHEDULED:
            _review(life, state)
        case RecordKind.RECOMMENDATION, State.DECLINED:
            life.do(states.decline(life.record, "no", by=KIM, person=""), KIM)
        case RecordKind.RECOMMENDATION, State.SUPERSEDED:
            life.do(states.supersede(life.record, 1002), TAM)
        case RecordKind.RECOMMENDATION, State.ACKNOWLEDGED | State.FOLLOWED:
            life.do(states.acknowledge(life.record, by=KIM, person=""), KIM)
            if state is State.FOLLOWED:
                life.do(states.follow(life.record, result=None, attestation="seen", by_tam=True), TAM)
        case RecordKind.EDUCATION, State.DELIVERED | State.ACKNOWLEDGED:
            life.do(states.deliver(life.record, "in a call"), TAM)
            if state is State.ACKNOWLEDGED:
                life.do(states.acknowledge(life.record, by=KIM, person=""), KIM)
        case _:
            pass
    assert life.record.state is state
    return life


def _review(life: Life, state: State) -> None:
    life.add(DocumentPrepared(number=1, sha256=""), by=TAM)
    life.do(states.meet(life.record, held_at=life.at, attendees="", now=life.at), TAM)
    if state is State.HELD:
        return
    life.do(states.write_minutes(life.record, "we met", () if state is State.DONE else ACTIONS), TAM)
    life.sent(Purpose.MINUTES, 4, given={})
    if state is State.ACTIONS_OPEN:
        life.do(states.open_actions(life.record), TAM)
    if state is State.DONE:
        life.do(states.finish(life.record), TAM)


# With a database --------------------------------------------------------------------------------------------------------


async def count(pool: db.Pool, account_id: int, day: date, *, provider: str = "Gmail", **numbers: int) -> None:
    """Let an account have figures of a day, as the follower of the log writes them. numbers: by column of metric_counts."""
    domain = f"{provider.lower()}.test"
    sets: dict[str, Set] = {}
    rows = []
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    told_apart = {"domain": domain, "sending_domain": "acme.test", "ip_pool": "bulk"}
    for scope in Scope:
        known = {member: value for member, value in told_apart.items() if member in scope.members}
        one = Set(account_id=account_id, scope=scope, subaccount_id=0, **known)
        sets[set_id(one)] = one
        counted = {COUNTERS.index(name): number for name, number in numbers.items()}
        rows += [
            CountRow(account_id, grain, scope, grain.start(noon), set_id(one), counted)
            for grain in COUNTED_BY[scope]
            if grain >= Grain.DAY
        ]
    tally = Tally(sets=sets, counts=rows, texts=[], seen={}, providers={domain: (provider, "Global")})
    async with pool.acquire() as connection, connection.transaction():
        await metrics.write(connection, tally, day)


async def token_of(pool: db.Pool, actor: Actor) -> str:
    """Return a token of a member of the staff."""
    return await people.new_token(pool, actor.person_id, label="t", actor="operator")
