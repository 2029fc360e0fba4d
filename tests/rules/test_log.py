"""The log must never end what it tells about."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, sys
from homing.ground import log
log.set_up()
os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
for number in range(20_000):
    log.get("test").error("told", number=number)
print("alive")
os._exit(0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux")
def test_a_log_whose_disk_is_full_ends_nothing():
    done = subprocess.run([sys.executable, "-u", "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "alive"
