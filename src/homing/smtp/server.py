"""An SMTP door: moves octets between sockets and the dialogue, and does what the dialogue asks for.

Its `protocol_factory` goes to `loop.create_server`. What a message is answered with, `take` says, which stands behind the
door. Limits: connections in all and per address, octets of unfinished messages in all, silence between commands, the time
one message may take, the time our own answer may take; see SmtpSettings.
"""

import asyncio
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

import msgspec

from homing.accounts.authenticate import BadSubaccount, is_loopback
from homing.accounts.types import Sender
from homing.evidence.types import Begin, nobodys
from homing.ground import log
from homing.ground.clock import Clock
from homing.ground.errors import Temporary
from homing.message.headers import format_date
from homing.smtp import replies
from homing.smtp.replies import Reply
from homing.smtp.rules.collect import Budget
from homing.smtp.rules.dialogue import Session
from homing.smtp.rules.tried import Tried
from homing.smtp.trace import Arrival
from homing.smtp.types import Accept, Action, Authenticate, CheckRecipient, Close, Mail, Mailbox, Offer, Peer, StartTls

_log = log.get("smtp")
_EARLY_OCTETS = 65_536  # kept while an answer is owed; beyond it reading pauses
_FAREWELL_S = 10.0  # for the last reply to leave a connection that we close
_SWEEP_S = 1.0

TakeMail = Callable[[Mail, Arrival], Awaitable[Reply]]
AskRecipient = Callable[[Mailbox], Awaitable[Reply]]
Whose = Callable[[str], tuple[int | None, str]]


class AuthenticateKey(Protocol):
    """Who holds a key? Raises Temporary while that cannot be told."""

    def __call__(self, key: str, *, ip: str, subaccount: str | None) -> Awaitable[Sender | None]:
        """Return the sender, acting as a subaccount of his; None for nobody's key. Raises BadSubaccount."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Bounds of the SMTP door, per worker."""

    hostname: str
    max_message_bytes: int = 20_971_520  # SIZE; a larger message is read to its end, dropped and refused with 552
    max_connections: int = 500  # further ones hear 421 4.3.2
    max_connections_per_address: int = 100  # further ones hear 421 4.7.0; loopback has no such bound
    max_recipients: int = 1000  # in one message; further ones hear 452 4.5.3
    max_messages: int = 0  # in one connection; 0: no bound, since nothing adds up from message to message
    max_buffered_bytes: int = 268_435_456  # of all unfinished messages together; beyond it 452 4.3.1
    idle_s: float = 60.0  # silence, or time to finish a command line, until 421 4.4.2
    data_s: float = 600.0  # from DATA to the end of the message, however steadily it trickles
    answer_s: float = 300.0  # for our own answer to a message or key; a client waits 10 minutes, RFC 5321 section 4.5.3.2.6
    auth_in_clear: bool = False  # AUTH is taken without TLS from anywhere, not from loopback alone
    handshake_s: float = 30.0  # for a TLS handshake


class Counters(msgspec.Struct):
    """What happened since the start, for /metrics."""

    connections: int = 0
    open_connections: int = 0
    handshakes: int = 0
    authentications: int = 0
    messages: int = 0  # answered with 250
    recipients: int = 0
    octets: int = 0
    refused: dict[str, int] = {}  # replies of 400 and more, by reason


