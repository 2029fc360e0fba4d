"""The outgoing session against peers that behave, stall, lie, refuse and hang up."""

import asyncio

import msgspec
import pytest
import uvloop

from homing.delivery.client import Connection, Timeouts, connect
from homing.delivery.rules.tls_policy import TlsPolicy
from homing.delivery.types import Attempt, Stage, Trouble
from homing.ground.errors import Misuse
from tests.kit.scripted_mx import (
    ACCEPT,
    EHLO,
    Drop,
    Expect,
    Loop,
    Message,
    Raw,
    Reset,
    Say,
    ScriptedMX,
    Stall,
    Tls,
    scripted_mx,
)


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_policy(request):
    return uvloop.EventLoopPolicy() if request.param == "uvloop" else asyncio.DefaultEventLoopPolicy()


MAIL = b"Subject: hello\r\n\r\nGood morning.\r\n"
QUICK = Timeouts(connect_s=1.0, greeting_s=1.0, command_s=1.0, data_s=1.0, tls_s=1.0, quit_s=0.2)
HASTY = Timeouts(connect_s=0.15, greeting_s=0.15, command_s=0.15, data_s=0.15, tls_s=0.15, quit_s=0.15)


async def opened(mx: ScriptedMX, *, timeouts: Timeouts = QUICK, tls: TlsPolicy = TlsPolicy.OPPORTUNISTIC, host: str = "mx.test",
                 source_ip: str | None = None) -> Connection | Attempt:  # fmt: skip
    return await connect(host, mx.address, mx.port, source_ip=source_ip, ehlo="out.test", tls=tls, timeouts=timeouts)


async def session(mx: ScriptedMX, **more) -> Connection:
    connection = await opened(mx, **more)
    assert isinstance(connection, Connection), connection
    return connection


async def send(connection: Connection, data: bytes = MAIL, *, rcpt: str = "b@x.test", utf8: bool = False) -> Attempt:
    return await connection.send("a@y.test", rcpt, data, utf8=utf8, eight_bit=False)


async def test_a_message_is_delivered_and_the_session_serves_the_next_one():
    async with scripted_mx([*EHLO, *ACCEPT, *ACCEPT, Expect("QUIT"), Say("221 bye")]) as mx:
        connection = await session(mx)
        first = await send(connection)
        second = await send(connection, b".dot\r\n..two\r\n.", rcpt="c@x.test")
        assert connection.usable
        await connection.quit()
    assert first.stage is Stage.END_OF_DATA
    assert first.reply is not None
    assert first.reply.text == "250 2.0.0 taken"
    assert first.sent_end_of_data
    assert (first.host, first.address, first.tls) == ("mx.test", "127.0.0.1", 0)
    assert second.reply is not None
    assert mx.messages == [MAIL, b"..dot\r\n...two\r\n..\r\n"]
    assert mx.heard[:4] == ["EHLO out.test", "MAIL FROM:<a@y.test>", "RCPT TO:<b@x.test>", "DATA"]
    assert mx.heard[-1] == "QUIT"
    assert connection.sent == 2


async def test_without_pipelining_each_command_awaits_its_answer():
    script = [
        *(Say("220 mx"), Expect("EHLO"), Say("250-mx", "250-SIZE 1000", "250 8BITMIME")),
        *(Expect("MAIL FROM:<a@y.test> SIZE=33"), Say("250 ok"), Expect("RCPT"), Say("250 ok"), Expect("DATA"), Say("354 go")),
        *(Message(), Say("250 taken")),
    ]
    async with scripted_mx(script) as mx:
        attempt = await send(await session(mx))
    assert attempt.stage is Stage.END_OF_DATA
    assert mx.messages == [MAIL]


async def test_a_refused_recipient_leaves_the_session_usable():
    refuse = (Expect("MAIL"), Expect("RCPT"), Expect("DATA"), Say("250 ok", "550 5.1.1 no such user", "354 go"))
    script = [*EHLO, *refuse, Message(), Say("554 no valid recipients"), Expect("MAIL"), *ACCEPT[1:]]
    async with scripted_mx(script) as mx:
        connection = await session(mx)
        refused = await send(connection)
        taken = await send(connection)
    assert (refused.stage, refused.reply and refused.reply.text) == (Stage.RCPT, "550 5.1.1 no such user")
    assert not refused.sent_end_of_data
    assert taken.stage is Stage.END_OF_DATA
    assert mx.messages == [b"", MAIL]


