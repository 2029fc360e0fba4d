"""Which address a message leaves from: warming ones first, then the pool's others, then overflow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.egress.rules.choice import Choice, Standing, beyond, choose, is_full
from homing.egress.rules.pool_ids import is_reserved, pool_id_of
from homing.egress.types import Line
from homing.ground.config import SourceIP

FREE, ROOM, FULL = Standing.FREE, Standing.ROOM, Standing.FULL


class Egress:
    """Addresses a, b, c are the pool's, x, y take its overflow."""

    def __init__(self, own: dict[str, Standing], overflow: dict[str, Standing] | None = None, refused: str = "") -> None:
        self.how = {**own, **(overflow or {})}
        self.refused = set(refused)
        self.line = Line(own=sources(own), overflow=sources(overflow or {}))

    def choose(self, start: int = 0) -> str | None:
        found = choose(self.line, start=start, standing=self.how.__getitem__, refused=self.refused.__contains__)
        assert found is None or not found.beyond
        return None if found is None else found.source.address

    def beyond(self, start: int = 0) -> tuple[str, bool]:
        found = beyond(self.line, start=start, standing=self.how.__getitem__, refused=self.refused.__contains__)
        return found.source.address, found.beyond


def sources(names) -> tuple[SourceIP, ...]:
    return tuple(SourceIP(name, f"{name}.test") for name in names)


def test_a_message_begins_at_its_own_address_and_stays_there():
    egress = Egress({"a": FREE, "b": FREE, "c": FREE})
    assert [egress.choose(start) for start in range(4)] == ["a", "b", "c", "a"]


def test_a_warming_address_with_room_comes_first():
    assert [Egress({"a": FREE, "b": ROOM}).choose(start) for start in range(2)] == ["b", "b"]


def test_a_full_address_is_passed_over_for_the_others_of_the_pool_before_overflow():
    assert Egress({"a": FULL, "b": FREE}, {"x": FREE}).choose() == "b"


def test_a_full_pool_overflows():
    assert Egress({"a": FULL}, {"x": FREE, "y": FREE}).choose(1) == "y"
    assert Egress({"a": FULL}, {"x": ROOM}).choose() == "x"


def test_without_overflow_or_with_a_full_one_nothing_takes_it():
    assert Egress({"a": FULL}).choose() is None
    assert Egress({"a": FULL, "b": FULL}, {"x": FULL}).choose() is None


def test_a_refusal_alone_makes_nothing_overflow():
    assert Egress({"a": FREE, "b": FREE}, {"x": FREE}, refused="ab").choose(1) == "b"
    assert Egress({"a": ROOM}, {"x": FREE}, refused="a").choose() == "a"


def test_what_is_refused_here_and_used_up_there_overflows():
    assert Egress({"a": FULL, "b": FREE}, {"x": FREE}, refused="b").choose() == "x"
    assert Egress({"a": FULL, "b": FREE}, {"x": FREE}, refused="bx").choose() is None


def test_what_must_go_leaves_by_the_pools_own_address():
    assert Egress({"a": FULL, "b": FULL}, {"x": FULL}).beyond(1) == ("b", True)
    assert Egress({"a": FULL, "b": FULL}, refused="b").beyond(1) == ("a", True)
    assert Egress({"a": FULL}, refused="a").beyond() == ("a", True)


_names = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)
_how = st.sampled_from([FREE, ROOM, FULL])


@given(
    own=_names,
    over=st.booleans(),
    hows=st.lists(_how, min_size=16, max_size=16),
    refused=st.sets(st.sampled_from("abcdefgh")),
    start=st.integers(0, 2**24),
)
def test_no_choice_is_full_and_none_is_made_only_where_something_is(own, over, hows, refused, start):
    overflow = [name.upper() for name in own] if over else []
    how = dict(zip([*own, *overflow], hows, strict=False))
    line = Line(own=sources(own), overflow=sources(overflow))
    found = choose(line, start=start, standing=how.__getitem__, refused=refused.__contains__)
    if found is None:
        assert any(how[name] is FULL for name in own)
        assert isinstance(beyond(line, start=start, standing=how.__getitem__, refused=refused.__contains__), Choice)
    else:
        assert how[found.source.address] is not FULL
    if is_full(line, how.__getitem__):
        assert found is None


@pytest.mark.parametrize(
    ("name", "pool_id"),
    [("Bulk Mail", "bulk_mail"), ("  Übergrößen – Post ", "ubergroen_post"), ("A" * 30, "a" * 20), ("news_2", "news_2"),
     ("日本", ""), ("a-very-long-name-with x", "a_very_long_name_wit"), ("nineteen letters to_", "nineteen_letters_to")],
)  # fmt: skip
def test_the_id_of_a_pool_is_a_slug_of_its_name(name, pool_id):
    assert pool_id_of(name) == pool_id


def test_what_is_always_there_cannot_be_made():
    assert [is_reserved(pool_id_of(name)) for name in ("Default", "Shared Pool", "SP shared", "Bulk")] == [
        True,
        True,
        True,
        False,
    ]


@given(st.text())
def test_an_id_can_be_named_by_a_transmission(name):
    pool_id = pool_id_of(name)
    assert len(pool_id) <= 20
    assert pool_id.replace("_", "").isalnum() or not pool_id
    assert pool_id.isascii()
    assert pool_id_of(pool_id) == pool_id
