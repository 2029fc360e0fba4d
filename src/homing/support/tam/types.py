"""What a TAM and a customer work on over months, and what is known of each piece (model, sections 3.1 and 3.2b)."""

from datetime import date, datetime
from enum import StrEnum

import msgspec

from homing.contracts.types import Role
from homing.support.cases.types import Side

WRITERS = (Role.TAM, Role.ADMIN)  # of the staff: who changes the programme of an account


class RecordKind(StrEnum):
    """What a record is of."""

    ONBOARDING = "onboarding_plan"
    MIGRATION = "migration_plan"
    REVIEW = "planning_review"
    RECOMMENDATION = "recommendation"
    EDUCATION = "education_item"


class State(StrEnum):
    """Where a record stands; each kind has some of these (rules/states.py)."""

    DRAFT = "draft"
    AGREED = "agreed"
    IN_PROGRESS = "in_progress"
    RUNNING = "running"
    HELD = "held"  # of a migration plan: it waits; of a review: it took place
    COMPLETED = "completed"
    ABORTED = "aborted"
    SCHEDULED = "scheduled"
    MINUTES_SENT = "minutes_sent"
    ACTIONS_OPEN = "actions_open"
    DONE = "done"
    ISSUED = "issued"
    ACKNOWLEDGED = "acknowledged"
    FOLLOWED = "followed"
    DECLINED = "declined"
    SUPERSEDED = "superseded"
    PREPARED = "prepared"
    DELIVERED = "delivered"


class TaskKind(StrEnum):
    """What a task of an onboarding plan is about."""

    DOMAINS = "sending_domains"
    AUTHENTICATION = "authentication"
    INTEGRATION = "integration"
    WEBHOOKS = "webhooks"
    SUPPRESSIONS = "suppressions"
    SENDING_IPS = "sending_ips"
    TRACKING = "tracking"
    TRAINING = "training"
    TEMPLATE_CREATION = "template_creation"
    TEMPLATE_TRANSLATION = "template_translation"
    CUSTOMER_PROJECT = "customer_project"
    OTHER = "other"


class TopicKind(StrEnum):
    """What a planning review talks about (clause B7)."""

    NEEDS = "new_needs"
    CAPACITY = "capacity"
    FEATURES = "features"
    OTHER = "other"


REQUIRED_TOPICS = (TopicKind.NEEDS, TopicKind.CAPACITY, TopicKind.FEATURES)


class About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which mail figures are taken of; what is '' is not told apart."""

    sending_domain: str = ""
    ip_pool: str = ""
    provider: str = ""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of some mail, as the metrics of the same names say (docs/metrics.md)."""

    count_targeted: int = 0
    count_injected: int = 0
    count_sent: int = 0
    count_delivered: int = 0
    count_bounce: int = 0
    count_hard_bounce: int = 0
    count_soft_bounce: int = 0
    count_block_bounce: int = 0
    count_delayed: int = 0
    count_rejected: int = 0
    count_spam_complaint: int = 0
    count_unique_confirmed_opened: int = 0
    count_unique_clicked: int = 0
    count_unsubscribe: int = 0


class Rate(StrEnum):
    """A share of mail, 0.0 to 1.0. Bounces are counted of what was sent, complaints of what was delivered."""

    BOUNCE = "bounce_rate"
    HARD_BOUNCE = "hard_bounce_rate"
    BLOCK = "block_bounce_rate"
    COMPLAINT = "spam_complaint_rate"
    DELAY = "delay_rate"


# Plans ------------------------------------------------------------------------------------------------------------------


