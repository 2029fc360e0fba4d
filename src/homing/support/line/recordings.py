"""Recordings: fetched from the carrier alone, kept under a key of their own, deleted there, erased here when their time is over.

A recording is sealed with a fresh key, and that key under the master key: to erase the key is to erase the recording, in every
backup too. Its SHA-256 stays in the events of its call.
"""

import asyncio
import hashlib
import os
from datetime import datetime, timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from homing.contracts import store as contracts
from homing.ground import db
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.support.line import store
from homing.support.line.carriers import MOST_RECORDING, Carriers, ForeignHost, NotPlaced
from homing.support.line.store import LegalClock
from homing.support.line.types import LineSettings

log = get("line")

PURPOSE = "line recording"
CLAIM = timedelta(minutes=2)
MOST_TRIES = 20
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(minutes=30)
_NONCE = 12


class Shelf(Protocol):
    """Where recordings of one sort are kept: the statements of their table, and what tells what became of them."""

    @property
    def sql(self) -> Any:
        """Return its statements, named as those of the line are."""
        ...

    @property
    def purpose(self) -> str:
        """Return what their keys are sealed for."""
        ...

    async def note(self, executor: db.Executor, row: Any, at: datetime, actor: str, kind: str, **detail: Any) -> None:
        """Add to what happened to the call of a recording."""
        ...


class LineShelf:
    """Recordings of calls on the Severity 1 Line."""

    sql = store.sql
    purpose = PURPOSE

    async def note(self, executor: db.Executor, row: Any, at: datetime, actor: str, kind: str, **detail: Any) -> None:
        """Add to what happened to the call of a recording."""
        await store.note(executor, row["intake_id"], at, actor, kind, **detail)


class Recordings:
    """Keeps recordings. One for a worker and shelf."""

    def __init__(
        self,
        pool: db.Pool,
        legal: LegalClock,
        master_key: MasterKey,
        settings: LineSettings,
        carriers: Carriers,
        *,
        shelf: Shelf | None = None,
    ) -> None:
        self._shelf: Shelf = shelf or LineShelf()
        self._pool = pool
        self._legal = legal
        self._master_key = master_key
        self._settings = settings
        self._carriers = carriers

    async def turn(self, now: datetime) -> int:
        """Fetch what is due, and have it deleted at the carrier once it is here; return how many were looked at."""
        with db.trouble_is_temporary():
            due = [row async for row in self._shelf.sql.due_recordings(self._pool, now=now, until=now + CLAIM)]
        for row in due:
            if row["state"] == "waiting":
                await self._fetch(row, now)
            else:
                await self._delete_there(row, now)
        return len(due)

    async def tidy(self) -> None:
        """Erase what is too old."""
        async with self._pool.acquire() as connection, connection.transaction():
            now = await self._legal.now(connection)
            for row in [row async for row in self._shelf.sql.erase_old(connection, now=now)]:
                await self._tombstone(connection, row, now, actor="homing", why="its time was over")

    async def listen(self, recording_id: int, *, actor: str) -> bytes | None:
        """Return a recording for somebody, and note that he heard it; None: there is none."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await self._shelf.sql.recording(connection, recording_id=recording_id)
                if row is None or row["state"] != "kept":
                    return None
                now = await self._legal.now(connection)
                await self._shelf.note(connection, row, now, actor, "recording heard", recording=recording_id)
                await contracts.note(
                    connection,
                    actor=actor,
                    action="recording heard",
                    account_id=row["account_id"],
                    subject=f"recording {recording_id}",
                )
        key = self._master_key.open(row["key_sealed"], purpose=self._shelf.purpose)
        return await asyncio.to_thread(_opened, key, row["content"])

    async def erase(self, recording_id: int, *, actor: str, why: str) -> bool:
        """Erase a recording; its digest stays. False: there is none."""
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await self._shelf.sql.erase_recording(connection, recording_id=recording_id, why=why)
                if row is None:
                    return False
                now = await self._legal.now(connection)
                await self._tombstone(connection, row, now, actor=actor, why=why)
        return True

    async def _fetch(self, row: Any, now: datetime) -> None:
        carrier = self._carriers.all.get(row["carrier"])
        recording_id: int = row["recording_id"]
        if carrier is None or not row["url"]:
            await self._not_had(row, now, "lost", "its carrier or address is not known")
            return
        try:
            sound = await self._carriers.fetch(carrier, row["url"])
        except ForeignHost as trouble:
            log.error("sev1_recording_refused", recording=recording_id, why=str(trouble))
            await self._not_had(row, now, "refused", str(trouble))
            return
        except NotPlaced as trouble:
            await self._again(row, now, str(trouble))
            return
        if sound is None:
            await self._again(row, now, "it is not there yet")
        elif not sound:
            await self._not_had(row, now, "absent", "it is empty")
        elif len(sound) > MOST_RECORDING:
            await self._not_had(row, now, "refused", f"it is larger than {MOST_RECORDING} bytes")
        else:
            await self._keep(row, sound)

    async def _keep(self, row: Any, sound: bytes) -> None:
        key = AESGCM.generate_key(bit_length=256)
        content = await asyncio.to_thread(_sealed, key, sound)
        digest = hashlib.sha256(sound).digest()
        async with self._pool.acquire() as connection, connection.transaction():
            now = await self._legal.now(connection)
            await self._shelf.sql.keep_recording(
                connection,
                recording_id=row["recording_id"],
                size_bytes=len(sound),
                sha256=digest,
                key_sealed=self._master_key.seal(key, purpose=self._shelf.purpose),
                content=content,
                now=now,
                erase_at=now + timedelta(days=self._settings.keep_days),
            )
            await self._shelf.note(
                connection,
                row,
                now,
                "homing",
                "recording kept",
                recording=row["recording_id"],
                step=row["step"],
                sha256=digest.hex(),
                size_bytes=len(sound),
            )

    async def _delete_there(self, row: Any, now: datetime) -> None:
        carrier = self._carriers.all.get(row["carrier"])
        if carrier is None or row["tries"] > MOST_TRIES or await self._carriers.delete_recording(carrier, row["url"]):
            await self._shelf.sql.gone_at_carrier(self._pool, recording_id=row["recording_id"])
        else:
            await self._later(row, now, "the carrier does not delete it")

    async def _again(self, row: Any, now: datetime, why: str) -> None:
        if row["tries"] >= MOST_TRIES:
            await self._not_had(row, now, "lost", why)
        else:
            await self._later(row, now, why)

    async def _later(self, row: Any, now: datetime, why: str) -> None:
        wait = min(FIRST_WAIT * 2 ** min(row["tries"] - 1, 20), LONGEST_WAIT)
        await self._shelf.sql.later_recording(self._pool, recording_id=row["recording_id"], due_at=now + wait, why=why[:500])

    async def _not_had(self, row: Any, now: datetime, state: str, why: str) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._shelf.sql.end_recording(connection, recording_id=row["recording_id"], state=state, why=why[:500])
            await self._shelf.note(
                connection, row, now, "homing", f"recording {state}", recording=row["recording_id"], why=why[:500]
            )

    async def _tombstone(self, connection: db.Executor, row: Any, now: datetime, *, actor: str, why: str) -> None:
        await self._shelf.note(
            connection,
            row,
            now,
            actor,
            "recording erased",
            recording=row["recording_id"],
            sha256=bytes(row["sha256"]).hex(),
            why=why,
        )


def _sealed(key: bytes, sound: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, sound, PURPOSE.encode())


def _opened(key: bytes, content: bytes) -> bytes:
    return AESGCM(key).decrypt(content[:_NONCE], content[_NONCE:], PURPOSE.encode())
