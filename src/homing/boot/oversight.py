"""What a worker does for Technical Account Managers: their numbers and addresses, threads, and oversight; wired."""

import asyncio
from functools import partial

from litestar.handlers import HTTPRouteHandler

from homing.api import telephony_tam
from homing.api.bodies import Bodies
from homing.api.telephony import CarrierGate
from homing.api.v1.support_oversight import Overseers
from homing.boot.carriers import line_base
from homing.boot.line import Line
from homing.boot.support import THREADS, TOKEN_BYTES
from homing.domains.verify import DomainDns
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.secrets import MasterKey
from homing.support.cases.desk import Desk
from homing.support.cases.held_post import HeldPost
from homing.support.cases.mailroom import LookUp
from homing.support.cases.sending import Mail
from homing.support.clocks.store import LegalClock
from homing.support.line.journal import Journal
from homing.support.line.recordings import Recordings
from homing.support.threads import store as thread_store
from homing.support.threads.desk import Threads
from homing.support.threads.mailroom import TamMail
from homing.support.threads.oversight import Escalations
from homing.support.threads.own_number import OwnNumber
from homing.support.threads.own_number_keeper import OwnNumberKeeper
from homing.support.threads.own_number_store import TamShelf
from homing.support.threads.post import TamPost
from homing.support.threads.releasing import Gate

PURPOSE = "threads"  # name of the folder of the journal


class Oversight:
    """Threads, numbers and oversight of TAMs, for one worker.

    desk      of Support Cases
    address   where support mail comes to; '': there is none
    look_up   TXT records; None: by the resolver of the settings
    """

    def __init__(
        self,
        settings: Settings,
        pool: db.Pool,
        clock: Clock,
        master_key: MasterKey,
        *,
        mail: Mail,
        line: Line,
        desk: Desk,
        address: str,
        legal: LegalClock,
        look_up: LookUp | None = None,
    ) -> None:
        self.legal = legal
        self._clock = clock
        self._base = line_base(settings)
        self._line = line
        token = partial(master_key.token, purpose=THREADS, size=TOKEN_BYTES)
        dns = DomainDns(settings.dns)

        async def in_dns(name: str) -> tuple[str, ...]:
            return (await dns.look_up(name, "TXT")).values

        self.threads = Threads(pool, self.legal)
        own = frozenset({settings.notice_from.lower(), address} - {""})
        self.mailroom = TamMail(pool, self.threads, clock, own=own, token=token, look_up=look_up or in_dns)
        self.gate = Gate(pool, self.threads)
        self.post = TamPost(pool, self.threads, mail, fallback=address, token=token)
        self.threads.news = self.post.look
        self._held = HeldPost(
            pool,
            self.legal,
            mail,
            address=address,
            untold=thread_store.held_untold,
            told=thread_store.told_of_held,
            what="mail and voicemail for TAMs",
            decide="See whose each may be: homing tam quarantine. Then: homing tam release NUMBER, or homing tam discard NUMBER.",
        )
        self.number = OwnNumber(pool, self.threads, line.desk, master_key, line.desk.settings, base=self._base)
        self.journal = Journal(settings.data / PURPOSE)
        self.recordings = Recordings(pool, self.legal, master_key, line.desk.settings, line.carriers, shelf=TamShelf())
        self.keeper = OwnNumberKeeper(pool, self.threads, self.number, self.recordings, line.carriers, self.journal)
        self.overseers = Overseers(pool, self.legal)
        self.escalations = Escalations(pool, desk)

    def telephony(self, bodies: Bodies) -> list[HTTPRouteHandler]:
        """Return the routes that carriers ask."""
        gate = CarrierGate(self._line.carriers.all, bodies=bodies, clock=self._clock, base=self._base, refused=self._line.refused)
        return telephony_tam.routes(own=self.number, gate=gate, journal=self.journal, clock=self._clock, base=self._base)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.post.run(), name="tam-post")
            tasks.create_task(self._held.run(), name="tam-held")
            tasks.create_task(self.keeper.run(), name="tam-calls")
