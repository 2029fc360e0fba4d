"""The MX door on a socket: it faces the whole internet."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from homing.accounts import store as accounts
from homing.events import store
from homing.events.types import EventType
from homing.ground.errors import Overloaded, StoreUnavailable
from homing.ground.secrets import MasterKey
from homing.inbound import store as inbound_store
from homing.inbound.postmaster import forget_old, latest, one
from homing.inbound.relay_types import RelayWebhook
from homing.message import msfbl, unsubscribe, verp
from tests.kit.mx_door import TOKENS, OpenMx, open_mx

CORPUS = Path(__file__).parents[1] / "rules" / "data" / "inbound"
IDENT = bytes(range(10))
RETURN = verp.compose(IDENT, TOKENS.verp, "bounce.here.test")
BOUNCE = (CORPUS / "dsn-postfix-user-unknown.eml").read_bytes()
INSERT = """
    INSERT INTO events (day, shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient,
                        recipient_domain, campaign_id, detail)
    VALUES ($1::timestamptz::date, 3, $2, $1, $3, 7, 0, $4, $4, 'kim@there.test', 'there.test', 'spring', '{"subject": "Hi"}')
"""


async def happened(pool, kind: EventType, seq: int = 1) -> None:
    now = datetime.now(UTC)
    await store.ensure_partitions(pool, now.date(), 1)
    await pool.execute(INSERT, now, seq, int(kind), IDENT)


async def send(mx: OpenMx, recipient: str, body: bytes = BOUNCE, *, sender: str = "") -> str:
    line = await mx.connect()
    await line.say(b"EHLO mx.there.test\r\n")
    await line.say(f"MAIL FROM:<{sender}>\r\n".encode())
    answer = await line.say(f"RCPT TO:<{recipient}>\r\n".encode())
    if answer.startswith("250"):
        assert (await line.say(b"DATA\r\n")).startswith("354")
        answer = await line.say(body.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
    line.close()
    return answer


async def test_a_bounce_is_written_down_before_it_is_answered(pool, tmp_path):
    await happened(pool, EventType.DELIVERY)
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, RETURN)).startswith("250")
        (event, rows), *others = mx.recorded
        assert not others
        assert (event.type, event.account_id, event.message_id, event.recipient) == (
            EventType.OUT_OF_BAND, 7, IDENT, "kim@there.test",
        )  # fmt: skip
        assert msgspec.json.decode(event.detail)["subject"] == "Hi"
        assert [row.source for row in rows] == ["Bounce Rule"]


@pytest.mark.parametrize("trouble", [Overloaded("full"), StoreUnavailable("away")])
async def test_what_cannot_be_written_is_not_taken(pool, tmp_path, trouble):
    await happened(pool, EventType.DELIVERY)
    async with open_mx(pool, tmp_path) as mx:
        mx.trouble = trouble
        assert (await send(mx, RETURN)).startswith("45")
        mx.trouble = None
        assert (await send(mx, RETURN)).startswith("250")
        assert len(mx.recorded) == 1


async def test_the_same_report_again_is_taken_and_written_no_more(pool, tmp_path):
    await happened(pool, EventType.DELIVERY)
    await pool.execute(INSERT.replace('"subject": "Hi"', '"bounce_class": "10"'), datetime.now(UTC), 2, 6, IDENT)
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, RETURN)).startswith("250")
        assert mx.recorded == []
        assert mx.door.returns.counters["repeated"] == 1


async def test_a_report_about_a_message_that_the_log_has_no_more_is_taken(pool, tmp_path):
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, RETURN)).startswith("250")
        assert mx.recorded == []
        assert mx.door.returns.counters["unmatched"] == 1


async def test_a_complaint_is_matched_by_its_signed_field(pool, tmp_path):
    await happened(pool, EventType.DELIVERY)
    field = msfbl.compose(msfbl.Feedback(r="kim@there.test", message_id=IDENT.hex(), customer_id="7"), TOKENS.msfbl)
    report = (CORPUS / "arf-no-message-id-headers-only.eml").read_bytes()
    mine = report.replace(b"c2lnbmF0dXJl|eyJyIjoia2ltQHRoZXJlLnRlc3QifQ==", field.encode())
    assert mine != report
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, "fbl@bounce.here.test", report, sender="fbl@isp.test")).startswith("250")
        assert mx.recorded == []
        assert (await send(mx, "FBL@Bounce.Here.Test", mine, sender="fbl@isp.test")).startswith("250")
        assert [(event.type, rows[0].source) for event, rows in mx.recorded] == [(EventType.SPAM_COMPLAINT, "Spam Complaint")]


async def test_an_unsubscribe_mail_needs_no_words(pool, tmp_path):
    await happened(pool, EventType.DELIVERY)
    address = unsubscribe.compose(IDENT, TOKENS.unsubscribe, "bounce.here.test")
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, address, b"From: kim@there.test\r\n\r\n", sender="kim@there.test")).startswith("250")
        assert [(event.type, rows[0].source) for event, rows in mx.recorded] == [(EventType.LIST_UNSUBSCRIBE, "List Unsubscribe")]


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("kim@there.test", "550 5.7.1"),
        ("nobody@bounce.here.test", "550 5.1.1"),
        (f"{RETURN[:23]}{'0' * 16}@bounce.here.test", "550 5.1.1"),
        ("kim%there.test@bounce.here.test", "550 5.1.1"),
        ("fbl@there.test", "550 5.7.1"),
        ("kim@[127.0.0.1]", "501 5.1.3"),
    ],
)
async def test_mail_for_anybody_else_is_refused(pool, tmp_path, recipient, code):
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, recipient)).startswith(code)


async def test_nobody_can_authenticate(pool, tmp_path):
    async with open_mx(pool, tmp_path) as mx:
        line = await mx.connect()
        assert "AUTH" not in await line.say(b"EHLO c\r\n")
        assert (await line.say(b"AUTH PLAIN AGEAYg==\r\n")).startswith("502")
        line.close()


async def test_a_message_in_a_loop_is_refused(pool, tmp_path):
    looping = b"Received: from a by b\r\n" * 101 + BOUNCE
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, RETURN, looping)).startswith("554 5.4.6")


async def test_a_message_that_is_too_large_or_holds_a_bare_line_feed_is_refused(pool, tmp_path):
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, RETURN, BOUNCE + b"x" * 70 * 3000)).startswith("552")
        assert (await send(mx, RETURN, BOUNCE + b"a\nb")).startswith("550 5.6.0")
        smuggled = BOUNCE + b"\n.\r\nMAIL FROM:<>\r\nRCPT TO:<fbl@bounce.here.test>\r\nDATA\r\nx"
        assert (await send(mx, RETURN, smuggled)).startswith("550 5.6.0")


async def test_while_the_house_takes_nothing_it_says_so(pool, tmp_path):
    async with open_mx(pool, tmp_path) as mx:
        mx.why_not = "the disk is full"
        line = await mx.connect()
        await line.say(b"EHLO c\r\n")
        assert (await line.say(b"MAIL FROM:<>\r\n")).startswith("452")
        line.close()


async def test_two_copies_at_once_and_a_mail_to_many(pool, tmp_path):
    await happened(pool, EventType.DELIVERY)
    async with open_mx(pool, tmp_path) as mx:
        answers = await asyncio.gather(*(send(mx, RETURN) for _ in range(10)))
        assert {answer[:3] for answer in answers} == {"250"}
        line = await mx.connect()
        await line.say(b"EHLO c\r\n")
        await line.say(b"MAIL FROM:<>\r\n")
        for number in range(101):
            answer = await line.say(f"RCPT TO:<b-{IDENT.hex()}-{TOKENS.verp(IDENT).hex()}@d{number}.test>\r\n".encode())
            assert answer.startswith("250" if number < 100 else "452")
        line.close()


async def test_mail_for_the_postmaster_is_kept_for_a_while(pool, tmp_path):
    async with open_mx(pool, tmp_path) as mx:
        letter = b"From: a@there.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nPlease call.\r\n"
        assert (await send(mx, "Postmaster@mail.here.test", letter, sender="a@there.test")).startswith("250")
        (found,) = await latest(pool)
        assert (found.mail_from, found.rcpt_to, found.subject) == ("a@there.test", "Postmaster@mail.here.test", "grüße")
        assert (await one(pool, found.mail_id)).startswith(b"From: a@there.test")
        assert await one(pool, found.mail_id + 1) is None
        await forget_old(pool, now=datetime.now(UTC))
        assert len(await latest(pool)) == 1
        await pool.execute("UPDATE postmaster_mail SET received_at = now() - interval '31 days'")
        await forget_old(pool, now=datetime.now(UTC))
        assert await latest(pool) == []


# inbound domains --------------------------------------------------------------------------------------------------------


async def inbound(pool, domain: str = "in.acme.test", *, webhook: bool = True) -> int:
    account = await accounts.get_or_create_account(pool, "acme")
    await inbound_store.add_domain(pool, domain=domain, account_id=account.account_id, subaccount_id=3)
    if webhook:
        hook = RelayWebhook(
            webhook_id=0, account_id=account.account_id, subaccount_id=3, name="", target="https://a.test/", domain=domain
        )
        await inbound_store.RelayWebhooks(pool, MasterKey(b"k" * 32)).add(hook)
    return account.account_id


async def test_mail_for_an_inbound_domain_is_kept_before_it_is_answered(pool, tmp_path):
    account_id = await inbound(pool)
    async with open_mx(pool, tmp_path) as mx:
        body = b"From: kim@there.test\r\nReturn-Path: <x@y>\r\n\r\nhello\r\n"
        answer = await send(mx, "Help@In.Acme.Test", body, sender="kim@there.test")
        assert answer.startswith("250")
        (row,) = await pool.fetch("SELECT * FROM relay_mail")
        assert (row["account_id"], row["subaccount_id"], row["rcpt_to"], row["mail_from"]) == (
            account_id, 3, "Help@In.Acme.Test", "kim@there.test",
        )  # fmt: skip
        assert row["raw"].startswith(b"Return-Path: <kim@there.test>\r\nReceived: from mx.there.test ([127.0.0.1])\r\n")
        assert row["raw"].count(b"Return-Path") == 1
        ((event, _),) = mx.recorded
        assert (event.type, event.message_id, event.recipient) == (EventType.RELAY_INJECTION, row["mail_id"], "help@in.acme.test")


async def test_what_cannot_be_kept_is_not_taken(pool, tmp_path):
    await inbound(pool)
    async with open_mx(pool, tmp_path) as mx:
        mx.trouble = Overloaded("full")
        assert (await send(mx, "help@in.acme.test")).startswith("452")
        assert await pool.fetchval("SELECT count(*) FROM relay_mail") == 0


async def test_a_domain_without_a_webhook_takes_nothing_yet(pool, tmp_path):
    await inbound(pool, webhook=False)
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, "help@in.acme.test")).startswith("450 4.2.1")
        assert (await send(mx, "help@sub.in.acme.test")).startswith("550 5.7.1")


async def test_a_loop_or_an_endless_header_is_refused_and_told(pool, tmp_path):
    await inbound(pool)
    async with open_mx(pool, tmp_path) as mx:
        assert (await send(mx, "help@in.acme.test", b"Received: from a by b\r\n" * 101 + b"\r\nx\r\n")).startswith("554 5.4.6")
        ((event, _),) = mx.recorded
        assert event.type is EventType.RELAY_REJECTION
        assert await pool.fetchval("SELECT count(*) FROM relay_mail") == 0


async def test_one_mail_may_be_for_a_return_path_and_two_inbound_addresses(pool, tmp_path):
    await happened(pool, EventType.DELIVERY)
    await inbound(pool)
    async with open_mx(pool, tmp_path) as mx:
        line = await mx.connect()
        await line.say(b"EHLO c\r\n")
        await line.say(b"MAIL FROM:<>\r\n")
        for recipient in (RETURN, "a@in.acme.test", "b@in.acme.test"):
            assert (await line.say(f"RCPT TO:<{recipient}>\r\n".encode())).startswith("250")
        await line.say(b"DATA\r\n")
        assert (await line.say(BOUNCE + b"\r\n.\r\n")).startswith("250")
        line.close()
        assert await pool.fetchval("SELECT count(*) FROM relay_mail") == 2
        kinds = [event.type for event, _ in mx.recorded]
        assert sorted(kinds) == [EventType.OUT_OF_BAND, EventType.RELAY_INJECTION, EventType.RELAY_INJECTION]
