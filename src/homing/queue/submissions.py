"""Transmissions that are written down whole before they become messages: scheduled ones, and those to a stored list.

One row holds what all messages share. The shares in the inboxes name it; a share is made into messages by the owner of its
shard. The row also says for good whether the transmission was cancelled: whoever makes or reads its messages later asks.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from homing.accounts import usage
from homing.accounts.rules.usage import hour_of
from homing.ground import db, ids
from homing.ground.clock import boot_seconds
from homing.queue.lease import SHARDS
from homing.queue.types import Entry
from homing.recipients import lists
from homing.spool.types import ChunkFacts, decode_facts, encode_facts

_sql = db.queries("homing.queue", "submissions.sql")
_BEGINNING = (datetime(1, 1, 1, tzinfo=UTC), b"")
KEPT = timedelta(days=10)  # after its start a transmission is shown so long
MOST_IN_A_WISH = 10_000  # transmissions that one wish names


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What is written of a transmission.

    content   msgpack of spool.Content
    list_id   of a stored list; '' where the recipients came with the call
    snapshot  of the list, or of the call's own recipients; None: they are in the shares
    """

    facts: ChunkFacts
    content: bytes
    recipients: int
    list_id: str = ""
    snapshot: int | None = None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a scheduled transmission; facts only of a single one."""

    transmission_id: bytes
    subaccount_id: int
    campaign_id: str
    description: str
    template_id: str
    list_id: str
    start_at: datetime
    created_at: datetime
    recipients: int
    facts: ChunkFacts | None
    expanded_at: datetime | None  # when that was noted, somewhat later
    canceled_at: datetime | None
    expanded: bool  # every message is made


class ToGenerate(NamedTuple):
    """What the messages of a transmission share."""

    facts: ChunkFacts
    content: bytes
    snapshot: int | None
    canceled: bool


class CancelWish(msgspec.Struct, frozen=True, array_like=True):
    """The payload of a `cancel` wish. campaign_id None: of several campaigns."""

    subaccount_id: int
    campaign_id: str
    transmission_ids: list[bytes]


encode_cancel = msgspec.msgpack.Encoder().encode
decode_cancel = msgspec.msgpack.Decoder(CancelWish).decode


async def write_down(connection: db.Executor, made: Submission, shares: Sequence[bytes]) -> None:
    """Write a transmission and its shares in the caller's transaction: from its commit on the mail is ours, and counted."""
    facts = made.facts
    await _sql.write_transmission(
        connection,
        transmission_id=facts.transmission_id,
        account_id=facts.account_id,
        subaccount_id=facts.subaccount_id,
        campaign_id=facts.campaign_id,
        description=facts.description,
        template_id=facts.template_id,
        list_id=made.list_id,
        snapshot=made.snapshot,
        scheduled=facts.scheduled_at is not None,
        start_at=facts.scheduled_at or facts.accepted_at,
        recipients=made.recipients,
        facts=encode_facts(facts),
        content=made.content,
    )
    start = int(boot_seconds() * 1000)
    step = SHARDS // len(shares) if 0 < len(shares) <= SHARDS else 1
    await _sql.append_shares(
        connection,
        account_id=facts.account_id,
        transmission_id=facts.transmission_id,
        shards=[(start + number * step) % SHARDS for number in range(len(shares))],
        payloads=list(shares),
    )
    await usage.count(connection, {(facts.account_id, hour_of(facts.accepted_at)): made.recipients})  # last: it locks a row


async def to_generate(executor: db.Executor, transmission_id: bytes) -> ToGenerate | None:
    """Return what a transmission's messages share; None: it is not known any more."""
    with db.trouble_is_temporary():
        row = await _sql.to_generate(executor, transmission_id=transmission_id)
    if row is None:
        return None
    return ToGenerate(decode_facts(row["facts"]), row["content"], row["snapshot"], row["canceled_at"] is not None)


async def one(executor: db.Executor, account_id: int, subaccount_id: int | None, transmission_id: bytes) -> Written | None:
    """Return a scheduled transmission; None: there is none for this customer."""
    with db.trouble_is_temporary():
        row = await _sql.one_transmission(
            executor, transmission_id=transmission_id, account_id=account_id, subaccount_id=subaccount_id
        )
    return None if row is None else _written(row)


async def of_account(
    executor: db.Executor,
    account_id: int,
    subaccount_id: int | None,
    *,
    campaign_id: str | None = None,
    template_id: str | None = None,
    limit: int,
) -> list[Written]:
    """Return scheduled transmissions, the latest start first; '' stands for without campaign, or inline."""
    with db.trouble_is_temporary():
        return [
            _written(row)
            async for row in _sql.transmissions_of_account(
                executor,
                account_id=account_id,
                subaccount_id=subaccount_id,
                campaign_id=campaign_id,
                template_id=template_id,
                limit=limit,
            )
        ]


