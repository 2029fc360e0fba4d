"""Mail for a customer's inbound domain waits until his application takes it, whoever dies meanwhile."""

import http.server
import json
import signal
import smtplib
import threading

import pytest

from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer


class App:
    """A customer's application on loopback; `up` says whether it takes anything."""

    def __init__(self) -> None:
        self.up = False
        self.mails: list[dict] = []
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if app.up:
                    app.mails += [each["msys"]["relay_message"] for each in json.loads(body)]
                self.send_response(200 if app.up else 503)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def app():
    made = App()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_the_mail_arrives_when_the_application_is_back(postgres_server: TestServer, neighbours: Neighbours, app: App):
    settings = {"allow_private_targets": "true", "target_ports": str(app.port)}
    with postgres_server.fresh() as dsn, House(neighbours, database=dsn, settings=settings) as house:
        assert house.call("/api/v1/inbound-domains", {"domain": "in.acme.test"})[0] == 200
        hook = {"target": f"http://127.0.0.1:{app.port}/in", "match": {"domain": "in.acme.test"}}
        assert house.call("/api/v1/relay-webhooks", hook)[0] == 200

        for number in range(3):
            with smtplib.SMTP("127.0.0.1", house.mx_port, local_hostname="mx.there.test", timeout=30) as client:
                client.sendmail("kim@there.test", [f"help{number}@in.acme.test"], f"Subject: order {number}\n\nWhere is it?\n")
        house.wait_for("help0@in.acme.test", "relay_tempfail")

        for pid in house.workers():
            house.signal(pid, signal.SIGKILL)
        app.up = True
        house.sql("UPDATE relay_mail SET due_at = now(), leased_until = NULL")
        house.wait_until(lambda: house.sql("SELECT count(*) FROM relay_mail") == [(0,)], 60, "every mail is taken")
        assert {mail["content"]["subject"] for mail in app.mails} == {"order 0", "order 1", "order 2"}
        kinds = house.kinds("help0@in.acme.test")
        assert kinds[0] == "relay_injection"
        assert kinds[-1] == "relay_delivery"
