"""Order Forms, contacts, staff (model, section 3.1; clauses B1 to B3)."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from homing.hours.types import HolidaySet, ServiceZone

EMAIL = "email"  # the service of an Order Form that names none


class Role(StrEnum):
    """What a member of the staff may do."""

    TAM = "tam"  # Technical Account Manager
    CST = "cst"  # Customer Success Team representative
    ONCALL = "oncall"  # is paged
    ADMIN = "admin"  # manages people, Order Forms, hours


class ContactRole(StrEnum):
    """What a contact may do."""

    AUTHORISED = "authorised"
    VIEWER = "viewer"


class Objectives(msgspec.Struct, frozen=True, kw_only=True):
    """Budgets in seconds that an Order Form may change. They are ours, never contractual (reading R5)."""

    first_response_s: int = 4 * 3_600  # business
    update_s: int = 8 * 3_600  # business
    own_s: int = 3_600  # business
    tam_reply_s: int = 4 * 3_600  # business


class OrderForm(msgspec.Struct, frozen=True, kw_only=True):
    """What an account was promised for one service, for a time. A change is a new one.

    cadence_s      before one is agreed, between two updates on a Critical Issue (reading R6)
    target_uptime  per cent of a month
    ends_at        exclusive; None: until another one follows
    end_recorded_at  when another one ended it; None: its end was recorded with it, or it has none
    """

    order_form_id: int
    account_id: int
    service: str
    plan: str
    zone: ServiceZone
    holiday_set: HolidaySet
    sev1_entitled: bool
    objectives: Objectives
    cadence_s: int
    target_uptime: Decimal
    begins_at: datetime
    ends_at: datetime | None
    recorded_at: datetime
    recorded_by: str
    end_recorded_at: datetime | None = None


class Phone(msgspec.Struct, frozen=True):
    """A number in E.164."""

    number: str
    verified_at: datetime | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the Customer."""

    contact_id: int
    account_id: int
    name: str
    email: str
    email_verified_at: datetime | None
    role: ContactRole
    may_sign: bool
    may_open_sev1: bool
    language: str
    phones: tuple[Phone, ...] = ()


class StaffMember(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the Provider."""

    person_id: int
    name: str
    email: str
    phone: str
    roles: frozenset[Role]
    left_at: datetime | None = None

    def is_a(self, *roles: Role) -> bool:
        """Return whether one of these is held."""
        return bool(self.roles.intersection(roles))


class Tam(msgspec.Struct, frozen=True, kw_only=True):
    """Who is an account's TAM at an instant, and who stands in (E26).

    acting   the person to turn to: the delegate while the TAM is away
    """

    primary: StaffMember
    acting: StaffMember
    away_because: str = ""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is an account's TAM for a time.

    ends_at           exclusive; None: until another one follows
    end_recorded_at   when another one ended it; None: it has not been ended
    """

    person: StaffMember
    begins_at: datetime
    ends_at: datetime | None
    recorded_at: datetime
    recorded_by: str
    end_recorded_at: datetime | None = None


class Cover(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody stands in for a member of the staff for a time. ends_at: exclusive; recorded_at: None, before this was kept."""

    cover_id: int
    person_id: int
    delegate_id: int
    begins_at: datetime
    ends_at: datetime
    reason: str
    recorded_by: str
    recorded_at: datetime | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the audit. account_id: None where it is nobody's."""

    audit_id: int
    account_id: int | None
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, object]
