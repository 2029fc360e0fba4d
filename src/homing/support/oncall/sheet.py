"""The duty sheet: who is on duty and how everybody is reached, on the local disk for when the store is away (model, section 4.6).

It holds addresses and numbers of people, so it is sealed under the master key. Schedules are kept and not their answer: turns
that change while the store is away change here, too.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from homing.contracts import people
from homing.contracts.types import StaffMember
from homing.ground import db
from homing.ground.errors import Misuse
from homing.ground.files import write_whole
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.support.oncall import store
from homing.support.oncall.rules.ladder import SEVERITY_1
from homing.support.oncall.store import Channel, Reach
from homing.support.oncall.types import ChannelKind, Schedule, Step

log = get("oncall")

FILE = "oncall-sheet"
PURPOSE = "on-call sheet"
MOST_AGE = timedelta(days=7)  # older, it names people who may be gone


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed to wake people without the store. steps: of the ladder of Severity 1."""

    taken_at: datetime
    staff: tuple[StaffMember, ...]
    schedules: tuple[Schedule, ...]
    steps: tuple[Step, ...]
    channels: tuple[Channel, ...]

    def reach(self, now: datetime, *, kinds: frozenset[ChannelKind]) -> Reach:
        """Return who can be reached at an instant, and how. Whose a call is nobody knows without the store, so no TAM is."""
        return store.reach_of(self.staff, self.channels, self.schedules, tam=None, now=now, kinds=kinds)

    def member(self, person_id: int) -> StaffMember | None:
        """Return somebody of the staff."""
        return next((one for one in self.staff if one.person_id == person_id), None)


async def take(executor: db.Executor, now: datetime) -> Sheet:
    """Return the duty sheet of this moment."""
    ladder = await store.ladder(executor, SEVERITY_1.name) or SEVERITY_1
    return Sheet(
        taken_at=now,
        staff=tuple(one for one in await people.everybody(executor) if one.left_at is None),
        schedules=tuple(await store.schedules(executor, now)),
        steps=ladder.steps,
        channels=tuple(await store.channels(executor)),
    )


class SheetFile:
    """Keeps the duty sheet on the disk."""

    def __init__(self, data: Path, master_key: MasterKey) -> None:
        self._path = data / FILE
        self._master_key = master_key

    async def save(self, sheet: Sheet) -> None:
        """Put a sheet in the place of the last one. raises OSError."""
        sealed = self._master_key.seal(msgspec.json.encode(sheet), purpose=PURPOSE)
        await asyncio.to_thread(write_whole, self._path, sealed)

    async def load(self, now: datetime) -> Sheet | None:
        """Return the sheet; None where there is none, it does not open, or it is too old."""
        try:
            sealed = await asyncio.to_thread(self._path.read_bytes)
            sheet = msgspec.json.decode(self._master_key.open(sealed, purpose=PURPOSE), type=Sheet)
        except FileNotFoundError:
            return None
        except (OSError, Misuse, msgspec.MsgspecError) as trouble:
            log.error("oncall_sheet_unreadable", cause=type(trouble).__name__)
            return None
        if now - sheet.taken_at > MOST_AGE:
            log.error("oncall_sheet_too_old", taken_at=sheet.taken_at)
            return None
        return sheet
