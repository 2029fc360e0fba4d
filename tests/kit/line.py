"""The Severity 1 Line behind a real HTTP door: a fake carrier, people on the staff, a customer, a clock that is moved."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from homing.boot.line import Line
from homing.boot.support import ledger_of
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.types import Contact, ContactRole, Objectives, OrderForm, Phone, Role, StaffMember
from homing.ground import db
from homing.ground.config import Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.hours.types import HolidaySet, ServiceZone
from homing.support.cases import store as case_store
from homing.support.cases.audit import CaseSource
from homing.support.cases.calls import Calls
from homing.support.cases.desk import Desk as Cases
from homing.support.cases.extracts import Extracts
from homing.support.cases.types import Case
from homing.support.clocks import store as clock_store
from homing.support.clocks.auditor import Auditor
from homing.support.clocks.types import Kind, Reading
from homing.support.line import store
from homing.support.line.ladders import name_of
from homing.support.line.types import Call as Intake
from homing.support.line.types import Family, Obligation
from homing.support.oncall import runs
from homing.support.oncall import store as oncall
from homing.support.oncall.engine import Engine
from homing.support.oncall.types import Rotation, Run
from tests.kit.carrier import PUBLIC, FakeCarrier, carrier
from tests.kit.http import HttpDoor, http_door
from tests.kit.moved_clock import MovedClock

MASTER_KEY = MasterKey(b"k" * 32)
PIN = "314159"
KIM = "+442071838750"
ANA, BO = "+15550100001", "+15550100002"
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
START = datetime(2026, 3, 8, 6, 50, tzinfo=UTC)


class Legal:
    """The time of the database server, moved with the clock."""

    def __init__(self, clock: MovedClock) -> None:
        self.clock = clock

    async def now(self, executor: object) -> datetime:
        return self.clock.now()


class Post:
    """Mail of the platform, kept."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, to: str, *, subject: str, text: str) -> bool:
        self.sent.append((to, subject, text))
        return True


