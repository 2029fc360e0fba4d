"""What we sign into outgoing mail, so that what comes back finds its message."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.message import msfbl, unsubscribe
from homing.message.addresses import parse_address
from homing.message.msfbl import Feedback

IDENT = bytes(range(10))
ABOUT = Feedback(r="kim@there.test", message_id=IDENT.hex(), customer_id="7", subaccount_id="3")


def token(message: bytes) -> bytes:
    return hashlib.blake2b(message, digest_size=16, key=b"k").digest()


def test_a_field_comes_back_as_what_it_says():
    value = msfbl.compose(ABOUT, token)
    assert msfbl.parse(value, token) == ABOUT
    assert msfbl.parse(f" {value[:30]}\r\n\t{value[30:]} ", token) == ABOUT
    digest, _, body = value.partition("|")
    assert len(base64.b64decode(digest)) == msfbl.MAC_BYTES
    assert b'"r":"kim@there.test"' in base64.b64decode(body)


def test_what_we_did_not_sign_says_nothing():
    digest, _, body = msfbl.compose(ABOUT, token).partition("|")
    other = base64.b64encode(base64.b64decode(body).replace(b"kim", b"joe")).decode()
    for value in ("", "|", "x|y", digest, f"{digest}|{other}", f"{'A' * 24}|{body}", f"{digest}|", f"|{body}"):
        assert msfbl.parse(value, token) is None
    signed_rubbish = base64.b64encode(b"[1]").decode()
    assert msfbl.parse(f"{base64.b64encode(token(b'[1]')).decode()}|{signed_rubbish}", token) is None


@given(st.text(max_size=200))
def test_any_text_is_read(value):
    assert msfbl.parse(value, token) is None
    assert unsubscribe.parse(value, token) is None


def test_an_unsubscribe_address_names_its_message():
    address = unsubscribe.compose(IDENT, token, "bounce.here.test")
    parse_address(address)
    assert unsubscribe.parse(address, token) == IDENT
    assert unsubscribe.parse(address.upper(), token) == IDENT
    assert unsubscribe.parse(f"Re: unsubscribe {address.partition('@')[0]} please", token) == IDENT


@pytest.mark.parametrize("text", ["u-", f"u-{IDENT.hex()}-{'0' * 32}", f"xu-{IDENT.hex()}-{token(IDENT).hex()}", "u-" * 1000])
def test_what_we_did_not_make_unsubscribes_nobody(text):
    assert unsubscribe.parse(text, token) is None
