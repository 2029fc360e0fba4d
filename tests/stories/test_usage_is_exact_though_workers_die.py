"""What an account has sent is counted with what it sent: exactly, whatever dies; and a limit holds for all workers."""

import contextlib
import json
import signal
import threading
from http.client import HTTPException

from homing.events.types import EventType
from homing.simulator.providers import Provider
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

FRIENDS = Provider(name="Friends", domains=("friends.test",), addresses=("127.0.0.31",))


def used(house: House) -> int:
    status, answer = house.get("/api/v1/usage")
    assert status == 200
    return int(answer["results"]["messaging"]["day"]["used"])


def test_usage_is_what_was_taken_though_workers_die_and_a_limit_holds_between_workers(postgres_server: TestServer):
    with Neighbours(FRIENDS) as town, postgres_server.fresh() as dsn, House(town, database=dsn) as house:
        sends_while_workers_die(house)
        assert used(house) == house.count(EventType.INJECTION)

        house.run("account", "limit", "default", "--daily", str(used(house) + 5))
        house.wait_until(lambda: refused(house), 30, "the limit is reached")
        assert used(house) == house.count(EventType.INJECTION)
        (shown,) = json.loads(house.run("account", "list", "--json").stdout)
        assert shown["used"]["day"] == house.count(EventType.INJECTION)


def sends_while_workers_die(house: House) -> None:
    """Send in four threads, kill every worker, and go on sending; all that was answered with 200 is counted."""
    done = threading.Event()
    answered: list[int] = []

    def send(number: int) -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            content = {"from": "news@acme.test", "subject": "Hello", "text": "It works.\n"}
            recipients = [{"address": f"u{number}-{turn}-{n}@friends.test"} for n in range(1 + turn % 3)]
            with contextlib.suppress(HTTPException):  # an answer that was cut off with its worker
                status, answer = house.call("/api/v1/transmissions", {"recipients": recipients, "content": content})
                if status != 200:
                    continue
                answered.append(answer["results"]["total_accepted_recipients"])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    house.wait_until(lambda: len(answered) > 30, 30, "mail comes in")
    for pid in house.workers():
        house.signal(pid, signal.SIGKILL)
    house.wait_until(house.is_ready, 60, "other workers serve")
    before = len(answered)
    house.wait_until(lambda: len(answered) > before + 30, 30, "mail comes in again")
    done.set()
    for thread in threads:
        thread.join(60)
    assert used(house) >= sum(answered)


def refused(house: House) -> bool:
    content = {"from": "news@acme.test", "subject": "Hello", "text": "It works.\n"}
    status, answer = house.call("/api/v1/transmissions", {"recipients": [{"address": "max@friends.test"}], "content": content})
    assert (status, answer["errors"] if status == 420 else []) in (
        (200, []),
        (420, [{"message": "Exceed Sending Limit (daily)", "code": "2102"}]),
    )
    return status == 420
