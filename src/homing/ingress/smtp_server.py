"""The SMTP door of customers: what they hand in is answered with 250 once `accept` returned Accepted."""

import ssl
from collections.abc import Awaitable, Callable

from homing.accounts.types import Sender
from homing.evidence.types import Begin, nobodys
from homing.ground.clock import Clock
from homing.ingress import answers
from homing.ingress.smtp_mail import to_transmission
from homing.ingress.types import Accepted, Refused, Transmission
from homing.smtp import replies, server
from homing.smtp.replies import Reply
from homing.smtp.server import AuthenticateKey, SmtpSettings, Whose
from homing.smtp.trace import Arrival
from homing.smtp.types import Mail

AcceptMail = Callable[[Transmission, Sender], Awaitable[Accepted | Refused]]


class SmtpDoor(server.SmtpDoor):
    """All SMTP injection connections of one worker.

    accept   takes responsibility; raises Temporary (452 or 451 is answered)
    others   as for any door
    """

    def __init__(
        self,
        settings: SmtpSettings,
        *,
        accept: AcceptMail,
        authenticate: AuthenticateKey,
        refuse_new: Callable[[], str | None],
        clock: Clock,
        trusted: Callable[[str], Awaitable[Sender | None]] | None = None,
        tls: ssl.SSLContext | None = None,
        begin: Begin = nobodys,
        whose: Whose = lambda address: (None, ""),
        note: Callable[[str, int], None] = lambda address, account_id: None,
    ) -> None:
        super().__init__(
            settings,
            take=self._hand_in,
            refuse_new=refuse_new,
            clock=clock,
            authenticate=authenticate,
            trusted=trusted,
            tls=tls,
            begin=begin,
            whose=whose,
            note=note,
        )
        self._accept = accept

    async def _hand_in(self, mail: Mail, arrival: Arrival) -> Reply:
        """Return what the end of data is answered with; 250 only once the message is on disk and ours."""
        if mail.sender is None:
            return replies.AUTH_REQUIRED
        transmission = to_transmission(mail, arrival, date=self.date())
        if isinstance(transmission, Reply):
            return transmission
        outcome = await self._accept(transmission, mail.sender)
        if isinstance(outcome, Refused):
            return answers.refused(outcome)
        counters = self.counters
        counters.messages += 1
        counters.recipients += len(transmission.recipients)
        counters.octets += transmission.size_bytes
        return answers.accepted(outcome)
