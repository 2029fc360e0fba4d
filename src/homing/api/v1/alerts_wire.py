"""The shapes of alerts: what a caller gives, and what he is shown (SparkPost reference, section 2.22)."""

from datetime import UTC, datetime
from typing import Any, get_type_hints

import msgspec

from homing.api.reading import read_body
from homing.ground.http import OutboundHttp, Refused
from homing.ingress.rules.problem import Problem, Wrong
from homing.ingress.rules.recipients import wrong_type
from homing.message.addresses import BadAddress, parse_address
from homing.metrics.alert_types import EVERYTHING, Alert, AlertMetric, Channels, Incident, Source, Threshold
from homing.metrics.rules.alerting import filters_of

MOST_ALERTS = 100  # of an account
MOST_SUBACCOUNTS = 50
MOST_FILTERS = 15  # values of all filters together; reference, section 1.10
MOST_EMAILS = 10
LONGEST_NAME = 128
_OPERATORS = {"gt": True, "lt": False}
_SUBACCOUNT_MOST = 2_147_483_647


class FilterIn(msgspec.Struct):
    """One filter. Values of sending_ip, sending_domain or mailbox_provider."""

    filter_type: str
    filter_values: list[str] | None = None


class ThresholdIn(msgspec.Struct):
    """When it fires."""

    operator: str
    source: str
    value: float


class TargetIn(msgspec.Struct):
    """An address that is posted to."""

    target: str


class ChannelsIn(msgspec.Struct):
    """Whom it is told."""

    emails: list[str] | None = None
    webhook: TargetIn | None = None
    slack: TargetIn | None = None


class AlertIn(msgspec.Struct):
    """An alert as a caller gives it; a change may leave out what stays."""

    name: str | None = None
    metric: str | None = None
    muted: bool | None = None
    subaccounts: list[int] | None = None
    any_subaccount: bool | None = None
    filters: list[FilterIn] | None = None
    threshold_evaluator: ThresholdIn | None = None
    channels: ChannelsIn | None = None


_TYPES = get_type_hints(AlertIn)


def read(body: bytes) -> AlertIn:
    """Return what a body says. Errors of this resource carry a message alone (reference, section 1.5).

    raises   Wrong
    """
    try:
        members = read_body(body, dict[str, Any])
    except Wrong as wrong:
        raise _wrong(wrong.problem.description) from None
    return AlertIn(**{name: _typed(name, members.get(name)) for name in _TYPES})


def _typed(name: str, value: Any) -> Any:
    try:
        return msgspec.convert(value, _TYPES[name])
    except msgspec.ValidationError as trouble:
        text = wrong_type(trouble, inside=name).description
        raise _wrong(text if text.startswith(name) else f"{name}: {text}") from None


def made(given: AlertIn, account_id: int, http: OutboundHttp, *, mail: bool) -> Alert:
    """Return a new alert.

    mail     whether this installation can write mails
    raises   Wrong
    """
    for name in ("name", "metric", "muted", "filters", "threshold_evaluator", "channels"):
        if getattr(given, name) is None:
            raise _wrong(f"{name} is required")
    empty = Alert(
        alert_id=0,
        account_id=account_id,
        name="",
        metric=AlertMetric.HARD_BOUNCE_RATE,
        muted=False,
        subaccounts=(EVERYTHING,),
        any_subaccount=False,
        filters={},
        threshold=Threshold(True, Source.RAW, 0.0),
        channels=Channels(),
    )
    return changed(empty, given, http, mail=mail)


def changed(alert: Alert, given: AlertIn, http: OutboundHttp, *, mail: bool) -> Alert:
    """Return an alert with what a caller wants changed.

    raises   Wrong
    """
    after = msgspec.structs.replace(
        alert,
        name=alert.name if given.name is None else _name(given.name),
        metric=alert.metric if given.metric is None else _metric(given.metric),
        muted=alert.muted if given.muted is None else given.muted,
        subaccounts=alert.subaccounts if given.subaccounts is None else _subaccounts(given.subaccounts),
        any_subaccount=alert.any_subaccount if given.any_subaccount is None else given.any_subaccount,
        filters=alert.filters if given.filters is None else _filters(given.filters),
        threshold=alert.threshold if given.threshold_evaluator is None else _threshold(given.threshold_evaluator),
        channels=alert.channels if given.channels is None else _channels(given.channels, http, mail=mail),
    )
    allowed = filters_of(after.metric)
    for name in after.filters:
        if name not in allowed:
            raise _wrong(
                f"{after.metric} takes {'the filters ' + ', '.join(allowed) if allowed else 'no filters'}, not {name}"[:300]
            )
    if after.metric is AlertMetric.MONTHLY_SENDING_LIMIT and after.threshold.source is not Source.RAW:
        raise _wrong("monthly_sending_limit is compared with threshold_evaluator.source raw alone")
    return after


