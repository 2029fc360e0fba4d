"""One outgoing SMTP session: moves the bytes of the dialogue, keeps its time limits, encrypts when told to.

`Connection.send` is the hot path: two writes and one future for a message to a peer that pipelines.

Eight-bit bodies go out as they are even where the peer does not announce 8BITMIME: converting would break signatures,
and in practice every server takes them (RFC 6152 section 3 would have us bounce).
"""

import asyncio
import ipaddress
import ssl
from functools import lru_cache
from typing import cast

import msgspec

from homing.delivery.rules.dialogue import Capabilities, ReplyReader, Transaction, envelope, stuffed
from homing.delivery.types import Attempt, Reply, Stage, Trouble

_FOREVER = float("inf")


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long each stage may take, in seconds (RFC 5321 section 4.5.3.2)."""

    connect_s: float = 30.0
    greeting_s: float = 300.0
    command_s: float = 300.0
    data_s: float = 600.0  # from the first byte of the message to the answer; large messages get more:
    slowest_bytes_per_s: float = 10_000.0  # a peer that takes them more slowly is given up
    tls_s: float = 30.0
    quit_s: float = 2.0


class Connection(asyncio.Protocol):
    """A session with one MX host, one message at a time.

    host, address    the peer's name and IP
    tls              1 encrypted, 0 not offered, -1 a handshake failed and we carried on in the clear
    offered          what the peer announced
    sent             transactions done, whatever their result. A message that is DROPPED at stage MAIL on a session with
                     sent > 0 met an idle session that the peer had just closed: try it again on another one at once
    """

    __slots__ = (
        "_closed",
        "_deadline",
        "_deaf",
        "_future",
        "_greeting",
        "_loop",
        "_needs_reset",
        "_reader",
        "_stage",
        "_timeouts",
        "_timer",
        "_timer_at",
        "_transaction",
        "_transport",
        "_why_closed",
        "address",
        "host",
        "offered",
        "sent",
        "tls",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, host: str, address: str, timeouts: Timeouts) -> None:
        self.host = host
        self.address = address
        self.tls = 0
        self.offered = Capabilities()
        self.sent = 0
        self._loop = loop
        self._timeouts = timeouts
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._transaction: Transaction | None = None
        self._greeting: asyncio.Future[Reply | Attempt] = loop.create_future()  # it can come before anybody asks
        self._future: asyncio.Future[Reply | Attempt] | None = self._greeting
        self._stage = Stage.GREETING
        self._needs_reset = False
        self._deaf = False  # between the consent to STARTTLS and the handshake: nothing in the clear counts any more
        self._closed = False
        self._why_closed = ""
        self._deadline = _FOREVER
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = _FOREVER

    @property
    def usable(self) -> bool:
        """Return whether another message may be sent here."""
        return not self._closed and self._transaction is None and self._future is None

    async def send(self, mail_from: str, rcpt: str, data: bytes, *, utf8: bool, eight_bit: bool) -> Attempt:
        """Send one message to one recipient.

        mail_from   without angle brackets; '' for the null sender
        data        the whole message with CRLF line ends, dots not doubled
        utf8        addresses or headers need SMTPUTF8
        eight_bit   the message holds bytes above 127
        returns     stage END_OF_DATA with the reply when the peer judged the message; else where it stopped and why
        raises      Misuse for an address that cannot be written in a command; CancelledError, after closing the session
        """
        transport = self._transport
        if not self.usable or transport is None:
            return self._attempt(Stage.MAIL, trouble=Trouble.DROPPED, note=self._why_closed or "the session is closed")
        offered = self.offered
        if (utf8 or not mail_from.isascii() or not rcpt.isascii()) and not offered.smtputf8:
            return self._attempt(Stage.MAIL, trouble=Trouble.NEEDS_SMTPUTF8, note="the host does not offer SMTPUTF8")
        if 0 < offered.size < len(data):
            return self._attempt(Stage.MAIL, trouble=Trouble.TOO_LARGE, note=f"{len(data)} bytes; the host takes {offered.size}")
        mail, to = envelope(mail_from, rcpt, size=len(data), utf8=utf8, eight_bit=eight_bit, offered=offered)
        body = stuffed(data)
        transaction = Transaction(mail=mail, rcpt=to, body=body, pipelining=offered.pipelining, reset=self._needs_reset)
        future: asyncio.Future[Reply | Attempt] = self._loop.create_future()
        self._transaction = transaction
        self._future = future
        transport.write(transaction.opening())
        self._expect(self._timeouts.command_s)
        result = await self._or_abort(future)
        assert isinstance(result, Attempt)
        return result

    async def quit(self) -> None:
        """Say goodbye and close; at most `quit_s`, whatever the peer does."""
        if not self.usable or self._transport is None:
            self.abort()
            return
        self._future = self._loop.create_future()
        self._transport.write(b"QUIT\r\n")
        self._expect(self._timeouts.quit_s)
        try:
            await self._future
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    # -- the way up to EHLO, driven by connect() -------------------------------------------------------------------------

    async def greeting(self, timeout_s: float) -> Reply | Attempt:
        """Return the peer's first reply, or the Attempt that ended here."""
        if not self._greeting.done():
            self._expect(timeout_s)
        return await self._or_abort(self._greeting)

    async def ask(self, command: bytes, stage: Stage, timeout_s: float) -> Reply | Attempt:
        """Write a command and return the reply, or the Attempt that ended here."""
        if self._closed or self._transport is None:
            return self._attempt(stage, trouble=Trouble.DROPPED, note=self._why_closed)
        future: asyncio.Future[Reply | Attempt] = self._loop.create_future()
        self._stage = stage
        self._future = future
        self._transport.write(command)
        self._expect(timeout_s)
        return await self._or_abort(future)

    async def _or_abort(self, future: asyncio.Future[Reply | Attempt]) -> Reply | Attempt:
        try:
            return await future
        except asyncio.CancelledError:
            self.abort()  # nobody knows any more what has been said
            raise

    async def start_tls(self, timeout_s: float) -> str:
        """Encrypt the session; return '' or what went wrong (the session is closed then)."""
        assert self._transport is not None
        self._deaf = True
        name = None if _is_ip(self.host) else self.host.rstrip(".")
        try:
            async with asyncio.timeout(timeout_s + 1):
                transport = await self._loop.start_tls(
                    self._transport, self, _tls_context(), server_hostname=name, ssl_handshake_timeout=timeout_s
                )
        except TimeoutError:
            self.abort()
            return "the TLS handshake took too long"
        except (OSError, ssl.SSLError) as trouble:
            self.abort()
            return f"the TLS handshake failed: {trouble}"[:200]
        except BaseException:
            self.abort()
            raise
        if transport is None:  # closed during the handshake
            self.abort()
            return "the peer closed the connection during the TLS handshake"
        self._transport = transport
        self._reader = ReplyReader()
        self._deaf = False
        self.tls = 1
        return ""

    # -- what the transport calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses of it

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer: replies go to the transaction, or to whoever asked."""
        if self._deaf or self._closed:
            return
        started_body = False
        for reply in self._reader.feed(data):
            transaction = self._transaction
            if transaction is not None:
                if transaction.awaits_final_answer and (started_body or self._unsent()):
                    out = transaction.take_early(reply)
                else:
                    out = transaction.take(reply)
                if transaction.finished:
                    self._settle(transaction)
                elif out:
                    assert self._transport is not None
                    self._transport.write(out)
                    if transaction.body_sent:
                        started_body = True
                        self._expect(self._timeouts.data_s + len(out) / self._timeouts.slowest_bytes_per_s)
                    else:
                        self._expect(self._timeouts.command_s)
            elif self._future is not None and not self._future.done():
                self._deadline = _FOREVER
                self._resolve(reply)
                if self._stage is Stage.STARTTLS and reply.code == 220:
                    self._deaf = True  # whatever else came in the clear is discarded (RFC 3207 section 4.2)
                    return
            else:
                # Nobody asked: most often 421 on an idle session. Whatever it was, replies and commands are out of step.
                self._why_closed = f"unasked: {reply.text[:200]}"
                self.abort()
                return
        if self._reader.broken:
            self._fail(Trouble.NOT_SMTP, self._reader.broken)

    def eof_received(self) -> bool | None:
        """Let the transport close: a peer that has finished writing cannot answer any more."""
        self._closed = True
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way."""
        note = "the peer closed the connection" if exc is None else f"{type(exc).__name__}: {exc}"[:200]
        self._fail(Trouble.DROPPED, note)
        self._closed = True
        self._stop_timer()

    # -- ends ------------------------------------------------------------------------------------------------------------

    def _settle(self, transaction: Transaction) -> None:
        self._transaction = None
        self._deadline = _FOREVER
        self._needs_reset = transaction.needs_reset
        self.sent += 1
        attempt = Attempt(
            stage=transaction.stage,
            reply=transaction.reply,
            trouble=transaction.trouble,
            note=transaction.note,
            sent_end_of_data=transaction.body_sent and not (transaction.reply is None and self._unsent()),
            host=self.host,
            address=self.address,
            tls=self.tls,
        )
        if transaction.close:
            self._why_closed = attempt.reply.text[:200] if attempt.reply else attempt.note
            self.abort()
        self._resolve(attempt)

    def _fail(self, trouble: Trouble, note: str) -> None:
        if not self._why_closed:
            self._why_closed = note
        if self._transaction is not None:
            self._transaction.lose(trouble, note)
            self._settle(self._transaction)
        elif self._future is not None:
            self._resolve(self._attempt(self._stage, trouble=trouble, note=note))
        if not self._closed:
            self.abort()

    def _resolve(self, result: Reply | Attempt) -> None:
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(result)

    def _attempt(self, stage: Stage, *, trouble: Trouble | None = None, reply: Reply | None = None, note: str = "") -> Attempt:
        return Attempt(stage=stage, reply=reply, trouble=trouble, note=note, host=self.host, address=self.address, tls=self.tls)

    def refused(self, stage: Stage, reply: Reply) -> Attempt:
        """Return the Attempt for a reply that ends the session before any message."""
        self.abort()
        if 200 <= reply.code < 400:
            return self._attempt(stage, trouble=Trouble.NOT_SMTP, note=f"unexpected {reply.text[:200]}")
        return self._attempt(stage, reply=reply)

    def _unsent(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    # -- the watchdog: one timer for a session, moved lazily, so that a message costs none ---------------------------------

    def _expect(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds
        if self._deadline < self._timer_at:
            self._stop_timer()
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer, self._timer_at = None, _FOREVER
        if self._deadline == _FOREVER or self._closed:
            return
        if self._loop.time() >= self._deadline:
            self._fail(Trouble.TIMEOUT, "no answer in time")
        else:
            self._timer_at = self._deadline
            self._timer = self._loop.call_at(self._deadline, self._look_at_the_clock)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, _FOREVER


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """Return the context of opportunistic TLS: version 1.2 or later; certificates are not judged (RFC 7435)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
