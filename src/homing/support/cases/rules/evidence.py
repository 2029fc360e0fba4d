"""Evidence of what was agreed on a call: whether its words name a call in our own logs (model, sections 3.3 S3 and 4.3.5)."""

import re
from collections.abc import Sequence

import msgspec

from homing.support.cases.rules.decision import Bar, No

_NAMED = re.compile(r"(?:(call|recording)[\s:#]+)?((?=\S*[0-9])[!-~]{1,200})", re.IGNORECASE)
_LONGEST_NUMBER = 18


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What evidence names.

    what   'call', 'recording', or '': it is not said
    name   a reference or number of ours, or the carrier's id
    """

    what: str
    name: str

    @property
    def number(self) -> int | None:
        """Return the name as a number of ours; None: it is none."""
        return int(self.name) if self.name.isdigit() and len(self.name) <= _LONGEST_NUMBER else None


class OurCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call or recording of ours that has such a name. account_id None: nobody has said yet whose it is."""

    account_id: int | None
    name: str


def named(evidence: str) -> Named | None:
    """Return the call or recording that evidence names and nothing besides; None: it is somebody's own words."""
    found = _NAMED.fullmatch(evidence.strip())
    return None if found is None else Named(what=(found[1] or "").lower(), name=found[2])


def heard_on(wanted: Named, found: Sequence[OurCall], *, account_id: int) -> str | No:
    """Return the call of ours that evidence names, as it is kept; '': none, so it was a call outside of our logs.

    found   what has that name, of whichever account
    """
    mine = [one for one in found if one.account_id == account_id]
    if mine:
        return mine[0].name
    if not found and not wanted.what:
        return ""
    if any(one.account_id is None for one in found):
        return No(Bar.STATE, f"nobody has said yet whose {found[0].name} is; name its account first")
    what = wanted.what or "call"
    return No(
        Bar.WHAT,
        f"evidence: this account has no {what} {wanted.name} in our logs; of a call outside of them say in words when it was, "
        "and with whom",
    )
