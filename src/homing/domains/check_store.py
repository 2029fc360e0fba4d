"""What is due for a look into DNS of our own accord, and what such a look found, in PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from homing.contracts import store as audit
from homing.domains import store
from homing.domains.rules.recheck import Finding, Standing, after_look
from homing.domains.rules.status import is_forfeit
from homing.domains.types import DkimKey, SendingDomain, TrackingDomain
from homing.ground.db import Pool, queries, trouble_is_temporary

_sql = queries("homing.domains", "checks.sql")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a sending domain found; None or absent: that was not looked at."""

    cname: Finding | None = None
    mx: Finding | None = None
    keys: Mapping[DkimKey, Finding]

    def findings(self) -> frozenset[Finding]:
        """Return everything that was found."""
        return frozenset(one for one in (self.cname, self.mx, *self.keys.values()) if one is not None)


class Changed(msgspec.Struct, frozen=True):
    """What a look changed.

    lost       records that count as lost now: cname, mx, or the name of a key's record
    doubtful   records that were not found, and still count as valid
    """

    lost: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


async def claim_domains(pool: Pool, *, now: datetime, until: datetime, limit: int) -> list[SendingDomain]:
    """Take sending domains that are due, ours alone until then."""
    with trouble_is_temporary():
        rows = _sql.claim_domains(pool, now=now, until=until, limit=limit)
        return [store.read_domain(row) async for row in rows]


async def claim_trackings(pool: Pool, *, now: datetime, until: datetime, limit: int) -> list[TrackingDomain]:
    """Take verified tracking domains that are due, ours alone until then."""
    with trouble_is_temporary():
        rows = _sql.claim_trackings(pool, now=now, until=until, limit=limit)
        return [TrackingDomain(**dict(row)) async for row in rows]


async def postpone(pool: Pool, domain: SendingDomain, *, next_check_at: datetime) -> None:
    """Note that nothing of a domain is to be looked at before then."""
    with trouble_is_temporary():
        await _sql.postpone_look(pool, domain=domain.domain, next_check_at=next_check_at)


async def remove_unproved(pool: Pool, *, now: datetime, limit: int) -> list[SendingDomain]:
    """Remove domains that nobody has proved in time, note each in the audit, and return them."""
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            held = [store.read_domain(row) async for row in _sql.hold_unproved(connection, now=now, limit=limit)]
            gone = [domain for domain in held if is_forfeit(domain, now=now)]
            for domain in gone:
                await store.delete(connection, domain.domain, account_id=domain.account_id)
                await audit.note(
                    connection,
                    actor="system",
                    action="domain.removed",
                    account_id=domain.account_id,
                    subject=f"domain {domain.domain}",
                    detail={
                        "why": "nobody proved within two weeks that it is his; it can be added again",
                        "subaccount_id": domain.subaccount_id,
                        "created_at": domain.created_at,
                    },
                )
    return gone


async def keep_look(pool: Pool, domain: SendingDomain, look: Look, *, now: datetime, next_check_at: datetime) -> Changed:
    """Keep what a look at a sending domain found, over what is known of it by now."""
    changes = _Changes()
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            held = await store.hold(connection, domain.domain, account_id=domain.account_id)
            if held is None:
                return Changed()
            status = held.status
            cname = changes.of("cname", Standing(status.cname_status, held.cname_failures), look.cname)
            mx = changes.of("mx", Standing(status.mx_status, held.mx_failures), look.mx)
            status = msgspec.structs.replace(status, cname_status=cname.status, mx_status=mx.status)
            found = {_identity(key): finding for key, finding in look.keys.items()}
            for key in (await store.keys_of(connection, [domain.domain]))[domain.domain]:
                finding = found.get(_identity(key))
                if finding is None:
                    continue
                after = changes.of(key.selector, Standing(key.status, key.failures), finding)
                key = msgspec.structs.replace(key, status=after.status, failures=after.failures)
                await _sql.keep_key_look(connection, **_identity_columns(key), status=key.status, failures=key.failures)
                if key.algorithm == "rsa" and key.key_id == held.default_key:
                    status = msgspec.structs.replace(status, dkim_status=key.status)
            await _sql.keep_look(
                connection,
                domain=domain.domain,
                status=store.encode_status(status),
                cname_failures=cname.failures,
                mx_failures=mx.failures,
                checked_at=now,
                next_check_at=next_check_at,
            )
    return changes.made()


async def keep_tracking_look(
    pool: Pool, domain: TrackingDomain, finding: Finding, *, now: datetime, next_check_at: datetime
) -> Changed:
    """Keep what a look at a tracking domain found, over what is known of it by now."""
    changes = _Changes()
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            name = {"account_id": domain.account_id, "domain": domain.domain}
            row = await _sql.hold_tracking(connection, **name)
            if row is None:
                return Changed()
            after = changes.of("cname", Standing(row["cname_status"], row["failures"]), finding)
            await _sql.keep_tracking_look(
                connection,
                **name,
                cname_status=after.status,
                failures=after.failures,
                checked_at=now,
                next_check_at=next_check_at,
            )
    return changes.made()


class _Changes:
    """Applies findings, and gathers what they change."""

    def __init__(self) -> None:
        self._lost: list[str] = []
        self._doubtful: list[str] = []

    def of(self, what: str, before: Standing, finding: Finding | None) -> Standing:
        if finding is None or not before.is_watched:
            return before
        after = after_look(before, finding)
        if not after.is_watched:
            self._lost.append(what)
        elif finding is Finding.GONE:
            self._doubtful.append(what)
        return after

    def made(self) -> Changed:
        return Changed(tuple(self._lost), tuple(self._doubtful))


def _identity_columns(key: DkimKey) -> dict[str, str]:
    names = ("domain", "key_id", "algorithm", "public_key", "selector", "signing_domain")
    return {name: getattr(key, name) for name in names}


def _identity(key: DkimKey) -> tuple[str, ...]:
    return tuple(_identity_columns(key).values())
