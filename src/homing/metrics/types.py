"""What is counted, of what, and by which length of time."""

from datetime import datetime, timedelta
from enum import IntEnum, IntFlag
from uuid import UUID

import msgspec

# The columns of metric_counts; everything that customers see is a sum of these (rules/names.py).
COUNTERS = (
    "injected",
    "delivered",
    "delivered_first",
    "delivered_second",
    "inband_bounce",
    "outofband_bounce",
    "hard_bounce",
    "soft_bounce",
    "block_bounce",
    "undetermined_bounce",
    "admin_bounce",
    "policy_rejection",
    "generation_rejection",
    "generation_failed",
    "delayed",
    "delayed_first",
    "spam_complaint",
    "rendered",
    "unique_rendered",
    "initial_rendered",
    "unique_initial_rendered",
    "unique_confirmed_opened",
    "nonprefetched_rendered",
    "nonprefetched_unique_rendered",
    "nonprefetched_initial_rendered",
    "nonprefetched_unique_initial_rendered",
    "nonprefetched_unique_confirmed_opened",
    "clicked",
    "unique_clicked",
    "unsubscribe",
    "msg_volume",
    "delivery_time_first",
    "delivery_time_subsequent",
)


class Grain(IntEnum):
    """A length of time that figures are kept by; the number is stored."""

    MINUTE = 1
    QUARTER = 2
    DAY = 3
    WEEK = 4

    @property
    def length(self) -> timedelta:
        """Return how long one is."""
        return _LENGTHS[self]

    @property
    def kept(self) -> timedelta:
        """Return for how long figures of this grain are kept."""
        return _KEPT[self]


_LENGTHS = {
    Grain.MINUTE: timedelta(minutes=1),
    Grain.QUARTER: timedelta(minutes=15),
    Grain.DAY: timedelta(days=1),
    Grain.WEEK: timedelta(days=7),
}
# Windows of 24 hours by the minute, of 31 days by the hour, and six months in all (SparkPost reference, section 2.17), with
# some days to look back in between. Weeks only spare long questions most of their days.
_KEPT = {
    Grain.MINUTE: timedelta(days=3),
    Grain.QUARTER: timedelta(days=35),
    Grain.DAY: timedelta(days=186),
    Grain.WEEK: timedelta(days=193),
}


class Scope(IntEnum):
    """Which members of a set are told apart; the number is stored.

    The same event counts once in each. Few questions are about domains and campaigns at once, and without the recipients'
    domains there are few sets, so most answers come from few rows.
    """

    WHOLE = 0
    NO_DOMAIN = 1
    DOMAIN_ONLY = 2


class Kind(IntEnum):
    """What a text is; the number is stored."""

    BOUNCE = 1  # n1 in-band, n2 out-of-band, n3 admin
    REJECTION = 2  # n1 rejections; classification: 1 policy, 2 generation
    DELAY = 3  # n1 delays, n2 those of first attempts
    LINK = 4  # n1 clicks


class Seen(IntFlag):
    """What the reader of a message did already; the number is stored."""

    RENDERED = 1
    INITIAL = 2
    OPENED = 4  # by any pixel or a click
    CLICKED = 8
    NONPREFETCHED_RENDERED = 16
    NONPREFETCHED_INITIAL = 32
    NONPREFETCHED_OPENED = 64


class Set(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What figures are about; '' where it is not known or not told apart."""

    account_id: int
    scope: Scope
    subaccount_id: int
    domain: str = ""
    sending_ip: str = ""
    ip_pool: str = ""
    sending_domain: str = ""
    campaign_id: str = ""
    template_id: str = ""


class CountRow(msgspec.Struct, frozen=True, gc=False):
    """Figures to be added. numbers: by their place in COUNTERS."""

    account_id: int
    grain: Grain
    scope: Scope
    ts: datetime
    set_id: UUID
    numbers: dict[int, int]


class TextRow(msgspec.Struct, frozen=True, gc=False):
    """What was said, to be added."""

    account_id: int
    grain: Grain
    kind: Kind
    ts: datetime
    set_id: UUID
    classification: int
    text: str
    n1: int
    n2: int
    n3: int


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What some events add up to.

    seen        by message, what its reader has done by now
    providers   by domain: provider and region
    """

    sets: dict[UUID, Set]
    counts: list[CountRow]
    texts: list[TextRow]
    seen: dict[bytes, int]
    providers: dict[str, tuple[str, str]]
