"""Return paths that name their message."""

import hashlib

import pytest

from homing.message.addresses import BadAddress, parse_address
from homing.message.verp import compose, compose_under, parse

IDENT = bytes(range(10))


def token(message: bytes) -> bytes:
    return hashlib.blake2b(message, digest_size=8, key=b"k").digest()


def test_a_return_path_comes_back_as_its_message():
    address = compose(IDENT, token, "bounce.here.test")
    assert address == f"b-{IDENT.hex()}-{token(IDENT).hex()}@bounce.here.test"
    assert parse(address, token) == IDENT
    assert parse(address.upper(), token) == IDENT
    parse_address(address)


def test_a_customers_return_path_keeps_its_domain():
    address = compose_under(IDENT, token, "any@Bounce.Acme.test")
    assert address.endswith("@bounce.acme.test")
    assert parse(address, token) == IDENT
    with pytest.raises(BadAddress):
        compose_under(IDENT, token, "nobody")


@pytest.mark.parametrize(
    "address",
    ["", "x@y", f"b-{IDENT.hex()}-{'0' * 16}@y", f"b-{IDENT.hex()}-{token(IDENT).hex()[:-1]}@y", f"b-{IDENT.hex()}@y",
     f"b-{IDENT.hex()}-{token(IDENT).hex()}x@y", f"b-{'f' * 20}-{token(IDENT).hex()}@y"],
)  # fmt: skip
def test_what_we_did_not_make_is_none_of_ours(address):
    assert parse(address, token) is None
