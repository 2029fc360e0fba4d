"""GET /api/docs: the OpenAPI document for people. Pages are rendered here, hold all they need, and work without JavaScript."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup, escape

from homing.accounts.grants import GRANTS
from homing.api.docs_view import endpoints, faults_of, title
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import OPEN, Operation, Schema, open_answers

PATH = "/api/docs"
_DATA = Path(__file__).parent / "data"
_HTML = "text/html"
_CODE = re.compile(r"`([^`]+)`")
_NAME: Schema = {
    "name": "operation",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "operationId in the OpenAPI document",
}
OVERVIEW = Operation("This documentation: everything there is", open_answers(None), text=_HTML)
PAGE = Operation("This documentation: one endpoint", open_answers(None), text=_HTML, parameters=(_NAME,), errors=(NOT_FOUND,))


def routes(document: Callable[[], Mapping[str, Any]]) -> list[HTTPRouteHandler]:
    """Return the routes.

    document   gives the OpenAPI document; asked when the first page is wanted
    """

    @cache
    def site() -> "_Site":
        return _Site(document())

    @get(PATH, sync_to_thread=False, opt={"grants": OPEN, "operation": OVERVIEW})
    def show_overview() -> Response[str]:
        return site().answer("")

    @get(f"{PATH}/{{operation:str}}", sync_to_thread=False, opt={"grants": OPEN, "operation": PAGE})
    def show_endpoint(operation: str) -> Response[str]:
        return site().answer(operation)

    return [show_overview, show_endpoint]


class _Site:
    """The pages of one document; each is rendered once, when it is first asked for."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._endpoints = {one.name: one for one in endpoints(document)}
        self._rendered: dict[str, str] = {}
        style, script = ((_DATA / name).read_text(encoding="utf-8") for name in ("docs.css", "docs.js"))
        self._templates = Environment(
            loader=FileSystemLoader(_DATA), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        # Markup: both are files of ours, and the policy below names exactly these octets.
        self._templates.globals.update(style=Markup(style), script=Markup(script), path=PATH, title=title)  # noqa: S704
        self._templates.filters["marked"] = _marked
        self._headers = {
            "content-security-policy": (
                f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-cache",
        }

    def answer(self, name: str) -> Response[str]:
        """Return the page of an endpoint, '' the overview.

        raises   ApiError 404
        """
        if name not in self._rendered:
            if name and name not in self._endpoints:
                raise ApiError(NOT_FOUND)
            self._rendered[name] = self._endpoint(name) if name else self._overview()
        return Response(self._rendered[name], media_type=_HTML, headers=self._headers)

    def _overview(self) -> str:
        found = list(self._endpoints.values())
        return self._templates.get_template("overview.html").render(
            version=self._document["info"]["version"],
            resources=[(tag["name"], [one for one in found if one.tag == tag["name"]]) for tag in self._document["tags"]],
            faults=faults_of(self._document["x-homing-errors"], ()),
            limits=self._document["x-homing-limits"],
            grants=[(grant, [one for one in found if grant.key in one.grants]) for grant in GRANTS if grant.on_key],
        )

    def _endpoint(self, name: str) -> str:
        one = self._endpoints[name]
        return self._templates.get_template("endpoint.html").render(
            one=one,
            beside=[other for other in self._endpoints.values() if other.tag == one.tag],
            labels={grant.key: grant.label for grant in GRANTS},
        )


def _marked(text: str) -> Markup:
    """Return a text with what stands between grave accents as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
