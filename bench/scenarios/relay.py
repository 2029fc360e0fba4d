"""SMTP in, durable queue, SMTP out: the same 4 kB messages through homing and through Postfix, in turns."""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import load, tree
from bench.homing import Homing
from bench.load import Sink, free_port, hand_in
from bench.peak import Peak
from bench.postfix import Postfix
from bench.result import Expectation, Plan, Result, Table, middle

NAME = "relay"
TITLE = "Relay: SMTP in, durable queue, SMTP out"
SIZE_BYTES = 4096
SENDER = "news@bench.test"
RECIPIENT = "reader@sink.test"
SETTLE_S = 1.5  # after the last delivery: outcomes are written, queue files removed; that is part of the price


@dataclass(slots=True)
class Run:
    """One run of one system."""

    system: str
    sessions: int
    kept_open: bool
    messages: int
    accepted_per_s: float
    through_per_s: float
    cpu_ms: float
    memory_mb: float
    lost: int
    more: int  # taken by the sink beyond what was handed in


def run(plan: Plan) -> Result:
    """Measure pairs at 20 and 200 sessions, connections kept and not kept; then count lost and doubled messages one by one."""
    runs: list[Run] = []
    pairs = plan.size(3, 1)
    for sessions in (20, 200):
        for kept_open in (True, False):
            for pair in range(pairs):
                plan.say(f"{sessions} sessions, connections {'kept' if kept_open else 'not kept'}, pair {pair + 1} of {pairs}")
                if plan.postfix:
                    runs.append(_postfix(plan.size(6_000, 400), sessions, kept_open=kept_open))
                runs.append(homing_run(plan.size(20_000, 1_000), sessions, kept_open=kept_open))
    plan.say("the same once more into a sink that writes down each message")
    counted = count_each(plan.size(10_000, 1_000))
    return _result(plan, runs, counted)


def homing_run(
    messages: int,
    sessions: int,
    *,
    kept_open: bool = True,
    keys: tuple[str, ...] = (),
    settings: dict[str, str] | None = None,
    look: Callable[[Homing], None] = lambda homing: None,
) -> Run:
    """Send messages through homing.

    keys       the DKIM algorithms that sign them
    settings   more environment
    look       called at the end, before homing stops
    """
    sink_port = free_port()
    with (
        Sink(sink_port) as sink,
        Homing(settings={"HOMING_SMARTHOST": f"127.0.0.1:{sink_port}"} | (settings or {}), keys=keys) as homing,
        Peak(homing) as peak,
    ):
        # What starts for the first time (connections, prepared statements, caches) belongs to no message.
        hand_in(homing.smtp_port, messages=200, sessions=20, size_bytes=SIZE_BYTES, sender=SENDER, recipient=RECIPIENT)
        sink.wait_for(200, 60)
        time.sleep(SETTLE_S)
        run = _through(sink, "homing", homing.pid, homing.smtp_port, messages, sessions, kept_open=kept_open)
        look(homing)
    run.memory_mb = peak.mb
    return run


def _postfix(messages: int, sessions: int, *, kept_open: bool) -> Run:
    sink_port = free_port()
    with Sink(sink_port) as sink, Postfix(sink_port) as postfix:
        hand_in(postfix.port, messages=50, sessions=20, size_bytes=SIZE_BYTES, sender=SENDER, recipient=RECIPIENT)
        sink.wait_for(50, 60)
        time.sleep(SETTLE_S)
        return _through(sink, "Postfix", postfix.pid, postfix.port, messages, sessions, kept_open=kept_open)


def _through(sink: Sink, system: str, pid: int, port: int, messages: int, sessions: int, *, kept_open: bool) -> Run:
    before, cpu_before, began = sink.count, tree.cpu_seconds(pid), time.monotonic()
    accepted_s = hand_in(
        port,
        messages=messages,
        sessions=sessions,
        size_bytes=SIZE_BYTES,
        sender=SENDER,
        recipient=RECIPIENT,
        reuse=kept_open,
    )
    try:
        through_s = sink.wait_for(before + messages, 120) - began
    except TimeoutError:
        through_s = sink.last_at - began
    time.sleep(SETTLE_S)
    cpu_s = tree.cpu_seconds(pid) - cpu_before
    taken = sink.count - before
    return Run(
        system=system,
        sessions=sessions,
        kept_open=kept_open,
        messages=messages,
        accepted_per_s=messages / accepted_s,
        through_per_s=taken / through_s,
        cpu_ms=cpu_s * 1000 / messages,
        memory_mb=0.0,
        lost=max(0, messages - taken),
        more=max(0, taken - messages),
    )


