"""PostgreSQL is killed, stopped and ended in every way while both doors run: nothing lost, nothing doubled."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.kit.house import House
from tests.kit.traffic import Traffic
from tests.soak.ledger import DOMAIN, close, sink

pytestmark = [pytest.mark.soak, pytest.mark.timeout(420)]
SECONDS = 50.0


def test_nothing_is_lost_or_doubled_when_the_database_dies(tmp_path: Path, dice: random.Random, tell: Callable[[str], None]):
    done: Counter[str] = Counter()
    with sink(tmp_path, delay_s=0.003) as into, House(dns=into.dns, delivery_port=into.port) as house:
        workers = set(house.workers())
        with Traffic(house, domain=DOMAIN) as traffic:
            house.wait_until(lambda: len(traffic.accepted) > 200, 30, "mail flows")
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(dice.uniform(1.0, 4.0))
                number = dice.choice([signal.SIGKILL, signal.SIGQUIT, signal.SIGINT, signal.SIGSTOP])
                try:
                    postmaster = house.postmaster()
                except AssertionError:
                    continue  # between two lives
                done[number.name] += 1
                house.signal(postmaster, number)
                if number is signal.SIGSTOP:
                    time.sleep(dice.uniform(0.5, 3.0))
                    house.signal(postmaster, signal.SIGCONT)
                    continue
                later = time.monotonic() + 0.2
                house.wait_until(partial(_accepts, traffic, later), 60, "mail is accepted again")
            flowed = len(traffic.accepted)
        survived = workers & set(house.workers())
        ledger = close(house, traffic, into)
        tell(
            ledger.text(
                f"database: {dict(done)} in {SECONDS:.0f} s",
                accepted_per_second=round(flowed / SECONDS),
                workers_that_lived_through_it=f"{len(survived)} of {len(workers)}",
            )
        )
        assert ledger.lost == []
        assert ledger.doubled == 0
        assert ledger.uninvited == []
        assert ledger.told == ledger.arrived, "each is told once"
        assert survived == workers, "a database that dies takes no worker with it"


def _accepts(traffic: Traffic, since: float) -> bool:
    return traffic.last_accepted_at > since
