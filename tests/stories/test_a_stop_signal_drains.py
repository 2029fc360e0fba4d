"""SIGTERM: what is in flight is finished, the rest waits for the next start, and nothing is sent twice."""

import time

from homing.events.types import EventType
from homing.simulator.providers import Provider
from homing.simulator.rules.behaviour import Behaviour
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer


def test_a_stop_signal_drains_and_loses_nothing(postgres_server: TestServer):
    slow = Provider(
        name="Slow", domains=("slow.test",), addresses=("127.0.0.21",), behaviour=Behaviour(delay_s=0.1, max_connections=20)
    )
    everybody = [f"ann{number}@slow.test" for number in range(200)]
    with Neighbours(slow) as town, postgres_server.fresh() as dsn, House(town, database=dsn) as house:
        house.post(everybody)
        house.wait_until(lambda: len(town.received) >= 30, 15, "mail flows")
        began = time.monotonic()
        assert house.stop() == 0
        assert time.monotonic() - began < 10
        sent = len(town.received)
        assert 30 <= sent < 200
        assert house.count(EventType.DELIVERY) == sent
        assert house.waiting() == 200 - sent
        assert house.sql("SELECT count(*) FROM shards WHERE owner IS NOT NULL") == [(0,)]

        house.start()
        house.wait_empty(30)
        assert sorted(one.recipients[0] for one in town.received) == sorted(everybody)
