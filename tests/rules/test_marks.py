"""Which fields a message gets from us so that it can be recognised and unsubscribed from."""

from datetime import UTC, datetime
from typing import Any

import pytest

from homing.message import msfbl
from homing.message.headers import write_header
from homing.message.keepsake import Box, Keepsake
from homing.message.tracked import Seal
from homing.spool.marks import Marking, packed_of
from homing.spool.types import ChunkFacts

MARKING = Marking(
    seal=Seal(b"s" * 32),
    base="https://click.acme.test",
    mail_domain="bounce.acme.test",
    unsubscribe_token=lambda message_id: b"t" * 16,
    msfbl_token=lambda body: b"m" * 16,
    keepsakes=Box(b"s" * 32),
)


def fields(recipient: str = "kim@there.test", *, brings: str = "", base: str = "", **facts: Any) -> dict[str, str]:
    given = ChunkFacts(
        account_id=1,
        transmission_id=b"T" * 10,
        accepted_at=datetime(2026, 5, 1, tzinfo=UTC),
        recv_method="rest",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
        **facts,
    )
    packed = packed_of(given, recipient)
    return dict(
        MARKING.fields(
            given, message_id=b"M" * 10, recipient=recipient, packed=packed, brings=lambda name: name == brings, base=base
        )
    )


EACH = ["X-MSFBL"]
LIST_FIELDS = ["List-Unsubscribe", "List-Unsubscribe-Post", "List-Id"]


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        ({}, LIST_FIELDS),
        ({"transactional": True}, []),
        ({"transactional": True, "transactional_unsub": True}, LIST_FIELDS),
        ({"transactional_unsub": True}, LIST_FIELDS),
        ({"transactional": True, "transactional_unsub": True, "brings": "list-unsubscribe"}, []),
    ],
)
def test_transactional_mail_can_be_unsubscribed_from_only_where_the_account_wants_it(facts, names):
    assert list(fields(**facts)) == names + EACH


def test_every_way_back_carries_a_keepsake_of_the_message():
    made = fields("Kim@there.test", subaccount_id=12, campaign_id="spring")
    kept = Keepsake(1, "Kim@there.test", 12, False, "spring", b"T" * 10)
    mail, page = made["List-Unsubscribe"].split(", ")
    assert MARKING.keepsakes.read(mail) == {b"M" * 10: kept}
    assert MARKING.seal.read(page.strip("<>").removeprefix("https://click.acme.test")).keepsake == kept
    feedback = msfbl.parse(made["X-MSFBL"], MARKING.msfbl_token)
    assert MARKING.keepsakes.read(feedback.k) == {b"M" * 10: kept}
    assert "there.test" not in made["List-Unsubscribe"]
    assert "spring" not in "".join(made.values())


@pytest.mark.parametrize("campaign", ["", "c" * 64, "ü" * 64, "c" * 1_000])
def test_however_long_an_address_is_its_fields_can_be_written(campaign):
    recipient = f"{'ü' * 32}@{'d' * 60}.{'d' * 60}.{'d' * 63}.test"
    made = fields(recipient, campaign_id=campaign, base=f"https://{'h' * 60}.{'h' * 60}.{'h' * 60}.{'h' * 60}.test:65000")
    for name, value in made.items():
        lines = write_header(name, value).split(b"\r\n")
        assert max(map(len, lines)) <= 998
        assert b"=?" not in b"".join(lines)
    feedback = msfbl.parse(made["X-MSFBL"], MARKING.msfbl_token)
    (kept,) = MARKING.keepsakes.read(feedback.k).values()
    assert (kept.recipient, kept.campaign_id) == (recipient, campaign if len(campaign) < 100 else "")
