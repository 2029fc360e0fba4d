"""What follows when the reader of a mail agrees to what it asks, by its link or by its address: a cadence, a step down, or that
he has taken note of a decision about the scope.
"""

from homing.contracts import contacts
from homing.contracts.types import ContactRole
from homing.support.cases.letter_store import Letter
from homing.support.cases.rules import standing, urgency
from homing.support.cases.rules.decision import Bar, Decision, No
from homing.support.cases.steps import Step
from homing.support.cases.types import Actor, Purpose
from homing.support.clocks.types import Kind


async def agreed(step: Step, letter: Letter, by: Actor) -> Decision:
    """Return what follows; the caller uses the letter up."""
    if letter.purpose is Purpose.SCOPE:
        return standing.acknowledge_scope(step.case, by=by)
    contact = await contacts.one(step.connection, step.account_id, by.person_id)
    if contact is None or contact.role is not ContactRole.AUTHORISED:
        return No(Bar.WHO, "an authorised contact of the account agrees to it")
    if letter.purpose is Purpose.CADENCE:
        evidence = f"letter {letter.letter_id}"
        return urgency.accept_cadence(step.case, letter.version, by=by, at=step.at, effective_at=None, evidence=evidence)
    if letter.purpose is Purpose.STEP_DOWN:
        return urgency.accept_step_down(step.case, letter.version, by=by, promises=await step.promises(Kind.UPDATE))
    return No(Bar.STATE, "this mail asks nothing that can be agreed to")
