"""The simulated mailbox providers, spoken to over real sockets."""

import asyncio
import json
import smtplib
import ssl
import sys

import pytest

from homing.ground.config import HostPort
from homing.ground.errors import Misuse
from homing.simulator.providers import BIG, OLD, SINK, Provider
from homing.simulator.rules.behaviour import Behaviour, Tls
from homing.simulator.town import Town
from tests.kit.town import Talker, small_town, talking


def provider(wording=None, **traits) -> Provider:
    return Provider(
        name="Here",
        domains=("here.test",),
        addresses=("127.0.0.11",),
        behaviour=Behaviour(**traits),
        **({"wording": wording} if wording else {}),
    )


async def test_it_says_what_it_can_do():
    async with small_town(provider(tls=Tls.PROPER)) as town, talking(town, hello=False) as talker:
        assert (await talker.hear()).startswith("220 mx1.here.test ESMTP")
        words = [line[4:] for line in (await talker.say("EHLO client.test")).split("\n")]
    assert words[0] == "mx1.here.test"
    assert {"PIPELINING", "8BITMIME", "SMTPUTF8", "STARTTLS", "ENHANCEDSTATUSCODES", "SIZE 26214400"} == set(words[1:])


async def test_an_accepted_message_is_recorded_byte_for_byte_before_the_250():
    body = b"Message-ID: <1@x>\r\nX-Campaign: spring\r\n sale\r\n\r\n..leading dot\r\n"
    async with small_town(provider()) as town, talking(town) as talker:
        assert (await talker.send("s@y.test", "A@Here.test", body)).startswith("250 2.0.0")
        received = town.received[0]
    assert received.data == b"Message-ID: <1@x>\r\nX-Campaign: spring\r\n sale\r\n\r\n.leading dot\r\n"
    assert received.headers == {"message-id": "<1@x>", "x-campaign": "spring sale"}
    assert (received.sender, received.recipients, received.client) == ("s@y.test", ("A@Here.test",), "127.0.0.1")
    assert (town.counts()["Here"].messages, town.counts()["Here"].size_bytes) == (1, len(received.data))


async def test_an_empty_message_ends_at_its_first_dot():
    async with small_town(provider()) as town, talking(town) as talker:
        assert (await talker.send("s@y.test", "a@here.test", b"")).startswith("250")
        assert town.received[0].data == b""


async def test_a_whole_session_may_come_in_one_piece_or_byte_by_byte():
    session = (
        b"MAIL FROM:<> BODY=8BITMIME SIZE=100\r\nRCPT TO:<a@here.test>\r\nRCPT TO:<nobody@here.test>\r\nDATA\r\n"
        b"Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"
    )

    async def replies(pieces: list[bytes]) -> list[str]:
        async with small_town(provider()) as town, talking(town) as talker:
            for piece in pieces:
                talker.writer.write(piece)
                await talker.writer.drain()
                await asyncio.sleep(0)
            return [(await talker.hear())[:9] for _ in range(6)]

    whole = await replies([session])
    assert whole == ["250 2.1.0", "250 2.1.5", "550 5.1.1", "354 End d", "250 2.0.0", "221 2.0.0"]
    assert await replies([session[n : n + 1] for n in range(len(session))]) == whole


@pytest.mark.parametrize("body", [b"a\nb\r\n", b"a\rb\r\n", b"a\n.\r\nMAIL FROM:<evil@x>\r\n", b"a\r.\r\nb\r\n"])
async def test_a_bare_line_end_in_the_data_ends_the_session_and_nothing_is_accepted(body):
    async with small_town(provider()) as town, talking(town) as talker:
        assert (await talker.send("s@y.test", "a@here.test", body)).startswith("521 5.5.2")
        assert await talker.hear() == ""
        assert not town.received


async def test_a_bare_line_end_in_a_command_ends_the_session():
    async with small_town(provider()) as town, talking(town) as talker:
        assert (await talker.say(b"NOOP\nNOOP\r\n")).startswith("521")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["RCPT TO:<a@here.test>"], "503"),
        (["DATA"], "503"),
        (["MAIL FROM: <a@b>"], "501"),
        (["MAIL FROM:<a@b> FOO=1"], "555"),
        (["MAIL FROM:<a@b> SIZE=999999999"], "552"),
        (["MAIL FROM:<ü@b>"], "553"),
        (["MAIL FROM:<ü@b> SMTPUTF8"], "250"),
        (["MAIL FROM:<a@b>", "MAIL FROM:<a@b>"], "503"),
        (["MAIL FROM:<a@b>", "RCPT TO:<a@elsewhere.test>"], "554"),
        (["MAIL FROM:<a@b>", "RCPT TO:<nobody@here.test>", "DATA"], "554"),
        (["STARTTLS"], "502"),
        (["HELP ME"], "502"),
        (["RSET"], "250"),
    ],
)
async def test_the_protocol_is_enforced(lines, code):
    async with small_town(provider()) as town, talking(town) as talker:
        for line in lines:
            reply = await talker.say(line)
        assert reply.startswith(code)


async def test_a_message_beyond_the_limit_is_refused_and_the_session_goes_on():
    async with small_town(provider(), max_message_bytes=1000) as town, talking(town) as talker:
        assert (await talker.send("s@y.test", "a@here.test", b"x" * 5000 + b"\r\n")).startswith("552 5.3.4")
        assert (await talker.send("s@y.test", "a@here.test")).startswith("250")


