"""Answers by machines that are no bounces: vacation notes, ticket systems, receipts, challenges (RFC 3834)."""

import re

from homing.inbound.types import Kind
from homing.message.automatic import by_subject, declared
from homing.message.scan import Scan

_CHALLENGE = re.compile(
    r"(?:challenge[- ]response|spamarrest|boxbe|mailblocks|bluebottle|spam ?lion|sender (?:verification|"
    r"confirmation|address verification)|"
    r"please (?:confirm|verify|authenticate) (?:your|that)[^\n]{0,60}(?:message|e-?mail|address|human|sender)|"
    r"(?:confirm|verify) (?:that )?you(?:r| are)[^\n]{0,60}(?:human|deliver|sender|person)|"
    r"(?:click|follow|reply to) [^\n]{0,80}(?:so that|to have|to get|and) [^\n]{0,30}(?:message|mail|it) (?:\w+ ){0,3}deliver)",
    re.IGNORECASE,
)


def challenge(subject: str, explanation: str) -> bool:
    """Return whether a mail asks its reader to prove that he is no machine."""
    return bool(_CHALLENGE.search(subject) or _CHALLENGE.search(explanation[:4000]))


def kind_of(head: Scan, *, subject: str, explanation: str) -> Kind | None:
    """Return AUTO_REPLY or CHALLENGE, or None if nobody but a person seems to have written this."""
    machine = declared(head)
    if challenge(subject, explanation) and (machine or b"in-reply-to" not in head.by_name):
        return Kind.CHALLENGE
    return Kind.AUTO_REPLY if machine or by_subject(subject) else None
