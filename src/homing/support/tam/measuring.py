"""Runs checks on what our own stores say: sending domains, figures, ramps. Each run is kept."""

from datetime import datetime, timedelta

from homing.domains import store as domains
from homing.ground import db
from homing.support.tam import store
from homing.support.tam.ports import Figures
from homing.support.tam.rules.checks import judge_domain, judge_ramp, judge_rate
from homing.support.tam.types import Check, DomainCheck, RampCheck, RateCheck, Record, Result


async def measure(pool: db.Pool, figures: Figures, account_id: int, check: Check, *, now: datetime, because: str) -> Result:
    """Return what a check finds now. raises StoreUnavailable, TooSlow."""
    match check:
        case DomainCheck(domain=name):
            domain = await domains.get(pool, name, account_id=account_id)
            return judge_domain(check, domain, now=now, because=because)
        case RateCheck(days=days, about=about):
            last = now.date()
            first = last - timedelta(days=days - 1)
            counts = await figures.total(account_id, about, first=first, last=last)
            return judge_rate(check, counts, since=first, until=last, now=now, because=because)
        case RampCheck(plan=number):
            plan = await store.record(pool, number)
            mine = plan if plan is not None and plan.account_id == account_id else None
            return judge_ramp(check, mine, now=now, because=because)


async def run(pool: db.Pool, figures: Figures, record: Record, *, now: datetime, because: str) -> Result | None:
    """Run the check of a recommendation, and keep what it found; None: it has none."""
    if record.check is None:
        return None
    result = await measure(pool, figures, record.account_id, record.check, now=now, because=because)
    await store.keep_result(pool, record.record_id, result)
    return result
