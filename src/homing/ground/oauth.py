"""OAuth 2 before targets that customers name: fetching an access token, and one post with it (RFC 6749, RFC 6750)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from homing.ground.http import Answered, OutboundHttp, Unanswered

MOST_TOKEN = 8_192  # characters
_NOT_JSON = (400, 415)  # what a token URL answers that wants a form, as RFC 6749 has it

Send = Callable[[str], Awaitable[Answered | Unanswered]]


class Token(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An access token. expires_in: seconds from when it was given, 0 where that was not said."""

    access_token: str
    expires_in: int = 0


class NoToken(msgspec.Struct, frozen=True, gc=False):
    """The token URL gave no access token; nothing was posted. why: a sentence."""

    answer: Answered | Unanswered
    why: str


async def fetch(http: OutboundHttp, url: str, body: Any, *, timeout_s: float) -> Token | NoToken:
    """Ask a token URL for an access token.

    body   an object of JSON: sent as JSON, and as a form where JSON is refused
    """
    answer = await _asked(http, url, msgspec.json.encode(body), "application/json", timeout_s)
    if isinstance(body, Mapping) and isinstance(answer, Answered) and answer.status in _NOT_JSON:
        pairs = {str(name): str(value) for name, value in body.items()}
        answer = await _asked(http, url, urlencode(pairs).encode(), "application/x-www-form-urlencoded", timeout_s)
    if isinstance(answer, Unanswered):
        return NoToken(answer, answer.why)
    token = read_token(answer.whole) if 200 <= answer.status < 300 else None
    return token or NoToken(answer, f"the token URL answered {answer.status} without an access_token")


async def post(
    send: Send, known: str, renew: Callable[[], Awaitable[str | NoToken]], *, refused: tuple[int, ...] = (401,)
) -> Answered | Unanswered | NoToken:
    """Post with a token that is known; without one, or where it is refused, with one that was fetched now.

    send      posts once, with this value of Authorization
    known     the token; '': none
    renew     fetches one
    refused   statuses by which the target says that it does not take the token
    """
    if known:
        answer = await send(f"Bearer {known}")
        if not (isinstance(answer, Answered) and answer.status in refused):
            return answer
    fresh = await renew()
    return fresh if isinstance(fresh, NoToken) else await send(f"Bearer {fresh}")


def read_token(raw: bytes) -> Token | None:
    """Read the answer of a token URL (RFC 6749 section 5.1); None where it holds no token that a header could carry."""
    try:
        given = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    token = given.get("access_token") if isinstance(given, dict) else None
    if not isinstance(token, str) or not 0 < len(token) <= MOST_TOKEN or not token.isascii() or not token.isprintable():
        return None
    return Token(access_token=token, expires_in=_seconds(given.get("expires_in")))


def _seconds(given: object) -> int:
    """Return a lifetime; some services write it as text, or with a fraction."""
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= 10:
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 2**31:
        return 0
    return int(given)


async def _asked(http: OutboundHttp, url: str, body: bytes, media: str, timeout_s: float) -> Answered | Unanswered:
    return await http.post(url, body, headers={"Content-Type": media, "Accept": "application/json"}, timeout_s=timeout_s)
