"""What follows from a mail that came back: at most one event, and perhaps a suppression.

Matching: the signed return path that the mail was sent to names the message exactly. A complaint comes to fbl@, so there a
signed X-MSFBL counts, then a keepsake in the List-Unsubscribe, then a signed return path in the returned copy. A Message-ID
alone proves nothing (they can be guessed), so it is never enough.
What the log has forgotten is told by the keepsake in one of these fields; a return path has no room for one.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from homing.events.rules.classify import Classifier
from homing.events.rules.erasure import is_erased
from homing.events.rules.reason import masked
from homing.events.types import EventType, Logged
from homing.ground import ids
from homing.inbound.rules.destination import Desk, Destination, Tokens
from homing.inbound.types import Failure, Kind, Reading
from homing.message import msfbl, unsubscribe, verp
from homing.message.keepsake import Keepsake
from homing.message.msfbl import Feedback
from homing.recipients.rules.provenance import of_event
from homing.recipients.types import Source, SuppressionRow, SuppressionType

AUTO_REPLY = 60
CHALLENGE = 100
_NOT_A_BOUNCE = frozenset({str(AUTO_REPLY), str(CHALLENGE)})
_BASES = (EventType.DELIVERY, EventType.BOUNCE, EventType.DELAY, EventType.INJECTION)  # the fullest record first
_MAX_REASON = 1_000


class Consequence(msgspec.Struct, frozen=True, kw_only=True):
    """One event to write about an earlier message, and the suppression that it brings.

    own   fields that the event has of its own, named as on the wire
    """

    original: Logged
    type: EventType
    own: dict[str, Any]
    suppression: SuppressionRow | None = None


def message_of(reading: Reading, destination: Destination, tokens: Tokens) -> bytes | None:
    """Return the message that a mail is about, as far as that is proved; else None."""
    if destination.message_id is not None:
        return destination.message_id
    if destination.desk is Desk.UNSUBSCRIBE:
        named = unsubscribe.parse(reading.subject, tokens.unsubscribe)
        return next(iter(_opened(reading.keepsakes, tokens)), None) if named is None else named
    for message_id, _ in _feedback(reading, tokens):
        return message_id
    for message_id in _opened(reading.returned.keepsakes, tokens):
        return message_id
    for path in reading.returned.paths:
        found = verp.parse(path, tokens.verp)
        if found is not None:
            return found
    return None


def keepsake_of(reading: Reading, message_id: bytes, tokens: Tokens) -> Keepsake | None:
    """Return what a mail brings of our message's keepsake, None where it brings none of that message."""
    words = _opened((*reading.keepsakes, *reading.returned.keepsakes), tokens)
    for about, feedback in _feedback(reading, tokens):
        words |= tokens.keepsakes.read(feedback.k)
        if about == message_id and message_id not in words:
            return _of_before(feedback)
    return words.get(message_id)


def _feedback(reading: Reading, tokens: Tokens) -> Iterator[tuple[bytes, Feedback]]:
    for value in reading.returned.msfbl:
        feedback = msfbl.parse(value, tokens.msfbl)
        if feedback is not None:
            try:
                yield ids.from_hex(feedback.message_id), feedback
            except ids.BadId:
                continue


def _of_before(feedback: Feedback) -> Keepsake | None:
    """Return what a field says that was made before there were keepsakes. That mail was transactional it does not say."""
    try:
        return Keepsake(int(feedback.customer_id), feedback.r, int(feedback.subaccount_id))
    except ValueError:
        return None


def _opened(words: Iterable[str], tokens: Tokens) -> dict[bytes, Keepsake]:
    return tokens.keepsakes.read(" ".join(words))


def consequence(
    reading: Reading, destination: Destination, life: Sequence[Logged], *, rules: Classifier, recalled: Logged | None = None
) -> Consequence | None:
    """Return what is to be written, or None: nothing follows, or it is written already.

    life       what the log has of the message, oldest first; [] if it is none of ours, or too long ago
    recalled   the message as its keepsake tells of it, for when the log does not know any more what it was
    """
    original = base_of(life) or recalled
    if original is None:
        return None
    if destination.desk is Desk.UNSUBSCRIBE:
        return None if reading.kind in (Kind.BOUNCE, Kind.DELAYED, Kind.DELIVERED) else _unsubscribed(original, life)
    match reading.kind:
        case Kind.BOUNCE:
            return _bounced(reading, original, life, rules)
        case Kind.AUTO_REPLY | Kind.CHALLENGE:
            return _answered(reading, original, life)
        case Kind.COMPLAINT:
            return _complained(reading, original, life, destination)
        case Kind.OPT_OUT | Kind.UNSUBSCRIBE:
            return _unsubscribed(original, life)
        case _:
            return None


