"""Counting what became of clocks, each nature by itself: an objective that was kept says nothing about the contract."""

from collections.abc import Iterable

import msgspec

from homing.support.clocks.types import Kind, Nature, Reading, State


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Clocks of one nature and kind. Attainment is met of met and missed; nothing else enters it.

    late   missed, and done afterwards
    """

    nature: Nature
    kind: Kind
    met: int = 0
    missed: int = 0
    late: int = 0
    superseded: int = 0
    void: int = 0
    open: int = 0

    @property
    def attainment(self) -> float | None:
        """Return the share that was met, 0.0 to 1.0; None where nothing was decided."""
        decided = self.met + self.missed
        return self.met / decided if decided else None


def tallies(readings: Iterable[Reading]) -> list[Tally]:
    """Return one tally for each nature and kind that occurs, contractual ones first."""
    counts: dict[tuple[Nature, Kind], dict[str, int]] = {}
    for one in readings:
        mine = counts.setdefault((one.nature, one.kind), {})
        for name in _columns(one):
            mine[name] = mine.get(name, 0) + 1
    order = {nature: place for place, nature in enumerate(Nature)}
    keys = sorted(counts, key=lambda key: (order[key[0]], key[1].value))
    return [Tally(nature=nature, kind=kind, **counts[nature, kind]) for nature, kind in keys]


def _columns(one: Reading) -> list[str]:
    if one.void is not None:
        return ["void"]
    match one.state:
        case State.MET:
            return ["met"]
        case State.MISSED:
            return ["missed", "late"] if one.ended_at is not None else ["missed"]
        case State.SUPERSEDED:
            return ["superseded"]
        case _:
            return ["open"]
