"""What an attempt can come to, and the words for it."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Scope(StrEnum):
    """How far one refusal reaches: who else would hear the same answer?"""

    RECIPIENT = "recipient"  # this address only
    MESSAGE = "message"  # this message, whoever it is for
    SESSION = "session"  # this connection; another host of the site, or another moment, may do better
    SITE = "site"  # everything for this destination


class Stage(StrEnum):
    """Where in an attempt it happened."""

    DNS = "dns"
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_DATA = "end_of_data"
    RENDER = "render"  # ours: the message could not be made


class Stop(NamedTuple):
    """Why a message that waits is not tried any more.

    rejected   by policy, so its event is a `policy_rejection`; otherwise a `bounce` of class 25
    """

    reason: str
    rejected: bool = False


class Trouble(StrEnum):
    """What went wrong where no reply tells it."""

    REFUSED = "refused"  # connection refused
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    TIMEOUT = "timeout"  # no reply to a command in time, or no progress
    DROPPED = "dropped"  # the peer closed or reset the connection
    TLS_FAILED = "tls_failed"
    NOT_SMTP = "not_smtp"  # the peer's bytes are no SMTP replies
    FORBIDDEN_ADDRESS = "forbidden_address"  # private, loopback or our own listener
    NO_SUCH_DOMAIN = "no_such_domain"
    NO_HOSTS = "no_hosts"  # MX or A/AAAA look-up gave nothing
    NULL_MX = "null_mx"  # RFC 7505
    DNS_TEMPORARY = "dns_temporary"
    CNAME_LOOP = "cname_loop"
    NEEDS_SMTPUTF8 = "needs_smtputf8"  # the peer cannot take this address
    TOO_LARGE = "too_large"  # beyond the peer's SIZE
    NO_CAPACITY = "no_capacity"  # our own limits
    CRASHED = "crashed"  # an error of ours inside the attempt; always temporary


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One SMTP reply.

    code      three digits
    lines     the text of each line, without the code; decoded as UTF-8 with replacement, control characters removed
    """

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the whole reply on one line: `550 5.1.1 no such user`."""
        return f"{self.code} {' '.join(line for line in self.lines if line)}".strip()


class Attempt(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one try came to on the wire, before anybody judges it.

    reply     the peer's answer; None where there was none
    trouble   why there was none; None where there was a reply
    sent_end_of_data   the final dot left us: without a reply we cannot know whether the peer has the message
    """

    stage: Stage
    reply: Reply | None = None
    trouble: Trouble | None = None
    note: str = ""  # detail for the operator, one line
    sent_end_of_data: bool = False
    host: str = ""  # MX host name
    address: str = ""  # its IP
    tls: int = 0  # 1 used, 0 not offered, -1 negotiation failed


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """The receiving host took responsibility."""

    reply: Reply


class Deferred(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Not now.

    reason      as events show it: the reply on one line, or an `[internal]` text with a code
    subclass    of the rule that matched, for example `reputation.rate_limited`
    retry       normal, backoff or pause (bounce_rules.json, retry_profiles)
    """

    scope: Scope
    reason: str
    code: str
    bounce_class: int
    subclass: str = ""
    retry: str = "normal"


class Bounced(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Never.

    suppress   immediate, after_repeats or never
    """

    reason: str
    code: str
    bounce_class: int
    subclass: str = ""
    suppress: str = "never"


Outcome = Delivered | Deferred | Bounced


class Host(msgspec.Struct, frozen=True, gc=False):
    """One MX host with its addresses, in the order to try."""

    name: str
    preference: int
    addresses: tuple[str, ...]


class Site(msgspec.Struct, frozen=True, gc=False):
    """Where a domain's mail goes: the set of MX hosts. Domains with equal sets share queues and limits.

    key        stable text of the set: sorted host names joined by a comma (or the smarthost's address)
    provider   mailbox provider's display name ('Gmail'), or '' where none of the known ones matches every host
    """

    key: str
    hosts: tuple[Host, ...]
    provider: str = ""
    region: str = ""


class Route(msgspec.Struct, frozen=True, gc=False):
    """The answer of the resolver for a domain, and until when it may be believed."""

    domain: str
    site: Site | None
    trouble: Trouble | None
    note: str
    expires_at: datetime
