"""A mail with links is sent; its reader opens it, follows a link, leaves a list, then all mail: that is told and obeyed."""

import email
import re
import urllib.error
import urllib.request
from email import policy

from homing.events.types import EventType
from homing.simulator.providers import Provider
from tests.kit.engine import free_port
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

TOWN = Provider(name="There", domains=("there.test",), addresses=("127.0.0.21",))
CONTENT = {
    "from": "news@acme.test",
    "subject": "Hi {{first}}",
    "html": (
        '<html><body><p>{{first}}</p><a href="https://shop.acme.test/?q={{first}}" data-msys-linkname="Shop">x</a></body></html>'
    ),
    "text": "Hi {{first}}, see https://shop.acme.test/?q={{first}}",
}


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:  # type: ignore[override]
        return None


def visit(url: str, *, data: bytes | None = None) -> tuple[int, str]:
    """Ask, and follow no redirect; returns status and Location."""
    try:
        with urllib.request.build_opener(Stay).open(urllib.request.Request(url, data=data), timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers.get("Location", "")


def test_what_a_reader_does_is_told_and_an_unsubscribe_stops_the_next_mail(postgres_server: TestServer):
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    settings = {"tracking": f"127.0.0.1:{port}", "tracking_url": base}
    with Neighbours(TOWN) as town, postgres_server.fresh() as dsn, House(town, database=dsn, settings=settings) as house:
        body = {"recipients": [{"address": "kim@there.test", "substitution_data": {"first": "Kim"}}], "content": CONTENT}
        assert house.call("/api/v1/transmissions", body)[0] == 200
        house.wait_until(lambda: len(town.received) == 1, 20, "it arrives")
        message = email.message_from_bytes(town.received[0].data, policy=policy.default)
        html = message.get_body(preferencelist=("html",)).get_content()
        text = message.get_body(preferencelist=("plain",)).get_content()

        pixels = re.findall(r'<img [^>]*src="([^"]+)"', html)
        link = re.search(r'<a href="([^"]+)">', html)
        assert link is not None
        assert "data-msys" not in html
        assert "shop.acme.test" not in html + text
        assert len(pixels) == 2
        assert [visit(pixel)[0] for pixel in pixels] == [200, 200]
        assert visit(link[1]) == (302, "https://shop.acme.test/?q=Kim")
        assert visit(re.search(r"http\S+", text)[0]) == (302, "https://shop.acme.test/?q=Kim")
        for kind, count in ((EventType.INITIAL_OPEN, 1), (EventType.OPEN, 1), (EventType.CLICK, 2)):
            house.wait_until(lambda kind=kind, count=count: house.count(kind) == count, 10, f"{kind.wire} is told")

        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        ways = re.findall(r"<([^>]+)>", message["List-Unsubscribe"])
        assert [way.partition(":")[0] for way in ways] == ["mailto", "http"]
        assert message["X-MSFBL"]
        assert "list-unsubscribe" in str(message["DKIM-Signature"] or "list-unsubscribe").lower()
        listed = body | {"override": {"list_id": "News <news@acme.test>"}}
        assert house.call("/api/v1/transmissions", listed)[0] == 200
        house.wait_until(lambda: len(town.received) == 2, 20, "the newsletter arrives")
        newsletter = email.message_from_bytes(town.received[1].data, policy=policy.default)
        leave = re.findall(r"<(http[^>]+)>", newsletter["List-Unsubscribe"])[0]
        assert (newsletter["List-Id"], visit(leave, data=b"List-Unsubscribe=One-Click")[0]) == ("News <news@acme.test>", 200)
        assert house.call("/api/v1/transmissions", listed)[0] == 200
        house.wait_until(lambda: house.count(EventType.BOUNCE) == 1, 10, "the next newsletter is stopped")
        assert house.call("/api/v1/transmissions", body)[0] == 200
        house.wait_until(lambda: len(town.received) == 3, 20, "other mail arrives")

        assert visit(ways[1], data=b"List-Unsubscribe=One-Click")[0] == 200
        assert house.count(EventType.LIST_UNSUBSCRIBE) == 2
        assert house.call("/api/v1/transmissions", body)[0] == 200
        house.wait_until(lambda: house.count(EventType.BOUNCE) == 2, 10, "the next mail is stopped")
        assert len(town.received) == 3
        it_counts_though_the_log_has_forgotten_the_message(house, town)


def it_counts_though_the_log_has_forgotten_the_message(house: House, town: Neighbours) -> None:
    body = {"recipients": [{"address": "Lee@there.test"}], "content": CONTENT, "campaign_id": "spring"}
    assert house.call("/api/v1/transmissions", body)[0] == 200
    house.wait_for("lee@there.test", "delivery")
    message = email.message_from_bytes(town.received[3].data, policy=policy.default)
    house.sql("DELETE FROM events WHERE recipient = 'lee@there.test'")
    assert house.kinds("lee@there.test") == []

    link = re.search(r'<a href="([^"]+)">', message.get_body(preferencelist=("html",)).get_content())
    assert link is not None
    assert visit(link[1])[0] == 302
    click = house.wait_for("lee@there.test", "click")
    assert (click["raw_rcpt_to"], click["target_link_name"]) == ("Lee@there.test", "Shop")
    page = re.findall(r"<([^>]+)>", message["List-Unsubscribe"])[1]
    assert visit(page, data=b"List-Unsubscribe=One-Click")[0] == 200
    assert house.kinds("lee@there.test") == ["click", "list_unsubscribe"]
    campaigns = house.sql("SELECT DISTINCT campaign_id FROM events WHERE recipient = 'lee@there.test'")
    assert campaigns == [("spring",)]
    suppressed = house.sql("SELECT type, source FROM suppressions WHERE recipient = 'lee@there.test'")
    assert suppressed == [("non_transactional", "List Unsubscribe")]


def test_mail_by_smtp_is_tracked_where_it_asks_for_it(postgres_server: TestServer):
    port = free_port()
    settings = {"tracking": f"127.0.0.1:{port}", "tracking_url": f"http://127.0.0.1:{port}"}
    with Neighbours(TOWN) as town, postgres_server.fresh() as dsn, House(town, database=dsn, settings=settings) as house:
        for options in ("", 'X-MSYS-API: {"options": {"click_tracking": true, "open_tracking": true}}\r\n'):
            raw = (
                f"From: news@acme.test\r\nTo: kim@there.test\r\nSubject: x\r\n{options}MIME-Version: 1.0\r\n"
                "Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                "<html><body>gr\xfc\xdfe <a href='https://shop.acme.test/'>x</a></body></html>\r\n"
            ).encode("latin-1")
            with house.smtp() as door:
                door.sendmail("news@acme.test", ["kim@there.test"], raw)
        house.wait_until(lambda: len(town.received) == 2, 20, "both arrive")
        by_size = sorted((one.data for one in town.received), key=len)
        plain, tracked = (
            email.message_from_bytes(data, policy=policy.default).get_body(preferencelist=("html",)).get_content()
            for data in by_size
        )
        assert "grüße <a href='https://shop.acme.test/'>" in plain
        link = re.search(r'<a href="(http://127[^"]+)">', tracked)
        assert link is not None
        assert "grüße" in tracked
        assert tracked.count("<img ") == 2
        assert visit(link[1]) == (302, "https://shop.acme.test/")
