"""Links in bodies get their tracked form, and nothing else changes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.message.links import track_html, track_text, with_pixels


class Told:
    """A tracker that says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, bool]] = []

    def click(self, url: str, *, name: str, sublink: str, unsubscribe: bool, amp: bool) -> str:
        self.asked.append((url, name, sublink, unsubscribe))
        return f"T{len(self.asked)}"


@pytest.mark.parametrize(
    ("text", "out", "asked"),
    [
        ('<a href="https://a.test/?x=1&amp;y=2">x</a>', '<a href="T1">x</a>', [("https://a.test/?x=1&y=2", "", "", False)]),
        ("<A HREF='HTTP://a.test/'>x</A>", '<A href="T1">x</A>', [("HTTP://a.test/", "", "", False)]),
        ("<a href=http://a.test/x>x</a>", '<a href="T1">x</a>', [("http://a.test/x", "", "", False)]),
        (
            '<a class="b" href="https://a.test" id=c>x</a>',
            '<a class="b" href="T1" id=c>x</a>',
            [("https://a.test", "", "", False)],
        ),
        ('<area shape="rect" href="https://a.test"/>', '<area shape="rect" href="T1"/>', [("https://a.test", "", "", False)]),
        ('<a data-msys-linkname="Offer" href="https://a.test">', '<a href="T1">', [("https://a.test", "Offer", "", False)]),
        ('<a href="https://a.test" data-msys-unsubscribe="1">', '<a href="T1">', [("https://a.test", "", "", True)]),
        ('<a href="https://a.test" data-msys-sublink="app">', '<a href="T1">', [("https://a.test", "", "app", False)]),
        ('<a href="https://a.test" data-msys-clicktrack="0">', '<a href="https://a.test">', []),
        ('<a href="mailto:a@b.test">', '<a href="mailto:a@b.test">', []),
        ('<a href="#top" name="https://x.test">', '<a href="#top" name="https://x.test">', []),
        ('<abbr href="https://a.test">', '<abbr href="https://a.test">', []),
        ('<img src="https://a.test/x.png">', '<img src="https://a.test/x.png">', []),
        ('<a title="a > b" href="https://a.test">', '<a title="a > b" href="T1">', [("https://a.test", "", "", False)]),
        ('<a href="https://a.test', '<a href="https://a.test', []),
        ("<a href='https://a.test", "<a href='https://a.test", []),
    ],
)
def test_links_of_html(text, out, asked):
    tracker = Told()
    assert track_html(text, tracker) == out
    assert tracker.asked == asked


@pytest.mark.parametrize(
    ("text", "out", "asked"),
    [
        ("see https://a.test/x?y=1 and", "see T1 and", [("https://a.test/x?y=1", "", "", False)]),
        ("see https://a.test/x.", "see T1.", [("https://a.test/x", "", "", False)]),
        ("(http://a.test)", "(T1)", [("http://a.test", "", "", False)]),
        ('https://a.test/u[[data-msys-unsubscribe="1"]] x', "T1 x", [("https://a.test/u", "", "", True)]),
        ('https://a.test[[data-msys-clicktrack="0"]]', "https://a.test", []),
        ('https://a.test[[data-msys-sublink="app"]][[data-msys-unsubscribe="1"]]', "T1", [("https://a.test", "", "app", True)]),
        ("no link here", "no link here", []),
    ],
)
def test_links_of_text(text, out, asked):
    tracker = Told()
    assert track_text(text, tracker) == out
    assert tracker.asked == asked


def test_without_a_tracker_only_what_is_meant_for_us_goes():
    text = '<a href="https://a.test" data-msys-linkname="x">'
    assert track_html(text, None) == '<a href="https://a.test">'
    assert track_text('https://a.test[[data-msys-unsubscribe="1"]]', None) == "https://a.test"
    plain = '<a href="https://a.test">'
    assert track_html(plain, None) is plain


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("<html><body>x</body></html>", "<html><body>[i]x[f]</body></html>"),
        ('<html><BODY class="a>b">x</BODY ></html>', '<html><BODY class="a>b">[i]x[f]</BODY ></html>'),
        ("<p>x</p>", "<p>x</p>[f]"),
        ("<body>x</body>", "<body>x[f]</body>"),
        ("<html>x", "<html>x[f]"),
    ],
)
def test_pixels_stand_at_the_beginning_and_at_the_end(text, out):
    made = with_pixels(text, initial="I", final="F")
    for url, mark in (("I", "[i]"), ("F", "[f]")):
        made = made.replace(f'<img border="0" width="1" height="1" alt="" src="{url}">', mark)
    assert made == out


def test_no_pixels_no_change():
    assert with_pixels("<html><body>x</body></html>", initial="", final="") == "<html><body>x</body></html>"


@given(st.text(alphabet="<>a rea/='\"hrfhttps://x.-[]dmsy", max_size=120))
def test_any_html_and_any_text_is_walked_through(text):
    tracker = Told()
    track_html(text, tracker)
    track_text(text, tracker)
    with_pixels(text, initial="I", final="F")


@pytest.mark.parametrize(
    "text", ["<a " * 200_000, '<a href="' * 100_000, "<a href='x\" " * 100_000, "https://" * 100_000, "[[data-msys-" * 100_000]
)
def test_hostile_bodies_take_linear_time(text):
    began = time.process_time()
    track_html("://" + text, Told())
    track_text("://" + text, Told())
    assert time.process_time() - began < 5
