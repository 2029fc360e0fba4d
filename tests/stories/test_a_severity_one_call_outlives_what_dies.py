"""The Severity 1 Line in a whole house: a worker is killed seven minutes into a call-back, PostgreSQL is killed before a call.

A house of processes has no clock that could be moved, so the seven minutes are taken from what was written at the first ring.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from homing.contracts import people
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from tests.kit.carrier import HANGS_UP, PUBLIC, SILENT, FakeCarrier, Person, Tape, carrier
from tests.kit.house import House
from tests.kit.neighbours import Neighbours

ANA, KIM = "+15550100001", "+442071838750"


@asynccontextmanager
async def line(neighbours: Neighbours, folder: Path) -> AsyncIterator[tuple[House, FakeCarrier, str]]:
    """Give a house of one worker whose line is at a fake carrier, and the token of somebody who is on duty."""
    async with carrier() as fake:
        file = folder / "carriers.toml"
        file.write_text(fake.toml())
        file.chmod(0o600)
        settings = {
            "sev1_url": PUBLIC,
            "sev1_carriers": str(file),
            "allow_private_targets": "true",
            "target_ports": str(fake.port),
        }
        house = House(neighbours, workers=1, settings=settings)
        await asyncio.to_thread(house.__enter__)
        try:
            fake.app_port = house.http_port
            async with db.pool(house.dsn, name="test") as pool:
                made = StaffMember(person_id=0, name="ana", email="ana@provider.test", phone=ANA, roles=frozenset({Role.ONCALL}))
                ana = await people.add(pool, made, actor="operator")
                assert ana is not None
                token = await people.new_token(pool, ana.person_id, label="test", actor="operator")
            yield house, fake, token
        finally:
            await asyncio.to_thread(house.__exit__, None, None, None)


async def until(house: House, query: str, expected: object, seconds: float = 40.0) -> None:
    await asyncio.to_thread(house.wait_until, lambda: house.sql(query) == [(expected,)], seconds, f"{query} gives {expected}")


async def test_no_call_and_no_call_back_is_lost(neighbours: Neighbours, tmp_path: Path):
    async with line(neighbours, tmp_path) as (house, fake, token):
        await fake.call(SILENT, Tape(1), HANGS_UP, caller=KIM).ring()
        house.sql("UPDATE line_calls SET first_ring_at = first_ring_at - interval '7 minutes'")
        house.sql("UPDATE line_obligations SET due_at = due_at - interval '7 minutes'")
        due = house.sql("SELECT due_at FROM line_obligations")

        fake.people = {ANA: Person(keys=("1",)), KIM: Person()}
        fake.gates[KIM] = asyncio.Event()
        (number,) = house.sql("SELECT intake_id FROM line_calls")[0]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.http_port}", headers={"Authorization": token}) as client:
            answer = await client.post(f"/api/v1/support/line/calls/{number}/attempts", json={})
            assert answer.status_code == 200, answer.text
        await until(house, "SELECT status FROM line_attempts", "set_up")
        before = house.workers()
        assert house.signal(before[0], signal.SIGKILL)
        await asyncio.to_thread(
            house.wait_until, lambda: house.is_ready() and house.workers() != before, 20, "a successor serves"
        )
        fake.gates[KIM].set()
        await fake.settle()
        await until(house, "SELECT outcome FROM line_obligations", "met")
        assert house.sql("SELECT due_at FROM line_obligations") == due
        assert [leg.called for leg in next(iter(fake.rooms.values()))] == [ANA, KIM]
        assert house.sql("SELECT count(*) FROM line_pages") == [(1,)]

        fake.people = {}
        assert house.signal(house.postmaster(), signal.SIGKILL)
        call = fake.call(Tape(2), Tape(2), SILENT, caller="+442079460001")
        await call.ring()
        assert call.said, "the caller was spoken to"
        await until(house, "SELECT count(*) FROM line_calls WHERE caller = '+442079460001'", 1)
        await until(house, "SELECT count(*) FROM line_obligations", 2)
        await until(house, "SELECT count(*) FROM line_pages", 2)
