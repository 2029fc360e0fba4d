"""What is known of imports, in PostgreSQL: how far each is, what it did, what it refused."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from homing.ground.db import Executor, Record, queries, trouble_is_temporary
from homing.recipients.importing import Refusal, Tally
from homing.recipients.rules.importing import Terms

_sql = queries("homing.recipients", "imports.sql")
MOST_REFUSALS = 1_000  # that are kept of one import
KEPT = timedelta(days=30)  # what is told of an import that has ended
LOST = timedelta(days=1)  # an import whose file nobody has seen for so long has failed
LISTED = 100


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One import.

    state   waiting, running, done, failed
    why     it failed, a sentence for its owner
    """

    import_id: UUID
    account_id: int
    terms: Terms
    name: str
    state: str
    why: str
    by_command: bool
    key_id: int
    size_bytes: int
    bytes_done: int
    tally: Tally
    made_at: datetime
    began_at: datetime | None
    ended_at: datetime | None


async def add(
    executor: Executor,
    import_id: UUID,
    *,
    account_id: int,
    terms: Terms,
    name: str,
    size_bytes: int,
    key_id: int = 0,
    by_command: str = "",
) -> None:
    """Write an import down. by_command: who does it himself; '': a worker shall."""
    with trouble_is_temporary():
        await _sql.insert_import(
            executor,
            import_id=import_id,
            account_id=account_id,
            subaccount_id=terms.subaccount_id,
            any_subaccount=terms.any_subaccount,
            by_command=bool(by_command),
            key_id=key_id,
            name=name,
            form=terms.form,
            kind=terms.kind,
            type=terms.type,
            size_bytes=size_bytes,
            claimed_by=by_command,
        )


async def count_open(executor: Executor, account_id: int) -> int:
    """Return how many imports of an account wait or run."""
    with trouble_is_temporary():
        number: int = await _sql.count_open_imports(executor, account_id=account_id)
    return number


async def claim(executor: Executor, here: Collection[UUID], *, claimed_by: str, claim_s: float) -> Import | None:
    """Take the oldest import that may be gone on with.

    here   imports whose file this machine has
    """
    row = await _sql.claim_import(executor, here=list(here), claimed_by=claimed_by, claim_s=claim_s)
    return None if row is None else _import(row)


async def hold(connection: Executor, import_id: UUID, *, claimed_by: str, records: int, claim_s: float) -> bool:
    """Lock an import in the caller's transaction; False: it is not ours any more, or stands elsewhere."""
    held = await _sql.hold_import(connection, import_id=import_id, claimed_by=claimed_by, records=records, claim_s=claim_s)
    return held is not None


async def advance(connection: Executor, import_id: UUID, done: Tally, refusals: Sequence[Refusal], *, bytes_done: int) -> None:
    """Count a batch, and keep what it refused, in the caller's transaction."""
    await _sql.advance_import(
        connection,
        import_id=import_id,
        records=done.records,
        added=done.added,
        updated=done.updated,
        unchanged=done.unchanged,
        refused=done.refused,
        bytes_done=bytes_done,
    )
    if refusals:
        kept = refusals[:MOST_REFUSALS]
        await _sql.note_refusals(
            connection,
            import_id=import_id,
            lines=[refusal.line for refusal in kept],
            texts=[refusal.text for refusal in kept],
            reasons=[refusal.reason for refusal in kept],
            most=MOST_REFUSALS,
        )


async def end(executor: Executor, import_id: UUID, *, claimed_by: str, why: str = "") -> None:
    """Note that an import is done, or that it failed and why."""
    await _sql.end_import(executor, import_id=import_id, claimed_by=claimed_by, state="failed" if why else "done", why=why)


async def let_go(executor: Executor, import_id: UUID, *, claimed_by: str) -> None:
    """Let another go on with an import at once."""
    await _sql.let_import_go(executor, import_id=import_id, claimed_by=claimed_by)


async def release(executor: Executor, worker_id: str) -> None:
    """Let others go on at once with what a dead worker was at."""
    await _sql.release_imports(executor, claimed_by=worker_id)


async def one(executor: Executor, account_id: int, import_id: UUID, *, subaccount_id: int | None = None) -> Import | None:
    """Return one import."""
    with trouble_is_temporary():
        row = await _sql.one_import(executor, account_id=account_id, import_id=import_id, subaccount_id=subaccount_id)
    return None if row is None else _import(row)


async def latest(executor: Executor, account_id: int, *, subaccount_id: int | None = None) -> list[Import]:
    """Return the latest imports, the newest first."""
    with trouble_is_temporary():
        rows = _sql.imports_of(executor, account_id=account_id, subaccount_id=subaccount_id, limit=LISTED)
        return [_import(row) async for row in rows]


async def refusals(executor: Executor, import_id: UUID) -> list[Refusal]:
    """Return what an import refused, as far as it is kept."""
    with trouble_is_temporary():
        return [Refusal(*row) async for row in _sql.refusals_of(executor, import_id=import_id)]


async def tidy(executor: Executor, here: Collection[UUID], *, now: datetime) -> set[UUID]:
    """Give up what is lost, forget what ended long ago; return the imports whose files are still needed."""
    await _sql.fail_lost_imports(executor, here=list(here), before=now - LOST)
    await _sql.forget_imports(executor, before=now - KEPT)
    return {row["import_id"] async for row in _sql.open_imports(executor)}


def _import(row: Record) -> Import:
    return Import(
        import_id=row["import_id"],
        account_id=row["account_id"],
        terms=Terms(
            form=row["form"],
            kind=row["kind"],
            type=row["type"],
            subaccount_id=row["subaccount_id"],
            any_subaccount=row["any_subaccount"],
            compliance=row["by_command"],
        ),
        name=row["name"],
        state=row["state"],
        why=row["why"],
        by_command=row["by_command"],
        key_id=row["key_id"],
        size_bytes=row["size_bytes"],
        bytes_done=row["bytes_done"],
        tally=Tally(**{name: row[name] for name in Tally.__struct_fields__}),
        made_at=row["made_at"],
        began_at=row["began_at"],
        ended_at=row["ended_at"],
    )
