"""Mail that the platform itself writes to people. It comes in as everybody's does, and is delivered, signed and logged alike."""

from collections.abc import Callable, Mapping, Sequence

from homing.accounts.types import Sender
from homing.domains import store
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.errors import Overloaded
from homing.ground.log import get
from homing.ingress.accept import Accept
from homing.ingress.rules.letter import letter
from homing.ingress.types import Recipient, Refused, Transmission
from homing.message.addresses import parse_address
from homing.spool.types import Content, InlineContent, Part, RawContent

log = get("ingress")


class Notices:
    """Sends notices. One for a worker.

    sender       address that they come from; its domain is a sending domain here, and its account pays for them; '': none
    refuse_new   why nothing new is taken now; None: it is
    """

    def __init__(self, pool: Pool, accept: Accept, *, sender: str, refuse_new: Callable[[], str | None], clock: Clock) -> None:
        self._pool = pool
        self._accept = accept
        self._sender = sender
        self._refuse_new = refuse_new
        self._clock = clock

    @property
    def is_offered(self) -> bool:
        """Return whether there is an address that notices come from."""
        return bool(self._sender)

    async def send(
        self,
        to: str,
        *,
        subject: str,
        text: str,
        sender: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        attachments: Sequence[Part] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Take responsibility for a notice; False: the address that it should come from cannot be used.

        to            an address, checked
        sender        name and address that it comes from instead of the usual one
        metadata      that its events show
        headers       Message-ID, In-Reply-To, References, Reply-To, Auto-Submitted and their like
        raises        BadAddress; Overloaded, StoreUnavailable or LeaseLost, then nothing was stored
        """
        reason = self._refuse_new()
        if reason is not None:
            raise Overloaded(reason)
        given = sender or ("", self._sender)
        author, recipient = parse_address(given[1]), parse_address(to)
        owner = await store.find(self._pool, author.domain)
        if owner is None:
            log.error("notice_refused", reason="no_such_domain", domain=author.domain)
            return False
        content: Content = InlineContent(from_email=self._sender, subject=subject, text=text, perform_substitutions=False)
        size_bytes = 0
        whole = sender is not None or headers is not None or bool(attachments)
        if whole:
            raw = letter(
                to,
                sender=given,
                subject=subject,
                text=text,
                headers=headers or {},
                attachments=attachments,
                hostname=author.domain,
                now=self._clock.now(),
            )
            content, size_bytes = RawContent(rfc822=raw, plain=True), len(raw)
        notice = Transmission(
            recipients=[Recipient(to, recipient.domain)],
            content=content,
            recv_method="rest",
            from_email=given[1],
            sending_domain=author.domain,
            subject=subject,
            transactional=True,
            # An answer to a person who has asked goes out, whatever else he does not want to get.
            skip_suppression=whole,
            open_tracking=False,
            click_tracking=False,
            initial_open=False,
            size_bytes=size_bytes,
            metadata=dict(metadata or {}),
        )
        account = Sender(account_id=owner.account_id, subaccount_id=owner.subaccount_id)
        verdict = await self._accept(notice, account, now=self._clock.now())
        if isinstance(verdict, Refused):
            log.error("notice_refused", reason=verdict.reason, domain=author.domain)
            return False
        return True
