"""What events add up to, how windows are rounded, and what a question may ask."""

import itertools
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.events.rules.classify import Classifier
from homing.events.types import EventType, Logged
from homing.metrics.rules.asked import ALL, QUERY_FILTERS_SCHEMA, BadQuestion, Question, families_of, read
from homing.metrics.rules.counting import COUNTED, engaged, said, set_id, tally
from homing.metrics.rules.names import METRICS, columns_of, figures
from homing.metrics.rules.windows import PRECISIONS, BadWindow, Window, buckets, coarse, pieces, window
from homing.metrics.types import COUNTED_BY, COUNTERS, SAID_BY, Grain, Kind, Scope, Set, Tally

NOW = datetime(2026, 5, 5, 12, 34, 56, tzinfo=UTC)
CLASSES = Classifier.from_package().classes


def event(
    kind: EventType, *, message: bytes = b"m" * 10, domain: str = "there.test", at: datetime = NOW, **detail: Any
) -> Logged:
    return Logged(
        shard=3,
        seq=1,
        type=kind,
        at=at,
        account_id=1,
        subaccount_id=0,
        message_id=message,
        transmission_id=None,
        recipient="kim@" + domain,
        recipient_domain=domain,
        campaign_id=detail.pop("campaign", "spring"),
        detail=json.dumps({"ip_pool": "default", "sending_domain": "acme.test", **detail}).encode(),
        day=date(2026, 5, 5),
    )


def add_up(*events: Logged, seen: dict[bytes, int] | None = None) -> Tally:
    return tally(events, seen=seen or {}, category=lambda number: CLASSES[number].category)


def counted(result: Tally, scope: Scope = Scope.NO_DOMAIN, grain: Grain = Grain.DAY) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in result.counts:
        if row.scope is scope and row.grain is grain:
            for place, number in row.numbers.items():
                sums[COUNTERS[place]] = sums.get(COUNTERS[place], 0) + number
    return {name: number for name, number in sums.items() if number}


PREFETCHED = {"user_agent_parsed": {"is_prefetched": True, "agent_family": "x"}}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (event(EventType.INJECTION), {"injected": 1}),
        (
            event(EventType.DELIVERY, msg_size="2048", num_retries="0", queue_time="700"),
            {"delivered": 1, "delivered_first": 1, "msg_volume": 2048, "delivery_time_first": 700},
        ),
        (
            event(EventType.DELIVERY, msg_size="10", num_retries="1", queue_time="9000"),
            {"delivered": 1, "delivered_second": 1, "msg_volume": 10, "delivery_time_subsequent": 9000},
        ),
        (
            event(EventType.DELIVERY, msg_size="10", num_retries="4", queue_time="9"),
            {"delivered": 1, "msg_volume": 10, "delivery_time_subsequent": 9},
        ),
        (event(EventType.BOUNCE, bounce_class="10"), {"inband_bounce": 1, "hard_bounce": 1}),
        (event(EventType.BOUNCE, bounce_class="22"), {"inband_bounce": 1, "soft_bounce": 1}),
        (event(EventType.BOUNCE, bounce_class="51"), {"inband_bounce": 1, "block_bounce": 1}),
        (event(EventType.BOUNCE, bounce_class="1"), {"inband_bounce": 1, "undetermined_bounce": 1}),
        (event(EventType.BOUNCE, bounce_class="25"), {"admin_bounce": 1}),
        (event(EventType.OUT_OF_BAND, bounce_class="10"), {"outofband_bounce": 1, "hard_bounce": 1}),
        (event(EventType.DELAY, num_retries="0"), {"delayed": 1, "delayed_first": 1}),
        (event(EventType.DELAY, num_retries="3"), {"delayed": 1}),
        (event(EventType.SPAM_COMPLAINT), {"spam_complaint": 1}),
        (event(EventType.POLICY_REJECTION), {"policy_rejection": 1}),
        (event(EventType.GENERATION_FAILURE), {"generation_failed": 1}),
        (event(EventType.GENERATION_REJECTION), {"generation_rejection": 1}),
        (event(EventType.LIST_UNSUBSCRIBE), {"unsubscribe": 1}),
        (event(EventType.LINK_UNSUBSCRIBE), {"unsubscribe": 1}),
        (
            event(EventType.OPEN),
            {
                "rendered": 1,
                "unique_rendered": 1,
                "unique_confirmed_opened": 1,
                "nonprefetched_rendered": 1,
                "nonprefetched_unique_rendered": 1,
                "nonprefetched_unique_confirmed_opened": 1,
            },
        ),
        (event(EventType.OPEN, **PREFETCHED), {"rendered": 1, "unique_rendered": 1, "unique_confirmed_opened": 1}),
        (
            event(EventType.AMP_INITIAL_OPEN, **PREFETCHED),
            {"initial_rendered": 1, "unique_initial_rendered": 1, "unique_confirmed_opened": 1},
        ),
        (
            event(EventType.CLICK),
            {
                "clicked": 1,
                "unique_clicked": 1,
                "unique_confirmed_opened": 1,
                "nonprefetched_unique_confirmed_opened": 1,
            },
        ),
        (event(EventType.RELAY_DELIVERY), {}),
    ],
)
def test_each_event_moves_its_counters(one, expected):
    assert counted(add_up(one)) == expected


