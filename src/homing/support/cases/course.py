"""What changes the course of a case: severity, cadence, the TAM, scope, duplicates.

Each word here is one transaction, as at the desk; rules/urgency.py and rules/standing.py decide.
"""

from datetime import datetime

import msgspec

from homing.contracts.types import Contact
from homing.support.cases import agreeing, letter_store
from homing.support.cases.desk import Answer, Desk, own_words
from homing.support.cases.happened import CalledBack
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules import closing, standing, urgency
from homing.support.cases.rules.clockwork import clocks_of
from homing.support.cases.rules.critical import critical_since
from homing.support.cases.rules.decision import Bar, Decision, No, why_over
from homing.support.cases.rules.evidence import named
from homing.support.cases.steps import Step, call_of
from homing.support.cases.types import Actor, CaseKind, Purpose, Severity, Verdict
from homing.support.clocks.rules.cadence import Cadence
from homing.support.clocks.rules.severity import AWAY
from homing.support.clocks.types import ClockLog, Kind, State

_encode = msgspec.json.Encoder().encode


class Course:
    """Carries out what changes the course of a case. One for a worker."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def escalate(
        self,
        case_id: int,
        by: Actor,
        *,
        reason: str,
        by_call: bool = False,
        first_ring_at: datetime | None = None,
        account_id: int | None = None,
    ) -> Answer:
        """The case becomes critical: at once on the customer's word (R12)."""

        async def decide(step: Step) -> Decision:
            return urgency.escalate(
                step.case,
                reason=reason,
                by=by,
                by_call=by_call,
                first_ring_at=first_ring_at,
                promises={} if by_call else await step.promises(Kind.ENGAGE, Kind.CADENCE),
            )

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def called_back(self, case_id: int, by: Actor, *, placed_at: datetime) -> Answer:
        """A call of this case was returned: from here on the customer is owed updates."""

        async def decide(step: Step) -> Decision:
            return urgency.called_back(step.case, placed_at=placed_at, promises=await step.promises(Kind.CADENCE))

        return await self._desk.act(case_id, by, decide)

    async def engage(self, case_id: int, by: Actor) -> Answer:
        """Whoever was woken has acknowledged."""

        async def decide(step: Step) -> Decision:
            return urgency.engage(step.case, by.person_id)

        return await self._desk.act(case_id, by, decide)

    async def step_down(self, case_id: int, by: Actor, *, text: str, account_id: int | None = None) -> Answer:
        """One side wants the case to be critical no more."""

        async def decide(step: Step) -> Decision:
            return urgency.step_down(step.case, text=text)

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def accept_step_down(self, case_id: int, by: Actor, *, version: int, account_id: int | None = None) -> Answer:
        """The other side agrees to that."""

        async def decide(step: Step) -> Decision:
            return urgency.accept_step_down(step.case, version, by=by, promises=await step.promises(Kind.UPDATE))

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def propose_cadence(self, case_id: int, by: Actor, cadence: Cadence, *, account_id: int | None = None) -> Answer:
        """One side says how often."""

        async def decide(step: Step) -> Decision:
            return urgency.propose_cadence(step.case, cadence)

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def accept_cadence(
        self,
        case_id: int,
        by: Actor,
        *,
        version: int,
        effective_at: datetime | None = None,
        evidence: str = "",
        account_id: int | None = None,
    ) -> Answer:
        """The other side agrees to a cadence."""

        async def decide(step: Step) -> Decision:
            return urgency.accept_cadence(step.case, version, by=by, at=step.at, effective_at=effective_at, evidence=evidence)

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def read_back(
        self,
        case_id: int,
        by: Actor,
        cadence: Cadence,
        *,
        contact: Contact,
        evidence: str,
        effective_at: datetime | None = None,
    ) -> Answer:
        """Staff enters the cadence that it has read back to a contact on a recorded call, and that he agreed to."""

        async def decide(step: Step) -> Decision:
            call = await call_of(step, evidence)
            if isinstance(call, No):
                return call
            return urgency.read_back(
                step.case,
                cadence,
                by=by,
                contact_id=contact.contact_id,
                at=step.at,
                effective_at=effective_at,
                evidence=evidence,
                call=call,
            )

        return await self._desk.act(case_id, by, decide)

    async def agree(self, case_id: int, by: Actor, *, letter: Letter) -> Answer:
        """The reader of a letter agrees to what it asks, by its link."""

        async def decide(step: Step) -> Decision:
            decision = await agreeing.agreed(step, letter, by)
            if isinstance(decision, No) or await letter_store.use(step.connection, letter.letter_id, step.at):
                return decision
            return No(Bar.STATE, "this link was used already")

        return await self._desk.act(case_id, by, decide)

    async def restore(self, case_id: int, by: Actor, *, text: str) -> Answer:
        """The service works again."""

        async def decide(step: Step) -> Decision:
            return urgency.restore(step.case, text)

        return await self._desk.act(case_id, by, decide)

    async def call_tam(self, case_id: int, by: Actor, *, reason: str, account_id: int | None = None) -> Answer:
        """Ask the TAM to look at it."""

        async def decide(step: Step) -> Decision:
            return standing.call_tam(step.case, reason=reason, promises=await step.promises(Kind.TAM_REPLY))

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def withdraw(self, case_id: int, by: Actor, *, reason: str, account_id: int | None = None) -> Answer:
        """The customer takes it back."""

        async def decide(step: Step) -> Decision:
            return closing.withdraw(step.case, by=by, reason=reason)

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def decide_scope(
        self, case_id: int, by: Actor, *, verdict: Verdict, clause: str, route: str, text: str, author: str
    ) -> Answer:
        """Say whether it is in the contract; a refusal is mailed, with clause and route."""

        async def decide(step: Step) -> Decision:
            decision = standing.decide_scope(
                step.case,
                verdict=verdict,
                clause=clause,
                route=route,
                text=text,
                by=by,
                message=await step.next_message(),
            )
            if verdict is not Verdict.IN and not isinstance(decision, No):
                if (unread := await step.why_unread()) is not None:
                    return unread
                await step.say(own_words(Purpose.SCOPE, text, by, author))
            return decision

        return await self._desk.act(case_id, by, decide)

    async def acknowledge_scope(self, case_id: int, by: Actor, *, account_id: int | None = None) -> Answer:
        """The customer has taken note."""

        async def decide(step: Step) -> Decision:
            return standing.acknowledge_scope(step.case, by=by)

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def merge(self, case_id: int, into: int, by: Actor) -> Answer:
        """Let a duplicate go on in another case, with the earlier begin and the earlier due times (E30)."""
        if case_id == into:
            return No(Bar.WHAT, "a case is merged into another one of the same account")
        async with self._desk.taking(case_id, into) as taken:
            step, other = taken[case_id], taken[into]
            if step is None or other is None:
                return None
            refused = await _merge(step, other, by)
            if refused is not None:
                return refused
        self._desk.news()
        return other.case

    async def link_call(self, case_id: int, by: Actor, call: str) -> Answer:
        """Staff says that a call on the Severity 1 Line is about a case that was open already: that one is critical from the
        first ring (E8), and the case which the call had opened goes on in it.

        call   its reference, its number, or the carrier's id, with or without the word `call`
        """
        wanted = named(call)
        found = None if wanted is None else await self._desk.case_of_call(wanted)
        case = await self._desk.case(case_id)
        if case is None:
            return None
        if found is None or found.account_id not in (None, case.account_id):
            return No(Bar.WHAT, "this account has no such call in our logs; name it as `call S1-7KQ2MX`")
        if found.account_id is None or found.case_id is None:
            return No(Bar.STATE, f"call {found.reference} has no case yet: say whose it is first, or wait a minute")
        if found.case_id == case_id:
            return case
        async with self._desk.taking(case_id, found.case_id) as taken:
            step, other = taken[found.case_id], taken[case_id]
            if step is None or other is None:
                return None
            if step.case.merged_into == case_id:
                return other.case
            no = why_over(step.case) or why_over(other.case)
            if no is not None:
                return no
            if step.case.severity is not Severity.CRITICAL:
                return No(Bar.STATE, f"the case of call {found.reference} is critical no more; merge it")
            made = urgency.escalate(
                other.case,
                reason=f"call {found.reference}",
                by=by,
                by_call=True,
                first_ring_at=found.first_ring_at,
                promises={},
                late=await other.has_missed(AWAY),
            )
            if isinstance(made, No):
                return made
            await other.commit(made, by)
            refused = await _merge(step, other, by)
            if refused is not None:
                raise ValueError(refused.why)
            if step.case.called_back:
                await other.commit([CalledBack(placed_at=step.at, promises=await other.promises(Kind.CADENCE))], by)
        self._desk.news()
        return other.case

    async def join(self, case_id: int, by: Actor, contact: Contact) -> Answer:
        """Add a contact to the people of a case."""

        async def decide(step: Step) -> Decision:
            return standing.join(step.case, contact.contact_id)

        return await self._desk.act(case_id, by, decide, account_id=contact.account_id)

    async def reclassify(self, case_id: int, by: Actor, kind: CaseKind) -> Answer:
        """Say of what kind it is after all."""

        async def decide(step: Step) -> Decision:
            return standing.reclassify(step.case, kind)

        return await self._desk.act(case_id, by, decide)

    async def void_clock(self, case_id: int, clock: int, by: Actor, *, reason: str) -> Answer:
        """Say that a clock should never have run; two people have to."""

        async def decide(step: Step) -> Decision:
            if not 0 < clock <= len(clocks_of(step.events)):
                return No(Bar.WHAT, f"the case has no clock {clock}")
            return standing.void_clock(step.case, clock, by=by, reason=reason)

        return await self._desk.act(case_id, by, decide)


