"""Workers die while mail flows and webhooks are told of it: every event is told, with its own id, and batches keep theirs."""

import signal
from datetime import UTC, datetime, timedelta

import psycopg

from homing.events.types import EventType
from homing.simulator.providers import Provider
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer
from tests.kit.target import Heard, listening

TOWN = Provider(name="There", domains=("there.test",), addresses=("127.0.0.21",))


def posted(house: House, recipients: list[str]) -> bool:
    """Send, and say whether it was taken; a worker that has just come may say 503."""
    body = {
        "recipients": [{"address": {"email": one}} for one in recipients],
        "content": {"from": "news@acme.test", "subject": "Hello", "text": "Hello"},
    }
    try:
        return house.call("/api/v1/transmissions", body)[0] == 200
    except OSError:
        return False


def test_every_event_is_told_though_workers_and_the_target_fail(postgres_server: TestServer):
    everybody = [f"kim{number}@there.test" for number in range(400)]
    with listening() as app, Neighbours(TOWN) as town, postgres_server.fresh() as dsn:
        settings = {"allow_private_targets": "true", "target_ports": str(app.port)}
        with House(town, database=dsn, settings=settings) as house:
            hook = {"name": "app", "target": app.url, "events": ["injection", "delivery"]}
            status, answer = house.call("/api/v1/webhooks", hook)
            assert status == 200, answer
            refused: set[str] = set()

            def every_third_fails(heard: Heard) -> int:
                batch = heard.headers.get("x-messagesystems-batch-id", "")
                if batch and batch not in refused and len(refused) < 3:
                    refused.add(batch)
                    return 500
                return 200

            app.script = every_third_fails
            for start in range(0, 400, 50):
                house.wait_until(lambda part=everybody[start : start + 50]: posted(house, part), 20, "mail is taken")
                if start in (100, 250):
                    assert house.signal(house.workers()[0], signal.SIGKILL)
                    house.wait_until(house.is_ready, 20, "a successor serves")
            house.wait_empty(40)

            def told(kind: str) -> set[str]:
                return {event["rcpt_to"] for event in app.events if event["type"] == kind}

            def all_told() -> bool:
                # Their time comes: a batch that was refused waits 30 s, one that a dead worker had claimed a minute.
                with psycopg.connect(dsn, autocommit=True) as store:
                    store.execute(
                        "UPDATE webhook_batches SET due_at = now(), claimed_until = NULL WHERE made_at < now() - interval '5 s'"
                    )
                return told("delivery") == told("injection") == set(everybody)

            house.wait_until(all_told, 40, "everything is told")
            assert house.count(EventType.DELIVERY) == 400
            by_id: dict[str, set[bytes]] = {}
            for batch in app.batches:
                by_id.setdefault(batch.headers["x-messagesystems-batch-id"], set()).add(batch.raw)
            assert all(len(bodies) == 1 for bodies in by_id.values()), "a batch keeps its content"
            assert refused <= set(by_id)

            since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M}"
            path = f"/api/v1/metrics/deliverability?from={since}&metrics=count_injected,count_delivered"
            logged = {"count_injected": house.count(EventType.INJECTION), "count_delivered": house.count(EventType.DELIVERY)}
            house.wait_until(lambda: house.get(path)[1]["results"] == [logged], 20, "metrics count each event once")
