"""Typed access to the ledger: sets of seconds of accounts, doors, hours and nodes."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from homing.evidence.marks import is_name
from homing.evidence.reading import Who
from homing.evidence.rules.seconds import Seconds, pack, unpack
from homing.evidence.types import HOUR_S, Door
from homing.ground import db

_sql = db.queries("homing.evidence")
NOBODY = 0  # the account of attempts whose account is not known
Place = tuple[int, int, int]  # account, hour, door
Sets = tuple[Seconds, Seconds]  # attempted, answered


class Position(NamedTuple):
    """How far a journal is folded. size: bytes that its sum was made of; None: it was not summed yet."""

    folded: int
    size: int | None = None


class Node(NamedTuple):
    """A machine with a journal."""

    node: str
    since: datetime
    until: datetime | None
    folded_until: datetime | None


class Segment(NamedTuple):
    """One hour of one account at one door, as one node saw it; sets are of the seconds of the hour."""

    account_id: int
    hour: int
    door: Door
    node: str
    attempted: Seconds
    answered: Seconds


class Watch(NamedTuple):
    """Which seconds of an hour a node watched, and how far its clock was off at most."""

    node: str
    hour: int
    watched: Seconds
    skew_ms: int


class FileSum(NamedTuple):
    """A journal of one process and day. disputed: (door, tag, code, count) of answers that a person should look at."""

    node: str
    process: str
    folded: int
    sha256: bytes | None
    size: int | None
    disputed: list[tuple[str, str, str, int]]


def set_of(packed: bytes) -> Seconds:
    """Return the set of an hour that a row holds."""
    return unpack(packed, most=HOUR_S)


# for the fold -----------------------------------------------------------------------------------------------------------


async def lock_node(connection: db.Executor, node: str) -> None:
    """Wait until nobody else folds this node; to the end of the transaction."""
    await _sql.lock_node(connection, node=node)


async def positions(executor: db.Executor, node: str, *, since: date) -> dict[tuple[str, str], Position]:
    """Return how far the journals of a node are folded, by day and process."""
    rows = _sql.positions(executor, node=node, since=since)
    return {(row["day"].isoformat(), row["process"]): Position(row["folded"], row["size"]) async for row in rows}


async def resolve(executor: db.Executor, wanted: Iterable[tuple[Who, int]]) -> dict[tuple[Who, int], int]:
    """Return the account of each (who, first second of an hour); NOBODY where there is none.

    A key counts for its account until the hour in which it was revoked is over.
    """
    pairs = set(wanted)
    marks = {who for who, _ in pairs if isinstance(who, str)}
    keys = sorted(mark for mark in marks if not is_name(mark))
    found: dict[str, tuple[int, float | None]] = {}
    if keys:
        lows = [bytes.fromhex(mark) + bytes(24) for mark in keys]
        highs = [bytes.fromhex(mark) + b"\xff" * 24 for mark in keys]
        async for row in _sql.keys_by_mark(executor, lows=lows, highs=highs):
            revoked_at = row["revoked_at"]
            found[row["mark"]] = (row["account_id"], None if revoked_at is None else revoked_at.timestamp())
    names = [mark for mark in marks if is_name(mark)]
    if names:
        async for row in _sql.accounts_by_mark(executor, marks=names):
            found[row["mark"]] = (row["account_id"], None)
    numbers = [who for who, _ in pairs if isinstance(who, int)]
    there: set[int] = set()
    if numbers:
        there = {row["account_id"] async for row in _sql.known_accounts(executor, account_ids=numbers)}
    resolved: dict[tuple[Who, int], int] = {}
    for who, hour_at in pairs:
        account = NOBODY
        if isinstance(who, int):
            account = who if who in there else NOBODY
        elif who is not None and who in found:
            account_id, revoked_at = found[who]
            account = account_id if revoked_at is None or revoked_at > hour_at else NOBODY
        resolved[who, hour_at] = account
    return resolved


async def all_marks(executor: db.Executor) -> dict[str, int]:
    """Return the accounts of all marks there can be: of keys that were not revoked, and of names."""
    with db.trouble_is_temporary():
        return {row["mark"]: row["account_id"] async for row in _sql.all_marks(executor)}


async def unite_segments(connection: db.Executor, node: str, new: Mapping[Place, Sets]) -> int:
    """Add seconds to what the ledger has of a node, in the caller's transaction; return how many hours changed."""
    if not new:
        return 0
    places = list(new)
    rows = _sql.segments_to_unite(
        connection,
        node=node,
        account_ids=[place[0] for place in places],
        hours=[place[1] for place in places],
        doors=[place[2] for place in places],
    )
    known = {(row["account_id"], row["hour"], row["door"]): (row["attempted"], row["answered"]) async for row in rows}
    changed: list[tuple[Place, bytes, bytes]] = []
    for place, (attempted, answered) in new.items():
        if place in known:
            attempted_before, answered_before = map(set_of, known[place])
            if not (attempted & ~attempted_before or answered & ~answered_before):
                continue
            attempted |= attempted_before
            answered |= answered_before
        changed.append((place, pack(attempted), pack(answered)))
    await _put(connection, node, changed)
    return len(changed)


