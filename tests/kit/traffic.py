"""Both doors at full speed, and a precise memory of what was accepted: each recipient is used once."""

import asyncio
import itertools
import threading
import time
from types import TracebackType

import httpx
import uvloop

from tests.kit.house import DOMAIN, House

BODY = (f"From: news@{DOMAIN}\r\nSubject: Soak\r\n\r\n" + "All work and no play. " * 40 + "\r\n.\r\n").encode()
LARGE_EVERY = 150  # each so-manieth REST call has enough recipients to be expanded later
LARGE = 1_500


class Traffic:
    """Clients in a thread of their own; a context manager that stops them at its end.

    accepted   recipients for whom the door said yes: these are ours
    unknown    the connection ended before the answer: they may be delivered, or not
    refused    how often a door said no, by its answer
    """

    def __init__(self, house: House, *, domain: str, sessions: int = 12, callers: int = 3) -> None:
        self.accepted: set[str] = set()
        self.unknown: set[str] = set()
        self.refused: dict[str, int] = {}
        self.last_accepted_at = 0.0
        self._house = house
        self._domain = domain
        self._sessions = sessions
        self._callers = callers
        self._numbers = itertools.count(1)
        self._calls = itertools.count(1)
        self._stopping = False
        self._thread = threading.Thread(target=lambda: uvloop.run(self._run()), name="traffic")

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every client end after the answer that it waits for."""
        self._stopping = True
        self._thread.join(90)
        assert not self._thread.is_alive(), "a client has waited for its answer for 90 seconds"

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as clients:
            for _ in range(self._sessions):
                clients.create_task(self._by_smtp())
            for _ in range(self._callers):
                clients.create_task(self._by_rest())

    def _took(self, recipients: list[str]) -> None:
        self.accepted.update(recipients)
        self.last_accepted_at = time.monotonic()

    def _no(self, answer: str) -> None:
        self.refused[answer] = self.refused.get(answer, 0) + 1

    async def _by_smtp(self) -> None:
        while not self._stopping:
            try:
                async with asyncio.timeout(60):
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._house.smtp_port)
                    try:
                        await self._session(reader, writer)
                    finally:
                        writer.close()
            except (OSError, EOFError, TimeoutError):
                await asyncio.sleep(0.05)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = await _reply(reader)
        if not greeting.startswith("220"):
            self._no(greeting[:9])
            await asyncio.sleep(0.1)
            return
        writer.write(b"EHLO client.acme.test\r\n")
        await _reply(reader)
        for _ in range(200):
            if self._stopping:
                return
            to = f"smtp{next(self._numbers)}@{self._domain}"
            writer.write(f"MAIL FROM:<news@{DOMAIN}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode())
            answers = [await _reply(reader) for _ in range(3)]
            if not answers[2].startswith("354"):
                self._no(next(one for one in answers if one[:1] not in "23")[:9])
                await asyncio.sleep(0.1)
                return
            writer.write(BODY)
            self.unknown.add(to)
            answer = await _reply(reader)
            self.unknown.discard(to)
            if answer.startswith("250"):
                self._took([to])
            else:
                self._no(answer[:9])
                await asyncio.sleep(0.1)

    async def _by_rest(self) -> None:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._house.http_port}",
            headers={"Authorization": self._house.key},
            timeout=60.0,
            trust_env=False,
        ) as client:
            while not self._stopping:
                count = LARGE if next(self._calls) % LARGE_EVERY == 0 else 20
                group = [f"rest{next(self._numbers)}@{self._domain}" for _ in range(count)]
                body = {
                    "recipients": [{"address": to} for to in group],
                    "content": {"from": f"news@{DOMAIN}", "subject": "Soak", "text": "All work and no play."},
                }
                try:
                    answer = await client.post("/api/v1/transmissions", json=body)
                except httpx.ConnectError:
                    await asyncio.sleep(0.1)
                    continue
                except httpx.TransportError:
                    self.unknown.update(group)
                    continue
                if answer.status_code == 200:
                    self._took(group)
                else:
                    self._no(f"HTTP {answer.status_code}")
                    await asyncio.sleep(0.1)


async def _reply(reader: asyncio.StreamReader) -> str:
    """Return the last line of a reply. Raises EOFError where the connection has ended."""
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        if line[3:4] != b"-":
            return line.decode("latin-1").rstrip()
