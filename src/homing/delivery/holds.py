"""Holds: one row stops a site, a domain, a campaign or a customer, whatever waits behind it.

Every worker reads the few rows each second, and who is suspended with them. Our own (a site that refuses everything) end by
themselves; an operator's stand until lifted. `blocks` answers for a lane why it must not be tried now.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.log import get
from homing.queue import holds as rows
from homing.queue.types import LaneKey

log = get("delivery")
EVERY_S = 1.0
UNKNOWN = "holds not read"  # lanes are set aside under it until the first look: who is held then is not known


class HoldBook:
    """The holds that stand, as this worker knows them.

    began   called once with each hold that stands, so that what it stops leaves memory
    ended   called once with each hold that began and is over, however long nobody could look, so that what was set
            aside for it can go on
    looked  called once, after the first look
    known   whether there was one
    """

    def __init__(
        self,
        pool: db.Pool,
        clock: Clock,
        *,
        began: Callable[[rows.Hold], None],
        ended: Callable[[rows.Hold], None],
        looked: Callable[[], None],
    ) -> None:
        self.known = False
        self._pool = pool
        self._clock = clock
        self._began = began
        self._ended = ended
        self._looked = looked
        self._holds: dict[str, rows.Hold] = {}
        self._told: dict[str, rows.Hold] = {}  # the ones that began and have not ended
        self._ours: set[str] = set()  # names that we changed while the rows were read
        self._by_person = False
        self._suspended: dict[tuple[int, int], rows.Hold] = {}  # account and subaccount; 0: the whole account

    def get(self, name: str) -> rows.Hold | None:
        """Return a hold that stands now, by its name."""
        hold = self._holds.get(name)
        if hold is None or (hold.until is not None and hold.until <= self._clock.now()):
            return None
        return hold

    def site(self, source_ip: str, site_key: str) -> rows.Hold | None:
        """Return what stops a site for one of our addresses."""
        if not self._holds:
            return None
        return self.get(rows.name_of("site", site_key, None, source_ip)) or self.get(rows.name_of("site", site_key, None, ""))

    def blocks(self, lane: LaneKey) -> rows.Hold | None:
        """Return what stops a lane, apart from its site: its domain, campaign or customer, or that he is suspended."""
        if not self._holds:
            return None
        if self._suspended:
            account_id, subaccount_id = lane.account_id, lane.subaccount_id
            suspended = self._suspended.get((account_id, 0)) or self._suspended.get((account_id, subaccount_id))
            if suspended is not None:
                return suspended
        found = self.get(rows.name_of("domain", lane.domain, None, ""))
        if found is None and self._by_person:
            found = self.get(rows.name_of("campaign", lane.campaign_id, lane.account_id, "")) or self.get(
                rows.name_of("customer", str(lane.account_id), lane.account_id, "")
            )
        return found

    async def place(self, hold: rows.Hold) -> None:
        """Stop something now, and let the other workers know."""
        standing = self.get(hold.name)
        if standing is None or standing.placed_by == "delivery":  # what a person stopped is not ours to end
            self._holds[hold.name] = hold
            self._ours.add(hold.name)
            self._tell()
        try:
            await rows.place(self._pool, hold)
        except db.TEMPORARY as trouble:
            log.warning("hold_not_written", hold=hold.name, cause=type(trouble).__name__)

    async def lift(self, name: str) -> None:
        """Let it flow again: the site took a message."""
        hold = self._holds.get(name)
        if hold is None or hold.placed_by != "delivery":
            return  # what a person stopped, a person starts
        self.end(name)
        try:
            await rows.lift(self._pool, scope=hold.scope, key=hold.key, account_id=hold.account_id, source_ip=hold.source_ip)
        except db.TEMPORARY as trouble:
            log.warning("hold_not_lifted", hold=name, cause=type(trouble).__name__)

    def end(self, name: str) -> None:
        """A hold of ours ran out: what was set aside for it may go on."""
        hold = self._holds.get(name)
        if hold is not None and hold.placed_by == "delivery":
            del self._holds[name]
            self._ours.add(name)
            self._tell()

    async def run(self) -> None:
        """Read the rows now and every second; end what is over. Runs until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(EVERY_S)

    async def _look(self) -> None:
        self._ours.clear()
        known = True
        try:
            fresh = {hold.name: hold for hold in await rows.standing(self._pool)}
            await rows.drop_ended(self._pool, before=self._clock.now() - timedelta(minutes=1))
        except db.TEMPORARY:
            fresh, known = self._holds, self.known  # what runs out ends even while nobody can read
        try:
            self.replace(fresh)
        except Exception:  # the edge of one look
            log.exception("holds_not_taken")
        if known and not self.known:
            self.known = True
            self._looked()

    def replace(self, fresh: dict[str, rows.Hold]) -> None:
        """Take the rows as they are now; tell of each hold that began or ended."""
        for name in self._ours:  # what we changed since the rows were read is newer than they are
            if name in self._holds:
                fresh[name] = self._holds[name]
            else:
                fresh.pop(name, None)
        self._holds = fresh
        self._by_person = any(hold.scope in ("campaign", "customer") for hold in fresh.values())
        self._suspended = {(hold.account_id or 0, int(hold.key)): hold for hold in fresh.values() if hold.scope == rows.SUSPENDED}
        self._tell()

    def _tell(self) -> None:
        now = self._clock.now()
        for name, hold in list(self._told.items()):
            if not _stands(self._holds.get(name), now):
                del self._told[name]
                self._ended(hold)
        for name, hold in list(self._holds.items()):
            if name not in self._told and _stands(hold, now):
                self._told[name] = hold
                self._began(hold)


def _stands(hold: rows.Hold | None, now: datetime) -> bool:
    return hold is not None and (hold.until is None or hold.until > now)
