"""The site that tracked links lead to: pixels, redirects to exactly what we wrote, the page that unsubscribes.

It answers on the installation's own names and on the verified tracking domains of customers, there for the links of that
customer alone; under any other name there is nothing.

GET /f/...   302 to the target of the link
GET /q/...   a transparent image of one pixel
GET /u/...   a page with one button;   POST /u/...   unsubscribes (RFC 8058)
"""

import base64
import html
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from homing.accounts.grants import Network, read_masks, within
from homing.domains.rules.tracking import host_of
from homing.engagement.desk import Desk
from homing.engagement.geo import Geo
from homing.engagement.rules.happened import Request
from homing.ground.errors import Temporary
from homing.ground.log import get
from homing.message.tracked import CLICKS, MOST_PATH, OPENS, Kind, Seal, Tracked

log = get("engagement")

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Serves = Callable[[str, int | None], Awaitable[bool]]
_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_HEADERS = [(b"server", b"msys-http"), (b"cache-control", b"no-store, no-cache, max-age=0"), (b"x-robots-tag", b"noindex")]
_PAGE_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_SAFE_IN_URL = "!#$%&'()*+,/:;=?@[]~"  # what a Location keeps as it is; everything else is percent-encoded
MOST_BODY = 4_096
_EVERYWHERE = read_masks(["0.0.0.0/0", "::/0"])


class Site:
    """An ASGI application. One for a worker.

    serves    whether a host serves the links of an account, or (None) anybody's; raises Temporary
    proxies   networks whose X-Forwarded-For is believed
    """

    def __init__(
        self,
        seal: Seal,
        desk: Desk,
        geo: Geo,
        *,
        now: Callable[[], datetime],
        serves: Serves,
        proxies: Sequence[Network] = (),
    ) -> None:
        self._seal = seal
        self._desk = desk
        self._geo = geo
        self._now = now
        self._serves = serves
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["raw_path"].decode("latin-1") if "raw_path" in scope else scope["path"]
        tracked = self._seal.read(path) if len(path) <= MOST_PATH else None
        try:
            if not await self._serves(_host(scope), None if tracked is None else tracked.account_id):
                await _answer(send, 404, b"", [])
                return
        except Temporary as trouble:
            log.warning("tracking_waits", cause=type(trouble).__name__)
            await _later(send, method)
            return
        if path == "/" and method in ("GET", "HEAD"):
            await _answer(send, 200, b"homing\n", [(b"content-type", b"text/plain")], head=method == "HEAD")
            return
        if tracked is None:
            await _page(send, 404, "This link is not known", "It may be incomplete. Copy the whole link from your mail.", method)
        elif tracked.kind is Kind.UNSUBSCRIBE:
            await self._unsubscribe(tracked, scope, receive, send)
        elif method not in ("GET", "HEAD"):
            await _answer(send, 405, b"", [(b"allow", b"GET, HEAD")])
        elif tracked.kind in OPENS:
            self._desk.note(self._request(tracked, scope))
            await _answer(send, 200, _GIF, [(b"content-type", b"image/gif")], head=method == "HEAD")
        elif tracked.kind in CLICKS:
            await self._click(tracked, scope, send)

    async def _click(self, tracked: Tracked, scope: Scope, send: Send) -> None:
        request = self._request(tracked, scope)
        if tracked.kind is Kind.UNSUBSCRIBE_LINK and not request.head:
            try:
                await self._desk.unsubscribe(request)
            except Temporary as trouble:
                log.warning("unsubscribe_waits", cause=type(trouble).__name__)
                await _later(send, scope["method"])
                return
        elif tracked.kind is not Kind.UNSUBSCRIBE_LINK:
            self._desk.note(request)
        target = quote(tracked.url, safe=_SAFE_IN_URL)
        await _answer(send, 302, b"", [(b"location", target.encode("ascii")), (b"referrer-policy", b"no-referrer")])

    async def _unsubscribe(self, tracked: Tracked, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method in ("GET", "HEAD"):  # a scanner that follows links must not unsubscribe anybody
            button = '<form method="post"><button type="submit">Unsubscribe</button></form>'
            await _page(
                send, 200, "Unsubscribe", "Press the button, and no more of this mail will be sent to you.", method, button
            )
            return
        if method != "POST":
            await _answer(send, 405, b"", [(b"allow", b"GET, HEAD, POST")])
            return
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BODY or message["type"] != "http.request":
                await _answer(send, 413, b"", [(b"connection", b"close")])
                return
            if not message.get("more_body"):
                break
        try:
            known = await self._desk.unsubscribe(self._request(tracked, scope))
        except Temporary as trouble:
            log.warning("unsubscribe_waits", cause=type(trouble).__name__)
            await _later(send, method)
            return
        if known:
            await _page(send, 200, "You are unsubscribed", "No more of this mail will be sent to you.", method)
        else:
            await _page(send, 410, "This link is too old", "Use the unsubscribe link of a newer mail.", method)

    def _request(self, tracked: Tracked, scope: Scope) -> Request:
        headers = {
            name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"user-agent", b"x-forwarded-for")
        }
        ip = scope["client"][0] if scope.get("client") else ""
        if self._proxies and within(ip, self._proxies):
            # From the right: the last address that no proxy of ours has written down is the client's.
            for hop in reversed(headers.get(b"x-forwarded-for", "").split(",")):
                if not hop.strip() or not _is_address(hop.strip()):
                    break
                ip = hop.strip()
                if not within(ip, self._proxies):
                    break
        return Request(
            tracked=tracked,
            at=self._now(),
            ip=ip,
            agent=headers.get(b"user-agent", "").replace("\0", ""),
            head=scope["method"] == "HEAD",
            geo=self._geo.find(ip),
        )


def _host(scope: Scope) -> str:
    """Return the host that was asked for; '' where none is named, or more than one."""
    named = [value for name, value in scope["headers"] if name == b"host"]
    return host_of(named[0].decode("latin-1")) if len(named) == 1 else ""


def _is_address(text: str) -> bool:
    return within(text, _EVERYWHERE)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]], *, head: bool = False) -> None:
    whole = [*_HEADERS, *headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": whole})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _later(send: Send, method: str) -> None:
    await _page(send, 503, "Please try again", "We could not note that now. Try again in a minute.", method)


async def _page(send: Send, status: int, title: str, text: str, method: str, more: str = "") -> None:
    body = _PAGE.replace("{title}", html.escape(title)).replace("{text}", html.escape(text)).replace("{more}", more)
    await _answer(send, status, body.encode(), _PAGE_HEADERS, head=method == "HEAD")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root { color-scheme: light dark }
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 30rem; margin: 15vh auto; padding: 0 1.5rem; text-align: center }
h1 { font-size: 1.6rem; font-weight: 600 }
button { font: inherit; padding: .6rem 1.6rem; border: 0; border-radius: .4rem; background: #1a56db; color: #fff }
button:focus-visible { outline: 3px solid #93c5fd; outline-offset: 2px }
</style></head><body><main><h1>{title}</h1><p>{text}</p>{more}</main></body></html>
"""
