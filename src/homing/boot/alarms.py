"""What follows from findings of the ledger: persistent Unavailability wakes whoever is on call (P1), and so does a person who
declares it; a budget that half of went within an hour is told to the TAM (P3). Rooms that do not know one another meet here.

An outage of many accounts is one ladder, so that nobody's telephone rings a thousand times; the TAMs of all of them are told.
A finding and what was done about it are one transaction, so a worker that dies is followed by another.
"""

from datetime import timedelta

from homing.availability import decisions
from homing.availability.types import Finding, Rule
from homing.contracts import store as contracts
from homing.ground import db, log
from homing.ground.clock import Clock
from homing.ground.turns import PASSING, take_turns
from homing.metrics.watch import Mail
from homing.support.oncall import runs

_log = log.get("availability")
LOOKS_S = 1.0
STALE = timedelta(hours=6)  # what became known so much later wakes nobody any more
_LADDER = "unavailability"
_PERSISTENT = """{seconds} Unavailable seconds in one episode, since {start:%Y-%m-%d %H:%M:%S} UTC.

Account: {account}
The seconds: homing availability seconds, or GET /api/v1/availability/seconds

Whoever is on call was woken.
"""
_WARNING = """{seconds} Unavailable seconds within an hour, since {start:%Y-%m-%d %H:%M:%S} UTC.
That is at least half of what the month allows.

Account: {account}
The seconds: homing availability seconds, or GET /api/v1/availability/seconds

This is a warning. Nobody was woken for it.
"""


class Alarms:
    """Wakes people for what the ledger found.

    mail   None: nothing can be mailed from here, so warnings are left to a worker
    """

    def __init__(self, pool: db.Pool, clock: Clock, mail: Mail | None) -> None:
        self._pool = pool
        self._clock = clock
        self._mail = mail

    async def run(self) -> None:
        """Look until cancelled."""
        await take_turns(
            self.turn,
            every_s=LOOKS_S,
            log=_log,
            waits="alarms_wait",
            failed="alarms_turn_failed",
        )

    async def turn(self) -> int:
        """Do what the findings that are new ask for; return how many."""
        with db.trouble_is_temporary():
            rules = [rule for rule in Rule if rule is not Rule.COSTLY or self._mail is not None]
            async with db.holding(self._pool, decisions.untold, rules=rules) as (connection, found):
                for number, one in found:
                    try:
                        async with connection.transaction():
                            await self._tell(connection, one)
                    except PASSING:
                        raise
                    except Exception:  # the edge of one finding: it stands in the log, and the others must not wait
                        _log.exception("finding_not_told", account_id=one.account_id, rule=one.rule.value)
                    await decisions.told(connection, number)
        return len(found)

    async def _tell(self, connection: db.Executor, one: Finding) -> None:
        now = self._clock.now()
        if one.rule is Rule.COSTLY:
            await self._write(connection, one, "Half of a month's downtime within an hour", _WARNING)
            return
        if now - one.reached_at >= STALE:
            return
        if not await runs.going(connection, _LADDER):
            await runs.start_ladder(
                connection,
                f"{_LADDER} {one.account_id} {one.rule} {one.start:%Y-%m-%dT%H:%M:%S}",
                account_id=one.account_id,
                reference=f"persistent Unavailability since {one.start:%H:%M:%S} UTC",
                now=now,
            )
        await self._write(connection, one, "Persistent Unavailability", _PERSISTENT)

    async def _write(self, connection: db.Executor, one: Finding, subject: str, words: str) -> None:
        """Write to the TAM, and to who stands in; where there is none, to somebody of the desk."""
        if self._mail is None:
            return
        tam = await contracts.tam_at(connection, one.account_id, self._clock.now())
        text = words.format(seconds=one.seconds, start=one.start, account=one.account_id)
        people = set() if tam is None else {who.email for who in (tam.primary, tam.acting) if who.left_at is None}
        if not people and (reader := await contracts.reader_at(connection, one.account_id, self._clock.now())) is not None:
            people = {reader.email}
        sent = [await self._mail.send(to, subject=subject, text=text) for to in sorted(people)]
        _log.log(
            30 if any(sent) else 40,
            "finding_written",
            rule=one.rule.value,
            account_id=one.account_id,
            seconds=one.seconds,
            written_to=sum(sent),
        )
