"""The MX door: mail from the whole internet, for addresses of ours and for nobody else.

Who is asked first is the recipient (`ask`), so nothing is taken for an address that nobody reads. It relays nothing, knows
no AUTH, and never writes a mail of its own: what cannot be taken is refused in the conversation (RFC 3834, no backscatter).
"""

import ssl
from collections.abc import Callable

from homing.ground import log
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.inbound import postmaster
from homing.inbound import replies as own
from homing.inbound.returned import Returns
from homing.inbound.rules.destination import Desk, Destination, Tokens, own_destination
from homing.message.scan import MAX_HOPS, Scan
from homing.smtp import replies
from homing.smtp.replies import Reply
from homing.smtp.server import SmtpDoor, SmtpSettings
from homing.smtp.trace import Arrival
from homing.smtp.types import Mail, Mailbox

_log = log.get("inbound")
CONNECTIONS = 200
CONNECTIONS_PER_ADDRESS = 20
RECIPIENTS = 100  # RFC 5321 section 4.5.3.1.8
MESSAGES = 100
BUFFERED_BYTES = 134_217_728
_HEAD_OCTETS = 524_288  # of a message that are looked through for Received fields


class MxDoor:
    """All MX connections of one worker.

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
        refuse_new: Callable[[], str | None],
        clock: Clock,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._pool = pool
        self._own_domains = own_domains
        self._tokens = tokens
        self.returns = returns
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
            count=lambda account_id, fault: None,  # no customer's attempt
            refuse_new=refuse_new,
            clock=clock,
            tls=tls,
        )

    async def ask(self, mailbox: Mailbox) -> Reply:
        """Return whether mail for a recipient is taken."""
        if self._destination(mailbox) is not None:
            return replies.RCPT_OK
        return own.NO_SUCH_MAILBOX if mailbox.domain in self._own_domains else own.NOT_OURS

    async def take(self, mail: Mail, arrival: Arrival) -> Reply:
        """Take a message for all its recipients. raises Temporary: nothing is ours, whoever sent it comes again."""
        if Scan(mail.body[:_HEAD_OCTETS]).hops > MAX_HOPS:
            return own.TOO_MANY_HOPS
        counters = self.smtp.counters
        for mailbox in mail.recipients:
            destination = self._destination(mailbox)
            if destination is None:
                continue  # asked about before; a setting cannot change in between
            if destination.desk is Desk.POSTMASTER:
                await postmaster.keep(self._pool, mail.body, mail_from=mail.reverse_path, rcpt_to=mailbox.email)
                _log.info("mail_for_postmaster", sender=log.masked(mail.reverse_path), octets=len(mail.body))
            else:
                await self.returns.take(mail.body, destination, null_sender=not mail.reverse_path)
            counters.recipients += 1
        counters.messages += 1
        counters.octets += len(mail.body)
        return own.TAKEN

    def _destination(self, mailbox: Mailbox) -> Destination | None:
        return own_destination(mailbox.email, mailbox.domain, own_domains=self._own_domains, tokens=self._tokens)
