"""What the commands about availability share: months, days and moments as they are typed, and refusals as sentences."""

from collections.abc import Awaitable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, TypeVar

import typer

from homing.availability.export import NotSealed
from homing.availability.rules.exclusions import NotPossible
from homing.availability.rules.statement import month_of, read_month
from homing.availability.statement import Nothing
from homing.availability.types import Month
from homing.ground.errors import Misuse
from homing.ingress.rules.problem import Wrong

T = TypeVar("T")
MonthArgument = Annotated[str | None, typer.Argument(metavar="MONTH", help="YYYY-MM. Default: this month.", show_default=False)]
DayArgument = Annotated[str, typer.Argument(metavar="DAY", help="YYYY-MM-DD, in UTC.")]
OursOption = Annotated[bool, typer.Option("--ours", help="Of the platform itself, instead of a customer.")]
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, max=2**63 - 1)]


async def told(work: Awaitable[T]) -> T:
    """Turn what cannot be into a sentence."""
    try:
        return await work
    except (NotPossible, Nothing, NotSealed) as trouble:
        raise Misuse(str(trouble)) from trouble
    except Wrong as wrong:
        raise Misuse(wrong.problem.description or wrong.problem.message) from wrong


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


def target(percentage: float) -> Decimal:
    """Return the setting as a percentage, exactly."""
    return Decimal(str(percentage))


def month(text: str | None) -> Month:
    """Return the month that was typed; None: this one. Raises Misuse."""
    if text is None:
        return month_of(now())
    found = read_month(text)
    if found is None:
        raise Misuse("write the month as in 2026-03")
    return found


def day(text: str) -> date:
    """Return the day that was typed. Raises Misuse."""
    try:
        return date.fromisoformat(text)
    except ValueError as trouble:
        raise Misuse("write the day as in 2026-03-10") from trouble


def moment(text: str, option: str) -> datetime:
    """Return the moment that was typed for an option. Raises Misuse."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as trouble:
        raise Misuse(f"{option}: write a time as in 2026-03-10T14:00:00Z") from trouble
    if found.tzinfo is None:
        raise Misuse(f"{option}: name the offset from UTC, as in 2026-03-10T14:00:00Z")
    return found
