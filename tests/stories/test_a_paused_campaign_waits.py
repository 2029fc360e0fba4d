"""An operator pauses a campaign; the customer's other mail goes on."""

import time

from tests.kit.house import House
from tests.kit.neighbours import Neighbours


def test_a_paused_campaign_waits_and_goes_on(house: House, neighbours: Neighbours):
    house.run("queue", "pause", "--campaign", "autumn")
    time.sleep(1.5)  # every worker reads the rows each second
    house.post(["xia@friends.test"], campaign_id="autumn")
    house.post(["yan@friends.test"], campaign_id="winter")
    house.wait_for("yan@friends.test", "delivery")
    assert "autumn" in house.run("queue").stdout
    assert house.kinds("xia@friends.test") == ["injection"]
    house.run("queue", "resume", "--campaign", "autumn")
    house.wait_for("xia@friends.test", "delivery", 10)
    assert len(neighbours.received_by("xia@friends.test")) == 1
