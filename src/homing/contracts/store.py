"""Order Forms, Technical Account Managers and the audit in PostgreSQL. A change and who made it are one transaction."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from homing.contracts import people
from homing.contracts.types import EMAIL, Assignment, Cover, Entry, Objectives, OrderForm, Role, StaffMember, Tam
from homing.ground import db
from homing.hours.types import HolidaySet, ServiceZone

_sql = db.queries("homing.contracts")
_encode = msgspec.json.Encoder().encode


async def add_order_form(pool: db.Pool, form: OrderForm, *, actor: str) -> OrderForm | None:
    """Keep a new Order Form (its number and time of recording are ignored); the one in force before ends when it begins.

    returns   None where it would overlap with one that begins later or ended by itself
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection:
            try:
                async with connection.transaction():
                    await _sql.end_order_form(connection, account_id=form.account_id, service=form.service, at=form.begins_at)
                    row = await _sql.add_order_form(
                        connection,
                        account_id=form.account_id,
                        service=form.service,
                        plan=form.plan,
                        zone=form.zone.value,
                        holiday_set=form.holiday_set.value,
                        sev1_entitled=form.sev1_entitled,
                        objectives=_encode(form.objectives).decode(),
                        cadence_s=form.cadence_s,
                        target_uptime=form.target_uptime,
                        begins_at=form.begins_at,
                        ends_at=form.ends_at,
                        recorded_by=actor,
                    )
                    made = _order_form(row)
                    detail = {
                        "zone": form.zone.value,
                        "plan": form.plan,
                        "begins_at": form.begins_at.isoformat(),
                        "target_uptime": f"{form.target_uptime.normalize():f}",
                        "sev1_entitled": form.sev1_entitled,
                    }
                    await note(
                        connection,
                        actor=actor,
                        action="order form added",
                        account_id=form.account_id,
                        subject=f"order form {made.order_form_id}",
                        detail=detail,
                    )
            except db.Overlap:
                return None
    return made


async def order_form_at(executor: db.Executor, account_id: int, service: str, at: datetime) -> OrderForm | None:
    """Return what was promised to an account for a service at an instant."""
    with db.trouble_is_temporary():
        row = await _sql.order_form_at(executor, account_id=account_id, service=service, at=at)
    return None if row is None else _order_form(row)


async def order_form(executor: db.Executor, order_form_id: int) -> OrderForm | None:
    """Return one Order Form by its number (a clock pins one when it starts)."""
    with db.trouble_is_temporary():
        row = await _sql.order_form(executor, order_form_id=order_form_id)
    return None if row is None else _order_form(row)


async def order_forms_of(executor: db.Executor, account_id: int) -> list[OrderForm]:
    """Return every Order Form of an account, oldest first."""
    with db.trouble_is_temporary():
        return [_order_form(row) async for row in _sql.order_forms_of(executor, account_id=account_id)]


async def order_forms_at(executor: db.Executor, account_id: int, at: datetime) -> list[OrderForm]:
    """Return the Order Forms of an account that are in force at an instant, of whatever services, oldest first."""
    every = await order_forms_of(executor, account_id)
    return [one for one in every if one.begins_at <= at and (one.ends_at is None or at < one.ends_at)]


async def targets_at(executor: db.Executor, at: datetime, *, known_at: datetime | None = None) -> dict[int, Decimal]:
    """Return the target of a month's availability that Order Forms name at an instant, by account.

    known_at   by what was recorded at that moment; None: by now
    """
    with db.trouble_is_temporary():
        rows = _sql.targets_at(executor, service=EMAIL, at=at, known_at=known_at)
        return {row["account_id"]: Decimal(row["target_uptime"]).normalize() async for row in rows}


class NotTam(Exception):
    """He does not hold the role tam, or has left."""


async def assign_tam(pool: db.Pool, account_id: int, person_id: int, *, begins_at: datetime, actor: str) -> bool:
    """Make somebody an account's TAM from an instant on; there is no gap to the one before.

    returns   False where somebody was assigned from that instant or a later one already
    raises    NotTam
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection:
            try:
                async with connection.transaction():
                    person = await _sql.person_to_assign(connection, person_id=person_id)
                    if person is None or person["left_at"] is not None or Role.TAM.value not in person["roles"]:
                        raise NotTam
                    await _sql.end_tam(connection, account_id=account_id, at=begins_at)
                    await _sql.assign_tam(
                        connection, account_id=account_id, person_id=person_id, begins_at=begins_at, recorded_by=actor
                    )
                    await note(
                        connection,
                        actor=actor,
                        action="TAM assigned",
                        account_id=account_id,
                        subject=f"staff {person_id}",
                        detail={"begins_at": begins_at.isoformat()},
                    )
            except db.Overlap:
                return False
    return True


async def tam_at(executor: db.Executor, account_id: int, at: datetime) -> Tam | None:
    """Return an account's TAM at an instant, and who acts for him (clause B1, E26)."""
    with db.trouble_is_temporary():
        row = await _sql.tam_at(executor, account_id=account_id, at=at)
        if row is None:
            return None
        primary = await people.one(executor, row["person_id"])
        delegate = None if row["delegate_id"] is None else await people.one(executor, row["delegate_id"])
    if primary is None:
        return None
    return Tam(primary=primary, acting=delegate or primary, away_because=row["reason"] or "")


