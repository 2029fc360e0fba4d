"""When does a refusal put an address on the suppression list: at once, when it repeats, or never?

Numbers: `suppression_policy` of the bounce rules (data/bounce_rules.json of the events room). A repetition counts once
a day, because one broken evening of a provider is one fact, however many mails ran into it.
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple


class Suppress(StrEnum):
    """What a bounce rule asks for (its action.suppress)."""

    IMMEDIATE = "immediate"
    IMMEDIATE_IF_5XX = "immediate_if_5xx"
    AFTER_REPEATS = "after_repeats"
    NEVER = "never"


class Repeat(NamedTuple):
    """So many different days within a window of so many days, today included."""

    times: int
    window_days: int


DEFAULT = Repeat(times=3, window_days=14)
_BY_SUBCLASS = {
    "mailbox.full": Repeat(times=5, window_days=30),
    "dns.not_found": Repeat(times=3, window_days=7),
    "routing.unroutable": Repeat(times=3, window_days=7),  # class 21, DNS Failure, as dns.not_found
    "relay.denied": Repeat(times=2, window_days=14),
}
LONGEST_WINDOW = timedelta(days=max(repeat.window_days for repeat in (DEFAULT, *_BY_SUBCLASS.values())))


def repeat_of(subclass: str) -> Repeat:
    """Return how often a refusal of this subclass must come before it suppresses."""
    return _BY_SUBCLASS.get(subclass, DEFAULT)


def window_start(subclass: str, day: date) -> date:
    """Return the first day that still counts together with `day`."""
    return day - timedelta(days=repeat_of(subclass).window_days - 1)


def counts_days(suppress: str, *, permanent: bool) -> bool:
    """Return whether this refusal must be written down as a strike, to be counted.

    suppress    what the bounce rule asks for
    permanent   a 5xx reply; a 4xx that asks for `immediate_if_5xx` has to repeat first
    """
    return suppress == Suppress.AFTER_REPEATS or (suppress == Suppress.IMMEDIATE_IF_5XX and not permanent)


def is_suppressing(suppress: str, *, permanent: bool, subclass: str, days: int) -> bool:
    """Return whether the address goes on the list now.

    days   different days with this refusal within its window, today included, as `store.strike` answered; 0 where
           `counts_days` said no
    """
    if suppress == Suppress.IMMEDIATE or (suppress == Suppress.IMMEDIATE_IF_5XX and permanent):
        return True
    return counts_days(suppress, permanent=permanent) and days >= repeat_of(subclass).times
