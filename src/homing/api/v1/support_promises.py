"""/api/v1/support/promises: what became of the promises to an account in a stretch of time, each worth by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.api.bodies import json_answer
from homing.api.reading import query_of, refusals
from homing.api.v1 import support_cases_pages as pages
from homing.api.v1.support_callers import STAFF, VIEW, Office, number_of
from homing.api.v1.support_cases_wire import MEMBERS
from homing.ingress.rules.problem import Wrong, bad_params
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.tally import Tally, tallies
from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.types import Nature

PATH = "/api/v1/support/promises"
MOST = timedelta(days=400)
_encode = msgspec.json.Encoder().encode


def routes(*, office: Office) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"grants": VIEW, "staff": STAFF, "operation": pages.PROMISES})
    async def count_promises(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller = await office.caller(request)
        with refusals():
            query = query_of(request)
            account_id = caller.account_id
            if account_id is None:
                account_id = number_of(query.get("account_id", ""))
                if account_id >= 2**31 or await accounts.account_by_id(office.pool, account_id) is None:
                    raise Wrong(bad_params("account_id is the number of a customer"))
            now = await office.legal.now(office.pool)
            begin, end = _stretch(query.get("from"), query.get("to"), now)
        found = await clocks.of_account(office.pool, account_id, begin, end)
        shown: dict[str, list[dict[str, Any]]] = {
            member: [] for nature, member in MEMBERS.items() if caller.staff is not None or nature is not Nature.INTERNAL
        }
        for one in tallies(kept.reading for kept in found):
            if MEMBERS[one.nature] in shown:
                shown[MEMBERS[one.nature]].append(_shown(one))
        return await json_answer(request, _encode({"results": {"from": begin, "to": end, **shown}}))

    return [count_promises]


def _stretch(since: str | None, until: str | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the stretch that is asked for; without one the calendar month in UTC (reading R10). raises Wrong."""
    begin = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0) if since is None else _moment(since)
    end = now if until is None else _moment(until)
    if not begin <= end <= begin + MOST:
        raise Wrong(bad_params(f"from comes before to, and at most {MOST.days} days lie between them"))
    return begin, end


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        if found.utcoffset() is None:
            raise ValueError
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Wrong(bad_params("from and to are instants with a time zone, for example 2026-05-01T00:00:00Z")) from None


def _shown(one: Tally) -> dict[str, Any]:
    return {
        "kind": one.kind.value,
        "clause": TERMS[one.kind].clause if one.nature is Nature.CONTRACTUAL else "",
        "met": one.met,
        "missed": one.missed,
        "missed_and_done_later": one.late,
        "superseded": one.superseded,
        "void": one.void,
        "open": one.open,
        "attainment": one.attainment,
    }
