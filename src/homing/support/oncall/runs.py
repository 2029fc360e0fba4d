"""Ladders that run, and their pages, in PostgreSQL. A step and the pages that it owes are one transaction."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from homing.contracts import store as contracts
from homing.ground import db
from homing.ground.errors import Misuse
from homing.support.oncall import store
from homing.support.oncall.rules import ladder
from homing.support.oncall.types import ChannelKind, Claim, Ladder, Paging, Run, Severity, Step

_sql = store.sql
_encode = msgspec.json.Encoder().encode
UNHEARD_AFTER = timedelta(seconds=30)  # by then an engine has looked at a ladder, if there is any
TRIED_WITHIN = timedelta(seconds=20)  # a page that was taken and not settled by then is anybody's again


class Answer(StrEnum):
    """What a person who was paged can say. The keys are those of a page call."""

    ACKNOWLEDGE = "acknowledge"
    CLAIM = "claim"  # key 1
    HAND_ON = "hand-on"  # key 2


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it is kept (PageAttempt)."""

    page_id: int
    run_id: int
    step: int
    person_id: int
    kind: ChannelKind
    address_sealed: bytes | None
    alarm: bool
    made_at: datetime
    due_at: datetime | None
    attempts: int
    sent_at: datetime | None
    outcome: str
    acknowledged_at: datetime | None


class AwayPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a ladder that was climbed while the store was away. outcome: '': nothing is known of it yet."""

    number: int
    step: int
    person_id: int
    kind: ChannelKind
    address_sealed: bytes | None
    alarm: bool
    made_at: datetime
    tries: int = 0
    sent_at: datetime | None = None
    outcome: str = ""


async def start_ladder(
    connection: db.Executor,
    obligation: str,
    *,
    account_id: int | None,
    reference: str,
    now: datetime,
    started_at: datetime | None = None,
    due_at: datetime | None = None,
    severity: Severity = Severity.ONE,
    steps: Ladder | str = ladder.SEVERITY_1.name,
) -> None:
    """Let people be woken for an obligation, in the caller's transaction. A second call for the same one changes nothing.

    reference   what pages name; nothing of the customer's problem
    started_at  what steps are counted from, where it began before it became known; steps that are overdue come at once
    due_at      when what is owed falls due
    steps       a ladder, or the name of one; it is frozen as it is now
    raises      Misuse where there is no ladder of that name
    """
    chosen = steps if isinstance(steps, Ladder) else await store.ladder(connection, steps)
    if chosen is None:
        raise Misuse(f"there is no ladder {steps!r}; `homing oncall ladder` shows them")
    with db.trouble_is_temporary():
        await _sql.start_run(
            connection,
            obligation=obligation,
            account_id=account_id,
            severity=severity.value,
            reference=reference,
            steps=_encode(ladder.checked(chosen).steps).decode(),
            made_at=now,
            started_at=started_at or now,
            due_at=due_at,
        )


async def adopt(connection: db.Executor, obligation: str, away: Run, pages: Sequence[AwayPage], now: datetime) -> None:
    """Let a ladder that has just begun go on from where it was climbed while the store was away, with the pages that were sent.
    In the caller's transaction. Pages that nothing is known of go out once more.
    """
    with db.trouble_is_temporary():
        row = await _sql.run_of(connection, obligation=obligation)
        if row is None or row["paged_at"] is not None or row["next_step"] > 0 or row["ended_at"] is not None:
            return
        for page in pages:
            await _sql.add_away_page(
                connection,
                run_id=row["run_id"],
                step=page.step,
                person_id=page.person_id,
                kind=page.kind.value,
                address_sealed=page.address_sealed,
                alarm=page.alarm,
                made_at=page.made_at,
                due_at=None if page.outcome else now,
                attempts=page.tries,
                sent_at=page.sent_at,
                outcome=page.outcome,
                acknowledged_at=away.engaged_at if page.person_id == away.engaged_by else None,
            )
        run = _run(row)
        await _save(
            connection,
            msgspec.structs.replace(
                run,
                next_step=min(away.next_step, len(run.steps)),
                forward_s=away.forward_s,
                found=away.found,
                rounds=away.rounds,
                paged_at=away.paged_at,
                claim=away.claim,
                engaged_by=away.engaged_by,
                engaged_at=away.engaged_at,
            ),
        )


async def end_ladder(connection: db.Executor, obligation: str, *, because: str, now: datetime) -> None:
    """Let nobody be paged any more for an obligation and what belongs to it: an attempt was placed, or nothing is owed. In the
    caller's transaction.
    """
    for run in await going(connection, obligation):
        await _save(connection, ladder.ended(run, because, now))


async def going(connection: db.Executor, obligation: str) -> list[Run]:
    """Return the ladders that go on for an obligation and what belongs to it, held to the end of the transaction."""
    with db.trouble_is_temporary():
        return [_run(row) async for row in _sql.going(connection, obligation=obligation)]


async def hold(connection: db.Executor, obligation: str, person_id: int, now: datetime) -> None:
    """Let somebody hold the ladders of an obligation from now on, who claimed elsewhere or whose attempt begins or has ended."""
    for run in await going(connection, obligation):
        after = ladder.held(run, person_id, now)
        if after is not None:
            await _save(connection, after)


async def talking(connection: db.Executor, obligation: str, person_id: int, now: datetime, *, until: datetime) -> None:
    """Let somebody hold the ladders of an obligation who talks with whoever is owed a call, until then at most."""
    for run in await going(connection, obligation):
        await _save(connection, ladder.talking(run, person_id, now, until))


async def let_go(connection: db.Executor, obligation: str, now: datetime, *, hand_on: bool = False) -> bool:
    """Let the ladders of an obligation go on: a claim is over (hand_on: was given up, so that the next step comes at once).

    returns   whether there is one
    """
    found = await going(connection, obligation)
    for run in found:
        person = None if run.claim is None else run.claim.person_id
        after = ladder.handed_on(run, person, now) if hand_on and person is not None else None
        await _save(connection, after or ladder.let_go(run))
    return bool(found)


async def belong(connection: db.Executor, obligation: str, account_id: int, due_at: datetime) -> None:
    """Note whose an obligation is, where that became known later: his TAM is woken, too. If it is due earlier than was thought,
    every step comes as much earlier.
    """
    for run in await going(connection, obligation):
        earlier = run.due_at - due_at if run.due_at is not None and due_at < run.due_at else timedelta(0)
        with db.trouble_is_temporary():
            await _sql.belong(
                connection,
                run_id=run.run_id,
                account_id=account_id,
                started_at=run.started_at - earlier,
                due_at=run.due_at and run.due_at - earlier,
            )
        await _save(
            connection,
            msgspec.structs.replace(run, started_at=run.started_at - earlier, due_at=run.due_at and run.due_at - earlier),
        )


async def unheard(connection: db.Executor, *, now: datetime) -> AsyncIterator[Run]:
    """Hold the ladders of Severity 1 that wake nobody, and of which nobody was `told` yet: that must be in another way."""
    with db.trouble_is_temporary():
        async for row in _sql.unheard(connection, before=now - UNHEARD_AFTER):
            yield _run(row)


async def told(connection: db.Executor, obligation: str, now: datetime) -> None:
    """Note that everybody was told in another way that a ladder wakes nobody."""
    with db.trouble_is_temporary():
        await _sql.told(connection, obligation=obligation, now=now)


async def answer(connection: db.Executor, run_id: int, person_id: int, what: Answer, now: datetime) -> Run | None:
    """Carry out what somebody says; return the run after it, in the caller's transaction.

    returns   None where somebody else holds it, it has ended, or there is none
    """
    changes: dict[Answer, Callable[[Run, int, datetime], Run | None]] = {
        Answer.ACKNOWLEDGE: lambda run, person, at: None if run.ended_at else ladder.acknowledged(run, person, at),
        Answer.CLAIM: ladder.claimed,
        Answer.HAND_ON: ladder.handed_on,
    }
    with db.trouble_is_temporary():
        row = await _sql.run_held(connection, run_id=run_id)
        after = None if row is None else changes[what](_run(row), person_id, now)
        if after is None:
            return None
        await _save(connection, after)
        await _sql.acknowledge(connection, run_id=run_id, person_id=person_id, now=now)
        await contracts.note(
            connection,
            actor=f"staff {person_id}",
            action=f"page: {what}",
            account_id=after.account_id,
            subject=f"on-call: ladder {run_id}",
        )
    return after


async def of_obligation(executor: db.Executor, obligation: str) -> Run | None:
    """Return the ladder of an obligation."""
    with db.trouble_is_temporary():
        row = await _sql.run_of(executor, obligation=obligation)
    return None if row is None else _run(row)


async def one(executor: db.Executor, run_id: int) -> Run | None:
    """Return one run."""
    with db.trouble_is_temporary():
        row = await _sql.run(executor, run_id=run_id)
    return None if row is None else _run(row)


async def latest(executor: db.Executor, *, most: int = 50) -> list[Run]:
    """Return runs, those that go on first."""
    with db.trouble_is_temporary():
        return [_run(row) async for row in _sql.runs(executor, most=most)]


async def pages_of(executor: db.Executor, run_id: int) -> list[Owed]:
    """Return every page of a run, oldest first."""
    with db.trouble_is_temporary():
        return [_owed(row) async for row in _sql.pages_of(executor, run_id=run_id)]


async def page(executor: db.Executor, page_id: int) -> Owed | None:
    """Return one page."""
    with db.trouble_is_temporary():
        row = await _sql.page(executor, page_id=page_id)
    return None if row is None else _owed(row)


async def remark(connection: db.Executor, page_id: int, outcome: str) -> None:
    """Note what became of a page after it went out: nobody answered, somebody claimed."""
    with db.trouble_is_temporary():
        await _sql.remark(connection, page_id=page_id, outcome=outcome[:300])


async def went_out(connection: db.Executor, page_id: int, now: datetime, *, told: bool) -> None:
    """Note that a page went out, in the caller's transaction. told: what became of it is noted already."""
    with db.trouble_is_temporary():
        await _sql.went_out(connection, page_id=page_id, now=now, told=told)


