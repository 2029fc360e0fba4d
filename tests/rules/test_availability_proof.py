"""What proves the ledger: trees, chains, leaves, amendments, and what was seen from outside."""

import hashlib
import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from homing.availability.rules import leaf, merkle, outside
from homing.availability.rules.judging import judge, with_unknown
from homing.availability.rules.outside import FIRST, Attested, Saw, Unusable
from homing.availability.types import Doors, Seen
from homing.evidence.rules.seconds import of, span

DAY = date(2026, 3, 1)
NAMES = [b"acct-a", b"acct-b", b"acct-c"]
LEAVES = [merkle.leaf_hash(name) for name in NAMES]
ROOT = "cdcbf6d303119e486e7abb4abf2e9f7ab70b9f349b4221a8addc284caead9e6f"

# trees and chains (vectors of the model, section 5.8) -----------------------------------------------------------------


def test_the_published_leaves():
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert [one.hex() for one in LEAVES] == [
        "5426b0302d7128b6f0f1eee4f6054dafb8bce5da4d3837dc0e6bf4eb72ecb0f5",
        "1ae047e708ae2fcb385dfdd2382736c100c69ee1cebc11036ac6c3c6799e8eed",
        "172051f77b4b3d43e3d8e99f562768f105bce2c8f4a4cf8430550b1ff0f178c6",
    ]


def test_the_published_root_proof_and_chain():
    assert merkle.root(LEAVES).hex() == ROOT
    assert merkle.proof(LEAVES, 1) == [LEAVES[0], LEAVES[2]]
    first = merkle.chained(merkle.GENESIS, "2026-03-01", merkle.root(LEAVES))
    assert first.hex() == "8b29389d73783d0fb75b0d53c9a572dc19bccb0f5f8c93c4c5d22051ab792f9b"
    second = merkle.chained(first, "2026-03-02", merkle.root(LEAVES[:2]))
    assert second.hex() == "8a76ee108fcc2b4e6b28bcd9105a691099490e098c49c958319957eaf270b099"


def test_a_day_without_leaves_has_the_root_of_nothing():
    assert merkle.root([]) == hashlib.sha256(b"").digest()


@given(st.integers(1, 70), st.data())
def test_every_leaf_leads_to_the_root_and_no_other_does(size: int, data: st.DataObject):
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.proof(leaves, index)
    assert merkle.proofs(leaves)[index] == proof
    root = merkle.root(leaves)
    assert merkle.root_of(leaves[index], index=index, size=size, proof=proof) == root
    assert merkle.root_of(merkle.leaf_hash(b"other"), index=index, size=size, proof=proof) != root
    wrong = data.draw(st.integers(0, size - 1).filter(lambda other: other != index)) if size > 1 else None
    if wrong is not None:
        with suppress(ValueError):
            assert merkle.root_of(leaves[index], index=wrong, size=size, proof=proof) != root


def test_proofs_of_another_length_are_refused():
    for proof in ([], [LEAVES[0]], [LEAVES[0], LEAVES[2], LEAVES[2]]):
        with pytest.raises(ValueError, match="proof"):
            merkle.root_of(LEAVES[1], index=1, size=3, proof=proof)
    with pytest.raises(ValueError, match="no such leaf"):
        merkle.root_of(LEAVES[1], index=3, size=3, proof=[])


# leaves -------------------------------------------------------------------------------------------------------------------

SEEN = Seen(Doors(0b1110, 0b1), Doors(0b0110, 0b1), Doors(0b10000, 0b110000))


def made(seen: Seen = SEEN, **more) -> bytes:
    base = {"account": "ab" * 16, "day": DAY, "classifier": 1, "nodes": ["b", "a"], "sources": bytes(32)}
    return leaf.make(seen, **(base | more))


def test_a_leaf_is_canonical_json_and_comes_back():
    entry = made()
    assert entry == json.dumps(json.loads(entry), sort_keys=True, separators=(",", ":")).encode()
    found, seen = leaf.read(entry)
    assert seen == SEEN
    assert (found.day, found.nodes, found.amends) == ("2026-03-01", ["a", "b"], None)
    assert made() == entry


@pytest.mark.parametrize("wrong", [b"", b"{}", b'{"account":1}', made()[:-5], made().replace(b"Ag", b"!!")])
def test_what_is_no_leaf_is_refused(wrong: bytes):
    if wrong != made():
        with pytest.raises(ValueError):
            leaf.read(wrong)


def test_a_newer_classifier_gives_an_amendment_with_old_and_new_counts():
    before = made()
    after = SEEN._replace(answered=Doors(0b1110, 0b1))
    found = leaf.amendment(before, merkle.leaf_hash(before), after, classifier=2, reason="classifier 2")
    assert found is not None
    assert found.leaf == merkle.leaf_hash(before).hex()
    assert (found.before["unavailable"], found.after["unavailable"]) == (1, 0)
    again, seen = leaf.read(made(after, classifier=2, amends=found))
    assert (again.amends, seen) == (found, after)


