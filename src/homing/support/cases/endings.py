"""How a case ends with the word of both sides: proposals, signatures, refusals, reminders, and the end on silence.

Each word here is one transaction, as at the desk; rules/resolution.py and rules/closing.py decide.
"""

from homing.contracts.types import Contact
from homing.support.cases import letter_store, store
from homing.support.cases.desk import Answer, Desk, contact_actor, may_sign, reopening, why_not_sign
from homing.support.cases.desk import own_words as said_by_us
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules import closing, resolution
from homing.support.cases.rules.clockwork import clocks_of
from homing.support.cases.rules.decision import Bar, Decision, No
from homing.support.cases.rules.reading import own_words
from homing.support.cases.steps import Step, call_of
from homing.support.cases.types import SYSTEM, Actor, Channel, Incoming, Method, Purpose, Side, Verified
from homing.support.clocks.types import Kind

DISPUTE_DAYS = 5


class Endings:
    """Carries out what ends a case. One for a worker."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def propose(self, case_id: int, text: str, by: Actor, *, author: str, account_id: int | None = None) -> Answer:
        """One side offers the end in exact words."""

        async def decide(step: Step) -> Decision:
            ours = by.side is Side.PROVIDER
            decision = closing.propose(
                step.case,
                text,
                by=by,
                tam=await step.is_tam(by),
                message=await step.next_message() if ours else 0,
                promises=await step.promises(Kind.CONFIRM),
            )
            if ours and not isinstance(decision, No):
                if (unread := await step.why_unread()) is not None:
                    return unread
                await step.say(said_by_us(Purpose.PROPOSAL, text, by, author))
            return decision

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def sign(
        self,
        case_id: int,
        by: Actor,
        *,
        version: int,
        method: Method,
        evidence: str,
        words: str = "",
        letter: Letter | None = None,
    ) -> Answer:
        """One side agrees to the exact words of a proposal.

        letter   whose link is used up by it
        """

        async def decide(step: Step) -> Decision:
            decision = closing.sign(
                step.case,
                version,
                by=by,
                method=method,
                evidence=evidence,
                may=await may_sign(step, by),
                at=step.at,
                words=words,
            )
            if letter is None or isinstance(decision, No) or await letter_store.use(step.connection, letter.letter_id, step.at):
                return decision
            return No(Bar.STATE, "this link was used already")

        return await self._desk.act(case_id, by, decide)

    async def draft_signature(
        self, case_id: int, by: Actor, *, version: int, contact: Contact, words: str = "", account_id: int | None = None
    ) -> Answer:
        """The account agrees by its key; the contact confirms by a link that he is sent (S7)."""

        async def decide(step: Step) -> Decision:
            return closing.draft(
                step.case,
                version,
                contact_id=contact.contact_id,
                may=why_not_sign(contact),
                because="agreed by api",
                words=words,
                at=step.at,
            )

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def enter_consent(
        self, case_id: int, by: Actor, *, version: int, contact: Contact, method: Method, evidence: str
    ) -> Answer:
        """Staff enters what the customer said on a recorded call or wrote; he is told, and can dispute it (S3)."""

        async def decide(step: Step) -> Decision:
            if not evidence.strip() or method not in (Method.CALL, Method.MESSAGE):
                return No(Bar.WHAT, "name the recorded call or the written message that the customer agreed in")
            if method is Method.MESSAGE:
                less = await _less_than_consent(step, version, evidence, contact)
                if less is not None:
                    return less
            call = await call_of(step, evidence) if method is Method.CALL else ""
            if isinstance(call, No):
                return call
            return closing.sign(
                step.case,
                version,
                by=contact_actor(contact),
                method=method,
                evidence=evidence[:200],
                call=call,
                may=why_not_sign(contact),
                at=step.at,
                entered_by=by.person_id,
                dispute_until=await step.business_days_from_now(DISPUTE_DAYS),
            )

        return await self._desk.act(case_id, by, decide)

    async def refuse(
        self, case_id: int, by: Actor, *, version: int, words: str, account_id: int | None = None, letter: Letter | None = None
    ) -> Answer:
        """One side does not agree."""

        async def decide(step: Step) -> Decision:
            decision = closing.refuse(step.case, version, by=by, words=words)
            if letter is not None and not isinstance(decision, No):
                await letter_store.use(step.connection, letter.letter_id, step.at)
            return decision

        return await self._desk.act(case_id, by, decide, account_id=account_id)

    async def dispute(self, case_id: int, by: Actor, *, version: int, words: str, letter: Letter) -> Answer:
        """The customer did not agree to what was entered in his name."""

        async def decide(step: Step) -> Decision:
            decision = closing.dispute(
                step.case, version, words=words, at=step.at, reopening=await step.promises(reopening(step.case))
            )
            if not isinstance(decision, No) and not await letter_store.use(step.connection, letter.letter_id, step.at):
                return No(Bar.STATE, "this link was used already")
            return decision

        return await self._desk.act(case_id, by, decide)

    async def undo(self, case_id: int, by: Actor, *, words: str, contact: Contact, letter: Letter) -> Answer:
        """The customer opens a case again, by the link in the mail that told him of its end; that is a word of his like any
        other.
        """
        async with self._desk.taking(case_id) as taken:
            step = taken[case_id]
            if step is None:
                return None
            if step.case.live:
                return No(Bar.STATE, "the case is open already; answer any mail of it to add something")
            if not await letter_store.use(step.connection, letter.letter_id, step.at):
                return No(Bar.STATE, "this link was used already")
            word = Incoming(
                side=Side.CUSTOMER,
                actor=by.name,
                author=contact.name,
                channel=Channel.PORTAL,
                purpose=Purpose.WORD,
                verified=Verified.PORTAL,
                sender=contact.email,
                body=words or "Please open this case again.",
            )
            answer = await self._desk.word_in(step.connection, case_id, word, by, contact_id=contact.contact_id, words=word.body)
        self._desk.news()
        return answer

    async def remind(self, case_id: int) -> Answer:
        """Ask for the signature again."""

        async def decide(step: Step) -> Decision:
            return closing.remind(step.case)

        return await self._desk.act(case_id, SYSTEM, decide)

    async def close_unconfirmed(self, case_id: int, by: Actor) -> Answer:
        """End a case on silence; nobody has agreed."""

        async def decide(step: Step) -> Decision:
            return closing.close_unconfirmed(step.case, by=by, tam=await step.is_tam(by), exhausted=await self._exhausted(step))

        return await self._desk.act(case_id, by, decide)

    async def _exhausted(self, step: Step) -> bool:
        confirm = [log for log in clocks_of(step.events) if log.kind is Kind.CONFIRM]
        if not confirm:
            return False
        reading = await step.calendars.read(confirm[-1], step.at)
        return reading.ended_at is None and reading.elapsed_s >= reading.budget_s


async def _less_than_consent(step: Step, version: int, evidence: str, contact: Contact) -> Decision | None:
    """Return what a written message is instead of a consent: nothing at all, or a draft that its author confirms by a link (S6).
    None: it is one.
    """
    every = await store.messages_of(step.connection, step.case_id)
    theirs = [one for one in every if one.side is Side.CUSTOMER]
    found = next((one for one in theirs if str(one.number) == evidence and one.sender == contact.email), None)
    if found is None:
        return No(Bar.WHAT, "evidence is the number of a message of this contact in this case")
    proposal = step.case.proposal
    if proposal is None or proposal.version != version:
        return None  # that is said by whoever signs
    why = resolution.why_no_consent(proposal, found)
    if why:
        return No(Bar.WHAT, why)
    after = [one for one in theirs if one.number > found.number and not one.automatic]
    if found.verified is not Verified.NONE and resolution.all_agree([own_words(one.body) for one in (found, *after)]):
        return None
    return closing.draft(
        step.case,
        version,
        contact_id=contact.contact_id,
        may=why_not_sign(contact),
        because="no plain yes",
        words=own_words(found.body),
        at=step.at,
    )
