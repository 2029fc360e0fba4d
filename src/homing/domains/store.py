"""Sending domains with their default keys in PostgreSQL; further keys: key_store. Private keys come and go sealed."""

from collections.abc import Sequence

import msgspec

from homing.domains.rules.names import parents
from homing.domains.rules.status import UNPROVED_FOR, is_owned, merged
from homing.domains.types import Conflict, DkimKey, DomainStatus, KeyStanding, NewDkimKey, SealedKey, SendingDomain, Verdict
from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary

_sql = queries("homing.domains")
_decode_status = msgspec.json.Decoder(DomainStatus).decode


async def create(
    pool: Pool,
    *,
    domain: str,
    account_id: int,
    subaccount_id: int = 0,
    shared: bool = False,
    tracking_domain: str | None = None,
    trusted: bool = False,
    keys: Sequence[NewDkimKey] = (),
) -> SendingDomain | Conflict:
    """Add a domain (as rules.names returned it) with its keys.

    A name belongs to one account only, and so do its parents and subdomains as soon as somebody has proved that they are
    his; an unproved claim on `co.uk` must not keep all others out.
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.lock_names(connection)
            if await _is_disputed(connection, domain, account_id):
                return Conflict.OTHER_ACCOUNT
            row = await _sql.insert_domain(
                connection,
                domain=domain,
                account_id=account_id,
                subaccount_id=subaccount_id,
                shared=shared,
                tracking_domain=tracking_domain,
                status=encode_status(DomainStatus()),
                trusted=trusted,
                patience=UNPROVED_FOR,
            )
            if row is None:
                taken = await _sql.one_domain(connection, domain=domain)
                # A subaccount is not told whether another one has it, or another account.
                yours = taken["account_id"] == account_id and subaccount_id in (0, taken["subaccount_id"])
                return Conflict.ALREADY_YOURS if yours else Conflict.OTHER_ACCOUNT
            for key in keys:
                await put_key(connection, domain, key)
    return read_domain(row)


async def get(executor: Executor, domain: str, *, account_id: int, subaccount_id: int | None = None) -> SendingDomain | None:
    """Return a domain of this account (of one subaccount, or with None of any); None where it has none such."""
    with trouble_is_temporary():
        row = await _sql.domain_of(executor, domain=domain, account_id=account_id, subaccount_id=subaccount_id)
    return None if row is None else read_domain(row)


async def find(executor: Executor, domain: str) -> SendingDomain | None:
    """Return a domain, whoever has it: for our own decisions, never for an answer to a customer."""
    with trouble_is_temporary():
        row = await _sql.one_domain(executor, domain=domain)
    return None if row is None else read_domain(row)


async def list_domains(executor: Executor, account_id: int, *, subaccount_id: int | None = None) -> list[SendingDomain]:
    """Return the domains of an account, by name."""
    with trouble_is_temporary():
        rows = _sql.domains_of(executor, account_id=account_id, subaccount_id=subaccount_id)
        return [read_domain(row) async for row in rows]


async def default_bounce(executor: Executor, account_id: int, subaccount_id: int) -> SendingDomain | None:
    """Return the default bounce domain of the primary account (0) or of a subaccount."""
    with trouble_is_temporary():
        row = await _sql.default_bounce_of(executor, account_id=account_id, subaccount_id=subaccount_id)
    return None if row is None else read_domain(row)


async def update(
    pool: Pool,
    domain: SendingDomain,
    *,
    shared: bool,
    is_default_bounce: bool,
    tracking_domain: str | None,
    key: NewDkimKey | None = None,
    signing_domain: str | None = None,
    dkim_status: str | None = None,
) -> SendingDomain | Conflict | None:
    """Change a domain's settings; None where it was removed meanwhile. Of one subaccount only one is the default.

    key              takes the place of the default key of its algorithm
    signing_domain   under which the default keys sign from now on; None: as before
    dkim_status      what DNS said of the key, where key or signing domain change; None: nothing new
    returns          Conflict.OTHER_ACCOUNT as `set_status`
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.lock_names(connection)
            current = await hold(connection, domain.domain, account_id=domain.account_id)
            if current is None:
                return None
            status = current.status
            if dkim_status is not None:
                status = msgspec.structs.replace(status, dkim_status=dkim_status)
            if await gains_what_is_disputed(connection, current, status, trusted=current.trusted):
                return Conflict.OTHER_ACCOUNT
            if is_default_bounce:
                await _sql.clear_default_bounce(
                    connection, account_id=domain.account_id, subaccount_id=domain.subaccount_id, domain=domain.domain
                )
            row = await _sql.update_domain(
                connection,
                domain=domain.domain,
                account_id=domain.account_id,
                subaccount_id=domain.subaccount_id,
                shared=shared,
                is_default_bounce=is_default_bounce,
                tracking_domain=tracking_domain,
            )
            if dkim_status is not None:
                row = await write_status(connection, current, status)
            if signing_domain is not None:
                known = {"rsa": dkim_status or "unverified", "ed25519": "unverified"}
                for algorithm, verdict in known.items():
                    await _sql.set_signing_domain(
                        connection,
                        domain=domain.domain,
                        key_id=current.default_key,
                        algorithm=algorithm,
                        signing_domain=signing_domain,
                        status=verdict,
                    )
            if key is not None:
                await put_key(connection, domain.domain, msgspec.structs.replace(key, key_id=current.default_key))
    return read_domain(row)


async def set_status(
    pool: Pool, domain: SendingDomain, status: DomainStatus, *, keys: Sequence[DkimKey] = ()
) -> SendingDomain | Conflict | None:
    """Keep what a check found; None where the domain was removed meanwhile.

    domain    as it was before the check: only what the check changed is written
    keys      with the status each was found to have
    returns   Conflict.OTHER_ACCOUNT, and nothing is kept, if a parent or subdomain was proved by another account
    """
    return await _set(pool, domain, status, keys=keys)


