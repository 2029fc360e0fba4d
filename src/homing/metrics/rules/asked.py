"""From a query string to a question: which figures, of what, in which order (SparkPost reference, sections 2.17.2, 2.17.5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from homing.metrics.rules.names import BOUNCE, LINK, METRICS, PANEL, exact
from homing.metrics.rules.windows import BadWindow, Window, window
from homing.metrics.types import Grain, Scope

MOST_ROWS = 10_000
DEFAULT_ROWS = 1_000
MOST_VALUES = 1_000  # of one filter
LEAST_LIKE = 3  # characters of a `like` value
MOST_GROUPINGS = 20

# parameter: the member of a set, or of the provider of its domain, that it filters by
FILTERS = {
    "domains": "domain",
    "campaigns": "campaign_id",
    "templates": "template_id",
    "sending_ips": "sending_ip",
    "ip_pools": "ip_pool",
    "sending_domains": "sending_domain",
    "subaccounts": "subaccount_id",
    "mailbox_providers": "provider",
    "mailbox_provider_regions": "region",
    "subject_campaigns": "subject_campaign",
}
COMPARATORS = ("eq", "notEq", "like", "notLike")
NEVER = "subject_campaign"  # of panels, which homing has none of: nothing has one
_OF_DOMAINS = frozenset({"provider", "region"})
_EVERYWHERE = frozenset({"subaccount_id", NEVER})


class BadQuestion(ValueError):
    """The text tells the caller what to change. breaches: what is wrong with query_filters, one sentence each."""

    def __init__(self, text: str, breaches: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.breaches = tuple(breaches)


class Filter(msgspec.Struct, frozen=True):
    """One condition on a member; like is without regard to case."""

    member: str
    comparator: str
    values: tuple[str, ...]


class Grouping(msgspec.Struct, frozen=True):
    """Conditions of which all, or one, must hold."""

    any_of: bool
    filters: tuple[Filter, ...]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to know.

    subaccount_id  the only one that the caller may see; None: all
    metrics        names as asked for
    order_by       any metric of the endpoint; '': the first of the metrics
    """

    account_id: int
    subaccount_id: int | None
    window: Window
    groupings: tuple[Grouping, ...]
    metrics: tuple[str, ...]
    limit: int
    order_by: str


def families_of(question: Question, members: Sequence[str], kept: Mapping[Scope, Sequence[Grain]]) -> dict[Grain, Scope]:
    """Return the grains that a question can be answered by, each with the smallest family of sets that has it.

    members   that rows are told apart by
    kept      the grains that each family is kept by
    """
    needed = {one.member for grouping in question.groupings for one in grouping.filters} | set(members)
    needed = {"domain" if member in _OF_DOMAINS else member for member in needed - _EVERYWHERE}
    able = [scope for scope in kept if needed <= scope.members]
    return {
        grain: min((scope for scope in able if grain in kept[scope]), key=_size)
        for grain in Grain
        if any(grain in kept[scope] for scope in able)
    }


def _size(scope: Scope) -> tuple[bool, int]:
    return ("domain" in scope.members, len(scope.members))  # domains are what makes a family large


def read(
    query: Mapping[str, str],
    *,
    account_id: int,
    subaccount_id: int | None,
    now: datetime,
    metrics: tuple[str, ...],
    series: bool = False,
) -> Question:
    """Return what a query string asks for. Unknown parameters are ignored.

    metrics   that the endpoint has, in order; all of them where the caller names none
    raises    BadQuestion
    """
    delimiter = query.get("delimiter") or ","
    try:
        asked = window(
            since=query.get("from", ""),
            until=query.get("to", ""),
            timezone=query.get("timezone", ""),
            precision=query.get("precision", ""),
            now=now,
            series=series,
        )
    except BadWindow as bad:
        raise BadQuestion(str(bad)) from None
    named = _metrics(_values(query.get("metrics", ""), delimiter), metrics)
    order_by = query.get("order_by", "")
    if order_by and not _is_among(order_by, metrics):
        raise BadQuestion(f"order_by must be one of {', '.join(metrics)}"[:2000])
    if "query_filters" in query:
        groupings = _groupings(query["query_filters"])
    else:
        groupings = tuple(
            Grouping(any_of=False, filters=(_filter(parameter, "eq", values),))
            for parameter in FILTERS
            if (values := _values(query.get(parameter, ""), delimiter))
        )
    return Question(
        account_id=account_id,
        subaccount_id=subaccount_id,
        window=asked,
        groupings=groupings,
        metrics=named,
        limit=row_limit(query),
        order_by=order_by,
    )


def row_limit(query: Mapping[str, str]) -> int:
    """Return how many rows are wanted.

    raises   BadQuestion
    """
    text = query.get("limit", "")
    if not text:
        return DEFAULT_ROWS
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_ROWS):
        raise BadQuestion(f"limit must be a number from 1 to {MOST_ROWS}")
    return int(text)


