"""The HTTP door and its sockets."""

import asyncio
import socket
import ssl

import pytest

from homing.api.server import serving
from tests.compatibility.authority import Authority


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


async def test_a_client_that_keeps_its_connection_open_does_not_delay_the_stop(authority):
    certificate, key = authority.issue("mail.acme.test")
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    async with asyncio.timeout(15):  # half of what requests under way would be given
        async with serving(app, sock, drain_s=30.0, cert=certificate, key=key):
            answer, client = await asyncio.to_thread(ask_and_stay, port, authority)
        client.close()
    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_body_does_not_wait_until_the_client_has_acknowledged_the_head():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        async with serving(app, sock):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def ask_and_stay(port: int, authority: Authority) -> tuple[bytes, ssl.SSLSocket]:
    """Ask once and keep the connection without reading it again, as pools of HTTP clients do."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    client = ssl.create_default_context(cafile=authority.file).wrap_socket(plain, server_hostname="127.0.0.1")
    client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return client.recv(1_000), client
