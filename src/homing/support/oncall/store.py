"""Schedules, ladders and channels in PostgreSQL, and who can be reached at an instant. Whoever changes something is named.

They are the Provider's own, so no row belongs to an account.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from homing.contracts import people
from homing.contracts import store as contracts
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.hours.rules.measure import status
from homing.hours.types import Open, Windows
from homing.support.clocks.rules.pins import pins_of
from homing.support.clocks.store import Calendars
from homing.support.oncall.rules.duty import on_duty
from homing.support.oncall.rules.ladder import SEVERITY_1, checked
from homing.support.oncall.types import ChannelKind, Facts, Ladder, Override, Rotation, Schedule, Step

sql = db.queries("homing.support.oncall")
PURPOSE = "on-call"
log = get("oncall")
_encode = msgspec.json.Encoder().encode


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A way to somebody. address_sealed: None where it is his own address or number. label: what may be shown of it."""

    channel_id: int
    person_id: int
    kind: ChannelKind
    address_sealed: bytes | None
    label: str


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Who can be reached now, and how."""

    facts: Facts
    channels: dict[int, list[Channel]]


async def schedules(executor: db.Executor, now: datetime) -> list[Schedule]:
    """Return every schedule with its rotations, and the overrides that have not ended."""
    with db.trouble_is_temporary():
        rows = [row async for row in sql.schedules(executor)]
        rotations = [row async for row in sql.rotations(executor)]
        overrides = [row async for row in sql.overrides(executor, now=now)]
    return [
        Schedule(
            schedule_id=row["schedule_id"],
            name=row["name"],
            rotations=tuple(_rotation(one) for one in rotations if one["schedule_id"] == row["schedule_id"]),
            overrides=tuple(_override(one) for one in overrides if one["schedule_id"] == row["schedule_id"]),
        )
        for row in rows
    ]


async def add_schedule(pool: db.Pool, name: str, *, actor: str) -> bool:
    """Keep a new schedule; False: there is one of that name."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await sql.add_schedule(connection, name=name, actor=actor) is None:
                return False
            await _note(connection, actor, "schedule added", name)
    return True


async def remove_schedule(pool: db.Pool, name: str, *, actor: str) -> bool:
    """Forget a schedule with all that belongs to it; False: there is none."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await sql.remove_schedule(connection, name=name) is None:
                return False
            await _note(connection, actor, "schedule removed", name)
    return True


async def add_rotation(pool: db.Pool, schedule: str, rotation: Rotation, *, actor: str) -> int | None:
    """Keep a new rotation (its number is ignored); return its number, or None where there is no such schedule."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            schedule_id = await sql.schedule_id(connection, name=schedule)
            if schedule_id is None:
                return None
            number: int = await sql.add_rotation(
                connection,
                schedule_id=schedule_id,
                zone=ZoneInfo(rotation.zone).key,
                people=list(rotation.people),
                starts_on=rotation.starts_on,
                hands_over_min=rotation.hands_over_min,
                every_days=rotation.every_days,
                weekly=_encode(rotation.weekly).decode(),
                actor=actor,
            )
            await _note(connection, actor, "rotation added", schedule, rotation=number, people=rotation.people)
    return number


async def remove_rotation(pool: db.Pool, rotation_id: int, *, actor: str) -> bool:
    """Forget a rotation; False: there is none."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await sql.remove_rotation(connection, rotation_id=rotation_id) is None:
                return False
            await _note(connection, actor, "rotation removed", f"rotation {rotation_id}")
    return True


async def add_override(pool: db.Pool, schedule: str, override: Override, *, actor: str) -> int | None:
    """Keep a new override (its number is ignored); return its number, or None where there is no such schedule."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            schedule_id = await sql.schedule_id(connection, name=schedule)
            if schedule_id is None:
                return None
            number: int = await sql.add_override(
                connection,
                schedule_id=schedule_id,
                person_id=override.person_id,
                begins_at=override.begins_at,
                ends_at=override.ends_at,
                reason=override.reason,
                actor=actor,
            )
            span = {"begins_at": override.begins_at.isoformat(), "ends_at": override.ends_at.isoformat()}
            await _note(connection, actor, "override added", schedule, override=number, person=override.person_id, **span)
    return number


async def remove_override(pool: db.Pool, override_id: int, *, actor: str) -> bool:
    """Forget an override; False: there is none."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await sql.remove_override(connection, override_id=override_id) is None:
                return False
            await _note(connection, actor, "override removed", f"override {override_id}")
    return True


async def ladder(executor: db.Executor, name: str) -> Ladder | None:
    """Return a ladder; that of Severity 1 is there also where nobody recorded one."""
    with db.trouble_is_temporary():
        row = await sql.ladder(executor, name=name)
    if row is None:
        return SEVERITY_1 if name == SEVERITY_1.name else None
    return _ladder(row)


async def ladders(executor: db.Executor) -> list[Ladder]:
    """Return every ladder, that of Severity 1 first."""
    with db.trouble_is_temporary():
        found = [_ladder(row) async for row in sql.ladders(executor)]
    first = [one for one in found if one.name == SEVERITY_1.name] or [SEVERITY_1]
    return first + [one for one in found if one.name != SEVERITY_1.name]


async def put_ladder(pool: db.Pool, wanted: Ladder, *, actor: str) -> None:
    """Keep a ladder in the place of the one of its name. What runs already goes on as it was.

    raises   Misuse where it cannot be climbed
    """
    steps = _encode(checked(wanted).steps).decode()
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await sql.put_ladder(connection, name=wanted.name, steps=steps, actor=actor)
            await _note(connection, actor, "ladder recorded", wanted.name)


async def remove_ladder(pool: db.Pool, name: str, *, actor: str) -> bool:
    """Forget a ladder; that of Severity 1 is as we wrote it from then on. False: none was recorded."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await sql.remove_ladder(connection, name=name) is None:
                return False
            await _note(connection, actor, "ladder removed", name)
    return True


