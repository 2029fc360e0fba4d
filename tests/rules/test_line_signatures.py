"""Requests of carriers are known by their signatures (model, section 4.4)."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from homing.support.line.rules.signatures import Seen, check, classic
from homing.support.line.types import Family, Keys, Verdict

NOW = 1_778_000_000.0
FORM = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
OLD_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
OLD = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
    ("From", "+14158675310"),
    ("To", "+18005551212"),
]
URL = "https://sev1.example.com/telephony/v1/calls/inbound"
RING = [
    ("AccountSid", "AC" + "0" * 32),
    ("ApiVersion", "2010-04-01"),
    ("CallSid", "CA" + "0" * 32),
    ("CallStatus", "ringing"),
    ("Called", "+18005550100"),
    ("Caller", "+442071838750"),
    ("Direction", "inbound"),
    ("From", "+442071838750"),
    ("To", "+18005550100"),
]
KEYS = Keys(secrets=("sev1-test-token",))


def judged(signature, *, url=URL, fields=RING, keys=KEYS, family=Family.TWILIO, name="x-twilio-signature", **headers):
    seen = Seen(url=url, headers={**FORM, name: signature, **headers}, body=urlencode(fields).encode())
    return check(family, seen, keys, now_s=NOW)


def test_the_long_published_example():
    assert classic(OLD_URL, OLD, "12345") == "GvWf1cFY/Q7PnoempGyD5oXAezc="
    assert judged("GvWf1cFY/Q7PnoempGyD5oXAezc=", url=OLD_URL, fields=OLD, keys=Keys(secrets=("12345",))) is Verdict.GENUINE


def test_the_same_with_sha256_and_a_shared_key():
    given = "/Px0ZZziCxf9Zt7wehmYS+fbCh+oLQi2VrfCqcV1vPM="
    assert classic(OLD_URL, OLD, "12345", algorithm="sha256") == given
    said = {"x-twilio-webhooks-signature-settings": "key=sev1,algorithm=HMAC_SHA256"}
    how = {"url": OLD_URL, "fields": OLD}
    assert judged(given, **how, keys=Keys(shared=("12345",)), **said) is Verdict.GENUINE
    assert judged(given, **how, keys=Keys(secrets=("12345",)), **said) is Verdict.FORGED  # no shared key is known
    assert judged(given, **how, keys=Keys(shared=("12345",))) is Verdict.FORGED  # the header decides, and it is absent
    unknown = {"x-twilio-webhooks-signature-settings": "key=sev1,algorithm=HMAC_MD5"}
    assert judged(given, **how, keys=Keys(shared=("12345",), secrets=("12345",)), **unknown) is Verdict.FORGED


@pytest.mark.parametrize("signature", ["IxfXSoafvNUo86xOUubBWjoh9Pg=", "JZo6+CE8PuJcejKNQaCfRzsc3YU="])
@pytest.mark.parametrize("url", [URL, URL.replace(".com/", ".com:443/")])
def test_a_default_port_may_be_signed_or_not(signature, url):
    assert judged(signature, url=url) is Verdict.GENUINE


def test_the_vectors_are_those_of_the_two_spellings():
    assert classic(URL, RING, "sev1-test-token") == "IxfXSoafvNUo86xOUubBWjoh9Pg="
    assert classic(URL.replace(".com/", ".com:443/"), RING, "sev1-test-token") == "JZo6+CE8PuJcejKNQaCfRzsc3YU="


def test_another_scheme_host_path_or_port_is_refused():
    for url in (
        URL.replace("https", "http"),
        URL.replace("sev1.", "sev2."),
        URL + "?n=1",
        URL.replace(".com/", ".com:8443/"),
    ):
        signature = "JZo6+CE8PuJcejKNQaCfRzsc3YU="
        assert judged(signature, url=url) is Verdict.FORGED


def test_two_secrets_are_active_while_one_is_replaced():
    given = classic(URL, RING, "old")
    assert judged(given, keys=Keys(secrets=("new", "old"))) is Verdict.GENUINE
    assert judged(given, keys=Keys(secrets=("new",))) is Verdict.FORGED
    assert judged(given, keys=Keys()) is Verdict.FORGED


def test_repeated_empty_and_foreign_values():
    fields = [("b", "2"), ("a", "z"), ("a", "y"), ("a", "z"), ("e", ""), ("ü", "naïve 📞")]
    signed = URL + "a" + "y" + "a" + "z" + "b2" + "e" + "ünaïve 📞"
    expected = base64.b64encode(hmac.digest(b"sev1-test-token", signed.encode(), "sha1")).decode()
    assert judged(expected, fields=fields) is Verdict.GENUINE


def test_bytes_that_are_no_text_are_signed_as_they_are():
    signed = URL.encode() + b"a\xff"
    expected = base64.b64encode(hmac.digest(b"sev1-test-token", signed, "sha1")).decode()
    seen = Seen(url=URL, headers={**FORM, "x-twilio-signature": expected}, body=b"a=%FF")
    assert check(Family.TWILIO, seen, KEYS, now_s=NOW) is Verdict.GENUINE


def test_a_missing_and_an_unlikely_signature():
    seen = Seen(url=URL, headers=FORM, body=b"")
    assert check(Family.TWILIO, seen, KEYS, now_s=NOW) is Verdict.UNSIGNED
    assert judged("ünsinn \udc80") is Verdict.FORGED
    assert judged("A" * 10_000) is Verdict.FORGED


def test_a_json_body_is_vouched_for_by_its_digest_in_the_address():
    digest = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert hashlib.sha256(b'{"a":1}').hexdigest() == digest
    url = f"{URL}?bodySHA256={digest}"
    headers = {"content-type": "application/json", "x-twilio-signature": classic(url, [], "sev1-test-token")}
    assert check(Family.TWILIO, Seen(url=url, headers=headers, body=b'{"a":1}'), KEYS, now_s=NOW) is Verdict.GENUINE
    assert check(Family.TWILIO, Seen(url=url, headers=headers, body=b'{"a":1} '), KEYS, now_s=NOW) is Verdict.FORGED
    bare = {"content-type": "application/json", "x-twilio-signature": classic(URL, [], "sev1-test-token")}
    assert check(Family.TWILIO, Seen(url=URL, headers=bare, body=b'{"a":1}'), KEYS, now_s=NOW) is Verdict.FORGED


def test_a_form_beside_a_digest_is_signed_with_its_fields():
    url = f"{URL}?bodySHA256={'0' * 64}"
    headers = {**FORM, "x-twilio-signature": classic(url, [], "sev1-test-token")}
    assert check(Family.TWILIO, Seen(url=url, headers=headers, body=b"a=1"), KEYS, now_s=NOW) is Verdict.FORGED


def test_signalwire_has_a_header_of_its_own_and_an_older_one():
    given = classic(URL, RING, "sev1-test-token")
    for name in ("x-signalwire-signature", "x-twilio-signature"):
        assert judged(given, family=Family.SIGNALWIRE, name=name) is Verdict.GENUINE
    both = {"x-twilio-signature": given}
    assert judged("wrong", family=Family.SIGNALWIRE, name="x-signalwire-signature", **both) is Verdict.FORGED


def telnyx(private, body, stamp, *, keys):
    signature = base64.b64encode(private.sign(f"{stamp}|".encode() + body)).decode()
    headers = {**FORM, "telnyx-signature-ed25519": signature, "telnyx-timestamp": str(stamp)}
    return check(Family.TELNYX, Seen(url=URL, headers=headers, body=body), keys, now_s=NOW)


def test_telnyx_signs_time_and_body_with_ed25519():
    private, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    shown = [base64.b64encode(one.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode() for one in (private, other)]
    keys = Keys(public=tuple(reversed(shown)))
    body = urlencode(RING).encode()
    assert telnyx(private, body, int(NOW) - 299, keys=keys) is Verdict.GENUINE
    assert telnyx(private, body, int(NOW) - 301, keys=keys) is Verdict.OLD
    assert telnyx(private, body, int(NOW) + 301, keys=keys) is Verdict.OLD
    assert telnyx(private, body, int(NOW), keys=Keys(public=(shown[1], "no key"))) is Verdict.FORGED
    headers = {"telnyx-signature-ed25519": "%%%", "telnyx-timestamp": str(int(NOW))}
    assert check(Family.TELNYX, Seen(url=URL, headers=headers, body=body), keys, now_s=NOW) is Verdict.FORGED
    assert check(Family.TELNYX, Seen(url=URL, headers=FORM, body=body), keys, now_s=NOW) is Verdict.UNSIGNED


def test_jambonz_signs_time_and_body_or_says_a_password():
    body = b'{"call_sid":"1"}'
    made = hmac.digest(b"sev1-test-token", f"{int(NOW)}.".encode() + body, "sha256").hex()

    def jambonz(headers, keys=KEYS, now=NOW):
        return check(Family.JAMBONZ, Seen(url=URL, headers=headers, body=body), keys, now_s=now)

    signed = {"jambonz-signature": f"t={int(NOW)},v1=00,v1={made}"}
    assert jambonz(signed) is Verdict.GENUINE
    assert jambonz(signed, now=NOW + 301) is Verdict.OLD
    assert jambonz({"jambonz-signature": f"t={int(NOW) + 1},v1={made}"}) is Verdict.FORGED
    assert jambonz({"jambonz-signature": "rubbish"}) is Verdict.FORGED
    basic = {"authorization": "Basic " + base64.b64encode(b"jam:bonz").decode()}
    assert jambonz(basic, Keys(basic=("other:one", "jam:bonz"))) is Verdict.GENUINE
    assert jambonz(basic, Keys(basic=("jam:bonz2",))) is Verdict.FORGED
    assert jambonz({"authorization": "Basic ???"}) is Verdict.FORGED
    assert jambonz({}) is Verdict.UNSIGNED
