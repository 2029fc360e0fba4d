"""A worker dies without a word; its shards go to a successor, and its mail is delivered."""

import signal
from collections import Counter

from homing.events.types import EventType
from homing.simulator.providers import Provider
from homing.simulator.rules.behaviour import Behaviour
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

SLOW = Provider(name="Slow", domains=("slow.test",), addresses=("127.0.0.21",), behaviour=Behaviour(delay_s=0.05))


def test_a_killed_workers_mail_is_delivered_by_its_successor(postgres_server: TestServer):
    everybody = [f"bob{number}@slow.test" for number in range(600)]
    with Neighbours(SLOW) as town, postgres_server.fresh() as dsn, House(town, database=dsn) as house:
        for start in range(0, 600, 100):
            house.post(everybody[start : start + 100])
        house.wait_until(lambda: len(town.received) >= 60, 15, "mail flows")
        before = house.workers()
        assert house.signal(before[0], signal.SIGKILL)
        house.wait_empty(30)
        house.wait_until(house.is_ready, 20, "a successor serves")
        assert len(set(house.workers()) - set(before)) == 1

        came = Counter(one.recipients[0] for one in town.received)
        assert set(came) == set(everybody), "nothing is lost"
        assert came.total() - len(came) <= house.settings.max_in_flight, "twice at most what was unsettled"
        assert house.count(EventType.DELIVERY) == 600, "each is told once"