async def trust(pool: Pool, domain: SendingDomain, *, trusted: bool = True) -> SendingDomain | Conflict | None:
    """Vouch for a domain (homing domain add --trust): usable in From, and signed for, without DNS."""
    return await _set(pool, domain, domain.status, trusted=trusted)


async def delete(executor: Executor, domain: str, *, account_id: int, subaccount_id: int | None = None) -> bool:
    """Remove a domain with its keys; False where the account has none such."""
    with trouble_is_temporary():
        gone = await _sql.delete_domain(executor, domain=domain, account_id=account_id, subaccount_id=subaccount_id)
    return gone is not None


async def keys_of(executor: Executor, domains: Sequence[str]) -> dict[str, list[DkimKey]]:
    """Return the public side of the keys of these domains: the default key first, RSA before Ed25519."""
    found: dict[str, list[DkimKey]] = {domain: [] for domain in domains}
    with trouble_is_temporary():
        async for row in _sql.keys_of(executor, domains=list(domains)):
            found[row["domain"]].append(DkimKey(**dict(row)))
    return found


async def any_sealed_key(executor: Executor) -> bytes | None:
    """Return one sealed signing key, to see whether the master key belongs to this database; None: there is none yet."""
    sealed: bytes | None = await _sql.any_sealed_key(executor)
    return sealed


async def key_standing(executor: Executor, account_id: int, domain: str, key_id: str) -> KeyStanding:
    """Return whether a key of an account's domain can be chosen to sign."""
    with trouble_is_temporary():
        row = await _sql.key_standing(executor, account_id=account_id, domain=domain, key_id=key_id)
    if row is None:
        return KeyStanding.ABSENT
    return KeyStanding.USABLE if row["trusted"] or row["status"] == Verdict.VALID else KeyStanding.UNVERIFIED


async def sealed_keys(executor: Executor, account_id: int, domain: str, key_id: str) -> list[SealedKey]:
    """Return the keys of an account's domain that sign, RSA first."""
    with trouble_is_temporary():
        rows = _sql.signing_keys(executor, account_id=account_id, domain=domain, key_id=key_id)
        return [SealedKey(*row) async for row in rows]


async def _set(
    pool: Pool,
    domain: SendingDomain,
    status: DomainStatus,
    *,
    trusted: bool | None = None,
    keys: Sequence[DkimKey] = (),
) -> SendingDomain | Conflict | None:
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.lock_names(connection)
            current = await hold(connection, domain.domain, account_id=domain.account_id)
            if current is None:
                return None
            status = merged(current.status, before=domain.status, after=status)
            vouched = current.trusted if trusted is None else trusted
            if await gains_what_is_disputed(connection, current, status, trusted=vouched):
                return Conflict.OTHER_ACCOUNT
            row = await write_status(connection, current, status, trusted=vouched)
            for key in keys:
                await set_key_status(connection, key)
    return read_domain(row)


async def write_status(
    connection: Executor, domain: SendingDomain, status: DomainStatus, *, trusted: bool | None = None
) -> Record:
    """Write the status of a domain that is held."""
    vouched = domain.trusted if trusted is None else trusted
    row: Record = await _sql.set_status(
        connection,
        domain=domain.domain,
        account_id=domain.account_id,
        subaccount_id=domain.subaccount_id,
        status=encode_status(status),
        trusted=vouched,
        owned=is_owned(status, trusted=vouched),
    )
    return row


async def set_key_status(executor: Executor, key: DkimKey) -> None:
    """Keep what a check found of one key."""
    await _sql.set_key_status(
        executor,
        domain=key.domain,
        key_id=key.key_id,
        algorithm=key.algorithm,
        public_key=key.public_key,
        selector=key.selector,
        signing_domain=key.signing_domain,
        status=key.status,
    )


async def hold(connection: Executor, domain: str, *, account_id: int) -> SendingDomain | None:
    """Return a domain of an account, which nobody else changes until the transaction ends; None where it has gone."""
    row = await _sql.hold_domain(connection, domain=domain, account_id=account_id)
    return None if row is None else read_domain(row)


async def lock_names(connection: Executor) -> None:
    """Let one at a time decide whose a name is; held to the end of the transaction."""
    await _sql.lock_names(connection)


async def gains_what_is_disputed(connection: Executor, domain: SendingDomain, status: DomainStatus, *, trusted: bool) -> bool:
    """Return whether a domain becomes owned that another account has proved, above or beneath it. Names are locked."""
    gains = is_owned(status, trusted=trusted) and not is_owned(domain.status, trusted=domain.trusted)
    return gains and await _is_disputed(connection, domain.domain, domain.account_id)


async def _is_disputed(connection: Executor, domain: str, account_id: int) -> bool:
    rows = _sql.relatives_elsewhere(connection, account_id=account_id, parents=parents(domain), domain=domain)
    relatives = [read_domain(row) async for row in rows]
    return any(is_owned(relative.status, trusted=relative.trusted) for relative in relatives)


async def put_key(connection: Executor, domain: str, key: NewDkimKey) -> None:
    """Keep a key, in the place of the one that had its name and algorithm."""
    await _sql.put_key(connection, domain=domain, **msgspec.structs.asdict(key))


def encode_status(status: DomainStatus) -> str:
    """Return a status as it is kept."""
    return msgspec.json.encode(status).decode()


def read_domain(row: Record) -> SendingDomain:
    """Return a row as a domain."""
    return SendingDomain(**{**dict(row), "status": _decode_status(row["status"])})