async def test_a_refused_transaction_is_reset_together_with_the_next_envelope():
    refuse = (Expect("MAIL"), Expect("RCPT"), Expect("DATA"), Say("250 ok", "450 later", "503 no recipients"))
    script = [*EHLO, *refuse, Expect("RSET"), *ACCEPT[:3], Say("250 reset"), *ACCEPT[3:]]
    async with scripted_mx(script) as mx:
        connection = await session(mx)
        assert (await send(connection)).stage is Stage.RCPT
        assert (await send(connection)).stage is Stage.END_OF_DATA
    assert mx.messages == [MAIL]


async def test_the_host_that_does_not_know_ehlo_gets_helo():
    script = [Say("220 old"), Expect("EHLO"), Say("502 what?"), Expect("HELO out.test"), Say("250 old"), Expect("MAIL")]
    async with scripted_mx(script) as mx:
        connection = await session(mx)
        assert not connection.offered.pipelining
        attempt = await send(connection)
    assert (attempt.stage, attempt.trouble) == (Stage.MAIL, Trouble.DROPPED)


@pytest.mark.parametrize(
    ("script", "stage", "reply"),
    [
        ([Say("421 4.7.0 too many connections"), Drop()], Stage.GREETING, "421 4.7.0 too many connections"),
        ([Say("554-no mail", "554 here"), Drop()], Stage.GREETING, "554 no mail here"),
        ([Say("220 mx"), Expect("EHLO"), Say("554 no")], Stage.EHLO, "554 no"),
        ([Say("220 mx"), Expect("EHLO"), Say("421 busy")], Stage.EHLO, "421 busy"),
        ([Say("220 mx"), Expect("EHLO"), Say("501 no"), Expect("HELO"), Say("550 no")], Stage.EHLO, "550 no"),
    ],
)
async def test_a_refusal_before_the_first_message_names_its_stage(script, stage, reply):
    async with scripted_mx(script) as mx:
        attempt = await opened(mx)
    assert isinstance(attempt, Attempt)
    assert (attempt.stage, attempt.reply and attempt.reply.text, attempt.trouble) == (stage, reply, None)


