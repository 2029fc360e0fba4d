"""Writes events: what all messages of a chunk share is encoded once, what differs is spliced in behind it.

Two or more events are made for each message, so this is a hot path (about 2 microseconds each). The log keeps only what
cannot be derived: `rules/wire.py` adds what the columns tell (recipient, ids, times), `rcpt_hash`, and the defaults
(`rcpt_meta` {}, `rcpt_tags` [], flags false). Field names: SparkPost reference, sections 4.3 and 4.4.
"""

from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from homing.events.rules.reason import masked
from homing.events.types import Event, EventType

SUBJECT_LETTERS = 1_000  # of a subject that events keep; every event of every recipient repeats it
_encode = msgspec.json.Encoder().encode


class MailFacts(Protocol):
    """What all messages of a chunk share; `spool.ChunkFacts` is one."""

    @property
    def account_id(self) -> int: ...  # noqa: D102
    @property
    def subaccount_id(self) -> int: ...  # noqa: D102
    @property
    def transmission_id(self) -> bytes: ...  # noqa: D102
    @property
    def accepted_at(self) -> datetime: ...  # noqa: D102
    @property
    def recv_method(self) -> str: ...  # noqa: D102
    @property
    def sending_domain(self) -> str: ...  # noqa: D102
    @property
    def friendly_from(self) -> str: ...  # noqa: D102
    @property
    def subject(self) -> str: ...  # noqa: D102
    @property
    def campaign_id(self) -> str: ...  # noqa: D102
    @property
    def ip_pool(self) -> str: ...  # noqa: D102
    @property
    def transactional(self) -> bool: ...  # noqa: D102
    @property
    def open_tracking(self) -> bool: ...  # noqa: D102
    @property
    def click_tracking(self) -> bool: ...  # noqa: D102
    @property
    def initial_open(self) -> bool: ...  # noqa: D102
    @property
    def scheduled_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def template_id(self) -> str: ...  # noqa: D102
    @property
    def template_version(self) -> str: ...  # noqa: D102
    @property
    def ab_test_id(self) -> str: ...  # noqa: D102
    @property
    def ab_test_version(self) -> str: ...  # noqa: D102
    @property
    def named_list(self) -> str: ...  # noqa: D102
    @property
    def metadata(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def substitution_data(self) -> dict[str, Any]: ...  # noqa: D102


class RecipientFacts(Protocol):
    """What differs for one recipient; `spool.RecipientDetail` is one."""

    @property
    def tags(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def metadata(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def substitution_data(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def rcpt_type(self) -> str: ...  # noqa: D102


class Addressee(msgspec.Struct, frozen=True, gc=False):
    """One message and whom it is for.

    recipient   as submitted
    domain      routing domain, lower case A-labels
    detail      None where nothing differs from the chunk
    """

    message_id: bytes | None
    recipient: str
    domain: str
    detail: RecipientFacts | None = None


class EventBook:
    """Makes the events of one chunk's messages. Make it once per chunk; every method is pure and cheap."""

    __slots__ = (
        "_account_id",
        "_base",
        "_campaign_id",
        "_facts",
        "_full",
        "_meta",
        "_subaccount_id",
        "_subject",
        "_transmission_id",
    )

    def __init__(self, facts: MailFacts, *, amp_enabled: bool = False) -> None:
        self._facts = facts
        self._account_id = facts.account_id
        self._subaccount_id = facts.subaccount_id
        self._transmission_id = facts.transmission_id
        self._campaign_id = facts.campaign_id
        base: dict[str, Any] = {
            "friendly_from": facts.friendly_from,
            "sending_domain": facts.sending_domain,
            "ip_pool": facts.ip_pool,
            "recv_method": facts.recv_method,
            "injection_time": iso(facts.accepted_at),
        }
        if facts.template_id:
            base["template_id"] = facts.template_id
            base["template_version"] = facts.template_version
        if facts.ab_test_id:
            base["ab_test_id"] = facts.ab_test_id
            base["ab_test_version"] = facts.ab_test_version
        if facts.transactional:
            base["transactional"] = "1"
        if facts.named_list:
            base["list_id"] = facts.named_list  # for us: whoever leaves leaves this list
        if facts.scheduled_at is not None:
            base["scheduled_time"] = str(int(facts.scheduled_at.timestamp()))
        full = dict(base)
        flags = (
            ("open_tracking", facts.open_tracking),
            ("click_tracking", facts.click_tracking),
            ("initial_pixel", facts.initial_open),
            ("amp_enabled", amp_enabled),
        )
        full.update((name, True) for name, on in flags if on)
        self._base = _encode(base)[:-1]
        self._full = _encode(full)[:-1]
        self._subject = b',"subject":' + _encode(facts.subject[:SUBJECT_LETTERS]) if facts.subject else b""
        self._meta = b',"rcpt_meta":' + _encode(facts.metadata) if facts.metadata else b""

    def injection(self, to: Addressee, *, at: datetime, msg_from: str = "", msg_size: int = 0) -> Event:
        """A message was taken and queued.

        msg_from  envelope sender as injected; the one that goes out is made for each message
        msg_size  bytes, of an API call an estimate; 0 where it is not known
        """
        own: dict[str, Any] = {}
        if msg_from:
            own["msg_from"] = msg_from
        if msg_size:
            own["msg_size"] = str(msg_size)
        return self._event(EventType.INJECTION, to, at, self._full + self._subject, own)

    def delivery(
        self,
        to: Addressee,
        *,
        at: datetime,
        ip_address: str,
        sending_ip: str,
        outbound_tls: int,
        num_retries: int,
        queue_time_ms: int,
        msg_size: int,
        msg_from: str = "",
        subject: str | None = None,
        reply: str = "",
        provider: str = "",
        region: str = "",
    ) -> Event:
        """The receiving host took the message.

        outbound_tls  1 used, 0 not offered, -1 negotiation failed
        num_retries   failed attempts before this one
        subject       as rendered; None: as the chunk has it
        reply         the host's words, for trace; customers do not see it
        provider      mailbox provider's name, '' where unknown; region likewise
        """
        own: dict[str, Any] = {
            "ip_address": ip_address,
            "outbound_tls": outbound_tls,
            "num_retries": str(num_retries),
            "queue_time": str(queue_time_ms),
            "msg_size": str(msg_size),
            "delv_method": "esmtp",
        }
        if sending_ip:
            own["sending_ip"] = sending_ip
        if msg_from:
            own["msg_from"] = msg_from
        if reply:
            own["reply"] = reply
        if provider:
            own["mailbox_provider"] = provider
            if region:
                own["mailbox_provider_region"] = region
        return self._event(EventType.DELIVERY, to, at, self._full + self._subject_or(subject), own)

    def delay(
        self,
        to: Addressee,
        *,
        at: datetime,
        reason: str,
        error_code: str,
        bounce_class: int,
        num_retries: int,
        queue_time_ms: int,
        outbound_tls: int = 0,
        ip_address: str = "",
        sending_ip: str = "",
        msg_size: int = 0,
        msg_from: str = "",
        subject: str | None = None,
        subclass: str = "",
        provider: str = "",
        region: str = "",
    ) -> Event:
        """An attempt failed for now. reason: the reply on one line, verbatim; its masked form is made here."""
        own = _failure(reason, error_code, bounce_class, num_retries, ip_address, sending_ip, msg_size, msg_from, subclass)
        own["queue_time"] = str(queue_time_ms)
        own["outbound_tls"] = outbound_tls
        if provider:
            own["mailbox_provider"] = provider
            if region:
                own["mailbox_provider_region"] = region
        return self._event(EventType.DELAY, to, at, self._full + self._subject_or(subject), own)

    def bounce(
        self,
        to: Addressee,
        *,
        at: datetime,
        reason: str,
        error_code: str,
        bounce_class: int,
        num_retries: int = 0,
        ip_address: str = "",
        sending_ip: str = "",
        msg_size: int = 0,
        msg_from: str = "",
        subject: str | None = None,
        subclass: str = "",
        provider: str = "",
        region: str = "",
    ) -> Event:
        """The message will never be delivered: refused for good, expired, suppressed or cancelled."""
        own = _failure(reason, error_code, bounce_class, num_retries, ip_address, sending_ip, msg_size, msg_from, subclass)
        if provider:
            own["mailbox_provider"] = provider
            if region:
                own["mailbox_provider_region"] = region
        return self._event(EventType.BOUNCE, to, at, self._full + self._subject_or(subject), own)

    def policy_rejection(
        self,
        to: Addressee,
        *,
        at: datetime,
        reason: str,
        error_code: str,
        bounce_class: int = 25,
        remote_addr: str = "",
        msg_from: str = "",
    ) -> Event:
        """The platform's policy refused the message after it was taken. remote_addr: the injecting host."""
        own: dict[str, Any] = {
            "reason": masked(reason),
            "raw_reason": reason,
            "error_code": error_code,
            "bounce_class": str(bounce_class),
        }
        if remote_addr:
            own["remote_addr"] = remote_addr
        if msg_from:
            own["msg_from"] = msg_from
        return self._event(EventType.POLICY_REJECTION, to, at, self._base, own)

    def generation_failure(self, to: Addressee, *, at: datetime, reason: str, error_code: str = "554") -> Event:
        """The message could not be rendered or built. Substitution data shows as rcpt_subs, recipient over transmission."""
        own: dict[str, Any] = {"reason": masked(reason), "raw_reason": reason, "error_code": error_code}
        self._add_subs(own, to)
        return self._event(EventType.GENERATION_FAILURE, to, at, self._base, own)

    def generation_rejection(self, to: Addressee, *, at: datetime, reason: str, error_code: str, bounce_class: int = 25) -> Event:
        """The platform's policy refused to make the message, of a transmission that was taken."""
        own: dict[str, Any] = {
            "reason": masked(reason),
            "raw_reason": reason,
            "error_code": error_code,
            "bounce_class": str(bounce_class),
        }
        self._add_subs(own, to)
        return self._event(EventType.GENERATION_REJECTION, to, at, self._base + self._subject, own)

    def _add_subs(self, own: dict[str, Any], to: Addressee) -> None:
        subs = self._facts.substitution_data
        if to.detail is not None and to.detail.substitution_data:
            subs = {**subs, **to.detail.substitution_data}
        if subs:
            own["rcpt_subs"] = subs

    def _subject_or(self, subject: str | None) -> bytes:
        return (
            self._subject
            if subject is None or subject == self._facts.subject
            else b',"subject":' + _encode(subject[:SUBJECT_LETTERS])
        )

    def _event(self, kind: EventType, to: Addressee, at: datetime, shared: bytes, own: dict[str, Any]) -> Event:
        recipient = to.recipient.lower()
        if recipient != to.recipient:
            own["raw_rcpt_to"] = to.recipient
        meta = self._meta
        if to.detail is not None:
            if to.detail.tags:
                own["rcpt_tags"] = to.detail.tags
            if to.detail.rcpt_type:
                own["rcpt_type"] = to.detail.rcpt_type
            if to.detail.metadata:
                meta = b""
                own["rcpt_meta"] = {**self._facts.metadata, **to.detail.metadata} if self._meta else to.detail.metadata
        detail = b"".join((shared, meta, b",", _encode(own)[1:])) if own else b"".join((shared, meta, b"}"))
        if b"\\u0000" in detail:  # PostgreSQL cannot read such a member again
            detail = _encode(without_nul(msgspec.json.decode(detail)))
        return Event(
            type=kind,
            at=at,
            account_id=self._account_id,
            subaccount_id=self._subaccount_id,
            message_id=to.message_id,
            transmission_id=self._transmission_id,
            recipient=recipient,
            recipient_domain=to.domain,
            campaign_id=self._campaign_id,
            detail=detail,
        )


def iso(moment: datetime) -> str:
    """Return a time as event fields show it: `2016-04-18T14:25:07.000+00:00` (the one form that the Go client reads)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def without_nul(value: Any) -> Any:
    """Return a value of JSON without the one character that PostgreSQL cannot keep."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {without_nul(name): without_nul(member) for name, member in value.items()}
    if isinstance(value, list):
        return [without_nul(member) for member in value]
    return value


def _failure(
    reason: str,
    error_code: str,
    bounce_class: int,
    num_retries: int,
    ip_address: str,
    sending_ip: str,
    msg_size: int,
    msg_from: str,
    subclass: str,
) -> dict[str, Any]:
    own: dict[str, Any] = {
        "reason": masked(reason),
        "raw_reason": reason,
        "error_code": error_code,
        "bounce_class": str(bounce_class),
        "num_retries": str(num_retries),
        "delv_method": "esmtp",
    }
    if ip_address:
        own["ip_address"] = ip_address
    if sending_ip:
        own["sending_ip"] = sending_ip
    if msg_from:
        own["msg_from"] = msg_from
    if subclass:
        own["subclass"] = subclass
    if msg_size:
        own["msg_size"] = str(msg_size)
    return own
