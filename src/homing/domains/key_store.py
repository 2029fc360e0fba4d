"""The further DKIM keys of a domain in PostgreSQL: added, changed, made the default one, removed."""

from collections.abc import Sequence

import msgspec

from homing.domains import store
from homing.domains.rules.keys import MOST_KEYS, clash, free_id
from homing.domains.types import DEFAULT_KEY, Conflict, DkimKey, NewDkimKey, SendingDomain, Verdict
from homing.ground.db import Executor, Pool, queries, trouble_is_temporary

_sql = queries("homing.domains")


async def selectors_at(executor: Executor, signing_domain: str) -> frozenset[str]:
    """Return the selectors that are in use under a domain name."""
    with trouble_is_temporary():
        rows = _sql.keys_at(executor, signing_domain=signing_domain)
        return frozenset([row["selector"] async for row in rows])


async def add(pool: Pool, domain: SendingDomain, parts: Sequence[NewDkimKey]) -> Conflict | None:
    """Add a key to a domain; parts: RSA, and Ed25519 where it has one, of one id.

    returns   Conflict: the id is there already, the domain has too many keys, or another key's record stands in that place
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            held = await store.hold(connection, domain.domain, account_id=domain.account_id)
            known = {key.key_id for key in (await store.keys_of(connection, [domain.domain]))[domain.domain]}
            if held is None:
                return None  # with its keys
            if parts[0].key_id in known:
                return Conflict.ALREADY_YOURS
            if len(known - {held.default_key}) >= MOST_KEYS:
                return Conflict.FULL
            places = [(part.signing_domain, part.selector, part.public_key) for part in parts]
            if await _clashes(connection, domain.domain, parts[0].key_id, places):
                return Conflict.SELECTOR
            for part in parts:
                await store.put_key(connection, domain.domain, part)
    return None


async def change(
    pool: Pool, domain: SendingDomain, key_id: str, *, key: NewDkimKey | None, signing_domain: str | None
) -> Conflict | None:
    """Change a key that is not the default one; nothing is known of its records afterwards, where something changed.

    key       takes the place of its RSA part
    returns   Conflict.SELECTOR: another key's record stands in that place
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await store.hold(connection, domain.domain, account_id=domain.account_id)
            parts = [one for one in (await store.keys_of(connection, [domain.domain]))[domain.domain] if one.key_id == key_id]
            if not parts:
                return None
            kept = [part for part in parts if key is None or part.algorithm != key.algorithm]
            places = [(signing_domain or part.signing_domain, part.selector, part.public_key) for part in kept]
            if key is not None:
                places.append((key.signing_domain, key.selector, key.public_key))
            if await _clashes(connection, domain.domain, key_id, places):
                return Conflict.SELECTOR
            if signing_domain is not None:
                await _sql.reset_key(connection, domain=domain.domain, key_id=key_id, signing_domain=signing_domain)
            if key is not None:
                await store.put_key(connection, domain.domain, key)
    return None


async def make_default(pool: Pool, domain: SendingDomain, key_id: str) -> SendingDomain | Conflict | None:
    """Let a key sign where a message names none. The one that did so stays, under an id of its own, until it is removed.

    returns   None where the domain or the key is gone; Conflict.UNVERIFIED if DNS was not seen to show it and nobody vouched
              for the domain; Conflict.OTHER_ACCOUNT if its record would prove a disputed name
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await store.lock_names(connection)
            held = await store.hold(connection, domain.domain, account_id=domain.account_id)
            if held is None:
                return None
            keys = (await store.keys_of(connection, [domain.domain]))[domain.domain]
            chosen = [key for key in keys if key.key_id == key_id]
            if not chosen:
                return None
            if chosen[0].status != Verdict.VALID and not held.trusted:
                return Conflict.UNVERIFIED
            status = msgspec.structs.replace(held.status, dkim_status=chosen[0].status)
            if await store.gains_what_is_disputed(connection, held, status, trusted=held.trusted):
                return Conflict.OTHER_ACCOUNT
            old = [key for key in keys if key.key_id == held.default_key == DEFAULT_KEY]
            if old and key_id != DEFAULT_KEY:
                new_id = free_id(old[0].selector, taken={key.key_id for key in keys})
                await _sql.rename_key(connection, domain=domain.domain, key_id=DEFAULT_KEY, new_id=new_id)
            await _sql.set_default_key(connection, domain=domain.domain, key_id=key_id)
            row = await store.write_status(connection, held, status)
    return store.read_domain(row)


async def keep_status(pool: Pool, keys: Sequence[DkimKey]) -> None:
    """Keep what a check found of the parts of a key."""
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            for key in keys:
                await store.set_key_status(connection, key)


async def delete(executor: Executor, domain: str, key_id: str) -> bool:
    """Remove a key; False where it is the default one, or not there."""
    with trouble_is_temporary():
        gone = await _sql.delete_key(executor, domain=domain, key_id=key_id)
    return gone is not None


async def _clashes(connection: Executor, domain: str, key_id: str, places: Sequence[tuple[str, str, str]]) -> bool:
    """places: signing domain, selector, public key."""
    for signing_domain in {place[0] for place in places}:
        rows = [row async for row in _sql.keys_at(connection, signing_domain=signing_domain)]
        others = [(row["selector"], row["public_key"]) for row in rows if (row["domain"], row["key_id"]) != (domain, key_id)]
        if clash([place[1:] for place in places if place[0] == signing_domain], others):
            return True
    return False