class SmtpDoor:
    """All connections of one worker to one door.

    take          takes responsibility for a message and returns its answer; raises Temporary (452 or 451 is answered)
    authenticate  who holds a key, seen from an address; None: a public door without AUTH
    recipient     whether mail for an address is taken: RCPT_OK or a refusal; needed at a public door
    begin         the evidence journal; without it nothing here is anybody's attempt
    whose         account and badge of an address, where nothing else can tell who was sent away at the door
    note          told the address and the account of each successful AUTH
    refuse_new    why nothing new is taken now (words for strangers), or None
    trusted       the account that an address injects for without AUTH, or None; no function where nobody is trusted
    tls           None: STARTTLS is not offered
    """

    def __init__(
        self,
        settings: SmtpSettings,
        *,
        take: TakeMail,
        refuse_new: Callable[[], str | None],
        clock: Clock,
        authenticate: AuthenticateKey | None = None,
        recipient: AskRecipient | None = None,
        trusted: Callable[[str], Awaitable[Sender | None]] | None = None,
        tls: ssl.SSLContext | None = None,
        begin: Begin = nobodys,
        whose: Whose = lambda address: (None, ""),
        note: Callable[[str, int], None] = lambda address, account_id: None,
    ) -> None:
        self.settings = settings
        self.counters = Counters()
        self.take = take
        self.authenticate = authenticate
        self.recipient = recipient
        self.begin = begin
        self.whose = whose
        self.note = note
        self.refuse_new = refuse_new
        self.trusted = trusted
        self.tls = tls
        self.budget = Budget(settings.max_buffered_bytes)
        self.offer = Offer(
            hostname=settings.hostname,
            has_tls=tls is not None,
            max_message_bytes=settings.max_message_bytes,
            max_recipients=settings.max_recipients,
            max_messages=settings.max_messages,
            auth_in_clear=settings.auth_in_clear,
            is_public=authenticate is None,
        )
        self.is_closing = False
        self._clock = clock
        self._connections: set[SmtpConnection] = set()
        self._by_address: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._sweep: asyncio.TimerHandle | None = None
        self._date = (0, "")

    def protocol_factory(self) -> asyncio.Protocol:
        """Return the protocol of one new connection."""
        return SmtpConnection(self)

    async def close(self, drain_s: float) -> None:
        """End all conversations: idle ones now, others after the message under way; whatever is left after drain_s is cut.

        The caller has closed the listening socket before.
        """
        self.is_closing = True
        for connection in tuple(self._connections):
            connection.close_if_idle()
        try:
            await asyncio.wait_for(self._at_rest.wait(), drain_s)
        except TimeoutError:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for connection in tuple(self._connections):
                connection.cut()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._at_rest.wait(), _SWEEP_S)  # for the last replies to leave
            for connection in tuple(self._connections):
                connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    # ── for its connections ─────────────────────────────────────────────────────────────────────────────────────────

    def admit(self, connection: "SmtpConnection", peer: Peer) -> Reply | None:
        """Take a new connection in, or return what it hears instead."""
        self.counters.connections += 1
        if self.is_closing:
            return replies.SHUTTING_DOWN
        if len(self._connections) >= self.settings.max_connections:
            return replies.TOO_MANY_CONNECTIONS
        known = self._by_address.get(peer.address, 0)
        if known >= self.settings.max_connections_per_address and not peer.is_loopback:
            return replies.TOO_MANY_FROM_YOU
        self._by_address[peer.address] = known + 1
        self._connections.add(connection)
        self.counters.open_connections += 1
        self._at_rest.clear()
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep_up)
        return None

    def forget(self, connection: "SmtpConnection", peer: Peer) -> None:
        """Let a connection go."""
        if connection in self._connections:
            self._connections.discard(connection)
            self.counters.open_connections -= 1
            left = self._by_address[peer.address] - 1
            if left:
                self._by_address[peer.address] = left
            else:
                del self._by_address[peer.address]
            self._rest()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work that outlives its connection if it must; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        self._at_rest.clear()
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (trouble := task.exception()) is not None:
            _log.error("smtp_task_crashed", exc_info=trouble)
        self._rest()

    def _rest(self) -> None:
        if not self._connections and not self._tasks:
            self._at_rest.set()

    def refused(self, reply: Reply) -> None:
        """Count a refusal."""
        refused = self.counters.refused
        refused[reply.reason] = refused.get(reply.reason, 0) + 1

    def sent_away(self, address: str, reply: Reply, second: int) -> None:
        """Note a connection that was ended before anybody was asked who it is."""
        account_id, key = self.whose(address)
        self.begin(second, account_id, key).ended(reply.fault, reply.label)

    def date(self) -> str:
        """Return this moment as mail headers write it; made once a second."""
        now = self._clock.now()
        second = int(now.timestamp())
        if self._date[0] != second:
            self._date = (second, format_date(now))
        return self._date[1]

    def _sweep_up(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(_SWEEP_S, self._sweep_up) if self._connections else None
        now = loop.time()
        for connection in tuple(self._connections):
            if connection.deadline < now:
                connection.time_out()


class SmtpConnection(asyncio.Protocol):
    """One connection: a Session, and the socket it speaks through.

    deadline   loop time at which patience ends; what ends it depends on what is owed by whom
    """

    __slots__ = (
        "_arrival", "_door", "_early", "_half_closed", "_heard_at", "_last_breath", "_peer", "_reading", "_session",
        "_tls_active", "_transport", "_tried", "_writable", "deadline",
    )  # fmt: skip

    def __init__(self, door: SmtpDoor) -> None:
        self._door = door
        self._session: Session | None = None
        self._early = b""
        self._reading = self._writable = True
        self._half_closed = self._tls_active = False
        self._last_breath = 0.0  # loop time by which the message that is coming in must be complete
        self.deadline = 0.0

    # ── asyncio.Protocol ────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or send away."""
        door = self._door
        self._transport = cast(asyncio.Transport, transport)
        self._heard_at = int(time.time())
        self._tried = Tried(door.begin, lambda: self._heard_at)
        name = transport.get_extra_info("peername") or ("", 0)
        address = str(name[0]) if isinstance(name, tuple) else ""
        self._peer = Peer(address, int(name[1]) if isinstance(name, tuple) else 0, is_loopback(address))
        self._arrival = Arrival(hostname=door.settings.hostname, peer=self._peer, token=secrets.token_hex(6))
        refusal = door.admit(self, self._peer)
        if refusal is not None:
            door.refused(refusal)
            door.sent_away(address, refusal, self._heard_at)
            self._transport.write(refusal.wire)
            self._transport.close()
            return
        self._wait(door.settings.idle_s)
        if door.trusted is None:
            self._begin(None)
        else:
            door.spawn(self._look_up_network(door.trusted))

    def data_received(self, data: bytes) -> None:
        """Feed the dialogue and obey it."""
        session = self._session
        self._heard_at = int(time.time())
        if session is None:
            self._early += data
            if len(self._early) > _EARLY_OCTETS:
                self._transport.abort()
            return
        actions = session.feed(data)
        if actions:
            self._obey(actions)
        elif session.is_receiving:
            now = asyncio.get_running_loop().time()
            self.deadline = min(now + self._door.settings.idle_s, self._last_breath)
        elif session.is_waiting and session.unread > _EARLY_OCTETS:
            self._pace()

    def eof_received(self) -> bool:
        """Keep the other half open while an answer is owed, for clients that send all and listen."""
        session = self._session
        self._half_closed = True
        return session is not None and session.is_waiting and not self._tls_active

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the conversation; a message that `accept` already has goes its way."""
        if self._session is not None:
            self._session.close()
        self._door.forget(self, self._peer)

    def pause_writing(self) -> None:
        """Stop listening to a client that does not read our answers."""
        self._writable = False
        self._pace()

    def resume_writing(self) -> None:
        """Listen again."""
        self._writable = True
        self._pace()

    # ── obeying the dialogue ────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, trusted: Sender | None) -> None:
        door = self._door
        self._session = Session(
            door.offer,
            peer=self._peer,
            budget=door.budget,
            refuse_new=door.refuse_new,
            trusted=trusted,
            tried=self._tried,
        )
        self._obey(self._session.greet())
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def _obey(self, actions: list[Action]) -> None:
        if actions:
            self._write_and_ask(actions)
        session = self._session
        if session is None or session.is_closed:
            return
        settings = self._door.settings
        if session.is_waiting:
            self._wait(settings.answer_s)
        elif self._half_closed or (self._door.is_closing and not session.is_receiving):
            self._say_goodbye(replies.SHUTTING_DOWN if self._door.is_closing else None)
        elif session.is_receiving:
            self._last_breath = asyncio.get_running_loop().time() + settings.data_s
            self._wait(settings.idle_s)
        else:
            self._wait(settings.idle_s)
        self._pace()

    def _write_and_ask(self, actions: list[Action]) -> None:
        """Write all replies at once, then do what the last action asks."""
        session = self._session
        if session is None or self._transport.is_closing():
            return
        last = actions[-1]
        said: list[Reply] = actions if isinstance(last, Reply) else actions[:-1]  # type: ignore[assignment]  # all before the last are
        if said:
            self._transport.write(said[0].wire if len(said) == 1 else b"".join([reply.wire for reply in said]))
            for reply in said:
                if reply.code >= 400:
                    self._door.refused(reply)
        match last:
            case Accept(mail=mail):
                self._door.spawn(self._accept(session, mail))
            case Authenticate():
                self._door.spawn(self._authenticate(session, last))
            case CheckRecipient(mailbox=mailbox):
                self._door.spawn(self._ask_about(session, mailbox))
            case StartTls():
                # Not one octet more in the clear: the next ones belong to the handshake.
                self._reading = False
                self._transport.pause_reading()
                self._door.spawn(self._start_tls(session))
            case Close():
                self._wait(_FAREWELL_S)
                self._transport.close()

    async def _accept(self, session: Session, mail: Mail) -> None:
        door, sender = self._door, mail.sender
        account_id = None if sender is None else sender.account_id
        try:
            reply = await door.take(mail, self._arrival)
        except asyncio.CancelledError:
            door.refused(replies.SHUTTING_DOWN_MIDWAY)
            raise
        except Temporary as trouble:
            _log.warning("smtp_message_deferred", account_id=account_id, cause=type(trouble).__name__)
            reply = replies.trouble(trouble)
        except Exception:  # the edge: one bad message must not end the others; it is not ours, and may come again
            _log.exception("smtp_message_crashed", account_id=account_id)
            reply = replies.LOCAL_ERROR
        if session.is_closed and reply.is_refusal:
            door.refused(reply)  # nobody listens any more, but it happened
        self._obey(session.mail_answered(reply))

    async def _ask_about(self, session: Session, mailbox: Mailbox) -> None:
        assert self._door.recipient is not None
        try:
            reply = await self._door.recipient(mailbox)
        except Temporary as trouble:
            reply = replies.trouble(trouble)
        except Exception:  # the edge, as above
            _log.exception("smtp_recipient_crashed")
            reply = replies.LOCAL_ERROR
        self._obey(session.recipient_answered(reply))

    async def _authenticate(self, session: Session, asked: Authenticate) -> None:
        answer: Sender | Reply | None
        assert self._door.authenticate is not None
        shown = asked.credentials
        subaccount = None if shown.subaccount is None else str(shown.subaccount)
        try:
            answer = await self._door.authenticate(shown.key, ip=self._peer.address, subaccount=subaccount)
        except BadSubaccount:
            answer = None
        except Temporary:
            answer = replies.AUTH_UNAVAILABLE
        except Exception:  # the edge, as above; 535 would blame the client for our error
            _log.exception("smtp_authentication_crashed")
            answer = replies.AUTH_UNAVAILABLE
        actions = session.auth_answered(answer, asked.credentials)
        if replies.AUTHED in actions:
            self._door.counters.authentications += 1
            if session.sender is not None:
                self._door.note(self._peer.address, session.sender.account_id)
        self._obey(actions)

    async def _look_up_network(self, trusted: Callable[[str], Awaitable[Sender | None]]) -> None:
        try:
            sender = await trusted(self._peer.address)
        except Exception as trouble:  # the edge; the client may come again
            if not isinstance(trouble, Temporary):
                _log.exception("smtp_trust_crashed")
            self._say_goodbye(replies.UNAVAILABLE)
            return
        if not self._transport.is_closing():
            self._begin(None if sender is None or sender.suspended else sender)

    async def _start_tls(self, session: Session) -> None:
        door = self._door
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(
                self._transport,
                self,
                cast(ssl.SSLContext, door.tls),
                server_side=True,
                ssl_handshake_timeout=door.settings.handshake_s,
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError, RuntimeError) as trouble:
            _log.info("smtp_handshake_failed", cause=type(trouble).__name__)
            self._transport.abort()
            session.close()
            door.forget(self, self._peer)
            if isinstance(trouble, asyncio.CancelledError):
                raise
            return
        if transport is None:  # the peer was gone before the handshake ended
            session.close()
            door.forget(self, self._peer)
            return
        self._transport = transport
        self._reading = self._tls_active = True
        door.counters.handshakes += 1
        if session.is_closed:
            transport.close()
            return
        session.tls_started()
        self._obey([])

    # ── patience and pace ───────────────────────────────────────────────────────────────────────────────────────────

    def _wait(self, seconds: float) -> None:
        self.deadline = asyncio.get_running_loop().time() + seconds

    def _pace(self) -> None:
        """Read only while the client reads our answers and what it sends can be taken."""
        session = self._session
        if session is None or self._transport.is_closing():
            return
        wanted = self._writable and not (session.is_waiting and session.unread > _EARLY_OCTETS)
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _say_goodbye(self, reply: Reply | None) -> None:
        """Close with a last reply; what is in the buffer of the socket still leaves."""
        if self._transport.is_closing():
            return
        if reply is not None:
            self._transport.write(reply.wire)
            self._door.refused(reply)
        if self._session is not None:
            self._session.close(reply)
        elif reply is not None:
            self._door.sent_away(self._peer.address, reply, self._heard_at)
        self._wait(_FAREWELL_S)
        self._transport.close()

    def time_out(self) -> None:
        """End what took too long, whoever it waited for."""
        session = self._session
        if self._transport.is_closing():
            self._transport.abort()
        elif session is None:
            self._say_goodbye(replies.UNAVAILABLE)
        elif session.is_waiting:
            self._say_goodbye(replies.ANSWER_TIMEOUT)
        elif session.is_receiving and self.deadline >= self._last_breath:
            self._say_goodbye(replies.TOO_SLOW)
        else:
            self._say_goodbye(replies.IDLE)

    def close_if_idle(self) -> None:
        """The door closes: end this conversation unless a message is under way; then it ends after the answer."""
        session = self._session
        if session is None or not (session.is_waiting or session.is_receiving):
            self._say_goodbye(replies.SHUTTING_DOWN)

    def cut(self) -> None:
        """The door closes and patience is over."""
        self._say_goodbye(replies.SHUTTING_DOWN_MIDWAY)

    def abort(self) -> None:
        """End the connection without another octet."""
        self._transport.abort()
