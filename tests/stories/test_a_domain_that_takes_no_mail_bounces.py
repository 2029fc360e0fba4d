"""A null MX (RFC 7505) and a domain that does not exist."""

from tests.kit.house import House


def test_a_null_mx_bounces_at_once(house: House):
    house.post(["olga@nomail.test"])
    bounce = house.wait_for("olga@nomail.test", "bounce")
    assert "5.1.10" in bounce["raw_reason"] or "null MX" in bounce["raw_reason"]
    assert house.kinds("olga@nomail.test") == ["injection", "bounce"]


def test_a_domain_that_does_not_exist_waits_and_does_not_hold_up_others(house: House):
    house.post(["pat@no-such-domain.test", "pat@friends.test"])
    house.wait_for("pat@friends.test", "delivery")
    ends = {"delay", "bounce"}
    house.wait_until(lambda: ends & set(house.kinds("pat@no-such-domain.test")), 10, "it was judged")
