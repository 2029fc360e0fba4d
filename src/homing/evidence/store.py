"""Typed access to the ledger: sets of seconds of accounts, doors, hours and nodes."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from homing.evidence.badges import is_name
from homing.evidence.rules.seconds import Seconds, pack, unpack
from homing.evidence.types import HOUR_S, Door
from homing.ground import db

_sql = db.queries("homing.evidence")
NOBODY = 0  # the account of attempts whose account is not known
EVERYBODY = -1  # in the list of what came late
LATE = "evidence that came late"
Place = tuple[int, int]  # account, hour
Sets = tuple[Seconds, Seconds, Seconds, Seconds]  # attempted and answered by API, the same by SMTP
NO_SETS: Sets = (0, 0, 0, 0)
AT_ONCE = 5_000  # hours that are packed while the ones before are on their way
_COLUMNS = ("account_id", "hour", "node", "api_attempted", "api_answered", "smtp_attempted", "smtp_answered")


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
    """One hour of one account, as one node saw it; sets are of the seconds of the hour."""

    account_id: int
    hour: int
    node: str
    sets: Sets


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


async def known(executor: db.Executor, account_ids: Collection[int]) -> set[int]:
    """Return which of these accounts there are."""
    if not account_ids:
        return set()
    return {row["account_id"] async for row in _sql.known_accounts(executor, account_ids=list(account_ids))}


async def resolve(executor: db.Executor, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """Return the account of each (badge, first second of an hour); NOBODY where there is none.

    A key counts for its account until the hour in which it was revoked is over.
    """
    badges = {badge for badge, _ in wanted}
    keys = sorted(badge for badge in badges if not is_name(badge))
    found: dict[str, tuple[int, float | None]] = {}
    if keys:
        lows = [bytes.fromhex(badge) + bytes(24) for badge in keys]
        highs = [bytes.fromhex(badge) + b"\xff" * 24 for badge in keys]
        async for row in _sql.keys_by_badge(executor, lows=lows, highs=highs):
            revoked_at = row["revoked_at"]
            found[row["badge"]] = (row["account_id"], None if revoked_at is None else revoked_at.timestamp())
    names = [badge for badge in badges if is_name(badge)]
    if names:
        async for row in _sql.accounts_by_badge(executor, badges=names):
            found[row["badge"]] = (row["account_id"], None)
    resolved: dict[tuple[str, int], int] = {}
    for badge, hour_at in wanted:
        account_id, revoked_at = found.get(badge, (NOBODY, None))
        resolved[badge, hour_at] = account_id if revoked_at is None or revoked_at > hour_at else NOBODY
    return resolved


async def all_badges(executor: db.Executor) -> dict[str, int]:
    """Return the accounts of all badges there can be: of keys that were not revoked, and of names."""
    with db.trouble_is_temporary():
        return {row["badge"]: row["account_id"] async for row in _sql.all_badges(executor)}


async def unite_segments(connection: db.Executor, node: str, new: Mapping[Place, Sets], *, today: date) -> int:
    """Add seconds to what the ledger has of a node, in the caller's transaction; return how many hours changed.

    today   days before it are over: what is added to them came late
    """
    if not new:
        return 0
    rows = _sql.segments_to_unite(
        connection, node=node, account_ids=[account for account, _ in new], hours=[hour for _, hour in new]
    )
    known = {(row["account_id"], row["hour"]): _sets(row) async for row in rows}
    changed: dict[Place, Sets] = {}
    fresh: dict[Place, Sets] = {}
    for place, sets in new.items():
        before = known.get(place)
        if before is None:
            fresh[place] = sets
            continue
        api, api_ok, smtp, smtp_ok = (one | other for one, other in zip(sets, before, strict=True))
        if (api, api_ok, smtp, smtp_ok) != before:
            changed[place] = (api, api_ok, smtp, smtp_ok)
    await _add(connection, node, fresh)
    await _put(connection, node, changed)
    await _note_added(connection, [*fresh, *changed], today=today)
    return len(fresh) + len(changed)


async def replace_segments(connection: db.Executor, node: str, day: date, new: Mapping[Place, Sets]) -> int:
    """Write a node's day down anew, in the caller's transaction; return how many hours are different."""
    first = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) // HOUR_S
    rows = _sql.segments_of_node(connection, node=node, since=first, until=first + 24)
    known = {(row["account_id"], row["hour"]): _sets(row) async for row in rows}
    changed = {place: new.get(place, NO_SETS) for place in {*known, *new} if known.get(place, NO_SETS) != new.get(place, NO_SETS)}
    await _put(connection, node, changed)
    await _note_added(connection, changed, today=day)  # whoever judges anew amends by himself
    return len(changed)


async def _add(connection: db.Executor, node: str, fresh: Mapping[Place, Sets]) -> None:
    """Write hours down that the ledger has nothing of. While some are on their way, the next are packed."""
    places = sorted(fresh)
    parts = [places[start : start + AT_ONCE] for start in range(0, len(places), AT_ONCE)]
    if not parts:
        return
    rows = await asyncio.to_thread(_rows, node, fresh, parts[0])
    for part in [*parts[1:], []]:
        rows, _ = await asyncio.gather(
            asyncio.to_thread(_rows, node, fresh, part),
            connection.copy_records_to_table("ledger_segments", columns=_COLUMNS, records=rows),
        )


async def _put(connection: db.Executor, node: str, changed: Mapping[Place, Sets]) -> None:
    """Write hours down instead of what the ledger has of them."""
    if not changed:
        return
    rows = await asyncio.to_thread(_rows, node, changed, sorted(changed))
    account_ids, hours, _, *packed = zip(*rows, strict=True)
    await _sql.put_segments(
        connection,
        node=node,
        account_ids=account_ids,
        hours=hours,
        **dict(zip(_COLUMNS[3:], packed, strict=True)),
    )


def _rows(
    node: str, sets: Mapping[Place, Sets], places: Collection[Place]
) -> list[tuple[int, int, str, bytes, bytes, bytes, bytes]]:
    """Return rows of the ledger, by _COLUMNS."""
    return [(*place, node, *_packed(*sets[place][:2]), *_packed(*sets[place][2:])) for place in places]


def _packed(attempted: Seconds, answered: Seconds) -> tuple[bytes, bytes]:
    packed = pack(attempted) if attempted else b""
    return packed, packed if answered == attempted else pack(answered)  # most hours are answered whenever they are tried


async def _note_added(connection: db.Executor, places: Collection[Place], *, today: date) -> None:
    """Have the days looked at again that were over before something was added to them."""
    before = int(datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp()) // HOUR_S
    late = {(_day_of(hour), account) for account, hour in places if hour < before}
    await note_late(connection, late, why=LATE)


async def note_late(connection: db.Executor, days: Collection[tuple[date, int]], *, why: str) -> None:
    """Have days that are over looked at again: (day, account or EVERYBODY), in the caller's transaction."""
    if days:
        ordered = sorted(days)
        await _sql.note_late(
            connection, days=[day for day, _ in ordered], account_ids=[account for _, account in ordered], why=why
        )