async def test_starttls_secures_the_session_with_a_certificate_for_the_host():
    def speak(port: int) -> tuple[str, int]:
        with smtplib.SMTP("127.0.0.11", port, timeout=5) as client:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
            code, _ = client.ehlo()
            assert not client.has_extn("starttls")
            client.sendmail("s@y.test", ["a@here.test"], "Subject: hi\r\n\r\nhello\r\n")
            return client.sock.version(), code

    async with small_town(provider(tls=Tls.PROPER)) as town:
        version, code = await asyncio.to_thread(speak, town.port)
        assert (version[:5], code, town.received[0].tls, town.counts()["Here"].tls) == ("TLSv1", 250, True, 1)


async def test_commands_sent_in_the_clear_behind_starttls_are_refused():
    async with small_town(provider(tls=Tls.PROPER)) as town, talking(town) as talker:
        assert (await talker.say(b"STARTTLS\r\nMAIL FROM:<a@b>\r\n")).startswith("501 5.5.1")
        assert await talker.hear() == ""


async def test_a_broken_handshake_fails_and_plain_mail_is_still_taken():
    def shake(port: int) -> None:
        with smtplib.SMTP("127.0.0.11", port, timeout=5) as client:
            client.starttls()

    async with small_town(provider(tls=Tls.BROKEN)) as town:
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(shake, town.port)
        async with talking(town) as talker:
            assert (await talker.send("s@y.test", "a@here.test")).startswith("250")


async def test_greylisting_gives_way_after_its_time():
    async with small_town(provider(greylist_s=0.2)) as town, talking(town) as talker:
        assert (await talker.send("s@y.test", "a@here.test")).startswith("450 4.2.0")
        await talker.say("RSET")
        await asyncio.sleep(0.25)
        assert (await talker.send("s@y.test", "a@here.test")).startswith("250")


async def test_the_rate_limit_closes_the_connection_and_the_next_one_is_greeted_with_the_penalty():
    async with small_town(provider(BIG, rate_messages=1, penalty_s=30)) as town:
        async with talking(town) as talker:
            assert (await talker.send("s@y.test", "a@here.test")).startswith("250")
            assert "421 4.7.28" in await talker.send("s@y.test", "a@here.test")
            assert await talker.hear() == ""
        async with talking(town, hello=False) as talker:
            assert (await talker.hear()).startswith("421-4.7.28")


async def test_connections_and_messages_beyond_the_limits_hear_421():
    async with small_town(provider(OLD, max_connections=1, max_messages=1)) as town:
        async with talking(town) as first, talking(town, hello=False) as second:
            assert (await second.hear()).startswith("421 4.7.0")
            await first.send("s@y.test", "a@here.test")
            assert (await first.say("MAIL FROM:<s@y.test>")).startswith("421 Max message per connection")
        await asyncio.sleep(0.05)
        async with talking(town) as third:
            assert (await third.say("NOOP")).startswith("250")


async def test_the_connection_is_dropped_in_the_middle_of_the_data():
    async with small_town(provider(cut_share=1.0)) as town:
        async with talking(town) as talker:
            with pytest.raises((ConnectionError, AssertionError)):
                assert await talker.send("s@y.test", "a@here.test", b"x" * 70 + b"\r\n" * 200)
        async with talking(town) as talker:
            assert (await talker.send("s@y.test", "a@here.test")).startswith("250")
        assert (town.counts()["Here"].cut, len(town.received)) == (1, 1)


async def test_a_slow_provider_answers_in_order_after_its_delay():
    async with small_town(provider(delay_s=0.05)) as town, talking(town) as talker:
        began = asyncio.get_running_loop().time()
        assert (await talker.say(b"NOOP\r\nVRFY\r\n", replies=2)).startswith("252")
        assert asyncio.get_running_loop().time() - began >= 0.1


async def test_a_silent_client_is_sent_away():
    async with small_town(provider(), idle_s=0.1) as town, talking(town) as talker:
        assert (await talker.hear()).startswith("421 4.4.2")


async def test_a_sink_takes_mail_for_any_domain():
    async with small_town(SINK) as town, talking(town) as talker:
        assert (await talker.send("s@y.test", "a@anything.example")).startswith("250")


async def test_only_loopback_is_ever_bound():
    for address in ("0.0.0.0", "192.0.2.1", "::", "localhost"):
        with pytest.raises(Misuse):
            Town((Provider(name="Out", domains=("out.test",), addresses=(address,)),))
        with pytest.raises(Misuse):
            Town((SINK,), dns=HostPort(address, 0))


async def test_a_town_leaves_nothing_behind():
    async with small_town() as town:
        talker = await Talker.call("127.0.0.21", town.port)
        await talker.hear()
        port = town.port
    assert await talker.reader.read() == b""
    await talker.close()
    with pytest.raises(OSError):
        await Talker.call("127.0.0.21", port)
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


async def test_as_a_process_it_says_where_it_listens_and_keeps_a_journal(tmp_path):
    journal = tmp_path / "journal.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "homing.simulator", "--cast", "sink", "--journal", str(journal), "--until-eof"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    where = json.loads(await process.stdout.readline())
    talker = await Talker.call("127.0.0.11", where["port"])
    await talker.hear()
    await talker.say("EHLO client.test")
    await talker.send("s@y.test", "a@x.test", b"Message-ID: <7@x>\r\nX-Number: 7\r\n\r\nx\r\n")
    line = json.loads(journal.read_text())
    assert (line["recipients"], line["headers"]) == (["a@x.test"], {"message-id": "<7@x>", "x-number": "7"})
    await talker.close()
    process.stdin.close()
    assert json.loads(await process.stdout.readline())["Sink"]["messages"] == 1
    assert await process.wait() == 0
