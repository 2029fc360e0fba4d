"""/api/v1/support/trend-notes: what holds across providers, told to the accounts that it concerns (clause B8)."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Limit, Operation
from homing.api.reading import query_of, read_body, refusals
from homing.api.v1 import support_tam_pages as pages
from homing.api.v1.support_tam_office import READERS, VIEW, TamOffice, number_in, problem
from homing.api.v1.support_tam_wire import GivenIn, day_of, line, shown_note, shown_told, text_of, title_of
from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type, missing
from homing.support.cases.rules.decision import No
from homing.support.cases.rules.reading import LONGEST_BODY
from homing.support.tam import notes
from homing.support.tam.reviews import LONGEST_DAYS, wrong_stretch
from homing.support.tam.rules.trends import LEAST_ACCOUNTS, LEAST_MESSAGES
from homing.support.tam.types import WRITERS

PATH = "/api/v1/support/trend-notes"
ONE = f"{PATH}/{{number:str}}"
MOST = 200  # of a page
MOST_ACCOUNTS = 10_000
_encode = msgspec.json.Encoder().encode


def routes(*, office: TamOffice, bodies: Bodies) -> list[HTTPRouteHandler]:
    """Return the routes."""
    read = {"grants": VIEW, "staff": READERS}

    @get(PATH, opt={**read, "operation": LIST})
    async def list_trend_notes(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller = office.caller(request)
        with refusals():
            query = query_of(request)
            before, limit = number_in(query, "before"), number_in(query, "per_page", most=MOST) or 50
        if caller.account_id is None:
            shown = [shown_note(one) for one in await notes.latest(office.pool, before=before, limit=limit)]
        else:
            told = await notes.of_account(office.pool, caller.account_id, before=before, limit=limit)
            shown = [shown_told(one) for one in told]
        return await json_answer(request, _encode({"results": shown}))

    @post(PATH, status_code=200, opt={"staff": WRITERS, "operation": WRITE})
    async def write_trend_note(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, GivenIn)
                caller = office.caller(request)
                first = None if given.since is None else day_of(given.since, "since")
                last = None if given.until is None else day_of(given.until, "until")
                if (first is None) != (last is None):
                    raise Wrong(missing("since and until go together"))
                now = await office.legal.now(office.pool)
                if first is not None and last is not None and (wrong := wrong_stretch(first, last, now=now)):
                    raise Wrong(bad_type(wrong))
                made = await notes.write(
                    office.pool,
                    office.legal,
                    office.figures,
                    caller.actor,
                    title=title_of(given),
                    body=text_of(given.text),
                    provider=line(given.provider, 100),
                    first=first,
                    last=last,
                )
        if isinstance(made, No):
            raise ApiError(problem(made))
        return await json_answer(request, _encode({"results": shown_note(made, [])}))

    @get(ONE, opt={**read, "operation": RETRIEVE})
    async def get_trend_note(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        caller = office.caller(request)
        wanted = _number(number)
        if caller.account_id is not None:
            told = await notes.one_of_account(office.pool, caller.account_id, wanted)
            if told is None:
                raise ApiError(NOT_FOUND)
            return await json_answer(request, _encode({"results": shown_told(told)}))
        note = await notes.one(office.pool, wanted)
        if note is None:
            raise ApiError(NOT_FOUND)
        shown = shown_note(note, await notes.readers_of(office.pool, wanted))
        return await json_answer(request, _encode({"results": shown}))

    @post(f"{ONE}/send", status_code=200, opt={"staff": WRITERS, "operation": SEND})
    async def send_trend_note(request: Request[Any, Any, Any], number: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, GivenIn)
                caller = office.caller(request)
                if len(given.account_ids) > MOST_ACCOUNTS or any(not 0 < one < 2**31 for one in given.account_ids):
                    raise Wrong(bad_params("account_ids are numbers of customers"))
                may = None
                if caller.staff is not None and not caller.staff.is_a(Role.ADMIN):
                    now = await office.legal.now(office.pool)
                    may = frozenset(await contracts.accounts_of_tam(office.pool, caller.staff.person_id, now))
                done = await notes.send(
                    office.pool,
                    office.legal,
                    office.figures,
                    caller.actor,
                    _number(number),
                    wanted=given.account_ids,
                    may=may,
                    names_checked=given.names_checked,
                )
        if done is None:
            raise ApiError(NOT_FOUND)
        if isinstance(done, No):
            raise ApiError(problem(done))
        office.desk.news()
        return await json_answer(request, _encode({"results": {"told": done}}))

    return [list_trend_notes, write_trend_note, get_trend_note, send_trend_note]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


_NOT_NOW = Problem(409, "not as it stands", "it concerns none of your accounts; name some in account_ids")
_NOT_HIS = Problem(403, "Forbidden.", "you are not the TAM of account 7, or there is none")
LIST = Operation(
    "List notes about trends",
    {200: ("the latest first; a customer sees those that he was sent", pages.LISTED)},
    errors=(bad_params("per_page is 1 to 200"),),
    parameters=(
        {"name": "before", "in": "query", "schema": {"type": "integer"}, "description": "notes with a lower number"},
        {"name": "per_page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50}},
    ),
)
WRITE = Operation(
    "Write a note about a trend",
    {200: ("the note; nobody has been told yet", pages.RESULT)},
    description=(
        "In words, or drawn from our own figures of the days from `since` to `until` (UTC), of one mailbox provider or of all. A "
        f"figure across accounts is told only as a rate, and only where {LEAST_ACCOUNTS} accounts and {LEAST_MESSAGES} messages "
        "stand behind it and no account has more than half of them."
    ),
    body=pages.body(
        ("title",),
        title=pages.TITLE,
        text=pages.TEXT,
        provider={"type": "string", "maxLength": 100},
        since=pages.DAY,
        until=pages.DAY,
    ),
    errors=(missing("title is a required field"), bad_type(f"at most {LONGEST_DAYS} days"), _NOT_NOW),
    limits=(
        Limit("text", LONGEST_BODY, "characters", "422"),
        Limit("days that figures are drawn of", LONGEST_DAYS, "days", "422"),
    ),
    example={"title": "Gmail blocks more", "provider": "Gmail", "since": "2026-05-01", "until": "2026-05-31"},
)
RETRIEVE = Operation(
    "Look at one note",
    {200: ("a customer sees what holds across all, and his own figures", pages.RESULT)},
    parameters=(pages.NUMBER,),
    errors=(NOT_FOUND,),
)
SEND = Operation(
    "Send a note to the accounts that it concerns",
    {200: ("the accounts that had not been told before", pages.RESULT)},
    description=(
        "Without `account_ids`: those that send to its mailbox providers. A TAM writes to his own accounts, an admin to any. "
        "Each account gets its own figures and nobody else's; a text that names an account is refused."
    ),
    parameters=(pages.NUMBER,),
    body=pages.body(
        account_ids={"type": "array", "maxItems": MOST_ACCOUNTS, "items": pages.ACCOUNT},
        names_checked={"type": "boolean", "description": "what looks like the name of an account is another word"},
    ),
    errors=(
        NOT_FOUND,
        _NOT_NOW,
        _NOT_HIS,
        bad_type("the text names an account"),
        bad_params("account_ids are numbers of customers"),
    ),
    limits=(Limit("accounts at once", MOST_ACCOUNTS, "accounts", "400"),),
    example={"account_ids": [7]},
)
