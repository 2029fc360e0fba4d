"""A tiny worker for tests of the supervisor: serves one line on its `door` socket; the first argument says what goes wrong.

Run by the supervisor: python tests/kit/worker.py MODE
"""

import asyncio
import os
import signal
import sys
import time

import uvloop

from homing.ground.attach import attached


async def serve(mode: str) -> None:
    if mode == "never-speaks":
        await asyncio.sleep(60)
    stop = asyncio.Event()
    if mode != "deaf":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "dies-at-once":
        sys.exit(3)
    async with attached() as us:

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(f"{us.worker_id} {os.getpid()}\n".encode())
            writer.close()

        us.channel.on("who", lambda: os.getpid())
        us.channel.on("block", lambda seconds: time.sleep(seconds))
        us.facts["mood"] = "good"
        servers = [await asyncio.start_server(greet, sock=sock) for sock in us.sockets.values()]
        if mode != "never-ready":
            us.ready()
        await asyncio.wait(
            [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(us.orphaned.wait())],
            return_when=asyncio.FIRST_COMPLETED,
        )
        us.draining()
        for server in servers:
            server.close()
        await asyncio.sleep(0.05)


uvloop.run(serve(sys.argv[1]))