def test_distinct_messages_count_once_however_often_their_reader_comes_back():
    first = add_up(event(EventType.OPEN), event(EventType.OPEN), event(EventType.CLICK), event(EventType.OPEN, message=b"n" * 10))
    sums = counted(first)
    assert (sums["rendered"], sums["unique_rendered"]) == (3, 2)
    assert (sums["clicked"], sums["unique_clicked"], sums["unique_confirmed_opened"]) == (1, 1, 2)
    later = counted(add_up(event(EventType.OPEN), event(EventType.CLICK), seen=first.seen))
    assert later == {"rendered": 1, "nonprefetched_rendered": 1, "clicked": 1}


def test_a_prefetch_does_not_hide_the_reader_who_comes_later():
    first = add_up(event(EventType.OPEN, **PREFETCHED))
    later = counted(add_up(event(EventType.OPEN), seen=first.seen))
    assert later == {
        "rendered": 1,
        "nonprefetched_rendered": 1,
        "nonprefetched_unique_rendered": 1,
        "nonprefetched_unique_confirmed_opened": 1,
    }


def test_only_messages_with_engagement_are_asked_about():
    assert engaged([event(EventType.DELIVERY, message=b"d" * 10), event(EventType.CLICK), event(EventType.OPEN)]) == [b"m" * 10]


kinds = st.sampled_from(sorted(COUNTED))
domains = st.sampled_from(["a.test", "b.test", "c.test"])
campaigns = st.sampled_from(["", "spring", "autumn"])
moments = st.integers(0, 5 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds))


@given(st.lists(st.tuples(kinds, domains, campaigns, moments, st.integers(0, 3), st.integers(0, 5)), max_size=40))
def test_every_family_adds_up_to_the_same_by_each_of_its_grains(rows):
    events = [
        event(kind, message=bytes([number]) * 10, domain=domain, campaign=campaign, at=at, num_retries=str(tries), msg_size="7")
        for kind, domain, campaign, at, tries, number in rows
    ]
    result = add_up(*events)
    sums = [counted(result, scope, grain) for scope, grains in COUNTED_BY.items() for grain in grains]
    assert all(one == sums[0] for one in sums)


@given(st.lists(st.tuples(domains, campaigns, moments, st.sampled_from(["no", "later"])), min_size=1, max_size=40))
def test_what_was_said_adds_up_to_the_same_in_every_family_by_each_of_its_grains(rows):
    result = add_up(*(event(EventType.DELAY, domain=domain, campaign=campaign, at=at, reason=reason)
                      for domain, campaign, at, reason in rows))  # fmt: skip
    for scope, grains in SAID_BY.items():
        for grain in grains:
            found = [row for row in result.texts if (row.scope, row.grain) == (scope, grain)]
            assert sum(row.n1 for row in found) == len(rows)
            assert sum(row.n1 for row in found if row.text == "no") == [reason for *_, reason in rows].count("no")
            assert {row.text for row in found} == {reason for *_, reason in rows}
            assert all(grain.start(row.ts) == row.ts for row in found)


