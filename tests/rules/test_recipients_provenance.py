"""What put an address on the suppression list can be read again, and every writer says it."""

from uuid import UUID

import msgspec
import pytest

from homing.cli.suppressions import told
from homing.events.types import EventType
from homing.recipients.rules.provenance import Provenance, of_event, of_import, of_key, of_privacy, read
from homing.recipients.types import SuppressionRow

MESSAGE = bytes(range(10))
IMPORT = UUID("5f0c9b1e-0000-4000-8000-000000000001")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (of_event(EventType.BOUNCE, MESSAGE), Provenance("event", "bounce", MESSAGE.hex())),
        (of_event(EventType.LINK_UNSUBSCRIBE, MESSAGE), Provenance("event", "link_unsubscribe", MESSAGE.hex())),
        (of_event(EventType.SPAM_COMPLAINT, None), Provenance("event", "spam_complaint", "")),
        (of_key(12), Provenance("api", "", "12")),
        (of_key(0), Provenance("api", "", "")),
        (of_import(IMPORT), Provenance("import", "", str(IMPORT))),
        (of_privacy(7), Provenance("privacy", "", "7")),
        (MESSAGE.hex(), Provenance("event", "", MESSAGE.hex())),
        (None, Provenance("unknown", "", "")),
        ("moon", Provenance("unknown", "", "moon")),
    ],
)
def test_a_provenance_says_what_it_was_made_of(text, meaning):
    assert read(text) == meaning


def test_a_row_cannot_be_made_without_its_provenance():
    with pytest.raises(TypeError):
        SuppressionRow(account_id=1, recipient="kim@there.test", type="transactional", source="Manually Added")
    assert "provenance" in msgspec.structs.asdict(
        SuppressionRow(account_id=1, recipient="k@x.test", type="transactional", source="s", provenance="api")
    )


def test_a_person_is_told_the_command_that_tells_more():
    assert told(of_event(EventType.BOUNCE, MESSAGE)) == f"bounce of a message; homing trace {MESSAGE.hex()}"
    assert told(of_key(12)) == "the API, key 12"
    assert told(None) == "unknown"
