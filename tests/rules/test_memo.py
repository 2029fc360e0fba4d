import asyncio
from datetime import timedelta

import pytest

from homing.ground.errors import StoreUnavailable
from homing.ground.memo import Memo
from tests.kit.moved_clock import MovedClock

FIVE, ONE, MINUTE = timedelta(seconds=5), timedelta(seconds=1), timedelta(minutes=1)


class Shelf:
    """What a memo reads: a dictionary that counts, and that can be away."""

    def __init__(self, **values):
        self.values = values
        self.asked = 0
        self.away = False

    async def load(self, key):
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        return self.values.get(key)


def memo(shelf, clock, **differences):
    return Memo(shelf.load, clock, **{"fresh": FIVE, "absent": ONE, "stale": MINUTE, **differences})


async def test_an_answer_is_believed_while_it_is_fresh():
    clock, shelf = MovedClock(), Shelf(a=1)
    kept = memo(shelf, clock)
    assert kept.peek("a") is None
    assert [await kept.get("a"), await kept.get("a"), kept.peek("a")] == [1, 1, 1]
    assert shelf.asked == 1
    clock.forward(seconds=5)
    assert kept.peek("a") is None
    assert await kept.get("a") == 1
    assert shelf.asked == 2


async def test_that_there_is_none_is_believed_for_a_shorter_while():
    clock, shelf = MovedClock(), Shelf()
    kept = memo(shelf, clock)
    await kept.get("a")
    await kept.get("a")
    assert shelf.asked == 1
    shelf.values["a"] = 1
    clock.forward(seconds=1)
    assert await kept.get("a") == 1


async def test_a_clock_that_is_set_back_makes_nothing_live_longer():
    clock, shelf = MovedClock(), Shelf(a=1)
    kept = memo(shelf, clock)
    await kept.get("a")
    clock.forward(hours=-1)
    await kept.get("a")
    assert shelf.asked == 2


async def test_many_at_once_ask_once():
    shelf = Shelf(a=1)
    kept = memo(shelf, MovedClock())
    assert await asyncio.gather(*(kept.get("a") for _ in range(20))) == [1] * 20
    assert shelf.asked == 1


async def test_an_outage_is_bridged_for_a_while_without_asking_each_time():
    clock, shelf = MovedClock(), Shelf(a=1)
    kept = memo(shelf, clock)
    await kept.get("a")
    shelf.away = True
    clock.forward(seconds=30)
    assert [await kept.get("a") for _ in range(10)] == [1] * 10
    assert shelf.asked == 2  # the failure is remembered for a second
    clock.forward(seconds=31)
    with pytest.raises(StoreUnavailable):
        await kept.get("a")
    shelf.away = False
    assert await kept.get("a") == 1


async def test_a_store_that_says_nothing_counts_as_away():
    async def never(key):
        await asyncio.sleep(60)

    kept = Memo(never, MovedClock(), fresh=FIVE, absent=ONE, patience=timedelta(milliseconds=20))
    with pytest.raises(StoreUnavailable):
        await kept.get("a")


async def test_a_flood_of_keys_that_lead_nowhere_does_not_push_out_the_good_ones():
    shelf = Shelf(a=1, b=2, c=3)
    kept = memo(shelf, MovedClock(), most=2)
    await kept.get("a")
    for number in range(50):
        await kept.get(f"wrong-{number}")
    assert kept.peek("a") == 1
    assert len(kept) == 3
    await kept.get("b")
    await kept.get("c")
    assert [kept.peek(key) for key in "abc"] == [None, 2, 3]


async def test_what_is_forgotten_while_it_is_read_is_not_kept():
    shelf = Shelf(a=1)
    kept = memo(shelf, MovedClock())
    reading = asyncio.create_task(kept.get("a"))
    await asyncio.sleep(0)
    kept.forget("a")
    assert await reading == 1
    assert kept.peek("a") is None
