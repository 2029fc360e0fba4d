"""Bringing a file of suppressions onto the list, batch by batch, in bounded memory.

A batch is read and understood without the database, then copied into a table of its own and put on the list by one statement.
What a batch did is counted in the same transaction, so an import can be cut off anywhere and gone on with.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple
from uuid import UUID

import msgspec

from homing.ground.db import Executor, queries
from homing.recipients.records import Read, read
from homing.recipients.rules.forms.known import FORMS, kind_of
from homing.recipients.rules.forms.types import NotUsable, Unreadable
from homing.recipients.rules.importing import Row, Terms, rows_of
from homing.recipients.rules.provenance import of_import

_sql = queries("homing.recipients", "imports.sql")
_BATCH = "suppression_batch"  # a temporary table, see create_batch
MOST_ROWS = 5_000  # of a batch
MOST_TEXT = 4_194_304  # characters of a batch, about


class Refusal(NamedTuple):
    """A record that was not taken. line: of the file; of JSON, the number of the record."""

    line: int
    text: str
    reason: str


class Tally(msgspec.Struct, kw_only=True):
    """What was done. records are counted in the file, the others (but refused) are rows of the list.

    unchanged   stood there already with the same source and description, or compliance holds them
    """

    records: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0

    def add(self, other: "Tally") -> None:
        """Count another one in."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Batch(NamedTuple):
    """Some records, understood.

    repeated   rows that a later record of the batch says again
    place      bytes of the file up to here, about
    """

    rows: list[Row]
    refusals: list[Refusal]
    records: int
    repeated: int
    place: int


class SourceFile:
    """A file that is being imported: an iterator of batches. It reads from the disk, so it belongs into a thread.

    subaccounts   that the account has; records of others are refused
    raises        Unreadable where the file is not what the terms say, also in its midst
    """

    def __init__(self, file: IO[bytes], terms: Terms, *, now: datetime, subaccounts: AbstractSet[int] = frozenset()) -> None:
        self._file = file
        self._terms = terms
        self._now = now
        self._subaccounts = subaccounts
        self._form = FORMS[terms.form]
        self._reads: Iterator[Read] = read(file, self._form.holders)
        self._begin()

    @classmethod
    def open(cls, path: Path, terms: Terms, *, now: datetime, subaccounts: AbstractSet[int] = frozenset()) -> "SourceFile":
        """Open a file and look at its first record; close() ends it."""
        file = path.open("rb")
        try:
            return cls(file, terms, now=now, subaccounts=subaccounts)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _begin(self) -> None:
        """Read on to the first record that can be read, and learn from its names what the file holds."""
        passed: list[Read] = []
        for one in self._reads:
            passed.append(one)
            if not one.problem or len(passed) > 1_000:
                break
        self._reads = chain(passed, self._reads)
        self._kind = self._terms.kind
        if not passed:
            return
        if passed[-1].problem:
            raise Unreadable(f"no record can be read; line {passed[-1].number}: {passed[-1].problem}")
        names = frozenset(passed[-1].record)
        self._kind = kind_of(self._form, self._terms.kind, names)
        if self._form.typed_by and not self._terms.type and not names & self._form.typed_by:
            raise Unreadable(
                "nothing says which mail is stopped: add a column type (transactional or non_transactional), "
                "or say one type for the whole import: transactional, non_transactional or both"
            )

    def skip(self, records: int) -> None:
        """Pass over records that were dealt with before."""
        for _ in islice(self._reads, records):
            pass

    def next_batch(self) -> Batch | None:
        """Return the next batch; None: there is nothing more."""
        rows: dict[tuple[int, str, str, str], Row] = {}
        refusals: list[Refusal] = []
        records = repeated = size = 0
        for one in self._reads:
            records += 1
            size += len(one.text) + 64
            try:
                if one.problem:
                    raise NotUsable(one.problem)
                for entry in self._form.translate(one.record, self._kind):
                    for row in rows_of(entry, self._terms, now=self._now, subaccounts=self._subaccounts):
                        repeated += row.key in rows
                        rows[row.key] = row
                        size += len(row.description)
            except NotUsable as trouble:
                refusals.append(Refusal(one.number, one.text, str(trouble)))
            if len(rows) >= MOST_ROWS or records >= MOST_ROWS or size >= MOST_TEXT:
                break
        if not records:
            return None
        return Batch([rows[key] for key in sorted(rows)], refusals, records, repeated, self._file.tell())


async def put(connection: Executor, batch: Batch, *, account_id: int, import_id: UUID) -> Tally:
    """Put a batch on the list, in the caller's transaction."""
    await _copy(connection, batch)
    done = await _sql.put_batch(connection, account_id=account_id, provenance=of_import(import_id))
    return _tally(batch, done["added"], done["updated"])


async def rehearse(connection: Executor, batch: Batch, *, account_id: int) -> Tally:
    """Do to the rehearsal of this connection what `put` would do to the list, in the caller's transaction."""
    await _copy(connection, batch)
    await _sql.begin_rehearsal(connection, account_id=account_id)
    done = await _sql.rehearse_batch(connection)
    return _tally(batch, done["added"], done["updated"])


async def open_rehearsal(connection: Executor) -> None:
    """Make the table of a rehearsal; it ends with the connection."""
    await _sql.drop_rehearsal(connection)
    await _sql.create_rehearsal(connection)


async def _copy(connection: Executor, batch: Batch) -> None:
    await _sql.create_batch(connection)
    await connection.copy_records_to_table(_BATCH, records=batch.rows, columns=Row._fields)


def _tally(batch: Batch, added: int, updated: int) -> Tally:
    return Tally(
        records=batch.records,
        added=added,
        updated=updated,
        unchanged=len(batch.rows) - added - updated + batch.repeated,
        refused=len(batch.refusals),
    )
