"""Calls and short messages that wake somebody of ours, through the line's carriers.

He hears no customer and no problem, and presses 1 (I have it), 2 (somebody else) or 3 (I have it; connect me with the customer
now). A voicemail presses nothing, so the ladder goes on. What he presses is one transaction with what it does; a key that a
carrier tells twice does it once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from homing.ground import db
from homing.ground.log import get
from homing.support.line import store
from homing.support.line.addresses import LineAddresses
from homing.support.line.answering import Answering
from homing.support.line.attempts import NotNow
from homing.support.line.carriers import NO_CARRIER, Carriers, NotPlaced
from homing.support.line.desk import LATE, Replayed
from homing.support.line.ladders import obligation_of
from homing.support.line.legs import Legs
from homing.support.line.returning import Returning
from homing.support.line.rules.document import Document, Gather, Hangup, Say
from homing.support.line.store import LegalClock
from homing.support.line.types import CallStatus, Carrier, Happened
from homing.support.oncall import runs
from homing.support.oncall.channels import Call
from homing.support.oncall.rules import ladder
from homing.support.oncall.runs import Answer, Owed
from homing.support.oncall.types import Run

log = get("line")

RING_S = 30
TOLD_WITHIN = timedelta(minutes=2)  # the end of such a call, or the carrier is asked
ASK = "Press 1 to take it, 2 to hand it on."
ASK_CALL = "Press 1 to take it, 2 to hand it on, 3 to take it and be connected with the caller now."
UNCONNECTED = "the call could not be connected"
TAKEN = "It is yours."
TAKEN_CALL = "It is yours for three minutes. Press 3 to be connected with the caller now."
HANDED_ON = "It is handed on."
ENDED = "It is over. Nothing is left to do."
HELD = "Somebody else has it."
NOT_SAID = "This key is not known. The call ends, and others are woken."


class PageCalls:
    """Wakes people by telephone, for one worker."""

    def __init__(self, pool: db.Pool, legal: LegalClock, carriers: Carriers, answering: Answering, *, base: str) -> None:
        self._pool = pool
        self._legal = legal
        self._carriers = carriers
        self._answering = answering
        self._base = base

    # channels of on-call --------------------------------------------------------------------------------------------------

    async def dial(self, number: str, call: Call, person_id: int) -> str | None:
        """Have somebody called by the first carrier that can (oncall.channels.Dial)."""
        trouble, failed = NO_CARRIER, False
        for carrier in self._carriers.all.values():
            at = LineAddresses(self._base, carrier.name)
            try:
                call_id = await self._carriers.call(
                    carrier,
                    to=number,
                    sender=carrier.numbers[0],
                    url=at.page(call.page_id, "whisper"),
                    status=at.page(call.page_id, "status"),
                    ring_s=RING_S,
                )
            except NotPlaced as refused:  # the second carrier is for this
                trouble = str(refused)
                continue
            if await self._placed(carrier, call_id, call):
                log.info("page_sent", page_id=call.page_id, run_id=call.run_id, person_id=person_id, kind="voice")
                return None
            failed = True
        if failed:
            await self._unreached(call)
            return None
        return trouble

    async def text(self, number: str, call: Call, person_id: int) -> str:
        """Have a short message sent (oncall.channels.Text)."""
        return await self._carriers.text_by_any(number, call.text)

    async def _placed(self, carrier: Carrier, call_id: str, call: Call) -> bool:
        """Note that a page went out as a call; False: the carrier has told already that it could not be connected.

        One transaction, behind the lock on the call that whatever is told of it takes as well: the carrier may tell the end of
        a call before its own answer to us has been noted.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            now = await self._legal.now(connection)
            where = {"carrier": carrier.name, "call_id": call_id}
            await store.sql.add_page_call(connection, **where, page_id=call.page_id, now=now)
            row = await store.sql.page_call(connection, **where)
            if row["status"] == CallStatus.FAILED.value and not row["keys"]:
                return False
            await runs.went_out(connection, call.page_id, now, told=bool(row["keys"]) or row["ended_at"] is not None)
            return True

    async def _unreached(self, call: Call) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            page = await runs.page(connection, call.page_id)
            if page is not None:
                await runs.undo(connection, page, UNCONNECTED, await self._legal.now(connection))

    # what carriers tell ---------------------------------------------------------------------------------------------------

    async def whisper(self, carrier: Carrier, page_id: int, happened: Happened) -> Document:
        """Return what somebody hears who has answered."""
        async with self._call(carrier, page_id, happened) as (connection, now, _, page):
            run = await runs.one(connection, page.run_id)
            return _no_more(run) or self._ask(carrier, page, run, now, turn=0)

    async def key(self, carrier: Carrier, page_id: int, turn: int, happened: Happened, returning: Returning) -> Document:
        """Put into effect what he presses, and return what he hears."""
        async with self._call(carrier, page_id, happened) as (connection, now, row, page):
            run = await runs.one(connection, page.run_id)
            if turn < len(row["keys"]):
                if row["keys"][turn] == "3":
                    return await returning.legs.room_of(connection, carrier, happened.call_id)
                return self._heard(carrier, page, run, row["keys"][turn], turn)
            pressed = happened.digits[:1]
            if not pressed:
                return (Hangup(),)
            document = await self._put(connection, carrier, page, run, pressed, happened, returning, now, turn=turn)
            await self._keep(connection, row, keys=row["keys"] + pressed)
        returning.legs.news.set()
        return document

    async def status(self, carrier: Carrier, page_id: int, happened: Happened, legs: Legs) -> None:
        """Note how such a call ended. One that could not be connected is no page: the next step may come at once."""
        if happened.status is None:
            return
        async with self._call(carrier, page_id, happened, late=True) as (connection, now, row, page):
            late = happened.sequence is not None and happened.sequence <= row["sequence"]
            if late or row["ended_at"] is not None:
                return
            await self._ended(connection, row, page, happened.status, now, sequence=happened.sequence)
        if happened.status.is_end and "3" in row["keys"]:
            await legs.leg_over(carrier, happened.call_id)

    async def reconcile(self, legs: Legs) -> int:
        """Ask carriers about calls whose end nobody told: that webhook was lost. Return how many have ended."""
        now = await self._legal.now(self._pool)
        found = 0
        for row in [row async for row in store.sql.page_calls_open(self._pool, before=now - TOLD_WITHIN)]:
            carrier = self._carriers.all.get(row["carrier"])
            try:
                stands = None if carrier is None else await self._carriers.look(carrier, row["call_id"])
            except NotPlaced as trouble:
                log.warning("page_call_not_reconciled", carrier=row["carrier"], why=str(trouble))
                continue
            status = CallStatus.COMPLETED if stands is None else stands.status
            if status is None or not status.is_end:
                continue
            async with self._pool.acquire() as connection, connection.transaction():
                held = await store.sql.page_call(connection, carrier=row["carrier"], call_id=row["call_id"])
                page = await runs.page(connection, row["page_id"])
                if held is not None and held["ended_at"] is None and page is not None:
                    log.error("sev1_webhook_lost", carrier=row["carrier"], page_id=row["page_id"])
                    await self._ended(connection, held, page, status, now, sequence=None)
                    found += 1
            if held is not None and "3" in held["keys"] and carrier is not None:
                await legs.leg_over(carrier, row["call_id"])
        return found

    # steps ----------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _call(
        self, carrier: Carrier, page_id: int, happened: Happened, *, late: bool = False
    ) -> AsyncIterator[tuple[Any, datetime, Any, Owed]]:
        """Take the call of a request until the transaction ends.

        late     it may be told long after its end
        raises   NotNow: there is no such page, or the call is another one's; Replayed
        """
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                now = await self._legal.now(connection)
                if await runs.page(connection, page_id) is None:
                    raise NotNow("there is no such page", missing=True)
                where = {"carrier": carrier.name, "call_id": happened.call_id}
                await store.sql.add_page_call(connection, **where, page_id=page_id, now=now)
                row = await store.sql.page_call(connection, **where)
                if row["page_id"] != page_id:
                    raise NotNow("this call is about another page", missing=True)
                if row["ended_at"] is not None and now - row["ended_at"] > LATE and not late:
                    raise Replayed(f"page call {page_id} ended at {row['ended_at']:%H:%M:%S}")
                page = await runs.page(connection, page_id)  # as it is behind the lock on the call
                assert page is not None
                yield connection, now, row, page

    async def _put(
        self,
        connection: db.Executor,
        carrier: Carrier,
        page: Owed,
        run: Run | None,
        pressed: str,
        happened: Happened,
        returning: Returning,
        now: datetime,
        *,
        turn: int,
    ) -> Document:
        what = _ANSWERS.get(pressed)
        if what is None or run is None or (pressed == "3" and obligation_of(run.obligation) is None):
            return (Say(NOT_SAID), Hangup())
        after = await self._answering.answer(connection, run.run_id, page.person_id, what, now)
        if after is None:
            return _no_more(run) or (Say(HELD), Hangup())
        await runs.remark(connection, page.page_id, f"answered: {what}")
        number = obligation_of(run.obligation)
        if pressed == "3" and number is not None:
            try:
                return await returning.begin_from(connection, carrier, number, page.person_id, happened.call_id, now)
            except NotNow as not_now:
                return (Say(f"You cannot be connected: {not_now}"), Hangup())
        return self._heard(carrier, page, run, pressed, turn)

    def _heard(self, carrier: Carrier, page: Owed, run: Run | None, pressed: str, turn: int) -> Document:
        """Return what is spoken after a key that has had its effect."""
        if pressed == "1" and run is not None and obligation_of(run.obligation) is not None:
            at = LineAddresses(self._base, carrier.name).page(page.page_id, "key", turn + 1)
            return (Gather(action=at, prompt=(Say(TAKEN_CALL),), digits=1, timeout_s=20), Hangup())
        return (Say({"1": TAKEN, "2": HANDED_ON}.get(pressed, NOT_SAID)), Hangup())

    def _ask(self, carrier: Carrier, page: Owed, run: Run | None, now: datetime, *, turn: int) -> Document:
        assert run is not None
        holder = ladder.holder(run, now)
        words = ladder.words(run, alarm=page.alarm)
        if holder is not None and holder != page.person_id:
            words = f"{words} {HELD}"
        ask = ASK if obligation_of(run.obligation) is None else ASK_CALL
        at = LineAddresses(self._base, carrier.name).page(page.page_id, "key", turn)
        return (Gather(action=at, prompt=(Say(words), Say(ask)), digits=1, timeout_s=10), Hangup())

    async def _ended(
        self, connection: db.Executor, row: Any, page: Owed, status: CallStatus, now: datetime, *, sequence: int | None
    ) -> None:
        ended = now if status.is_end else None
        number = row["sequence"] if sequence is None else sequence
        await self._keep(connection, row, keys=row["keys"], status=status.value, ended_at=ended, sequence=number)
        if not status.is_end or row["keys"]:
            return
        if status is CallStatus.FAILED:
            log.error("page_call_failed", page_id=page.page_id, person_id=page.person_id)
            if page.sent_at is not None:  # else whoever is placing the call will see it
                await runs.undo(connection, page, UNCONNECTED, now)
        else:
            await runs.remark(connection, page.page_id, _ENDS.get(status, "sent; no key was pressed"))

    async def _keep(self, connection: db.Executor, row: Any, **changes: Any) -> None:
        kept = {name: row[name] for name in ("carrier", "call_id", "keys", "sequence", "status", "ended_at")}
        await store.sql.put_page_call(connection, **{**kept, **changes})


def _no_more(run: Run | None) -> Document | None:
    """Return what is spoken where nothing is left to do; None: something is."""
    return (Say(ENDED), Hangup()) if run is None or run.ended_at is not None else None


_ANSWERS = {"1": Answer.CLAIM, "2": Answer.HAND_ON, "3": Answer.CLAIM}
_ENDS = {
    CallStatus.BUSY: "sent; the telephone was busy",
    CallStatus.NO_ANSWER: "sent; nobody answered",
    CallStatus.CANCELED: "sent; the call was cancelled",
}
