"""What a decision about a case is: events, or why not. What may happen now is in writing.py, urgency.py, closing.py, standing.py.

The callers of those have gathered the facts (who asks, which promises a new clock would be given).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from homing.support.cases.happened import Payload
from homing.support.cases.types import LIVE, REOPENED_WITHIN_DAYS, Case, State
from homing.support.clocks.types import Kind, Promise

Promises = Mapping[Kind, Promise]
BLANK = "write what it is about; an empty text is no answer"
_WINDOW = timedelta(days=REOPENED_WITHIN_DAYS)


class Bar(StrEnum):
    """Why something cannot be done: so a door knows how to say it."""

    STATE = "state"  # not as the case stands
    WHO = "who"  # not by this person
    WHAT = "what"  # not like this


class No(msgspec.Struct, frozen=True):
    """It is not done; why is a sentence that says what to do."""

    bar: Bar
    why: str


Decision = list[Payload] | No


def not_now(why: str) -> No:
    """Refuse: not as the case stands."""
    return No(Bar.STATE, why)


def not_by_them(why: str) -> No:
    """Refuse: not by this person."""
    return No(Bar.WHO, why)


def not_like_this(why: str) -> No:
    """Refuse: not in this form."""
    return No(Bar.WHAT, why)


def why_over(case: Case) -> No | None:
    """Say so where work on a case has ended."""
    if case.state is State.MERGED:
        return not_now(f"this case goes on in case {case.merged_into_number}; write there")
    if case.state not in LIVE:
        return not_now(f"this case is {case.state}; a word of the customer opens it again")
    return None


def too_late(case: Case, at: datetime) -> bool:
    """Return whether a case ended too long ago to be opened again."""
    return case.ended_at is not None and at > case.ended_at + _WINDOW


def has_words(body: str) -> bool:
    """Return whether a text says anything: three letters or digits outside of quoted lines."""
    own = "".join(line for line in body.splitlines() if not line.lstrip().startswith(">"))
    return sum(sign.isalnum() for sign in own) >= 3
