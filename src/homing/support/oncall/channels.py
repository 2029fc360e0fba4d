"""Ways to somebody who is to be woken. None leads through our own queue: it may be what is broken.

Each sends once and says what went wrong; when it is tried again is the engine's business. What blocks (smtplib, apprise) runs in
threads, those of Severity 1 apart, so that ordinary pages to a host that hangs hold up nothing.
"""

import asyncio
import importlib
import importlib.util
import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, Protocol

import msgspec

from homing.contracts.types import StaffMember
from homing.ground.config import HostPort
from homing.ground.http import Answered, OutboundHttp
from homing.ground.secrets import MasterKey
from homing.support.oncall.store import PURPOSE
from homing.support.oncall.types import ChannelKind, Severity

SMTP_S = 8.0  # for each command
HTTP_S = 8.0
THREADS = {Severity.ONE: 32, Severity.ORDINARY: 4}
_encode = msgspec.json.Encoder().encode


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody is woken with.

    text     names no customer and no problem
    run_id   by which he answers: claim, hand on, acknowledge; 0: there is none, as the store is away
    away     the name of the call that it is for, where the store is away
    """

    run_id: int
    page_id: int
    severity: Severity
    reference: str
    text: str
    alarm: bool
    due_at: datetime | None
    now: datetime
    away: str = ""


class Dial(Protocol):
    """Calls a number, says the text, and lets its listener press 1 (claim) or 2 (hand on)."""

    async def __call__(self, number: str, call: Call, person_id: int) -> str | None:
        """Return '' once a carrier has taken the call, else what went wrong. None: what became of the page is noted."""
        ...


class Text(Protocol):
    """Sends a short message to a number."""

    async def __call__(self, number: str, call: Call, person_id: int) -> str:
        """Return '' once the carrier has taken it, else what went wrong."""
        ...


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """The second relay: a mail server that is not ours.

    security   starttls, tls or none
    """

    where: HostPort
    sender: str
    security: str = "starttls"
    user: str = ""
    password: str = ""

    def send(self, to: str, call: Call) -> str:
        """Hand a mail over, on this thread; return what went wrong."""
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self.sender, to, f"[{call.severity}] {call.reference}"
        mail["Date"] = format_datetime(call.now)
        mail["Message-ID"] = make_msgid(f"page-{call.page_id}", self.sender.rpartition("@")[2] or None)
        mail["X-Priority"], mail["Auto-Submitted"] = "1", "auto-generated"
        answer = f"Ladder {call.run_id}. To claim it: POST /api/v1/support/oncall/runs/{call.run_id}/claim with your staff token."
        mail.set_content(f"{call.text}\n\n{answer}\n" if call.run_id else f"{call.text}\n")
        host, port = self.where.host, self.where.port
        try:
            tls = None if self.security == "none" else ssl.create_default_context()
            if self.security == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SMTP_S, context=tls)
            else:
                server = smtplib.SMTP(host, port, timeout=SMTP_S)
            with server:
                if self.security == "starttls":
                    server.starttls(context=tls)
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(mail)
        except (smtplib.SMTPException, OSError, UnicodeError, ValueError) as trouble:
            return f"{type(trouble).__name__}: {str(trouble)[:200]}"
        return ""


class Channels:
    """The ways of this installation. One for a worker."""

    def __init__(
        self,
        master_key: MasterKey,
        http: OutboundHttp,
        *,
        relay: Relay | None = None,
        dial: Dial | None = None,
        text: Text | None = None,
    ) -> None:
        self._master_key = master_key
        self._http = http
        self._relay = relay
        self._dial = dial
        self._text = text
        self._threads = {severity: ThreadPoolExecutor(count, thread_name_prefix="oncall") for severity, count in THREADS.items()}

    @property
    def kinds(self) -> frozenset[ChannelKind]:
        """Return the kinds that can be used here."""
        there = {
            ChannelKind.EMAIL: self._relay is not None,
            ChannelKind.WEBHOOK: True,
            ChannelKind.SERVICE: knows_services(),
            ChannelKind.VOICE: self._dial is not None,
            ChannelKind.TEXT: self._text is not None,
        }
        return frozenset(kind for kind, usable in there.items() if usable)

    async def send(self, kind: ChannelKind, address_sealed: bytes | None, member: StaffMember, call: Call) -> str | None:
        """Reach somebody by one channel; return '' or what went wrong. None: it has noted itself what became of the page."""
        address = "" if address_sealed is None else self._master_key.open(address_sealed, purpose=PURPOSE).decode()
        match kind:
            case ChannelKind.EMAIL if self._relay is not None:
                return await self._in_thread(call, self._relay.send, member.email, call)
            case ChannelKind.WEBHOOK:
                return await self._posted(address, call)
            case ChannelKind.SERVICE if knows_services():
                return await self._in_thread(call, notify, address, call)
            case ChannelKind.VOICE if self._dial is not None and member.phone:
                return await self._dial(member.phone, call, member.person_id)
            case ChannelKind.TEXT if self._text is not None and member.phone:
                return await self._text(member.phone, call, member.person_id)
            case _:
                return f"{kind} cannot be used here"

    async def _posted(self, target: str, call: Call) -> str:
        body = {
            "text": call.text,
            "ladder": call.run_id,
            "page": call.page_id,
            "severity": call.severity,
            "reference": call.reference,
            "alarm": call.alarm,
            "due_at": call.due_at,
        }
        answer = await self._http.post(target, _encode(body), headers={"content-type": "application/json"}, timeout_s=HTTP_S)
        if isinstance(answer, Answered):
            return "" if 200 <= answer.status < 300 else f"status {answer.status}"
        return answer.why

    async def _in_thread(self, call: Call, work: Any, *arguments: Any) -> str:
        found: str = await asyncio.get_running_loop().run_in_executor(self._threads[call.severity], work, *arguments)
        return found

    def close(self) -> None:
        """Let the threads end once they have done what they are at."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)


def knows_services() -> bool:
    """Return whether the library apprise is installed."""
    return importlib.util.find_spec("apprise") is not None


def understands(url: str) -> bool:
    """Return whether a URL names a service, such as `ntfy://topic` or `pover://user@token`. Without the library none does."""
    return knows_services() and bool(importlib.import_module("apprise").Apprise().add(url))


def notify(url: str, call: Call) -> str:
    """Tell one service, on this thread; return what went wrong."""
    apprise = importlib.import_module("apprise")
    told = apprise.Apprise()
    if not told.add(url):
        return "the service is not understood"
    title = f"{call.severity}: {call.reference}"
    return "" if told.notify(body=call.text, title=title, notify_type=apprise.NotifyType.FAILURE) else "the service refused"
