"""How much a warming address may send to one big mailbox provider in a day, and how that grows.

Providers judge an address each by himself, and not alike: some take twice as much after a week, some a fifth of it. So beside
its stage, which limits all it sends, a warming address has a cap for each of these. Deliverability reference, sections 1.4 to
1.6; its pauses of some hours are left to the holds of delivery, which see refusals at once.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from enum import StrEnum

import msgspec
from msgspec import structs

from homing.egress.rules.warmup import Tally, is_bad, is_doubtful

LEAST_CAP = 20
MOST_CAP = 10_000_000
FIRST_DAYS = 14  # growth is the provider's own, at most, until it has grown so often
LEAST_ATTEMPTS = 20  # below it, or half the cap, a day has proved nothing
DELIVERED_ABOVE = 0.9  # share of the attempts
REST = timedelta(days=2)  # without growth after a bad day
BAD_DIVIDES_BY = 4
IDLE_DIVIDES_BY = {7: 2, 14: 4}  # days without mail
IDLE_RESTART = 30
RATES_FROM = 200


class Profile(msgspec.Struct, frozen=True, gc=False):
    """How an address begins at a provider, messages a day, and by what it grows at most."""

    start: int
    growth: float


# By the name that events show. Who is not here is limited by the stage alone.
PROFILES = {
    "Gmail": Profile(500, 1.5),
    "Yahoo": Profile(200, 1.4),
    "Outlook": Profile(200, 1.35),
    "Microsoft 365": Profile(300, 1.5),
    "Apple": Profile(100, 1.3),
    "United Internet": Profile(300, 1.5),
    "Orange": Profile(200, 1.4),
    "Comcast": Profile(200, 1.5),
}


class Pair(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How far an address has come at a provider.

    days               on which its cap grew
    idle               days without mail up to the last one
    no_advance_until   it does not grow before this day
    """

    cap: int
    days: int = 0
    idle: int = 0
    no_advance_until: date | None = None


class PairVerdict(StrEnum):
    """What a day came to."""

    GREW = "grew"
    KEPT = "kept"
    CUT = "cut"
    IDLE = "idle"


def begun(provider: str, stage: int) -> Pair:
    """Return how an address begins at a provider of PROFILES: as if it had grown there on each day of its stages.

    stage   of the address; one that has come far, before this was counted or elsewhere, does not begin as a new one
    """
    pair = Pair(cap=PROFILES[provider].start)
    for _ in range(stage - 1):
        pair = _grown(pair, provider)
    return pair


def close_day(pair: Pair, provider: str, tally: Tally, before: Sequence[Tally] = ()) -> tuple[Pair, PairVerdict]:
    """Judge a day that is over.

    before   tallies of the two days before, as far as there are any
    """
    if not tally.attempts and not tally.delivered:
        return _idle(pair, provider), PairVerdict.IDLE
    pair = structs.replace(pair, idle=0)
    if is_bad(tally) or _is_bad_among_few(tally):
        cap = max(LEAST_CAP, pair.cap // BAD_DIVIDES_BY)
        return structs.replace(pair, cap=cap, no_advance_until=tally.day + REST), PairVerdict.CUT
    proved = tally.attempts >= max(LEAST_ATTEMPTS, pair.cap / 2) and tally.delivered >= DELIVERED_ABOVE * tally.attempts
    rests = pair.no_advance_until is not None and tally.day < pair.no_advance_until
    if not proved or rests or is_doubtful(tally, before):
        return pair, PairVerdict.KEPT
    return _grown(pair, provider), PairVerdict.GREW


def growth(pair: Pair, provider: str) -> float:
    """Return by what a cap grows: less, the larger it is."""
    general = 2.0 if pair.cap < 50_000 else 1.5 if pair.cap < 100_000 else 1.2 if pair.cap < 250_000 else 1.1
    return min(general, PROFILES[provider].growth) if pair.days < FIRST_DAYS else general


def _grown(pair: Pair, provider: str) -> Pair:
    return Pair(cap=min(MOST_CAP, round(pair.cap * growth(pair, provider))), days=pair.days + 1)


def _idle(pair: Pair, provider: str) -> Pair:
    idle = pair.idle + 1
    if idle >= IDLE_RESTART:
        return structs.replace(begun(provider, stage=1), idle=idle)
    return structs.replace(pair, cap=max(LEAST_CAP, pair.cap // IDLE_DIVIDES_BY.get(idle, 1)), idle=idle)


def _is_bad_among_few(tally: Tally) -> bool:
    few = tally.attempts < RATES_FROM
    return few and (tally.complained >= 4 or (tally.hard_bounced >= 10 and tally.hard_bounced > 0.15 * tally.attempts))
