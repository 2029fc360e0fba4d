"""Tells callers that they were refused: by which clause, by whom, when, and what they can do instead (invariant 14, E16).

The account's authorised contacts are written to; where nobody knows whose the call was, the address that the caller gave.
"""

from datetime import datetime

from homing.contracts import contacts, people
from homing.contracts.types import ContactRole
from homing.ground import db
from homing.ground.log import get
from homing.support.line import store
from homing.support.line.ports import Mail
from homing.support.line.rules.promise import shown
from homing.support.line.types import Call

log = get("line")
_SAYS = """{name} has decided at {at} that a call to the Severity 1 Line is not covered by your agreement:
{reference}, of {rang_at}.

Clause: {clause}
Reason: {reason}
What you can do instead: {route}

This changes nothing of the call-back that we owe you for this call.
If you do not agree, tell your Technical Account Manager.
"""


async def tell_refused(pool: db.Pool, mail: Mail, now: datetime) -> int:
    """Write to whoever was refused and is not told yet; return of how many calls."""
    async with db.holding(pool, store.sql.refused) as (connection, rows):
        for row in rows:
            one = store.call_of(row)
            text = await _text(connection, one)
            to = await _addresses(connection, one)
            subject = f"Your call to the Severity 1 Line ({one.reference})"
            written = sum([await mail.send(address, subject=subject, text=text) for address in to])
            if not written:
                log.error("sev1_refusal_not_told", intake=one.intake_id)
            await store.sql.set_refusal_told(connection, intake_id=one.intake_id, now=now)
            await store.note(connection, one.intake_id, now, "homing", "refusal told", written_to=written)
    return len(rows)


async def _text(connection: db.Executor, one: Call) -> str:
    assert one.decision is not None
    who = None if one.decision.by is None else await people.one(connection, one.decision.by)
    return _SAYS.format(
        name="Our support" if who is None else who.name,
        at=shown(one.decision.at, None),
        rang_at=shown(one.first_ring_at, None),
        reference=one.reference,
        clause=one.decision.clause,
        reason=one.decision.reason,
        route=one.decision.route,
    )


async def _addresses(connection: db.Executor, one: Call) -> list[str]:
    known = [] if one.account_id is None else await contacts.of_account(connection, one.account_id)
    found = [person.email for person in known if person.role is ContactRole.AUTHORISED]
    return found or [address for address in (one.state.answers.email,) if address]
