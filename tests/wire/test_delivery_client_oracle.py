"""The outgoing session against aiosmtpd: what another implementation of the receiving half makes of our messages."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiosmtpd.smtp import SMTP

from homing.delivery.client import Connection, Timeouts, connect
from homing.delivery.rules.tls_policy import TlsPolicy
from homing.delivery.types import Stage

QUICK = Timeouts(connect_s=2.0, greeting_s=2.0, command_s=2.0, data_s=5.0)


class Inbox:
    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content))
        return "250 2.0.0 taken"


@asynccontextmanager
async def inbox():
    taken = Inbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(taken, hostname="mx.test", enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        connection = await connect(
            "mx.test", "127.0.0.1", port, source_ip=None, ehlo="out.test", tls=TlsPolicy.OPPORTUNISTIC, timeouts=QUICK
        )
        assert isinstance(connection, Connection), connection
        yield taken, connection
        await connection.quit()
    finally:
        server.close()


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: plain\r\n\r\nhello\r\n",
        b".\r\n..\r\n.dots\r\n\r\n.\r\n",
        b"Subject: =?utf-8?q?=C3=BC?=\r\n\r\n" + "grüße\r\n".encode(),
        b"Subject: long\r\n\r\n" + b"0123456789" * 90 + b"\r\n" + b"line\r\n" * 50_000,
    ],
    ids=["plain", "dots", "eight-bit", "large"],
)
async def test_a_message_arrives_byte_for_byte(message):
    async with inbox() as (taken, connection):
        attempt = await connection.send("a@x.test", "b@y.test", message, utf8=False, eight_bit=not message.isascii())
        assert attempt.stage is Stage.END_OF_DATA, attempt
    assert taken.taken == [("a@x.test", ["b@y.test"], message)]


async def test_refusals_and_deliveries_may_follow_each_other_in_any_order():
    async with inbox() as (taken, connection):
        stages = []
        for rcpt in ("nobody@y.test", "a@y.test", "nobody@y.test", "nobody@y.test", "jürgen@y.test", "c@y.test"):
            attempt = await connection.send("", rcpt, b"hi\r\n", utf8=not rcpt.isascii(), eight_bit=False)
            stages.append((attempt.stage, attempt.reply and attempt.reply.code))
        assert connection.usable
    refused, delivered = (Stage.RCPT, 550), (Stage.END_OF_DATA, 250)
    assert stages == [refused, delivered, refused, refused, delivered, delivered]
    assert [rcpts for _, rcpts, _ in taken.taken] == [["a@y.test"], ["jürgen@y.test"], ["c@y.test"]]
