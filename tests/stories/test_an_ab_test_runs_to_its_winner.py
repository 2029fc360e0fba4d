"""An A/B test in a whole house: recipients get its templates, readers open one, a sample ends it, the winner is sent."""

import email
import re
from datetime import UTC, datetime, timedelta
from email import policy

from homing.events.types import EventType
from homing.simulator.providers import Provider
from tests.kit.engine import free_port
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer
from tests.stories.test_opens_clicks_and_unsubscribes_are_told import visit

TOWN = Provider(name="There", domains=("there.test",), addresses=("127.0.0.22",))
SAMPLE = 8
TEST = {
    "id": "pay",
    "name": "Pay",
    "default_template": {"template_id": "plain", "percent": 50},
    "variants": [{"template_id": "bright", "percent": 50}],
    "metric": "count_unique_confirmed_opened",
    "audience_selection": "percent",
    "test_mode": "bayesian",
    "total_sample_size": SAMPLE,
    "confidence_level": 0.6,
    "engagement_timeout": 0,
}


def send(house: House, recipient: str) -> None:
    body = {"recipients": [{"address": recipient}], "content": {"ab_test_id": "pay"}}
    status, answer = house.call("/api/v1/transmissions", body)
    assert status == 200, answer


def test_the_template_that_is_opened_wins(postgres_server: TestServer):
    port = free_port()
    settings = {"tracking": f"127.0.0.1:{port}", "tracking_url": f"http://127.0.0.1:{port}"}
    with Neighbours(TOWN) as town, postgres_server.fresh() as dsn, House(town, database=dsn, settings=settings) as house:
        for name in ("plain", "bright"):
            content = {"from": "news@acme.test", "subject": name, "html": f"<html><body>{name}</body></html>"}
            body = {"id": name, "name": name, "published": True, "content": content}
            assert house.call("/api/v1/templates", body)[0] == 200
        start = (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="seconds")
        assert house.call("/api/v1/ab-test", {**TEST, "start_time": start})[0] == 200

        for number in range(SAMPLE - 1):
            send(house, f"u{number}@there.test")
        house.wait_until(lambda: len(town.received) == SAMPLE - 1, 20, "they arrive")
        letters = [email.message_from_bytes(one.data, policy=policy.default) for one in town.received]
        bright = [letter for letter in letters if letter["Subject"] == "bright"]
        assert 0 < len(bright) < SAMPLE - 1
        for letter in bright:
            (pixel, *_) = re.findall(r'<img [^>]*src="([^"]+)"', letter.get_body(preferencelist=("html",)).get_content())
            for _ in range(2):
                assert visit(pixel)[0] == 200

        def opened() -> bool:
            found = house.get("/api/v1/ab-test/pay")[1]["results"]
            counts = [one["count_unique_confirmed_opened"] for one in (found["default_template"], *found["variants"])]
            accepted = sum(one["count_accepted"] for one in (found["default_template"], *found["variants"]))
            return found["status"] == "running" and counts == [0, len(bright)] and accepted == SAMPLE - 1

        house.wait_until(opened, 20, "opens are counted, each message once")
        send(house, "last@there.test")
        house.wait_until(lambda: house.get("/api/v1/ab-test/pay")[1]["results"]["status"] == "completed", 30, "it is completed")
        assert house.get("/api/v1/ab-test/pay")[1]["results"]["winning_template_id"] == "bright"
        house.wait_until(lambda: house.count(EventType.AB_TEST_COMPLETED) == 1, 10, "it is told")

        def winner_is_sent() -> bool:
            send(house, "after@there.test")
            house.wait_until(lambda: house.waiting() == 0, 10, "it is delivered")
            return {event["template_id"] for event in house.events("after@there.test")} >= {"bright"}

        house.wait_until(winner_is_sent, 20, "the winner is sent")
        assert not [event for event in house.events("after@there.test") if "ab_test_id" in event]
        assert house.count(EventType.AB_TEST_COMPLETED) == 1
