"""Mail handed in by REST is delivered, and every step can be looked up."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

from tests.kit.house import House
from tests.kit.neighbours import Neighbours


def test_a_transmission_reaches_its_recipient_and_its_life_can_be_looked_up(house: House, neighbours: Neighbours):
    transmission = house.post(
        ["kim@friends.test"],
        campaign_id="spring",
        substitution_data={"first_name": "Kim"},
        content={"subject": "Hello {{first_name}}", "text": "Dear {{first_name}}, it works.\n"},
    )
    delivery = house.wait_for("kim@friends.test", "delivery")

    (received,) = neighbours.received_by("kim@friends.test")
    message = message_from_bytes(received.data, policy=policy.default)
    assert message["Subject"] == "Hello Kim"
    assert message["DKIM-Signature"]
    assert message.get_content().strip() == "Dear Kim, it works."

    assert house.kinds("kim@friends.test") == ["injection", "delivery"]
    assert delivery["ip_address"] == "127.0.0.11"
    soon = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    status, answer = house.get(f"/api/v1/events/message?recipients=kim@friends.test&to={soon}")
    assert status == 200
    assert {(event["type"], event["transmission_id"], event["campaign_id"]) for event in answer["results"]} == {
        ("injection", transmission, "spring"),
        ("delivery", transmission, "spring"),
    }
    message_id = answer["results"][0]["message_id"]
    told = house.run("trace", message_id, "--json").stdout
    assert "kim@friends.test" in told
    assert '"delivered"' in told


def test_a_thousand_recipients_and_more_are_expanded_and_each_gets_one(house: House, neighbours: Neighbours):
    everybody = [f"many{number}@friends.test" for number in range(2_500)]
    house.post(everybody)
    house.wait_until(
        lambda: sum("many" in one.recipients[0] for one in neighbours.received) >= len(everybody), 30, "all have come"
    )
    came = [one.recipients[0] for one in neighbours.received if "many" in one.recipients[0]]
    assert sorted(came) == sorted(everybody)
