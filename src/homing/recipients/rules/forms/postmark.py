"""Postmark: the dump of one message stream, `GET /message-streams/{stream}/suppressions/dump`, or the CSV of its console.

Each record has EmailAddress, SuppressionReason (HardBounce, SpamComplaint, ManualSuppression), Origin (Recipient, Customer,
Admin) and CreatedAt. A dump does not say of what kind its stream is, so the type must be said: transactional for a
transactional stream, non_transactional for a broadcast stream.
"""

from collections.abc import Sequence

from homing.recipients.rules.forms.types import Entry, Form, NotUsable, Record, Unreadable, fold, moment_of, text_of
from homing.recipients.types import Source

_ADDRESS = ("emailaddress", "email", "recipient")
_REASON = ("suppressionreason", "reason")


def guess(names: frozenset[str]) -> str:
    """Refuse what has no addresses or reasons."""
    if not names.intersection(_ADDRESS) or not names.intersection(_REASON):
        raise Unreadable("no columns or members are named EmailAddress and SuppressionReason, as a dump of suppressions has them")
    return ""


def translate(record: Record, kind: str) -> Sequence[Entry]:
    """Return the entry of a record."""
    origin = text_of(record, "origin")
    match fold(text_of(record, *_REASON)):
        case "hardbounce":
            source = Source.BOUNCE_RULE
        case "spamcomplaint":
            source = Source.SPAM_COMPLAINT
        case "manualsuppression":
            source = Source.UNSUBSCRIBE_LINK if fold(origin) == "recipient" else Source.MANUALLY_ADDED
        case _:
            raise NotUsable("SuppressionReason must be HardBounce, SpamComplaint or ManualSuppression")
    return (Entry(text_of(record, *_ADDRESS), (), source.value, "", "", moment_of(record, "createdat")),)


FORM = Form("postmark", (), guess, translate, frozenset({"suppressions"}), frozenset({"type"}))
