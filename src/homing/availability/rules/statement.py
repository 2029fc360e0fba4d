"""The monthly statement of one account: its figures, and what stands behind each (model, section 5.7).

The UTC calendar month counts (reading R10). Seconds without an attempt count as available in the percentage, and unknown ones
are never silently good: both are numbers of their own, and where the unknown ones decide, the verdict says so.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec

from homing.availability.rules.episodes import GAP_S, PERSISTENT_S, episodes, reached
from homing.availability.rules.exclusions import excluded, overlay, reach
from homing.availability.rules.judging import FINAL_AFTER
from homing.availability.rules.leaf import Amendment
from homing.availability.rules.share import Outcome, budget, outcome, uptime
from homing.availability.rules.targets import Promised
from homing.availability.types import Episode, Exclusion, ExclusionKind, Finding, Judged, Month, moment, start_of
from homing.contracts.kept import CriticalCase, Kept
from homing.evidence.rules.seconds import Seconds, span
from homing.evidence.types import DAY_S

_CALLED_WITHIN = timedelta(hours=1)  # after an episode, a customer may still open the case about it


class DayFacts(NamedTuple):
    """One day of the account. Sets are of the seconds of the day.

    attempted   seconds: any door, API, SMTP
    available   seconds with attempts that were not Unavailable; needed only on days with Unavailable seconds
    leaf        hash of the sealed leaf that counts; '' while the day is not sealed
    root_day    the day in whose tree it is, with its place there and the proof; None while it waits for one
    """

    day: date
    attempted: tuple[int, int, int]
    unavailable: Seconds
    strict: Seconds
    unknown: Seconds
    available: Seconds
    leaf: str = ""
    version: int = 0
    root_day: date | None = None
    place: int | None = None
    proof: Sequence[bytes] = ()
    classifier: int = 0


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed day's root; hashes, key and signature in hex."""

    day: str
    root: str
    previous: str
    link: str
    signature: str
    public_key: str
    leaves: int
    missing: list[str]
    skewed: list[str]


class Facts(NamedTuple):
    """What a statement is made of.

    unattributed   seconds in which attempts failed whose account nobody knows
    measured_from  the first second of which there can be evidence about the account
    """

    account: str
    account_id: int
    pseudonym: str
    days: Sequence[DayFacts]
    exclusions: Sequence[Exclusion]
    findings: Sequence[Finding]
    amendments: Sequence[tuple[date, datetime, Amendment]]
    links: Sequence[Link]
    unattributed: int
    measured_from: datetime
    kept: Kept = Kept()


class DayLine(msgspec.Struct, frozen=True, kw_only=True):
    """One day; counts of seconds. root_day, place and proof lead from the leaf to a root of the ledger."""

    day: str
    attempted_api: int
    attempted_smtp: int
    unavailable: int
    excluded: int
    strict: int
    unknown: int
    sealed: bool
    leaf: str
    amendments: int
    root_day: str | None
    place: int | None
    proof: list[str]


class EpisodeLine(msgspec.Struct, frozen=True, kw_only=True):
    """Unavailable seconds that belong together. until: the first second after it; persistent_at: None, it was not.

    cases   cases that were critical in it, or became so within an hour after it
    """

    since: datetime
    until: datetime
    seconds: int
    excluded: int
    persistent_at: datetime | None
    cases: list[int]


class ExclusionLine(msgspec.Struct, frozen=True, kw_only=True):
    """An exclusion, and the Unavailable seconds that it takes out; who proposed and who approved it, and when they did."""

    exclusion_id: int
    kind: ExclusionKind
    since: datetime
    until: datetime
    reason: str
    evidence: str
    proposed_by: str
    proposed_at: datetime
    approved_by: str
    approved_at: datetime | None
    seconds: int


class AmendmentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A correction of a sealed day: counts of seconds before and after."""

    day: str
    made_at: datetime
    reason: str
    amends: str
    before: Mapping[str, int]
    after: Mapping[str, int]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of the month.

    unavailable   gross: before exclusions; net: after them; strict: where both doors are taken together, before exclusions
    no_attempt    nothing was attempted, and we know it: available in the percentage
    unmeasured    before there was an account or evidence: available in the percentage
    unattributed  attempts failed whose account nobody knows; they are in no other figure
    """

    in_month: int
    elapsed: int
    attempted: int
    attempted_api: int
    attempted_smtp: int
    unavailable_gross: int
    excluded: int
    unavailable_net: int
    unavailable_strict: int
    unknown: int
    no_attempt: int
    unmeasured: int
    unattributed: int
    budget: int


