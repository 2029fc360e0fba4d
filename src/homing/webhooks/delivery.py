"""One post to a target: headers, authorisation, signature; a fresh access token where the old one is not taken."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec
from msgspec import structs

from homing.ground.clock import Clock
from homing.ground.http import Answered, OutboundHttp, Unanswered
from homing.webhooks.rules.signature import HEADER, signature
from homing.webhooks.types import Auth, Webhook

TIMEOUT_S = 10.0
MOST_TOKEN = 8_192
PING = b'[{"msys":{}}]'
_REFUSED_TOKEN = (400, 401)


class NoToken(Exception):
    """The token URL gave no access token. answer: what it said, if anything."""

    def __init__(self, why: str, answer: Answered | None) -> None:
        super().__init__(why)
        self.answer = answer


class Posted(msgspec.Struct, frozen=True):
    """What became of a post. auth: the webhook's, with a fresh access token where one was fetched."""

    answer: Answered | Unanswered
    auth: Auth
    latency_ms: int


class Poster:
    """Posts bodies to targets. keep: stores an access token that was fetched."""

    def __init__(
        self, http: OutboundHttp, clock: Clock, *, keep: Callable[[Webhook, Auth], Awaitable[None]] | None = None
    ) -> None:
        self._http = http
        self._clock = clock
        self._keep = keep

    async def post(self, webhook: Webhook, body: bytes, *, batch_id: UUID | None = None) -> Posted:
        """Post a body.

        raises   NoToken where OAuth 2 is wanted and no access token is to be had
        """
        began = time.monotonic()
        auth = webhook.auth
        fresh = False
        if webhook.auth_type == "oauth2" and not auth.access_token:
            auth, fresh = await self._fetched(webhook, auth), True
        answer = await self._once(webhook, auth, body, batch_id)
        if webhook.auth_type == "oauth2" and not fresh and isinstance(answer, Answered) and answer.status in _REFUSED_TOKEN:
            auth = await self._fetched(webhook, auth)
            answer = await self._once(webhook, auth, body, batch_id)
        return Posted(answer, auth, int((time.monotonic() - began) * 1000))

    async def _once(self, webhook: Webhook, auth: Auth, body: bytes, batch_id: UUID | None) -> Answered | Unanswered:
        headers = dict(webhook.custom_headers)
        headers["Content-Type"] = "application/json"
        headers["User-Agent"] = "homing-webhooks/1"
        if batch_id is not None:
            headers["X-MessageSystems-Batch-ID"] = batch_id.hex
        if auth.token:
            headers["X-MessageSystems-Webhook-Token"] = auth.token
        if webhook.auth_type == "basic":
            pair = f"{auth.username}:{auth.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode("ascii")
        elif webhook.auth_type == "oauth2":
            headers["Authorization"] = f"Bearer {auth.access_token}"
        headers[HEADER] = signature(auth.secret, body, moment=int(self._clock.now().timestamp()))
        return await self._http.post(webhook.target, body, headers=headers, timeout_s=TIMEOUT_S)

    async def _fetched(self, webhook: Webhook, auth: Auth) -> Auth:
        body = json.dumps(auth.token_body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        answer = await self._http.post(auth.token_url, body, headers=headers, timeout_s=TIMEOUT_S)
        if isinstance(answer, Unanswered):
            raise NoToken(answer.why, None)
        try:
            given = json.loads(answer.whole) if answer.status < 300 else None
        except ValueError:
            given = None
        token = given.get("access_token") if isinstance(given, dict) else None
        if not isinstance(token, str) or not 0 < len(token) <= MOST_TOKEN or not token.isascii() or not token.isprintable():
            raise NoToken(f"the token URL answered {answer.status} without an access_token", answer)
        expires = given.get("expires_in") if isinstance(given, dict) else 0
        seconds = expires if isinstance(expires, int) and not isinstance(expires, bool) and 0 <= expires < 2**31 else 0
        made = structs.replace(auth, access_token=token, expires_in=seconds)
        if self._keep is not None:
            await self._keep(webhook, made)
        return made
