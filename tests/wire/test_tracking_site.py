"""The site that tracked links lead to: what browsers, mail programs, scanners and vandals get, and what the log hears."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from homing.accounts.grants import read_masks
from homing.api.server import serving
from homing.domains.tracking import TrackingBook
from homing.engagement.desk import Desk
from homing.engagement.geo import Geo
from homing.engagement.site import Site
from homing.events import store
from homing.events.detail import Addressee, EventBook
from homing.events.types import Event, EventType
from homing.ground import db, ids
from homing.ground.clock import SystemClock
from homing.ground.errors import StoreUnavailable
from homing.message.tracked import Kind, Seal
from homing.recipients.types import SuppressionRow
from homing.spool.types import ChunkFacts, RecipientDetail
from tests.kit.moved_clock import MovedClock
from tests.kit.mx_door import RECALL

NOW = datetime.now(UTC)
SENT = NOW - timedelta(hours=1)
SEAL = Seal(b"s" * 32)
ID = ids.compose(int(SENT.timestamp() * 1000), 3, 1)
URL = "https://shop.acme.test/a?q=1&r=ü"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Town:
    """A site on a free port, and what its desk recorded."""

    def __init__(self, pool: db.Pool) -> None:
        self.pool = pool
        self.events: list[Event] = []
        self.rows: list[SuppressionRow] = []
        self.away = False
        self.desk = Desk(pool, self._record, RECALL)
        self.client: httpx.AsyncClient
        self.port = 0

    async def _record(self, events: Any, rows: Any) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.events += events
        self.rows += rows

    async def get(self, path: str, **more: Any) -> httpx.Response:
        headers = {"User-Agent": FIREFOX, **more.pop("headers", {})}
        return await self.client.request(more.pop("method", "GET"), path, headers=headers, **more)

    async def told(self) -> list[tuple[EventType, dict[str, Any]]]:
        await self.desk.flush()
        return [(event.type, json.loads(event.detail)) for event in self.events]


async def write_down(pool: db.Pool, *events: Event) -> None:
    await store.ensure_partitions(pool, NOW.date())
    async with pool.acquire() as connection:
        rows = [
            (NOW.date(), 3, n, e.at, e.type, e.account_id, e.subaccount_id, e.message_id, e.transmission_id, e.recipient,
             e.recipient_domain, e.campaign_id, e.detail.decode())
            for n, e in enumerate(events, 1)
        ]  # fmt: skip
        await connection.copy_records_to_table("events", columns=store.COLUMNS, records=rows)


def delivered(*, message_id: bytes = ID, transactional: bool = False, at: datetime = SENT, list_id: str = "") -> list[Event]:
    facts = ChunkFacts(
        account_id=7,
        subaccount_id=12,
        transmission_id=ids.compose(1, 2, 3),
        accepted_at=at,
        recv_method="rest",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
        subject="Hi",
        campaign_id="spring",
        transactional=transactional,
        list_id=list_id,
        open_tracking=True,
        click_tracking=True,
    )
    to = Addressee(message_id, "Kim@there.test", "there.test", RecipientDetail(tags=("vip",), metadata={"uid": "7"}))
    book = EventBook(facts)
    sent = book.delivery(
        to, at=at, ip_address="198.51.100.5", sending_ip="192.0.2.1", outbound_tls=1, num_retries=0, queue_time_ms=8, msg_size=99,
        msg_from="b-1@bounce.test",
    )  # fmt: skip
    return [book.injection(to, at=at), sent]


@asynccontextmanager
async def town(pool: db.Pool, **settings: Any) -> AsyncIterator[Town]:
    made = Town(pool)
    book = TrackingBook(pool, SystemClock(), own_base="http://127.0.0.1", own_hosts=frozenset({"127.0.0.1"}))
    settings = {"serves": book.serves} | settings
    site = Site(SEAL, made.desk, Geo(None), now=lambda: datetime.now(UTC), **settings)
    sock = socket.create_server(("127.0.0.1", 0))
    made.port = sock.getsockname()[1]
    async with serving(site, sock, drain_s=1.0), httpx.AsyncClient(base_url=f"http://127.0.0.1:{made.port}") as client:
        made.client = client
        yield made


@pytest.fixture
async def place(pool):
    await write_down(pool, *delivered())
    async with town(pool) as made:
        yield made


async def test_a_pixel_is_an_image_and_an_open(place):
    answer = await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN))
    assert (answer.status_code, answer.headers["content-type"], answer.headers["server"]) == (200, "image/gif", "msys-http")
    assert answer.content[:6] == b"GIF89a"
    assert len(answer.content) <= 44
    assert "no-store" in answer.headers["cache-control"]
    ((kind, detail),) = await place.told()
    assert kind is EventType.OPEN
    assert (place.events[0].recipient, place.events[0].campaign_id, place.events[0].subaccount_id) == (
        "kim@there.test",
        "spring",
        12,
    )
    assert (detail["rcpt_meta"], detail["rcpt_tags"], detail["subject"]) == ({"uid": "7"}, ["vip"], "Hi")
    assert (detail["ip_address"], detail["user_agent"]) == ("127.0.0.1", FIREFOX)
    parsed = detail["user_agent_parsed"]
    assert (parsed["agent_family"], parsed["os_family"], parsed["is_prefetched"], parsed["is_proxy"]) == (
        "Firefox", "Linux", False, False,
    )  # fmt: skip


async def test_a_link_leads_to_exactly_what_was_written(place):
    answer = await place.get(SEAL.link(7, ID, URL, name="Offer"))
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.acme.test/a?q=1&r=%C3%BC")
    ((kind, detail),) = await place.told()
    assert (kind, detail["target_link_url"], detail["target_link_name"]) == (EventType.CLICK, URL, "Offer")


@pytest.mark.parametrize(
    "url", ["https://a.test/\r\nSet-Cookie: x=y", "https://a.test/\x00", "https://a.test/<script>", "https://ü.test/ä b"]
)
async def test_no_target_breaks_out_of_its_header(place, url):
    answer = await place.get(SEAL.link(7, ID, url))
    assert answer.status_code == 302
    assert "set-cookie" not in answer.headers
    assert all(33 <= ord(sign) < 127 for sign in answer.headers["location"])


@pytest.mark.parametrize(
    "path",
    [
        "/f/a/x~~/7~/y", "/q/x~~/7~/y~~", "/u/x~~/7~/y~~", "/f", "/f/a/https://evil.test", "/?u=https://evil.test",
        "/favicon.ico", "/f/a/" + "x" * 5000, "/%00", "/q/../../etc/passwd", SEAL.link(7, ID, URL)[:-1],
        SEAL.link(7, ID, URL) + "A",
        Seal(b"t" * 32).link(7, ID, "https://evil.test"),
    ],
    ids=range(13),
)  # fmt: skip
async def test_whatever_is_none_of_ours_is_not_found_and_leads_nowhere(place, path):
    answer = await place.get(path)
    assert answer.status_code == (200 if path.startswith("/?") else 404)
    assert "location" not in answer.headers
    assert await place.told() == []


async def test_a_look_by_a_machine_is_marked(place):
    await place.get(SEAL.pixel(7, ID, kind=Kind.INITIAL_OPEN), headers={"User-Agent": "Mozilla/5.0"})
    await place.get(
        SEAL.pixel(7, ID, kind=Kind.OPEN), headers={"User-Agent": "Mozilla/5.0 (Windows NT 5.1) (via ggpht.com GoogleImageProxy)"}
    )
    await place.get(SEAL.link(7, ID, URL), headers={"User-Agent": "python-requests/2.32"})
    await place.get(SEAL.link(7, ID, URL), method="HEAD")
    told = [(kind, d["user_agent_parsed"]["is_prefetched"], d["user_agent_parsed"]["is_proxy"]) for kind, d in await place.told()]
    assert told == [
        (EventType.INITIAL_OPEN, True, True),
        (EventType.OPEN, False, True),
        (EventType.CLICK, True, False),
        (EventType.CLICK, True, False),
    ]


async def test_a_click_right_after_the_delivery_is_a_scanners(pool):
    now = datetime.now(UTC)
    ident = ids.compose(int(now.timestamp() * 1000), 3, 2)
    await write_down(pool, *delivered(message_id=ident, at=now))
    async with town(pool) as place:
        await place.get(SEAL.link(7, ident, URL))
        ((_, detail),) = await place.told()
    assert detail["user_agent_parsed"]["is_prefetched"] is True


async def test_a_link_with_several_segments_leads_on(place):
    answer = await place.get(SEAL.link(7, ID, URL, sublink="app/shop"))
    assert (answer.status_code, [kind for kind, _ in await place.told()]) == (302, [EventType.CLICK])


async def test_looking_at_the_unsubscribe_page_unsubscribes_nobody(place):
    for method in ("GET", "HEAD"):
        answer = await place.get(SEAL.unsubscribe(7, ID), method=method)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert await place.told() == []
    assert place.rows == []


async def test_one_click_unsubscribes_at_once(place):
    answer = await place.get(SEAL.unsubscribe(7, ID), method="POST", data={"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, "You are unsubscribed" in answer.text) == (200, True)
    ((kind, detail),) = await place.told()
    assert (kind, detail["mailfrom"]) == (EventType.LIST_UNSUBSCRIBE, "b-1@bounce.test")
    (row,) = place.rows
    assert (row.account_id, row.subaccount_id, row.recipient, row.type) == (7, 12, "kim@there.test", "non_transactional")
    assert (row.source, row.provenance, row.list_id) == ("List Unsubscribe", f"list_unsubscribe:{ID.hex()}", "")


async def test_who_leaves_a_list_leaves_that_list_alone_by_a_link_of_the_senders_own_all_mail(pool):
    await write_down(pool, *delivered(list_id="News <News@acme.test>"))
    async with town(pool) as place:
        await place.get(SEAL.unsubscribe(7, ID), method="POST")
        await place.get(SEAL.link(7, ID, URL, kind=Kind.UNSUBSCRIBE_LINK))
        assert [(row.source, row.list_id) for row in place.rows] == [
            ("List Unsubscribe", "news.acme.test"),
            ("Unsubscribe Link", ""),
        ]
        assert "list_id" not in (await place.told())[0][1]


async def test_an_unsubscribe_link_of_the_senders_own_unsubscribes_and_leads_on(place):
    path = SEAL.link(7, ID, URL, kind=Kind.UNSUBSCRIBE_LINK)
    assert (await place.get(path, method="HEAD")).status_code == 302
    assert place.rows == []
    assert (await place.get(path)).status_code == 302
    ((kind, _),) = await place.told()
    assert (kind, place.rows[0].source) == (EventType.LINK_UNSUBSCRIBE, "Unsubscribe Link")


async def test_an_unsubscribe_that_cannot_be_written_is_not_confirmed(place):
    place.away = True
    assert (await place.get(SEAL.unsubscribe(7, ID), method="POST")).status_code == 503
    assert (await place.get(SEAL.link(7, ID, URL, kind=Kind.UNSUBSCRIBE_LINK))).status_code == 503
    place.away = False
    assert (await place.get(SEAL.unsubscribe(7, ID), method="POST")).status_code == 200


async def test_opens_wait_while_the_store_is_away(place):
    place.away = True
    await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN))
    await place.desk.flush()
    place.away = False
    assert [kind for kind, _ in await place.told()] == [EventType.OPEN]


async def test_a_message_that_the_log_does_not_know_is_told_nothing_of(place):
    other = ids.compose(int(SENT.timestamp() * 1000), 3, 99)
    assert (await place.get(SEAL.pixel(7, other, kind=Kind.OPEN))).status_code == 200
    assert (await place.get(SEAL.unsubscribe(7, other), method="POST")).status_code == 410
    assert await place.told() == []


async def test_a_message_of_another_account_is_told_nothing_of(place):
    await place.get(SEAL.pixel(8, ID, kind=Kind.OPEN))
    assert await place.told() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(place, method):
    assert (await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN), method=method)).status_code == 405
    assert (await place.get(SEAL.link(7, ID, URL), method=method)).status_code == 405
    if method != "POST":
        assert (await place.get(SEAL.unsubscribe(7, ID), method=method)).status_code == 405
    assert await place.told() == []


async def test_a_body_that_is_too_large_is_refused(place):
    answer = await place.get(SEAL.unsubscribe(7, ID), method="POST", content=b"x" * 10_000)
    assert answer.status_code == 413
    assert place.rows == []


async def test_the_root_answers_for_whoever_checks_the_name(place):
    assert (await place.get("/")).text == "homing\n"


async def test_the_address_before_a_proxy_counts_only_where_the_proxy_is_ours(pool):
    await write_down(pool, *delivered())
    async with town(pool) as place:
        await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN), headers={"X-Forwarded-For": "203.0.113.9"})
        assert (await place.told())[0][1]["ip_address"] == "127.0.0.1"
    async with town(pool, proxies=read_masks(["127.0.0.0/8", "10.0.0.0/8"])) as place:
        await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN), headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.1"})
        await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN), headers={"X-Forwarded-For": "nonsense"})
        assert [detail["ip_address"] for _, detail in await place.told()] == ["203.0.113.9", "127.0.0.1"]


async def test_rubbish_is_answered_and_harms_nobody(place):
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET /q/ HTTP/1.1\r\n" + b"X: " + b"y" * 70_000, b"QUIT\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(junk)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert (await place.get("/")).status_code == 200


async def test_nobody_is_unsubscribed_by_the_link_of_a_message_whose_recipient_was_forgotten(place):
    await place.pool.execute("UPDATE events SET recipient = '0a@erased.invalid', detail = '{}'")
    answer = await place.get(SEAL.unsubscribe(7, ID), method="POST")
    assert (answer.status_code, "too old" in answer.text) == (410, True)
    assert (place.events, place.rows) == ([], [])
    await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN))
    ((_, detail),) = await place.told()
    assert not {"ip_address", "user_agent", "user_agent_parsed"} & set(detail)


# Under which names --------------------------------------------------------------------------------------------------------


async def tracking(pool: db.Pool, name: str, *, account_id: int = 7, valid: bool = True, compliance: str = "valid") -> None:
    await pool.execute(
        "INSERT INTO accounts (account_id, name) OVERRIDING SYSTEM VALUE VALUES ($1, 'a' || $1::integer) ON CONFLICT DO NOTHING",
        account_id,
    )
    await pool.execute(
        "INSERT INTO tracking_domains (account_id, domain, cname_status, compliance_status) VALUES ($1, $2, $3, $4)",
        account_id, name, "valid" if valid else "unverified", compliance,
    )  # fmt: skip


async def test_a_verified_tracking_domain_serves_its_accounts_links_pixels_and_unsubscribes(place):
    await tracking(place.pool, "click.acme.test")
    host = {"Host": "Click.Acme.test.:8080"}
    assert (await place.get("/", headers=host)).text == "homing\n"
    assert (await place.get(SEAL.pixel(7, ID, kind=Kind.OPEN), headers=host)).headers["content-type"] == "image/gif"
    assert (await place.get(SEAL.link(7, ID, URL), headers=host)).status_code == 302
    assert (await place.get(SEAL.unsubscribe(7, ID), method="POST", headers=host)).status_code == 200
    assert (await place.get("/f/unknown", headers=host)).status_code == 404
    assert len(await place.told()) == 3


async def test_under_an_unknown_name_there_is_nothing(place):
    await tracking(place.pool, "unverified.test", valid=False)
    await tracking(place.pool, "blocked.test", compliance="blocked")
    for host in ("unverified.test", "blocked.test", "evil.test", "", "a b", "click.acme.test/x", "x" * 5000, "\u00e4.test"):
        for path in ("/", SEAL.pixel(7, ID, kind=Kind.OPEN), SEAL.link(7, ID, URL), SEAL.unsubscribe(7, ID)):
            answer = await place.get(path, headers={"Host": host.encode("latin-1")})
            assert (answer.status_code, answer.content) == (404, b"")
            assert "location" not in answer.headers
    assert (await place.get(SEAL.unsubscribe(7, ID), method="POST", headers={"Host": "evil.test"})).status_code == 404
    assert (await place.told(), place.rows) == ([], [])


async def test_a_customers_host_redirects_to_nothing_that_another_customer_wrote(place):
    await tracking(place.pool, "click.acme.test")
    answer = await place.get(SEAL.link(8, ID, "https://evil.test"), headers={"Host": "click.acme.test"})
    assert (answer.status_code, answer.content) == (404, b"")
    assert (await place.get(SEAL.link(8, ID, "https://evil.test"))).status_code == 302


async def test_without_a_host_or_with_two_there_is_nothing(place):
    await tracking(place.pool, "click.acme.test")
    for head in ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: click.acme.test\r\nHost: 127.0.0.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(head.encode())
        writer.write_eof()
        assert b"homing" not in await asyncio.wait_for(reader.read(), 10)
        writer.close()


async def test_a_host_that_is_verified_a_moment_later_serves_within_seconds(pool):
    clock = MovedClock()
    book = TrackingBook(pool, clock, own_base="http://own.test", own_hosts=frozenset({"own.test"}))
    assert not await book.serves("click.acme.test", None)
    await tracking(pool, "click.acme.test")
    clock.forward(seconds=5)
    assert await book.serves("click.acme.test", 7)
    await pool.execute("UPDATE tracking_domains SET cname_status = 'invalid'")
    assert await book.serves("click.acme.test", 7)
    clock.forward(seconds=5)
    assert not await book.serves("click.acme.test", 7)


async def test_known_hosts_serve_while_the_store_is_away(database):
    clock = MovedClock()
    async with db.pool(database, name="test-outage") as pool:
        await tracking(pool, "click.acme.test")
        book = TrackingBook(pool, clock, own_base="http://own.test", own_hosts=frozenset({"own.test"}))
        assert await book.serves("click.acme.test", 7)
        await pool.close()
        clock.forward(minutes=30)
        assert await book.serves("click.acme.test", 7)
        assert await book.serves("own.test", None)
        with pytest.raises(StoreUnavailable):
            await book.serves("other.test", None)


async def test_a_host_that_cannot_be_looked_up_is_asked_to_come_again(pool):
    async def away(host: str, account_id: int | None) -> bool:
        raise StoreUnavailable("away")

    async with town(pool, serves=away) as place:
        assert (await place.get(SEAL.link(7, ID, URL))).status_code == 503
