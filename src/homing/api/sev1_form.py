"""/sev1: a form for people who cannot phone. Made on the server, without scripts; it is taken in as a call is."""

import base64
import hashlib
import html
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies
from homing.api.openapi import OPEN, Operation
from homing.api.v1.support_sev1_wire import MOST, Sev1In, answers_of, text_of
from homing.ground import db
from homing.ground.secrets import MasterKey
from homing.ingress.rules.problem import Wrong
from homing.support.line.desk import Desk
from homing.support.line.reports import MOST_FROM_IP, Later, NotKept, Report, Reports, TooMany
from homing.support.line.rules.promise import shown
from homing.support.line.types import Source

PATH = "/sev1"
MOST_BODY = 131_072
_TICKET = "sev1 form"


def routes(
    *, desk: Desk, reports: Reports, pool: db.Pool, master_key: MasterKey, bodies: Bodies, numbers: Sequence[str]
) -> list[HTTPRouteHandler]:
    """Return the routes. numbers: to phone, which is better if one can."""

    @get(PATH, opt={"grants": OPEN, "operation": SHOW})
    async def show_sev1_form() -> Response[bytes]:
        return _page(200, _form(_ticket(master_key), Sev1In(), numbers=numbers))

    @post(PATH, status_code=200, opt={"grants": OPEN, "operation": SEND})
    async def send_sev1_form(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await bodies.small(request, most=MOST_BODY)
        try:
            fields = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, errors="replace", max_num_fields=50)
        except ValueError:
            fields = {}
        given = {name: fields.get(name, [""])[0] for name in (*MOST, "pin", "ticket")}
        ticket = given.pop("ticket")
        pin = "".join(sign for sign in given.pop("pin") if sign.isascii() and sign.isdigit())[:32]
        report_in = Sev1In(**given)
        if not _is_ours(master_key, ticket):
            ticket = _ticket(master_key)
            return _page(
                400, _form(ticket, report_in, numbers=numbers, why="This form was too old or not ours. Please send it again.")
            )
        try:
            answers = answers_of(report_in)
            text_of(pin, "pin", 32)
        except Wrong as wrong:
            why = wrong.problem.description or wrong.problem.message
            return _page(422, _form(ticket, report_in, numbers=numbers, why=f"{why[:1].upper()}{why[1:]}."))
        ip = request.client.host if request.client else ""
        report = Report(source=Source.FORM, key=ticket, answers=answers, pin=pin, ip=ip)
        try:
            made = await reports.take(report, most_from_ip=MOST_FROM_IP)
        except NotKept:
            return _page(503, _form(ticket, report_in, numbers=numbers, why="We could not keep your report. Please phone."))
        except TooMany:
            return _page(429, _form(ticket, report_in, numbers=numbers, why="Too many forms came from here. Please phone."))
        if isinstance(made, Later):
            phone = f" If nobody does, phone {html.escape(', '.join(numbers))}." if numbers else ""
            return _page(
                202,
                f"<h1>We have your report</h1><p>Your reference is <strong>{html.escape(made.reference)}</strong>. "
                "Our own systems are in trouble: it is written down, and people are being paged. A representative gets in touch "
                f"with you before <strong>{html.escape(shown(made.due_at, None))}</strong>.{phone}</p>",
            )
        with db.trouble_is_temporary():
            zone = await desk.zone_of(pool, made.account_id, made.first_ring_at)
        due = shown(made.due_at, zone)
        utc = "" if zone is None else f" ({made.due_at:%H:%M} UTC)"
        return _page(
            200,
            f"<h1>We have your report</h1><p>Your reference is <strong>{html.escape(made.reference)}</strong>. "
            "People are being paged. A representative gets in touch with you before "
            f"<strong>{html.escape(due + utc)}</strong>.</p>",
        )

    return [show_sev1_form, send_sev1_form]


def _ticket(master_key: MasterKey) -> str:
    """Return what makes two sendings of one form the same report."""
    nonce = secrets.token_hex(16)
    return f"{nonce}.{master_key.token(nonce.encode(), purpose=_TICKET, size=16).hex()}"


def _is_ours(master_key: MasterKey, ticket: str) -> bool:
    nonce, _, seal = ticket.partition(".")
    made = master_key.token(nonce.encode("utf-8", "replace"), purpose=_TICKET, size=16).hex()
    return len(nonce) == 32 and secrets.compare_digest(seal.encode("utf-8", "replace"), made.encode())


def _page(status: int, inside: str) -> Response[bytes]:
    body = _PAGE.replace("{inside}", inside).encode("utf-8", "replace")
    return Response(body, status_code=status, media_type="text/html", headers=_HEADERS)


def _form(ticket: str, given: Sev1In, *, numbers: Sequence[str], why: str = "") -> str:
    phone = f"<p>If you can, phone: {html.escape(', '.join(numbers))}. It is faster.</p>" if numbers else ""
    trouble = f'<p class="why" role="alert">{html.escape(why)}</p>' if why else ""
    rows = "".join(
        f'<label>{label}<input name="{name}" type="{kind}" maxlength="{MOST.get(name, 32)}" '
        f'value="{html.escape(getattr(given, name, ""))}" autocomplete="{fill}"></label>'
        for name, label, kind, fill in _FIELDS
    )
    return (
        f"<h1>Severity 1 report</h1>{phone}{trouble}"
        f'<form method="post" action="{PATH}"><input type="hidden" name="ticket" value="{html.escape(ticket)}">{rows}'
        f'<label>What is wrong<textarea name="description" rows="6" required>{html.escape(given.description)}</textarea></label>'
        '<button type="submit">Send and have us paged</button></form>'
        "<p>We answer within fifteen minutes, day and night. Give a phone number or an e-mail address.</p>"
    )


_FIELDS = (
    ("company", "Company", "text", "organization"),
    ("name", "Your name", "text", "name"),
    ("phone", "Phone number, with country code", "tel", "tel"),
    ("email", "E-mail address", "email", "email"),
    ("pin", "Support PIN, if you have it", "password", "off"),
)
_STYLE = (
    ":root{color-scheme:light dark}body{font:1.05rem/1.5 system-ui,sans-serif;max-width:34rem;margin:6vh auto;padding:0 1.5rem}"
    "h1{font-size:1.6rem}label{display:block;margin:1rem 0}input,textarea{display:block;width:100%;box-sizing:border-box;"
    "font:inherit;padding:.5rem;border:1px solid #888;border-radius:.3rem}button{font:inherit;padding:.7rem 1.6rem;border:0;"
    "border-radius:.4rem;background:#b42318;color:#fff}:focus-visible{outline:3px solid #93c5fd;outline-offset:2px}"
    ".why{border-left:4px solid #b42318;padding-left:1rem}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
_PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    f"<title>Severity 1 report</title><style>{_STYLE}</style></head><body><main>{{inside}}</main></body></html>\n"
)
SHOW = Operation("The form for a Critical Issue", {200: ("a page of HTML", None)}, text="text/html")
SEND = Operation(
    "Send the form; the same form sent twice is one report",
    {
        200: ("a page with reference and promise", None),
        202: ("a page with reference and promise; our store is away, and it is written down", None),
        400: ("a page: not our form", None),
        413: ("a page: too large", None),
        422: ("a page: something is missing", None),
        429: ("a page: too many", None),
        503: ("a page: it could not be kept, please phone", None),
    },
    media=("application/x-www-form-urlencoded",),
    body={"type": "object"},
    text="text/html",
)
