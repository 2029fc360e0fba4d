"""Mail for the support address that nobody has vouched for: kept apart until a person decides, and never answered."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from homing.ground import db, log

_log = log.get("cases")
_sql = db.queries("homing.support.cases")
KEPT = timedelta(days=30)
MOST_MAILS = 1_000
MOST_OCTETS = 268_435_456


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One mail in the list.

    case_id      that it claims to belong to
    account_id   whose its sender may be
    """

    quarantine_id: int
    received_at: datetime
    sender: str
    subject: str
    reason: str
    case_id: int | None
    account_id: int | None
    automatic: bool
    size_bytes: int


async def is_full(executor: db.Executor) -> bool:
    """Return whether no more is taken until somebody has decided."""
    row = await _sql.quarantine_size(executor)
    return bool(row["mails"] >= MOST_MAILS or row["octets"] >= MOST_OCTETS)


async def keep(
    executor: db.Executor,
    *,
    received_at: datetime,
    sender: str,
    subject: str,
    reason: str,
    case_id: int | None,
    account_id: int | None,
    automatic: bool,
    raw: bytes,
    dedupe: bytes,
) -> int:
    """Keep a mail; returns its number."""
    number: int = await _sql.quarantine(
        executor,
        received_at=received_at,
        sender=sender,
        subject=subject,
        reason=reason,
        case_id=case_id,
        account_id=account_id,
        automatic=automatic,
        raw=raw,
        dedupe=dedupe,
    )
    return number


async def waiting(executor: db.Executor, *, limit: int = 200) -> list[Quarantined]:
    """Return what waits for a decision, the latest first."""
    with db.trouble_is_temporary():
        return [_quarantined(row, row["size_bytes"]) async for row in _sql.quarantined(executor, limit=limit)]


async def take(executor: db.Executor, quarantine_id: int) -> tuple[Quarantined, bytes] | None:
    """Return one mail and its octets; it is the caller's until his transaction ends. None: it does not wait (any more)."""
    row = await _sql.take_quarantined(executor, quarantine_id=quarantine_id)
    return None if row is None else (_quarantined(row, len(row["raw"])), bytes(row["raw"]))


async def decide(executor: db.Executor, quarantine_id: int, *, at: datetime, by: str, case_id: int | None) -> None:
    """Write down what became of a mail; case_id None: it was discarded."""
    await _sql.decide_quarantined(executor, quarantine_id=quarantine_id, at=at, by=by, case_id=case_id)


async def forget_old(executor: db.Executor, now: datetime) -> None:
    """Drop what was decided, and what machines sent, KEPT ago. What a person wrote is never dropped before it is decided on."""
    with db.trouble_is_temporary():
        rows = [row async for row in _sql.forget_quarantined(executor, before=now - KEPT)]
    undecided = sum(row["decided_at"] is None for row in rows)
    if undecided:
        _log.warning("quarantine_forgotten", automatic=undecided)


def _quarantined(row: Any, size_bytes: int) -> Quarantined:
    return Quarantined(
        quarantine_id=row["quarantine_id"],
        received_at=row["received_at"],
        sender=row["sender"],
        subject=row["subject"],
        reason=row["reason"],
        case_id=row["case_id"],
        account_id=row["account_id"],
        automatic=row["automatic"],
        size_bytes=size_bytes,
    )
