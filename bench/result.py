"""What a scenario is asked, and what it answers."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    quick     small numbers, to see that everything works; the figures mean little
    postfix   compare against Postfix
    say       tells a person what is being done now
    """

    quick: bool
    postfix: bool
    say: Callable[[str], None]

    def size(self, full: int, quick: int) -> int:
        """Return how many messages to use."""
        return quick if self.quick else full


@dataclass(slots=True)
class Table:
    """Figures; the first column names the row."""

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class Expectation:
    """What was expected, what was found, and whether that is enough."""

    what: str
    expected: str
    found: str
    met: bool


@dataclass(slots=True)
class Result:
    """Everything that one scenario found. raw goes to bench/out/*.json."""

    name: str
    title: str
    about: str
    tables: list[Table] = field(default_factory=list)
    expectations: list[Expectation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> "Result":
        return cls(
            **{
                **{name: told[name] for name in ("name", "title", "about", "notes", "raw")},
                "tables": [Table(**one) for one in told["tables"]],
                "expectations": [Expectation(**one) for one in told["expectations"]],
            }
        )


def jain(shares: list[float]) -> float:
    """Return Jain's fairness index: 1.0 when all got the same, 1/n when one got everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def middle(values: list[float]) -> float:
    """Return the median."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
