"""The MX door: mail from the whole internet, for addresses of ours and for nobody else.

Who is asked first is the recipient (`ask`), so nothing is taken for an address that nobody reads. It relays nothing, knows
no AUTH, and never writes a mail of its own: what cannot be taken is refused in the conversation (RFC 3834, no backscatter).
"""

import ssl
from collections.abc import Callable
from typing import Protocol

from homing.ground import log
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.errors import Overloaded
from homing.inbound import postmaster
from homing.inbound import replies as own
from homing.inbound.relay_types import RelayMail
from homing.inbound.relays import Relays
from homing.inbound.returned import Returns
from homing.inbound.rules.destination import Desk, Destination, Tokens, own_destination
from homing.inbound.rules.relay import MOST_HEADER, with_trace
from homing.message.scan import MAX_HOPS, Scan
from homing.smtp import replies
from homing.smtp.replies import Reply
from homing.smtp.server import SmtpDoor, SmtpSettings
from homing.smtp.trace import Arrival, received
from homing.smtp.types import Mail, Mailbox

_log = log.get("inbound")
CONNECTIONS = 200
CONNECTIONS_PER_ADDRESS = 20
RECIPIENTS = 100  # RFC 5321 section 4.5.3.1.8
MESSAGES = 100
BUFFERED_BYTES = 134_217_728


class TakeSupport(Protocol):
    """Keeps mail for the support address."""

    async def __call__(self, raw: bytes, *, mail_from: str, tag: str) -> bool:
        """Keep a mail; False: it is too much for now. Raises Temporary: nothing was kept."""
        ...


class MxDoor:
    """All MX connections of one worker.

    support       the support address, lower case, and who takes its mail; None: there is none
    own_domains   bounce domain and host name, lower case
    refuse_new    as for the SMTP door of customers
    """

    def __init__(
        self,
        pool: Pool,
        *,
        hostname: str,
        max_message_bytes: int,
        own_domains: frozenset[str],
        tokens: Tokens,
        returns: Returns,
        relays: Relays,
        refuse_new: Callable[[], str | None],
        clock: Clock,
        tls: ssl.SSLContext | None,
        support: tuple[str, TakeSupport] | None = None,
    ) -> None:
        self._pool = pool
        self._support = support
        self._own_domains = own_domains
        self._tokens = tokens
        self.returns = returns
        self._relays = relays
        self.smtp = SmtpDoor(
            SmtpSettings(
                hostname=hostname,
                max_message_bytes=max_message_bytes,
                max_connections=CONNECTIONS,
                max_connections_per_address=CONNECTIONS_PER_ADDRESS,
                max_recipients=RECIPIENTS,
                max_messages=MESSAGES,
                max_buffered_bytes=BUFFERED_BYTES,
            ),
            take=self.take,
            recipient=self.ask,
            refuse_new=refuse_new,
            clock=clock,
            tls=tls,
        )

    async def ask(self, mailbox: Mailbox) -> Reply:
        """Return whether mail for a recipient is taken."""
        if self._destination(mailbox) is not None:
            return replies.RCPT_OK
        inbound = await self._relays.find(mailbox.domain)
        if inbound is not None:
            return replies.RCPT_OK if inbound[1] else own.NOT_YET
        return own.NO_SUCH_MAILBOX if mailbox.domain in self._own_domains else own.NOT_OURS

    async def take(self, mail: Mail, arrival: Arrival) -> Reply:
        """Take a message for all its recipients. raises Temporary: nothing is ours, whoever sent it comes again."""
        refusal = self._refusal(mail.body)
        relayed: dict[str, list[str]] = {}
        ours: list[Destination] = []
        for mailbox in mail.recipients:
            destination = self._destination(mailbox)
            if destination is None:
                relayed.setdefault(mailbox.domain, []).append(mailbox.email)
            else:
                ours.append(destination)
        # First what may be refused for now: then nothing else of this mail has happened yet.
        if refusal is None and not await self._support_took(mail, ours):
            return own.TOO_MUCH_SUPPORT
        if relayed:
            await self._relay(mail, arrival, relayed, refusal)
        if refusal is not None:
            return refusal
        counters = self.smtp.counters
        for destination in ours:
            if destination.desk is Desk.SUPPORT:
                continue
            if destination.desk is Desk.POSTMASTER:
                await postmaster.keep(self._pool, mail.body, mail_from=mail.reverse_path, rcpt_to=destination.address)
                _log.info("mail_for_postmaster", sender=log.masked(mail.reverse_path), octets=len(mail.body))
            else:
                await self.returns.take(mail.body, destination, null_sender=not mail.reverse_path)
        counters.recipients += len(mail.recipients)
        counters.messages += 1
        counters.octets += len(mail.body)
        return own.TAKEN

    async def _support_took(self, mail: Mail, ours: list[Destination]) -> bool:
        """Hand support mail over, once however many of its addresses it names; one that names a letter says most."""
        tags = [destination.tag for destination in ours if destination.desk is Desk.SUPPORT]
        if not tags or self._support is None:
            return True
        return await self._support[1](mail.body, mail_from=mail.reverse_path, tag=max(tags, key=bool))

    async def _relay(self, mail: Mail, arrival: Arrival, relayed: dict[str, list[str]], refusal: Reply | None) -> None:
        """Keep a mail for the recipients of inbound domains, or write down that it is refused."""
        date = self.smtp.date()
        mails: list[RelayMail] = []
        raw = (
            b""
            if refusal is not None
            else with_trace(mail.body, mail_from=mail.reverse_path, received=received(mail, arrival, date))
        )
        for domain, recipients in relayed.items():
            found = await self._relays.find(domain)
            if found is None:
                raise Overloaded("an inbound domain was removed while its mail came in")
            mails += self._relays.mail_for(
                found[0],
                recipients,
                mail_from=mail.reverse_path,
                recv_method="smtp" if mail.protocol == "SMTP" else "esmtp",
                size_bytes=len(raw or mail.body),
            )
        if refusal is None:
            await self._relays.keep(mails, raw)
        else:
            reason = refusal.wire.decode().strip()
            await self._relays.reject(mails, reason=reason, code=str(refusal.code), remote_addr=arrival.peer.address)

    @staticmethod
    def _refusal(body: bytes) -> Reply | None:
        head_end = body.find(b"\r\n\r\n", 0, MOST_HEADER)
        if head_end < 0 and len(body) > MOST_HEADER:
            return own.HEADER_TOO_LARGE
        hops = Scan(body[: head_end + 2] if head_end >= 0 else body).hops
        return own.TOO_MANY_HOPS if hops > MAX_HOPS else None

    def _destination(self, mailbox: Mailbox) -> Destination | None:
        support = "" if self._support is None else self._support[0]
        return own_destination(mailbox.email, mailbox.domain, own_domains=self._own_domains, tokens=self._tokens, support=support)
