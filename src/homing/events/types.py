"""What can happen to a message: a closed list, numbered as stored, named as on the wire (SparkPost reference, section 4)."""

from datetime import date, datetime
from enum import IntEnum

import msgspec


class EventType(IntEnum):
    """An event type; the number is stored and never reused, `wire` is what customers see."""

    INJECTION = 1
    DELIVERY = 2
    BOUNCE = 3
    DELAY = 4
    POLICY_REJECTION = 5
    OUT_OF_BAND = 6
    SPAM_COMPLAINT = 7
    OPEN = 10
    INITIAL_OPEN = 11
    CLICK = 12
    AMP_OPEN = 13
    AMP_INITIAL_OPEN = 14
    AMP_CLICK = 15
    GENERATION_FAILURE = 20
    GENERATION_REJECTION = 21
    LIST_UNSUBSCRIBE = 30
    LINK_UNSUBSCRIBE = 31
    RELAY_INJECTION = 40
    RELAY_REJECTION = 41
    RELAY_DELIVERY = 42
    RELAY_TEMPFAIL = 43
    RELAY_PERMFAIL = 44
    AB_TEST_COMPLETED = 50
    AB_TEST_CANCELLED = 51
    INGEST_SUCCESS = 60
    INGEST_ERROR = 61

    @property
    def wire(self) -> str:
        """Return the name that customers see, for example `policy_rejection`."""
        return self.name.lower().removeprefix("ingest_")


INGEST_TYPES = frozenset(
    {EventType.INGEST_SUCCESS, EventType.INGEST_ERROR}
)  # of batches, not of mail: they have a search of their own


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One thing that happened, before the log gives it its place.

    recipient   lower case; '' where there is none
    detail      JSON object of the further fields, named as on the wire, without the ones that have a member here
    """

    type: EventType
    at: datetime
    account_id: int
    subaccount_id: int
    message_id: bytes | None
    transmission_id: bytes | None
    recipient: str
    recipient_domain: str
    campaign_id: str
    detail: bytes


class Logged(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An event as the log has it: what was made, and the place it got.

    seq   grows within a shard; (shard, seq) names one event for ever
    day   of appending; date.min where the reader did not ask for it
    """

    shard: int
    seq: int
    type: EventType
    at: datetime
    account_id: int
    subaccount_id: int
    message_id: bytes | None
    transmission_id: bytes | None
    recipient: str
    recipient_domain: str
    campaign_id: str
    detail: bytes
    day: date = date.min
