"""A campaign is cancelled while it waits, and a worker dies over it: every message ends once, as cancelled or delivered."""

import signal
from datetime import UTC, datetime, timedelta

import psycopg

from homing.events.types import EventType
from homing.simulator.providers import Provider
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

TOWN = Provider(name="There", domains=("there.test",), addresses=("127.0.0.21",))
PEOPLE = 3_000


def test_what_was_cancelled_is_told_once_and_never_sent(postgres_server: TestServer):
    with Neighbours(TOWN) as town, postgres_server.fresh() as dsn, House(town, database=dsn) as house:
        body = {
            "campaign_id": "fall",
            "options": {"start_time": (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")},
            "recipients": [{"address": f"kim{number}@there.test"} for number in range(PEOPLE)],
            "content": {"from": "news@acme.test", "subject": "Hello", "text": "Hello"},
        }
        assert house.call("/api/v1/transmissions", body)[0] == 200
        house.wait_until(lambda: house.count(EventType.INJECTION) == PEOPLE, 40, "all wait")
        before = set(house.workers())
        assert house.call("/api/v1/transmissions?campaign_id=fall", None, method="DELETE")[0] in (200, 204)
        for worker in before:
            assert house.signal(worker, signal.SIGKILL)
        house.wait_until(lambda: not before & set(house.workers()) and house.is_ready(), 30, "successors serve")
        house.wait_empty(60)

        assert house.count(EventType.BOUNCE) == PEOPLE
        assert house.count(EventType.DELIVERY) == 0
        assert not town.received
        with psycopg.connect(dsn) as store:
            told = store.execute(
                "SELECT count(DISTINCT recipient), count(*) FROM events WHERE type = %s AND detail->>'raw_reason' LIKE %s",
                (int(EventType.BOUNCE), "%Campaign cancelled%"),
            ).fetchone()
        assert told == (PEOPLE, PEOPLE)
