"""Somebody of ours is woken by the second relay and by a webhook, whoever dies meanwhile, also if no worker serves at all; the
outside hears that we live.
"""

import http.server
import json
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer


class Outside:
    """A heartbeat watch, a chat that is posted to, and a mail server that is not ours."""

    def __init__(self) -> None:
        self.beats = 0
        self.chat: list[dict[str, Any]] = []
        self.mails: list[bytes] = []
        outside = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/beat":
                    outside.beats += 1
                else:
                    outside.chat.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.web.server_address[1]
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.smtp_port = free.getsockname()[1]
        self.relay = Controller(self, hostname="127.0.0.1", port=self.smtp_port)
        self.relay.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 OK"


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    yield made
    made.relay.stop()
    made.web.shutdown()
    made.web.server_close()


def kill_until(house: House, over: threading.Event) -> None:
    """Kill every worker as soon as there is one."""
    while not over.wait(0.1):
        for pid in house.workers():
            house.signal(pid, signal.SIGKILL)


def test_a_page_arrives_by_every_channel(postgres_server: TestServer, neighbours: Neighbours, outside: Outside):
    settings = {
        "allow_private_targets": "true",
        "target_ports": str(outside.port),
        "oncall_smtp": f"127.0.0.1:{outside.smtp_port}",
        "oncall_smtp_from": "oncall@provider.test",
        "oncall_smtp_security": "none",
        "heartbeat_url": f"http://127.0.0.1:{outside.port}/beat",
    }
    with postgres_server.fresh() as dsn, House(neighbours, database=dsn, settings=settings) as house:
        house.run("staff", "add", "--name", "Ann", "--email", "ann@provider.test", "--role", "oncall")
        house.run(
            "oncall", "channel", "ann@provider.test", "--webhook", f"http://127.0.0.1:{outside.port}/chat", "--label", "chat"
        )
        said = house.run("oncall", "test", "ann@provider.test").stdout
        assert ("email: sent" in said, "webhook: sent" in said) == (True, True), said
        assert (len(outside.mails), len(outside.chat)) == (1, 1)
        house.wait_until(lambda: outside.beats == 1, 20, "the first heartbeat")

        for pid in house.workers():
            house.signal(pid, signal.SIGKILL)
        said = house.run("oncall", "test", "ann@provider.test").stdout
        assert ("email: sent" in said, "webhook: sent" in said) == (True, True), said
        assert (len(outside.mails), len(outside.chat)) == (2, 2)

        # No worker lives long enough to serve: the supervisor stands in, and somebody is woken for what the ledger found.
        house.wait_until(house.is_ready, 20, "a successor serves")
        over = threading.Event()
        killer = threading.Thread(target=lambda: kill_until(house, over))
        killer.start()
        try:
            house.wait_until(lambda: not house.is_ready(), 20, "nobody serves")
            house.sql(
                "INSERT INTO availability_findings (account_id, rule, start, reached_at, seconds) "
                "SELECT account_id, 'persistent', now(), now(), 60 FROM accounts LIMIT 1"
            )
            house.wait_until(lambda: (len(outside.mails), len(outside.chat)) == (3, 3), 30, "the supervisor pages")
        finally:
            over.set()
            killer.join()
        assert outside.chat[-1]["reference"].startswith("persistent Unavailability since ")
        house.wait_until(house.is_ready, 40, "a successor serves")
        assert house.sql("SELECT count(*) FROM oncall_runs WHERE starts_with(obligation, 'unavailability ')") == [(1,)]
