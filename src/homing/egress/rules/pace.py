"""Who may hold how many connections from a source IP to a site, and how many messages a minute may go there.

One book for all workers of a node. What was granted is never taken back by force: a worker whose share shrinks is asked to
give back, and until it has done so the others wait. So the sum of what is held never exceeds the limit.
Moments are seconds of any clock that does not run backwards.
"""

import math
from collections import deque
from dataclasses import dataclass, field

TURN_S = 15.0  # where there are fewer slots than workers, they take turns of this length
DEMAND_S = 5.0  # what a worker wanted and did not get is forgotten so long after it last asked
BLOCK_S = 2.0  # a block of tokens is good for so long; what was not used by then is lost
_WINDOW_S = 60.0
_IDLE_S = 300.0


@dataclass(frozen=True, slots=True)
class Recall:
    """A worker is asked to keep no more than so many connections."""

    worker: str
    ip: str
    site: str
    keep: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker gets.

    granted   connections that it holds from now on, in all
    keep      how many of them it may keep; fewer than granted: it shall give the rest back when they end
    recalls   whom else to ask
    """

    granted: int
    keep: int
    recalls: tuple[Recall, ...] = ()


@dataclass(slots=True)
class _Demand:
    held: int = 0
    wanted: int = 0
    asked_at: float = 0.0
    waiting_since: float | None = None  # with nothing held
    recalled_to: int | None = None


@dataclass(slots=True)
class _Place:
    limit: int = 0
    demands: dict[str, _Demand] = field(default_factory=dict)


@dataclass(slots=True)
class _Flow:
    level: float
    filled_at: float
    blocks: deque[tuple[float, int]] = field(default_factory=deque)  # (moment, tokens) of the last window
    in_window: int = 0


def fair_shares(wanted: list[tuple[str, int]], limit: int) -> dict[str, int]:
    """Divide `limit` so that nobody gets more while somebody who wants more has less (max-min fairness).

    wanted   (worker, connections), in the order in which single left-over slots are given
    """
    shares = dict.fromkeys((worker for worker, _ in wanted), 0)
    left = limit
    hungry = [(worker, number) for worker, number in wanted if number > 0]
    while left > 0 and hungry:
        each = max(1, left // len(hungry))
        for worker, number in hungry:
            more = min(each, number - shares[worker], left)
            shares[worker] += more
            left -= more
        hungry = [(worker, number) for worker, number in hungry if shares[worker] < number]
    return shares


class PaceBook:
    """What is granted on this node. Not thread-safe; the keeper is its only caller."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], _Place] = {}
        self._flows: dict[tuple[str, str], _Flow] = {}

    def want(self, worker: str, ip: str, site: str, *, wanted: int, limit: int, now: float) -> Answer:
        """Say how many connections a worker may hold there in all, and whom to ask to give back.

        wanted   in all, those that it has included; fewer than it holds changes nothing (see `keep`)
        limit    of all workers together
        """
        place = self._places.setdefault((ip, site), _Place())
        place.limit = limit
        demand = place.demands.setdefault(worker, _Demand())
        demand.wanted, demand.asked_at = wanted, now
        shares = self._shares(place, now)
        free = limit - sum(other.held for other in place.demands.values())
        demand.held = max(demand.held, min(shares[worker], demand.held + max(0, free)))
        if demand.held:
            demand.waiting_since = None
        elif demand.waiting_since is None and wanted:
            demand.waiting_since = now
        keep = min(demand.held, shares[worker])
        demand.recalled_to = keep if keep < demand.held else None
        return Answer(demand.held, keep, tuple(self._recalls(ip, site, place, shares)))

    def keep(self, worker: str, ip: str, site: str, *, kept: int) -> None:
        """Note that a worker holds no more than so many connections there by now, and wants no more."""
        place = self._places.get((ip, site))
        demand = place.demands.get(worker) if place else None
        if place is None or demand is None:
            return
        demand.held = min(demand.held, max(0, kept))
        demand.wanted = min(demand.wanted, demand.held)
        demand.recalled_to = None
        if demand.held == 0:
            del place.demands[worker]
        if not place.demands:
            del self._places[ip, site]

    def leave(self, worker: str) -> None:
        """Free what a worker held; only once its process is certainly gone."""
        for key, place in list(self._places.items()):
            place.demands.pop(worker, None)
            if not place.demands:
                del self._places[key]

    def held(self, ip: str, site: str) -> dict[str, int]:
        """Return who holds how many connections."""
        place = self._places.get((ip, site))
        return {worker: demand.held for worker, demand in place.demands.items() if demand.held} if place else {}

    def tokens(self, ip: str, site: str, *, per_minute: int, now: float) -> int:
        """Hand out a block of messages that may go within BLOCK_S; 0: none now.

        Any 60 seconds see at most per_minute messages, and they are spread over the minute rather than sent at its start.
        """
        flow = self._flows.get((ip, site))
        burst = max(1.0, per_minute / 30)
        if flow is None:
            flow = self._flows[ip, site] = _Flow(level=burst, filled_at=now)
        flow.level = min(burst, flow.level + max(0.0, now - flow.filled_at) * per_minute / _WINDOW_S)
        flow.filled_at = max(now, flow.filled_at)
        while flow.blocks and flow.blocks[0][0] <= now - _WINDOW_S - BLOCK_S:
            flow.in_window -= flow.blocks.popleft()[1]
        # The sum of what was added rounds a little below a whole token.
        block = min(math.floor(flow.level + 1e-9), max(1, math.ceil(per_minute / 120)), per_minute - flow.in_window)
        if block <= 0:
            return 0
        flow.level -= block
        flow.in_window += block
        flow.blocks.append((now, block))
        return block

    def tidy(self, *, now: float) -> None:
        """Forget flows that nobody has asked about for minutes."""
        for key in [key for key, flow in self._flows.items() if flow.filled_at < now - _IDLE_S]:
            del self._flows[key]
        for key, place in list(self._places.items()):
            for worker in [name for name, one in place.demands.items() if not one.held and one.asked_at < now - _IDLE_S]:
                del place.demands[worker]
            if not place.demands:
                del self._places[key]

    def _shares(self, place: _Place, now: float) -> dict[str, int]:
        def standing(item: tuple[str, _Demand]) -> tuple[int, float, str]:
            worker, demand = item
            since = demand.waiting_since
            if since is not None and now - since >= TURN_S:
                return (0, since, worker)  # has waited a turn: goes before those who hold
            return (1, 0.0, worker) if demand.held else (2, since or now, worker)

        wanted = []
        for worker, demand in sorted(place.demands.items(), key=standing):
            fresh = now - demand.asked_at <= DEMAND_S
            wanted.append((worker, max(demand.wanted, demand.held) if fresh else demand.held))
        return fair_shares(wanted, place.limit)

    def _recalls(self, ip: str, site: str, place: _Place, shares: dict[str, int]) -> list[Recall]:
        recalls = []
        for worker, demand in place.demands.items():
            share = shares[worker]
            if demand.held > share and demand.recalled_to != share:
                demand.recalled_to = share
                recalls.append(Recall(worker, ip, site, share))
        return recalls
