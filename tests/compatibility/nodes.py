"""The clients for Node.js: installed once into a folder that git ignores, from pinned packages, and driven line by line."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

HERE = Path(__file__).parent / "node"
HOME = Path(__file__).parents[2] / ".node"
INSTALL_WITHIN_S = 240


def installed() -> Path:
    """Return the folder of the installed packages; skips the test where there is no Node.js, or no registry to be reached."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    pins = [(HERE / name).read_bytes() for name in ("package.json", "package-lock.json")]
    wanted = hashlib.sha256(b"".join(pins)).hexdigest()
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        done = HOME / "done"
        if not done.exists() or done.read_text() != wanted:
            done.unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, HOME / name)
            _install()
            done.write_text(wanted)
    return HOME / "node_modules"


def _install() -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        made = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install the clients within {INSTALL_WITHIN_S} s")
    if made.returncode:
        pytest.skip(f"npm cannot install the clients: {made.stderr.strip()[-300:]}")


class Failed(Exception):
    """What a client rejected with."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told.get("message"))
        self.status: int | None = told.get("statusCode")
        self.errors: list[dict[str, Any]] | None = told.get("errors")
        self.code: str | None = told.get("code")
        self.response_code: int | None = told.get("responseCode")


class Node:
    """A process of Node.js that trusts an authority; a context manager."""

    def __init__(self, packages: Path, authority: Path | None) -> None:
        self._environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environ |= {"NODE_PATH": str(packages), "NODE_NO_WARNINGS": "1"}
        if authority is not None:
            self._environ["NODE_EXTRA_CA_CERTS"] = str(authority)

    def __enter__(self) -> "Node":
        self._process = subprocess.Popen(
            ["node", str(HERE / "call.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environ, text=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process.stdout.close()

    def ask(self, **asked: Any) -> Any:
        """Return what a call comes to.

        raises   Failed
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        told = json.loads(line)
        if "error" in told:
            raise Failed(told["error"])
        return told["ok"]
