"""Keeps calls to TAMs' numbers: plays what came while the store was away, fetches voicemail, asks carriers what was not heard of.

Every worker keeps; rows are claimed. If a worker dies between a voicemail and its record, the carrier still has it: it is asked
about every call of which nothing more was heard, and for calls that nobody here knows.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial

from homing.ground import db
from homing.ground.log import get
from homing.ground.turns import edge, take_turns
from homing.support.line.carriers import Carriers, Listed, NotPlaced
from homing.support.line.chores import RECONCILES, TIDIES, Chores
from homing.support.line.journal import Journal
from homing.support.line.lost import take_lost_calls
from homing.support.line.player import Player
from homing.support.line.recordings import Recordings
from homing.support.line.types import Carrier
from homing.support.threads import own_number_store as store
from homing.support.threads import store as thread_store
from homing.support.threads.desk import Threads
from homing.support.threads.own_number import OwnNumber
from homing.support.threads.types import OwnCall, OwnStep, WayKind

log = get("tam")

LOOKS_S = 2.0
FIRST_WAIT = timedelta(minutes=1)
MOST_LOOKS = 12  # at a carrier that does not say; the waits double up to six hours
LONGEST_WAIT = timedelta(hours=6)


class OwnNumberKeeper:
    """Keeps calls for one worker."""

    def __init__(
        self,
        pool: db.Pool,
        threads: Threads,
        own: OwnNumber,
        recordings: Recordings,
        carriers: Carriers,
        journal: Journal,
    ) -> None:
        self._pool = pool
        self._threads = threads
        self._own = own
        self.recordings = recordings
        self._carriers = carriers
        self._chores = Chores(pool)
        self.player = Player(
            journal,
            carriers,
            own,
            log=log,
            failed="tam_journal_not_played",
            over="tam_journal_over",
            ends_last=True,
        )

    async def run(self) -> None:
        """Keep until cancelled. What waits for a carrier stands beside what may not wait."""
        turns = partial(take_turns, every_s=LOOKS_S, log=log, waits="tam_waits", failed="tam_turn_failed")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(turns(self.player.play), name="tam-journal")
            tasks.create_task(turns(self.turn), name="tam-calls")

    async def turn(self) -> None:
        """Do what is due."""
        now = await self._threads.legal.now(self._pool)
        await self.look(now)
        await self.recordings.turn(now)
        if await self._chores.is_due("tam reconcile", now=now, every=RECONCILES):
            await self.reconcile(now)
        if await self._chores.is_due("tam tidy", now=now, every=TIDIES):
            await self.recordings.tidy()
            await thread_store.forget_old(self._pool, now)

    async def look(self, now: datetime) -> None:
        """Ask carriers what became of calls of which nothing more was heard."""
        with db.trouble_is_temporary():
            async with db.holding(self._pool, store.to_look_at, now=now) as (connection, calls):
                for one in calls:
                    wait = min(FIRST_WAIT * 2**one.looks, LONGEST_WAIT)
                    await store.sql.put_look(connection, call_ref=one.call_ref, look_at=now + wait)
        for one in calls:
            with edge(log, waits="tam_call_waits", failed="tam_call_failed", call=one.call_ref):
                await self._look_at(one)

    async def _look_at(self, one: OwnCall) -> None:
        carrier = self._carriers.all.get(one.carrier)
        if one.state.step is OwnStep.HANDED_OVER and one.handed_to is None and carrier is not None:
            await self._own.hand_over(carrier, one)
            return
        try:
            found = [] if carrier is None else await self._carriers.recordings_of(carrier, one.call_id)
        except NotPlaced as trouble:
            if one.looks < MOST_LOOKS:
                log.warning("tam_call_not_known", call=one.call_ref, why=str(trouble))
                return
            found = []
        if carrier is not None:
            await self._own.found(carrier, one, found)

    async def reconcile(self, now: datetime) -> int:
        """Take in the calls to TAMs' numbers that carriers know and we do not; return how many."""
        count = 0
        for way in await thread_store.ways(self._pool):
            carrier = self._carriers.all.get(way.carrier)
            if way.kind is not WayKind.PHONE or carrier is None:
                continue
            try:
                count += await take_lost_calls(
                    self._pool,
                    self._carriers,
                    carrier,
                    way.address,
                    room="tam",
                    known=store.sql.known_calls,
                    take=partial(self._lost, carrier),
                    log=log,
                    now=now,
                )
            except NotPlaced as trouble:
                log.warning("tam_not_reconciled", carrier=carrier.name, why=str(trouble))
        return count

    async def _lost(self, carrier: Carrier, one: Listed) -> bool:
        """Take in a call that the carrier knows and we do not."""
        if not await self._own.reconciled(carrier, one.happened, at=one.started_at):
            return False
        log.error("tam_webhook_lost", carrier=carrier.name, started_at=one.started_at)
        return True
