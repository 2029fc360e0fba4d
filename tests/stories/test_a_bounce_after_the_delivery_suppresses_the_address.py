"""A host takes a message, finds that it cannot deliver it, and sends it back."""

import email
import re
import smtplib
from email import policy

import pytest

from tests.kit.house import House
from tests.kit.neighbours import Neighbours

REPORT = """From: MAILER-DAEMON@mx.friends.test
To: {path}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: text/plain

It did not work.

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.friends.test

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: no such user

--B--
"""
COMPLAINT = """From: <feedback@isp.test>
To: fbl@mail.acme.test
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B"

--B
Content-Type: text/plain

A complaint.

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Test/1.0
Version: 1
Original-Mail-From: <{path}>

--B
Content-Type: text/rfc822-headers

Subject: Hello

--B--
"""


def give_back(house: House, sender: str, recipient: str, text: str) -> None:
    with smtplib.SMTP("127.0.0.1", house.mx_port, local_hostname="mx.friends.test", timeout=30) as client:
        client.sendmail(sender, [recipient], text)


def delivered(house: House, recipient: str) -> str:
    """Send a message, and return the path that it came from."""
    house.post([recipient])
    return house.wait_for(recipient, "delivery")["msg_from"]


def test_an_out_of_band_bounce(house: House, neighbours: Neighbours):
    path = delivered(house, "gone@friends.test")
    report = REPORT.format(path=path, recipient="gone@friends.test")
    give_back(house, "", path, report)
    give_back(house, "", path, report)
    assert house.kinds("gone@friends.test") == ["injection", "delivery", "out_of_band"]
    event = house.events("gone@friends.test")[-1]
    assert (event["bounce_class"], event["error_code"], event["subject"]) == ("10", "550", "Hello")
    rows = house.sql("SELECT source, type FROM suppressions WHERE recipient = 'gone@friends.test'")
    assert rows == [("Bounce Rule", "non_transactional")]

    message_id = house.sql("SELECT encode(message_id, 'hex') FROM events WHERE recipient = 'gone@friends.test'")[0][0]
    told = house.run("trace", message_id).stdout
    assert "no such user" in told

    house.post(["gone@friends.test"])
    second = house.wait_for("gone@friends.test", "bounce")
    assert second["bounce_class"] == "25"
    assert len(neighbours.received_by("gone@friends.test")) == 1


def test_a_complaint(house: House):
    path = delivered(house, "cross@friends.test")
    give_back(house, "feedback@isp.test", "fbl@mail.acme.test", COMPLAINT.format(path=path))
    event = house.wait_for("cross@friends.test", "spam_complaint")
    assert (event["fbtype"], event["report_by"]) == ("abuse", "isp.test")
    rows = house.sql("SELECT source FROM suppressions WHERE recipient = 'cross@friends.test'")
    assert rows == [("Spam Complaint",)]


def test_who_complains_or_writes_counts_though_the_log_has_forgotten_the_message(house: House, neighbours: Neighbours):
    for recipient, kind, source in (
        ("late@friends.test", "spam_complaint", "Spam Complaint"),
        ("later@friends.test", "list_unsubscribe", "List Unsubscribe"),
    ):
        delivered(house, recipient)
        (received,) = neighbours.received_by(recipient)
        message = email.message_from_bytes(received.data, policy=policy.compat32)
        house.sql("DELETE FROM events WHERE recipient = %s", recipient)
        if kind == "spam_complaint":
            report = COMPLAINT.replace("Original-Mail-From: <{path}>\n", "")
            mine = report.replace("\nSubject: Hello\n", f"\nX-MSFBL: {message['X-MSFBL']}\nSubject: Hello\n")
            give_back(house, "feedback@isp.test", "fbl@mail.acme.test", mine)
        else:
            asked = re.search(r"<mailto:([^?]+)\?subject=([^>]+)>", message["List-Unsubscribe"])
            assert asked is not None
            give_back(house, recipient, asked[1], f"From: {recipient}\nTo: {asked[1]}\nSubject: {asked[2]}\n\n")
        assert house.kinds(recipient) == [kind]
        rows = house.sql("SELECT source, type FROM suppressions WHERE recipient = %s", recipient)
        assert rows == [(source, "non_transactional")]


def test_nobody_elses_mail_is_taken(house: House):
    path = delivered(house, "calm@friends.test")
    forged = f"{path[:23]}{'0' * 16}@mail.acme.test"
    for recipient in ("anybody@there.test", "nobody@mail.acme.test", forged):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            give_back(house, "", recipient, "Subject: x\n\nx\n")
        assert refused.value.recipients[recipient][0] == 550
    give_back(house, "someone@there.test", "postmaster@mail.acme.test", "Subject: hello there\n\nPlease call.\n")
    assert "hello there" in house.run("postmaster").stdout
    assert house.sql("SELECT mail_from, rcpt_to FROM postmaster_mail") == [("someone@there.test", "postmaster@mail.acme.test")]
    assert house.kinds("calm@friends.test") == ["injection", "delivery"]
