"""What a planning review is prepared with: an account's use of the platform, in figures and in words (clause B7)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec

from homing.support.tam.rules.checks import percent, rate_of, rates_of
from homing.support.tam.types import Counts, Rate, Topic


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that were taken in the days of a month that belong to the stretch."""

    month: str
    messages: int


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """How much is sent, how that grows, and how near the limits are.

    messages, before   taken in the stretch, and in the one of the same length before it
    growth             share by which the one differs from the other; None: nothing was sent before
    peak_day, peak     the day on which most was taken
    limits             hourly, daily, monthly; None: none
    used_of_month      share of the monthly limit that the month of the moment has used; None: there is no limit
    peak_of_day        share of the daily limit that the peak was
    reaches_limit_in   stretches of this length until the monthly limit, if it goes on growing so; None: never, or unknown
    """

    messages: int
    before: int
    growth: float | None
    peak_day: date | None
    peak: int
    months: tuple[Month, ...]
    month_so_far: int
    limits: dict[str, int | None]
    used_of_month: float | None
    peak_of_day: float | None
    reaches_limit_in: int | None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Mail of one mailbox provider."""

    provider: str
    counts: Counts
    rates: dict[str, float | None]


class DomainLine(msgspec.Struct, frozen=True, kw_only=True):
    """A sending domain, as DNS last said."""

    domain: str
    dkim: str
    return_path: str
    compliance: str


class AdviceLine(msgspec.Struct, frozen=True, kw_only=True):
    """A recommendation. holds: what its check said last; None: it has none, or nothing could be said."""

    record_id: int
    title: str
    state: str
    holds: bool | None


class ClockLine(msgspec.Struct, frozen=True, kw_only=True):
    """What became of promises of one nature and kind in the stretch."""

    nature: str
    kind: str
    met: int
    missed: int
    open: int


class CaseLine(msgspec.Struct, frozen=True, kw_only=True):
    """Support Cases that were opened in the stretch."""

    state: str
    severity: str
    cases: int


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """The document. first, last: days of UTC, both belong to it. features: what is in use, and how many of it."""

    account: str
    first: date
    last: date
    prepared_at: datetime
    capacity: Capacity
    counts: Counts
    rates: dict[str, float | None]
    counts_before: Counts
    rates_before: dict[str, float | None]
    providers: tuple[Share, ...]
    domains: tuple[DomainLine, ...]
    features: dict[str, int]
    cases: tuple[CaseLine, ...]
    clocks: tuple[ClockLine, ...]
    recommendations: tuple[AdviceLine, ...]
    topics: tuple[Topic, ...]


MOST_STRETCHES = 120


def capacity(
    days: Mapping[date, int],
    before: Mapping[date, int],
    *,
    month_so_far: int,
    limits: Mapping[str, int | None],
) -> Capacity:
    """Return how much is sent, and how near the limits that is. days, before: messages by day of either stretch."""
    messages, earlier = sum(days.values()), sum(before.values())
    growth = None if not earlier else messages / earlier - 1.0
    peak_day = max(sorted(days), key=lambda day: days[day], default=None)
    peak = 0 if peak_day is None else days[peak_day]
    months: dict[str, int] = {}
    for day in sorted(days):
        months[f"{day:%Y-%m}"] = months.get(f"{day:%Y-%m}", 0) + days[day]
    most_month, most_day = limits.get("monthly"), limits.get("daily")
    return Capacity(
        messages=messages,
        before=earlier,
        growth=growth,
        peak_day=peak_day,
        peak=peak,
        months=tuple(Month(month=month, messages=count) for month, count in months.items()),
        month_so_far=month_so_far,
        limits=dict(limits),
        used_of_month=month_so_far / most_month if most_month else None,
        peak_of_day=peak / most_day if most_day else None,
        reaches_limit_in=stretches_until(max(months.values(), default=0), growth, most_month),
    )


def stretches_until(monthly: int, growth: float | None, limit: int | None) -> int | None:
    """Return after how many stretches of the same growth the largest month passes the monthly limit; None: not foreseeable."""
    if not limit or not monthly or growth is None:
        return None
    if monthly > limit:
        return 0
    if growth <= 0:
        return None
    reached = float(monthly)
    for number in range(1, MOST_STRETCHES + 1):
        reached *= 1.0 + growth
        if reached > limit:
            return number
    return None


def shares(providers: Mapping[str, Counts]) -> tuple[Share, ...]:
    """Return the mail of each provider, the largest first."""
    ordered = sorted(providers, key=lambda name: (-providers[name].count_sent, name))
    return tuple(Share(provider=name, counts=providers[name], rates=rates_of(providers[name])) for name in ordered)


def words_of(made: Prepared) -> str:
    """Return the document to be read."""
    room = made.capacity
    lines = [
        f"Planning review of {made.account}",
        f"{made.first} to {made.last} (UTC), as of {made.prepared_at:%Y-%m-%d %H:%M} UTC",
        "",
        "Capacity",
        f"  messages taken      {room.messages}"
        + (f" ({100 * room.growth:+.1f} % to {room.before} before)" if room.growth is not None else ""),
        f"  largest day         {room.peak}" + (f" on {room.peak_day}" if room.peak_day is not None else ""),
        *(f"  {one.month}             {one.messages}" for one in room.months),
        f"  this month so far   {room.month_so_far}",
        *(f"  {name} limit{' ' * (14 - len(name))}{'none' if most is None else most}" for name, most in room.limits.items()),
    ]
    if room.used_of_month is not None:
        lines.append(f"  of the monthly limit {100 * room.used_of_month:.1f} % are used")
    if room.reaches_limit_in is not None:
        when = "is passed already" if not room.reaches_limit_in else f"is passed after {room.reaches_limit_in} such stretches"
        lines.append(f"  at this growth the monthly limit {when}")
    lines += ["", "Delivery                 now          before"]
    for rate in Rate:
        now, then = percent(rate_of(made.counts, rate)), percent(rate_of(made.counts_before, rate))
        lines.append(f"  {rate.value.replace('_', ' '):<22} {now:<12} {then}")
    lines.append(f"  {'delivered':<22} {made.counts.count_delivered:<12} {made.counts_before.count_delivered}")
    lines += _part("Mailbox providers", [_share(one) for one in made.providers])
    lines += _part("Sending domains", [f"{one.domain}: DKIM {one.dkim}, return path {one.return_path}" for one in made.domains])
    lines += _part("Features in use", [f"{name.replace('_', ' ')}: {count}" for name, count in made.features.items()])
    lines += _part(
        "Support Cases", [f"{one.cases} {one.severity.replace('_', ' ')}, {one.state.replace('_', ' ')}" for one in made.cases]
    )
    lines += _part("Promises", [_clock(one) for one in made.clocks])
    lines += _part("Recommendations", [_advice(one) for one in made.recommendations])
    lines += _part("Topics", [f"{one.kind.value.replace('_', ' ')}: {one.text}" for one in made.topics])
    return "\n".join(lines) + "\n"


def _part(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines or ["none"])]


def _share(one: Share) -> str:
    bounces, complaints = rate_of(one.counts, Rate.BOUNCE), rate_of(one.counts, Rate.COMPLAINT)
    return f"{one.provider}: {one.counts.count_sent} sent, bounces {percent(bounces)}, spam complaints {percent(complaints)}"


def _clock(one: ClockLine) -> str:
    return f"{one.kind} ({one.nature}): {one.met} met, {one.missed} missed, {one.open} open"


def _advice(one: AdviceLine) -> str:
    held = "" if one.holds is None else ", its check holds" if one.holds else ", its check does not hold"
    return f"{one.title}: {one.state}{held}"
