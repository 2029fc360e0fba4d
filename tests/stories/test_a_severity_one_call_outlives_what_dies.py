"""The Severity 1 Line in a whole house: a call wakes the first engineer, who is silent, then the second; workers are killed
meanwhile, also seven minutes into a call-back; PostgreSQL is killed before a call. Nothing is lost, and nothing is told twice.

A house of processes has no clock that could be moved, so minutes are taken from what was written at the first ring.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from homing.accounts import store as accounts
from homing.accounts.types import DEFAULT_ACCOUNT
from homing.contracts import contacts, people
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.ground.secrets import load_or_make
from tests.kit.carrier import HANGS_UP, PUBLIC, SILENT, FakeCarrier, Person, Tape, carrier
from tests.kit.house import House
from tests.kit.neighbours import Neighbours

ANA, BO, KIM, PIN = "+15550100001", "+15550100002", "+442071838750", "314159"


class Line(NamedTuple):
    """A house of one worker whose line is at a fake carrier, and the token of the engineer who is on call."""

    house: House
    carrier: FakeCarrier
    token: str

    async def until(self, query: str, expected: object, seconds: float = 40.0) -> None:
        await asyncio.to_thread(
            self.house.wait_until, lambda: self.house.sql(query) == [(expected,)], seconds, f"{query} gives {expected}"
        )

    async def kill_worker(self) -> None:
        """Kill the worker, and wait for its successor."""
        before = self.house.workers()
        assert self.house.signal(before[0], signal.SIGKILL)
        await asyncio.to_thread(
            self.house.wait_until, lambda: self.house.is_ready() and self.house.workers() != before, 20, "a successor serves"
        )

    def later(self, minutes: int) -> None:
        """Let everything that is written have happened so much earlier."""
        by = f"interval '{minutes} minutes'"
        self.house.sql(f"UPDATE line_calls SET first_ring_at = first_ring_at - {by}")
        self.house.sql(f"UPDATE line_obligations SET due_at = due_at - {by}")
        self.house.sql(f"UPDATE oncall_runs SET started_at = started_at - {by}, due_at = due_at - {by}, look_at = look_at - {by}")


@asynccontextmanager
async def line(neighbours: Neighbours, folder: Path) -> AsyncIterator[Line]:
    async with carrier() as fake:
        file = folder / "carriers.toml"
        file.write_text(fake.toml(test_from="+15550109999"))
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
                for name, phone, role in (("ana", ANA, Role.ONCALL), ("bo", BO, Role.ADMIN)):
                    made = StaffMember(
                        person_id=0, name=name, email=f"{name}@provider.test", phone=phone, roles=frozenset({role})
                    )
                    assert await people.add(pool, made, actor="operator") is not None
                token = await people.new_token(pool, 1, label="test", actor="operator")
                account = await accounts.account_by_name(pool, DEFAULT_ACCOUNT)
                assert account is not None
                key = load_or_make(house.data / "master.key")
                assert await contacts.set_pin(pool, key, account.account_id, PIN, actor="operator")
            yield Line(house, fake, token)
        finally:
            await asyncio.to_thread(house.__exit__, None, None, None)


async def test_no_call_no_ladder_and_no_call_back_is_lost(neighbours: Neighbours, tmp_path: Path):
    async with line(neighbours, tmp_path) as on:
        house, fake, token = on
        # A call comes in; the first engineer is rung, and silent. Its worker is killed: the ladder goes on at its step.
        await fake.call(PIN, SILENT, Tape(1), HANGS_UP, caller=KIM).ring()
        await on.until("SELECT count(*) FROM oncall_pages WHERE sent_at IS NOT NULL", 2)
        assert {one.called for one in fake.calls.values() if "/pages/" in one.status_url} == {ANA}
        await on.until("SELECT count(*) FROM cases WHERE severity = 'critical'", 1)
        await on.until("SELECT count(*) FROM case_extracts WHERE done_at IS NOT NULL", 1)
        await on.kill_worker()
        fake.people = {BO: Person(keys=("1",))}
        on.later(11)
        await on.until("SELECT claimed_by FROM line_obligations", 2)
        assert house.sql("SELECT claimed_by FROM oncall_runs") == [(2,)]

        # Seven minutes into a call-back the worker is killed; what is due stays due, and the attempt counts.
        house.sql("UPDATE line_obligations SET claim_until = now()")  # his three minutes are over without an attempt
        due = house.sql("SELECT due_at FROM line_obligations")
        fake.people = {ANA: Person(keys=("1",)), KIM: Person()}
        fake.gates[KIM] = asyncio.Event()
        await on.until("SELECT claimed_by FROM line_obligations", None)
        (number,) = house.sql("SELECT intake_id FROM line_calls")[0]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.http_port}", headers={"Authorization": token}) as client:
            answer = await client.post(f"/api/v1/support/line/calls/{number}/attempts", json={})
            assert answer.status_code == 200, answer.text
        await on.until("SELECT status FROM line_attempts", "set_up")
        await on.kill_worker()
        fake.gates[KIM].set()
        await fake.settle()
        await on.until("SELECT outcome FROM line_obligations", "met")
        assert house.sql("SELECT due_at FROM line_obligations") == due
        assert [leg.called for leg in next(iter(fake.rooms.values()))] == [ANA, KIM]
        assert house.sql("SELECT ended_because FROM oncall_runs") == [("staff 1 called back",)]
        await on.until("SELECT state FROM clocks WHERE kind = 'CALLBACK'", "met")
        events = "SELECT count(*) FROM case_events WHERE payload::jsonb ->> 'event' = 'calledback'"
        await on.until(events, 1)
        assert house.sql("SELECT count(*) FROM line_pages") == [(0,)]  # nobody needed a mail

        # PostgreSQL is killed before the next call.
        fake.people = {}
        assert house.signal(house.postmaster(), signal.SIGKILL)
        call = fake.call(Tape(2), Tape(2), SILENT, caller="+442079460001")
        await call.ring()
        assert call.said, "the caller was spoken to"
        await on.until("SELECT count(*) FROM line_calls WHERE caller = '+442079460001'", 1)
        await on.until("SELECT count(*) FROM line_obligations", 2)
        await on.until("SELECT count(*) FROM oncall_runs", 2)

        # The operator tries the whole chain: our own number, the carrier, the webhook, the ladder, a telephone.
        rung = len([one for one in fake.calls.values() if "/pages/" in one.status_url])
        said = await asyncio.to_thread(house.run, "line", "test", "--wake", "ana@provider.test", "--wait", "45", "--json")
        (tried,) = json.loads(said.stdout)
        assert (tried["good"], tried["carrier"], "ana was woken" in tried["said"]) == (True, "tel", True), said.stdout
        assert len([one for one in fake.calls.values() if "/pages/" in one.status_url]) > rung
        assert house.sql("SELECT count(*) FROM line_obligations") == [(2,)]  # a test owes nobody anything