async def undo(connection: db.Executor, page: Owed, outcome: str, now: datetime) -> None:
    """Note that a page that a carrier had taken reached nobody after all. The next step comes at once, if nobody gets any page of
    this one.
    """
    with db.trouble_is_temporary():
        row = await _sql.run_held(connection, run_id=page.run_id)
        await _sql.unsend(connection, page_id=page.page_id, outcome=outcome[:300])
        if await _sql.fell_flat(connection, run_id=page.run_id, step=page.step):
            await _save(connection, ladder.fell_flat(_run(row), page.step, now))


class StepFailed(Exception):
    """A step could not be carried out, for a reason that is the run's own; nothing of it was written."""

    def __init__(self, run_id: int) -> None:
        super().__init__(f"ladder {run_id}")
        self.run_id = run_id


async def take_step(
    pool: db.Pool, now: datetime, *, kinds: frozenset[ChannelKind], without: Sequence[int] = ()
) -> tuple[Run, Sequence[tuple[Paging, int]]] | None:
    """Carry out what is due of one run that nobody else works on.

    without   runs to be passed over
    returns   the run after it, and each paging with how many pages are owed for it; None: nothing is due
    raises    StepFailed
    """
    with db.trouble_is_temporary():
        async with db.holding(pool, _sql.take_run, now=now, without=list(without)) as (connection, rows):
            for row in rows:
                try:
                    return await _carry_out(connection, row, now, kinds)
                except db.TEMPORARY:
                    raise
                except Exception as trouble:
                    raise StepFailed(row["run_id"]) from trouble
    return None


