"""Tells the staff by mail of what waits in quarantine: soon after it came, and again each week until somebody has decided.

Several are told in one mail, and a flood of strangers makes one mail in a quarter of an hour. What could not be told is told with
the next turn. The quarantines of cases and of threads go this way, each with its own rows.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from homing.contracts import people
from homing.contracts import store as contracts
from homing.contracts.types import StaffMember
from homing.ground import db, log
from homing.ground.turns import PASSING, take_turns
from homing.message.addresses import BadAddress
from homing.support.cases.rules.held import Held, notice, readers
from homing.support.cases.sending import Mail
from homing.support.clocks.store import LegalClock

LOOKS_S = 60.0
AGAIN = timedelta(days=7)
BETWEEN = timedelta(minutes=15)
AT_ONCE = 200
NAME = "Support"
DECIDE = (
    "Let one in: homing cases release NUMBER --as YOU --account NAME --contact EMAIL. "
    "Throw one away: homing cases discard NUMBER --as YOU."
)
_log = log.get("cases")
_sql = db.queries("homing.support.cases")


class HeldPost:
    """Tells of one quarantine, for one worker.

    address   that mail comes from; '': that of other notices of the house
    untold    reads rows that nobody was told of, or long ago, and holds them; told writes that somebody was
    what      of which sort; decide: how, in a sentence
    """

    def __init__(
        self,
        pool: db.Pool,
        legal: LegalClock,
        mail: Mail,
        *,
        address: str,
        untold: Callable[..., AsyncIterator[Any]] | None = None,
        told: Callable[..., Awaitable[object]] | None = None,
        what: str = "support mail",
        decide: str = DECIDE,
    ) -> None:
        self._pool = pool
        self._legal = legal
        self._mail = mail
        self._sender = (NAME, address) if address else None
        self._untold = untold or _sql.held_untold
        self._told = told or _sql.told_of_held
        self._what = what
        self._decide = decide
        self._rests_until: datetime | None = None  # after mail could not be sent: one line in the log in a quarter of an hour

    async def run(self) -> None:
        """Tell until cancelled."""
        await take_turns(self.turn, every_s=LOOKS_S, log=_log, waits="held_wait", failed="held_turn_failed", rests_first=True)

    async def turn(self) -> None:
        """Tell of what is due. raises StoreUnavailable; then it is told with the next turn."""
        now = await self._legal.now(self._pool)
        if self._rests_until is not None and now < self._rests_until:
            return
        with db.trouble_is_temporary():
            async with db.holding(self._pool, self._untold, again=now - AGAIN, lately=now - BETWEEN, limit=AT_ONCE) as (
                connection,
                rows,
            ):
                held = [Held(**dict(row)) for row in rows]
                by_reader: dict[str, list[Held]] = {}
                for one in held:
                    for reader in await self._readers(connection, one, now):
                        by_reader.setdefault(reader.email, []).append(one)
                told: set[int] = set()
                for email, theirs in by_reader.items():
                    if await self._send(email, theirs):
                        told |= {one.number for one in theirs}
                if told:
                    await self._told(connection, numbers=sorted(told), at=now)
        self._rests_until = None
        if held and not told:
            self._rests_until = now + BETWEEN
            _log.warning("held_not_told", count=len(held))

    async def _readers(self, connection: db.Executor, one: Held, now: datetime) -> list[StaffMember]:
        tam = None if one.account_id is None else await contracts.tam_at(connection, one.account_id, now)
        named = None if one.person_id is None else await people.one(connection, one.person_id)
        return readers(tam, named, await people.everybody(connection))

    async def _send(self, email: str, held: list[Held]) -> bool:
        subject, text = notice(held, what=self._what, decide=self._decide)
        try:
            return await self._mail.send(
                email,
                subject=subject,
                text=text,
                sender=self._sender,
                headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
            )
        except (*PASSING, BadAddress) as trouble:  # the others are told all the same
            _log.warning("held_waits", cause=type(trouble).__name__)
            return False
