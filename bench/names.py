"""`python -m bench.names`: DNS for the benchmarks' two sites, `flow.test` and `closed.test`; prints where it listens."""

import asyncio
import sys

from homing.simulator.dns import Record
from homing.simulator.town import Town

FLOW, CLOSED = "127.0.0.11", "127.0.0.99"
RECORDS = [
    Record("flow.test", "MX", "10 mx.flow.test."),
    Record("mx.flow.test", "A", FLOW),
    Record("closed.test", "MX", "10 mx.closed.test."),
    Record("mx.closed.test", "A", CLOSED),
]


async def main() -> None:
    """Serve until standard input ends."""
    async with Town((), records=RECORDS, keep=0) as town:
        print(town.dns, flush=True)
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(main())
