"""A list of addresses is validated by a running house: after real mail, its own log knows more than DNS does."""

import csv
import io
import urllib.request

from homing.simulator.providers import Provider
from tests.kit.house import House
from tests.kit.neighbours import Neighbours

TOWN = Provider(name="There", domains=("there.test",), addresses=("127.0.0.21",))


def test_what_became_of_our_mail_decides():
    with Neighbours(TOWN) as town, House(town, workers=1) as house:
        house.post(["kim@there.test", "nobody@there.test"])
        house.wait_for("kim@there.test", "delivery")
        house.wait_for("nobody@there.test", "bounce")
        request = urllib.request.Request(
            f"http://127.0.0.1:{house.http_port}/api/v1/recipient-validation/upload?name=list.csv",
            data=b"email\nkim@there.test\nnobody@there.test\nlee@there.test\nlee@nowhere.test\nlee@gmial.com\n",
            headers={"Authorization": house.key, "Content-Type": "text/csv"},
            method="POST",
        )
        status, answer = house._call(request, 30)
        assert status == 200, answer
        which = answer["results"]["list_id"]
        assert house.call(f"/api/v1/recipient-validation/trigger/{which}", {})[0] == 200
        path = f"/api/v1/recipient-validation/job/{which}"
        house.wait_until(lambda: house.get(path)[1]["results"]["complete"], 30, "the job is complete")
        text = house.get(f"{path}/results")[1]
        assert [row["result"] for row in csv.DictReader(io.StringIO(text))] == [
            "valid",
            "undeliverable",
            "neutral",
            "undeliverable",
            "typo",
        ]