def test_nothing_new_amends_nothing():
    before = made()
    assert leaf.amendment(before, merkle.leaf_hash(before), SEEN, classifier=1, reason="late") is None
    assert leaf.amendment(before, merkle.leaf_hash(before), SEEN, classifier=2, reason="late") is not None


# outside --------------------------------------------------------------------------------------------------------------------

KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
SINCE = 1_773_151_200
SAW = Saw(Doors(0b1111, 0b11), Doors(0b0011, 0b01))


def report(saw: Saw = SAW, **more) -> tuple[bytes, str]:
    base = {"since": SINCE, "until": SINCE + 60, "number": 1, "previous": FIRST, "key": KEY}
    return outside.make(saw, **(base | more))


def test_a_report_comes_back_if_its_signature_is_the_witnesss():
    body, signature = report()
    found, saw = outside.read(body, signature)
    assert (found.number, found.until - found.since, saw) == (1, 60, SAW)
    assert found.witness == KEY.public_key().public_bytes_raw().hex()


def test_a_report_that_was_touched_is_refused():
    body, signature = report()
    for wrong in (body.replace(b'"number":1', b'"number":2'), body + b" ", b"{}", b"\xff", b""):
        with pytest.raises(Unusable):
            outside.read(wrong, signature)
    for other in ("", "00", "zz", signature[:-2] + "00", signature.replace("0", "é")):
        with pytest.raises(Unusable):
            outside.read(body, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"until": SINCE},
        {"until": SINCE + 3_601},
        {"number": 0},
        {"previous": "x"},
        {"saw": Saw(Doors(0b1, 0), Doors(0b11, 0))},
        {"saw": Saw(Doors(1 << 61, 0), Doors())},
    ],
)
def test_a_report_says_only_what_can_be(wrong):
    body, signature = report(**wrong)
    with pytest.raises(Unusable):
        outside.read(body, signature)


def test_reports_come_neither_too_early_nor_too_late():
    found, _ = outside.read(*report())
    seen_at = datetime.fromtimestamp(SINCE + 60, UTC)
    outside.check_age(found, now=seen_at)
    outside.check_age(found, now=seen_at + timedelta(days=29))
    with pytest.raises(Unusable, match="not passed"):
        outside.check_age(found, now=seen_at - timedelta(seconds=10))
    with pytest.raises(Unusable, match="30 days"):
        outside.check_age(found, now=seen_at + timedelta(days=31))


def test_a_report_is_cut_to_the_stretch_that_its_reader_looks_at():
    assert outside.moved(SAW, 10, seconds=12) == Saw(Doors(0b11 << 10, 0b11 << 10), Doors(0b11 << 10, 0b1 << 10))
    assert outside.moved(SAW, -2, seconds=10) == Saw(Doors(0b11, 0), Doors(0, 0))


def weighed(*attested: Attested, blind: int = 0, seen: Seen | None = None):
    found, unseen, contested = outside.weighed(seen or Seen(), blind, attested)
    return judge(with_unknown(found, unseen)), contested


def saw(asked: int, answered: int = 0, *, own: bool = False, accepted: bool = False) -> Attested:
    return Attested(Saw(Doors(asked, 0), Doors(answered, 0)), own, accepted, "w")


def test_where_we_were_blind_the_customers_witness_is_the_evidence():
    judged, contested = weighed(saw(span(0, 10), of([0, 1])), blind=span(0, 6))
    assert judged.unavailable == span(2, 6)
    assert judged.unknown == 0
    assert contested.api == span(6, 10), "where we watched, a person decides"


def test_without_a_witness_blind_seconds_stay_unknown():
    judged, _ = weighed(blind=span(0, 6))
    assert (judged.unknown, judged.unavailable) == (span(0, 6), 0)


def test_a_person_may_accept_what_the_customer_saw_where_we_watched():
    judged, contested = weighed(saw(span(0, 10), accepted=True))
    assert judged.unavailable == span(0, 10)
    assert contested.api == 0


def test_what_we_saw_fail_ourselves_needs_no_decision():
    _, contested = weighed(saw(span(0, 3)), seen=Seen(Doors(0b101, 0), Doors(0b100, 0)))
    assert contested.api == 0b110


def test_our_own_witness_makes_no_attempts_but_unknown_where_nobody_was_seen():
    judged, contested = weighed(saw(span(0, 10), of(range(5)), own=True), seen=Seen(Doors(1 << 7, 0), Doors(1 << 7, 0)))
    assert judged.unavailable == 0
    assert judged.unknown == span(5, 10) & ~(1 << 7)
    assert judged.attempted == 1 << 7
    assert contested.api == 0


def test_one_of_our_witnesses_that_was_answered_speaks_for_the_door():
    judged, _ = weighed(saw(0b111, own=True), saw(0b111, 0b010, own=True))
    assert judged.unknown == 0b101


def test_our_own_witness_clears_nothing():
    judged, _ = weighed(saw(0b111, 0b111, own=True), blind=0b111)
    assert judged.unknown == 0b111