def count_each(messages: int) -> dict[str, int]:
    """Give every message a recipient of its own and compare with the journal of a simulated provider."""
    with tempfile.TemporaryDirectory(prefix="homing-bench-") as folder:
        journal = Path(folder) / "journal"
        world = subprocess.Popen(
            [sys.executable, "-m", "homing.simulator", "--cast", "sink", "--until-eof", "--journal", str(journal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert world.stdout is not None
            where = json.loads(world.stdout.readline())
            host = f"{where['providers']['Sink']['addresses'][0]}:{where['port']}"
            with Homing(settings={"HOMING_SMARTHOST": host}) as homing:
                subprocess.run(
                    [
                        *(load.tool("smtp-source"), "-d", "-N", "-s", "50", "-m", str(messages), "-l", str(SIZE_BYTES)),
                        *("-f", SENDER, "-t", RECIPIENT, "-M", "source.bench.test", f"127.0.0.1:{homing.smtp_port}"),
                    ],
                    check=True,
                    timeout=600,
                )
                homing.wait_empty(120)
        finally:
            assert world.stdin is not None
            world.stdin.close()
            world.wait(20)
        came = Counter(json.loads(line)["recipients"][0] for line in journal.read_text().splitlines())
    return {"messages": messages, "lost": messages - len(came), "duplicates": came.total() - len(came)}


def _result(plan: Plan, runs: list[Run], counted: dict[str, int]) -> Result:
    result = Result(
        NAME,
        TITLE,
        f"`smtp-source` hands in messages of {SIZE_BYTES} bytes over 20 or 200 sessions, which are kept open or made anew for "
        "each message; `smtp-sink` takes them. Medians of the runs; *end to end*: until the sink has the last one. Unsigned.",
    )
    columns = ["system, sessions", "runs", "accepted/s", "end to end/s", "CPU ms/message", "worker MB", "lost", "more"]
    table = Table("", columns)
    ratio_table = Table("Ratios to Postfix, pair by pair (median)", ["sessions", "accepted", "end to end", "CPU of Postfix"])
    ratios: list[float] = []
    shares: list[float] = []
    for sessions in (20, 200):
        for kept_open in (True, False):
            chosen = [one for one in runs if (one.sessions, one.kept_open) == (sessions, kept_open)]
            ours = [one for one in chosen if one.system == "homing"]
            theirs = [one for one in chosen if one.system == "Postfix"]
            for group in (theirs, ours):
                if group:
                    table.rows.append(_row(group))
            if theirs:
                pairs = list(zip(ours, theirs, strict=True))
                through = middle([a.through_per_s / b.through_per_s for a, b in pairs])
                cpu = middle([a.cpu_ms / b.cpu_ms for a, b in pairs])
                accepted = middle([a.accepted_per_s / b.accepted_per_s for a, b in pairs])
                if kept_open:
                    ratios.append(through)
                    shares.append(cpu)
                name = f"{sessions}, {'kept' if kept_open else 'not kept'}"
                ratio_table.rows.append([name, f"{accepted:.1f} x", f"{through:.1f} x", f"{cpu:.0%}"])
    result.tables.append(table)
    ours = [one for one in runs if one.system == "homing"]
    if ratios:
        result.tables.append(ratio_table)
        result.expectations += [
            Expectation(
                "end to end against Postfix, connections kept", "3.5 x or more, aim 4.5", _span(ratios, "x"), min(ratios) >= 3.5
            ),
            Expectation(
                "CPU per message against Postfix, connections kept", "a fifth or less", _share(shares), max(shares) <= 0.2
            ),
        ]
    result.expectations += [
        Expectation(
            "messages lost",
            "0",
            str(counted["lost"] + sum(one.lost for one in ours)),
            not counted["lost"] and not any(one.lost for one in ours),
        ),
        Expectation("messages doubled", "0", str(counted["duplicates"]), not counted["duplicates"]),
    ]
    result.notes.append(
        f"Lost and doubled were counted one by one in a run of {counted['messages']:,} messages with a recipient each, against "
        "the journal of a simulated provider; in the other runs the sink only counts."
    )
    result.raw = {"runs": [asdict(one) for one in runs], "counted": counted, "quick": plan.quick}
    return result


def _row(group: list[Run]) -> list[str]:
    first = group[0]
    return [
        f"{first.system}, {first.sessions} {'kept' if first.kept_open else 'not kept'}",
        str(len(group)),
        f"{middle([one.accepted_per_s for one in group]):,.0f}",
        f"{middle([one.through_per_s for one in group]):,.0f}",
        f"{middle([one.cpu_ms for one in group]):.2f}",
        f"{max(one.memory_mb for one in group):.0f}" if first.memory_mb else "",
        str(sum(one.lost for one in group)),
        str(sum(one.more for one in group)),
    ]


def _span(values: list[float], unit: str) -> str:
    return " and ".join(f"{value:.1f} {unit}" for value in values)


def _share(values: list[float]) -> str:
    return " and ".join(f"{value:.0%}" for value in values)
