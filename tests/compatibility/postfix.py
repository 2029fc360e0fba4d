"""A private Postfix as the last host of some mail domains: its own configuration, queue, master and maildir, nothing of the
system's touched. It keeps what it takes; one policy server beside it does the greylisting.

Each character is an smtpd of its own on an address of its own, all on one port, as MX hosts are.
"""

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.compatibility.authority import Authority

# mail domain -> its host's address and what is particular about that host
CHARACTERS = {
    "post.test": ("127.0.0.121", ()),
    "grey.test": ("127.0.0.122", ("smtpd_recipient_restrictions=check_policy_service,inet:@POLICY@",)),
    "small.test": ("127.0.0.123", ("message_size_limit=20000",)),
    "secretive.test": ("127.0.0.124", ("message_size_limit=20000", "smtpd_discard_ehlo_keywords=size")),
    "narrow.test": ("127.0.0.125", ("smtpd_client_connection_count_limit=1",)),
}
_MAIN = """\
compatibility_level = 3.6
queue_directory = @FOLDER@/queue
data_directory = @FOLDER@/data
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.post.test
inet_interfaces = all
inet_protocols = ipv4
mynetworks =
mydestination =
virtual_mailbox_domains = @DOMAINS@
virtual_mailbox_maps = regexp:@FOLDER@/etc/mailboxes
virtual_mailbox_base = @FOLDER@/mail
virtual_uid_maps = static:@UID@
virtual_gid_maps = static:@GID@
smtpd_relay_restrictions = reject_unauth_destination
local_header_rewrite_clients =
smtpd_client_event_limit_exceptions =
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_cert_file = @FOLDER@/etc/mx.post.test.crt
smtpd_tls_key_file = @FOLDER@/etc/mx.post.test.key
smtpd_tls_received_header = yes
smtp_tls_security_level = none
maillog_file = @FOLDER@/log
maillog_file_prefixes = @FOLDER@
"""
_MASTER = """\
postlog   unix-dgram n - n - 1 postlogd
cleanup   unix  n  -  n  -  0   cleanup
qmgr      unix  n  -  n  300 1  qmgr
rewrite   unix  -  -  n  -  -   trivial-rewrite
bounce    unix  -  -  n  -  0   bounce
defer     unix  -  -  n  -  0   bounce
trace     unix  -  -  n  -  0   bounce
verify    unix  -  -  n  -  1   verify
flush     unix  n  -  n  1000? 0 flush
proxymap  unix  -  -  n  -  -   proxymap
virtual   unix  -  n  n  -  -   virtual
error     unix  -  -  n  -  -   error
retry     unix  -  -  n  -  -   error
anvil     unix  -  -  n  -  1   anvil
tlsmgr    unix  -  -  n  1000? 1 tlsmgr
"""
_MAILBOXES = "!/^nobody/ all/\n"


