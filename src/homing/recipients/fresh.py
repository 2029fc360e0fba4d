"""What has come onto the suppression list lately: asked for messages that lie in memory and were checked before.

A worker looks each second. What it finds is only a reason to ask the list again, right before the message is made: so a row
that was removed meanwhile, or is of another type, stops nothing. Too many rows at once (an import), or too many in all, flood
an account: for a while every message of it asks the list, and what lay in memory is given back, to be read and checked again.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from homing.ground.db import Executor, queries
from homing.ground.log import get
from homing.ground.turns import take_turns
from homing.recipients.store import canonical

log = get("recipients")
_sql = queries("homing.recipients", "fresh.sql")

EVERY_S = 1.0
MOST_AT_ONCE = 10_000  # rows of one look; more flood their accounts
MOST_KEPT = 50_000  # addresses remembered
EXPANDING_S = 60.0  # after it nothing that was checked before the flood is still on its way into memory


class Fresh:
    """Who was suppressed lately. One for a worker.

    give_back   gives untried messages of some accounts back to where they are read and checked again
    """

    def __init__(
        self,
        executor: Executor,
        *,
        give_back: Callable[[set[int]], None],
        most_at_once: int = MOST_AT_ONCE,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._executor = executor
        self._give_back = give_back
        self._most_at_once = most_at_once
        self._most_kept = most_kept
        self._since: datetime | None = None
        self._seen: dict[tuple[int, str], None] = {}  # in order of coming
        self._flooded: dict[int, tuple[float, bool]] = {}  # account -> when its state ends; its messages were given back

    def may_stop(self, account_id: int, recipient: str) -> bool:
        """Return whether the list must be asked about a message to this recipient; no await, for the hot path."""
        if account_id in self._flooded:
            return True
        if not self._seen:
            return False
        lowered = recipient.lower()
        return (account_id, lowered if lowered.isascii() else canonical(lowered)) in self._seen

    async def run(self) -> None:
        """Look each second until cancelled."""
        await take_turns(
            self.look,
            every_s=EVERY_S,
            log=log,
            waits="fresh_not_read",
            failed="fresh_failed",
        )

    async def look(self) -> None:
        """Look once for what has come since the last time."""
        floor: datetime = await _sql.fresh_floor(self._executor)
        if self._since is not None:
            rows = [
                (row[0], row[1]) async for row in _sql.fresh_rows(self._executor, since=self._since, limit=self._most_at_once + 1)
            ]
            if len(rows) > self._most_at_once:
                accounts = [row[0] async for row in _sql.fresh_accounts(self._executor, since=self._since)]
                self._flood(set(accounts))
            else:
                self._seen.update(dict.fromkeys(rows))
        self._since = floor
        if len(self._seen) > self._most_kept:
            oldest = list(self._seen)[: len(self._seen) - self._most_kept // 2]
            for key in oldest:
                del self._seen[key]
            self._flood({account_id for account_id, _ in oldest})
        self._subside()

    def _flood(self, accounts: set[int]) -> None:
        ends = asyncio.get_running_loop().time() + EXPANDING_S
        for account_id in accounts:
            self._flooded[account_id] = (ends, False)

    def _subside(self) -> None:
        """First the messages of before the flood leave memory; a while later, nothing of them is under way any more."""
        now = asyncio.get_running_loop().time()
        given_back = {account_id for account_id, (ends, done) in self._flooded.items() if ends <= now and not done}
        for account_id, (ends, done) in list(self._flooded.items()):
            if ends <= now and done:
                del self._flooded[account_id]
        for account_id in given_back:
            self._flooded[account_id] = (now + EXPANDING_S, True)
        if given_back:
            log.info("suppressions_flooded", accounts=len(given_back))
            self._give_back(given_back)
