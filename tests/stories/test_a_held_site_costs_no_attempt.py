"""What stands before a closed door does not knock again and again."""

import time

from homing.events.types import EventType
from homing.simulator.dns import Record
from homing.simulator.providers import Provider, Zone
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer


def test_a_site_that_an_operator_holds_is_not_contacted_until_it_is_resumed(house: House, neighbours: Neighbours):
    house.run("queue", "pause", "--site", "mx1.held.test")
    time.sleep(1.5)  # every worker reads the rows each second
    house.post([f"una{number}@held.test" for number in range(40)])
    house.post(["uwe@friends.test"])
    house.wait_for("uwe@friends.test", "delivery")
    time.sleep(1.0)
    assert neighbours.connections("Held") == 0
    house.run("queue", "resume", "--site", "mx1.held.test")
    house.wait_until(
        lambda: sum(one.provider == "Held" for one in neighbours.received) == 40, 15, "what waited has been delivered"
    )


def test_a_site_that_cannot_be_reached_is_held_and_opens_again(postgres_server: TestServer):
    closed = [Record("closed.test", "MX", "10 mx.closed.test."), Record("mx.closed.test", "A", "127.0.0.99")]
    friends = Provider(name="Friends", domains=("friends.test",), addresses=("127.0.0.11",))
    settings = {"retry_first_s": "20", "retry_ceiling_s": "20", "ready_entries": "2000"}
    with (
        Neighbours(friends, records=closed) as town,
        postgres_server.fresh() as dsn,
        House(town, database=dsn, workers=1, settings=settings) as house,
    ):
        house.post([f"vic{number}@closed.test" for number in range(300)])
        house.wait_until(lambda: house.sql("SELECT 1 FROM holds WHERE scope = 'site'"), 10, "the site is held")
        time.sleep(3.0)
        house.post(["wim@friends.test"])
        house.wait_for("wim@friends.test", "delivery")
        knocks = house.count(EventType.DELAY)
        assert knocks <= 60, "the first connections and one probe after each hold, not 300 messages again and again"
        late = Provider(name="Late", domains=("closed.test",), addresses=("127.0.0.99",), zone=Zone.MX)
        with Neighbours(late, port=town.port) as opened:
            house.wait_until(lambda: len(opened.received) >= 300 - knocks, 30, "the untried ones are delivered once it opens")
            came = [one.recipients[0] for one in opened.received]
            assert len(came) == len(set(came))
