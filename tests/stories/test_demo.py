"""`homing demo` needs nothing, accounts for every message, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "homing.cli", "demo"]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the demo takes for /tmp, so that what it leaves behind is seen."""
    for name in list(os.environ):
        if name.startswith("HOMING_"):
            monkeypatch.delenv(name)
    tmp_path.chmod(0o711)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left_behind(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith("homing-demo")]


def test_every_message_of_the_demo_is_accounted_for_and_none_arrives_twice(alone):
    ended = subprocess.run([*DEMO, "--json", "--recipients", "140"], capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    by_name = {one["provider"]: one for one in told["providers"]}
    for one in told["providers"]:
        assert one["delivered"] + sum(one["bounced"].values()) + one["waiting"] == one["recipients"], one
    assert sum(one["recipients"] for one in told["providers"]) == 140
    assert told["received"] == sum(one["delivered"] for one in told["providers"])
    assert told["received_twice"] == 0
    for name in ("Greypost", "Wobbly", "Snailmail", "Cutoff", "Rustykey", "Homelab", "Oldmail", "Bigmail"):
        assert by_name[name]["waiting"] == 0, by_name[name]
    assert set(by_name["Fortress"]["bounced"]) == {"51"}
    assert by_name["Greypost"]["deferred_attempts"] > 0
    assert left_behind(alone) == []


def test_ctrl_c_ends_the_demo_and_everything_it_started(alone):
    # A shell's background job ignores Ctrl-C, and so would its children: the demo is given the signal's own meaning back.
    demo = subprocess.Popen(
        DEMO,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(alone.glob("homing-demo-*/data/database.dsn")):
        assert demo.poll() is None
        time.sleep(0.05)
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130, said
    assert "Traceback" not in said
    assert left_behind(alone) == []
