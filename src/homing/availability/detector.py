"""The detector: notices persistent Unavailability within seconds, pages, and writes down what it found (clause F1).

It follows the journals of its own node, so it works while the database is away; with several nodes it asks the database
whether another one served the account, and pages anyway if nobody can tell.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from homing.availability import decisions
from homing.availability.rules.share import TARGET, budget
from homing.availability.rules.statement import month_of
from homing.availability.rules.watching import (
    RING_S,
    Persistent,
    Ring,
    added,
    expensive,
    failed,
    goes_on,
    moved_on,
    persistent,
    unfinished_of,
)
from homing.availability.types import Finding, Rule, moment
from homing.contracts import store as contracts
from homing.evidence import store as evidence
from homing.evidence.reading import Gathered
from homing.evidence.rules.seconds import Seconds
from homing.evidence.slate import Left
from homing.evidence.tail import Tail
from homing.evidence.types import HOUR_S
from homing.ground import db, log
from homing.ground.errors import HomingError
from homing.ground.waiting import set_within

LOOK_S = 1.0
LEARN_S = 60.0  # between two looks at the keys there are
ASK_AGAIN_S = 10  # whether other nodes served an account that this one does not
_STORE_S = 2.0  # for a question to the database, while somebody waits to be woken
_MOST_UNWRITTEN = 1_000

_log = log.get("availability")

Page = Callable[[Sequence[Finding]], Awaitable[None]]
"""Wakes somebody; called once for each persistent episode, with all that began in the same look."""


class Detector:
    """Looks once a second.

    page        told of persistent Unavailability (P1); a budget that half of is gone within an hour (P3) is only written down
    under_way   gives the attempts under way on this node: rows of the workers' slates
    now         this moment, aware
    target      of accounts without an Order Form in force, a percentage of a month
    """

    def __init__(
        self,
        pool: db.Pool,
        folder: Path,
        node: str,
        *,
        page: Page,
        under_way: Callable[[], Iterable[Left]],
        now: Callable[[], datetime],
        target: Decimal = TARGET,
    ) -> None:
        self._pool = pool
        self._folder = folder
        self._node = node
        self._page = page
        self._under_way = under_way
        self._now = now
        self._target = target
        self._targets: dict[int, Decimal] = {}  # of Order Forms in force, as far as the database told
        self._tail: Tail | None = None
        self._rings: dict[int, Ring] = {}
        self._accounts: dict[str, int] = {}  # by badge, as far as the database told
        self._told: dict[tuple[int, Rule], Persistent] = {}
        self._unwritten: list[Finding] = []
        self._pending: set[int] = set()  # accounts with attempts under way at the last look
        self._asked: dict[int, int] = {}  # when another node was found to have served an account

    async def run(self, stop: asyncio.Event) -> None:
        """Look until told to stop."""
        learned_at = -LEARN_S
        while not await set_within(
            stop, LOOK_S
        ):  # no take_turns: a look waits for nothing, and what the store cannot tell is left out
            try:
                if asyncio.get_running_loop().time() >= learned_at + LEARN_S:
                    learned_at = asyncio.get_running_loop().time()
                    await self._learn_all()
                await self.look()
            except Exception:  # the edge of one look
                _log.exception("detector_failed")

    async def look(self) -> list[Finding]:
        """Take what is new in the journals; tell and write down what it comes to. Returns what is new."""
        now = int(self._now().timestamp())
        if self._tail is None:
            self._tail = await asyncio.to_thread(Tail, self._folder, now=now)
        gathered = await asyncio.to_thread(self._tail.read, now=now)
        touched = await self._take(gathered, now)
        found = await self._found(touched, now)
        fresh = [one for one in found if one.rule is Rule.PERSISTENT]
        if fresh:
            await self._page(fresh)
        self._unwritten = (self._unwritten + found)[-_MOST_UNWRITTEN:]
        await self._write_down()
        return found

    async def _take(self, gathered: Gathered, now: int) -> set[int]:
        """Add seconds to the rings; return whose."""
        await self._learn({who for who, _, _ in gathered.attempted if isinstance(who, str)}, now)
        base = now - RING_S
        touched: set[int] = set()
        for segment, attempted in gathered.attempted.items():
            who, door, hour_at = segment
            account = who if isinstance(who, int) else self._accounts.get(who or "")
            if account is None or hour_at + HOUR_S <= base:
                continue
            ring = moved_on(self._rings.get(account, Ring(base)), base)
            self._rings[account] = added(ring, door, hour_at, attempted, gathered.answered.get(segment, 0))
            touched.add(account)
        if now % 60 == 0:
            self._rings = {account: ring for account, ring in self._rings.items() if ring.base > base - RING_S}
            self._told = {key: told for key, told in self._told.items() if told.end > base - RING_S}
            self._asked = {account: at for account, at in self._asked.items() if at > base}
        return touched

    async def _learn(self, badges: set[str], now: int) -> None:
        """Find the accounts of badges that are new. While nobody can tell, their attempts wait in the journal alone."""
        new = {badge for badge in badges if badge not in self._accounts}
        if not new:
            return
        asked = [(badge, now - now % HOUR_S) for badge in new]
        try:
            async with asyncio.timeout(_STORE_S):
                resolved = await evidence.resolve(self._pool, asked)
        except (HomingError, *db.TEMPORARY):
            return
        self._accounts |= {badge: account for (badge, _), account in resolved.items() if account != evidence.NOBODY}

    async def _learn_all(self) -> None:
        """Learn the badges of all keys and names there are, and what was promised, for when nobody can be asked."""
        try:
            async with asyncio.timeout(_STORE_S):
                self._accounts = await evidence.all_badges(self._pool)
                self._targets = await contracts.targets_at(self._pool, self._now())
        except (HomingError, *db.TEMPORARY):
            return

    async def _found(self, touched: set[int], now: int) -> list[Finding]:
        touched |= self._pending & self._rings.keys()  # what was under way may have ended as no attempt at all
        touched = {account for account in touched if failed(self._rings[account])}
        self._pending = set()
        if not touched:
            return []
        under_way: dict[int, dict[int, int]] = defaultdict(dict)
        for left in self._under_way():
            account = left.account_id if left.account_id is not None else self._accounts.get(left.key)
            if left.open and account is not None:
                under_way[account][left.second] = left.open
        self._pending = set(under_way)
        found: list[Finding] = []
        suspects: list[tuple[int, Persistent, Seconds]] = []
        month_s = month_of(self._now()).seconds
        for account in sorted(touched):
            ring = self._rings[account]
            unfinished = unfinished_of(ring, under_way.get(account, {}))
            new = [one for one in persistent(ring, unfinished, now=now) if self._is_new(account, Rule.PERSISTENT, one)]
            if now >= self._asked.get(account, 0) + ASK_AGAIN_S:
                suspects += [(account, one, unfinished) for one in new]
            costs = expensive(ring, budget_s=budget(month_s, self._targets.get(account, self._target)))
            if costs is not None and self._is_new(account, Rule.COSTLY, costs):
                found.append(self._tell(account, Rule.COSTLY, costs))
        return found + [self._tell(account, Rule.PERSISTENT, one) for account, one in await self._true(suspects, now)]

    async def _true(self, suspects: Sequence[tuple[int, Persistent, Seconds]], now: int) -> list[tuple[int, Persistent]]:
        """Return those whom no other node served meanwhile; where nobody can tell, all of them."""
        everybody = [(account, one) for account, one, _ in suspects]
        if not suspects:
            return []
        since = min(one.start for _, one in everybody) // HOUR_S
        until = max(one.end for _, one in everybody) // HOUR_S + 1
        try:
            async with asyncio.timeout(_STORE_S):
                elsewhere = await evidence.answered_elsewhere(
                    self._pool, {account for account, _ in everybody}, node=self._node, since=since, until=until
                )
        except (HomingError, *db.TEMPORARY):
            return everybody
        rings: dict[int, Ring] = {}
        for account, hour, answered in elsewhere:
            for door, seconds in answered.items():
                rings[account] = added(rings.get(account, self._rings[account]), door, hour * HOUR_S, seconds, seconds)
        found = []
        for account, one, unfinished in suspects:
            if account not in rings or any(goes_on(one, other) for other in persistent(rings[account], unfinished, now=now)):
                found.append((account, one))
            else:
                self._asked[account] = now
        return found

    def _is_new(self, account: int, rule: Rule, one: Persistent) -> bool:
        told = self._told.get((account, rule))
        if told is None:
            return True
        goes = goes_on(told, one) if rule is Rule.PERSISTENT else one.start < told.start + HOUR_S
        if goes and one.end > told.end and rule is Rule.PERSISTENT:
            self._told[account, rule] = told._replace(end=one.end, seconds=max(told.seconds, one.seconds))
        return not goes

    def _tell(self, account: int, rule: Rule, one: Persistent) -> Finding:
        self._told[account, rule] = one
        finding = Finding(
            account_id=account,
            rule=rule,
            start=moment(one.start),
            reached_at=moment(one.reached_at),
            seconds=one.seconds,
        )
        _log.error("unavailability", rule=rule.value, account_id=account, start=finding.start, seconds=one.seconds)
        return finding

    async def _write_down(self) -> None:
        while self._unwritten:
            try:
                async with asyncio.timeout(_STORE_S):
                    await decisions.note(self._pool, self._unwritten[0])
            except (HomingError, *db.TEMPORARY):
                return  # with the next look
            self._unwritten.pop(0)