def test_a_set_knows_the_members_of_its_family_alone():
    result = add_up(event(EventType.DELIVERY, sending_ip="192.0.2.1", template_id="t"))
    assert {one.scope: one for one in result.sets.values()} == {
        Scope.WHOLE: Set(account_id=1, scope=Scope.WHOLE, subaccount_id=0, domain="there.test", sending_ip="192.0.2.1",
                         ip_pool="default", sending_domain="acme.test", campaign_id="spring", template_id="t"),
        Scope.NO_DOMAIN: Set(account_id=1, scope=Scope.NO_DOMAIN, subaccount_id=0, sending_ip="192.0.2.1",
                             ip_pool="default", sending_domain="acme.test", campaign_id="spring", template_id="t"),
        Scope.DOMAIN_ONLY: Set(account_id=1, scope=Scope.DOMAIN_ONLY, subaccount_id=0, domain="there.test"),
        Scope.CAMPAIGN: Set(account_id=1, scope=Scope.CAMPAIGN, subaccount_id=0, domain="there.test", campaign_id="spring"),
    }  # fmt: skip
    assert all(set_id(one) == number for number, one in result.sets.items())


def test_members_that_run_into_each_other_make_different_sets():
    def number(domain: str, campaign: str) -> object:
        return set_id(Set(account_id=1, scope=Scope.WHOLE, subaccount_id=0, domain=domain, campaign_id=campaign))

    assert len({number("a", "bc"), number("ab", "c"), number("a,1:b", "c"), number("abc", ""), number("", "abc")}) == 5


@given(st.lists(st.tuples(kinds, st.integers(0, 5)), max_size=30), st.integers(0, 30))
def test_two_halves_add_up_to_the_whole(rows, cut):
    events = [event(kind, message=bytes([number]) * 10) for kind, number in rows]
    whole = counted(add_up(*events))
    first = add_up(*events[:cut])
    second = add_up(*events[cut:], seen=first.seen)
    sums = counted(first)
    for name, number in counted(second).items():
        sums[name] = sums.get(name, 0) + number
    assert sums == whole


def test_reasons_add_up_without_the_ids_in_them():
    assert said("421 4.7.0 try later, a1-20020a170902b7c1si12345 - gsmtp") == "421 4.7.0 try later, ... - gsmtp"
    assert said("550 5.1.1 no such user") == "550 5.1.1 no such user"
    refused = [
        event(EventType.BOUNCE, bounce_class="10", reason="550 5.1.1 no such user"),
        event(EventType.BOUNCE, bounce_class="10", reason="550 5.1.1 no such user", message=b"n" * 10),
        event(EventType.OUT_OF_BAND, bounce_class="10", reason="550 5.1.1 no such user"),
        event(EventType.BOUNCE, bounce_class="25", reason="554 5.7.1 suppressed"),
        event(EventType.DELAY, num_retries="0", reason="451 4.7.1 greylisted"),
        event(EventType.POLICY_REJECTION, reason="no"),
        event(EventType.CLICK, target_link_name="Shop"),
        event(EventType.CLICK, target_link_name=""),
    ]
    found = {
        (row.kind, row.classification, row.text): (row.n1, row.n2, row.n3)
        for row in add_up(*refused).texts
        if row.grain is Grain.DAY and row.scope is Scope.WHOLE
    }
    assert found == {
        (Kind.BOUNCE, 10, "550 5.1.1 no such user"): (2, 1, 0),
        (Kind.BOUNCE, 25, "554 5.7.1 suppressed"): (0, 0, 1),
        (Kind.DELAY, 0, "451 4.7.1 greylisted"): (1, 1, 0),
        (Kind.REJECTION, 1, "no"): (1, 0, 0),
        (Kind.LINK, 0, "Shop"): (1, 0, 0),
        (Kind.LINK, 0, "Raw URL"): (1, 0, 0),
    }


def test_a_detail_that_is_odd_counts_all_the_same():
    odd = event(EventType.DELIVERY, msg_size="lots", queue_time="-4", num_retries="x")
    assert counted(add_up(odd)) == {"delivered": 1}


# windows ----------------------------------------------------------------------------------------------------------------


def asked(since: str = "2026-05-05T10:13", until: str = "2026-05-05T12:48", zone: str = "", precision: str = "", **more: Any):
    return window(since=since, until=until, timezone=zone, precision=precision, now=NOW, **{"series": True, **more})


