"""PostgreSQL dies while mail flows through both doors: nothing that was accepted is lost, nothing is sent twice."""

import signal
import smtplib
import threading
from collections import Counter

from homing.events.types import EventType
from homing.simulator.providers import Provider
from homing.simulator.rules.behaviour import Behaviour
from tests.kit.house import DOMAIN, House
from tests.kit.neighbours import Neighbours

FRIENDS = Provider(name="Friends", domains=("friends.test",), addresses=("127.0.0.11",), behaviour=Behaviour(delay_s=0.01))


def test_a_killed_database_loses_and_doubles_nothing():
    with Neighbours(FRIENDS) as town, House(town) as house:
        accepted: list[str] = []
        unknown: list[str] = []
        stop = threading.Event()

        def by_smtp() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                to = f"smtp{number}@friends.test"
                try:
                    with house.smtp(40) as client:
                        client.sendmail(f"news@{DOMAIN}", [to], f"From: news@{DOMAIN}\r\nSubject: Hi\r\n\r\nHi.\r\n")
                    accepted.append(to)
                except smtplib.SMTPResponseException:
                    pass  # refused: not ours
                except (OSError, smtplib.SMTPException):
                    unknown.append(to)

        def by_rest() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                group = [f"rest{number}-{one}@friends.test" for one in range(20)]
                body = {
                    "recipients": [{"address": to} for to in group],
                    "content": {"from": f"news@{DOMAIN}", "subject": "Hello", "text": "Hi."},
                }
                status, _ = house.call("/api/v1/transmissions", body, timeout_s=40)
                if status == 200:
                    accepted.extend(group)
                elif status == 0:
                    unknown.extend(group)

        clients = [threading.Thread(target=by_smtp), threading.Thread(target=by_rest)]
        for client in clients:
            client.start()
        try:
            house.wait_until(lambda: len(town.received) >= 100, 15, "mail flows")
            old = house.postmaster()
            assert house.signal(old, signal.SIGKILL)
            house.wait_until(lambda: _restarted(house, old), 20, "PostgreSQL is up again")
            more = len(accepted) + 100
            house.wait_until(lambda: len(accepted) >= more, 20, "mail is accepted again")
        finally:
            stop.set()
            for client in clients:
                client.join(60)
        house.wait_empty(20)
        came = Counter(one.recipients[0] for one in town.received)
        assert set(accepted) - set(came) == set(), "nothing is lost"
        assert [to for to, count in came.items() if count > 1] == [], "nothing is sent twice"
        assert set(came) <= set(accepted) | set(unknown), "what was refused is not sent"
        assert house.count(EventType.DELIVERY) == len(came), "each is told once"


def _restarted(house: House, old: int) -> bool:
    try:
        return house.postmaster() != old and house.sql("SELECT 1") == [(1,)]
    except AssertionError:
        return False
