"""Readers of a customer's mail are shown a certificate for the customer's own name."""

import http.client
import socket
import ssl
from pathlib import Path

from tests.compatibility.authority import Authority
from tests.compatibility.secure import SecureHouse
from tests.kit.engine import free_port
from tests.kit.postgres import TestServer


def asked(port: int, name: str, trusted: Path) -> int:
    """Ask the tracking site under a name, as a browser that judges its certificate; returns the status."""
    context = ssl.create_default_context(cafile=trusted)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        connection = http.client.HTTPConnection(name)
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        connection.request("GET", "/")
        return connection.getresponse().status


def test_each_name_has_its_certificate(postgres_server: TestServer, tmp_path: Path):
    authority, port, folder = Authority(tmp_path), free_port(), tmp_path / "certs"
    chain, key = authority.issue("click.acme.test")
    (folder / "click.acme.test").mkdir(parents=True)
    (folder / "click.acme.test" / "fullchain.pem").write_bytes(chain.read_bytes())
    (folder / "click.acme.test" / "privkey.pem").write_bytes(key.read_bytes())
    settings = {"tracking": f"127.0.0.1:{port}", "tracking_certs": str(folder), "workers": "1"}
    with (
        postgres_server.fresh() as dsn,
        SecureHouse(authority, database=dsn, smarthost="127.0.0.1:1", settings=settings) as house,
    ):
        assert asked(port, "mail.acme.test", authority.file) == 200
        assert asked(port, "click.acme.test", authority.file) == 404  # the certificate fits; nobody has verified the domain
        assert house.call("/api/v1/tracking-domains", {"domain": "click.acme.test", "secure": True})[0] == 200
        status, answer = house.call("/api/v1/tracking-domains/click.acme.test", None, method="GET")
        assert (status, answer["results"]["status"]["tls_status"]) == (200, "valid")
