"""One post to a relay webhook's target, with what it wants to believe us: a token, headers of the customer's, OAuth 2."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from homing.ground.clock import Clock
from homing.ground.http import Answered, OutboundHttp, Unanswered
from homing.inbound.relay_types import RelayWebhook

TIMEOUT_S = 15.0
TOKEN_HEADER = "X-MessageSystems-Webhook-Token"  # noqa: S105 - the name of a header
_TOKEN_LIVES_S = 300  # where the answer does not say
_MOST_TOKENS = 1_000


class Token(msgspec.Struct, frozen=True):
    """The answer of a token endpoint (RFC 6749 section 5.1), as far as it is needed."""

    access_token: str
    expires_in: float = _TOKEN_LIVES_S


class NoToken(msgspec.Struct, frozen=True, gc=False):
    """The endpoint that gives tokens gave none; nothing was posted."""

    answer: Answered | Unanswered


class Poster:
    """Posts to targets. One per worker; remembers tokens until shortly before they end."""

    def __init__(self, http: OutboundHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._tokens: dict[tuple[int, str], tuple[str, datetime]] = {}

    async def post(self, webhook: RelayWebhook, body: bytes) -> Answered | Unanswered | NoToken:
        """Post a body; a token that is refused (401) is fetched anew once."""
        headers = {**webhook.secrets.custom_headers, "Content-Type": "application/json", "User-Agent": "homing"}
        if webhook.secrets.auth_token:
            headers[TOKEN_HEADER] = webhook.secrets.auth_token
        if webhook.auth_type != "oauth2":
            return await self._http.post(webhook.target, body, headers=headers, timeout_s=TIMEOUT_S)
        for fresh in (False, True):
            token = await self._token(webhook, fresh=fresh)
            if isinstance(token, NoToken):
                return token
            headers["Authorization"] = token
            answer = await self._http.post(webhook.target, body, headers=headers, timeout_s=TIMEOUT_S)
            if not (isinstance(answer, Answered) and answer.status == 401):
                break
        return answer

    async def _token(self, webhook: RelayWebhook, *, fresh: bool) -> str | NoToken:
        """Return the Authorization value. The body goes as JSON, and as a form where JSON is refused."""
        details = webhook.secrets.auth_request_details
        key = (webhook.webhook_id, msgspec.json.encode(details).decode())
        known = self._tokens.get(key)
        if known is not None and not fresh and known[1] > self._clock.now():
            return known[0]
        wanted = details.get("body", {})
        pairs = {str(name): str(value) for name, value in wanted.items()} if isinstance(wanted, dict) else {}
        forms = (
            (msgspec.json.encode(wanted), "application/json"),
            (urlencode(pairs).encode(), "application/x-www-form-urlencoded"),
        )
        answer: Answered | Unanswered = Unanswered("refused", "no url of a token endpoint is known")
        for body, kind in forms:
            answer = await self._http.post(
                str(details.get("url", "")),
                body,
                headers={"Content-Type": kind, "Accept": "application/json"},
                timeout_s=TIMEOUT_S,
            )
            if isinstance(answer, Unanswered) or answer.status not in (400, 415):
                break
        if isinstance(answer, Unanswered) or not 200 <= answer.status < 300:
            return NoToken(answer)
        try:
            token = msgspec.json.decode(answer.whole, type=Token, strict=False)
        except msgspec.DecodeError:
            return NoToken(answer)
        if not token.access_token.isprintable() or not token.access_token.isascii():
            return NoToken(answer)
        lives = timedelta(seconds=max(0.0, min(token.expires_in, 86_400.0) * 0.9))
        if len(self._tokens) >= _MOST_TOKENS:
            self._tokens.clear()
        value = f"Bearer {token.access_token}"
        self._tokens[key] = (value, self._clock.now() + lives)
        return value


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
