"""What the routes of Support Cases say of themselves in the OpenAPI document."""

from typing import Any

from homing.api.errors import NOT_FOUND
from homing.api.openapi import Limit, Operation, Schema
from homing.ingress.rules.problem import Problem, bad_params, bad_type, missing
from homing.support.cases.outages import MOST
from homing.support.cases.rules.reading import LARGEST_FILE, LARGEST_TOGETHER, LONGEST_BODY, MOST_ATTACHED, MOST_FILES
from homing.support.cases.types import CaseKind, Severity, State, Verdict

_RESULT: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LISTED: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "array", "items": {"type": "object"}}},
}
_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_NUMBER: Schema = {"name": "number", "in": "path", "required": True, "schema": _TEXT}
_LATE = Problem(409, "not as the case stands", "this case goes on in case 1042; write there")
_NOT_HE = Problem(403, "Forbidden.", "the owner of the case or the TAM proposes its resolution")
_NOT_SO = Problem(422, "invalid data format/type", "write what it is about; an empty text is no answer")
_NO_FILE = Problem(413, "Request entity too large", f"a file has at most {LARGEST_FILE} bytes, all together {LARGEST_TOGETHER}")
_MISSING = missing("text is a required field")
_STRANGER = bad_params("contact is the address of a contact of this account")
_WRONG = bad_type("severity is one of non_critical, critical")
_OPENS = (_MISSING, _WRONG, _STRANGER, _NO_FILE)
_STEP = (NOT_FOUND, _LATE, _NOT_HE, _NOT_SO, _MISSING, _STRANGER, _WRONG)
_LIMITS = (
    Limit("text", LONGEST_BODY, "characters", "422"),
    Limit("files of a message", MOST_FILES, "files", "422"),
    Limit("one file", LARGEST_FILE, "bytes", "413"),
    Limit("files of a message together", LARGEST_TOGETHER, "bytes", "413"),
    Limit("files of a case together", MOST_ATTACHED, "bytes", "413"),
)
FILES: Schema = {
    "type": "array",
    "maxItems": 20,
    "items": {
        "type": "object",
        "required": ["name", "data"],
        "properties": {"name": _TEXT, "type": _TEXT, "data": {"type": "string", "description": "base64"}},
    },
}
_CONTACT: Schema = {"type": "string", "description": "address of the contact whom a key speaks for"}


