"""The clocks that follow from a record's events (model, section 3.4).

CONFIRM runs from the mail that asks the customer until he answers: a courtesy, with reminders. TAM_REPLY runs from a proposal or
an objection of the customer until a person of the staff answers it: an objective.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from homing.support.cases.types import Side
from homing.support.clocks.types import ClockLog, Kind, Mark, Promise, Started, Stopped, Superseded, Voided
from homing.support.tam.happened import (
    Aborted,
    Acknowledged,
    Agreed,
    ClockVoided,
    Completed,
    Declined,
    Event,
    Objected,
    Sent,
    SupersededBy,
    Versioned,
)


def clocks_of(events: Iterable[Event]) -> list[ClockLog]:
    """Return every clock that a record ever had, in the order in which they started."""
    work = _Clockwork()
    for event in events:
        work.take(event)
    return [ClockLog(kind=kind, marks=tuple(marks)) for kind, marks in work.logs]


class _Clockwork:
    """The clocks while the events are read; running: place in logs, by kind."""

    def __init__(self) -> None:
        self.logs: list[tuple[Kind, list[Mark]]] = []
        self.running: dict[Kind, int] = {}

    def take(self, event: Event) -> None:
        at, ours = event.at, event.side is Side.PROVIDER
        match event.payload:
            case Sent(promises=promises):
                self._begin(promises, at)
            case Versioned(promises=promises):
                self._end(Kind.CONFIRM, Superseded(at=at, by="a newer version"))
                if ours:
                    self._end(Kind.TAM_REPLY, Stopped(at=at))
                self._begin(promises, at)
            case Objected(promises=promises):
                self._end(Kind.CONFIRM, Superseded(at=at, by="taken back") if ours else Stopped(at=at))
                if ours:
                    self._end(Kind.TAM_REPLY, Stopped(at=at))
                self._begin(promises, at)
            case Agreed():
                self._end(Kind.CONFIRM, Stopped(at=at))
                if ours:
                    self._end(Kind.TAM_REPLY, Stopped(at=at))
            case Acknowledged() | Declined():
                self._end(Kind.CONFIRM, Stopped(at=at))
            case SupersededBy() | Aborted() | Completed():
                for kind in list(self.running):
                    self._end(kind, Superseded(at=at, by=type(event.payload).__name__.lower()))
            case ClockVoided(clock=clock, people=people, reason=reason):
                kind, marks = self.logs[clock - 1]
                marks.append(Voided(at=at, people=people, reason=reason))
                if self.running.get(kind) == clock - 1:
                    del self.running[kind]
            case _:
                pass

    def _begin(self, promises: Mapping[Kind, Promise], at: datetime) -> None:
        for kind, promise in promises.items():
            if kind not in self.running:
                self.running[kind] = len(self.logs)
                self.logs.append((kind, [Started(at=at, budget_s=promise.budget_s, pin=promise.pin)]))

    def _end(self, kind: Kind, mark: Mark) -> None:
        place = self.running.pop(kind, None)
        if place is not None:
            self.logs[place][1].append(mark)
