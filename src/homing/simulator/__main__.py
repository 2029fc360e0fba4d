"""`python -m homing.simulator`: a town as a process of its own, which prints where it listens as one JSON line."""

import argparse
import asyncio
import contextlib
import signal
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import uvloop

from homing.ground.config import parse_host_port
from homing.ground.errors import Misuse
from homing.simulator.providers import CAST, SINK, Provider
from homing.simulator.town import Town


def main(arguments: list[str] | None = None) -> int:
    """Run a town until SIGTERM, SIGINT, or the end of standard input with --until-eof."""
    parser = argparse.ArgumentParser(
        prog="python -m homing.simulator", description="A small internet on loopback: DNS and mailbox providers."
    )
    parser.add_argument("--dns", default="127.0.0.1:0", metavar="HOST:PORT", help="where DNS listens; port 0: a free one")
    parser.add_argument("--port", type=int, default=0, help="SMTP port of all providers; 0: a free one")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="one JSON line for each accepted message")
    parser.add_argument("--cast", choices=("default", "sink"), default="default", help="sink: one provider that takes everything")
    parser.add_argument("--delay", type=float, default=None, metavar="SECONDS", help="delay of every reply of the sink")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input ends: with the parent process")
    chosen = parser.parse_args(arguments)
    cast: tuple[Provider, ...] = CAST
    if chosen.cast == "sink":
        cast = (replace(SINK, behaviour=replace(SINK.behaviour, delay_s=chosen.delay or 0.0)),)
    try:
        town = Town(cast, dns=parse_host_port(chosen.dns), port=chosen.port, journal=chosen.journal, keep=0)
        uvloop.run(_run(town, until_eof=chosen.until_eof))
    except (Misuse, ValueError, OSError) as trouble:
        print(f"the simulator cannot start: {trouble}", file=sys.stderr)
        return 2
    return 0


async def _run(town: Town, *, until_eof: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), _end_of_input, stop, loop)
    async with town:
        where = {
            "dns": str(town.dns),
            "port": town.port,
            "providers": {one.name: {"domains": one.domains, "addresses": one.addresses} for one in town.cast},
        }
        print(msgspec.json.encode(where).decode(), flush=True)
        await stop.wait()
    totals = {
        name: {"messages": counts.messages, "connections": counts.connections, "answers": dict(counts.answers)}
        for name, counts in town.counts().items()
    }
    with contextlib.suppress(OSError):
        print(msgspec.json.encode(totals).decode(), flush=True)


def _end_of_input(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    try:
        ended = not sys.stdin.buffer.raw.read(4096)  # type: ignore[union-attr]
    except OSError:
        ended = True
    if ended:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
