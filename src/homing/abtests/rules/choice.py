"""Which template a message gets (SparkPost reference, section 2.24)."""

import hashlib
from datetime import datetime
from typing import NamedTuple

from homing.abtests.rules.phase import phase
from homing.abtests.types import NOTHING, AbTest, Arm, Audience, Counts, CountsOf, Phase


class Choice(NamedTuple):
    """A template; counted: the message is part of the test."""

    template_id: str
    counted: bool


def choose(test: AbTest, counts: CountsOf, *, recipient: str, now: datetime) -> Choice | None:
    """Return the template for a recipient; None: a draft is no test yet.

    While a test is sending, a recipient gets the same template each time: the place of his hash on a line that the templates
    divide by their parts. One whose sample is full is left out; if all are, the default template is sent besides the test.
    """
    where = phase(test, now)
    default = test.plan.default.template_id
    match where:
        case Phase.DRAFT:
            return None
        case Phase.SENDING:
            open_arms = [arm for arm in test.plan.arms if not _full(arm, counts.get(arm.template_id, NOTHING))]
            return Choice(_divided(test, open_arms, recipient), True) if open_arms else Choice(default, False)
        case Phase.COMPLETED:
            return Choice(test.winner or default, False)
        case _:
            return Choice(default, False)


def place_of(test: AbTest, recipient: str) -> float:
    """Return where a recipient stands in a version of a test: from 0 to below 1, the same each time."""
    text = f"{test.account_id}\0{test.subaccount_id}\0{test.test_id}\0{test.version}\0{recipient.lower()}"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)  # as many bits as a float can tell apart


def _divided(test: AbTest, arms: list[Arm], recipient: str) -> str:
    parts = [_part(arm, test.plan.audience) for arm in arms]
    left = place_of(test, recipient) * sum(parts)
    chosen = arms[0]
    for arm, part in zip(arms, parts, strict=True):
        if part <= 0.0:
            continue
        chosen = arm  # the last one, should rounding leave something
        if left < part:
            break
        left -= part
    return chosen.template_id


def _part(arm: Arm, audience: Audience | None) -> float:
    return float((arm.sample_size if audience is Audience.SAMPLE_SIZE else arm.percent) or 0.0)


def _full(arm: Arm, counts: Counts) -> bool:
    return arm.sample_size is not None and counts.injected >= arm.sample_size
