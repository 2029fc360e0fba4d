"""Wakes people for calls that lie in the journal while the store is away, from the duty sheet (model, section 4.6).

The ladder is the same, and so are its rules; its rows are a file (`AwayBook`). A call whose request is played within seconds
wakes nobody here: the store was slow, and its own ladder runs.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial

from msgspec import structs

from homing.ground.clock import Clock
from homing.ground.log import get
from homing.support.line.addresses import LineAddresses
from homing.support.line.away_book import AwayBook, AwayCall, Said, is_key, key_of, unsent
from homing.support.line.carriers import Carriers
from homing.support.line.journal import Journal, Noted
from homing.support.line.reports import WRITTEN
from homing.support.line.rules import callback
from homing.support.line.rules.document import Document, Gather, Hangup, Say
from homing.support.line.rules.numbers import spoken
from homing.support.line.rules.offline import OFFLINE, away_words
from homing.support.line.types import Carrier
from homing.support.oncall.channels import Call, Channels
from homing.support.oncall.rules import ladder
from homing.support.oncall.runs import AwayPage
from homing.support.oncall.sheet import Sheet, SheetFile
from homing.support.oncall.store import Channel
from homing.support.oncall.types import Run, Severity

log = get("line")

WAITS = timedelta(seconds=5)  # a request that lies longer is not played: the store is away
SENDS_S = 15.0
AGAIN_S = (0.0, 5.0, 15.0)  # before each try of a page
OUTAGES = timedelta(minutes=10)  # between two pages about one
KEPT = timedelta(minutes=10)  # after its request was played; by then its ladder has begun
RING_S = 30
ASK = "Severity 1. A customer needs us, and our own store does not answer. Press 1 to take it and hear the number."
OUTAGE = "Severity 1. There is persistent Unavailability, and our own store does not answer. Nobody else may know of it yet."
YOURS = "It is yours. Call back by hand, and note the call when our store is back."
NO_NUMBER = "There is no number of his."


class AwayCalls:
    """The calls that wake people while the store is away, on both sides. They need carriers and the disk alone."""

    def __init__(self, carriers: Carriers, book: AwayBook, *, base: str) -> None:
        self._carriers = carriers
        self._book = book
        self._base = base

    async def dial(self, number: str, call: Call, person_id: int) -> str:
        """Have somebody called; return '' once a carrier has taken the call, else what went wrong (oncall.channels.Dial)."""

        async def place(carrier: Carrier) -> None:
            at = LineAddresses(self._base, carrier.name)
            await self._carriers.call(
                carrier,
                to=number,
                sender=carrier.numbers[0],
                url=at.away("ask", call.away, person_id),
                status=at.away("status", call.away, person_id),
                ring_s=RING_S,
            )

        return await self._carriers.by_any(place)

    async def text(self, number: str, call: Call, person_id: int) -> str:
        """Have a short message sent (oncall.channels.Text)."""
        return await self._carriers.text_by_any(number, call.text)

    async def heard(self, carrier: Carrier, leg: str, key: str, person_id: int, digits: str, now: datetime) -> Document | None:
        """Return what somebody hears who was woken; who presses 1 has it, and hears the number. leg: ask, key or status."""
        if leg == "status":
            return None
        if not is_key(key):
            return (Say(OUTAGE), Say(OUTAGE), Hangup()) if leg == "ask" and not key else (Hangup(),)
        if leg == "ask":
            action = LineAddresses(self._base, carrier.name).away("key", key, person_id)
            return (Gather(action=action, prompt=(Say(ASK),), digits=1, timeout_s=10), Hangup())
        call = await self._book.load(key)
        if digits[:1] != "1" or call is None:
            return (Hangup(),)
        await self._book.say(key, Said(person_id=person_id, at=now))
        number = f"Call {spoken(call.caller)}." if call.caller else NO_NUMBER
        return (Say(YOURS), Say(number), Say(number), Hangup())


class Away:
    """Wakes people while the store is away. One for a host: the supervisor's."""

    def __init__(
        self, journal: Journal, book: AwayBook, sheets: SheetFile, channels: Channels, carriers: Carriers, clock: Clock
    ) -> None:
        self._journal = journal
        self._book = book
        self._sheets = sheets
        self._channels = channels
        self._carriers = carriers
        self._clock = clock
        self._outage_at: datetime | None = None
        self._writing = asyncio.Lock()  # of the book: pages settle while steps are taken
        self._flying: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def turn(self) -> int:
        """Wake whom it is time for; return for how many calls."""
        now = self._clock.now()
        calls: dict[str, Noted] = {}
        for path in await self._journal.waiting():
            noted = await self._journal.read(path)
            if noted is not None and self._begins(noted):
                calls.setdefault(key_of(noted.carrier, noted.happened.call_id), noted)
        waiting = {key: noted for key, noted in calls.items() if now - noted.at >= WAITS}
        sheet = await self._sheets.load(now) if waiting else None
        if waiting and sheet is None:
            log.critical("sev1_nobody_to_wake", calls=len(waiting))
        for key, noted in waiting.items() if sheet is not None else ():
            assert sheet is not None
            async with self._writing:
                climbed = await self._climb(key, noted, sheet, now)
            self._let_fly(key, climbed, sheet)
        for key in await self._book.keys():
            call = None if key in calls else await self._book.load(key)
            if call is not None and now - max([call.run.started_at, *(one.made_at for one in call.pages)]) > KEPT:
                await self._book.forget(key)
        return len(waiting)

    async def outage(self) -> int:
        """Wake whoever is on duty for an outage that cannot be written down, once; return how many pages went out.

        Its ladder begins when the store is back: until then this is all that is known of it.
        """
        now = self._clock.now()
        if self._outage_at is not None and now - self._outage_at < OUTAGES:
            return 0
        self._outage_at = now
        sheet = await self._sheets.load(now)
        if sheet is None:
            log.critical("outage_nobody_to_wake")
            return 0
        reach = sheet.reach(now, kinds=self._channels.kinds)
        reference = f"persistent Unavailability at {now:%H:%M:%S} UTC"
        run = Run(
            obligation="away", account_id=None, severity=Severity.ONE, reference=reference, steps=sheet.steps, started_at=now
        )
        _, pagings = ladder.advance(run, reach.facts, now)
        ways = [way for paging in pagings for person in paging.people for way in reach.channels[person]]
        words = structs.replace(self._words("", run, alarm=False), text=f"{reference}. {OUTAGE}")
        outcomes = await asyncio.gather(*(self._tried(way, sheet, words) for way in ways))
        log.error("outage_wakes_without_store", pages=len(ways), sent=sum(outcomes))
        return sum(outcomes)

    async def _tried(self, way: Channel, sheet: Sheet, words: Call) -> bool:
        member = sheet.member(way.person_id)
        if member is None:
            return False
        try:
            async with asyncio.timeout(SENDS_S):
                trouble = await self._channels.send(way.kind, way.address_sealed, member, words)
        except Exception as unknown:  # the edge of one channel
            trouble = type(unknown).__name__
        if trouble:
            log.warning("page_not_sent", person_id=way.person_id, kind=way.kind.value, cause=trouble)
        return not trouble

    async def landed(self) -> None:
        """Wait until no page is in flight."""
        while self._flying:
            await asyncio.wait(list(self._flying.values()))

    async def end(self) -> None:
        """Stop; pages in flight are sent anew by whoever goes on."""
        for task in self._flying.values():
            task.cancel()
        await asyncio.gather(*self._flying.values(), return_exceptions=True)
        self._channels.close()

    def _begins(self, noted: Noted) -> bool:
        """Return whether a request tells of a call that only the journal knows."""
        carrier = self._carriers.all.get(noted.carrier)
        tests = carrier is not None and carrier.test_from == noted.happened.caller != ""
        return noted.what in ("inbound", OFFLINE, WRITTEN) and not tests

    async def _climb(self, key: str, noted: Noted, sheet: Sheet, now: datetime) -> AwayCall:
        call = await self._book.load(key)
        if call is None:
            log.error("sev1_wakes_without_store", call=key, sheet_of=sheet.taken_at)
            call = AwayCall(caller=noted.happened.caller, run=_begun(key, noted, sheet))
        reach = sheet.reach(now, kinds=self._channels.kinds)
        run, pagings = ladder.advance(call.run, reach.facts, now)
        pages = list(call.pages)
        for paging in pagings:
            for way in (way for person in paging.people for way in reach.channels[person]):
                pages.append(
                    AwayPage(
                        number=len(pages),
                        step=paging.step,
                        person_id=way.person_id,
                        kind=way.kind,
                        address_sealed=way.address_sealed,
                        alarm=paging.alarm,
                        made_at=now,
                    )
                )
        if run != call.run or len(pages) != len(call.pages):
            call = structs.replace(call, run=run, pages=tuple(pages))
            await self._book.save(key, call)  # before anything goes out, so that it is known whatever happens
        return call

    def _let_fly(self, key: str, call: AwayCall, sheet: Sheet) -> None:
        for page in unsent(call.pages):
            if (key, page.number) not in self._flying:
                task = asyncio.create_task(self._send(key, call, page, sheet), name=f"away page {page.number}")
                self._flying[key, page.number] = task
                task.add_done_callback(partial(self._landed, (key, page.number)))

    def _landed(self, name: tuple[str, int], task: asyncio.Task[None]) -> None:
        del self._flying[name]

    async def _send(self, key: str, call: AwayCall, page: AwayPage, sheet: Sheet) -> None:
        member, tries = sheet.member(page.person_id), 0
        trouble: str | None = "he is not of the staff"
        for wait_s in AGAIN_S if member is not None else ():
            assert member is not None
            await asyncio.sleep(wait_s)
            tries += 1
            try:
                async with asyncio.timeout(SENDS_S):
                    words = self._words(key, call.run, alarm=page.alarm)
                    trouble = await self._channels.send(page.kind, page.address_sealed, member, words)
            except TimeoutError:
                trouble = f"nothing came of it within {SENDS_S:g} seconds"
            except Exception as unknown:  # the edge of one channel
                log.exception("channel_crashed", kind=page.kind.value)
                trouble = type(unknown).__name__
            if not trouble:
                break
            log.warning("page_not_sent", call=key, person_id=page.person_id, kind=page.kind.value, cause=trouble)
        async with self._writing:
            await self._settle(key, page.number, trouble or "", tries)

    async def _settle(self, key: str, number: int, trouble: str, tries: int) -> None:
        call, now = await self._book.load(key), self._clock.now()
        if call is None:  # its ladder has begun in the store
            return
        outcome = trouble or "sent"
        pages = list(call.pages)
        page = pages[number] = structs.replace(
            pages[number],
            tries=tries,
            outcome=f"{outcome}, while the store was away"[:300],
            sent_at=None if trouble else now,
        )
        run = call.run
        if all(one.outcome and one.sent_at is None for one in pages if one.step == page.step):
            run = ladder.fell_flat(run, page.step, now)
        await self._book.save(key, structs.replace(call, run=run, pages=tuple(pages)))

    def _words(self, key: str, run: Run, *, alarm: bool) -> Call:
        return Call(
            run_id=0,
            page_id=0,
            severity=Severity.ONE,
            reference=run.reference,
            text=away_words(run.started_at, run.due_at or run.started_at, alarm=alarm),
            alarm=alarm,
            due_at=run.due_at,
            now=self._clock.now(),
            away=key,
        )


def _begun(key: str, noted: Noted, sheet: Sheet) -> Run:
    return Run(
        obligation=f"away {key}",
        account_id=None,
        severity=Severity.ONE,
        reference="a call while our store is away",
        steps=sheet.steps,
        started_at=noted.at,
        due_at=callback.due_at(noted.at),
    )
