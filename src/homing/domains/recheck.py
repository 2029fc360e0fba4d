"""Looks into DNS of our own accord: verified domains about once a day, a few at a time, by whichever worker comes first.
Domains that nobody has proved in time are removed.

A row is claimed for some minutes, so two workers do not look at one domain, and a dead worker's claims fall free again.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import timedelta

from homing.domains import check_store, store
from homing.domains.check_store import Changed, Look
from homing.domains.rules.recheck import EVERY, Finding, finding_of, next_look
from homing.domains.types import DkimKey, SendingDomain, TrackingDomain, Verdict
from homing.domains.verify import DomainDns, Seen, look_at_cname, look_at_key, look_at_mx
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.log import get
from homing.ground.turns import edge

log = get("domains")

LOOKS_S = 30.0  # between two turns with nothing more due
BATCH = 20
AT_ONCE = 4  # domains looked at together
CLAIM = timedelta(minutes=10)
MOST_S = 60.0  # for all records of one domain; what comes after that is looked at another time


class Rechecker:
    """Looks again. One for a worker.

    bounce_hosts     names of ours that a bounce domain's CNAME or MX must lead to, lower case
    tracking_hosts   names of ours that a tracking domain's CNAME must lead to
    changed          called after a domain was marked
    chance           0.0 to 1.0, for the spread
    """

    def __init__(
        self,
        pool: db.Pool,
        clock: Clock,
        lookup: DomainDns,
        *,
        bounce_hosts: frozenset[str],
        tracking_hosts: frozenset[str],
        changed: Callable[[], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._lookup = lookup
        self._bounce_hosts = bounce_hosts
        self._tracking_hosts = tracking_hosts
        self._changed = changed
        self._chance = chance
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Look at what falls due until cancelled."""
        while True:
            await asyncio.sleep(LOOKS_S * (0.5 + self._chance()))  # no take_turns: name servers are asked at no fixed beat
            with edge(log, waits="domain_checks_wait", failed="domain_checks_failed"):
                while await self.turn() >= BATCH:
                    pass

    async def turn(self) -> int:
        """Look at up to BATCH sending domains and as many tracking domains, and remove as many unproved ones.

        returns  how many of the most numerous kind
        """
        now = self._clock.now()
        removed = await check_store.remove_unproved(self._pool, now=now, limit=BATCH)
        for gone in removed:
            log.info("domain_removed_unproved", domain=gone.domain, account_id=gone.account_id, created_at=gone.created_at)
        if removed:
            self._changed()
        claim = {"now": now, "until": now + CLAIM}
        domains = await check_store.claim_domains(self._pool, **claim, limit=BATCH)
        trackings = await check_store.claim_trackings(self._pool, **claim, limit=BATCH)
        keys = await store.keys_of(self._pool, [domain.domain for domain in domains])
        async with asyncio.TaskGroup() as looks:
            for domain in domains:
                looks.create_task(self._guarded(domain.domain, self._look(domain, keys[domain.domain])))
            for tracking in trackings:
                looks.create_task(self._guarded(tracking.domain, self._look_at_tracking(tracking)))
        return max(len(domains), len(trackings), len(removed))

    async def _guarded(self, domain: str, look: Coroutine[None, None, Changed]) -> None:
        async with self._slots:
            changes = Changed()
            with edge(log, waits="domain_check_waits", failed="domain_check_failed", domain=domain):
                changes = await look
        for what in changes.doubtful:
            log.info("domain_record_not_found", domain=domain, record=what)
        for what in changes.lost:
            log.warning("domain_record_lost", domain=domain, record=what)
        if changes.lost:
            self._changed()

    async def _look(self, domain: SendingDomain, keys: list[DkimKey]) -> Changed:
        watched = [key for key in keys if key.status == Verdict.VALID]
        cname = domain.status.cname_status == Verdict.VALID
        mx = domain.status.mx_status == Verdict.VALID
        if not (watched or cname or mx):
            await check_store.postpone(self._pool, domain, next_check_at=self._clock.now() + EVERY)
            return Changed()
        loop = asyncio.get_running_loop()
        enough = loop.time() + MOST_S
        of_keys: dict[DkimKey, Finding] = {}
        for key in watched:
            if loop.time() < enough:
                of_keys[key] = self._found(await look_at_key(key, self._lookup))
        look = Look(
            cname=self._found(await look_at_cname(domain.domain, self._lookup, ours=self._bounce_hosts)) if cname else None,
            mx=self._found(await look_at_mx(domain.domain, self._lookup, ours=self._bounce_hosts)) if mx else None,
            keys=of_keys,
        )
        now = self._clock.now()
        wait = next_look(look.findings(), chance=self._chance())
        return await check_store.keep_look(self._pool, domain, look, now=now, next_check_at=now + wait)

    async def _look_at_tracking(self, domain: TrackingDomain) -> Changed:
        finding = self._found(await look_at_cname(domain.domain, self._lookup, ours=self._tracking_hosts))
        now = self._clock.now()
        wait = next_look(frozenset({finding}), chance=self._chance())
        return await check_store.keep_tracking_look(self._pool, domain, finding, now=now, next_check_at=now + wait)

    @staticmethod
    def _found(seen: Seen) -> Finding:
        return finding_of(error=seen.error, uncertain=seen.uncertain)
