"""aiosmtpd as the receiver of everything: a server that others wrote, which keeps each message as it came over the wire."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, message_from_string, policy
from email.errors import NonASCIILocalPartDefect
from email.message import EmailMessage
from types import TracebackType
from typing import Any

from aiosmtpd.controller import Controller

from homing.ground.config import HostPort


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message as received.

    at        Unix time
    options   parameters of MAIL FROM
    """

    sender: str
    recipient: str
    data: bytes
    options: tuple[str, ...]
    at: float

    @property
    def message(self) -> EmailMessage:
        """Return it as the standard package reads it; fails where that finds any defect."""
        return parsed(self.data, utf8="SMTPUTF8" in self.options)


class Inbox:
    """A recording sink on loopback in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self._letters: list[Letter] = []
        self._arrived = threading.Condition()

    def __enter__(self) -> "Inbox":
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=port, server_hostname="sink.test", ready_timeout=20)
        self._controller.start()
        self.address = HostPort("127.0.0.1", port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._controller.stop()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a message; called by aiosmtpd."""
        with self._arrived:
            for recipient in envelope.rcpt_tos:
                letter = Letter(
                    sender=envelope.mail_from,
                    recipient=recipient,
                    data=envelope.original_content,
                    options=tuple(envelope.mail_options),
                    at=time.time(),
                )
                self._letters.append(letter)
            self._arrived.notify_all()
        return "250 2.0.0 taken"

    def letters(self, wanted: Callable[[Letter], bool] = lambda _: True) -> list[Letter]:
        """Return what has come so far."""
        with self._arrived:
            return [letter for letter in self._letters if wanted(letter)]

    def one(self, recipient: str, seconds: float = 15.0) -> Letter:
        """Wait for the first message to an address, and return it."""
        deadline = time.monotonic() + seconds
        with self._arrived:
            while True:
                for letter in self._letters:
                    if letter.recipient == recipient:
                        return letter
                left = deadline - time.monotonic()
                assert left > 0, f"nothing has come for {recipient} in {seconds:g} s"
                self._arrived.wait(left)


def parsed(data: bytes, *, utf8: bool = False) -> EmailMessage:
    """Return a message as the standard package reads it.

    utf8     fields may be UTF-8 (RFC 6532); the package reads them from text alone
    raises   AssertionError naming what that package finds wrong with any part or field
    """
    message = (
        message_from_string(data.decode(), policy=policy.SMTPUTF8) if utf8 else message_from_bytes(data, policy=policy.default)
    )
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        defects = list(part.defects)
        for value in part.values():
            defects += getattr(value, "defects", ())
        defects = [one for one in defects if not (utf8 and isinstance(one, NonASCIILocalPartDefect))]
        assert not defects, f"{part.get_content_type()}: {defects}"
    return message
