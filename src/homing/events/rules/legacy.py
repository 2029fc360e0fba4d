"""GET /message-events: the search of before 2019, over the same log (SparkPost reference, section 2.15).

Its parameters have other names, its times a time zone, its pages numbers, and every scalar of its events is text.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from homing.events.rules.search import DEFAULT_PER_PAGE, After, Asked, BadQuery, read_query, write_cursor
from homing.events.rules.wire import shown
from homing.events.types import Logged

PATH = "/api/v1/message-events"
MOST_BY_PAGE = 10_000  # events that numbered pages reach; a cursor goes on
DEFAULT_SPAN = timedelta(hours=1)
MOST_PATTERN = 256  # characters of `reason`

# Legacy parameter -> today's.
RENAMED = {
    "ab_test_ids": "ab_tests",
    "bounce_classes": "bounce_classes",
    "campaign_ids": "campaigns",
    "cursor": "cursor",
    "delimiter": "delimiter",
    "events": "events",
    "friendly_froms": "from_addresses",
    "message_ids": "messages",
    "per_page": "per_page",
    "recipients": "recipients",
    "subaccounts": "subaccounts",
    "template_ids": "templates",
    "transmission_ids": "transmissions",
}
_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+ -]\d\d:?\d\d)?")
_NUMBER = re.compile(r"[0-9]{1,5}")


class LegacyAsked(NamedTuple):
    """A whole request. page: its number, from 1; None: it follows a cursor."""

    asked: Asked
    page: int | None

    @property
    def offset(self) -> int:
        """Return how many events lie before the page."""
        return 0 if self.page is None else (self.page - 1) * self.asked.per_page


def read_legacy(
    query: Mapping[str, Sequence[str]], *, account_id: int, subaccount_id: int | None, zone: tzinfo, now: datetime
) -> LegacyAsked | BadQuery:
    """Return what a query string asks for. Unknown parameters are ignored.

    zone   of times that name none
    """
    until = _moment(_one(query, "to"), zone) or now
    since = _moment(_one(query, "from"), zone)
    if isinstance(until, str) or isinstance(since, str):
        return BadQuery(f"{'to' if isinstance(until, str) else 'from'} must be a time in the form YYYY-MM-DDTHH:MM")
    try:
        since = since or until - DEFAULT_SPAN
    except OverflowError:
        return BadQuery("to is too early")
    renamed = {today: list(query[name]) for name, today in RENAMED.items() if name in query}
    renamed |= {"from": [_iso(since)], "to": [_iso(until)]}
    asked = read_query(renamed, account_id=account_id, subaccount_id=subaccount_id, now=now)
    if isinstance(asked, BadQuery):
        return asked
    pattern = _one(query, "reason").strip()
    if "\0" in pattern or len(pattern) > MOST_PATTERN:
        return BadQuery(f"reason must have at most {MOST_PATTERN} characters, and no NUL")
    if pattern:
        asked = asked._replace(search=msgspec.structs.replace(asked.search, reason_like=pattern.replace("\\", "\\\\")))
    if _one(query, "cursor"):
        return LegacyAsked(asked, None)
    page = _one(query, "page") or "1"
    if _NUMBER.fullmatch(page) is None or int(page) == 0:
        return BadQuery("page must be a number, 1 or more")
    if int(page) * asked.per_page > MOST_BY_PAGE:
        return BadQuery(f"page and per_page reach {MOST_BY_PAGE} events; narrow from and to, or begin with cursor=initial")
    return LegacyAsked(asked, int(page))


def links(query: Mapping[str, Sequence[str]], request: LegacyAsked, *, total: int, last: After | None) -> list[dict[str, str]]:
    """Return the links of a page, root-relative; none where there is only one. Times are fixed, so pages do not shift.

    last   the last event of the page, where a cursor leads on from it
    """
    asked, page = request.asked, request.page
    if page is None:
        places = {"next": write_cursor(last, total)} if last is not None else {}
        if places or asked.after is not None:
            places["first"] = "initial"
        return [{"href": _href(query, asked, {"cursor": cursor}), "rel": rel} for rel, cursor in places.items()]
    pages = -(-min(total, MOST_BY_PAGE) // asked.per_page)
    numbers = {"next": page + 1, "previous": page - 1, "first": 1, "last": pages}
    if pages < 2:
        return []
    return [
        {"href": _href(query, asked, {"page": str(number)}), "rel": rel}
        for rel, number in numbers.items()
        if 1 <= number <= pages
    ]


def shown_legacy(event: Logged) -> dict[str, Any]:
    """Return an event as the legacy search shows it: all scalars are text."""
    return as_text(shown(event))


def as_text(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an event with every scalar as text: flags are 1 and 0, lists inside rcpt_meta become maps."""
    made = {name: _metadata(value) if name == "rcpt_meta" else _text(value) for name, value in fields.items()}
    if "timestamp" in made:
        made["tdate"] = made["timestamp"].replace("+00:00", "Z")
    return made


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _text(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_text(member) for member in value]
    if value is None or isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _metadata(value: Any) -> Any:
    """Return metadata as strict clients read it. They want maps of text."""
    if isinstance(value, dict):
        return {name: _metadata(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return {str(index): _metadata(member) for index, member in enumerate(value)}
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _one(query: Mapping[str, Sequence[str]], name: str) -> str:
    found = query.get(name)
    return found[-1] if found else ""


def _moment(text: str, zone: tzinfo) -> datetime | str | None:
    """Return a time, None where there is none; what cannot be read comes back as it is."""
    text = text.strip()
    if not text:
        return None
    if _FORM.fullmatch(text) is None:
        return text
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a bare + in a query means a space
        return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        return text


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _href(query: Mapping[str, Sequence[str]], asked: Asked, place: Mapping[str, str]) -> str:
    gone = {"page", "cursor", "per_page", "from", "to", "timezone"}
    kept = [(name, value) for name, values in query.items() if name not in gone for value in values]
    span = [("from", _iso(asked.search.since)[:-1]), ("to", _iso(asked.search.until)[:-1]), ("timezone", "UTC")]
    size = [("per_page", str(asked.per_page))] if asked.per_page != DEFAULT_PER_PAGE or "per_page" in query else []
    return f"{PATH}?{urlencode([*place.items(), *size, *span, *kept], quote_via=quote, safe=',:')}"
