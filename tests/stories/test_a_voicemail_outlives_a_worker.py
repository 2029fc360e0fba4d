"""A voicemail to a TAM's number in a whole house whose worker is killed: between its upload and its record, and after it."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from homing.accounts import store as accounts
from homing.contracts import people
from homing.contracts import store as contracts
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.support.threads import store
from homing.support.threads.types import WayKind
from tests.kit.carrier import PUBLIC, SILENT, Tape, carrier
from tests.kit.house import House
from tests.kit.neighbours import Neighbours

NUMBER = "+18005550177"


async def prepare(house: House) -> None:
    """Give the customer a TAM whose telephone nobody answers, and a number of its own."""
    async with db.pool(house.dsn, name="test") as pool:
        owner = await accounts.get_or_create_account(pool, "acme")
        tina = await people.add(
            pool,
            StaffMember(person_id=0, name="Tina", email="tina@provider.test", phone="", roles=frozenset({Role.TAM})),
            actor="operator",
        )
        assert tina is not None
        begins = datetime.now(UTC) - timedelta(days=1)
        await contracts.assign_tam(pool, owner.account_id, tina.person_id, begins_at=begins, actor="operator")
        await store.add_way(pool, WayKind.PHONE, NUMBER, carrier="tel", account_id=owner.account_id, actor="operator")


async def until(house: House, query: str, expected: object) -> None:
    await asyncio.to_thread(house.wait_until, lambda: house.sql(query) == [(expected,)], 40, f"{query} gives {expected}")


async def test_no_voicemail_is_lost_or_doubled(neighbours: Neighbours, tmp_path: Path):
    async with carrier() as fake:
        file = tmp_path / "carriers.toml"
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
            await prepare(house)
            keep, killed = fake.keep, []

            def uploaded(content: bytes) -> str:
                """The carrier has the sound; before it can say so, the only worker is killed."""
                if not killed:
                    killed.append(house.workers()[0])
                    assert house.signal(killed[0], signal.SIGKILL)
                return keep(content)

            fake.keep = uploaded  # type: ignore[method-assign]
            await fake.call(SILENT, Tape(1), called=NUMBER, folder="tam").ring()
            assert killed
            # A house of processes has no clock that could be moved: the minutes until the carrier is asked are taken off.
            house.sql("UPDATE thread_calls SET look_at = now() RETURNING 1")
            await until(house, "SELECT count(*) FROM thread_messages WHERE sort = 'voicemail'", 1)
            await until(house, "SELECT state FROM thread_recordings", "kept")
            assert house.sql("SELECT kind, state FROM clocks WHERE subject = 'thread message'") == [("TAM_REPLY", "running")]
            assert house.sql("SELECT count(*) FROM thread_messages") == [(1,)]
        finally:
            await asyncio.to_thread(house.__exit__, None, None, None)
