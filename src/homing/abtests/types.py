"""A/B tests and their counts."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Metric(StrEnum):
    """What templates are compared by; of distinct messages."""

    CLICKED = "count_unique_clicked"
    CONFIRMED_OPENED = "count_unique_confirmed_opened"


class Audience(StrEnum):
    """How messages are divided among the templates."""

    SAMPLE_SIZE = "sample_size"
    PERCENT = "percent"


class Mode(StrEnum):
    """What happens after the test: the winner is used (bayesian), or the default template as before (learning)."""

    BAYESIAN = "bayesian"
    LEARNING = "learning"


class Status(StrEnum):
    """What is stored. A scheduled test runs from its start on, until it is completed or cancelled."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Phase(StrEnum):
    """Where a test is at a moment; customers see sending and waiting as running."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    WAITING = "waiting"  # it has ended; what was sent last may still be opened
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Ended(StrEnum):
    """Why the sending of a test ended."""

    END_TIME = "end_time"
    SAMPLE_SIZE = "sample_size"
    CONFIDENCE = "confidence"


class Arm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One template of a test, and its part of the messages: a number of them, or a percentage."""

    template_id: str
    sample_size: int | None = None
    percent: float | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a customer says of a test besides its times; a draft may lack most of it.

    end_given              the customer named the end; otherwise it is counted from the start
    engagement_timeout_h   hours between the end of sending and completion
    """

    default: Arm
    variants: tuple[Arm, ...] = ()
    metric: Metric | None = None
    audience: Audience | None = None
    mode: Mode | None = None
    total_sample_size: int | None = None
    confidence_level: float = 0.95
    engagement_timeout_h: float = 24.0
    end_given: bool = False

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Return all templates, the default one first."""
        return (self.default, *self.variants)


class AbTest(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a test.

    ended_at   when sending ended; None: it has not, or end_at says so
    leader     the template that reached the confidence level while the test was sending; '': none did
    winner     of a completed test; '': there is none
    over_at    when it was completed or cancelled
    """

    account_id: int
    subaccount_id: int
    test_id: str
    version: int = 1
    name: str
    status: Status
    plan: Plan
    start_at: datetime | None = None
    end_at: datetime | None = None
    ended_at: datetime | None = None
    ended_why: Ended | None = None
    leader: str = ""
    winner: str = ""
    over_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class Counts(NamedTuple):
    """How one template does: messages that were injected, accepted (and not returned), confirmed opened, clicked."""

    injected: int = 0
    accepted: int = 0
    opened: int = 0
    clicked: int = 0

    def engaged(self, metric: Metric | None) -> int:
        """Return the messages that count by a metric."""
        return self.clicked if metric is Metric.CLICKED else self.opened


NOTHING = Counts()
CountsOf = Mapping[str, Counts]  # by template id; an absent one has nothing


class Current(NamedTuple):
    """The latest version of a test with its counts."""

    test: AbTest
    counts: CountsOf
