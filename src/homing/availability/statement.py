"""Brings together what a month's statement is made of, for one account or for all of them."""

import asyncio
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import msgspec

from homing.accounts import store as accounts
from homing.accounts.types import Account
from homing.availability import decisions, gather, store
from homing.availability.rules import leaf, merkle
from homing.availability.rules.judging import FINAL_AFTER, judge
from homing.availability.rules.share import TARGET, Outcome, outcome, uptime
from homing.availability.rules.statement import DayFacts, Facts, Link, Statement, compose, net_of
from homing.availability.rules.targets import promised
from homing.availability.seal import pseudonym
from homing.availability.store import Figures, Root, SealedDay
from homing.availability.types import Month, moment
from homing.contracts import store as contracts
from homing.contracts.kept import Kept
from homing.evidence import store as evidence
from homing.evidence.rules.classify import VERSION
from homing.evidence.rules.seconds import Seconds
from homing.ground import db
from homing.ground.secrets import MasterKey


class Nothing(Exception):
    """There is no evidence of that time; the text says since when there is."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One account's month in a list of all: counts of seconds."""

    account: str
    account_id: int
    attempted: int
    unavailable_gross: int
    unavailable_net: int
    unavailable_strict: int
    unknown: int
    uptime_net: str
    verdict: Outcome


async def statement(
    executor: db.Executor,
    account: Account,
    month: Month,
    *,
    master_key: MasterKey,
    now: datetime,
    target: Decimal = TARGET,
    kept: Kept | None = None,
) -> Statement:
    """Return the statement of an account's month.

    target   where no Order Form names one
    kept     how other promises were kept in that month (support.report)
    raises   Nothing; StoreUnavailable
    """
    first = await _first(executor, month, now)
    days = await _days(executor, account, month, first, now)
    since, until = moment(month.start), moment(month.start + month.seconds)
    last = month.after - timedelta(days=1)
    nobodys = await store.sealed(executor, evidence.NOBODY, month.first, last)
    facts = Facts(
        account=account.name,
        account_id=account.account_id,
        pseudonym=pseudonym(master_key, account.account_id),
        days=days,
        exclusions=await decisions.exclusions(executor, account.account_id, since=since, until=until),
        findings=await decisions.findings(executor, account.account_id, since=since, until=until),
        amendments=[
            (day, version.made_at, amends)
            for day, version in await store.amendments(executor, account.account_id, month.first, last)
            if (amends := leaf.read(version.entry)[0].amends) is not None
        ],
        links=[link_of(root) for root in await store.roots(executor, month.first, last)],
        unattributed=sum(one.figures.unavailable.bit_count() for one in nobodys),
        measured_from=max(first, account.created_at),
        kept=kept or Kept(),
    )
    forms = await contracts.order_forms_of(executor, account.account_id)
    return compose(month, facts, now=now, targets=promised(forms, month, now=now, default=target))


async def lines(executor: db.Executor, month: Month, *, now: datetime, target: Decimal = TARGET) -> list[Line]:
    """Return the month of every account, by name.

    raises   Nothing; StoreUnavailable
    """
    first = await _first(executor, month, now)
    last = month.after - timedelta(days=1)
    sealed: dict[int, dict[date, Figures]] = defaultdict(dict)
    for number, day, figures in await store.figures_of_all(executor, month.first, last):
        sealed[number][day] = figures
    everybody = await accounts.all_accounts(executor)
    roots = {root.day for root in await store.roots(executor, month.first, last)}
    for day in _measured(month, first, now):
        if day in roots:
            continue
        edge = await gather.edge(executor, day, now=now)
        for number, one in (await gather.gather(executor, everybody, day, edge)).items():
            sealed[number][day] = store.figures_of(one.seen, classifier=VERSION)
    since, until = moment(month.start), moment(month.start + month.seconds)
    exclusions = await decisions.exclusions(executor, None, since=since, until=until)
    known_at = until if now >= until else None  # what is recorded afterwards changes no month that is over
    targets = await contracts.targets_at(executor, min(now, until - timedelta(seconds=1)), known_at=known_at)
    over = now >= until + FINAL_AFTER and all(day in roots for day in _measured(month, first, now))
    found = []
    for account in sorted(everybody, key=lambda one: one.name):
        mine = sealed.get(account.account_id, {})
        gross, net = net_of(
            [(day, figures.unavailable) for day, figures in mine.items()], exclusions, account_id=account.account_id
        )
        unknown = sum(figures.unknown.bit_count() for figures in mine.values() if figures.unknown)
        found.append(
            Line(
                account=account.name,
                account_id=account.account_id,
                attempted=sum(figures.attempted[0] for figures in mine.values()),
                unavailable_gross=gross,
                unavailable_net=net,
                unavailable_strict=sum(figures.strict.bit_count() for figures in mine.values() if figures.strict),
                unknown=unknown,
                uptime_net=str(uptime(net, month.seconds)),
                verdict=outcome(net, unknown, seconds=month.seconds, target=targets.get(account.account_id, target), over=over),
            )
        )
    return found