@pytest.mark.parametrize(
    ("script", "stage", "trouble"),
    [
        ([Stall()], Stage.GREETING, Trouble.TIMEOUT),
        ([Raw(b"22"), Stall()], Stage.GREETING, Trouble.TIMEOUT),
        ([Drop()], Stage.GREETING, Trouble.DROPPED),
        ([Reset()], Stage.GREETING, Trouble.DROPPED),
        ([Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")], Stage.GREETING, Trouble.NOT_SMTP),
        ([Raw(b"2" * 5000)], Stage.GREETING, Trouble.NOT_SMTP),
        ([Raw(b"220-and so on\r\n" * 200)], Stage.GREETING, Trouble.NOT_SMTP),
        ([Say("250 mx")], Stage.GREETING, Trouble.NOT_SMTP),
        ([Say("220 mx"), Expect("EHLO"), Stall()], Stage.EHLO, Trouble.TIMEOUT),
        ([Say("220 mx"), Expect("EHLO"), Drop()], Stage.EHLO, Trouble.DROPPED),
    ],
)
async def test_a_peer_that_does_not_come_up_is_named_by_its_trouble(script, stage, trouble):
    async with scripted_mx(script) as mx:
        attempt = await opened(mx, timeouts=HASTY)
    assert isinstance(attempt, Attempt)
    assert (attempt.stage, attempt.trouble) == (stage, trouble)


@pytest.mark.parametrize(
    ("steps", "stage", "trouble", "dot_sent"),
    [
        ([Expect("MAIL"), Stall()], Stage.MAIL, Trouble.TIMEOUT, False),
        ([*ACCEPT[:3], Say("250 ok"), Stall()], Stage.RCPT, Trouble.TIMEOUT, False),
        ([*ACCEPT[:3], Say("250 ok", "250 ok"), Drop()], Stage.DATA, Trouble.DROPPED, False),
        ([*ACCEPT[:3], Say("250 ok", "250 ok", "250 ok")], Stage.DATA, Trouble.NOT_SMTP, False),
        ([*ACCEPT[:3], Say("354 go")], Stage.MAIL, Trouble.NOT_SMTP, False),
        ([*ACCEPT[:5], Stall()], Stage.END_OF_DATA, Trouble.TIMEOUT, True),
        ([*ACCEPT[:5], Drop()], Stage.END_OF_DATA, Trouble.DROPPED, True),
        ([*ACCEPT[:5], Reset()], Stage.END_OF_DATA, Trouble.DROPPED, True),
        ([*ACCEPT[:5], Say("354 more?")], Stage.END_OF_DATA, Trouble.NOT_SMTP, True),
    ],
)
async def test_a_session_that_breaks_says_where(steps, stage, trouble, dot_sent):
    async with scripted_mx([*EHLO, *steps]) as mx:
        connection = await session(mx, timeouts=HASTY)
        attempt = await send(connection)
        assert not connection.usable
    assert (attempt.stage, attempt.trouble, attempt.sent_end_of_data) == (stage, trouble, dot_sent)


async def test_a_consent_that_comes_before_the_message_is_not_believed():
    script = [*EHLO, *ACCEPT[:3], Say("250 ok", "250 ok", "354 go", "250 taken"), Message()]
    async with scripted_mx(script) as mx:
        attempt = await send(await session(mx))
    assert (attempt.stage, attempt.trouble, attempt.reply) == (Stage.END_OF_DATA, Trouble.NOT_SMTP, None)


@pytest.mark.parametrize(
    ("answers", "stage"),
    [
        (["421 busy"], Stage.MAIL),
        (["250 ok", "421 busy"], Stage.RCPT),
        (["250 ok", "250 ok", "421 busy"], Stage.DATA),
    ],
)
async def test_421_ends_the_session_at_any_moment(answers, stage):
    async with scripted_mx([*EHLO, *ACCEPT[:3], Say(*answers), Stall(0.05)]) as mx:
        connection = await session(mx)
        attempt = await send(connection)
        assert not connection.usable
    assert (attempt.stage, attempt.reply and attempt.reply.code) == (stage, 421)


async def test_a_session_that_the_peer_closes_while_idle_is_not_usable():
    async with scripted_mx([*EHLO, *ACCEPT, Say("421 4.4.2 idle too long"), Drop()]) as mx:
        connection = await session(mx)
        await send(connection)
        await asyncio.sleep(0.05)
        assert not connection.usable
        attempt = await send(connection)
    assert (attempt.stage, attempt.trouble) == (Stage.MAIL, Trouble.DROPPED)
    assert "idle too long" in attempt.note


async def test_a_large_message_that_nobody_reads_ends_in_time():
    async with scripted_mx([*EHLO, *ACCEPT[:4], Stall()]) as mx:
        connection = await session(mx, timeouts=msgspec.structs.replace(HASTY, slowest_bytes_per_s=1e9))
        attempt = await send(connection, b"y" * 20_000_000)
    assert (attempt.stage, attempt.trouble) == (Stage.END_OF_DATA, Trouble.TIMEOUT)
    assert not attempt.sent_end_of_data


async def test_an_early_refusal_of_a_large_message_counts():
    async with scripted_mx([*EHLO, *ACCEPT[:4], Say("552 5.3.4 too big"), Stall(0.3)]) as mx:
        connection = await session(mx)
        attempt = await send(connection, b"y" * 20_000_000)
        assert not connection.usable
    assert (attempt.stage, attempt.reply and attempt.reply.code) == (Stage.END_OF_DATA, 552)


async def test_a_message_beyond_the_announced_size_is_not_sent():
    async with scripted_mx([Say("220 mx"), Expect("EHLO"), Say("250-mx", "250 SIZE 20")]) as mx:
        connection = await session(mx)
        attempt = await send(connection)
        assert connection.usable
    assert (attempt.stage, attempt.trouble) == (Stage.MAIL, Trouble.TOO_LARGE)


async def test_an_international_address_goes_only_to_hosts_that_offer_smtputf8():
    plain = [Say("220 mx"), Expect("EHLO"), Say("250 mx")]
    async with scripted_mx(plain) as mx:
        attempt = await send(await session(mx), rcpt="jürgen@x.test")
    assert attempt.trouble is Trouble.NEEDS_SMTPUTF8
    able = [*EHLO, Expect("MAIL FROM:<a@y.test> SMTPUTF8"), Expect("RCPT TO:<jürgen@x.test>"), *ACCEPT[2:]]
    async with scripted_mx(able) as mx:
        attempt = await send(await session(mx), rcpt="jürgen@x.test", utf8=True)
    assert attempt.stage is Stage.END_OF_DATA


async def test_an_address_cannot_smuggle_a_command():
    async with scripted_mx(EHLO) as mx:
        connection = await session(mx)
        with pytest.raises(Misuse):
            await send(connection, rcpt="b@x.test>\r\nRCPT TO:<c@x.test")
        assert connection.usable
    assert mx.heard == ["EHLO out.test"]


TLS_OFFER = (Say("220 mx"), Expect("EHLO"), Say("250-mx", "250-PIPELINING", "250 STARTTLS"), Expect("STARTTLS"))


async def test_starttls_is_used_where_it_is_offered():
    script = [*TLS_OFFER, Say("220 go"), Tls(), *EHLO[1:], *ACCEPT]
    async with scripted_mx(script) as mx:
        attempt = await send(await session(mx))
    assert attempt.tls == 1
    assert mx.encrypted == 1
    assert mx.messages == [MAIL]


async def test_what_was_said_before_tls_counts_for_nothing():
    script = [*TLS_OFFER, Say("220 go", "250-evil", "250 SIZE 1"), Tls(), *EHLO[1:], *ACCEPT]
    async with scripted_mx(script) as mx:
        connection = await session(mx)
        assert connection.offered.size == 0
        assert (await send(connection)).tls == 1


@pytest.mark.parametrize("steps", [[Say("220 go"), Tls(broken=True)], [Say("220 go"), Drop()], [Say("220 go"), Stall()]])
async def test_a_broken_handshake_is_followed_by_a_session_in_the_clear(steps):
    async with scripted_mx([*TLS_OFFER, *steps], [*EHLO, *ACCEPT]) as mx:
        attempt = await send(await session(mx, timeouts=HASTY))
    assert (attempt.stage, attempt.tls) == (Stage.END_OF_DATA, -1)
    assert mx.connections == 2


async def test_a_refused_starttls_is_followed_by_the_same_session_in_the_clear():
    async with scripted_mx([*TLS_OFFER, Say("454 4.7.0 not now"), *ACCEPT]) as mx:
        attempt = await send(await session(mx))
    assert (attempt.stage, attempt.tls, mx.connections) == (Stage.END_OF_DATA, -1, 1)


async def test_required_tls_sends_nothing_in_the_clear():
    async with scripted_mx([*EHLO, Expect("QUIT"), Say("221 bye")]) as mx:
        attempt = await opened(mx, tls=TlsPolicy.REQUIRED)
    assert isinstance(attempt, Attempt)
    assert (attempt.stage, attempt.trouble) == (Stage.STARTTLS, Trouble.TLS_FAILED)
    async with scripted_mx([*TLS_OFFER, Say("220 go"), Tls(broken=True)], [*EHLO, Expect("QUIT"), Say("221 bye")]) as mx:
        attempt = await opened(mx, tls=TlsPolicy.REQUIRED)
    assert isinstance(attempt, Attempt)
    assert attempt.trouble is Trouble.TLS_FAILED


async def test_a_session_leaves_from_the_address_it_was_told():
    async with scripted_mx([*EHLO]) as mx:
        (await session(mx, source_ip="127.0.0.77")).abort()
    assert mx.peers == ["127.0.0.77"]


async def test_a_source_address_that_is_not_ours_is_our_own_trouble():
    async with scripted_mx([]) as mx:
        attempt = await opened(mx, source_ip="192.0.2.1")
    assert isinstance(attempt, Attempt)
    assert (attempt.stage, attempt.trouble) == (Stage.CONNECT, Trouble.NO_CAPACITY)


async def test_a_closed_port_is_refused():
    async with scripted_mx([]) as mx:
        pass
    attempt = await opened(mx)
    assert isinstance(attempt, Attempt)
    assert (attempt.stage, attempt.trouble) == (Stage.CONNECT, Trouble.REFUSED)


async def test_replies_in_single_bytes_are_the_same_replies():
    script = [
        *(Raw(b"220 mx\r\n", size=1), Expect("EHLO"), Raw(b"250-mx\r\n250 PIPELINING\r\n", size=1), *ACCEPT[:3]),
        *(Raw(b"250 ok\r\n250 ok\r\n354 go\r\n", size=1), Message(), Raw(b"250-a\r\n250 b\r\n", size=1)),
    ]
    async with scripted_mx(script) as mx:
        attempt = await send(await session(mx))
    assert attempt.reply is not None
    assert attempt.reply.text == "250 a b"


async def test_a_cancelled_send_closes_the_session():
    async with scripted_mx([*EHLO, Expect("MAIL"), Stall()]) as mx:
        connection = await session(mx)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await send(connection)
        assert not connection.usable


async def test_quit_does_not_wait_for_a_peer_that_says_nothing():
    async with scripted_mx([*EHLO, Stall()]) as mx:
        connection = await session(mx)
        async with asyncio.timeout(1):
            await connection.quit()
        assert not connection.usable


async def test_many_messages_pass_through_one_session():
    async with scripted_mx([*EHLO, Loop(ACCEPT)]) as mx:
        connection = await session(mx)
        for _ in range(50):
            assert (await send(connection)).stage is Stage.END_OF_DATA
        connection.abort()
    assert len(mx.messages) == 50
