"""What the commands of `homing hours` take: a zone, a holiday set, instants; and how a calendar is fetched for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated, TypeVar

import typer

from homing.cli import reach
from homing.ground.errors import Misuse
from homing.hours import store
from homing.hours.rules import text
from homing.hours.rules.contract import calendar_of, zone_info
from homing.hours.rules.record import read_words
from homing.hours.types import Calendar, HolidaySet, ServiceZone

T = TypeVar("T")

ZoneOption = Annotated[
    ServiceZone,
    typer.Option("--zone", case_sensitive=False, help="The Service Time Zone of the Order Form.", show_default=False),
]
SetOption = Annotated[
    HolidaySet | None,
    typer.Option(
        "--holidays", case_sensitive=False, help="Which bank holidays. Default: US-FRB, or GB-EAW for UK.", show_default=False
    ),
]
KnownOption = Annotated[
    str | None,
    typer.Option("--known-at", metavar="TIME", help="Leave out what was recorded after this moment.", show_default=False),
]
ContractOption = Annotated[
    bool, typer.Option("--contract", help="The contract's own hours, without what was recorded; needs no running house.")
]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who records it.", show_default=False)]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; customers are shown it.", show_default=False)]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


@contextmanager
def misuse() -> Iterator[None]:
    """Turn what cannot be read into an error of the command line."""
    try:
        yield
    except ValueError as trouble:
        raise Misuse(str(trouble)) from None


def read(reader: Callable[[str], T], value: str, option: str) -> T:
    """Read an option.

    raises   Misuse naming the option
    """
    try:
        return reader(value)
    except ValueError as trouble:
        raise Misuse(f"{option}: {trouble}") from None


def instant(value: str, zone: ServiceZone, option: str) -> datetime:
    """Read an instant: `now`, a time with an offset, or a time of the zone.

    raises   Misuse
    """
    if value.strip().lower() == "now":
        return datetime.now(UTC).replace(microsecond=0)
    return read(lambda given: text.read_instant(given, zone_info(zone)), value, option)


def day(value: str, option: str) -> date:
    """Read a date.

    raises   Misuse
    """
    return read(text.read_date, value, option)


def words(value: str, option: str) -> str:
    """Read a text that is kept.

    raises   Misuse
    """
    with misuse():
        return read_words(value, option)


def fetch(zone: ServiceZone, holiday_set: HolidaySet | None, known_at: str | None = None, *, contract: bool = False) -> Calendar:
    """Return a calendar as it is known, or was known at a moment.

    raises   Misuse; NotRunning
    """
    named = calendar_of(zone, holiday_set)
    moment = None if known_at is None else instant(known_at, zone, "--known-at")
    if contract:
        return named

    async def work() -> Calendar:
        async with reach.database(reach.settings()) as pool:
            return await store.calendar(pool, zone, named.holiday_set)

    found = reach.run(work())
    return found if moment is None else found.as_known_at(moment)
