"""From an outcome to what is written: the next attempt or the end, the event, the suppression."""

import random
from datetime import datetime

import msgspec

from homing.delivery.rules.outcome import expired
from homing.delivery.rules.retry import RetryPlan, next_attempt
from homing.delivery.types import Attempt, Bounced, Deferred, Delivered, Outcome, Scope, Stage, Stop
from homing.events.detail import Addressee, EventBook
from homing.events.rules.classify import Classifier
from homing.events.types import Event, EventType
from homing.queue.types import Entry, Settlement, Strike
from homing.recipients.rules.provenance import of_event
from homing.recipients.types import SuppressionRow
from homing.spool.types import ChunkFacts, RecipientDetail, decode_detail

PROMPT_RETRIES = 3  # a message whose session broke is tried again after a minute, so many times


class Told(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the event of an attempt tells besides its outcome."""

    sending_ip: str = ""
    msg_size: int = 0
    msg_from: str = ""
    subject: str | None = None
    provider: str = ""
    region: str = ""


def settlement(
    entry: Entry,
    outcome: Outcome,
    attempt: Attempt,
    *,
    domain: str,
    facts: ChunkFacts,
    events: EventBook,
    told: Told,
    plan: RetryPlan,
    classifier: Classifier,
    now: datetime,
) -> Settlement:
    """Return what to write of one attempt. Counts the try in the entry; a message past its time is bounced as expired."""
    to = Addressee(entry.entry_id, entry.recipient, domain, detail_of(entry))
    waited_ms = max(0, round((now - (facts.scheduled_at or facts.accepted_at)).total_seconds() * 1000))
    if isinstance(outcome, Delivered):
        event = events.delivery(
            to,
            at=now,
            ip_address=attempt.address,
            sending_ip=told.sending_ip,
            outbound_tls=attempt.tls,
            num_retries=entry.tries,
            queue_time_ms=waited_ms,
            msg_size=told.msg_size,
            msg_from=told.msg_from,
            subject=told.subject,
            reply=outcome.reply.text[:500],
            provider=told.provider,
            region=told.region,
        )
        return Settlement(entry=entry, finish=True, events=(event,))
    tries_before = entry.tries
    if isinstance(outcome, Deferred):
        entry.tries += 1
        due_at = next_attempt(
            plan,
            tries=entry.tries,
            expires_at=entry.expires_at,
            now=now,
            profile=outcome.retry,
            jitter=random.uniform(-1.0, 1.0),
        )
        delay = events.delay(
            to,
            at=now,
            reason=outcome.reason,
            error_code=outcome.code,
            bounce_class=outcome.bounce_class,
            num_retries=tries_before,
            queue_time_ms=waited_ms,
            outbound_tls=attempt.tls,
            ip_address=attempt.address,
            sending_ip=told.sending_ip,
            msg_size=told.msg_size,
            msg_from=told.msg_from,
            subject=told.subject,
            subclass=outcome.subclass,
            provider=told.provider,
            region=told.region,
        )
        if (
            outcome.scope is Scope.SESSION
            and not attempt.sent_end_of_data
            and entry.tries <= PROMPT_RETRIES
            and due_at is not None
        ):
            due_at = min(due_at, now + plan.first / 20)  # the session failed, not the message: another one may do at once
        if due_at is not None:
            return Settlement(entry=entry, finish=False, events=(delay,), due_at=due_at, note=outcome.reason)
        ended = expired(outcome.reason, rules=classifier)
        return _bounced(entry, ended, to, events, facts, told, attempt, tries=entry.tries, now=now, before=(delay,))
    return _bounced(entry, outcome, to, events, facts, told, attempt, tries=tries_before, now=now)


def expiry(
    entry: Entry, last_reply: str, *, domain: str, facts: ChunkFacts, events: EventBook, classifier: Classifier, now: datetime
) -> Settlement:
    """Return what to write of a message that outlived its time while it waited."""
    to = Addressee(entry.entry_id, entry.recipient, domain, detail_of(entry))
    nothing = Attempt(stage=Stage.CONNECT)
    return _bounced(entry, expired(last_reply, rules=classifier), to, events, facts, Told(), nothing, tries=entry.tries, now=now)


def stopped(entry: Entry, stop: Stop, *, domain: str, facts: ChunkFacts, events: EventBook, now: datetime) -> Settlement:
    """Return what to write of a message that was stopped while it waited: suppressed lately, cancelled, or rejected."""
    detail, code = detail_of(entry), stop.reason[:3]
    to = Addressee(entry.entry_id, entry.recipient, domain, detail)
    if stop.rejected:
        msg_from = (detail.return_path if detail is not None else None) or facts.return_path or ""
        event = events.policy_rejection(to, at=now, reason=stop.reason, error_code=code, msg_from=msg_from)
    else:
        event = events.bounce(to, at=now, reason=stop.reason, error_code=code, bounce_class=25, num_retries=entry.tries)
    return Settlement(entry=entry, finish=True, events=(event,))


def detail_of(entry: Entry) -> RecipientDetail | None:
    """Return what differs for this recipient; None: nothing."""
    return None if entry.detail is None else decode_detail(entry.detail)


def _bounced(
    entry: Entry,
    outcome: Bounced,
    to: Addressee,
    events: EventBook,
    facts: ChunkFacts,
    told: Told,
    attempt: Attempt,
    *,
    tries: int,
    now: datetime,
    before: tuple[Event, ...] = (),
) -> Settlement:
    event = events.bounce(
        to,
        at=now,
        reason=outcome.reason,
        error_code=outcome.code,
        bounce_class=outcome.bounce_class,
        num_retries=tries,
        ip_address=attempt.address,
        sending_ip=told.sending_ip,
        msg_size=told.msg_size,
        msg_from=told.msg_from,
        subject=told.subject,
        subclass=outcome.subclass,
        provider=told.provider,
        region=told.region,
    )
    row = SuppressionRow(
        account_id=facts.account_id,
        subaccount_id=facts.subaccount_id,
        recipient=entry.recipient.lower(),
        type="transactional" if facts.transactional else "non_transactional",
        source="Bounce Rule",
        description=outcome.reason[:1000],
        provenance=of_event(EventType.BOUNCE, entry.entry_id),
    )
    return Settlement(
        entry=entry,
        finish=True,
        events=(*before, event),
        suppression=row if outcome.suppress == "immediate" else None,
        strike=Strike(row, outcome.subclass) if outcome.suppress == "after_repeats" else None,
    )
