"""A private Postfix: its own configuration, queue and master process, nothing of the system's touched."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from bench.load import free_port, tool, wait_for_port

HERE = Path(__file__).parent / "postfix"


class Postfix:
    """The opponent, started from bench/postfix/main.cf; needs root, as Postfix does."""

    def __init__(self, sink_port: int) -> None:
        if os.geteuid() != 0:
            raise SystemExit("Postfix starts as root only; run the comparison as root, or `python -m bench --without-postfix`")
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="homing-bench-postfix-", dir="/var/tmp"))
        self._folder.chmod(0o755)
        config = self._folder / "etc"
        config.mkdir()
        queue, data = self._folder / "queue", self._folder / "data"
        queue.mkdir()
        data.mkdir()
        postfix = pwd.getpwnam("postfix")
        os.chown(data, postfix.pw_uid, postfix.pw_gid)
        values = {"@QUEUE@": str(queue), "@DATA@": str(data), "@SINK@": str(sink_port), "@SMTP@": f"127.0.0.1:{self.port}"}
        for name in ("main.cf", "master.cf"):
            text = (HERE / name).read_text()
            for key, value in values.items():
                text = text.replace(key, value)
            (config / name).write_text(text)
        shutil.copy("/etc/postfix/postfix-files", config) if Path("/etc/postfix/postfix-files").exists() else None
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Postfix":
        # set-permissions is for installed systems; `check` makes the queue folders that master needs.
        subprocess.run([tool("postfix"), "-c", str(self._config), "check"], check=False, capture_output=True)
        self._process = subprocess.Popen(
            [self._master(), "-c", str(self._config), "-d"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self.port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
        time.sleep(0.5)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @staticmethod
    def version() -> str:
        return subprocess.run(
            [tool("postconf"), "-d", "-h", "mail_version"], capture_output=True, text=True, check=True
        ).stdout.strip()

    def _master(self) -> str:
        daemons = subprocess.run(
            [tool("postconf"), "-d", "-h", "daemon_directory"], capture_output=True, text=True, check=True
        ).stdout.strip()
        return str(Path(daemons) / "master")
