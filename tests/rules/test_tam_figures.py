"""What figures say: about advice, about capacity, and about trends that give nobody away (clauses B7 and B8)."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.domains.types import DomainStatus, SendingDomain
from homing.support.cases.types import Side
from homing.support.tam.rules import states, trends
from homing.support.tam.rules.checks import judge_domain, judge_ramp, judge_rate, lapsed, rate_of
from homing.support.tam.rules.document import capacity, stretches_until
from homing.support.tam.rules.letters import Facts, Owed, compose, plan_lines
from homing.support.tam.types import (
    Counts,
    DomainCheck,
    Need,
    Purpose,
    RampCheck,
    Rate,
    RateCheck,
    RecordKind,
    Result,
    State,
)
from tests.kit.cases import TAM
from tests.kit.hours import at
from tests.kit.tam import GOOD_DAY, RAMP, TASKS, Life, in_state

NOW = at("2026-05-20T09:00Z")
DAYS = {"since": date(2026, 5, 14), "until": date(2026, 5, 20), "now": NOW, "because": "daily"}


@pytest.mark.parametrize(
    ("status", "needs", "passed", "said"),
    [
        ({"dkim_status": "valid", "cname_status": "valid"}, (Need.DKIM, Need.RETURN_PATH), True, "has dkim, return_path"),
        ({"dkim_status": "valid", "mx_status": "valid"}, (Need.RETURN_PATH,), True, "has return_path"),
        ({"cname_status": "valid"}, (Need.DKIM, Need.RETURN_PATH), False, "lacks dkim"),
        ({"compliance_status": "blocked"}, (Need.COMPLIANCE,), False, "lacks compliance"),
    ],
)
def test_a_domain_has_what_dns_said_when_it_was_last_asked(status, needs, passed, said):
    domain = SendingDomain(
        domain="news.acme.test",
        account_id=1,
        subaccount_id=0,
        shared=False,
        is_default_bounce=False,
        tracking_domain=None,
        status=DomainStatus(**status),
        trusted=False,
        checked_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    found = judge_domain(DomainCheck(domain="news.acme.test", needs=needs), domain, now=NOW, because="daily")
    assert (found.passed, said in found.said, found.measured["checked_at"]) == (passed, True, NOW.isoformat())


def test_a_domain_that_is_not_there_says_nothing():
    found = judge_domain(DomainCheck(domain="news.acme.test"), None, now=NOW, because="daily")
    assert (found.passed, found.said) == (None, "news.acme.test is no sending domain of this account")


@pytest.mark.parametrize(
    ("complaints", "delivered", "passed"), [(1, 1_000, True), (2, 1_000, False), (0, 99, None), (0, 100, True), (0, 0, None)]
)
def test_a_rate_keeps_its_bound_or_says_nothing_of_too_little_mail(complaints, delivered, passed):
    counts = Counts(count_spam_complaint=complaints, count_delivered=delivered)
    found = judge_rate(RateCheck(rate=Rate.COMPLAINT, most=0.001), counts, **DAYS)
    assert found.passed is passed
    assert (found.measured["count_spam_complaint"], found.measured["count_delivered"]) == (complaints, delivered)


def test_a_ramp_is_adhered_to_while_it_runs_and_the_last_day_met_its_limits():
    life = in_state(RecordKind.MIGRATION, State.RUNNING)
    check = RampCheck(plan=1001)

    def said(record):
        return judge_ramp(check, record, now=NOW, because="daily").passed

    assert said(None) is None
    assert said(Life(RecordKind.ONBOARDING).record) is None
    assert said(life.record) is None
    life.do(states.advance(life.record, date(2026, 5, 21), GOOD_DAY, now=life.at), TAM)
    assert said(life.record) is True
    life.do(states.hold(life.record, "x"), TAM)
    assert said(life.record) is False


def test_what_was_followed_has_lapsed_once_its_check_fails_and_not_where_nothing_can_be_said():
    def run(passed):
        return Result(at=NOW, passed=passed, said="", measured={}, because="daily")

    assert not lapsed(True, [])
    assert lapsed(True, [run(None), run(False), run(True)])
    assert not lapsed(True, [run(None), run(True), run(False)])
    assert not lapsed(False, [run(False)])


# Capacity ---------------------------------------------------------------------------------------------------------------


def test_capacity_tells_growth_peak_months_and_what_is_left():
    first = date(2026, 4, 25)
    days = {first: 100, first + timedelta(days=10): 300, first + timedelta(days=20): 200}
    found = capacity(days, {date(2026, 4, 1): 400}, month_so_far=450, limits={"monthly": 1_000, "daily": 600, "hourly": None})
    assert (found.messages, found.before, found.growth) == (600, 400, 0.5)
    assert (found.peak_day, found.peak, found.peak_of_day) == (date(2026, 5, 5), 300, 0.5)
    assert [(one.month, one.messages) for one in found.months] == [("2026-04", 100), ("2026-05", 500)]
    assert found.used_of_month == 0.45
    assert found.reaches_limit_in == 2, "500, 750, 1125"


@pytest.mark.parametrize(
    ("monthly", "growth", "limit", "reached"),
    [(500, 0.5, 1_000, 2), (500, 0.0, 1_000, None), (500, -0.5, 1_000, None), (1_001, -0.5, 1_000, 0), (1_000, 0.1, 1_000, 1),
     (500, None, 1_000, None), (500, 0.5, None, None), (0, 0.5, 1_000, None), (1, 0.001, 10**9, None)],
)  # fmt: skip
def test_a_limit_is_reached_after_so_many_stretches(monthly, growth, limit, reached):
    assert stretches_until(monthly, growth, limit) == reached


def test_nothing_sent_is_no_growth():
    found = capacity({}, {}, month_so_far=0, limits={})
    assert (found.growth, found.peak_day, found.peak, found.months) == (None, None, 0, ())


# Trends -----------------------------------------------------------------------------------------------------------------


def sent(number: int, **more: int) -> Counts:
    return Counts(count_sent=number, count_delivered=number, **more)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([200, 200, 200, 200, 200], True),
        ([500, 125, 125, 125, 125], True),
        ([501, 125, 125, 125, 124], False),
        ([300, 300, 300, 300], False),
        ([199, 200, 200, 200, 200], False),
        ([250, 250, 250, 250, 0], False),
        ([], False),
    ],
    ids=["even", "half", "dominated", "too few", "too little", "one silent", "nobody"],
)
def test_a_figure_across_accounts_is_told_only_if_it_gives_nobody_away(numbers, told):
    assert trends.may_be_told({account: sent(number) for account, number in enumerate(numbers)}) is told


def test_a_trend_has_rates_rounded_and_never_a_volume():
    now = {"Gmail": {account: sent(300, count_block_bounce=account) for account in range(6)}, "Yahoo": {1: sent(10_000)}}
    (found,) = trends.draw(now, {"Gmail": {1: sent(9_000)}})
    assert (found.provider, found.before) == ("Gmail", None)
    assert found.rates["block_bounce_rate"] == 0.0083, "15 of 1800"
    assert trends.sentences([found])[0].startswith("At Gmail, across our customers: bounce rate 0.000 %")
    assert trends.concerned(now, ["Gmail"]) == set(range(6))
    assert trends.concerned(now, ["Yahoo", "Nobody"]) == {1}


@given(st.dictionaries(st.integers(1, 9), st.integers(0, 3_000), max_size=9))
@settings(max_examples=60)
def test_behind_every_trend_stand_five_accounts_none_with_more_than_half(numbers: dict[int, int]):
    drawn = trends.draw({"Gmail": {account: sent(number) for account, number in numbers.items()}}, {})
    if drawn:
        mail = [number for number in numbers.values() if number]
        assert len(mail) >= 5
        assert max(mail) * 2 <= sum(mail)
    assert all(0.0 <= rate <= 1.0 and round(rate, 4) == rate for one in drawn for rate in one.rates.values())


def test_a_text_that_names_an_account_is_found_out():
    assert trends.names_in("Acme had 3 % at Gmail.", ["acme", "Globex"]) == ["acme"]
    assert trends.names_in("placement is acmes", ["acme", "Me"]) == []


# Letters ----------------------------------------------------------------------------------------------------------------

FACTS = Facts(reader="Kim", account="acme", tam="Ann", zone=None)


def test_a_proposal_shows_the_plan_and_what_it_does_not_include():
    life = Life(RecordKind.ONBOARDING)
    owed = Owed(purpose=Purpose.PROPOSAL, side=Side.CUSTOMER, version=1)
    text = compose(owed, life.record, life.events[-1].payload, FACTS)
    assert "Hello Kim," in text.body
    assert "1. Verify news.acme.test (customer)" in text.body
    assert "Not included (clause B4): creating the Customer's templates; translating" in text.body
    assert plan_lines(TASKS)[0] in text.body
    assert rate_of(GOOD_DAY, Rate.BOUNCE) is not None


def test_a_ramp_says_its_limits():
    assert plan_lines(RAMP)[0] == "1. from 2026-05-21: 1000 messages a day (customer)"
    assert plan_lines(RAMP)[-1].endswith("with at most 5 % bounces and 0.1 % spam complaints.")
