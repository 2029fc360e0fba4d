"""/api/v1/suppression-list/import, its imports, and /export: many suppressions at once, in bounded memory. SparkPost has none.

An upload is on the disk before it is answered; a worker then brings it onto the list (recipients/importer.py), and whoever
asks sees how far it is.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from homing.accounts.types import Sender
from homing.api.bodies import JSON, Bodies, check_media, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, refusals, sender_of
from homing.api.v1.suppression_list import FILTER_ERRORS, FILTERS, MANAGE, PATH
from homing.api.v1.suppression_wire import read_filters, refuse
from homing.api.v1.transmissions import RefuseNew
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.errors import Overloaded
from homing.ingress.rules.problem import Problem
from homing.recipients import export, imports
from homing.recipients.importer import Importer
from homing.recipients.importing import Refusal, SourceFile
from homing.recipients.imports import MOST_REFUSALS, Import
from homing.recipients.rules.forms.known import FORMS, Platform
from homing.recipients.rules.forms.types import Unreadable
from homing.recipients.rules.importing import TYPES, Terms

IMPORTS = "/api/v1/suppression-list-imports"  # not beneath the list: `import/x@there.test` is an address
MEDIA = ("text/csv", "text/plain", "application/octet-stream", "application/x-ndjson", JSON)
MOST_BYTES = 268_435_456  # of an upload; a million rows are about 100 MB
MOST_OPEN = 10  # imports of an account that have not ended
_NOT_FOUND = Problem(404, "Import could not be found")
_TOO_MANY = Problem(429, f"{MOST_OPEN} imports have not ended yet; wait for one of them")
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock, importer: Importer, refuse_new: RefuseNew) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @post(f"{PATH}/import", status_code=200, opt={"grants": MANAGE, "operation": IMPORT})
    async def import_suppressions(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        reason = refuse_new()
        if reason is not None:
            raise Overloaded(reason)
        check_media(request, MEDIA)
        with refusals():
            query = query_of(request)
            terms = _terms(query, sender)
        if await imports.count_open(pool, sender.account_id) >= MOST_OPEN:
            raise ApiError(_TOO_MANY, retry_after=30)
        import_id = uuid.uuid4()
        path = await asyncio.to_thread(importer.path_of, import_id)
        size = await bodies.saved(request, path, most=MOST_BYTES)
        try:
            source = await asyncio.to_thread(SourceFile.open, path, terms, now=clock.now())
            source.close()
            await imports.add(
                pool,
                import_id,
                account_id=sender.account_id,
                terms=terms,
                name=query.get("name", "")[:255],
                size_bytes=size,
                key_id=sender.key_id,
            )
        except Unreadable as trouble:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise ApiError(Problem(400, str(trouble))) from None
        importer.news()
        made = await imports.one(pool, sender.account_id, import_id)
        assert made is not None, "it was written a moment ago"
        return await json_answer(request, _encode({"results": show(made)}))

    @get(IMPORTS, opt={"grants": MANAGE, "operation": LIST})
    async def list_imports(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        found = await imports.latest(pool, sender.account_id, subaccount_id=sender.scope)
        return await json_answer(request, _encode({"results": [show(one) for one in found]}))

    @get(f"{IMPORTS}/{{import_id:str}}", opt={"grants": MANAGE, "operation": RETRIEVE})
    async def get_import(request: Request[Any, Any, Any], import_id: str) -> Response[bytes]:
        sender = sender_of(request)
        try:
            named = uuid.UUID(import_id)
        except ValueError:
            raise ApiError(_NOT_FOUND) from None
        found = await imports.one(pool, sender.account_id, named, subaccount_id=sender.scope)
        if found is None:
            raise ApiError(_NOT_FOUND)
        told = [show_refusal(one) for one in await imports.refusals(pool, named)]
        return await json_answer(request, _encode({"results": {**show(found), "refused_rows": told}}))

    @get(f"{PATH}/export", opt={"grants": MANAGE, "operation": EXPORT})
    async def export_suppressions(request: Request[Any, Any, Any]) -> Stream:
        sender = sender_of(request)
        with refusals():
            filters = read_filters(query_of(request), account_id=sender.account_id, subaccount_id=sender.scope)
        text = export.csv_text(pool, filters)
        first = await anext(text)  # a store that is away is told before the answer begins

        async def whole() -> AsyncIterator[str]:
            yield first
            async for more in text:
                yield more

        headers = {"content-disposition": 'attachment; filename="suppressions.csv"'}
        return Stream(whole(), media_type="text/csv", headers=headers)

    return [import_suppressions, list_imports, get_import, export_suppressions]


def show(one: Import) -> dict[str, Any]:
    """Return an import as customers see it."""
    shown: dict[str, Any] = {
        "id": str(one.import_id),
        "state": one.state,
        "from": one.terms.form,
        "created": one.made_at,
        "size_bytes": one.size_bytes,
        "bytes_done": one.bytes_done,
        **{name: getattr(one.tally, name) for name in one.tally.__struct_fields__},
        "links": [{"href": f"{IMPORTS}/{one.import_id}", "rel": "self", "method": ["GET"]}],
    }
    optional = {
        "kind": one.terms.kind,
        "type": one.terms.type,
        "name": one.name,
        "reason": one.why,
        "began": one.began_at,
        "ended": one.ended_at,
        "subaccount_id": one.terms.subaccount_id,
    }
    return shown | {name: value for name, value in optional.items() if value}


def show_refusal(one: Refusal) -> dict[str, Any]:
    """Return a row that an import refused."""
    return {"line": one.line, "text": one.text, "reason": one.reason}


def _terms(query: dict[str, str], sender: Sender) -> Terms:
    """Return how an upload shall be taken.

    raises   Wrong
    """
    form, kind = query.get("from") or Platform.HOMING.value, query.get("type", "")
    if form not in FORMS:
        raise refuse(f"from must be one of: {', '.join(FORMS)}")
    if kind and kind not in TYPES:
        raise refuse(f"type must be one of: {', '.join(TYPES)}")
    return Terms(
        form=form,
        kind=query.get("kind", ""),
        type=kind,
        subaccount_id=sender.subaccount_id,
        any_subaccount=sender.acts_for_all,
    )


_IMPORT: Schema = {
    "type": "object",
    "required": ["id", "state", "from", "records", "added", "updated", "unchanged", "refused", "size_bytes", "bytes_done"],
    "properties": {
        "id": {"type": "string"},
        "state": {"enum": ["waiting", "running", "done", "failed"]},
        "reason": {"type": "string", "description": "why it failed; what was counted is on the list"},
        "from": {"type": "string"},
        "kind": {"type": "string"},
        "type": {"type": "string"},
        "name": {"type": "string"},
        "subaccount_id": {"type": "integer"},
        "size_bytes": {"type": "integer"},
        "bytes_done": {"type": "integer"},
        "records": {"type": "integer", "description": "of the file, read so far"},
        "added": {"type": "integer", "description": "entries that are new on the list"},
        "updated": {"type": "integer", "description": "entries whose source or description changed"},
        "unchanged": {"type": "integer", "description": "entries that said the same already, or are of compliance"},
        "links": {"type": "array"},
        "refused": {"type": "integer", "description": "records that could not be taken"},
        "created": {"type": "string"},
        "began": {"type": "string"},
        "ended": {"type": "string"},
        "refused_rows": {
            "type": "array",
            "description": f"the first {MOST_REFUSALS:,}; line is the line of the file, of JSON the number of the record",
            "items": {
                "type": "object",
                "required": ["line", "text", "reason"],
                "properties": {"line": {"type": "integer"}, "text": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}
_ONE: Schema = {"type": "object", "required": ["results"], "properties": {"results": _IMPORT}}
_MANY: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "array", "items": _IMPORT}},
}


def _query(name: str, meaning: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": meaning}


IMPORT = Operation(
    "Bring a file of suppressions onto the list",
    {200: ("the import that was begun", _ONE)},
    errors=(
        refuse(f"type must be one of: {', '.join(TYPES)}").problem,
        Problem(400, "the first line must name the columns"),
        _TOO_MANY,
    ),
    limits=(Limit("imports of an account that have not ended", MOST_OPEN, "imports", "429"),),
    body_bytes=MOST_BYTES,
    example="recipient,type,description\nann@there.test,non_transactional,asked by letter\n",
    description=(
        "CSV whose first line names the columns (recipient, type; source, description, list_id, subaccount_id, created), as the "
        "export has them, or an export of another platform. It is on the disk before this answers, and worked off afterwards."
    ),
    parameters=(
        _query(
            "from", "the platform that exported it", {"enum": [one.value for one in Platform], "default": Platform.HOMING.value}
        ),
        _query("kind", "which suppressions a platform exported, where the file does not tell", {"type": "string"}),
        _query("type", "which mail all of them stop; wins over what the file says", {"enum": list(TYPES)}),
        _query("name", "a name for it, to be found again", {"type": "string", "maxLength": 255}),
    ),
    body={"type": "string"},
    media=MEDIA,
)
LIST = Operation("List the latest imports", {200: (f"the {imports.LISTED} latest, the newest first", _MANY)})
RETRIEVE = Operation(
    "Look at one import",
    {200: ("how far it is, and what it refused", _ONE)},
    errors=(_NOT_FOUND,),
    parameters=({"name": "import_id", "in": "path", "required": True, "schema": {"type": "string"}},),
)
EXPORT = Operation(
    "Export the list as CSV",
    {200: ("every entry that matches", None)},
    errors=FILTER_ERRORS,
    description="The import takes it back. An answer that breaks off before its end is not whole.",
    parameters=FILTERS,
    text="text/csv",
)
