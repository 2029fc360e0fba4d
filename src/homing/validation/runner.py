"""Works off lists that were triggered, one at a time in each worker, a thousand addresses after another.

A piece and its results are one transaction, so a list goes on behind the last piece that was committed, whoever dies.
"""

import asyncio
import contextlib
import csv
import io
from collections import Counter
from collections.abc import Sequence

from homing.accounts import validations
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.log import get
from homing.ground.turns import PASSING, take_turns
from homing.validation import store
from homing.validation.judge import Judge
from homing.validation.store import ValidationList
from homing.validation.types import Verdict

log = get("validation")
CLAIM_S = 60.0
RENEWS_S = 15.0
LOOKS_S = 2.0
TIDIES_S = 600.0
AGAIN_S = 1.0
COLUMNS = (
    "email",
    "valid",
    "result",
    "reason",
    "is_role",
    "is_disposable",
    "is_free",
    "delivery_confidence",
    "did_you_mean",
)


class Lost(Exception):
    """Somebody else is at the list by now."""


class Runner:
    """Works off lists for one worker; name: of the worker."""

    def __init__(self, pool: db.Pool, clock: Clock, judge: Judge, name: str) -> None:
        self._pool = pool
        self._clock = clock
        self._judge = judge
        self._name = name
        self._news = asyncio.Event()
        self._tidied = float("-inf")

    def news(self) -> None:
        """Hear that a list was triggered."""
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled."""
        await take_turns(
            self.turn,
            every_s=LOOKS_S,
            log=log,
            waits="validation_waits",
            failed="validation_turn_failed",
            news=self._news,
        )

    async def turn(self) -> bool:
        """Claim one list and work it off; False: there is none."""
        loop_now = asyncio.get_running_loop().time()
        if loop_now - self._tidied > TIDIES_S:
            self._tidied = loop_now
            await store.tidy(self._pool, now=self._clock.now())
        one = await store.claim(self._pool, claimed_by=self._name, claim_s=CLAIM_S)
        if one is None:
            return False
        failed = False
        try:
            await self._work(one)
        except Lost:
            log.warning("validation_lost", list_id=str(one.list_id))
            return True
        except (asyncio.CancelledError, *PASSING):
            await self._let_go()
            raise
        except Exception:  # the edge of one list
            log.exception("validation_crashed", list_id=str(one.list_id))
            failed = True
        await self._end(one, failed=failed)
        log.info("validation_ended", list_id=str(one.list_id), addresses=one.addresses, failed=failed)
        return True

    async def _end(self, one: ValidationList, *, failed: bool) -> None:
        """Note how a list ended; addresses that nobody judged are not counted against the account."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await store.end(connection, one.list_id, claimed_by=self._name, failed=failed) or not failed:
                return
            left = await store.one(connection, one.account_id, one.list_id, subaccount_id=None)
            if left is not None and left.triggered_at is not None:
                unjudged = max(0, left.addresses - left.pieces_done * store.PIECE)
                await validations.give_back(connection, one.account_id, unjudged, taken_at=left.triggered_at)

    async def _work(self, one: ValidationList) -> None:
        while (found := await store.next_piece(self._pool, one.list_id)) is not None:
            piece, addresses = found
            verdicts = await self._judged(one, addresses)
            lines = await asyncio.to_thread(csv_lines, addresses, verdicts)
            counts = Counter(verdict.result.value for verdict in verdicts)
            async with self._pool.acquire() as connection, connection.transaction():
                if not await store.put_results(connection, one.list_id, piece, lines, counts, claimed_by=self._name):
                    raise Lost

    async def _judged(self, one: ValidationList, addresses: Sequence[str]) -> list[Verdict]:
        """Judge a piece, and hold the claim meanwhile: slow name servers may take minutes."""
        judging = asyncio.ensure_future(self._judge.judge(addresses, account_id=one.account_id, subaccount_id=one.scope))
        try:
            while True:
                await asyncio.wait({judging}, timeout=RENEWS_S)
                if not await store.renew(self._pool, one.list_id, claimed_by=self._name, claim_s=CLAIM_S):
                    raise Lost
                if judging.done():
                    return judging.result()
        finally:
            judging.cancel()
            with contextlib.suppress(asyncio.CancelledError, *PASSING):
                await judging

    async def _let_go(self) -> None:
        try:
            async with asyncio.timeout(2.0):
                await store.release(self._pool, self._name)
        except (TimeoutError, *db.TEMPORARY):
            pass  # its claim runs out


def csv_lines(addresses: Sequence[str], verdicts: Sequence[Verdict]) -> str:
    """Return verdicts as lines of CSV, of COLUMNS."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for address, verdict in zip(addresses, verdicts, strict=True):
        writer.writerow(
            (
                address,
                _word(verdict.valid),
                verdict.result.value,
                verdict.reason.value if verdict.reason is not None else "",
                _word(verdict.is_role),
                _word(verdict.is_disposable),
                _word(verdict.is_free),
                verdict.delivery_confidence,
                verdict.did_you_mean,
            )
        )
    return out.getvalue()


def _word(flag: bool) -> str:
    return "true" if flag else "false"
