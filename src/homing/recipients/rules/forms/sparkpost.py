"""Our own form, which is SparkPost's: what the API shows of entries, as CSV or JSON, and its older spellings.

Source: SparkPost reference, section 2.6. A column list for the export of this form is COLUMNS.
"""

from collections.abc import Sequence

from homing.recipients.rules.forms.types import Entry, Form, NotUsable, Record, Unreadable, moment_of, text_of
from homing.recipients.types import Source, SuppressionType

COLUMNS = (
    "recipient",
    "type",
    "source",
    "description",
    "list_id",
    "subaccount_id",
    "created",
    "updated",
    "provenance",
)
_RECIPIENT = ("recipient", "email", "emailaddress", "address")
_TYPES = {kind.value.replace("_", ""): kind.value for kind in SuppressionType}
_SOURCES = {source.value.lower(): source.value for source in Source}
_TRUE = frozenset({"true", "1", "yes", "t", "y"})


def guess(names: frozenset[str]) -> str:
    """Refuse what has no addresses."""
    if not names.intersection(_RECIPIENT):
        raise Unreadable("no column is named recipient (or email); the first line must name the columns")
    return ""


def translate(record: Record, kind: str) -> Sequence[Entry]:
    """Return the entry of a record; a `false` of the older spelling removes nothing here."""
    text = text_of(record, "type")
    types: tuple[str, ...] = ()
    if text:
        named = _TYPES.get(text.lower().replace("_", "").replace("-", ""))
        if named is None:
            raise NotUsable("type must be one of: 'transactional', 'non_transactional'")
        types = (named,)
    else:
        types = tuple(value for name, value in _TYPES.items() if text_of(record, name).lower() in _TRUE)
    source = text_of(record, "source")
    known = _SOURCES.get(source.lower(), "") if source else Source.MANUALLY_ADDED.value
    if not known:
        raise NotUsable(f"source must be among: {', '.join(Source)}")
    subaccount = text_of(record, "subaccountid")
    if subaccount and not (subaccount.isascii() and subaccount.isdigit() and len(subaccount) < 10):
        raise NotUsable("subaccount_id must be a number")
    entry = Entry(
        recipient=text_of(record, *_RECIPIENT),
        types=types,
        source=known,
        description=text_of(record, "description"),
        list_id=text_of(record, "listid"),
        created_at=moment_of(record, "created", "createdat"),
        subaccount_id=int(subaccount) if subaccount else None,
    )
    return (entry,)


FORM = Form("sparkpost", (), guess, translate, frozenset({"results", "recipients"}), frozenset({"type", *_TYPES}))
