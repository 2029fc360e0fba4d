"""Tracking domains in PostgreSQL."""

from collections.abc import Sequence

from homing.domains import store
from homing.domains.rules.names import parents
from homing.domains.rules.status import is_owned
from homing.domains.types import Conflict, TrackingDomain, Verdict
from homing.ground.db import Executor, Pool, UniqueViolation, queries, trouble_is_temporary

_sql = queries("homing.domains", "tracking.sql")


class _Refused(Exception):
    """Nothing was changed; rolls back."""


async def add(
    pool: Pool, *, domain: str, account_id: int, subaccount_id: int = 0, secure: bool = False
) -> TrackingDomain | Conflict:
    """Add a tracking domain (as rules.names returned it). A claim that is not verified keeps nobody else out.

    returns   Conflict.OTHER_ACCOUNT where another account has it verified, or has proved that it, or a domain above, is his
    """
    with trouble_is_temporary():
        if await _is_disputed(pool, domain, account_id):
            return Conflict.OTHER_ACCOUNT
        row = await _sql.insert_tracking(pool, domain=domain, account_id=account_id, subaccount_id=subaccount_id, secure=secure)
    return Conflict.ALREADY_YOURS if row is None else TrackingDomain(**dict(row))


async def get(executor: Executor, domain: str, *, account_id: int, subaccount_id: int | None = None) -> TrackingDomain | None:
    """Return a tracking domain of an account (of one subaccount, or with None of any)."""
    with trouble_is_temporary():
        row = await _sql.tracking_of(executor, domain=domain, account_id=account_id, subaccount_id=subaccount_id)
    return None if row is None else TrackingDomain(**dict(row))


async def list_domains(
    executor: Executor, account_id: int, *, subaccount_ids: Sequence[int] | None = None, is_default: bool | None = None
) -> list[TrackingDomain]:
    """Return the tracking domains of an account, by name; None: whatever they are."""
    with trouble_is_temporary():
        rows = _sql.trackings_of(
            executor,
            account_id=account_id,
            subaccount_ids=None if subaccount_ids is None else list(subaccount_ids),
            is_default=is_default,
        )
        return [TrackingDomain(**dict(row)) async for row in rows]


async def update(
    pool: Pool, domain: TrackingDomain, *, secure: bool | None = None, is_default: bool | None = None
) -> TrackingDomain | None:
    """Change a tracking domain; what is None stays. Of one subaccount only one is the default.

    returns   None where it was removed meanwhile, or cannot be the default because it is not verified
    """
    owner = {"account_id": domain.account_id, "subaccount_id": domain.subaccount_id, "domain": domain.domain}
    try:
        with trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                await store.lock_names(connection)
                if is_default:
                    await _sql.clear_default_tracking(connection, **owner)
                row = await _sql.update_tracking(connection, **owner, secure=secure, is_default=is_default)
                if row is None:
                    raise _Refused  # the one that was the default stays so
    except _Refused:
        return None
    return TrackingDomain(**dict(row))


async def set_status(pool: Pool, domain: TrackingDomain, cname_status: str) -> TrackingDomain | Conflict | None:
    """Keep what a check found; None where it was removed meanwhile.

    returns   Conflict.OTHER_ACCOUNT, and nothing is kept, as `add`
    """
    try:
        with trouble_is_temporary():
            if cname_status == Verdict.VALID and await _is_disputed(pool, domain.domain, domain.account_id):
                return Conflict.OTHER_ACCOUNT
            row = await _sql.set_tracking_status(
                pool, account_id=domain.account_id, domain=domain.domain, cname_status=cname_status
            )
    except UniqueViolation:
        return Conflict.OTHER_ACCOUNT
    return None if row is None else TrackingDomain(**dict(row))


async def delete(pool: Pool, domain: str, *, account_id: int, subaccount_id: int) -> bool:
    """Remove a tracking domain, and what links to it; False where there is none."""
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            gone = await _sql.delete_tracking(connection, domain=domain, account_id=account_id, subaccount_id=subaccount_id)
            if gone is not None:
                await _sql.unlink_tracking(connection, domain=domain, account_id=account_id)
    return gone is not None


async def candidates(
    executor: Executor, *, account_id: int, subaccount_id: int, sending_domain: str, named: str
) -> tuple[list[TrackingDomain], str]:
    """Return what a message's addresses may lead to, and the one that its sending domain is linked to ('': none)."""
    found: list[TrackingDomain] = []
    linked = ""
    with trouble_is_temporary():
        rows = _sql.tracking_candidates(
            executor, account_id=account_id, subaccount_id=subaccount_id, sending_domain=sending_domain, named=named
        )
        async for row in rows:
            columns = dict(row)
            if columns.pop("is_linked"):
                linked = columns["domain"]
            found.append(TrackingDomain(**columns))
    return found, linked


async def account_of_host(executor: Executor, host: str) -> int | None:
    """Return the account whose links a host serves; None: nobody's."""
    with trouble_is_temporary():
        row = await _sql.tracking_host(executor, domain=host)
    return None if row is None else int(row["account_id"])


async def _is_disputed(executor: Executor, domain: str, account_id: int) -> bool:
    if await _sql.verified_elsewhere(executor, domain=domain, account_id=account_id):
        return True
    for name in (domain, *parents(domain)):
        found = await store.find(executor, name)
        if found is not None and found.account_id != account_id and is_owned(found.status, trusted=found.trusted):
            return True
    return False