async def add_channel(
    pool: db.Pool, master_key: MasterKey, person_id: int, kind: ChannelKind, address: str, *, label: str, actor: str
) -> int:
    """Keep a further way to somebody; return its number.

    raises   Misuse for a kind that is his own address or number
    """
    if kind not in (ChannelKind.WEBHOOK, ChannelKind.SERVICE):
        raise Misuse("an address and a number are those of the staff; only webhooks and services are added")
    sealed = master_key.seal(address.encode(), purpose=PURPOSE)
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            number: int = await sql.add_channel(
                connection, person_id=person_id, kind=kind.value, address_sealed=sealed, label=label, actor=actor
            )
            await _note(connection, actor, "channel added", f"staff {person_id}", channel=number, kind=kind.value)
    return number


async def remove_channel(pool: db.Pool, channel_id: int, *, actor: str) -> bool:
    """Forget a channel; False: there is none."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            person_id = await sql.remove_channel(connection, channel_id=channel_id)
            if person_id is None:
                return False
            await _note(connection, actor, "channel removed", f"staff {person_id}", channel=channel_id)
    return True


async def channels(executor: db.Executor) -> list[Channel]:
    """Return the channels that were added."""
    with db.trouble_is_temporary():
        return [
            Channel(
                channel_id=row["channel_id"],
                person_id=row["person_id"],
                kind=ChannelKind(row["kind"]),
                address_sealed=row["address_sealed"],
                label=row["label"],
            )
            async for row in sql.channels(executor)
        ]


async def reach(executor: db.Executor, account_id: int | None, now: datetime, *, kinds: frozenset[ChannelKind]) -> Reach:
    """Return who can be reached at an instant, and how.

    kinds   the kinds of channels that this installation can use
    """
    return reach_of(
        await people.everybody(executor),
        await channels(executor),
        await schedules(executor, now),
        tam=None if account_id is None else await _tam(executor, account_id, now),
        now=now,
        kinds=kinds,
    )


def reach_of(
    everybody: Iterable[StaffMember],
    added: Iterable[Channel],
    plans: Iterable[Schedule],
    *,
    tam: int | None,
    now: datetime,
    kinds: frozenset[ChannelKind],
) -> Reach:
    """Return who of the staff can be reached at an instant, and how.

    added   channels besides people's own addresses and numbers
    """
    staff = {one.person_id: one for one in everybody if one.left_at is None}
    ways: dict[int, list[Channel]] = {}
    for member in staff.values():
        ways[member.person_id] = [one for one in _own(member) if one.kind in kinds]
    for channel in added:
        if channel.person_id in ways and channel.kind in kinds:
            ways[channel.person_id].append(channel)
    plans = list(plans)
    named = [person for plan in plans for rotation in plan.rotations for person in rotation.people]
    by_role = {role.value: tuple(sorted(one.person_id for one in staff.values() if one.is_a(role))) for role in Role}
    found = Facts(
        on_duty={plan.name: _duty(plan, now) for plan in plans},
        roster=tuple(dict.fromkeys([*named, *by_role[Role.ONCALL]])),
        by_role=by_role,
        tam=tam,
        reachable=frozenset(person for person, some in ways.items() if some),
        is_scheduled=bool(named),
    )
    return Reach(facts=found, channels=ways)


def _duty(plan: Schedule, now: datetime) -> tuple[int, ...]:
    """Return who is on duty. A schedule that cannot be read has nobody, so that its step is passed over and not the ladder."""
    try:
        return on_duty(plan, now)
    except Exception:  # the edge of one schedule
        log.exception("schedule_cannot_be_read", schedule=plan.name)
        return ()


async def _tam(executor: db.Executor, account_id: int, now: datetime) -> int | None:
    """Return who acts as TAM, while Business Hours of the account run: those of any of its Order Forms (E18)."""
    tam = await contracts.tam_at(executor, account_id, now)
    if tam is None:
        return None
    calendars = Calendars(executor)
    for pin in pins_of(await contracts.order_forms_at(executor, account_id, now)):
        try:
            await calendars.load([pin])
            if isinstance(status(calendars.of(pin), now), Open):
                return tam.acting.person_id
        except Misuse:  # hours that were recorded wrongly
            continue
    return None


def _own(member: StaffMember) -> list[Channel]:
    """Return the ways that everybody has."""
    kinds = [ChannelKind.EMAIL] + ([ChannelKind.VOICE, ChannelKind.TEXT] if member.phone else [])
    return [Channel(channel_id=0, person_id=member.person_id, kind=kind, address_sealed=None, label="") for kind in kinds]


async def _note(connection: db.Executor, actor: str, action: str, subject: str, **detail: Any) -> None:
    await contracts.note(connection, actor=actor, action=action, account_id=None, subject=f"on-call: {subject}", detail=detail)


def _rotation(row: Any) -> Rotation:
    return Rotation(
        rotation_id=row["rotation_id"],
        zone=row["zone"],
        people=tuple(row["people"]),
        starts_on=row["starts_on"],
        hands_over_min=row["hands_over_min"],
        every_days=row["every_days"],
        weekly=msgspec.json.decode(row["weekly"], type=tuple[Windows, ...]),
    )


def _override(row: Any) -> Override:
    return Override(
        override_id=row["override_id"],
        person_id=row["person_id"],
        begins_at=row["begins_at"],
        ends_at=row["ends_at"],
        reason=row["reason"],
    )


def _ladder(row: Any) -> Ladder:
    return Ladder(name=row["name"], steps=msgspec.json.decode(row["steps"], type=tuple[Step, ...]))
