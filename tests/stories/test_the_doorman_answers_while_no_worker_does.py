"""While no worker is ready the supervisor itself answers: 503 and 421, never a closed port or an endless wait."""

import signal
import socket
import time

from homing.ground.secrets import hash_api_key
from tests.kit.house import House
from tests.kit.neighbours import Neighbours
from tests.kit.postgres import TestServer


def test_the_doorman_answers_while_no_worker_does(postgres_server: TestServer, neighbours: Neighbours):
    with postgres_server.fresh() as dsn, House(neighbours, database=dsn) as house:
        for pid in house.workers():
            assert house.signal(pid, signal.SIGKILL)
        status, answer = house.get("/api/v1/transmissions")
        assert status == 503
        assert "try again" in answer["errors"][0]["message"]
        with socket.create_connection(("127.0.0.1", house.smtp_port), 5) as client:
            assert client.recv(200).startswith(b"421 4.3.2 mail.acme.test")
        house.wait_until(lambda: house.get("/health/ready")[0] == 200, 20, "successors serve")
        house.post(["cara@friends.test"])
        house.wait_for("cara@friends.test", "delivery")
        time.sleep(1.5)  # the doorman's evidence is written each second
        (evidence,) = (house.data / "evidence").glob("*/doorman.log")
        assert hash_api_key(house.key).hex()[:16] in evidence.read_text()
