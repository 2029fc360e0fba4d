"""The follower of metrics: adds up what happened, in the transaction that moves its place in the log."""

from collections.abc import Sequence

from homing.events.rules.classify import Classifier
from homing.events.types import Logged
from homing.ground import db
from homing.ground.clock import Clock
from homing.metrics import store
from homing.metrics.rules.counting import engaged, tally


class MetricsFollower:
    """A follower of the feed."""

    name = "metrics"
    rests_s = 2.0  # the more events come together, the fewer rows are written for them

    def __init__(self, classifier: Classifier, clock: Clock) -> None:
        self._classes = classifier.classes
        self._clock = clock

    async def cares(self, connection: db.Executor) -> bool:
        """Return True: everything counts."""
        return True

    async def fold(self, connection: db.Executor, events: Sequence[Logged]) -> None:
        """Count these events."""
        today = self._clock.now().date()
        seen = await store.seen(connection, engaged(events), today)
        await store.write(connection, tally(events, seen=seen, category=self._category), today)

    def _category(self, bounce_class: int) -> str:
        known = self._classes.get(bounce_class)
        return "Undetermined" if known is None else known.category
