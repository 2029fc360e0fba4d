"""Mailgun: what `GET /v3/{domain}/bounces`, `/complaints` and `/unsubscribes` answer, and the CSV files of the same columns.

bounces        address, code, error, created_at
complaints     address, created_at
unsubscribes   address, tags, created_at        `*` is every mail; any other tag becomes a list of ours
"""

import json
from collections.abc import Sequence
from datetime import datetime

from homing.recipients.rules.forms.types import BOTH, MARKETING, Entry, Form, Record, Unreadable, moment_of, text_of
from homing.recipients.types import Source

KINDS = ("bounces", "complaints", "unsubscribes")
_ADDRESS = ("address", "recipient", "email")


def guess(names: frozenset[str]) -> str:
    """Return the kind that the names tell."""
    if not names.intersection(_ADDRESS):
        raise Unreadable("no column or member is named address")
    if names & {"code", "error"}:
        return "bounces"
    if names & {"tags", "tag"}:
        return "unsubscribes"
    raise Unreadable("the file does not tell what it holds; say the kind: complaints, or another of " + ", ".join(KINDS))


def translate(record: Record, kind: str) -> Sequence[Entry]:
    """Return the entries of a record; an unsubscribe has one for each tag."""
    who = text_of(record, *_ADDRESS)
    at = moment_of(record, "createdat", "created")
    if kind == "bounces":
        code, error = text_of(record, "code"), text_of(record, "error")
        description = error if not code or error.startswith(code) else f"{code} {error}".strip()
        return (Entry(who, BOTH, Source.BOUNCE_RULE.value, description, "", at),)
    if kind == "complaints":
        return (Entry(who, BOTH, Source.SPAM_COMPLAINT.value, "", "", at),)
    tags = _tags(record)
    if not tags or "*" in tags:
        return (_unsubscribed(who, "", at),)
    return tuple(_unsubscribed(who, tag, at) for tag in tags)


def _unsubscribed(who: str, tag: str, at: datetime | None) -> Entry:
    return Entry(who, MARKETING if tag else BOTH, Source.UNSUBSCRIBE_LINK.value, "", tag, at)


def _tags(record: Record) -> list[str]:
    """Return the tags, which are an array, or text of one, or words with commas between."""
    value = record.get("tags")
    if not isinstance(value, list):
        text = text_of(record, "tags", "tag")
        try:
            value = json.loads(text)
        except ValueError:
            value = text.split(",")
        if not isinstance(value, list):
            value = [text]
    return [tag for one in value if (tag := str(one).strip())]


FORM = Form("mailgun", KINDS, guess, translate, frozenset({"items"}))
