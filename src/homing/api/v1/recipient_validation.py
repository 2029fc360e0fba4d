"""/api/v1/recipient-validation: would mail to an address arrive? (SparkPost reference, section 2.27.)

One address is answered at once; a list is uploaded, triggered, and looked at as a job. The results of a job are ours besides.
"""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import islice
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from homing.accounts import validations
from homing.api.bodies import Bodies, check_media, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, refusals, sender_of
from homing.api.v1.recipient_validation_wire import Form, show, show_job, unpacked
from homing.api.v1.transmissions import RefuseNew
from homing.ground.clock import Clock
from homing.ground.db import Executor, Pool, trouble_is_temporary
from homing.ground.errors import Overloaded
from homing.ingress.rules.problem import Problem
from homing.recipients.records import Read, read
from homing.recipients.rules.forms.types import Unreadable
from homing.validation import store
from homing.validation.judge import Judge
from homing.validation.runner import COLUMNS, Runner
from homing.validation.store import PIECE, ValidationList
from homing.validation.types import Reason, Result

PATH = "/api/v1/recipient-validation"
MANAGE = ("recipient-validation/manage",)
SINGLE = ("recipient-validation/manage", "recipient-validation/preview")
MEDIA = ("text/csv", "text/plain", "application/octet-stream", "multipart/form-data")
MOST_BYTES = 20_971_520
MOST_ADDRESSES = 1_000_000
MOST_OPEN = 10  # lists of an account that have not ended
LONGEST = 320  # characters of a text that are kept; no address is longer
_ADDRESS = ("email", "recipient", "address", "emailaddress")
_NOT_FOUND = Problem(404, "List could not be found")
_USED_UP = Problem(420, "Usage limit exceeded")
_TRIGGERED = Problem(409, "the list was triggered before")
_NOT_COMPLETE = Problem(409, "the job is not complete; look at it until complete is true")
_TOO_MANY = Problem(429, f"{MOST_OPEN} lists have not ended yet; wait for one of them")
_encode = msgspec.json.Encoder().encode


