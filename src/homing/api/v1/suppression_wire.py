"""The suppression list on the wire: from bodies and query strings to rows and filters, and back. Nothing is looked up here.

Errors of this resource carry a message alone (SparkPost reference, sections 1.5 and 2.6).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from homing.ingress.rules.problem import Problem, Wrong
from homing.ingress.rules.recipients import has_more_than, wrong_type
from homing.message.addresses import BadAddress, parse_address
from homing.message.list_ids import is_list_id
from homing.recipients.search import Filters, Page
from homing.recipients.types import Source, Suppression, SuppressionRow, SuppressionType

MOST_ENTRIES = 10_000
MOST_BULK = 52_428_800  # bytes of them
MOST_PER_PAGE = 10_000
MOST_BY_PAGE = 10_000  # rows that page numbers reach; beyond it only cursors do
_TYPES = [kind.value for kind in SuppressionType]
_SOURCES = {source.value.lower(): source.value for source in Source}
_NAMED = 20  # invalid recipients that an error names


class EntryIn(msgspec.Struct, kw_only=True):
    """One entry that is put on the list; `null` means absent.

    type           transactional or non_transactional
    transactional, non_transactional   older spelling of type; both may be true, and false removes that type
    email          deprecated alias of recipient, in the bulk form
    """

    recipient: str | None = None
    email: str | None = None
    type: str | None = None
    transactional: bool | None = None
    non_transactional: bool | None = None
    description: str | None = None
    list_id: str | None = None


class BulkIn(msgspec.Struct):
    """Up to 10,000 entries, raw until they are counted; all are taken or none."""

    recipients: msgspec.Raw = msgspec.Raw(b"null")


class RemovalIn(msgspec.Struct):
    """What a DELETE may say in a body: which type, and on which list."""

    type: str | None = None
    list_id: str | None = None


_decode_entries = msgspec.json.Decoder(list[EntryIn]).decode


class Change(msgspec.Struct, frozen=True):
    """What an entry asks for: rows to put, and types to take off (an older spelling of removing)."""

    recipient: str
    list_id: str
    put: tuple[str, ...]
    removed: tuple[str, ...]
    description: str


def refuse(message: str, status: int = 400) -> Wrong:
    """Return the exception that answers with a message alone."""
    return Wrong(Problem(status, message))


def read_recipient(text: str) -> str | None:
    """Return an address as it is kept, or None where it is none."""
    try:
        return parse_address(text.strip()).text.lower()
    except BadAddress:
        return None


def read_change(entry: EntryIn, recipient: str) -> Change:
    """Return what an entry asks for.

    raises   Wrong
    """
    put: list[str] = []
    removed: list[str] = []
    if entry.type is not None:
        put.append(read_type(entry.type))
    else:
        for kind, wanted in (("transactional", entry.transactional), ("non_transactional", entry.non_transactional)):
            if wanted is not None:
                (put if wanted else removed).append(kind)
        if not put and not removed:
            raise refuse("Must supply a suppression type")
    return Change(
        recipient=recipient,
        list_id=read_list_id(entry.list_id) or "",
        put=tuple(put),
        removed=tuple(removed),
        description=entry.description or "",
    )


def read_bulk(given: BulkIn) -> list[Change]:
    """Return what a bulk body asks for, in its order.

    raises   Wrong naming the recipients that are no addresses
    """
    raw = memoryview(given.recipients)
    if bytes(raw[:1]) == b"n":
        raise refuse("Must supply recipients")
    if bytes(raw[:1]) == b"[" and has_more_than(raw, MOST_ENTRIES):
        raise refuse(f"PUT body contains more than {MOST_ENTRIES} recipients")
    try:
        entries = _decode_entries(raw)
    except msgspec.ValidationError as trouble:
        raise Wrong(wrong_type(trouble, inside="recipients")) from None
    spelled = [entry.recipient if entry.recipient is not None else entry.email or "" for entry in entries]
    read = [read_recipient(text) for text in spelled]
    bad = [text for text, recipient in zip(spelled, read, strict=True) if recipient is None]
    if bad:
        named = ", ".join(text[:320] for text in bad[:_NAMED]) + (", ..." if len(bad) > _NAMED else "")
        raise refuse(f"PUT body contains {len(bad)} invalid or malformed recipient(s): {named}")
    return [read_change(entry, recipient) for entry, recipient in zip(entries, read, strict=True) if recipient is not None]


def rows_of(changes: Sequence[Change], *, account_id: int, subaccount_id: int, provenance: str) -> list[SuppressionRow]:
    """Return the rows to put."""
    return [
        SuppressionRow(
            account_id=account_id,
            subaccount_id=subaccount_id,
            recipient=change.recipient,
            type=kind,
            source=Source.MANUALLY_ADDED,
            description=change.description,
            provenance=provenance,
            list_id=change.list_id,
        )
        for change in changes
        for kind in change.put
    ]


def read_type(text: str) -> str:
    """Return a type, or raise Wrong."""
    if text not in _TYPES:
        raise refuse("Type must be one of: 'transactional', 'non_transactional'")
    return text


def read_list_id(text: str | None) -> str | None:
    """Return a list's id; '' stands for the account's own rows. Raises Wrong where it has another form."""
    if text and not is_list_id(text):
        raise refuse("list_id must be 1 to 255 letters, digits, '-', '_' or '.', without a leading, trailing or doubled dot")
    return text


def read_filters(query: Mapping[str, str], *, account_id: int, subaccount_id: int | None) -> Filters:
    """Return what a search asks for; unknown parameters are passed over.

    raises   Wrong
    """
    for name, text in query.items():
        if "\0" in text:
            raise refuse(f"{name} must not contain NUL")
    strict = _read_flag(query, "description_strict")
    description = query.get("description") or None
    sort = query.get("sort", "desc")
    if sort not in ("asc", "desc"):
        raise refuse("sort must be one of: 'asc', 'desc'")
    return Filters(
        account_id=account_id,
        subaccount_id=subaccount_id,
        from_at=_read_moment(query, "from"),
        to_at=_read_moment(query, "to"),
        domain=query["domain"].lower() if query.get("domain") else None,
        sources=_read_sources(query.get("sources")),
        types=_read_types(query.get("types")),
        list_id=read_list_id(query.get("list_id")),
        description=None if strict else description,
        description_strict=description if strict else None,
        newest_first=sort == "desc",
    )


def read_paging(query: Mapping[str, str]) -> tuple[str | None, int, int]:
    """Return (cursor, page, per_page): the cursor wins over the page; None: page numbers were asked for.

    raises   Wrong
    """
    size = "per_page" if "per_page" in query else "limit"
    per_page = _read_number(query.get(size), size, least=1, most=MOST_PER_PAGE, default=1000)
    if "cursor" in query or "page" not in query:
        return query.get("cursor", "initial"), 1, per_page
    page = _read_number(query["page"], "page", least=1, most=MOST_BY_PAGE, default=1)
    if page * per_page > MOST_BY_PAGE:
        raise refuse(f"page and per_page reach {MOST_BY_PAGE} rows; use cursor to go further")
    return None, page, per_page


def show(row: Suppression) -> dict[str, Any]:
    """Return an entry as customers see it."""
    entry: dict[str, Any] = {
        "recipient": row.recipient,
        "type": row.type,
        "source": row.source,
        "description": row.description,
        "created": _moment(row.created_at),
        "updated": _moment(row.updated_at),
        row.type: True,
    }
    if row.provenance:
        entry["provenance"] = row.provenance
    if row.list_id:
        entry["list_id"] = row.list_id
    if row.subaccount_id:
        entry["subaccount_id"] = str(row.subaccount_id)  # a string: Go's client needs one, Java's takes one
    return entry


def links(path: str, query: Mapping[str, str], found: Page, *, page: int, per_page: int) -> list[dict[str, str]]:
    """Return the links of a page, root-relative; none where there is only one page.

    page   which page number was asked for, where the page has no cursors
    """
    kept = {name: text for name, text in query.items() if name not in ("cursor", "page", "per_page", "limit")}
    places = {rel: {"cursor": cursor} for rel, cursor in found.cursors.items()}
    if not found.cursors and "page" in query and "cursor" not in query:
        last = max(1, -(-min(found.total, MOST_BY_PAGE) // per_page))
        numbers = {"next": page + 1, "previous": page - 1, "first": 1, "last": last}
        if last > 1:
            places = {rel: {"page": str(number)} for rel, number in numbers.items() if 1 <= number <= last}
    return [
        {"href": f"{path}?{urlencode({**kept, **places[rel], 'per_page': per_page})}", "rel": rel}
        for rel in ("next", "previous", "first", "last")
        if rel in places
    ]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _read_moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)  # a bare + of a query reads as a blank
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refuse(f"{name} must be a date of the form YYYY-MM-DDTHH:mm:ssZ") from None


def _read_number(text: str | None, name: str, *, least: int, most: int, default: int) -> int:
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise refuse(f"{name} must be a number from {least} to {most}")
    return int(text)


def _read_flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise refuse(f"{name} must be true or false")
    return text == "true"


def _read_types(text: str | None) -> tuple[str, ...] | None:
    return tuple(read_type(part.strip()) for part in text.split(",")) if text else None


def _read_sources(text: str | None) -> tuple[str, ...] | None:
    if not text:
        return None
    sources = [_SOURCES.get(part.strip().lower()) for part in text.split(",")]
    if None in sources:
        raise refuse(f"sources must be among: {', '.join(_SOURCES.values())}")
    return tuple(source for source in sources if source is not None)
