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
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}"
    "blockquote{white-space:pre-wrap;overflow-wrap:anywhere;border-left:4px solid #888;margin:1rem 0;padding:.5rem 1rem;"
    "background:#f4f4f4}"
    "textarea{width:100%;box-sizing:border-box;font:inherit}"
    "button{font:inherit;padding:.5rem 1rem;margin:.5rem .5rem 0 0}"
    "small{color:#555;overflow-wrap:anywhere}"
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
