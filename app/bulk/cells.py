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
_WHOLE = re.compile(r"([0-9]+)(?:[.,]0{1,2})?")  # three zeros might be thousands
_PRINTED = re.compile(r"([0-9]+)(?:[.,]([0-9]+))?\s*%?")
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_PART = re.compile(r"(?:([0-9]{1,2})|[Qq]([1-4]))/([0-9]{4})")
_END_OF_DAY = time(23, 59, 59)

Reader = Callable[[str], object]


def reader(column: Column) -> Reader:
    """What makes a value of such a column's cell, which is not blank."""
    if column.choices:
        return _choice({_folded(word): code for code, word in column.choices.items()})
    return _READERS[column.holds]


def worded(column: Column, fault: Fault) -> Fault:
    """The fault of such a column's cell; where the cell cannot be read, what may stand there."""
    if column.choices and fault.code == "not-allowed":
        allowed = ", ".join(f"{word} ({code})" for code, word in column.choices.items())
        return Fault(fault.pointer, "cell-not-listed", {"allowed": allowed})
    code, unread = _UNREAD.get(column.holds, ("", frozenset[str]()))
    return Fault(fault.pointer, code) if fault.code in unread else fault


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
    match = _WHOLE.fullmatch(code)
    # More digits than any limit of ours need no conversion to be refused.
    return int(match[1]) if match and len(match[1]) <= len(str(2**63)) else code


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
    if match := _DAY.fullmatch(day):
        year, month, number = (int(match[place]) for place in (3, 2, 1))
    elif match := _ISO.fullmatch(day):
        year, month, number = (int(part) for part in match.groups())
    else:
        return code
    clock = _TIME.fullmatch(hour.strip())
    if clock is None and hour.strip():
        return code  # RFC 3339 already, or nothing that we know
    try:
        at = _time(*clock.groups()) if clock else without_time
        return datetime.combine(date(year, month, number), at, VIETNAM).isoformat()
    except ValueError:
        return code


def _time(hour: str, minute: str, second: str | None) -> time:
    return time(int(hour), int(minute), int(second or 0))


def _deadline(cell: str) -> str:
    return _instant(cell, _END_OF_DAY)


_READERS: Mapping[Holds, Reader] = {
    Holds.CODE: _code,
    Holds.TEXT: _text,
    Holds.COUNT: _count,
    Holds.PRINTED: _printed,
    Holds.INSTANT: _instant,
    Holds.DEADLINE: _deadline,
    Holds.PERIOD: _period,
}

# The codes of models that mean that a cell could not be read, and what they are called of a sheet.
_MOMENT = ("cell-not-a-moment", frozenset({"bad-instant"}))
_UNREAD: Mapping[Holds, tuple[str, frozenset[str]]] = {
    Holds.COUNT: ("cell-not-a-count", frozenset({"wrong-type"})),
    Holds.PRINTED: ("cell-not-a-percentage", frozenset({"bad-format"})),
    Holds.INSTANT: _MOMENT,
    Holds.DEADLINE: _MOMENT,
    Holds.PERIOD: ("cell-not-a-period", frozenset({"too-long", "bad-period", "not-one-month"})),
}
