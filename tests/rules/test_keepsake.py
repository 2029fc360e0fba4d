"""What a message carries of its own story: only we can make it, only we can read it, and it is read for ever."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.message import keepsake
from homing.message.keepsake import Box, Keepsake

BOX = Box(b"s" * 32)
ID, OTHER = bytes(range(10)), bytes(range(10, 20))
KEPT = Keepsake(4471, "Kim@there.test", 12, True, "spring", OTHER, "news")
WORD = BOX.word(ID, keepsake.pack(KEPT))


def test_a_word_says_what_was_kept_of_its_message():
    assert BOX.read(WORD) == {ID: KEPT}
    assert BOX.read(f"Re: unsubscribe:{WORD} please") == {ID: KEPT}
    assert keepsake.words_in(f"<mailto:u-1@x?subject=unsubscribe:{WORD}>, <https://x/u>") == [WORD]


def test_it_is_the_same_text_at_every_try():
    assert BOX.word(ID, keepsake.pack(KEPT)) == WORD


def test_nothing_of_it_can_be_read():
    sealed = WORD.rpartition("-")[2] if "-" not in WORD[23:] else WORD[23:]
    octets = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for text in (b"Kim", b"there", b"spring", OTHER):
        assert text not in octets
        assert text.hex() not in WORD


def test_another_installation_and_another_message_read_nothing():
    assert Box(b"t" * 32).read(WORD) == {}
    assert BOX.read(WORD.replace(ID.hex(), OTHER.hex())) == {}


@given(st.data())
def test_a_word_that_was_changed_is_none_of_ours(data):
    at = data.draw(st.integers(0, len(WORD) - 1))
    sign = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    changed = WORD[:at] + sign + WORD[at + 1 :]
    assert (ID in BOX.read(changed)) == (changed == WORD)


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    assert BOX.read(text) == {}
    assert BOX.read(f"k-{ID.hex()}-{text}") == {}


def test_a_member_of_a_later_release_is_passed_over_and_one_of_an_earlier_is_missing():
    later = msgspec.msgpack.encode([4471, "kim@there.test", 12, True, "spring", OTHER, "news", "new"])
    earlier = msgspec.msgpack.encode([4471, "kim@there.test"])
    assert BOX.read(BOX.word(ID, later)) == {ID: Keepsake(4471, "kim@there.test", 12, True, "spring", OTHER, "news")}
    assert BOX.read(BOX.word(ID, earlier)) == {ID: Keepsake(4471, "kim@there.test")}


@pytest.mark.parametrize("packed", [b"", b"\xc1", msgspec.msgpack.encode({"a": 1}), msgspec.msgpack.encode(["x"])])
def test_a_box_that_holds_something_else_says_nothing(packed):
    assert BOX.read(BOX.word(ID, packed)) == {}


def test_of_many_words_the_first_few_are_tried():
    assert BOX.read(" ".join([f"k-{OTHER.hex()}-{'A' * 22}"] * 30 + [WORD])) == {}
