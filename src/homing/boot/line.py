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
from homing.support.line import broadcast
from homing.support.line.carriers import Carriers, read_settings
from homing.support.line.desk import Desk
from homing.support.line.journal import FOLDER, Journal
from homing.support.line.keeper import Keeper
from homing.support.line.ports import Mail, OnDuty, OpenCase, StartLadder
from homing.support.line.recordings import Recordings
from homing.support.line.returning import Returning
from homing.support.line.store import LegalClock, ServerClock
from homing.support.line.types import LineSettings


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


class Line:
    """Takes calls, calls back and keeps both, for one worker.

    start_ladder, on_duty, open_case   of the rooms that page people and keep cases
    """

    def __init__(
        self,
        settings: Settings,
        pool: db.Pool,
        clock: Clock,
        master_key: MasterKey,
        *,
        mail: Mail,
        start_ladder: StartLadder = broadcast.start_ladder,
        on_duty: OnDuty = broadcast.on_duty,
        open_case: OpenCase | None = None,
        legal: LegalClock | None = None,
    ) -> None:
        known = line_settings(settings)
        legal = legal or ServerClock()
        self._pool = pool
        self._clock = clock
        self._master_key = master_key
        self._base = line_base(settings)
        policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=tuple(sorted({443, *settings.target_ports})))
        self.carriers = Carriers(OutboundHttp.over(policy, settings.dns), known)
        self.desk = Desk(pool, legal, master_key, known, base=self._base, start_ladder=start_ladder, on_duty=on_duty)
        self.returning = Returning(pool, legal, known, self.carriers, base=self._base, start_ladder=start_ladder)
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
            start_ladder=start_ladder,
            open_case=open_case,
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
