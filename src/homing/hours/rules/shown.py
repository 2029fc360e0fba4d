"""What is said of Business Hours to machines: facts, each instant in UTC and as the zone's clocks show it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from homing.hours.rules import text
from homing.hours.rules.contract import TERMS, zone_info
from homing.hours.rules.days import Day
from homing.hours.rules.explain import Explanation, Move
from homing.hours.rules.measure import in_force, status
from homing.hours.types import Calendar, Open, Version


def local(calendar: Calendar, moment: datetime | None) -> str:
    """Return an instant as the calendar's clocks show it; '' for none."""
    return "" if moment is None else text.show_instant(moment, zone_info(calendar.zone))


def both(calendar: Calendar, name: str, moment: datetime | None) -> dict[str, Any]:
    """Return an instant under a name, in UTC and as the calendar's clocks show it."""
    return {name: moment, f"{name}_local": None if moment is None else local(calendar, moment)}


def state_facts(calendar: Calendar, at: datetime) -> dict[str, Any]:
    """Return whether Business Hours run, until when, and by which version."""
    state = status(calendar, at)
    number, hours = in_force(calendar, at)
    facts: dict[str, Any] = {
        "calendar": calendar.name,
        "zone": calendar.zone,
        "tz": TERMS[calendar.zone].tz,
        "holidays": calendar.holiday_set,
        **both(calendar, "at", at),
        "open": isinstance(state, Open),
        "version": number,
        "week": text.show_week(hours.weekly),
        "exceptions": text.show_exceptions(hours.exceptions),
    }
    if isinstance(state, Open):
        return facts | both(calendar, "closes_at", state.closes_at)
    return facts | {"why": state.why, "holiday": state.holiday, **both(calendar, "opens_at", state.opens_at)}


def day_facts(calendar: Calendar, day: Day) -> dict[str, Any]:
    """Return one local date."""
    return {
        "date": day.day,
        "spans": [{**both(calendar, "start", start), **both(calendar, "end", end)} for start, end in day.spans],
        "seconds": day.seconds,
        "why": day.why,
        "holiday": day.holiday,
        "version": day.version,
    }


def version_facts(version: Version) -> dict[str, Any]:
    """Return a version."""
    return {
        "version": version.number,
        "week": text.show_week(version.hours.weekly),
        "exceptions": text.show_exceptions(version.hours.exceptions),
        "effective_from": version.effective_from,
        "effective_to": version.effective_to,
        "recorded_at": version.recorded_at,
        "author": version.author,
        "reason": version.reason,
        "notice_sent_at": version.notice_sent_at,
    }


def changed_facts(changes: Sequence[tuple[Day, Day]]) -> list[dict[str, Any]]:
    """Return the dates that a change changes."""
    return [{"date": after.day, "before_s": before.seconds, "after_s": after.seconds} for before, after in changes]


def due_facts(calendar: Calendar, start: datetime, seconds: int, due: datetime, moved: Sequence[Move]) -> dict[str, Any]:
    """Return when a promise falls due, and what moved that moment since it was given."""
    return {
        "calendar": calendar.name,
        "seconds": seconds,
        **both(calendar, "start", start),
        **both(calendar, "due", due),
        "moves": [move_facts(calendar, one) for one in moved],
    }


def move_facts(calendar: Calendar, move: Move) -> dict[str, Any]:
    """Return what moved a due time."""
    record = version_facts(move.record) if isinstance(move.record, Version) else move.record
    return {**both(calendar, "before", move.before), **both(calendar, "after", move.after), "record": record}


def explanation_facts(calendar: Calendar, found: Explanation) -> dict[str, Any]:
    """Return an explanation."""
    return {
        "calendar": found.calendar,
        **both(calendar, "start", found.start),
        **both(calendar, "end", found.end),
        "counted_s": found.counted_s,
        "skipped_s": found.skipped_s,
        "stretches": [
            {
                **both(calendar, "start", one.start),
                **both(calendar, "end", one.end),
                "seconds": one.seconds,
                "counts": one.why.counts,
                "why": one.why,
                "holiday": one.holiday,
                "version": one.version,
            }
            for one in found.stretches
        ],
    }
