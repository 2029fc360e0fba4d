"""Typed access to webhooks, what they are owed and what is on its way."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from homing.accounts import subaccounts
from homing.events.store import logged
from homing.events.types import EventType, Logged
from homing.ground import db
from homing.ground.secrets import MasterKey
from homing.webhooks.rules.owed import Stretch
from homing.webhooks.rules.retry import LIFETIME
from homing.webhooks.types import Auth, Batch, Tried, Webhook

_sql = db.queries("homing.webhooks")
_PURPOSE = "webhook"
_encode_auth = msgspec.msgpack.Encoder().encode
_decode_auth = msgspec.msgpack.Decoder(Auth).decode
KEPT = timedelta(days=1)  # batches that failed are shown so long after their end


class Webhooks:
    """The webhooks in PostgreSQL; what a target is shown of us is sealed."""

    def __init__(self, pool: db.Pool, master_key: MasterKey) -> None:
        self._pool = pool
        self._key = master_key

    async def add(self, made: Webhook) -> None:
        """Write a webhook down."""
        with db.trouble_is_temporary():
            await _sql.insert_webhook(self._pool, **self._row(made))

    async def change(self, made: Webhook) -> None:
        """Replace a webhook."""
        with db.trouble_is_temporary():
            await _sql.update_webhook(self._pool, **self._row(made))

    async def remove(self, account_id: int, webhook_id: UUID) -> bool:
        """Let a webhook hear nothing new; False: there is none."""
        with db.trouble_is_temporary():
            return await _sql.delete_webhook(self._pool, webhook_id=webhook_id, account_id=account_id) is not None

    async def one(self, account_id: int, webhook_id: UUID) -> Webhook | None:
        """Return one webhook."""
        with db.trouble_is_temporary():
            row = await _sql.one_webhook(self._pool, webhook_id=webhook_id, account_id=account_id)
        return None if row is None else self._webhook(row)

    async def of_account(self, account_id: int, subaccount_id: int | None) -> list[Webhook]:
        """Return the webhooks of an account, or of one of its subaccounts."""
        with db.trouble_is_temporary():
            rows = _sql.webhooks_of(self._pool, account_id=account_id, subaccount_id=subaccount_id)
            return [self._webhook(row) async for row in rows]

    async def count(self, account_id: int, subaccount_id: int) -> int:
        """Return how many webhooks a subaccount, or the primary account (0), has."""
        with db.trouble_is_temporary():
            number: int = await _sql.count_webhooks(self._pool, account_id=account_id, subaccount_id=subaccount_id)
        return number

    async def has_subaccount(self, account_id: int, subaccount_id: int) -> bool:
        """Return whether an account has this subaccount, which a webhook is to belong to."""
        return await subaccounts.one(self._pool, account_id, subaccount_id) is not None

    async def listening(self, executor: db.Executor, account_ids: Collection[int]) -> list[Webhook]:
        """Return the webhooks of some accounts that hear what happens."""
        return [self._webhook(row) async for row in _sql.listening(executor, account_ids=list(account_ids))]

    async def to_push(self, webhook_id: UUID) -> Webhook | None:
        """Return a webhook that has something to be pushed, deleted or not."""
        with db.trouble_is_temporary():
            row = await _sql.to_push(self._pool, webhook_id=webhook_id)
        return None if row is None else self._webhook(row)

    async def keep_token(self, webhook: Webhook, auth: Auth) -> None:
        """Keep an access token that was fetched."""
        with db.trouble_is_temporary():
            await _sql.keep_token(self._pool, webhook_id=webhook.webhook_id, auth_sealed=self._sealed(auth))

    async def owe_again(self, webhook: Webhook, *, since: datetime, until: datetime, types: Collection[EventType]) -> int:
        """Owe a webhook what happened between two moments once more; return how many events."""
        with db.trouble_is_temporary():
            number: int = await _sql.owe_again(
                self._pool,
                webhook_id=webhook.webhook_id,
                account_id=webhook.account_id,
                subaccount_id=webhook.subaccount_id,
                exceptions=list(webhook.exception_subaccounts),
                since=since,
                until=until,
                first_day=since.date() - timedelta(days=1),
                types=[int(kind) for kind in types],
            )
        return number

    async def tried(self, account_id: int, webhook_id: UUID, *, limit: int) -> list[Tried]:
        """Return the batches of a webhook that failed at least once, the latest first."""
        with db.trouble_is_temporary():
            rows = _sql.tried_batches(self._pool, webhook_id=webhook_id, account_id=account_id, limit=limit)
            return [Tried(**dict(row)) async for row in rows]

    def _row(self, made: Webhook) -> dict[str, object]:
        return {
            "webhook_id": made.webhook_id,
            "account_id": made.account_id,
            "subaccount_id": made.subaccount_id,
            "name": made.name,
            "target": made.target,
            "types": sorted(int(kind) for kind in made.types),
            "active": made.active,
            "custom_headers": json.dumps(made.custom_headers),
            "exception_subaccounts": sorted(made.exception_subaccounts),
            "auth_type": made.auth_type,
            "auth_sealed": self._sealed(made.auth),
        }

    def _sealed(self, auth: Auth) -> bytes:
        return self._key.seal(_encode_auth(auth), purpose=_PURPOSE)

    def _webhook(self, row: db.Record) -> Webhook:
        return Webhook(
            webhook_id=row["webhook_id"],
            account_id=row["account_id"],
            subaccount_id=row["subaccount_id"],
            name=row["name"],
            target=row["target"],
            types=frozenset(EventType(number) for number in row["types"]),
            active=row["active"],
            paused_why=row["paused_why"],
            custom_headers=json.loads(row["custom_headers"]),
            exception_subaccounts=frozenset(row["exception_subaccounts"]),
            auth_type=row["auth_type"],
            auth=_decode_auth(self._key.open(row["auth_sealed"], purpose=_PURPOSE)),
            last_successful=row["last_successful"],
            last_failure=row["last_failure"],
            created_at=row["created_at"],
        )


async def anybody_listens(executor: db.Executor) -> bool:
    """Return whether there is a webhook at all that hears what happens."""
    found: bool = await _sql.anybody_listens(executor)
    return found


async def owe(executor: db.Executor, owed: Sequence[Stretch]) -> None:
    """Note what webhooks are owed, in the caller's transaction."""
    await _sql.owe(
        executor,
        webhook_ids=[one.webhook_id for one in owed],
        account_ids=[one.account_id for one in owed],
        shards=[one.shard for one in owed],
        first_days=[one.first_day for one in owed],
        last_days=[one.last_day for one in owed],
        first_seqs=[one.first_seq for one in owed],
        last_seqs=[one.last_seq for one in owed],
        events=[one.events for one in owed],
    )


