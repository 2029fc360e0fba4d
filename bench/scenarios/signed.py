"""The same relay with DKIM: what an RSA-2048 signature adds to each message, and a second one with Ed25519."""

from dataclasses import asdict

from bench.result import Expectation, Plan, Result, Table, middle
from bench.scenarios.relay import SIZE_BYTES, Run, homing_run

NAME = "signed"
TITLE = "Signed: the relay with DKIM"
KEYS = {"unsigned": (), "RSA-2048": ("rsa",), "RSA-2048 and Ed25519": ("rsa", "ed25519")}


def run(plan: Plan) -> Result:
    """Measure unsigned, RSA, and both algorithms in turns."""
    runs: dict[str, list[Run]] = {name: [] for name in KEYS}
    for turn in range(plan.size(3, 1)):
        for name, keys in KEYS.items():
            plan.say(f"{name}, turn {turn + 1}")
            runs[name].append(homing_run(plan.size(10_000, 1_000), 20, keys=keys))
    result = Result(
        NAME,
        TITLE,
        f"`smtp-source` hands in messages of {SIZE_BYTES} bytes over 20 kept sessions; each is signed, relaxed/relaxed, "
        "when it is sent.",
    )
    table = Table("", ["signature", "accepted/s", "end to end/s", "CPU ms/message"])
    for name, group in runs.items():
        table.rows.append(
            [
                name,
                f"{middle([one.accepted_per_s for one in group]):,.0f}",
                f"{middle([one.through_per_s for one in group]):,.0f}",
                f"{middle([one.cpu_ms for one in group]):.2f}",
            ]
        )
    result.tables.append(table)
    cpu = middle([one.cpu_ms for one in runs["RSA-2048"]])
    result.expectations.append(Expectation("CPU per message signed with RSA-2048", "1.6 ms or less", f"{cpu:.2f} ms", cpu <= 1.6))
    result.raw = {"runs": {name: [asdict(one) for one in group] for name, group in runs.items()}}
    return result
