"""/api/v1/support/hours: when Business Hours run, when a promise in them falls due, why, and what was recorded (clause B3)."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1 import support_hours_pages as pages
from homing.api.v1.support_askers import ADMIN, ANYBODY, VIEW, member_of, reads, staff_of, taken
from homing.api.v1.support_hours_wire import (
    MOST_DAYS,
    HolidayIn,
    VersionIn,
    Which,
    count_in,
    holiday_in,
    instant_in,
    seconds_in,
    start_in,
    until_in,
    which_in,
    wish_in,
    year_in,
    zone_in,
)
from homing.contracts import store as contracts
from homing.contracts.types import EMAIL
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.errors import Misuse
from homing.hours import store
from homing.hours.rules.contract import TERMS, calendar_of
from homing.hours.rules.days import changed_from, days, observed, today
from homing.hours.rules.explain import explain, moves
from homing.hours.rules.measure import due
from homing.hours.rules.record import check_holiday, plan, zone_of
from homing.hours.rules.shown import changed_facts, day_facts, due_facts, explanation_facts, state_facts, version_facts
from homing.hours.types import Calendar, HolidayChange, ServiceZone, Version
from homing.ingress.rules.problem import Wrong, bad_params

PATH = "/api/v1/support/hours"
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""

    async def usual(request: Request[Any, Any, Any]) -> Calendar:
        """Return the calendar of the customer's Order Form; of the first zone for staff, and where there is no Order Form."""
        if staff_of(request) is None:
            form = await contracts.order_form_at(pool, sender_of(request).account_id, EMAIL, clock.now())
            if form is not None:
                return calendar_of(form.zone, form.holiday_set)
        return calendar_of(ServiceZone.ET)

    async def fetched(which: Which) -> Calendar:
        found = await store.calendar(pool, which.calendar.zone, which.calendar.holiday_set)
        return found if which.known_at is None else found.as_known_at(which.known_at)

    async def asked(request: Request[Any, Any, Any], query: Mapping[str, str]) -> Calendar:
        return await fetched(which_in(query, usual=await usual(request)))

    @get(PATH, opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.SHOW})
    async def show_hours(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            query = query_of(request)
            count = count_in(query, "days", 14, 0, MOST_DAYS)
            calendar = await asked(request, query)
            at = instant_in(query["at"], calendar.zone, "at") if query.get("at") else clock.now().replace(microsecond=0)
            shown = await _measured(_state, calendar, at, count)
        return await json_answer(request, _encode({"results": shown}))

    @get(f"{PATH}/due", opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.DUE})
    async def show_hours_due(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            query = query_of(request)
            calendar = await asked(request, query)
            start, seconds = start_in(query, calendar.zone, now=clock.now()), seconds_in(query)
            shown = await _measured(_due, calendar, start, seconds)
        return await json_answer(request, _encode({"results": shown}))

    @get(f"{PATH}/explain", opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.EXPLAIN})
    async def explain_hours(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            query = query_of(request)
            calendar = await asked(request, query)
            start = start_in(query, calendar.zone, now=clock.now())
            until = until_in(query, start, calendar.zone)
            shown = await _measured(_explained, calendar, start, until, seconds_in(query) if until is None else 0)
        return await json_answer(request, _encode({"results": shown}))

    @get(f"{PATH}/holidays", opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.HOLIDAYS})
    async def list_bank_holidays(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            query = query_of(request)
            calendar = await asked(request, query)
            year = year_in(query, default=today(calendar, clock.now()).year)
        found = observed(calendar, year)
        shown = {"calendar": calendar.name, "year": year, "holidays": list(found.values())}
        return await json_answer(request, _encode({"results": shown}))

    @get(f"{PATH}/versions", opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.VERSIONS})
    async def list_hours_versions(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            calendar = await asked(request, query_of(request))
        terms = TERMS[calendar.zone]
        shown = {
            "calendar": calendar.name,
            "tz": terms.tz,
            "holiday_sets": terms.holiday_sets,
            "versions": [version_facts(one) for one in calendar.versions],
            "holiday_changes": calendar.holiday_changes,
        }
        return await json_answer(request, _encode({"results": shown}))

    @post(f"{PATH}/versions", status_code=200, opt={"staff": ADMIN, "operation": pages.RECORD})
    async def record_hours(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, VersionIn)
                zone = zone_in(given)
                wish = wish_in(given, zone, author=member_of(request).name)
        calendar = await store.calendar(pool, zone)
        follows = len(calendar.versions)
        last = calendar.versions[-1] if calendar.versions else None
        if given.follows != follows:
            if last is None or given.follows != follows - 1 or not _is_what_was_wished(last, wish):
                raise ApiError(taken(f"follows: the zone has {follows} versions by now; look at them, then say {follows}"))
            before = msgspec.structs.replace(calendar, versions=calendar.versions[:-1])  # the same call again
            with refusals():
                shown = await _measured(_recorded, before, last, True)
            return await json_answer(request, _encode({"results": shown}))
        with refusals(), reads("hours"):
            made, _, hides = plan(calendar, wish, now=clock.now())
        if hides is not None and not given.override:
            raise ApiError(pages.hides(calendar, hides))
        if not given.dry_run:
            try:
                made = await store.record_version(
                    pool,
                    zone,
                    made.hours,
                    follows=follows,
                    author=wish.author,
                    reason=wish.reason,
                    effective_from=wish.effective_from,
                    effective_to=wish.effective_to,
                    notice_sent_at=wish.notice_sent_at,
                )
            except store.Overtaken as trouble:
                raise ApiError(taken(str(trouble))) from None
        with refusals():
            shown = await _measured(_recorded, calendar, made, not given.dry_run)
        return await json_answer(request, _encode({"results": shown}))

    @post(f"{PATH}/holidays", status_code=200, opt={"staff": ADMIN, "operation": pages.CHANGE_HOLIDAY})
    async def change_bank_holiday(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                wanted = holiday_in(read_body(body, HolidayIn))
        calendar = await store.calendar(pool, zone_of(wanted.holiday_set), wanted.holiday_set)
        last = next((one for one in reversed(calendar.holiday_changes) if one.day == wanted.day), None)
        if last is not None and _says(last, wanted):  # the same call again
            return await json_answer(request, _encode({"results": last}))
        with refusals(), reads("date"):
            check_holiday(calendar, wanted.day, now=clock.now())
        made = await store.record_holiday(
            pool,
            wanted.holiday_set,
            wanted.day,
            name=wanted.name,
            active=wanted.active,
            source=wanted.source,
            author=member_of(request).name,
            reason=wanted.reason,
            substitute_for=wanted.substitute_for,
        )
        return await json_answer(request, _encode({"results": made}))

    return [
        show_hours,
        show_hours_due,
        explain_hours,
        list_bank_holidays,
        list_hours_versions,
        record_hours,
        change_bank_holiday,
    ]


async def _measured(measure: Any, *given: Any) -> dict[str, Any]:
    """Return what a measurement answers; a year of days takes some milliseconds, so it holds up nobody. Raises Wrong."""
    try:
        found: dict[str, Any] = await asyncio.to_thread(measure, *given)
    except (ValueError, Misuse) as trouble:
        raise Wrong(bad_params(str(trouble))) from None
    return found


def _state(calendar: Calendar, at: datetime, count: int) -> dict[str, Any]:
    return {
        **state_facts(calendar, at),
        "days": [day_facts(calendar, one) for one in days(calendar, today(calendar, at), count)],
    }


def _due(calendar: Calendar, start: datetime, seconds: int) -> dict[str, Any]:
    return due_facts(calendar, start, seconds, due(calendar, start, seconds), moves(calendar, start, seconds))


def _explained(calendar: Calendar, start: datetime, until: datetime | None, seconds: int) -> dict[str, Any]:
    return explanation_facts(calendar, explain(calendar, start, due(calendar, start, seconds) if until is None else until))


def _recorded(calendar: Calendar, made: Version, recorded: bool) -> dict[str, Any]:
    after = msgspec.structs.replace(calendar, versions=(*calendar.versions, made))
    changes = changed_from(calendar, after, max(made.effective_from, made.recorded_at))
    return {"recorded": recorded, **version_facts(made), "days": changed_facts(changes)}


def _is_what_was_wished(last: Version, wish: Any) -> bool:
    """Return whether the last version is what a repeated call wants to record."""
    days_there = {day: last.hours.exceptions.get(day) for day in wish.days}
    return (
        (wish.week is None or wish.week == last.hours.weekly)
        and days_there == dict(wish.days)
        and (wish.effective_from is None or wish.effective_from == last.effective_from)
        and (last.effective_to, last.author, last.reason) == (wish.effective_to, wish.author, wish.reason)
    )


def _says(last: HolidayChange, wanted: Any) -> bool:
    return (last.name, last.active, last.source, last.reason, last.substitute_for) == (
        wanted.name,
        wanted.active,
        wanted.source,
        wanted.reason,
        wanted.substitute_for,
    )
