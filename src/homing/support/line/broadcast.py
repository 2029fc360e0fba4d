"""Writes to everybody by mail, where on-call wakes nobody: there are no schedules and no roles, or no way to anybody (E27)."""

from homing.contracts import people
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.support.line import store
from homing.support.line.ports import Mail
from homing.support.line.types import Page, PageReason

_SAID = {
    PageReason.CALL: "A call on the Severity 1 Line waits for its call-back.",
    PageReason.CLAIM_LAPSED: "A call-back is in nobody's hand: its claim ended without an attempt.",
    PageReason.RETRY: "A customer was called and not reached; it is time to try again.",
    PageReason.LINE_SILENT: "The Severity 1 Line does not answer: two test calls were not heard.",
    PageReason.UNHEARD: "A ladder of Severity 1 wakes nobody: see who is on duty and how he is reached (homing oncall show).",
}


async def note(connection: db.Executor, page: Page, *, once: bool = False) -> None:
    """Note that everybody must be written to, in the caller's transaction.

    once   not again for the same reason
    """
    await store.sql.add_page(
        connection,
        reason=page.reason.value,
        reference=page.reference,
        obligation_id=page.obligation_id,
        first_ring_at=page.first_ring_at,
        due_at=page.due_at,
        once=once,
    )


async def responders(executor: db.Executor) -> list[StaffMember]:
    """Return who is paged; where nobody is, everybody of the Customer Success Team and the TAMs."""
    staff = [one for one in await people.everybody(executor) if one.left_at is None]
    return [one for one in staff if one.is_a(Role.ONCALL)] or [one for one in staff if one.is_a(Role.CST, Role.TAM)]


async def send_pages(pool: db.Pool, mail: Mail) -> int:
    """Write to everybody who must be paged; return how many pages went out. It names nothing of the customer's problem."""
    async with db.holding(pool, store.sql.unsent_pages) as (connection, rows):
        for row in rows:
            said = _SAID[PageReason(row["reason"])]
            due = f"It is due at {row['due_at']:%H:%M:%S} UTC.\n" if row["obligation_id"] is not None else ""
            text = f"{said}\nReference: {row['reference']}\n{due}"
            subject = f"SEVERITY 1: {row['reference']}"
            sent = [await mail.send(one.email, subject=subject, text=text) for one in await responders(connection)]
            await store.sql.sent_page(connection, page_id=row["page_id"], sent_to=sum(sent))
    return len(rows)
