"""Who is on duty at an instant: rotations by the clock on the wall, overrides, windows of the week."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from homing.hours.rules.wall import closing, local, opening
from homing.support.oncall.types import Override, Rotation, Schedule, Shift

LONGEST_LOOK = timedelta(days=400)


def on_duty(schedule: Schedule, at: datetime) -> tuple[int, ...]:
    """Return who is on duty at an instant, each once; (): nobody."""
    override = in_force(schedule, at)
    if override is not None:
        return () if override.person_id is None else (override.person_id,)
    found = (whose_turn(rotation, at) for rotation in schedule.rotations)
    return tuple(dict.fromkeys(person for person in found if person is not None))


def in_force(schedule: Schedule, at: datetime) -> Override | None:
    """Return the override that counts at an instant."""
    found = [one for one in schedule.overrides if one.begins_at <= at < one.ends_at]
    return max(found, key=lambda one: one.override_id, default=None)


def whose_turn(rotation: Rotation, at: datetime) -> int | None:
    """Return whose turn it is; None before the first one, outside the windows, and where nobody takes turns."""
    turn = turn_at(rotation, at)
    if turn < 0 or not rotation.people or not _within(rotation, at):
        return None
    return rotation.people[turn % len(rotation.people)]


def turn_at(rotation: Rotation, at: datetime) -> int:
    """Return which turn runs: 0 is the first; below 0 none has begun."""
    zone, second = ZoneInfo(rotation.zone), _second(at)
    turn = (local(zone, second).date() - rotation.starts_on).days // rotation.every_days
    while begins(rotation, turn) > second:
        turn -= 1
    while begins(rotation, turn + 1) <= second:
        turn += 1
    return turn


def begins(rotation: Rotation, turn: int) -> int:
    """Return when a turn begins, in seconds since 1970: the first time that the clock on the wall reads it."""
    day = rotation.starts_on + timedelta(days=turn * rotation.every_days)
    return opening(ZoneInfo(rotation.zone), day, rotation.hands_over_min)


def shifts(schedule: Schedule, start: datetime, end: datetime) -> list[Shift]:
    """Return who is on duty within [start, end), as stretches of the same people; gaps are stretches of nobody.

    raises   ValueError for more than 400 days
    """
    if end - start > LONGEST_LOOK:
        raise ValueError("shifts are shown for 400 days at most")
    edges = sorted({start, *(edge for edge in _edges(schedule, start, end) if start < edge < end)})
    found: list[Shift] = []
    for begin, until in zip(edges, [*edges[1:], end], strict=True):
        people = on_duty(schedule, begin)
        if found and found[-1].people == people:
            found[-1] = Shift(begins_at=found[-1].begins_at, ends_at=until, people=people)
        elif begin < until:
            found.append(Shift(begins_at=begin, ends_at=until, people=people))
    return found


def _edges(schedule: Schedule, start: datetime, end: datetime) -> Iterator[datetime]:
    for override in schedule.overrides:
        yield from (override.begins_at, override.ends_at)
    for rotation in schedule.rotations:
        zone = ZoneInfo(rotation.zone)
        turn = max(turn_at(rotation, start), 0)
        while (second := begins(rotation, turn)) < end.timestamp():
            yield _moment(second)
            turn += 1
        day = local(zone, _second(start)).date() - timedelta(days=1)
        while rotation.weekly and day <= local(zone, _second(end)).date():
            for window in rotation.weekly[day.weekday()]:
                yield _moment(opening(zone, day, window.opens_min))
                yield _moment(closing(zone, day, window.closes_min))
            day += timedelta(days=1)


def _within(rotation: Rotation, at: datetime) -> bool:
    if not rotation.weekly:
        return True
    zone, second = ZoneInfo(rotation.zone), _second(at)
    today = local(zone, second).date()
    return any(
        opening(zone, day, window.opens_min) <= second < closing(zone, day, window.closes_min)
        for day in (today - timedelta(days=1), today)
        for window in rotation.weekly[day.weekday()]
    )


def _second(at: datetime) -> int:
    return int(at.timestamp() // 1)


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
