"""What was recorded about Business Hours, in PostgreSQL. Rows are only ever added; the server's clock says when.

Calendars are the Provider's own and the same for every customer, so no row belongs to an account.
"""

from datetime import date, datetime

from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary
from homing.ground.errors import Temporary
from homing.hours.rules.contract import calendar_of
from homing.hours.rules.text import read_hours, write_hours
from homing.hours.types import Calendar, HolidayChange, HolidaySet, OpeningHours, ServiceZone, Version

_sql = queries("homing.hours")


class ClockIsBehind(Temporary):
    """The database server's clock stands before something that was recorded: nothing may be recorded earlier (rule V4)."""


class Overtaken(Temporary):
    """Another version was recorded between looking and recording: nothing was written."""


async def calendar(executor: Executor, zone: ServiceZone, holiday_set: HolidaySet | None = None) -> Calendar:
    """Return a calendar with everything that was recorded about it.

    holiday_set   None: the default of the zone
    raises        Misuse where the set does not fit the zone
    """
    named = calendar_of(zone, holiday_set)
    with trouble_is_temporary():
        versions = [_version(row) async for row in _sql.versions_of(executor, zone=zone.value)]
        changes = [_change(row) async for row in _sql.holiday_changes_of(executor, holiday_set=named.holiday_set.value)]
    return Calendar(zone=zone, holiday_set=named.holiday_set, versions=tuple(versions), holiday_changes=tuple(changes))


async def record_version(
    pool: Pool,
    zone: ServiceZone,
    hours: OpeningHours,
    *,
    follows: int,
    author: str,
    reason: str,
    effective_from: datetime | None = None,
    effective_to: datetime | None = None,
    notice_sent_at: datetime | None = None,
) -> Version:
    """Record hours of a zone; they count from now on, or from effective_from where that is later.

    follows          how many versions the recorder has seen; 0: the contract alone
    effective_from   None: from the moment of recording
    raises           Overtaken; ClockIsBehind
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _take_turn(connection)
            row = await _sql.insert_version(
                connection,
                zone=zone.value,
                follows=follows,
                hours=write_hours(hours),
                effective_from=effective_from,
                effective_to=effective_to,
                author=author,
                reason=reason,
                notice_sent_at=notice_sent_at,
            )
    if row is None:
        raise Overtaken(f"somebody else has recorded hours of {zone} meanwhile; look at them, then record again")
    return _version(row)


async def record_holiday(
    pool: Pool,
    holiday_set: HolidaySet,
    day: date,
    *,
    name: str,
    active: bool,
    source: str,
    author: str,
    reason: str,
    substitute_for: date | None = None,
    source_version: str = "",
) -> HolidayChange:
    """Record that a day is a holiday of a set, or that it is none after all; it counts from now on.

    raises   ClockIsBehind
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _take_turn(connection)
            row = await _sql.insert_holiday_change(
                connection,
                holiday_set=holiday_set.value,
                day=day,
                name=name,
                active=active,
                substitute_for=substitute_for,
                source=source,
                source_version=source_version,
                author=author,
                reason=reason,
            )
    return _change(row)


async def _take_turn(connection: Executor) -> None:
    """Wait until nobody else records, and make sure that time has not gone back.

    raises   ClockIsBehind
    """
    await _sql.one_at_a_time(connection)
    if await _sql.clock_is_behind(connection):
        raise ClockIsBehind("the clock of the database server stands before an earlier record; set it right, then record again")


def _version(row: Record) -> Version:
    return Version(
        number=row["version"],
        zone=ServiceZone(row["zone"]),
        hours=read_hours(row["hours"]),
        effective_from=row["effective_from"],
        effective_to=row["effective_to"],
        recorded_at=row["recorded_at"],
        author=row["author"],
        reason=row["reason"],
        notice_sent_at=row["notice_sent_at"],
    )


def _change(row: Record) -> HolidayChange:
    return HolidayChange(
        number=row["change"],
        holiday_set=HolidaySet(row["holiday_set"]),
        day=row["day"],
        name=row["name"],
        active=row["active"],
        substitute_for=row["substitute_for"],
        source=row["source"],
        source_version=row["source_version"],
        recorded_at=row["recorded_at"],
        author=row["author"],
        reason=row["reason"],
    )
