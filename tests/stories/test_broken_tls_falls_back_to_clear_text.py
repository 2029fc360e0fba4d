"""Opportunistic TLS: used where it works, done without where it does not."""

from tests.kit.house import House
from tests.kit.neighbours import Neighbours


def test_broken_tls_falls_back_to_clear_text(house: House, neighbours: Neighbours):
    house.post(["ruth@rusty.test", "sam@safe.test"])
    clear = house.wait_for("ruth@rusty.test", "delivery")
    safe = house.wait_for("sam@safe.test", "delivery")
    assert (clear["outbound_tls"], safe["outbound_tls"]) == (-1, 1)
    assert [one.tls for one in neighbours.received_by("ruth@rusty.test")] == [False]
    assert [one.tls for one in neighbours.received_by("sam@safe.test")] == [True]
