"""Templates and snippets as sending needs them: from memory, a few seconds old at most."""

import asyncio
from datetime import timedelta

from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.log import get
from homing.ground.memo import Memo
from homing.templates import store
from homing.templates.types import Snippet, StoredTemplate, Version

log = get("templates")
_FRESH = timedelta(seconds=5)
_ABSENT = timedelta(seconds=1)  # a template that was just made works at once
_STALE = timedelta(seconds=60)
_MOST = 500  # contents in memory; one may have 5 MB, most have some kB
USE_NOTED_S = 60.0  # last_use is exact to a minute


class TemplateBook:
    """Answers which content a stored template has now. One per worker."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._templates: Memo[tuple[int, int, str], StoredTemplate] = Memo(
            self._find, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE
        )
        # A version never changes; a draft does, so it is asked for each time.
        self._versions: Memo[tuple[int, int, str, int], Version] = Memo(
            self._load, clock, fresh=timedelta(hours=1), absent=_ABSENT, stale=_STALE, most=_MOST
        )
        self._noted: dict[tuple[int, int, str], float] = {}

    async def template(self, account_id: int, subaccount_id: int, template_id: str) -> StoredTemplate | None:
        """Return a template that this sender may use.

        raises   StoreUnavailable if the database is away and it was not seen within the last minute
        """
        return await self._templates.get((account_id, subaccount_id, template_id))

    async def content(self, template: StoredTemplate, *, draft: bool) -> Version | None:
        """Return the draft or the published version; None: there is none. Raises StoreUnavailable."""
        if draft:
            return await store.version(self._pool, template, 0)
        if template.published_version is None:
            return None
        key = (template.account_id, template.subaccount_id, template.template_id, template.published_version)
        return await self._versions.get(key)

    async def used(self, template: StoredTemplate) -> None:
        """Note that a template was used, once a minute at most."""
        key = (template.account_id, template.subaccount_id, template.template_id)
        now = asyncio.get_running_loop().time()
        if now - self._noted.get(key, float("-inf")) < USE_NOTED_S:
            return
        if len(self._noted) > 10_000:
            self._noted.clear()
        self._noted[key] = now
        await store.note_use(self._pool, template)

    def forget(self) -> None:
        """Ask the database anew: a template was changed in this process."""
        self._templates.clear()
        self._versions.clear()

    async def _find(self, key: tuple[int, int, str]) -> StoredTemplate | None:
        return await store.find(self._pool, *key)

    async def _load(self, key: tuple[int, int, str, int]) -> Version | None:
        account_id, subaccount_id, template_id, number = key
        named = StoredTemplate(account_id=account_id, subaccount_id=subaccount_id, template_id=template_id, name="")
        return await store.version(self._pool, named, number)


class SnippetBook:
    """Answers which snippets the mail of a customer may use. One per worker."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._snippets: Memo[tuple[int, int], dict[str, Snippet]] = Memo(
            self._load, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE, most=_MOST
        )

    async def of(self, account_id: int, subaccount_id: int) -> dict[str, Snippet]:
        """Return the snippets by id. Raises StoreUnavailable."""
        return await self._snippets.get((account_id, subaccount_id)) or {}

    def forget(self) -> None:
        """Ask the database anew: a snippet was changed in this process."""
        self._snippets.clear()

    async def _load(self, key: tuple[int, int]) -> dict[str, Snippet] | None:
        return await store.snippets_for(self._pool, *key)
