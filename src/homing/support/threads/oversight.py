"""Oversight (clause B6): one stream of every case, message, call, page and promise of a TAM's accounts, and one step to escalate.

A TAM sees the accounts that are his and those that he stands in for; who covers sees them too, and the TAM goes on seeing them
(E26). An admin sees all, and the calls to the Severity 1 Line of which nobody has said whose they are; so does who is on call,
where he oversees something.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from homing.accounts import store as accounts
from homing.contracts import store as contracts
from homing.contracts.types import Role, StaffMember, Tam
from homing.ground import db
from homing.support.cases import store as cases
from homing.support.cases.course import Course
from homing.support.cases.desk import Desk, own_words
from homing.support.cases.happened import Noted, Payload
from homing.support.cases.rules import resolution
from homing.support.cases.rules.decision import Bar, Decision, No, has_words
from homing.support.cases.steps import Step
from homing.support.cases.types import Actor, Case, Purpose, Side
from homing.support.clocks.store import LegalClock
from homing.support.oncall import runs
from homing.support.oncall import store as oncall
from homing.support.oncall.types import Ladder, Severity, Target, Whom
from homing.support.oncall.types import Step as Rung
from homing.support.threads.rules.oversight import Cursor, Place, micros, moment_of, page, place_of
from homing.support.threads.types import Item, ItemKind, Risk

_sql = db.queries("homing.support.threads", "oversight.sql")
MOST_AT_RISK = 1_000
MOST_NAMED = 100  # accounts that the first page names although nothing of theirs is on it
ESCALATION = "escalation"  # the ladder of this name is climbed, if one was recorded
_MANAGEMENT = Ladder(
    name=ESCALATION,
    steps=(Rung(after_s=0, targets=(Target(Whom.SCHEDULE, "management"), Target(Whom.ROLE, Role.ADMIN.value))),),
)


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """An account of the stream, and who is responsible for it. tam: has the oversight; acting: whom the customer turns to."""

    account_id: int
    name: str
    tam: Tam | None


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the stream. next: where the following page begins; None: there is none."""

    at: datetime
    watched: tuple[Watched, ...]
    items: tuple[Item, ...]
    next: Cursor | None


async def accounts_of(executor: db.Executor, member: StaffMember, now: datetime) -> list[int] | None:
    """Return the accounts that somebody oversees; None: he is no TAM, stands in for none, and is no admin."""
    if member.is_a(Role.ADMIN):
        return [one.account_id for one in await accounts.all_accounts(executor)]
    found = await contracts.accounts_of_tam(executor, member.person_id, now)
    return found if found or member.is_a(Role.TAM) else None


def sees_unnamed(member: StaffMember) -> bool:
    """Return whether somebody is to say whose the calls are that nobody knows."""
    return member.is_a(Role.ADMIN) or member.is_a(Role.ONCALL)


async def stream(
    executor: db.Executor,
    legal: LegalClock,
    account_ids: Collection[int],
    *,
    cursor: Cursor | None,
    limit: int,
    unnamed: bool = False,
) -> Stream:
    """Return one page of the stream of some accounts.

    unnamed   calls to the Severity 1 Line are in it, too, of which nobody has said yet whose they are
    raises    StoreUnavailable
    """
    with db.trouble_is_temporary():
        now = await legal.now(executor)
        until = now if cursor is None else min(moment_of(cursor.until), now)
        mine = sorted(set(account_ids))
        after = None if cursor is None else cursor.place
        at_risk = [] if after is not None and after.is_news else await _at_risk(executor, mine, until, unnamed=unnamed)
        news = await _news(executor, mine, after, until, limit + 1)
        items, more = page(at_risk, news, after, limit)
        names = {one.account_id: one.name for one in await accounts.all_accounts(executor)}
        shown = {item.account_id for item in items if item.account_id is not None}
        if cursor is None and len(mine) <= MOST_NAMED:
            shown.update(mine)
        tams = await contracts.tams_at(executor, sorted(shown), now)
        watched = [Watched(account_id=one, name=names.get(one, ""), tam=tams.get(one)) for one in sorted(shown)]
    following = Cursor(place_of(items[-1]), micros(until)) if more else None
    return Stream(at=until, watched=tuple(watched), items=tuple(items), next=following)


async def _at_risk(executor: db.Executor, mine: Sequence[int], until: datetime, *, unnamed: bool) -> list[Item]:
    given: dict[str, Any] = {"account_ids": list(mine), "until": until, "most": MOST_AT_RISK}
    found = [_promise(row) async for row in _sql.promises_at_risk(executor, **given)]
    found += [_call_back(row) async for row in _sql.call_backs_owed(executor, **given, unnamed=unnamed)]
    if unnamed:
        found += [_unnamed(row, until) async for row in _sql.calls_unnamed(executor, until=until, most=MOST_AT_RISK)]
    return found + [_critical(row) async for row in _sql.critical_cases(executor, **given)]


