"""Brings the evidence of a day together: journals of all nodes, what they watched, what was seen from outside."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from homing.accounts.types import Account
from homing.availability import witnesses
from homing.availability.rules.judging import Expected, blind, known_until, with_unknown
from homing.availability.rules.outside import weighed
from homing.availability.types import Doors, Seen, start_of
from homing.evidence import store
from homing.evidence.rules.seconds import Seconds, span
from homing.evidence.types import DAY_S, HOUR_S
from homing.ground import db

SKEW_TOLD_MS = 100  # a clock that is further off is named on statements
_HOURS = DAY_S // HOUR_S


class Edge(NamedTuple):
    """What is the same for every account on a day; seconds count from its first.

    blind     seconds in which a node that should have watched did not
    nodes     those that watched
    skewed    those whose clock was too far off
    """

    blind: Seconds
    nodes: list[str]
    skewed: list[str]


class Gathered(NamedTuple):
    """One account's day. contested: what its witnesses saw and we did not, which a person has to decide."""

    seen: Seen
    contested: Doors
    eyes: list[str]  # nodes and witnesses


async def edge(executor: db.Executor, day: date, *, now: datetime) -> Edge:
    """Return what the nodes watched on a day."""
    start = start_of(day)
    first = start // HOUR_S
    watched: dict[str, Seconds] = defaultdict(int)
    skewed: set[str] = set()
    for one in await store.watch(executor, since=first, until=first + _HOURS):
        watched[one.node] |= one.watched << (one.hour - first) * HOUR_S
        if one.skew_ms > SKEW_TOLD_MS:
            skewed.add(one.node)
    now_s = int(now.timestamp())
    expected = [
        Expected(
            node.node,
            int(node.since.timestamp()) - start,
            None if node.until is None else int(node.until.timestamp()) - start,
            known_until(None if node.folded_until is None else int(node.folded_until.timestamp()), now=now_s) - start,
        )
        for node in await store.nodes(executor)
    ]
    return Edge(blind(expected, watched, seconds=DAY_S), sorted(watched), sorted(skewed))


async def gather(executor: db.Executor, accounts: Sequence[Account], day: date, edge: Edge) -> dict[int, Gathered]:
    """Return the day of some accounts, by number."""
    start = start_of(day)
    numbers = [account.account_id for account in accounts]
    sets: Mapping[int, list[Seconds]] = defaultdict(lambda: [0, 0, 0, 0])
    first = start // HOUR_S
    for one in await store.segments(executor, numbers, since=first, until=first + _HOURS):
        _add(sets[one.account_id], one, first)
    attested = await witnesses.attested(executor, numbers, since=start, until=start + DAY_S)
    found: dict[int, Gathered] = {}
    for account in accounts:
        number = account.account_id
        mine = [one for whose, one in attested if whose is None or whose == number]
        seen = _seen(sets[number])
        seen, unseen, contested = weighed(seen, edge.blind, mine)
        # Before there was an account, nobody could attempt anything for it.
        alive = span(max(0, int(account.created_at.timestamp()) - start), DAY_S)
        unseen = Doors(unseen.api & alive, unseen.smtp & alive)
        eyes = [*edge.nodes, *sorted({f"witness {one.name}" for one in mine})]
        found[number] = Gathered(with_unknown(seen, unseen), contested, eyes)
    return found


async def unattributed(executor: db.Executor, day: date) -> Seen:
    """Return the attempts of a day whose account nobody knows. Of what was not seen, nothing is said here."""
    start = start_of(day)
    first = start // HOUR_S
    sets = [0, 0, 0, 0]
    for one in await store.segments(executor, [store.NOBODY], since=first, until=first + _HOURS):
        _add(sets, one, first)
    return _seen(sets)


def _add(sets: list[Seconds], one: store.Segment, first: int) -> None:
    """Add an hour to a day's sets; first: the day's first hour."""
    shift = (one.hour - first) * HOUR_S
    for n in range(4):
        if one.sets[n]:
            sets[n] |= one.sets[n] << shift


def _seen(sets: Sequence[Seconds]) -> Seen:
    api, api_ok, smtp, smtp_ok = sets
    return Seen(Doors(api, smtp), Doors(api_ok, smtp_ok))


def first_day(nodes: Sequence[store.Node]) -> date | None:
    """Return the first day of which there can be evidence; None: there is none yet."""
    return min((node.since.date() for node in nodes), default=None)


def not_heard(nodes: Sequence[store.Node], day: date, *, settle: timedelta) -> list[str]:
    """Return the nodes that have not told everything about a day yet."""
    end = day + timedelta(days=1)
    missing = []
    for node in nodes:
        if node.since.date() > day or (node.until is not None and node.until.date() < day):
            continue
        if (
            node.folded_until is None
            or node.folded_until < datetime.combine(end, datetime.min.time(), node.since.tzinfo) + settle
        ):
            missing.append(node.node)
    return missing
