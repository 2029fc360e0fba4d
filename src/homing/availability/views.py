"""Looks at single seconds of an account: from its sealed day where there is one, else from the evidence so far."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from homing.accounts.types import Account
from homing.availability import gather, store
from homing.availability.rules import leaf
from homing.availability.rules.judging import judge
from homing.availability.types import Doors, Seen, moment, start_of
from homing.evidence.rules.seconds import Seconds, runs, span
from homing.ground import db

LONGEST = timedelta(days=1)
MOST_STRETCHES = 10  # that are written out in words


class Extract(NamedTuple):
    """Seconds of a stretch, counted from `since` (Unix).

    contested   what witnesses of the account saw to fail, and we did not
    """

    since: int
    until: int
    seen: Seen
    contested: Doors

    def runs(self, bits: Seconds) -> list[tuple[int, int]]:
        """Return a set as (Unix second, how many)."""
        return [(self.since + start, length) for start, length in runs(bits)]


async def extract(executor: db.Executor, account: Account, *, since: int, until: int, now: datetime) -> Extract:
    """Return what there is of an account's seconds since <= second < until.

    raises   StoreUnavailable
    """
    first, last = moment(since).date(), moment(until - 1).date()
    sets = [[0, 0] for _ in range(4)]
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        seen, contested = await _day(executor, account, day, now)
        shift = start_of(day) - since
        for into, doors in zip(sets, (*seen, contested), strict=True):
            for door in (0, 1):
                bits = doors[door]
                into[door] |= bits << shift if shift >= 0 else bits >> -shift
    inside = span(0, until - since)
    attempted, answered, unknown, contested_all = (Doors(api & inside, smtp & inside) for api, smtp in sets)
    return Extract(since, until, Seen(attempted, answered, unknown), contested_all)


async def _day(executor: db.Executor, account: Account, day: date, now: datetime) -> tuple[Seen, Doors]:
    sealed = (await store.entries(executor, account.account_id, [day])).get(day)
    if sealed is not None:
        return leaf.read(sealed)[1], Doors()
    edge = await gather.edge(executor, day, now=now)
    found = (await gather.gather(executor, [account], day, edge))[account.account_id]
    return found.seen, found.contested


def in_words(found: Extract) -> str:
    """Return seconds as a person of the staff reads them in a case."""
    judged = judge(found.seen)
    lines = [f"{_clock(found.since)} to {_clock(found.until)}, {found.until - found.since} seconds:"]
    for name, attempted, answered in zip(("API", "SMTP"), found.seen.attempted, found.seen.answered, strict=True):
        tried, failed = attempted.bit_count(), (attempted & ~answered).bit_count()
        lines.append(f"- {name}: attempts in {tried} seconds, all of them failed in {failed}")
    down, unknown, contested = (bits.bit_count() for bits in (judged.unavailable, judged.unknown, found.contested.either))
    lines.append(f"- Unavailable: {down} seconds{_where(found, judged.unavailable)}")
    lines.append(f"- Unknown: {unknown} seconds{_where(found, judged.unknown)}")
    if contested:
        lines.append(f"- seen to fail by the customer's witnesses, and not by us: {contested} seconds")
    if down == 0 and contested == 0:
        lines.append("The ledger shows health." if unknown == 0 else "Of what is known, the ledger shows health.")
    return "\n".join(lines)


def _where(found: Extract, bits: Seconds) -> str:
    stretches = found.runs(bits)
    if not stretches:
        return ""
    shown = ", ".join(f"{_clock(start)} for {length} s" for start, length in stretches[:MOST_STRETCHES])
    return f" ({shown}{', and more' if len(stretches) > MOST_STRETCHES else ''})"


def _clock(second: int) -> str:
    return f"{moment(second):%Y-%m-%d %H:%M:%S} UTC"


def show(found: Extract) -> dict[str, object]:
    """Return seconds as the API and the command line show them: runs of (first Unix second, how many)."""
    judged = judge(found.seen)
    doors = {}
    for door, attempted, answered in zip(("api", "smtp"), found.seen.attempted, found.seen.answered, strict=True):
        failed = attempted & ~answered
        doors[door] = {"attempted": found.runs(attempted), "failed": found.runs(failed)}
    return {
        "from": found.since,
        "to": found.until,
        **doors,
        "unavailable": found.runs(judged.unavailable),
        "strict": found.runs(judged.strict),
        "unknown": found.runs(judged.unknown),
        "contested": found.runs(found.contested.either),
    }
