"""One post to a relay webhook's target, with what it wants to believe us: a token, headers of the customer's, OAuth 2."""

from datetime import datetime, timedelta
from functools import partial

import msgspec

from homing.ground import oauth
from homing.ground.clock import Clock
from homing.ground.http import Answered, OutboundHttp, Unanswered
from homing.ground.oauth import NoToken
from homing.inbound.relay_types import RelayWebhook

TIMEOUT_S = 15.0
TOKEN_HEADER = "X-MessageSystems-Webhook-Token"  # noqa: S105 - the name of a header
_TOKEN_LIVES_S = 300  # where the answer does not say
_LONGEST_LIFE_S = 86_400
_MOST_TOKENS = 1_000

_Key = tuple[int, bytes]


class Poster:
    """Posts to targets. One per worker; remembers tokens until shortly before they end."""

    def __init__(self, http: OutboundHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._tokens: dict[_Key, tuple[str, datetime]] = {}

    async def post(self, webhook: RelayWebhook, body: bytes) -> Answered | Unanswered | NoToken:
        """Post a body; a token that is refused (401) is fetched anew once."""
        headers = {**webhook.secrets.custom_headers, "Content-Type": "application/json", "User-Agent": "homing"}
        if webhook.secrets.auth_token:
            headers[TOKEN_HEADER] = webhook.secrets.auth_token

        async def send(authorization: str = "") -> Answered | Unanswered:
            given = {"Authorization": authorization} if authorization else {}
            return await self._http.post(webhook.target, body, headers=headers | given, timeout_s=TIMEOUT_S)

        if webhook.auth_type != "oauth2":
            return await send()
        details = webhook.secrets.auth_request_details
        key = (webhook.webhook_id, msgspec.json.encode(details))
        known, until = self._tokens.get(key, ("", self._clock.now()))
        return await oauth.post(send, known if until > self._clock.now() else "", partial(self._renewed, key, details))

    async def _renewed(self, key: _Key, details: dict[str, object]) -> str | NoToken:
        """Fetch a token and remember it."""
        token = await oauth.fetch(self._http, str(details.get("url", "")), details.get("body", {}), timeout_s=TIMEOUT_S)
        if isinstance(token, NoToken):
            return token
        lives_s = min(token.expires_in or _TOKEN_LIVES_S, _LONGEST_LIFE_S) * 0.9
        if len(self._tokens) >= _MOST_TOKENS:
            self._tokens.clear()
        self._tokens[key] = (token.access_token, self._clock.now() + timedelta(seconds=lives_s))
        return token.access_token


def succeeded(answer: Answered | Unanswered | NoToken) -> bool:
    """Return whether the target took it: any 2xx (SparkPost says 200)."""
    return isinstance(answer, Answered) and 200 <= answer.status < 300


def why(answer: Answered | Unanswered | NoToken) -> tuple[str, str]:
    """Return the reason of a failure and the HTTP status, '' where there was no answer."""
    if isinstance(answer, NoToken):
        reason, code = why(answer.answer)
        return f"POST to webhook tokens URL failed: {reason}", code
    if isinstance(answer, Unanswered):
        return f"{answer.code}: {answer.why}", ""
    words = " ".join(answer.body[:200].split())
    return f"{answer.status} {words}".strip(), str(answer.status)
