"""/api/v1/support/hours: when Business Hours run, what is due in them and why, and what an admin records about them."""

import json
from typing import Any

import pytest

from homing.contracts.types import Role
from tests.wire.test_api_support_contract import FORM, NUL, Town, town  # noqa: F401

VERSION = {"zone": "UK", "days": {"2099-12-24": "08:30-12:30"}, "reason": "Christmas Eve", "follows": 0}
HOLIDAY = {
    "holiday_set": "GB-SCT", "date": "2099-06-15", "name": "Day off", "source": "Royal Proclamation", "reason": "proclaimed",
}  # fmt: skip


@pytest.fixture
async def house(town: Town) -> Town:  # noqa: F811
    await town.ask("POST", "contract/order-forms", by="ada", body=FORM)
    return town


async def test_a_customer_sees_the_hours_of_his_order_form(house: Town):
    shown = await house.ask("GET", "hours?days=2")
    assert (shown["calendar"], shown["tz"], shown["open"], shown["version"]) == ("UK/GB-EAW", "Europe/London", True, 0)
    assert shown["at_local"] == "Mon 2026-06-15 13:00 BST (UTC+01:00)"
    assert shown["closes_at"] == "2026-06-15T15:30:00Z"
    assert [(one["date"], one["seconds"]) for one in shown["days"]] == [("2026-06-15", 28_800), ("2026-06-16", 28_800)]
    other = await house.ask("GET", "hours?zone=pt&at=2026-07-04T12:00:00Z&days=0")
    assert (other["calendar"], other["open"], other["why"], other["days"]) == (
        "PT/US-FRB", False, "no hours on this weekday", [],
    )  # fmt: skip
    assert (await house.ask("GET", "hours?holiday_set=GB-SCT"))["holiday"] == "World Cup Bank Holiday"
    assert (await house.ask("GET", "hours", by="olaf"))["zone"] == "ET"


async def test_what_is_due_and_why_adds_up_as_the_model_says(house: Town):
    # Rows U02 and U11 of the model: across Christmas with two substitute days.
    due = await house.ask("GET", "hours/due?start=2027-12-24T16:00:00Z&duration=2h")
    assert (due["due"], due["due_local"]) == ("2027-12-29T10:00:00Z", "Wed 2027-12-29 10:00 GMT (UTC+00:00)")
    assert (await house.ask("GET", "hours/due?start=2026-01-14+16:29&duration=1h"))["due"] == "2026-01-15T09:29:00Z"
    found = await house.ask("GET", "hours/explain?start=2027-12-24T16:00:00Z&duration=2h")
    assert (found["counted_s"], found["end"]) == (7_200, due["due"])
    assert found["counted_s"] + found["skipped_s"] == sum(one["seconds"] for one in found["stretches"]) == 410_400
    assert {one["holiday"] for one in found["stretches"]} >= {"Christmas Day", "Boxing Day"}
    until = await house.ask("GET", "hours/explain?start=2027-12-24T16:00:00Z&until=2027-12-29T10:00:00Z")
    assert until == found
    days = await house.ask("GET", "hours/holidays?year=2026")
    assert [one["name"] for one in days["holidays"]][-1].startswith("Boxing Day")
    assert (await house.ask("GET", "hours/holidays?zone=ET&holiday_set=US-FED"))["calendar"] == "ET/US-FED"


async def test_queries_that_cannot_be_are_refused_with_what_can(house: Town):
    for path in (
        "?zone=CET", "?holiday_set=US-FRB&zone=UK", "?at=soon", "?days=63", "?days=x", "?at=0001-01-01T00:00:00Z", "?at=%00",
        "?known_at=x", "/due", "/due?duration=4d", "/due?duration=9999h", "/due?duration=1h&start=2026-03-29+01:30",
        "/explain", "/explain?until=2026-07-01&duration=1h", "/explain?until=2020-01-01", "/explain?until=2028-06-01",
        "/explain?duration=x", "/holidays?year=1999", "/holidays?year=x",
    ):  # fmt: skip
        assert (await house.ask("GET", f"hours{path}", 400))["code"] == "1200", path


