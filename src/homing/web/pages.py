"""How a page is made: a template, escaped throughout, with headers that let it load nothing and be shown in no frame."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FunctionLoader, StrictUndefined
from litestar import Request, Response

MOST_FORM = 65_536  # octets of a form
STYLE = (
    ":root{color-scheme:light dark;--ground:#fff;--raised:#f5f6f8;--line:#d9dde3;--text:#1b2128;--quiet:#57606c;--link:#0b57c2;"
    "--on:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ground:#14171b;--raised:#1d2127;--line:#343b45;--text:#e6e9ed;--quiet:#a3acb8;"
    "--link:#8ab8ff;--on:#10131a}}"
    "*{box-sizing:border-box}"
    "body{font:1rem/1.55 system-ui,sans-serif;margin:0;color:var(--text);background:var(--ground)}"
    "main{max-width:40rem;margin:0 auto;padding:2rem 1.25rem 3rem}"
    "h1{font-size:1.6rem;line-height:1.25;margin:.25rem 0 1rem;overflow-wrap:anywhere}"
    "p{margin:.75rem 0;overflow-wrap:anywhere}"
    ".case,.quiet{color:var(--quiet)}"
    ".case{margin:0;font-weight:600}"
    "p.quiet{font-size:.875rem}"
    "blockquote{white-space:pre-wrap;overflow-wrap:anywhere;border-left:4px solid var(--link);border-radius:.2rem;margin:1rem 0;"
    "padding:.75rem 1rem;background:var(--raised)}"
    "code{font-family:ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}"
    ".field{margin-bottom:.25rem}"
    "textarea{display:block;width:100%;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--quiet);"
    "border-radius:.4rem;padding:.5rem .7rem;resize:vertical}"
    ".buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0 1.75rem}"
    "button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.1rem;border-radius:.4rem;"
    "border:1px solid var(--link);background:none;color:var(--link);cursor:pointer}"
    "button.first{background:var(--link);color:var(--on)}"
    "button:focus-visible,textarea:focus-visible{outline:3px solid var(--link);outline-offset:2px}"
    "@media(max-width:30rem){h1{font-size:1.35rem}button{flex:1 1 100%}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
}


@cache
def _environment() -> Environment:
    folder = resources.files("homing.web").joinpath("data")
    return Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, *, status: int = 200, **facts: Any) -> Response[bytes]:
    """Return a page."""
    text = _environment().get_template(template).render(style=STYLE, **facts)
    return Response(text.encode("utf-8", "replace"), status_code=status, media_type="text/html; charset=utf-8", headers=HEADERS)


async def form_of(request: Request[Any, Any, Any]) -> dict[str, str] | None:
    """Return the fields of a form; None where it is none, or too large."""
    if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
        return None
    octets = b""
    async for piece in request.stream():
        octets += piece
        if len(octets) > MOST_FORM:
            return None
    try:
        fields = parse_qs(octets.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="replace")
    except (UnicodeDecodeError, ValueError):
        return None
    return {name: values[0] for name, values in fields.items()}
