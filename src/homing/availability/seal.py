"""Seals each day once it is over: a leaf for every account, a tree over them, a link to the day before, a signature.

What comes later (a journal of a machine that was away, a report of a witness, a newer classifier) never changes a sealed
leaf: it makes a new one that names the one it amends, and goes into the tree of the next day that is sealed.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from homing.accounts import store as accounts
from homing.accounts.types import Account
from homing.availability import gather, store
from homing.availability.rules import leaf, merkle
from homing.availability.store import NewLeaf, Root
from homing.availability.types import Seen, start_of
from homing.evidence import store as evidence
from homing.evidence.rules.classify import VERSION
from homing.evidence.types import HOUR_S
from homing.ground import db, log
from homing.ground.secrets import MasterKey

SEAL_AFTER = timedelta(hours=1)  # after the end of a day: slow transactions have ended, journals are summed
SEAL_ANYWAY_AFTER = timedelta(hours=6)  # even if a node has not told everything: its seconds are unknown then
TOLD_AFTER = timedelta(seconds=310)  # a node has told everything if it was folded so long after the end of the day
AMEND_DAYS = 40  # as long as journals are kept
FORGET_DAYS = 45  # then the hours behind sealed days go
_ACCOUNTS_AT_ONCE = 100
_SIGNED = b"homing ledger root\n"

_log = log.get("availability")


def signed_bytes(link: bytes) -> bytes:
    """Return what the signature of a day is made over."""
    return _SIGNED + link


def pseudonym(master_key: MasterKey, account_id: int) -> str:
    """Return the name under which an account appears in leaves: its own alone can tell whose it is."""
    return master_key.token(str(account_id).encode(), purpose="ledger-pseudonym", size=16).hex()


class Sealer:
    """Seals and amends."""

    def __init__(self, pool: db.Pool, master_key: MasterKey, *, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._key = master_key
        self._now = now

    async def run_once(self) -> list[date]:
        """Amend what needs it, seal every day that is due, and return those; forget what is not needed any more.

        raises   StoreUnavailable
        """
        await self.amend()
        sealed = []
        while (day := await self.seal_next()) is not None:
            sealed.append(day)
        last = await store.last_root(self._pool)
        if last is not None:
            limit = min(last.day, self._now().date() - timedelta(days=FORGET_DAYS))
            await evidence.forget(self._pool, before=start_of(limit) // HOUR_S)
        return sealed

    async def seal_next(self) -> date | None:
        """Seal the next day if it is due, and return it.

        raises   StoreUnavailable
        """
        now = self._now()
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await store.lock(connection)
                nodes = await evidence.nodes(connection)
                last = await store.last_root(connection)
                day = gather.first_day(nodes) if last is None else last.day + timedelta(days=1)
                if day is None:
                    return None
                over = datetime.combine(day + timedelta(days=1), time(), UTC)
                if now < over + SEAL_AFTER:
                    return None
                missing = gather.not_heard(nodes, day, settle=TOLD_AFTER)
                if missing and now < over + SEAL_ANYWAY_AFTER:
                    return None
                await self._seal(connection, day, missing, merkle.GENESIS if last is None else last.link, now)
        _log.info("day_sealed", day=day.isoformat(), missing=missing)
        return day

    async def _seal(self, connection: db.Executor, day: date, missing: list[str], previous: bytes, now: datetime) -> None:
        await evidence.take_late(connection, day)  # all of it is in what is read now
        edge = await gather.edge(connection, day, now=now)
        sources = sources_sum(await evidence.files_of_day(connection, day))
        everybody = [one for one in await accounts.all_accounts(connection) if one.created_at.date() <= day]
        for some in _batches(everybody):
            found = await gather.gather(connection, some, day, edge)
            made = [(number, one.seen, one.eyes) for number, one in found.items()]
            await self._add(connection, day, made, sources)
        nobodys = await gather.unattributed(connection, day)
        await self._add(connection, day, [(evidence.NOBODY, nobodys, edge.nodes)], sources)
        waiting = await store.waiting(connection)
        await store.plant(connection, day, waiting)
        root = await asyncio.to_thread(merkle.root, [one.leaf_hash for one in waiting])
        link = merkle.chained(previous, day.isoformat(), root)
        key = await store.signer(connection, self._key)
        await store.add_root(
            connection,
            Root(
                day=day,
                root=root,
                previous=previous,
                link=link,
                signature=key.sign(signed_bytes(link)),
                public_key=key.public_key().public_bytes_raw(),
                leaves=len(waiting),
                missing=missing,
                skewed=edge.skewed,
                sealed_at=now,
            ),
        )

    async def _add(self, connection: db.Executor, day: date, days: Iterable[tuple[int, Seen, list[str]]], sources: bytes) -> None:
        def make() -> list[NewLeaf]:
            leaves = []
            for number, seen, eyes in days:
                entry = leaf.make(
                    seen, account=pseudonym(self._key, number), day=day, classifier=VERSION, nodes=eyes, sources=sources
                )
                leaves.append(NewLeaf(number, 0, entry, merkle.leaf_hash(entry), seen))
            return leaves

        await store.add_leaves(connection, day, await asyncio.to_thread(make), classifier=VERSION)

    async def amend(self, *, reason: str | None = None, day: date | None = None) -> int:
        """Look at what came after days were sealed, and amend them; return how many leaves are new.

        reason   why it is looked at; None: what came late says so
        day      this day alone, and all of its accounts; None: every day of which something is new
        raises   StoreUnavailable
        """
        now, count = self._now(), 0
        oldest = now.date() - timedelta(days=AMEND_DAYS)
        days = [late for late in await evidence.late_days(self._pool) if late >= oldest] if day is None else [day]
        for one in days:
            with db.trouble_is_temporary():
                async with self._pool.acquire() as connection, connection.transaction():
                    await store.lock(connection)
                    if await store.is_sealed(connection, one):
                        count += await self._amend(connection, one, reason, now, whole=day is not None)
        return count

    async def _amend(self, connection: db.Executor, day: date, reason: str | None, now: datetime, *, whole: bool) -> int:
        late = dict(sorted(await evidence.take_late(connection, day)))
        everybody = [one for one in await accounts.all_accounts(connection) if one.created_at.date() <= day]
        if not whole and evidence.EVERYBODY not in late:
            everybody = [one for one in everybody if one.account_id in late]

        def why(number: int) -> str:
            return reason or late.get(number) or late.get(evidence.EVERYBODY) or evidence.LATE

        edge = await gather.edge(connection, day, now=now)
        sources = sources_sum(await evidence.files_of_day(connection, day))
        count = 0
        for some in _batches(everybody):
            found = await gather.gather(connection, some, day, edge)
            count += await self._amend_some(
                connection, day, [(number, one.seen, one.eyes) for number, one in found.items()], sources, why
            )
        if whole or evidence.NOBODY in late:
            nobodys = await gather.unattributed(connection, day)
            count += await self._amend_some(connection, day, [(evidence.NOBODY, nobodys, edge.nodes)], sources, why)
        if count:
            _log.info("day_amended", day=day.isoformat(), leaves=count)
        return count

    async def _amend_some(
        self,
        connection: db.Executor,
        day: date,
        days: Sequence[tuple[int, Seen, list[str]]],
        sources: bytes,
        why: Callable[[int], str],
    ) -> int:
        known = await store.last_leaves(connection, day, [number for number, _, _ in days])

        def make() -> list[NewLeaf]:
            leaves = []
            for number, seen, eyes in days:
                before = known.get(number)
                if before is None:
                    continue
                amends = leaf.amendment(before.entry, before.leaf_hash, seen, classifier=VERSION, reason=why(number))
                if amends is None:
                    continue
                entry = leaf.make(
                    seen,
                    account=pseudonym(self._key, number),
                    day=day,
                    classifier=VERSION,
                    nodes=eyes,
                    sources=sources,
                    amends=amends,
                )
                leaves.append(NewLeaf(number, before.version + 1, entry, merkle.leaf_hash(entry), seen))
            return leaves

        leaves = await asyncio.to_thread(make)
        if leaves:
            await store.add_leaves(connection, day, leaves, classifier=VERSION)
        return len(leaves)


def sources_sum(files: Iterable[evidence.FileSum]) -> bytes:
    """Return the SHA-256 over the sums of a day's journals: a line for each, `<node> <process> <bytes> <SHA-256>`, in order."""
    lines = [f"{one.node} {one.process} {one.size} {one.sha256.hex()}\n" for one in files if one.sha256 is not None and one.size]
    return hashlib.sha256("".join(sorted(lines)).encode()).digest()


def _batches(everybody: Sequence[Account]) -> Iterable[Sequence[Account]]:
    for start in range(0, len(everybody), _ACCOUNTS_AT_ONCE):
        yield everybody[start : start + _ACCOUNTS_AT_ONCE]
