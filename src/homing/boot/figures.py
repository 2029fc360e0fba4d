"""The figures that the TAM's programme draws: the port of its room, over the metrics of accounts."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from homing.ground import db
from homing.metrics import store as metrics
from homing.metrics.rules.asked import MOST_ROWS, Filter, Grouping, Question
from homing.metrics.rules.names import figures
from homing.metrics.rules.windows import Window
from homing.metrics.types import Grain
from homing.support.clocks.store import LegalClock
from homing.support.tam.types import About, Counts

NAMES = Counts.__struct_fields__
_OF_PROVIDERS = tuple(name for name in NAMES if name not in ("count_targeted", "count_rejected", "count_unsubscribe"))
_BY_ACCOUNT = (
    "count_injected",
    "count_sent",
    "count_delivered",
    "count_bounce",
    "count_hard_bounce",
    "count_soft_bounce",
    "count_block_bounce",
    "count_delayed",
    "count_spam_complaint",
)


class AccountFigures:
    """The metrics of accounts, as the programme asks for them."""

    def __init__(self, pool: db.Pool, legal: LegalClock) -> None:
        self._pool = pool
        self._legal = legal

    async def total(self, account_id: int, about: About, *, first: date, last: date) -> Counts:
        """Return the figures of some mail of an account."""
        asked = _question(account_id, about, NAMES, first, last, now=await self._legal.now(self._pool))
        (row,) = await metrics.totals(self._pool, asked)
        return Counts(**figures(NAMES, row))

    async def by_provider(self, account_id: int, *, first: date, last: date) -> Mapping[str, Counts]:
        """Return the figures of an account by mailbox provider."""
        asked = _question(account_id, About(), _OF_PROVIDERS, first, last, now=await self._legal.now(self._pool))
        rows = await metrics.totals(self._pool, asked, ("provider",))
        return {row["provider"]: Counts(**figures(_OF_PROVIDERS, row)) for row in rows}

    async def everywhere(self, *, first: date, last: date) -> Mapping[str, Mapping[int, Counts]]:
        """Return the figures of every account, by mailbox provider and account."""
        since, until = _instants(first, last)
        found: dict[str, dict[int, Counts]] = {}
        for row in await metrics.by_account_and_provider(self._pool, since=since, until=until):
            found.setdefault(row["provider"], {})[row["account_id"]] = Counts(**figures(_BY_ACCOUNT, row))
        return found


def _question(account_id: int, about: About, names: tuple[str, ...], first: date, last: date, *, now: datetime) -> Question:
    wanted = {"sending_domain": about.sending_domain, "ip_pool": about.ip_pool, "provider": about.provider}
    filters = tuple(Filter(member, "eq", (value,)) for member, value in wanted.items() if value)
    since, until = _instants(first, last)
    return Question(
        account_id=account_id,
        subaccount_id=None,
        window=Window(since=since, until=until, asked_at=now, grain=Grain.DAY, precision="day", zone=UTC),
        groupings=(Grouping(any_of=False, filters=filters),) if filters else (),
        metrics=names,
        limit=MOST_ROWS,
        order_by="",
    )


def _instants(first: date, last: date) -> tuple[datetime, datetime]:
    return datetime.combine(first, time(), tzinfo=UTC), datetime.combine(last + timedelta(days=1), time(), tzinfo=UTC)
