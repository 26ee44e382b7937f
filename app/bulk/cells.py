"""Cells of a table as values of a request's body.

What cannot be read as what its column holds stays as it is: the request's own model refuses it,
and `worded` tells it in the words of the sheet.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, time

from app.bulk.column import Column, Holds
from app.domain.errors import Fault
from app.domain.period import VIETNAM

# OWASP, "CSV Injection": what spreadsheets evaluate, also in full width.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_QUOTED = re.compile(r'="(.*)"')  # how people keep Excel from making a number of a code
_WHOLE = re.compile(r"[0-9]+")
_PRINTED = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?\s*%?")
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_PART = re.compile(r"(?:([0-9]{1,2})|[Qq]([1-4]))/([0-9]{4})")
END_OF_DAY = time(23, 59, 59)
_LONGEST_QUOTED = 40
_PERSONAL = re.compile(r"[0-9]{9}")  # a phone's or an identity card's number, in a wrong column

Reader = Callable[[str], object]


def reader(column: Column) -> Reader:
    """What makes a value of such a column's cell, which is not blank."""
    if column.choices:
        return _choice({_folded(word): code for code, word in column.choices.items()})
    return _READERS[column.holds]


def worded(column: Column, fault: Fault, cell: str) -> Fault:
    """The fault of such a column's cell; where the cell cannot be read, what may stand there."""
    if fault.code == "missing":
        return Fault(fault.pointer, "cell-empty")
    if column.choices and fault.code == "not-allowed":
        allowed = ", ".join(f"{word} ({code})" for code, word in column.choices.items())
        return Fault(fault.pointer, "cell-not-listed", {"allowed": allowed})
    code = _WORDED.get(column.holds, {}).get(fault.code, fault.code)
    if code in {"cell-not-a-moment", "cell-not-a-period"} and _in_no_calendar(_code(cell)):
        code = "cell-not-in-the-calendar"
    return Fault(fault.pointer, code, fault.params)


def quoted(column: Column, cell: str) -> str:
    """The cell, to be found again by; empty where it is long or may be about a person."""
    text = cell.strip()
    kept = column.holds in _UNQUOTED or len(text) > _LONGEST_QUOTED or _PERSONAL.search(text)
    return "" if kept or not text.isprintable() else text


def guarded(text: str) -> str:
    """The text with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _choice(codes: Mapping[str, str]) -> Reader:
    def read(cell: str) -> object:
        code = _code(cell)
        return codes.get(_folded(code), code)

    return read


def _folded(word: str) -> str:
    """The word as it is compared; macOS writes its accents apart."""
    return unicodedata.normalize("NFC", word).casefold()


def _code(cell: str) -> str:
    cell = cell.strip()
    if cell.startswith("="):
        match = _QUOTED.fullmatch(cell)
        return match[1].strip() if match else cell
    return cell.removeprefix("'")


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _count(cell: str) -> object:
    code = _code(cell)
    # More digits than any limit of ours need no conversion to be refused.
    return int(code) if _WHOLE.fullmatch(code) and len(code) <= len(str(2**63)) else code


def _printed(cell: str) -> str:
    code = _code(cell)
    match = _PRINTED.fullmatch(code)
    if match is None:
        return code
    return match[1] if match[2] is None else f"{match[1]}.{match[2]}"


def _period(cell: str) -> str:
    code = _code(cell)
    match = _PART.fullmatch(code)
    if match is None:
        return code
    month, quarter, year = match.groups()
    return f"{year}-Q{quarter}" if quarter else f"{year}-{int(month):02}"


def _instant(cell: str, without_time: time = time()) -> str:
    """RFC 3339 with the offset of Vietnam, where the cell has a day and perhaps a time."""
    code = _code(cell)
    day, _, hour = code.replace("T", " ", 1).partition(" ")
    if (numbers := _numbers(day)) is None:
        return code
    clock = _TIME.fullmatch(hour.strip())
    if clock is None and hour.strip():
        return code  # RFC 3339 already, or nothing that we know
    try:
        at = _time(*clock.groups()) if clock else without_time
        return datetime.combine(date(*numbers), at, VIETNAM).isoformat()
    except ValueError:
        return code


def _numbers(day: str) -> tuple[int, int, int] | None:
    """Year, month and day as they are written, which may be no day of the calendar."""
    if match := _DAY.fullmatch(day):
        return int(match[3]), int(match[2]), int(match[1])
    match = _ISO.fullmatch(day)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _in_no_calendar(code: str) -> bool:
    """Whether it is written as a day or month, and there is none such."""
    if match := _PART.fullmatch(code):
        numbers: tuple[int, int, int] | None = int(match[3]), int(match[1] or 1), 1
    else:
        numbers = _numbers(code.replace("T", " ", 1).partition(" ")[0])
    try:
        return numbers is not None and not date(*numbers)
    except ValueError:
        return True


def _time(hour: str, minute: str, second: str | None) -> time:
    return time(int(hour), int(minute), int(second or 0))


def _until(cell: str) -> str:
    return _instant(cell, END_OF_DAY)


_READERS: Mapping[Holds, Reader] = {
    Holds.CODE: _code,
    Holds.REFERENCE: _code,
    Holds.ROW_ID: _code,
    Holds.TEXT: _text,
    Holds.COUNT: _count,
    Holds.PRINTED: _printed,
    Holds.INSTANT: _instant,
    Holds.ANSWERED: _until,
    Holds.DEADLINE: _until,
    Holds.PERIOD: _period,
}

_UNQUOTED = frozenset({Holds.TEXT, Holds.REFERENCE, Holds.ROW_ID})

# What codes of requests are called where a cell of a sheet is meant.
_MOMENT = {"bad-instant": "cell-not-a-moment"}
_WORDED: Mapping[Holds, Mapping[str, str]] = {
    Holds.CODE: {"bad-code": "cell-not-a-code"},
    Holds.ROW_ID: {
        "wrong-type": "cell-not-a-row-id",
        "bad-format": "cell-not-a-row-id",
        "idempotency-key-reused": "cell-row-id-used",
    },
    Holds.COUNT: {
        "wrong-type": "cell-not-a-count",
        "more-answers-than-forms": "cells-exceed-forms",
    },
    Holds.PRINTED: {"bad-format": "cell-not-a-percentage"},
    Holds.INSTANT: _MOMENT,
    Holds.ANSWERED: _MOMENT,
    Holds.DEADLINE: _MOMENT,
    Holds.PERIOD: dict.fromkeys(("too-long", "bad-period", "not-one-month"), "cell-not-a-period"),
}