def base_of(life: Sequence[Logged]) -> Logged | None:
    """Return the event that tells most of a message; None where there is none that tells what it was."""
    for kind in _BASES:
        for event in reversed(life):
            if event.type is kind:
                return event
    return None


def _bounced(reading: Reading, original: Logged, life: Sequence[Logged], rules: Classifier) -> Consequence | None:
    if any(event.type is EventType.OUT_OF_BAND and _class_of(event) not in _NOT_A_BOUNCE for event in life):
        return None
    failure = _about(reading.failures, original.recipient)
    reason = failure.text[:_MAX_REASON] or "message was returned without a reason"
    verdict = rules.classify(reason)
    own = _failure_fields(reason, verdict.bounce_class, verdict.code)
    if verdict.subclass:
        own["subclass"] = verdict.subclass
    row = _row(original, EventType.OUT_OF_BAND, Source.BOUNCE_RULE, reason) if verdict.suppress == "immediate" else None
    return Consequence(original=original, type=EventType.OUT_OF_BAND, own=own, suppression=row)


def _answered(reading: Reading, original: Logged, life: Sequence[Logged]) -> Consequence | None:
    """An answer by a machine: class 60 or 100 (reference, section 5), once a message, and nothing is suppressed."""
    if any(event.type is EventType.OUT_OF_BAND and _class_of(event) in _NOT_A_BOUNCE for event in life):
        return None
    bounce_class = CHALLENGE if reading.kind is Kind.CHALLENGE else AUTO_REPLY
    own = _failure_fields(reading.subject or "automatic reply", bounce_class, "")
    return Consequence(original=original, type=EventType.OUT_OF_BAND, own=own)


def _complained(reading: Reading, original: Logged, life: Sequence[Logged], destination: Destination) -> Consequence | None:
    if any(event.type is EventType.SPAM_COMPLAINT for event in life):
        return None
    report = reading.report
    own: dict[str, Any] = {"fbtype": report.feedback_type if report else "abuse"}
    reporter = reading.sender.rpartition("@")[2] or (report.reporter if report else "")
    if reporter:
        own["report_by"] = reporter
    own["report_to"] = destination.address
    row = _row(original, EventType.SPAM_COMPLAINT, Source.SPAM_COMPLAINT, "")
    return Consequence(original=original, type=EventType.SPAM_COMPLAINT, own=own, suppression=row)


def _unsubscribed(original: Logged, life: Sequence[Logged]) -> Consequence | None:
    if any(event.type is EventType.LIST_UNSUBSCRIBE for event in life):
        return None
    own: dict[str, Any] = {}
    path = _detail(original).get("msg_from")
    if path:
        own["mailfrom"] = path
    row = _row(original, EventType.LIST_UNSUBSCRIBE, Source.LIST_UNSUBSCRIBE, "")
    left = str(_detail(original).get("list_id", "")).lower()
    if row is not None and left:
        row = msgspec.structs.replace(row, list_id=left)
    return Consequence(original=original, type=EventType.LIST_UNSUBSCRIBE, own=own, suppression=row)


def _about(failures: Sequence[Failure], recipient: str) -> Failure:
    """Return the failure of our recipient; a forwarded message names others, then the first one counts."""
    named = (each for each in failures if recipient in (each.recipient, each.original))
    return next(named, failures[0] if failures else Failure())


def _failure_fields(reason: str, bounce_class: int, code: str) -> dict[str, Any]:
    own = {"reason": masked(reason), "raw_reason": reason, "bounce_class": str(bounce_class)}
    if code:
        own["error_code"] = code
    return own


def _row(original: Logged, kind: EventType, source: Source, description: str) -> SuppressionRow | None:
    if is_erased(original.recipient):
        return None  # nobody knows any more who he was
    transactional = str(_detail(original).get("transactional", "0")) == "1"
    return SuppressionRow(
        account_id=original.account_id,
        subaccount_id=original.subaccount_id,
        recipient=original.recipient,
        type=SuppressionType.of(transactional).value,
        source=source.value,
        description=description,
        provenance=of_event(kind, original.message_id),
    )


def _class_of(event: Logged) -> str:
    return str(_detail(event).get("bounce_class", ""))


def _detail(event: Logged) -> dict[str, Any]:
    found = msgspec.json.decode(event.detail)
    return found if isinstance(found, dict) else {}
