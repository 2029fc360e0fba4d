"""Searching the suppression list page by page. A cursor names a place, so pages do not shift while rows are added."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import msgspec

from homing.ground.db import Executor, queries, trouble_is_temporary
from homing.ground.errors import Permanent
from homing.recipients.store import canonical, suppression
from homing.recipients.types import Suppression

_sql = queries("homing.recipients")
INITIAL = "initial"
_LAST = "last"


class BadCursor(Permanent):
    """A text that is no cursor of ours."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows; None means any.

    subaccount_id       None: primary and all subaccounts
    from_at, to_at      of the last change, both included
    recipient           the whole address, in any case
    domain              of the address
    list_id             '' : only the account's own rows
    description         part of the text, in any case
    description_strict  the whole text
    newest_first        order by the last change
    """

    account_id: int
    subaccount_id: int | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    recipient: str | None = None
    domain: str | None = None
    sources: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    list_id: str | None = None
    description: str | None = None
    description_strict: str | None = None
    newest_first: bool = True

    def parameters(self) -> dict[str, Any]:
        """Return what the statements ask for."""
        return {
            "account_id": self.account_id,
            "subaccount_id": self.subaccount_id,
            "from_at": self.from_at,
            "to_at": self.to_at,
            "recipient": None if self.recipient is None else canonical(self.recipient),
            "domain": self.domain,
            "sources": None if self.sources is None else list(self.sources),
            "types": None if self.types is None else list(self.types),
            "list_id": self.list_id,
            "description": self.description,
            "description_strict": self.description_strict,
        }


class Page(msgspec.Struct, frozen=True):
    """Rows, how many match in all, and cursors by relation: next, previous, first, last; none for a single page."""

    rows: list[Suppression]
    total: int
    cursors: dict[str, str]


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """The edge of a page: the page lies behind it, or (backwards) before it in the order of the search."""

    backwards: bool
    at_us: int
    recipient: str
    type: str
    subaccount: int
    list_id: str


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_decode = msgspec.msgpack.Decoder(_Place).decode


async def search(executor: Executor, filters: Filters, *, cursor: str, per_page: int) -> Page:
    """Return one page.

    cursor   INITIAL, or one of the cursors of an earlier page of the same search
    raises   BadCursor, StoreUnavailable
    """
    place = None if cursor in (INITIAL, _LAST) else _read(cursor)
    backwards = cursor == _LAST or (place is not None and place.backwards)
    with trouble_is_temporary():
        total: int = await _sql.count_matching(executor, **filters.parameters())
        # The last page holds what is left after full pages, so that going back from it meets the pages of going forward.
        limit = per_page if cursor != _LAST else (total % per_page or per_page)
        rows = await _rows(executor, filters, place, backwards=backwards, limit=limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows.reverse()
    cursors: dict[str, str] = {}
    if rows and (more if not backwards else cursor != _LAST):
        cursors["next"] = _write(rows[-1], backwards=False)
    if rows and (more if backwards else place is not None):
        cursors["previous"] = _write(rows[0], backwards=True)
    if cursors or place is not None:
        cursors |= {"first": INITIAL, "last": _LAST}
    return Page(rows, total, cursors)


async def search_numbered(executor: Executor, filters: Filters, *, page: int, per_page: int) -> Page:
    """Return page number `page` (1 or more) of a search, without cursors; reaching far in is slow, cursors are not."""
    with trouble_is_temporary():
        total: int = await _sql.count_matching(executor, **filters.parameters())
        rows = await _rows(executor, filters, None, backwards=False, limit=per_page, offset=(page - 1) * per_page)
    return Page(rows, total, {})


async def _rows(
    executor: Executor, filters: Filters, place: _Place | None, *, backwards: bool, limit: int, offset: int = 0
) -> list[Suppression]:
    """Read rows in the direction of reading: with `backwards` away from the edge, which the caller turns round."""
    ask = _sql.search_backwards if filters.newest_first != backwards else _sql.search_forwards
    rows = ask(
        executor,
        **filters.parameters(),
        at=None if place is None else _moment(place.at_us),
        at_recipient=None if place is None else place.recipient,
        at_type=None if place is None else place.type,
        at_subaccount=None if place is None else place.subaccount,
        at_list=None if place is None else place.list_id,
        limit=limit,
        offset=offset,
    )
    return [suppression(row) async for row in rows]


def _write(row: Suppression, *, backwards: bool) -> str:
    at_us = int((row.updated_at - _EPOCH).total_seconds()) * 1_000_000 + row.updated_at.microsecond
    place = _Place(backwards, at_us, row.recipient, row.type, row.subaccount_id, row.list_id)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).rstrip(b"=").decode()


def _read(cursor: str) -> _Place:
    try:
        place = _decode(base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True))
        _moment(place.at_us)
    except (ValueError, binascii.Error, msgspec.MsgspecError, OverflowError) as trouble:
        raise BadCursor("the cursor is not one of ours") from trouble
    if not -(2**31) <= place.subaccount < 2**31 or "\0" in place.recipient + place.type + place.list_id:
        raise BadCursor("the cursor is not one of ours")
    return place


def _moment(microseconds: int) -> datetime:
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
