"""Which events a webhook is owed, as stretches of the log."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from homing.events.types import Logged
from homing.ground.ids import is_foreign
from homing.webhooks.types import Webhook


class Stretch(NamedTuple):
    """From the first to the last event of a shard that a webhook is owed; what lies between and is not its own is skipped."""

    webhook_id: UUID
    account_id: int
    shard: int
    first_day: date
    last_day: date
    first_seq: int
    last_seq: int
    events: int


def wants(webhook: Webhook, event: Logged) -> bool:
    """Return whether a webhook is told of an event. What was handed in from elsewhere is known to its owner."""
    if event.account_id != webhook.account_id or event.type not in webhook.types or is_foreign(event.message_id):
        return False
    if webhook.subaccount_id is None:
        return event.subaccount_id not in webhook.exception_subaccounts
    return event.subaccount_id == webhook.subaccount_id


def stretches(webhooks: Iterable[Webhook], events: Sequence[Logged]) -> list[Stretch]:
    """Return what each webhook is owed of these events, which come in the order of their shards.

    It is owed nothing from before it was made.
    """
    owed: dict[tuple[UUID, int], Stretch] = {}
    by_account: dict[int, list[Webhook]] = {}
    for webhook in webhooks:
        by_account.setdefault(webhook.account_id, []).append(webhook)
    for event in events:
        for webhook in by_account.get(event.account_id, ()):
            if not wants(webhook, event) or (webhook.created_at is not None and event.at < webhook.created_at):
                continue
            key = (webhook.webhook_id, event.shard)
            so_far = owed.get(key)
            if so_far is None:
                owed[key] = Stretch(*key[:1], webhook.account_id, event.shard, event.day, event.day, event.seq, event.seq, 1)
            else:
                owed[key] = so_far._replace(last_day=event.day, last_seq=event.seq, events=so_far.events + 1)
    return list(owed.values())
