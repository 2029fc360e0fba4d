"""Keeps the line: pages where that failed, opens cases, places legs, writes misses, fetches recordings, looks for lost calls.

Every worker keeps; rows are held while they are worked on, and chores are claimed, so that each thing is done once. If a worker
dies, another comes to the same rows a second later.
"""

import asyncio
from datetime import datetime, timedelta
from functools import partial

from homing.contracts import contacts
from homing.contracts.types import Contact, ContactRole
from homing.ground import db
from homing.ground.log import get
from homing.ground.turns import take_turns
from homing.support.line import broadcast, store
from homing.support.line.attempts import Attempts, NotNow
from homing.support.line.away_book import key_of
from homing.support.line.carriers import Carriers, Listed, NotPlaced
from homing.support.line.casebook import CaseBook
from homing.support.line.chores import RECONCILES, TIDIES, Chores
from homing.support.line.desk import Desk
from homing.support.line.journal import Journal, Noted
from homing.support.line.ladders import Ladders
from homing.support.line.legs import Legs
from homing.support.line.lost import HEARD_WITHIN, take_lost_calls
from homing.support.line.page_calls import TOLD_WITHIN, PageCalls
from homing.support.line.player import Player
from homing.support.line.ports import Mail
from homing.support.line.recordings import Recordings
from homing.support.line.refusals import tell_refused
from homing.support.line.reports import Reports
from homing.support.line.returning import Returning
from homing.support.line.rules import callback
from homing.support.line.store import LegalClock
from homing.support.line.trial import call_ourselves
from homing.support.line.types import Call, CallStatus, Carrier, Happened, Page, PageReason

log = get("line")

LOOKS_S = 1.0
TESTS = timedelta(minutes=10)
SILENT_AT = 2  # test calls that were not heard, one after the other: people are paged
_NOT_REACHED = (
    "We have called you back about {reference} and did not reach you. We will try again shortly.\n"
    "To be connected at once, call the Severity 1 Line and name the reference.\n"
)
_NO_NUMBER = (
    "Somebody called our Severity 1 Line with your support PIN and withheld the number, so we cannot call back.\n"
    "Please call again, or answer by the web form, and name the reference {reference}.\n"
    "We have promised to return the call before {due:%Y-%m-%d %H:%M} UTC, and that stands.\n"
)