# Cases that go on in one share updates, but no call-backs (E11); a receipt, and what a proposal waits for, stay with their case.
_STAYS = frozenset({Kind.CALLBACK, Kind.ENTITLEMENT, Kind.ACK_MAIL, Kind.CONFIRM})


async def _merge(step: Step, other: Step, by: Actor) -> No | None:
    """Let a case go on in another one; or say why not."""
    since = None if await step.has_missed(AWAY) else critical_since(other.events)
    merged = standing.merge(step.case, other.case, await _earlier(step, other), critical_at=since)
    if isinstance(merged, No):
        return merged
    cadence = urgency.carried(step.case, other.case, at=step.at)
    await other.commit([*merged[1], *cadence], by)
    await step.commit(merged[0], by)
    return None


async def _earlier(step: Step, other: Step) -> list[msgspec.Raw]:
    """Return the clocks of a case that are due before those of another, or that the other does not have.

    None that was missed: the miss stays where it happened. None that nothing in the other case would ever stop.
    """
    held = await _running(other)
    stays = _STAYS | (AWAY if other.case.severity is Severity.CRITICAL else frozenset())
    stays |= {Kind.OWN} if other.case.accepted else set()
    stays |= {Kind.ENGAGE} if other.case.engaged else set()
    found = []
    for kind, (due, log) in (await _running(step)).items():
        if kind in stays or (await step.calendars.read(log, step.at)).outcome is State.MISSED:
            continue
        there = held.get(kind)
        if there is None or (due is not None and (there[0] is None or due < there[0])):
            found.append(msgspec.Raw(_encode(log)))
    return found


async def _running(step: Step) -> dict[Kind, tuple[datetime | None, ClockLog]]:
    """Return the open clocks of a case with their due times; None: it waits."""
    found: dict[Kind, tuple[datetime | None, ClockLog]] = {}
    for log in clocks_of(step.events):
        reading = await step.calendars.read(log, step.at)
        if reading.ended_at is None:
            found[log.kind] = (reading.due_at, log)
    return found
