"""One REST call with 10,000 recipients: how long until it is ours, and until the last one is delivered."""

import time

from bench import tree
from bench.homing import Homing
from bench.load import Sink, free_port
from bench.peak import Peak
from bench.result import Expectation, Plan, Result, Table, middle

NAME = "rest"
TITLE = "REST: one call with 10,000 recipients"


def run(plan: Plan) -> Result:
    """Make the call several times on one platform."""
    count = plan.size(10_000, 1_000)
    sink_port = free_port()
    accepted: list[float] = []
    through: list[float] = []
    cpu: list[float] = []
    lost = 0
    with (
        Sink(sink_port) as sink,
        Homing(settings={"HOMING_SMARTHOST": f"127.0.0.1:{sink_port}"}, keys=("rsa",)) as homing,
        Peak(homing) as peak,
    ):
        homing.post("transmissions", transmission(50))
        sink.wait_for(50, 60)
        time.sleep(1.5)
        for turn in range(plan.size(5, 1)):
            plan.say(f"call {turn + 1}")
            body = transmission(count)
            before, cpu_before, began = sink.count, tree.cpu_seconds(homing.pid), time.monotonic()
            homing.post("transmissions", body)
            accepted.append(time.monotonic() - began)
            try:
                through.append(sink.wait_for(before + count, 120) - began)
            except TimeoutError:
                through.append(120.0)
            time.sleep(1.5)
            cpu.append((tree.cpu_seconds(homing.pid) - cpu_before) * 1000 / count)
            lost += before + count - sink.count
    result = Result(
        NAME,
        TITLE,
        "Each recipient has a name and substitution data; text and HTML are rendered and signed with RSA-2048 for each one. One "
        "client, nothing else going on.",
    )
    row = [f"{min(accepted):.2f} / {middle(accepted):.2f} s", f"{min(through):.1f} / {middle(through):.1f} s"]
    rate = f"{count / middle(through):,.0f}"
    result.tables.append(
        Table(
            f"{len(accepted)} calls, best / median",
            ["", "accepted after", "last one delivered after", "messages/s", "CPU ms/message", "worker MB", "lost"],
            [[f"{count:,} recipients", *row, rate, f"{middle(cpu):.2f}", f"{peak.mb:.0f}", str(lost)]],
        )
    )
    result.expectations += [
        Expectation(
            f"acceptance of {count:,} recipients in one call", "under 1 s", f"{middle(accepted):.2f} s", middle(accepted) < 1.0
        ),
        Expectation("lost of these", "0", str(lost), not lost),
    ]
    result.raw = {"accepted_s": accepted, "through_s": through, "cpu_ms": cpu, "lost": lost, "count": count}
    return result


def transmission(count: int, *, domain: str = "sink.test", sender: str = "news@bench.test", first: int = 0) -> dict[str, object]:
    """Return the body of a call with so many recipients."""
    return {
        "campaign_id": "bench",
        "content": {
            "from": {"email": sender, "name": "The Shop"},
            "subject": "{{first_name}}, your parcel is on its way",
            "text": "Hello {{first_name}},\n\nyour parcel number {{parcel}} left our house today.\n\n" + "All the best. " * 60,
            "html": "<p>Hello {{first_name}},</p><p>your parcel number <b>{{parcel}}</b> left our house today.</p>"
            + "<p>All the best.</p>\n" * 60,
        },
        "recipients": [
            {
                "address": {"email": f"reader{number}@{domain}", "name": f"Reader {number}"},
                "substitution_data": {"first_name": f"Reader{number}", "parcel": 1_000_000 + number},
            }
            for number in range(first, first + count)
        ],
    }
