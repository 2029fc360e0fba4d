"""Calendars of Business Hours: zones, holiday sets, what was recorded and when; and what measuring by them answers."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum

import msgspec

from homing.ground.errors import Misuse

DAY_MIN = 1_440  # minutes of a day as clocks on the wall count them


class ServiceZone(StrEnum):
    """The Service Time Zone of an Order Form (clause B3)."""

    ET = "ET"
    PT = "PT"
    UK = "UK"


class HolidaySet(StrEnum):
    """Which days count as bank holidays (readings R1 and R2). UK sets are named by ISO 3166-2."""

    US_FRB = "US-FRB"  # Federal Reserve Banks
    US_FED = "US-FED"  # federal offices
    GB_EAW = "GB-EAW"  # England and Wales
    GB_SCT = "GB-SCT"  # Scotland
    GB_NIR = "GB-NIR"  # Northern Ireland


class Window(msgspec.Struct, frozen=True, order=True):
    """A stretch of a local day that is open, [opens, closes), in minutes as the clock on the wall reads; 1440 is 24:00."""

    opens_min: int
    closes_min: int


Windows = tuple[Window, ...]  # of one day, in order, apart; none: closed


class OpeningHours(msgspec.Struct, frozen=True, kw_only=True):
    """What one version of a zone's hours says.

    weekly       seven days, Monday first; bank holidays are closed whatever it says
    exceptions   single local dates; each replaces the week and the bank holiday of its date
    """

    weekly: tuple[Windows, ...]
    exceptions: Mapping[date, Windows] = {}


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of a zone as somebody recorded them. Never changed; a later version overrides it.

    number          1, 2, ... in a zone, in the order of recording; the contract itself counts as version 0
    effective_from  the first instant it is meant for; it never counts before recorded_at
    effective_to    the first instant it is not meant for any more; None: until another version overrides it
    notice_sent_at  when customers were told, if they were
    """

    number: int
    zone: ServiceZone
    hours: OpeningHours
    effective_from: datetime
    effective_to: datetime | None = None
    recorded_at: datetime
    author: str
    reason: str
    notice_sent_at: datetime | None = None


class Holiday(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which a set is closed.

    substitute_for   the weekend day in whose place it is observed
    """

    day: date
    name: str
    substitute_for: date | None = None


class HolidayChange(msgspec.Struct, frozen=True, kw_only=True):
    """A day that was added to a set, or taken out of it, after this program was written. Never changed; a later one overrides it.

    active          True: the day is a holiday; False: it is none after all
    source          who says so: an address, a proclamation
    source_version  which edition of the source, where it has editions
    """

    number: int
    holiday_set: HolidaySet
    day: date
    name: str
    active: bool
    substitute_for: date | None = None
    source: str
    source_version: str = ""
    recorded_at: datetime
    author: str
    reason: str


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """What Business Hours are measured with: a zone, a holiday set, and everything that was recorded about both.

    A clock pins zone and set when it starts; what is recorded later reaches it (rules V1 to V4).
    """

    zone: ServiceZone
    holiday_set: HolidaySet
    versions: tuple[Version, ...] = ()  # in the order of recording
    holiday_changes: tuple[HolidayChange, ...] = ()  # in the order of recording

    @property
    def name(self) -> str:
        """Return zone and set as one word: `ET/US-FRB`."""
        return f"{self.zone}/{self.holiday_set}"

    def as_known_at(self, moment: datetime) -> "Calendar":
        """Return the calendar as it was known at a moment: without what was recorded later."""
        return msgspec.structs.replace(
            self,
            versions=tuple(one for one in self.versions if one.recorded_at <= moment),
            holiday_changes=tuple(one for one in self.holiday_changes if one.recorded_at <= moment),
        )


class Why(StrEnum):
    """Why a stretch counts, or why it does not."""

    WEEKLY = "weekly hours"
    OPENED = "opened by exception"
    EARLY = "before opening"
    BETWEEN = "between two windows"
    LATE = "after closing"
    DAY_OFF = "no hours on this weekday"
    HOLIDAY = "bank holiday"
    CLOSED = "closed by exception"

    @property
    def counts(self) -> bool:
        """Return whether such a stretch is Business Hours."""
        return self in (Why.WEEKLY, Why.OPENED)


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of one local day that counts, or does not, for one reason: [start, end).

    day       the local date
    version   the version of the hours that decided; 0: the contract
    holiday   its name, where it is one
    """

    start: datetime
    end: datetime
    day: date
    why: Why
    version: int = 0
    holiday: str = ""

    @property
    def seconds(self) -> int:
        """Return how long it really lasts, clock changes included."""
        return int((self.end - self.start).total_seconds())


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """Business Hours run.

    closes_at   None: not within the horizon
    """

    closes_at: datetime | None


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """Business Hours do not run.

    opens_at   None: not within the horizon
    """

    opens_at: datetime | None
    why: Why
    holiday: str = ""


class NeverDue(Misuse):
    """The hours as recorded hold too little open time within the horizon: somebody must correct them."""
