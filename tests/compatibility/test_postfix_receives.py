"""Postfix as somebody else's mail server: found by MX, spoken to over STARTTLS, believed when it says no or later."""

import asyncio
import base64
import smtplib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

import pytest

from homing.ground.config import HostPort
from tests.compatibility.inbox import parsed
from tests.compatibility.postfix import CHARACTERS, Postfix, why_not
from tests.compatibility.signatures import Records, assert_signed, published
from tests.kit.dns import dns_server
from tests.kit.house import DOMAIN, House
from tests.kit.postgres import TestServer

NEWS = f"news@{DOMAIN}"
PDF = bytes(range(256)) * 4_000

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    with Postfix() as made:
        yield made


@pytest.fixture(scope="module")
def house(postgres_server: TestServer, postfix: Postfix) -> Iterator[House]:
    """A house whose DNS knows Postfix's domains."""
    records = {f"{domain} MX": [f"10 mx.{domain}."] for domain in CHARACTERS}
    records |= {f"mx.{domain} A": [address] for domain, (address, _) in CHARACTERS.items()}
    with (
        names(records) as dns,
        postgres_server.fresh() as dsn,
        House(database=dsn, dns=dns, delivery_port=postfix.port) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def records(house: House) -> Records:
    return published(house)


@contextmanager
def names(records: dict[str, list[str]]) -> Iterator[HostPort]:
    """Run the kit's DNS server in a thread; give its address."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    up = threading.Event()
    found: list[HostPort] = []

    async def serve() -> None:
        async with dns_server(dict(records)) as server:
            found.append(server.address)
            up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="names", daemon=True)
    thread.start()
    assert up.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def hand_in(house: House, to: str, raw: bytes, *, sender: str = NEWS, options: tuple[str, ...] = ()) -> None:
    with house.smtp() as client:
        assert client.sendmail(sender, [to], raw, mail_options=options) == {}


def written(to: str, body: str, **fields: str) -> bytes:
    head = {"From": f"Acme <{NEWS}>", "To": to, "Subject": "Hello", "MIME-Version": "1.0"} | fields
    return ("".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items()) + f"\r\n{body}").encode()


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("plain", written("plain@post.test", "It works.\r\n")),
        ("dots", written("dots@post.test", ".\r\n..\r\n.dots\r\n\r\n.\r\nFrom here\r\n>From there\r\n\r\n\r\n")),
        ("folded", written("folded@post.test", "x\r\n", X_Long="word\r\n  word\r\n\tword", Subject="=?utf-8?q?=C3=BC?=")),
        ("empty", written("empty@post.test", "")),
        ("blanks", written("blanks@post.test", " leading\r\ntrailing \t \r\ntab\tin  between\r\n")),
        ("long", written("long@post.test", "0123456789" * 99 + "\r\n" + "word " * 190 + "\r\n")),
        (
            "bits",
            written(
                "bits@post.test",
                "Grüße 你好 🎉\r\n",
                Content_Type="text/plain; charset=utf-8",
                Content_Transfer_Encoding="8bit",
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_message_arrives_octet_for_octet_and_signed(house, postfix, records, name, raw):
    recipient = f"{name}@post.test"
    hand_in(house, recipient, raw, options=() if raw.isascii() else ("BODY=8BITMIME",))
    kept = postfix.wait_for(recipient)
    assert kept.data.endswith(raw)
    assert_signed(kept.data, records)
    assert (kept.sender[:2], kept.sender.rpartition("@")[2]) == ("b-", "mail.acme.test")


def test_the_conversation_is_encrypted(house, postfix):
    house.post(["tess@post.test"])
    kept = postfix.wait_for("tess@post.test")
    assert "(using TLSv1.3 with cipher" in kept.trace
    assert "with ESMTPS id" in kept.trace
    delivery = house.wait_for("tess@post.test", "delivery")
    assert delivery["outbound_tls"] == 1
    assert "queued as" in delivery["reply"]


def test_a_message_with_everything_arrives_as_it_was_asked_for(house, postfix, records):
    house.post(
        ["eve@post.test"],
        content={
            "from": {"email": NEWS, "name": "Ærø & Søn"},
            "subject": "Grüße 你好 " * 20,
            "text": "Grüße,\n.\nFrom us\n" + "lang " * 400 + "\n",
            "html": "<p>Grüße</p>" + "x" * 3_000,
            "attachments": [{"name": "übersicht.pdf", "type": "application/pdf", "data": base64.b64encode(PDF).decode()}],
        },
    )
    kept = postfix.wait_for("eve@post.test")
    assert_signed(kept.data, records)
    message = parsed(kept.data)
    assert message["Subject"].strip() == ("Grüße 你好 " * 20).strip()
    assert message["From"].addresses[0].display_name == "Ærø & Søn"
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "übersicht.pdf"
    assert attachment.get_payload(decode=True) == PDF
    text = message.get_body(preferencelist=("plain",))
    assert isinstance(text, EmailMessage)
    assert text.get_content().replace("\r\n", "\n") == "Grüße,\n.\nFrom us\n" + "lang " * 400 + "\n"


def test_an_unknown_user_bounces_and_is_not_written_to_again(house, postfix):
    house.post(["nobody1@post.test"])
    bounce = house.wait_for("nobody1@post.test", "bounce")
    assert (bounce["bounce_class"], bounce["error_code"]) == ("10", "550")
    assert "User unknown in virtual mailbox table" in bounce["raw_reason"]

    house.post(["nobody1@post.test"])
    house.wait_until(lambda: house.kinds("nobody1@post.test").count("bounce") == 2, 10, "the second has bounced")
    assert house.events("nobody1@post.test")[-1]["bounce_class"] == "25"
    assert postfix.log.count("NOQUEUE: reject: RCPT from") - postfix.log.count("Greylisted") == 1


def test_greylisted_mail_comes_again(house, postfix, records):
    house.post(["gil@grey.test"])
    kept = postfix.wait_for("gil@grey.test")
    assert_signed(kept.data, records)
    delivery = house.wait_for("gil@grey.test", "delivery")
    assert house.kinds("gil@grey.test") == ["injection", "delay", "delivery"]
    delay = house.events("gil@grey.test")[1]
    assert delay["raw_reason"].startswith("450 4.2.0 ")
    assert "Greylisted" in delay["raw_reason"]
    assert delivery["num_retries"] == "1"
    assert postfix.greylist.seen["gil@grey.test"] == 2
    assert len(postfix.kept("gil@grey.test")) == 1


@pytest.mark.parametrize("domain", ["small.test", "secretive.test"], ids=["announced", "found out"])
def test_what_is_too_large_for_the_host_bounces_and_suppresses_nobody(house, postfix, domain):
    house.post([f"big@{domain}"], content={"text": "0123456789" * 3_000})
    bounce = house.wait_for(f"big@{domain}", "bounce")
    assert bounce["bounce_class"] == "23"
    assert bounce["error_code"] == "552"
    house.post([f"big@{domain}"])
    kept = postfix.wait_for(f"big@{domain}")
    assert len(kept.data) < 20_000


def test_a_limit_of_connections_costs_no_message(house, postfix):
    everybody = [f"n{number}@narrow.test" for number in range(80)]
    house.post(everybody)
    house.wait_until(lambda: house.waiting() == 0, 30, "everything has been delivered")
    for one in (everybody[0], everybody[-1]):
        house.wait_for(one, "delivery")
    kept = Counter(one.recipient for one in postfix.kept() if one.recipient.endswith("@narrow.test"))
    assert kept == Counter(everybody)
    assert not [one for one in everybody if "bounce" in house.kinds(one)]
    assert "Connection concurrency limit exceeded" in postfix.log
    delayed = [one for one in everybody if "delay" in house.kinds(one)]
    assert len(delayed) <= 8  # only a refusal of the one connection that a worker has left is a message's


def test_internationalised_addresses_are_delivered(house, postfix, records):
    raw = "From: Acme <news@acme.test>\r\nTo: jürgen@post.test\r\nSubject: Grüße\r\n\r\nHallo.\r\n".encode()
    hand_in(house, "jürgen@post.test", raw, options=("SMTPUTF8", "BODY=8BITMIME"))
    kept = postfix.wait_for("jürgen@post.test")
    assert_signed(kept.data, records)
    assert "To: jürgen@post.test\r\n".encode() in kept.data
    assert kept.data.endswith(b"\r\n\r\nHallo.\r\n")
    assert house.wait_for("jürgen@post.test", "delivery")["outbound_tls"] == 1


def test_mail_from_the_null_sender_leaves_with_an_address_that_bounces_come_back_to(house, postfix, records):
    raw = written("null@post.test", "It works.\r\n")
    hand_in(house, "null@post.test", raw, sender="")
    kept = postfix.wait_for("null@post.test")
    assert_signed(kept.data, records)
    assert kept.sender.startswith("b-")
    assert kept.sender.endswith("@mail.acme.test")


def test_postfix_finds_no_fault_with_how_we_speak(house, postfix):
    with smtplib.SMTP("127.0.0.121", postfix.port) as other:  # that it would complain at all
        other.docmd("NONSENSE")
    house.mail("last@post.test")
    postfix.wait_for("last@post.test")
    for complaint in ("improper command pipelining", "lost connection after DATA", "protocol error", "SSL_accept error"):
        assert complaint not in postfix.log
