"""Bank holidays by rule: which weekdays each set is closed. What no rule foresees is in exceptional.py.

Only observed days are listed. A holiday that falls on a Saturday or Sunday closes its substitute, not the weekend day:
whoever opens weekends and wants that day closed records an exception.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType

from homing.hours.rules.exceptional import EXCEPTIONAL
from homing.hours.types import Holiday, HolidaySet

_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_DAY = timedelta(days=1)


def holiday_on(holiday_set: HolidaySet, day: date) -> Holiday | None:
    """Return the holiday that a set observes on a day."""
    return holidays_of(holiday_set, day.year).get(day)


@lru_cache(maxsize=512)
def holidays_of(holiday_set: HolidaySet, year: int) -> Mapping[date, Holiday]:
    """Return what a set observes in a year, by date; also what belongs to the next year and is observed in this one."""
    found = {}
    for whose in (year, year + 1):  # 1 January on a Saturday: federal offices close on 31 December
        for holiday in _us_year(whose, holiday_set) if holiday_set in _US else _uk_year(whose, holiday_set):
            if holiday.day.year == year:
                found[holiday.day] = holiday
    for one in EXCEPTIONAL:
        if holiday_set in one.sets and one.day.year == year:
            found[one.day] = Holiday(day=one.day, name=one.name)
    return MappingProxyType(dict(sorted(found.items())))


_US = (HolidaySet.US_FRB, HolidaySet.US_FED)


def _us_year(year: int, holiday_set: HolidaySet) -> Iterable[Holiday]:
    """Return the eleven holidays of 5 U.S.C. 6103(a) as a set observes them."""
    federal = holiday_set is HolidaySet.US_FED
    king = "Martin Luther King Jr. Day" if federal else "Birthday of Martin Luther King, Jr."
    for day, name in (
        (date(year, 1, 1), "New Year's Day"),
        (_nth(year, 1, _MONDAY, 3), king),
        (_nth(year, 2, _MONDAY, 3), "Washington's Birthday"),
        (_last(year, 5, _MONDAY), "Memorial Day"),
        (date(year, 6, 19), "Juneteenth National Independence Day"),
        (date(year, 7, 4), "Independence Day"),
        (_nth(year, 9, _MONDAY, 1), "Labor Day"),
        (_nth(year, 10, _MONDAY, 2), "Columbus Day"),
        (date(year, 11, 11), "Veterans Day"),
        (_nth(year, 11, _THURSDAY, 4), "Thanksgiving Day"),
        (date(year, 12, 25), "Christmas Day"),
    ):
        if day.weekday() == _SUNDAY:
            yield Holiday(day=day + _DAY, name=name, substitute_for=day)
        elif day.weekday() != _SATURDAY:
            yield Holiday(day=day, name=name)
        elif federal:  # 5 U.S.C. 6103(b): the Friday before; the Reserve Banks are open then (Federal Reserve, K.8)
            yield Holiday(day=day - _DAY, name=name, substitute_for=day)


def _uk_year(year: int, holiday_set: HolidaySet) -> Iterable[Holiday]:
    """Return the days of the Banking and Financial Dealings Act 1971 and of the proclamations that repeat every year."""
    sunday = easter(year)
    scotland, ireland = holiday_set is HolidaySet.GB_SCT, holiday_set is HolidaySet.GB_NIR
    fixed = [(date(year, 1, 1), "New Year's Day"), (date(year, 12, 25), "Christmas Day"), (date(year, 12, 26), "Boxing Day")]
    moving = [
        (sunday - 2 * _DAY, "Good Friday"),
        (_nth(year, 5, _MONDAY, 1), "May Day"),
        (_last(year, 5, _MONDAY), "Spring Bank Holiday"),
    ]
    if scotland:
        fixed += [(date(year, 1, 2), "2nd January"), (date(year, 11, 30), "St Andrew's Day")]
        moving += [(_nth(year, 8, _MONDAY, 1), "Summer Bank Holiday")]
    else:
        moving += [(sunday + _DAY, "Easter Monday"), (_last(year, 8, _MONDAY), "Late Summer Bank Holiday")]
    if ireland:
        fixed += [(date(year, 3, 17), "St Patrick's Day"), (date(year, 7, 12), "Battle of the Boyne")]
    on_weekdays = {day: name for day, name in moving + fixed if day.weekday() < _SATURDAY}
    yield from (Holiday(day=day, name=name) for day, name in on_weekdays.items())
    taken = set(on_weekdays)
    for day, name in sorted(fixed):
        if day.weekday() >= _SATURDAY:  # the next weekday that is not a holiday by itself
            substitute = day
            while substitute.weekday() >= _SATURDAY or substitute in taken:
                substitute += _DAY
            taken.add(substitute)
            yield Holiday(day=substitute, name=name, substitute_for=day)


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (the algorithm of Meeus, Jones and Butcher)."""
    golden, century, rest = year % 19, year // 100, year % 100
    leap, odd = divmod(century, 4)
    shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - shift + 15) % 30
    quarter, over = divmod(rest, 4)
    weekday = (32 + 2 * odd + 2 * quarter - epact - over) % 7
    correction = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return date(year, month, day + 1)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _last(year: int, month: int, weekday: int) -> date:
    last = date(year, month + 1, 1) - _DAY
    return last - timedelta(days=(last.weekday() - weekday) % 7)
