"""Every worker dies under load while the doorman answers; then the whole host is gone. The ledger says what the customer saw.

The load generator asks both doors three times a second, never close to the turn of a second, and keeps what it saw. Where an
answer took so long that the second had turned, the doors may have heard the question in the next one: such seconds are left out.
"""

import signal
import smtplib
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from homing.simulator.providers import Provider
from homing.simulator.rules.behaviour import Behaviour
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer

FRIENDS = Provider(name="Friends", domains=("friends.test",), addresses=("127.0.0.31",), behaviour=Behaviour())
OFFSETS = (0.2, 0.45, 0.7)  # of a second, at which it asks
DOORS = ("api", "smtp")


class Load:
    """Asks both doors, and keeps for each second whether anything was answered well."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.seen: dict[str, dict[int, list[bool]]] = {door: {} for door in DOORS}
        self.doubtful: set[int] = set()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(32)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        ask = {"api": self._by_api, "smtp": self._by_smtp}
        while not self._stop.is_set():
            second = int(time.time())
            for offset in OFFSETS:
                time.sleep(max(0.0, second + offset - time.time()))
                for door in DOORS:
                    self._pool.submit(self._try, door, second, ask[door])
            time.sleep(max(0.0, second + 1.0 - time.time()))

    def _try(self, door: str, second: int, ask) -> None:
        fine = ask()
        self.seen[door].setdefault(second, []).append(fine)
        self.doubtful |= set(range(second, int(time.time()) + 1)) if time.time() >= second + 1 else set()

    def _by_api(self) -> bool:
        url = f"http://127.0.0.1:{self.house.http_port}/api/v1/availability"
        try:
            request = urllib.request.Request(url, headers={"Authorization": self.house.key})
            with urllib.request.urlopen(request, timeout=20):
                return True
        except (OSError, urllib.error.HTTPError):
            return False

    def _by_smtp(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.house.smtp_port, local_hostname="c.acme.test", timeout=20) as client:
                client.sendmail("news@acme.test", ["lee@friends.test"], "From: news@acme.test\r\nSubject: x\r\n\r\nx\r\n")
            return True
        except (OSError, smtplib.SMTPException):
            return False

    def unavailable(self, since: int, until: int) -> set[int]:
        """Return the seconds in which, at one door or both, everything failed."""
        return {
            second
            for door in DOORS
            for second, answers in self.seen[door].items()
            if since <= second < until and not any(answers)
        }


def members(runs: list[list[int]]) -> set[int]:
    return {second for start, length in runs for second in range(start, start + length)}


def extract(house: House, since: int, until: int) -> dict:
    def text(second: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))

    status, answer = house.get(f"/api/v1/availability/seconds?from={text(since)}&to={text(until)}")
    assert status == 200, answer
    return answer["results"]


def folded(house: House, until: int) -> bool:
    rows = house.sql("SELECT extract(epoch FROM folded_until) FROM ledger_nodes")
    return bool(rows) and all(at is not None and at > until + 2 for (at,) in rows)


def test_the_unavailable_seconds_are_those_that_the_customer_saw(postgres_server: TestServer):
    with Neighbours(FRIENDS) as town, postgres_server.fresh() as dsn, House(town, database=dsn) as house:
        time.sleep(2.0)
        with Load(house) as load:
            since = int(time.time()) + 1
            time.sleep(3.5)
            killed_at = time.time()
            while time.time() < killed_at + 4.0:  # they are killed again and again, as long as they come back
                for pid in house.workers():
                    house.signal(pid, signal.SIGKILL)
                time.sleep(0.05)
            house.wait_until(lambda: house.get("/health/ready")[0] == 200, 30, "successors serve")
            time.sleep(2.0)
            until = int(time.time())
            time.sleep(1.0)
        house.wait_until(lambda: folded(house, until), 30, "the journals are folded")
        found = extract(house, since, until)
        expected = load.unavailable(since, until)
        clear = set(range(since, until)) - load.doubtful
        assert len(clear) >= (until - since) / 2
        assert len(expected & clear) >= 3, "the doors failed for a while"
        assert members(found["unavailable"]) & clear == expected & clear
        for door in DOORS:
            assert members(found[door]["attempted"]) & clear == load.seen[door].keys() & clear
        assert found["unknown"] == []
        status, answer = house.get(f"/api/v1/availability/months/{time.strftime('%Y-%m', time.gmtime(since))}")
        assert status == 200
        assert answer["results"]["seconds"]["unavailable_net"] >= len(expected)


def test_while_the_host_is_gone_seconds_are_unknown_until_a_witness_tells(postgres_server: TestServer, tmp_path: Path):
    probe = tmp_path / "probe"
    with Neighbours(FRIENDS) as town, postgres_server.fresh() as dsn, House(town, database=dsn) as house:
        public_key = house.run("probe", "init", "--folder", str(probe)).stdout.strip()
        status, answer = house.call("/api/v1/availability/witnesses", {"name": "elsewhere", "public_key": public_key})
        assert status == 200, answer
        house.environ["HOMING_API_KEY"] = house.key
        url, door = f"http://127.0.0.1:{house.http_port}", f"127.0.0.1:{house.smtp_port}"
        asking = house.spawn(
            "probe",
            "run",
            "--http",
            url,
            "--smtp",
            door,
            "--folder",
            str(probe),
            "--report",
            "2",
            "--patience",
            "5",
            "--insecure",
        )
        time.sleep(3.0)
        gone_at = time.time()
        assert house.child is not None
        for pid in house.workers():  # all of it, at once and without a word
            house.signal(pid, signal.SIGKILL)
        house.child.kill()
        house.child.wait(10)
        time.sleep(6.0)
        house.start()
        back_at = time.time()
        asking.terminate()
        assert asking.wait(20) == 0
        house.wait_until(lambda: folded(house, int(back_at)), 30, "the journals are folded")
        before = extract(house, int(gone_at) - 2, int(back_at) + 1)
        certain = set(range(int(gone_at) + 1, int(gone_at) + 6))
        assert certain <= members(before["unknown"]), "nobody watched"
        assert not certain & members(before["unavailable"])

        posted = house.run("probe", "post", "--http", url, "--folder", str(probe))
        assert "reports posted" in posted.stdout
        after = extract(house, int(gone_at) - 2, int(back_at) + 1)
        assert certain <= members(after["unavailable"]), "the witness saw that nobody answered"
        assert not certain & members(after["unknown"])
        assert not set(range(int(gone_at) - 2, int(gone_at))) & members(after["unavailable"])
