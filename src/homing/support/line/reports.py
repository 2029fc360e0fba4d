"""Takes reports of people who cannot phone, by form and API; while the store is away they are written down as calls are.

Whoever reports then is told his reference and until when he is called, both of which stand: the reference follows from the
report's own key, and the time counts from when it came. The keeper takes the report in when the store is back.
"""

from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec import structs

from homing.ground.clock import Clock
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.ground.turns import PASSING
from homing.ground.waiting import Patience
from homing.support.line.away_book import AwayBook, key_of
from homing.support.line.desk import Desk
from homing.support.line.journal import Journal, Noted
from homing.support.line.rules import callback
from homing.support.line.types import Answers, Call, Happened, Source

log = get("line")

PATIENCE_S = 3.0  # for the store
PURPOSE = "line report"
WRITTEN = "written"  # what the journal calls them
MOST_FROM_IP = 30  # in an hour, of people whom nobody could ask about


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote.

    key         of the report: the same key is the same report
    account_id  whose key it came with; None: nobody's, or that could not be asked
    key_hash    of that key, where it could not be asked; b'': there is none
    """

    source: Source
    key: str
    answers: Answers
    account_id: int | None = None
    key_hash: bytes = b""
    pin: str = ""
    ip: str = ""


class Later(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is written down: it will be taken in with this reference, and is due then."""

    reference: str
    came_at: datetime
    due_at: datetime


class NotKept(Exception):
    """Neither store nor disk took a report: whoever reports must phone."""


class TooMany(Exception):
    """An address sent too many reports."""


class Whose(Protocol):
    """Says whose API key had a hash, if it may report from an address."""

    async def __call__(self, key_hash: bytes, *, ip: str) -> int | None:
        """Return the account; None: nobody's."""
        ...


class Reports:
    """Takes reports. One for a worker."""

    def __init__(self, desk: Desk, journal: Journal, book: AwayBook, master_key: MasterKey, clock: Clock, whose: Whose) -> None:
        self._desk = desk
        self._journal = journal
        self._book = book
        self._master_key = master_key
        self._clock = clock
        self._whose = whose
        self._patience = Patience(PATIENCE_S)
        self._seen: dict[str, list[datetime]] = {}  # what came while the store was away, by address

    async def take(self, report: Report, *, most_from_ip: int = 0) -> Call | Later:
        """Take a report in, or write it down.

        most_from_ip   reports of an address in an hour; 0: any number
        raises         TooMany; NotKept
        """
        if not report.key_hash:
            try:
                made = await self._patience.wait(self._written(report, most_from_ip=most_from_ip))
            except PASSING as trouble:
                log.error("sev1_store_away", source=report.source.value, cause=type(trouble).__name__)
            else:
                if made is None:
                    raise TooMany
                return made
        return await self._noted(report, limited=bool(most_from_ip) or report.account_id is None)

    async def played(self, noted: Noted) -> None:
        """Take in what was written down. raises Misuse where it does not open."""
        report = msgspec.json.decode(self._master_key.open(noted.sealed, purpose=PURPOSE), type=Report)
        reference = self.reference(report)
        if report.key_hash:
            before = key_of(report.source.value, report.key)
            account_id = await self._whose(report.key_hash, ip=report.ip)
            if account_id is not None:  # the key that it has in the store: sent once more, it is the same report
                key = report.key.partition(":")[2]
                report = structs.replace(report, account_id=account_id, key=f"{account_id}:{key}")
                await self._book.copy(before, key_of(report.source.value, report.key))
        await self._written(report, at=noted.at, reference=reference)

    def reference(self, report: Report) -> str:
        """Return the reference that follows from a report's key."""
        return self._desk.reference_of(report.source, report.key)

    async def _written(
        self, report: Report, *, most_from_ip: int = 0, at: datetime | None = None, reference: str = ""
    ) -> Call | None:
        return await self._desk.written(
            report.source,
            report.key,
            report.answers,
            account_id=report.account_id,
            pin=report.pin,
            ip=report.ip,
            most_from_ip=most_from_ip,
            at=at,
            reference=reference,
        )

    async def _noted(self, report: Report, *, limited: bool) -> Later:
        now = self._clock.now()
        if limited:
            self._count(report.ip, now)
        noted = Noted(
            at=now,
            carrier=report.source.value,
            what=WRITTEN,
            happened=Happened(call_id=report.key, caller=report.answers.phone),
            sealed=self._master_key.seal(msgspec.json.encode(report), purpose=PURPOSE),
        )
        try:
            await self._journal.keep(noted)
        except OSError as trouble:
            log.critical("sev1_journal_failed", source=report.source.value, cause=str(trouble))
            raise NotKept from None
        return Later(reference=self.reference(report), came_at=now, due_at=callback.due_at(now))

    def _count(self, ip: str, now: datetime) -> None:
        since = now - timedelta(hours=1)
        self._seen = {one: kept for one, moments in self._seen.items() if (kept := [at for at in moments if at > since])}
        moments = self._seen.setdefault(ip, [])
        if len(moments) >= MOST_FROM_IP:
            raise TooMany
        moments.append(now)
