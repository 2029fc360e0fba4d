"""Amazon SES: the suppression list of an account, as `aws sesv2 list-suppressed-destinations` prints it, page by page or whole.

Each record has EmailAddress, Reason (BOUNCE or COMPLAINT) and LastUpdateTime; the list stops every mail.
"""

from collections.abc import Sequence

from homing.recipients.rules.forms.types import BOTH, Entry, Form, NotUsable, Record, Unreadable, moment_of, text_of
from homing.recipients.types import Source

_ADDRESS = ("emailaddress", "email", "address")
_SOURCES = {"BOUNCE": Source.BOUNCE_RULE.value, "COMPLAINT": Source.SPAM_COMPLAINT.value}


def guess(names: frozenset[str]) -> str:
    """Refuse what has no addresses or reasons."""
    if not names.intersection(_ADDRESS) or "reason" not in names:
        raise Unreadable("no columns or members are named EmailAddress and Reason, as list-suppressed-destinations has them")
    return ""


def translate(record: Record, kind: str) -> Sequence[Entry]:
    """Return the entry of a record."""
    source = _SOURCES.get(text_of(record, "reason").upper())
    if source is None:
        raise NotUsable("Reason must be BOUNCE or COMPLAINT")
    return (Entry(text_of(record, *_ADDRESS), BOTH, source, "", "", moment_of(record, "lastupdatetime")),)


FORM = Form("ses", (), guess, translate, frozenset({"suppresseddestinationsummaries"}))
