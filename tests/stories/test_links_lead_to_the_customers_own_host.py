"""A customer's own host carries the links of his mail; and a mailbox speaks for a domain by the token that we mail to it."""

import email
import re
import urllib.error
import urllib.request
from email import policy

from homing.events.types import EventType
from homing.simulator.dns import Record
from homing.simulator.providers import Provider
from tests.kit.engine import free_port
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

TOWN = Provider(name="There", domains=("there.test",), addresses=("127.0.0.21",))
CONTENT = {
    "from": "news@acme.test",
    "subject": "Hi",
    "html": '<html><body><a href="https://shop.acme.test/">x</a></body></html>',
}
POINTS_TO_US = Record("click.acme.test", "CNAME", "mail.acme.test.")


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:  # type: ignore[override]
        return None


def visit(port: int, path: str, host: str) -> tuple[int, str]:
    """Ask under a name; returns status and Location."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers.get("Location", "")


def test_links_lead_to_a_tracking_domain_and_nowhere_else(postgres_server: TestServer):
    port = free_port()
    with (
        Neighbours(TOWN, records=[POINTS_TO_US]) as town,
        postgres_server.fresh() as dsn,
        House(town, database=dsn, settings={"tracking": f"127.0.0.1:{port}"}) as house,
    ):
        assert house.call("/api/v1/tracking-domains", {"domain": "click.acme.test"})[0] == 200
        status, answer = house.call("/api/v1/tracking-domains/click.acme.test/verify", {})
        assert (status, answer["results"]["verified"]) == (200, True)
        assert house.call("/api/v1/tracking-domains/click.acme.test", {"default": True}, method="PUT")[0] == 200

        body = {"recipients": [{"address": "kim@there.test"}], "content": CONTENT, "tracking_domain": "click.acme.test"}
        assert house.call("/api/v1/transmissions", body)[0] == 200
        house.wait_until(lambda: len(town.received) == 1, 20, "it arrives")
        message = email.message_from_bytes(town.received[0].data, policy=policy.default)
        html = message.get_body(preferencelist=("html",)).get_content()
        base = f"http://click.acme.test:{port}"
        link = re.search(r'<a href="([^"]+)">', html)[1]
        pixels = re.findall(r'<img [^>]*src="([^"]+)"', html)
        unsubscribe = re.search(r"<(http[^>]+)>", message["List-Unsubscribe"])[1]
        assert all(address.startswith(base + "/") for address in (link, *pixels, unsubscribe))

        path = link.removeprefix(base)
        assert visit(port, path, "click.acme.test") == (302, "https://shop.acme.test/")
        assert visit(port, path, "mail.acme.test") == (302, "https://shop.acme.test/")
        assert visit(port, path, "evil.test") == (404, "")
        house.wait_until(lambda: house.count(EventType.CLICK) == 2, 10, "both clicks are told")

        assert house.call("/api/v1/tracking-domains/click.acme.test", None, method="DELETE")[0] == 204
        house.wait_until(lambda: visit(port, path, "click.acme.test")[0] == 404, 15, "every worker knows")


def test_a_mailbox_proves_a_domain_by_the_token_in_its_mail(postgres_server: TestServer):
    settings = {"notice_from": "postmaster@acme.test"}
    with Neighbours(TOWN) as town, postgres_server.fresh() as dsn, House(town, database=dsn, settings=settings) as house:
        assert house.call("/api/v1/sending-domains", {"domain": "there.test", "dkim_key_length": 1024})[0] == 200
        status, answer = house.call("/api/v1/sending-domains/there.test/verify", {"postmaster_at_verify": True})
        assert (status, answer["results"]["postmaster_at_status"]) == (200, "pending")
        house.wait_until(lambda: len(town.received_by("postmaster@there.test")) == 1, 20, "the mail arrives")
        data = town.received_by("postmaster@there.test")[0].data
        message = email.message_from_bytes(data, policy=policy.default)
        assert message["From"] == "postmaster@acme.test"
        assert "d=acme.test" in str(message["DKIM-Signature"])
        token = re.search(r"^    ([0-9a-f]{32})\r?$", message.get_content(), re.MULTILINE)[1]
        status, answer = house.call("/api/v1/sending-domains/there.test/verify", {"postmaster_at_token": token})
        assert answer["results"]["ownership_verified"] is True
        listed = house.run("domain", "list").stdout
        assert "there.test" in listed
        content = {"from": "kim@there.test", "subject": "Hi", "text": "It works."}
        house.post(["lee@there.test"], content=content)
        house.wait_for("lee@there.test", "delivery")
