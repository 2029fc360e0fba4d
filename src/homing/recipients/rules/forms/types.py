"""What every form of a suppression file has in common: records in, entries out."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

Record = Mapping[str, Any]  # folded name of a column or member -> text, or a value of JSON
BOTH = ("transactional", "non_transactional")
MARKETING = ("non_transactional",)


class Unreadable(Exception):
    """The file as a whole cannot be read in this form; the sentence says what to do."""


class NotUsable(Exception):
    """One record asks for nothing that could be put on the list; the sentence says why."""


class Entry(NamedTuple):
    """What one record asks for.

    recipient       as it stands there
    types           kinds of mail that it stops; () where the form does not say
    created_at      when the other platform put it there, None where that is not told
    subaccount_id   None where the form does not say
    """

    recipient: str
    types: tuple[str, ...]
    source: str
    description: str = ""
    list_id: str = ""
    created_at: datetime | None = None
    subaccount_id: int | None = None


class Form(NamedTuple):
    """One form of files.

    kinds       kinds of suppressions that are exported apart; () where a file tells itself
    guess       from the folded names of a file to its kind; raises Unreadable where they do not tell, or fit no kind
    translate   from a record and its kind to entries; raises NotUsable
    holders     folded names of the members of JSON objects that hold the records
    typed_by    folded names that tell which mail is stopped; empty where the form itself does
    """

    name: str
    kinds: tuple[str, ...]
    guess: Callable[[frozenset[str]], str]
    translate: Callable[[Record, str], Sequence[Entry]]
    holders: frozenset[str] = frozenset()
    typed_by: frozenset[str] = frozenset()


def fold(name: str) -> str:
    """Return a name of a column or member without what writers differ in: `Email Address`, `email_address`, `EmailAddress`."""
    return "".join(sign for sign in name.lower() if sign.isalnum())


def text_of(record: Record, *names: str) -> str:
    """Return the first of some members that is there, as text; '' where none is.

    raises   NotUsable where it is a list or an object
    """
    for name in names:
        value = record.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        raise NotUsable(f"{name} must be text")
    return ""


def moment_of(record: Record, *names: str) -> datetime | None:
    """Return a moment that is written as ISO 8601, RFC 2822 or Unix seconds. One that cannot be read refuses nobody."""
    text = text_of(record, *names)
    if not text:
        return None
    try:
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = read(text.removesuffix(" UTC"))
            return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None