async def tams_at(executor: db.Executor, account_ids: Sequence[int], at: datetime) -> dict[int, Tam]:
    """Return the TAMs of some accounts at an instant, and who acts for each; an account without one is absent."""
    with db.trouble_is_temporary():
        rows = [row async for row in _sql.tams_at(executor, account_ids=list(account_ids), at=at)]
        those = {row["person_id"] for row in rows} | {row["delegate_id"] for row in rows if row["delegate_id"] is not None}
        known = {one: await people.one(executor, one) for one in sorted(those)}
    found: dict[int, Tam] = {}
    for row in rows:
        primary, delegate = known[row["person_id"]], known.get(row["delegate_id"])
        if primary is not None:
            found[row["account_id"]] = Tam(primary=primary, acting=delegate or primary, away_because=row["reason"] or "")
    return found


async def reader_at(executor: db.Executor, account_id: int, at: datetime, *, person_id: int | None = None) -> StaffMember | None:
    """Return who of the staff is written to in a matter of an account. Nobody is who has left.

    person_id   whom it is meant for; where he has left, or nobody is meant: who acts as TAM, else somebody of the desk
    returns     None: there is nobody at all
    """
    if person_id is not None:
        meant = await people.one(executor, person_id)
        if meant is not None and meant.left_at is None:
            return meant
    tam = await tam_at(executor, account_id, at)
    if tam is not None and tam.acting.left_at is None:
        return tam.acting
    here = [one for one in await people.everybody(executor) if one.left_at is None]
    desk = (one for one in here if one.is_a(Role.TAM, Role.CST, Role.ADMIN))
    return next(desk, here[0] if here else None)


async def accounts_of_tam(executor: db.Executor, person_id: int, at: datetime) -> list[int]:
    """Return the accounts that somebody is TAM of, or stands in for."""
    with db.trouble_is_temporary():
        return [row["account_id"] async for row in _sql.accounts_of_tam(executor, person_id=person_id, at=at)]


async def add_cover(
    pool: db.Pool, person_id: int, delegate_id: int, *, begins_at: datetime, ends_at: datetime, reason: str, actor: str
) -> bool:
    """Let somebody stand in while a TAM is away.

    returns   False where somebody else stands in within that time
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection:
            try:
                async with connection.transaction():
                    await _sql.add_cover(
                        connection,
                        person_id=person_id,
                        delegate_id=delegate_id,
                        begins_at=begins_at,
                        ends_at=ends_at,
                        reason=reason,
                        recorded_by=actor,
                    )
                    detail = {"delegate": delegate_id, "begins_at": begins_at.isoformat(), "ends_at": ends_at.isoformat()}
                    await note(
                        connection,
                        actor=actor,
                        action="cover added",
                        account_id=None,
                        subject=f"staff {person_id}",
                        detail=detail,
                    )
            except db.Overlap:
                return False
    return True


async def tams_of(executor: db.Executor, account_id: int) -> list[Assignment]:
    """Return everybody who was, is or will be an account's TAM, oldest first."""
    with db.trouble_is_temporary():
        return [
            Assignment(
                person=people.read_member(row),
                begins_at=row["begins_at"],
                ends_at=row["ends_at"],
                recorded_at=row["recorded_at"],
                recorded_by=row["recorded_by"],
                end_recorded_at=row["end_recorded_at"],
            )
            async for row in _sql.tams_of(executor, account_id=account_id)
        ]


async def covers_of(executor: db.Executor, person_id: int) -> list[Cover]:
    """Return who stood, stands or will stand in for somebody, oldest first."""
    with db.trouble_is_temporary():
        return [msgspec.convert(dict(row), Cover) async for row in _sql.covers_of(executor, person_id=person_id)]


async def end_cover(pool: db.Pool, person_id: int, cover_id: int, *, now: datetime, actor: str) -> bool:
    """Let a cover end now, because the TAM is back. False: there is none that runs or will."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await _sql.end_cover(connection, person_id=person_id, cover_id=cover_id, now=now) is None:
                return False
            detail = {"cover": cover_id}
            subject = f"staff {person_id}"
            await note(connection, actor=actor, action="cover ended", account_id=None, subject=subject, detail=detail)
    return True


async def note(
    executor: db.Executor, *, actor: str, action: str, account_id: int | None, subject: str, detail: dict[str, Any] | None = None
) -> None:
    """Add to the audit, in the transaction of what it tells."""
    await _sql.note(
        executor, actor=actor, action=action, account_id=account_id, subject=subject, detail=_encode(detail or {}).decode()
    )


async def audit_of(executor: db.Executor, account_id: int | None, *, before: int | None = None, limit: int = 200) -> list[Entry]:
    """Return what was changed, the latest first; None: of every account and of the staff. before: the number of a row."""
    with db.trouble_is_temporary():
        rows = _sql.audit_of(executor, account_id=account_id, before=before, limit=limit)
        return [
            Entry(
                audit_id=row["audit_id"],
                account_id=row["account_id"],
                at=row["at"],
                actor=row["actor"],
                action=row["action"],
                subject=row["subject"],
                detail=msgspec.json.decode(row["detail"]),
            )
            async for row in rows
        ]


def _order_form(row: Any) -> OrderForm:
    return OrderForm(
        order_form_id=row["order_form_id"],
        account_id=row["account_id"],
        service=row["service"],
        plan=row["plan"],
        zone=ServiceZone(row["zone"]),
        holiday_set=HolidaySet(row["holiday_set"]),
        sev1_entitled=row["sev1_entitled"],
        objectives=msgspec.json.decode(row["objectives"], type=Objectives),
        cadence_s=row["cadence_s"],
        target_uptime=Decimal(row["target_uptime"]),
        begins_at=row["begins_at"],
        ends_at=row["ends_at"],
        recorded_at=row["recorded_at"],
        recorded_by=row["recorded_by"],
        end_recorded_at=row["end_recorded_at"],
    )
