"""Inbound domains, relay webhooks and waiting mail in PostgreSQL. Every function that serves customers names the account."""

import secrets
from collections.abc import Sequence
from datetime import datetime

import msgspec

from homing.domains import store as sending
from homing.domains.rules.names import parents
from homing.domains.rules.status import is_owned, takes_bounces
from homing.ground.db import Executor, Pool, Record, UniqueViolation, queries, trouble_is_temporary
from homing.ground.secrets import MasterKey
from homing.inbound.relay_types import InboundDomain, RelayMail, RelaySecrets, RelayWebhook

SEAL_PURPOSE = "relay webhook"
_sql = queries("homing.inbound")


class Taken(Exception):
    """A domain cannot be had: `by` is domain (it is inbound already), sending (a bounce domain) or account (somebody else's)."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


async def add_domain(pool: Pool, *, domain: str, account_id: int, subaccount_id: int) -> InboundDomain:
    """Add an inbound domain (as domains.rules.names gave it).

    raises   Taken. A name, its parents included, that another account has proved to be his cannot be taken
    """
    with trouble_is_temporary():
        for name in (domain, *parents(domain)):
            found = await sending.find(pool, name)
            if found is None:
                continue
            if found.account_id != account_id and is_owned(found.status, trusted=found.trusted):
                raise Taken("account")
            if name == domain and takes_bounces(found.status):
                raise Taken("sending")
        row = await _sql.insert_domain(pool, domain=domain, account_id=account_id, subaccount_id=subaccount_id)
    if row is None:
        raise Taken("domain")
    return InboundDomain(**dict(row))


async def domains(
    executor: Executor, account_id: int, *, subaccount_id: int | None, domain: str | None = None
) -> list[InboundDomain]:
    """Return the inbound domains of an account (None: of all its subaccounts), or the one that is named."""
    with trouble_is_temporary():
        rows = _sql.inbound_of(executor, account_id=account_id, subaccount_id=subaccount_id, domain=domain)
        return [InboundDomain(**dict(row)) async for row in rows]


async def delete_domain(executor: Executor, domain: str, *, account_id: int, subaccount_id: int) -> bool:
    """Remove an inbound domain; False where it is used by a relay webhook, or is not there."""
    with trouble_is_temporary():
        gone = await _sql.delete_domain(executor, domain=domain, account_id=account_id, subaccount_id=subaccount_id)
    return gone is not None


async def find_domain(executor: Executor, domain: str) -> tuple[InboundDomain, bool] | None:
    """Return an inbound domain, whoever has it, and whether a relay webhook takes its mail: for the MX door."""
    with trouble_is_temporary():
        row = await _sql.one_inbound(executor, domain=domain)
    if row is None:
        return None
    has_webhook = row["webhook_id"] is not None
    return InboundDomain(domain=row["domain"], account_id=row["account_id"], subaccount_id=row["subaccount_id"]), has_webhook


class RelayWebhooks:
    """Relay webhooks; what is secret of them is sealed under the master key."""

    def __init__(self, pool: Pool, master_key: MasterKey) -> None:
        self._pool = pool
        self._key = master_key

    async def add(self, webhook: RelayWebhook) -> RelayWebhook | None:
        """Add a webhook under a fresh id; None where its domain has one already."""
        made = msgspec.structs.replace(webhook, webhook_id=secrets.randbelow(9 * 10**16) + 10**16)
        with trouble_is_temporary():
            row = await _sql.insert_webhook(self._pool, **self._columns(made))
        return None if row is None else made

    async def change(self, webhook: RelayWebhook) -> bool | None:
        """Change a webhook; False where its new domain has one already, None where it is gone."""
        columns = self._columns(webhook)
        del columns["subaccount_id"]
        try:
            with trouble_is_temporary():
                row = await _sql.update_webhook(self._pool, **columns)
        except UniqueViolation:
            return False
        return None if row is None else True

    async def of_account(
        self, account_id: int, *, subaccount_id: int | None, webhook_id: int | None = None
    ) -> list[RelayWebhook]:
        """Return the webhooks of an account (None: of all its subaccounts), or the one that is named."""
        with trouble_is_temporary():
            rows = _sql.webhooks_of(self._pool, account_id=account_id, subaccount_id=subaccount_id, webhook_id=webhook_id)
            return [self._webhook(row) async for row in rows]

    async def of_domain(self, domain: str) -> RelayWebhook | None:
        """Return the webhook that takes a domain's mail."""
        with trouble_is_temporary():
            row = await _sql.webhook_of_domain(self._pool, domain=domain)
        return None if row is None else self._webhook(row)

    async def delete(self, webhook_id: int, *, account_id: int, subaccount_id: int) -> bool:
        """Remove a webhook; False where there is none."""
        with trouble_is_temporary():
            gone = await _sql.delete_webhook(
                self._pool, webhook_id=webhook_id, account_id=account_id, subaccount_id=subaccount_id
            )
        return gone is not None

    def _columns(self, webhook: RelayWebhook) -> dict[str, object]:
        columns = msgspec.structs.asdict(webhook)
        columns["secrets_sealed"] = self._key.seal(msgspec.json.encode(columns.pop("secrets")), purpose=SEAL_PURPOSE)
        return columns

    def _webhook(self, row: Record) -> RelayWebhook:
        columns = dict(row)
        clear = self._key.open(columns.pop("secrets_sealed"), purpose=SEAL_PURPOSE)
        return RelayWebhook(**columns, secrets=msgspec.json.decode(clear, type=RelaySecrets))


async def put_mail(executor: Executor, mail: RelayMail, raw: bytes) -> None:
    """Keep a mail, due at once."""
    columns = msgspec.structs.asdict(mail)
    del columns["tries"]
    with trouble_is_temporary():
        await _sql.put_mail(executor, **columns, raw=raw)


async def claim(executor: Executor, *, now: datetime, until: datetime, busy: Sequence[str], limit: int) -> list[RelayMail]:
    """Take up to `limit` mails that are due, ours alone until `until`; none of the domains that are busy."""
    with trouble_is_temporary():
        rows = _sql.claim_mail(executor, now=now, until=until, busy=list(busy), limit=limit)
        return [RelayMail(**dict(row)) async for row in rows]


async def raw_of(executor: Executor, mail_id: bytes) -> bytes | None:
    """Return the octets of a mail that waits."""
    with trouble_is_temporary():
        raw: bytes | None = await _sql.raw_of(executor, mail_id=mail_id)
    return raw


async def postpone(executor: Executor, mail_id: bytes, *, due_at: datetime, note: str) -> None:
    """A post failed: try again then. note: why, shortened."""
    with trouble_is_temporary():
        await _sql.postpone_mail(executor, mail_id=mail_id, due_at=due_at, note=note[:500])


async def give_back(executor: Executor, mail_id: bytes, *, due_at: datetime) -> None:
    """Nothing was posted: anybody may, from then on."""
    with trouble_is_temporary():
        await _sql.give_back_mail(executor, mail_id=mail_id, due_at=due_at)


async def forget(executor: Executor, mail_id: bytes) -> None:
    """The mail's way has ended."""
    with trouble_is_temporary():
        await _sql.delete_mail(executor, mail_id=mail_id)