def routes(
    *, pool: Pool, bodies: Bodies, clock: Clock, judge: Judge, runner: Runner, refuse_new: RefuseNew
) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(f"{PATH}/single/{{address:path}}", opt={"grants": SINGLE, "operation": ONE})
    async def validate_address(request: Request[Any, Any, Any], address: str) -> Response[bytes]:
        sender = sender_of(request)
        text = address.strip("/")
        if await validations.is_used_up(pool, sender.account_id, now=clock.now()):
            raise ApiError(_USED_UP)
        (verdict,) = await judge.judge([text[: LONGEST + 1]], account_id=sender.account_id, subaccount_id=sender.scope)
        with trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                await _take(connection, sender.account_id, 1)
        return await json_answer(request, _encode({"results": show(verdict)}))

    @post(f"{PATH}/upload", status_code=200, opt={"grants": MANAGE, "operation": UPLOAD})
    async def upload_validation_list(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        reason = refuse_new()
        if reason is not None:
            raise Overloaded(reason)
        check_media(request, MEDIA)
        with refusals():
            name = query_of(request).get("name", "")
        if await store.count_open(pool, sender.account_id) >= MOST_OPEN:
            raise ApiError(_TOO_MANY, retry_after=30)
        list_id = uuid.uuid4()
        async with bodies.spooled(request, most=MOST_BYTES) as body:
            try:
                form = await asyncio.to_thread(unpacked, request.headers.get("content-type", ""), bytes(body))
                with trouble_is_temporary():
                    async with pool.acquire() as connection, connection.transaction():
                        await store.begin(
                            connection,
                            list_id,
                            account_id=sender.account_id,
                            subaccount_id=sender.subaccount_id,
                            any_subaccount=sender.acts_for_all,
                            name=(form.name or name)[:255],
                        )
                        await _fill(connection, list_id, form)
            except Unreadable as trouble:
                return await json_answer(request, _encode({"errors": {"message": str(trouble)}}), status=400)
        return await json_answer(request, _encode({"results": {"list_id": str(list_id)}}))

    @get(f"{PATH}/list", opt={"grants": MANAGE, "operation": LIST})
    async def list_validation_lists(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        found = await store.latest(pool, sender.account_id, subaccount_id=sender.scope)
        return await json_answer(request, _encode({"results": [show_job(one) for one in found]}))

    @post(f"{PATH}/trigger/{{list_id:str}}", status_code=200, opt={"grants": MANAGE, "operation": TRIGGER})
    async def trigger_validation_list(request: Request[Any, Any, Any], list_id: str) -> Response[bytes]:
        sender = sender_of(request)
        found = await _known(request, list_id)
        trigger = partial(store.trigger, account_id=sender.account_id, list_id=found.list_id, subaccount_id=sender.scope)
        with trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                if not await trigger(connection, now=clock.now()):
                    raise ApiError(_TRIGGERED)
                await _take(connection, sender.account_id, found.addresses)
        runner.news()
        return await json_answer(request, _encode({"results": show_job(await _known(request, list_id))}))

    @get(f"{PATH}/job/{{list_id:str}}", opt={"grants": MANAGE, "operation": JOB})
    async def get_validation_job(request: Request[Any, Any, Any], list_id: str) -> Response[bytes]:
        return await json_answer(request, _encode({"results": show_job(await _known(request, list_id))}))

    @get(f"{PATH}/job/{{list_id:str}}/results", opt={"grants": MANAGE, "operation": RESULTS})
    async def get_validation_results(request: Request[Any, Any, Any], list_id: str) -> Stream:
        found = await _known(request, list_id)
        if found.state != "done":
            raise ApiError(_NOT_COMPLETE)

        async def whole() -> AsyncIterator[str]:
            yield ",".join(COLUMNS) + "\n"
            async for lines in store.results(pool, found):
                yield lines

        headers = {"content-disposition": f'attachment; filename="{found.list_id}.csv"'}
        return Stream(whole(), media_type="text/csv", headers=headers)

    async def _take(connection: Executor, account_id: int, addresses: int) -> None:
        """Count addresses in the caller's transaction. Raises ApiError where they pass a limit of the account."""
        if not await validations.take(connection, account_id, addresses, now=clock.now()):
            raise ApiError(_USED_UP)

    async def _known(request: Request[Any, Any, Any], text: str) -> ValidationList:
        """Return the list that a path names, if this sender may see it."""
        sender = sender_of(request)
        try:
            named = uuid.UUID(text)
        except ValueError:
            raise ApiError(_NOT_FOUND) from None
        found = await store.one(pool, sender.account_id, named, subaccount_id=sender.scope)
        if found is None:
            raise ApiError(_NOT_FOUND)
        return found

    return [
        validate_address,
        upload_validation_list,
        list_validation_lists,
        trigger_validation_list,
        get_validation_job,
        get_validation_results,
    ]


async def _fill(connection: Any, list_id: uuid.UUID, form: Form) -> None:
    """Write the addresses of an upload down, piece by piece.

    raises   Unreadable where there are none, or too many
    """
    texts = _texts(read(io.BytesIO(form.data), frozenset()))
    piece = count = 0
    while some := await asyncio.to_thread(lambda: list(islice(texts, PIECE))):
        count += len(some)
        if count > MOST_ADDRESSES:
            raise Unreadable(f"the file has more than {MOST_ADDRESSES} addresses; split it")
        await store.add_piece(connection, list_id, piece, some)
        piece += 1
    if not count:
        raise Unreadable("the file has no address")
    await store.complete(connection, list_id, addresses=count, pieces=piece)


def _texts(reads: Iterator[Read]) -> Iterator[str]:
    """Give what stands where addresses should; a line that cannot be read is given as it is, and will be told invalid."""
    column = ""
    for one in reads:
        if not one.problem and not column:
            column = next((name for name in _ADDRESS if name in one.record), "")
            if not column and len(one.record) > 1:
                raise Unreadable("no column is named email, recipient or address; the first line must name the columns")
            column = column or next(iter(one.record), _ADDRESS[0])
        value = one.text if one.problem else one.record.get(column)
        text = value if isinstance(value, str) else one.text
        yield text.strip()[:LONGEST].replace("\0", "")


_VERDICT: Schema = {
    "type": "object",
    "required": ["valid", "result", "is_role", "is_disposable", "is_free", "delivery_confidence"],
    "properties": {
        "valid": {"type": "boolean"},
        "result": {"enum": [one.value for one in Result]},
        "reason": {"enum": [one.value for one in Reason], "description": "of undeliverable and typo"},
        "is_role": {"type": "boolean"},
        "is_disposable": {"type": "boolean"},
        "is_free": {"type": "boolean"},
        "delivery_confidence": {"type": "integer", "minimum": 0, "maximum": 100},
        "did_you_mean": {"type": "string"},
    },
}
_JOB: Schema = {
    "type": "object",
    "required": ["list_id", "customer_id", "address_count", "original_filename", "upload_timestamp", "complete", "batch_status"],
    "properties": {
        "list_id": {"type": "string"},
        "customer_id": {"type": "integer"},
        "address_count": {"type": "integer"},
        "addresses_done": {"type": "integer"},
        "original_filename": {"type": "string"},
        "upload_timestamp": {"type": "integer"},
        "triggered_timestamp": {"type": "integer"},
        "complete": {"type": "boolean"},
        "batch_status": {"enum": ["awaiting_submission", "queued_for_batch", "performing_dns_lookup", "success", "error"]},
        "uploaded_file": {"type": "string", "description": "where the results are, once complete"},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "subaccount_id": {"type": "integer"},
    },
}


def _results(schema: Schema) -> Schema:
    return {"type": "object", "required": ["results"], "properties": {"results": schema}}


_ID: Schema = {"name": "list_id", "in": "path", "required": True, "schema": {"type": "string"}}
_NO_SUCH = (_NOT_FOUND,)
ONE = Operation(
    "Validate one address",
    {200: ("the verdict", _results(_VERDICT))},
    errors=(_USED_UP,),
    description="Asked of its spelling, of DNS, of our own log and suppression list; never of the receiving host.",
    parameters=({"name": "address", "in": "path", "required": True, "schema": {"type": "string"}},),
)
UPLOAD = Operation(
    "Upload a list of addresses",
    {
        200: ("its id", _results({"type": "object", "required": ["list_id"], "properties": {"list_id": {"type": "string"}}})),
        400: (
            "the file cannot be read; here alone errors is an object",
            {"type": "object", "required": ["errors"], "properties": {"errors": {"type": ["object", "array"]}}},
        ),
    },
    errors=(Problem(400, "the file has no address"), _TOO_MANY),
    limits=(
        Limit("addresses of a file", MOST_ADDRESSES, "addresses", "400"),
        Limit("lists of an account that have not ended", MOST_OPEN, "lists", "429"),
    ),
    body_bytes=MOST_BYTES,
    example="email\nann@there.test\nbob@there.test\n",
    description="CSV with a column email, recipient or address, or one address a line; as the body, or as the file of a form.",
    parameters=(
        {"name": "name", "in": "query", "schema": {"type": "string"}, "description": "of the file, where the form says none"},
    ),
    body={"type": "string"},
    media=MEDIA,
)
LIST = Operation("List the latest lists", {200: ("the newest first", _results({"type": "array", "items": _JOB}))})
TRIGGER = Operation(
    "Validate a list", {200: ("the job", _results(_JOB))}, parameters=(_ID,), errors=(*_NO_SUCH, _TRIGGERED, _USED_UP)
)
JOB = Operation("Look at a job", {200: ("how far it is", _results(_JOB))}, parameters=(_ID,), errors=_NO_SUCH)
RESULTS = Operation(
    "The results of a job as CSV",
    {200: (", ".join(COLUMNS), None)},
    errors=(*_NO_SUCH, _NOT_COMPLETE),
    parameters=(_ID,),
    text="text/csv",
)
