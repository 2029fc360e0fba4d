"""What the routes of Support Cases say of themselves in the OpenAPI document."""

from typing import Any

from homing.api.openapi import Operation, Schema
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
_IN_BODY = {
    400: "a value that cannot be",
    403: "not by this person",
    404: "there is no such case of yours",
    408: "the body came too slowly",
    409: "not as the case stands; the description says what to do",
    413: "the body, or a file in it, is too large",
    415: "not application/json (1700)",
    422: "a member is missing or of a wrong form",
}
_GONE = {404: "there is no such case of yours"}
_FILES: Schema = {
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


def _step(summary: str, body: Schema, *, description: str = "", more: tuple[Schema, ...] = ()) -> Operation:
    return Operation(
        summary,
        {200: ("the whole case", _RESULT), **_IN_BODY},
        description=description,
        parameters=(_NUMBER, *more),
        body=body,
    )


def _query(name: str, text: str, schema: Schema = _TEXT) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


LIST = Operation(
    "List Support Cases",
    {200: ("the latest first", _LISTED), 400: "a filter cannot be used (1200)"},
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
    {200: ("the case", _RESULT), **{status: text for status, text in _IN_BODY.items() if status not in (404, 409)}},
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
        attachments=_FILES,
        account_id={"type": "integer", "description": "staff: the customer"},
        source={"type": "string", "enum": ["staff", "phone"], "description": "staff: how it came"},
    ),
)
RETRIEVE = Operation(
    "Look at a Support Case",
    {200: ("the whole case", _RESULT), **_GONE},
    description=(
        "Clocks stand in members by what they are worth: `contractual` (with their clause), `objectives`, `provisional`, "
        "`reminders`. `moved` tells which change of Business Hours moved a due time, and why."
    ),
    parameters=(_NUMBER,),
)
MESSAGES = Operation("List what was written in a case", {200: ("in order", _LISTED), **_GONE}, parameters=(_NUMBER,))
WRITE = _step(
    "Write in a case",
    _body(
        ("text",),
        text=_TEXT,
        contact=_CONTACT,
        attachments=_FILES,
        question={"type": "boolean", "description": "staff: the customer has to answer"},
        internal={"type": "boolean", "description": "staff: a note that the customer never sees"},
        update=_body(at=_TIME, unknown_because=_TEXT),
    ),
    description=(
        "A customer's word opens what waited for him, and an ended case within 14 days; later it becomes a new case, which is "
        "then the answer. What staff writes goes out by e-mail; clocks stop when it is accepted for delivery. `update` makes it "
        "a status update of a critical case (F5)."
    ),
)
ATTACHMENT = Operation(
    "Fetch a file",
    {200: ("its octets, always as a download", None), 404: "there is none"},
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
    {200: ("in order, with the hashes that chain them", _LISTED), **_GONE},
    parameters=(_NUMBER,),
)
OWN = _step(
    "Take a case, or give it to a colleague",
    _body(person_id={"type": "integer", "description": "default: who asks"}),
)
SEVERITY = _step(
    "Change the severity",
    _body(
        severity={"type": "string", "enum": list(Severity)},
        text={"type": "string", "description": "why; or the words that both sides agree on to step down"},
        accept={"type": "integer", "description": "number of a step down that the other side proposed"},
        contact=_CONTACT,
    ),
    description="It rises on one side's word, at once, and falls only with both.",
)
CADENCE = _step(
    "Agree how often a critical case is updated",
    _body(
        interval_s={"type": "integer", "minimum": 300, "maximum": 604_800},
        zone={"type": "string", "description": "IANA name, with times"},
        times={"type": "array", "items": {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$"}},
        accept={"type": "integer", "description": "number of the cadence that the other side proposed"},
        effective_at=_TIME,
        evidence={"type": "string", "description": "of a spoken agreement"},
        contact=_CONTACT,
    ),
    description="Clause F5. Contractual once the other side has accepted.",
)
RESTORED = _step("Say that the service works again", _body(("text",), text=_TEXT), description="Restored is not resolved.")
TAM = _step("Ask for the TAM", _body(("text",), text=_TEXT, contact=_CONTACT), description="Clause B2.")
PROPOSE = _step(
    "Propose a resolution",
    _body(("text",), text={"type": "string", "description": "the exact words that both sides sign"}, contact=_CONTACT),
    description="Clauses E6 and F6. A newer text makes signatures under the older one void.",
)
SIGN = _step(
    "Sign a resolution",
    _body(
        ("version",),
        version={"type": "integer"},
        contact=_CONTACT,
        words={"type": "string", "description": "what he says with it; words that contradict it are a doubt"},
        method={"type": "string", "enum": ["recorded_call", "written_message"], "description": "staff, with contact"},
        evidence={"type": "string", "description": "staff: the recording, or the number of the message"},
    ),
    description=(
        "A key agrees provisionally: its contact confirms by a link that he is sent. Staff signs for the Provider; with "
        "`contact` it enters the customer's consent, who is told and can dispute it for five business days."
    ),
)
REFUSE = _step(
    "Refuse a resolution",
    _body(("version",), version={"type": "integer"}, words=_TEXT, contact=_CONTACT),
    description="Every signature under it is void, and work goes on.",
)
SILENCE = _step(
    "Close a case that nobody answers",
    _body(),
    description="The TAM's, after three reminders over ten business days. It is closed, unconfirmed; not resolved.",
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
)
ACKNOWLEDGE = _step("Take note of a scope decision", _body(contact=_CONTACT))
MERGE = _step(
    "Let a duplicate go on in another case",
    _body(("into",), into={"type": "integer"}),
    description="The earlier begin and the earlier due times survive.",
)
WITHDRAW = _step("Withdraw a case", _body(text={"type": "string", "description": "why"}, contact=_CONTACT))
KIND = _step("Say of what kind a case is", _body(("kind",), kind={"type": "string", "enum": list(CaseKind)}))
VOID = _step(
    "Make a clock void",
    _body(("text",), text={"type": "string", "description": "why: a duplicate, a test, spam"}),
    description="Two people have to; the first only asks. What was missed stays missed, and is told apart.",
    more=(_in_path("clock"),),
)
QUARANTINE = Operation("List mail in quarantine", {200: ("the latest first", _LISTED)})
DECIDE = Operation(
    "Let a mail in, or discard it",
    {200: ("the case, or that it was discarded", _RESULT), **_IN_BODY},
    description="It counts from when it was received.",
    parameters=(_in_path("quarantine_id"),),
    body=_body(
        account_id={"type": "integer"},
        contact={"type": "string", "description": "address of the contact whose word it is"},
        case={"type": "integer", "description": "default: a new case"},
        discard={"type": "boolean"},
    ),
)
