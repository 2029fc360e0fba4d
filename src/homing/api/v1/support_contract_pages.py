"""What /api/v1/support/contract says of itself."""

from homing.api.errors import NOT_FOUND
from homing.api.openapi import Operation, Schema
from homing.api.v1.support_askers import LISTED, NOT_SAID, RESULTS, WHOSE, path_number, taken
from homing.api.v1.support_contract_wire import MOST_LISTED, MOST_TEXT, SECONDS
from homing.hours.types import HolidaySet, ServiceZone
from homing.ingress.rules.problem import bad_params, bad_type, missing

OVERLAPS = taken("another Order Form of that service begins at that time or later already")
NO_TAM = bad_params("person_id: nobody of that number holds the role tam")
_WHO = (NOT_SAID, NOT_FOUND)
_SECONDS: Schema = {"type": "integer", "minimum": SECONDS[0], "maximum": SECONDS[1]}
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": MOST_TEXT}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
SHOW = Operation(
    "What was promised, by whom it is kept, and what is still missing",
    {200: ("the Order Forms in force, the TAM, how many contacts may do what", RESULTS)},
    errors=_WHO,
    description="`zone`, `holiday_set` and `sev1_entitled` are those of the service `email`. The support PIN is never shown.",
    parameters=(WHOSE,),
)
LIST_FORMS = Operation(
    "List Order Forms",
    {200: ("every one there was, is or will be, oldest first", LISTED)},
    errors=_WHO,
    parameters=(WHOSE,),
)
GET_FORM = Operation(
    "Look at one Order Form",
    {200: ("the Order Form", RESULTS)},
    errors=_WHO,
    parameters=(WHOSE, path_number("order_form_id")),
)
ADD_FORM = Operation(
    "Record an Order Form",
    {200: ("the Order Form", RESULTS)},
    errors=(*_WHO, missing("plan and zone are required fields"), bad_type("zone must be one of ET, PT, UK"), OVERLAPS),
    description=(
        "The one in force for the same service ends when it begins; none is ever changed. Clocks that run keep the one that they "
        "started with. The same body again, with the same `begins_at`, answers with the one that is there. Objectives are ours, "
        "and never contractual."
    ),
    parameters=(WHOSE,),
    body={
        "type": "object",
        "required": ["plan", "zone"],
        "properties": {
            "plan": _TEXT,
            "zone": {"type": "string", "enum": [one.value for one in ServiceZone], "description": "Service Time Zone"},
            "holiday_set": {
                "type": "string",
                "enum": [one.value for one in HolidaySet],
                "description": "default: US-FRB, or GB-EAW for UK",
            },
            "service": {**_TEXT, "default": "email", "description": "where a part has an Order Form of its own"},
            "sev1_entitled": {"type": "boolean", "default": True, "description": "may call the Severity 1 Line"},
            "objectives": {
                "type": "object",
                "properties": dict.fromkeys(("first_response_s", "update_s", "own_s", "tam_reply_s"), _SECONDS),
                "description": "seconds of Business Hours",
            },
            "cadence_s": {**_SECONDS, "default": 3_600, "description": "between updates before a cadence is agreed"},
            "target_uptime": {"type": ["string", "number"], "default": "99.99", "description": "per cent of a month"},
            "begins_at": {**_MOMENT, "description": "default: now"},
            "ends_at": {**_MOMENT, "description": "default: when another one begins"},
        },
    },
    example={"plan": "Enterprise", "zone": "UK", "objectives": {"first_response_s": 7_200}, "begins_at": "2026-12-01T00:00:00Z"},
)
SHOW_TAM = Operation(
    "The Technical Account Manager, now and over time",
    {200: ("who is it, whom to turn to, and all assignments", RESULTS)},
    errors=_WHO,
    description="There is exactly one at any instant (clause B1). While he is away `acting` is somebody else.",
    parameters=(WHOSE,),
)
ASSIGN_TAM = Operation(
    "Make somebody the Technical Account Manager",
    {200: ("who is it, and all assignments", RESULTS)},
    errors=(
        *_WHO,
        missing("person_id is a required field"),
        bad_type("begins_at must name its offset from UTC"),
        NO_TAM,
        taken("somebody is assigned from that time or later already"),
    ),
    description="Whoever is it then ends at that instant. Who is it already stays so.",
    parameters=(WHOSE,),
    body={
        "type": "object",
        "required": ["person_id"],
        "properties": {
            "person_id": {"type": "integer", "minimum": 1, "maximum": 2_147_483_647},
            "begins_at": {**_MOMENT, "description": "default: now"},
        },
    },
    example={"person_id": 3, "begins_at": "2026-12-01T00:00:00Z"},
)
NEW_PIN = Operation(
    "Make a new support PIN",
    {200: ("the PIN; it cannot be shown again", RESULTS)},
    errors=_WHO,
    description="By it a caller shows whose he is. It is kept as a digest; the old one is void at once.",
    parameters=(WHOSE,),
)
LIST_AUDIT = Operation(
    "Who changed what",
    {200: ("the latest first", LISTED)},
    errors=(*_WHO, bad_params("per_page must be a number from 1 to 200")),
    description="An admin may ask for `account_id=all`: of every account and of the staff. Rows are only ever added.",
    parameters=(
        {**WHOSE, "schema": {"type": "string", "maxLength": 10}},
        {"name": "before", "in": "query", "schema": {"type": "integer"}, "description": "the audit_id of the last row seen"},
        {"name": "per_page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": 50}},
    ),
)