async def replace_segments(connection: db.Executor, node: str, day: date, new: Mapping[Place, Sets]) -> int:
    """Write a node's day down anew, in the caller's transaction; return how many hours are different."""
    first = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // HOUR_S
    known: dict[Place, Sets] = {}
    async for row in _sql.segments_of_node(connection, node=node, since=first, until=first + 24):
        place = (row["account_id"], row["hour"], row["door"])
        known[place] = (set_of(row["attempted"]), set_of(row["answered"]))
    changed = {place: new.get(place, (0, 0)) for place in {*known, *new} if known.get(place, (0, 0)) != new.get(place, (0, 0))}
    await _put(connection, node, [(place, pack(sets[0]), pack(sets[1])) for place, sets in changed.items()])
    return len(changed)


async def _put(connection: db.Executor, node: str, changed: Sequence[tuple[Place, bytes, bytes]]) -> None:
    if changed:
        changed = sorted(changed)
        await _sql.put_segments(
            connection,
            node=node,
            account_ids=[place[0] for place, _, _ in changed],
            hours=[place[1] for place, _, _ in changed],
            doors=[place[2] for place, _, _ in changed],
            attempted=[attempted for _, attempted, _ in changed],
            answered=[answered for _, _, answered in changed],
        )


async def unite_watch(connection: db.Executor, node: str, new: Mapping[int, Seconds], *, skew_ms: int) -> None:
    """Add watched seconds to what the ledger has of a node, by hour, in the caller's transaction."""
    if not new:
        return
    rows = _sql.watch_to_unite(connection, node=node, hours=list(new))
    known = {row["hour"]: (set_of(row["watched"]), row["skew_ms"]) async for row in rows}
    changed = []
    for hour, watched in sorted(new.items()):
        before, skew_before = known.get(hour, (0, 0))
        if watched & ~before or skew_ms > skew_before:
            changed.append((hour, pack(watched | before), max(skew_ms, skew_before)))
    if changed:
        await _sql.put_watch(
            connection,
            node=node,
            hours=[hour for hour, _, _ in changed],
            watched=[watched for _, watched, _ in changed],
            skews=[skew for _, _, skew in changed],
        )


async def put_positions(connection: db.Executor, node: str, new: Mapping[tuple[str, str], int]) -> None:
    """Write down how far journals are folded, in the caller's transaction."""
    files = list(new)
    if files:
        await _sql.put_positions(
            connection,
            node=node,
            days=[date.fromisoformat(day) for day, _ in files],
            processes=[process for _, process in files],
            folded=[new[file] for file in files],
        )


