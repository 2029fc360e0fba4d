"""Who does not exist is written to once."""

from tests.kit.house import House
from tests.kit.neighbours import Neighbours


def test_an_unknown_user_bounces_and_the_next_message_is_not_even_tried(house: House, neighbours: Neighbours):
    house.post(["nobody1@friends.test"])
    first = house.wait_for("nobody1@friends.test", "bounce")
    assert (first["bounce_class"], first["error_code"]) == ("10", "550")

    house.post(["Nobody1@friends.test"])
    house.wait_until(lambda: house.kinds("nobody1@friends.test").count("bounce") == 2, 10, "the second has bounced")
    second = house.events("nobody1@friends.test")[-1]
    assert second["bounce_class"] == "25"
    assert "suppressed" in second["raw_reason"]
    assert "ip_address" not in second
    assert neighbours.received_by("nobody1@friends.test") == []
