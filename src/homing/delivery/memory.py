"""What of the queue is in memory, and who waits for room there.

A lane that finds no room is set aside under the bound that was reached. While somebody waits under a bound, nothing that
was just handed in passes by; so that part of memory empties to a quarter, and then everybody who waited is read in turn.

A site may take half of what is free (dynamic thresholds, Choudhury and Hahne 1998). So however many sites are slow, there
is room for one more, and each of them holds as much as the others.
"""

from collections.abc import Callable, Sequence

from homing.delivery.ready import SiteQueue
from homing.queue.types import Entry

SITE_ENTRIES = 5_000  # most entries of one site in memory
CUSTOMER_ENTRIES = 2_000  # most entries of one customer for one site in memory
ROOM = "room"


class Memory:
    """The ids in memory: ready, waiting for a look-up, or in an attempt.

    most     entries in all
    queues   the ready queues of a site, by its key
    unpark   called with a reason under which lanes were set aside, once there is room
    """

    def __init__(self, most: int, *, queues: Callable[[str], Sequence[SiteQueue]], unpark: Callable[[str], None]) -> None:
        self._most = most
        self._queues = queues
        self._unpark = unpark
        self._ids: set[bytes] = set()
        self._shards: dict[int, int] = {}
        self._waited_for: dict[str, tuple[str, int | None]] = {}  # reason -> site key and customer

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, entry_id: bytes) -> bool:
        return entry_id in self._ids

    def holds_shard(self, shard: int) -> bool:
        """Return whether an entry of this shard is here."""
        return self._shards.get(shard, 0) > 0

    def remember(self, entry: Entry) -> bool:
        """Note an entry; False: an attempt from before its shard was lost and found again still runs."""
        if entry.entry_id in self._ids:
            return False
        self._ids.add(entry.entry_id)
        self._shards[entry.shard] = self._shards.get(entry.shard, 0) + 1
        return True

    def forget(self, entry: Entry) -> None:
        """Note that an entry has gone."""
        if entry.entry_id in self._ids:
            self._ids.discard(entry.entry_id)
            self._shards[entry.shard] -= 1
            if self._waited_for:
                self._look(ROOM)

    # room -------------------------------------------------------------------------------------------------------------

    def full(self, count: int = 1) -> str | None:
        """Return the reason why memory takes no further entries at all; None: it does."""
        if ROOM in self._waited_for or len(self._ids) + count > self._most:
            return ROOM
        return None

    def site_full(self, site_key: str, account_id: int, count: int) -> str | None:
        """Return the reason why no further entries of this customer for this site are taken; None: they are."""
        queues = self._queues(site_key)
        of_site, of_customer = f"{ROOM}:{site_key}", f"{ROOM}:{account_id}:{site_key}"
        if of_site in self._waited_for or sum(queue.depth for queue in queues) + count > self.part():
            return of_site
        if of_customer in self._waited_for or sum(queue.depth_of(account_id) for queue in queues) + count > CUSTOMER_ENTRIES:
            return of_customer
        return None

    def part(self) -> int:
        """Return how many entries one site may have here now; never none, so an empty queue always finds room."""
        return max(1, min(SITE_ENTRIES, (self._most - len(self._ids)) // 2))

    def room(self, site_key: str, account_id: int) -> int:
        """Return how many further entries of a customer for a site there is room for; at least 1."""
        queues = self._queues(site_key)
        of_site = self.part() - sum(queue.depth for queue in queues)
        return max(1, min(of_site, CUSTOMER_ENTRIES - sum(queue.depth_of(account_id) for queue in queues)))

    def wait(self, why: str, *, site_key: str = "", account_id: int | None = None) -> str:
        """Note that a lane was set aside for this reason; returns the reason."""
        self._waited_for[why] = (site_key, account_id)
        return why

    def popped(self, queue: SiteQueue, account_id: int) -> None:
        """Hear that an entry left its ready queue."""
        if self._waited_for:
            self._look(f"{ROOM}:{queue.site.key}")
            self._look(f"{ROOM}:{account_id}:{queue.site.key}")

    def emptied(self, site_key: str) -> None:
        """Hear that many entries left the ready queues of a site at once."""
        for why, (key, _) in list(self._waited_for.items()):
            if key == site_key:
                self._look(why)

    def _look(self, why: str) -> None:
        found = self._waited_for.get(why)
        if found is None:
            return
        site_key, account_id = found
        if why == ROOM:
            enough = len(self._ids) <= self._most - max(1, self._most // 100)
        elif account_id is None:
            enough = 4 * sum(queue.depth for queue in self._queues(site_key)) < self.part()
        else:
            enough = 4 * sum(queue.depth_of(account_id) for queue in self._queues(site_key)) < CUSTOMER_ENTRIES
        if enough:
            del self._waited_for[why]
            self._unpark(why)
