"""Periods of whole months, and the calendar day and month of an instant in Vietnam."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app.domain.errors import Fault, InvalidError

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
FIRST_YEAR, LAST_YEAR = 2000, 2099
MONTHS_IN_QUARTER = 3

# Devices at counters have clocks of their own; this much disagreement with ours is no fault.
CLOCK_SKEW = timedelta(minutes=15)

_YEAR = re.compile(r"([0-9]{4})")
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])")
_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The days from `first` to `last`, both included; figures are made for whole months."""

    first: date
    last: date

    @property
    def months(self) -> int:
        """The number of months covered."""
        return (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1

    def contains(self, other: "Period") -> bool:
        """Whether every day of the other period lies in this one."""
        return self.first <= other.first and other.last <= self.last


def parse(text: str) -> Period:
    """The period written as `2022`, `2022-Q3` or `2022-07`; raises ValueError."""
    if match := _YEAR.fullmatch(text):
        return _span(int(match[1]), 1, 12)
    if match := _QUARTER.fullmatch(text):
        start = (int(match[2]) - 1) * MONTHS_IN_QUARTER + 1
        return _span(int(match[1]), start, MONTHS_IN_QUARTER)
    if match := _MONTH.fullmatch(text):
        return _span(int(match[1]), int(match[2]), 1)
    raise ValueError("not a period")


def between(first: date, last: date) -> Period:
    """The period of whole months between two days; raises InvalidError naming each fault."""
    faults = []
    if first.day != 1:
        faults.append(Fault("/query/first", "not-whole-months"))
    if last != _month_end(last.year, last.month):
        faults.append(Fault("/query/last", "not-whole-months"))
    if last < first:
        faults.append(Fault("/query/last", "ends-before-it-begins"))
    faults += [
        Fault(f"/query/{name}", "bad-period")
        for name, day in (("first", first), ("last", last))
        if not FIRST_YEAR <= day.year <= LAST_YEAR
    ]
    if faults:
        raise InvalidError(*faults)
    return Period(first, last)


def local_day(instant: datetime) -> date:
    """The calendar day in Vietnam at that instant."""
    return instant.astimezone(VIETNAM).date()


def _span(year: int, month: int, months: int) -> Period:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError("not a period")
    return Period(date(year, month, 1), _month_end(year, month + months - 1))


def _month_end(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])
