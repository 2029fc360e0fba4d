"""/api/v1/metrics: how much of what happened, by time and by what it is about (SparkPost reference, section 2.17)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with, query_of, refusals, sender_of
from homing.api.v1.metrics_wire import (
    ATTEMPTS,
    BENCHMARKED,
    DELIVERABILITY,
    GROUPINGS,
    INDUSTRIES,
    NO_SUBJECT_CAMPAIGNS,
    PATH,
    VALUES,
    attempts,
    failure,
    grouped,
    links,
    read_benchmark,
    summary_links,
    time_series,
)
from homing.events.rules.classify import BounceClass
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import Problem
from homing.metrics import store
from homing.metrics.rules.asked import (
    ALL,
    COMPARATORS,
    FILTERS,
    MOST_GROUPINGS,
    MOST_ROWS,
    MOST_VALUES,
    OF_BOUNCES,
    OF_LINKS,
    QUERY_FILTERS_SCHEMA,
    SERIES,
    BadQuestion,
    Question,
    read,
)
from homing.metrics.rules.names import figures
from homing.metrics.rules.windows import PRECISIONS, SERIES_ALONE, buckets, coarse
from homing.metrics.types import Grain, Kind

VIEW = ("metrics/view",)
_encode = msgspec.json.Encoder().encode
_REJECTED = ("count_rejected",)
_DELAYED = ("count_delayed", "count_delayed_first")
# path below deliverability: (kind, metrics, with the text, with the domain)
_FAILURES: dict[str, tuple[Kind, tuple[str, ...], bool, bool]] = {
    "bounce-reason": (Kind.BOUNCE, OF_BOUNCES, True, False),
    "bounce-reason/domain": (Kind.BOUNCE, OF_BOUNCES, True, True),
    "bounce-classification": (Kind.BOUNCE, OF_BOUNCES, False, False),
    "rejection-reason": (Kind.REJECTION, _REJECTED, True, False),
    "rejection-reason/domain": (Kind.REJECTION, _REJECTED, True, True),
    "delay-reason": (Kind.DELAY, _DELAYED, True, False),
    "delay-reason/domain": (Kind.DELAY, _DELAYED, True, True),
    "link-name": (Kind.LINK, OF_LINKS, True, False),
}
_FIXED = frozenset({Kind.REJECTION, Kind.DELAY})  # kinds whose endpoints always answer with the same metrics


def routes(*, pool: Pool, clock: Clock, classes: Mapping[int, BounceClass]) -> list[HTTPRouteHandler]:
    """Return the routes. classes: of bounces, by number."""

    def asked(
        request: Request[Any, Any, Any],
        metrics: tuple[str, ...],
        *,
        series: bool = False,
        fixed: bool = False,
        ever: bool = False,
    ) -> Question:
        sender = sender_of(request)
        with refusals():
            query = query_of(request)
        now = clock.now()
        if fixed:
            query.pop("metrics", None)
        if ever and not query.get("from"):  # clients ask for names without a window
            query["from"] = (now - Grain.DAY.kept).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            return read(
                query,
                account_id=sender.account_id,
                # The header is not for metrics: primary keys see all, and choose with `subaccounts`; others lack the grant.
                subaccount_id=sender.subaccount_id if sender.pinned else None,
                now=now,
                metrics=metrics,
                series=series,
            )
        except BadQuestion as bad:
            raise ApiError(_refused(bad)) from None

    async def answer(request: Request[Any, Any, Any], results: Any, **more: Any) -> Response[bytes]:
        return await json_answer(request, _encode({"results": results, **more}))

    @get(PATH, opt={"grants": VIEW, "operation": ROOT})
    async def list_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await answer(request, {}, links=links())

    @get(DELIVERABILITY, opt={"grants": VIEW, "operation": SUMMARY})
    async def sum_up(request: Request[Any, Any, Any]) -> Response[bytes]:
        question = asked(request, ALL)
        (row,) = await store.totals(pool, question)
        return await answer(request, [figures(question.metrics, row)], links=summary_links())

    @get(f"{DELIVERABILITY}/time-series", opt={"grants": VIEW, "operation": SERIES_OPERATION})
    async def show_series(request: Request[Any, Any, Any]) -> Response[bytes]:
        question = asked(request, SERIES, series=True)
        starts = buckets(question.window)
        found = await store.series(pool, question, starts) if starts else {}
        return await answer(request, time_series(starts, found, question.metrics))

    @get(f"{DELIVERABILITY}/attempt", opt={"grants": VIEW, "operation": ATTEMPT})
    async def show_attempts(request: Request[Any, Any, Any]) -> Response[bytes]:
        question = asked(request, ("count_delivered", "count_delivered_first"), fixed=True)
        (row,) = await store.totals(pool, question, columns=ATTEMPTS)
        return await answer(request, attempts(row))

    @get(f"{DELIVERABILITY}/query-filters-schema", opt={"grants": VIEW, "operation": FILTERS_SCHEMA})
    async def show_filters_schema(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await answer(request, QUERY_FILTERS_SCHEMA)

    @get(f"{DELIVERABILITY}/subject-campaign", opt={"grants": VIEW, "operation": SUBJECT_CAMPAIGN})
    async def show_subject_campaigns(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked(request, ALL)
        return await answer(request, [])

    @get(f"{PATH}/{NO_SUBJECT_CAMPAIGNS}", opt={"grants": VIEW, "operation": SUBJECT_CAMPAIGN})
    async def list_subject_campaigns(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked(request, ALL)
        return await answer(request, {NO_SUBJECT_CAMPAIGNS: []})

    @get(f"{PATH}/benchmarks/inbox-rate", opt={"grants": VIEW, "operation": INBOX_RATE})
    async def compare_inbox_rate(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked(request, ALL, fixed=True)
        with refusals():
            read_benchmark(query_of(request))
        return await answer(request, [])

    def grouping(name: str, member: str, shown: str) -> HTTPRouteHandler:
        async def show_grouping(request: Request[Any, Any, Any]) -> Response[bytes]:
            question = asked(request, ALL)
            rows = await store.totals(pool, question, (member,), known_provider=name == "watched-domain")
            return await answer(request, [grouped(row, member, shown, question.metrics) for row in rows])

        show_grouping.__name__ = f"metrics_by_{name.replace('-', '_')}"
        return get(f"{DELIVERABILITY}/{name}", opt={"grants": VIEW, "operation": _grouping_operation(name)})(show_grouping)

    def failures(name: str, kind: Kind, metrics: tuple[str, ...], *, by_text: bool, by_domain: bool) -> HTTPRouteHandler:
        async def show_failures(request: Request[Any, Any, Any]) -> Response[bytes]:
            question = asked(request, metrics, fixed=kind in _FIXED)
            rows = await store.texts(pool, question, kind, window=coarse(question.window), by_text=by_text, by_domain=by_domain)
            return await answer(request, [failure(row, kind, classes) for row in rows])

        show_failures.__name__ = f"metrics_by_{name.replace('-', '_').replace('/', '_and_')}"
        operation = _failures_operation(name, kind, metrics)
        return get(f"{DELIVERABILITY}/{name}", opt={"grants": VIEW, "operation": operation})(show_failures)

    def values(name: str, member: str) -> HTTPRouteHandler:
        async def list_values(request: Request[Any, Any, Any]) -> Response[bytes]:
            question = asked(request, ALL, fixed=True, ever=True)
            found = await store.names(pool, question, member, query_of(request).get("match", ""))
            return await answer(request, {name: found})

        list_values.__name__ = f"list_{name.replace('-', '_')}_of_metrics"
        return get(f"{PATH}/{name}", opt={"grants": VIEW, "operation": _values_operation(name)})(list_values)

    return [
        list_metrics,
        sum_up,
        show_series,
        show_attempts,
        show_filters_schema,
        show_subject_campaigns,
        list_subject_campaigns,
        compare_inbox_rate,
        *(grouping(name, member, shown) for name, (member, shown) in GROUPINGS.items()),
        *(
            failures(name, kind, metrics, by_text=by_text, by_domain=by_domain)
            for name, (kind, metrics, by_text, by_domain) in _FAILURES.items()
        ),
        *(values(name, member) for name, member in VALUES.items()),
    ]


def _refused(bad: BadQuestion) -> Problem:
    more = {"validationErrors": list(bad.breaches)} if bad.breaches else {}
    return Problem(400, "invalid params", str(bad), "1200", more)


def _text(name: str, meaning: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": {"type": "string"}, "description": meaning}


_ROWS: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "array", "items": {"type": "object"}}},
}
_OBJECT: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}
_REFUSED = (
    _refused(BadQuestion(f"limit must be a number from 1 to {MOST_ROWS}")),
    _refused(BadQuestion("query_filters is wrong", [f"groupings must be an array of 1 to {MOST_GROUPINGS} objects"])),
)
_LIMITS = (
    Limit("limit", MOST_ROWS, "rows", "400 (1200)"),
    Limit("values of a filter", MOST_VALUES, "values", "400 (1200)"),
    Limit("groupings in query_filters", MOST_GROUPINGS, "groupings", "400 (1200)"),
)
_WHEN = (
    _text("from", "YYYY-MM-DDTHH:MM in `timezone`, or with an offset", required=True),
    _text("to", "the same; now where absent"),
    _text("timezone", "IANA name; UTC where absent"),
)
_LIMIT: Schema = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 1_000},
    "description": "rows at most",
}
_ABOUT = (
    _text("delimiter", "what separates the values of a list; a comma where absent"),
    *(_text(name, f"only these {name.replace('_', ' ')}") for name in FILTERS),
    _text(
        "query_filters",
        f"JSON: groupings of AND or OR over the same names, each with {', '.join(COMPARATORS)}; the simple filters are "
        "ignored then (GET /metrics/deliverability/query-filters-schema)",
    ),
)
_PRECISION = _text("precision", ", ".join(name for name in PRECISIONS if name not in SERIES_ALONE) + "; what the window allows")
_ROUNDED = (
    "The window is rounded outwards to the precision. Figures are kept by the minute for 3 days, by the quarter of an hour for "
    "35 days, by the day (UTC) for 186 days; they trail the log by some seconds."
)


def _metrics_of(metrics: tuple[str, ...]) -> Schema:
    return _text("metrics", f"of {', '.join(metrics)}; all where absent")


ROOT = Operation(
    "What there is to be asked for",
    {200: ("links", {**_OBJECT, "required": ["results", "links"]})},
)
SUMMARY = Operation(
    "All figures of a window",
    {200: ("one row", _ROWS)},
    errors=_REFUSED,
    limits=_LIMITS,
    description=_ROUNDED,
    parameters=(*_WHEN, *_ABOUT, _PRECISION, _metrics_of(ALL)),
)
SERIES_OPERATION = Operation(
    "Figures over time",
    {200: ("one row for each stretch of time", _ROWS)},
    errors=_REFUSED,
    limits=_LIMITS,
    description=f"{_ROUNDED} Days, weeks and months are those of UTC.",
    parameters=(*_WHEN, *_ABOUT, _text("precision", f"{', '.join(PRECISIONS)}; what the window allows"), _metrics_of(SERIES)),
)
ATTEMPT = Operation(
    "Deliveries by attempt",
    {200: ("rows 1, 2 and 3+", _ROWS)},
    errors=_REFUSED,
    limits=_LIMITS,
    description=_ROUNDED,
    parameters=(*_WHEN, *_ABOUT, _PRECISION),
)
FILTERS_SCHEMA = Operation("The JSON Schema of query_filters", {200: ("draft-07", _OBJECT)})
SUBJECT_CAMPAIGN = Operation(
    "Always empty",
    {200: ("no rows: homing has no inbox panel", {"type": "object", "required": ["results"]})},
    errors=_REFUSED,
    limits=_LIMITS,
    parameters=_WHEN,
)


INBOX_RATE = Operation(
    "How often mail of others reaches the inbox: always empty",
    {200: ("no rows: nobody here knows what happens in the mailboxes of others", _ROWS)},
    errors=(*_REFUSED[:1], problem_with(read_benchmark, {"industry_category": "fishing"})),
    limits=_LIMITS[:1],
    parameters=(
        *_WHEN,
        {"name": "industry_category", "in": "query", "schema": {"enum": list(INDUSTRIES), "default": "all"}},
        {"name": "mailbox_provider", "in": "query", "schema": {"enum": list(BENCHMARKED), "default": "all"}},
    ),
)


def _grouping_operation(name: str) -> Operation:
    return Operation(
        f"Figures by {name.replace('-', ' ')}",
        {200: ("one row each; where it is not known there is none", _ROWS)},
        errors=_REFUSED,
        limits=_LIMITS,
        description=_ROUNDED,
        parameters=(
            *_WHEN,
            *_ABOUT,
            _PRECISION,
            _metrics_of(ALL),
            _text("order_by", "any metric of the endpoint, highest first; the first of the metrics where absent"),
            _LIMIT,
        ),
    )


def _failures_operation(name: str, kind: Kind, metrics: tuple[str, ...]) -> Operation:
    return Operation(
        f"Figures by {name.replace('-', ' ').replace('/', ' and ')}",
        {200: ("one row each, highest first", _ROWS)},
        errors=_REFUSED,
        limits=_LIMITS,
        description=(
            f"{_ROUNDED} Texts are kept by the quarter of an hour at the finest; words in them that look like ids are left out, "
            "so that equal reasons add up."
        ),
        parameters=(*_WHEN, *_ABOUT, _PRECISION, *(() if kind in _FIXED else (_metrics_of(metrics),)), _LIMIT),
    )


def _values_operation(name: str) -> Operation:
    return Operation(
        f"Which {name.replace('-', ' ')} there are figures of",
        {200: ("names in order", _OBJECT)},
        errors=_REFUSED,
        limits=_LIMITS,
        parameters=(_text("from", "six months ago where absent"), *_WHEN[1:], _text("match", "part of the name"), _LIMIT),
    )
