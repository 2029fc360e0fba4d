"""One piece fetches access tokens for event webhooks and relay webhooks, and posts with them."""

import json

import pytest

from homing.ground import oauth
from homing.ground.http import Answered, OutboundHttp, TargetPolicy, Unanswered
from homing.ground.oauth import MOST_TOKEN, NoToken, Token, read_token
from tests.kit.target import target


def said(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize(
    ("raw", "token"),
    [
        (b'{"access_token":"T","expires_in":3600,"token_type":"Bearer"}', Token(access_token="T", expires_in=3600)),
        (b'{"access_token":"T","expires_in":"60"}', Token(access_token="T", expires_in=60)),
        (b'{"access_token":"T","expires_in":59.9}', Token(access_token="T", expires_in=59)),
        (b'{"access_token":"T"}', Token(access_token="T")),
        (b'{"access_token":"T","expires_in":-1}', Token(access_token="T")),
        (b'{"access_token":"T","expires_in":true}', Token(access_token="T")),
        (b'{"access_token":"T","expires_in":1e99}', Token(access_token="T")),
        (b'{"access_token":""}', None),
        (b'{"access_token":7}', None),
        (b'{"access_token":"a\\r\\nX-More: 1"}', None),
        (b'{"access_token":"\xc3\xa4"}', None),
        (b'{"access_token":"%s"}' % (b"x" * (MOST_TOKEN + 1)), None),
        (b'["T"]', None),
        (b"no", None),
        (b"\xff", None),
        (b"[" * 60_000, None),
    ],
)
def test_an_answer_gives_a_token_only_if_a_header_can_carry_it(raw, token):
    assert read_token(raw) == token


async def test_the_body_goes_as_json_and_as_a_form_where_json_is_refused():
    async with target() as app:
        http = OutboundHttp(TargetPolicy(allow_private=True, ports=(app.port,)))
        app.script = lambda heard: 415 if heard.headers["content-type"] == "application/json" else said(b'{"access_token":"T"}')
        got = await oauth.fetch(http, app.url, {"client_id": "c", "n": 1}, timeout_s=5)
        assert got == Token(access_token="T")
        assert [one.raw for one in app.heard] == [b'{"client_id":"c","n":1}', b"client_id=c&n=1"]
        app.script = lambda heard: 503
        got = await oauth.fetch(http, app.url, {}, timeout_s=5)
        assert isinstance(got, NoToken)
        assert got.why == "the token URL answered 503 without an access_token"
        assert len(app.heard) == 3  # trouble of the host is none of the form
        got = await oauth.fetch(http, "http://127.0.0.1:1/", {}, timeout_s=5)
        assert isinstance(got, NoToken)
        assert isinstance(got.answer, Unanswered)


@pytest.mark.parametrize(
    ("known", "answers", "sent", "renewed"),
    [
        ("", [200], ["Bearer N"], 1),
        ("K", [200], ["Bearer K"], 0),
        ("K", [401, 200], ["Bearer K", "Bearer N"], 1),
        ("K", [401, 401], ["Bearer K", "Bearer N"], 1),
        ("", [401], ["Bearer N"], 1),
        ("K", [500], ["Bearer K"], 0),
    ],
)
async def test_a_token_that_is_refused_is_fetched_anew_once(known, answers, sent, renewed):
    posts, fetched, left = [], [], list(answers)

    async def send(authorization: str) -> Answered:
        posts.append(authorization)
        return Answered(left.pop(0), {}, "")

    async def renew() -> str:
        fetched.append(1)
        return "N"

    answer = await oauth.post(send, known, renew)
    assert isinstance(answer, Answered)
    assert (answer.status, posts, len(fetched), left) == (answers[-1], sent, renewed, [])


async def test_where_no_token_is_given_nothing_is_posted():
    refused = NoToken(Answered(500, {}, json.dumps({})), "no")

    async def renew() -> NoToken:
        return refused

    async def never(authorization: str) -> Answered:
        raise AssertionError(authorization)

    assert await oauth.post(never, "", renew) is refused