async def meet_node(connection: db.Executor, node: str, *, since: datetime | None, folded_until: datetime | None) -> None:
    """Know a node, and how far it is folded.

    since   the first second that it is known to have watched; None: nothing new about that
    """
    if since is not None:
        await _sql.meet_node(connection, node=node, since=since, folded_until=folded_until)
    else:
        await _sql.advance_node(connection, node=node, folded_until=folded_until)


async def finish_file(
    executor: db.Executor,
    node: str,
    day: str,
    process: str,
    *,
    sha256: bytes,
    size: int,
    disputed: Sequence[tuple[str, str, str, int]],
) -> None:
    """Keep the sum of a journal whose day is over."""
    await _sql.finish_file(
        executor,
        node=node,
        day=date.fromisoformat(day),
        process=process,
        sha256=sha256,
        size=size,
        disputed=json.dumps(disputed),
    )


# for those who judge ----------------------------------------------------------------------------------------------------


async def nodes(executor: db.Executor) -> list[Node]:
    """Return every node."""
    with db.trouble_is_temporary():
        return [Node(**dict(row)) async for row in _sql.nodes(executor)]


async def retire_node(executor: db.Executor, node: str, *, until: datetime | None) -> bool:
    """Expect nothing more of a node from a moment on (None: expect it again); False where there is no such node."""
    with db.trouble_is_temporary():
        return await _sql.retire_node(executor, node=node, until=until) is not None


async def segments(executor: db.Executor, account_ids: Collection[int], *, since: int, until: int) -> list[Segment]:
    """Return what the ledger has of some accounts in the hours since <= hour < until."""
    with db.trouble_is_temporary():
        rows = _sql.segments(executor, account_ids=list(account_ids), since=since, until=until)
        return [
            Segment(
                row["account_id"],
                row["hour"],
                Door.SMTP if row["door"] else Door.API,
                row["node"],
                set_of(row["attempted"]),
                set_of(row["answered"]),
            )
            async for row in rows
        ]


async def watch(executor: db.Executor, *, since: int, until: int) -> list[Watch]:
    """Return which seconds each node watched in the hours since <= hour < until."""
    with db.trouble_is_temporary():
        rows = _sql.watch(executor, since=since, until=until)
        return [Watch(row["node"], row["hour"], set_of(row["watched"]), row["skew_ms"]) async for row in rows]


async def files_of_day(executor: db.Executor, day: date) -> list[FileSum]:
    """Return the journals of a day, of every node."""
    with db.trouble_is_temporary():
        rows = _sql.files_of_day(executor, day=day)
        return [
            FileSum(
                row["node"],
                row["process"],
                row["folded"],
                row["sha256"],
                row["size"],
                [(door, tag, code, count) for door, tag, code, count in json.loads(row["disputed"])],
            )
            async for row in rows
        ]


async def changed(executor: db.Executor, *, after: datetime, since: int, until: int) -> set[int] | None:
    """Return the accounts whose hours since <= hour < until changed after a moment; None: the watch did, so all of them."""
    with db.trouble_is_temporary():
        if await _sql.changed_watch(executor, after=after, since=since, until=until):
            return None
        rows = _sql.changed_segments(executor, after=after, since=since, until=until)
        return {row["account_id"] async for row in rows}


async def answered_elsewhere(
    executor: db.Executor, account_ids: Collection[int], *, node: str, since: int, until: int
) -> list[tuple[int, int, Door, Seconds]]:
    """Return account, hour, door and seconds in which other nodes answered well, in the hours since <= hour < until."""
    with db.trouble_is_temporary():
        rows = _sql.answered_elsewhere(executor, account_ids=list(account_ids), node=node, since=since, until=until)
        return [
            (row["account_id"], row["hour"], Door.SMTP if row["door"] else Door.API, set_of(row["answered"]))
            async for row in rows
        ]


async def forget(executor: db.Executor, *, before: int) -> None:
    """Forget the hours before one; their days are sealed, and nobody adds to them any more."""
    with db.trouble_is_temporary():
        await _sql.forget_segments(executor, before=before)
        await _sql.forget_watch(executor, before=before)
