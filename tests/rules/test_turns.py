"""Turns: work that comes round, and the edge that each turn ends at."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from structlog.testing import capture_logs

from homing.ground import db, log
from homing.ground.errors import StoreUnavailable
from homing.ground.turns import edge, take_turns

_log = log.get("test")
NEVER_S = 3_600.0


class Ended(BaseException):
    """Ends the turns of a test, as a cancellation would."""


def turns_of(*ends: object) -> tuple[list[int], Callable[[], Awaitable[object]]]:
    """Return the turns that were taken, and a turn that ends in each of these ways, one after the other."""
    taken: list[int] = []
    left: Iterator[object] = iter(ends)

    async def turn() -> object:
        end = next(left, Ended())
        taken.append(len(taken) + 1)
        if isinstance(end, BaseException):
            raise end
        return end

    return taken, turn


async def take(turn: Callable[[], Awaitable[object]], *, every_s: float = 0.0, rests_first: bool = False) -> None:
    with pytest.raises(Ended):
        await take_turns(turn, every_s=every_s, log=_log, waits="it_waits", failed="it_failed", rests_first=rests_first)


@pytest.mark.parametrize("trouble", [StoreUnavailable("away"), ConnectionResetError(), db.LockedElsewhere("locked")])
async def test_passing_trouble_is_one_line_of_warning_and_the_next_turn_comes(trouble):
    taken, turn = turns_of(trouble, None)
    with capture_logs() as lines:
        await take(turn)
    assert taken == [1, 2, 3]
    assert lines == [{"event": "it_waits", "cause": type(trouble).__name__, "log_level": "warning", "room": "test"}]


async def test_another_failure_is_logged_with_its_traceback_and_the_next_turn_comes():
    taken, turn = turns_of(ValueError("a bug"), None)
    with capture_logs() as lines:
        await take(turn)
    assert taken == [1, 2, 3]
    assert lines == [{"event": "it_failed", "exc_info": True, "log_level": "error", "room": "test"}]


async def test_while_there_may_be_more_the_next_turn_comes_at_once():
    taken, turn = turns_of(True, 3, True)
    await take(turn, every_s=NEVER_S)
    assert taken == [1, 2, 3, 4]


@pytest.mark.parametrize("end", [None, False, 0, StoreUnavailable("away"), ValueError("a bug")])
async def test_after_a_turn_without_more_there_is_a_rest(end):
    taken, turn = turns_of(True, end)
    running = asyncio.ensure_future(take(turn, every_s=NEVER_S))
    await asyncio.wait({running}, timeout=0.01)
    assert (taken, running.done()) == ([1, 2], False)
    running.cancel()


async def test_what_is_not_urgent_begins_with_a_rest():
    taken, turn = turns_of()
    running = asyncio.ensure_future(take(turn, every_s=NEVER_S, rests_first=True))
    await asyncio.wait({running}, timeout=0.01)
    assert (taken, running.done()) == ([], False)
    running.cancel()


async def test_news_ends_a_rest_also_news_that_came_during_the_turn():
    news, taken = asyncio.Event(), []

    async def turn() -> None:
        taken.append(news.is_set())
        if len(taken) == 3:
            raise Ended
        news.set()

    news.set()
    with pytest.raises(Ended):
        await take_turns(turn, every_s=NEVER_S, log=_log, waits="it_waits", failed="it_failed", news=news)
    assert taken == [False, False, False]


async def test_a_cancellation_ends_the_turns():
    taken, turn = turns_of(asyncio.CancelledError(), None)
    with pytest.raises(asyncio.CancelledError):
        await take_turns(turn, every_s=0.0, log=_log, waits="it_waits", failed="it_failed")
    assert taken == [1]


def test_the_edge_says_which_unit_of_work_it_was():
    with capture_logs() as lines:
        for trouble in (StoreUnavailable("away"), ValueError("a bug")):
            with edge(_log, waits="case_waits", failed="case_failed", case=7):
                raise trouble
    assert [(line["event"], line["case"]) for line in lines] == [("case_waits", 7), ("case_failed", 7)]
