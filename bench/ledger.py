"""`python -m bench.ledger`: fold a month of journals of many accounts, seal it, and show everybody's month; with times.

Run by hand; docs/availability.md has the figures. The journals are written first, as a worker writes them.
"""

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from homing.accounts import store as accounts
from homing.availability.seal import Sealer
from homing.availability.statement import lines, statement
from homing.availability.types import Month
from homing.evidence import store as evidence
from homing.evidence.fold import Folder
from homing.evidence.journal import _line
from homing.evidence.rules.seconds import span
from homing.evidence.types import Door, FaultTag
from homing.ground import db, log
from homing.ground.migrate import migrate
from homing.ground.postgres import EmbeddedPostgres
from homing.ground.secrets import MasterKey

MARCH = Month(2026, 3)
OUTAGE = range(36_000, 36_090)  # of every tenth day: ninety seconds in which everybody fails


def write(folder: Path, numbers: list[int], a_day: int) -> int:
    """Write the journals of a month: every account tries at random seconds of its ten busy hours; return the lines."""
    chance, count = random.Random(1), 0
    for place, day in enumerate(MARCH.days):
        start = MARCH.start + place * 86_400
        seconds: list[tuple[int, int, int]] = []
        for number in numbers:
            opens = 3_600 * (number % 14)
            seconds += [(opens + chance.randrange(36_000), number, door) for door in (0, 1) for _ in range(a_day // 2)]
            if place % 10 == 0:
                seconds += [(second, number, 0) for second in OUTAGE[:: max(1, 90 // a_day)]]
        seconds.sort()
        path = folder / day.isoformat() / "worker.log"
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            for second, number, door in seconds:
                failed = place % 10 == 0 and second in OUTAGE
                outcome = (FaultTag.SERVER, "503") if failed else (FaultTag.NONE, "200")
                file.write(_line((start + second, number, Door.SMTP if door else Door.API, ""), Counter({outcome: 1})))
        count += len(seconds)
    return count


async def measure(dsn: str, folder: Path, many: int, a_day: int) -> None:
    """Do it, and print how long each step took."""
    now = datetime(2026, 4, 1, 2, tzinfo=UTC)
    async with db.pool(dsn, most=4) as pool:
        numbers = [(await accounts.get_or_create_account(pool, f"account {n}")).account_id for n in range(many)]
        await pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
        async with pool.acquire() as connection, connection.transaction():
            hours = {MARCH.start // 3_600 + n: span(0, 3_600) for n in range(31 * 24)}
            await evidence.unite_watch(connection, "a", hours, skew_ms=0, today=MARCH.first)
            await evidence.meet_node(connection, "a", since=datetime(2026, 3, 1, tzinfo=UTC), folded_until=now)
        count = write(folder, numbers, a_day)
        size = sum(path.stat().st_size for path in folder.rglob("*.log"))
        print(f"{many:,} accounts, 31 days, {count:,} lines of journal ({size / 1e6:.0f} MB)")

        began, changed = time.monotonic(), 0
        folding = Folder(pool, folder, "a", clock=lambda: now)
        while True:
            done = await folding.fold()
            changed += done.hours
            if not done.more:
                break
        took = time.monotonic() - began
        rows = await pool.fetchval("SELECT count(*) FROM ledger_segments")
        print(f"fold of the month    {took:6.1f} s   {count / took:,.0f} lines a second, {rows:,} hours of accounts and doors")

        began = time.monotonic()
        await folding.sum_up()
        print(f"sums of the journals {time.monotonic() - began:6.1f} s")

        began = time.monotonic()
        sealed = await Sealer(pool, MasterKey(b"k" * 32), now=lambda: now).run_once()
        took = time.monotonic() - began
        print(f"sealing {len(sealed)} days      {took:6.1f} s   {took / max(1, len(sealed)):.2f} s a day")

        began = time.monotonic()
        found = await lines(pool, MARCH, now=now + timedelta(hours=1))
        took = time.monotonic() - began
        print(
            f"everybody's month    {took:6.1f} s   {found[0].unavailable_net} Unavailable seconds each, {found[0].uptime_net} %"
        )

        account = (await accounts.all_accounts(pool))[0]
        began = time.monotonic()
        await statement(pool, account, MARCH, master_key=MasterKey(b"k" * 32), now=now + timedelta(hours=1))
        print(f"one statement        {(time.monotonic() - began) * 1_000:6.0f} ms, with 31 proofs")


def main() -> None:
    """Measure with an embedded server of its own, durable as it runs in production."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--a-day", type=int, default=40, help="attempts of each account a day")
    chosen = parser.parse_args()
    log.set_up(level="error")
    folder = Path(tempfile.mkdtemp(prefix="homing-bench-"))
    folder.chmod(0o711)
    try:

        async def run() -> None:
            server = EmbeddedPostgres(folder)
            dsn = await server.start()
            try:
                await asyncio.to_thread(migrate, dsn)
                await measure(dsn, folder / "evidence", chosen.accounts, chosen.a_day)
            finally:
                await server.stop()

        asyncio.run(run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
