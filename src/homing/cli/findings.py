"""What doctor found: one line each, and what to do about it."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One checked thing.

    advice   what to do; '' where all is well
    """

    level: Level
    area: str
    text: str
    advice: str = ""


def ok(area: str, text: str, advice: str = "") -> Finding:
    """All is well; the advice is something worth remembering."""
    return Finding(Level.OK, area, text, advice)


def warn(area: str, text: str, advice: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(Level.WARN, area, text, advice)


def fail(area: str, text: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(Level.FAIL, area, text, advice)
