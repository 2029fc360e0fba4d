"""Batches of events are handed in while workers are killed: what was answered comes into the log and the figures once."""

import gzip
import json
import signal
import time
import urllib.error
import urllib.request

from homing.events.types import EventType
from tests.kit.house import House
from tests.kit.postgres import TestServer

BATCHES, EVENTS = 6, 4_000


def hand_in(house: House, number: int) -> str:
    """Hand in a batch; return its id, '' where nobody took it."""
    at = str(int(time.time()) - 60)
    lines = (
        {"type": "delivery", "event_id": f"{number}-{n}", "message_id": f"m{number}-{n}", "timestamp": at, "delv_method": "esmtp",
         "rcpt_to": f"u{n}@there.test", "campaign_id": "elsewhere"}
        for n in range(EVENTS)
    )  # fmt: skip
    body = gzip.compress(b"".join(json.dumps({"msys": {"message_event": one}}).encode() + b"\n" for one in lines))
    headers = {"Authorization": house.key, "Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    url = f"http://127.0.0.1:{house.http_port}/api/v1/ingest/events"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=30) as answer:
            return str(json.load(answer)["results"]["id"])
    except (urllib.error.URLError, OSError):
        return ""


def test_every_event_of_a_batch_that_was_answered_is_in_the_log_once(postgres_server: TestServer):
    with postgres_server.fresh() as dsn, House(database=dsn) as house:
        answered: set[str] = set()
        for number in range(BATCHES):
            answered.add(house.wait_until(lambda number=number: hand_in(house, number), 20, "a batch is taken"))
            if number in (1, 3):
                assert house.signal(house.workers()[number % 2], signal.SIGKILL)

        def told() -> bool:
            rows = house.sql("SELECT detail->>'batch_id' FROM events WHERE type = %s", int(EventType.INGEST_SUCCESS))
            return answered <= {row[0] for row in rows}

        house.wait_until(told, 60, "every batch is told of")
        house.wait_empty()
        query = "SELECT count(*), count(DISTINCT detail->>'event_id') FROM events WHERE type = %s"
        assert house.sql(query, int(EventType.DELIVERY)) == [(BATCHES * EVENTS, BATCHES * EVENTS)]
        rows = house.sql("SELECT count(*), count(DISTINCT detail->>'batch_id') FROM events WHERE type >= 60")
        assert rows[0][0] == rows[0][1]  # a batch is told of once

        def counted() -> bool:
            found = house.get(
                "/api/v1/metrics/deliverability/campaign?from=2020-01-01T00:00&metrics=count_delivered&campaigns=elsewhere"
            )
            return [row["count_delivered"] for row in found[1]["results"]] == [BATCHES * EVENTS]

        house.wait_until(counted, 30, "the figures have every event once")
