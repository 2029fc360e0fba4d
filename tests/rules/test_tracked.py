"""Tracked addresses: only we can make them, and they lead only where we wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.message.keepsake import Keepsake, pack
from homing.message.tracked import MOST_PATH, Kind, Seal, Tracked

SEAL = Seal(b"s" * 32)
ID = bytes(range(10))
URL = "https://shop.acme.test/?q=kim%40there.test&x=ü"


def test_a_link_names_its_message_target_and_name():
    path = SEAL.link(4471, ID, URL, name="Offer", sublink="app")
    assert path.startswith("/f/app/")
    assert SEAL.read(path) == Tracked(Kind.CLICK, 4471, ID, URL, "Offer")
    assert SEAL.read(SEAL.link(1, ID, URL)) == Tracked(Kind.CLICK, 1, ID, URL, "Raw URL")


@pytest.mark.parametrize("kind", [Kind.OPEN, Kind.INITIAL_OPEN, Kind.AMP_OPEN])
def test_a_pixel_names_its_message(kind):
    assert SEAL.read(SEAL.pixel(7, ID, kind=kind)) == Tracked(kind, 7, ID)


def test_an_unsubscribe_address_names_its_message():
    assert SEAL.read(SEAL.unsubscribe(7, ID)) == Tracked(Kind.UNSUBSCRIBE, 7, ID)


def test_nothing_of_a_person_can_be_read_in_it():
    path = SEAL.link(1, ID, URL, name="kim@there.test")
    assert "kim" not in path
    assert "acme" not in path
    assert ID.hex() not in path


def test_the_same_link_is_the_same_text_at_every_try():
    assert SEAL.link(1, ID, URL) == SEAL.link(1, ID, URL)


def test_another_secret_reads_nothing():
    assert Seal(b"t" * 32).read(SEAL.link(1, ID, URL)) is None


def test_a_link_that_would_be_too_long_is_not_made():
    assert SEAL.link(1, ID, "https://a.test/" + "x" * MOST_PATH) == ""


def test_a_long_name_is_cut():
    found = SEAL.read(SEAL.link(1, ID, URL, name="ü" * 100))
    assert found is not None
    assert found.name == "ü" * 31


@pytest.mark.parametrize(
    ("sublink", "path"), [("a/b", "/f/a/b/"), ("/shop/v1.2/x/", "/f/shop/v1.2/x/"), ("a/a/a/a/a", "/f/a/a/a/a/a/")]
)
def test_a_sublink_may_have_several_segments(sublink, path):
    made = SEAL.link(4471, ID, URL, sublink=sublink)
    assert made.startswith(path)
    assert SEAL.read(made) == Tracked(Kind.CLICK, 4471, ID, URL, "Raw URL")
    assert SEAL.read(made.replace("/f/", "/f/a/")) is None


@pytest.mark.parametrize("sublink", ["../x", "a/../b", "a//b", "..", "/", "x" * 101, "a b", "é", ""])
def test_a_sublink_that_cannot_stand_in_a_path_is_left_out(sublink):
    assert SEAL.link(1, ID, URL, sublink=sublink).startswith("/f/a/")


PATHS = st.sampled_from([SEAL.link(1, ID, URL, sublink="a/b"), SEAL.pixel(1, ID, kind=Kind.OPEN), SEAL.unsubscribe(1, ID)])


@given(PATHS, st.data())
def test_whatever_is_changed_in_a_path_it_is_none_of_ours(path, data):
    at = data.draw(st.integers(0, len(path) - 1))
    sign = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    changed = path[:at] + sign + path[at + 1 :]
    assert (SEAL.read(changed) is None) == (changed != path)


@given(st.text(max_size=300))
def test_any_text_is_read_or_none(text):
    assert SEAL.read(text) is None
    assert SEAL.read("/q/" + text) is None


@given(st.text(max_size=200), st.text(max_size=80), st.integers(1, 2**31 - 1))
def test_any_url_comes_back_as_it_was(url, name, account_id):
    url = url.encode("utf-8", "replace").decode()
    name = name.encode("utf-8", "replace").decode()
    found = SEAL.read(SEAL.link(account_id, ID, url, name=name))
    assert found is not None
    assert (found.url, found.account_id) == (url, account_id)


def test_a_path_cannot_be_moved_to_another_place_or_account():
    token, account, data = SEAL.pixel(5, ID, kind=Kind.OPEN)[3:].split("/")
    assert SEAL.read(f"/u/{token}/{account}/{data}") is None
    assert SEAL.read(f"/q/{token}/6~/{data}") is None


# keepsakes --------------------------------------------------------------------------------------------------------------

KEPT = Keepsake(7, "Kim@there.test", 12, True, "spring", ID)
PACKED = pack(KEPT)


def test_an_address_carries_a_keepsake_of_its_message():
    assert SEAL.read(SEAL.link(7, ID, URL, name="Offer", packed=PACKED)) == Tracked(Kind.CLICK, 7, ID, URL, "Offer", KEPT)
    assert SEAL.read(SEAL.pixel(7, ID, kind=Kind.OPEN, packed=PACKED)) == Tracked(Kind.OPEN, 7, ID, keepsake=KEPT)
    assert SEAL.read(SEAL.unsubscribe(7, ID, packed=PACKED)) == Tracked(Kind.UNSUBSCRIBE, 7, ID, keepsake=KEPT)
    for path in (SEAL.link(7, ID, URL, packed=PACKED), SEAL.pixel(7, ID, kind=Kind.OPEN, packed=PACKED)):
        assert not {"kim", "there", "spring"} & set(path.lower().replace("/", "~").split("~"))
        assert SEAL.read(path[:-4] + ("A" if path[-4] != "A" else "B") + path[-3:]) is None


def test_a_link_gives_its_keepsake_up_before_it_stays_as_it_is():
    url = "https://a.test/" + "x" * 2_975
    path = SEAL.link(7, ID, url, packed=PACKED)
    assert SEAL.read(path) == Tracked(Kind.CLICK, 7, ID, url, "Raw URL")


def test_addresses_of_before_there_were_keepsakes_are_read_as_ever():
    # Written by the release before. Such addresses are out in the world for years.
    link = (
        "/f/app/_4ArQyzsLfSVBfhT5zao8mTRx1lwHskhfNyoug~~/3g7~/eLc8yTOYqCB3zpy5ruhgOOch67LqZvylGDpwWFKm9uCasVso4b-c7GoiGCvDQQg-"
        "28pdZ8l6yKdEfJhcBNMauA"
    )
    assert SEAL.read(link) == Tracked(Kind.CLICK, 4471, ID, URL, "Offer")
    assert SEAL.read("/q/fyXmFZIVshFiL7o9obvFTbAC0iXuxe96FAtfTQ~~/7~/7HwuNcqiqQ_sRGE~~") == Tracked(Kind.OPEN, 7, ID)
    assert SEAL.read("/u/WDy5elE5MbrEZ_E8bsloxL56cJKUKoS8opuRSA~~/7~/EQjbFZiLFn5OOCA~~") == Tracked(Kind.UNSUBSCRIBE, 7, ID)