class LineHouse:
    """What a test of the line needs."""

    def __init__(
        self, pool: db.Pool, clock: MovedClock, fake: FakeCarrier, line: Line, cases: Cases, door: HttpDoor, mail: Post
    ) -> None:
        self.pool = pool
        self.clock = clock
        self.carrier = fake
        self.line = line
        self.cases = cases
        self.extracts = Extracts(pool, Legal(clock), cases, ledger_of(Legal(clock)))
        self.door = door
        self.mail = mail
        self.spare: FakeCarrier | None = None  # a second carrier
        self.account_id = door.account_id
        self.engine = Engine(pool, clock, line.channels, OutboundHttp(TargetPolicy()))
        self.staff: dict[str, StaffMember] = {}
        self.tokens: dict[str, str] = {}

    async def hire(self, name: str, phone: str, *roles: Role) -> StaffMember:
        made = await people.add(
            self.pool,
            StaffMember(person_id=0, name=name, email=f"{name}@provider.test", phone=phone, roles=frozenset(roles)),
            actor="operator",
        )
        assert made is not None
        self.staff[name] = made
        self.tokens[name] = await people.new_token(self.pool, made.person_id, label="test", actor="operator")
        return made

    async def contact(
        self, name: str, *phones: str, role: ContactRole = ContactRole.AUTHORISED, verified: bool = True
    ) -> Contact:
        made = await contacts.add(
            self.pool,
            Contact(
                contact_id=0,
                account_id=self.account_id,
                name=name,
                email=f"{name}@acme.test",
                email_verified_at=None,
                role=role,
                may_sign=True,
                may_open_sev1=True,
                language="en",
                phones=tuple(Phone(number) for number in phones),
            ),
            actor="operator",
        )
        assert made is not None
        if verified:
            for number in phones:
                await contacts.verify_phone(self.pool, made, number, actor="operator")
        return made

    async def order_form(
        self, *, entitled: bool = True, service: str = "email", zone: ServiceZone = ServiceZone.ET, begins_at: datetime = JANUARY
    ) -> None:
        await contracts.add_order_form(
            self.pool,
            OrderForm(
                order_form_id=0,
                account_id=self.account_id,
                service=service,
                plan="Enterprise",
                zone=zone,
                holiday_set=HolidaySet.GB_EAW if zone is ServiceZone.UK else HolidaySet.US_FRB,
                sev1_entitled=entitled,
                objectives=Objectives(),
                cadence_s=3600,
                target_uptime=Decimal("99.99"),
                begins_at=begins_at,
                ends_at=None,
                recorded_at=START,
                recorded_by="",
            ),
            actor="operator",
        )

    async def api(self, method: str, path: str, *, who: str = "", **body: Any) -> httpx.Response:
        """Call /api/v1/support/<path> as the account, or as somebody of the staff."""
        headers = {"Authorization": self.tokens[who]} if who else {}
        return await self.door.client.request(method, f"/api/v1/support/{path}", headers=headers, **body)

    async def intakes(self) -> list[Intake]:
        """Return all calls that were taken in, oldest first."""
        return list(reversed(await store.calls(self.pool, account_id=None, is_open=False, limit=1_000)))

    async def intake(self) -> Intake:
        (one,) = await self.intakes()
        return one

    async def owed(self, intake_id: int = 0) -> Obligation:
        found = await store.obligation(self.pool, intake_id or (await self.intake()).intake_id)
        assert found is not None
        return found

    async def kinds(self, intake_id: int = 0) -> list[str]:
        return [one.kind for one in await store.events_of(self.pool, intake_id or (await self.intake()).intake_id)]

    async def pages(self) -> list[str]:
        """Return why ladders were started, oldest first."""
        names = [
            row["obligation"].split(" ") for row in await self.pool.fetch("SELECT obligation FROM oncall_runs ORDER BY run_id")
        ]
        return [parts[2] if len(parts) > 2 else "call" for parts in names]

    async def ladder(self, obligation_id: int = 0) -> Run:
        """Return the ladder of a call-back."""
        found = await runs.of_obligation(self.pool, name_of(obligation_id or (await self.owed()).obligation_id))
        assert found is not None
        return found

    async def mails(self) -> list[str]:
        """Return why everybody is written to."""
        return [row["reason"] for row in await self.pool.fetch("SELECT reason FROM line_pages ORDER BY page_id")]

    async def wake(self, **by: float) -> list[str]:
        """Move the clock, let the line and on-call do what is due; return the numbers that are rung by it."""
        await self.forward(**by)
        before = len(self.carrier.calls)
        await self.engine.turn()
        await self.engine.landed()
        await self.carrier.settle()
        return sorted(one.called for one in list(self.carrier.calls.values())[before:] if "/pages/" in one.status_url)

    async def duty(self, schedule: str, who: str) -> None:
        """Put somebody on duty in a schedule, for good."""
        await oncall.add_schedule(self.pool, schedule, actor="operator")
        turns = Rotation(zone="UTC", people=(self.staff[who].person_id,), starts_on=date(2026, 1, 5))
        await oncall.add_rotation(self.pool, schedule, turns, actor="operator")

    async def case(self, intake_id: int = 0) -> Case:
        """Return the case of a call."""
        number = intake_id or (await self.intake()).intake_id
        ref = next(one.case_ref for one in await self.intakes() if one.intake_id == number)
        assert ref is not None, "the call has no case"
        found = await self.cases.case(int(ref))
        assert found is not None
        return found

    async def clocks(self, case_id: int) -> dict[Kind, list[Reading]]:
        """Return the clocks of a case as they are kept, by kind."""
        found: dict[Kind, list[Reading]] = {}
        for one in await clock_store.of_subject(self.pool, "case", case_id):
            found.setdefault(one.reading.kind, []).append(one.reading)
        return found

    async def messages(self, case_id: int) -> list[str]:
        return [one.body for one in await case_store.messages_of(self.pool, case_id)]

    async def complaints(self) -> Sequence[object]:
        """Return what the nightly audit finds."""
        return (await Auditor(self.pool, Legal(self.clock), [CaseSource()]).audit(self.clock.now())).findings

    async def forward(self, **by: float) -> None:
        """Move the clock, and let the keeper do what is due."""
        self.clock.forward(**by)
        await self.line.legs.ask()
        await self.line.keeper.turn()

    async def call_back(self, who: str, intake_id: int = 0, **body: Any) -> httpx.Response:
        """Have somebody call back, to the end of what the carrier does."""
        number = intake_id or (await self.intake()).intake_id
        answer = await self.api("POST", f"line/calls/{number}/attempts", who=who, json=body)
        await self.settle()
        while await self.line.legs.place():
            await self.settle()
        return answer

    async def settle(self) -> None:
        """Wait until the carriers have done what they began."""
        for one in filter(None, (self.carrier, self.spare)):
            await one.settle()


@asynccontextmanager
async def line_house(
    pool: db.Pool, family: Family = Family.TWILIO, *, toml: str = "", start: datetime = START, spare: bool = False, **how: Any
) -> AsyncIterator[LineHouse]:
    """Serve the line. toml: more of the carriers' file, before its tables; spare: a second carrier; how: members of the table."""
    clock = MovedClock(start)
    mail = Post()
    with tempfile.TemporaryDirectory(prefix="homing-line-") as folder:
        async with carrier(family, now=clock.now) as fake, carrier(family, name="spare", now=clock.now) as second:
            second.numbers = ["+18005550199"]
            file = Path(folder) / "carriers.toml"
            file.write_text(toml + fake.toml(**how) + (second.toml() if spare else ""))
            file.chmod(0o600)
            settings = Settings(
                data=Path(folder),
                hostname="mx.homing.test",
                sev1_url=PUBLIC,
                sev1_carriers=file,
                allow_private_targets=True,
                target_ports=(fake.port, second.port),
            )
            legal = Legal(clock)
            cases = Cases(pool, legal)
            line = Line(settings, pool, clock, MASTER_KEY, mail=mail, calls=Calls(cases, legal), legal=legal)
            async with http_door(pool, more_routes=line.routes) as door:
                fake.app_port = second.app_port = door.port
                house = LineHouse(pool, clock, fake, line, cases, door, mail)
                house.spare = second if spare else None
                await house.hire("ana", ANA, Role.ONCALL, Role.CST)
                await house.hire("bo", BO, Role.ONCALL, Role.CST)
                await house.order_form()
                await contacts.set_pin(pool, MASTER_KEY, door.account_id, PIN, actor="operator")
                yield house