@pytest.mark.parametrize(
    ("precision", "since", "until"),
    [
        ("1min", "10:13", "12:48"),
        ("5min", "10:10", "12:50"),
        ("15min", "10:00", "13:00"),
        ("hour", "10:00", "13:00"),
    ],
)
def test_a_window_is_rounded_outwards_to_its_precision(precision, since, until):
    found = asked(precision=precision)
    assert (f"{found.since:%H:%M}", f"{found.until:%H:%M}") == (since, until)


def test_days_weeks_and_months_are_those_of_utc():
    found = asked("2026-05-05T23:00", "2026-05-06T01:00", zone="America/New_York", precision="day")
    assert (found.since, found.until) == (datetime(2026, 5, 6, tzinfo=UTC), datetime(2026, 5, 7, tzinfo=UTC))
    week = asked("2026-05-05", "2026-05-12", precision="week")
    assert [start.isoformat() for start in buckets(week)] == ["2026-05-04T00:00:00+00:00", "2026-05-11T00:00:00+00:00"]
    months = asked("2026-01-31", "2026-03-01T00:01", precision="month")
    assert [f"{start:%m-%d}" for start in buckets(months)] == ["01-01", "02-01", "03-01"]


def test_hours_are_those_of_the_zone_even_where_it_is_half_an_hour_off():
    found = asked("2026-05-05T10:13", "2026-05-05T12:00", zone="Asia/Kolkata", precision="hour")
    assert found.since == datetime(2026, 5, 5, 4, 30, tzinfo=UTC)
    assert [start.isoformat() for start in buckets(found)] == ["2026-05-05T10:00:00+05:30", "2026-05-05T11:00:00+05:30"]


def test_half_days_stay_at_noon_when_clocks_change():
    now = datetime(2026, 11, 3, tzinfo=UTC)
    found = window(since="2026-10-31", until="2026-11-02", timezone="America/New_York", precision="12hr", now=now, series=True)
    assert [start.isoformat() for start in buckets(found)] == [
        "2026-10-31T00:00:00-04:00",
        "2026-10-31T12:00:00-04:00",
        "2026-11-01T00:00:00-04:00",
        "2026-11-01T12:00:00-05:00",
    ]


def test_the_hour_that_is_repeated_has_two_buckets():
    now = datetime(2026, 11, 3, tzinfo=UTC)
    found = window(
        since="2026-11-01T00:30", until="2026-11-01T03:00", timezone="America/New_York", precision="hour", now=now, series=True
    )
    assert [f"{start:%H:%M%z}" for start in buckets(found)] == ["00:00-0400", "01:00-0400", "01:00-0500", "02:00-0500"]


zones = st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/New_York", "Europe/London", "Australia/Lord_Howe"])


@given(
    zone=zones,
    precision=st.sampled_from(list(PRECISIONS)),
    back=st.integers(0, 20_000),
    span=st.integers(0, 1_440),
)
def test_buckets_follow_each_other_and_hold_the_whole_window(zone, precision, back, span):
    now = datetime(2026, 11, 14, tzinfo=UTC)  # two weeks behind both changes of clocks
    end = now - timedelta(minutes=back if PRECISIONS[precision][0] is not Grain.MINUTE else back % 2_000)
    begin = end - timedelta(minutes=span)
    found = window(
        since=f"{begin:%Y-%m-%dT%H:%MZ}", until=f"{end:%Y-%m-%dT%H:%MZ}", timezone=zone, precision=precision, now=now, series=True
    )
    starts = buckets(found)
    assert found.since <= begin <= end <= found.until
    assert all(one.astimezone(UTC) < other.astimezone(UTC) for one, other in itertools.pairwise(starts))
    assert found.grain.start(found.since) == found.since
    assert found.grain.end(found.until) == found.until
    if begin < end:
        assert starts[0] == found.since


