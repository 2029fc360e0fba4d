"""Postfix's own load tools: smtp-source hands mail in, smtp-sink takes it and counts."""

import re
import shutil
import socket
import subprocess
import threading
import time
from types import TracebackType


def tool(name: str) -> str:
    """Return the path of a load tool.

    raises   SystemExit saying what to install
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit(f"{name} is not installed; on Debian: apt-get install postfix")
    return found


def free_port() -> int:
    """Return a TCP port that is free on loopback now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Sink:
    """smtp-sink on loopback; `count` is the number of messages it has taken."""

    def __init__(self, port: int, *options: str, host: str = "127.0.0.1") -> None:
        self.port = port
        self.count = 0
        self.first_at = 0.0
        self.last_at = 0.0
        self._process = subprocess.Popen(
            [tool("smtp-sink"), "-c", "-u", "nobody", *options, f"{host}:{port}", "1000"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_for_port(port, host=host)

    def __enter__(self) -> "Sink":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(10)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, count: int, seconds: float) -> float:
        """Wait for so many messages; return the moment (monotonic) of the last one. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.count < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sink has {self.count} of {count} messages after {seconds:.0f} s")
            time.sleep(0.005)
        return self.last_at

    def _read(self) -> None:
        assert self._process.stdout is not None
        text = b""
        while chunk := self._process.stdout.read1(65536):
            found = re.findall(rb"mesg=(\d+)", text[-64:] + chunk)
            text = chunk
            if found:
                count = int(found[-1])
                if count != self.count:
                    self.last_at = time.monotonic()
                    self.first_at = self.first_at or self.last_at
                    self.count = count


def wait_for_port(port: int, seconds: float = 20.0, *, host: str = "127.0.0.1") -> None:
    """Wait until something listens on a loopback port."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((host, port), 1.0):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens on {host}:{port}") from None
            time.sleep(0.05)


def hand_in(
    port: int, *, messages: int, sessions: int, size_bytes: int, sender: str, recipient: str, reuse: bool = True
) -> float:
    """Run smtp-source to its end; return the seconds it took. Raises CalledProcessError when a message was refused."""
    began = time.monotonic()
    subprocess.run(
        [
            tool("smtp-source"),
            *(["-d"] if reuse else []),
            *("-s", str(sessions), "-m", str(messages), "-l", str(size_bytes)),
            *("-f", sender, "-t", recipient, "-M", "source.bench.test"),
            f"127.0.0.1:{port}",
        ],
        check=True,
        timeout=900,
    )
    return time.monotonic() - began
