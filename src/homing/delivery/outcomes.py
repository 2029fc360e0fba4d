"""What attempts come to: judged, counted, settled, and the consequences for the site."""

from dataclasses import dataclass, field

from homing.delivery import settle
from homing.delivery.letters import Chunk, Letters
from homing.delivery.ready import Ready, SiteQueue
from homing.delivery.rules.outcome import judge
from homing.delivery.rules.retry import RetryPlan
from homing.delivery.sites import Sites
from homing.delivery.types import Attempt, Bounced, Deferred, Delivered, Outcome, Scope, Stage, Stop
from homing.events.detail import Addressee, EventBook
from homing.events.rules.classify import Classifier
from homing.ground.clock import Clock
from homing.queue.owner import Owner
from homing.queue.types import Settlement
from homing.spool.types import ChunkFacts


@dataclass(slots=True)
class Counters:
    """What this worker has done since it started; /metrics shows it."""

    attempts: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    failed_to_make: int = 0
    suppressed_late: int = 0
    rejected_late: int = 0
    connections_opened: int = 0
    connections_failed: int = 0
    by_trouble: dict[str, int] = field(default_factory=dict)

    def note(self, outcome: Outcome, attempt: Attempt) -> None:
        """Count an attempt that was settled."""
        if attempt.stage is not Stage.DNS:
            self.attempts += 1
        match outcome:
            case Delivered():
                self.delivered += 1
            case Deferred():
                self.deferred += 1
            case Bounced():
                self.bounced += 1
        if attempt.trouble is not None:
            self.by_trouble[attempt.trouble] = self.by_trouble.get(attempt.trouble, 0) + 1


class Outcomes:
    """Ends attempts, and messages that get none."""

    def __init__(
        self, *, owner: Owner, sites: Sites, letters: Letters, classifier: Classifier, plan: RetryPlan, clock: Clock
    ) -> None:
        self._owner = owner
        self._sites = sites
        self._letters = letters
        self._classifier = classifier
        self._plan = plan
        self._clock = clock
        self.counters = Counters()

    async def finished(self, queue: SiteQueue, ready: Ready, chunk: Chunk, attempt: Attempt, told: settle.Told) -> Outcome:
        """Judge an attempt, settle it, and draw the consequences for the site."""
        outcome = judge(attempt, provider=queue.site.provider, rules=self._classifier)
        if attempt.reply is not None:
            queue.last_reply = attempt.reply.text[:300]
        self.settle(ready, chunk, outcome, attempt, told)
        match outcome:
            case Delivered():
                await self._sites.took_one(queue)
            case Bounced() if attempt.stage in (Stage.RCPT, Stage.END_OF_DATA):
                await self._sites.took_one(queue)
            case Deferred(scope=Scope.SITE):
                await self._sites.refused(queue, outcome)
        return outcome

    def settle(self, ready: Ready, chunk: Chunk, outcome: Outcome, attempt: Attempt, told: settle.Told) -> None:
        """Write what an attempt came to, and count it."""
        self._owner.settle(
            settle.settlement(
                ready.entry,
                outcome,
                attempt,
                domain=ready.lane.key.domain,
                facts=chunk.facts,
                events=chunk.events,
                told=told,
                plan=self._plan,
                classifier=self._classifier,
                now=self._clock.now(),
            )
        )
        ready.settled = True
        self.counters.note(outcome, attempt)

    def unmakeable(self, ready: Ready, chunk: Chunk, why: str) -> None:
        """The message cannot be rendered or built: it ends with a generation failure, as its sender can see."""
        self.counters.failed_to_make += 1
        event = chunk.events.generation_failure(
            Addressee(ready.entry.entry_id, ready.entry.recipient, ready.lane.key.domain, settle.detail_of(ready.entry)),
            at=self._clock.now(),
            reason=f"554 5.3.3 [internal] {why}",
        )
        self._owner.settle(Settlement(entry=ready.entry, finish=True, events=(event,)))
        ready.settled = True

    def stopped(self, ready: Ready, facts: ChunkFacts, stop: Stop) -> None:
        """The recipient was suppressed, the transmission cancelled or the sending domain lost while the message waited."""
        if stop.rejected:
            self.counters.rejected_late += 1
        else:
            self.counters.suppressed_late += 1
        entry, lane = ready.entry, ready.lane
        ready.settled = True
        chunk = self._letters.at_hand(entry)
        events = chunk.events if chunk is not None else EventBook(facts)
        self._owner.settle(settle.stopped(entry, stop, domain=lane.key.domain, facts=facts, events=events, now=self._clock.now()))

    def expired(self, ready: Ready, chunk: Chunk, why: str) -> None:
        """The message outlived its time while it waited; why: the last reply, or what held it."""
        self._owner.settle(
            settle.expiry(
                ready.entry,
                why,
                domain=ready.lane.key.domain,
                facts=chunk.facts,
                events=chunk.events,
                classifier=self._classifier,
                now=self._clock.now(),
            )
        )
        ready.settled = True
