"""What a warming address may send to one big provider: how it begins, grows, rests, and falls."""

from datetime import date, timedelta

import pytest

from homing.delivery.rules.site import Providers
from homing.egress.rules.pairs import LEAST_CAP, PROFILES, Pair, PairVerdict, begun, close_day, growth
from homing.egress.rules.warmup import LADDER, Progress, Tally, Verdict
from homing.egress.rules.warmup import close_day as close_address_day

DAY = date(2026, 5, 4)


def tally(*, day: date = DAY, **counts: int) -> Tally:
    return Tally(**{"day": day, "sent": counts.get("delivered", 0), **counts})


def good(cap: int, **counts: int) -> Tally:
    return tally(**{"sent": cap, "delivered": cap, **counts})


def test_the_providers_are_those_that_delivery_knows_by_these_names():
    known = {one.name for one in Providers.from_package().all}
    assert set(PROFILES) <= known


@pytest.mark.parametrize(("provider", "caps"), [("Gmail", [500, 750, 1125]), ("Apple", [100, 130, 169]), ("Outlook", [200, 270])])
def test_a_cap_grows_by_the_providers_own_pace_while_mail_arrives(provider, caps):
    pair = begun(provider, stage=1)
    for cap in caps:
        assert pair.cap == cap
        pair, verdict = close_day(pair, provider, good(cap))
        assert verdict is PairVerdict.GREW


def test_after_fourteen_days_it_grows_as_the_cap_allows():
    assert growth(Pair(cap=10_000, days=13), "Apple") == 1.3
    for cap, by in ((49_999, 2.0), (50_000, 1.5), (100_000, 1.2), (250_000, 1.1)):
        assert growth(Pair(cap=cap, days=14), "Apple") == by
    assert growth(Pair(cap=250_000, days=3), "Gmail") == 1.1


def test_an_address_that_has_come_far_does_not_begin_as_a_new_one():
    assert begun("Gmail", stage=5).cap == 2532
    for provider in PROFILES:
        assert begun(provider, stage=len(LADDER)).cap > 100_000


@pytest.mark.parametrize(
    "day",
    [
        {"delivered": 40},  # half of the cap was not tried
        {"sent": 100, "delivered": 80},  # a fifth did not arrive
        {"sent": 100, "delivered": 100, "hard_bounced": 5},
        {"sent": 100, "delivered": 100, "complained": 2},
        {"sent": 100, "delivered": 100, "blocked": 10},
    ],
)
def test_a_day_that_proved_nothing_or_went_badly_keeps_the_cap(day):
    pair = Pair(cap=100, days=2, idle=3)
    assert close_day(pair, "Apple", tally(**day)) == (Pair(cap=100, days=2), PairVerdict.KEPT)


@pytest.mark.parametrize(
    "day",
    [
        {"sent": 1000, "delivered": 940, "hard_bounced": 50},
        {"sent": 1000, "delivered": 940, "blocked": 50},
        {"sent": 1000, "delivered": 1000, "complained": 3},
        {"sent": 60, "delivered": 60, "complained": 4},
        {"sent": 60, "delivered": 48, "hard_bounced": 12},
    ],
)
def test_a_bad_day_cuts_the_cap_and_lets_it_rest_for_two_days(day):
    pair, verdict = close_day(Pair(cap=1000, days=5), "Yahoo", tally(**day))
    assert (pair.cap, verdict) == (250, PairVerdict.CUT)
    verdicts = []
    for n in range(1, 4):
        pair, verdict = close_day(pair, "Yahoo", good(250, day=DAY + timedelta(days=n)))
        verdicts.append(verdict)
    assert verdicts == [PairVerdict.KEPT, PairVerdict.GREW, PairVerdict.GREW]


def test_bad_days_never_cut_below_a_little():
    pair = Pair(cap=100)
    for _ in range(5):
        pair, _ = close_day(pair, "Apple", tally(sent=60, delivered=60, complained=4))
    assert pair.cap == LEAST_CAP


def test_silence_takes_back_and_after_a_month_it_begins_again():
    pair, caps = Pair(cap=8_000, days=10), {}
    for n in range(1, 31):
        pair, verdict = close_day(pair, "Gmail", tally())
        assert verdict is PairVerdict.IDLE
        caps[n] = pair.cap
    assert (caps[6], caps[7], caps[13], caps[14], caps[29], caps[30]) == (8_000, 4_000, 4_000, 1_000, 1_000, 500)


def test_an_address_whose_caps_grow_does_not_stand_still():
    day = Tally(day=DAY, sent=1000, delivered=1000)
    assert close_address_day(Progress(stage=5, stalled=9), day, grew=True) == (Progress(stage=5, stalled=9), Verdict.STAYED)
    assert close_address_day(Progress(stage=5, stalled=9), day) == (None, Verdict.STALLED)
