"""Which answers were failures of ours (clauses D1 and D2).

The fault tag decides, because the code path that answered knows best. The code alone is asked where there is no tag: what
somebody saw from outside. Both are kept, and where they disagree a person should look (`disagrees`).
"""

import re

from homing.evidence.types import Door, FaultTag, Verdict

VERSION = 1  # grows with every change of a verdict; statements name it, sealed days are amended, never rewritten

LOST = "lost"  # a code of our own: a process died with the attempt, so nothing was answered

_HTTP_OK_ABOVE_500 = frozenset({501, 505})  # refusals of the protocol, by design
_SMTP = re.compile(r"([2-5]\d\d)(?:/([245])\.(\d{1,3})\.(\d{1,3}))?\Z")
_OF_TAG = {
    FaultTag.NONE: Verdict.OK,
    FaultTag.CLIENT: Verdict.OK,
    FaultTag.SERVER: Verdict.FAILED,
    FaultTag.TIMEOUT: Verdict.FAILED,
    FaultTag.VOID: Verdict.VOID,
}


def verdict(door: Door, fault: FaultTag | None, code: str) -> Verdict:
    """Return what the end of an attempt says: by its tag, or by its code where there is no tag."""
    return by_code(door, code) if fault is None else _OF_TAG[fault]


def disagrees(door: Door, fault: FaultTag, code: str) -> bool:
    """Return whether code and tag say different things of an answer that was given."""
    return fault is not FaultTag.VOID and code not in ("", LOST) and by_code(door, code) is not _OF_TAG[fault]


def by_code(door: Door, code: str) -> Verdict:
    """Return what a code says by itself. '' and what is no code: nothing was answered, which is our failure."""
    return _by_status(code) if door is Door.API else _by_reply(code)


def _by_status(code: str) -> Verdict:
    if not (len(code) == 3 and code.isascii() and code.isdigit() and code >= "100"):
        return Verdict.FAILED
    status = int(code)
    if status == 499:
        return Verdict.VOID
    return Verdict.FAILED if status >= 500 and status not in _HTTP_OK_ABOVE_500 else Verdict.OK


def _by_reply(code: str) -> Verdict:
    """Judge an SMTP reply, `code` or `code/enhanced`.

    source   RFC 3463: x.3.x is the mail system; x.7.x policy, x.5.x protocol, x.1.x, x.2.x, x.6.x addresses and content
    """
    found = _SMTP.match(code)
    if found is None:
        return Verdict.FAILED
    reply, subject, detail = found[1], found[3], found[4]
    if reply < "400":
        return Verdict.OK
    if reply == "454":
        return Verdict.FAILED  # authentication or TLS not available now
    if subject is None:
        return Verdict.FAILED if reply in ("421", "451", "452") else Verdict.OK
    if subject == "3":
        return Verdict.OK if (reply, detail) == ("552", "4") else Verdict.FAILED  # 5.3.4: larger than the SIZE we offer
    if subject == "4":
        return Verdict.OK if detail == "2" or reply >= "500" else Verdict.FAILED  # 4.4.2: the client was idle
    return Verdict.OK
