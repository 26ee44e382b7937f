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

    `heading` is what the file calls it, and `number` says where it stands there, from 0; empty
    and 0 if the file does not have it.
    """

    column: Column
    key: str
    read: Reader
    heading: str
    number: int

    @property
    def lacking(self) -> bool:
        """Whether it is a required column that the file does not have."""
        return self.column.required and not self.heading


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
    separators = [separated_by] if separated_by else DELIMITERS
    tried = [read for one in separators if (read := _read(line, one, kind)) is not None]
    if not tried:
        raise UnreadableError("bad-csv")
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


def _read(
    line: str, separated_by: str, kind: str
) -> tuple[list[str], list[Place | None], str] | None:
    try:
        cells = next(csv.reader([line], delimiter=separated_by))
    except csv.Error:  # a line break stands within quotes only where this separates cells
        return None
    found = [_place(cell, number, kind) for number, cell in enumerate(cells)]
    return cells, found, separated_by


def absent(found: Sequence[Place | None], kind: str) -> Iterator[Place]:
    """The columns of such rows that the file does not have."""
    there = {place.column.name for place in found if place}
    for column in COLUMNS[kind]:
        if column.name not in there:
            yield Place(column, "", reader(column), "", 0)


def _shown(cell: str) -> str:
    words = "".join(one for one in " ".join(cell.split()) if one.isprintable())
    if len(words) <= LONGEST_SHOWN:
        return words
    return f"{words[:LONGEST_SHOWN].rpartition(' ')[0] or words[:LONGEST_SHOWN]}…"


def _place(cell: str, number: int, kind: str) -> Place | None:
    title = " ".join(unicodedata.normalize("NFC", cell).rstrip(" *").split())
    column = _singles(kind).get(title.casefold())
    if column is not None:
        return Place(column, "", reader(column), _shown(cell), number)
    for start, one in _families(kind):
        if title.casefold().startswith(start) and (key := _KEY.match(title, len(start))):
            return Place(one, key[0], reader(one), _shown(title[: key.end()]), number)
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
