"""Contracts on the wire: bodies and queries in, objects out. Nothing is looked up here."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from homing.api.v1.support_askers import reads
from homing.contracts.rules import read_percent
from homing.contracts.types import EMAIL, Assignment, Entry, Objectives, OrderForm, StaffMember, Tam
from homing.hours.rules.contract import calendar_of
from homing.hours.types import HolidaySet, ServiceZone
from homing.ingress.rules.problem import Wrong, bad_params, bad_type, missing

MOST_TEXT = 255
SECONDS = (60, 31_536_000)  # of an objective or a cadence
MOST_YEARS = timedelta(days=36_500)
MOST_LISTED = 200


class ObjectivesIn(msgspec.Struct, kw_only=True):
    """Budgets in seconds; what is absent is as always."""

    first_response_s: int | None = None
    update_s: int | None = None
    own_s: int | None = None
    tam_reply_s: int | None = None


class OrderFormIn(msgspec.Struct, kw_only=True):
    """An Order Form to be recorded."""

    plan: str | None = None
    zone: str | None = None
    service: str = EMAIL
    holiday_set: str | None = None
    sev1_entitled: bool = True
    objectives: ObjectivesIn = msgspec.field(default_factory=ObjectivesIn)
    cadence_s: int = 3_600
    target_uptime: str | float = "99.99"
    begins_at: str | None = None
    ends_at: str | None = None


class TamIn(msgspec.Struct, kw_only=True):
    """Who becomes the TAM, and when."""

    person_id: int | None = None
    begins_at: str | None = None


def order_form_in(given: OrderFormIn, *, account_id: int, now: datetime) -> OrderForm:
    """Return an Order Form to be recorded. Raises Wrong."""
    if given.plan is None or given.zone is None:
        raise Wrong(missing("plan and zone are required fields"))
    begins_at = now if given.begins_at is None else moment_in(given.begins_at, "begins_at", now=now)
    ends_at = None if given.ends_at is None else moment_in(given.ends_at, "ends_at", now=now)
    if ends_at is not None and ends_at <= begins_at:
        raise Wrong(bad_type("ends_at must be later than begins_at"))
    zone = _one_of(ServiceZone, given.zone, "zone")
    holidays = None if given.holiday_set is None else _one_of(HolidaySet, given.holiday_set, "holiday_set")
    with reads("holiday_set"):
        calendar = calendar_of(zone, holidays)
    with reads("target_uptime"):
        target = read_percent(str(given.target_uptime))
    wanted = {name: value for name, value in msgspec.structs.asdict(given.objectives).items() if value is not None}
    for name, value in (*wanted.items(), ("cadence_s", given.cadence_s)):
        if not SECONDS[0] <= value <= SECONDS[1]:
            raise Wrong(bad_type(f"{name} must be {SECONDS[0]} to {SECONDS[1]} seconds"))
    return OrderForm(
        order_form_id=0,
        account_id=account_id,
        service=line_in(given.service, "service"),
        plan=line_in(given.plan, "plan"),
        zone=zone,
        holiday_set=calendar.holiday_set,
        sev1_entitled=given.sev1_entitled,
        objectives=Objectives(**wanted),
        cadence_s=given.cadence_s,
        target_uptime=target,
        begins_at=begins_at,
        ends_at=ends_at,
        recorded_at=now,
        recorded_by="",
    )


def is_same(known: OrderForm, wanted: OrderForm) -> bool:
    """Return whether an Order Form says what another one says, whoever recorded it; when it ends may have come later."""
    unlike = {"order_form_id", "recorded_at", "recorded_by", "end_recorded_at", *(() if wanted.ends_at else ("ends_at",))}
    return all(getattr(known, name) == getattr(wanted, name) for name in known.__struct_fields__ if name not in unlike)


def moment_in(text: str, name: str, *, now: datetime) -> datetime:
    """Return a moment with its offset, within a hundred years. Raises Wrong."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(bad_type(f"{name} must be a time such as 2026-12-01T00:00:00Z")) from None
    if found.tzinfo is None:
        raise Wrong(bad_type(f"{name} must name its offset from UTC"))
    if abs(found - now) > MOST_YEARS:
        raise Wrong(bad_type(f"{name} is more than a hundred years away"))
    return found.astimezone(UTC)


def line_in(text: str, name: str) -> str:
    """Return a text of one line that is kept. Raises Wrong."""
    said = text.strip()
    if not said or len(said) > MOST_TEXT or not said.isprintable():
        raise Wrong(bad_type(f"{name} must be 1 to {MOST_TEXT} printable characters"))
    return said


def before_in(query: Mapping[str, str]) -> int | None:
    """Return the row before which a list begins. Raises Wrong."""
    text = query.get("before")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Wrong(bad_params("before must be the audit_id of a row"))
    return int(text)


def limit_in(query: Mapping[str, str]) -> int:
    """Return how many rows are wanted. Raises Wrong."""
    text = query.get("per_page") or "50"
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MOST_LISTED):
        raise Wrong(bad_params(f"per_page must be a number from 1 to {MOST_LISTED}"))
    return int(text)


def show_form(one: OrderForm, *, now: datetime) -> dict[str, Any]:
    """Return an Order Form."""
    return {
        "order_form_id": one.order_form_id,
        "service": one.service,
        "plan": one.plan,
        "zone": one.zone,
        "holiday_set": one.holiday_set,
        "sev1_entitled": one.sev1_entitled,
        "objectives": one.objectives,
        "cadence_s": one.cadence_s,
        "target_uptime": f"{one.target_uptime.normalize():f}",
        "begins_at": one.begins_at,
        "ends_at": one.ends_at,
        "in_force": is_in_force(one, now),
        "recorded_at": one.recorded_at,
        "recorded_by": one.recorded_by,
        "end_recorded_at": one.end_recorded_at,
    }


def is_in_force(one: OrderForm, now: datetime) -> bool:
    """Return whether an Order Form holds at a moment."""
    return one.begins_at <= now and (one.ends_at is None or now < one.ends_at)


def show_tam(tam: Tam) -> dict[str, Any]:
    """Return who is TAM, and who is to be turned to."""
    return {
        "primary": show_person(tam.primary),
        "acting": show_person(tam.acting),
        "away_because": tam.away_because or None,
    }


def show_person(one: StaffMember) -> dict[str, Any]:
    """Return a member of the staff as customers know him: by name, and how he is reached (clause B2)."""
    return {"person_id": one.person_id, "name": one.name, "email": one.email, "phone": one.phone or None}


def show_assignments(found: Sequence[Assignment]) -> list[dict[str, Any]]:
    """Return who was, is and will be TAM."""
    return [
        {
            **show_person(one.person),
            "begins_at": one.begins_at,
            "ends_at": one.ends_at,
            "recorded_at": one.recorded_at,
            "recorded_by": one.recorded_by,
            "end_recorded_at": one.end_recorded_at,
        }
        for one in found
    ]


def show_entry(one: Entry) -> dict[str, Any]:
    """Return a row of the audit."""
    return {
        "audit_id": one.audit_id,
        "account_id": one.account_id,
        "at": one.at,
        "actor": one.actor,
        "action": one.action,
        "subject": one.subject,
        "detail": one.detail,
    }


def _one_of(kind: Any, text: str, name: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise Wrong(bad_type(f"{name} must be one of {', '.join(kind)}")) from None