class Loose(msgspec.Struct, frozen=True):
    """A webhook that is owed something in no batch yet; open: its batches that have not ended."""

    webhook_id: UUID
    account_id: int
    events: int
    since: datetime
    open: int


async def loose(executor: db.Executor) -> list[Loose]:
    """Return who is owed something in no batch yet."""
    return [Loose(*row) async for row in _sql.loose(executor)]


async def form_batch(executor: db.Executor, one: Loose, batch_id: UUID, *, most: int) -> bool:
    """Put about so many of a webhook's oldest loose events into a batch; False where somebody was faster."""
    made = await _sql.form_batch(executor, webhook_id=one.webhook_id, account_id=one.account_id, batch_id=batch_id, most=most)
    return made is not None


async def claim(executor: db.Executor, *, busy: Collection[UUID], of_each: int, most: int, claim_s: float) -> list[Batch]:
    """Take batches that are due, a few of each webhook that is not busy."""
    rows = _sql.claim_batches(executor, busy=list(busy), of_each=of_each, most=most, claim_s=claim_s)
    return [Batch(**dict(row)) async for row in rows]


async def events_of(executor: db.Executor, batch: Batch) -> list[Logged]:
    """Return the events of a batch's stretches, of its account, in order."""
    rows = _sql.events_of_batch(executor, batch_id=batch.batch_id, account_id=batch.account_id)
    return [logged(row) async for row in rows]


async def delivered(executor: db.Executor, batch: Batch, *, response_code: str, latency_ms: int) -> None:
    """Note that a batch was taken."""
    await _sql.delivered(
        executor, batch_id=batch.batch_id, webhook_id=batch.webhook_id, response_code=response_code, latency_ms=latency_ms
    )


async def failed(
    executor: db.Executor,
    batch: Batch,
    *,
    due_at: datetime | None,
    response_code: str,
    failure_code: str,
    latency_ms: int,
    paused_why: str,
) -> None:
    """Note that a batch was not taken; due_at None: it is given up."""
    await _sql.failed(
        executor,
        batch_id=batch.batch_id,
        webhook_id=batch.webhook_id,
        due_at=due_at,
        response_code=response_code,
        failure_code=failure_code,
        latency_ms=latency_ms,
        paused_why=paused_why,
    )


async def tidy(executor: db.Executor, *, now: datetime) -> None:
    """Give up what is too old to be told, and forget what ended."""
    await _sql.drop_old_ranges(executor, before=now - LIFETIME)
    await _sql.drop_old_batches(executor, ended_before=now - KEPT, made_before=now - LIFETIME - timedelta(hours=1))
    await _sql.drop_deleted(executor)
