"""What the ledger costs: the same relay with and without the journal of attempts, in turns."""

import os
from dataclasses import asdict
from pathlib import Path

from bench.homing import Homing
from bench.result import Expectation, Plan, Result, Table, middle
from bench.scenarios.relay import SIZE_BYTES, Run, homing_run

NAME = "evidence"
TITLE = "Evidence: the relay with and without its ledger"
WITHOUT = Path(__file__).parents[1] / "without_evidence"
SESSIONS = 200  # where a message costs least, so that the journal's share is largest


def run(plan: Plan) -> Result:
    """Measure pairs, each the other way round than the one before it."""
    pairs: list[tuple[Run, Run]] = []
    messages = plan.size(20_000, 1_000)
    for pair in range(plan.size(8, 1)):
        plan.say(f"pair {pair + 1}")
        runs = {noted: _run(messages, noted=noted) for noted in ((True, False) if pair % 2 else (False, True))}
        pairs.append((runs[True], runs[False]))
    result = Result(
        NAME,
        TITLE,
        f"`smtp-source` hands in messages of {SIZE_BYTES} bytes over {SESSIONS} kept sessions, {len(pairs)} times with the "
        "journal of attempts, its fold and the watch, and as often in a house whose journal notes no attempts. Medians.",
    )
    table = Table("", ["journal", "accepted/s", "end to end/s", "CPU ms/message"])
    for name, group in (("as it is", [one for one, _ in pairs]), ("notes nothing", [one for _, one in pairs])):
        table.rows.append(
            [
                name,
                f"{middle([one.accepted_per_s for one in group]):,.0f}",
                f"{middle([one.through_per_s for one in group]):,.0f}",
                f"{middle([one.cpu_ms for one in group]):.3f}",
            ]
        )
    result.tables.append(table)
    speed = middle([1 - noted.through_per_s / bare.through_per_s for noted, bare in pairs])
    cpu = middle([noted.cpu_ms / bare.cpu_ms - 1 for noted, bare in pairs])
    spread = sorted(1 - noted.through_per_s / bare.through_per_s for noted, bare in pairs)
    result.expectations.append(Expectation("throughput that the ledger costs", "under 2%", f"{speed:.1%}", speed < 0.02))
    result.notes.append(
        f"Pair by pair the ledger cost {speed:.1%} of the messages a second (median; from {spread[0]:.1%} to {spread[-1]:.1%}: "
        f"pairs differ by more than it costs) and {cpu:.1%} of the CPU time (median)."
    )
    result.raw = {"pairs": [[asdict(one) for one in pair] for pair in pairs]}
    return result


def _run(messages: int, *, noted: bool) -> Run:
    found: list[int] = []
    paths = [os.environ.get("PYTHONPATH", "")]
    settings = {} if noted else {"PYTHONPATH": os.pathsep.join(filter(None, [str(WITHOUT), *paths]))}
    run = homing_run(messages, SESSIONS, settings=settings, look=lambda homing: found.append(_attempts(homing)))
    if (found[0] >= messages) is not noted:
        raise RuntimeError(f"the journal noted {found[0]} attempts of {messages}")
    return run


def _attempts(homing: Homing) -> int:
    """Return how many attempts the journals hold, by the counts at the end of their lines."""
    lines = [
        line.split() for path in (homing.folder / "var" / "evidence").rglob("*.log") for line in path.read_text().splitlines()
    ]
    return sum(int(part.rpartition("=")[2]) for words in lines if len(words) == 6 for part in words[4].split(","))
