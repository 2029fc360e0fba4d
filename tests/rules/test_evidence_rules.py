"""Sets of seconds, and which answers were failures of ours (clauses D1 and D2)."""

import re
from operator import itemgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.api.errors import fault_of
from homing.evidence.rules import seconds
from homing.evidence.rules.classify import LOST, by_code, disagrees, verdict
from homing.evidence.types import Door, FaultTag, Verdict
from homing.inbound import replies as mx_replies
from homing.ingress import answers
from homing.smtp import replies
from homing.smtp.replies import Reply
from tests.kit.each import each

DAYS = st.sets(st.integers(0, 3_599)).map(seconds.of)


@given(DAYS)
def test_a_set_comes_back_from_its_run_lengths(bits: int):
    assert seconds.unpack(seconds.pack(bits), most=3_600) == bits
    assert seconds.from_runs(seconds.runs(bits)) == bits
    assert seconds.of(seconds.members(bits)) == bits
    assert sum(length for _, length in seconds.runs(bits)) == bits.bit_count()


@given(st.lists(DAYS, max_size=5), st.randoms())
def test_union_does_not_ask_for_order_or_repetition(found: list[int], chance):
    whole = 0
    for bits in found:
        whole |= bits
    again = [*found, *found]
    chance.shuffle(again)
    union = 0
    for bits in again:
        union |= seconds.unpack(seconds.pack(bits), most=3_600)
    assert union == whole


@given(st.binary(max_size=40))
def test_bytes_that_are_no_set_are_refused_and_others_mean_one_set_only(packed: bytes):
    try:
        bits = seconds.unpack(packed, most=86_400)
    except ValueError:
        return
    assert bits.bit_length() <= 86_400
    assert seconds.unpack(seconds.pack(bits), most=86_400) == bits


def test_a_set_stays_within_its_bound():
    assert seconds.unpack(seconds.pack(seconds.span(0, 3_600)), most=3_600) == seconds.span(0, 3_600)
    with pytest.raises(ValueError, match="too late"):
        seconds.unpack(seconds.pack(seconds.span(0, 3_601)), most=3_600)


def test_a_whole_month_is_six_bytes_or_less():
    assert len(seconds.pack(seconds.span(0, 2_678_400))) <= 6


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("200 201 204 301 304", Verdict.OK),
        ("400 401 403 404 405 406 409 410 411 412 413 414 415 422 428 431 408 420 429 501 505", Verdict.OK),
        ("499", Verdict.VOID),
        ("500 502 503 504 507 508 520 521 522 523 524 525 526 527", Verdict.FAILED),
    ],
)
def test_http_statuses_say_whose_fault_it_was(codes: str, expected: Verdict):
    assert {by_code(Door.API, code) for code in codes.split()} == {expected}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ("250 250/2.0.0 354 235/2.7.0 221/2.3.0", Verdict.OK),
        ("421/4.3.0 421/4.3.2 421", Verdict.FAILED),
        ("421/4.7.0 421/4.7.28 421/4.4.2", Verdict.OK),
        ("450/4.2.1 450/4.7.1", Verdict.OK),
        ("451/4.3.0 451/4.3.5", Verdict.FAILED),
        ("451/4.7.1", Verdict.OK),
        ("452/4.3.1", Verdict.FAILED),
        ("452/4.5.3", Verdict.OK),
        ("454/4.7.0 454/4.3.0", Verdict.FAILED),
        ("432 534/5.7.9 535/5.7.8 538/5.7.11 530/5.7.0", Verdict.OK),
        ("500 501/5.5.4 503/5.5.1 550/5.7.1 552/5.3.4 553/5.6.7 554/5.6.0 554/5.7.1 554/5.4.6", Verdict.OK),
        ("554/5.3.0 554/5.3.2 554/5.3.5", Verdict.FAILED),
    ],
)
def test_smtp_replies_say_whose_fault_it_was(codes: str, expected: Verdict):
    assert {by_code(Door.SMTP, code) for code in codes.split()} == {expected}


@pytest.mark.parametrize("door", Door)
def test_no_answer_is_our_failure(door: Door):
    assert by_code(door, "") is Verdict.FAILED
    assert verdict(door, FaultTag.SERVER, LOST) is Verdict.FAILED


def test_the_tag_decides_and_the_code_only_where_there_is_none():
    assert verdict(Door.API, FaultTag.NONE, "500") is Verdict.OK
    assert verdict(Door.API, None, "500") is Verdict.FAILED
    assert verdict(Door.SMTP, FaultTag.TIMEOUT, "250") is Verdict.FAILED
    assert verdict(Door.API, FaultTag.VOID, "") is Verdict.VOID
    assert disagrees(Door.API, FaultTag.NONE, "500")
    assert not disagrees(Door.API, FaultTag.SERVER, "500")


REPLIES = [
    (f"{module.__name__}.{name}", reply)
    for module in (replies, answers, mx_replies)
    for name, reply in vars(module).items()
    if isinstance(reply, Reply)
]


@each(lambda: REPLIES, name=itemgetter(0))
def test_every_reply_of_ours_says_by_its_code_what_its_tag_says(named: tuple[str, Reply]):
    _, reply = named
    assert re.fullmatch(r"\d{3}(/[245]\.\d+\.\d+)?", reply.label)
    assert not disagrees(Door.SMTP, reply.fault, reply.label)


@each(lambda: range(200, 600))
def test_every_status_says_by_its_code_what_its_tag_says(status: int):
    if status != 499:
        assert not disagrees(Door.API, fault_of(status), str(status))
