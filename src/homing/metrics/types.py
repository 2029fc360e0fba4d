"""What is counted, of what, and by which length of time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum, IntFlag

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
    FOUR_WEEKS = 5

    @property
    def length(self) -> timedelta:
        """Return how long one is."""
        return _LENGTHS[self]

    @property
    def kept(self) -> timedelta:
        """Return for how long figures of this grain are kept."""
        return _KEPT[self]

    def start(self, moment: datetime) -> datetime:
        """Return the begin, in UTC, of the one that a moment lies in. Weeks begin on Mondays."""
        return moment.astimezone(UTC) - (moment - _FIRST_MONDAY) % _LENGTHS[self]

    def end(self, moment: datetime) -> datetime:
        """Return the end of the one that a moment lies in, or the moment itself where one begins."""
        return moment.astimezone(UTC) + (_FIRST_MONDAY - moment) % _LENGTHS[self]


_FIRST_MONDAY = datetime(2000, 1, 3, tzinfo=UTC)  # that everything is measured from
_LENGTHS = {
    Grain.MINUTE: timedelta(minutes=1),
    Grain.QUARTER: timedelta(minutes=15),
    Grain.DAY: timedelta(days=1),
    Grain.WEEK: timedelta(days=7),
    Grain.FOUR_WEEKS: timedelta(days=28),
}
# Windows of 24 hours by the minute, of 31 days by the hour, and six months in all (SparkPost reference, section 2.17), with
# some days to look back in between. Weeks and four weeks only spare long questions most of
# their days, and are kept until their last day would be forgotten.
_KEPT = {
    Grain.MINUTE: timedelta(days=3),
    Grain.QUARTER: timedelta(days=35),
    Grain.DAY: timedelta(days=186),
    Grain.WEEK: timedelta(days=193),
    Grain.FOUR_WEEKS: timedelta(days=214),
}


class Scope(IntEnum):
    """Which members of a set are told apart; the number is stored.

    The same event counts once in each. The fewer members are told apart, the fewer rows answer.
    """

    WHOLE = 0  # all of them
    NO_DOMAIN = 1  # all but the recipients' domains, which are what makes sets many
    DOMAIN_ONLY = 2  # the domain alone
    CAMPAIGN = 3  # domain and campaign: how one campaign does at each provider is what is asked most of all pairs

    @property
    def members(self) -> frozenset[str]:
        """Return the members of a set that are told apart, besides its subaccount."""
        return _MEMBERS[self]


_NOT_DOMAIN = frozenset({"sending_ip", "ip_pool", "sending_domain", "campaign_id", "template_id"})
_MEMBERS = {
    Scope.WHOLE: _NOT_DOMAIN | {"domain"},
    Scope.NO_DOMAIN: _NOT_DOMAIN,
    Scope.DOMAIN_ONLY: frozenset({"domain"}),
    Scope.CAMPAIGN: frozenset({"domain", "campaign_id"}),
}
_FINE = (Grain.MINUTE, Grain.QUARTER, Grain.DAY)
_COARSE = (Grain.DAY, Grain.WEEK, Grain.FOUR_WEEKS)
# By which grains each family is kept. The finer ones of a small family are read from a larger one, since they are only wanted
# for the ends of a window; long windows over all members at once are read by the day.
COUNTED_BY: Mapping[Scope, tuple[Grain, ...]] = {
    Scope.WHOLE: _FINE,
    Scope.NO_DOMAIN: tuple(Grain),
    Scope.DOMAIN_ONLY: (Grain.QUARTER, *_COARSE),
    Scope.CAMPAIGN: _COARSE,
}
SAID_BY: Mapping[Scope, tuple[Grain, ...]] = {
    Scope.WHOLE: (Grain.QUARTER, Grain.DAY),
    Scope.NO_DOMAIN: _COARSE,
    Scope.DOMAIN_ONLY: _COARSE,
}


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
    set_id: str
    numbers: dict[int, int]


class TextRow(msgspec.Struct, frozen=True, gc=False):
    """What was said, to be added."""

    account_id: int
    scope: Scope
    grain: Grain
    kind: Kind
    ts: datetime
    set_id: str
    classification: int
    text: str
    n1: int
    n2: int
    n3: int


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What some events add up to.

    sets        by number (rules.counting.set_id)
    seen        by message, what its reader has done by now
    providers   by domain: provider and region
    """

    sets: dict[str, Set]
    counts: list[CountRow]
    texts: list[TextRow]
    seen: dict[bytes, int]
    providers: dict[str, tuple[str, str]]
