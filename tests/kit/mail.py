"""Ready-made hand-ins for tests of the queue and of delivery."""

from datetime import UTC, datetime, timedelta

from homing.events.detail import Addressee, EventBook
from homing.queue.types import NewChunk, NewEntry, Place
from homing.spool.types import ChunkFacts, RawContent

MESSAGE = b"From: news@acme.test\r\nTo: kim@there.test\r\nSubject: Hello\r\nMessage-ID: <1@acme.test>\r\n" + (
    b"Date: Fri, 01 May 2026 10:00:00 +0000\r\n\r\nHi.\r\n"
)


def new_chunk(
    place: Place,
    recipients: list[str],
    *,
    account_id: int = 1,
    campaign_id: str = "",
    body: bytes = MESSAGE,
    due_at: datetime | None = None,
    lifetime: timedelta = timedelta(hours=72),
    accepted_at: datetime | None = None,
) -> NewChunk:
    """Return a chunk as `ingress.expand` would make it, one entry and one injection event for each recipient."""
    now = accepted_at or datetime.now(UTC)
    facts = ChunkFacts(
        account_id=account_id,
        transmission_id=place.transmission_id,
        accepted_at=now,
        recv_method="esmtp",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
        subject="Hello",
        campaign_id=campaign_id,
        size_bytes=len(body),
    )
    events = EventBook(facts)
    entries = [
        NewEntry(message_id, to.rpartition("@")[2], to, due_at or now, (due_at or now) + lifetime, None)
        for message_id, to in zip(place.message_ids, recipients, strict=True)
    ]
    return NewChunk(
        shard=place.shard,
        chunk_id=place.chunk_id,
        facts=facts,
        content=RawContent(rfc822=body),
        entries=entries,
        events=[events.injection(Addressee(e.entry_id, e.recipient, e.domain, None), at=now) for e in entries],
    )
