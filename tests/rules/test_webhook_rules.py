"""What a webhook is owed, when it is tried again, when it is paused, how a post is signed."""

import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from homing.events.types import EventType, Logged
from homing.ground import ids
from homing.webhooks.rules.owed import stretches, wants
from homing.webhooks.rules.retry import ATTEMPTS, LIFETIME, next_try, why_pause
from homing.webhooks.rules.signature import signature
from homing.webhooks.types import Auth, Webhook

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
DAY = date(2026, 5, 5)
HOOK = Webhook(
    webhook_id=UUID(int=1),
    account_id=1,
    subaccount_id=None,
    name="app",
    target="https://app.test/",
    types=frozenset({EventType.DELIVERY, EventType.BOUNCE}),
    auth=Auth(secret="s"),
)


def event(seq: int, kind: EventType = EventType.DELIVERY, *, account: int = 1, sub: int = 0, shard: int = 3) -> Logged:
    return Logged(
        shard=shard,
        seq=seq,
        type=kind,
        at=NOW,
        account_id=account,
        subaccount_id=sub,
        message_id=None,
        transmission_id=None,
        recipient="",
        recipient_domain="",
        campaign_id="",
        detail=b"{}",
        day=DAY,
    )


@pytest.mark.parametrize(
    ("hook", "what", "heard"),
    [
        (HOOK, event(1), True),
        (HOOK, event(1, EventType.DELAY), False),
        (HOOK, event(1, account=2), False),
        (HOOK, event(1, sub=12), True),
        (structs.replace(HOOK, exception_subaccounts=frozenset({12})), event(1, sub=12), False),
        (structs.replace(HOOK, subaccount_id=0), event(1, sub=12), False),
        (structs.replace(HOOK, subaccount_id=0), event(1), True),
        (structs.replace(HOOK, subaccount_id=12), event(1, sub=12), True),
        (structs.replace(HOOK, subaccount_id=12), event(1), False),
        (HOOK, structs.replace(event(1), message_id=ids.compose(9, 2, 1)), True),
        (HOOK, structs.replace(event(1), message_id=ids.foreign("of another platform", of=1)), False),
        (structs.replace(HOOK, types=frozenset({EventType.INGEST_ERROR})), event(1, EventType.INGEST_ERROR), True),
    ],
)
def test_a_webhook_hears_its_own_events(hook, what, heard):
    assert wants(hook, what) is heard


def test_a_stretch_goes_from_the_first_to_the_last_event_of_its_shard():
    other = structs.replace(HOOK, webhook_id=UUID(int=2), account_id=2)
    events = [event(1), event(2, account=2), event(3, EventType.DELAY), event(4), event(9, shard=5)]
    found = {
        (one.webhook_id.int, one.shard): (one.first_seq, one.last_seq, one.events) for one in stretches([HOOK, other], events)
    }
    assert found == {(1, 3): (1, 4, 2), (1, 5): (9, 9, 1), (2, 3): (2, 2, 1)}


@given(
    st.lists(st.tuples(st.sampled_from([EventType.DELIVERY, EventType.DELAY]), st.integers(1, 2), st.integers(3, 5)), max_size=40)
)
def test_every_event_that_is_wanted_lies_in_one_stretch(made):
    events = sorted(
        (event(n, kind, account=account, shard=shard) for n, (kind, account, shard) in enumerate(made)), key=lambda e: e.shard
    )
    owed = stretches([HOOK], events)
    assert sum(one.events for one in owed) == sum(wants(HOOK, one) for one in events)
    for one in events:
        if wants(HOOK, one):
            assert sum(s.shard == one.shard and s.first_seq <= one.seq <= s.last_seq for s in owed) == 1


def test_twelve_tries_within_eight_hours_with_growing_waits():
    now = made_at = NOW
    waits = []
    for attempts in range(1, ATTEMPTS):
        due = next_try(attempts=attempts, made_at=made_at, now=now)
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=30)
    assert now - made_at < LIFETIME
    assert next_try(attempts=ATTEMPTS, made_at=made_at, now=now) is None


def test_nothing_is_tried_after_eight_hours():
    assert next_try(attempts=2, made_at=NOW - LIFETIME, now=NOW) is None


@pytest.mark.parametrize(
    ("status", "dropped", "last_successful", "paused"),
    [
        (410, False, NOW, True),
        (500, False, None, False),
        (500, True, None, True),
        (None, True, NOW - timedelta(days=1), True),
        (500, True, NOW + timedelta(hours=1), False),
    ],
)
def test_a_webhook_is_paused_when_it_is_gone_or_took_nothing_for_so_long(status, dropped, last_successful, paused):
    why = why_pause(status=status, dropped=dropped, made_at=NOW, last_successful=last_successful)
    assert bool(why) is paused


def test_a_signature_can_be_checked_with_the_standard_library():
    value = signature("secret", b"[1]", moment=1778000000)
    parts = dict(part.split("=") for part in value.split(","))
    assert parts["t"] == "1778000000"
    assert hmac.compare_digest(parts["v1"], hmac.new(b"secret", b"1778000000.[1]", hashlib.sha256).hexdigest())
