"""Mail handed in by SMTP is delivered."""

from email import message_from_bytes, policy

from tests.kit.house import DOMAIN, House
from tests.kit.neighbours import Neighbours


def test_a_message_by_smtp_reaches_its_recipient(house: House, neighbours: Neighbours):
    house.mail("lee@friends.test", subject="By SMTP")
    house.wait_for("lee@friends.test", "delivery")
    (received,) = neighbours.received_by("lee@friends.test")
    message = message_from_bytes(received.data, policy=policy.default)
    assert message["Subject"] == "By SMTP"
    assert message["Received"].startswith("from client.acme.test")
    assert house.kinds("lee@friends.test") == ["injection", "delivery"]


def test_a_key_opens_the_door_after_starttls(house: House, neighbours: Neighbours):
    with house.smtp() as client:
        client.starttls()
        client.login("SMTP_Injection", house.key)
        client.sendmail(f"news@{DOMAIN}", ["max@friends.test"], f"From: news@{DOMAIN}\r\nSubject: Keyed\r\n\r\nHi.\r\n")
    house.wait_for("max@friends.test", "delivery")
    assert len(neighbours.received_by("max@friends.test")) == 1


def test_a_domain_that_is_not_ours_may_not_be_written_from(house: House):
    with house.smtp() as client:
        client.ehlo()
        client.mail("someone@elsewhere.test")
        client.rcpt("nia@friends.test")
        code, text = client.data("From: someone@elsewhere.test\r\nSubject: No\r\n\r\nHi.\r\n")
    assert (code, text.split()[0]) == (550, b"5.7.1")
    assert house.kinds("nia@friends.test") == []
