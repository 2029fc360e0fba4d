"""Accounts and API keys in PostgreSQL. An API key itself is never stored: only its hash."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from homing.accounts.types import Account, AccountOptions, ApiKey, KeyFacts, Limits, NewKey, Standing
from homing.ground.db import Executor, Record, queries, trouble_is_temporary
from homing.ground.secrets import hash_api_key, new_api_key

_sql = queries("homing.accounts")
_decode_options = msgspec.json.Decoder(AccountOptions).decode


async def create_account(executor: Executor, name: str) -> Account | None:
    """Make an account; None where the name is taken."""
    with trouble_is_temporary():
        row = await _sql.insert_account(executor, name=name)
    return None if row is None else _account(row)


async def get_or_create_account(executor: Executor, name: str) -> Account:
    """Return the account of this name, made now if there was none; two callers at once get the same."""
    made = await create_account(executor, name)
    if made is not None:
        return made
    found = await account_by_name(executor, name)
    if found is None:  # accounts are never deleted, so the name that was taken is there
        raise LookupError(name)
    return found


async def account_by_name(executor: Executor, name: str) -> Account | None:
    """Return the account of this name."""
    with trouble_is_temporary():
        row = await _sql.account_by_name(executor, name=name)
    return None if row is None else _account(row)


async def account_by_id(executor: Executor, account_id: int) -> Account | None:
    """Return the account of this number."""
    with trouble_is_temporary():
        row = await _sql.account_by_id(executor, account_id=account_id)
    return None if row is None else _account(row)


async def all_accounts(executor: Executor) -> list[Account]:
    """Return every account, oldest first."""
    with trouble_is_temporary():
        return [_account(row) async for row in _sql.all_accounts(executor)]


async def suspend(executor: Executor, account_id: int, *, at: datetime | None) -> bool:
    """Suspend an account at a moment, or with None let it work again; False where there is no such account."""
    with trouble_is_temporary():
        found = await _sql.set_suspended(executor, account_id=account_id, suspended_at=at)
    return found is not None


async def change_account(
    executor: Executor, account_id: int, *, company_name: str | None = None, options: Mapping[str, bool] | None = None
) -> bool:
    """Change what an account says of itself and its defaults; what is absent stays. False where there is no such account."""
    with trouble_is_temporary():
        found = await _sql.change_account(
            executor,
            account_id=account_id,
            company_name=company_name,
            options=msgspec.json.encode(dict(options or {})).decode(),
        )
    return found is not None


async def set_limits(executor: Executor, account_id: int, limits: Limits) -> bool:
    """Say how much an account may send. Doors notice within the life of their memory (5 s)."""
    with trouble_is_temporary():
        found = await _sql.set_limits(executor, account_id=account_id, **msgspec.structs.asdict(limits))
    return found is not None


async def standing(executor: Executor, account_id: int, subaccount_id: int) -> Standing | None:
    """Return what sending must know of an account and subaccount; None where either does not exist."""
    with trouble_is_temporary():
        row = await _sql.standing(executor, account_id=account_id, subaccount_id=subaccount_id)
    if row is None:
        return None
    return Standing(
        suspended=bool(row["suspended"]),
        options=_decode_options(row["options"]),
        limits=_limits(row),
        ip_pool=row["ip_pool"],
    )


async def create_key(
    executor: Executor,
    *,
    account_id: int,
    label: str,
    grants: Sequence[str],
    subaccount_id: int = 0,
    valid_ips: Sequence[str] = (),
) -> NewKey:
    """Make an API key. Its clear text is in the answer and nowhere else.

    grants      as grants.check_grants let them through
    valid_ips   CIDR masks as grants.check_masks returned them; empty: from anywhere
    """
    clear = new_api_key()
    with trouble_is_temporary():
        key_id = await _sql.insert_key(
            executor,
            account_id=account_id,
            subaccount_id=subaccount_id,
            label=label,
            key_hash=hash_api_key(clear),
            short_key=clear[:4],
            grants=sorted(set(grants)),
            valid_ips=list(valid_ips),
        )
    return NewKey(key_id=key_id, clear=clear, short_key=clear[:4], label=label)


async def find_by_hash(executor: Executor, key_hash: bytes) -> KeyFacts | None:
    """Return a key by its hash, unless it was revoked."""
    with trouble_is_temporary():
        row = await _sql.key_by_hash(executor, key_hash=key_hash)
    return None if row is None else KeyFacts(key=_key(row), key_hash=row["key_hash"], suspended=row["suspended"])


async def list_keys(executor: Executor, account_id: int, *, subaccount_id: int | None = None) -> list[ApiKey]:
    """Return the keys of an account (of one subaccount, or with None of all) that were not revoked."""
    with trouble_is_temporary():
        return [_key(row) async for row in _sql.keys_of_account(executor, account_id=account_id, subaccount_id=subaccount_id)]


async def get_key(executor: Executor, account_id: int, key_id: int, *, subaccount_id: int | None = None) -> ApiKey | None:
    """Return one key of an account; None where it has no such key."""
    with trouble_is_temporary():
        row = await _sql.one_key(executor, account_id=account_id, key_id=key_id, subaccount_id=subaccount_id)
    return None if row is None else _key(row)


async def update_key(
    executor: Executor, account_id: int, key_id: int, *, label: str, grants: Sequence[str], valid_ips: Sequence[str]
) -> bool:
    """Change what a key is called, may do, and from where; False where there is no such key."""
    with trouble_is_temporary():
        found = await _sql.update_key(
            executor,
            account_id=account_id,
            key_id=key_id,
            label=label,
            grants=sorted(set(grants)),
            valid_ips=list(valid_ips),
        )
    return found is not None


async def revoke_key(executor: Executor, account_id: int, key_id: int, *, at: datetime, subaccount_id: int | None = None) -> bool:
    """End a key for good; False where there is no such key. Doors notice within the life of their memory (5 s)."""
    with trouble_is_temporary():
        found = await _sql.revoke_key(executor, account_id=account_id, key_id=key_id, revoked_at=at, subaccount_id=subaccount_id)
    return found is not None


def _account(row: Record) -> Account:
    return Account(
        account_id=row["account_id"],
        name=row["name"],
        created_at=row["created_at"],
        suspended_at=row["suspended_at"],
        company_name=row["company_name"],
        options=_decode_options(row["options"]),
        limits=_limits(row),
        updated_at=row["updated_at"],
    )


def _limits(row: Record) -> Limits:
    return Limits(hourly=row["hourly_limit"], daily=row["daily_limit"], monthly=row["monthly_limit"])


def _key(row: Record) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        account_id=row["account_id"],
        subaccount_id=row["subaccount_id"],
        label=row["label"],
        short_key=row["short_key"],
        grants=tuple(row["grants"]),
        valid_ips=tuple(row["valid_ips"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
