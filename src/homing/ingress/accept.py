"""The one recipe by which mail becomes ours, whichever door it came through."""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from homing.abtests.book import AbTestBook
from homing.abtests.rules.choice import choose
from homing.accounts.allowance import Allowance
from homing.accounts.book import AccountBook
from homing.accounts.rules.usage import Period
from homing.accounts.types import Sender, Standing
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.domains.tracking import TrackingBook
from homing.domains.types import DEFAULT_KEY, DomainFacts, KeyStanding
from homing.egress.pools import PoolBook
from homing.ingress.rules import sandbox
from homing.ingress.rules.admission import Known, admit, return_path_domains, with_pool, with_usable_return_path
from homing.ingress.rules.content import with_stored
from homing.ingress.rules.defaults import with_defaults
from homing.ingress.rules.expand import CHUNK_RECIPIENTS, Share, chunk_size, encode_share, expand, facts_of
from homing.ingress.submit import Submit
from homing.ingress.suppression import SuppressionDesk
from homing.ingress.types import Accepted, Named, Refusal, Refused, Transmission
from homing.queue.types import NewChunk, Place
from homing.spool.types import ChunkFacts, decode_content, encode_content
from homing.templates.book import TemplateBook

OVER = {Period.HOUR: Refusal.HOURLY_LIMIT, Period.DAY: Refusal.DAILY_LIMIT, Period.MONTH: Refusal.MONTHLY_LIMIT}
SMALL = 100  # recipients whose entries and events are made in the event loop: about 1 ms


class Handover(Protocol):
    """What accept asks of the queue; `queue.owner.Owner` is one."""

    def place(self, count: int) -> Place:
        """Return a shard of ours and fresh ids. Raises Overloaded."""
        ...

    async def hand_over(self, chunk: NewChunk) -> None:
        """Make a chunk durable. Raises Overloaded, StoreUnavailable or LeaseLost."""
        ...

    async def hand_over_large(self, account_id: int, payloads: list[bytes], *, messages: int, now: datetime) -> None:
        """Make the shares of a large transmission durable, and count its messages, in one transaction. Raises as hand_over."""
        ...


