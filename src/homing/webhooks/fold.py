"""The follower of webhooks: notes what each is owed, in the transaction that moves its place in the log."""

from collections.abc import Callable, Sequence

from homing.events.types import Logged
from homing.ground import db
from homing.webhooks import store
from homing.webhooks.rules.owed import stretches
from homing.webhooks.store import Webhooks


class WebhookFollower:
    """A follower of the feed. news: called when somebody is owed something."""

    name = "webhooks"
    rests_s = 0.5

    def __init__(self, webhooks: Webhooks, *, news: Callable[[], None]) -> None:
        self._webhooks = webhooks
        self._news = news

    async def cares(self, connection: db.Executor) -> bool:
        """Return whether a webhook hears what happens. One that is made in this moment may miss some milliseconds."""
        return await store.anybody_listens(connection)

    async def fold(self, connection: db.Executor, events: Sequence[Logged]) -> None:
        """Note what the webhooks of these accounts are owed."""
        listening = await self._webhooks.listening(connection, {event.account_id for event in events})
        owed = stretches(listening, events) if listening else []
        if owed:
            await store.owe(connection, owed)
            self._news()
