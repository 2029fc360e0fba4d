"""Limits for each source IP and site are exact, and fair among workers."""

from collections import deque
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from homing.egress.rules.pace import BLOCK_S, DEMAND_S, TURN_S, PaceBook, fair_shares

IP, SITE = "192.0.2.1", "mx.example"


def want(book: PaceBook, worker: str, wanted: int, *, limit: int = 10, now: float = 0.0):
    return book.want(worker, IP, SITE, wanted=wanted, limit=limit, now=now)


def keep(book: PaceBook, worker: str, kept: int) -> None:
    book.keep(worker, IP, SITE, kept=kept)


def test_a_worker_alone_gets_what_it_wants_up_to_the_limit():
    book = PaceBook()
    assert want(book, "a", 4).granted == 4
    assert want(book, "a", 40).granted == 10


def test_what_nobody_else_wants_is_not_kept_back():
    assert fair_shares([("a", 8), ("b", 1)], 10) == {"a": 8, "b": 1}
    assert fair_shares([("a", 20), ("b", 20), ("c", 2)], 10) == {"a": 4, "b": 4, "c": 2}
    assert fair_shares([("a", 1), ("b", 1), ("c", 1)], 2) == {"a": 1, "b": 1, "c": 0}
    assert fair_shares([], 5) == {}


def test_a_second_worker_waits_until_the_first_has_given_back():
    book = PaceBook()
    want(book, "a", 10)
    answer = want(book, "b", 10)
    assert answer.granted == 0, "what is held is never taken by force"
    assert [(recall.worker, recall.keep) for recall in answer.recalls] == [("a", 5)]
    assert want(book, "b", 10).recalls == (), "a worker is asked once"
    keep(book, "a", 5)
    assert want(book, "b", 10).granted == 5
    assert book.held(IP, SITE) == {"a": 5, "b": 5}


def test_a_worker_that_asks_for_more_learns_that_it_holds_too_much():
    book = PaceBook()
    want(book, "a", 10)
    want(book, "b", 10)
    answer = want(book, "a", 12)
    assert (answer.granted, answer.keep) == (10, 5)
    book.leave("b")
    assert want(book, "a", 12).keep == 10


def test_an_unmet_wish_is_forgotten_when_it_is_not_repeated():
    book = PaceBook()
    want(book, "a", 10)
    want(book, "b", 10)
    assert want(book, "a", 10, now=DEMAND_S + 1).keep == 10


def test_a_dead_worker_leaves_its_slots_to_the_others():
    book = PaceBook()
    want(book, "a", 10)
    assert want(book, "b", 10).granted == 0
    book.leave("a")
    assert want(book, "b", 10).granted == 10


def test_a_lower_limit_is_asked_for_and_never_exceeded_anew():
    book = PaceBook()
    want(book, "a", 10)
    answer = want(book, "a", 10, limit=4)
    assert (answer.granted, answer.keep) == (10, 4)
    keep(book, "a", 4)
    assert want(book, "a", 10, limit=4).granted == 4


def test_with_fewer_slots_than_workers_they_take_turns():
    book = PaceBook()
    holder, waiter = "a", "b"
    assert want(book, "a", 3, limit=1).granted == 1
    now = 0.0
    for _ in range(4):
        answer = want(book, waiter, 3, limit=1, now=now)
        assert answer.granted == 0
        assert answer.recalls == ()
        now += TURN_S
        want(book, holder, 3, limit=1, now=now)
        answer = want(book, waiter, 3, limit=1, now=now)
        assert [recall.worker for recall in answer.recalls] == [holder] or want(book, holder, 3, limit=1, now=now).keep == 0
        keep(book, holder, 0)
        assert want(book, waiter, 3, limit=1, now=now).granted == 1
        holder, waiter = waiter, holder


def test_other_addresses_and_other_sites_have_limits_of_their_own():
    book = PaceBook()
    assert want(book, "a", 10).granted == 10
    assert book.want("b", "192.0.2.2", SITE, wanted=10, limit=10, now=0).granted == 10
    assert book.want("b", IP, "other.example", wanted=10, limit=10, now=0).granted == 10


ACTIONS = st.lists(
    st.tuples(st.sampled_from("wwwkl"), st.sampled_from("abcd"), st.integers(0, 30), st.floats(0, 20, allow_nan=False)),
    max_size=60,
)


@given(actions=ACTIONS, limit=st.integers(1, 12))
@settings(max_examples=200)
def test_the_limit_holds_whatever_the_workers_do(actions: list[tuple[str, str, int, float]], limit: int):
    book, now = PaceBook(), 0.0
    for verb, worker, number, wait in actions:
        now += wait
        before = book.held(IP, SITE).get(worker, 0)
        if verb == "w":
            answer = want(book, worker, number, limit=limit, now=now)
            assert answer.granted >= before
            assert 0 <= answer.keep <= answer.granted
        elif verb == "k":
            keep(book, worker, number)
        else:
            book.leave(worker)
        held = book.held(IP, SITE)
        assert sum(held.values()) <= limit


@given(limit=st.integers(1, 40), wishes=st.lists(st.integers(0, 40), max_size=6))
def test_shares_use_what_there_is_and_nobody_envies(limit: int, wishes: list[int]):
    shares = fair_shares([(str(index), wish) for index, wish in enumerate(wishes)], limit)
    assert sum(shares.values()) == min(limit, sum(wishes))
    for index, wish in enumerate(wishes):
        assert shares[str(index)] <= wish
        if shares[str(index)] < wish:
            assert max(shares.values()) <= shares[str(index)] + 1


# messages a minute ------------------------------------------------------------------------------------------------------


def sent(per_minute: int, *, seconds: float, step: float) -> list[tuple[float, int]]:
    book = PaceBook()
    blocks, now = [], 1000.0
    while now < 1000.0 + seconds:
        if block := book.tokens(IP, SITE, per_minute=per_minute, now=now):
            blocks.append((now, block))
        now += step
    return blocks


@given(per_minute=st.integers(1, 3000), step=st.sampled_from([0.1, 0.25, 1.0, 7.0]))
@settings(max_examples=20, deadline=None)
def test_no_sixty_seconds_see_more_than_the_limit_even_when_blocks_are_used_late(per_minute: int, step: float):
    window: deque[tuple[float, int]] = deque()
    for at, number in sent(per_minute, seconds=130, step=step):
        window.append((at, number))
        while window[0][0] + BLOCK_S <= at - 60:
            window.popleft()
        assert sum(number for _, number in window) <= per_minute


def test_a_rate_is_used_almost_fully():
    assert 560 <= sum(number for at, number in sent(600, seconds=180, step=0.05) if 1060 <= at < 1120) <= 600
    assert sum(number for _, number in sent(60, seconds=600, step=0.25)) >= 560


def test_messages_are_spread_over_the_minute():
    moments = [at for at, _ in sent(60, seconds=30, step=0.25)]
    assert max(later - earlier for earlier, later in pairwise(moments)) <= 1.5
    assert len([at for at in moments if at < 1010]) <= 12


def test_one_message_a_minute_means_one():
    assert [number for _, number in sent(1, seconds=185, step=0.5)] == [1, 1, 1]


def test_idle_places_are_forgotten():
    book = PaceBook()
    book.tokens(IP, SITE, per_minute=60, now=0.0)
    want(book, "a", 1)
    want(book, "b", 10, limit=1)
    book.tidy(now=1000.0)
    assert book.held(IP, SITE) == {"a": 1}
    assert book._flows == {}
