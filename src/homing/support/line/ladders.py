"""Has people woken for what the line owes: by the ladders of on-call, and by mail to everybody where those wake nobody.

Never are both silent. A ladder and the call that it is for are one transaction; if on-call itself is broken, the mail is what it
holds, and the ladder is tried again each second.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from homing.contracts import people
from homing.ground import db
from homing.ground.log import get
from homing.ground.turns import PASSING
from homing.support.line import broadcast
from homing.support.line.away_book import AwayBook
from homing.support.line.rules.callback import PROMISE
from homing.support.line.types import Page, PageReason
from homing.support.oncall import runs, store
from homing.support.oncall.rules import ladder
from homing.support.oncall.types import ChannelKind, Ladder, Severity, Step, Target, Whom

log = get("line")
_PREFIX = "call-back "


class Ladders:
    """Wakes people. One for a worker.

    kinds   the channels of this installation
    away    what was done for calls while the store was away
    """

    def __init__(self, kinds: frozenset[ChannelKind], away: AwayBook) -> None:
        self.kinds = kinds
        self._away = away

    async def start(self, connection: Any, page: Page, now: datetime) -> bool:
        """Have people woken, in the caller's transaction; return whether a ladder runs, or must be tried again."""
        wakes = False
        async with _apart(connection, page.reference) as failed:
            wakes = await self._climb(connection, page, now)
        if failed or not wakes:
            await broadcast.note(connection, page, once=bool(failed) or page.reason is PageReason.CALL)
        return not failed

    async def end(self, connection: Any, obligation_id: int, *, because: str, now: datetime) -> None:
        """Wake nobody any more for a call-back: an attempt was placed, or nothing is owed."""
        async with _apart(connection, name_of(obligation_id)):
            await runs.end_ladder(connection, name_of(obligation_id), because=because, now=now)

    async def hold(self, connection: Any, obligation_id: int, person_id: int, now: datetime) -> None:
        """Let the ladder wait for whoever has the call-back in hand."""
        async with _apart(connection, name_of(obligation_id)):
            await runs.hold(connection, name_of(obligation_id), person_id, now)

    async def talking(self, connection: Any, obligation_id: int, person_id: int, now: datetime, *, until: datetime) -> None:
        """Let the ladder wait for whoever talks with the caller, whoever else had it in hand."""
        async with _apart(connection, name_of(obligation_id)):
            await runs.talking(connection, name_of(obligation_id), person_id, now, until=until)

    async def let_go(self, connection: Any, page: Page, now: datetime, *, hand_on: bool) -> None:
        """Wake people again: whoever had a call-back in hand has let it go."""
        goes_on = wakes = False
        async with _apart(connection, page.reference) as failed:
            goes_on = await runs.let_go(connection, name_of(page.obligation_id), now, hand_on=hand_on)
            wakes = await self._wakes(connection, page.account_id, now)
        if not failed and not goes_on:
            await self.start(connection, page, now)
        elif not wakes:
            await broadcast.note(connection, page)

    async def belong(self, connection: Any, obligation_id: int, account_id: int, due_at: datetime) -> None:
        """Let the account's TAM be woken, too, where it became known later whose a call is, and that it is due earlier."""
        async with _apart(connection, name_of(obligation_id)):
            await runs.belong(connection, name_of(obligation_id), account_id, due_at)

    async def heard(self, connection: db.Executor, number: str, now: datetime) -> None:
        """Wake nobody any more for a line that was silent: a test call was heard."""
        await runs.end_ladder(connection, f"line {number}", because="a test call was heard", now=now)

    async def test(self, connection: db.Executor, test_id: int, person_id: int, now: datetime) -> None:
        """Wake one person for a test call, in the transaction in which it was heard, as for a call of a customer."""
        steps = Ladder(name="test", steps=(Step(after_s=0, targets=(Target(Whom.PERSON, str(person_id)),)),))
        await runs.start_ladder(
            connection,
            test_name(test_id),
            account_id=None,
            reference="a test call, nobody waits",
            now=now,
            severity=Severity.ORDINARY,
            steps=steps,
        )

    async def on_duty(self, connection: Any, account_id: int | None, now: datetime) -> list[tuple[int, str]]:
        """Return who may be connected with a caller at once, best first: (person, number in E.164)."""
        async with _apart(connection, "who is on duty"):
            found = await store.reach(connection, account_id, now, kinds=frozenset({ChannelKind.VOICE}))
            steps = await store.ladder(connection, ladder.SEVERITY_1.name) or ladder.SEVERITY_1
            numbers = {one.person_id: one.phone for one in await people.everybody(connection)}
            return [(person, numbers[person]) for person in ladder.rung_live(steps.steps, found.facts)]
        return []

    async def sweep(self, pool: db.Pool, now: datetime) -> int:
        """Write to everybody about the ladders that wake nobody, of whichever room; return how many."""
        async with db.holding(pool, runs.unheard, now=now) as (connection, found):
            for run in found:
                log.error("ladder_unheard", run_id=run.run_id, reference=run.reference)
                page = Page(
                    reason=PageReason.UNHEARD,
                    reference=run.reference,
                    obligation_id=obligation_of(run.obligation),
                    first_ring_at=run.started_at,
                    due_at=run.due_at or now,
                )
                await broadcast.note(connection, page)
                await runs.told(connection, run.obligation, now)
        return len(found)

    async def _climb(self, connection: db.Executor, page: Page, now: datetime) -> bool:
        """Let a ladder run; return whether it can wake anybody."""
        owed = page.obligation_id
        if page.reason is PageReason.CALL:
            name, started_at, due_at = name_of(owed), page.due_at - PROMISE, page.due_at
        else:
            if owed is not None and await runs.going(connection, name_of(owed)):
                return True  # it goes on of itself
            stem = page.reference if owed is None else name_of(owed)
            name, started_at, due_at = f"{stem} {page.reason} {now:%Y-%m-%dT%H:%M:%S}", now, None
        await runs.start_ladder(
            connection,
            name,
            account_id=page.account_id,
            reference=f"{page.reference}{_SAID.get(page.reason, '')}",
            now=now,
            started_at=started_at,
            due_at=due_at,
        )
        before = await self._away.load(page.away) if page.away else None
        if before is not None:
            await runs.adopt(connection, name, before.run, before.pages, now)
        wakes = await self._wakes(connection, page.account_id, now)
        if not wakes:
            await runs.told(connection, name, now)
        return wakes

    async def _wakes(self, connection: db.Executor, account_id: int | None, now: datetime) -> bool:
        """Return whether there is anybody whom a ladder can wake."""
        facts = (await store.reach(connection, account_id, now, kinds=self.kinds)).facts
        return bool(facts.reachable & {*facts.roster, *ladder.everybody(facts), *([] if facts.tam is None else [facts.tam])})


@asynccontextmanager
async def _apart(connection: Any, what: str) -> AsyncIterator[list[str]]:
    """Do what needs on-call. If on-call is broken, that is logged and undone, what is given names it, and the call goes on."""
    failed: list[str] = []
    try:
        async with connection.transaction():
            yield failed
    except PASSING:
        raise
    except Exception:  # the edge between two rooms: what is wrong there must not keep anybody from being called back
        log.exception("ladder_failed", what=what)
        failed.append(what)


def name_of(obligation_id: int | None) -> str:
    """Return what on-call knows a call-back as."""
    return f"{_PREFIX}{obligation_id}"


def test_name(test_id: int) -> str:
    """Return what on-call knows a test call as."""
    return f"test call {test_id}"


def obligation_of(name: str) -> int | None:
    """Return the call-back that a ladder is for; None: it is for something else."""
    number = name.removeprefix(_PREFIX).partition(" ")[0]
    return int(number) if name.startswith(_PREFIX) and number.isdigit() else None


_SAID = {
    PageReason.RETRY: ", to be tried again",
    PageReason.CLAIM_LAPSED: ", in nobody's hand",
    PageReason.LINE_SILENT: " does not answer test calls",
}