async def late_days(executor: db.Executor) -> list[date]:
    """Return the days of which something new came after they were over."""
    with db.trouble_is_temporary():
        return [row["day"] async for row in _sql.late_days(executor)]


async def take_late(connection: db.Executor, day: date) -> list[tuple[int, str]]:
    """Return account (or EVERYBODY) and reason of what to look at again of a day, and take it off the list."""
    return [(row["account_id"], row["why"]) async for row in _sql.take_late(connection, day=day)]


def _sets(row: db.Record) -> Sets:
    return (
        set_of(row["api_attempted"]),
        set_of(row["api_answered"]),
        set_of(row["smtp_attempted"]),
        set_of(row["smtp_answered"]),
    )


def _day_of(hour: int) -> date:
    return datetime.fromtimestamp(hour * HOUR_S, UTC).date()


async def unite_watch(connection: db.Executor, node: str, new: Mapping[int, Seconds], *, skew_ms: int, today: date) -> None:
    """Add watched seconds to what the ledger has of a node, by hour, in the caller's transaction. today: as above."""
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
        days = {_day_of(hour) for hour, _, _ in changed}
        await note_late(connection, {(day, EVERYBODY) for day in days if day < today}, why=LATE)


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
        return [Segment(row["account_id"], row["hour"], row["node"], _sets(row)) async for row in rows]


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


async def answered_elsewhere(
    executor: db.Executor, account_ids: Collection[int], *, node: str, since: int, until: int
) -> list[tuple[int, int, dict[Door, Seconds]]]:
    """Return account, hour and seconds in which other nodes answered well, in the hours since <= hour < until."""
    with db.trouble_is_temporary():
        rows = _sql.answered_elsewhere(executor, account_ids=list(account_ids), node=node, since=since, until=until)
        return [
            (
                row["account_id"],
                row["hour"],
                {Door.API: set_of(row["api_answered"]), Door.SMTP: set_of(row["smtp_answered"])},
            )
            async for row in rows
        ]


async def forget(executor: db.Executor, *, before: int) -> None:
    """Forget the hours before one; their days are sealed, and nobody adds to them any more."""
    with db.trouble_is_temporary():
        await _sql.forget_segments(executor, before=before)
        await _sql.forget_watch(executor, before=before)
        await _sql.forget_late(executor, before=_day_of(before))
