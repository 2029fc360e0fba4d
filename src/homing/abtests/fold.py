"""The follower of A/B tests: counts what happens to their messages, in the transaction that moves its place in the log."""

from collections.abc import Sequence

from homing.abtests import store
from homing.abtests.rules.counting import added, happened
from homing.events.types import Logged
from homing.ground import db
from homing.ground.ids import moment_of


class AbTestFollower:
    """A follower of the feed."""

    name = "ab_tests"
    rests_s = 1.0

    async def cares(self, connection: db.Executor) -> bool:
        """Return whether a test is scheduled or running."""
        return await store.any_live(connection)

    async def fold(self, connection: db.Executor, events: Sequence[Logged]) -> None:
        """Count these events. What comes after a test is over does not count any more."""
        messages = happened(events)
        if not messages:
            return
        live = await store.live_among(connection, {message.key for message in messages.values()})
        # What is older than its test belonged to another one, which was deleted and had the same id.
        messages = {
            message_id: message
            for message_id, message in messages.items()
            if message.key in live and moment_of(message_id) >= live[message.key]
        }
        if not messages:
            return
        before = await store.before(connection, messages)
        await store.note(connection, messages, added(messages, before))
