"""/api/v1/support/{onboarding-plans, migration-plans, planning-reviews, recommendations, education-items}: the TAM's programme.

Every kind is listed, made and looked at in the same way; what else can be done with it is in support_tam_steps.py.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import query_of, read_body, refusals
from homing.api.v1 import support_tam_pages as pages
from homing.api.v1.support_tam_office import (
    HIDDEN,
    MANAGE,
    READERS,
    VIEW,
    Caller,
    TamOffice,
    act,
    number_in,
    states_of,
)
from homing.api.v1.support_tam_steps import STEPS, StepRoute
from homing.api.v1.support_tam_wire import (
    GivenIn,
    check_of,
    content_of,
    moment_of,
    shown_document,
    shown_event,
    shown_result,
    shown_row,
    text_of,
    title_of,
    topics_of,
)
from homing.ingress.rules.problem import Wrong, bad_params
from homing.support.cases.rules.decision import No
from homing.support.cases.types import Side
from homing.support.tam import measuring, store
from homing.support.tam.rules.letters import path_of
from homing.support.tam.types import WRITERS, Record, RecordKind

PATH = "/api/v1/support"
DOCUMENTS = f"{PATH}/planning-reviews/{{number:str}}/documents"
CHECKS = f"{PATH}/recommendations/{{number:str}}/checks"
MOST = 200  # of a page
CHECKS_EVERY = timedelta(seconds=10)  # a check that was run so recently is not run again
_encode = msgspec.json.Encoder().encode
_COMMON: dict[str, Schema] = {"account_id": pages.ACCOUNT, "title": pages.TITLE}
_ONE = {"account_id": 7, "title": "First mail in June"}


class Sort(NamedTuple):
    """One kind of record, as its routes name it."""

    kind: RecordKind
    word: str  # in names of handlers
    creating: Operation


def _creating(
    what: str, required: tuple[str, ...], schema: Mapping[str, Schema], example: Mapping[str, Any], description: str
) -> Operation:
    whole = pages.body(("account_id", "title", *required), **_COMMON, **schema)
    return pages.creating(what, whole, {**_ONE, **example}, description)


SORTS = (
    Sort(
        RecordKind.ONBOARDING,
        "onboarding_plan",
        _creating(
            "an onboarding plan",
            ("tasks",),
            pages.PLAN,
            pages.A_PLAN,
            "Clause B4. Creating or translating templates and running the customer's projects are not included: such a task can "
            "only be the customer's. Trying otherwise is refused with clause and route, and kept with the plan.",
        ),
    ),
    Sort(
        RecordKind.MIGRATION,
        "migration_plan",
        _creating(
            "a migration plan",
            ("stages",),
            pages.RAMP,
            pages.A_RAMP,
            "Clause B5. Stages are volumes of a day, each from a day on. One advances when a day met its volume and the limits.",
        ),
    ),
    Sort(
        RecordKind.REVIEW,
        "planning_review",
        _creating(
            "a planning review",
            ("meets_at", "topics"),
            {"meets_at": pages.TIME, "topics": pages.TOPICS},
            {"meets_at": "2026-06-15T14:00:00Z", "topics": pages.AN_AGENDA},
            "Clause B7. It talks at least about new needs, capacity and features.",
        ),
    ),
    Sort(
        RecordKind.RECOMMENDATION,
        "recommendation",
        _creating(
            "a recommendation",
            ("text",),
            {"text": pages.TEXT, "check": pages.CHECK, "supersedes": pages.COUNT},
            {"text": "Sign news.example.com.", "check": {"type": "domain", "domain": "news.example.com", "needs": ["dkim"]}},
            "It is mailed to the authorised contacts. Its check is run every day on our own data, and each run is kept.",
        ),
    ),
    Sort(
        RecordKind.EDUCATION,
        "education_item",
        _creating(
            "an education item", ("text",), {"text": pages.TEXT}, {"text": "What one-click unsubscribe is."}, "Clauses B8 and C1."
        ),
    ),
)


def routes(*, office: TamOffice, bodies: Bodies) -> list[HTTPRouteHandler]:
    """Return the routes."""
    made: list[HTTPRouteHandler] = []
    for sort in SORTS:
        made += _of_a_kind(office, bodies, sort)
    for one in STEPS:
        made.append(_step(office, bodies, one.kind, one))
    return [*made, *_documents(office), *_checks(office)]


def _of_a_kind(office: TamOffice, bodies: Bodies, sort: Sort) -> list[HTTPRouteHandler]:
    what = sort.word.replace("_", " ")
    path = f"{PATH}/{path_of(sort.kind)}"
    read = {"grants": VIEW, "staff": READERS}

    async def show_all(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller = office.caller(request)
        with refusals():
            query = query_of(request)
            states, before = states_of(query.get("state")), number_in(query, "before")
            limit = number_in(query, "per_page", most=MOST) or 50
            asked = number_in(query, "account_id", most=2**31 - 1)
        account_id = asked if caller.staff is not None else caller.account_id
        rows = await store.find(
            office.pool,
            account_ids=None if account_id is None else [account_id],
            kind=sort.kind,
            states=states,
            before=before,
            limit=limit,
        )
        staff = caller.staff is not None
        results = [shown_row(row, staff=staff) for row in rows if staff or (row.kind, row.state) != HIDDEN]
        return await json_answer(request, _encode({"results": results}))

    async def make(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, GivenIn)
                caller = office.caller(request)
                done = await make_record(office, caller, sort.kind, given)
        return await office.answer(request, caller, done)

    async def show_one(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        caller = office.caller(request)
        return await office.answer(request, caller, await office.found(caller, sort.kind, number))

    async def show_events(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        caller = office.caller(request)
        record = await office.found(caller, sort.kind, number)
        shown = [shown_event(one) for one in await store.events_of(office.pool, record.record_id)]
        return await json_answer(request, _encode({"results": shown}))

    named = (
        (show_all, f"list_{sort.word}s"),
        (make, f"create_{sort.word}"),
        (show_one, f"get_{sort.word}"),
        (show_events, f"list_events_of_{sort.word}"),
    )
    for handler, name in named:
        handler.__name__ = name
    return [
        get(path, opt={**read, "operation": pages.listing(what)})(show_all),
        post(path, status_code=200, opt={"staff": WRITERS, "operation": sort.creating})(make),
        get(f"{path}/{{number:str}}", opt={**read, "operation": pages.looking(f"one {what}")})(show_one),
        get(
            f"{path}/{{number:str}}/events",
            opt={**read, "operation": pages.looking(f"every step of one {what}", listed=True)},
        )(show_events),
    ]


async def make_record(office: TamOffice, caller: Caller, kind: RecordKind, given: GivenIn) -> Record | No:
    """Make what a body describes. raises Wrong, ApiError."""
    account_id = given.account_id
    if not 0 < account_id < 2**31 or await accounts.account_by_id(office.pool, account_id) is None:
        raise Wrong(bad_params("account_id is the number of a customer"))
    if not 0 <= given.supersedes < 2**63:
        raise Wrong(bad_params("supersedes is the number of a recommendation"))
    await office.may_change(caller, account_id)
    plans = kind in (RecordKind.ONBOARDING, RecordKind.MIGRATION)
    review = kind is RecordKind.REVIEW
    written = kind in (RecordKind.RECOMMENDATION, RecordKind.EDUCATION)
    return await office.desk.open(
        account_id,
        kind,
        title_of(given),
        caller.actor,
        text=text_of(given.text) if written else "",
        check=check_of(given.check) if kind is RecordKind.RECOMMENDATION else None,
        supersedes=given.supersedes or None,
        content=content_of(given, kind) if plans else None,
        meets_at=moment_of(given.meets_at, "meets_at") if review else None,
        topics=topics_of(given.topics, Side.PROVIDER) if review else (),
    )


def _step(office: TamOffice, bodies: Bodies, kind: RecordKind, one: StepRoute) -> HTTPRouteHandler:
    async def take(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        return await act(request, office, bodies, kind, number, one.take)

    take.__name__ = one.name
    who: dict[str, Any] = {"staff": WRITERS} if one.staff else {}
    who |= {"grants": MANAGE} if one.customer else {}
    path = f"{PATH}/{path_of(kind)}/{{number:str}}{one.path}"
    verb: Any = one.verb
    handler: HTTPRouteHandler = verb(path, status_code=200, opt={**who, "operation": one.operation})(take)
    return handler


def _documents(office: TamOffice) -> list[HTTPRouteHandler]:
    read = {"grants": VIEW, "staff": READERS}
    listed = pages.looking("the documents of a planning review", listed=True)
    one = pages.looking(
        "what a planning review was prepared with",
        pages.DOCUMENT,
        description="As it was when it was prepared, byte by byte; its SHA-256 is in the list.",
    )
    words = msgspec.structs.replace(one, summary="Read what a planning review was prepared with", answers={200: "to be read"})

    @get(DOCUMENTS, opt={**read, "operation": listed})
    async def list_review_documents(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        record = await office.found(office.caller(request), RecordKind.REVIEW, number)
        shown = [shown_document(one) for one in await store.documents_of(office.pool, record.record_id)]
        return await json_answer(request, _encode({"results": shown}))

    @get(f"{DOCUMENTS}/{{document:str}}", opt={**read, "operation": one})
    async def get_review_document(request: Request[Any, Any, Any], number: str, document: str) -> Response[bytes]:
        found = await _document(request, number, document)
        return await json_answer(request, b'{"results":' + found.data.encode() + b"}")

    @get(f"{DOCUMENTS}/{{document:str}}/text", opt={**read, "operation": words})
    async def read_review_document(request: Request[Any, Any, Any], number: str, document: str) -> Response[bytes]:
        found = await _document(request, number, document)
        headers = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox; default-src 'none'"}
        return Response(found.words.encode(), media_type="text/plain; charset=utf-8", headers=headers)

    async def _document(request: Request[Any, Any, Any], number: str, document: str) -> store.Document:
        record = await office.found(office.caller(request), RecordKind.REVIEW, number)
        wanted = int(document) if document.isascii() and document.isdigit() and len(document) < 6 else 0
        found = await store.document(office.pool, record.record_id, wanted)
        if found is None:
            raise ApiError(NOT_FOUND)
        return found

    return [list_review_documents, get_review_document, read_review_document]


def _checks(office: TamOffice) -> list[HTTPRouteHandler]:
    listed = pages.looking("what the check of a recommendation found, the latest first", listed=True)
    run = Operation(
        "Run the check of a recommendation now",
        {200: ("what it found", pages.RESULT)},
        description="On our own data: what DNS last said of a domain, or the account's figures. Kept, as each daily run is; "
        "a run of the last ten seconds is not repeated.",
        parameters=(pages.NUMBER,),
        errors=(NOT_FOUND, bad_params("the recommendation has no check; the TAM attests that it was followed")),
    )

    @get(CHECKS, opt={"grants": VIEW, "staff": READERS, "operation": listed})
    async def list_checks(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        record = await office.found(office.caller(request), RecordKind.RECOMMENDATION, number)
        shown = [shown_result(one) for one in await store.results_of(office.pool, record.record_id, limit=MOST)]
        return await json_answer(request, _encode({"results": shown}))

    @post(CHECKS, status_code=200, opt={"grants": MANAGE, "staff": READERS, "operation": run})
    async def run_check(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        caller = office.caller(request)
        record = await office.found(caller, RecordKind.RECOMMENDATION, number)
        now = await office.legal.now(office.pool)
        latest = await store.results_of(office.pool, record.record_id, limit=1)
        if latest and now - latest[0].at < CHECKS_EVERY:
            return await json_answer(request, _encode({"results": shown_result(latest[0])}))
        found = await measuring.run(office.pool, office.figures, record, now=now, because=caller.actor.name)
        if found is None:
            raise ApiError(bad_params("the recommendation has no check; the TAM attests that it was followed"))
        return await json_answer(request, _encode({"results": shown_result(found)}))

    return [list_checks, run_check]
