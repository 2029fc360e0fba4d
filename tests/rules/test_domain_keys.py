import base64

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from homing.domains.keys import BadKey, generate_ed25519, generate_rsa, import_rsa, seal, unseal
from homing.ground.errors import Misuse
from homing.ground.secrets import MasterKey

KEY = MasterKey(b"k" * 32)


@pytest.fixture(scope="module")
def private():
    return rsa.generate_private_key(65537, 1024)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def der(private, form=s.PrivateFormat.PKCS8):
    return b64(private.private_bytes(s.Encoding.DER, form, s.NoEncryption()))


def public_der(private, form=s.PublicFormat.SubjectPublicKeyInfo):
    return b64(private.public_key().public_bytes(s.Encoding.DER, form))


@pytest.mark.parametrize("make", [lambda: generate_rsa(1024), generate_ed25519])
def test_a_key_opens_again_under_its_master_key_only(make):
    pair = make()
    sealed = seal(pair, KEY)
    assert pair.private_der not in sealed
    opened = unseal(sealed, KEY)
    assert opened.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption()) == pair.private_der
    with pytest.raises(Misuse):
        unseal(sealed, MasterKey(b"x" * 32))


def test_an_ed25519_public_key_is_published_as_its_32_bytes():
    assert len(base64.b64decode(generate_ed25519().public_key)) == 32


@pytest.mark.parametrize("bits", [0, 512, 1023, 4097])
def test_too_short_and_too_long_keys_are_not_made(bits):
    with pytest.raises(ValueError):
        generate_rsa(bits)


@pytest.mark.parametrize("form", [s.PrivateFormat.PKCS8, s.PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("public_form", [s.PublicFormat.SubjectPublicKeyInfo, s.PublicFormat.PKCS1])
def test_pkcs1_and_pkcs8_are_taken_and_the_public_key_is_published_alike(private, form, public_form):
    pair = import_rsa(der(private, form), public_der(private, public_form))
    assert (pair.public_key, pair.bits) == (public_der(private), 1024)


def test_pem_lines_and_line_breaks_are_tolerated(private):
    pem = private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()
    assert import_rsa(pem, public_der(private)[:50] + "\n" + public_der(private)[50:]).bits == 1024


def test_two_keys_that_do_not_belong_together_are_refused(private):
    with pytest.raises(BadKey, match="matching"):
        import_rsa(der(private), public_der(rsa.generate_private_key(65537, 1024)))


@pytest.mark.parametrize("text", ["", "x", "!!!", "AAAA", "é", "\0", "A" * 9000, "MIIB" * 100])
def test_rubbish_is_called_what_it_is(private, text):
    with pytest.raises(BadKey, match="private"):
        import_rsa(text, public_der(private))
    with pytest.raises(BadKey, match="public"):
        import_rsa(der(private), text)


def test_keys_of_another_kind_and_encrypted_keys_are_refused(private):
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(BadKey, match="RSA private"):
        import_rsa(der(other), public_der(private))
    with pytest.raises(BadKey, match="RSA public"):
        import_rsa(der(private), public_der(other))
    locked = private.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"pw"))
    with pytest.raises(BadKey, match="unencrypted"):
        import_rsa(b64(locked), public_der(private))


def test_a_pair_does_not_show_itself_when_printed():
    assert repr(generate_ed25519()) == "KeyPair(ed25519, 256)"
