"""Where a mail to the support address goes. What it answers says which case; who wrote it says whether he may.

The case: by the signed reply address, then by a Message-ID of ours or of the case, then by the token in the subject. The
writer must be a contact of the account that the case belongs to; whoever is not waits in quarantine, whatever he knows.
"""

from collections.abc import Sequence

import msgspec

from homing.contracts.types import Contact

MOST_AN_HOUR = 30  # mails of one sender
MOST_CASES_AN_HOUR = 10  # that one contact opens by mail


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A case that a mail may belong to."""

    case_id: int
    account_id: int


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """It belongs to a case."""

    case_id: int
    contact: Contact


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """It opens a case."""

    contact: Contact


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """A person decides. reason: a sentence for him."""

    reason: str
    case_id: int | None = None
    account_id: int | None = None


Place = Append | Open | Quarantine


def place(case: Candidate | None, contacts: Sequence[Contact], *, automatic: bool, addressee: int | None) -> Place:
    """Return where a mail goes.

    case        that it answers, however weakly that is shown
    contacts    everybody with the sender's address, in whichever account
    addressee   the contact whom the letter was written to that it answers by a signed address
    """
    if case is not None:
        own = [one for one in contacts if one.account_id == case.account_id]
        if own:
            wanted = next((one for one in own if one.contact_id == addressee), own[0])
            return Append(case_id=case.case_id, contact=wanted)
        what = "the sender is no contact of the account that this case belongs to"
        return Quarantine(reason=what, case_id=case.case_id, account_id=case.account_id)
    if automatic:
        account = contacts[0].account_id if contacts else None
        return Quarantine(reason="an automatic message that answers no case", account_id=account)
    if not contacts:
        return Quarantine(reason="the sender is nobody's contact")
    if len(contacts) > 1:
        return Quarantine(reason="the sender is a contact of several accounts, and the mail does not say which one it is about")
    return Open(contact=contacts[0])
