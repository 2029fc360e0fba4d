"""The standby of the supervisor: while no worker serves, it wakes people (model, section 4.6).

What keeps every worker from serving is what people must be woken for, so on-call may not depend on one. Steps and pages are rows
that are taken one by one; when a worker serves again, it goes on where this one stopped. While the store is away there are no
rows: then people are woken for what the journal of the line holds, from the duty sheet.
"""

import asyncio
from collections.abc import Callable

from homing.boot.alarms import Alarms
from homing.boot.carriers import line_base, line_settings, outbound
from homing.boot.channels import channels_of
from homing.ground import db, log
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.secrets import MasterKey
from homing.ground.turns import PASSING, edge
from homing.ground.waiting import Patience, set_within
from homing.support.cases.calls import Calls
from homing.support.cases.desk import Desk as Cases
from homing.support.line.answering import Answering
from homing.support.line.away import Away, AwayCalls
from homing.support.line.away_book import AwayBook
from homing.support.line.carriers import Carriers
from homing.support.line.journal import FOLDER, Journal
from homing.support.line.page_calls import PageCalls
from homing.support.line.store import ServerClock
from homing.support.oncall import sheet
from homing.support.oncall.engine import Engine
from homing.support.oncall.sheet import SheetFile

_log = log.get("oncall")
LOOKS_S = 1.0
SHEET_EVERY_S = 60.0
SHEET_S = 10.0  # for the store
AWAY_S = 5.0  # a worker that dies has a successor sooner


class Standby:
    """Wakes people where no worker does.

    served   whether any worker serves
    """

    def __init__(
        self, settings: Settings, pool: db.Pool, clock: Clock, master_key: MasterKey, *, served: Callable[[], bool]
    ) -> None:
        known, legal = line_settings(settings), ServerClock()
        carriers = Carriers(outbound(settings), known)
        phones = PageCalls(pool, legal, carriers, Answering(Calls(Cases(pool, legal), legal)), base=line_base(settings))
        self._engine = Engine(
            pool, clock, channels_of(settings, master_key, phones if known.carriers else None), outbound(settings)
        )
        self._alarms = Alarms(pool, clock, None)
        self._served = served
        self._pool = pool
        self._clock = clock
        self._patience = Patience(AWAY_S)
        self._found = asyncio.Event()
        book = AwayBook(settings.data, master_key)
        away_calls = AwayCalls(carriers, book, base=line_base(settings))
        self._sheets = SheetFile(settings.data, master_key)
        self._away = Away(
            Journal(settings.data / FOLDER),
            book,
            self._sheets,
            channels_of(settings, master_key, away_calls if known.carriers else None),
            carriers,
            clock,
        )

    def found(self) -> None:
        """Hear that there is persistent Unavailability; whoever says so does not wait."""
        self._found.set()

    async def outage(self) -> None:
        """Wake somebody for persistent Unavailability if the store cannot take what was found, by which its ladder begins."""
        try:
            await self._patience.wait(_asks(self._pool))
        except PASSING:
            with edge(_log, waits="outage_waits", failed="outage_failed"):
                await self._away.outage()

    async def run(self, halt: asyncio.Event) -> None:
        """Stand by until told to stop. What needs the store holds up neither what does not, nor the sheet for when it is away."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._stand(halt), name="standby-engine")
            tasks.create_task(self._wake_without_store(halt), name="standby-away")
            tasks.create_task(self._keep_sheet(halt), name="standby-sheet")
            tasks.create_task(self._hear_of_outages(halt), name="standby-outage")

    async def _wake_without_store(self, halt: asyncio.Event) -> None:
        while not await set_within(halt, LOOKS_S):
            with edge(_log, waits="away_waits", failed="away_turn_failed"):
                await self._away.turn()
        await self._away.end()

    async def _hear_of_outages(self, halt: asyncio.Event) -> None:
        while not halt.is_set():
            if await set_within(self._found, LOOKS_S):
                self._found.clear()
                await self.outage()

    async def _keep_sheet(self, halt: asyncio.Event) -> None:
        while True:
            with edge(_log, waits="oncall_sheet_waits", failed="oncall_sheet_failed"):
                async with asyncio.timeout(SHEET_S):
                    await self._sheets.save(await sheet.take(self._pool, self._clock.now()))
            if await set_within(halt, SHEET_EVERY_S):
                return

    async def _stand(self, halt: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        served_at, at_work = loop.time(), False
        while not await set_within(halt, LOOKS_S):  # no take_turns: it lasts until told, and most turns are a worker's
            if self._served():
                served_at, at_work = loop.time(), False
                continue
            if loop.time() - served_at < AWAY_S:
                continue
            if not at_work:
                _log.error("oncall_stands_in", away_s=AWAY_S)
                at_work = True
            with edge(_log, waits="oncall_waits", failed="oncall_turn_failed"):
                await self._alarms.turn()
                await self._engine.turn()
        await self._engine.end()


async def _asks(pool: db.Pool) -> None:
    async with pool.acquire() as connection:
        await ServerClock().now(connection)
