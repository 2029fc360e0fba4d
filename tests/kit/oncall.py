"""Schedules, facts and runs for tests of on-call."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from homing.support.oncall.rules import ladder
from homing.support.oncall.types import Facts, Paging, Run, Severity

START = datetime(2026, 11, 1, 5, 50, tzinfo=UTC)  # K2: 01:50 EDT, ten minutes before the clock goes back
PRIMARY, SECONDARY, TAM, INCIDENT, EXTRA, BOSS = 1, 2, 3, 4, 5, 6


def facts(**changes: Any) -> Facts:
    """Return everybody in his place, all reachable."""
    given: dict[str, Any] = {
        "on_duty": {"primary": (PRIMARY,), "secondary": (SECONDARY,), "incident manager": (INCIDENT,)},
        "roster": (PRIMARY, SECONDARY, INCIDENT, EXTRA),
        "by_role": {"oncall": (PRIMARY, SECONDARY, EXTRA), "admin": (BOSS,), "tam": (TAM,)},
        "tam": TAM,
        "reachable": frozenset(range(1, 10)),
    }
    return Facts(**{**given, **changes})


NOBODY = facts(on_duty={}, roster=(), by_role={}, tam=None)


def run(**changes: Any) -> Run:
    """Return a run of the ladder of Severity 1 that has just begun."""
    given: dict[str, Any] = {
        "obligation": "callback 1",
        "account_id": 1,
        "severity": Severity.ONE,
        "reference": "S1-1",
        "steps": ladder.SEVERITY_1.steps,
        "started_at": START,
        "due_at": START + timedelta(minutes=15),
    }
    return Run(**{**given, **changes})


def climb(one: Run, found: Facts, until: datetime, *, looks: Iterable[datetime] = ()) -> tuple[Run, list[tuple[float, Paging]]]:
    """Look whenever something is due, as the engine does; return the run and (seconds since the start, paging)."""
    heard: list[tuple[float, Paging]] = []
    further = sorted(looks)
    while True:
        at = ladder.next_look(one)
        moments = [moment for moment in (at, *further[:1]) if moment is not None]
        if not moments or min(moments) > until:
            return one, heard
        now = max(min(moments), one.started_at)
        if further and further[0] == min(moments):
            further.pop(0)
        one, pagings = ladder.advance(one, found, now)
        heard += [((now - one.started_at).total_seconds(), paging) for paging in pagings]
