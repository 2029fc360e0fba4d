"""From a query string to a search."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.events.rules.fields import FIELDS, FIELDS_OF, MEANING, documentation, samples
from homing.events.rules.search import After, Asked, BadQuery, event_id, next_link, read_query
from homing.events.rules.wire import shown
from homing.events.types import INGEST_TYPES, EventType, Logged
from homing.ground import ids

NOW = datetime(2026, 5, 5, 17, tzinfo=UTC)


def asked(subaccount_id: int | None = None, **query: str) -> Asked:
    found = read_query(
        {name.rstrip("_"): [value] for name, value in query.items()}, account_id=1, subaccount_id=subaccount_id, now=NOW
    )
    assert isinstance(found, Asked), found
    return found


def test_an_empty_query_asks_for_the_last_day_up_to_a_minute_ago():
    found = asked()
    assert (found.search.since, found.search.until) == (NOW - timedelta(hours=24), NOW - timedelta(minutes=1))
    assert (found.per_page, found.after) == (1000, None)
    assert found.search.types == [int(kind) for kind in EventType if kind not in INGEST_TYPES]
    assert asked(campaigns="spring").search.types is None
    assert found.search.first_day == date(2026, 5, 3)


def test_an_early_to_moves_the_default_from():
    assert asked(to="2026-05-01T00:00:00Z").search.since == datetime(2026, 4, 30, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-05T10:00:00Z",
        "2026-05-05T10:00",
        "2026-05-05 10:00:00",
        "2026-05-05T12:00:00+02:00",
        "2026-05-05T12:00:00 02:00",
        "2026-05-05T08:00:00-0200",
        "2026-05-05T10:00:00.000Z",
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text):
    assert asked(from_=text).search.since == datetime(2026, 5, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "text", "pattern"),
    [
        ("campaigns", "Black-Friday_2026", ["% black friday 2026 %"]),
        ("campaigns", "100%\\", ["% 100\\%\\\\ %"]),
        ("reasons", "5.4.7,Campaign cancelled", ["% 5.4.7 %", "% campaign cancelled %"]),
        ("recipient_domains", "example.com", ["% example com %"]),
        ("campaigns", "--", []),
    ],
)
def test_keywords_become_patterns_over_segments(name, text, pattern):
    assert getattr(asked(**{name: text}).search, name) == pattern


def test_a_subaccount_can_ask_for_itself_only():
    assert asked(7).search.subaccounts == [7]
    assert asked(7, subaccounts="7,8").search.subaccounts == [7]
    assert asked(7, subaccounts="8").search.subaccounts == []
    assert asked(None, subaccounts="0,8").search.subaccounts == [0, 8]


def test_ids_that_cannot_be_match_nothing():
    found = asked(messages="xyz", transmissions="-1", event_ids="nope").search
    assert (found.messages, found.transmissions, found.seqs) == ([ids.foreign("xyz", of=1)], [], [])


def test_a_link_to_the_next_page_carries_everything_and_fixes_the_time():
    query = {"campaigns": ["a,b"], "subjects": ["x & y"], "per_page": ["5"], "cursor": ["initial"]}
    first = read_query(query, account_id=1, subaccount_id=None, now=NOW)
    assert isinstance(first, Asked)
    last = After(NOW - timedelta(hours=2, microseconds=1), 63, (7 << 40) + 5)
    link = next_link(query, first, last=last, total=1234)
    assert link.startswith("/api/v1/events/message?campaigns=a,b&")
    later = read_query(parse_qs(link.partition("?")[2]), account_id=1, subaccount_id=None, now=NOW + timedelta(hours=5))
    assert isinstance(later, Asked)
    assert (later.search, later.after, later.total, later.per_page) == (first.search, last, 1234, 5)


KEYS = st.sampled_from(["from", "to", "cursor", "per_page", "events", "event_ids", "subaccounts", "templates"])


@given(st.dictionaries(KEYS, st.lists(st.text(max_size=12), max_size=2)))
def test_any_query_is_answered(query):
    assert isinstance(read_query(query, account_id=1, subaccount_id=None, now=NOW), Asked | BadQuery)


def test_event_ids_are_digits_that_hold_shard_and_seq():
    text = event_id(63, (5 << 40) + 9)
    search = asked(event_ids=text).search
    assert (search.shards, search.seqs) == ([63], [(5 << 40) + 9])


def test_every_field_of_every_type_is_explained():
    for names in FIELDS_OF.values():
        assert set(names) <= set(FIELDS)
        assert len(set(names)) == len(names)
    assert set(MEANING) == set(FIELDS_OF)
    assert len(documentation(FIELDS_OF)) == len(FIELDS_OF)
    assert len(documentation()) == len(samples(None)) == len(FIELDS_OF) - len(INGEST_TYPES)


def test_what_is_ours_alone_is_not_shown():
    event = Logged(
        shard=1,
        seq=2,
        type=EventType.GENERATION_FAILURE,
        at=NOW,
        account_id=1,
        subaccount_id=0,
        message_id=b"m" * 10,
        transmission_id=None,
        recipient="kim@there.test",
        recipient_domain="there.test",
        campaign_id="",
        detail=b'{"reply":"250 ok","subclass":"x","subject":"s","rcpt_subs":{"a":1}}',
    )
    found = shown(event)
    assert not {"reply", "subclass", "subject", "message_id", "subaccount_id", "campaign_id"} & set(found)
    assert found["rcpt_subs"] == {"a": 1}
    assert set(found) <= set(FIELDS_OF[EventType.GENERATION_FAILURE])
