"""What the SMTP dialogue and its shell say to each other."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from homing.accounts.types import Sender
from homing.smtp.replies import Reply
from homing.smtp.rules.sasl import Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a door offers on all its connections, and its bounds."""

    hostname: str
    has_tls: bool
    max_message_bytes: int
    max_recipients: int = 1000  # RFC 5321 section 4.5.3.1.8 wants 100 or more
    max_bad_commands: int = 20
    max_idle_commands: int = 200  # NOOP, RSET and the like between two messages
    max_auth_failures: int = 3
    max_messages: int = 0  # in one connection; 0: no bound, as nothing adds up from message to message
    auth_in_clear: bool = False  # keys may come without TLS from anywhere
    is_public: bool = False  # anybody may send without AUTH, and every recipient is asked about


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is connected."""

    address: str
    port: int
    is_loopback: bool

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Mailbox(NamedTuple):
    """One recipient of an envelope: the address as submitted, and its domain in lower case A-labels."""

    email: str
    domain: str


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One message with its envelope, as it was handed in: form checked, dots unstuffed, content not read yet."""

    sender: Sender | None  # None at a public door
    reverse_path: str  # '' for the null path
    recipients: list[Mailbox]
    body: bytes
    helo: str
    protocol: str  # with-protocol of the Received header, for example ESMTPSA (RFC 3848)
    number: int  # of this message in the connection, 1 or more


class StartTls(msgspec.Struct, frozen=True):
    """Begin the handshake now; call `tls_started` when it is done."""


class Authenticate(msgspec.Struct, frozen=True):
    """Look this key up; call `auth_answered`."""

    credentials: Credentials


class CheckRecipient(msgspec.Struct, frozen=True):
    """Say whether mail for this recipient is taken here; call `recipient_answered`."""

    mailbox: Mailbox


class Accept(msgspec.Struct, frozen=True):
    """Take responsibility for this message, or say why not; call `mail_answered`."""

    mail: Mail


class Close(msgspec.Struct, frozen=True):
    """Close the connection once everything is written."""


Action = Reply | StartTls | Authenticate | CheckRecipient | Accept | Close

START_TLS = StartTls()
CLOSE = Close()
