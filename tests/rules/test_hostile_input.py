"""What is made to cost time or memory is refused before it does; each would take minutes or gigabytes otherwise."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import pytest

from homing.events.detail import SUBJECT_LETTERS, Addressee, EventBook
from homing.events.rules.search import BadQuery, read_query
from homing.ingress.rules.content import MOST_HEADERS
from homing.ingress.rules.msys_header import read_api_header
from homing.ingress.rules.problem import Problem, Wrong
from homing.ingress.rules.recipients import MOST_RECIPIENTS, read_recipients
from homing.ingress.rules.transmission import decode
from homing.ingress.smtp_mail import to_transmission
from homing.ingress.types import Recipient, Transmission
from homing.smtp import replies
from homing.smtp.replies import Reply
from homing.smtp.trace import Arrival
from homing.smtp.types import Mail, Peer
from homing.spool.types import ChunkFacts
from homing.templates.errors import TemplateError
from homing.templates.language import MAX_EXPRESSIONS, Place, Template, parse
from homing.templates.pieces import MAX_OUTPUT, Pieces
from homing.templates.values import Scope
from tests.kit.smtp_script import OWNER

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def body(**content: object) -> bytes:
    written = {"from": "news@acme.test", "subject": "s", "text": "t"} | {
        name.rstrip("_"): value for name, value in content.items()
    }
    return json.dumps({"recipients": [{"address": "kim@there.test"}], "content": written}).encode()


def raw_body(header: str) -> bytes:
    text = f"{header}From: news@acme.test\r\n\r\nHello\r\n"
    return json.dumps({"recipients": [{"address": "kim@there.test"}], "content": {"email_rfc822": text}}).encode()


def problem(given: bytes) -> Problem:
    found = decode(given)
    assert isinstance(found, Problem), found
    return found


@pytest.mark.parametrize("address", ["{{" * 100_000 + "@acme.test", {"email": "{{" * 100_000 + "@acme.test"}])
def test_braces_that_never_close_in_a_from_address_are_refused_by_their_length(address):
    assert problem(body(from_=address)).code == "1300"


@pytest.mark.parametrize("address", ["(((news@acme.test", "a" * 65 + "@acme.test", '"""news@acme.test', "a..b@acme.test"])
def test_a_from_address_that_could_never_be_written_is_refused_at_the_door(address):
    assert problem(body(from_={"email": address})).code == "1300"


def test_a_subject_of_many_encoded_words_is_read_in_linear_time():
    found = decode(raw_body("Subject: " + "=?utf-8?q?a?= " * 30_000 + "\r\n"))
    assert isinstance(found, Transmission)
    assert found.subject == "a" * 30_000


def test_a_header_of_a_million_fields_is_refused_at_both_doors():
    header = "a:\r\n" * (MOST_HEADERS // 4)
    assert problem(raw_body(header)).code == "3020"
    assert problem(body(headers={f"x-{number}": "" for number in range(MOST_HEADERS // 4)})).code == "1300"
    mail = Mail(
        sender=OWNER,
        reverse_path="news@acme.test",
        recipients=[Recipient("kim@there.test", "there.test")],
        body=header.encode() + b"From: news@acme.test\r\n\r\nHello\r\n",
        helo="client",
        protocol="ESMTP",
        number=1,
    )
    arrival = Arrival(hostname="mail.test", peer=Peer("192.0.2.1", 1, False), token="t")
    assert to_transmission(mail, arrival, date="Fri, 01 May 2026 00:00:00 +0000") is replies.HEADER_TOO_LARGE


@pytest.mark.parametrize("element", [b"{}", b"1", b'{"a":[1,2,{"b":"}],{"}]}', b'"\\",["', b"[[],{}]", b"null"])
def test_a_list_that_is_too_long_is_refused_before_it_becomes_objects(element):
    with pytest.raises(Wrong) as wrong:
        read_recipients(b"[" + b", ".join([element] * (MOST_RECIPIENTS + 1)) + b"]")
    assert wrong.value.problem.description == f"recipients must have at most {MOST_RECIPIENTS} elements"


@pytest.mark.parametrize("more", [b"", b',"tags":["a,b","c]"],"metadata":{"x":[1,2,3,{"y":"{,\\""}]}'])
def test_a_list_of_exactly_as_many_as_allowed_passes(more):
    one = b'{"address":"kim@there.test"' + more + b"}"
    found, refused = read_recipients(b"[" + b",".join([one] * MOST_RECIPIENTS) + b"]")
    assert (len(found), refused) == (MOST_RECIPIENTS, ())


def test_ten_million_elements_take_no_memory_to_count():
    program = (
        "import resource\n"
        "from homing.ingress.rules.transmission import decode\n"
        'body = b\'{"content":{"from":"n@acme.test","subject":"s","text":"t"},"recipients":[\' + b\'1,\' * 9_000_000 + b\'1]}\'\n'
        "resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))\n"
        "print(decode(body).status)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "422\n"


def test_tags_are_bounded_at_both_doors_since_every_event_repeats_them():
    given = {"address": "kim@there.test", "tags": ["x" * 2_000]}
    with pytest.raises(Wrong):
        read_recipients(json.dumps([given]).encode())
    assert isinstance(read_api_header(json.dumps({"tags": ["x" * 2_000]})), Reply)


def test_metadata_of_x_msys_api_may_not_nest_deeper_than_over_rest():
    assert isinstance(read_api_header('{"metadata":{"a":' + "[" * 100 + "]" * 100 + "}}"), Reply)


def test_events_keep_the_beginning_of_a_long_subject():
    facts = ChunkFacts(
        account_id=1,
        transmission_id=b"0123456789",
        accepted_at=NOW,
        recv_method="rest",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
        subject="s" * 1_000_000,
    )
    event = EventBook(facts).injection(Addressee(b"0123456789", "kim@there.test", "there.test"), at=NOW)
    assert len(msgspec.json.decode(event.detail)["subject"]) == SUBJECT_LETTERS


@pytest.mark.parametrize("place", list(Place))
def test_a_template_of_too_many_expressions_is_refused_before_they_are_compiled(place):
    with pytest.raises(TemplateError, match="expressions"):
        parse("{{a}}" * (MAX_EXPRESSIONS + 1), place=place, part="text")


def test_an_output_that_grows_too_large_is_given_up_while_it_grows():
    written = 0

    def piece(scope: Scope) -> str:
        nonlocal written
        written += 1
        return "x" * 1_000_000

    with pytest.raises(TemplateError, match="longer than"):
        Template(Pieces([piece] * MAX_EXPRESSIONS), "html").render(Scope((), {}))
    assert written == MAX_OUTPUT // 1_000_000 + 1


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01", "0001-01-02T00:00:00Z"])
@pytest.mark.parametrize("names", [("to",), ("from",), ("from", "to")])
def test_a_search_at_the_ends_of_time_is_answered_or_refused(moment, names):
    found = read_query({name: [moment] for name in names}, account_id=1, subaccount_id=None, now=NOW)
    assert isinstance(found, BadQuery) or found.search.since <= found.search.until
