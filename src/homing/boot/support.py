"""What a worker does for support: cases, their mail both ways, their clocks, the nightly audit; wired."""

import asyncio
from datetime import datetime
from functools import partial

from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.api.bodies import Bodies
from homing.api.v1 import support_case_steps, support_cases, support_promises, support_quarantine, support_updates
from homing.api.v1.support_callers import Office
from homing.availability import views
from homing.boot.carriers import line_settings
from homing.boot.tam import Tam
from homing.domains.verify import DomainDns
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.secrets import MasterKey
from homing.inbound.door import TakeSupport
from homing.support.cases.audit import CaseSource
from homing.support.cases.calls import Calls
from homing.support.cases.course import Course
from homing.support.cases.desk import Desk
from homing.support.cases.endings import Endings
from homing.support.cases.extracts import Extracts, Ledger
from homing.support.cases.held_post import HeldPost
from homing.support.cases.keeper import Keeper
from homing.support.cases.mailroom import Mailroom, TooMuch
from homing.support.cases.post import Post
from homing.support.cases.sending import Mail
from homing.support.cases.undelivered import UndeliveredFollower
from homing.support.clocks.auditor import Source
from homing.support.clocks.keeper import Keeper as ClockKeeper
from homing.support.clocks.store import LegalClock, ServerClock
from homing.support.line.audit import LineSource
from homing.support.line.casebook import UntoldCases
from homing.support.tam.audit import TamSource
from homing.support.threads.audit import ThreadSource
from homing.web import letter

PURPOSE = "support"  # purpose of the secret in reply addresses and links
THREADS = "threads"  # of the secret in addresses that answers to a TAM come to
TOKEN_BYTES = 16


def support_base(settings: Settings) -> str:
    """Return what links in support mail begin with."""
    if settings.support_url:
        return settings.support_url.rstrip("/")
    scheme, usual = ("https", 443) if settings.tls_cert is not None else ("http", 80)
    return f"{scheme}://{settings.hostname}" + ("" if settings.http.port == usual else f":{settings.http.port}")


def ledger_of(legal: LegalClock) -> Ledger:
    """Return what says what the availability ledger shows."""

    async def shown(executor: db.Executor, account_id: int, *, since: datetime, until: datetime) -> str:
        account = await accounts.account_by_id(executor, account_id)
        if account is None:
            return "There is no such account."
        found = await views.extract(
            executor,
            account,
            since=int(since.timestamp()),
            until=int(until.timestamp()),
            now=await legal.now(executor),
        )
        return views.in_words(found)

    return shown


def audited(legal: LegalClock) -> list[Source]:
    """Return whose events the nightly audit replays."""
    return [CaseSource(), TamSource(), LineSource(legal), ThreadSource()]


class Support:
    """The wing of support for one worker. Without a support address it sends and takes no mail; cases work all the same."""

    def __init__(self, settings: Settings, pool: db.Pool, clock: Clock, master_key: MasterKey, mail: Mail) -> None:
        legal = ServerClock()
        self.token = partial(master_key.token, purpose=PURPOSE, size=TOKEN_BYTES)
        self.legal = legal
        self.address = settings.support_address.lower()
        self.desk = Desk(pool, legal)
        self.course = Course(self.desk)
        self.calls = Calls(self.desk, legal)
        self._extracts = Extracts(pool, legal, self.desk, ledger_of(legal))
        self.endings = Endings(self.desk)
        self.mailroom = self._mailroom(settings, pool, clock)
        self._post = Post(
            pool,
            self.desk,
            legal,
            mail,
            address=self.address,
            base=support_base(settings),
            token=self.token,
            numbers=[number for carrier in line_settings(settings).carriers.values() for number in carrier.numbers],
        )
        self.desk.news = self._post.look
        self._held = HeldPost(pool, legal, mail, address=self.address)
        self.follower = UndeliveredFollower(legal, address=self.address, news=lambda: self.desk.news)
        self._keeper = Keeper(pool, legal, self.desk)
        self._clocks = ClockKeeper(pool, legal, clock, audited(legal), UntoldCases())
        threads = partial(master_key.token, purpose=THREADS, size=TOKEN_BYTES)
        self.tam = Tam(pool, legal, mail, address=self.address, token=threads)

    def _mailroom(self, settings: Settings, pool: db.Pool, clock: Clock) -> Mailroom:
        dns = DomainDns(settings.dns)

        async def look_up(name: str) -> tuple[str, ...]:
            return (await dns.look_up(name, "TXT")).values

        return Mailroom(
            pool,
            self.desk,
            self.legal,
            clock,
            address=self.address,
            own=frozenset({settings.notice_from.lower()} - {""}),
            token=self.token,
            look_up=look_up,
        )

    def door(self) -> tuple[str, TakeSupport] | None:
        """Return what the MX door hands support mail to; None: there is no support address."""
        if not self.address:
            return None

        async def take(raw: bytes, *, mail_from: str, tag: str) -> bool:
            return not isinstance(await self.mailroom.take(raw, mail_from=mail_from, tag=tag), TooMuch)

        return self.address, take

    def routes(self, pool: db.Pool, bodies: Bodies) -> list[HTTPRouteHandler]:
        """Return the routes of cases."""
        office = Office(pool=pool, legal=self.legal, desk=self.desk, course=self.course, endings=self.endings)
        return [
            *support_cases.routes(office=office, bodies=bodies),
            *support_case_steps.routes(office=office, bodies=bodies),
            *support_quarantine.routes(office=office, bodies=bodies),
            *support_promises.routes(office=office),
            *support_updates.routes(office=office, bodies=bodies),
        ]

    def pages(self, pool: db.Pool) -> list[HTTPRouteHandler]:
        """Return the pages that links in mails lead to."""
        return letter.routes(pool=pool, desk=self.desk, course=self.course, endings=self.endings, token=self.token)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._clocks.run(), name="clocks")
            tasks.create_task(self._keeper.run(), name="cases")
            tasks.create_task(self._extracts.run(), name="extracts")
            tasks.create_task(self.tam.run(), name="tam")
            if self.address:
                tasks.create_task(self._post.run(), name="post")
                tasks.create_task(self._held.run(), name="held")
