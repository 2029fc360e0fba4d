"""Sealed days in PostgreSQL: leaves, trees, roots, and the key that signs them."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homing.availability.rules.judging import judge
from homing.availability.types import Seen
from homing.evidence.rules.seconds import Seconds, pack, unpack
from homing.evidence.types import DAY_S
from homing.ground import db
from homing.ground.secrets import MasterKey

_sql = db.queries("homing.availability")
_PURPOSE = "ledger"
_AT_ONCE = 500


class Root(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed day. Hashes are bytes; public_key and signature are Ed25519."""

    day: date
    root: bytes
    previous: bytes
    link: bytes
    signature: bytes
    public_key: bytes
    leaves: int
    missing: list[str]
    skewed: list[str]
    sealed_at: datetime


class NewLeaf(NamedTuple):
    """A leaf to be written down."""

    account_id: int
    version: int
    entry: bytes
    leaf_hash: bytes
    seen: Seen


class LastLeaf(NamedTuple):
    """The leaf that counts for an account's day."""

    version: int
    entry: bytes
    leaf_hash: bytes


class Waiting(NamedTuple):
    """A leaf that is in no tree yet."""

    account_id: int
    day: date
    version: int
    leaf_hash: bytes


class Planted(NamedTuple):
    """A leaf in its tree; figures are what follows from the entry."""

    place: int
    day: date
    account_id: int
    version: int
    entry: bytes
    leaf_hash: bytes
    figures: "Figures"


class Version(NamedTuple):
    """One leaf of an account's day. root_day None: it waits for its tree."""

    version: int
    entry: bytes
    leaf_hash: bytes
    root_day: date | None
    place: int | None
    made_at: datetime


class Figures(NamedTuple):
    """What a leaf comes to; sets are of the seconds of the day.

    attempted   seconds: any door, API, SMTP
    """

    attempted: tuple[int, int, int]
    unavailable: Seconds
    strict: Seconds
    unknown: Seconds
    classifier: int = 0


class SealedDay(NamedTuple):
    """A day of an account, as the leaf that counts has it."""

    day: date
    version: int
    leaf_hash: bytes
    root_day: date | None
    place: int | None
    figures: Figures


def figures_of(seen: Seen, *, classifier: int) -> Figures:
    """Return what a day's evidence comes to."""
    judged = judge(seen)
    counts = (judged.attempted.bit_count(), seen.attempted.api.bit_count(), seen.attempted.smtp.bit_count())
    return Figures(counts, judged.unavailable, judged.strict, judged.unknown, classifier)


async def lock(connection: db.Executor) -> None:
    """Wait until nobody else seals or amends; to the end of the transaction."""
    await _sql.lock_sealing(connection)


async def signer(connection: db.Executor, master_key: MasterKey) -> Ed25519PrivateKey:
    """Return the key that signs, made now if there is none.

    raises   Misuse if the master key is another one
    """
    row = await _sql.signer(connection)
    if row is not None:
        return Ed25519PrivateKey.from_private_bytes(master_key.open(row["private_sealed"], purpose=_PURPOSE))
    made = Ed25519PrivateKey.generate()
    sealed = master_key.seal(made.private_bytes_raw(), purpose=_PURPOSE)
    await _sql.insert_signer(connection, public_key=made.public_key().public_bytes_raw(), private_sealed=sealed)
    return made


# roots ------------------------------------------------------------------------------------------------------------------


async def last_root(executor: db.Executor) -> Root | None:
    """Return the root of the last sealed day."""
    with db.trouble_is_temporary():
        row = await _sql.last_root(executor)
    return None if row is None else Root(**dict(row))


async def roots(executor: db.Executor, since: date, until: date, *, limit: int = 100_000) -> list[Root]:
    """Return the roots of some days, both included."""
    with db.trouble_is_temporary():
        return [Root(**dict(row)) async for row in _sql.roots(executor, since=since, until=until, limit=limit)]


async def add_root(connection: db.Executor, made: Root) -> None:
    """Seal a day, in the caller's transaction."""
    row = msgspec.structs.asdict(made)
    del row["sealed_at"]
    await _sql.insert_root(connection, **row)


async def is_sealed(executor: db.Executor, day: date) -> bool:
    """Return whether a day is sealed."""
    return bool(await _sql.is_sealed(executor, day=day))


# leaves -----------------------------------------------------------------------------------------------------------------


