"""From recipients to what the queue keeps: entries and events, with the content once per chunk."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from homing.accounts.types import Sender
from homing.events.detail import Addressee, EventBook
from homing.events.rules.reason import CANCELED, suppression_reason
from homing.events.types import Event
from homing.ingress.rules.admission import Known
from homing.ingress.types import Recipient, Transmission
from homing.queue.types import NewChunk, NewEntry
from homing.spool.reencode import has_amp
from homing.spool.types import ChunkFacts, Content, RawContent, RecipientDetail, encode_detail

CHUNK_RECIPIENTS = 1_000
MOST_CONTENT_COPIES = 64 * 1024 * 1024  # bytes that the copies of one content may take in all chunks together

BLOCKED_CLASS = 25  # SparkPost reference, section 5: admin failure
BOUNCE_LOCAL = "bounces"


class Share(msgspec.Struct, frozen=True, array_like=True):
    """What one chunk of a large transmission needs to be expanded later: the payload of an inbox item.

    content      msgpack of spool.Content, the same bytes for every chunk
    recipients   email, routing domain, detail
    """

    facts: ChunkFacts
    content: bytes
    recipients: list[tuple[str, str, RecipientDetail | None]]


encode_share = msgspec.msgpack.Encoder().encode
decode_share = msgspec.msgpack.Decoder(Share).decode


def facts_of(transmission: Transmission, sender: Sender, known: Known, *, transmission_id: bytes, now: datetime) -> ChunkFacts:
    """Return what all recipients of a transmission share. A start in the past means now."""
    start, return_path = transmission.start_time, transmission.return_path
    if return_path is None and known.default_bounce is not None:
        return_path = f"{BOUNCE_LOCAL}@{known.default_bounce}"  # the local part gives way to a VERP value
    platforms = f"{BOUNCE_LOCAL}@{known.bounce_domain}" if known.bounce_domain else ""
    return ChunkFacts(
        account_id=sender.account_id,
        subaccount_id=sender.subaccount_id,
        transmission_id=transmission_id,
        accepted_at=now,
        recv_method=transmission.recv_method,
        sending_domain=transmission.sending_domain,
        friendly_from=transmission.from_email,
        subject=transmission.subject,
        campaign_id=transmission.campaign_id,
        description=transmission.description,
        return_path=return_path,
        ip_pool=transmission.ip_pool or "default",
        transactional=transmission.transactional,
        transactional_unsub=known.options.transactional_unsub,
        skip_suppression=transmission.skip_suppression,
        open_tracking=transmission.open_tracking,
        click_tracking=transmission.click_tracking,
        initial_open=transmission.initial_open,
        inline_css=transmission.inline_css,
        scheduled_at=start if start is not None and start > now else None,
        template_id=transmission.template_id,
        template_version=transmission.template_version,
        ab_test_id=transmission.ab_test_id,
        ab_test_version=transmission.ab_test_version,
        dkim_key=transmission.dkim_key,
        tracking_domain=transmission.tracking_domain,
        list_id=transmission.list_id,
        own_list_id=transmission.own_list_id,
        substitution_data=transmission.substitution_data,
        metadata=transmission.metadata,
        size_bytes=transmission.size_bytes or size_of(transmission.content),
        msg_from=return_path or platforms,
    )


def size_of(content: Content) -> int:
    """Return about how many bytes a message of this content has: its texts before the language, its files as base64."""
    if isinstance(content, RawContent):
        return len(content.rfc822)
    texts = (content.subject, content.text, content.html, content.amp_html, *content.headers.values())
    files = sum(len(part.data) for part in (*content.attachments, *content.inline_images))
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts if text) + files * 4 // 3


def chunk_size(recipients: int, content_bytes: int) -> int:
    """Return how many recipients one chunk takes: 1,000, or more where so many copies of a large content would cost too much.

    20 MB for 50,000 recipients become three chunks, not fifty.
    """
    copies = max(1, MOST_CONTENT_COPIES // max(1, content_bytes))
    return max(CHUNK_RECIPIENTS, -(-recipients // copies))


def expand(
    facts: ChunkFacts,
    content: Content,
    recipients: Sequence[Recipient],
    *,
    suppressed: Mapping[str, str],
    shard: int,
    chunk_id: bytes,
    message_ids: Sequence[bytes],
    lifetime: timedelta,
    now: datetime,
    content_bytes: bytes | None = None,
    canceled: bool = False,
    rejection: str = "",
) -> NewChunk:
    """Return the chunk that makes these recipients ours: an `injection` for each, an entry for each that may have mail.

    suppressed   lower-case address -> source; such a recipient gets a `bounce` of class 25 instead of an entry
    message_ids  one for each recipient
    lifetime     counted from the start time, or from acceptance
    canceled     the transmission was cancelled: every recipient gets such a `bounce`
    rejection    why its sender may not send it any more: each recipient gets a `generation_rejection`, and nothing else
    """
    book = EventBook(facts, amp_enabled=has_amp(content))
    due_at = facts.scheduled_at or facts.accepted_at
    expires_at = due_at + lifetime
    msg_from, size_bytes = facts.msg_from or facts.return_path or "", facts.size_bytes
    entries: list[NewEntry] = []
    events: list[Event] = []
    for recipient, message_id in zip(recipients, message_ids, strict=True):
        detail = recipient.detail
        if detail is not None and detail.rcpt_type == "archive":  # of the first recipient; copies come last
            detail = msgspec.structs.replace(detail, links_of=(message_ids[0], recipients[0].email))
        to = Addressee(message_id, recipient.email, recipient.domain, detail)
        if rejection and not canceled:
            events.append(book.generation_rejection(to, at=now, reason=rejection, error_code=rejection[:3]))
            continue
        own_from = detail.return_path or msg_from if detail is not None else msg_from
        injection = book.injection(to, at=now, msg_from=own_from, msg_size=size_bytes)
        events.append(injection)
        source = suppressed.get(injection.recipient) if suppressed else None
        if source is not None or canceled:
            reason = CANCELED if source is None else suppression_reason(source)
            events.append(
                book.bounce(
                    to,
                    at=now,
                    reason=reason,
                    error_code="554",
                    bounce_class=BLOCKED_CLASS,
                    msg_size=size_bytes,
                    msg_from=own_from,
                )
            )
            continue
        entries.append(
            NewEntry(
                message_id,
                recipient.domain,
                recipient.email,
                due_at,
                expires_at,
                encode_detail(detail) if detail is not None else None,
            )
        )
    return NewChunk(
        shard=shard,
        chunk_id=chunk_id,
        facts=facts,
        content=content,
        entries=entries,
        events=events,
        content_bytes=content_bytes,
        book=book,
    )
