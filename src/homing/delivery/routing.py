"""From a domain to its site: entries wait here while their domain is looked up, and never hold each other up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from homing.delivery.ready import Ready
from homing.delivery.resolver import Resolver
from homing.delivery.types import Route, Site, Trouble
from homing.ground.clock import Clock
from homing.ground.log import get

log = get("delivery")


class Routing:
    """Looks domains up in the background, one look-up a name.

    found       called with each entry whose site is known
    unroutable  called with the entries of a domain that no host takes mail for, and the route that says why
    looked_up   called when a domain's look-up ended, whatever it gave: (domain, it has a site)
    spawn       runs a coroutine in the background, supervised; None: nothing runs any more
    """

    def __init__(
        self,
        resolver: Resolver,
        clock: Clock,
        *,
        found: Callable[[Ready, Site], None],
        unroutable: Callable[[str, Route, list[Ready]], Awaitable[None]],
        looked_up: Callable[[str, bool], None],
        spawn: Callable[..., object],
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._found = found
        self._unroutable = unroutable
        self._looked_up = looked_up
        self._spawn = spawn
        self._waiting: dict[str, list[Ready]] = {}
        self._looking: set[str] = set()

    def known(self, domain: str) -> Route | None:
        """Return a route that may still be believed."""
        return self._resolver.known(domain)

    def waiting(self, domain: str) -> int:
        """Return how many entries wait for this domain's look-up."""
        return len(self._waiting.get(domain, ()))

    def is_waiting(self, entry_id: bytes) -> bool:
        """Return whether a message waits for its domain's look-up."""
        return any(ready.entry.entry_id == entry_id for waiting in self._waiting.values() for ready in waiting)

    def send(self, ready: Ready) -> None:
        """Bring an entry to its site, now or once that is known."""
        domain = ready.lane.key.domain
        route = self._resolver.known(domain)
        if route is not None and route.site is not None:
            self._found(ready, route.site)
            return
        self._waiting.setdefault(domain, []).append(ready)
        self.look_up(domain)

    def look_up(self, domain: str) -> None:
        """See to it that a domain's route becomes known."""
        if domain not in self._looking and self._spawn(self._look(domain), "lookup") is not None:
            self._looking.add(domain)

    def remove_shard(self, shard: int) -> list[Ready]:
        """Take out what belongs to a shard that is not ours any more."""
        gone = [ready for waiting in self._waiting.values() for ready in waiting if ready.entry.shard == shard]
        for domain, waiting in self._waiting.items():
            self._waiting[domain] = [ready for ready in waiting if ready.entry.shard != shard]
        return gone

    def remove_accounts(self, accounts: set[int]) -> list[Ready]:
        """Take out what belongs to some customers."""
        gone = [ready for waiting in self._waiting.values() for ready in waiting if ready.lane.key.account_id in accounts]
        for domain, waiting in self._waiting.items():
            self._waiting[domain] = [ready for ready in waiting if ready.lane.key.account_id not in accounts]
        return gone

    async def _look(self, domain: str) -> None:
        try:
            route = await self._resolver.route(domain)
        except asyncio.CancelledError:
            raise
        except Exception:  # an error of ours while looking up is as temporary as any other
            log.exception("lookup_crashed", domain=domain)
            route = Route(
                domain=domain,
                site=None,
                trouble=Trouble.DNS_TEMPORARY,
                note="the look-up failed here",
                expires_at=self._clock.now() + timedelta(seconds=30),
            )
        finally:
            self._looking.discard(domain)
        waiting = self._waiting.pop(domain, [])
        try:
            if route.site is not None:
                for ready in waiting:
                    self._found(ready, route.site)
            elif waiting:
                await self._unroutable(domain, route, waiting)
        finally:
            self._looked_up(domain, route.site is not None)