def _body(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    made: dict[str, Any] = {"type": "object", "properties": properties}
    return {**made, "required": list(required)} if required else made


def _step(
    summary: str,
    body: Schema,
    *,
    example: dict[str, Any],
    description: str = "",
    more: tuple[Schema, ...] = (),
    errors: tuple[Problem, ...] = (),
    limits: tuple[Limit, ...] = (),
) -> Operation:
    return Operation(
        summary,
        {200: ("the whole case", _RESULT)},
        description=description,
        parameters=(_NUMBER, *more),
        body=body,
        errors=(*_STEP, *errors),
        limits=limits,
        example=example,
    )


def _query(name: str, text: str, schema: Schema = _TEXT) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


LIST = Operation(
    "List Support Cases",
    {200: ("the latest first", _LISTED)},
    errors=(bad_params("per_page is 1 to 200"), _WRONG),
    description="Each with the clock that is due next, and what that clock is worth.",
    parameters=(
        _query("state", f"one or several of {', '.join(State)}"),
        _query("severity", "only these", {"type": "string", "enum": list(Severity)}),
        _query("before", "cases with a lower number", {"type": "integer"}),
        _query("per_page", "1 to 200", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        _query("account_id", "staff: of one customer", {"type": "integer"}),
        _query("owner", "staff: `me`, or the number of a member of the staff"),
    ),
)
OPEN = Operation(
    "Open a Support Case",
    {200: ("the case", _RESULT)},
    errors=_OPENS,
    limits=_LIMITS,
    example={"subject": "Mail is slow", "text": "Since noon, on both hosts.", "kind": "bug"},
    description=(
        "Clause E2. A critical case is for a bug that causes persistent Unavailability (F1): please call the Severity 1 Line "
        "too. Without `contact` the first authorised contact of the account is answered."
    ),
    body=_body(
        ("subject", "text"),
        subject=_TEXT,
        text=_TEXT,
        kind={"type": "string", "enum": list(CaseKind), "default": "information_request"},
        severity={"type": "string", "enum": list(Severity), "default": "non_critical"},
        contact=_CONTACT,
        service={"type": "string", "description": "the affected service, where there are several Order Forms"},
        attachments=FILES,
        account_id={"type": "integer", "description": "staff: the customer"},
        source={"type": "string", "enum": ["staff", "phone"], "description": "staff: how it came"},
    ),
)
RETRIEVE = Operation(
    "Look at a Support Case",
    {200: ("the whole case", _RESULT)},
    errors=(NOT_FOUND,),
    description=(
        "Clocks stand in members by what they are worth: `contractual` (with their clause), `objectives`, `provisional`, "
        "`reminders`. `moved` tells which change of Business Hours moved a due time, and why."
    ),
    parameters=(_NUMBER,),
)
MESSAGES = Operation("List what was written in a case", {200: ("in order", _LISTED)}, errors=(NOT_FOUND,), parameters=(_NUMBER,))
WRITE = _step(
    "Write in a case",
    _body(
        ("text",),
        text=_TEXT,
        contact=_CONTACT,
        attachments=FILES,
        question={"type": "boolean", "description": "staff: the customer has to answer"},
        internal={"type": "boolean", "description": "staff: a note that the customer never sees"},
        update=_body(at=_TIME, unknown_because=_TEXT),
    ),
    description=(
        "A customer's word opens what waited for him, and an ended case within 14 days; later it becomes a new case, which is "
        "then the answer. What staff writes goes out by e-mail; clocks stop when it is accepted for delivery. `update` makes it "
        "a status update of a critical case (F5)."
    ),
    example={"text": "The second one.", "contact": "kim@acme.example"},
    errors=(_NO_FILE,),
    limits=_LIMITS,
)
ATTACHMENT = Operation(
    "Fetch a file",
    {200: ("its octets, always as a download", None)},
    errors=(NOT_FOUND,),
    text="application/octet-stream",
    parameters=(_NUMBER, _in_path("message"), _in_path("file")),
)
COUNT = Operation(
    "Count an automatic message as an answer",
    {
        200: ("the whole case", _RESULT),
        403: "not by this person",
        404: "there is none",
        409: "the case has ended",
        422: "it is none",
    },
    description="It counts from when it was received.",
    parameters=(_NUMBER, _in_path("message")),
)
EVENTS = Operation(
    "List the steps of a case",
    {200: ("in order, with the hashes that chain them", _LISTED)},
    errors=(NOT_FOUND,),
    parameters=(_NUMBER,),
)
OWN = _step(
    "Take a case, or give it to a colleague",
    _body(person_id={"type": "integer", "description": "default: who asks"}),
    example={},
)
SEVERITY = _step(
    "Change the severity",
    _body(
        severity={"type": "string", "enum": list(Severity)},
        text={"type": "string", "description": "why; or the words that both sides agree on to step down"},
        accept={"type": "integer", "description": "number of a step down that the other side proposed"},
        call={
            "type": "string",
            "description": "staff: the call on the Severity 1 Line that is about this case: `call S1-7KQ2MX`",
        },
        contact=_CONTACT,
    ),
    description=(
        "It rises on one side's word, at once, and falls only with both. With `call` the case is critical since the first ring "
        "of that call, and the case which the call had opened goes on in this one."
    ),
    example={"severity": "critical", "text": "All hosts are down."},
)
CADENCE = _step(
    "Agree how often a critical case is updated",
    _body(
        interval_s={"type": "integer", "minimum": 300, "maximum": 604_800},
        zone={"type": "string", "description": "IANA name, with times"},
        times={"type": "array", "items": {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"}},
        accept={"type": "integer", "description": "number of the cadence that the other side proposed"},
        effective_at=_TIME,
        evidence={
            "type": "string",
            "description": "staff: the call, as `call S1-7KQ2MX`, a carrier's id, `recording 7`, or in words",
        },
        contact=_CONTACT,
    ),
    description=(
        "Clause F5. Contractual once the other side has accepted: by this call, by the page or the address in the mail that asks "
        "it, or on a recorded call. Staff that has read a cadence back to a contact on a call names him (`contact`) and the "
        "call (`evidence`); both sides have agreed then. A call or recording in our logs must be this account's and is shown in "
        "`spoken.call`; what is said in words is a call outside of them."
    ),
    example={"interval_s": 1800},
)
RESTORED = _step(
    "Say that the service works again",
    _body(("text",), text=_TEXT),
    description="Restored is not resolved.",
    example={"text": "Mail flows again."},
)
TAM = _step(
    "Ask for the TAM",
    _body(("text",), text=_TEXT, contact=_CONTACT),
    description="Clause B2.",
    example={"text": "Nobody moves."},
)
PROPOSE = _step(
    "Propose a resolution",
    _body(("text",), text={"type": "string", "description": "the exact words that both sides sign"}, contact=_CONTACT),
    description="Clauses E6 and F6. A newer text makes signatures under the older one void.",
    example={"text": "The second host is replaced."},
)
SIGN = _step(
    "Sign a resolution",
    _body(
        ("version",),
        version={"type": "integer"},
        contact=_CONTACT,
        words={"type": "string", "description": "what he says with it; words that contradict it are a doubt"},
        method={"type": "string", "enum": ["recorded_call", "written_message"], "description": "staff, with contact"},
        evidence={"type": "string", "description": "staff: the call as for a cadence, or the number of the message"},
    ),
    description=(
        "A key agrees provisionally: its contact confirms by a link that he is sent. Staff signs for the Provider; with "
        "`contact` it enters the customer's consent, who is told and can dispute it for five business days. A written message "
        "counts if it came after the proposal and says plainly yes; else its author is asked to confirm, or it is refused."
    ),
    example={"version": 1, "contact": "kim@acme.example"},
)
REFUSE = _step(
    "Refuse a resolution",
    _body(("version",), version={"type": "integer"}, words=_TEXT, contact=_CONTACT),
    description="Every signature under it is void, and work goes on.",
    example={"version": 1, "words": "It happens again."},
)
SILENCE = _step(
    "Close a case that nobody answers",
    _body(),
    description="The TAM's, after three reminders over ten business days. It is closed, unconfirmed; not resolved.",
    example={},
)
SCOPE = _step(
    "Decide whether it is in scope",
    _body(
        ("verdict", "clause"),
        verdict={"type": "string", "enum": list(Verdict)},
        clause={"type": "string", "examples": ["B4", "C4"]},
        text=_TEXT,
        route={"type": "string", "description": "another way"},
    ),
    example={"verdict": "out", "clause": "B4", "text": "Templates are not included.", "route": "our partners do that"},
)
ACKNOWLEDGE = _step(
    "Take note of a scope decision",
    _body(contact=_CONTACT),
    example={},
)
MERGE = _step(
    "Let a duplicate go on in another case",
    _body(("into",), into={"type": "integer"}),
    description="The earlier begin and the earlier due times survive.",
    example={"into": 1043},
)
WITHDRAW = _step(
    "Withdraw a case",
    _body(text={"type": "string", "description": "why"}, contact=_CONTACT),
    example={"text": "found it"},
)
PEOPLE = _step(
    "Add a contact to the people of a case",
    _body(("contact",), contact={"type": "string", "description": "address of a contact of the case's account"}),
    description="From here on he is written to. A case without people is written to every authorised contact of its account.",
    example={"contact": "kim@acme.example"},
)
KIND = _step(
    "Say of what kind a case is",
    _body(("kind",), kind={"type": "string", "enum": list(CaseKind)}),
    example={"kind": "bug"},
)
VOID = _step(
    "Make a clock void",
    _body(("text",), text={"type": "string", "description": "why: a duplicate, a test, spam"}),
    description="Two people have to; the first only asks. What was missed stays missed, and is told apart.",
    more=(_in_path("clock"),),
    example={"text": "a test"},
)
PROMISES = Operation(
    "Count what became of promises",
    {200: ("one row for each kind, under what it is worth", _RESULT)},
    errors=(bad_params("from and to are instants with a time zone, for example 2026-05-01T00:00:00Z"),),
    description=(
        "Clocks that started in a stretch of time, of cases and calls. `attainment` is met of met and missed; figures of "
        "different worth are never added up."
    ),
    parameters=(
        _query("from", "begin, included; default: of this month in UTC"),
        _query("to", "end, not included; default: now; at most 400 days later"),
        _query("account_id", "staff: whose promises"),
    ),
)
UPDATES = Operation(
    "Share a status update",
    {200: ("what came of it in each case", _LISTED)},
    errors=(
        missing("cases names the cases of the outage"),
        bad_params(f"cases has at most {MOST} numbers"),
        _WRONG,
    ),
    limits=(Limit("text", LONGEST_BODY, "characters", "422"), Limit("cases", MOST, "cases", "400")),
    example={"cases": [1042, 1043], "text": "We found it.", "update": {"unknown_because": "the disk is being copied"}},
    description=(
        "For the critical cases of one outage: each gets it as its own status update (F5), with its own mail and clock. A case "
        "that refuses it says why, and keeps no other back."
    ),
    body=_body(
        ("text", "cases", "update"),
        text=_TEXT,
        cases={"type": "array", "items": {"type": "integer"}, "maxItems": MOST},
        update=_body(at=_TIME, unknown_because=_TEXT),
    ),
)
QUARANTINE = Operation("List mail in quarantine", {200: ("the latest first", _LISTED)})
DECIDE = Operation(
    "Let a mail in, or discard it",
    {200: ("the case, or that it was discarded", _RESULT)},
    errors=(NOT_FOUND, _MISSING, _STRANGER),
    example={"account_id": 7, "contact": "kim@acme.example"},
    description="It counts from when it was received.",
    parameters=(_in_path("quarantine_id"),),
    body=_body(
        account_id={"type": "integer"},
        contact={"type": "string", "description": "address of the contact whose word it is"},
        case={"type": "integer", "description": "default: a new case"},
        discard={"type": "boolean"},
    ),
)