@given(
    precision=st.sampled_from(list(PRECISIONS)),
    back=st.integers(0, 250 * 1_440),
    span=st.integers(1, 250 * 1_440),
    late=st.integers(0, 1_439),
)
def test_the_pieces_of_a_window_make_it_up(precision, back, span, late):
    now = datetime(2026, 11, 14, tzinfo=UTC) + timedelta(minutes=late, seconds=7)
    grain, longest = PRECISIONS[precision]
    span = min(span, int(longest / timedelta(minutes=1))) if longest else span
    end = now - timedelta(minutes=back)
    found = Window(
        since=grain.start(end - timedelta(minutes=span)),
        until=grain.end(end),
        asked_at=now,
        grain=grain,
        precision=precision,
        zone=UTC,
    )
    read = pieces(found, Grain)
    assert all(one[2] == other[1] for one, other in itertools.pairwise(read))
    assert all(piece.start(moment) == moment for piece, *moments in read for moment in moments)
    oldest = Grain.DAY.end(now - Grain.DAY.kept)
    if found.until > oldest:
        assert all(since < until for _, since, until in read)
        assert read[0][1] == max(found.since, oldest)
        assert read[-1][2] == found.until or read[-1][2] > found.until > now  # over the end only where nothing is
    else:
        assert read == [(grain, found.until, found.until)]  # of so long ago nothing is known
    for one in Grain:  # each grain at both ends alone, and never as many as would make a coarser one
        stretches = [until - since for piece, since, until in read if piece is one]
        assert len(stretches) <= 2
        if one is not Grain.FOUR_WEEKS:
            assert all(stretch < 2 * Grain(one + 1).length for stretch in stretches)


def test_what_lasts_till_now_is_read_in_whole_blocks_to_its_end():
    now = datetime(2026, 11, 13, 9, 30, tzinfo=UTC)  # a Friday
    found = window(since="2026-08-17", until="", timezone="", precision="day", now=now, series=False)
    assert pieces(found, Grain) == [
        (Grain.WEEK, datetime(2026, 8, 17, tzinfo=UTC), datetime(2026, 9, 7, tzinfo=UTC)),
        (Grain.FOUR_WEEKS, datetime(2026, 9, 7, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)),
    ]


def test_what_is_kept_by_the_day_alone_is_read_by_the_day():
    now = datetime(2026, 11, 13, 9, 30, tzinfo=UTC)
    found = window(since="2026-08-17", until="", timezone="", precision="day", now=now, series=False)
    assert pieces(found, COUNTED_BY[Scope.WHOLE]) == [(Grain.DAY, found.since, datetime(2026, 11, 14, tzinfo=UTC))]


def test_what_ended_before_is_read_to_its_end_alone():
    now = datetime(2026, 11, 13, 9, 30, tzinfo=UTC)
    found = window(since="2026-11-02", until="2026-11-12", timezone="", precision="day", now=now, series=False)
    assert pieces(found, Grain) == [
        (Grain.WEEK, datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 9, tzinfo=UTC)),
        (Grain.DAY, datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 12, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"since": ""}, "from is required"),
        ({"since": "yesterday"}, "such as"),
        ({"since": "2026-02-30T00:00"}, "such as"),
        ({"since": "1901-01-01"}, "between"),
        ({"since": "2026-05-05T13:00"}, "later"),
        ({"zone": "Mars/Olympus"}, "IANA"),
        ({"zone": "../../etc/passwd"}, "IANA"),
        ({"precision": "second"}, "one of"),
        ({"since": "2026-05-04T10:00", "precision": "1min"}, "24 hours"),
        ({"since": "2026-05-01", "until": "2026-05-01T10:00", "precision": "5min"}, "kept for 3 days"),
        ({"since": "2026-03-01", "until": "2026-05-01", "precision": "hour"}, "744 hours"),
        ({"precision": "week", "series": False}, "one of"),
    ],
)
def test_a_window_that_cannot_be_says_why(given_, words):
    with pytest.raises(BadWindow, match=words):
        asked(**given_)


def test_without_a_precision_the_finest_that_is_kept_is_taken():
    assert asked(series=False).precision == "1min"
    assert asked("2026-04-20", series=False).precision == "15min"
    assert asked("2026-04-20").precision == "hour"
    assert asked("2026-01-01").precision == "day"
    assert asked("2026-05-05T10:13+02:00").since == datetime(2026, 5, 5, 8, 13, tzinfo=UTC)
    assert coarse(asked()).since == datetime(2026, 5, 5, 10, 0, tzinfo=UTC)
    assert asked(zone="Europe/London").zone == ZoneInfo("Europe/London")


# questions --------------------------------------------------------------------------------------------------------------


