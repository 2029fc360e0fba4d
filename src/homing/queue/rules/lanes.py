"""What waits, lane by lane: depth, the earliest due time outside memory, and which entries the owner holds in memory.

PostgreSQL has every entry with its true due time; this book is the owner's knowledge about it, so that a wait costs
nothing and only lanes with something due are read. It is rebuilt from one grouped query when a shard is taken over.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum

from homing.queue.types import LaneKey

MOST_ACCOUNTS = 10_000  # whose last turn is remembered though nothing of theirs is due

Place = tuple[datetime, bytes]  # (due_at, entry_id): where a read goes on


class _State(Enum):
    IDLE = 0  # nothing outside memory
    LATER = 1  # in the heap, by its next due time
    TURN = 2  # something is due; waits for its customer's turn
    READING = 3  # given out by `turn`
    PARKED = 4  # must not be read now
    GONE = 5  # its shard has another owner, or nothing waits in it


def just_before(place: Place) -> Place:
    """Return a place before this one and after (or at) everything else that lies before it, so that a read from
    there finds it again. Ids have a fixed length, so a shorter prefix sorts before every id that begins with it.
    """
    due_at, entry_id = place
    last = entry_id[-1]
    return (due_at, entry_id[:-1] + bytes((last - 1,)) if last else entry_id[:-1])


class Lane:
    """One lane of one shard, as its owner sees it.

    depth      entries in PostgreSQL, the ones in memory included
    held       ids of the entries in memory
    next_due   earliest due time of an entry outside memory; None: there is none
    floor      nothing outside memory lies at or before this place; None: unknown, read from the start
    """

    __slots__ = ("before", "depth", "floor", "held", "key", "left", "news", "next_due", "number", "shard", "state", "wake")

    def __init__(self, shard: int, number: int, key: LaneKey) -> None:
        self.shard = shard
        self.number = number
        self.key = key
        self.depth = 0
        self.held: set[bytes] = set()
        self.next_due: datetime | None = None
        self.floor: Place | None = None
        self.state = _State.IDLE
        self.wake: datetime | None = None  # the heap entry that counts
        self.news: Place | None = None  # earliest entry that came to wait while a read was under way
        self.before = 0  # its customer's last turn before the one in which it was given out
        self.left: set[bytes] = set()  # ids that left memory while a read was under way: the read may still show them

    def waits(self, place: Place) -> None:
        """Note an entry that lies outside memory."""
        if self.next_due is None or place[0] < self.next_due:
            self.next_due = place[0]
        if self.floor is not None and place <= self.floor:
            self.floor = just_before(place)
        if self.state is _State.READING and (self.news is None or place < self.news):
            self.news = place


class LaneBook:
    """The lanes of one worker's shards, and whose turn it is to be read: that of the customer who was read longest ago.

    However often lanes are set aside and come back together, as they do while memory is short, nobody is passed over.
    """

    def __init__(self) -> None:
        self._lanes: dict[tuple[int, int], Lane] = {}
        self._by_shard: dict[int, set[int]] = {}
        self._later: list[tuple[datetime, int, Lane]] = []  # heap by next_due
        self._turns: dict[int, deque[Lane]] = {}  # account -> lanes with something due
        self._order: list[tuple[int, int]] = []  # heap of accounts with something due, by their last turn
        self._last_turn: dict[int, int] = {}  # account -> number of the turn in which it was read last
        self._turn = 0
        self._parked: dict[str, set[Lane]] = {}  # why -> lanes that must not be read now
        self._tick = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def get(self, shard: int, number: int) -> Lane | None:
        """Return a known lane."""
        return self._lanes.get((shard, number))

    def open(self, shard: int, number: int, key: LaneKey) -> Lane:
        """Return the lane, new or known."""
        lane = self._lanes.get((shard, number))
        if lane is None:
            lane = self._lanes[shard, number] = Lane(shard, number, key)
            self._by_shard.setdefault(shard, set()).add(number)
        return lane

    def known(self, shard: int) -> list[int]:
        """Return the numbers of the lanes of a shard."""
        return list(self._by_shard.get(shard, ()))

    def depth(self) -> int:
        """Return how many entries wait."""
        return sum(lane.depth for lane in self._lanes.values())

    def restore(self, shard: int, rows: Iterable[tuple[int, LaneKey, int, datetime]]) -> None:
        """Take over a shard: (lane number, key, depth, earliest due time) of each lane that has entries."""
        for number, key, depth, next_due in rows:
            lane = self.open(shard, number, key)
            lane.depth = depth
            lane.next_due = next_due
            lane.floor = None
            self._schedule(lane)

    def forget_shard(self, shard: int) -> None:
        """Drop everything of a shard that has another owner now."""
        for number in list(self._by_shard.get(shard, ())):
            self._drop(self._lanes[shard, number])
        self._by_shard.pop(shard, None)

    def committed(self, lane: Lane, entry_id: bytes, due_at: datetime, *, in_memory: bool) -> None:
        """Note a new entry of a lane."""
        lane.depth += 1
        if in_memory:
            lane.held.add(entry_id)
        else:
            lane.waits((due_at, entry_id))
            self._schedule(lane)

    def finished(self, lane: Lane, entry_id: bytes) -> None:
        """Note that an entry is gone."""
        lane.held.discard(entry_id)
        lane.depth -= 1
        if lane.state is _State.READING:
            lane.left.add(entry_id)
        elif lane.depth <= 0:
            self._drop(lane)

    def returned(self, lane: Lane, entry_id: bytes, due_at: datetime) -> None:
        """Note that an entry left memory and waits in PostgreSQL again (re-dated, or given back)."""
        lane.held.discard(entry_id)
        if lane.state is _State.READING:
            lane.left.add(entry_id)
        lane.waits((due_at, entry_id))
        self._schedule(lane)

    def wake_at(self, now: datetime) -> datetime | None:
        """Return when the next lane is to be read; None: nothing waits outside memory that may be read."""
        if self._order:
            return now
        while self._later and not self._counts(self._later[0]):
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def turn(self, now: datetime) -> Lane | None:
        """Return the next lane to read, customers in turn; None: nothing is due.

        The lane must come back by `read`, `park` or `postpone`.
        """
        while self._later and self._later[0][0] <= now:
            item = heapq.heappop(self._later)
            if self._counts(item):
                self._line_up(item[2])
        while self._order:
            _, account = heapq.heappop(self._order)
            turns = self._turns[account]
            found: Lane | None = None
            while turns and found is None:
                lane = turns.popleft()
                if lane.state is not _State.TURN:
                    continue
                if lane.next_due is not None and lane.next_due <= now:
                    found = lane
                else:
                    lane.state = _State.IDLE
                    self._schedule(lane)
            if found is not None:
                found.before = self._last_turn.get(account, 0)
                self._note_turn(account)
            if turns:
                self._line_up_account(account)
            else:
                del self._turns[account]
            if found is not None:
                found.state = _State.READING
                found.news = None
                found.left.clear()
                return found
        return None

    def admit(self, lane: Lane, entry_id: bytes) -> bool:
        """Take one entry that a read showed into memory; False: it is there already, or its story went on meanwhile."""
        if lane.state is not _State.READING or entry_id in lane.held or entry_id in lane.left:
            return False
        lane.held.add(entry_id)
        return True

    def read(self, lane: Lane, last: Place | None, next_due: datetime | None) -> None:
        """Note how a read ended.

        last       the last entry taken; None: none was
        next_due   earliest due time of an entry beyond it; None: there is none
        """
        if lane.state is not _State.READING:
            return
        if last is not None:
            lane.floor = last
        lane.next_due = next_due
        if lane.news is not None:
            if lane.next_due is None or lane.news[0] < lane.next_due:
                lane.next_due = lane.news[0]
            if lane.floor is not None and lane.news <= lane.floor:
                lane.floor = just_before(lane.news)
        self._rest(lane)

    def postpone(self, lane: Lane) -> None:
        """End a turn without a result (the read failed): the lane lines up again."""
        if lane.state is _State.READING:
            self._rest(lane)

    def park(self, lane: Lane, why: str) -> None:
        """Set a lane aside until `unpark(why)`: its site, campaign or customer is held, or memory has no room for it."""
        if lane.state is _State.READING:
            lane.state = _State.PARKED
            lane.left.clear()
            self._last_turn[lane.key.account_id] = lane.before  # it was no turn
            self._parked.setdefault(why, set()).add(lane)

    def set_aside(self, lane: Lane, why: str) -> None:
        """Park a lane outside its turn: what was read of it had to be given back, and would be again."""
        if lane.state in (_State.IDLE, _State.LATER, _State.TURN):
            lane.state = _State.PARKED
            self._parked.setdefault(why, set()).add(lane)

    def unpark(self, why: str) -> int:
        """Give the lanes that were set aside for this reason their turns again; returns how many."""
        count = 0
        for lane in self._parked.pop(why, ()):
            if lane.state is _State.PARKED:
                self._rest(lane)
                count += 1
        return count

    def parked(self) -> dict[str, int]:
        """Return how many lanes are set aside, by reason."""
        return {why: len(lanes) for why, lanes in self._parked.items()}

    def _rest(self, lane: Lane) -> None:
        lane.state = _State.IDLE
        lane.left.clear()
        lane.news = None
        if lane.depth <= 0:
            self._drop(lane)
        else:
            self._schedule(lane)

    def _schedule(self, lane: Lane) -> None:
        """See to it that a lane with something outside memory gets its turn when that falls due."""
        if lane.next_due is None or lane.state not in (_State.IDLE, _State.LATER):
            return
        if lane.state is _State.LATER and lane.wake is not None and lane.wake <= lane.next_due:
            return
        lane.state = _State.LATER
        lane.wake = lane.next_due
        self._tick += 1
        heapq.heappush(self._later, (lane.next_due, self._tick, lane))

    @staticmethod
    def _counts(item: tuple[datetime, int, Lane]) -> bool:
        return item[2].state is _State.LATER and item[2].wake == item[0]

    def _line_up(self, lane: Lane) -> None:
        lane.state = _State.TURN
        account = lane.key.account_id
        turns = self._turns.get(account)
        if turns is None:
            turns = self._turns[account] = deque()
            self._line_up_account(account)
        turns.append(lane)

    def _line_up_account(self, account: int) -> None:
        heapq.heappush(self._order, (self._last_turn.get(account, 0), account))

    def _note_turn(self, account: int) -> None:
        self._turn += 1
        self._last_turn[account] = self._turn
        if len(self._last_turn) > len(self._turns) + MOST_ACCOUNTS:
            self._last_turn = {one: turn for one, turn in self._last_turn.items() if one in self._turns}

    def _drop(self, lane: Lane) -> None:
        if lane.state is _State.PARKED:
            for lanes in self._parked.values():
                lanes.discard(lane)
        lane.state = _State.GONE
        lane.held.clear()
        lane.left.clear()
        lane.next_due = None
        self._lanes.pop((lane.shard, lane.number), None)
        self._by_shard.get(lane.shard, set()).discard(lane.number)
