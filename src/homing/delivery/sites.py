"""The sites that mail goes to: a ready queue for each address of ours, what a site has shown to bear, and its holds."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from homing.delivery.holds import HoldBook
from homing.delivery.ready import Ready, SiteQueue
from homing.delivery.rules.dialogue import SERVICE_CLOSING
from homing.delivery.rules.hold import hold_for
from homing.delivery.sink import SINK
from homing.delivery.types import Attempt, Deferred, Site, Stage
from homing.egress.rules import choice
from homing.egress.rules.choice import Choice, Standing
from homing.egress.rules.shaping import Limits, Shaping
from homing.egress.types import Line
from homing.ground.clock import Clock
from homing.ground.config import SourceIP
from homing.ground.log import get
from homing.queue.holds import Hold, name_of

log = get("delivery")

MOST_QUEUES = 20_000  # beyond it, queues that nothing goes through are forgotten
SHORT_HOLD_S = 5.0  # entries stay in memory over a hold that is shorter
STEP_UP_AFTER = 20  # messages taken until a lowered limit grows by one connection


class Sites:
    """The site queues of one worker.

    opened      called when a queue may go on after a hold, or deserves more connections
    given_back  called with entries that a held site must not keep in memory
    emptied     called with the key of a site whose queue was emptied so
    later       runs something after so many seconds
    standing    what warm-up says of an address of ours towards a provider
    """

    def __init__(
        self,
        *,
        clock: Clock,
        holds: HoldBook,
        shaping: Shaping,
        default_connections: int,
        first_wait: timedelta,
        opened: Callable[[SiteQueue], None],
        given_back: Callable[[Ready], None],
        emptied: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], object],
        standing: Callable[[str, str], Standing],
    ) -> None:
        self._clock = clock
        self._holds = holds
        self._shaping = shaping
        self._default_connections = default_connections
        self._first_wait = first_wait
        self._opened = opened
        self._given_back = given_back
        self._emptied = emptied
        self._later = later
        self._standing = standing
        self._tidy_at = MOST_QUEUES
        self._limits: dict[str, Limits] = {}
        self._queues: dict[tuple[str, str], SiteQueue] = {}
        self._by_site: dict[str, list[SiteQueue]] = {}

    def __iter__(self) -> Iterator[SiteQueue]:
        return iter(list(self._queues.values()))

    def at(self, site_key: str) -> list[SiteQueue]:
        """Return the queues of a site, one for each of our addresses in use."""
        return self._by_site.get(site_key, [])

    def queue(self, source: SourceIP, site: Site) -> SiteQueue:
        """Return the queue of a site for one of our addresses, new or known."""
        queue = self._queues.get((source.address, site.key))
        if queue is None:
            if len(self._queues) >= self._tidy_at:
                self._tidy()
            queue = SiteQueue(source, site, self.limits(site).connections)
            self._queues[source.address, site.key] = queue
            self._by_site.setdefault(site.key, []).append(queue)
        else:
            queue.site, queue.source = site, source  # addresses of hosts, or our name, may have changed
        return queue

    def limits(self, site: Site) -> Limits:
        """Return what a site allows from one address."""
        found = self._limits.get(site.provider)
        if found is None:
            found = self._limits[site.provider] = self._shaping.limits_for(site.provider, self._default_connections)
        return found

    def choose(self, line: Line, entry_id: bytes, site: Site, *, must_go: bool = False) -> Choice | None:
        """Pick an address of ours by the message's id, so that it stays the same as long as nothing changes.

        must_go   an address whose volume is used up will do; then the answer is never None
        """
        start = int.from_bytes(entry_id[-3:], "big")
        if site.key == SINK.key:  # nothing leaves
            return Choice(line.own[start % len(line.own)])

        def refused(address: str) -> bool:
            return not _reaches(address, site) or self._refuses(address, site.key)

        def standing(address: str) -> Standing:
            return self._standing(address, site.provider)

        if must_go:
            return choice.beyond(line, start=start, standing=standing, refused=refused)
        return choice.choose(line, start=start, standing=standing, refused=refused)

    def is_held(self, queue: SiteQueue) -> bool:
        """Return whether nothing may go from this queue now."""
        if queue.held_until is not None and queue.held_until > self._clock.now():
            return True
        return self._holds.site(queue.source.address, queue.site.key) is not None

    def keeps(self, queue: SiteQueue) -> bool:
        """Return whether entries may lie in this queue: it is open, or its hold is about to end."""
        if not self.is_held(queue):
            return True
        left = queue.held_until - self._clock.now() if queue.held_until else timedelta(days=1)
        return left.total_seconds() <= SHORT_HOLD_S

    def stops(self, site: Site, addresses: tuple[SourceIP, ...]) -> bool:
        """Return whether nothing may go to a site from any of these addresses of ours, nor from any other in use."""
        if not all(self.is_held(queue) for queue in self.at(site.key)):
            return False
        return all(self._refuses(source.address, site.key) for source in addresses)

    def _refuses(self, address: str, site_key: str) -> bool:
        queue = self._queues.get((address, site_key))
        return self._holds.site(address, site_key) is not None if queue is None else self.is_held(queue)

    def clear(self, queue: SiteQueue) -> None:
        """Give back what a held queue must not keep in memory; idle connections look up."""
        if not self.keeps(queue):
            for ready in queue.drain():
                self._given_back(ready)
            self._emptied(queue.site.key)
        queue.wake_all()

    def _tidy(self) -> None:
        """Forget queues that nothing goes through, and what they have shown."""
        for key, queue in list(self._queues.items()):
            if not (queue.depth or queue.connections or queue.granted or queue.growing or queue.asking or self.is_held(queue)):
                del self._queues[key]
                beside = self._by_site[queue.site.key]
                beside.remove(queue)
                if not beside:
                    del self._by_site[queue.site.key]
        self._tidy_at = max(MOST_QUEUES, len(self._queues) * 5 // 4)

    # what attempts teach ----------------------------------------------------------------------------------------------

    async def took_one(self, queue: SiteQueue) -> None:
        """The site judged one message by itself (took or refused it): it is not refusing everything."""
        queue.successes += 1
        if queue.limit < self.limits(queue.site).connections and queue.successes % STEP_UP_AFTER == 0:
            queue.limit += 1
        if queue.failures or queue.probing:
            queue.failures = 0
            queue.probing = False
            queue.hold_reply = ""
            await self._holds.lift(name_of("site", queue.site.key, None, queue.source.address))
            self._opened(queue)

    def crowded(self, queue: SiteQueue, attempt: Attempt) -> bool:
        """Return whether only a further connection was refused; then fewer are opened, and nothing is held or deferred.

        It is so while others work, and while others are still being opened to a host that says 421: of a first burst that is
        more than the host takes, only the last refusal can mean that it takes none.
        """
        if attempt.stage not in (Stage.CONNECT, Stage.GREETING, Stage.EHLO) or queue.connections <= 1:
            return False
        if not queue.successes and (attempt.reply is None or attempt.reply.code != SERVICE_CLOSING):
            return False
        queue.limit = max(1, queue.connections - 1)
        return True

    async def refused(self, queue: SiteQueue, outcome: Deferred) -> None:
        """The site refuses everything: hold it, for longer each time."""
        now = self._clock.now()
        if queue.held_until is not None and queue.held_until > now:
            return  # another connection said so already
        queue.failures += 1
        pause = hold_for(queue.failures, first=self._first_wait, retry=outcome.retry)
        until = queue.held_until = now + pause
        queue.hold_reply = outcome.reason
        queue.successes = 0
        seconds = pause.total_seconds()
        log.info(
            "site_held",
            site=queue.site.key[:120],
            source_ip=queue.source.address,
            seconds=round(seconds, 1),
            reason=outcome.reason[:200],
        )
        self.clear(queue)
        self._later(seconds, lambda: self._reopen(queue, until))
        await self._holds.place(
            Hold(
                scope="site",
                key=queue.site.key,
                until=queue.held_until,
                reason="the site refuses us over reputation" if outcome.retry == "pause" else "the site refuses everything",
                last_reply=outcome.reason,
                source_ip=queue.source.address,
                placed_by="delivery",
            )
        )

    def lifted(self, queue: SiteQueue) -> None:
        """Somebody lifted our hold: a person, or another worker whose message the site took."""
        if queue.held_until is not None:
            self._reopen(queue, queue.held_until)

    def _reopen(self, queue: SiteQueue, until: datetime) -> None:
        if queue.held_until != until:
            return  # lifted before its time
        queue.held_until = None
        queue.probing = True  # one connection tries before the others follow
        self._holds.end(name_of("site", queue.site.key, None, queue.source.address))
        self._opened(queue)


def _reaches(address: str, site: Site) -> bool:
    """Return whether a host of the site has an address of the same family as ours."""
    six, known = ":" in address, False
    for host in site.hosts:
        for each in host.addresses:
            if not address or (":" in each) == six:
                return True
            known = True
    return not known