async def cancel_one(pool: db.Pool, account_id: int, subaccount_id: int, transmission_id: bytes, *, before: datetime) -> bool:
    """Cancel a transmission that starts after `before`; False: it does not, or somebody was faster."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.cancel_one(
                connection, transmission_id=transmission_id, account_id=account_id, subaccount_id=subaccount_id, before=before
            )
            if row is None:
                return False
            await _ask_to_cancel(connection, account_id, subaccount_id, row["campaign_id"], [transmission_id])
    return True


async def cancel_campaign(pool: db.Pool, account_id: int, subaccount_id: int, campaign_id: str, *, since: datetime) -> int:
    """Cancel a campaign's scheduled transmissions that started after `since` or will; returns how many there were."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            found = [
                row["transmission_id"]
                async for row in _sql.cancel_campaign(
                    connection, account_id=account_id, subaccount_id=subaccount_id, campaign_id=campaign_id, since=since
                )
            ]
            for start in range(0, len(found), MOST_IN_A_WISH):
                part = found[start : start + MOST_IN_A_WISH]
                await _ask_to_cancel(connection, account_id, subaccount_id, campaign_id, part)
    return len(found)


async def _ask_to_cancel(
    connection: db.Executor, account_id: int, subaccount_id: int, campaign_id: str, transmission_ids: list[bytes]
) -> None:
    payload = encode_cancel(CancelWish(subaccount_id, campaign_id, transmission_ids))
    await _sql.append_cancels(connection, account_id=account_id, payload=payload, shards=list(range(SHARDS)))


async def shares_left_in(executor: db.Executor, shard: int, transmission_ids: Collection[bytes]) -> bool:
    """Return whether a shard has shares of these transmissions to expand."""
    with db.trouble_is_temporary():
        left: bool = await _sql.shares_left_in(executor, shard=shard, transmission_ids=list(transmission_ids))
    return left


async def canceled_among(executor: db.Executor, transmission_ids: Collection[bytes]) -> set[bytes]:
    """Return which of these transmissions are cancelled."""
    if not transmission_ids:
        return set()
    with db.trouble_is_temporary():
        rows = _sql.canceled_among(executor, transmission_ids=list(transmission_ids))
        return {row["transmission_id"] async for row in rows}


async def entries_of(
    executor: db.Executor,
    *,
    shard: int,
    lane: int,
    transmission_ids: Collection[bytes],
    floor: tuple[datetime, bytes] | None,
    limit: int,
) -> tuple[list[tuple[Entry, ChunkFacts]], tuple[datetime, bytes] | None]:
    """Look through the next entries of a lane: those of these transmissions with their facts, and where to go on, if anywhere."""
    floor_due_at, floor_id = floor or _BEGINNING
    with db.trouble_is_temporary():
        rows = [
            row
            async for row in _sql.entries_of(
                executor,
                shard=shard,
                lane=lane,
                transmission_ids=list(transmission_ids),
                floor_due_at=floor_due_at,
                floor_id=floor_id,
                limit=limit,
            )
        ]
    facts: dict[bytes, ChunkFacts] = {}
    found: list[tuple[Entry, ChunkFacts]] = []
    for row in rows:
        if row["facts"] is None:
            continue
        chunk_id = row["chunk_id"]
        if chunk_id not in facts:
            facts[chunk_id] = decode_facts(row["facts"])
        entry = Entry(
            shard=shard,
            entry_id=row["entry_id"],
            lane=lane,
            due_at=row["due_at"],
            expires_at=row["expires_at"],
            chunk_id=chunk_id,
            recipient=row["recipient"],
            tries=row["tries"],
            detail=row["detail"],
        )
        found.append((entry, facts[chunk_id]))
    return found, (rows[-1]["due_at"], rows[-1]["entry_id"]) if len(rows) == limit else None


async def list_in_use(executor: db.Executor, account_id: int, list_id: str, *, now: datetime) -> bool:
    """Return whether a transmission still needs a list: its messages are being made, or it is scheduled and has not begun."""
    return await _sql.list_in_use(executor, account_id=account_id, list_id=list_id, now=now) is not None


async def template_in_use(executor: db.Executor, account_id: int, subaccount_id: int, template_id: str, *, now: datetime) -> bool:
    """Return whether a transmission that is scheduled, or whose messages are being made, was made of this owner's template."""
    found = await _sql.template_in_use(
        executor, account_id=account_id, subaccount_id=subaccount_id, template_id=template_id, now=now
    )
    return found is not None


async def tidy(pool: db.Pool, *, now: datetime) -> None:
    """Note what is wholly expanded, drop the recipients of large calls that were, and forget what began long ago."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            for snapshot in [row["snapshot"] async for row in _sql.note_expanded(connection)]:
                if snapshot is not None:
                    await lists.forget_pieces(connection, snapshot)
        await _sql.forget_transmissions(pool, before=now - KEPT)


def state_of(written: Written, *, now: datetime) -> str:
    """Return where a scheduled transmission stands, in the words of the API."""
    canceled = written.canceled_at
    if canceled is not None and (canceled < written.start_at or not written.expanded):
        return "Canceled"
    if now < written.start_at:
        return "submitted"
    return "Success" if written.expanded else "Generating"


def _written(row: db.Record) -> Written:
    facts = decode_facts(row["facts"]) if row["facts"] else None
    return Written(**{**dict(row), "facts": facts})


def digits(written: Written) -> str:
    """Return a transmission's id as customers see it."""
    return ids.to_digits(written.transmission_id)
