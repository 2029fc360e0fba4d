"""The Severity 1 Line of a worker, wired."""

from functools import partial

from litestar.handlers import HTTPRouteHandler

from homing.accounts.authenticate import account_of_hash
from homing.api import sev1_form, telephony
from homing.api.bodies import Bodies
from homing.api.v1 import support_sev1
from homing.boot.carriers import line_base, line_settings, outbound
from homing.boot.channels import channels_of
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.secrets import MasterKey
from homing.support.cases.calls import Calls
from homing.support.line.answering import Answering
from homing.support.line.attempts import Attempts
from homing.support.line.away import AwayCalls
from homing.support.line.away_book import AwayBook
from homing.support.line.by_hand import ByHand
from homing.support.line.carriers import Carriers
from homing.support.line.casebook import CaseBook
from homing.support.line.code_calls import CodeCalls
from homing.support.line.desk import Desk
from homing.support.line.journal import FOLDER, Journal
from homing.support.line.keeper import Keeper
from homing.support.line.ladders import Ladders
from homing.support.line.legs import Legs
from homing.support.line.page_calls import PageCalls
from homing.support.line.ports import Mail
from homing.support.line.recordings import Recordings
from homing.support.line.reports import Reports
from homing.support.line.returning import Returning
from homing.support.line.ringing import Ringing
from homing.support.line.store import LegalClock, ServerClock


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
        self.away_book = AwayBook(settings.data, master_key)
        self.away_calls = AwayCalls(self.carriers, self.away_book, base=self._base)
        ladders = Ladders(self.channels.kinds, self.away_book)
        self.desk = Desk(pool, legal, master_key, known, base=self._base, ladders=ladders)
        attempts = Attempts(pool, legal, ladders)
        ringing = Ringing(attempts, self.carriers, base=self._base, ladders=ladders)
        self.legs = Legs(pool, attempts, self.carriers, ringing, base=self._base)
        self.returning = Returning(attempts, self.legs, known, self.carriers, ringing=ringing, ladders=ladders)
        self.by_hand = ByHand(attempts, ladders)
        self.recordings = Recordings(pool, legal, master_key, known, self.carriers)
        self.journal = Journal(settings.data / FOLDER)
        may_report = partial(account_of_hash, pool, grant=support_sev1.MANAGE[0])
        self.reports = Reports(self.desk, self.journal, self.away_book, master_key, clock, may_report)
        self.keeper = Keeper(
            pool,
            legal,
            self.desk,
            attempts,
            self.legs,
            self.returning,
            self.recordings,
            self.carriers,
            self.journal,
            base=self._base,
            ladders=ladders,
            page_calls=self.page_calls,
            casebook=CaseBook(pool, calls),
            mail=mail,
            reports=self.reports,
        )
        self.refused = telephony.Refusals()

    def routes(self, bodies: Bodies) -> list[HTTPRouteHandler]:
        """Return its routes."""
        numbers = [number for carrier in self.carriers.all.values() for number in carrier.numbers]
        return [
            *telephony.routes(
                desk=self.desk,
                legs=self.legs,
                returning=self.returning,
                page_calls=self.page_calls,
                codes=self.codes,
                away_calls=self.away_calls,
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
                numbers=numbers,
                desk=self.desk,
                reports=self.reports,
                returning=self.returning,
                by_hand=self.by_hand,
                recordings=self.recordings,
            ),
            *sev1_form.routes(
                desk=self.desk,
                reports=self.reports,
                pool=self._pool,
                master_key=self._master_key,
                bodies=bodies,
                numbers=numbers,
            ),
        ]
