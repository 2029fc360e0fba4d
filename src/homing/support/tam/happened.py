"""What can happen to a record. Each step is one event; the names of these types, in lower case, are stored for ever."""

from datetime import date, datetime

import msgspec

from homing.support.cases.types import Side
from homing.support.clocks.types import Kind, Promise
from homing.support.tam.types import (
    Action,
    Check,
    Content,
    Counts,
    Purpose,
    RecordKind,
    Result,
    TaskKind,
    Topic,
)


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower, omit_defaults=True):
    pass


class Began(_Event, frozen=True, kw_only=True):
    """A record begins. text: of a recommendation or an education item."""

    kind: RecordKind
    title: str
    text: str = ""
    check: Check | None = None
    supersedes: int | None = None


class Sent(_Event, frozen=True, kw_only=True):
    """A letter was accepted for delivery to its first reader."""

    purpose: Purpose
    version: int = 0
    promises: dict[Kind, Promise] = {}


class Reminded(_Event, frozen=True, kw_only=True):
    """The customer was asked again."""

    number: int


class Versioned(_Event, frozen=True, kw_only=True):
    """One side proposes a plan, or a change of one. promises: of an answer that we owe the customer."""

    version: int
    content: Content
    sha256: str
    promises: dict[Kind, Promise] = {}


class Agreed(_Event, frozen=True, kw_only=True):
    """The other side accepts exactly that. evidence: where staff writes down the customer's word."""

    version: int
    sha256: str
    person: str
    evidence: str = ""


class Objected(_Event, frozen=True, kw_only=True):
    """The other side does not."""

    version: int
    words: str
    promises: dict[Kind, Promise] = {}


class ScopeRefused(_Event, frozen=True, kw_only=True):
    """A task was to be ours that the contract excludes (clause B4)."""

    task: str
    kind: TaskKind
    clause: str
    route: str


class ScopeAcknowledged(_Event, frozen=True, kw_only=True):
    """The customer has taken note."""

    number: int
    person: str


class Started(_Event, frozen=True, kw_only=True):
    """An agreed plan is carried out. on: the first day of its first stage that can be judged."""

    on: date | None = None


class TaskDone(_Event, frozen=True, kw_only=True):
    """A task is done."""

    number: int


class DayJudged(_Event, frozen=True, kw_only=True):
    """A day was held against the stage that ran."""

    stage: int
    day: date
    met: bool
    said: str
    counts: Counts


class Advanced(_Event, frozen=True, kw_only=True):
    """The next stage begins."""

    stage: int
    on: date


class HeldBack(_Event, frozen=True, kw_only=True):
    """The ramp waits."""

    reason: str


class Resumed(_Event, frozen=True, kw_only=True):
    """The ramp goes on where it was."""


class Completed(_Event, frozen=True, kw_only=True):
    """All of a plan is done."""


class Aborted(_Event, frozen=True, kw_only=True):
    """A migration ends before its time."""

    reason: str


class Scheduled(_Event, frozen=True, kw_only=True):
    """A review is set for a moment, or for another one."""

    meets_at: datetime
    topics: tuple[Topic, ...]


class TopicAdded(_Event, frozen=True, kw_only=True):
    """There is more to talk about."""

    topic: Topic


class DocumentPrepared(_Event, frozen=True, kw_only=True):
    """Figures were drawn and kept as they were at that moment."""

    number: int
    sha256: str


class Met(_Event, frozen=True, kw_only=True):
    """A review took place."""

    held_at: datetime
    attendees: str


class MinutesWritten(_Event, frozen=True, kw_only=True):
    """What was said is on its way to the customer."""

    version: int
    text: str
    actions: tuple[Action, ...] = ()


class ActionsOpened(_Event, frozen=True, kw_only=True):
    """What the minutes ask for is being done."""


class ActionDone(_Event, frozen=True, kw_only=True):
    """An action is done."""

    number: int


class Finished(_Event, frozen=True, kw_only=True):
    """Nothing of a review is left to do."""


class Acknowledged(_Event, frozen=True, kw_only=True):
    """The customer has taken note. evidence: where staff writes it down for him."""

    person: str
    evidence: str = ""


class Followed(_Event, frozen=True, kw_only=True):
    """A recommendation was followed; how that is known."""

    result: Result | None = None
    attestation: str = ""


class Declined(_Event, frozen=True, kw_only=True):
    """The customer does not want to follow a recommendation."""

    person: str
    reason: str
    evidence: str = ""


class SupersededBy(_Event, frozen=True, kw_only=True):
    """A newer recommendation stands in its place."""

    record: int


class Dispatched(_Event, frozen=True, kw_only=True):
    """An education item goes out by mail."""


class Delivered(_Event, frozen=True, kw_only=True):
    """An education item was given in another way than by mail."""

    how: str


class VoidAsked(_Event, frozen=True, kw_only=True):
    """One of two people says that an answer was never owed. clock: its number among those of the record."""

    clock: int
    person_id: int
    reason: str


class ClockVoided(_Event, frozen=True, kw_only=True):
    """Two people say so: the clock does not count."""

    clock: int
    people: tuple[str, str]
    reason: str


Payload = (
    Began
    | Sent
    | Reminded
    | Versioned
    | Agreed
    | Objected
    | ScopeRefused
    | ScopeAcknowledged
    | Started
    | TaskDone
    | DayJudged
    | Advanced
    | HeldBack
    | Resumed
    | Completed
    | Aborted
    | Scheduled
    | TopicAdded
    | DocumentPrepared
    | Met
    | MinutesWritten
    | ActionsOpened
    | ActionDone
    | Finished
    | Acknowledged
    | Followed
    | Declined
    | SupersededBy
    | Dispatched
    | Delivered
    | VoidAsked
    | ClockVoided
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a record, as it is kept: never changed, without a gap."""

    record_id: int
    seq: int
    at: datetime
    actor: str
    side: Side
    payload: Payload
