"""Which fields a message gets from us so that it can be recognised and unsubscribed from."""

from datetime import UTC, datetime
from typing import Any

import pytest

from homing.message.tracked import Seal
from homing.spool.marks import Marking
from homing.spool.types import ChunkFacts

MARKING = Marking(
    seal=Seal(b"s" * 32),
    base="https://click.acme.test",
    mail_domain="bounce.acme.test",
    unsubscribe_token=lambda message_id: b"t" * 16,
)


def names(*, brings: str = "", **facts: Any) -> list[str]:
    given = ChunkFacts(
        account_id=1,
        transmission_id=b"T" * 10,
        accepted_at=datetime(2026, 5, 1, tzinfo=UTC),
        recv_method="rest",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
        **facts,
    )
    fields = MARKING.fields(
        given, message_id=b"M" * 10, recipient="kim@there.test", packed=b"", brings=lambda name: name == brings
    )
    return [name for name, _ in fields]


LIST_FIELDS = ["List-Unsubscribe", "List-Unsubscribe-Post", "List-Id"]


@pytest.mark.parametrize(
    ("facts", "fields"),
    [
        ({}, LIST_FIELDS),
        ({"transactional": True}, []),
        ({"transactional": True, "transactional_unsub": True}, LIST_FIELDS),
        ({"transactional_unsub": True}, LIST_FIELDS),
        ({"transactional": True, "transactional_unsub": True, "brings": "list-unsubscribe"}, []),
    ],
)
def test_transactional_mail_can_be_unsubscribed_from_only_where_the_account_wants_it(facts, fields):
    assert names(**facts) == fields
