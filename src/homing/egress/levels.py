"""The two levels of warm-up as one worker sends: what an address may send in all, and what to a big provider."""

from collections.abc import Callable
from functools import partial

from homing.egress import pair_store
from homing.egress.pair_store import Key
from homing.egress.rules.choice import Standing
from homing.egress.rules.pairs import PROFILES
from homing.egress.warmup import Fate, Warmup
from homing.ground.clock import Clock
from homing.ground.db import Pool


class Levels:
    """Asks both levels. One for a worker.

    stage         of an address that is warming, else None (egress.pools)
    filled        called with an address whose volume has just been found used up, and the provider; '': whoever it sends to
    opened        called when there may be room again, or pools have changed
    by_provider   False: the stage alone counts
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        stage: Callable[[str], int | None],
        filled: Callable[[str, str], None],
        opened: Callable[[], None],
        by_provider: bool,
    ) -> None:
        def pair_filled(key: str) -> None:
            filled(*Key.read(key))

        self._by_provider = by_provider
        self.addresses = Warmup(pool, clock, stage=stage, filled=lambda address: filled(address, ""), opened=opened)
        self.pairs = Warmup(
            pool,
            clock,
            stage=lambda key: stage(Key.read(key).address),
            filled=pair_filled,
            opened=opened,
            exchange=partial(pair_store.exchange, pool),
        )

    def standing(self, address: str, provider: str = "") -> Standing:
        """Return how an address stands towards a provider, as far as this worker knows. Never waits."""
        found = self.addresses.standing(address)
        if found is not Standing.ROOM:
            return found
        pair = self._pair(address, provider)
        return found if pair is None else self.pairs.standing(pair)

    async def take(self, address: str, provider: str, *, beyond: bool = False) -> bool:
        """Ask to send one message; `settle` must follow where the answer is True.

        beyond   it goes in any case, and is counted
        raises   StoreUnavailable
        """
        pair = self._pair(address, provider)
        if pair is not None and not await self.pairs.take(pair, beyond=beyond):
            return False
        taken = False
        try:
            taken = await self.addresses.take(address, beyond=beyond)
        finally:
            if not taken and pair is not None:
                self.pairs.settle(pair, Fate.UNUSED)
        return taken

    def settle(self, address: str, provider: str, fate: Fate) -> None:
        """Tell what became of a message that was let send."""
        self.addresses.settle(address, fate)
        pair = self._pair(address, provider)
        if pair is not None:
            self.pairs.settle(pair, fate)

    def changed(self) -> None:
        """Stages, pools or addresses have changed: what was used up may not be any more."""
        self.pairs.changed()
        self.addresses.changed()

    async def tell(self, *, everything: bool = False) -> None:
        """Tell what became of leases; everything: and give back what is left of them."""
        await self.addresses.tell(everything=everything)
        await self.pairs.tell(everything=everything)

    def _pair(self, address: str, provider: str) -> str | None:
        return str(Key(address, provider)) if self._by_provider and provider in PROFILES else None