async def _news(executor: db.Executor, mine: Sequence[int], after: Place | None, until: datetime, limit: int) -> list[Item]:
    """Return news after a place; one at risk stands before all of them."""
    begins = after if after is not None and after.is_news else None
    at = until if begins is None else moment_of(begins.key)
    kind, ident = ("", "") if begins is None else (begins.kind, begins.ident)
    rows = _sql.news(executor, account_ids=list(mine), at=at, kind=kind, ident=ident, limit=limit)
    return [
        Item(
            kind=ItemKind(row["kind"]),
            ident=row["ident"],
            account_id=row["account_id"],
            risk=Risk.NEWS,
            at=row["at"],
            due_at=row["due_at"],
            state=row["state"],
            what=row["what"],
            detail=msgspec.json.decode(row["detail"]),
        )
        async for row in rows
    ]


def _promise(row: Any) -> Item:
    return Item(
        kind=ItemKind.PROMISE,
        ident=f"{row['subject']} {row['subject_id']}/{row['number']}",
        account_id=row["account_id"],
        risk=Risk.MISSED if row["state"] == "missed" else Risk.DUE,
        at=row["started_at"],
        due_at=row["due_at"],
        state=row["state"],
        what=row["kind"],
        detail={"of": row["subject"], "of_id": row["subject_id"], "nature": row["nature"]},
    )


def _call_back(row: Any) -> Item:
    return Item(
        kind=ItemKind.PROMISE,
        ident=f"call {row['intake_id']}",
        account_id=row["account_id"],
        risk=Risk.DUE if row["outcome"] is None else Risk.MISSED,
        at=row["first_ring_at"],
        due_at=row["due_at"],
        state="running" if row["outcome"] is None else "missed",
        what="CALLBACK",
        detail={
            "of": "call",
            "of_id": row["intake_id"],
            "nature": "contractual",
            "reference": row["reference"],
            "claimed_by": row["claimed_by"],
            "case": row["case_ref"],
        },
    )


def _unnamed(row: Any, until: datetime) -> Item:
    return Item(
        kind=ItemKind.CALL,
        ident=str(row["intake_id"]),
        account_id=None,
        risk=Risk.DUE if until <= row["decide_by"] else Risk.MISSED,
        at=row["first_ring_at"],
        due_at=row["decide_by"],
        state="caller unknown",
        what=row["reference"],
        detail={"call": row["intake_id"], "caller": row["caller"], "source": row["source"], "case": None},
    )


def _critical(row: Any) -> Item:
    return Item(
        kind=ItemKind.CASE,
        ident=str(row["case_id"]),
        account_id=row["account_id"],
        risk=Risk.CRITICAL,
        at=row["opened_at"],
        state=row["state"],
        what=row["subject"],
        detail={"case": row["case_id"], "severity": "critical", "owner_id": row["owner_id"]},
    )


class Escalations:
    """Escalates a case in one step. One for a worker."""

    def __init__(self, pool: db.Pool, desk: Desk) -> None:
        self._pool = pool
        self._desk = desk
        self._course = Course(desk)

    async def to_tam(self, case_id: int, by: StaffMember, reason: str) -> Case | No | None:
        """Ask the TAM to look at a case: TAM_REPLY begins, and he, or who stands in, gets a mail."""
        return await self._course.call_tam(case_id, _actor(by), reason=reason)

    async def to_critical(self, case_id: int, by: StaffMember, reason: str) -> Case | No | None:
        """Let a case be a Critical Issue."""
        return await self._course.escalate(case_id, _actor(by), reason=reason)

    async def to_management(self, case_id: int, by: StaffMember, reason: str) -> Case | No | None:
        """Page management about a case, and note why; both or neither."""

        async def decide(step: Step) -> Decision:
            if not step.case.live:
                return No(Bar.STATE, f"the case is {step.case.state.value.replace('_', ' ')}")
            if not has_words(reason):
                return No(Bar.WHAT, "say why")
            obligation = f"escalation case {case_id}/{step.case.seq}"
            await runs.start_ladder(
                step.connection,
                obligation,
                account_id=step.account_id,
                reference=f"case {step.case.number}",
                now=step.at,
                severity=Severity.ORDINARY,
                steps=await oncall.ladder(step.connection, ESCALATION) or _MANAGEMENT,
            )
            text = f"Escalated to management: {reason}"
            number = await step.say(own_words(Purpose.NOTE, text, _actor(by), by.name))
            made: list[Payload] = [Noted(message=number, sha256=resolution.digest(text))]
            return made

        return await self._desk.act(case_id, _actor(by), decide)

    async def account_of(self, case_id: int) -> int | None:
        """Return whose a case is; None: there is no such case."""
        row = await cases.row(self._pool, case_id)
        return None if row is None else row.account_id


def _actor(member: StaffMember) -> Actor:
    name = f"staff {member.person_id}"
    return Actor(side=Side.PROVIDER, name=name, person_id=member.person_id, email=member.email)
