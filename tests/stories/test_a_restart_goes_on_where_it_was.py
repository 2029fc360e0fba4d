"""A restart continues from where it was: what was tried, what waits, and until when."""

from homing.simulator.dns import Record
from homing.simulator.providers import Provider
from tests.kit.house import House
from tests.kit.neighbours import Neighbours

CLOSED = [Record("closed.test", "MX", "10 mx.closed.test."), Record("mx.closed.test", "A", "127.0.0.99")]


def test_a_restart_goes_on_where_it_was():
    friends = Provider(name="Friends", domains=("friends.test",), addresses=("127.0.0.11",))
    with Neighbours(friends, records=CLOSED) as town, House(town) as house:
        assert "first API key" in house.log.read_text()
        house.post(["before@friends.test"])
        house.wait_for("before@friends.test", "delivery")
        waiting = [f"zoe{number}@closed.test" for number in range(20)]
        house.post(waiting)
        house.wait_for("zoe0@closed.test", "delay")
        assert house.stop() == 0

        late = Provider(name="Late", domains=("closed.test",), addresses=("127.0.0.99",))
        with Neighbours(late, port=town.port) as opened:
            house.start()
            house.wait_until(lambda: len(opened.received) >= 20, 20, "what waited is delivered after the restart")
            house.wait_empty(10)
            assert sorted(one.recipients[0] for one in opened.received) == sorted(waiting)
        assert house.kinds("zoe0@closed.test")[:2] == ["injection", "delay"]
        assert house.kinds("zoe0@closed.test")[-1] == "delivery"
        house.post(["after@friends.test"])
        house.wait_for("after@friends.test", "delivery")
        assert len(neighbour_mail(town, "before@friends.test")) == 1
        assert house.log.read_text().count("first API key") == 1


def neighbour_mail(town: Neighbours, recipient: str) -> list[object]:
    return [one for one in town.received if recipient in one.recipients]