def why_not() -> str:
    """Return why Postfix cannot be run here; '' if it can."""
    if _tool("postfix") is None or _tool("postconf") is None:
        return "Postfix is not installed (Debian: apt-get install postfix)"
    if os.geteuid() != 0:
        return "Postfix starts as root only"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One message in the maildir.

    trace   what Postfix put on top of it
    data    the message as it was handed to Postfix, with CRLF line ends
    """

    sender: str
    recipient: str
    trace: str
    data: bytes


class Postfix:
    """Started and stopped with the block; `port` is that of all its hosts."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="homing-postfix-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.port = _common_port([address for address, _ in CHARACTERS.values()])
        self.greylist = Greylist()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Postfix":
        try:
            self.greylist.start()
            self._configure()
            config = str(self.folder / "etc")
            subprocess.run([str(_tool("postfix")), "-c", config, "check"], check=False, capture_output=True)
            daemons = subprocess.run(
                [str(_tool("postconf")), "-c", config, "-h", "daemon_directory"], capture_output=True, check=True
            )
            self._process = subprocess.Popen(
                [f"{daemons.stdout.decode().strip()}/master", "-c", config, "-d"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that its whole group, and nothing else, can be ended
            )
            for address, _ in CHARACTERS.values():
                self._wait_for(address)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
        self.greylist.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """Return what it has logged so far."""
        try:
            return (self.folder / "log").read_text("utf-8", "replace")
        except OSError:
            return ""

    def kept(self, recipient: str = "") -> list[Kept]:
        """Return what lies in the maildir, for one address or everybody."""
        found = []
        for file in sorted((self.folder / "mail/all/new").glob("*")):
            one = _read(file.read_bytes())
            if recipient in ("", one.recipient):
                found.append(one)
        return found

    def wait_for(self, recipient: str, seconds: float = 15.0) -> Kept:
        """Wait for the first message for an address, and return it."""
        deadline = time.monotonic() + seconds
        while not (found := self.kept(recipient)):
            assert time.monotonic() < deadline, f"nothing has come for {recipient}\n{self.log[-3000:]}"
            time.sleep(0.05)
        return found[0]

    def _configure(self) -> None:
        etc = self.folder / "etc"
        mail = self.folder / "mail"
        for folder in (etc, mail, self.folder / "queue", self.folder / "data"):
            folder.mkdir()
        owner, nobody = pwd.getpwnam("postfix"), pwd.getpwnam("nobody")
        os.chown(self.folder / "data", owner.pw_uid, owner.pw_gid)
        os.chown(mail, nobody.pw_uid, nobody.pw_gid)
        Authority(etc).issue("mx.post.test")
        values = {
            "@FOLDER@": str(self.folder),
            "@DOMAINS@": ", ".join(CHARACTERS),
            "@UID@": str(nobody.pw_uid),
            "@GID@": str(nobody.pw_gid),
            "@POLICY@": f"127.0.0.1:{self.greylist.port}",
        }
        services = [
            f"{address}:{self.port} inet n - n - 100 smtpd\n" + "".join(f"    -o {option}\n" for option in options)
            for address, options in CHARACTERS.values()
        ]
        for name, text in (("main.cf", _MAIN), ("master.cf", _MASTER + "".join(services)), ("mailboxes", _MAILBOXES)):
            for key, value in values.items():
                text = text.replace(key, value)
            (etc / name).write_text(text)
        if Path("/etc/postfix/postfix-files").exists():
            shutil.copy("/etc/postfix/postfix-files", etc)

    def _wait_for(self, address: str) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection((address, self.port), timeout=5) as client:
                    if client.recv(100).startswith(b"220"):
                        return
            except OSError:
                pass
            assert time.monotonic() < deadline, f"Postfix does not answer\n{self.log[-3000:]}"
            time.sleep(0.05)


@dataclass
class Greylist:
    """A policy server (Postfix's SMTPD_POLICY_README): who is new is put off once."""

    seen: dict[str, int] = field(default_factory=dict)  # recipient -> times asked for

    def start(self) -> None:
        """Listen."""
        greylist = self

        class Asked(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                facts: dict[str, str] = {}
                for line in self.rfile:
                    name, equals, value = line.decode().rstrip("\n").partition("=")
                    if equals:
                        facts[name] = value
                        continue
                    self.wfile.write(f"action={greylist.action(facts.get('recipient', ''))}\n\n".encode())
                    facts = {}

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Asked)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="greylist", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def action(self, recipient: str) -> str:
        """Return what is to be done about a recipient."""
        self.seen[recipient] = self.seen.get(recipient, 0) + 1
        return "450 4.2.0 Greylisted, please try again later" if self.seen[recipient] == 1 else "DUNNO"


def _tool(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def _common_port(addresses: list[str]) -> int:
    """Return a port that is free on all addresses now."""
    while True:
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            port = int(held.enter_context(socket.create_server((addresses[0], 0))).getsockname()[1])
            for address in addresses[1:]:
                held.enter_context(socket.create_server((address, port)))
            return port


def _read(octets: bytes) -> Kept:
    trace, _, rest = octets.partition(b"DKIM-Signature:")
    head = trace.decode()
    sender, recipient = re.search(r"^Return-Path: <(.*)>$", head, re.M), re.search(r"^X-Original-To: (.*)$", head, re.M)
    assert sender is not None
    assert recipient is not None
    return Kept(sender=sender[1], recipient=recipient[1], trace=head, data=b"DKIM-Signature:" + rest.replace(b"\n", b"\r\n"))
