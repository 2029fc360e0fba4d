"""A backlog for a closed site, from ten customers, while other mail flows; then the site opens, and a restart in between."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench import tree
from bench.homing import Homing
from bench.load import Sink, free_port, hand_in
from bench.names import CLOSED, FLOW
from bench.peak import Peak
from bench.result import Expectation, Plan, Result, Table, jain
from bench.scenarios.rest import transmission

NAME = "backlog"
TITLE = "Backlog: 300,000 messages for a closed site"
CUSTOMERS = [f"customer{number}" for number in range(10)]
# Short waits, so that the site is found open again within seconds; nothing else differs from what `homing up` does.
WAITS = {"HOMING_RETRY_FIRST_S": "20", "HOMING_RETRY_CEILING_S": "20", "HOMING_CONNECT_TIMEOUT_S": "5"}


def run(plan: Plan) -> Result:
    """Measure the flow without and with the backlog, a restart, and the drain."""
    total = plan.size(300_000, 10_000)
    flowing = plan.size(10_000, 1_000)
    port = free_port()
    raw: dict[str, object] = {"total": total}
    with _names() as dns, Sink(port, host=FLOW) as flow:
        settings = {"HOMING_DNS": dns, "HOMING_DELIVERY_PORT": str(port), **WAITS}
        with Homing(customers=CUSTOMERS, settings=settings) as homing:
            plan.say("the flow without a backlog")
            _flow(homing, flow, 500)
            before = _flow(homing, flow, flowing)
            plan.say(f"loading {total:,} messages, one customer after the other")
            with Peak(homing) as loading:
                load_s, accept_s = _load(plan, homing, total)
                plan.say("the flow with the backlog")
                with_backlog = _flow(homing, flow, flowing)
            plan.say("idle with the backlog")
            idle_share = _idle_share(homing, plan.size(10, 3))
            plan.say("restart with the backlog")
            homing.stop()
            ready_s = homing.start(300)
            first_s = _first_delivery(homing, flow)
            with Peak(homing) as draining:
                plan.say("the site opens")
                opened_at = time.monotonic()
                with Sink(port, host=CLOSED) as late:
                    half_s, shares = _half(homing, late, total)
                    first_late_s = raw["first_after_opening_s"] = late.first_at - opened_at
                    plan.say(f"half of it after {half_s:.0f} s")
                    nearly = (
                        total * 99 // 100
                    )  # the last ones are those that were tried while it was closed: they keep their waits
                    nearly_s = late.wait_for(nearly, 1_800) - late.first_at
                    try:
                        drained_s = late.wait_for(total, 1_800) - late.first_at
                    except TimeoutError:
                        drained_s = late.last_at - late.first_at
                    time.sleep(2.0)
                    drained = late.count
            waiting = homing.waiting()
    fairness = jain([float(shares.get(name, 0)) for name in CUSTOMERS])
    memory = max(loading.mb, draining.mb)
    raw |= {
        "load_s": load_s, "accept_s": accept_s, "flow_before": before, "flow_with": with_backlog, "idle_cpu_share": idle_share,
        "ready_s": ready_s, "first_s": first_s, "half_s": half_s, "shares": shares, "nearly_s": nearly_s,
        "drained_s": drained_s, "drained": drained, "memory_loading_mb": loading.mb, "memory_draining_mb": draining.mb,
        "waiting_at_the_end": waiting,
    }  # fmt: skip
    result = Result(
        NAME,
        TITLE,
        f"Ten customers hand in {total // 10:,} messages each, one after the other, by REST calls of up to 10,000 recipients, "
        "for a domain whose mail host refuses connections. Unsigned. The retry waits are 20 s instead of 20 minutes, so that the "
        "site is found open again soon.",
        raw=raw,
    )
    result.tables.append(
        Table(
            "",
            ["figure", "value"],
            [
                ["calls accepted, slowest", f"{max(accept_s):.2f} s"],
                ["loading, until all entries were in the queue", f"{load_s:.0f} s, {total / load_s:,.0f} messages/s"],
                ["other mail end to end, without the backlog", f"{before:,.0f} messages/s"],
                ["other mail end to end, with the backlog", f"{with_backlog:,.0f} messages/s"],
                ["CPU while the backlog waits", f"{idle_share:.1%} of one core"],
                ["largest worker, loading and waiting", f"{loading.mb:.0f} MB"],
                ["largest worker, draining", f"{draining.mb:.0f} MB"],
                ["restart with the backlog: ready after", f"{ready_s:.1f} s"],
                ["restart: new mail delivered after", f"{first_s:.2f} s more"],
                ["first delivery after the site opened", f"{first_late_s:.1f} s"],
                ["drained to 99 %", f"{nearly:,} in {nearly_s:.0f} s, {nearly / nearly_s:,.0f} messages/s"],
                ["drained, with those that keep the waits of an attempt", f"{drained:,} in {drained_s:.0f} s"],
                ["Jain's index over the customers at half-time", f"{fairness:.3f}"],
                ["left in the queue", str(waiting)],
            ],
        )
    )
    result.expectations += [
        Expectation("largest worker with the backlog", "under 300 MB", f"{memory:.0f} MB", memory < 300),
        Expectation("Jain's index over ten customers", "above 0.95", f"{fairness:.3f}", fairness > 0.95),
        Expectation("lost of the backlog", "0", str(total - drained), drained >= total),
        Expectation("doubled of the backlog", "0", str(max(0, drained - total)), drained <= total),
    ]
    return result


@contextmanager
def _names() -> Iterator[str]:
    """Run the benchmarks' DNS; give its address."""
    served = subprocess.Popen([sys.executable, "-m", "bench.names"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        yield served.stdout.readline().strip()
    finally:
        assert served.stdin is not None
        served.stdin.close()
        served.wait(10)


def _flow(homing: Homing, flow: Sink, messages: int) -> float:
    """Send mail to the open site; return messages per second, end to end."""
    before, began = flow.count, time.monotonic()
    hand_in(
        homing.smtp_port, messages=messages, sessions=20, size_bytes=4096, sender="news@bench.test", recipient="reader@flow.test"
    )
    return messages / (flow.wait_for(before + messages, 300) - began)


def _load(plan: Plan, homing: Homing, total: int) -> tuple[float, list[float]]:
    """Hand in the backlog; return the seconds until all of it was in the queue, and how long each call took."""
    each = total // len(CUSTOMERS)
    accepted: list[float] = []
    began = time.monotonic()
    for name in CUSTOMERS:
        for first in range(0, each, 10_000):
            count = min(10_000, each - first)
            body = transmission(count, domain="closed.test", sender=f"news@{name}.test", first=first)
            asked = time.monotonic()
            homing.post("transmissions", body, key=homing.keys[name])
            accepted.append(time.monotonic() - asked)
    while (there := homing.waiting()) < total:
        if time.monotonic() - began > 900:
            raise TimeoutError(f"{there} of {total} messages are in the queue after 15 minutes")
        time.sleep(0.5)
    return time.monotonic() - began, accepted


def _idle_share(homing: Homing, seconds: int) -> float:
    """Return the share of a core that everything together uses while the backlog waits."""
    before = tree.cpu_seconds(homing.pid)
    time.sleep(seconds)
    return (tree.cpu_seconds(homing.pid) - before) / seconds


def _first_delivery(homing: Homing, flow: Sink) -> float:
    """Return how long one fresh message takes right after a start."""
    before, began = flow.count, time.monotonic()
    homing.post("transmissions", transmission(1, domain="flow.test"))
    return flow.wait_for(before + 1, 60) - began


def _half(homing: Homing, late: Sink, total: int) -> tuple[float, dict[str, int]]:
    """Wait for half of the backlog; return the seconds since its first delivery, and how many each customer has by then."""
    half_s = late.wait_for(total // 2, 1_800) - late.first_at
    rows = homing.sql(
        "SELECT a.name, e.n FROM (SELECT account_id, count(*) AS n FROM events WHERE type = 2 "
        "AND recipient_domain = 'closed.test' GROUP BY account_id) e JOIN accounts a USING (account_id)"
    )
    return half_s, {str(name): int(count) for name, count in rows}
