"""Works off imports that were uploaded, one at a time in each worker.

The upload lies in a file of the data folder under the import's id; the row in PostgreSQL says how far it is. A worker claims
an import for a minute at a time. If it dies, another worker goes on behind the last batch that was committed.
"""

import asyncio
from datetime import datetime
from pathlib import Path
from uuid import UUID

from homing.accounts import subaccounts
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.log import get
from homing.ground.turns import PASSING, take_turns
from homing.recipients import imports
from homing.recipients.importing import Batch, SourceFile, Tally, put
from homing.recipients.imports import Import
from homing.recipients.rules.forms.types import Unreadable

log = get("recipients")
FOLDER = "imports"
SUFFIX = ".upload"
CLAIM_S = 60.0
LOOKS_S = 2.0
TIDIES_S = 600.0
AGAIN_S = 1.0  # after a trouble of the database
ORPHANED = 3_600.0  # seconds after which a file that no import needs is removed


class Lost(Exception):
    """Somebody else is at the import by now."""


class Importer:
    """Works off imports for one worker.

    folder   where the uploads lie
    name     of the worker
    """

    def __init__(self, pool: db.Pool, clock: Clock, folder: Path, name: str) -> None:
        self._pool = pool
        self._clock = clock
        self._folder = folder
        self._name = name
        self._news = asyncio.Event()
        self._tidied = float("-inf")

    def news(self) -> None:
        """Hear that there is something to import."""
        self._news.set()

    def path_of(self, import_id: UUID) -> Path:
        """Return where an upload lies; the folder is there afterwards."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder / f"{import_id}{SUFFIX}"

    async def run(self) -> None:
        """Work until cancelled."""
        await take_turns(
            self.turn,
            every_s=LOOKS_S,
            log=log,
            waits="imports_wait",
            failed="imports_turn_failed",
            news=self._news,
        )

    async def turn(self) -> bool:
        """Claim one import and work it off; False: there is none."""
        here = await asyncio.to_thread(self._files)
        await self._tidy(here)
        if not here:
            return False
        one = await imports.claim(self._pool, here, claimed_by=self._name, claim_s=CLAIM_S)
        if one is None:
            return False
        try:
            why = await self._work(one)
        except Lost:
            log.warning("import_lost", import_id=str(one.import_id))
            return True
        except (asyncio.CancelledError, *PASSING):
            await self._let_go(one)
            raise
        except Exception:  # the edge of one import: it has failed, and its owner can see how far it came
            log.exception("import_crashed", import_id=str(one.import_id))
            why = "an error of ours; what was counted is on the list. Please report it, with the id of the import"
        await imports.end(self._pool, one.import_id, claimed_by=self._name, why=why)
        log.info("import_ended", import_id=str(one.import_id), failed=bool(why))
        await asyncio.to_thread(self.path_of(one.import_id).unlink, missing_ok=True)
        return True

    async def _work(self, one: Import) -> str:
        """Work an import off; return why it failed, or ''."""
        try:
            known = await subaccounts.numbers(self._pool, one.account_id)
            path, now = self.path_of(one.import_id), self._clock.now()
            source = await asyncio.to_thread(SourceFile.open, path, one.terms, now=now, subaccounts=known)
        except Unreadable as trouble:
            return str(trouble)
        except FileNotFoundError:
            return "the uploaded file is gone; upload it again"
        try:
            records = one.tally.records
            await asyncio.to_thread(source.skip, records)
            while (batch := await asyncio.to_thread(source.next_batch)) is not None:
                records += (await self._commit(one, batch, records)).records
        except Unreadable as trouble:
            return str(trouble)
        finally:
            source.close()
        return ""

    async def _commit(self, one: Import, batch: Batch, records: int) -> Tally:
        """Put a batch on the list and count it, in one transaction; while the store is away, wait for it."""
        while True:
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    held = await imports.hold(connection, one.import_id, claimed_by=self._name, records=records, claim_s=CLAIM_S)
                    if not held:
                        raise Lost
                    done = await put(connection, batch, account_id=one.account_id, import_id=one.import_id)
                    await imports.advance(connection, one.import_id, done, batch.refusals, bytes_done=batch.place)
                return done
            except db.TEMPORARY as trouble:
                log.warning("import_waits", import_id=str(one.import_id), cause=type(trouble).__name__)
                await asyncio.sleep(AGAIN_S)

    async def _let_go(self, one: Import) -> None:
        try:
            async with asyncio.timeout(2.0):
                await imports.let_go(self._pool, one.import_id, claimed_by=self._name)
        except (TimeoutError, *db.TEMPORARY):
            pass  # its claim runs out

    def _files(self) -> dict[UUID, datetime]:
        """Return the uploads that lie here, and since when; what is left of uploads that were cut off goes."""
        found: dict[UUID, datetime] = {}
        if not self._folder.is_dir():
            return found
        now = self._clock.now()
        for path in self._folder.iterdir():
            try:
                since = datetime.fromtimestamp(path.stat().st_mtime, now.tzinfo)
                if path.name.endswith(SUFFIX):
                    found[UUID(path.name.removesuffix(SUFFIX))] = since
                elif (now - since).total_seconds() > ORPHANED:
                    path.unlink(missing_ok=True)
            except (ValueError, FileNotFoundError):
                continue
        return found

    async def _tidy(self, here: dict[UUID, datetime]) -> None:
        """Remove files that no import needs: of uploads that were cut off, or of imports that ended as their worker died."""
        loop_now = asyncio.get_running_loop().time()
        if loop_now - self._tidied < TIDIES_S:
            return
        self._tidied = loop_now
        now = self._clock.now()
        needed = await imports.tidy(self._pool, here, now=now)
        for import_id, since in list(here.items()):
            if import_id not in needed and (now - since).total_seconds() > ORPHANED:
                del here[import_id]
                await asyncio.to_thread(self.path_of(import_id).unlink, missing_ok=True)
