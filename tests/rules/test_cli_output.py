"""How the command line puts times, counts and people into words."""

from datetime import UTC, datetime, timedelta

import pytest

from homing.cli import census, output
from homing.cli.domains import quoted
from homing.cli.events import moment
from homing.cli.send import api_url
from homing.ground.config import HostPort, Settings
from homing.ground.errors import Misuse
from homing.simulator.providers import CAST

NOW = datetime(2026, 3, 9, 14, 5, 11, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0 s"),
        (0.26, "0.3 s"),
        (1.4, "1.4 s"),
        (12, "12 s"),
        (61, "1 min 1 s"),
        (1200, "20 min"),
        (3660, "1 h 1 min"),
        (259_200, "3 d"),
        (90_000, "1 d 1 h"),
        (-90_000, "1 d 1 h"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds, words):
    assert output.span(timedelta(seconds=seconds)) == words


def test_a_moment_is_told_as_seen_from_now():
    assert output.relative(NOW + timedelta(minutes=4), NOW) == "in 4 min"
    assert output.relative(NOW - timedelta(seconds=12), NOW) == "12 s ago"
    assert output.relative(NOW, NOW) == "now"
    assert output.relative(None, NOW) == ""
    assert output.clock(NOW) == "2026-03-09 14:05:11.250"


def test_lists_and_cuts_can_be_read():
    assert output.joined(["a", "b", "c"]) == "a, b and c"
    assert (output.joined(["a"]), output.joined([])) == ("a", "")
    assert output.shortened("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30s", NOW - timedelta(seconds=30)),
        ("15min", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("1.5d", NOW - timedelta(hours=36)),
        ("2026-03-09T14:00", datetime(2026, 3, 9, 14, tzinfo=UTC)),
        ("2026-03-09T14:00+02:00", datetime(2026, 3, 9, 12, tzinfo=UTC)),
    ],
)
def test_since_is_a_span_or_a_time(text, meant):
    assert moment(text, NOW) == meant


def test_a_long_record_is_cut_into_strings_of_255():
    value = "x" * 600
    assert [len(part) for part in quoted(value).strip('"').split('" "')] == [255, 255, 90]


def test_the_api_is_where_this_machine_listens_unless_told_otherwise():
    assert api_url(None, Settings(http=HostPort("0.0.0.0", 8025))) == "http://127.0.0.1:8025"
    assert api_url(None, Settings(http=HostPort("::1", 80))) == "http://[::1]:80"
    assert api_url("https://mail.y.test/api/v1") == "https://mail.y.test"
    with pytest.raises(Misuse):
        api_url("ftp://mail.y.test")


@pytest.mark.parametrize("count", [20, 333, 2000])
def test_the_census_gives_each_provider_its_share_and_nobody_twice(count):
    people = census.recipients(CAST, count)
    addresses = [address for address, _ in people]
    assert len(addresses) == len(set(addresses)) == count
    given = census.shares(CAST, count)
    for provider in CAST:
        domains = {*provider.domains, *(domain for domain, _ in provider.also)}
        assert sum(address.partition("@")[2] in domains for address in addresses) == given[provider.name]
    assert people == census.recipients(CAST, count)


def test_the_census_is_mixed_like_a_real_list():
    first = {address.partition("@")[2] for address, _ in census.recipients(CAST, 2000)[:200]}
    assert len(first) >= 13