def _values(text: str, delimiter: str) -> list[str]:
    return [part.strip() for part in text.split(delimiter) if part.strip()]


def _metrics(asked: list[str], known: tuple[str, ...]) -> tuple[str, ...]:
    if not asked:
        return known
    for name in asked:
        if not _is_among(name, known):
            raise BadQuestion(f"metrics: '{name[:64]}' is not one of {', '.join(known)}"[:2000])
    return tuple(dict.fromkeys(asked))


def _is_among(name: str, known: tuple[str, ...]) -> bool:
    return exact(name) in known or (exact(name) in PANEL and set(known) >= WITH_PANEL)


def _filter(parameter: str, comparator: str, values: list[str]) -> Filter:
    member = FILTERS[parameter]
    if len(values) > MOST_VALUES:
        raise BadQuestion(f"{parameter} may have at most {MOST_VALUES} values")
    if member == "subaccount_id":
        for value in values:
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise BadQuestion("subaccounts must be numbers; 0 is the primary account")
    if member in ("domain", "sending_domain"):
        values = [value.lower() for value in values]
    return Filter(member, comparator, tuple(values))


def _groupings(text: str) -> tuple[Grouping, ...]:
    """Return query_filters as its type. It is read by hand so that each breach can be named."""
    breaches: list[str] = []
    try:
        document: Any = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError):
        raise BadQuestion("query_filters must be JSON", ["not valid JSON"]) from None
    given = document.get("groupings") if isinstance(document, dict) else None
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_GROUPINGS:
        raise BadQuestion("query_filters is wrong", [f"groupings must be an array of 1 to {MOST_GROUPINGS} objects"])
    made = []
    for place, grouping in enumerate(given):
        where = f"groupings[{place}]"
        if not isinstance(grouping, dict) or len(grouping) != 1 or not set(grouping) <= {"AND", "OR"}:
            breaches.append(f"{where} must have exactly one member, AND or OR")
            continue
        ((word, members),) = grouping.items()
        if not isinstance(members, dict) or not members:
            breaches.append(f"{where}.{word} must be an object of filters")
            continue
        filters: list[Filter] = []
        for parameter, conditions in members.items():
            breaches += _conditions(f"{where}.{word}.{parameter[:64]}", parameter, conditions, filters)
        made.append(Grouping(any_of=word == "OR", filters=tuple(filters)))
    if breaches:
        raise BadQuestion("query_filters is wrong", breaches[:20])
    return tuple(made)


def _conditions(where: str, parameter: str, conditions: Any, filters: list[Filter]) -> list[str]:
    if parameter not in FILTERS:
        return [f"{where} is no filter; use one of {', '.join(FILTERS)}"]
    if not isinstance(conditions, dict) or not conditions or not set(conditions) <= set(COMPARATORS):
        return [f"{where} must be an object of {', '.join(COMPARATORS)}"]
    breaches = []
    for comparator, values in conditions.items():
        texts = (
            [str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
            if isinstance(values, list)
            else []
        )
        if not texts or len(texts) != len(values):
            breaches.append(f"{where}.{comparator} must be an array of texts")
        elif any("\0" in text for text in texts):
            breaches.append(f"{where}.{comparator} must not hold NUL")
        elif comparator in ("like", "notLike") and any(len(text) < LEAST_LIKE for text in texts):
            breaches.append(f"{where}.{comparator} values must have at least {LEAST_LIKE} characters")
        else:
            try:
                filters.append(_filter(parameter, comparator, texts))
            except BadQuestion as bad:
                breaches.append(f"{where}.{comparator}: {bad}")
    return breaches


WITH_PANEL = frozenset({"count_injected"})  # endpoints that have this one have the metrics of panels too
ALL = tuple(name for name in METRICS if "initial" not in name and name != "count_unsubscribe")
SERIES = tuple(METRICS)
OF_BOUNCES = BOUNCE
OF_LINKS = LINK

_CONDITIONS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        **{name: {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}} for name in ("eq", "notEq")},
        **{
            name: {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": LEAST_LIKE}}
            for name in ("like", "notLike")
        },
    },
}
_MEMBERS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {name: {"$ref": "#/definitions/conditions"} for name in FILTERS},
}
# What `query_filters` may hold, as GET /metrics/deliverability/query-filters-schema shows it.
QUERY_FILTERS_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["groupings"],
    "properties": {
        "groupings": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_GROUPINGS,
            "items": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": [word],
                        "additionalProperties": False,
                        "properties": {word: {"$ref": "#/definitions/members"}},
                    }
                    for word in ("AND", "OR")
                ]
            },
        }
    },
    "definitions": {"members": _MEMBERS_SCHEMA, "conditions": _CONDITIONS_SCHEMA},
}
