"""In whose thread a mail or a call belongs. What a mail answers says which account; who wrote it says whether he may."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from homing.contracts.types import Contact

MOST_NAMED = 10  # accounts in a reason
MOST_ATTACHED = 104_857_600  # octets of all files of a thread


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """It belongs to the thread of the contact's account."""

    contact: Contact


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """A person decides. reason: a sentence for him."""

    reason: str
    account_id: int | None = None


def place(
    answered: int | None,
    found: Sequence[Contact],
    served: Collection[int],
    *,
    automatic: bool,
    names: Mapping[int, str] = {},
) -> Append | Quarantine:
    """Return where a mail to a TAM's address goes.

    answered   the account that the mail is about which it answers; None: it answers none
    found      everybody with the sender's address, in whichever account
    served     the accounts that the address is for
    names      of those that the sender may mean, where they are several
    """
    if answered is not None:
        own = next((one for one in found if one.account_id == answered), None)
        if own is not None:
            return Append(contact=own)
        return Quarantine(reason="the sender is no contact of the account that this thread belongs to", account_id=answered)
    if automatic:
        account = found[0].account_id if found else None
        return Quarantine(reason="an automatic message that answers none of ours", account_id=account)
    if not found:
        return Quarantine(reason="the sender is nobody's contact", account_id=_only(served))
    known = whose(found, served)
    if known is None:
        return Quarantine(reason=several("the sender is a contact of", names))
    return Append(contact=known)


def several(what: str, names: Mapping[int, str]) -> str:
    """Return why nobody can tell whose a mail or a call is. names: of the accounts that may be meant; empty: not to be told."""
    if not names:
        return f"{what} several accounts, and this address or number is for none of them"
    shown = [f"{name} ({number})" for number, name in sorted(names.items())]
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    return f"{what} {', '.join(shown[:MOST_NAMED])}{more}, and nothing says which one it is about"


def whose(found: Sequence[Contact], served: Collection[int]) -> Contact | None:
    """Return the one contact that is meant: of the accounts that are served, else of all. None: nobody, or several."""
    mine = [one for one in found if one.account_id in served] or list(found)
    return mine[0] if len({one.account_id for one in mine}) == 1 else None


def _only(served: Collection[int]) -> int | None:
    return next(iter(served)) if len(served) == 1 else None
