"""The suppression list as CSV, page by page: however long it is, a page of it is in memory.

Each page is a question of its own that goes on behind the last row, so a client that reads slowly holds no transaction open.
What is changed meanwhile may be seen or not; what stays is exported once.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

from homing.ground.db import Executor, queries, trouble_is_temporary
from homing.recipients.rules.forms.sparkpost import COLUMNS
from homing.recipients.search import Filters
from homing.recipients.store import suppression
from homing.recipients.types import Suppression

_sql = queries("homing.recipients")
PAGE = 2_000


async def pages(executor: Executor, filters: Filters) -> AsyncIterator[list[Suppression]]:
    """Give the matching rows in the order of subaccount, address, type and list.

    raises   StoreUnavailable
    """
    place = (-1, "", "", "")
    parameters = {name: value for name, value in filters.parameters().items() if name != "recipient"}
    while True:
        with trouble_is_temporary():
            found = _sql.export_rows(
                executor,
                **parameters,
                after_subaccount=place[0],
                after_recipient=place[1],
                after_type=place[2],
                after_list=place[3],
                limit=PAGE,
            )
            rows = [suppression(row) async for row in found]
        if rows:
            yield rows
        if len(rows) < PAGE:
            return
        last = rows[-1]
        place = (last.subaccount_id, last.recipient, last.type, last.list_id)


async def csv_text(executor: Executor, filters: Filters) -> AsyncIterator[str]:
    """Give the export as text, the names of the columns first; `homing suppressions import` and the API take it back."""
    yield _lines([COLUMNS])
    async for rows in pages(executor, filters):
        yield _lines(_fields(row) for row in rows)


def _fields(row: Suppression) -> tuple[str, ...]:
    return (
        row.recipient,
        row.type,
        row.source,
        row.description,
        row.list_id,
        str(row.subaccount_id) if row.subaccount_id else "",
        _moment(row.created_at),
        _moment(row.updated_at),
        row.provenance or "",
    )


def _lines(rows: Iterable[Iterable[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
