"""The legacy search: today's search under older names, with pages that have numbers and scalars that are text."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.events.rules.legacy import LegacyAsked, as_text, links, read_legacy
from homing.events.rules.search import After, BadQuery

NOW = datetime(2026, 5, 5, 17, tzinfo=UTC)
ZONE = ZoneInfo("UTC")


def read(zone: str = "UTC", subaccount_id: int | None = None, **query: str) -> LegacyAsked | BadQuery:
    given = {name.rstrip("_"): [value] for name, value in query.items()}
    return read_legacy(given, account_id=1, subaccount_id=subaccount_id, zone=ZoneInfo(zone), now=NOW)


def asked(**query: str) -> LegacyAsked:
    found = read(**query)
    assert isinstance(found, LegacyAsked), found
    return found


def test_an_empty_query_asks_for_the_last_hour():
    found = asked()
    assert (found.asked.search.since, found.asked.search.until) == (NOW - timedelta(hours=1), NOW)
    assert (found.asked.per_page, found.page, found.offset) == (1000, 1, 0)


def test_times_are_in_the_time_zone_that_is_asked_for():
    found = asked(zone="America/New_York", from_="2026-05-05T08:00", to="2026-05-05T12:30").asked.search
    assert (found.since, found.until) == (datetime(2026, 5, 5, 12, tzinfo=UTC), datetime(2026, 5, 5, 16, 30, tzinfo=UTC))


def test_a_time_that_names_its_own_zone_keeps_it():
    assert asked(zone="Asia/Tokyo", from_="2026-05-05T10:00:00 02:00").asked.search.since == datetime(2026, 5, 5, 8, tzinfo=UTC)


def test_older_names_mean_what_the_newer_ones_mean():
    found = asked(
        campaign_ids="spring", template_ids="welcome", friendly_froms="News@acme.test", bounce_classes="10", ab_test_ids="pay"
    ).asked.search
    assert (found.campaigns, found.templates, found.ab_tests) == (["% spring %"], ["% welcome %"], ["% pay %"])
    assert (found.from_addresses, found.bounce_classes) == (["news@acme.test"], ["10"])


def test_newer_names_are_not_known_here():
    assert asked(campaigns="spring", messages="x").asked.search.campaigns is None


def test_a_pattern_keeps_its_wildcards_and_loses_its_escapes():
    assert asked(reason="%no such_user\\").asked.search.reason_like == "%no such_user\\\\"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"from_": "yesterday"}, "from must be a time"),
        ({"to": "2026-13-05T00:00"}, "to must be a time"),
        ({"to": "0001-01-01T00:00"}, "to is too early"),
        ({"from_": "2026-05-05T00:00", "to": "2026-05-04T00:00"}, "from must not be later"),
        ({"page": "0"}, "page must be"),
        ({"page": "-1"}, "page must be"),
        ({"page": "١"}, "page must be"),
        ({"page": "11"}, "cursor=initial"),
        ({"per_page": "10001"}, "per_page"),
        ({"reason": "a\0"}, "NUL"),
        ({"reason": "x" * 257}, "256"),
        ({"events": "explosion"}, "not an event type"),
        ({"cursor": "rubbish"}, "cursor"),
    ],
)
def test_what_cannot_be_used_is_named(query, words):
    found = read(**query)
    assert isinstance(found, BadQuery)
    assert words in found.text


def test_links_name_the_pages_around_and_fix_the_span():
    query = {"page": ["2"], "per_page": ["10"], "events": ["bounce"], "timezone": ["Asia/Tokyo"], "from": ["2026-05-05T09:00"]}
    found = read_legacy(query, account_id=1, subaccount_id=None, zone=ZoneInfo("Asia/Tokyo"), now=NOW)
    assert isinstance(found, LegacyAsked)
    made = {link["rel"]: link["href"] for link in links(query, found, total=35, last=None)}
    assert list(made) == ["next", "previous", "first", "last"]
    told = {rel: parse_qs(urlsplit(href).query) for rel, href in made.items()}
    assert {rel: one["page"] for rel, one in told.items()} == {"next": ["3"], "previous": ["1"], "first": ["1"], "last": ["4"]}
    assert told["next"]["events"] == ["bounce"]
    assert told["next"]["timezone"] == ["UTC"]
    following = read_legacy(told["next"], account_id=1, subaccount_id=None, zone=ZONE, now=NOW + timedelta(hours=1))
    assert isinstance(following, LegacyAsked)
    assert following.asked.search == found.asked.search
    assert following.offset == 20


def test_a_single_page_has_no_links_and_pages_end_at_ten_thousand_events():
    assert links({}, asked(), total=1000, last=None) == []
    made = {link["rel"]: link["href"] for link in links({}, asked(), total=50_000, last=None)}
    assert "page=10&" in made["last"]


def test_a_cursor_leads_on_and_back_to_the_beginning():
    query = {"cursor": ["initial"]}
    found = asked(cursor="initial")
    made = links(query, found, total=5, last=After(NOW, 3, 7))
    assert [link["rel"] for link in made] == ["next", "first"]
    again = read_legacy(parse_qs(urlsplit(made[0]["href"]).query), account_id=1, subaccount_id=None, zone=ZONE, now=NOW)
    assert isinstance(again, LegacyAsked)
    assert (again.page, again.asked.after, again.asked.total) == (None, After(NOW, 3, 7), 5)
    assert [link["rel"] for link in links(query, again, total=5, last=None)] == ["first"]


def test_every_scalar_is_text_and_lists_of_metadata_are_maps():
    fields = {
        "customer_id": 7,
        "outbound_tls": 1,
        "open_tracking": True,
        "amp_enabled": False,
        "timestamp": "2026-05-05T16:53:20.000+00:00",
        "geo_ip": {"latitude": 59.9, "zip": 150},
        "rcpt_tags": ["vip"],
        "rcpt_meta": {"a": ["x", {"y": [1]}], "n": 12, "t": True, "none": None, "f": 0.5},
    }
    assert as_text(fields) == {
        "customer_id": "7",
        "outbound_tls": "1",
        "open_tracking": "1",
        "amp_enabled": "0",
        "timestamp": "2026-05-05T16:53:20.000+00:00",
        "tdate": "2026-05-05T16:53:20.000Z",
        "geo_ip": {"latitude": "59.9", "zip": "150"},
        "rcpt_tags": ["vip"],
        "rcpt_meta": {"a": {"0": "x", "1": {"y": {"0": "1"}}}, "n": "12", "t": "true", "none": "", "f": "0.5"},
    }


@given(st.dictionaries(st.sampled_from(["from", "to", "page", "per_page", "reason", "cursor", "events", "delimiter"]), st.text()))
def test_no_query_makes_it_fail(query):
    lists = {name: [value] for name, value in query.items()}
    found = read_legacy(lists, account_id=1, subaccount_id=None, zone=ZONE, now=NOW)
    assert isinstance(found, LegacyAsked | BadQuery)