class Task(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of work of an onboarding plan. who: a name, as both sides know it."""

    number: int
    title: str
    kind: TaskKind
    owner: Side
    who: str = ""
    due_on: date | None = None


class Stage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of a migration plan: from a day on, so many messages on each day of UTC."""

    number: int
    starts_on: date
    per_day: int
    owner: Side = Side.CUSTOMER
    who: str = ""
    what: str = ""


class Onboarding(msgspec.Struct, frozen=True, kw_only=True, tag="onboarding", tag_field="plan"):
    """What is to be done before mail flows."""

    tasks: tuple[Task, ...]


class Migration(msgspec.Struct, frozen=True, kw_only=True, tag="migration", tag_field="plan"):
    """How traffic moves over time.

    most_bounces, most_complaints   rates of a day beyond which a step does not advance
    about                           which mail is counted
    """

    stages: tuple[Stage, ...]
    most_bounces: float = 0.05
    most_complaints: float = 0.001
    about: About = About()


Content = Onboarding | Migration


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as one side proposes it; it is in force once the other side has accepted exactly this.

    sha256   of its canonical JSON: what is agreed to
    person   who accepted
    stands   it may be accepted: no newer one, no objection
    """

    number: int
    side: Side
    by: str
    content: Content
    sha256: str
    proposed_at: datetime
    agreed_at: datetime | None = None
    person: str = ""
    evidence: str = ""
    stands: bool = True
    objection: str = ""


class ScopeDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wanted what the contract does not include, and was told so (invariant 14)."""

    number: int
    task: str
    kind: TaskKind
    clause: str
    route: str
    decided_by: str
    decided_at: datetime
    acknowledged_at: datetime | None = None


class Void(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the staff says that an answer was never owed. clock: its number among those of the record."""

    clock: int
    person_id: int
    reason: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A day of a stage held against its volume and limits."""

    stage: int
    day: date
    met: bool
    said: str
    counts: Counts
    at: datetime


# Reviews ----------------------------------------------------------------------------------------------------------------


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """Something to talk about."""

    kind: TopicKind
    text: str
    side: Side


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a review found to be done."""

    number: int
    text: str
    owner: Side
    who: str = ""
    due_on: date | None = None


# Recommendations --------------------------------------------------------------------------------------------------------


class Need(StrEnum):
    """What a domain must have."""

    DKIM = "dkim"  # a key that signs is verified in DNS
    RETURN_PATH = "return_path"  # its CNAME or MX is verified, so SPF is aligned
    COMPLIANCE = "compliance"  # it is not blocked


class DomainCheck(msgspec.Struct, frozen=True, kw_only=True, tag="domain", tag_field="type"):
    """A sending domain is authenticated, as far as our own looks into DNS say."""

    domain: str
    needs: tuple[Need, ...] = (Need.DKIM, Need.RETURN_PATH)


class RateCheck(msgspec.Struct, frozen=True, kw_only=True, tag="rate", tag_field="type"):
    """A rate of the last days of UTC, today among them, is not above a bound.

    least   messages that must have been counted, else nothing can be said
    """

    rate: Rate
    most: float
    days: int = 7
    least: int = 100
    about: About = About()


class RampCheck(msgspec.Struct, frozen=True, kw_only=True, tag="ramp", tag_field="type"):
    """A migration plan is adhered to: it is agreed and not held, and the day that was judged last met its limits."""

    plan: int


Check = DomainCheck | RateCheck | RampCheck


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found.

    passed     None: nothing can be said (too little mail, or nothing there)
    measured   the figures that it was judged by
    because    who or what let it run: `staff 3`, `daily`
    """

    at: datetime
    passed: bool | None
    said: str
    measured: dict[str, str | int | float]
    because: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a recommendation counts as followed: checked data where there is a check, else the TAM's word."""

    at: datetime
    by: str
    result: Result | None = None
    attestation: str = ""


# A record ---------------------------------------------------------------------------------------------------------------


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A record as its events make it; what belongs to other kinds is empty.

    awaits      whose move it is: the customer was asked, or he proposed
    version     of what the customer was asked about last
    done        numbers of tasks or actions
    stage       of a migration plan that runs, from 1
    stage_on    the first day on which that stage can be judged
    voided      numbers of clocks that two people made void; voids: who asked for it first
    """

    record_id: int
    account_id: int
    kind: RecordKind
    state: State
    title: str
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    seq: int = 0
    awaits: Side | None = None
    reminders: int = 0
    text: str = ""
    versions: tuple[Version, ...] = ()
    done: frozenset[int] = frozenset()
    scope: tuple[ScopeDecision, ...] = ()
    stage: int = 0
    stage_on: date | None = None
    held_because: str = ""
    ended_because: str = ""
    judged: tuple[Judged, ...] = ()
    meets_at: datetime | None = None
    held_at: datetime | None = None
    attendees: str = ""
    topics: tuple[Topic, ...] = ()
    documents: int = 0
    minutes: str = ""
    minutes_at: datetime | None = None
    actions: tuple[Action, ...] = ()
    check: Check | None = None
    evidence: Evidence | None = None
    declined_because: str = ""
    supersedes: int | None = None
    superseded_by: int | None = None
    sent_at: datetime | None = None
    delivered_how: str = ""
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    voids: tuple[Void, ...] = ()
    voided: frozenset[int] = frozenset()

    @property
    def in_force(self) -> Version | None:
        """Return the version that both sides agreed to last."""
        agreed = [one for one in self.versions if one.agreed_at is not None]
        return agreed[-1] if agreed else None

    @property
    def proposed(self) -> Version | None:
        """Return the version that waits for the other side."""
        last = self.versions[-1] if self.versions else None
        return last if last is not None and last.stands and last.agreed_at is None else None


class Purpose(StrEnum):
    """What a letter is for."""

    PROPOSAL = "proposal"  # a version of a plan
    REVIEW = "review"  # when it takes place, and about what
    MINUTES = "minutes"
    RECOMMENDATION = "recommendation"
    EDUCATION = "education"
    REMINDER = "reminder"
    CONSENT = "consent"  # "this was agreed in your name"
    TAM = "tam"  # to the TAM: the customer has moved
    TREND = "trend"
