"""The clocks that follow from a case's events: which starts, waits, stops, by which step (model, sections 3.2, 3.4 and 3.6).

A step that starts a clock carries its promise, chosen when it happened; everything else follows from the kind of the step.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from homing.support.cases.happened import (
    Absorbed,
    CadenceAccepted,
    CadenceBegan,
    CadenceProposed,
    Called,
    CalledBack,
    CallReached,
    CallVoided,
    Came,
    ClockVoided,
    Closed,
    Counted,
    Disputed,
    Doubted,
    Downgraded,
    Engaged,
    EntitlementDecided,
    Escalated,
    Event,
    Merged,
    Opened,
    Owned,
    Proposed,
    Refused,
    Reopened,
    Resolved,
    ScopeDecided,
    Sent,
    TamCalled,
    Undelivered,
    Withdrawn,
)
from homing.support.cases.types import Agreement, Purpose, Severity, Side, Verdict
from homing.support.clocks.rules import severity
from homing.support.clocks.rules.cadence import following, renegotiated
from homing.support.clocks.types import (
    ClockLog,
    Kind,
    Mark,
    Paused,
    Promise,
    Reached,
    Resumed,
    Started,
    Stopped,
    Superseded,
    Voided,
)

_decode = msgspec.json.Decoder(ClockLog).decode
# What an end leaves undone was not done: these are not met by it.
_ONLY_BY_A_PERSON = frozenset({Kind.ACK_MAIL, Kind.OWN, Kind.FIRST_RESPONSE, Kind.TAM_REPLY, Kind.ENGAGE})


def clocks_of(events: Iterable[Event]) -> list[ClockLog]:
    """Return every clock that a case ever had, in the order in which they started."""
    work = _Clockwork()
    for event in events:
        work.take(event)
    return [ClockLog(kind=kind, marks=tuple(marks)) for kind, marks in work.logs]


class _Clockwork:
    """The clocks while the events are read.

    logs      kind and marks of each
    running   place in logs of the one that runs, by kind
    calls     place in logs of the CALLBACK of each call that is owed: every call has its own, and nothing else ends it
    by_call   the same of every call
    """

    def __init__(self) -> None:
        self.logs: list[tuple[Kind, list[Mark]]] = []
        self.running: dict[Kind, int] = {}
        self.calls: dict[int, int] = {}
        self.by_call: dict[int, int] = {}
        self._critical = False
        self._live = True
        self._waits = False  # for the customer
        self._proposed = False  # a resolution, and the customer has said nothing since
        self._agreements: dict[int, Agreement] = {}
        self._in_force: Agreement | None = None
        self._provisional_s = 0
        self._last_update: datetime | None = None

    def take(self, event: Event) -> None:
        """Let one step move the clocks."""
        at = event.at
        match event.payload:
            case Opened(severity=level, promises=promises, received_at=received_at):
                self._critical = level is Severity.CRITICAL
                for kind in Kind:
                    if kind in promises:
                        since = received_at or at if kind is Kind.FIRST_RESPONSE else at
                        self._begin({kind: promises[kind]}, since)
            case Owned(accepted=True):  # who is given a case by somebody else has not taken it yet
                self._stop(at, Kind.OWN)
                self._stop(at, Kind.ENGAGE)
            case Engaged(engaged_at=engaged_at):
                self._stop(engaged_at or at, Kind.ENGAGE)
            case Came(automatic=False, received_at=received_at) | Counted(received_at=received_at):
                self._moved(received_at)
            case Doubted(received_at=received_at):
                self._moved(received_at)
            case Refused() | Disputed():
                self._moved(at)
            case Sent() as sent:
                self._sent(sent, at)
            case Undelivered(opens=True):
                if self._waits:
                    self._waits = False
                    self._mark(Kind.UPDATE, Resumed(at=at))
            case Proposed(promises=promises):
                self._proposed = True
                if event.side is Side.CUSTOMER:
                    self._wait(at)
                    self._begin(promises, at)
            case TamCalled(promises=promises):
                self._begin({kind: one for kind, one in promises.items() if kind not in self.running}, at)
            case Reopened(promises=promises, received_at=received_at):
                self._live, self._waits, self._proposed = True, False, False
                self._begin(promises, max(received_at, at))
            case _:
                self._rest(event)

    def _rest(self, event: Event) -> None:
        at = event.at
        match event.payload:
            case Escalated() as step:
                self._escalated(step, at)
            case Downgraded(promises=promises):
                self._critical = False
                flip = severity.downgraded([*self.running, *([Kind.CALLBACK] if self.calls else [])])
                self._supersede(at, "downgraded", *flip.supersedes)
                self._begin({kind: promises[kind] for kind in flip.starts if kind in promises}, at)
                if self._waits:
                    self._wait(at)
            case Called() as call:
                self._called(call)
            case CalledBack(placed_at=placed_at, promises=promises, call=number):
                if number in self.calls:
                    self.logs[self.calls.pop(number)][1].append(Stopped(at=placed_at))
                if self._critical and self._live and Kind.CADENCE not in self.running:
                    self._begin(promises, placed_at)
            case CallReached() | CallVoided() | EntitlementDecided():
                self._about_a_call(event)
            case CadenceProposed(version=version, cadence=cadence):
                self._agreements[version] = Agreement(version=version, cadence=cadence, side=event.side)
            case CadenceAccepted():
                pass  # it takes effect with CadenceBegan
            case CadenceBegan(version=version):
                self._renegotiated(self._agreements[version], at)
            case Absorbed(clocks=clocks):
                for raw in clocks:
                    self._adopt(_decode(raw), at)
            case ClockVoided(clock=clock, people=people, reason=reason):
                if 0 < clock <= len(self.logs):
                    self._void(clock - 1, Voided(at=at, people=people, reason=reason))
            case Resolved():
                self._end(at, "resolved")
            case Closed():
                self._end(at, "not agreed")
            case Withdrawn():
                self._live = False
                self._supersede(at, "withdrawn", *self.running)
            case Merged(into_number=number, critical_at=critical_at):
                self._live = False
                if critical_at is not None:
                    self._supersede(critical_at, "critical", *severity.AWAY)
                self._supersede(at, f"merged into case {number}", *self.running)
            case ScopeDecided(verdict=Verdict.OUT):
                self._live = False
                # The first response is the mail that says so.
                self._supersede(at, "out of scope", *(kind for kind in self.running if kind is not Kind.FIRST_RESPONSE))
            case _:
                pass

    # steps --------------------------------------------------------------------------------------------------------------

    def _called(self, call: Called) -> None:
        """Owe a call back, since its first ring; it neither waits nor ends with the case (invariant 7)."""
        budget_s = _seconds(call.first_ring_at, call.due_at)
        self.logs.append((Kind.CALLBACK, [Started(at=call.first_ring_at, budget_s=budget_s)]))
        self.calls[call.call] = self.by_call[call.call] = len(self.logs) - 1
        self._begin({kind: one for kind, one in call.promises.items() if kind not in self.running}, call.first_ring_at)

    def _about_a_call(self, event: Event) -> None:
        match event.payload:
            case CallReached(call=number, reached_at=reached_at) if number in self.by_call:
                self.logs[self.by_call[number]][1].append(Reached(at=reached_at))
            case CallVoided(call=number, people=people, reason=reason, voided_at=voided_at) if number in self.by_call:
                self._void(self.by_call[number], Voided(at=voided_at or event.at, people=people, reason=reason))
                self.calls.pop(number, None)
            case EntitlementDecided(decided_at=decided_at):
                self._stop(decided_at, Kind.ENTITLEMENT)
            case _:
                pass

    def _moved(self, received_at: datetime) -> None:
        """The customer has spoken, and nothing waits for him any more."""
        self._proposed = False
        if self._waits:
            self._waits = False
            self._mark(Kind.UPDATE, Resumed(at=received_at))
        self._stop(received_at, Kind.CONFIRM)

    def _wait(self, at: datetime) -> None:
        self._waits = True
        self._mark(Kind.UPDATE, Paused(at=at))

    def _sent(self, sent: Sent, at: datetime) -> None:
        if sent.purpose is Purpose.RECEIPT:
            self._stop(at, Kind.ACK_MAIL)
            return
        if sent.purpose not in (Purpose.ANSWER, Purpose.UPDATE, Purpose.PROPOSAL, Purpose.SCOPE):
            return
        self._stop(at, Kind.FIRST_RESPONSE)
        if sent.by_tam:
            self._stop(at, Kind.TAM_REPLY)
        if not self._live:
            return  # it was on its way when the case ended
        if sent.purpose is Purpose.PROPOSAL:
            if Kind.UPDATE not in self.running and not self._critical:
                self._begin({k: v for k, v in sent.promises.items() if k is Kind.UPDATE}, at)
            if not self._proposed:
                return  # he has said something since it was written: work goes on
            self._wait(at)
            self._begin({k: v for k, v in sent.promises.items() if k is Kind.CONFIRM}, at)
            return
        if sent.purpose is Purpose.UPDATE:
            self._last_update = at
            self._stop(at, Kind.CADENCE)
            self._next_update(at)
        elif not self._critical:
            self._stop(at, Kind.UPDATE)
            self._begin({k: v for k, v in sent.promises.items() if k is Kind.UPDATE}, at)
        if sent.question or self._waits or self._proposed:
            self._wait(at)

    def _escalated(self, step: Escalated, at: datetime) -> None:
        if self._critical:
            return
        self._critical = True
        flip = severity.escalated(by_call=step.by_call)
        since = step.first_ring_at if step.by_call and step.first_ring_at is not None and not step.late else at
        self._supersede(since, "critical", *flip.supersedes)
        self._begin({kind: step.promises[kind] for kind in flip.starts if kind in step.promises}, at)

    def _next_update(self, at: datetime) -> None:
        """Start the cadence anew after an update: as agreed, or provisionally."""
        if self._in_force is not None:
            due = following(self._in_force.cadence, at)
            self._start(Kind.CADENCE, Promise(budget_s=_seconds(at, due)), at, agreed=True)
        elif self._provisional_s:
            self._start(Kind.CADENCE, Promise(budget_s=self._provisional_s), at)

    def _renegotiated(self, agreement: Agreement, at: datetime) -> None:
        """Let an agreement take effect (E21). What was missed stays so: its clock is only relieved of what it still owed."""
        before, self._in_force = self._in_force, agreement
        place = self.running.get(Kind.CADENCE)
        if place is None or self._last_update is None:
            return
        started = self.logs[place][1][0]
        if not isinstance(started, Started):
            return
        old_due = started.at + timedelta(seconds=started.budget_s)
        due = renegotiated(agreement.cadence, last_update=self._last_update, old_due=old_due, accepted=at)
        self._supersede(at, f"cadence {agreement.version}" if before else "agreed cadence", Kind.CADENCE)
        self._start(Kind.CADENCE, Promise(budget_s=_seconds(at, due)), at, agreed=True)

    def _adopt(self, log: ClockLog, at: datetime) -> None:
        """Take a clock of another case over, with its whole life: it is due earlier (E30)."""
        self._supersede(at, "merged", log.kind)
        self.logs.append((log.kind, list(log.marks)))
        self.running[log.kind] = len(self.logs) - 1
        if self._critical and log.kind in severity.AWAY:
            self._supersede(at, "critical", log.kind)
        if log.kind is Kind.CADENCE:  # what comes after the next update follows from it
            self._provisional_s = self._provisional_s or log.started.budget_s
            self._last_update = self._last_update or log.started.at
        waiting = isinstance(log.marks[-1], Paused)
        if log.kind is Kind.UPDATE and waiting and not self._waits:
            self._mark(log.kind, Resumed(at=at))
        elif log.kind is Kind.UPDATE and self._waits and not waiting:
            self._mark(log.kind, Paused(at=at))

    def _end(self, at: datetime, remark: str) -> None:
        self._live = self._waits = False
        for kind in list(self.running):
            if kind in _ONLY_BY_A_PERSON:
                self._supersede(at, remark, kind)
            else:
                self._mark(kind, Stopped(at=at, remark=remark))
                del self.running[kind]

    def _void(self, place: int, mark: Voided) -> None:
        kind, marks = self.logs[place]
        marks.append(mark)
        if self.running.get(kind) == place:
            del self.running[kind]

    # marks --------------------------------------------------------------------------------------------------------------

    def _begin(self, promises: Mapping[Kind, Promise], at: datetime) -> None:
        for kind in Kind:  # in one order, however they were gathered or read back
            promise = promises.get(kind)
            if promise is None:
                continue
            if kind is Kind.CADENCE:
                self._provisional_s = self._provisional_s or promise.budget_s
                self._last_update = at
                self._stop(at, kind)
                self._next_update(at)
            else:
                self._start(kind, promise, at)

    def _start(self, kind: Kind, promise: Promise, at: datetime, *, agreed: bool = False) -> None:
        self._supersede(at, "started anew", kind)
        started = Started(at=at, budget_s=promise.budget_s, pin=promise.pin, agreed=agreed)
        self.logs.append((kind, [started]))
        self.running[kind] = len(self.logs) - 1

    def _mark(self, kind: Kind, mark: Mark) -> None:
        place = self.running.get(kind)
        if place is not None:
            self.logs[place][1].append(mark)

    def _stop(self, at: datetime, kind: Kind) -> None:
        self._mark(kind, Stopped(at=at))
        self.running.pop(kind, None)

    def _supersede(self, at: datetime, by: str, *kinds: Kind) -> None:
        for kind in kinds:
            place = self.running.pop(kind, None)
            if place is not None:
                marks = self.logs[place][1]
                marks.append(Superseded(at=max(at, marks[0].at), by=by))  # a call may have rung before it started


def _seconds(start: datetime, end: datetime) -> int:
    return max(0, int((end.replace(microsecond=0) - start.replace(microsecond=0)).total_seconds()))
