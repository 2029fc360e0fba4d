"""Feedback long after the send: the day of the message was dropped from the log, and the recipient's wish counts all the same."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from homing.events import store
from homing.events.rules.erasure import is_erased, marker
from homing.events.rules.wire import shown
from homing.events.types import Event, EventType, Logged
from homing.ground import db, ids
from homing.message import keepsake, msfbl, unsubscribe, verp
from homing.message.keepsake import Keepsake
from homing.message.tracked import Kind
from homing.recipients import store as recipients
from homing.recipients.types import SuppressionRow
from tests.kit.mx_door import TOKENS, OpenMx, open_mx
from tests.kit.mx_door import token as token_of
from tests.wire.test_mx_door import send
from tests.wire.test_tracking_site import SEAL, URL, town

CORPUS = Path(__file__).parents[1] / "rules" / "data" / "inbound"
NOW = datetime.now(UTC)
TRANSMISSION = ids.compose(1, 2, 3)
INSERT = """
    INSERT INTO events (day, shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient,
                        recipient_domain, campaign_id, detail)
    VALUES ($1::timestamptz::date, 3, 1, $1, $2, 7, 12, $3, $4, 'kim@there.test', 'there.test', 'spring', '{"subject": "Hi"}')
"""


def sent(days: int, *, number: int = 1) -> bytes:
    return ids.compose(int((NOW - timedelta(days=days)).timestamp() * 1000), 3, number)


def kept(**changes: Any) -> Keepsake:
    known = {
        "account_id": 7, "recipient": "Kim@there.test", "subaccount_id": 12, "transactional": False, "campaign_id": "spring",
        "transmission_id": TRANSMISSION,
    }  # fmt: skip
    return Keepsake(**{**known, **changes})


def packed(**changes: Any) -> bytes:
    return keepsake.pack(kept(**changes))


def fields(event: Event) -> dict[str, Any]:
    known = {name: getattr(event, name) for name in event.__struct_fields__}
    return shown(Logged(shard=3, seq=9, **known))


def who(row: SuppressionRow) -> tuple[int, int, str, str]:
    return row.account_id, row.subaccount_id, recipients.canonical(row.recipient), row.type


async def log_forgets(pool: db.Pool, message_id: bytes) -> None:
    """Write a delivery on the day of the message, and drop the days that the log does not keep."""
    at = ids.moment_of(message_id)
    await store.ensure_partitions(pool, at.date(), 1)
    await pool.execute(INSERT, at, int(EventType.DELIVERY), message_id, TRANSMISSION)
    await store.ensure_partitions(pool, NOW.date(), 1)
    dropped = await store.drop_partitions(pool, NOW.date() - timedelta(days=10))
    assert at.date() in dropped
    assert await store.of_message(pool, message_id) == []


# the site ---------------------------------------------------------------------------------------------------------------


async def test_after_twenty_days_what_a_reader_does_is_told_with_what_is_still_known(pool):
    ident = sent(20)
    await log_forgets(pool, ident)
    async with town(pool) as place:
        assert (await place.get(SEAL.pixel(7, ident, kind=Kind.OPEN, packed=packed(transactional=True)))).status_code == 200
        clicked = await place.get(SEAL.link(7, ident, URL, name="Offer", packed=packed(transactional=True)))
        assert (clicked.status_code, clicked.headers["location"]) == (302, "https://shop.acme.test/a?q=1&r=%C3%BC")
        await place.desk.flush()
        opened, click = place.events
    assert (opened.type, click.type) == (EventType.OPEN, EventType.CLICK)
    told = fields(click)
    assert (told["rcpt_to"], told["raw_rcpt_to"], told["recipient_domain"]) == ("kim@there.test", "Kim@there.test", "there.test")
    assert (told["customer_id"], told["subaccount_id"], told["message_id"]) == (7, 12, ident.hex())
    assert (told["campaign_id"], told["transmission_id"]) == ("spring", ids.to_digits(TRANSMISSION))
    assert (told["target_link_url"], told["target_link_name"], told["ip_address"]) == (URL, "Offer", "127.0.0.1")
    assert (told["transactional"], fields(opened)["transactional"]) == ("1", "1")
    # Not known any more, so not said: whether there was a template, what it was about.
    assert not {"template_id", "template_version", "subject", "sending_domain", "recalled"} & set(told)


async def test_after_sixty_days_events_lose_what_the_reference_says(pool):
    ident = sent(70)
    await log_forgets(pool, ident)
    async with town(pool) as place:
        await place.get(SEAL.link(7, ident, URL, packed=packed()))
        await place.desk.flush()
        told = fields(place.events[0])
    assert (told["message_id"], told["rcpt_to"], told["target_link_url"]) == (ident.hex(), "kim@there.test", URL)
    assert not {
        "campaign_id", "subject", "ip_pool", "sending_ip", "routing_domain", "sending_domain", "template_id", "template_version",
        "transmission_id",
    } & set(told)  # fmt: skip


@pytest.mark.parametrize(("transactional", "kind"), [(False, "non_transactional"), (True, "transactional")])
async def test_one_click_after_thirty_days_unsubscribes(pool, transactional, kind):
    ident = sent(30)
    await log_forgets(pool, ident)
    async with town(pool) as place:
        path = SEAL.unsubscribe(7, ident, packed=packed(transactional=transactional))
        answer = await place.get(path, method="POST", data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, "You are unsubscribed" in answer.text) == (200, True)
        (row,) = place.rows
        (event,) = place.events
    assert who(row) == (7, 12, "kim@there.test", kind)
    assert (row.source, row.provenance) == ("List Unsubscribe", f"list_unsubscribe:{ident.hex()}")
    assert (event.type, event.campaign_id) == (EventType.LIST_UNSUBSCRIBE, "spring")


async def test_who_leaves_a_list_after_thirty_days_leaves_that_list_alone(pool):
    ident = sent(30)
    await log_forgets(pool, ident)
    async with town(pool) as place:
        path = SEAL.unsubscribe(7, ident, packed=packed(list_id="News.acme.test"))
        await place.get(path, method="POST", data={"List-Unsubscribe": "One-Click"})
        (row,) = place.rows
    assert (who(row), row.list_id) == ((7, 12, "kim@there.test", "non_transactional"), "news.acme.test")


async def test_an_unsubscribe_link_after_a_year_unsubscribes_and_leads_on(pool):
    ident = sent(365)
    await log_forgets(pool, ident)
    async with town(pool) as place:
        answer = await place.get(SEAL.link(7, ident, URL, kind=Kind.UNSUBSCRIBE_LINK, packed=packed()))
        assert (answer.status_code, answer.headers["location"][:22]) == (302, "https://shop.acme.test")
        (row,) = place.rows
        (event,) = place.events
    assert (*who(row), row.source) == (7, 12, "kim@there.test", "non_transactional", "Unsubscribe Link")
    assert (event.type, event.campaign_id, event.transmission_id) == (EventType.LINK_UNSUBSCRIBE, "", None)


async def test_what_the_log_still_knows_wins_over_what_the_address_carries(pool):
    ident = sent(3)
    await store.ensure_partitions(pool, NOW.date() - timedelta(days=3), 4)
    await pool.execute(INSERT, ids.moment_of(ident), int(EventType.DELIVERY), ident, TRANSMISSION)
    async with town(pool) as place:
        await place.get(SEAL.pixel(7, ident, kind=Kind.OPEN, packed=packed(campaign_id="other")))
        await place.desk.flush()
        assert (fields(place.events[0])["campaign_id"], fields(place.events[0])["subject"]) == ("spring", "Hi")


async def test_a_keepsake_of_another_account_says_nothing(pool):
    ident = sent(20)
    async with town(pool) as place:
        answer = await place.get(SEAL.unsubscribe(8, ident, packed=packed()), method="POST")
        assert answer.status_code == 410
        assert (place.rows, place.events) == ([], [])


async def test_an_old_address_without_a_keepsake_still_leads_where_it_led(pool):
    ident = sent(20)
    await log_forgets(pool, ident)
    async with town(pool) as place:
        assert (await place.get(SEAL.link(7, ident, URL))).status_code == 302
        assert (await place.get(SEAL.unsubscribe(7, ident), method="POST")).status_code == 410
        await place.desk.flush()
        assert (place.rows, place.events) == ([], [])


# the MX door ------------------------------------------------------------------------------------------------------------


def complaint(field: str = "", *, unsubscribe_field: str = "") -> bytes:
    report = (CORPUS / "arf-no-message-id-headers-only.eml").read_bytes()
    lines = (f"X-MSFBL: {field}" if field else "", f"List-Unsubscribe: {unsubscribe_field}" if unsubscribe_field else "")
    ours = "\r\n".join(line for line in lines if line).encode()
    return report.replace(b"X-MSFBL: c2lnbmF0dXJl|eyJyIjoia2ltQHRoZXJlLnRlc3QifQ==", ours)


def feedback(ident: bytes, *, k: str = "") -> str:
    known = msfbl.Feedback(r="Kim@there.test", message_id=ident.hex(), customer_id="7", subaccount_id="12", k=k)
    return msfbl.compose(known, TOKENS.msfbl)


def word(ident: bytes, **changes: Any) -> str:
    return TOKENS.keepsakes.word(ident, packed(**changes))


async def complain(mx: OpenMx, report: bytes) -> tuple[Event, list[SuppressionRow]] | None:
    before = len(mx.recorded)
    assert (await send(mx, "fbl@bounce.here.test", report, sender="fbl@isp.test")).startswith("250")
    return mx.recorded[-1] if len(mx.recorded) > before else None


async def test_a_complaint_after_twenty_days_suppresses(pool, tmp_path):
    ident = sent(20)
    await log_forgets(pool, ident)
    folded = f"<mailto:u-x@bounce.here.test?subject=unsubscribe:{word(ident, transactional=True)}>,\r\n <https://click.test/u/x>"
    async with open_mx(pool, tmp_path) as mx:
        by_field = await complain(mx, complaint(feedback(ident, k=word(ident, transactional=True))))
        by_list_field = await complain(mx, complaint(unsubscribe_field=folded))
    for found in (by_field, by_list_field):
        assert found is not None
        event, (row,) = found
        assert (*who(row), row.source) == (7, 12, "kim@there.test", "transactional", "Spam Complaint")
        assert row.provenance == f"spam_complaint:{ident.hex()}"
        assert (event.type, event.campaign_id, event.message_id) == (EventType.SPAM_COMPLAINT, "spring", ident)
        assert fields(event)["fbtype"] == "abuse"


async def test_a_complaint_by_a_field_of_the_release_before_suppresses_too(pool, tmp_path):
    ident = sent(70)
    async with open_mx(pool, tmp_path) as mx:
        found = await complain(mx, complaint(feedback(ident)))
    assert found is not None
    event, (row,) = found
    assert (*who(row), row.source) == (7, 12, "kim@there.test", "non_transactional", "Spam Complaint")
    assert event.transmission_id is None


async def test_a_complaint_with_something_forged_is_none(pool, tmp_path):
    ident, other = sent(20), sent(20, number=2)
    theirs = msfbl.compose(
        msfbl.Feedback(r="kim@there.test", message_id=ident.hex(), customer_id="7", k=word(ident)), lambda body: b"m" * 16
    )
    async with open_mx(pool, tmp_path) as mx:
        for report in (
            complaint(theirs),
            complaint(unsubscribe_field=f"<mailto:u-x@here.test?subject=unsubscribe:{word(ident).replace('k-0', 'k-1')}>"),
            complaint(unsubscribe_field=f"<mailto:u@x?subject=unsubscribe:{word(ident).replace(ident.hex(), other.hex())}>"),
        ):
            assert await complain(mx, report) is None
        assert mx.door.returns.counters["unmatched"] == 3


@pytest.mark.parametrize("keeps_the_address", [True, False])
async def test_an_unsubscribe_mail_after_thirty_days_unsubscribes(pool, tmp_path, keeps_the_address):
    ident = sent(30)
    await log_forgets(pool, ident)
    own = unsubscribe.compose(ident, TOKENS.unsubscribe, "bounce.here.test")
    subject = f"unsubscribe:{word(ident, recipient='k' * 60 + '@' + 'd' * 60 + '.there.test')}"
    assert len(subject) > 200
    async with open_mx(pool, tmp_path) as mx:
        raw = f"From: kim@there.test\r\nSubject: {subject}\r\n\r\n".encode()
        to = own if keeps_the_address else "unsubscribe@bounce.here.test"
        assert (await send(mx, to, raw, sender="kim@there.test")).startswith("250")
        ((event, (row,)),) = mx.recorded
    assert who(row) == (7, 12, "k" * 60 + "@" + "d" * 60 + ".there.test", "non_transactional")
    assert (row.source, row.provenance) == ("List Unsubscribe", f"list_unsubscribe:{ident.hex()}")
    assert (event.type, event.campaign_id) == (EventType.LIST_UNSUBSCRIBE, "spring")


async def test_an_address_and_a_subject_of_two_messages_unsubscribe_nobody(pool, tmp_path):
    mine, theirs = sent(30), sent(30, number=2)
    async with open_mx(pool, tmp_path) as mx:
        raw = f"From: kim@there.test\r\nSubject: unsubscribe:{word(theirs)}\r\n\r\n".encode()
        address = unsubscribe.compose(mine, TOKENS.unsubscribe, "bounce.here.test")
        assert (await send(mx, address, raw, sender="kim@there.test")).startswith("250")
        assert mx.recorded == []


async def test_a_bounce_after_twenty_days_counts_where_it_returns_our_field(pool, tmp_path):
    ident, other = sent(20), sent(20, number=2)
    await log_forgets(pool, ident)
    bounce = (CORPUS / "dsn-postfix-user-unknown.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    begin = b"Content-Type: text/rfc822-headers\r\n\r\n" if b"text/rfc822-headers" in bounce else b"message/rfc822\r\n\r\n"
    assert begin in bounce
    path = verp.compose(ident, TOKENS.verp, "bounce.here.test")
    async with open_mx(pool, tmp_path) as mx:
        for field in ("", f"X-MSFBL: {feedback(other, k=word(other))}\r\n"):
            assert (await send(mx, path, bounce.replace(begin, begin + field.encode()))).startswith("250")
        assert mx.recorded == []
        ours = f"X-MSFBL: {feedback(ident, k=word(ident))}\r\n".encode()
        assert (await send(mx, path, bounce.replace(begin, begin + ours))).startswith("250")
        ((event, (row,)),) = mx.recorded
    assert (event.type, row.source) == (EventType.OUT_OF_BAND, "Bounce Rule")
    assert who(row) == (7, 12, "kim@there.test", "non_transactional")


async def test_the_same_report_again_is_one_event(pool, tmp_path):
    ident = sent(20)
    await store.ensure_partitions(pool, NOW.date(), 1)
    await pool.execute(INSERT, NOW, int(EventType.SPAM_COMPLAINT), ident, TRANSMISSION)
    async with open_mx(pool, tmp_path) as mx:
        assert await complain(mx, complaint(feedback(ident, k=word(ident)))) is None
        assert mx.door.returns.counters["repeated"] == 1


# who was forgotten ------------------------------------------------------------------------------------------------------


async def forgotten(pool: db.Pool, at: datetime, *, account_id: int = 7, subaccount_id: int | None = None) -> None:
    await pool.execute(
        "INSERT INTO accounts (account_id, name) OVERRIDING SYSTEM VALUE VALUES ($1, 'a' || $1::integer) ON CONFLICT DO NOTHING",
        account_id,
    )
    async with pool.acquire() as connection, connection.transaction():
        await recipients.forget_person(
            connection,
            account_id,
            subaccount_id,
            ["kim@there.test"],
            markers=[marker(account_id, "kim@there.test", token_of(b"e", 16))],
            provenance="privacy:1",
            now=at,
        )


async def test_who_was_forgotten_stays_forgotten_though_his_mail_names_him(pool, tmp_path):
    ident = sent(30)
    await log_forgets(pool, ident)
    await forgotten(pool, NOW - timedelta(days=20))
    async with town(pool) as place, open_mx(pool, tmp_path) as mx:
        assert (await place.get(SEAL.unsubscribe(7, ident, packed=packed()), method="POST")).status_code == 410
        await place.get(SEAL.link(7, ident, URL, packed=packed()))
        await place.desk.flush()
        assert place.rows == []
        (event,) = place.events
        found = await complain(mx, complaint(feedback(ident, k=word(ident))))
    assert found is not None
    assert found[1] == []
    for told in (event, found[0]):
        assert is_erased(told.recipient)
        assert b"kim" not in msgspec.json.encode(told).lower()


@pytest.mark.parametrize(
    ("days_ago", "account_id", "subaccount_id", "still_known"),
    [(40, 7, None, True), (20, 8, None, True), (20, 7, 13, True), (20, 7, 12, False)],
)
async def test_only_that_customers_mail_of_before_is_forgotten(pool, days_ago, account_id, subaccount_id, still_known):
    ident = sent(30)
    await forgotten(pool, NOW - timedelta(days=days_ago), account_id=account_id, subaccount_id=subaccount_id)
    async with town(pool) as place:
        answer = await place.get(SEAL.unsubscribe(7, ident, packed=packed()), method="POST")
        assert (answer.status_code == 200) == still_known
        assert bool(place.rows) == still_known
