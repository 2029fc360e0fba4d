"""The lane book against a plain model: nothing outside memory is ever forgotten, nothing in memory is read twice."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from homing.queue.rules.lanes import LaneBook, just_before
from homing.queue.types import LaneKey

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEY = LaneKey(1, 0, "spring", "there.test")


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def ident(number: int) -> bytes:
    return number.to_bytes(10, "big")


def test_an_entry_outside_memory_gets_its_lane_read_when_it_falls_due():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(1), at(60), in_memory=False)
    assert book.turn(at(59)) is None
    assert book.turn(at(60)) is lane


def test_an_earlier_entry_brings_the_turn_forward():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(1), at(60), in_memory=False)
    book.committed(lane, ident(2), at(5), in_memory=False)
    assert book.wake_at(NOW) == at(5)
    assert book.turn(at(5)) is lane


def test_an_entry_in_memory_needs_no_reading():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(1), at(0), in_memory=True)
    assert book.turn(at(1)) is None


def test_what_comes_while_a_read_is_under_way_is_not_forgotten():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(5), at(0), in_memory=False)
    assert book.turn(at(1)) is lane
    book.committed(lane, ident(4), at(0), in_memory=False)  # after the read's snapshot
    assert book.admit(lane, ident(5))
    book.read(lane, (at(0), ident(5)), None)
    again = book.turn(at(1))
    assert again is lane
    assert lane.floor is not None
    assert lane.floor < (at(0), ident(4))


def test_an_entry_that_was_settled_while_a_read_was_under_way_is_not_tried_again():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(1), at(0), in_memory=True)
    book.committed(lane, ident(2), at(0), in_memory=False)
    assert book.turn(at(1)) is lane
    book.finished(lane, ident(1))  # delivered; the read's snapshot still shows it
    assert not book.admit(lane, ident(1))
    assert book.admit(lane, ident(2))


def test_customers_take_turns_however_many_lanes_one_of_them_has():
    book = LaneBook()
    for number in range(50):
        book.committed(book.open(0, number, LaneKey(1, 0, str(number), "a.test")), ident(number), at(0), in_memory=False)
    book.committed(book.open(0, 99, LaneKey(2, 0, "", "a.test")), ident(99), at(0), in_memory=False)
    first_two = {lane.key.account_id for lane in (book.turn(at(1)), book.turn(at(1))) if lane}
    assert first_two == {1, 2}


def test_nobody_is_passed_over_however_often_memory_is_short():
    book = LaneBook()
    for account in range(1, 11):
        for shard in range(3):
            lane = book.open(shard, account, LaneKey(account, 0, "", "a.test"))
            book.committed(lane, ident(100 * account + shard), at(account), in_memory=False)
    read: Counter[int] = Counter()
    for _ in range(100):  # each time there is room for seven reads, then everybody waits for room together
        for place in range(10):
            lane = book.turn(at(60))
            assert lane is not None
            if place < 7:
                read[lane.key.account_id] += 1
                book.read(lane, (at(0), ident(1)), at(1))  # there is always more
            else:
                book.park(lane, "room")
        while (lane := book.turn(at(60))) is not None:
            book.park(lane, "room")
        book.unpark("room")
    assert max(read.values()) - min(read.values()) <= 1


def test_a_parked_lane_waits_until_its_reason_ends():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(1), at(0), in_memory=False)
    assert book.turn(at(1)) is lane
    book.park(lane, "site:a")
    assert book.turn(at(2)) is None
    assert book.unpark("site:b") == 0
    assert book.unpark("site:a") == 1
    assert book.turn(at(2)) is lane


def test_a_lane_whose_entries_had_to_be_given_back_is_not_read_again_at_once():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(1), at(0), in_memory=True)
    book.returned(lane, ident(1), at(0))
    book.set_aside(lane, "hold:site")
    assert book.turn(at(1)) is None
    book.unpark("hold:site")
    assert book.turn(at(1)) is lane


def test_a_lane_is_forgotten_with_its_last_entry_and_with_its_shard():
    book = LaneBook()
    lane = book.open(0, 1, KEY)
    book.committed(lane, ident(1), at(0), in_memory=True)
    book.finished(lane, ident(1))
    assert len(book) == 0
    other = book.open(1, 1, KEY)
    book.committed(other, ident(2), at(0), in_memory=False)
    book.forget_shard(1)
    assert len(book) == 0
    assert book.turn(at(9)) is None


def test_just_before_finds_the_place_again_and_nothing_earlier_is_skipped():
    place = (NOW, ident(256))
    assert just_before(place) < place
    assert just_before((NOW, ident(257))) >= (NOW, ident(256))


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(["commit", "commit_memory", "turn", "settle", "redate", "give_back"]), st.integers(0, 20)),
        max_size=60,
    )
)
def test_every_entry_is_in_memory_or_will_be_read(steps: list[tuple[str, int]]):
    book = LaneBook()
    stored: dict[bytes, datetime] = {}  # the table, as PostgreSQL has it
    memory: set[bytes] = set()
    next_id = 0
    clock = 0
    for clock, (verb, number) in enumerate(steps, start=1):
        now = at(clock)
        lane = book.open(0, 1, KEY)
        if verb.startswith("commit"):
            next_id += 1
            due = at(clock + number) if verb == "commit" else now
            stored[ident(next_id)] = due
            book.committed(lane, ident(next_id), due, in_memory=verb == "commit_memory")
            if verb == "commit_memory":
                memory.add(ident(next_id))
        elif verb == "turn":
            found = book.turn(now)
            if found is not None:
                floor = found.floor or (datetime(1, 1, 1, tzinfo=UTC), b"")
                rows = sorted((due, i) for i, due in stored.items() if (due, i) > floor)[:3]
                last = None
                following = None
                for due, i in rows:
                    if due > now:
                        following = due
                        break
                    if book.admit(found, i):
                        assert i not in memory
                        memory.add(i)
                    last = (due, i)
                else:
                    following = now if len(rows) == 3 else None
                book.read(found, last, following)
        elif memory:
            entry = sorted(memory)[number % len(memory)]
            memory.discard(entry)
            if verb == "settle":
                del stored[entry]
                book.finished(lane, entry)
            else:
                if verb == "redate":
                    stored[entry] = at(clock + 1 + number)
                book.returned(lane, entry, stored[entry])
    horizon = at(10_000)
    for _ in range(200):
        found = book.turn(horizon)
        if found is None:
            break
        floor = found.floor or (datetime(1, 1, 1, tzinfo=UTC), b"")
        rows = sorted((due, i) for i, due in stored.items() if (due, i) > floor)[:3]
        for _, i in rows:
            if book.admit(found, i):
                memory.add(i)
        book.read(found, rows[-1] if rows else None, horizon if len(rows) == 3 else None)
    assert memory == set(stored)
