"""One post to a target: headers, authorisation, signature; a fresh access token where the old one is not taken."""

import base64
import time
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import msgspec
from msgspec import structs

from homing.ground import oauth
from homing.ground.clock import Clock
from homing.ground.http import Answered, OutboundHttp, Unanswered
from homing.ground.oauth import NoToken
from homing.webhooks.rules.signature import HEADER, signature
from homing.webhooks.types import Auth, Webhook

TIMEOUT_S = 10.0
PING = b'[{"msys":{}}]'
_REFUSED_TOKEN = (400, 401)


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

    async def post(self, webhook: Webhook, body: bytes, *, batch_id: UUID | None = None) -> Posted | NoToken:
        """Post a body; NoToken where OAuth 2 is wanted and no access token is to be had."""
        began = time.monotonic()
        auth = webhook.auth
        send = partial(self._once, webhook, body, batch_id)

        async def renew() -> str | NoToken:
            nonlocal auth
            token = await oauth.fetch(self._http, auth.token_url, auth.token_body, timeout_s=TIMEOUT_S)
            if isinstance(token, NoToken):
                return token
            auth = structs.replace(auth, access_token=token.access_token, expires_in=token.expires_in)
            if self._keep is not None:
                await self._keep(webhook, auth)
            return token.access_token

        answer: Answered | Unanswered | NoToken
        if webhook.auth_type == "oauth2":
            answer = await oauth.post(send, auth.access_token, renew, refused=_REFUSED_TOKEN)
        else:
            answer = await send("")
        if isinstance(answer, NoToken):
            return answer
        return Posted(answer, auth, int((time.monotonic() - began) * 1000))

    async def _once(self, webhook: Webhook, body: bytes, batch_id: UUID | None, authorization: str) -> Answered | Unanswered:
        auth = webhook.auth
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
        elif authorization:
            headers["Authorization"] = authorization
        headers[HEADER] = signature(auth.secret, body, moment=int(self._clock.now().timestamp()))
        return await self._http.post(webhook.target, body, headers=headers, timeout_s=TIMEOUT_S)
