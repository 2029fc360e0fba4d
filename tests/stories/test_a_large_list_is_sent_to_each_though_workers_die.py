"""A transmission to a stored list is expanded in the background while workers are killed: nobody is left out, nobody twice."""

import signal
from collections import Counter

from homing.events.types import EventType
from homing.simulator.providers import Provider
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

TOWN = Provider(name="There", domains=("there.test",), addresses=("127.0.0.21",))
PEOPLE = 6_000


def test_everybody_on_the_list_gets_one_injection_and_his_mail(postgres_server: TestServer):
    everybody = {f"kim{number}@there.test" for number in range(PEOPLE)}
    with Neighbours(TOWN) as town, postgres_server.fresh() as dsn, House(town, database=dsn) as house:
        recipients = [{"address": one} for one in sorted(everybody)]
        assert house.call("/api/v1/recipient-lists", {"id": "all", "recipients": recipients})[0] == 200
        body = {
            "recipients": {"list_id": "all"},
            "content": {"from": "news@acme.test", "subject": "Hello", "text": "Hello {{address.email}}"},
        }
        status, answer = house.call("/api/v1/transmissions", body)
        assert status == 200, answer
        assert answer["results"]["total_accepted_recipients"] == PEOPLE

        for part in (0.05, 0.4, 0.7):
            house.wait_until(lambda least=part * PEOPLE: house.count(EventType.INJECTION) >= least, 40, "it is expanded")
            assert house.signal(house.workers()[0], signal.SIGKILL)
            house.wait_until(lambda: len(house.workers()) == 2 and house.is_ready(), 20, "a successor serves")
        house.wait_until(lambda: house.count(EventType.INJECTION) >= PEOPLE, 60, "all are expanded")
        house.wait_empty(60)

        assert house.count(EventType.INJECTION) == PEOPLE, "nobody is expanded twice"
        assert house.count(EventType.DELIVERY) == PEOPLE, "each is told once"
        came = Counter(one.recipients[0] for one in town.received)
        assert set(came) == everybody, "nobody is left out"
        assert came.total() - len(came) <= 3 * house.settings.max_in_flight, "twice at most what was unsettled"
