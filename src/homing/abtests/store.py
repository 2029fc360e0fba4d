"""Typed access to A/B tests and their counts. Every function that serves customers names the account."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from homing.abtests.rules.counting import Key, Message
from homing.abtests.types import AbTest, Counts, CountsOf, Ended, Plan, Status
from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary

_sql = queries("homing.abtests")
_encode_plan = msgspec.msgpack.Encoder().encode
_decode_plan = msgspec.msgpack.Decoder(Plan).decode
_AT_ONCE = 10_000


async def insert(executor: Executor, made: AbTest) -> bool:
    """Store a version of a test; False: it is there already."""
    row = _row(made)
    names = ("version", "name", "status", "plan", "start_at", "end_at", "created_at", "updated_at")
    with trouble_is_temporary():
        return await _sql.insert_test(executor, **_key(made), **{name: row[name] for name in names}) is not None


async def change(connection: Executor, made: AbTest) -> None:
    """Replace what a version says of itself, in the caller's transaction."""
    row = _row(made)
    row.pop("created_at")
    await _sql.update_test(connection, **_key(made), **row)


async def find(
    executor: Executor, account_id: int, subaccount_id: int, test_id: str, *, version: int | None = None, any_of: bool = False
) -> AbTest | None:
    """Return the latest version of a test, or the one that is asked for.

    any_of   of any subaccount, the named one's first
    """
    with trouble_is_temporary():
        row = await _sql.one_test(
            executor, account_id=account_id, subaccount_id=subaccount_id, test_id=test_id, version=version, any_of=any_of
        )
    return None if row is None else _test(row)


async def lock(connection: Executor, account_id: int, subaccount_id: int, test_id: str) -> AbTest | None:
    """Return the latest version of a test that nobody else changes until the caller's transaction ends."""
    row = await _sql.lock_test(connection, account_id=account_id, subaccount_id=subaccount_id, test_id=test_id)
    return None if row is None else _test(row)


async def of_account(executor: Executor, account_id: int, subaccount_id: int | None) -> list[AbTest]:
    """Return the latest version of every test, the newest test first."""
    with trouble_is_temporary():
        rows = _sql.tests_of(executor, account_id=account_id, subaccount_id=subaccount_id)
        return [_test(row) async for row in rows]


async def delete(connection: Executor, test: AbTest) -> None:
    """Remove a test with all its versions, in the caller's transaction."""
    await _sql.delete_test(connection, **_key(test))


async def counts_of(executor: Executor, tests: Sequence[AbTest]) -> list[CountsOf]:
    """Return the counts of these versions, in their order."""
    if not tests:
        return []
    keys = [Key(one.account_id, one.subaccount_id, one.test_id, one.version) for one in tests]
    found: dict[Key, dict[str, Counts]] = {}
    with trouble_is_temporary():
        async for row in _sql.counts_of(executor, **_columns(keys)):
            key = Key(row["account_id"], row["subaccount_id"], row["test_id"], row["version"])
            counts = Counts(row["injected"], row["accepted"], row["opened"], row["clicked"])
            found.setdefault(key, {})[row["template_id"]] = counts
    return [found.get(key, {}) for key in keys]


# what the follower does ------------------------------------------------------------------------------------------------


async def any_live(executor: Executor) -> bool:
    """Return whether there is a test whose messages are counted."""
    live: bool = await _sql.any_live(executor)
    return live


async def live_among(connection: Executor, keys: Collection[Key]) -> dict[Key, datetime]:
    """Return which versions are not over, and when their tests were made; they stay so to the end of the transaction."""
    rows = _sql.live_among(connection, **_columns(keys))
    return {Key(row["account_id"], row["subaccount_id"], row["test_id"], row["version"]): row["created_at"] async for row in rows}


async def before(connection: Executor, messages: Mapping[bytes, Message]) -> dict[bytes, int]:
    """Return what had happened to messages; they stay locked to the end of the transaction."""
    await _sql.meet_messages(connection, message_ids=list(messages), **_columns([message.key for message in messages.values()]))
    return {row["message_id"]: row["did"] async for row in _sql.lock_messages(connection, message_ids=list(messages))}


async def note(connection: Executor, messages: Mapping[bytes, Message], sums: Mapping[tuple[Key, str], Counts]) -> None:
    """Note what happened to messages, and what that adds to the counts."""
    await _sql.note_messages(connection, message_ids=list(messages), dids=[int(message.did) for message in messages.values()])
    if sums:
        await _sql.add_counts(
            connection,
            **_columns([key for key, _ in sums]),
            template_ids=[template_id for _, template_id in sums],
            injected=[counts.injected for counts in sums.values()],
            accepted=[counts.accepted for counts in sums.values()],
            opened=[counts.opened for counts in sums.values()],
            clicked=[counts.clicked for counts in sums.values()],
        )


# what the keeper does --------------------------------------------------------------------------------------------------


async def next_to_look_at(connection: Executor, *, now: datetime, before: datetime) -> AbTest | None:
    """Return a running test that nobody looked at since `before`; it stays locked to the end of the transaction."""
    row = await _sql.next_to_look_at(connection, now=now, before=before)
    return None if row is None else _test(row)


async def looked(connection: Executor, test: AbTest, *, now: datetime) -> None:
    """Note that somebody looked at a test."""
    await _sql.looked(connection, **_key(test), version=test.version, now=now)


async def forget_messages(pool: Pool) -> None:
    """Forget what happened to the messages of tests that are over."""
    with trouble_is_temporary():
        while await _sql.forget_messages(pool, limit=_AT_ONCE) == _AT_ONCE:
            pass


def _columns(keys: Iterable[Key]) -> dict[str, list[object]]:
    listed = list(keys)
    return {
        "account_ids": [key.account_id for key in listed],
        "subaccount_ids": [key.subaccount_id for key in listed],
        "test_ids": [key.test_id for key in listed],
        "versions": [key.version for key in listed],
    }


def _key(test: AbTest) -> dict[str, object]:
    return {"account_id": test.account_id, "subaccount_id": test.subaccount_id, "test_id": test.test_id}


def _row(made: AbTest) -> dict[str, object]:
    return {
        "version": made.version,
        "name": made.name,
        "status": made.status.value,
        "plan": _encode_plan(made.plan),
        "start_at": made.start_at,
        "end_at": made.end_at,
        "ended_at": made.ended_at,
        "ended_why": None if made.ended_why is None else made.ended_why.value,
        "leader": made.leader,
        "winner": made.winner,
        "over_at": made.over_at,
        "created_at": made.created_at,
        "updated_at": made.updated_at,
    }


def _test(row: Record) -> AbTest:
    fields = dict(row)
    fields.pop("looked_at")
    fields["plan"] = _decode_plan(fields["plan"])
    fields["status"] = Status(fields["status"])
    fields["ended_why"] = None if fields["ended_why"] is None else Ended(fields["ended_why"])
    return AbTest(**fields)
