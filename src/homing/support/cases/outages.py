"""Outages: what several cases have in common. They may share status updates; each has its own clocks, and its own call-back."""

from collections.abc import Sequence

import msgspec

from homing.ground import db
from homing.support.cases import store
from homing.support.cases.desk import Desk, own_words
from homing.support.cases.rules.decision import No
from homing.support.cases.types import LIVE, Actor, Eta, Purpose, Severity

MOST = 200  # cases in one request


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an update in one case. why: a sentence, where it was not written."""

    number: int
    written: bool
    why: str = ""


async def all_critical(pool: db.Pool) -> list[int]:
    """Return the cases that are critical now, of every account, the latest first."""
    found: list[int] = []
    while True:
        before = found[-1] if found else None
        rows = await store.find(pool, account_id=None, states=sorted(LIVE), severity=Severity.CRITICAL, before=before, limit=MOST)
        found += [row.case_id for row in rows]
        if len(rows) < MOST:
            return found


async def update(desk: Desk, numbers: Sequence[int], by: Actor, *, author: str, text: str, eta: Eta) -> list[Told]:
    """Write one status update in several cases, each in a transaction of its own: a case that refuses it keeps no other back."""
    told: list[Told] = []
    for number in dict.fromkeys(numbers):
        done = await desk.write(number, own_words(Purpose.UPDATE, text, by, author), by, eta=eta) if 0 < number < 2**62 else None
        why = "there is no such case" if done is None else done.why if isinstance(done, No) else ""
        told.append(Told(number=number, written=not why, why=why))
    return told
