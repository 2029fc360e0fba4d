"""One connection to a simulated provider: strict about the protocol, fast, and with a character.

Data ends at CRLF.CRLF and nowhere else; a bare LF or CR anywhere ends the session with 521, as a careful receiver does. The
character is in rules/behaviour.py; here bytes are moved. Source: RFC 5321, 1870, 2920, 3207, 6152, 6531.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from homing.simulator.records import Received, headers_of, unix_time
from homing.simulator.rules import behaviour as rules
from homing.simulator.rules.behaviour import Answer, Tls

if TYPE_CHECKING:
    from homing.simulator.server import ProviderServer

_PATH = re.compile(rb'<((?:"(?:[^"\\]|\\.)*"|[^>"])*)>(.*)$', re.DOTALL)
_LONGEST_LINE = 4096
_BROKEN_HANDSHAKE = b"\x15\x03\x03\x00\x02\x02\x28"  # TLS alert, fatal, handshake_failure (RFC 8446 section 6.2)


class Reception(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_buffer",
        "_client",
        "_cut_after",
        "_greeted",
        "_host",
        "_in_data",
        "_loop",
        "_messages",
        "_out",
        "_recipients",
        "_scan_from",
        "_secure",
        "_sender",
        "_server",
        "_tls_garbage",
        "_too_large",
        "_transport",
        "_utf8",
        "_waiting",
        "last_seen_s",
    )

    def __init__(self, server: "ProviderServer", host: str) -> None:
        self._server = server
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._client = ""
        self._buffer = bytearray()
        self._out: list[bytes] = []
        self._greeted = False
        self._secure = False
        self._tls_garbage = False
        self._waiting = False
        self._messages = 0
        self._cut_after = -1
        self._in_data = False
        self.last_seen_s = server.now_s()
        self._reset()

    def _reset(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._utf8 = False
        self._in_data = False
        self._too_large = False
        self._cut_after = -1
        self._scan_from = 0

    # the connection -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or refuse to."""
        server = self._server
        self._transport = transport  # type: ignore[assignment]  # a stream transport, uvloop's too
        self._client = str(transport.get_extra_info("peername")[0])
        server.receptions.add(self)
        server.counts.connections += 1
        server.counts.open += 1
        answer = rules.on_connect(server.provider.behaviour, server.memory, client=self._client, now_s=server.now_s())
        if len(server.receptions) > server.settings.max_connections:
            answer = Answer.TOO_MANY_CONNECTIONS
        if answer is Answer.OK:
            self._later(lambda: self._say(f"220 {self._host} ESMTP ready"))
        else:
            self._later(lambda: self._refuse(answer))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client, except for what the provider remembers."""
        server = self._server
        if self in server.receptions:
            server.receptions.discard(self)
            server.counts.open -= 1
            rules.on_leave(server.memory, client=self._client)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take bytes in whatever pieces they come."""
        self.last_seen_s = self._server.now_s()
        if self._tls_garbage:  # the client's hello
            self._out.append(_BROKEN_HANDSHAKE)
            self._close()
            return
        self._buffer += data
        if self._waiting and len(self._buffer) > self._server.settings.max_message_bytes:
            self.abort()  # pushes on without waiting for replies
            return
        self._work()

    def pause_writing(self) -> None:
        """Take no more commands from a client that does not read its replies."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on once it has."""
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def time_out(self) -> None:
        """Say that the client was silent for too long, and close."""
        self._say(f"421 4.4.2 {self._host} Error: timeout exceeded")
        self._close()

    # moving bytes ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Serve what is in the buffer, as far as it goes."""
        while self._buffer and not self._waiting and self._transport is not None:
            if self._in_data:
                if not self._take_data():
                    break
                continue
            end = self._buffer.find(b"\r\n")
            line = bytes(self._buffer[: end if end >= 0 else len(self._buffer)])
            if b"\n" in line or (b"\r" in line[:-1] if end < 0 else b"\r" in line):
                self._bare_line_end()
                break
            if len(line) > _LONGEST_LINE:
                self._say("500 5.5.2 Error: line too long")
                self._close()
                break
            if end < 0:
                break
            del self._buffer[: end + 2]
            self._command(line)
        self._flush()

    def _later(self, work: Callable[[], None]) -> None:
        """Do what ends in a reply: at once, or after the provider's delay; until then nothing else is served."""
        delay_s = self._server.provider.behaviour.delay_s
        if not delay_s:
            work()
            return

        def resume() -> None:
            self._waiting = False
            if self._transport is not None:
                work()
                self._work()

        self._waiting = True
        self._loop.call_later(delay_s, resume)

    def _say(self, text: str) -> None:
        self._out.append(text.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n")

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _bare_line_end(self) -> None:
        """No smuggling: a line that ends in LF or CR alone is an error, wherever it stands."""
        self._say(f"521 5.5.2 {self._host} Error: bare <LF> or <CR> received")
        self._close()

    # the provider's answers -----------------------------------------------------------------------------------------

    def _refuse(self, answer: Answer, *, recipient: str = "") -> None:
        """Word an answer; 421 also closes the connection."""
        text = self._worded(answer, recipient=recipient)
        self._say(text)
        if text.startswith("421"):
            self._close()
        else:
            self._flush_if_idle()

    def _flush_if_idle(self) -> None:
        if not self._buffer:
            self._flush()

    def _worded(self, answer: Answer, *, recipient: str = "") -> str:
        server = self._server
        server.counts.answers[answer.value] += 1
        user, _, domain = recipient.rpartition("@")
        return server.provider.wording[answer].format(
            ip=self._client,
            to=recipient,
            user=user,
            domain=domain or server.provider.domains[0],
            sender=self._sender or "",
            host=self._host,
            id=server.next_id(),
        )

    # commands -------------------------------------------------------------------------------------------------------

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        match verb:
            case b"MAIL":
                self._later(lambda: self._mail(line))
            case b"RCPT":
                self._later(lambda: self._rcpt(line))
            case b"DATA" if len(line) == 4:
                self._later(self._data)
            case b"EHLO" | b"HELO":
                self._later(lambda: self._hello(line, extended=verb == b"EHLO"))
            case b"RSET":
                self._reset()
                self._later(lambda: self._say("250 2.0.0 Ok"))
            case b"NOOP":
                self._later(lambda: self._say("250 2.0.0 Ok"))
            case b"VRFY":
                self._later(lambda: self._say("252 2.0.0 Try sending"))
            case b"QUIT":
                self._later(self._quit)
            case b"STAR" if line.upper() == b"STARTTLS":
                self._later(self._starttls)
            case _:
                self._later(lambda: self._say("502 5.5.2 Error: command not recognized"))

    def _quit(self) -> None:
        self._say("221 2.0.0 Bye")
        self._close()

    def _hello(self, line: bytes, *, extended: bool) -> None:
        self._reset()
        if not line[4:].strip():
            self._say("501 5.5.4 Syntax: EHLO hostname")
            return
        self._greeted = True
        if not extended:
            self._say(f"250 {self._host}")
            return
        words = [self._host, "PIPELINING", f"SIZE {self._server.settings.max_message_bytes}"]
        if self._server.provider.behaviour.tls is not Tls.NONE and not self._secure:
            words.append("STARTTLS")
        words += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8"]
        self._say("\n".join(f"250-{word}" for word in words[:-1]) + f"\n250 {words[-1]}")

    def _starttls(self) -> None:
        if self._server.provider.behaviour.tls is Tls.NONE or self._secure:
            self._say("502 5.5.1 Error: STARTTLS not offered")
            return
        if self._buffer:  # RFC 3207 section 4.2: nothing that was sent in the clear may count afterwards
            self._say("501 5.5.1 Error: commands after STARTTLS")
            self._close()
            return
        self._say("220 2.0.0 Ready to start TLS")
        self._greeted = False
        self._reset()
        if self._server.provider.behaviour.tls is Tls.BROKEN:
            self._tls_garbage = True
            return
        assert self._transport is not None
        self._waiting = True
        self._flush()
        self._transport.pause_reading()
        task = self._loop.create_task(self._handshake(self._transport))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _handshake(self, plain: asyncio.Transport) -> None:
        context = self._server.tls
        assert context is not None
        try:
            secure = await self._loop.start_tls(plain, self, context, server_side=True, ssl_handshake_timeout=10.0)
        except (OSError, ssl.SSLError, TimeoutError):
            plain.abort()
            return
        if secure is None:
            return
        self._transport = secure
        self._secure = True
        self._waiting = False
        self._server.counts.tls += 1
        self._work()

    def _mail(self, line: bytes) -> None:
        server = self._server
        if not self._greeted:
            self._say("503 5.5.1 Error: send EHLO first")
            return
        if self._sender is not None:
            self._say("503 5.5.1 Error: nested MAIL command")
            return
        found = _PATH.match(line[10:]) if line[:10].upper() == b"MAIL FROM:" else None
        if found is None:
            self._say("501 5.5.4 Syntax: MAIL FROM:<address>")
            return
        utf8 = False
        for parameter in found[2].upper().split():
            name, _, value = parameter.partition(b"=")
            if name == b"SIZE" and value.isdigit():
                if int(value) > server.settings.max_message_bytes:
                    self._say("552 5.3.4 Message size exceeds fixed limit")
                    return
            elif name == b"SMTPUTF8" and not value:
                utf8 = True
            elif not (name == b"BODY" and value in (b"7BIT", b"8BITMIME")):
                self._say("555 5.5.4 Unsupported option")
                return
        if not utf8 and not found[1].isascii():
            self._say("553 5.6.7 Address requires SMTPUTF8")
            return
        answer = rules.on_mail(
            server.provider.behaviour,
            server.memory,
            client=self._client,
            messages_before=self._messages,
            now_s=server.now_s(),
        )
        sender = found[1].decode("utf-8", "surrogateescape")
        if answer is not Answer.OK:
            self._refuse(answer)
            return
        self._sender = sender
        self._utf8 = utf8
        self._messages += 1
        self._say("250 2.1.0 Ok")

    def _rcpt(self, line: bytes) -> None:
        server = self._server
        if self._sender is None:
            self._say("503 5.5.1 Error: need MAIL command")
            return
        found = _PATH.match(line[8:]) if line[:8].upper() == b"RCPT TO:" else None
        if found is None or not found[1]:
            self._say("501 5.5.4 Syntax: RCPT TO:<address>")
            return
        if found[2].strip():
            self._say("555 5.5.4 Unsupported option")
            return
        if not self._utf8 and not found[1].isascii():
            self._say("553 5.6.7 Address requires SMTPUTF8")
            return
        if len(self._recipients) >= server.settings.max_recipients:
            self._say("452 4.5.3 Error: too many recipients")
            return
        recipient = found[1].decode("utf-8", "surrogateescape")
        if not server.any_domain and recipient.rpartition("@")[2].lower() not in server.domains:
            self._refuse(Answer.RELAY_DENIED, recipient=recipient)
            return
        answer = rules.on_recipient(
            server.provider.behaviour,
            server.memory,
            client=self._client,
            sender=self._sender,
            recipient=recipient,
            now_s=server.now_s(),
        )
        if answer is not Answer.OK:
            self._refuse(answer, recipient=recipient)
            return
        self._recipients.append(recipient)
        self._say("250 2.1.5 Ok")

    def _data(self) -> None:
        server = self._server
        if self._sender is None:
            self._say("503 5.5.1 Error: need RCPT command")
            return
        if not self._recipients:
            self._say("554 5.5.1 Error: no valid recipients")
            return
        if rules.on_data(server.provider.behaviour, server.memory, recipient=self._recipients[0]) is Answer.CUT:
            self._cut_after = 100
        self._in_data = True
        self._buffer[:0] = b"\r\n"  # so the end is CRLF.CRLF even where the message is empty
        self._scan_from = 0
        self._say("354 End data with <CR><LF>.<CR><LF>")

    def _take_data(self) -> bool:
        """Look for the end of the message; returns whether it was there."""
        buffer = self._buffer
        end = buffer.find(b"\r\n.\r\n", self._scan_from)
        if self._cut_after >= 0 and (end >= 0 or len(buffer) > self._cut_after):
            self._server.counts.cut += 1
            self._server.counts.answers[Answer.CUT.value] += 1
            self.abort()
            return False
        if end < 0:
            if len(buffer) > self._server.settings.max_message_bytes + 2:
                self._too_large = True
                del buffer[:-4]
            self._scan_from = max(0, len(buffer) - 4)
            return False
        message = bytes(buffer[2 : end + 2])
        del buffer[: end + 5]
        self._in_data = False
        self._too_large = self._too_large or len(message) > self._server.settings.max_message_bytes
        if not self._too_large and (message.count(b"\n") != (ends := message.count(b"\r\n")) or message.count(b"\r") != ends):
            self._bare_line_end()
            return False
        self._later(lambda: self._finish(message))
        return True

    def _finish(self, message: bytes) -> None:
        """Decide over a complete message, record it, and answer."""
        server = self._server
        if self._too_large:
            self._say("552 5.3.4 Error: message file too big")
            self._reset()
            return
        recipients, sender = tuple(self._recipients), self._sender or ""
        answer = rules.on_message(server.provider.behaviour, recipient=recipients[0])
        if answer is not Answer.OK:
            self._refuse(answer, recipient=recipients[0])
            self._reset()
            return
        if b"\r\n.." in message or message.startswith(b".."):
            message = (b"\r\n" + message).replace(b"\r\n..", b"\r\n.")[2:]
        counts = server.counts
        counts.messages += 1
        counts.recipients += len(recipients)
        counts.size_bytes += len(message)
        if server.recorders:
            received = Received(
                at_s=unix_time(),
                provider=server.provider.name,
                host=self._host,
                client=self._client,
                tls=self._secure,
                sender=sender,
                recipients=recipients,
                size_bytes=len(message),
                headers=headers_of(message) if server.settings.keep_headers else {},
                data=message if server.settings.keep_data else b"",
            )
            for recorder in server.recorders:
                recorder(received)
        self._say(self._worded(Answer.OK, recipient=recipients[0]))
        self._reset()
