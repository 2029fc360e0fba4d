"""While no worker serves, clients get an honest answer, and it is noted who asked."""

import asyncio
import base64
import datetime
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from homing.ground import sockets
from homing.ground.config import HostPort
from homing.ground.doorman import HEAD_BYTES, Doorman, Turned, shown_key
from homing.ground.secrets import hash_api_key

KEY = "0123456789abcdef0123456789abcdef01234567"


class Entrance:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.http = sockets.listen("HOMING_HTTP", HostPort("127.0.0.1", 0), count=2)
        self.smtp = sockets.listen("HOMING_SMTP", HostPort("127.0.0.1", 0), count=2)
        self.turned: list[Turned] = []
        self.doorman = Doorman(
            http=self.http,
            smtp=self.smtp,
            hostname="mail.example",
            refused=self.turned.append,
            tls=tls,
        )

    @property
    def noted(self) -> list[tuple[str, bytes | None]]:
        return [(one.door, one.key_hash) for one in self.turned]

    async def say(self, door: str, text: bytes, *, tls: ssl.SSLContext | None = None) -> bytes:
        port = (self.http if door == "http" else self.smtp)[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        writer.write(text)
        try:
            return await asyncio.wait_for(reader.read(), 8)
        finally:
            writer.close()

    async def close(self) -> None:
        await self.doorman.leave()
        sockets.close(self.http + self.smtp)


@pytest.fixture
async def entrance() -> AsyncIterator[Entrance]:
    made = Entrance()
    made.doorman.stand()
    yield made
    await made.close()


def request(authorization: str = KEY, body: bytes = b"") -> bytes:
    head = (
        f"POST /api/v1/transmissions HTTP/1.1\r\nHost: x\r\nauthorization: {authorization}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def test_an_http_client_is_told_to_come_back_and_its_key_is_noted(entrance: Entrance):
    answer = await entrance.say("http", request(body=b"x" * 200_000))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in head
    assert json.loads(body)["errors"][0]["message"]
    assert entrance.noted == [("http", hash_api_key(KEY))]
    (turned,) = entrance.turned
    assert (turned.path, turned.address) == ("/api/v1/transmissions", "127.0.0.1")


async def test_a_request_belongs_to_the_moment_of_its_first_byte(entrance: Entrance):
    reader, writer = await asyncio.open_connection("127.0.0.1", entrance.http[0].getsockname()[1])
    await asyncio.sleep(0.3)
    before = time.time()
    writer.write(request())
    assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
    writer.close()
    assert before <= entrance.turned[0].at <= time.time()


async def test_an_smtp_client_is_told_421(entrance: Entrance):
    assert await entrance.say("smtp", b"") == b"421 4.3.2 mail.example service not available, try again later\r\n"
    assert entrance.noted == [("smtp", None)]


async def test_a_head_without_end_is_bounded(entrance: Entrance):
    answer = await entrance.say("http", b"GET / HTTP/1.1\r\nX: " + b"x" * (HEAD_BYTES + 10_000))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert entrance.noted == [("http", None)]


async def test_many_clients_at_once_are_all_answered(entrance: Entrance):
    answers = await asyncio.gather(*(entrance.say("smtp", b"") for _ in range(200)))
    assert all(answer.startswith(b"421 ") for answer in answers)
    assert len(entrance.noted) == 200


async def test_after_stepping_back_the_connections_are_the_workers(entrance: Entrance):
    entrance.doorman.step_back()

    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.close()

    servers = [await asyncio.start_server(work, sock=sock.dup()) for sock in entrance.smtp]
    try:
        assert await entrance.say("smtp", b"") == b"220 hello\r\n"
        entrance.doorman.stand()  # both accept now: whoever is second finds nothing, and nobody is lost
        answers = await asyncio.gather(*(entrance.say("smtp", b"") for _ in range(50)))
        assert set(answers) <= {b"220 hello\r\n", b"421 4.3.2 mail.example service not available, try again later\r\n"}
    finally:
        for server in servers:
            server.close()


async def test_an_https_client_gets_the_same_answer_through_tls(tmp_path: Path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    made = Entrance(context)
    made.doorman.stand()
    try:
        assert (await made.say("http", request(), tls=client)).startswith(b"HTTP/1.1 503 ")
        await made.say("http", b"GET / HTTP/1.0\r\n\r\n")  # in the clear: no answer, but noted
        assert made.noted == [("http", hash_api_key(KEY)), ("http", None)]
    finally:
        await made.close()


def test_the_key_is_found_as_clients_show_it():
    assert shown_key(request(KEY)) == hash_api_key(KEY)
    assert shown_key(request("Basic " + base64.b64encode(f"{KEY}:".encode()).decode())) == hash_api_key(KEY)
    assert shown_key(request("Basic %%%")) is None
    assert shown_key(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") is None
