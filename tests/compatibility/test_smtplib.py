"""The standard library's SMTP client: how most programs hand mail in that do not speak HTTP."""

import smtplib
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import getaddresses

import pytest

from tests.compatibility.signatures import Records, assert_signed, published
from tests.kit.house import DOMAIN, House

NEWS = f"news@{DOMAIN}"
USER = "SMTP_Injection"


@pytest.fixture(scope="module")
def records(house: House) -> Records:
    return published(house)


@pytest.fixture
def door(house: House) -> Iterator[smtplib.SMTP]:
    with house.smtp() as client:
        client.ehlo()
        yield client


def trusting(house: House) -> ssl.SSLContext:
    """Return a context that trusts the house's self-signed certificate and nothing else."""
    return ssl.create_default_context(cafile=house.data / "tls" / "self-signed.pem")


def written(to: str, *, subject: str = "Hello", **fields: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"Acme <{NEWS}>", to, subject
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("It works.\n.\nend\n")
    return message


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("at_once", [True, False], ids=["initial response", "asked for"])
def test_a_key_opens_the_door_over_starttls(house, inbox, records, mechanism, at_once):
    to = f"auth-{mechanism.lower()}-{at_once}@there.test".lower()
    with smtplib.SMTP("localhost", house.smtp_port, local_hostname="client.acme.test", timeout=10) as client:
        assert client.starttls(context=trusting(house))[0] == 220
        client.ehlo()
        assert set(client.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
        client.user, client.password = USER, house.key
        answer = client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"), initial_response_ok=at_once)
        assert answer[0] == 235
        assert client.send_message(written(to)) == {}
    letter = inbox.one(to)
    assert_signed(letter.data, records)
    assert b"\tby mail.acme.test with ESMTPSA id " in letter.data


def test_login_chooses_a_mechanism_by_itself(house, inbox):
    with house.smtp() as client:
        client.starttls()
        client.login(USER, house.key)
        client.send_message(written("login@there.test"))
    inbox.one("login@there.test")


@pytest.mark.parametrize(("user", "right"), [(USER, False), ("somebody", True)], ids=["wrong key", "wrong user"])
def test_wrong_credentials_are_refused(house, user, right):
    with house.smtp() as client:
        client.starttls()
        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            client.login(user, house.key if right else "0" * 40)
    assert refusal.value.smtp_code == 535
    assert refusal.value.smtp_error.startswith(b"5.7.8 ")


def test_a_message_arrives_octet_for_octet(door, inbox, records):
    message = written("octets@there.test", subject="Grüße aus Köln", X_Long="word " * 60)
    message.add_alternative("<p>Grüße 🎉</p>\n", subtype="html")
    message.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream", filename="übersicht.bin")
    sent = message.as_bytes(policy=policy.SMTP)
    door.send_message(message)
    letter = inbox.one("octets@there.test")
    assert_signed(letter.data, records)
    # smtplib adds nothing; the house puts its trace, a date and an identifier on top
    assert letter.data.endswith(sent)
    own, received = message_from_bytes(sent, policy=policy.default), letter.message
    assert [part.get_content_type() for part in own.walk()] == [part.get_content_type() for part in received.walk()]
    added = letter.data[: -len(sent)]
    assert [line.partition(b":")[0] for line in added.splitlines() if not line[:1].isspace()] == [
        b"DKIM-Signature",
        b"DKIM-Signature",
        b"List-Unsubscribe",
        b"List-Id",
        b"X-MSFBL",
        b"Received",
        b"Date",
        b"Message-ID",
    ]


def test_eight_bit_bodies_go_through_as_they_are(door, inbox, records):
    raw = (
        f"From: {NEWS}\r\nTo: bits@there.test\r\nSubject: 8 bit\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße\r\n.\r\n..\r\n你好\r\n"
    ).encode()
    door.sendmail(NEWS, ["bits@there.test"], raw, mail_options=["BODY=8BITMIME"])
    letter = inbox.one("bits@there.test")
    assert_signed(letter.data, records)
    assert letter.data.endswith(raw)
    assert "BODY=8BITMIME" in letter.options
    assert letter.message.get_content().replace("\r\n", "\n") == "Grüße\n.\n..\n你好\n"


def test_addresses_in_utf8_are_delivered_with_smtputf8(door, inbox, records):
    message = written("ignored@there.test", subject="Grüße 你好")
    del message["To"]
    message["To"] = Address("用户", "用户", "there.test")
    assert door.send_message(message) == {}
    letter = inbox.one("用户@there.test")
    assert_signed(letter.data, records)
    assert "SMTPUTF8" in letter.options
    assert getaddresses([str(letter.message["To"])]) == [("用户", "用户@there.test")]
    assert letter.message["Subject"] == "Grüße 你好"


def test_several_recipients_get_one_message_each(door, house, inbox, records):
    everybody = [f"many{number}@there.test" for number in range(5)]
    message = written("undisclosed@there.test", Bcc="hidden@there.test")
    door.sendmail(NEWS, everybody, message.as_bytes(policy=policy.SMTP))
    letters = [inbox.one(recipient) for recipient in everybody]
    house.wait_empty()
    assert len(inbox.letters(lambda letter: letter.recipient in everybody)) == 5
    assert len({letter.sender for letter in letters}) == 5
    for letter in letters:
        assert_signed(letter.data, records)
        assert letter.message["Bcc"] is None
        assert sum(recipient.encode() in letter.data for recipient in everybody) == 0
    assert len({event["injection_time"] for one in everybody for event in house.events(one)}) == 1


def test_a_bad_recipient_does_not_spoil_the_others(door, inbox):
    refused = door.sendmail(NEWS, ["good@there.test", "no domain@"], written("good@there.test").as_bytes(policy=policy.SMTP))
    assert list(refused) == ["no domain@"]
    code, text = refused["no domain@"]
    assert (code // 100, text[:2]) == (5, b"5.")
    inbox.one("good@there.test")


def test_x_msys_api_adds_copies_and_is_not_passed_on(door, house, inbox, records):
    asked = (
        '{"campaign_id": "spring", "metadata": {"uid": "7"}, "tags": ["vip", "eu"],'
        ' "cc": [{"email": "cc@copies.test", "name": "Carl Copy"}, "cc2@copies.test"], "bcc": ["bcc@copies.test"],'
        ' "archive": ["archive@copies.test"],'
        ' "options": {"open_tracking": true, "click_tracking": false, "transactional": true}}'
    )
    door.send_message(written("to@copies.test", X_MSYS_API=asked))
    seen = {}
    for name in ("to", "cc", "cc2", "bcc", "archive"):
        recipient = f"{name}@copies.test"
        letter = inbox.one(recipient)
        seen[name] = letter
        assert_signed(letter.data, records)
        message = letter.message
        assert b"x-msys-api" not in letter.data.lower()
        assert getaddresses([str(message["To"])]) == [("", "to@copies.test")]
        assert getaddresses([str(message["Cc"])]) == [("Carl Copy", "cc@copies.test"), ("", "cc2@copies.test")]
        assert message["Bcc"] == (recipient if name == "bcc" else None)
        assert b"archive@copies.test" not in letter.data

        house.wait_for(recipient, "delivery")
        for event in house.events(recipient):
            assert event["rcpt_meta"] == {"uid": "7"}
            assert event["rcpt_tags"] == ["vip", "eu"]
            assert event["transactional"] == "1"
            assert event.get("rcpt_type") == {"to": None, "cc2": "cc"}.get(name, name)
        injection = house.events(recipient)[0]
        assert (injection.get("open_tracking", False), injection.get("click_tracking", False)) == (True, False)
    assert len({letter.sender for letter in seen.values()}) == 5
    hand_ins = house.sql("SELECT DISTINCT transmission_id, campaign_id FROM events WHERE recipient LIKE '%%@copies.test'")
    assert [campaign for _, campaign in hand_ins] == ["spring"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ('{"metadata": [1]}', b"5.6.0 X-MSYS-API 'metadata' must be of type 'json object'"),
        ('{"campaign_id": "' + "x" * 65 + '"}', b"5.6.0 smtpapi_campaign_id context is limited to 64 bytes"),
        ("{not json", b"5.6.0 JSON parsing error in X-MSYS-API"),
    ],
    ids=["type", "length", "json"],
)
def test_a_bad_x_msys_api_is_refused_by_name(door, house, asked, said):
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        door.send_message(written("bad-api@there.test", X_MSYS_API=asked))
    assert refusal.value.smtp_code == 550
    assert refusal.value.smtp_error.startswith(said)
    assert house.kinds("bad-api@there.test") == []


def test_a_domain_that_nobody_verified_may_not_send(door):
    message = written("kim@there.test")
    message.replace_header("From", "me@elsewhere.test")
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        door.send_message(message, from_addr=NEWS)
    assert refusal.value.smtp_code == 550
    assert b"Unconfigured Sending Domain <elsewhere.test>" in refusal.value.smtp_error


def test_a_conversation_may_carry_many_messages(door, inbox):
    for number in range(30):
        assert (
            door.sendmail(NEWS, [f"talk{number}@there.test"], written(f"talk{number}@there.test").as_bytes(policy=policy.SMTP))
            == {}
        )
    for number in range(30):
        letter = inbox.one(f"talk{number}@there.test")
        assert letter.message.get_content().replace("\r\n", "\n") == "It works.\n.\nend\n"


def test_bytes_with_unix_line_ends_are_refused_whole(door, house):
    with pytest.raises(smtplib.SMTPDataError) as refusal:  # smtplib mends text, but sends bytes as they are
        door.sendmail(NEWS, ["unix@there.test"], written("unix@there.test").as_bytes())
    assert (refusal.value.smtp_code, refusal.value.smtp_error[:5]) == (550, b"5.6.0")
    assert house.kinds("unix@there.test") == []
    assert door.noop()[0] == 250


def test_a_large_message_arrives_whole(door, inbox, records):
    octets = bytes(range(256)) * 12_000
    message = written("large@there.test")
    message.add_attachment(octets, maintype="application", subtype="zip", filename="large.zip")
    door.send_message(message)
    letter = inbox.one("large@there.test")
    assert_signed(letter.data, records)
    (attachment,) = letter.message.iter_attachments()
    assert attachment.get_payload(decode=True) == octets


def test_the_size_limit_is_told_before_anything_is_sent(door):
    most = int(door.esmtp_features["size"])
    assert most == 20_971_520
    code, text = door.mail(NEWS, [f"SIZE={most + 1}"])
    assert (code, text[:5]) == (552, b"5.3.4")


def test_a_null_sender_may_hand_in(door, inbox, records):
    door.sendmail("", ["null@there.test"], written("null@there.test").as_bytes(policy=policy.SMTP))
    letter = inbox.one("null@there.test")
    assert_signed(letter.data, records)
    assert letter.sender.startswith("b-")
    assert letter.sender.endswith("@mail.acme.test")