def shown(alert: Alert) -> dict[str, Any]:
    """Return an alert as its owner sees it."""
    channels: dict[str, Any] = {}
    if alert.channels.emails:
        channels["emails"] = list(alert.channels.emails)
    if alert.channels.webhook:
        channels["webhook"] = {"target": alert.channels.webhook}
    if alert.channels.slack:
        channels["slack"] = {"target": alert.channels.slack}
    return {
        "id": alert.alert_id,
        "name": alert.name,
        "metric": alert.metric.value,
        "muted": alert.muted,
        "subaccounts": list(alert.subaccounts),
        "any_subaccount": alert.any_subaccount,
        "filters": [{"filter_type": name, "filter_values": list(values)} for name, values in alert.filters.items()],
        "threshold_evaluator": {
            "operator": "gt" if alert.threshold.above else "lt",
            "source": alert.threshold.source.value,
            "value": alert.threshold.value,
        },
        "channels": channels,
        "last_triggered": _iso(alert.last_triggered),
        "last_evaluated": _iso(alert.last_evaluated),
    }


def shown_incident(incident: Incident) -> dict[str, Any]:
    """Return an incident."""
    return {
        "id": incident.incident_id,
        "triggered_value": incident.triggered_value,
        "first_fired": _iso(incident.first_fired),
        "last_fired": _iso(incident.last_fired),
        "status": "open" if incident.closed_at is None else "closed",
        "filters": incident.filters,
    }


def _name(name: str) -> str:
    if not name.strip() or len(name) > LONGEST_NAME or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise _wrong(f"name must be one line of 1 to {LONGEST_NAME} characters")
    return name


def _metric(name: str) -> AlertMetric:
    if name not in set(AlertMetric):
        raise _wrong(f"metric must be one of {', '.join(AlertMetric)}")
    return AlertMetric(name)


def _subaccounts(numbers: list[int]) -> tuple[int, ...]:
    if not numbers or len(numbers) > MOST_SUBACCOUNTS or not all(EVERYTHING <= one <= _SUBACCOUNT_MOST for one in numbers):
        raise _wrong(f"subaccounts must be 1 to {MOST_SUBACCOUNTS} numbers; -1 is everything, 0 the primary account")
    if EVERYTHING in numbers and len(numbers) > 1:
        raise _wrong("subaccounts: -1 means everything, so it stands alone")
    return tuple(dict.fromkeys(numbers))


def _filters(given: list[FilterIn]) -> dict[str, tuple[str, ...]]:
    made: dict[str, tuple[str, ...]] = {}
    for one in given:
        values = [value.strip() for value in one.filter_values or []]
        if not values or any(not value or "\0" in value or len(value) > 255 for value in values):
            raise _wrong(f"filter_values of {one.filter_type[:64]} must be texts of 1 to 255 characters")
        if one.filter_type in made:
            raise _wrong(f"{one.filter_type[:64]} stands there twice")
        lower = one.filter_type == "sending_domain"
        made[one.filter_type] = tuple(dict.fromkeys(value.lower() if lower else value for value in values))
    if sum(map(len, made.values())) > MOST_FILTERS:
        raise _wrong(f"filters may have at most {MOST_FILTERS} values in all")
    return made


def _threshold(given: ThresholdIn) -> Threshold:
    if given.operator not in _OPERATORS:
        raise _wrong("threshold_evaluator.operator must be gt or lt")
    if given.source not in set(Source):
        raise _wrong(f"threshold_evaluator.source must be one of {', '.join(Source)}")
    if not abs(given.value) < 1e9:
        raise _wrong("threshold_evaluator.value must be a number")
    return Threshold(_OPERATORS[given.operator], Source(given.source), given.value)


def _channels(given: ChannelsIn, http: OutboundHttp, *, mail: bool) -> Channels:
    emails = list(dict.fromkeys(given.emails or []))
    if not emails and given.webhook is None and given.slack is None:
        raise _wrong("channels needs at least one of emails, webhook, slack")
    if emails and not mail:
        raise _wrong("this installation sends no mail of its own (HOMING_NOTICE_FROM); use webhook or slack")
    if len(emails) > MOST_EMAILS:
        raise _wrong(f"channels.emails may have at most {MOST_EMAILS} addresses")
    for email in emails:
        try:
            parse_address(email)
        except BadAddress:
            raise _wrong(f"channels.emails: '{email[:64]}' is no address") from None
    for name, one in (("webhook", given.webhook), ("slack", given.slack)):
        if one is not None:
            try:
                http.check(one.target)
            except Refused as refused:
                raise _wrong(f"channels.{name}.target: {refused}") from None
    return Channels(
        emails=tuple(emails),
        webhook=given.webhook.target if given.webhook else "",
        slack=given.slack.target if given.slack else "",
    )


def _wrong(text: str) -> Wrong:
    return Wrong(Problem(400, text))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
