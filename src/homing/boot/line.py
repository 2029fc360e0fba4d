"""The Severity 1 Line of a worker, wired."""

from litestar.handlers import HTTPRouteHandler

from homing.api import sev1_form, telephony
from homing.api.bodies import Bodies
from homing.api.v1 import support_sev1
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.support.cases.calls import Calls
from homing.support.line.answering import Answering
from homing.support.line.carriers import Carriers, read_settings
from homing.support.line.casebook import CaseBook
from homing.support.line.code_calls import CodeCalls
from homing.support.line.desk import Desk
from homing.support.line.journal import FOLDER, Journal
from homing.support.line.keeper import Keeper
from homing.support.line.ladders import Ladders
from homing.support.line.page_calls import PageCalls
from homing.support.line.ports import Mail
from homing.support.line.recordings import Recordings
from homing.support.line.returning import Returning
from homing.support.line.store import LegalClock, ServerClock
from homing.support.line.types import LineSettings
from homing.support.oncall.channels import Channels, Relay


def line_settings(settings: Settings) -> LineSettings:
    """Read what the line needs to know.

    raises   Misuse
    """
    if settings.sev1_carriers is None:
        return LineSettings()
    return read_settings(settings.sev1_carriers, allow_plain=settings.allow_private_targets)


def line_base(settings: Settings) -> str:
    """Return what the addresses begin with that carriers ask."""
    return settings.sev1_url.rstrip("/") or f"https://{settings.hostname}"


def relay_of(settings: Settings) -> Relay | None:
    """Return the mail server that pages leave by."""
    if settings.oncall_smtp is None:
        return None
    return Relay(
        where=settings.oncall_smtp,
        sender=settings.oncall_smtp_from,
        security=settings.oncall_smtp_security,
        user=settings.oncall_smtp_user,
        password=settings.oncall_smtp_password,
    )


def outbound(settings: Settings) -> OutboundHttp:
    """Return what carriers are asked with."""
    policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=tuple(sorted({443, *settings.target_ports})))
    return OutboundHttp.over(policy, settings.dns)


def channels_of(settings: Settings, master_key: MasterKey, phones: PageCalls | None) -> Channels:
    """Return the ways to people of this installation. phones: None where there is no carrier."""
    policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=settings.target_ports)
    return Channels(
        master_key,
        OutboundHttp.over(policy, settings.dns),
        relay=relay_of(settings),
        dial=None if phones is None else phones.dial,
        text=None if phones is None else phones.text,
    )


class Line:
    """Takes calls, wakes people, calls back and keeps all of it, for one worker.

    calls     of the room that keeps cases
    """

    def __init__(
        self,
        settings: Settings,
        pool: db.Pool,
        clock: Clock,
        master_key: MasterKey,
        *,
        mail: Mail,
        calls: Calls,
        legal: LegalClock | None = None,
    ) -> None:
        known = line_settings(settings)
        legal = legal or ServerClock()
        self._pool = pool
        self._clock = clock
        self._master_key = master_key
        self._base = line_base(settings)
        self.carriers = Carriers(outbound(settings), known)
        self.answering = Answering(calls)
        self.page_calls = PageCalls(pool, legal, self.carriers, self.answering, base=self._base)
        self.channels = channels_of(settings, master_key, self.page_calls if known.carriers else None)
        self.codes = CodeCalls(pool, clock, self.carriers, known, master_key, base=self._base)
        ladders = Ladders(self.channels.kinds)
        self.desk = Desk(pool, legal, master_key, known, base=self._base, ladders=ladders)
        self.returning = Returning(pool, legal, known, self.carriers, base=self._base, ladders=ladders)
        self.recordings = Recordings(pool, legal, master_key, known, self.carriers)
        self.journal = Journal(settings.data / FOLDER)
        self.keeper = Keeper(
            pool,
            legal,
            self.desk,
            self.returning,
            self.recordings,
            self.carriers,
            self.journal,
            base=self._base,
            ladders=ladders,
            page_calls=self.page_calls,
            casebook=CaseBook(pool, legal, calls),
            mail=mail,
        )
        self.refused = telephony.Refusals()

    def routes(self, bodies: Bodies) -> list[HTTPRouteHandler]:
        """Return its routes."""
        numbers = [number for carrier in self.carriers.all.values() for number in carrier.numbers]
        return [
            *telephony.routes(
                desk=self.desk,
                returning=self.returning,
                page_calls=self.page_calls,
                codes=self.codes,
                carriers=self.carriers.all,
                journal=self.journal,
                bodies=bodies,
                clock=self._clock,
                base=self._base,
                refused=self.refused,
            ),
            *support_sev1.routes(
                pool=self._pool,
                bodies=bodies,
                clock=self._clock,
                desk=self.desk,
                returning=self.returning,
                recordings=self.recordings,
            ),
            *sev1_form.routes(desk=self.desk, pool=self._pool, master_key=self._master_key, bodies=bodies, numbers=numbers),
        ]