async def test_an_admin_records_other_hours_and_the_past_stays_as_it_was(house: Town):
    dry = await house.ask("POST", "hours/versions", by="ada", body={**VERSION, "dry_run": True})
    assert (dry["recorded"], dry["version"], dry["exceptions"]) == (False, 1, {"2099-12-24": "08:30-12:30"})
    assert (await house.ask("GET", "hours/versions"))["versions"] == []
    made = await house.ask("POST", "hours/versions", by="ada", body=VERSION)
    assert (made["recorded"], made["version"], made["author"], made["reason"]) == (True, 1, "ada", "Christmas Eve")
    again = await house.ask("POST", "hours/versions", by="ada", body=VERSION)
    assert again == made, "the same call again records nothing"
    assert (await house.ask("POST", "hours/versions", 409, by="ada", body={**VERSION, "reason": "other"}))["code"] == "1602"
    week = {"zone": "UK", "week": "mon-fri 08:00-18:00", "reason": "longer", "follows": 1}
    ends = {**week, "effective_from": "2099-06-01 00:00", "effective_to": "2099-07-01 00:00"}
    second = await house.ask("POST", "hours/versions", by="ada", body=ends)
    assert (second["version"], second["effective_from"]) == (2, "2099-05-31T23:00:00Z")
    assert second["days"][0] == {"date": "2099-06-01", "before_s": 28_800, "after_s": 36_000}
    hidden = await house.ask("POST", "hours/versions", 409, by="ada", body={**week, "follows": 2})
    assert "would hide that" in hidden["description"]
    third = await house.ask("POST", "hours/versions", by="ada", body={**week, "follows": 2, "override": True})
    assert third["version"] == 3
    listed = await house.ask("GET", "hours/versions")
    assert [one["version"] for one in listed["versions"]] == [1, 2, 3]
    before = await house.ask("GET", f"hours/versions?known_at={made['recorded_at']}")
    assert [one["version"] for one in before["versions"]] == [1]


async def test_hours_that_cannot_be_recorded_are_refused(house: Town):
    for change, code in (
        ({"zone": None}, "1400"), ({"follows": None}, "1400"), ({"reason": None}, "1400"), ({"zone": "CET"}, "1300"),
        ({"days": {}}, "1301"), ({"days": {"x": "closed"}}, "1300"), ({"days": {"2099-12-24": "9-5"}}, "1300"),
        ({"days": {"2020-12-24": "closed"}}, "1300"), ({"week": "someday 09:00-17:00"}, "1300"), ({"reason": NUL}, "1300"),
        ({"days": {NUL: "closed"}}, "1300"), ({"effective_from": "soon"}, "1300"),
        ({"effective_to": "2020-01-01 00:00"}, "1300"), ({"days": {f"2099-{n}": "closed" for n in range(401)}}, "1300"),
    ):  # fmt: skip
        assert (await house.ask("POST", "hours/versions", 422, by="ada", body={**VERSION, **change}))["code"] == code, change
    await house.ask("POST", "hours/versions", 403, by="tim", body=VERSION)
    await house.ask("POST", "hours/versions", 403, body=VERSION)


async def test_a_proclaimed_holiday_is_recorded_and_taken_back(house: Town):
    made = await house.ask("POST", "hours/holidays", by="ada", body=HOLIDAY)
    assert (made["number"], made["day"], made["active"], made["author"]) == (1, "2099-06-15", True, "ada")
    assert await house.ask("POST", "hours/holidays", by="ada", body=HOLIDAY) == made
    listed = await house.ask("GET", "hours/holidays?holiday_set=GB-SCT&year=2099")
    assert "2099-06-15" in [one["day"] for one in listed["holidays"]]
    gone = await house.ask("POST", "hours/holidays", by="ada", body={**HOLIDAY, "active": False})
    assert (gone["number"], gone["active"]) == (2, False)
    (first, second) = (await house.ask("GET", "hours/versions?holiday_set=GB-SCT"))["holiday_changes"]
    assert (first["active"], second["active"]) == (True, False)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"date": "2020-06-15"}, "1300"), ({"date": "x"}, "1300"), ({"holiday_set": "x"}, "1300"), ({"name": NUL}, "1300"),
        ({"source": None}, "1400"), ({"substitute_for": "x"}, "1300"),
    ]  # fmt: skip
    for change, code in bad:
        error = await house.ask("POST", "hours/holidays", 422, by="ada", body={**HOLIDAY, **change})
        assert error["code"] == code, change
    assert Role.ADMIN in house.staff["ada"].roles
    await house.ask("POST", "hours/holidays", 403, by="cia", body=json.dumps(HOLIDAY))
