"""Is a recipient suppressed? Many callers at once become one question to the database."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from homing.ground.db import Pool
from homing.recipients import store

Ask = Callable[[int, int, list[str], bool, str], Coroutine[Any, Any, dict[str, str]]]


GATHER_S = 0.001


class _Kind(NamedTuple):
    """Questions of one kind fit into one statement."""

    account_id: int
    subaccount_id: int
    transactional: bool
    list_id: str


class _Batch(NamedTuple):
    recipients: set[str]
    answers: list[asyncio.Future[dict[str, str]]]  # one for each who asked: whoever leaves cancels his own alone

    def still_there(self) -> list[asyncio.Future[dict[str, str]]]:
        return [answer for answer in self.answers if not answer.done()]


class SuppressionDesk:
    """Answers who is suppressed. One per worker.

    While a question of a kind is with the database, further ones of that kind gather and are asked together next: a
    thousand messages a second become some hundreds of questions, and a lone message waits for nobody.
    """

    def __init__(self, ask: Ask, *, most: int = 1_000) -> None:
        self._ask = ask
        self._most = most  # recipients in one gathered question
        self._gathering: dict[_Kind, _Batch] = {}
        self._asking: dict[_Kind, asyncio.Task[None]] = {}
        self._crowded = False  # the last question came from several

    @classmethod
    def over(cls, pool: Pool) -> "SuppressionDesk":
        """Return a desk that asks the suppression list in PostgreSQL."""

        async def ask(
            account_id: int, subaccount_id: int, recipients: list[str], transactional: bool, list_id: str
        ) -> dict[str, str]:
            return await store.suppressed(pool, account_id, subaccount_id, recipients, transactional, list_id)

        return cls(ask)

    async def suppressed(
        self, account_id: int, subaccount_id: int, recipients: Sequence[str], transactional: bool, list_id: str = ""
    ) -> dict[str, str]:
        """Return lower-case address -> source of those that are suppressed; the answer may name others besides.

        raises   StoreUnavailable
        """
        if len(recipients) >= self._most:
            return await self._ask(account_id, subaccount_id, list(recipients), transactional, list_id)
        kind = _Kind(account_id, subaccount_id, transactional, list_id)
        batch = self._gathering.get(kind)
        if batch is not None and len(batch.recipients) + len(recipients) > self._most:
            return await self._ask(account_id, subaccount_id, list(recipients), transactional, list_id)
        if batch is None:
            batch = self._gathering[kind] = _Batch(set(), [])
        answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        batch.recipients.update(recipients)
        batch.answers.append(answer)
        if kind not in self._asking:
            self._asking[kind] = asyncio.create_task(self._work(kind), name="suppression")
        return await answer

    async def _work(self, kind: _Kind) -> None:
        try:
            # Whoever is ready in this turn of the loop joins; where several came lately, they are given a moment more.
            await asyncio.sleep(GATHER_S if self._crowded else 0)
            while (batch := self._gathering.pop(kind, None)) is not None:
                self._crowded = len(batch.recipients) > 1
                try:
                    found = await self._ask(
                        kind.account_id, kind.subaccount_id, list(batch.recipients), kind.transactional, kind.list_id
                    )
                except Exception as trouble:  # the edge of one question: everybody who asked hears it
                    for answer in batch.still_there():
                        answer.set_exception(trouble)
                else:
                    for answer in batch.still_there():
                        answer.set_result(found)
        finally:
            del self._asking[kind]
