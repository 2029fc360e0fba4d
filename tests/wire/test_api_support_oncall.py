"""/api/v1/support/oncall: what staff sees, and what an answer does; nobody else comes in."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest

from homing.contracts import people
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.support.oncall import runs, store
from homing.support.oncall.types import ChannelKind, Override, Rotation
from tests.kit.resources import ResourceDoor, resource_door


@pytest.fixture
async def door(pool: db.Pool) -> AsyncIterator[ResourceDoor]:
    async with resource_door(pool) as made:
        yield made


async def staff(pool: db.Pool, name: str, role: Role = Role.ONCALL) -> tuple[StaffMember, str]:
    wanted = StaffMember(person_id=0, name=name, email=f"{name}@provider.test", phone="+12025550100", roles=frozenset({role}))
    made = await people.add(pool, wanted, actor="operator")
    assert made is not None
    return made, await people.new_token(pool, made.person_id, label="t", actor="operator")


async def ringing(pool: db.Pool) -> int:
    """Let a ladder run, and its first step be carried out."""
    now = datetime.now(UTC)
    async with pool.acquire() as connection, connection.transaction():
        due = now + timedelta(minutes=15)
        await runs.start_ladder(connection, "callback 1", account_id=None, reference="S1-1", now=now, due_at=due)
    taken = await runs.take_step(pool, now, kinds=frozenset({ChannelKind.VOICE}))
    assert taken is not None
    return taken[0].run_id


async def test_who_is_on_duty_is_shown_with_the_next_two_weeks(door: ResourceDoor):
    ann, token = await staff(door.pool, "ann", Role.CST)
    await store.add_schedule(door.pool, "primary", actor="operator")
    turns = Rotation(zone="Europe/London", people=(ann.person_id,), starts_on=date(2026, 1, 5))
    await store.add_rotation(door.pool, "primary", turns, actor="operator")
    begin = datetime.now(UTC) + timedelta(days=1)
    gap = Override(person_id=None, begins_at=begin, ends_at=begin + timedelta(days=1), reason="move")
    await store.add_override(door.pool, "primary", gap, actor="operator")
    (shown,) = (await door.call("GET", "support/oncall", key=token)).json()["results"]["schedules"]
    assert (shown["name"], shown["on_duty"]) == ("primary", [ann.person_id])
    assert [shift["people"] for shift in shown["shifts"]] == [[ann.person_id], [], [ann.person_id]]


async def test_a_person_who_was_paged_acknowledges_claims_and_hands_on(door: ResourceDoor):
    (ann, anns), (bob, bobs) = await staff(door.pool, "ann"), await staff(door.pool, "bob")
    number = await ringing(door.pool)
    path = f"support/oncall/runs/{number}"
    before = (await door.call("GET", path, key=anns)).json()["results"]
    assert {page["person_id"] for page in before["pages"]} == {ann.person_id, bob.person_id}
    assert "+1202" not in str(before)

    said = (await door.call("POST", f"{path}/acknowledge", key=bobs)).json()["results"]
    assert (said["engaged_by"], said["ended_at"], said["due_at"]) == (bob.person_id, None, before["due_at"])
    claimed = (await door.call("POST", f"{path}/claim", key=anns)).json()["results"]
    assert (claimed["claimed_by"], claimed["engaged_by"]) == (ann.person_id, bob.person_id)
    second = await door.call("POST", f"{path}/claim", key=bobs)
    assert second.status_code == 409
    assert f"staff {ann.person_id} holds it" in second.text
    assert (await door.call("POST", f"{path}/hand-on", key=bobs)).status_code == 409
    handed = (await door.call("POST", f"{path}/hand-on", key=anns)).json()["results"]
    assert (handed["claimed_by"], handed["due_at"]) == (None, before["due_at"])
    (listed,) = (await door.call("GET", "support/oncall/runs", key=bobs)).json()["results"]
    assert listed["run_id"] == number

    async with door.pool.acquire() as connection, connection.transaction():
        await runs.end_ladder(connection, "callback 1", because="attempt placed", now=datetime.now(UTC))
    over = await door.call("POST", f"{path}/acknowledge", key=anns)
    assert (over.status_code, "attempt placed" in over.text) == (409, True)


@pytest.mark.parametrize("number", ["0", "999", "x", "1" * 30, "%00", "-1", "²"])
async def test_a_ladder_that_does_not_exist_cannot_be_answered(door: ResourceDoor, number: str):
    _, token = await staff(door.pool, "ann")
    assert (await door.call("GET", f"support/oncall/runs/{number}", key=token)).status_code == 404
    assert (await door.call("POST", f"support/oncall/runs/{number}/claim", key=token)).status_code == 404


async def test_nobody_but_staff_comes_in(door: ResourceDoor):
    number = await ringing(door.pool)
    member, token = await staff(door.pool, "ann")
    for method, path in (("GET", ""), ("GET", "/runs"), ("GET", f"/runs/{number}"), ("POST", f"/runs/{number}/claim")):
        assert (await door.call(method, f"support/oncall{path}")).status_code == 403, "a customer's key"
        assert (await door.call(method, f"support/oncall{path}", key="staff_nothing")).status_code == 401
    await people.change(door.pool, people.left(member, datetime.now(UTC)), actor="operator")
    assert (await door.call("GET", "support/oncall", key=token)).status_code == 401
