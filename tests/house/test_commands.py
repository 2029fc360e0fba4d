"""Commands start fast: who asks for one does not wait until the doors of the API are imported."""

import subprocess
import sys

from homing.cli.app import COMMANDS

HEAVY = ("litestar", "uvicorn")


def test_no_command_imports_a_door_before_it_needs_one():
    modules = sorted({f"homing.cli.{module}" for module, _ in COMMANDS.values()})
    code = f"import sys, {', '.join(modules)}; print(*set({HEAVY}) & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
