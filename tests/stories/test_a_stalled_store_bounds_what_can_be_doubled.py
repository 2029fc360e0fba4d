"""While outcomes cannot be written, no more is sent than may be sent twice: the store stalls, then every worker dies."""

import signal
import time
from collections import Counter

import psycopg

from homing.simulator.providers import Provider
from homing.simulator.rules.behaviour import Behaviour
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

STEADY = Provider(name="Steady", domains=("steady.test",), addresses=("127.0.0.21",), behaviour=Behaviour(delay_s=0.005))


def test_no_more_is_sent_than_may_be_sent_twice(postgres_server: TestServer):
    everybody = [f"deb{number}@steady.test" for number in range(1_500)]
    with (
        Neighbours(STEADY) as town,
        postgres_server.fresh() as dsn,
        House(town, database=dsn, settings={"max_in_flight": "100"}) as house,
    ):
        house.run("queue", "pause", "--domain", "steady.test")
        time.sleep(1.2)  # every worker reads the rows each second
        house.post(everybody)
        house.wait_until(lambda: house.waiting() == 1_500, 20, "all of it waits")
        with psycopg.connect(dsn) as stall:
            stall.execute("LOCK TABLE events IN SHARE MODE")  # outcomes can be asked for, not written
            house.run("queue", "resume", "--domain", "steady.test")
            house.wait_until(lambda: town.received, 10, "mail flows")
            time.sleep(3.0)
            for pid in house.workers():
                house.signal(pid, signal.SIGKILL)
            time.sleep(0.5)
            stall.rollback()
        house.wait_empty(40)
        came = Counter(one.recipients[0] for one in town.received)
        assert set(came) == set(everybody), "nothing is lost"
        assert came.total() - len(came) <= 2 * 100, "each worker's unsettled attempts"