async def _first(executor: db.Executor, month: Month, now: datetime) -> datetime:
    """Return the first moment of which there is evidence.

    raises   Nothing if the month lies before it, or has not begun
    """
    nodes = await evidence.nodes(executor)
    if moment(month.start) > now:
        raise Nothing(f"{month} has not begun")
    first = min((node.since for node in nodes), default=None)
    if first is None:
        raise Nothing("nothing was measured yet")
    if first >= moment(month.start + month.seconds):
        raise Nothing(f"nothing was measured in {month}; evidence begins on {first.date().isoformat()}")
    return first


def _measured(month: Month, first: datetime, now: datetime) -> list[date]:
    """Return the days of a month of which there can be evidence."""
    return [day for day in month.days if first.date() <= day and datetime.combine(day, time(), UTC) <= now]


async def _days(executor: db.Executor, account: Account, month: Month, first: datetime, now: datetime) -> list[DayFacts]:
    sealed = {one.day: one for one in await store.sealed(executor, account.account_id, month.first, month.days[-1])}
    entries = await store.entries(executor, account.account_id, [day for day, one in sealed.items() if one.figures.unavailable])
    days = []
    for day in _measured(month, first, now):
        if day < account.created_at.date():
            continue
        if day in sealed:
            one = sealed[day]
            proof = [] if one.root_day is None or one.place is None else await proof_of(executor, one.root_day, one.place)
            days.append(_sealed_day(one, entries.get(day), proof))
            continue
        edge = await gather.edge(executor, day, now=now)
        seen = (await gather.gather(executor, [account], day, edge))[account.account_id].seen
        figures = store.figures_of(seen, classifier=VERSION)
        days.append(_facts(day, figures, judge(seen).available))
    return days


def _sealed_day(one: SealedDay, entry: bytes | None, proof: list[bytes]) -> DayFacts:
    available = 0 if entry is None else judge(leaf.read(entry)[1]).available
    facts = _facts(one.day, one.figures, available)
    return facts._replace(leaf=one.leaf_hash.hex(), version=one.version, root_day=one.root_day, place=one.place, proof=proof)


def _facts(day: date, figures: Figures, available: Seconds) -> DayFacts:
    return DayFacts(
        day,
        figures.attempted,
        figures.unavailable,
        figures.strict,
        figures.unknown,
        available,
        classifier=figures.classifier,
    )


async def proof_of(executor: db.Executor, root_day: date, place: int) -> list[bytes]:
    """Return the hashes that lead from a leaf to the root of its tree."""
    hashes = await store.tree(executor, root_day)
    return await asyncio.to_thread(merkle.proof, hashes, place)


def link_of(root: Root) -> Link:
    """Return a root as statements and exports show it."""
    return Link(
        day=root.day.isoformat(),
        root=root.root.hex(),
        previous=root.previous.hex(),
        link=root.link.hex(),
        signature=root.signature.hex(),
        public_key=root.public_key.hex(),
        leaves=root.leaves,
        missing=root.missing,
        skewed=root.skewed,
    )
