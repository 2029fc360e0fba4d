"""A TAM with a number at a fake carrier and an address at a real MX door; a cover, a customer, a clock that is moved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from litestar.handlers import HTTPRouteHandler
from msgspec.structs import replace

from homing.api.bodies import Bodies
from homing.api.v1 import support_oversight, support_threads
from homing.boot.line import Line
from homing.boot.oversight import Oversight
from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.contracts.types import Contact, Phone, Role
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.config import Settings
from homing.support.cases.calls import Calls
from homing.support.cases.types import Actor
from homing.support.clocks import store as clocks
from homing.support.clocks.types import Reading
from homing.support.line.types import Family
from homing.support.threads import store
from homing.support.threads.types import SUBJECT, Message, WayKind
from tests.kit.carrier import PUBLIC, Call, Deed, FakeCarrier, carrier
from tests.kit.hours import at
from tests.kit.http import HttpDoor, http_door
from tests.kit.line import MASTER_KEY
from tests.kit.line import Post as KeptMail
from tests.kit.moved_clock import MovedClock
from tests.kit.mx_door import open_mx
from tests.kit.support import ADDRESS, Town

NUMBER = "+18005550177"  # the TAM's
TAM_PHONE, COVER_PHONE = "+15550100071", "+15550100072"
KIM_PHONE = "+442071838750"
TAM_ADDRESS = "tam.tina@support.test"


class TamHouse(Town):
    """A town whose TAM can be called and written to."""

    carrier: FakeCarrier
    line: Line
    oversight: Oversight
    door: HttpDoor
    tokens: dict[str, str]
    cover: Actor

    async def move_in(self) -> "TamHouse":
        await self.settle_in()
        self.tokens = {}
        await self._phone(self.tam, TAM_PHONE)
        self.cover = await self.staff("cora", Role.CST)
        await self._phone(self.cover, COVER_PHONE)
        await contacts.change(self.pool, _with(self.kim, KIM_PHONE), actor="operator")
        await contacts.verify_phone(self.pool, _with(self.kim, KIM_PHONE), KIM_PHONE, actor="operator")
        await store.add_way(self.pool, WayKind.PHONE, NUMBER, carrier="tel", person_id=self.tam.person_id, actor="operator")
        await store.add_way(self.pool, WayKind.EMAIL, TAM_ADDRESS, person_id=self.tam.person_id, actor="operator")
        await self.pool.execute(
            "INSERT INTO sending_domains (domain, account_id, subaccount_id, shared, trusted) "
            "VALUES ('support.test', $1, 0, false, true)",
            self.account_id,
        )
        return self

    async def _phone(self, who: Actor, number: str) -> None:
        await self.pool.execute("UPDATE staff SET phone = $2 WHERE person_id = $1", who.person_id, number)

    async def on_leave(self, *, days: int = 5) -> None:
        """Let Cora stand in for the TAM from now on."""
        now = self.clock.now()
        assert await contracts.add_cover(
            self.pool,
            self.tam.person_id,
            self.cover.person_id,
            begins_at=now - timedelta(minutes=1),
            ends_at=now + timedelta(days=days),
            reason="on leave",
            actor="operator",
        )

    async def token(self, who: Actor) -> str:
        if who.name not in self.tokens:
            self.tokens[who.name] = await people.new_token(self.pool, who.person_id, label="test", actor="operator")
        return self.tokens[who.name]

    async def api(self, method: str, path: str, *, who: Actor | None = None, key: str = "", **body: Any) -> httpx.Response:
        """Call /api/v1/support/<path> as somebody of the staff (the TAM)."""
        key = key or await self.token(who or self.tam)
        url = path if path.startswith("/") else f"/api/v1/support/{path}"
        return await self.door.client.request(method, url, headers={"Authorization": key}, **body)

    def rings(self, *deeds: Deed, caller: str = KIM_PHONE, called: str = NUMBER) -> Call:
        """Return a call to the TAM's number."""
        return self.carrier.call(*deeds, caller=caller, called=called, folder="tam")

    async def thread(self, account_id: int = 0) -> list[Message]:
        """Return the thread, the oldest message first."""
        found = await store.messages_of(self.pool, account_id or self.account_id, limit=200)
        return list(reversed(found))

    async def clock_of(self, message: Message) -> Reading | None:
        kept = await clocks.of_subject(self.pool, SUBJECT, message.message_id)
        if not kept:
            return None
        return await clocks.Calendars(self.pool).read(kept[0].log, self.clock.now())

    async def mails(self) -> list[EmailMessage]:
        """Let what threads owe leave; return what was written since the last time."""
        while await self.oversight.post.turn():
            pass
        return await self.sent()

    async def arrives(self, raw: bytes, *, to: str = TAM_ADDRESS, mail_from: str = "kim@acme.test") -> str:
        return await super().arrives(raw, to=to, mail_from=mail_from)

    def writes(self, text: str, *, to: str = TAM_ADDRESS, **more: Any) -> bytes:
        return self.mail(text, to=to, **more)


def _with(contact: Contact, number: str) -> Contact:
    return replace(contact, phones=(Phone(number),))


@asynccontextmanager
async def tam_house(
    pool: db.Pool, folder: Path, begin: str | datetime, family: Family = Family.TWILIO
) -> AsyncIterator[TamHouse]:
    """Serve all of it. begin: what the clock says."""
    clock = MovedClock(at(begin) if isinstance(begin, str) else begin)
    house = TamHouse(pool, clock)
    async with carrier(family, now=clock.now) as fake:
        file = folder / "carriers.toml"
        file.write_text(fake.toml())
        file.chmod(0o600)
        settings = Settings(
            data=folder,
            hostname="mx.homing.test",
            sev1_url=PUBLIC,
            sev1_carriers=file,
            allow_private_targets=True,
            target_ports=(fake.port,),
        )
        house.carrier = fake
        house.line = Line(
            settings, pool, clock, MASTER_KEY, mail=KeptMail(), calls=Calls(house.desk, house.legal), legal=house.legal
        )
        made = Oversight(
            settings,
            pool,
            clock,
            MASTER_KEY,
            mail=house.notices,
            line=house.line,
            desk=house.desk,
            address=ADDRESS,
            legal=house.legal,
            look_up=house.dns.look_up,
        )
        made.mailroom._clock = SystemClock()  # signatures of mail are made with the machine's own
        house.oversight = made

        def more(bodies: Bodies) -> list[HTTPRouteHandler]:
            return [
                *house.line.routes(bodies),
                *made.telephony(bodies),
                *support_oversight.routes(bodies=bodies, overseers=made.overseers, escalations=made.escalations),
                *support_threads.routes(
                    bodies=bodies,
                    overseers=made.overseers,
                    threads=made.threads,
                    gate=made.gate,
                    recordings=made.recordings,
                ),
            ]

        async with http_door(pool, more_routes=more) as door:
            fake.app_port = door.port
            house.door = door
            await house.move_in()
            async with open_mx(pool, folder, support=(ADDRESS, house.take), tam=made.mailroom) as mx:
                house.mx = mx
                yield house
