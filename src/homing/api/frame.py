"""What every request gets, whatever it asks for: an id, a limit of time, an answer in any case, a place in the evidence.

An attempt begins with the first byte of a request to the API and ends with its answer; the fault tag says whose fault it was.
"""

import asyncio
import itertools
import secrets
import time
from typing import Any

from litestar import Litestar, Request, Response

from homing.api.credentials import key_of
from homing.api.errors import LONGEST_URI, URI_TOO_LONG, answer_to, errors_body, fault_of
from homing.evidence.badges import key_badge
from homing.evidence.types import Attempt, Begin, FaultTag, nobodys
from homing.ground.errors import Temporary
from homing.ground.log import get
from homing.ground.secrets import hash_api_key

log = get("api")

REQUEST_ID = "request_id"  # keys of scope["state"]
ATTEMPT = "attempt"  # homing.evidence.types.Attempt
FAULT = "fault"
ARRIVED_AT = "arrived_at"  # Unix seconds of the first byte
GONE_AT = "gone_at"  # the same, when the client left without its answer

_prefix = secrets.token_hex(4)
_numbers = itertools.count(secrets.randbits(24))


class Frame:
    """The outermost ASGI application.

    begin       the evidence journal, for calls of the API
    timeout_s   longer than this no answer takes; reading a body included
    """

    def __init__(self, inner: Litestar, *, begin: Begin, timeout_s: float) -> None:
        self.inner = inner
        self._begin = begin
        self._timeout_s = timeout_s

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        request_id = f"{_prefix}{next(_numbers) & 0xFFFFFFFF:08x}"
        state = scope.setdefault("state", {})
        state[REQUEST_ID] = request_id
        arrived_at = state.get(ARRIVED_AT) or time.time()
        attempt = state[ATTEMPT] = self._attempt(scope, arrived_at)
        status = 0
        header = (b"x-sparkpost-request-id", request_id.encode())

        async def tagged(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        try:
            if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URI:
                await _plain(tagged, 414, errors_body([URI_TOO_LONG]))
            else:
                async with asyncio.timeout(self._timeout_s):
                    await self.inner(scope, receive, tagged)
        except Exception as trouble:  # the edge of one request: it is answered, the others go on
            answer = answer_to(trouble, request_id)
            if answer.log:
                note(trouble, request_id, scope["path"])
            if status:
                state[FAULT] = FaultTag.SERVER  # the answer was cut off in the middle
            elif answer.fault is not None:
                state[FAULT] = answer.fault
            if status == 0:
                await _plain(tagged, answer.status, answer.body, answer.headers)
        except asyncio.CancelledError:
            state[FAULT] = FaultTag.SERVER  # we stop, and this request is not answered (in time)
            raise
        finally:
            gone_at = state.get(GONE_AT)
            if gone_at is not None and gone_at < arrived_at + self._timeout_s:
                attempt.ended(FaultTag.VOID, "499")
            else:
                attempt.ended(state.get(FAULT) or (fault_of(status) if status else FaultTag.SERVER), str(status or ""))

    def _attempt(self, scope: Any, arrived_at: float) -> Attempt:
        """Begin an attempt under the badge of the key that is shown; the gate says whose it is."""
        if not scope["path"].startswith("/api/"):
            return nobodys(0)
        badge = ""
        for name, value in scope["headers"]:
            if name == b"authorization":
                key = key_of(value.decode("latin-1").strip())
                badge = key_badge(hash_api_key(key)) if key else ""
        return self._begin(int(arrived_at), None, badge)


def handle(request: Request[Any, Any, Any], trouble: Exception) -> Response[bytes]:
    """Answer an exception of a route: Litestar's handler for all of them."""
    state: Any = request.scope["state"]
    answer = answer_to(trouble, state[REQUEST_ID])
    if answer.log:
        note(trouble, state[REQUEST_ID], request.scope["path"])
    if answer.fault is not None:
        state[FAULT] = answer.fault
    return Response(answer.body, status_code=answer.status, media_type="application/json", headers=dict(answer.headers))


def note(trouble: BaseException, request_id: str, path: str) -> None:
    """Write the cause of a failure of ours down, under the number that the customer has."""
    causes = [type(trouble).__name__]
    cause = trouble
    while (cause_of := cause.__cause__) is not None:
        cause = cause_of
        causes.append(type(cause).__name__)
    if isinstance(trouble, Temporary):  # told by its name alone: a full disk would else fill itself with tracebacks
        log.warning("request_deferred", request_id=request_id, path=path, causes=causes, cause=str(cause)[:300])
    else:
        log.error("request_failed", request_id=request_id, path=path, causes=causes, cause=str(cause)[:300], exc_info=trouble)


async def _plain(send: Any, status: int, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
    lines = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    lines += [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
