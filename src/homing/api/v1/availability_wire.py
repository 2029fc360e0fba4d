"""Availability on the wire: queries and bodies in, objects out. Nothing is looked up here."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from homing.availability.rules.statement import read_month
from homing.availability.types import Month
from homing.availability.views import LONGEST
from homing.availability.witnesses import Listed, Witness
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type, missing

PATH = "/api/v1/availability"
MOST_REPORTS = 100  # in one body
MOST_NAME = 100
MOST_WITNESSES = 20  # of an account
MOST_ROOT_DAYS = 400
_KEY = re.compile(r"[0-9a-fA-F]{64}\Z")


class WitnessIn(msgspec.Struct, kw_only=True):
    """A witness to be known."""

    name: str | None = None
    public_key: str | None = None


class SignedReport(msgspec.Struct, kw_only=True):
    """A report exactly as it was signed, and the signature in hex."""

    report: str
    signature: str


class ReportsIn(msgspec.Struct, kw_only=True):
    """Reports of witnesses."""

    reports: list[SignedReport] | None = None


def month_in(text: str) -> Month:
    """Return the month of a path. Raises Wrong."""
    month = read_month(text)
    if month is None:
        raise Wrong(bad_params("the month must be written as in 2026-03"))
    return month


def day_in(text: str) -> date:
    """Return the day of a path. Raises Wrong."""
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Wrong(bad_params("the day must be written as in 2026-03-10"))


def format_in(query: Mapping[str, str]) -> str:
    """Return how a statement is wanted. Raises Wrong."""
    wanted = query.get("format") or "json"
    if wanted not in ("json", "csv", "html"):
        raise Wrong(bad_params("format must be json, csv or html"))
    return wanted


def range_in(query: Mapping[str, str], *, now: datetime) -> tuple[int, int]:
    """Return the Unix seconds that a query is about: from (included) to (excluded); by default the last hour. Raises Wrong."""

    def read(name: str, default: datetime) -> datetime:
        text = query.get(name)
        if not text:
            return default
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise Wrong(bad_params(f"{name} must be a time such as 2026-03-10T14:00:00Z")) from None
        if found.tzinfo is None:
            raise Wrong(bad_params(f"{name} must name its offset from UTC"))
        return found

    try:
        until = read("to", now)
        since = int(read("from", until - timedelta(hours=1)).timestamp())
        end = int(until.timestamp())
    except OverflowError:
        raise Wrong(bad_params("from and to must be times of this age")) from None
    if not 0 <= since < end or end > now.timestamp() + 86_400:
        raise Wrong(bad_params("from must be before to, and neither in the future"))
    if end - since > LONGEST.total_seconds():
        raise Wrong(bad_params("from and to must be at most a day apart"))
    return since, end


def days_in(query: Mapping[str, str], *, now: datetime) -> tuple[date, date]:
    """Return the first and the last day that a query is about; by default the last 31. Raises Wrong."""
    until = day_in(query["to"]) if query.get("to") else now.date()
    since = day_in(query["from"]) if query.get("from") else max(date.min, until - timedelta(days=30))
    if since > until:
        raise Wrong(bad_params("from must not be after to"))
    return since, until


def witness_in(given: WitnessIn) -> tuple[str, bytes]:
    """Return name and public key of a witness to be known. Raises Wrong."""
    if given.name is None or given.public_key is None:
        raise Wrong(missing("name and public_key are required fields"))
    name = given.name.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise Wrong(bad_type(f"name must be 1 to {MOST_NAME} printable characters"))
    if _KEY.match(given.public_key) is None:
        raise Wrong(bad_type("public_key must be the 64 hex digits that `homing probe init` prints"))
    return name, bytes.fromhex(given.public_key)


def reports_in(given: ReportsIn) -> list[SignedReport]:
    """Return reports. Raises Wrong."""
    if not given.reports:
        raise Wrong(missing("reports is a required field"))
    if len(given.reports) > MOST_REPORTS:
        raise Wrong(Problem(413, "Request entity too large", f"at most {MOST_REPORTS} reports are taken at once"))
    return given.reports


def show_witness(one: Witness) -> dict[str, Any]:
    """Return a witness as customers see it."""
    return {
        "witness_id": one.witness_id,
        "name": one.name,
        "public_key": one.public_key,
        "added_at": one.added_at,
        "ended_at": one.ended_at,
    }


def show_listed(one: Listed) -> dict[str, Any]:
    """Return a report as customers see it in a list."""
    return {
        "report_id": one.report_id,
        "witness": one.name,
        "number": one.number,
        "from": one.since,
        "to": one.until,
        "decision": one.decision.value,
        "decided_by": one.decided_by,
        "received_at": one.received_at,
    }