async def add_leaves(connection: db.Executor, day: date, leaves: Sequence[NewLeaf], *, classifier: int) -> None:
    """Write leaves down, in the caller's transaction."""
    figures = [figures_of(leaf.seen, classifier=classifier) for leaf in leaves]
    await _sql.insert_leaves(
        connection,
        day=day,
        classifier=classifier,
        account_ids=[leaf.account_id for leaf in leaves],
        versions=[leaf.version for leaf in leaves],
        entries=[leaf.entry for leaf in leaves],
        hashes=[leaf.leaf_hash for leaf in leaves],
        any_door=[one.attempted[0] for one in figures],
        api=[one.attempted[1] for one in figures],
        smtp=[one.attempted[2] for one in figures],
        unavailable=[pack(one.unavailable) for one in figures],
        strict=[pack(one.strict) for one in figures],
        unknown=[pack(one.unknown) for one in figures],
    )


async def waiting(connection: db.Executor) -> list[Waiting]:
    """Return the leaves that are in no tree yet, in the order of their places."""
    return [Waiting(**dict(row)) async for row in _sql.waiting_leaves(connection)]


async def plant(connection: db.Executor, root_day: date, leaves: Sequence[Waiting]) -> None:
    """Give leaves their tree, in the caller's transaction."""
    await _sql.plant(
        connection,
        root_day=root_day,
        account_ids=[leaf.account_id for leaf in leaves],
        days=[leaf.day for leaf in leaves],
        versions=[leaf.version for leaf in leaves],
        places=list(range(len(leaves))),
    )


async def last_leaves(executor: db.Executor, day: date, account_ids: Collection[int]) -> dict[int, LastLeaf]:
    """Return the leaves that count for a day, by account."""
    rows = _sql.last_leaves(executor, day=day, account_ids=list(account_ids))
    return {row["account_id"]: LastLeaf(row["version"], row["entry"], row["leaf_hash"]) async for row in rows}


async def tree(executor: db.Executor, root_day: date) -> list[bytes]:
    """Return the hashes of a tree, in order."""
    with db.trouble_is_temporary():
        return [row["leaf_hash"] async for row in _sql.tree(executor, root_day=root_day)]


async def tree_in_full(executor: db.Executor, root_day: date) -> AsyncIterator[Planted]:
    """Give the leaves of a tree with what they say, in order."""
    place = 0
    while True:
        with db.trouble_is_temporary():
            rows = [row async for row in _sql.tree_in_full(executor, root_day=root_day, place=place, limit=_AT_ONCE)]
        for row in rows:
            yield Planted(
                row["place"], row["day"], row["account_id"], row["version"], row["entry"], row["leaf_hash"], _figures(row)
            )
        if len(rows) < _AT_ONCE:
            return
        place = rows[-1]["place"] + 1


async def versions(executor: db.Executor, account_id: int, day: date) -> list[Version]:
    """Return all leaves of an account's day, the first one first."""
    with db.trouble_is_temporary():
        return [Version(**dict(row)) async for row in _sql.versions(executor, account_id=account_id, day=day)]


async def sealed(executor: db.Executor, account_id: int, since: date, until: date) -> list[SealedDay]:
    """Return what an account's sealed days came to, both ends included."""
    with db.trouble_is_temporary():
        rows = _sql.figures(executor, account_id=account_id, since=since, until=until)
        return [
            SealedDay(row["day"], row["version"], row["leaf_hash"], row["root_day"], row["place"], _figures(row))
            async for row in rows
        ]


async def entries(executor: db.Executor, account_id: int, days: Iterable[date]) -> Mapping[date, bytes]:
    """Return the leaves that count for some days of an account."""
    with db.trouble_is_temporary():
        return {row["day"]: row["entry"] async for row in _sql.entries(executor, account_id=account_id, days=list(days))}


async def amendments(executor: db.Executor, account_id: int, since: date, until: date) -> list[tuple[date, Version]]:
    """Return the corrections of an account's days, both ends included."""
    with db.trouble_is_temporary():
        rows = _sql.amendments(executor, account_id=account_id, since=since, until=until)
        return [
            (row["day"], Version(row["version"], row["entry"], row["leaf_hash"], None, None, row["made_at"]))
            async for row in rows
        ]


async def figures_of_all(executor: db.Executor, since: date, until: date) -> list[tuple[int, date, Figures]]:
    """Return what the sealed days of every account came to, account by account, both ends included."""
    with db.trouble_is_temporary():
        rows = _sql.figures_of_all(executor, since=since, until=until)
        return [(row["account_id"], row["day"], _figures(row)) async for row in rows]


def _figures(row: db.Record) -> Figures:
    any_door, api, smtp = row["attempted"]
    unavailable, strict, unknown = (unpack(row[name], most=DAY_S) for name in ("unavailable", "strict", "unknown"))
    return Figures((any_door, api, smtp), unavailable, strict, unknown, row.get("classifier", 0))
