"""Workers are killed, stopped beyond their lease, and frozen together with their supervisor, while both doors run."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.house import House
from tests.kit.traffic import Traffic
from tests.soak.ledger import DOMAIN, close, sink

pytestmark = [pytest.mark.soak, pytest.mark.timeout(420)]
SECONDS = 60.0


def test_nothing_is_lost_when_workers_die(tmp_path: Path, dice: random.Random, tell: Callable[[str], None]):
    done: Counter[str] = Counter()
    with sink(tmp_path, delay_s=0.003) as into, House(dns=into.dns, delivery_port=into.port) as house:
        with Traffic(house, domain=DOMAIN) as traffic:
            house.wait_until(lambda: len(traffic.accepted) > 200, 30, "mail flows")
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(dice.uniform(1.5, 4.0))
                workers = house.workers()
                if not workers:
                    continue
                victim = dice.choice(workers)
                what = dice.choice(["killed", "stopped", "frozen"])
                done[what] += 1
                match what:
                    case "killed":
                        house.signal(victim, signal.SIGKILL)
                    case "stopped":
                        house.signal(victim, signal.SIGSTOP)
                        time.sleep(house.settings.lease_s * 1.25)
                        house.signal(victim, signal.SIGCONT)  # the watchdog has killed it by now, or it wakes without a lease
                    case "frozen":
                        _freeze(house, victim)
            flowed = len(traffic.accepted)
        ledger = close(house, traffic, into)
        tell(ledger.text(f"workers: {dict(done)} in {SECONDS:.0f} s", accepted_per_second=round(flowed / SECONDS)))
        assert ledger.lost == []
        assert ledger.uninvited == []
        assert ledger.told == ledger.arrived, "each is told once"
        assert ledger.doubled <= done.total() * house.settings.max_in_flight


def _freeze(house: House, worker: int) -> None:
    """Stop a worker together with its watchdog: its shards go to others, then it wakes up and finds that it owns nothing."""
    assert house.child is not None
    house.signal(worker, signal.SIGSTOP)
    house.child.send_signal(signal.SIGSTOP)
    time.sleep(house.settings.lease_s * 1.75)
    house.child.send_signal(signal.SIGCONT)
    house.signal(worker, signal.SIGCONT)
