"""The engine: carries out steps of ladders that are due, sends pages, and tells the outside that it lives.

Every worker has one. A step and its pages are one transaction, so a step that a dying worker was at is another one's. A page is
sent at least once: one that a worker had taken when it died goes out again, so that it is doubled at most once and never lost.
"""

import asyncio
from datetime import datetime, timedelta

from homing.contracts import people
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.http import Answered, OutboundHttp
from homing.ground.log import get
from homing.ground.turns import edge, take_turns
from homing.support.oncall import runs
from homing.support.oncall.channels import Call, Channels
from homing.support.oncall.rules import ladder
from homing.support.oncall.runs import Owed, StepFailed
from homing.support.oncall.types import Severity

log = get("oncall")
LOOKS_S = 1.0
SENDS_S = 15.0  # one attempt; less than the time after which a page is another one's
STEPS_A_TURN = 100
AT_ONCE = {Severity.ONE: 200, Severity.ORDINARY: 10}
AGAIN = (timedelta(seconds=5), timedelta(seconds=15))  # after the first and the second failure
RESTS = timedelta(seconds=10)
LANDS_S = 5.0  # for pages in flight when we are told to stop
BEAT = timedelta(minutes=1)
BEAT_S = 10.0
HEALTHY_S = 15.0  # since the last turn that went well


class Engine:
    """Wakes people, for one worker.

    heartbeat_url   is posted to each minute while the engine does its work; '': nobody watches
    """

    def __init__(self, pool: db.Pool, clock: Clock, channels: Channels, http: OutboundHttp, *, heartbeat_url: str = "") -> None:
        self._pool = pool
        self._clock = clock
        self._channels = channels
        self._http = http
        self._heartbeat_url = heartbeat_url
        self._flying: dict[Severity, set[asyncio.Task[None]]] = {severity: set() for severity in Severity}
        self._rests: dict[int, datetime] = {}  # runs whose step failed, and until when they are passed over
        self._turned = float("-inf")

    async def run(self) -> None:
        """Serve until cancelled. What is cut off is tried again by somebody."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    take_turns(self.turn, every_s=LOOKS_S, log=log, waits="oncall_waits", failed="oncall_turn_failed")
                )
                if self._heartbeat_url:
                    tasks.create_task(
                        take_turns(self._beat, every_s=LOOKS_S, log=log, waits="heartbeat_waits", failed="heartbeat_failed")
                    )
        finally:
            await self.end()

    async def turn(self) -> None:
        """Carry out what is due, and let pages fly: Severity 1 first, and never behind anything ordinary."""
        for _ in range(STEPS_A_TURN):
            try:
                if not await self._step():
                    break
            except StepFailed as failed:  # others must not wait for it
                log.exception("oncall_step_failed", run_id=failed.run_id)
                self._rests[failed.run_id] = self._clock.now() + RESTS
        for severity in (Severity.ONE, Severity.ORDINARY):
            flying = self._flying[severity]
            room = AT_ONCE[severity] - len(flying)
            for page in await runs.take_pages(self._pool, severity, self._clock.now(), most=room) if room > 0 else ():
                task = asyncio.create_task(self._try(page), name=f"page {page.page_id}")
                flying.add(task)
                task.add_done_callback(flying.discard)
        self._turned = asyncio.get_running_loop().time()

    async def end(self) -> None:
        """Give pages in flight a moment; those that are cut off are another engine's."""
        await self._land(LANDS_S)
        self._channels.close()

    async def landed(self) -> None:
        """Wait until no page is in flight."""
        while flying := [task for tasks in self._flying.values() for task in tasks]:
            await asyncio.wait(flying)

    def healthy(self) -> bool:
        """Return whether the last turn went well, and is not long ago."""
        return asyncio.get_running_loop().time() - self._turned < HEALTHY_S

    async def _step(self) -> bool:
        now = self._clock.now()
        self._rests = {run_id: until for run_id, until in self._rests.items() if until > now}
        taken = await runs.take_step(self._pool, now, kinds=self._channels.kinds, without=list(self._rests))
        if taken is None:
            return False
        run, pagings = taken
        for paging, owed in pagings:
            log.info("oncall_step", run_id=run.run_id, step=paging.step, people=list(paging.people), pages=owed)
            if paging.broadcast:
                log.error("oncall_nobody_on_duty", run_id=run.run_id, reference=run.reference, people=list(paging.people))
            elif paging.alarm:
                log.error("oncall_about_to_be_missed", run_id=run.run_id, reference=run.reference, people=list(paging.people))
        if run.ended_because == "nobody answered":
            log.error("oncall_nobody_answered", run_id=run.run_id, reference=run.reference)
        return True

    async def _try(self, page: Owed) -> None:
        with edge(log, waits="page_not_settled", failed="page_failed", page_id=page.page_id):
            await self._sent(page)

    async def _sent(self, page: Owed) -> None:
        now = self._clock.now()
        run = await runs.one(self._pool, page.run_id)
        member = await people.one(self._pool, page.person_id)
        if run is None or run.ended_at is not None or member is None or member.left_at is not None:
            await runs.settle(self._pool, page, "not needed any more", now, sent=False)
            return
        within_the_hour = await runs.sent_within_the_hour(self._pool, page, now)
        if not ladder.may_page(run.severity, within_the_hour):
            await runs.settle(self._pool, page, "too many pages within the hour", now, sent=False)
            return
        call = Call(
            run_id=run.run_id,
            page_id=page.page_id,
            severity=run.severity,
            reference=run.reference,
            text=ladder.words(run, alarm=page.alarm),
            alarm=page.alarm,
            due_at=run.due_at,
            now=now,
        )
        try:
            async with asyncio.timeout(SENDS_S):
                trouble = await self._channels.send(page.kind, page.address_sealed, member, call)
        except TimeoutError:
            trouble = f"nothing came of it within {SENDS_S:g} seconds"
        except Exception as unknown:  # the edge of one channel
            log.exception("channel_crashed", page_id=page.page_id, kind=page.kind.value)
            trouble = type(unknown).__name__
        now = self._clock.now()
        if trouble is None:
            return
        if not trouble:
            log.info("page_sent", page_id=page.page_id, run_id=run.run_id, person_id=page.person_id, kind=page.kind.value)
            await runs.settle(self._pool, page, "sent", now, sent=True)
            return
        again = AGAIN[page.attempts - 1] if page.attempts <= len(AGAIN) else None
        log.log(
            40 if again is None else 30,
            "page_not_sent",
            page_id=page.page_id,
            run_id=run.run_id,
            person_id=page.person_id,
            kind=page.kind.value,
            cause=trouble,
        )
        await runs.settle(self._pool, page, trouble, now, sent=False, again_at=None if again is None else now + again)

    async def _beat(self) -> None:
        if self.healthy() and await runs.take_beat(self._pool, self._clock.now(), every=BEAT):
            answer = await self._http.post(self._heartbeat_url, b"", headers={}, timeout_s=BEAT_S)
            if not isinstance(answer, Answered) or answer.status >= 300:
                cause = answer.why if not isinstance(answer, Answered) else f"status {answer.status}"
                log.warning("heartbeat_not_heard", cause=cause)

    async def _land(self, patience_s: float) -> None:
        flying = [task for tasks in self._flying.values() for task in tasks]
        if flying:
            await asyncio.wait(flying, timeout=patience_s)
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