class TargetLine(msgspec.Struct, frozen=True, kw_only=True):
    """A target of the month: the one that counts first, then those of other Order Forms of the month, each with its verdict.

    counts         the verdict of the statement is judged by it: in force at the end of the month, as it was recorded then
    order_form_id  None: no Order Form names one
    recorded_at    after the end of the month: it changes nothing of what was promised in it
    budget         seconds that it allows
    """

    target: str
    counts: bool
    order_form_id: int | None
    begins_at: datetime | None
    ends_at: datetime | None
    recorded_at: datetime | None
    budget: int
    verdict: Outcome


class Uptime(msgspec.Struct, frozen=True, kw_only=True):
    """Percentages with six decimals, as text: nothing is lost on the way."""

    net: str
    gross: str
    strict: str
    target: str


VERSION = 3  # of the statement's members; 1 had no `kept`, 2 no `targets`. Sealed days are leaves with a version of their own


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The statement. kept: how the promises beside availability were kept."""

    version: int
    account: str
    account_id: int
    pseudonym: str
    month: str
    zone: str
    made_at: datetime
    is_final: bool
    seconds: Counts
    uptime: Uptime
    verdict: Outcome
    targets: list[TargetLine]
    days: list[DayLine]
    episodes: list[EpisodeLine]
    exclusions: list[ExclusionLine]
    findings: list[Finding]
    amendments: list[AmendmentLine]
    classifiers: list[int]
    clocks_off: list[str]
    ledger: list[Link]
    kept: Kept


def compose(month: Month, facts: Facts, *, now: datetime, targets: Sequence[Promised]) -> Statement:
    """Return the statement of a month. targets: the one that counts first."""
    target = targets[0].target
    whole = _month(month, facts.days)
    start, seconds = month.start, month.seconds
    elapsed = max(0, min(seconds, int(now.timestamp()) - start))
    taken_out = whole.unavailable & overlay(facts.exclusions, account_id=facts.account_id, start=start, seconds=seconds)
    gross = whole.unavailable.bit_count()
    net = gross - taken_out.bit_count()
    unknown = whole.unknown.bit_count()
    is_over = now >= moment(start + seconds) + FINAL_AFTER
    is_final = is_over and all(day.leaf for day in facts.days)
    attempted, api, smtp = (sum(day.attempted[n] for day in facts.days) for n in range(3))
    unmeasured = max(0, min(elapsed, int(facts.measured_from.timestamp()) - start))
    counts = Counts(
        in_month=seconds,
        elapsed=elapsed,
        attempted=attempted,
        attempted_api=api,
        attempted_smtp=smtp,
        unavailable_gross=gross,
        excluded=gross - net,
        unavailable_net=net,
        unavailable_strict=whole.strict.bit_count(),
        unknown=unknown,
        no_attempt=max(0, elapsed - unmeasured - attempted - unknown),
        unmeasured=unmeasured,
        unattributed=facts.unattributed,
        budget=budget(seconds, target),
    )
    return Statement(
        version=VERSION,
        account=facts.account,
        account_id=facts.account_id,
        pseudonym=facts.pseudonym,
        month=str(month),
        zone="UTC",
        made_at=now,
        is_final=is_final,
        seconds=counts,
        uptime=Uptime(
            net=str(uptime(net, seconds)),
            gross=str(uptime(gross, seconds)),
            strict=str(uptime(counts.unavailable_strict, seconds)),
            target=f"{target:f}",
        ),
        verdict=outcome(net, unknown, seconds=seconds, target=target, over=is_final),
        targets=[
            _target(one, seconds, outcome(net, unknown, seconds=seconds, target=one.target, over=is_final)) for one in targets
        ],
        days=[_day(day, taken_out >> (start_of(day.day) - start)) for day in facts.days],
        episodes=[
            _episode(one, whole.unavailable, taken_out, start, facts.kept.critical) for one in episodes(whole, gap_s=GAP_S)
        ],
        exclusions=[
            _exclusion(one.exclusion, one.seconds)
            for one in excluded(whole.unavailable, facts.exclusions, account_id=facts.account_id, start=start, seconds=seconds)
        ],
        findings=list(facts.findings),
        amendments=[
            AmendmentLine(day=day.isoformat(), made_at=at, reason=one.reason, amends=one.leaf, before=one.before, after=one.after)
            for day, at, one in facts.amendments
        ],
        classifiers=sorted({day.classifier for day in facts.days if day.classifier}),
        clocks_off=sorted({node for link in facts.links for node in link.skewed}),
        ledger=list(facts.links),
        kept=facts.kept,
    )


def net_of(days: Sequence[tuple[date, Seconds]], exclusions: Sequence[Exclusion], *, account_id: int) -> tuple[int, int]:
    """Return Unavailable seconds gross and net of some days, without composing a statement."""
    gross = net = 0
    for day, unavailable in days:
        if not unavailable:
            continue
        start = start_of(day)
        inside = 0
        for one in exclusions:
            inside |= reach(one, account_id=account_id, start=start, seconds=DAY_S)
        gross += unavailable.bit_count()
        net += (unavailable & ~inside).bit_count()
    return gross, net


def _month(month: Month, days: Sequence[DayFacts]) -> Judged:
    """Put the days together. Days without Unavailable seconds need not say when they were available: no episode asks."""
    unavailable = strict = unknown = available = 0
    for day in days:
        shift = start_of(day.day) - month.start
        unavailable |= day.unavailable << shift
        strict |= day.strict << shift
        unknown |= day.unknown << shift
        available |= day.available << shift
    return Judged(unavailable, strict, unavailable | available, unknown)


def _day(day: DayFacts, taken_out: Seconds) -> DayLine:
    _, api, smtp = day.attempted
    return DayLine(
        day=day.day.isoformat(),
        attempted_api=api,
        attempted_smtp=smtp,
        unavailable=day.unavailable.bit_count(),
        excluded=(day.unavailable & taken_out).bit_count(),
        strict=day.strict.bit_count(),
        unknown=day.unknown.bit_count(),
        sealed=bool(day.leaf),
        leaf=day.leaf,
        amendments=day.version,
        root_day=None if day.root_day is None else day.root_day.isoformat(),
        place=day.place,
        proof=[one.hex() for one in day.proof],
    )


def _episode(one: Episode, unavailable: Seconds, taken_out: Seconds, start: int, critical: Sequence[CriticalCase]) -> EpisodeLine:
    at = reached(unavailable, one, seconds=PERSISTENT_S)
    since, until = moment(start + one.start), moment(start + one.end)
    return EpisodeLine(
        since=since,
        until=until,
        cases=list(
            dict.fromkeys(
                case.case
                for case in critical
                if case.opened_at <= until + _CALLED_WITHIN and (case.ended_at is None or case.ended_at >= since)
            )
        ),
        seconds=one.seconds,
        excluded=(taken_out & span(one.start, one.end)).bit_count(),
        persistent_at=None if at is None else moment(start + at),
    )


def _exclusion(one: Exclusion, seconds: int) -> ExclusionLine:
    return ExclusionLine(
        exclusion_id=one.exclusion_id,
        kind=one.kind,
        since=one.since,
        until=one.until,
        reason=one.reason,
        evidence=one.evidence,
        proposed_by=one.proposed_by,
        proposed_at=one.proposed_at,
        approved_by=one.approved_by,
        approved_at=one.approved_at,
        seconds=seconds,
    )


def _target(one: Promised, seconds: int, verdict: Outcome) -> TargetLine:
    form = one.form
    return TargetLine(
        target=f"{one.target:f}",
        counts=one.counts,
        order_form_id=None if form is None else form.order_form_id,
        begins_at=None if form is None else form.begins_at,
        ends_at=None if form is None else form.ends_at,
        recorded_at=None if form is None else form.recorded_at,
        budget=budget(seconds, one.target),
        verdict=verdict,
    )


def read_month(text: str) -> Month | None:
    """Return the month that `YYYY-MM` names; None where it names none."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return Month(first.year, first.month) if len(text) == 7 and first.year >= 1970 else None


def month_of(now: datetime) -> Month:
    """Return the UTC month of a moment."""
    day = now.astimezone(UTC).date()
    return Month(day.year, day.month)
