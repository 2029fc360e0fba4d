"""Errors as customers read them, and what each exception becomes (SparkPost reference, sections 1.5 to 1.7).

A stranger reads no host, table or path; the cause goes to the log under the request id.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from homing.accounts.authenticate import BadSubaccount
from homing.events.store import TooSlow
from homing.evidence.types import FaultTag
from homing.ground.errors import LeaseLost, Overloaded, StoreUnavailable, Temporary
from homing.ingress.rules.problem import Problem, bad_params

LONGEST_URI = 16_384  # bytes; beyond any query that the reference allows
_encode = msgspec.json.Encoder().encode


class ApiError(Exception):
    """Raised by handlers to answer with errors.

    status       where it differs from the first problem's
    retry_after  seconds
    close        the rest of the request is not read, so the connection ends with this answer
    """

    def __init__(self, *problems: Problem, retry_after: int | None = None, close: bool = False) -> None:
        super().__init__(problems[0].description or problems[0].message)
        self.problems = problems
        self.retry_after = retry_after
        self.close = close

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self.problems[0].status


class Answer(msgspec.Struct, frozen=True):
    """What an exception becomes; log: the cause is ours and belongs in the log."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    fault: FaultTag | None = None
    log: bool = False


UNAUTHORIZED = Problem(401, "Unauthorized.")
FORBIDDEN = Problem(403, "Forbidden.")
SUSPENDED = Problem(403, "Forbidden.", "this account or subaccount is suspended: it can be read, but not send or change anything")
NOT_FOUND = Problem(404, "Resource could not be found")
METHOD_NOT_ALLOWED = Problem(405, "Method Not Allowed", code="1102")
URI_TOO_LONG = Problem(414, "URI too long", f"at most {LONGEST_URI} bytes are read")
TOO_SLOW = Problem(408, "Request timeout", "the body arrived too slowly")
GONE = Problem(400, "Request body parsing failed", "the body ended before its time", "1300")
NOT_PLAIN = Problem(415, "unsupported Content-Encoding", "send the body uncompressed", "1700")
UNAVAILABLE = Problem(503, "Service unavailable", "nothing was stored; try again in a few seconds")
TIMED_OUT = Problem(504, "Gateway timeout", "the answer took too long; the request may have been carried out")
SEARCH_TOO_SLOW = Problem(504, "Search took too long", "narrow the time range with from and to, or use fewer filters")
BAD_SUBACCOUNT = bad_params("X-MSYS-SUBACCOUNT: this account has no subaccount 123")
BAD_QUERY = Problem(400, "invalid params", "the query string must be percent-encoded UTF-8", "1200")
INTERNAL = Problem(500, "Internal server error", "please quote request <X-SparkPost-Request-Id>")


def not_of(media: Sequence[str]) -> Problem:
    """A body does not say that it is one of these media types."""
    return Problem(415, "unsupported Content-Type", f"the Content-Type must be {' or '.join(media)}, in UTF-8", "1700")


def too_large(most: int) -> Problem:
    """A body is too long."""
    return Problem(413, "Request entity too large", f"the body must be at most {most} bytes")


def errors_body(problems: Sequence[Problem]) -> bytes:
    """Return `{"errors": [...]}`; absent descriptions and codes are left out."""
    return _encode({"errors": [error_members(problem) for problem in problems]})


def error_members(problem: Problem) -> dict[str, Any]:
    """Return the error object of a problem."""
    return {**problem.more, **error_object(problem.message, problem.description, problem.code)}


def error_object(message: str, description: str = "", code: str = "") -> dict[str, str]:
    """Return one element of `errors`, without what is empty."""
    made = {"message": message}
    if description:
        made["description"] = description
    if code:
        made["code"] = code
    return made


def answer_to(trouble: BaseException, request_id: str) -> Answer:
    """Return the answer to an exception of a handler. Whatever is not expected is a 500 that names the request alone."""
    match trouble:
        case ApiError():
            headers = (("retry-after", str(trouble.retry_after)),) if trouble.retry_after else ()
            return Answer(
                trouble.status, errors_body(trouble.problems), (*headers, *((("connection", "close"),) if trouble.close else ()))
            )
        case TooSlow():
            return Answer(504, errors_body([SEARCH_TOO_SLOW]), fault=FaultTag.TIMEOUT)
        case Overloaded():
            problem = Problem(503, UNAVAILABLE.message, f"{trouble}; nothing was stored, try again in a few seconds")
            return Answer(503, errors_body([problem]), (("retry-after", "5"),))
        case StoreUnavailable() | LeaseLost() | Temporary():
            return Answer(503, errors_body([UNAVAILABLE]), (("retry-after", "2"),), log=True)
        case TimeoutError():
            return Answer(504, errors_body([TIMED_OUT]), fault=FaultTag.TIMEOUT, log=True)
        case BadSubaccount():
            return Answer(400, errors_body([bad_params(str(trouble))]))
        case MethodNotAllowedException():
            return Answer(405, errors_body([METHOD_NOT_ALLOWED]), _headers_of(trouble))
        case NotFoundException():
            return Answer(404, errors_body([NOT_FOUND]))
        case HTTPException() if trouble.status_code < 500:
            return Answer(trouble.status_code, errors_body([Problem(trouble.status_code, "invalid request", trouble.detail)]))
        case _:
            return Answer(500, errors_body([Problem(500, INTERNAL.message, f"please quote request {request_id}")]), log=True)


def fault_of(status: int) -> FaultTag:
    """Return whose fault a status reports; 501 and 505 refuse what nobody promised."""
    if status < 400:
        return FaultTag.NONE
    if status == 504:
        return FaultTag.TIMEOUT
    return FaultTag.CLIENT if status < 500 or status in (501, 505) else FaultTag.SERVER


def _headers_of(trouble: HTTPException) -> tuple[tuple[str, str], ...]:
    headers: Any = trouble.headers or {}
    return tuple((str(name).lower(), str(value)) for name, value in dict(headers).items())
