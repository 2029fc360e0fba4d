"""Verification of a sending domain by mail: mailboxes are asked, and the tokens that they were sent come back."""

from typing import Any

import msgspec

from homing.api.errors import ApiError
from homing.api.v1.sending_domains_wire import VerifyIn
from homing.domains import mailboxes
from homing.domains.rules.mailboxes import GOOD_FOR, Way, local_part
from homing.domains.types import DomainStatus, SendingDomain, Verdict
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.notices import Notices
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type, missing

CANNOT = Problem(503, "Service unavailable", "verification mails cannot be sent now; the operator's log says why")


class MailboxDesk:
    """Asks mailboxes, and judges what comes back. One for a worker.

    hostname   of the installation, as the mail names it
    """

    def __init__(self, pool: Pool, notices: Notices, clock: Clock, *, hostname: str) -> None:
        self._pool = pool
        self._notices = notices
        self._clock = clock
        self._hostname = hostname

    async def asked(self, domain: SendingDomain, given: VerifyIn) -> DomainStatus:
        """Do what a call asks of mailboxes, and return the status that follows.

        A token that comes with the request for a new one is judged, and no mail is sent. What was proved stays proved.

        raises   Wrong, ApiError 503; Overloaded, StoreUnavailable or LeaseLost
        """
        status = domain.status
        tokens = {way: getattr(given, f"{way}_token") for way in Way if getattr(given, f"{way}_token")}
        boxes = {way: self._mailbox(domain, way, given) for way in Way if getattr(given, f"{way}_verify") and way not in tokens}
        for way, token in tokens.items():
            status = await self._judged(domain, status, way, token)
        for way, mailbox in boxes.items():
            await self._ask(domain, way, mailbox)
            if getattr(status, way.status) != Verdict.VALID:
                status = _with(status, way, Verdict.PENDING, mailbox)
        return status

    def _mailbox(self, domain: SendingDomain, way: Way, given: VerifyIn) -> str:
        if not self._notices.is_offered:
            raise Wrong(bad_params(f"{way}_verify is not offered here; verify with dkim_verify, cname_verify or mx_verify"))
        if way is not Way.MAILBOX:
            return way.value.removesuffix("_at")
        name = given.verification_mailbox or domain.status.verification_mailbox
        if not name:
            raise Wrong(missing("verification_mailbox is a required field"))
        local = local_part(name, domain.domain)
        if local is None:
            raise Wrong(bad_type("verification_mailbox must be the part of an address before the @, not postmaster or abuse"))
        return local

    async def _ask(self, domain: SendingDomain, way: Way, mailbox: str) -> None:
        begun = await mailboxes.begin(self._pool, domain, way, mailbox, now=self._clock.now())
        if isinstance(begun, str):
            raise Wrong(bad_params(begun))
        taken = False
        try:
            subject, text = letter(domain.domain, begun, hostname=self._hostname)
            taken = await self._notices.send(f"{mailbox}@{domain.domain}", subject=subject, text=text)
        finally:
            if not taken:
                await mailboxes.withdraw(self._pool, begun)
        if not taken:
            raise ApiError(CANNOT)

    async def _judged(self, domain: SendingDomain, status: DomainStatus, way: Way, token: str) -> DomainStatus:
        mailbox = await mailboxes.shown(self._pool, domain, way, token, now=self._clock.now())
        if mailbox is not None:
            return _with(status, way, Verdict.VALID, mailbox)
        if getattr(status, way.status) == Verdict.VALID:
            return status
        return _with(status, way, Verdict.INVALID, status.verification_mailbox)


def letter(domain: str, asking: mailboxes.Asking, *, hostname: str) -> tuple[str, str]:
    """Return subject and text of the mail that asks a mailbox."""
    text = f"""Somebody wants to send mail from {domain} through {hostname}, and named
{asking.mailbox}@{domain} as a mailbox that can speak for the domain.

If that is right, give them this token:

    {asking.token}

They show it with

    POST /api/v1/sending-domains/{domain}/verify
    {{"{asking.way}_token": "{asking.token}"}}

It is good for {GOOD_FOR.days} days. A newer mail like this one makes it void.

If you know nothing of this, do nothing: without the token nobody can
send from {domain}.
"""
    return f"Verify {domain} for sending", text


def _with(status: DomainStatus, way: Way, verdict: Verdict, mailbox: str) -> DomainStatus:
    changes: dict[str, Any] = {way.status: verdict.value}
    if way is Way.MAILBOX:
        changes["verification_mailbox"] = mailbox
    return msgspec.structs.replace(status, **changes)