async def _carry_out(
    connection: db.Executor, row: Any, now: datetime, kinds: frozenset[ChannelKind]
) -> tuple[Run, Sequence[tuple[Paging, int]]]:
    before = _run(row)
    reach = await store.reach(connection, before.account_id, now, kinds=kinds)
    after, pagings = ladder.advance(before, reach.facts, now)
    made = []
    for paging in pagings:
        ways = [way for person in paging.people for way in reach.channels[person]]
        for way in ways:
            await _sql.add_page(
                connection,
                run_id=before.run_id,
                step=paging.step,
                person_id=way.person_id,
                kind=way.kind.value,
                address_sealed=way.address_sealed,
                alarm=paging.alarm,
                now=now,
            )
        made.append((paging, len(ways)))
    await _save(connection, after)
    return after, made


async def take_pages(pool: db.Pool, severity: Severity, now: datetime, *, most: int) -> list[Owed]:
    """Take pages that are to go out now."""
    with db.trouble_is_temporary():
        rows = _sql.take_pages(pool, severity=severity.value, now=now, until=now + TRIED_WITHIN, most=most)
        return [_owed(row) async for row in rows]


async def settle(pool: db.Pool, page: Owed, outcome: str, now: datetime, *, sent: bool, again_at: datetime | None = None) -> None:
    """Note what became of a page. If nobody gets any page of its step, the next step comes at once."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            # The run first: `take_step` holds it, too, before it makes pages.
            row = await _sql.run_held(connection, run_id=page.run_id)
            await _sql.settle_page(
                connection, page_id=page.page_id, outcome=outcome[:300], sent_at=now if sent else None, due_at=again_at
            )
            if not sent and again_at is None and await _sql.fell_flat(connection, run_id=page.run_id, step=page.step):
                await _save(connection, ladder.fell_flat(_run(row), page.step, now))


async def sent_within_the_hour(executor: db.Executor, page: Owed, now: datetime) -> int:
    """Return how many pages somebody got by the channel of a page."""
    with db.trouble_is_temporary():
        found: int = await _sql.sent_since(
            executor, person_id=page.person_id, kind=page.kind.value, since=now - timedelta(hours=1)
        )
    return found


async def take_beat(pool: db.Pool, now: datetime, *, every: timedelta) -> bool:
    """Return whether it is ours to tell the outside that we live."""
    with db.trouble_is_temporary():
        return await _sql.beat(pool, now=now, before=now - every) is not None


async def _save(connection: db.Executor, run: Run) -> None:
    await _sql.save_run(
        connection,
        run_id=run.run_id,
        next_step=run.next_step,
        forward_s=run.forward_s,
        found=run.found,
        rounds=run.rounds,
        paged_at=run.paged_at,
        claimed_by=None if run.claim is None else run.claim.person_id,
        claimed_at=None if run.claim is None else run.claim.at,
        claimed_until=None if run.claim is None else run.claim.until,
        engaged_by=run.engaged_by,
        engaged_at=run.engaged_at,
        ended_at=run.ended_at,
        ended_because=run.ended_because,
        look_at=ladder.next_look(run),
    )


def _run(row: Any) -> Run:
    return Run(
        run_id=row["run_id"],
        obligation=row["obligation"],
        account_id=row["account_id"],
        severity=Severity(row["severity"]),
        reference=row["reference"],
        steps=msgspec.json.decode(row["steps"], type=tuple[Step, ...]),
        started_at=row["started_at"],
        due_at=row["due_at"],
        next_step=row["next_step"],
        forward_s=row["forward_s"],
        found=row["found"],
        rounds=row["rounds"],
        paged_at=row["paged_at"],
        claim=None if row["claimed_by"] is None else Claim(row["claimed_by"], row["claimed_at"], row["claimed_until"]),
        engaged_by=row["engaged_by"],
        engaged_at=row["engaged_at"],
        ended_at=row["ended_at"],
        ended_because=row["ended_because"],
    )


def _owed(row: Any) -> Owed:
    return Owed(
        page_id=row["page_id"],
        run_id=row["run_id"],
        step=row["step"],
        person_id=row["person_id"],
        kind=ChannelKind(row["kind"]),
        address_sealed=row["address_sealed"],
        alarm=row["alarm"],
        made_at=row["made_at"],
        due_at=row["due_at"],
        attempts=row["attempts"],
        sent_at=row["sent_at"],
        outcome=row["outcome"],
        acknowledged_at=row["acknowledged_at"],
    )
