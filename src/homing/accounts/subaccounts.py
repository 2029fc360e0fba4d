"""Subaccounts in PostgreSQL. They are never deleted: events, keys and suppressions name them."""

from collections.abc import Mapping

import msgspec

from homing.accounts.types import Subaccount
from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary

_sql = queries("homing.accounts", "subaccounts.sql")
_accounts = queries("homing.accounts")
_decode_options = msgspec.json.Decoder(dict[str, bool]).decode
MOST = 50_000  # of an account


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which subaccounts; None means any.

    name     part of the name, in any case
    option   that is on
    """

    account_id: int
    ip_pool: str | None = None
    statuses: list[str] | None = None
    name: str | None = None
    ids: list[int] | None = None
    option: str | None = None


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ends: what is sorted by, as text, and the number of the subaccount."""

    key: str
    subaccount_id: int


class Page(msgspec.Struct, frozen=True):
    """Subaccounts, how many match in all, and where the next page begins, if there is one."""

    subaccounts: list[Subaccount]
    total: int
    next: Place | None


async def create(
    executor: Executor, account_id: int, *, name: str, ip_pool: str = "", options: Mapping[str, bool] | None = None
) -> Subaccount:
    """Make the next subaccount of an account, in the caller's transaction."""
    with trouble_is_temporary():
        await _accounts.lock_account(executor, account_id=account_id)
        row = await _sql.insert_subaccount(
            executor, account_id=account_id, name=name, ip_pool=ip_pool, options=_encode(options or {})
        )
    return _subaccount(row)


async def one(executor: Executor, account_id: int, subaccount_id: int) -> Subaccount | None:
    """Return one subaccount of an account; None: it has none of this number."""
    with trouble_is_temporary():
        row = await _sql.one_subaccount(executor, account_id=account_id, subaccount_id=subaccount_id)
    return None if row is None else _subaccount(row)


async def of_account(executor: Executor, account_id: int) -> list[Subaccount]:
    """Return every subaccount of an account, by number."""
    with trouble_is_temporary():
        return [_subaccount(row) async for row in _sql.all_subaccounts(executor, account_id=account_id)]


async def numbers(executor: Executor, account_id: int) -> frozenset[int]:
    """Return the numbers of all subaccounts of an account."""
    with trouble_is_temporary():
        return frozenset([row["subaccount_id"] async for row in _sql.subaccount_numbers(executor, account_id=account_id)])


async def page(pool: Pool, wanted: Wanted, *, sort_by: str, upwards: bool, after: Place | None, limit: int) -> Page:
    """Return some of the subaccounts that match.

    sort_by   created_at, updated_at, id or name
    after     where the page before ended
    """
    matching = msgspec.structs.asdict(wanted)
    ask = _sql.subaccounts_upwards if upwards else _sql.subaccounts_downwards
    with trouble_is_temporary():
        total: int = await _sql.count_matching(pool, **matching)
        rows = [
            row
            async for row in ask(
                pool,
                **matching,
                sort_by=sort_by,
                after=None if after is None else after.key,
                after_id=0 if after is None else after.subaccount_id,
                limit=limit + 1,
            )
        ]
    last = rows[limit - 1] if len(rows) > limit else None
    following = None if last is None else Place(last["place"], last["subaccount_id"])
    return Page([_subaccount(row) for row in rows[:limit]], total, following)


async def count(executor: Executor, account_id: int) -> int:
    """Return how many subaccounts an account has."""
    with trouble_is_temporary():
        total: int = await _sql.count_matching(executor, **msgspec.structs.asdict(Wanted(account_id=account_id)))
    return total


async def change(
    executor: Executor,
    account_id: int,
    subaccount_id: int,
    *,
    name: str | None = None,
    status: str | None = None,
    ip_pool: str | None = None,
    options: Mapping[str, bool] | None = None,
) -> bool:
    """Change a subaccount as its customer may; what is absent stays. False where there is none of this number."""
    with trouble_is_temporary():
        row = await _sql.change_subaccount(
            executor,
            account_id=account_id,
            subaccount_id=subaccount_id,
            name=name,
            status=status,
            ip_pool=ip_pool,
            options=_encode(options or {}),
        )
    return row is not None


async def set_compliance(executor: Executor, account_id: int, subaccount_id: int, status: str) -> bool:
    """Change whether the operator lets a subaccount work; its customer cannot undo it."""
    with trouble_is_temporary():
        row = await _sql.set_compliance(executor, account_id=account_id, subaccount_id=subaccount_id, status=status)
    return row is not None


def _encode(options: Mapping[str, bool]) -> str:
    return msgspec.json.encode(dict(options)).decode()


def _subaccount(row: Record) -> Subaccount:
    return Subaccount(
        account_id=row["account_id"],
        subaccount_id=row["subaccount_id"],
        name=row["name"],
        status=row["status"],
        compliance_status=row["compliance_status"],
        ip_pool=row["ip_pool"],
        options=_decode_options(row["options"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
