"""The SMTP door on real sockets, under both event loops: real clients, TLS, order, back-pressure, and how it closes."""

import asyncio
import smtplib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path

import pytest
import uvloop

from homing.accounts.types import Sender
from homing.evidence.badges import key_badge
from homing.evidence.types import FaultTag
from homing.ground.errors import LeaseLost, Overloaded, StoreUnavailable
from homing.ground.secrets import hash_api_key
from homing.ingress.types import Refusal, Refused
from homing.spool.types import RawContent
from tests.kit.smtp_door import BlockingLine, Line, OpenDoor, open_door
from tests.kit.smtp_script import KEY, OWNER, SUBACCOUNT, SUBACCOUNT_KEY

ENVELOPE = b"MAIL FROM:<a@acme.test>\r\nRCPT TO:<x@there.test>\r\n"
MESSAGE = b"From: a@acme.test\r\nSubject: hi\r\n\r\nhello\r\n"
AUTH = b"AUTH PLAIN AFNNVFBfSW5qZWN0aW9uADAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc=\r\n"


@pytest.fixture(params=["uvloop", "asyncio"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    return uvloop.EventLoopPolicy() if request.param == "uvloop" else asyncio.DefaultEventLoopPolicy()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


def trusting_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def authed(door: OpenDoor) -> Line:
    line = await door.connect()
    assert await line.hear() == "220 mx.homing.test ESMTP homing"
    assert "250 AUTH PLAIN LOGIN" in await line.say(b"EHLO client.test\r\n")
    assert (await line.say(AUTH)).startswith("235")
    return line


async def enveloped(door: OpenDoor) -> Line:
    line = await authed(door)
    assert (await line.say(ENVELOPE)).startswith("250")
    assert (await line.hear()).startswith("250")
    assert (await line.say(b"DATA\r\n")).startswith("354")
    return line


async def by_smtplib(door: OpenDoor, work: Callable[[smtplib.SMTP], object]) -> object:
    def run() -> object:
        with smtplib.SMTP("127.0.0.1", door.port, "client.test", timeout=5) as client:
            return work(client)

    return await asyncio.to_thread(run)


# ── real clients ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", [True, False])
async def test_smtplib_sends_with_each_mechanism(door: OpenDoor, mechanism: str, tls: bool):
    def work(client: smtplib.SMTP) -> None:
        if tls:
            client.starttls(context=trusting_context())
        client.ehlo()
        client.user, client.password = "SMTP_Injection", KEY
        client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
        client.sendmail("a@acme.test", ["x@there.test", "y@there.test"], MESSAGE.decode())

    await by_smtplib(door, work)
    transmission, sender = door.desk.taken[0]
    assert sender == OWNER
    assert [to.email for to in transmission.recipients] == ["x@there.test", "y@there.test"]
    assert isinstance(transmission.content, RawContent)
    assert f"with ESMTP{'S' if tls else ''}A id".encode() in transmission.content.rfc822
    assert transmission.content.rfc822.endswith(b"\r\n\r\nhello\r\n")
    assert door.desk.counted == {(7, FaultTag.NONE): 1}
    assert (door.door.counters.messages, door.door.counters.recipients) == (1, 2)


async def test_smtplib_sends_unicode_addresses_and_eight_bits(door: OpenDoor):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "jö@acme.test", "ü@there.test", "früh"
    message.set_content("grüße", cte="8bit")

    def work(client: smtplib.SMTP) -> None:
        client.login("SMTP_Injection", SUBACCOUNT_KEY)
        client.send_message(message)

    await by_smtplib(door, work)
    transmission, sender = door.desk.taken[0]
    assert sender == SUBACCOUNT
    assert (transmission.from_email, transmission.subject) == ("jö@acme.test", "früh")
    assert isinstance(transmission.content, RawContent)
    assert "grüße".encode() in transmission.content.rfc822
    assert b"UTF8SMTPA" in transmission.content.rfc822


async def test_wrong_credentials_are_refused_without_a_reason(door: OpenDoor):
    def work(client: smtplib.SMTP) -> None:
        client.login("SMTP_Injection", "0" * 40)

    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        await by_smtplib(door, work)
    assert (refused.value.smtp_code, refused.value.smtp_error) == (535, b"5.7.8 Sorry.")
    assert door.desk.counted == {}, "nobody's attempt"


async def test_keys_that_cannot_be_looked_up_are_our_fault(door: OpenDoor):
    door.desk.keys_away = True
    line = await door.connect()
    await line.hear()
    await line.say(b"EHLO c\r\n")
    assert (await line.say(AUTH)).startswith("454 4.7.0")
    assert door.desk.counted == {(None, FaultTag.SERVER): 1}
    assert door.desk.evidence.keys == [key_badge(hash_api_key(KEY))]


# ── answers of accept ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "text", "fault"),
    [
        (Refused(Refusal.UNVERIFIED_DOMAIN, "acme.test"), "550 5.7.1 Unconfigured Sending Domain <acme.test>", FaultTag.CLIENT),
        (Refused(Refusal.UNKNOWN_POOL, "p\r\n"), "550 5.6.0 X-MSYS-API 'options.ip_pool': there is no pool <p?", FaultTag.CLIENT),
        (Refused(Refusal.UNKNOWN_DKIM_KEY, "k"), "550 5.6.0 X-MSYS-API 'options.dkim_key': there is no key <k>", FaultTag.CLIENT),
        (
            Refused(Refusal.UNVERIFIED_DKIM_KEY, "k"),
            "550 5.6.0 X-MSYS-API 'options.dkim_key': the key <k> is not verified",
            FaultTag.CLIENT,
        ),
        (Overloaded("full"), "452 4.3.1", FaultTag.SERVER),
        (StoreUnavailable("gone"), "451 4.3.0", FaultTag.SERVER),
        (LeaseLost("lost"), "451 4.3.0", FaultTag.SERVER),
        (KeyError("a bug"), "451 4.3.0", FaultTag.SERVER),
    ],
)  # fmt: skip
async def test_each_answer_of_accept_has_its_reply_and_fault(
    door: OpenDoor, answer: Refused | Exception, text: str, fault: FaultTag
):
    door.desk.answer = answer
    line = await enveloped(door)
    assert (await line.say(MESSAGE + b".\r\n")).startswith(text)
    assert door.desk.counted == {(7, fault): 1}
    assert sum(door.door.counters.refused.values()) == 1
    door.desk.answer = None
    assert (await line.say(ENVELOPE + b"DATA\r\n")).startswith("250")


async def test_250_comes_only_after_accept_and_names_the_transmission(door: OpenDoor):
    door.desk.gate.clear()
    line = await enveloped(door)
    line.writer.write(MESSAGE + b".\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.reader.readline(), 0.1)
    door.desk.gate.set()
    assert (await line.hear()).startswith("250 2.0.0 OK 4328521729")


async def test_pipelined_messages_are_answered_in_order_and_one_at_a_time(door: OpenDoor):
    line = await authed(door)
    one = ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n"
    line.writer.write(one * 50 + b"QUIT\r\n")
    said = (await line.rest()).decode().splitlines()
    assert [text[:3] for text in said] == ["250", "250", "354", "250"] * 50 + ["221"]
    assert len(door.desk.taken) == 50


async def test_a_client_that_sends_all_and_half_closes_gets_its_answers(door: OpenDoor):
    line = await authed(door)
    line.writer.write(ENVELOPE + b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE)
    line.writer.write_eof()
    assert (await line.rest()).splitlines()[-1].startswith(b"250 2.0.0 OK")


async def flood(line: Line, data: bytes, seconds: float) -> bool:
    """Write without end; whether the other side stopped taking it."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                line.writer.write(data)
                await line.writer.drain()
    except TimeoutError:
        return True
    finally:
        line.writer.transport.abort()


async def test_what_a_client_sends_while_it_must_wait_is_bounded(door: OpenDoor):
    door.desk.gate.clear()
    line = await enveloped(door)
    line.writer.write(MESSAGE + b".\r\n")
    flooding = asyncio.create_task(flood(line, b"NOOP\r\n" * 10_000, 0.3))
    await asyncio.sleep(0.2)
    [connection] = door.door._connections
    assert connection._session is not None
    assert 0 < connection._session.unread < 1_000_000
    assert await flooding
    door.desk.gate.set()


async def test_a_client_that_never_reads_is_not_answered_without_end(tmp_path: Path):
    async with open_door(tmp_path, trusted=all_trusted) as door:
        line = await door.connect()
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]
        line.writer.write(b"EHLO c\r\nMAIL FROM:<>\r\n")
        assert await flood(line, b"RCPT TO:<x@there.test>\r\n" * 10_000, 1.0)


async def all_trusted(ip: str) -> Sender | None:
    return OWNER if ip == "127.0.0.1" else None


async def test_a_trusted_network_injects_without_auth(tmp_path: Path):
    async with open_door(tmp_path, trusted=all_trusted) as door:
        line = await door.connect()
        line.writer.write(b"EHLO c\r\n" + ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n" + b"QUIT\r\n")
        assert b"250 2.0.0 OK" in await line.rest()
        assert door.desk.taken[0][1] == OWNER


async def test_without_auth_nothing_is_relayed(door: OpenDoor):
    line = await door.connect()
    await line.hear()
    line.writer.write(b"EHLO c\r\n" + ENVELOPE + b"DATA\r\nQUIT\r\n")
    said = (await line.rest()).decode()
    assert "530 5.7.0" in said
    assert "550 5.7.1 Relaying denied" in said
    assert door.desk.taken == []


# ── STARTTLS ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_commands_injected_before_tls_are_not_obeyed_under_tls(door: OpenDoor):
    def talk() -> None:
        line = BlockingLine(door.port, behind=b"EHLO evil\r\n" + AUTH)
        assert line.say(b"NOOP\r\n") == "250 2.0.0 OK"  # the answer to this one, to nothing before it
        assert line.say(b"MAIL FROM:<a@acme.test>\r\n").startswith("503")
        assert "STARTTLS" not in line.say(b"EHLO c\r\n")
        assert line.say(AUTH).startswith("235")
        line.close()

    await asyncio.to_thread(talk)


async def test_a_message_of_megabytes_passes_under_tls(door: OpenDoor):
    body = MESSAGE + (b"x" * 98 + b"\r\n") * 30_000

    def talk() -> list[str]:
        line = BlockingLine(door.port)
        line.say(b"EHLO c\r\n")
        line.say(AUTH)
        line.socket.sendall(ENVELOPE + b"DATA\r\n" + body + b".\r\nQUIT\r\n")
        said = line.rest()
        line.close()
        return said

    said = await asyncio.to_thread(talk)
    assert [text[:3] for text in said] == ["250", "250", "354", "250", "221"]
    content = door.desk.taken[0][0].content
    assert isinstance(content, RawContent)
    assert content.rfc822.endswith(body)
    assert door.door.budget.held == 0


async def test_a_handshake_that_fails_ends_only_its_connection(door: OpenDoor):
    line = await door.connect()
    await line.hear()
    await line.say(b"EHLO c\r\n")
    await line.say(b"STARTTLS\r\n")
    line.writer.write(b"MAIL FROM:<evil@evil.test>\r\n" * 20)
    with suppress(ConnectionError):
        assert b"250" not in await line.rest()
    await authed(door)
    async with asyncio.timeout(2):
        while door.door.counters.open_connections > 1:
            await asyncio.sleep(0.01)


# ── closing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_closing_sends_the_idle_away_and_finishes_what_is_in_flight(tmp_path: Path):
    async with open_door(tmp_path) as door:
        idle, busy, sending = await authed(door), await enveloped(door), await enveloped(door)
        door.desk.gate.clear()
        busy.writer.write(MESSAGE + b".\r\n")
        sending.writer.write(MESSAGE)
        async with asyncio.timeout(2):
            while not door.desk.waiting:
                await asyncio.sleep(0.01)
        closing = asyncio.create_task(door.door.close(5))
        assert (await idle.hear()).startswith("421 4.3.2")
        door.desk.gate.set()
        assert (await busy.hear()).startswith("250 2.0.0 OK")
        assert (await busy.hear()).startswith("421 4.3.2")
        assert (await sending.say(b".\r\n")).startswith("250 2.0.0 OK")
        assert (await sending.hear()).startswith("421 4.3.2")
        await asyncio.wait_for(closing, 5)
        assert len(door.desk.taken) == 2


async def test_what_is_not_done_when_patience_ends_is_not_taken(tmp_path: Path):
    async with open_door(tmp_path) as door:
        line = await enveloped(door)
        line.writer.write(MESSAGE)
        await asyncio.sleep(0.05)
        await door.door.close(0.05)
        assert (await line.hear()).startswith("421 4.3.2 shutting down, the message was not taken")
        assert door.desk.taken == []
        assert door.desk.counted[7, FaultTag.SERVER] == 1


async def test_a_message_goes_its_way_when_the_client_does_not_wait_for_the_answer(door: OpenDoor):
    door.desk.gate.clear()
    line = await enveloped(door)
    line.writer.write(MESSAGE + b".\r\n")
    async with asyncio.timeout(2):
        while not door.desk.waiting:
            await asyncio.sleep(0.01)
    linger = struct.pack("ii", 1, 0)  # a reset: an end of the stream alone would mean that it still listens
    line.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    line.writer.transport.abort()
    await asyncio.sleep(0.05)
    door.desk.gate.set()
    async with asyncio.timeout(2):
        while not door.desk.taken:
            await asyncio.sleep(0.01)
    assert door.desk.evidence.ended == [(7, FaultTag.VOID), (7, FaultTag.VOID)], "it can tell nothing about us"
