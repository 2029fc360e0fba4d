"""What /api/v1/support/hours says of itself."""

from datetime import datetime

from homing.api.openapi import Limit, Operation, Schema
from homing.api.v1.support_askers import RESULTS, taken
from homing.api.v1.support_hours_wire import LONGEST, MOST_DAYS, MOST_ON
from homing.hours.rules.contract import FIRST_DAY, LAST_DAY
from homing.hours.rules.record import LONGEST_TEXT, MOST_EXCEPTIONS
from homing.hours.rules.shown import local
from homing.hours.types import Calendar, HolidaySet, ServiceZone
from homing.ingress.rules.problem import Problem, bad_combination, bad_params, bad_type, missing


def hides(calendar: Calendar, turn: datetime) -> Problem:
    """Return why a version is not recorded that would hide when another one begins or ends."""
    return taken(
        f"another version begins or ends on {local(calendar, turn)}, and this one would hide that: "
        "let it end before with effective_to, or say override"
    )


_ZONES = [one.value for one in ServiceZone]
_SETS = [one.value for one in HolidaySet]
_ONE = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}


def _query(name: str, description: str, **schema: object) -> Schema:
    return {"name": name, "in": "query", "schema": schema or {"type": "string", "maxLength": 64}, "description": description}


_WHICH = (
    _query("zone", "default: of the Order Form in force", type="string", enum=_ZONES),
    _query("holiday_set", "default: of the Order Form; where zone is named US-FRB, or GB-EAW", type="string", enum=_SETS),
    _query("known_at", "leave out what was recorded after this moment"),
)
_START = _query("start", "with an offset, or as clocks of the zone read; default: now")
_FOR = _query("duration", "of Business Hours: 4h, 90m, 1h30m, 45s")
_BAD = (bad_params("zone must be one of ET, PT, UK"),)
_BAD_BODY = bad_type("week: 'x' is no day of the week; write for example mon, or mon-fri")
SHOW = Operation(
    "Whether Business Hours run, until when, and day by day",
    {200: ("the state, and some days", RESULTS)},
    errors=_BAD,
    description="A local time is always shown with its abbreviation and its offset from UTC.",
    parameters=(
        *_WHICH,
        _query("at", "which moment to look at; default: now"),
        _query("days", "how many days", type="integer", minimum=0, maximum=MOST_DAYS, default=14),
    ),
)
DUE = Operation(
    "When so much of Business Hours has passed",
    {200: ("the moment, and what has moved it since", RESULTS)},
    errors=_BAD,
    parameters=(*_WHICH, _START, _FOR),
)
EXPLAIN = Operation(
    "Every stretch that counts, every one that does not, and why",
    {200: ("stretches without a gap; they add up to the second", RESULTS)},
    errors=_BAD,
    parameters=(
        *_WHICH,
        _START,
        _query("until", f"the other end, at most {LONGEST.days} days later; or `duration`"),
        _FOR,
    ),
)
HOLIDAYS = Operation(
    "The bank holidays of a year",
    {200: ("with the weekend days in whose place some are observed", RESULTS)},
    errors=_BAD,
    parameters=(
        *_WHICH,
        _query("year", "default: this year", type="integer", minimum=FIRST_DAY.year, maximum=LAST_DAY.year),
    ),
)
VERSIONS = Operation(
    "Everything that was recorded about Business Hours",
    {200: ("versions of the hours and changes of the holidays, in the order of recording", RESULTS)},
    errors=_BAD,
    description="Without any the contract's own hours hold. Rows are only ever added; the past is never measured anew.",
    parameters=_WHICH,
)
RECORD = Operation(
    "Record other hours of a zone",
    {200: ("the version, and the days that it changes", RESULTS)},
    errors=(
        *_BAD,
        missing("zone, reason and follows are required fields"),
        bad_combination("say what changes: week, or days"),
        _BAD_BODY,
        taken("follows: the zone has 2 versions by now; look at them, then say 2"),
    ),
    limits=(Limit("single days of a version", MOST_EXCEPTIONS, "days", "422"),),
    description=(
        "Longer or shorter weeks, single days. It counts from now on, or from `effective_from` where that is later. `follows` is "
        "how many versions you have seen, so nobody overrides what he does not know; the same body again records nothing twice. "
        "`dry_run` shows the days that would change."
    ),
    body={
        "type": "object",
        "required": ["zone", "reason", "follows"],
        "properties": {
            "zone": {"type": "string", "enum": _ZONES},
            "week": {"type": "string", "maxLength": 500, "description": "mon-fri 09:00-18:00; sat 10:00-12:00"},
            "days": {
                "type": "object",
                "maxProperties": MOST_ON,
                "additionalProperties": {"type": "string", "maxLength": 200},
                "description": "by date: 09:00-11:00, closed, or usual, which takes an exception back",
            },
            "effective_from": {"type": "string", "maxLength": 64, "description": "default: from now on"},
            "effective_to": {"type": "string", "maxLength": 64, "description": "default: for good"},
            "notice_sent_at": {"type": "string", "maxLength": 64, "description": "when customers were told"},
            "reason": {**_ONE, "description": "customers are shown it"},
            "follows": {"type": "integer", "minimum": 0, "description": "how many versions the zone has"},
            "override": {
                "type": "boolean",
                "default": False,
                "description": "also where another version begins or ends meanwhile",
            },
            "dry_run": {"type": "boolean", "default": False},
        },
    },
    example={"zone": "UK", "days": {"2026-12-24": "08:30-12:30"}, "reason": "Christmas Eve", "follows": 0},
)
CHANGE_HOLIDAY = Operation(
    "Record a bank holiday that was proclaimed, or that one is none after all",
    {200: ("the change", RESULTS)},
    errors=(missing("holiday_set, date, name, source and reason are required fields"), bad_type("date: 'x' is no date")),
    description="It counts from now on. The same body again records nothing twice.",
    body={
        "type": "object",
        "required": ["holiday_set", "date", "name", "source", "reason"],
        "properties": {
            "holiday_set": {"type": "string", "enum": _SETS},
            "date": {"type": "string", "format": "date"},
            "name": _ONE,
            "active": {"type": "boolean", "default": True, "description": "false: it is none after all"},
            "source": {**_ONE, "description": "who says so: an address, a proclamation"},
            "reason": _ONE,
            "substitute_for": {"type": "string", "format": "date", "description": "the weekend day it stands for"},
        },
    },
    example={
        "holiday_set": "GB-SCT",
        "date": "2027-06-14",
        "name": "Bank holiday",
        "source": "Royal Proclamation",
        "reason": "proclaimed",
    },
)