class Accept:
    """Takes responsibility for transmissions. One per worker; both doors call it."""

    def __init__(
        self,
        *,
        accounts: AccountBook,
        allowance: Allowance,
        domains: DomainBook,
        keys: KeyRing,
        tracking: TrackingBook,
        pools: PoolBook,
        desk: SuppressionDesk,
        handover: Handover,
        submit: Submit,
        templates: TemplateBook,
        ab_tests: AbTestBook,
        bounce_domain: str,
        lifetime: timedelta,
    ) -> None:
        self._accounts = accounts
        self._allowance = allowance
        self._domains = domains
        self._keys = keys
        self._tracking = tracking
        self._pools = pools
        self._desk = desk
        self._handover = handover
        self._submit = submit
        self._templates = templates
        self._ab_tests = ab_tests
        self._bounce_domain = bounce_domain
        self._lifetime = lifetime

    async def __call__(self, transmission: Transmission, sender: Sender, *, now: datetime) -> Accepted | Refused:
        """Take a transmission, or say why not. Accepted means: on disk and in the queue.

        raises   Overloaded, StoreUnavailable or LeaseLost; then nothing was stored and the caller may try again
        """
        standing = await self._accounts.standing(sender.account_id, sender.subaccount_id)
        if standing is None or standing.suspended:  # what the door knew of the sender may be as old as its connection
            return Refused(Refusal.SUSPENDED)
        if transmission.sandbox:
            if not await self._has_sandbox():
                return Refused(Refusal.NO_SANDBOX)
            if sandbox.asks_for_another(transmission):
                return Refused(Refusal.SANDBOX_TEMPLATE)
            transmission = sandbox.confined(transmission)
        if transmission.named is not None:
            found = await self._with_template(transmission, transmission.named, sender, now)
            if isinstance(found, Refused):
                return found
            transmission = found
        pooled = with_pool(with_defaults(transmission, standing.options), await self._own_pool(sender, standing))
        if isinstance(pooled, Refused):
            return pooled
        known = await self._look_up(pooled, sender, standing)
        transmission = with_usable_return_path(pooled, known)
        refused = admit(transmission, sender, known, now=now)
        if refused is not None:
            return refused
        stored = known.stored_list
        messages = transmission.given if stored is None else stored.recipients
        hold = await self._allowance.hold(sender.account_id, standing.limits, messages, now=now)
        if isinstance(hold, Period):
            return Refused(OVER[hold], hold.value)
        taken: Accepted | Refused | None = None
        try:
            taken = await self._take(transmission, sender, known, now)
        finally:
            hold.end(taken=isinstance(taken, Accepted))
        return taken

    async def _take(self, transmission: Transmission, sender: Sender, known: Known, now: datetime) -> Accepted | Refused:
        """Make what was admitted ours, in one of three ways."""
        scheduled = transmission.start_time is not None and transmission.start_time > now
        if scheduled or transmission.sandbox or transmission.stored_list or transmission.bulk is not None:
            return await self._write_down(transmission, sender, known, now)
        if len(transmission.recipients) <= CHUNK_RECIPIENTS or transmission.recv_method == "esmtp":
            transmission_id = await self._take_whole(transmission, sender, known, now)
        else:
            transmission_id = await self._take_in_shares(transmission, sender, known, now)
        return Accepted(transmission_id, len(transmission.recipients), len(transmission.rejected))

    async def _with_template(
        self, transmission: Transmission, named: Named, sender: Sender, now: datetime
    ) -> Transmission | Refused:
        """Return a transmission with the content of the stored template that it names, or that its A/B test chooses."""
        if named.ab_test_id is not None:
            chosen = await self._chosen(transmission, named.ab_test_id, sender, now)
            if isinstance(chosen, Refused):
                return chosen
            transmission = chosen
            named = msgspec.structs.replace(named, template_id=chosen.template_id)
        template = None
        if not transmission.sandbox:
            template = await self._templates.template(sender.account_id, sender.subaccount_id, named.template_id)
        if template is None and self._domains.house and named.template_id == sandbox.TEMPLATE_ID:
            return self._with_sandbox(transmission, named, sender)
        if template is None:
            return Refused(Refusal.UNKNOWN_TEMPLATE, named.template_id)
        version = await self._templates.content(template, draft=named.draft)
        if version is None:
            return Refused(Refusal.NO_DRAFT if named.draft else Refusal.NOT_PUBLISHED, named.template_id)
        await self._templates.used(template)
        return with_stored(transmission, decode_content(version.content), template, version=version.version)

    async def _has_sandbox(self) -> bool:
        """Return whether the house has a domain for the sandbox, and may send from it."""
        facts = await self._domains.of_house()
        return facts is not None and facts.usable_in_from

    def _with_sandbox(self, transmission: Transmission, named: Named, sender: Sender) -> Transmission | Refused:
        if named.draft:
            return Refused(Refusal.NO_DRAFT, named.template_id)
        template = sandbox.template(sender.account_id)
        return with_stored(transmission, sandbox.content(self._domains.house), template, version=sandbox.VERSION)

    async def _chosen(self, transmission: Transmission, ab_test_id: str, sender: Sender, now: datetime) -> Transmission | Refused:
        """Return a transmission with the template that its test chooses; it names the test if the message is part of it."""
        current = await self._ab_tests.current(sender.account_id, sender.subaccount_id, ab_test_id)
        if current is None:
            return Refused(Refusal.UNKNOWN_AB_TEST, ab_test_id)
        recipient = transmission.recipients[0].email if transmission.recipients else ""
        choice = choose(current.test, current.counts, recipient=recipient, now=now)
        if choice is None:
            return Refused(Refusal.UNKNOWN_AB_TEST, ab_test_id)
        chosen = msgspec.structs.replace(transmission, template_id=choice.template_id)
        if choice.counted:
            test = current.test
            chosen = msgspec.structs.replace(chosen, ab_test_id=test.test_id, ab_test_version=str(test.version))
        return chosen

    async def _own_pool(self, sender: Sender, standing: Standing) -> str:
        """Return the pool that a subaccount must send from; '' where it has none, or that one is gone."""
        pool = standing.ip_pool
        return pool if pool and await self._pools.exists(sender.account_id, pool) else ""

    async def _look_up(self, transmission: Transmission, sender: Sender, standing: Standing) -> Known:
        """Gather what admission asks for; all of it is in memory as a rule."""
        stored = None
        if transmission.stored_list and not sender.subaccount_id:
            stored = await self._submit.find_list(sender.account_id, transmission.stored_list)
        of_list = stored.return_path_domains if stored is not None else ()
        domains: dict[str, DomainFacts] = {}
        for domain in {transmission.sending_domain, *return_path_domains(transmission), *of_list}:
            facts = await self._domains.facts(sender.account_id, sender.subaccount_id, domain) if domain else None
            if facts is None and transmission.sandbox and domain == self._domains.house:
                facts = await self._domains.of_house()
            if facts is not None:
                domains[domain] = facts
        pool, key, tracking = transmission.ip_pool, transmission.dkim_key, transmission.tracking_domain
        return Known(
            domains=domains,
            stored_list=stored,
            default_bounce=(
                None
                if transmission.return_path and transmission.recv_method != "esmtp"
                else await self._domains.default_bounce(sender.account_id, sender.subaccount_id)
            ),
            bounce_domain=self._bounce_domain,
            pool_exists=await self._pools.exists(sender.account_id, pool),
            dkim_key=(
                KeyStanding.USABLE
                if key == DEFAULT_KEY
                else await self._keys.standing(sender.account_id, transmission.sending_domain, key)
            ),
            tracking_usable=not tracking or await self._tracking.is_usable(sender.account_id, sender.subaccount_id, tracking),
            options=standing.options,
        )

    async def _take_whole(self, transmission: Transmission, sender: Sender, known: Known, now: datetime) -> bytes:
        """Hand over all recipients as one chunk. SMTP has 2,000 at most, copies included; an archive copy names the first."""
        recipients = transmission.recipients
        suppressed: dict[str, str] = {}
        if not transmission.skip_suppression:
            suppressed = await self._desk.suppressed(
                sender.account_id,
                sender.subaccount_id,
                [recipient.email.lower() for recipient in recipients],
                transmission.transactional,
                transmission.list_id or transmission.own_list_id,
            )
        place = self._handover.place(len(recipients))
        facts = facts_of(transmission, sender, known, transmission_id=place.transmission_id, now=now)

        def made() -> NewChunk:
            return expand(
                facts,
                transmission.content,
                recipients,
                suppressed=suppressed,
                shard=place.shard,
                chunk_id=place.chunk_id,
                message_ids=place.message_ids,
                lifetime=self._lifetime,
                now=now,
            )

        await self._handover.hand_over(made() if len(recipients) <= SMALL else await asyncio.to_thread(made))
        return place.transmission_id

    async def _write_down(self, transmission: Transmission, sender: Sender, known: Known, now: datetime) -> Accepted | Refused:
        """Write a transmission down whole, where that is done in one transaction; the owners of the shards make its messages."""
        transmission_id = self._handover.place(0).transmission_id
        facts = facts_of(transmission, sender, known, transmission_id=transmission_id, now=now)
        verdict = await self._submit(facts, transmission)
        if isinstance(verdict, Refused):
            return verdict
        return Accepted(transmission_id, verdict, len(transmission.rejected))

    async def _take_in_shares(self, transmission: Transmission, sender: Sender, known: Known, now: datetime) -> bytes:
        """Write the call down as it is, in shares; the owners of all shards expand them afterwards."""
        transmission_id = self._handover.place(0).transmission_id
        facts = facts_of(transmission, sender, known, transmission_id=transmission_id, now=now)
        payloads = await asyncio.to_thread(shares, facts, transmission)
        await self._handover.hand_over_large(sender.account_id, payloads, messages=len(transmission.recipients), now=now)
        return transmission_id


def shares(facts: ChunkFacts, transmission: Transmission) -> list[bytes]:
    """Return the payloads of a large transmission: facts, content and up to 1,000 recipients each."""
    content = encode_content(transmission.content)
    recipients = [(recipient.email, recipient.domain, recipient.detail) for recipient in transmission.recipients]
    size = chunk_size(len(recipients), len(content))
    return [encode_share(Share(facts, content, recipients[start : start + size])) for start in range(0, len(recipients), size)]
