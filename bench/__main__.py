"""`python -m bench`: measure, show, and write docs/benchmarks.md."""

import argparse
import sys
import time
from types import ModuleType

from rich.console import Console

from bench import facts, report
from bench.result import Plan
from bench.scenarios import backlog, evidence, figures, followed, large_list, relay, rest, search, signed

SCENARIOS: dict[str, ModuleType] = {
    module.NAME: module for module in (relay, signed, rest, backlog, followed, large_list, search, figures, evidence)
}


def main() -> int:
    """Measure what was asked for; 0 if everything ran, fast enough or not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure homing against Postfix on this machine.")
    parser.add_argument("--quick", action="store_true", help="small numbers: to see that everything works; writes no page")
    parser.add_argument("--without-postfix", action="store_true", help="measure homing alone")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), metavar="NAME", help=f"one of {', '.join(SCENARIOS)}")
    chosen = parser.parse_args()
    console = Console(highlight=False)
    began = time.monotonic()
    said = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        said.print(f"[dim]{time.monotonic() - began:7.1f} s[/]  {text}")

    plan = Plan(quick=chosen.quick, postfix=not chosen.without_postfix, say=say)
    machine = facts.machine(postfix=plan.postfix)
    for name, value in machine.items():
        console.print(f"{name:>18}  {value}")
    order = list(SCENARIOS)
    failed: list[str] = []
    for name in [one for one in order if not chosen.only or one in chosen.only]:
        say(f"[bold]{name}[/]: {SCENARIOS[name].TITLE}")
        try:
            result = SCENARIOS[name].run(plan)
        except Exception:  # the edge of one scenario: the others are measured all the same
            said.print_exception()
            failed.append(name)
            continue
        report.show(console, result)
        if not chosen.quick:
            report.keep(result, machine)
            report.write(report.kept(order))
    if not chosen.quick:
        console.print(f"\nwritten: {report.PAGE.relative_to(report.ROOT)}, and the raw figures in bench/out")
    if failed:
        console.print(f"[bold red]not measured: {', '.join(failed)}[/]")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
