"""SIGTERM while the store takes nothing: doors, attempts and outcomes share one time to drain, and nothing is lost."""

import signal
import threading
import time

import psycopg

from homing.events.types import EventType
from homing.simulator.providers import Provider
from homing.simulator.rules.behaviour import Behaviour
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

SLOW = Provider(name="Slow", domains=("slow.test",), addresses=("127.0.0.21",), behaviour=Behaviour(delay_s=0.9))
EVERYBODY = [f"ann{number}@slow.test" for number in range(30)]


def test_a_worker_ends_by_itself_although_somebody_waits_at_each_door_and_a_peer_is_slow(postgres_server: TestServer):
    with (
        Neighbours(SLOW) as town,
        postgres_server.fresh() as dsn,
        House(town, database=dsn, settings={"drain_s": "3"}) as house,
    ):
        house.post(EVERYBODY)
        house.wait_until(lambda: town.received, 15, "mail flows")
        with psycopg.connect(dsn) as stall:
            _lock(stall)
            waiting = threading.Thread(target=lambda: _swallow(house.mail, "late@slow.test"), daemon=True)
            waiting.start()
            time.sleep(0.5)
            began = time.monotonic()
            house.child.send_signal(signal.SIGTERM)
            house.wait_until(lambda: not house.workers(), 15, "the workers have ended")
            assert time.monotonic() - began < 3 + 5
            assert "worker_did_not_drain" not in house.log_tail(200)
            stall.rollback()
        waiting.join(10)
        house.stop()
        house.start()
        house.wait_empty(40)
        came = {one.recipients[0] for one in town.received}
        assert set(EVERYBODY) <= came
        assert house.count(EventType.DELIVERY) >= len(EVERYBODY)


def _lock(stall: psycopg.Connection) -> None:
    """Take the tables away from the workers; who asks for several may be the one that a deadlock is solved with."""
    while True:
        try:
            stall.execute("LOCK TABLE events, queue_entries, chunks IN ACCESS EXCLUSIVE MODE")
        except psycopg.errors.DeadlockDetected:
            stall.rollback()
        else:
            return


def _swallow(call, *arguments) -> None:
    try:
        call(*arguments)
    except Exception:  # a temporary refusal is fine: nothing was promised
        return
