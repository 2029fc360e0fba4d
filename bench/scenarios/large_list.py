"""A stored list of 500,000 recipients: how long it takes to store, to hand in and to send, and what memory it needs."""

import time
from typing import Any

from bench import tree
from bench.homing import Homing
from bench.load import Sink, free_port
from bench.peak import Peak
from bench.result import Expectation, Plan, Result, Table

NAME = "list"
TITLE = "List: one transmission to half a million"
MOST_MB = 400.0


def run(plan: Plan) -> Result:
    """Store the list, send to it, wait until the sink has the last message."""
    count = plan.size(500_000, 5_000)
    sink_port = free_port()
    with (
        Sink(sink_port) as sink,
        Homing(settings={"HOMING_SMARTHOST": f"127.0.0.1:{sink_port}"}, keys=("rsa",)) as homing,
        Peak(homing) as peak,
    ):
        recipients = [
            {"address": {"email": f"kim{n}@d{n % 500}.bench.test", "name": f"Kim {n}"}, "substitution_data": {"uid": n}}
            for n in range(count)
        ]
        began = time.monotonic()
        homing.post("recipient-lists", {"id": "all", "recipients": recipients})
        stored_s = time.monotonic() - began
        plan.say(f"stored after {stored_s:.1f} s")
        del recipients
        cpu, began = tree.cpu_seconds(homing.pid), time.monotonic()
        answer: Any = homing.post("transmissions", _transmission())
        taken_s = time.monotonic() - began
        plan.say(f"taken after {taken_s:.2f} s: {answer['results']}")
        sent_s = sink.wait_for(count, 3_600) - began
        homing.wait_empty(60)
        cpu_ms = (tree.cpu_seconds(homing.pid) - cpu) * 1000 / count
        injected = int(homing.sql("SELECT count(*) FROM events WHERE type = 1")[0][0])
    result = Result(
        NAME, TITLE, "Each recipient has a name and substitution data; text and HTML are rendered and signed with RSA-2048."
    )
    result.tables.append(
        Table(
            "",
            ["recipients", "list stored after", "transmission taken after", "all delivered after", "messages/s",
             "CPU ms/message", "largest worker MB"],
            [[f"{count:,}", f"{stored_s:.1f} s", f"{taken_s:.2f} s", f"{sent_s:,.0f} s", f"{count / sent_s:,.0f}",
              f"{cpu_ms:.2f}", f"{peak.mb:.0f}"]],
        )
    )  # fmt: skip
    result.expectations += [
        Expectation("injections of the list", f"{count:,}", f"{injected:,}", injected == count),
        Expectation("largest worker with the list", f"under {MOST_MB:.0f} MB", f"{peak.mb:.0f} MB", peak.mb < MOST_MB),
    ]
    return result


def _transmission() -> dict[str, Any]:
    return {
        "campaign_id": "bench",
        "recipients": {"list_id": "all"},
        "options": {"open_tracking": False, "click_tracking": False},
        "content": {
            "from": "news@bench.test",
            "subject": "{{address.name}}, look",
            "text": "Hello {{address.name}}, your number is {{uid}}.\n" + "All the best. " * 60,
            "html": "<p>Hello {{address.name}}, your number is {{uid}}.</p>" + "<p>All the best.</p>\n" * 60,
        },
    }
