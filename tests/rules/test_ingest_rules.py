"""Batches of events from elsewhere: cut into shares while they are unpacked, read line by line."""

import contextlib
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.events.rules.fields import CLASS_OF
from homing.events.rules.wire import shown
from homing.events.types import INGEST_TYPES, EventType, Logged
from homing.ground import ids
from homing.ingest.rules.cutting import MOST_LINE, SHARE_BYTES, SHARE_LINES, BadBatch, cut, pack, unpack
from homing.ingest.rules.reading import ingest_documentation, ingest_samples, read_line
from homing.ingest.types import Faulty, Taken
from homing.metrics.rules.counting import tally

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["is_prefetched", "a"]), inner),
    max_leaves=4,
)
NOW = datetime(2026, 5, 5, 17, tzinfo=UTC)
AT = int((NOW - timedelta(hours=1)).timestamp())


def line(group: str = "message_event", **fields: Any) -> bytes:
    event = {
        "type": "delivery",
        "event_id": "e1",
        "message_id": "00000bb3545c0100a205",
        "timestamp": str(AT),
        "delv_method": "esmtp",
        "rcpt_to": "Kim@there.test",
    } | fields
    return json.dumps({"msys": {group: {name: value for name, value in event.items() if value is not None}}}).encode()


def read(raw: bytes, *, any_subaccount: bool = False, subaccount_id: int = 0) -> Taken | Faulty:
    known = frozenset({7}) if any_subaccount else None
    return read_line(raw, account_id=1, subaccount_id=subaccount_id, subaccounts=known, received_at=NOW)


def taken(raw: bytes, **more: Any) -> dict[str, Any]:
    """Return an event as the search shows it."""
    found = read(raw, **more)
    assert isinstance(found, Taken), found
    event = found.event
    assert event is not None
    return shown(Logged(shard=1, seq=1, **{name: getattr(event, name) for name in event.__struct_fields__}))


# cutting ---------------------------------------------------------------------------------------------------------------


def test_a_batch_is_cut_at_lines_and_put_together_again():
    raw = b"".join(b'{"n":%d}\n' % number for number in range(2 * SHARE_LINES + 5))
    shares = list(cut(gzip.compress(raw)))
    assert [share.lines for share in shares] == [SHARE_LINES, SHARE_LINES, 5]
    assert b"".join(share.raw for share in shares) == raw
    assert gzip.decompress(b"".join(pack(share.raw) for share in shares)) == raw


def test_large_lines_make_smaller_shares():
    raw = b"".join(b"x" * (SHARE_BYTES // 2) + b"\n" for _ in range(5))
    assert [share.lines for share in cut(gzip.compress(raw))] == [2, 2, 1]


def test_a_last_line_needs_no_end_and_blank_lines_count_for_nothing():
    (share,) = cut(gzip.compress(b"\n{}\n\n  \n{}"))
    assert (share.lines, share.raw) == (2, b"\n{}\n\n  \n{}\n")
    assert list(cut(gzip.compress(b"\n \n"))) == []


def test_several_gzip_members_are_one_batch():
    (share,) = cut(gzip.compress(b"{}\n{") + gzip.compress(b"}\n"))
    assert share.raw == b"{}\n{}\n"


@pytest.mark.parametrize(
    ("body", "words", "too_large"),
    [
        (b"{}\n", "not gzip", False),
        (gzip.compress(b"{}\n", mtime=0)[:-4], "ends before its time", False),
        (gzip.compress(b"{}\n", mtime=0) + b"rubbish", "not gzip", False),
        (gzip.compress(b"x" * (MOST_LINE + 1)), "line 1 has more than", False),
        (gzip.compress(b"{}\n" + b"x" * (MOST_LINE + 1) + b"\n"), "line 2 has more than", False),
        (gzip.compress(b"{}\n" * 100_000), "unpacks to more than", True),
    ],
    ids=range(6),
)
def test_what_is_no_batch_is_refused(body, words, too_large):
    with pytest.raises(BadBatch, match=words) as refusal:
        list(cut(body, most_raw=250_000 if too_large else 10_000_000))
    assert refusal.value.too_large == too_large


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_or_refused(body):
    with contextlib.suppress(BadBatch):
        list(cut(body))
    assert unpack(pack(body)) == body
    assert b"".join(share.raw for share in cut(gzip.compress(body))).strip() in (body.strip(), b"")


# reading ---------------------------------------------------------------------------------------------------------------


def test_a_line_becomes_an_event_with_its_own_ids():
    found = taken(
        line(campaign_id="spring", rcpt_meta={"a": 1}, num_retries=2, binding="192.0.2.7", open_tracking="1", foo="bar")
    )
    assert (found["type"], found["event_id"], found["message_id"]) == ("delivery", "e1", "00000bb3545c0100a205")
    assert (found["rcpt_to"], found["raw_rcpt_to"], found["recipient_domain"]) == (
        "kim@there.test",
        "kim@there.test",
        "there.test",
    )
    assert (found["campaign_id"], found["rcpt_meta"], found["num_retries"]) == ("spring", {"a": 1}, "2")
    assert (found["sending_ip"], found["open_tracking"]) == ("192.0.2.7", True)
    assert found["timestamp"] == "2026-05-05T16:00:00.000+00:00"
    assert "foo" not in found


def test_an_id_from_elsewhere_never_names_a_message_of_ours():
    found = read(line())
    assert isinstance(found, Taken)
    assert found.event is not None
    assert ids.is_foreign(found.event.message_id)
    assert found.event.message_id != ids.from_hex("00000bb3545c0100a205")
    assert found.event.message_id == ids.foreign("00000bb3545c0100a205", of=1) != ids.foreign("00000bb3545c0100a205", of=2)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("reception", "injection"),
        ("inband", "bounce"),
        ("permfail", "bounce"),
        ("tempfail", "delay"),
        ("feedback", "spam_complaint"),
    ],
)
def test_names_of_on_premises_platforms_are_known(name, kind):
    assert taken(line(type=name))["type"] == kind


