"""Alerts: what is watched, when it fires, and whom it is told (SparkPost reference, section 2.22)."""

from datetime import datetime
from enum import StrEnum

import msgspec

EVERYTHING = -1  # among an alert's subaccounts: all mail of the account together


class AlertMetric(StrEnum):
    """What is watched: percentages, and a score from 0 to 100."""

    MONTHLY_SENDING_LIMIT = "monthly_sending_limit"
    BLOCK_BOUNCE_RATE = "block_bounce_rate"
    HARD_BOUNCE_RATE = "hard_bounce_rate"
    SOFT_BOUNCE_RATE = "soft_bounce_rate"
    HEALTH_SCORE = "health_score"


class Source(StrEnum):
    """What the threshold is compared with: the value itself, or by how many per cent it changed."""

    RAW = "raw"
    DAY_OVER_DAY = "day_over_day"
    WEEK_OVER_WEEK = "week_over_week"


class Channels(msgspec.Struct, frozen=True, kw_only=True):
    """Whom it is told. Addresses of webhooks are secrets: whoever knows one can post there."""

    emails: tuple[str, ...] = ()
    webhook: str = ""
    slack: str = ""


class Threshold(msgspec.Struct, frozen=True, gc=False):
    """When an alert fires: value in per cent, or points of a score; above it, or below it."""

    above: bool
    source: Source
    value: float


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert.

    filters   by filter type, the values that are watched, each by itself
    """

    alert_id: int
    account_id: int
    name: str
    metric: AlertMetric
    muted: bool
    subaccounts: tuple[int, ...]
    any_subaccount: bool
    filters: dict[str, tuple[str, ...]]
    threshold: Threshold
    channels: Channels
    last_triggered: datetime | None = None
    last_evaluated: datetime | None = None


class Fired(msgspec.Struct, frozen=True):
    """One combination that has passed the threshold, and its value."""

    filters: dict[str, str | int]
    value: float


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that has fired for one combination of filters, from its first to its last time."""

    incident_id: int
    filters: dict[str, str | int]
    triggered_value: float
    first_fired: datetime
    last_fired: datetime
    closed_at: datetime | None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An incident on its way to one channel."""

    notice_id: int
    channel: str
    target: str
    attempts: int
    alert: Alert
    incident: Incident
