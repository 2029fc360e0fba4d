"""A host that says "later" gets it later."""

from tests.kit.house import House
from tests.kit.neighbours import Neighbours


def test_greylisted_mail_is_delivered_on_retry(house: House, neighbours: Neighbours):
    house.post(["gil@grey.test"])
    delivery = house.wait_for("gil@grey.test", "delivery")
    assert house.kinds("gil@grey.test") == ["injection", "delay", "delivery"]
    assert "Greylisted" in house.events("gil@grey.test")[1]["raw_reason"]
    assert int(delivery["num_retries"]) == 1
    assert len(neighbours.received_by("gil@grey.test")) == 1
