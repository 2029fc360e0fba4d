"""What a clock shows, from its marks: state, due time, what has run, and the outcome, which is decided once.

All arithmetic is in whole seconds; fractions are dropped. What happens at the very instant that is due is in time. Marks
count in the order of recording; one that lies before its predecessor counts from there (a pause that the customer's answer
overtook has no length). What a mark cannot do is ignored: no pause reaches a clock that never pauses, and nothing but an
attempt, or two people, ends a CALLBACK.
"""

from datetime import UTC, datetime, timedelta

from homing.hours.rules import measure
from homing.hours.types import Calendar, NeverDue
from homing.support.clocks.rules.terms import TERMS, nature_of
from homing.support.clocks.types import (
    Basis,
    ClockLog,
    Kind,
    Mark,
    Paused,
    Reached,
    Reading,
    Resumed,
    Span,
    Started,
    State,
    Stopped,
    Superseded,
    Voided,
)


def read(log: ClockLog, calendar: Calendar | None, *, now: datetime) -> Reading:
    """Return what a clock shows at a moment.

    calendar   of its pin, with everything that was recorded about it; None for clocks on the wall
    now        not before the last mark, else the last mark counts as now
    raises     ValueError where calendar and pin do not belong together
    """
    run = _Run(log, calendar)
    for mark in log.marks[1:]:
        run.take(mark)
    return run.reading(_whole(now))


class _Run:
    """The clock while its marks are read."""

    def __init__(self, log: ClockLog, calendar: Calendar | None) -> None:
        started = log.started
        self._kind = log.kind
        self._terms = TERMS[log.kind]
        self._started = started
        self._calendar = _fitting(log.kind, started, calendar)
        self._at = _whole(started.at)  # of the last mark
        self._since: datetime | None = self._at  # begin of the running span
        self._used_s = 0  # in the spans before it
        self._spans: list[Span] = []
        self._missed_at: datetime | None = None
        self._met_due: datetime | None = None  # when it would have been due, had nobody stopped it
        self._outcome: State | None = None
        self._outcome_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._reached_at: datetime | None = None
        self._remark = ""
        self._void: Voided | None = None

    def take(self, mark: Mark) -> None:
        """Let one mark happen."""
        at = max(_whole(mark.at), self._at)
        if isinstance(mark, Reached):
            self._reached_at = self._reached_at or at
            return
        if isinstance(mark, Voided):
            self._voided(mark, at)
            return
        if self._ended_at is not None:
            return
        match mark:
            case Paused() if self._terms.pauses and self._since is not None:
                self._pass(at)
                self._close(at)
            case Resumed() if self._since is None:
                self._close(at)
                self._since = at
            case Stopped():
                self._pass(at)
                self._met_due = None if self._since is None else self._due(self._since)
                self._end(at, State.MET, mark.remark)
            case Superseded() if self._kind is not Kind.CALLBACK:
                self._pass(at)
                self._end(at, State.SUPERSEDED, mark.by)
            case _:
                return
        self._at = at

    def _voided(self, mark: Voided, at: datetime) -> None:
        if self._ended_at is None:
            self._pass(at)
            if self._missed_at is None:
                self._end(at, State.VOID, mark.reason)
            else:
                self._end(at, State.MISSED, "")
            self._at = at
        self._void = self._void or mark

    def _pass(self, at: datetime) -> None:
        """Let time pass until a moment: what was due before it is missed, for good."""
        if self._missed_at is None and self._since is not None:
            due = self._due(self._since)
            if due is not None and due < at:
                self._missed_at = due

    def _close(self, at: datetime) -> None:
        """End the span that runs, or the pause."""
        if self._since is not None:
            self._used_s += self._measure(self._since, at)
            self._add(self._since, at, runs=True)
            self._since = None
        else:
            self._add(self._paused_since(), at, runs=False)

    def _end(self, at: datetime, outcome: State, remark: str) -> None:
        self._close(at)
        self._ended_at = at
        self._remark = remark
        if self._missed_at is None:
            self._outcome, self._outcome_at = outcome, at

    def _add(self, start: datetime, end: datetime, *, runs: bool) -> None:
        if start < end:
            self._spans.append(Span(start, end, runs))

    def _paused_since(self) -> datetime:
        return self._spans[-1].end or self._at if self._spans else _whole(self._started.at)

    def _measure(self, start: datetime, end: datetime) -> int:
        if self._calendar is None:
            return int((end - start).total_seconds())
        return measure.elapsed(self._calendar, start, end)

    def _due(self, since: datetime) -> datetime | None:
        """Return when it is due; None: not within 400 days, so the hours are recorded wrongly, and nothing can be judged."""
        rest = max(0, self._started.budget_s - self._used_s)
        if self._calendar is None:
            return since + timedelta(seconds=rest)
        try:
            return measure.due(self._calendar, since, rest)
        except NeverDue:
            return None

    def reading(self, now: datetime) -> Reading:
        """Return what is shown."""
        now = max(now, self._at)
        due = None
        if self._ended_at is None:
            self._pass(now)
        if self._missed_at is not None:
            due, self._outcome, self._outcome_at = self._missed_at, State.MISSED, self._missed_at
        elif self._ended_at is not None:
            due = self._met_due
        elif self._since is not None:
            due = self._due(self._since)
        elapsed, spans = self._used_s, list(self._spans)
        if self._ended_at is None:
            if self._since is not None:
                elapsed += self._measure(self._since, now)
                spans.append(Span(self._since, None, True))
            else:
                spans.append(Span(self._paused_since(), None, False))
        return Reading(
            kind=self._kind,
            nature=nature_of(self._kind, agreed=self._started.agreed),
            basis=self._terms.basis,
            pin=self._started.pin,
            budget_s=self._started.budget_s,
            started_at=_whole(self._started.at),
            state=self._outcome or (State.PAUSED if self._since is None else State.RUNNING),
            due_at=due,
            elapsed_s=elapsed,
            remaining_s=max(0, self._started.budget_s - elapsed),
            spans=tuple(spans),
            outcome=self._outcome,
            outcome_at=self._outcome_at,
            ended_at=self._ended_at,
            reached_at=self._reached_at,
            remark=self._remark,
            void=self._void,
        )


def _fitting(kind: Kind, started: Started, calendar: Calendar | None) -> Calendar | None:
    if TERMS[kind].basis is Basis.WALL:
        return None
    pin = started.pin
    if pin is None or calendar is None or (pin.zone, pin.holiday_set) != (calendar.zone, calendar.holiday_set):
        raise ValueError(f"a {kind} runs in the Business Hours that it was pinned to")
    return calendar


def _whole(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    return moment.astimezone(UTC).replace(microsecond=0)
