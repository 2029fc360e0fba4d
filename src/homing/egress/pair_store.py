"""What warming addresses were let send to big providers and what came of it, in PostgreSQL; warmup_store has all they send."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import msgspec

from homing.egress.rules import pairs, warmup
from homing.egress.rules.pairs import Pair, PairVerdict
from homing.egress.rules.warmup import Lease, Returned, Tally
from homing.ground.db import Executor, Pool, queries, trouble_is_temporary
from homing.ground.log import get

log = get("egress")
_sql = queries("homing.egress", "pairs.sql")
_stages = queries("homing.egress", "warmup.sql")


class Key(NamedTuple):
    """A warming address and a provider; as text it is a key of `Warmup`."""

    address: str
    provider: str

    def __str__(self) -> str:
        return f"{self.address} {self.provider}"

    @classmethod
    def read(cls, text: str) -> "Key":
        """Read what `str` has written."""
        address, _, provider = text.partition(" ")
        return cls(address, provider)


async def exchange(
    pool: Pool, key: str, *, now: datetime, returned: Sequence[Returned] = (), wanted: bool = True
) -> Lease | None:
    """Do for a pair what `warmup_store.exchange` does for an address."""
    pair = Key.read(key)._asdict()
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            for one in returned:
                await _keep(connection, pair, warmup.give_back(await _lock_day(connection, pair, one.day), one))
            stage = await _stages.stage_of(connection, address=pair["address"]) if wanted else None
            if stage is None:
                return None
            begun = pairs.begun(pair["provider"], stage)
            await _sql.open_pair(connection, **pair, cap=begun.cap, days=begun.days)
            tally = await _lock_day(connection, pair, now.date())
            cap: int = await _sql.cap_of(connection, **pair)
            lease, counted = warmup.lease_of(cap, tally, now=now)
            if lease.count:
                await _keep(connection, pair, counted)
            return lease


async def count(executor: Executor, outcomes: Sequence[tuple[Key, Tally]]) -> None:
    """Add what the log tells of pairs; those of addresses that are not warming are left out."""
    await _sql.count_pair_outcomes(
        executor,
        addresses=[key.address for key, _ in outcomes],
        providers=[key.provider for key, _ in outcomes],
        days=[tally.day for _, tally in outcomes],
        delivered=[tally.delivered for _, tally in outcomes],
        hard_bounced=[tally.hard_bounced for _, tally in outcomes],
        blocked=[tally.blocked for _, tally in outcomes],
        deferred=[tally.deferred for _, tally in outcomes],
        complained=[tally.complained for _, tally in outcomes],
    )


async def of_addresses(executor: Executor, addresses: Sequence[str]) -> dict[Key, Pair]:
    """Return how far addresses have come at providers, as far as they have sent there."""
    found: dict[Key, Pair] = {}
    with trouble_is_temporary():
        async for row in _sql.pairs_of(executor, addresses=list(addresses)):
            members = dict(row)
            key = Key(members.pop("address"), members.pop("provider"))
            found[key] = Pair(**members)
    return found


class Judging:
    """Judges days of the pairs of one address, one after the other, in the caller's transaction."""

    def __init__(
        self, connection: Executor, address: str, known: dict[Key, Pair], tallies: dict[tuple[Key, date], Tally]
    ) -> None:
        self._connection = connection
        self._address = address
        self._pairs = known
        self._tallies = tallies

    @classmethod
    async def begin(cls, connection: Executor, address: str, *, since: date) -> "Judging":
        """Read what there is to judge. since: two days before the first one that is judged, at the latest."""
        tallies: dict[tuple[Key, date], Tally] = {}
        async for row in _sql.pair_days_of(connection, address=address, since=since):
            members = dict(row)
            key = Key(address, members.pop("provider"))
            tallies[key, members["day"]] = Tally(**members)
        return cls(connection, address, await of_addresses(connection, [address]), tallies)

    def close_day(self, day: date) -> bool:
        """Judge a day; returns whether a pair grew."""
        grew = False
        for key, pair in self._pairs.items():
            before = [
                self._tallies[key, one]
                for one in (day - timedelta(days=1), day - timedelta(days=2))
                if (key, one) in self._tallies
            ]
            after, verdict = pairs.close_day(pair, key.provider, self._tallies.get((key, day), Tally(day=day)), before)
            if after.cap != pair.cap:
                log.info(
                    "warmup_pair_judged", address=key.address, provider=key.provider, day=day.isoformat(),
                    verdict=verdict.value, before=pair.cap, cap=after.cap,
                )  # fmt: skip
            self._pairs[key] = after
            grew = grew or verdict is PairVerdict.GREW
        return grew

    async def keep(self, *, warm: bool) -> None:
        """Keep where the pairs stand now; warm: the address warms up no more."""
        if warm:
            await _sql.forget_pairs(self._connection, address=self._address)
            return
        for key, pair in self._pairs.items():
            await _sql.keep_pair(self._connection, **key._asdict(), **msgspec.structs.asdict(pair))


async def forget(executor: Executor, address: str) -> None:
    """Forget how far an address has come at providers: somebody has set its stage, and they begin anew by that."""
    await _sql.forget_pairs(executor, address=address)


async def forget_days(executor: Executor, *, before: date) -> None:
    """Drop what was counted long ago."""
    await _sql.forget_pair_days(executor, before=before)


async def _lock_day(connection: Executor, pair: dict[str, str], day: date) -> Tally:
    await _sql.open_pair_day(connection, **pair, day=day)
    row = await _sql.lock_pair_day(connection, **pair, day=day)
    return Tally(**dict(row))


async def _keep(connection: Executor, pair: dict[str, str], tally: Tally) -> None:
    await _sql.count_pair_sent(
        connection,
        **pair,
        day=tally.day,
        sent=tally.sent,
        put_off=tally.put_off,
        beyond=tally.beyond,
        hour=tally.hour,
        in_hour=tally.in_hour,
    )
