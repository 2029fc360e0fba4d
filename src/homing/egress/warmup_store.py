"""What warming addresses were let send and what came of it, in PostgreSQL: shared by all workers, kept over restarts."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from homing.egress import pair_store
from homing.egress.rules import warmup
from homing.egress.rules.warmup import Lease, Progress, Returned, Tally, Verdict
from homing.ground.db import Executor, Pool, queries, trouble_is_temporary
from homing.ground.log import get

log = get("egress")
_sql = queries("homing.egress", "warmup.sql")
_changes = queries("homing.egress")
KEPT = timedelta(days=60)
MOST_DAYS = 40  # days of an outage that are judged one by one; older ones count as without mail


async def exchange(
    pool: Pool, address: str, *, now: datetime, returned: Sequence[Returned] = (), wanted: bool = True
) -> Lease | None:
    """Tell what became of earlier leases, and get a new one where it is wanted, in one transaction.

    returns  None where the address is not warming any more, or nothing was wanted
    raises   StoreUnavailable; then nothing was noted
    """
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            for one in returned:
                tally = await _lock_day(connection, address, one.day)
                await _keep(connection, address, warmup.give_back(tally, one))
            stage = await _sql.stage_of(connection, address=address) if wanted else None
            if stage is None:
                return None
            tally = await _lock_day(connection, address, now.date())
            lease, counted = warmup.lease(stage, tally, now=now)
            if lease.count:
                await _keep(connection, address, counted)
            return lease


async def anybody_warms(executor: Executor) -> bool:
    """Return whether an address is warming."""
    return bool(await _sql.anybody_warms(executor))


async def count(executor: Executor, outcomes: Sequence[tuple[str, Tally]]) -> None:
    """Add what the log tells of addresses; those that are not warming are left out."""
    await _sql.count_outcomes(
        executor,
        addresses=[address for address, _ in outcomes],
        days=[tally.day for _, tally in outcomes],
        delivered=[tally.delivered for _, tally in outcomes],
        hard_bounced=[tally.hard_bounced for _, tally in outcomes],
        blocked=[tally.blocked for _, tally in outcomes],
        deferred=[tally.deferred for _, tally in outcomes],
        complained=[tally.complained for _, tally in outcomes],
    )


async def tallies(executor: Executor, addresses: Sequence[str], *, since: date) -> dict[str, list[Tally]]:
    """Return what was counted of some addresses since a day, in the order of the days."""
    found: dict[str, list[Tally]] = {address: [] for address in addresses}
    with trouble_is_temporary():
        async for row in _sql.days_of(executor, addresses=list(addresses), since=since):
            members = dict(row)
            found[members.pop("address")].append(Tally(**members))
    return found


class Judged(NamedTuple):
    """What a day of an address came to; stage None: automatic warm-up has ended."""

    address: str
    day: date
    verdict: Verdict
    before: int
    stage: int | None


async def judge(pool: Pool, *, now: datetime) -> list[Judged]:
    """Judge the days that are over, of every warming address. Anybody may call it at any time; each day is judged once."""
    done: list[Judged] = []
    today = warmup.open_day(now)
    with trouble_is_temporary():
        for address in [row["address"] async for row in _sql.to_judge(pool, today=today)]:
            async with pool.acquire() as connection, connection.transaction():
                judged = await _judge_one(connection, address, today)
            for one in judged:
                log.info(
                    "warmup_day_judged",
                    address=one.address,
                    day=one.day.isoformat(),
                    verdict=one.verdict.value,
                    before=one.before,
                    stage=one.stage,
                )
            done += judged
        await _sql.forget_days(pool, before=(now - KEPT).date())
        await pair_store.forget_days(pool, before=(now - KEPT).date())
    return done


async def _judge_one(connection: Executor, address: str, today: date) -> list[Judged]:
    await _changes.next_version(connection)
    row = await _sql.lock_progress(connection, address=address)
    if row is None:
        return []
    done: list[Judged] = []
    progress: Progress | None = Progress(stage=row["stage"], stalled=row["stalled"], idle=row["idle"])
    day = max(row["judge_from"], today - timedelta(days=MOST_DAYS))
    of_pairs = await pair_store.Judging.begin(connection, address, since=day - timedelta(days=2))
    known = {tally.day: tally for tally in (await tallies(connection, [address], since=day - timedelta(days=2)))[address]}
    while progress is not None and day < today:
        before = [known[one] for one in (day - timedelta(days=1), day - timedelta(days=2)) if one in known]
        stage = progress.stage
        grew = of_pairs.close_day(day)
        progress, verdict = warmup.close_day(progress, known.get(day, Tally(day=day)), before, grew=grew)
        done.append(Judged(address, day, verdict, stage, None if progress is None else progress.stage))
        day += timedelta(days=1)
    end = progress or Progress(stage=1)
    await _sql.keep_progress(
        connection,
        address=address,
        stage=None if progress is None else progress.stage,
        stalled=end.stalled,
        idle=end.idle,
        judge_from=day,
    )
    await of_pairs.keep(warm=progress is None)
    return done


async def _lock_day(connection: Executor, address: str, day: date) -> Tally:
    await _sql.open_day(connection, address=address, day=day)
    row = await _sql.lock_day(connection, address=address, day=day)
    return Tally(**dict(row))


async def _keep(connection: Executor, address: str, tally: Tally) -> None:
    await _sql.count_sent(
        connection,
        address=address,
        day=tally.day,
        sent=tally.sent,
        put_off=tally.put_off,
        beyond=tally.beyond,
        hour=tally.hour,
        in_hour=tally.in_hour,
    )
