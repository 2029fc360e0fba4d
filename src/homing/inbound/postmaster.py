"""Mail to postmaster@ and abuse@ of this installation: kept for the people who run it, since no other host need wait for them."""

from datetime import datetime, timedelta

import msgspec

from homing.ground.db import Executor, queries, trouble_is_temporary
from homing.message.scan import Scan

KEPT = timedelta(days=30)
MOST = 1_000  # mails; older ones go first
MAX_BYTES = 262_144  # of one mail that are kept: people write few words

_sql = queries("homing.inbound")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One mail in the list; subject decoded, size_bytes of what was kept."""

    mail_id: int
    received_at: datetime
    mail_from: str
    rcpt_to: str
    subject: str
    size_bytes: int


async def keep(executor: Executor, raw: bytes, *, mail_from: str, rcpt_to: str) -> None:
    """Keep a mail (its first MAX_BYTES). raises StoreUnavailable."""
    with trouble_is_temporary():
        await _sql.keep_for_postmaster(executor, raw=raw[:MAX_BYTES], mail_from=mail_from, rcpt_to=rcpt_to)


async def latest(executor: Executor, *, limit: int = 50) -> list[Letter]:
    """Return the latest mails, newest first."""
    with trouble_is_temporary():
        rows = [row async for row in _sql.postmaster_mail(executor, limit=limit)]
    return [
        Letter(
            mail_id=row["mail_id"],
            received_at=row["received_at"],
            mail_from=row["mail_from"],
            rcpt_to=row["rcpt_to"],
            subject=Scan(row["beginning"]).subject[:200],
            size_bytes=row["size_bytes"],
        )
        for row in rows
    ]


async def one(executor: Executor, mail_id: int) -> bytes | None:
    """Return one mail as it came, or None."""
    with trouble_is_temporary():
        raw: bytes | None = await _sql.one_postmaster_mail(executor, mail_id=mail_id)
    return raw


async def forget_old(executor: Executor, *, now: datetime) -> None:
    """Drop what is older than KEPT, and what is more than MOST."""
    with trouble_is_temporary():
        await _sql.forget_postmaster_mail(executor, before=now - KEPT, most=MOST)
