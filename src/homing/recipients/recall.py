"""What is still known of a message that the log has forgotten: what the message itself carried, read as if the log had it.

Who asked to be forgotten stays it: his mail carries his address still, so a marker takes its place here too.
"""

from collections.abc import Callable, Mapping
from datetime import date

import msgspec

from homing.events.detail import iso
from homing.events.rules.erasure import marker
from homing.events.types import EventType, Logged
from homing.ground.db import Executor
from homing.ground.ids import moment_of, shard_of
from homing.message.addresses import BadAddress, parse_address
from homing.message.keepsake import Keepsake
from homing.recipients.store import canonical, forgotten_at

Token = Callable[[bytes], bytes]


class Recall:
    """Makes the first event of a message out of its keepsake. token: as the clerk of privacy makes markers with."""

    def __init__(self, token: Token) -> None:
        self._token = token

    async def injections(self, executor: Executor, keepsakes: Mapping[bytes, Keepsake]) -> dict[bytes, Logged]:
        """Return the injection of each message, as far as its keepsake tells of it. raises Temporary"""
        if not keepsakes:
            return {}
        markers = {
            message_id: marker(one.account_id, canonical(one.recipient), self._token) for message_id, one in keepsakes.items()
        }
        forgotten = await forgotten_at(
            executor, [(one.account_id, one.subaccount_id, markers[message_id]) for message_id, one in keepsakes.items()]
        )
        found: dict[bytes, Logged] = {}
        for (message_id, one), at in zip(keepsakes.items(), forgotten, strict=True):
            is_forgotten = at is not None and moment_of(message_id) <= at
            found[message_id] = _injection(message_id, one, markers[message_id] if is_forgotten else "")
        return found


def _injection(message_id: bytes, keepsake: Keepsake, forgotten_as: str) -> Logged:
    at = moment_of(message_id)
    # `recalled` is for us alone: nothing is to be concluded from what is missing (events.rules.wire).
    detail: dict[str, object] = {"recalled": True, "injection_time": iso(at)}
    if keepsake.transactional:
        detail["transactional"] = "1"
    if keepsake.list_id:
        detail["list_id"] = keepsake.list_id
    recipient = keepsake.recipient.lower()
    if recipient != keepsake.recipient and not forgotten_as:
        detail["raw_rcpt_to"] = keepsake.recipient
    return Logged(
        shard=shard_of(message_id),
        seq=0,
        type=EventType.INJECTION,
        at=at,
        account_id=keepsake.account_id,
        subaccount_id=keepsake.subaccount_id,
        message_id=message_id,
        transmission_id=keepsake.transmission_id or None,
        recipient=forgotten_as or recipient,
        recipient_domain=_domain(recipient),
        campaign_id=keepsake.campaign_id,
        detail=msgspec.json.encode(detail),
        day=date.min,
    )


def _domain(recipient: str) -> str:
    try:
        return parse_address(recipient).domain
    except BadAddress:
        return recipient.rpartition("@")[2]
