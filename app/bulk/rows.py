"""Rows as they come from a file: what each says, and what its faults are called there."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from app.bulk.cells import worded
from app.bulk.headings import Place
from app.domain.errors import Fault


class Origin(NamedTuple):
    """Where a row begins: the line of the file and, of a table, the row that a spreadsheet shows.

    `places` are the columns by the pointers to what their cells became, `parts` the rows that a
    published index was made of by the pointers to what each said. `short` is how many cells and
    headings there are, where cells are missing.
    """

    line: int
    row: int = 0
    places: Mapping[str, Place] = {}
    parts: Mapping[str, "Origin"] = {}
    short: tuple[int, int] | None = None

    def sited(self, fault: Fault) -> tuple[int, Fault]:
        """The line at fault and the fault, with `row` and `column` if the file is a table."""
        if not self.row:
            return self.line, fault
        part, place = self._site(fault.pointer)
        params: dict[str, object] = {"row": part.row}
        if place is not None and place.heading:
            params["column"] = place.heading
            fault = worded(place.column, fault)
        elif place is not None and fault.code == "missing":
            params["column"] = place.column.heading[0]
            fault = Fault(fault.pointer, "column-missing")
        return part.line, Fault(fault.pointer, fault.code, params | dict(fault.params))

    def unfit(self, faults: list[Fault]) -> list[Fault]:
        """What is wrong with a row whose cells do not fit: of one with too few, only that."""
        if self.short is None:
            return faults
        found = [place for fault in faults if (place := self._site(fault.pointer)[1])]
        first = next((pointer for pointer, place in self.places.items() if place in found), "")
        cells, headings = self.short
        return [Fault(first, "too-few-cells", {"cells": cells, "headings": headings})]

    def _site(self, pointer: str) -> tuple["Origin", Place | None]:
        first, *more = pointer.split("/")[1:] or [""]
        if more and (figure := self.parts.get(f"/{first}/{more[0]}")) is not None:
            return figure, _nearest(figure.places, "".join(f"/{step}" for step in more[1:]))
        return self.parts.get(f"/{first}", self), _nearest(self.places, pointer)


def _nearest(places: Mapping[str, Place], pointer: str) -> Place | None:
    """The column of what the pointer leads to, or of what that is a part of."""
    while pointer and pointer not in places:
        pointer = pointer.rpartition("/")[0]
    return places.get(pointer)


class Line(NamedTuple):
    """A row in the shape of the request's body, and how many bytes it took in the file."""

    origin: Origin
    fields: dict[str, Any]
    size: int = 0


class Broken(NamedTuple):
    """What cannot be read; with `ends`, neither can all that comes after it."""

    origin: Origin
    fault: Fault
    ends: bool = False
