"""Mail whose domain has no host that takes it: it bounces, or one message is deferred and the domain held for the others."""

from collections.abc import Callable

from homing.delivery.holds import HoldBook
from homing.delivery.ready import Ready
from homing.delivery.rules.hold import hold_for
from homing.delivery.rules.outcome import judge
from homing.delivery.rules.retry import RetryPlan
from homing.delivery.types import Attempt, Deferred, Outcome, Route, Stage, Trouble
from homing.events.rules.classify import Classifier
from homing.ground.clock import Clock
from homing.queue.holds import Hold

REMEMBERED = 50_000  # domains whose failures are counted


class Unroutable:
    """Judges routes without a site.

    give_back   called with each message that waits for the hold's end
    """

    def __init__(
        self, holds: HoldBook, clock: Clock, classifier: Classifier, plan: RetryPlan, *, give_back: Callable[[Ready], None]
    ) -> None:
        self._holds = holds
        self._clock = clock
        self._classifier = classifier
        self._plan = plan
        self._give_back = give_back
        self._failures: dict[str, int] = {}  # domain -> holds in a row

    def found(self, domain: str) -> None:
        """The domain has hosts now."""
        self._failures.pop(domain, None)

    async def judge(self, domain: str, route: Route, waiting: list[Ready]) -> tuple[Outcome, Attempt, list[Ready]]:
        """Return what the route means, and the messages that this is to be settled for; the others are given back."""
        attempt = Attempt(stage=Stage.DNS, trouble=route.trouble or Trouble.NO_HOSTS, note=route.note)
        outcome = judge(attempt, rules=self._classifier)
        if not isinstance(outcome, Deferred):
            return outcome, attempt, waiting
        if len(self._failures) >= REMEMBERED:
            self._failures.clear()
        failures = self._failures[domain] = self._failures.get(domain, 0) + 1
        hold = Hold(
            scope="domain",
            key=domain,
            until=self._clock.now() + hold_for(failures, first=self._plan.first, retry=outcome.retry),
            reason=f"no host can be found: {route.note or route.trouble}",
            last_reply=outcome.reason,
            placed_by="delivery",
        )
        await self._holds.place(hold)
        for ready in waiting[1:]:
            self._give_back(ready)
        return outcome, attempt, waiting[:1]
