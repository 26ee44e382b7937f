"""The first line of a table: which column stands where."""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from app.bulk.cells import Reader, reader
from app.bulk.column import Column
from app.bulk.columns import COLUMNS
from app.bulk.lines import UnreadableError

DELIMITERS = (",", ";", "\t")
LONGEST_SHOWN = 64

_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)  # Excel's own first line

_KEY = re.compile(r"[^\s:]+")  # after it the template has the question's words


class Place(NamedTuple):
    """A column of a file: what it is, whose (a question's code), and what reads its cells.

    `heading` is what the file calls it; empty if the file does not have it.
    """

    column: Column
    key: str
    read: Reader
    heading: str


def separator(line: str) -> str | None:
    """What separates cells, when the line says nothing but that."""
    match = _SEPARATOR.fullmatch(line.rstrip("\r\n"))
    return match[1] if match else None


def places(line: str, kind: str, separated_by: str | None) -> tuple[list[Place | None], str]:
    """What stands in each column of the file (None: no heading), and what separates its cells.

    Unless it was said, that is by what most of the headings are known. Raises UnreadableError
    naming the first column that is not known or is there twice. The first line of a file without
    headings is data, so it is not repeated.
    """
    tried = [_read(line, one, kind) for one in ([separated_by] if separated_by else DELIMITERS)]
    cells, found, separated_by = max(tried, key=lambda one: sum(map(bool, one[1])))
    if not any(found):
        raise UnreadableError("no-heading")
    for cell, place in zip(cells, found, strict=True):
        if place is None and cell.strip():
            raise UnreadableError("unknown-column", column=_shown(cell))
    names = [(place.column.name, place.key) for place in found if place]
    for cell, place in zip(cells, found, strict=True):
        if place and names.count((place.column.name, place.key)) > 1:
            raise UnreadableError("duplicate-column", column=_shown(cell))
    return found, separated_by


def _read(line: str, separated_by: str, kind: str) -> tuple[list[str], list[Place | None], str]:
    try:
        cells = next(csv.reader([line], delimiter=separated_by))
    except csv.Error:
        raise UnreadableError("bad-csv") from None
    return cells, [_place(cell, kind) for cell in cells], separated_by


def absent(found: Sequence[Place | None], kind: str) -> Iterator[Place]:
    """The columns of such rows that the file does not have."""
    there = {place.column.name for place in found if place}
    for column in COLUMNS[kind]:
        if column.name not in there:
            yield Place(column, "", reader(column), "")


def _shown(cell: str) -> str:
    words = " ".join(cell.split())
    return "".join(one for one in words[:LONGEST_SHOWN] if one.isprintable())


def _place(cell: str, kind: str) -> Place | None:
    title = " ".join(unicodedata.normalize("NFC", cell).rstrip(" *").split())
    column = _singles(kind).get(title.casefold())
    if column is not None:
        return Place(column, "", reader(column), _shown(cell))
    for start, one in _families(kind):
        if title.casefold().startswith(start) and (key := _KEY.match(title, len(start))):
            return Place(one, key[0], reader(one), _shown(cell))
    return None


@cache
def _singles(kind: str) -> Mapping[str, Column]:
    """Columns by each of their headings."""
    return {
        name.casefold(): column
        for column in COLUMNS[kind]
        if not column.many
        for name in (column.name, *column.heading)
    }


@cache
def _families(kind: str) -> Sequence[tuple[str, Column]]:
    """What the headings of columns begin with that are there for each question."""
    return tuple(_beginnings(kind))


def _beginnings(kind: str) -> Iterator[tuple[str, Column]]:
    for column in COLUMNS[kind]:
        if column.many:
            yield f"{column.stem}.".casefold(), column
            yield from ((f"{heading} ".casefold(), column) for heading in column.heading)
