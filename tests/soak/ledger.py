"""What was accepted against what arrived, one by one."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable
from typing import Any

from homing.events.types import EventType
from homing.ground.config import HostPort, parse_host_port
from tests.kit.house import House
from tests.kit.traffic import Traffic

DOMAIN = "sink.test"


@dataclass(slots=True)
class Sink:
    """A simulated provider in a process of its own, which writes each message down before it says 250."""

    dns: HostPort
    port: int
    journal: Path

    def arrived(self) -> "Counter[str]":
        """Return how often each recipient's message arrived."""
        return Counter(json.loads(line)["recipients"][0] for line in self.journal.read_text().splitlines())


@contextmanager
def sink(folder: Path, *, delay_s: float) -> Iterator[Sink]:
    """Run a sink that takes everything; delay_s before each of its replies, so that attempts are under way for a while."""
    journal = folder / "journal"
    process = Popen(
        [
            executable,
            "-m",
            "homing.simulator",
            "--cast",
            "sink",
            "--until-eof",
            "--journal",
            str(journal),
            "--delay",
            str(delay_s),
        ],
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        where: dict[str, Any] = json.loads(process.stdout.readline())
        yield Sink(parse_host_port(where["dns"]), where["port"], journal)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)


@dataclass(slots=True)
class Ledger:
    """The sums of one run."""

    accepted: int
    unknown: int
    refused: dict[str, int]
    arrived: int  # different messages
    lost: list[str]
    doubled: int  # arrivals beyond the first
    uninvited: list[str]  # arrived though the door said no
    told: int  # delivery events

    def text(self, title: str, **more: object) -> str:
        """Return the report for a person."""
        lines = [
            "",
            title,
            f"  accepted {self.accepted:,}, unknown to the client {self.unknown:,}, refused {self.refused or 'none'}",
            f"  arrived {self.arrived:,} different messages, delivery events {self.told:,}",
            f"  lost {len(self.lost)}, doubled {self.doubled}, sent though refused {len(self.uninvited)}",
            *(f"  {name.replace('_', ' ')}: {value}" for name, value in more.items()),
        ]
        return "\n".join(lines)


def close(house: House, traffic: Traffic, into: Sink, *, seconds: float = 120.0) -> Ledger:
    """Wait until nothing waits any more, and do the sums."""
    house.wait_until(house.is_ready, 60, "the house is ready again")
    house.wait_empty(seconds)
    arrived = into.arrived()
    return Ledger(
        accepted=len(traffic.accepted),
        unknown=len(traffic.unknown),
        refused=dict(sorted(traffic.refused.items())),
        arrived=len(arrived),
        lost=sorted(traffic.accepted - set(arrived)),
        doubled=arrived.total() - len(arrived),
        uninvited=sorted(set(arrived) - traffic.accepted - traffic.unknown),
        told=house.count(EventType.DELIVERY),
    )
