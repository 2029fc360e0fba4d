"""What a message is like that does not say otherwise: the call, then its template, then the account."""

import itertools

import msgspec
import pytest

from homing.accounts.types import AccountOptions
from homing.ingress.rules.content import with_stored
from homing.ingress.rules.defaults import with_defaults
from homing.ingress.rules.msys_header import ApiHeader, read_api_header
from homing.ingress.rules.transmission import decode
from homing.ingress.types import Transmission
from homing.spool.types import InlineContent
from homing.templates.types import Options, StoredTemplate

PLAIN = AccountOptions()
CONTENT = InlineContent(from_email="news@acme.test", subject="s", text="t")


def rest(options: dict[str, bool] | None = None, *, template: Options | None = None) -> Transmission:
    content = {"template_id": "t"} if template is not None else {"from": "news@acme.test", "subject": "s", "text": "t"}
    body = {"recipients": [{"address": "kim@there.test"}], "content": content, "options": options or {}}
    read = decode(msgspec.json.encode(body))
    assert isinstance(read, Transmission)
    if template is None:
        return read
    return with_stored(
        read, CONTENT, StoredTemplate(account_id=1, subaccount_id=0, template_id="t", name="t", options=template), version=1
    )


def smtp(options: dict[str, bool] | None = None) -> Transmission:
    asked = read_api_header(msgspec.json.encode({"options": options or {}}).decode())
    assert isinstance(asked, ApiHeader)
    return Transmission(
        recipients=[],
        content=CONTENT,
        recv_method="esmtp",
        from_email="news@acme.test",
        sending_domain="acme.test",
        open_tracking=asked.open_tracking,
        click_tracking=asked.click_tracking,
        initial_open=asked.initial_open,
        transactional=asked.transactional,
        unset=asked.unset,
    )


def decided(transmission: Transmission, **options: bool) -> tuple[bool, bool, bool, bool]:
    """Return open_tracking, click_tracking, initial_open, transactional."""
    found = with_defaults(transmission, msgspec.structs.replace(PLAIN, **options))
    assert not found.unset
    return found.open_tracking, found.click_tracking, found.initial_open, found.transactional


def test_without_a_word_rest_is_followed_and_smtp_is_not():
    assert decided(rest()) == (True, True, True, False)
    assert decided(smtp()) == (False, False, False, False)


def test_the_account_decides_for_each_door():
    assert decided(rest(), rest_tracking_default=False) == (False, False, False, False)
    assert decided(rest(), smtp_tracking_default=True) == (True, True, True, False)
    assert decided(smtp(), smtp_tracking_default=True) == (True, True, True, False)
    assert decided(smtp(), rest_tracking_default=False) == (False, False, False, False)


@pytest.mark.parametrize("made", [rest, smtp])
def test_click_tracking_false_ends_clicks_over_both(made):
    both = {"rest_tracking_default": True, "smtp_tracking_default": True}
    assert decided(made(), **both, click_tracking=False) == (True, False, True, False)
    assert decided(made({"click_tracking": True}), **both, click_tracking=False) == (True, True, True, False)


@pytest.mark.parametrize("made", [rest, smtp])
def test_what_the_call_says_wins(made):
    for opens, clicks, initial, transactional in itertools.product([True, False], repeat=4):
        said = {"open_tracking": opens, "click_tracking": clicks, "initial_open": initial, "transactional": transactional}
        for account in (True, False):
            options = dict.fromkeys(AccountOptions.__struct_fields__, account)
            assert decided(made(said), **options) == (opens, clicks, initial, transactional)


@pytest.mark.parametrize("made", [rest, smtp])
@pytest.mark.parametrize(
    ("said", "pixel", "initial"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_the_pixel_at_the_top_goes_where_opens_are_followed_if_the_account_wants_it(made, said, pixel, initial):
    assert decided(made({"open_tracking": said}), initial_open_pixel_tracking=pixel)[2] is initial


@pytest.mark.parametrize(
    ("tracks", "pixel", "initial"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_without_a_word_about_opens_both_options_of_the_account_decide_on_the_pixel(tracks, pixel, initial):
    assert decided(rest(), rest_tracking_default=tracks, initial_open_pixel_tracking=pixel)[2] is initial
    assert decided(smtp(), smtp_tracking_default=tracks, initial_open_pixel_tracking=pixel)[2] is initial


@pytest.mark.parametrize("made", [rest, smtp])
def test_messages_are_transactional_unless_they_say_otherwise_where_the_account_wants_that(made):
    assert decided(made(), transactional_default=True)[3] is True
    assert decided(made({"transactional": False}), transactional_default=True)[3] is False


def test_a_template_stands_between_the_call_and_the_account():
    silent, loud = Options(), Options(open_tracking=False, click_tracking=True, transactional=True)
    assert decided(rest(template=silent), rest_tracking_default=False, transactional_default=True) == (False, False, False, True)
    assert decided(rest(template=loud), click_tracking=False) == (False, True, False, True)
    assert decided(rest({"open_tracking": True, "transactional": False}, template=loud), click_tracking=False) == (
        True,
        True,
        True,
        False,
    )
