"""X-MSYS-API, member by member (SparkPost reference, section 2.31.2)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.ingress.rules.msys_header import NOTHING_ASKED, ApiHeader, Copy, read_api_header
from homing.message.scan import scan
from homing.smtp.replies import Reply

REFERENCE = (
    b' {"campaign_id":"spring","metadata":{"uid":"7"},"tags":["vip"],\r\n'
    b' "cc":[{"email":"cc@there.test","name":"Cc"}],"bcc":["bcc@there.test"],"archive":["arc@acme.test"],\r\n'
    b'\t"options":{"open_tracking":true,"click_tracking":true,"transactional":false,"ip_pool":"bulk","inline_css":false}}'
)


def read(value: bytes) -> ApiHeader | Reply:
    """Read a value as it stands in a message."""
    return read_api_header(scan(b"X-MSYS-API:" + value + b"\r\n\r\n").msys_api[0])


def asked(value: object) -> ApiHeader:
    found = read(json.dumps(value).encode())
    assert isinstance(found, ApiHeader), found
    return found


def refusal(value: bytes) -> str:
    found = read(value)
    assert isinstance(found, Reply), found
    return found.wire.decode().strip()


def test_the_example_of_the_reference_is_read_through_its_folds():
    assert read(REFERENCE) == ApiHeader(
        campaign_id="spring",
        metadata={"uid": "7"},
        tags=("vip",),
        copies=(
            Copy("cc", "cc@there.test", "there.test", "Cc"),
            Copy("bcc", "bcc@there.test", "there.test", ""),
            Copy("archive", "arc@acme.test", "acme.test", ""),
        ),
        open_tracking=True,
        click_tracking=True,
        initial_open=True,
        ip_pool="bulk",
        unset=frozenset({"initial_open"}),
    )


def test_over_smtp_nothing_is_tracked_unless_asked():
    assert asked({}) == NOTHING_ASKED
    assert not any((NOTHING_ASKED.open_tracking, NOTHING_ASKED.click_tracking, NOTHING_ASKED.initial_open))


def test_a_fold_is_one_space_wherever_it_stands():
    assert read(b'{"campaign_id":"a\r\n \t b"}') == ApiHeader(campaign_id="a b")


def test_text_outside_ascii_comes_escaped_encoded_or_plain():
    for value in (
        b'{"campaign_id":"fr\\u00fch"}',
        '{"campaign_id":"früh"}'.encode(),
        b"=?utf-8?q?=7B=22campaign=5Fid=22=3A=22fr=C3=BCh=22=7D?=",
    ):
        assert read(value) == ApiHeader(campaign_id="früh")


def test_substitution_data_and_unknown_members_are_ignored():
    assert asked({"substitution_data": {"a": 1}, "unknown": [], "options": {"sandbox": "x"}}) == NOTHING_ASKED


def test_every_option_is_read():
    options = {"skip_suppression": True, "transactional": True, "dkim_key": "k1", "open_tracking": True, "initial_open": False}
    assert asked({"options": options}) == ApiHeader(
        skip_suppression=True,
        transactional=True,
        dkim_key="k1",
        open_tracking=True,
        initial_open=False,
        unset=frozenset({"click_tracking"}),
    )


def test_an_address_on_several_lists_gets_one_copy():
    found = asked({"archive": ["a@x.test"], "bcc": ["A@X.test", "b@x.test"], "cc": ["b@x.test"]})
    assert [(copy.kind, copy.email) for copy in found.copies] == [("cc", "b@x.test"), ("bcc", "A@X.test")]


def test_metadata_may_have_a_thousand_bytes_of_json():
    metadata = {"a": "x" * 992}
    assert asked({"metadata": metadata}).metadata == metadata


def test_tags_beyond_ten_are_ignored():
    assert len(asked({"tags": [str(n) for n in range(12)]}).tags) == 10


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b"{", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b"[]", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b"\xff", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b"=?utf-8?b?!?=", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b"=?nonsense?q?a?=", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b'{"metadata":{"a":"\\u0000"}}', "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b'{"metadata":{"a":"\\ud800"}}', "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b'{"metadata":{"a":%s}}' % (b"9" * 40), "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b'{"metadata":%s%s}' % (b'{"a":' * 5000, b"}" * 5000), "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b'{"metadata":[]}', "550 5.6.0 X-MSYS-API 'metadata' must be of type 'json object'"),
        (b'{"campaign_id":5}', "550 5.6.0 X-MSYS-API 'campaign_id' must be of type 'json string'"),
        (b'{"tags":"a"}', "550 5.6.0 X-MSYS-API 'tags' must be of type 'json array'"),
        (b'{"tags":[1]}', "550 5.6.0 X-MSYS-API 'tags' must hold values of type 'json string'"),
        (b'{"options":[]}', "550 5.6.0 X-MSYS-API 'options' must be of type 'json object'"),
        (b'{"options":{"transactional":"yes"}}', "550 5.6.0 X-MSYS-API 'options.transactional' must be of type 'json boolean'"),
        (b'{"options":{"ip_pool":1}}', "550 5.6.0 X-MSYS-API 'options.ip_pool' must be of type 'json string'"),
        (b'{"cc":"a@x.test"}', "550 5.6.0 X-MSYS-API 'cc' must be of type 'json array'"),
        (b'{"cc":[5]}', "550 5.6.0 X-MSYS-API 'cc' must hold addresses"),
        (b'{"bcc":[{"name":"a"}]}', "550 5.6.0 X-MSYS-API 'bcc' must hold addresses"),
        (b'{"archive":["nobody"]}', "550 5.6.0 X-MSYS-API 'archive' holds 'nobody'"),
        (b'{"cc":["a@x.test\\r\\nBcc: b@x.test"]}', "550 5.6.0 X-MSYS-API 'cc' holds"),
        (b'{"cc":[{"email":"a@x.test","name":"a\\r\\nBcc: b"}]}', "550 5.6.0 X-MSYS-API 'cc' holds"),
        (b'{"campaign_id":"a\\nb"}', "550 5.6.0 X-MSYS-API 'campaign_id' must not hold control characters"),
        (json.dumps({"campaign_id": "ü" * 33}).encode(), "550 5.6.0 smtpapi_campaign_id context is limited to 64 bytes"),
        (json.dumps({"metadata": {"a": "x" * 993}}).encode(), "550 5.6.0 smtpapi_metadata context is limited to 1000 bytes"),
        (json.dumps({"cc": ["a@x.test"] * 600, "bcc": ["b@x.test"] * 401}).encode(),
         "550 5.6.0 X-MSYS-API 'cc', 'bcc' and 'archive' are limited to 1000 recipients"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_reason(value: bytes, text: str):
    said = refusal(value)
    assert said.startswith(text)
    assert "\r" not in said
    assert "\n" not in said


@given(
    st.text(max_size=200) | st.text(max_size=200).map(lambda text: json.dumps({"campaign_id": text, "metadata": {text: text}}))
)
def test_any_value_is_read_or_refused(value: str):
    assert isinstance(read_api_header(value), ApiHeader | Reply)
