"""/api/v1/recipient-lists: recipients that are stored once and sent to by name (SparkPost reference, section 2.5).

Lists belong to the primary account; whoever acts as a subaccount sees none and can make none. A body of up to 100 MB lies
in a file while it is read, and its recipients are read, checked and stored a thousand at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from mmap import mmap
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from homing.api.bodies import JSON, Bodies, check_json, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, refusals, sender_of
from homing.api.schemas import ref
from homing.api.v1.recipient_lists_wire import (
    MOST_ATTRIBUTES,
    MOST_BODY,
    MOST_DESCRIPTION,
    MOST_DOMAINS,
    MOST_ID,
    ListBody,
    Reading,
    check,
    decode,
    has_recipients,
    in_use,
    missing_list,
    must_have_recipients,
    show,
    stored_of,
    told,
    with_recipients,
)
from homing.api.v1.transmissions import most_errors_of
from homing.api.v1.transmissions_pages import BAD_COUNT, EXAMPLE, RECIPIENT_LIMITS, SCHEMAS
from homing.ground.clock import Clock
from homing.ground.db import Executor, Pool, trouble_is_temporary
from homing.ingress.rules.problem import Problem, Wrong, bad_header, bad_params, bad_type, missing
from homing.ingress.rules.recipients import nobody, wrong_type
from homing.ingress.rules.transmission import malformed
from homing.queue import submissions
from homing.recipients import lists
from homing.recipients.lists import MOST_RECIPIENTS, Busy, Piece
from homing.recipients.types import StoredList

PATH = "/api/v1/recipient-lists"
GRANTS = ("recipient_lists/manage",)
_GENERATION, _REQUEST = "msg generation", "another request"
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @post(PATH, status_code=200, opt={"grants": GRANTS, "operation": CREATE})
    async def create_list(request: Request[Any, Any, Any]) -> Response[bytes]:
        most_errors = most_errors_of(request)
        account_id = _owner(request)
        if account_id is None:
            raise ApiError(_NO_LISTS)
        check_json(request)
        async with bodies.spooled(request, most=MOST_BODY) as body:
            with refusals(), trouble_is_temporary():
                given = await _read(body)
                must_have_recipients(given)
                if given.id is not None and await lists.find(pool, account_id, given.id) is not None:
                    raise Wrong(_EXISTS)
                reading = Reading(given, most_errors=most_errors)
                async with pool.acquire() as connection, connection.transaction():
                    snapshot = await lists.write_pieces(connection, _in_thread(reading.pieces()))
                    made = stored_of(given, reading, before=None, snapshot=snapshot)
                    if not await lists.insert(connection, account_id, made):
                        raise Wrong(_EXISTS)
            answer = _encode(told(made, reading, most_errors))
            del given, reading
        return await json_answer(request, answer)

    @get(PATH, opt={"grants": GRANTS, "operation": LIST})
    async def list_lists(request: Request[Any, Any, Any]) -> Response[bytes]:
        account_id = _owner(request)
        found = [] if account_id is None else await lists.of_account(pool, account_id)
        return await json_answer(request, _encode({"results": [show(one) for one in found]}))

    @get(f"{PATH}/{{list_id:path}}", opt={"grants": GRANTS, "operation": RETRIEVE})
    async def get_list(request: Request[Any, Any, Any], list_id: str) -> Response[Any]:
        account_id, named = _owner(request), list_id.strip("/")
        with refusals():
            wanted = query_of(request).get("show_recipients", "false").lower()
        if wanted not in ("true", "false", "1", "0", ""):
            raise ApiError(_BAD_FLAG)
        found = None if account_id is None or "\0" in named else await lists.find(pool, account_id, named)
        if found is None:
            raise ApiError(missing_list(named))
        if wanted not in ("true", "1"):
            return await json_answer(request, _encode({"results": show(found)}))
        return Stream(with_recipients(found, _pieces(found)), media_type=JSON)

    @put(PATH, opt={"grants": GRANTS, "operation": NO_PUT})
    async def update_nothing(request: Request[Any, Any, Any]) -> None:
        raise ApiError(_no_id("PUT"))

    @delete(PATH, status_code=200, opt={"grants": GRANTS, "operation": NO_DELETE})
    async def delete_nothing(request: Request[Any, Any, Any]) -> None:
        raise ApiError(_no_id("DELETE"))

    @put(f"{PATH}/{{list_id:path}}", opt={"grants": GRANTS, "operation": UPDATE})
    async def update_list(request: Request[Any, Any, Any], list_id: str) -> Response[bytes]:
        account_id, named = _owner(request), list_id.strip("/")
        most_errors = most_errors_of(request)
        check_json(request)
        if account_id is None:
            raise ApiError(missing_list(named))
        async with bodies.spooled(request, most=MOST_BODY) as body:
            with refusals(), trouble_is_temporary():
                given = await _read(body)
                if given.id is not None and given.id != named:
                    raise Wrong(_OTHER_ID)
                async with pool.acquire() as connection, connection.transaction():
                    await _changeable(connection, account_id, named)  # before the work; and once more after it
                reading = Reading(given, most_errors=most_errors) if has_recipients(given) else None
                async with pool.acquire() as connection, connection.transaction():
                    snapshot = None
                    if reading is not None:
                        snapshot = await lists.write_pieces(connection, _in_thread(reading.pieces()))
                    before = await _changeable(connection, account_id, named)
                    made = stored_of(given, reading, before=before, snapshot=before.snapshot if snapshot is None else snapshot)
                    await lists.change(connection, account_id, made)
                    if snapshot is not None:
                        await lists.forget_pieces(connection, before.snapshot)
            answer = _encode(told(made, reading, most_errors))
            del given, reading
        return await json_answer(request, answer)

    @delete(f"{PATH}/{{list_id:path}}", status_code=200, opt={"grants": GRANTS, "operation": DELETE})
    async def delete_list(request: Request[Any, Any, Any], list_id: str) -> Response[bytes]:
        account_id, named = _owner(request), list_id.strip("/")
        if account_id is None:
            raise ApiError(missing_list(named))
        with refusals(), trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                await lists.delete(connection, account_id, await _changeable(connection, account_id, named))
        return await json_answer(request, b"{}")

    async def _changeable(connection: Executor, account_id: int, named: str) -> StoredList:
        """Return a list, locked, that nothing stands against changing. Raises Wrong."""
        try:
            found = await lists.lock(connection, account_id, named) if "\0" not in named else None
        except Busy:
            raise Wrong(in_use(named, _REQUEST)) from None
        if found is None:
            raise Wrong(missing_list(named))
        if await submissions.list_in_use(connection, account_id, named, now=clock.now()):
            raise Wrong(in_use(named, _GENERATION))
        return found

    async def _pieces(found: StoredList) -> AsyncIterator[bytes]:
        for size in await lists.sizes(pool, found.snapshot):
            for piece in await lists.read(pool, found.snapshot, size.piece, size.piece):
                yield piece

    return [create_list, list_lists, get_list, update_nothing, delete_nothing, update_list, delete_list]


def _owner(request: Request[Any, Any, Any]) -> int | None:
    """Return the account whose lists are meant; None for a subaccount, which has none."""
    sender = sender_of(request)
    return None if sender.subaccount_id else sender.account_id


def _no_id(method: str) -> Problem:
    return Problem(400, "invalid uri", f"{method} requires a recipient list id in the URI", "1101")


async def _read(body: bytes | mmap) -> ListBody:
    """Return a body that says nothing impossible. Raises Wrong."""
    try:
        given = await asyncio.to_thread(decode, body)
    except msgspec.ValidationError as trouble:
        raise Wrong(wrong_type(trouble)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as trouble:
        raise Wrong(malformed(bytes(body[:]), trouble)) from None
    check(given)
    return given


async def _in_thread(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


_BAD_FLAG = bad_params("show_recipients must be true or false")
_OTHER_ID = bad_type("the id in the body differs from that in the URI")
_NO_LISTS = Problem(400, "invalid params", "subaccounts cannot have recipient lists; leave X-MSYS-SUBACCOUNT away", "1200")
_EXISTS = Problem(400, "List already exists", "a list with this id exists; change it with PUT", "5001")
_ID: Schema = {"name": "list_id", "in": "path", "required": True, "schema": {"type": "string"}}
_ERRORS: Schema = {
    "name": "num_rcpt_errors",
    "in": "query",
    "schema": {"type": "integer", "minimum": 0},
    "description": "most recipient errors that the answer lists",
}
_BODY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": MOST_ID, "description": "made where absent; may not begin with rcptlist_"},
        "name": {"type": "string", "maxLength": MOST_ID, "description": "the id where absent"},
        "description": {"type": "string", "maxLength": MOST_DESCRIPTION, "description": "for you"},
        "attributes": {"type": "object", "description": "for you"},
        "recipients": {"type": "array", "maxItems": MOST_RECIPIENTS, "items": ref("Recipient")},
    },
}
_SCHEMAS = {name: SCHEMAS[name] for name in ("Recipient", "Address")}
_EXAMPLE = {"id": "grads", "name": "Grads", "attributes": {"owner": "ops"}, "recipients": EXAMPLE["recipients"]}
_RESULTS: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_LIMITS = (
    Limit("recipients", MOST_RECIPIENTS, "recipients", "422 (1300)"),
    Limit("id, name", MOST_ID, "bytes", "422 (1300)"),
    Limit("description", MOST_DESCRIPTION, "bytes", "422 (1300)"),
    Limit("attributes", MOST_ATTRIBUTES, "bytes of JSON", "422 (1300)"),
    Limit("domains of the recipients' own return_paths", MOST_DOMAINS, "domains", "422 (1300)"),
    *RECIPIENT_LIMITS,
)
_NOBODY = nobody(())
_IN_TEXTS = bad_header("id must not contain line breaks or control characters")
_IN_USE = (in_use("grads", _GENERATION), in_use("grads", _REQUEST))
NO_PUT = Operation("Refused: the URI names no list", {}, errors=(_no_id("PUT"),))
NO_DELETE = Operation("Refused: the URI names no list", {}, errors=(_no_id("DELETE"),))
CREATE = Operation(
    f"Store a list of up to {MOST_RECIPIENTS:,} recipients",
    {200: ("stored; some recipients may have been left out (5000)", _RESULTS)},
    errors=(missing("recipients is a required field"), _NO_LISTS, _IN_TEXTS, _EXISTS, _NOBODY, BAD_COUNT),
    limits=_LIMITS,
    example=_EXAMPLE,
    body_bytes=MOST_BODY,
    schemas=_SCHEMAS,
    description="Recipients have the form of those of a transmission. The id may not begin with rcptlist_.",
    parameters=(_ERRORS,),
    body={**_BODY, "required": ["recipients"]},
)
LIST = Operation(
    "List the lists",
    {200: ("every list, without recipients", {"type": "object", "properties": {"results": {"type": "array"}}})},
)
RETRIEVE = Operation(
    "Look at one list",
    {200: ("the list", _RESULTS)},
    errors=(missing_list("grads"), _BAD_FLAG),
    parameters=(
        _ID,
        {
            "name": "show_recipients",
            "in": "query",
            "schema": {"type": "boolean", "default": False},
            "description": "with recipients",
        },
    ),
)
UPDATE = Operation(
    "Change one list",
    {200: ("changed; some recipients may have been left out (5000)", _RESULTS)},
    errors=(missing_list("grads"), _OTHER_ID, _IN_TEXTS, *_IN_USE, _NOBODY, BAD_COUNT),
    limits=_LIMITS,
    example={"name": "Grads of the year", "recipients": EXAMPLE["recipients"]},
    body_bytes=MOST_BODY,
    schemas=_SCHEMAS,
    description="recipients and attributes are replaced as a whole where they are given.",
    parameters=(_ID, _ERRORS),
    body=_BODY,
)
DELETE = Operation(
    "Delete one list",
    {200: ("deleted", {"type": "object"})},
    errors=(missing_list("grads"), *_IN_USE),
    parameters=(_ID,),
)