def question(**query: str) -> Question:
    given_ = {"from": "2026-05-05T10:00", **{name.rstrip("_"): value for name, value in query.items()}}
    return read(given_, account_id=1, subaccount_id=None, now=NOW, metrics=ALL)


def test_metrics_are_sums_of_what_is_counted():
    assert question().metrics == ALL
    assert question(metrics="count_sent,count_bounce").metrics == ("count_sent", "count_bounce")
    assert question(metrics="count_unique_clicked_approx").metrics == ("count_unique_clicked_approx",)
    assert columns_of(("count_sent", "count_accepted")) == ("delivered", "inband_bounce", "outofband_bounce")
    assert figures(
        ("count_accepted", "count_unique_clicked_approx"), {"delivered": 9, "outofband_bounce": 2, "unique_clicked": 4}
    ) == {
        "count_accepted": 7,
        "count_unique_clicked_approx": 4,
    }
    assert {column for parts in METRICS.values() for part in parts for column in part} == set(COUNTERS) - {"delivered_second"}


def family(*members: str, grain: Grain = Grain.DAY, kept: Any = COUNTED_BY, **query: str) -> Scope:
    return families_of(question(**query), members, kept)[grain]


def test_a_question_is_answered_by_the_smallest_family_of_sets():
    assert family() is Scope.NO_DOMAIN
    assert family("ip_pool", campaigns="spring", subaccounts="0") is Scope.NO_DOMAIN
    assert family("domain", subaccounts="0") is Scope.DOMAIN_ONLY
    assert family(mailbox_providers="Gmail") is Scope.DOMAIN_ONLY
    assert family("domain", campaigns="spring") is Scope.CAMPAIGN
    assert family("region", templates="t") is Scope.WHOLE
    assert family(subject_campaigns="x") is Scope.NO_DOMAIN


def test_all_members_at_once_are_kept_by_fine_grains_alone():
    assert set(families_of(question(domains="there.test", templates="t"), (), COUNTED_BY)) == {
        Grain.MINUTE,
        Grain.QUARTER,
        Grain.DAY,
    }


def test_a_grain_that_a_small_family_is_not_kept_by_is_read_from_a_larger_one():
    assert family("domain", grain=Grain.MINUTE) is Scope.WHOLE
    assert family("domain", campaigns="spring", grain=Grain.QUARTER) is Scope.WHOLE
    assert family("domain", campaigns="spring", grain=Grain.FOUR_WEEKS) is Scope.CAMPAIGN
    assert family(grain=Grain.QUARTER, kept=SAID_BY) is Scope.WHOLE
    assert family("domain", grain=Grain.WEEK, kept=SAID_BY) is Scope.DOMAIN_ONLY


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"metrics": "count_nothing"}, "not one of"),
        ({"metrics": "count_inbox_panels"}, "not one of"),
        ({"limit": "0"}, "limit"),
        ({"limit": "10001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"order_by": "count_nothing"}, "order_by"),
        ({"subaccounts": "x"}, "numbers"),
        ({"query_filters": "{"}, "JSON"),
        ({"query_filters": "[]"}, "wrong"),
        ({"query_filters": "[" * 100_000}, "JSON"),
        ({"query_filters": '{"groupings":[]}'}, "wrong"),
        ({"query_filters": '{"groupings":[{"AND":{},"OR":{}}]}'}, "wrong"),
        ({"query_filters": '{"groupings":[{"AND":{"colour":{"eq":["red"]}}}]}'}, "wrong"),
        ({"query_filters": '{"groupings":[{"AND":{"domains":{"like":["ab"]}}}]}'}, "wrong"),
        ({"query_filters": '{"groupings":[{"AND":{"domains":{"eq":[]}}}]}'}, "wrong"),
        ({"query_filters": '{"groupings":[{"AND":{"subaccounts":{"eq":["x"]}}}]}'}, "wrong"),
    ],
)
def test_a_question_that_cannot_be_says_why(query, words):
    with pytest.raises(BadQuestion, match=words):
        question(**query)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["groupings", "AND", "OR", "domains", "eq", "like", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_values)
def test_filters_that_the_published_schema_refuses_are_refused(document):
    if jsonschema_rs.is_valid(QUERY_FILTERS_SCHEMA, document):
        return
    with pytest.raises(BadQuestion) as refused:
        question(query_filters=json.dumps(document))
    assert refused.value.breaches
