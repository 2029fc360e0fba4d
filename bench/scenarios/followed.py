"""What it costs to follow mail: the same transmissions plain, and with tracked links, all events and a webhook."""

import time
from typing import Any

from bench import tree
from bench.homing import Homing
from bench.load import Sink, free_port
from bench.receiver import Receiver
from bench.result import Expectation, Plan, Result, Table, middle

NAME = "followed"
TITLE = "Followed: tracking, events and a webhook"
LEAST = 0.6
_PARAGRAPH = "<p>Something to read that is the same for everybody, and some more of it until the line is long.</p>\n" * 12
_HTML = (
    "<html><body><p>Dear {{name}},</p>\n"
    + "".join(f'{_PARAGRAPH}<p><a href="https://shop.bench.test/{n}?who={{{{uid}}}}">Look</a></p>\n' for n in range(5))
    + "</body></html>"
)


def run(plan: Plan) -> Result:
    """Send plain and followed in turns, on one platform each, and wait until the webhook was told everything."""
    count = plan.size(10_000, 1_000)
    turns = plan.size(3, 1)
    rates: dict[str, list[float]] = {"plain": [], "followed": []}
    cpu: dict[str, list[float]] = {"plain": [], "followed": []}
    pushed: list[float] = []
    sink_port, site_port = free_port(), free_port()
    with (
        Sink(sink_port) as sink,
        Receiver() as receiver,
        Homing(
            settings={
                "HOMING_SMARTHOST": f"127.0.0.1:{sink_port}",
                "HOMING_TRACKING": f"127.0.0.1:{site_port}",
                "HOMING_ALLOW_PRIVATE_TARGETS": "true",
                "HOMING_TARGET_PORTS": str(receiver.port),
            },
            customers=("plain", "followed"),
            keys=("rsa",),
        ) as homing,
    ):
        homing.post(
            "webhooks",
            {"name": "bench", "target": receiver.url, "events": ["injection", "delivery", "bounce", "delay", "open", "click"]},
            key=homing.keys["followed"],
        )
        for name in rates:
            homing.post("transmissions", _transmission(name, 50), key=homing.keys[name])
        sink.wait_for(100, 60)
        receiver.wait_for(100, 60)
        for turn in range(turns):
            for name in rates:
                plan.say(f"{name}, turn {turn + 1}")
                body = _transmission(name, count)
                before, told = sink.count, receiver.count
                cpu_before, began = tree.cpu_seconds(homing.pid), time.monotonic()
                homing.post("transmissions", body, key=homing.keys[name])
                rates[name].append(count / (sink.wait_for(before + count, 180) - began))
                if name == "followed":
                    pushed.append(2 * count / (receiver.wait_for(told + 2 * count, 180) - began))
                time.sleep(4.0)  # what follows the log is counted too
                cpu[name].append((tree.cpu_seconds(homing.pid) - cpu_before) * 1000 / count)
    ratio = middle(rates["followed"]) / middle(rates["plain"])
    result = Result(
        NAME,
        TITLE,
        f"One REST call with {count:,} recipients, text and HTML of {len(_HTML) / 1024:.0f} kB with five links, signed with "
        "RSA-2048. Plain: no tracking, no webhook. Followed: links and two pixels are tracked, and a webhook is told every "
        "event. Metrics are counted in both.",
    )
    table = Table("", ["", "messages/s", "CPU ms/message", "events pushed/s"])
    for name in rates:
        table.rows.append(
            [
                name,
                f"{middle(rates[name]):,.0f}",
                f"{middle(cpu[name]):.2f}",
                f"{middle(pushed):,.0f}" if name == "followed" else "",
            ]
        )
    result.tables.append(table)
    result.expectations.append(
        Expectation("speed with everything followed", f"above {LEAST:.0%} of plain", f"{ratio:.0%}", ratio > LEAST)
    )
    result.notes.append(
        "Events pushed: from the call until the webhook has been told the last delivery; a batch gathers for "
        "some seconds before it is sent."
    )
    result.raw = {"rates": rates, "cpu": cpu, "pushed": pushed}
    return result


def _transmission(name: str, count: int) -> dict[str, Any]:
    followed = name == "followed"
    return {
        "options": {"open_tracking": followed, "click_tracking": followed, "initial_open": followed},
        "campaign_id": "bench",
        "recipients": [
            {"address": {"email": f"kim{n}@there.bench.test"}, "substitution_data": {"name": f"Kim {n}", "uid": str(n)}}
            for n in range(count)
        ],
        "content": {"from": f"news@{name}.test", "subject": "News for {{name}}", "text": "Dear {{name}}, look.\n", "html": _HTML},
    }
