"""A host that takes two connections at once is served with two; what the others carried is not put off for it."""

from collections import Counter

from homing.simulator.providers import Provider
from homing.simulator.rules.behaviour import Behaviour
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

NARROW = Provider(
    name="Narrow", domains=("narrow.test",), addresses=("127.0.0.16",), behaviour=Behaviour(max_connections=2, delay_s=0.02)
)


def test_refused_connections_are_not_the_messages_fault(postgres_server: TestServer):
    everybody = [f"n{number}@narrow.test" for number in range(80)]
    with (
        Neighbours(NARROW) as neighbours,
        postgres_server.fresh() as dsn,
        House(neighbours, database=dsn, workers=1) as house,
    ):
        house.post(everybody)
        house.wait_empty()
        for one in everybody:
            assert house.kinds(one) == ["injection", "delivery"]
        received = Counter(one.recipients[0] for one in neighbours.received)
        assert received == Counter(everybody)
        assert neighbours.connections("Narrow") > 2  # more were tried, and refused
