"""The demo's platform: `homing up` as a child, in a folder of its own, that leaves nothing behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from homing.ground import children, config
from homing.ground.config import HostPort, Settings
from homing.ground.errors import Temporary

READY_S = 90.0
STOP_S = 45.0
KILLED_S = 5.0


@dataclass(frozen=True, slots=True)
class House:
    """A running platform.

    file     its homing.toml: `homing --config FILE ...` speaks to it
    """

    folder: Path
    file: Path
    log: Path
    settings: Settings
    child: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        """Return where its API is."""
        return f"http://{self.settings.http}"


@asynccontextmanager
async def house(*, dns: HostPort, delivery_port: int, keep: bool) -> AsyncIterator[House]:
    """Run a platform whose world is a simulated one; stop it and remove its folder at the end, unless it is to be kept.

    raises   Temporary with the end of its log where it does not come up
    """
    folder = Path(tempfile.mkdtemp(prefix="homing-demo-"))
    child: subprocess.Popen[bytes] | None = None
    try:
        if os.geteuid() == 0:
            folder.chmod(0o711)  # PostgreSQL runs as an unprivileged user and must pass through
        file, log = folder / "homing.toml", folder / "log"
        file.write_text(_settings_text(folder, dns, delivery_port), encoding="utf-8")
        settings = config.read({}, file)
        if os.geteuid() == 0:
            settings.data.mkdir(mode=0o711)
            settings.data.chmod(0o711)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(config.PREFIX)}
        with log.open("wb") as out:
            child = children.spawn(
                [sys.executable, "-m", "homing.cli", "up"],
                death_signal=signal.SIGTERM,
                environ={**environ, "HOMING_CONFIG": str(file)},
                cwd=folder,
                stderr=out.fileno(),
            )
        running = House(folder, file, log, settings, child)
        await _ready(running)
        yield running
    finally:
        if child is not None:
            await _stop(child)
        if not keep:
            await asyncio.to_thread(_remove, folder)


def _settings_text(folder: Path, dns: HostPort, delivery_port: int) -> str:
    """Return a homing.toml: short waits, so that a demo shows what takes hours outside."""
    http, smtp = _free_ports(2)
    return f"""# The platform of a `homing demo`.
data = "{folder / "data"}"
http = "127.0.0.1:{http}"
smtp = "127.0.0.1:{smtp}"
hostname = "mail.shop.test"
bounce_domain = "bounces.shop.test"
dns = "{dns}"
delivery_port = {delivery_port}
allow_private_mx = true
retry_first_s = 2
retry_ceiling_s = 6
command_timeout_s = 20
connect_timeout_s = 5
drain_s = 3
min_free_bytes = 67108864
min_free_share = 0.0
ballast_bytes = 0
"""


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


async def _ready(running: House) -> None:
    """Wait until every worker serves."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_S
    while loop.time() < deadline:
        if running.child.poll() is not None:
            raise Temporary(f"the demo's platform ended at its start (status {running.child.returncode}):\n{_tail(running.log)}")
        if await asyncio.to_thread(_is_ready, running.url):
            return
        await asyncio.sleep(0.1)
    raise Temporary(f"the demo's platform is not ready after {READY_S:.0f} s:\n{_tail(running.log)}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=2.0) as response:  # noqa: S310 - our own http
            return int(response.status) == 200
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
    except OSError:
        return ""


async def _stop(child: "subprocess.Popen[bytes]") -> None:
    """Let the platform stop in order; kill it where it does not. Runs to its end however often we are cancelled."""
    work = asyncio.ensure_future(_stop_once(child))
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    work.result()


async def _stop_once(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        return
    children.send_signal(child, signal.SIGTERM)
    try:
        await asyncio.wait_for(children.wait_for_exit(child), STOP_S)
    except TimeoutError:
        children.send_signal(child, signal.SIGKILL)
        await asyncio.wait_for(children.wait_for_exit(child), KILLED_S)


def _remove(folder: Path) -> None:
    """Remove the folder, and the database cluster where it had to be elsewhere."""
    link = folder / "data" / "postgres"
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
