"""What the routes of resources share: bodies as structs, query strings as text, refusals as answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mmap import mmap
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from homing.accounts.types import Sender
from homing.api.auth import SENDER
from homing.api.errors import BAD_QUERY, ApiError
from homing.ingress.rules.problem import Problem, Wrong
from homing.ingress.rules.recipients import wrong_type
from homing.ingress.rules.transmission import malformed

T = TypeVar("T")
DECODE_APART_FROM = 65_536  # bytes of a body; a larger one is decoded in a thread
_MOST_PARAMETERS = 200


@contextmanager
def refusals() -> Iterator[None]:
    """Answer with the problem that a rule found."""
    try:
        yield
    except Wrong as wrong:
        raise ApiError(wrong.problem) from None


def problem_with(read: Callable[..., Any], *given: Any) -> Problem:
    """Return the problem that a rule finds in what it is given; how the document of the API learns its words.

    raises   LookupError where it finds none
    """
    try:
        read(*given)
    except Wrong as wrong:
        return wrong.problem
    raise LookupError(f"nothing is wrong with {given!r}")


def sender_of(request: Request[Any, Any, Any]) -> Sender:
    """Return who is asking, as the gate found."""
    state: Any = request.scope["state"]
    sender: Sender = state[SENDER]
    return sender


def read_body(body: bytes | mmap, kind: type[T]) -> T:
    """Return a body as its struct.

    raises   Wrong: not UTF-8 (1305), malformed or of a wrong type (1300)
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as trouble:
        raise Wrong(wrong_type(trouble)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as trouble:
        raise Wrong(malformed(body, trouble)) from None


def has_body(request: Request[Any, Any, Any]) -> bool:
    """Return whether a request says that it brings a body (a DELETE may or may not)."""
    headers = request.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def query_of(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the parameters of the query string; of one that is repeated the last counts.

    raises   Wrong where it is no percent-encoded UTF-8, or holds NUL
    """
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except (UnicodeDecodeError, ValueError):
        raise Wrong(BAD_QUERY) from None
    if any("\0" in text for _, text in pairs):
        raise Wrong(Problem(400, "invalid params", "the query string must not hold NUL", "1200"))
    return dict(pairs)
