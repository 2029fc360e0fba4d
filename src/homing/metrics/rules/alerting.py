"""When an alert fires, and when its incident is over (SparkPost reference, section 2.22)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from homing.metrics.alert_types import EVERYTHING, Alert, AlertMetric, Fired, Source, Threshold
from homing.metrics.rules.asked import Filter, Grouping, Question
from homing.metrics.rules.windows import Window
from homing.metrics.types import Grain

LOOKS_BACK = timedelta(hours=1)  # a rate is that of the last hour
HEALTH_LOOKS_BACK = timedelta(hours=24)  # a score that of the last day: complaints come hours after the mail
HEALTH_FROM = 200  # messages sent; below it there is no score
QUIET = timedelta(minutes=30)  # an incident is over when it has not fired for so long
LONGEST = timedelta(hours=24)  # and in any case
GIVES_UP = 8  # attempts to tell a channel
_WAITS = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))

SENT = "count_sent"
_COUNT_OF = {
    AlertMetric.BLOCK_BOUNCE_RATE: "count_block_bounce",
    AlertMetric.HARD_BOUNCE_RATE: "count_hard_bounce",
    AlertMetric.SOFT_BOUNCE_RATE: "count_soft_bounce",
}
DELIVERED = "count_delivered"
# What costs health: the metric, out of which one, and the share that costs _COST points. These are the shares by which a
# sending IP that warms up steps back (egress/rules/warmup.py).
_HEALTH = (
    ("count_hard_bounce", SENT, 0.05),
    ("count_block_bounce", SENT, 0.05),
    ("count_spam_complaint", DELIVERED, 0.003),
)
_COST = 40.0
# filter type: the member of a set that it is about
FILTER_MEMBERS = {
    "sending_domain": "sending_domain",
    "sending_ip": "sending_ip",
    "ip_pool": "ip_pool",
    "mailbox_provider": "provider",
}
_BACK = {Source.DAY_OVER_DAY: timedelta(days=1), Source.WEEK_OVER_WEEK: timedelta(days=7)}


def filters_of(metric: AlertMetric) -> tuple[str, ...]:
    """Return the filter types that a metric takes."""
    match metric:
        case AlertMetric.MONTHLY_SENDING_LIMIT:
            return ()
        case AlertMetric.HEALTH_SCORE:
            return ("sending_domain", "ip_pool", "mailbox_provider")
        case _:
            return ("sending_domain", "sending_ip", "mailbox_provider")


def members_of(alert: Alert) -> tuple[str, ...]:
    """Return what the combinations of an alert are told apart by."""
    apart = alert.any_subaccount or alert.subaccounts != (EVERYTHING,)
    return (*(("subaccount_id",) if apart else ()), *(FILTER_MEMBERS[name] for name in alert.filters))


def questions(alert: Alert, now: datetime) -> tuple[Question, Question | None]:
    """Return what has to be asked: the last hour (of a score: day), and the same one before where that is compared."""
    groupings = [
        Grouping(any_of=False, filters=(Filter(FILTER_MEMBERS[name], "eq", values),)) for name, values in alert.filters.items()
    ]
    if not alert.any_subaccount and alert.subaccounts != (EVERYTHING,):
        wanted = Filter("subaccount_id", "eq", tuple(str(one) for one in alert.subaccounts))
        groupings.append(Grouping(any_of=False, filters=(wanted,)))
    back = _BACK.get(alert.threshold.source)
    # By the minute figures are kept for days only, so comparisons read quarters of an hour, the same ones on both sides.
    grain = Grain.MINUTE if back is None else Grain.QUARTER
    end = now.astimezone(UTC).replace(second=0, microsecond=0)
    if grain is Grain.QUARTER:
        end = end.replace(minute=end.minute - end.minute % 15)

    health = alert.metric is AlertMetric.HEALTH_SCORE
    looks_back = HEALTH_LOOKS_BACK if health else LOOKS_BACK
    metrics = (*(name for name, _, _ in _HEALTH), SENT, DELIVERED) if health else (_COUNT_OF[alert.metric], SENT)

    def about(until: datetime) -> Question:
        return Question(
            account_id=alert.account_id,
            subaccount_id=None,
            window=Window(since=until - looks_back, until=until, asked_at=now, grain=grain, precision="1min", zone=UTC),
            groupings=tuple(groupings),
            metrics=metrics,
            limit=1_000,
            order_by="",
        )

    return about(end), None if back is None else about(end - back)


def rate(alert: Alert, figures: Mapping[str, int]) -> float | None:
    """Return a bounce rate in per cent of what was sent, or a score; None where nothing, or too little, was."""
    if alert.metric is AlertMetric.HEALTH_SCORE:
        return health(figures)
    sent = figures[SENT]
    return 100.0 * figures[_COUNT_OF[alert.metric]] / sent if sent > 0 else None


def health(figures: Mapping[str, int]) -> float | None:
    """Return the health of a day's mail: 100 less what hard bounces, blocks and complaints cost; None: it was too little.

    A single complaint costs nothing: it is no share.
    """
    if figures[SENT] < HEALTH_FROM:
        return None
    score = 100.0
    for name, out_of, share in _HEALTH:
        count = figures[name]
        if name == "count_spam_complaint" and count < 2:
            continue
        score -= _COST * (count / max(1, figures[out_of])) / share
    return max(0.0, score)


def judge(alert: Alert, now: Mapping[tuple[str | int, ...], float], before: Mapping[tuple[str | int, ...], float]) -> list[Fired]:
    """Return the combinations that have passed the threshold.

    now, before   rates by combination, in the order of `members_of`; before: of the hour that is compared with
    """
    names = ["subaccount_id" if member == "subaccount_id" else _filter_name(member) for member in members_of(alert)]
    fired = []
    for combination, value in now.items():
        if alert.any_subaccount and combination[0] == 0:
            continue  # the primary account is none
        compared = compare(alert.threshold.source, value, before.get(combination))
        if compared is not None and passes(alert.threshold, compared):
            fired.append(Fired(dict(zip(names, combination, strict=True)), round(compared, 4)))
    return fired


def compare(source: Source, value: float, before: float | None) -> float | None:
    """Return what the threshold is held against; None where there is nothing to compare with."""
    if source is Source.RAW:
        return value
    return None if not before else 100.0 * (value - before) / before


def passes(threshold: Threshold, value: float) -> bool:
    """Return whether a value is above, or below, the threshold."""
    return value > threshold.value if threshold.above else value < threshold.value


def is_over(first_fired: datetime, last_fired: datetime, now: datetime) -> bool:
    """Return whether an incident has ended: quiet for half an hour, or a day old."""
    return now - last_fired >= QUIET or now - first_fired >= LONGEST


def next_telling(attempts: int, now: datetime) -> datetime | None:
    """Return when a channel is tried again after so many failures; None: it is given up."""
    return None if attempts >= GIVES_UP else now + _WAITS[min(attempts, len(_WAITS)) - 1]


def _filter_name(member: str) -> str:
    return next(name for name, one in FILTER_MEMBERS.items() if one == member)


def sentence(alert: Alert, filters: Mapping[str, str | int], value: float) -> str:
    """Return what an incident says, for people."""
    unit = "" if alert.metric is AlertMetric.HEALTH_SCORE and alert.threshold.source is Source.RAW else " %"
    what = {
        Source.RAW: f"{alert.metric} is {value:g}{unit}",
        Source.DAY_OVER_DAY: f"{alert.metric} has changed by {value:g} % since the day before",
        Source.WEEK_OVER_WEEK: f"{alert.metric} has changed by {value:g} % since the week before",
    }[alert.threshold.source]
    where = ", ".join(f"{name} {one}" for name, one in filters.items())
    bound = f"{'above' if alert.threshold.above else 'below'} {alert.threshold.value:g}{unit}"
    return f"{what}, {bound}" + (f" ({where})" if where else "")
