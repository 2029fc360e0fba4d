"""POST /transmissions: what a body asks for, or what is wrong with it."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.ingress.rules.problem import Problem
from homing.ingress.rules.transmission import decode
from homing.ingress.types import Transmission
from homing.spool.types import InlineContent, Part, RawContent, RecipientDetail

CONTENT = {"from": "news@acme.test", "subject": "Hi", "text": "hello"}
BODY: dict[str, Any] = {"recipients": [{"address": "kim@there.test"}], "content": CONTENT}


def read(**changes: Any) -> Transmission:
    found = decode(json.dumps(BODY | changes).encode())
    assert isinstance(found, Transmission), found
    return found


def wrong(**changes: Any) -> tuple[int, str, str]:
    found = decode(json.dumps(BODY | changes).encode())
    assert isinstance(found, Problem), found
    return found.status, found.code, found.description


def content(**changes: Any) -> dict[str, Any]:
    return CONTENT | changes


def test_the_smallest_body_takes_every_default():
    found = read()
    assert (found.recipients[0].email, found.recipients[0].domain) == ("kim@there.test", "there.test")
    assert found.content == InlineContent(from_email="news@acme.test", subject="Hi", text="hello")
    assert (found.from_email, found.sending_domain, found.recv_method) == ("news@acme.test", "acme.test", "rest")
    assert (found.open_tracking, found.click_tracking, found.initial_open) == (True, True, True)
    assert (found.transactional, found.skip_suppression, found.ip_pool, found.start_time) == (False, False, None, None)


def test_everything_of_the_documented_example_arrives():
    found = read(
        campaign_id="spring",
        description="spring run",
        return_path="any@Bounce.acme.test",
        options={"open_tracking": False, "click_tracking": False, "transactional": True, "ip_pool": "Bulk", "inline_css": True},
        metadata={"run": "17"},
        substitution_data={"shop": "Acme"},
        recipients=[
            {
                "address": {"email": "Kim@There.test", "name": "Kim", "header_to": "all@there.test"},
                "tags": [str(n) for n in range(12)],
                "metadata": {"uid": "7"},
                "substitution_data": {"first": "Kim"},
                "return_path": "me@bounce.acme.test",
            }
        ],
        content=content(
            **{"from": {"email": "news@acme.test", "name": "{{shop}}"}},
            reply_to="Help <help@acme.test>",
            headers={"X-Run": "17", "Cc": "cc@there.test"},
            html="<b>hi</b>",
            amp_html="<amp>",
            attachments=[{"name": "", "type": "text/plain; charset=UTF-8", "data": base64.b64encode(b"terms").decode()}],
            inline_images=[{"name": "logo", "type": "image/png", "data": "iVBORw0KGgo="}],
        ),
        override={"list_id": "<news@acme.test>"},
    )
    assert (found.campaign_id, found.description, found.return_path) == ("spring", "spring run", "any@bounce.acme.test")
    assert (found.transactional, found.ip_pool, found.list_id) == (True, "bulk", "<news@acme.test>")
    assert (found.open_tracking, found.click_tracking, found.initial_open) == (False, False, False)
    assert (found.metadata, found.substitution_data) == ({"run": "17"}, {"shop": "Acme"})
    assert found.recipients[0].email == "Kim@There.test"
    assert found.recipients[0].detail == RecipientDetail(
        name="Kim",
        header_to="all@there.test",
        tags=tuple(str(n) for n in range(10)),
        metadata={"uid": "7"},
        substitution_data={"first": "Kim"},
        return_path="me@bounce.acme.test",
    )
    assert isinstance(found.content, InlineContent)
    assert found.content.attachments == (Part("", "text/plain; charset=UTF-8", b"terms"),)
    assert found.content.inline_images == (Part("logo", "image/png", b"\x89PNG\r\n\x1a\n"),)
    assert found.content.headers == {"X-Run": "17", "Cc": "cc@there.test"}
    assert (found.content.from_name, found.content.reply_to) == ("{{shop}}", "Help <help@acme.test>")


@pytest.mark.parametrize(
    ("given_from", "name", "email", "domain"),
    [
        ("a@Acme.test", None, "a@Acme.test", "acme.test"),
        ("News, Inc. <a@acme.test>", "News, Inc.", "a@acme.test", "acme.test"),
        ({"email": "{{user}}@acme.test"}, None, "{{user}}@acme.test", "acme.test"),
        ({"email": "{{ user or 'a@b' }}@acme.test", "name": ""}, None, "{{ user or 'a@b' }}@acme.test", "acme.test"),
        ("a@bücher.test", None, "a@bücher.test", "xn--bcher-kva.test"),
    ],
)
def test_from_is_a_string_or_an_object(given_from, name, email, domain):
    found = read(content=content(**{"from": given_from}))
    assert isinstance(found.content, InlineContent)
    assert (found.content.from_name, found.from_email, found.sending_domain) == (name, email, domain)


def test_an_override_wins_and_keeps_the_name():
    found = read(
        content=content(**{"from": {"email": "a@acme.test", "name": "Acme"}}, reply_to="a@acme.test"),
        override={"from": {"email": "b@other.test"}, "reply_to": "c@other.test"},
    )
    assert isinstance(found.content, InlineContent)
    assert (found.content.from_name, found.from_email, found.sending_domain) == ("Acme", "b@other.test", "other.test")
    assert found.content.reply_to == "c@other.test"


def test_a_raw_message_keeps_its_bytes_with_proper_line_ends():
    found = read(
        content={
            "email_rfc822": "From: News <news@acme.test>\nTo: {{address.email}}\rSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nBody\n"
        }
    )
    assert found.content == RawContent(
        rfc822=b"From: News <news@acme.test>\r\nTo: {{address.email}}\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nBody\r\n",
        substitute=True,
    )
    assert (found.from_email, found.sending_domain, found.subject) == ("news@acme.test", "acme.test", "Grüße")


def test_an_override_rewrites_the_headers_of_a_raw_message():
    raw = "Subject: s\r\nFROM: News\r\n <news@acme.test>\r\nReply-To: x@acme.test\r\n\r\nFrom: kept\r\n"
    found = read(content={"email_rfc822": raw}, override={"from": "b@other.test", "reply_to": "c@other.test"})
    assert isinstance(found.content, RawContent)
    assert found.content.rfc822 == (b'Reply-To: c@other.test\r\nFrom: "News" <b@other.test>\r\nSubject: s\r\n\r\nFrom: kept\r\n')


def test_an_override_gives_a_raw_message_its_list():
    raw = "From: news@acme.test\r\nlist-ID: old\r\n <old.acme.test>\r\n\r\nlist-id: kept\r\n"
    found = read(content={"email_rfc822": raw}, override={"list_id": "News <news.acme.test>"})
    assert isinstance(found.content, RawContent)
    assert found.content.rfc822 == b"List-Id: News <news.acme.test>\r\nFrom: news@acme.test\r\n\r\nlist-id: kept\r\n"


def test_an_override_replaces_fields_of_a_message_without_a_body():
    found = read(content={"email_rfc822": "From: a@acme.test\r\nX: y\r\n"}, override={"from": "b@acme.test"})
    assert isinstance(found.content, RawContent)
    assert found.content.rfc822 == b"From: b@acme.test\r\nX: y\r\n"


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ({"email_rfc822": "From: a@acme.test\nList-Id: The\n News <news.acme.test>\n\nx"}, "news.acme.test"),
        ({"email_rfc822": "From: a@acme.test\nList-Id: <a>\nList-Id: <b>\n\nx"}, ""),
        (content(headers={"list-id": "News <news@acme.test>"}), "news.acme.test"),
        (content(headers={"List-Id": "<{{list}}.acme.test>"}), ""),
        (content(), ""),
    ],
)
def test_a_list_id_that_the_content_brings_names_the_list(given, own):
    assert read(content=given).own_list_id == own


def test_null_members_count_as_absent_and_unknown_ones_are_ignored():
    options = {"start_time": None, "ip_pool": None, "unheard_of": 1}
    found = read(options=options, name="x", campaign_id=None, metadata=None, content=content(html=None, headers=None))
    assert found.campaign_id == ""


def test_empty_texts_are_values():
    assert read(content=content(subject="", text="")).subject == ""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-09-01T08:00:00-04:00", datetime(2026, 9, 1, 12, tzinfo=UTC)),
        ("2026-09-01T08:00:00Z", datetime(2026, 9, 1, 8, tzinfo=UTC)),
        ("now", None),
        ("", None),
    ],
)
def test_start_times_carry_an_offset(text, moment):
    assert read(options={"start_time": text}).start_time == moment


@pytest.mark.parametrize("text", ["2026-09-01T08:00:00", "tomorrow", "2026-13-01T08:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_other_start_times_are_refused(text):
    assert wrong(options={"start_time": text})[:2] == (422, "1300")


@pytest.mark.parametrize(
    ("changes", "status", "code", "description"),
    [
        ({"content": None}, 422, "1400", "content object or template_id required"),
        ({"content": {}}, 422, "1400", "content object or template_id required"),
        ({"content": {"subject": "x", "text": "y"}}, 422, "1400", "content.from is a required field"),
        (
            {"content": {"from": {"name": "N"}, "subject": "x", "text": "y"}},
            422,
            "1400",
            "content.from.email is a required field",
        ),
        ({"content": {"from": "a@b.test", "text": "y"}}, 422, "1400", "content.subject is a required field"),
        ({"content": {"from": "a@b.test", "subject": "y"}}, 422, "1400", "content.text or content.html is a required field"),
        ({"recipients": None}, 422, "1400", "recipients is a required field"),
        ({"recipients": []}, 400, "5002", ""),
        ({"recipients": [{}]}, 400, "5002", "address.email is required for each recipient"),
        ({"recipients": "a@b.test"}, 422, "1300", "recipients must be a list, or an object with list_id"),
        ({"content": {"ab_test_id": "t", "text": "x"}}, 422, "1301", "Both content object and ab_test_id are specified"),
        (
            {"content": {"template_id": "t", "subject": "s"}},
            422,
            "1301",
            "Both content object and template_id are specified",
        ),
        ({"content": CONTENT | {"from": "a@b.test, c@d.test"}}, 400, "7001", "No sending domain specified"),
        ({"content": CONTENT | {"from": "nobody"}}, 400, "7001", "No sending domain specified"),
        ({"content": CONTENT | {"from": "@acme.test"}}, 400, "2008", "content.from has nothing before the @"),
        ({"campaign_id": "ü" * 33}, 422, "1300", "campaign_id must be at most 64 bytes"),
        ({"campaign_id": 7}, 422, "1300", "campaign_id: expected a string, got an integer"),
        ({"description": "d" * 1025}, 422, "1300", "description must be at most 1024 bytes"),
        ({"metadata": {"a": "x" * 10_240}}, 422, "2007", "metadata must be at most 10240 bytes of JSON"),
        ({"metadata": {"a": 2**70}}, 422, "1300", "metadata holds a number beyond 64 bits; send it as a string"),
        ({"substitution_data": {"a": "x" * 102_400}}, 422, "2002", "substitution_data must be at most 102400 bytes of JSON"),
        ({"options": {"sandbox": "yes"}}, 422, "1300", "options.sandbox: expected true or false, got a string"),
        ({"options": {"transactional": "yes"}}, 422, "1300", "options.transactional: expected true or false, got a string"),
        (
            {"options": {"ip_pool": "no spaces"}},
            422,
            "1300",
            "options.ip_pool must have at most 20 letters, digits and underscores",
        ),
        ({"content": {"email_rfc822": "no header at all"}}, 422, "3020", "line 1 of content.email_rfc822 is not a header field"),
        ({"content": {"email_rfc822": "Subject: x\r\n\r\n"}}, 400, "7001", "No sending domain specified"),
        (
            {"override": {"list_id": "<näher.acme.test>"}},
            422,
            "1300",
            "override.list_id cannot be a List-Id: the identifier in header List-Id can hold ASCII only",
        ),
        ({"override": {"from": "{{x}}@acme.test"}}, 422, "1300", "override.from must not contain template language"),
    ],
)
def test_what_is_wrong_is_said_in_the_documented_words(changes, status, code, description):
    assert wrong(**changes) == (status, code, description)


@pytest.mark.parametrize(
    "part",
    [
        {"name": "x", "type": "text/plain"},
        {"name": "x", "type": "text/plain", "data": "a b"},
        {"name": "x", "type": "text/plain", "data": "YQ==\n"},
        {"name": "x", "type": "plain", "data": "YQ=="},
        {"name": "x" * 256, "type": "text/plain", "data": "YQ=="},
    ],
)
def test_attachments_must_be_whole(part):
    assert wrong(content=content(attachments=[part]))[0] == 422


def test_inline_images_have_different_names():
    image = {"name": "logo", "type": "image/png", "data": "YQ=="}
    assert wrong(content=content(inline_images=[image, image]))[1] == "1300"


INJECTION = "x\r\nBcc: victim@there.test"


@pytest.mark.parametrize(
    "changes",
    [
        {"content": content(subject=INJECTION)},
        {"content": content(subject="x\x0b\x7f")},
        {"content": content(subject="x\u2028y")},
        {"content": content(reply_to=INJECTION)},
        {"content": content(headers={"X-A": INJECTION})},
        {"content": content(headers={"X-A\r\nBcc": "victim@there.test"})},
        {"content": content(headers={"X-A: y\nBcc": "victim@there.test"})},
        {"content": content(**{"from": {"email": "a@acme.test", "name": INJECTION}})},
        {"content": content(**{"from": "a@acme.test\r\nBcc: victim@there.test"})},
        {"content": content(attachments=[{"name": INJECTION, "type": "text/plain", "data": ""}])},
        {"content": content(attachments=[{"name": "n", "type": "text/plain;\r\nBcc: v@there.test", "data": ""}])},
        {"override": {"list_id": INJECTION}},
        {"override": {"reply_to": INJECTION}},
        {"override": {"from": {"email": "a@acme.test", "name": INJECTION}}},
        {"return_path": "a@acme.test\r\nRCPT TO:<v@there.test>"},
        {"campaign_id": INJECTION},
        {"recipients": [{"address": {"email": "a@there.test", "name": INJECTION}}]},
        {"recipients": [{"address": {"email": "a@there.test", "header_to": INJECTION}}]},
        {"recipients": [{"address": "a@there.test\r\nBcc: v@there.test"}]},
        {"recipients": [{"address": "a@there.test", "return_path": "b@acme.test>\r\nQUIT"}]},
    ],
)
def test_no_field_lets_a_line_break_into_a_header(changes):
    assert wrong(**changes)[0] in (400, 422)


@pytest.mark.parametrize(
    "name", ["Subject", "FROM", "to", "Reply-To", "content-type", "Content-Transfer-Encoding", "DKIM-Signature"]
)
def test_headers_that_have_a_member_of_their_own_are_refused(name):
    assert wrong(content=content(headers={name: "x"})) == (422, "3002", f"content.headers must not contain {name}")


def test_bad_recipients_are_left_out_one_by_one():
    found = read(
        recipients=[
            {"address": "good@there.test"},
            {"address": 5},
            {"address": {"name": "no address"}},
            {"address": "not an address"},
            {"address": "big@there.test", "metadata": {"a": "x" * 20_000}},
            {"address": "also@there.test", "tags": None},
        ]
    )
    assert [recipient.email for recipient in found.recipients] == ["good@there.test", "also@there.test"]
    assert [(error.code, error.description) for error in found.rejected] == [
        ("1300", "recipient.address: expected a string or an object, got an integer"),
        ("1400", "address.email is required for each recipient"),
        ("1300", "address.email 'not an address' cannot be used: the address has no @"),
        ("2007", "recipient metadata must be at most 10240 bytes of JSON"),
    ]


def test_no_more_than_fifty_thousand_recipients():
    assert wrong(recipients=[{"address": "a@b.test"}] * 50_001)[:2] == (422, "1300")
    assert len(read(recipients=[{"address": "a@b.test"}] * 50_000).recipients) == 50_000


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"", 400, "1300", "empty"),
        (b'{"recipients": [\n  {"address" "x"}]}', 400, "1300", "line 2, column 14"),
        (b'{"a": NaN}', 400, "1300", "malformed"),
        (b'{"description": "\xff\xfe"}', 400, "1305", "offset 17"),
        (b"[" * 200_000, 422, "1300", "expected an object"),
        (b'{"metadata":{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}}", 400, "1300", "deeply"),
        (b"[]", 422, "1300", "expected an object"),
        (b'"x"', 422, "1300", "expected an object"),
    ],
)
def test_a_body_that_is_no_json_is_answered_with_the_place(body, status, code, words):
    found = decode(body)
    assert isinstance(found, Problem)
    assert (found.status, found.code) == (status, code)
    assert words in found.description


def test_recipients_and_content_must_be_there():
    for body, words in (
        (b"{}", "recipients is a required field"),
        (b'{"recipients":[]}', "content object or template_id required"),
    ):
        found = decode(body)
        assert isinstance(found, Problem)
        assert (found.status, found.code, found.description) == (422, "1400", words)


def test_deep_nesting_is_refused_before_it_can_hurt_later():
    deep: Any = {}
    for _ in range(40):
        deep = {"a": deep}
    assert wrong(metadata=deep)[1] == "1300"


@given(st.binary(max_size=200))
def test_rubbish_is_always_answered(body):
    assert isinstance(decode(body), Problem)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@given(st.dictionaries(st.sampled_from(["recipients", "content", "options", "override", "metadata", "return_path"]), JSON))
def test_any_type_in_any_member_is_answered(members):
    assert isinstance(decode(json.dumps(BODY | members).encode()), Problem | Transmission)