@pytest.mark.parametrize("kind", [kind for kind in EventType if kind not in INGEST_TYPES])
def test_every_type_can_be_handed_in_as_its_sample_says(kind):
    (sample,) = ingest_samples(frozenset({kind.wire}))
    found = read(line(CLASS_OF[kind], **{**sample, "timestamp": str(AT)}), any_subaccount=True)
    assert isinstance(found, Taken), found
    assert found.event is not None
    assert found.event.type is kind


def test_documentation_marks_what_must_be_there():
    documents = ingest_documentation()
    assert len(documents) == len(EventType) - len(INGEST_TYPES)
    for document in documents:
        required = {name for name, one in document.items() if isinstance(one, dict) and one["required"]}
        assert required == {"event_id", "message_id", "type", "timestamp"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"nonsense", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"msys":"\xff"}', "no JSON object"),
        (b"[" * 5000, "no JSON object"),
        (b"{}", "with one class"),
        (b'{"msys":{}}', "with one class"),
        (b'{"msys":{"message_event":{},"track_event":{}}}', "with one class"),
        (b'{"msys":{"ingest_event":{}}}', "no class of events"),
        (b'{"msys":{"message_event":[]}}', "no class of events"),
        (line(event_id=None), "event_id is missing"),
        (line(message_id=""), "message_id is missing"),
        (line(type=None), "type is missing"),
        (line(timestamp=None), "timestamp is missing"),
        (line(delv_method=None), "recv_method or delv_method is missing"),
        (line(event_id="x" * 129), "at most 128"),
        (line(event_id="a\nb"), "printable"),
        (line(timestamp="yesterday"), "Unix seconds"),
        (line(timestamp=str(AT - 86_400)), "older than 24 hours"),
        (line(timestamp=str(AT + 3 * 3600)), "in the future"),
        (line(type="explosion"), "'explosion' is no type of message_event"),
        (line("track_event"), "'delivery' is no type of track_event"),
        (line(rcpt_meta={"a": "x" * 70_000}), "more than 65536 bytes"),
        (line(rcpt_meta=json.loads('{"a":' * 40 + "1" + "}" * 40)), "nested deeper"),
    ],
)
def test_what_cannot_be_taken_is_told_why(raw, words):
    found = read(raw)
    assert isinstance(found, Faulty)
    assert words in found.why


def test_adaptive_events_are_taken_and_not_kept():
    assert read(line("adaptive_event", type="suspension")) == Taken("e1", None)


def test_a_line_may_name_a_subaccount_only_where_the_key_sees_them_all():
    assert taken(line(subaccount_id="7"), any_subaccount=True)["subaccount_id"] == 7
    assert taken(line(subaccount_id="7"), subaccount_id=3)["subaccount_id"] == 3
    assert isinstance(read(line(subaccount_id="-7"), any_subaccount=True), Faulty)
    assert read(line(subaccount_id="8"), any_subaccount=True) == Faulty("this account has no subaccount 8")
    assert isinstance(read(line(subaccount_id="0"), any_subaccount=True), Taken)


def test_numbers_that_are_none_are_left_out_because_reports_add_them_up():
    bad = taken(line(type="bounce", msg_size="9" * 11, num_retries="two", queue_time=-1, bounce_class="1000"))
    assert not {"msg_size", "num_retries", "queue_time", "bounce_class"} & set(bad)
    good = taken(line(type="bounce", msg_size=2048, num_retries="2", bounce_class=10))
    assert (good["msg_size"], good["num_retries"], good["bounce_class"]) == ("2048", "2", "10")


def test_an_agent_has_the_types_that_reports_read():
    agent = {"is_prefetched": "banana", "is_mobile": True, "os_family": 7, "other": {}}
    assert taken(line("track_event", type="open", user_agent_parsed=agent))["user_agent_parsed"] == {
        "is_mobile": True,
        "os_family": "7",
    }


@given(
    st.dictionaries(
        st.sampled_from(["msg_size", "queue_time", "num_retries", "bounce_class", "reason", "user_agent_parsed"]), _JSON
    )
)
def test_reports_can_count_whatever_is_handed_in(fields):
    for kind in (EventType.BOUNCE, EventType.OPEN, EventType.CLICK, EventType.DELIVERY, EventType.DELAY):
        found = read(line(CLASS_OF[kind], **{"type": kind.wire, **fields, "mailbox_provider": "Gmail"}))
        assert isinstance(found, Taken)
        assert found.event is not None
        event = Logged(shard=1, seq=1, **{name: getattr(found.event, name) for name in found.event.__struct_fields__})
        counted = tally([event], seen={}, category=lambda number: "Hard")
        assert counted.counts
        assert counted.providers == {}
        assert all(0 <= row.classification < 1 << 15 for row in counted.texts)


def test_nul_is_left_out():
    found = read(line(subject="a\0b", rcpt_meta={"k\0": ["v\0"]}, rcpt_to="k\0im@there.test"))
    assert isinstance(found, Taken)
    assert found.event is not None
    assert b"\\u0000" not in found.event.detail
    assert found.event.recipient == "kim@there.test"


@given(
    st.dictionaries(st.sampled_from(["type", "timestamp", "event_id", "rcpt_to", "rcpt_tags", "geo_ip", "subaccount_id"]), _JSON)
)
def test_no_line_makes_it_fail(fields):
    try:
        raw = line(**fields)
    except UnicodeEncodeError:
        return
    assert isinstance(read(raw, any_subaccount=True), Taken | Faulty)
