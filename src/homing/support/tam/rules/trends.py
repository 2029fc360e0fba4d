"""Trends across accounts, told so that nobody learns what another account sends (clause B8).

A figure across accounts is told only where enough accounts stand behind it and none of them dominates it, and only as a rate,
rounded: so an account that subtracts its own share learns nothing of one other account.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from homing.support.tam.rules.checks import percent, rate_of
from homing.support.tam.types import Counts, Rate

LEAST_ACCOUNTS = 5  # that stand behind a figure
MOST_SHARE = 0.5  # of the mail that one of them may be
LEAST_MESSAGES = 1_000  # of all of them together
SHORTEST_NAME = 4  # characters; shorter names of accounts are words of every language
DIGITS = 4  # of a rate: a hundredth of a per cent


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of a mailbox provider across accounts, 0.0 to 1.0. before: None where too few stood behind the earlier figure."""

    provider: str
    rates: dict[str, float]
    before: dict[str, float] | None


def may_be_told(counts: Mapping[int, Counts]) -> bool:
    """Return whether figures across these accounts give none of them away."""
    sent = [one.count_sent for one in counts.values() if one.count_sent > 0]
    total = sum(sent)
    return len(sent) >= LEAST_ACCOUNTS and total >= LEAST_MESSAGES and max(sent) <= MOST_SHARE * total


def added(counts: Iterable[Counts]) -> Counts:
    """Return the sums of figures."""
    sums: dict[str, int] = {}
    for one in counts:
        for name, number in msgspec.structs.asdict(one).items():
            sums[name] = sums.get(name, 0) + number
    return Counts(**sums)


def draw(now: Mapping[str, Mapping[int, Counts]], before: Mapping[str, Mapping[int, Counts]]) -> tuple[Trend, ...]:
    """Return what can be told of each provider. now, before: by provider and account."""
    found = []
    for provider in sorted(now):
        if not may_be_told(now[provider]):
            continue
        earlier = before.get(provider, {})
        found.append(
            Trend(
                provider=provider,
                rates=_rates(now[provider]),
                before=_rates(earlier) if may_be_told(earlier) else None,
            )
        )
    return tuple(found)


def _rates(counts: Mapping[int, Counts]) -> dict[str, float]:
    whole = added(counts.values())
    found = ((rate.value, rate_of(whole, rate)) for rate in Rate)
    return {name: round(rate, DIGITS) for name, rate in found if rate is not None}


def sentences(trends: Iterable[Trend]) -> list[str]:
    """Return trends in words."""
    said = []
    for one in trends:
        parts = []
        for name, rate in one.rates.items():
            was = None if one.before is None else one.before.get(name)
            then = "" if was is None else f" (before: {percent(was)})"
            parts.append(f"{name.replace('_', ' ')} {percent(rate)}{then}")
        said.append(f"At {one.provider}, across our customers: {', '.join(parts)}.")
    return said


def own_words(figures: Mapping[str, Counts]) -> list[str]:
    """Return an account's own figures in words."""
    return [
        f"{provider}: {one.count_sent} sent, "
        + ", ".join(f"{rate.value.replace('_', ' ')} {percent(rate_of(one, rate))}" for rate in Rate)
        for provider, one in sorted(figures.items())
    ]


def concerned(everywhere: Mapping[str, Mapping[int, Counts]], providers: Iterable[str]) -> set[int]:
    """Return the accounts that sent mail to any of some providers."""
    return {account for one in providers for account, counts in everywhere.get(one, {}).items() if counts.count_sent > 0}


def names_in(text: str, names: Iterable[str]) -> list[str]:
    """Return which names of accounts stand in a text as words of their own."""
    return [
        name
        for name in sorted(set(names))
        if len(name) >= SHORTEST_NAME and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
    ]


def stretch_words(first: date, last: date) -> str:
    """Return a stretch of days in words."""
    return f"{first} to {last} (UTC)"
