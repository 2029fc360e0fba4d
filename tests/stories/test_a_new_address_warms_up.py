"""A customer gets an address of his own: it sends what its stage lets through, the rest waits, and nothing is lost."""

import json
import time

from tests.kit.house import DOMAIN, House
from tests.kit.neighbours import Neighbours

ADDRESS = "127.0.0.62"


def test_a_new_address_warms_up(house: House, neighbours: Neighbours):
    assert house.call("/api/v1/ip-pools", {"name": "Slow"}) == (200, {"results": {"id": "slow"}})
    house.run("ips", "assign", ADDRESS, "--pool", "slow", "--ehlo", f"slow.{DOMAIN}")
    house.sql("INSERT INTO warmup_days (address, day, sent) VALUES (%s, (now() AT TIME ZONE 'UTC')::date, 199)", ADDRESS)
    time.sleep(1.5)  # every worker asks each second
    people = [f"warm{n}@friends.test" for n in range(5)]
    house.post(people, options={"ip_pool": "slow"})

    def arrived() -> set[str]:
        return {one for one in people if "delivery" in house.kinds(one)}

    house.wait_until(lambda: len(arrived()) == 1, 15, "one message left over the new address")
    (first,) = arrived()
    other = next(one for one in people if one != first)
    waiting = house.wait_for(other, "injection")
    rows = house.sql("SELECT encode(message_id, 'hex') FROM events WHERE recipient = %s", other)

    def binds() -> str:
        return str(json.loads(house.run("trace", rows[0][0], "--json").stdout)["waiting"]["binds"])

    house.wait_until(lambda: binds() == "room", 10, "the trace says that it waits for room")
    assert waiting["ip_pool"] == "slow"
    assert [pool["id"] for pool in json.loads(house.run("pools", "--json").stdout) if pool["waits"]] == ["slow"]
    house.post(["hurry@friends.test"])  # another pool of the same customer, to the same site
    assert house.wait_for("hurry@friends.test", "delivery").get("sending_ip") != ADDRESS

    house.run("ips", "warmup", ADDRESS, "--stage", "2")
    for one in people:
        assert house.wait_for(one, "delivery")["sending_ip"] == ADDRESS
        assert house.kinds(one) == ["injection", "delivery"]
        assert len(neighbours.received_by(one)) == 1

    def counted() -> bool:
        (shown,) = [ip for ip in json.loads(house.run("ips", "--json").stdout)["ips"] if ip["address"] == ADDRESS]
        return bool((shown["stage"], shown["delivered"]) == (2, 5))

    house.wait_until(counted, 15, "what was delivered is counted")
    status, answer = house.get(f"/api/v1/sending-ips/{ADDRESS}")
    assert (status, answer["results"]["auto_warmup_stage"]) == (200, 2)
