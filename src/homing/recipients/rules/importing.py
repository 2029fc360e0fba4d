"""From the entry that a record asks for to rows of the list, or the reason why it is refused."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple

import msgspec

from homing.message.addresses import BadAddress, parse_address
from homing.message.list_ids import is_list_id
from homing.recipients.rules.forms.types import BOTH, Entry, NotUsable
from homing.recipients.types import Source, SuppressionType

MOST_DESCRIPTION = 1_000  # characters; a longer one is cut
TYPES = (*(kind.value for kind in SuppressionType), "both")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is taken.

    form             name of its form (forms/known.py)
    kind             kind of suppressions in it; '' where it tells itself
    type             transactional, non_transactional or both; '' where it tells itself. Wins over what it tells
    subaccount_id    whose list it goes onto
    any_subaccount   rows may name a subaccount; else they may name only this one
    compliance       rows of source Compliance are taken: only an operator may bring them
    """

    form: str
    kind: str = ""
    type: str = ""
    subaccount_id: int = 0
    any_subaccount: bool = False
    compliance: bool = False


class Row(NamedTuple):
    """One row of the list, ready to be written; key() is what it is known by."""

    subaccount_id: int
    recipient: str
    type: str
    list_id: str
    source: str
    description: str
    created_at: datetime | None

    @property
    def key(self) -> tuple[int, str, str, str]:
        """Return what tells this row from others of its account."""
        return self[:4]


def rows_of(entry: Entry, terms: Terms, *, now: datetime, subaccounts: AbstractSet[int]) -> list[Row]:
    """Return the rows that an entry asks for.

    now           a moment of creation that lies behind it is not believed
    subaccounts   that the account has; a row of any other would stop nobody's mail
    raises        NotUsable
    """
    if not entry.recipient:
        raise NotUsable("there is no address")
    try:
        recipient = parse_address(entry.recipient).text.lower()
    except BadAddress as trouble:
        raise NotUsable(str(trouble)) from None
    types = (BOTH if terms.type == "both" else (terms.type,)) if terms.type else entry.types
    if not types:
        raise NotUsable("must supply a suppression type: a column type, or one type for the whole import")
    if entry.list_id and not is_list_id(entry.list_id):
        raise NotUsable("list_id must be 1 to 255 letters, digits, '-', '_' or '.', without a leading, trailing or doubled dot")
    if entry.source == Source.COMPLIANCE and not terms.compliance:
        raise NotUsable("rows of source Compliance cannot be put there by a customer")
    subaccount = terms.subaccount_id if entry.subaccount_id is None else entry.subaccount_id
    if subaccount != terms.subaccount_id and not terms.any_subaccount:
        raise NotUsable("it is of another subaccount; import it as that one")
    if subaccount and subaccount not in subaccounts:
        raise NotUsable(f"this account has no subaccount {subaccount}")
    description = storable(entry.description[:MOST_DESCRIPTION])
    created_at = entry.created_at if entry.created_at is not None and entry.created_at <= now else None
    return [Row(subaccount, recipient, kind, entry.list_id, entry.source, description, created_at) for kind in types]


def storable(text: str) -> str:
    """Return text that PostgreSQL takes: no NUL, no lone surrogates."""
    if text.isascii():
        return text.replace("\0", "")
    return text.encode("utf-8", "replace").decode().replace("\0", "")
