"""When a case wakes people (E8), when it lets them sleep, and when the ledger is looked at (E17)."""

from homing.support.cases.happened import Called, Downgraded, Escalated, Event, Opened, Owned
from homing.support.cases.types import Case, Severity

EXTRACTS_S = (0, 300, 900)  # seconds after a case became critical at which the ledger is looked at


def became_critical(before: Case | None, event: Event) -> bool:
    """Return whether a case is critical by this step. before: the case as it was; None: it begins."""
    match event.payload:
        case Opened(severity=severity):
            return severity is Severity.CRITICAL
        case Escalated():
            return before is not None and before.severity is not Severity.CRITICAL
        case _:
            return False


def wakes(before: Case | None, event: Event) -> bool:
    """Return whether people are woken for the case itself: it became critical, and nobody called. A call wakes them of itself."""
    called = isinstance(event.payload, Opened) and event.payload.called
    by_call = isinstance(event.payload, Escalated) and event.payload.by_call
    return became_critical(before, event) and not called and not by_call


def lets_sleep(case: Case, event: Event) -> str:
    """Return why nobody is woken for a case any more; '' where this step changes nothing of it."""
    match event.payload:
        case Owned(person_id=person, accepted=True):
            return f"staff {person} has taken the case"
        case Downgraded():
            return "both sides agreed that the case is not critical"
        case _:
            return "" if case.live else "the case has ended"


def looks_into_ledger(before: Case | None, event: Event) -> bool:
    """Return whether extracts of the ledger are owed from this step on."""
    return became_critical(before, event) or isinstance(event.payload, Called)


def case_of(name: str) -> int | None:
    """Return the case that a ladder is for; None: it is for something else."""
    word, _, rest = name.partition(" ")
    number = rest.partition(" ")[0]
    return int(number) if word == "case" and number.isdigit() else None


def ladder_name(case_id: int) -> str:
    """Return what on-call knows the ladders of a case as."""
    return f"case {case_id} critical"