class Keeper:
    """Keeps the line for one worker."""

    def __init__(
        self,
        pool: db.Pool,
        legal: LegalClock,
        desk: Desk,
        attempts: Attempts,
        legs: Legs,
        returning: Returning,
        recordings: Recordings,
        carriers: Carriers,
        journal: Journal,
        *,
        base: str,
        ladders: Ladders,
        page_calls: PageCalls,
        casebook: CaseBook,
        mail: Mail,
        reports: Reports,
    ) -> None:
        self._pool = pool
        self._legal = legal
        self._desk = desk
        self._attempts = attempts
        self._legs = legs
        self._returning = returning
        self._recordings = recordings
        self._carriers = carriers
        self._base = base
        self._ladders = ladders
        self._page_calls = page_calls
        self._casebook = casebook
        self._mail = mail
        self._chores = Chores(pool)
        self.player = Player(
            journal,
            carriers,
            desk,
            log=log,
            failed="line_journal_not_played",
            over="line_journal_over",
            ours=self._played,
            written=reports.played,
        )

    async def run(self) -> None:
        """Keep until cancelled. What waits for a carrier stands beside what may not wait."""
        turns = partial(take_turns, every_s=LOOKS_S, log=log, waits="line_waits", failed="line_turn_failed")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(turns(self.turn), name="line")
            tasks.create_task(turns(self._legs.place, news=self._legs.news), name="line-legs")
            tasks.create_task(turns(self._legs.ask), name="line-asks")
            tasks.create_task(turns(self.errands), name="line-errands")

    async def turn(self) -> None:
        """Do what may not wait: journal, ladders, misses, lapsed claims, mail where nobody is woken, cases."""
        await self.player.play()
        now = await self._legal.now(self._pool)
        await self.page(now)
        await self.write(now)  # before the time to try again is forgotten
        await self._attempts.judge(now)
        await broadcast.send_pages(self._pool, self._mail)
        await tell_refused(self._pool, self._mail, now)
        await self._casebook.open(now)
        await self._casebook.tell(now)

    async def errands(self) -> None:
        """Do what waits for carriers: recordings, lost calls, test calls, tidying."""
        now = await self._legal.now(self._pool)
        await self._recordings.turn(now)
        if await self._chores.is_due("reconcile", now=now, every=RECONCILES):
            await self.reconcile(now)
            await self._page_calls.reconcile(self._legs)
            await self.end_conversations(now)
        await self.listen_for_tests(now)
        if await self._chores.is_due("test", now=now, every=TESTS):
            await self.test(now)
        if await self._chores.is_due("tidy", now=now, every=TIDIES):
            await self._recordings.tidy()

    async def page(self, now: datetime) -> None:
        """Start the ladders that could not be started, and write to everybody where a ladder wakes nobody."""
        async with db.holding(self._pool, store.sql.unpaged) as (connection, rows):
            for row in rows:
                page = Page(
                    reason=PageReason.CALL,
                    reference=row["reference"],
                    obligation_id=row["obligation_id"],
                    account_id=row["account_id"],
                    first_ring_at=row["first_ring_at"],
                    due_at=row["due_at"],
                    away=key_of(row["carrier"], row["call_id"]),
                )
                if await self._ladders.start(connection, page, now):
                    await store.sql.set_paged(connection, intake_id=row["intake_id"], now=now)
        await self._ladders.sweep(self._pool, now)

    async def write(self, now: datetime) -> None:
        """Write to the authorised contacts where there is no number to call (E13), or nobody answered (E14)."""
        async with db.holding(self._pool, store.sql.unwritten) as (connection, rows):
            for row in rows:
                one, called = store.call_of(row), row["returned_at"] is not None
                people = [] if one.account_id is None else await contacts.of_account(connection, one.account_id)
                written = [person.email for person in people if await self._wrote(person, one, called=called)]
                await store.sql.set_written(connection, intake_id=one.intake_id, now=now)
                await store.note(connection, one.intake_id, now, "homing", _UNREACHED[called], written_to=len(written))

    async def reconcile(self, now: datetime) -> int:
        """Take in the calls that carriers know and we do not; return how many."""
        found = 0
        for carrier in self._carriers.all.values():
            for number in carrier.numbers:
                try:
                    found += await take_lost_calls(
                        self._pool,
                        self._carriers,
                        carrier,
                        number,
                        room="line",
                        known=store.sql.known_calls,
                        take=partial(self._lost, carrier),
                        log=log,
                        now=now,
                    )
                except NotPlaced as trouble:
                    log.warning("sev1_not_reconciled", carrier=carrier.name, why=str(trouble))
        return found

    async def _lost(self, carrier: Carrier, one: Listed) -> bool:
        """Take in a call that the carrier knows and we do not."""
        if one.happened.caller == carrier.test_from != "":
            return False
        if await self._desk.reconciled(carrier, one.happened, at=one.started_at) is None:
            return False
        log.error("sev1_webhook_lost", carrier=carrier.name, started_at=one.started_at)
        return True

    async def end_conversations(self, now: datetime) -> None:
        """Ask carriers about calls that were taken live and of which nobody told that they ended: that webhook was lost."""
        rows = store.sql.conversations(self._pool, until=now + callback.CLAIM, before=now - TOLD_WITHIN)
        for row in [row async for row in rows]:
            carrier = self._carriers.all.get(row["carrier"])
            try:
                stands = None if carrier is None else await self._carriers.look(carrier, row["call_id"])
            except NotPlaced as trouble:
                log.warning("sev1_not_reconciled", carrier=row["carrier"], why=str(trouble))
                continue
            if carrier is not None and (stands is None or (stands.status is not None and stands.status.is_end)):
                log.error("sev1_webhook_lost", carrier=carrier.name)
                await self._desk.status(carrier, Happened(call_id=row["call_id"], status=CallStatus.COMPLETED))

    async def test(self, now: datetime) -> None:
        """Call our own numbers, to hear whether the line is open."""
        for carrier in self._carriers.all.values():
            for number in carrier.numbers if carrier.test_from else ():
                try:
                    await call_ourselves(self._pool, self._carriers, carrier, number, base=self._base, now=now)
                except NotPlaced as trouble:  # nobody will hear it, which is the point
                    log.error("sev1_test_call_refused", carrier=carrier.name, why=str(trouble))

    async def listen_for_tests(self, now: datetime) -> None:
        """Page people when two test calls in a row were not heard."""
        async with db.holding(self._pool, store.sql.silent_tests, before=now - HEARD_WITHIN) as (connection, rows):
            if rows:
                await store.sql.set_silent(connection, test_ids=[row["test_id"] for row in rows])
            for row in rows:
                log.error("sev1_line_silent", carrier=row["carrier"], number=row["number"])
                latest = store.sql.last_tests(connection, carrier=row["carrier"], number=row["number"], limit=SILENT_AT + 1)
                outcomes = [one["outcome"] async for one in latest]
                run = next((place for place, one in enumerate(outcomes) if one != "silent"), len(outcomes))
                if run == SILENT_AT:  # told once, not at every test that follows
                    page = Page(
                        reason=PageReason.LINE_SILENT,
                        reference=f"line {row['number']}",
                        obligation_id=None,
                        first_ring_at=now,
                        due_at=now,
                    )
                    await self._ladders.start(connection, page, now)

    async def _wrote(self, person: Contact, one: Call, *, called: bool) -> bool:
        if person.role is not ContactRole.AUTHORISED:
            return False
        text = (_NOT_REACHED if called else _NO_NUMBER).format(reference=one.reference, due=one.due_at)
        return await self._mail.send(person.email, subject=f"Your call to the Severity 1 Line ({one.reference})", text=text)

    async def _played(self, carrier: Carrier, noted: Noted) -> None:
        number = int(noted.step)
        try:
            if noted.what == "page-key":
                await self._page_calls.key(carrier, number, noted.turn, noted.happened, self._returning)
            elif noted.what == "page-status":
                await self._page_calls.status(carrier, number, noted.happened, self._legs)
            else:
                leg = noted.what.removeprefix("attempt-")
                await self._legs.played(carrier, number, leg, noted.happened, at=noted.at)
        except NotNow as gone:
            log.warning("line_journal_gone", what=noted.what, number=number, why=str(gone))


_UNREACHED = {False: "unreachable - no number", True: "unreachable - written to"}
