"""Rows as they come from a file: what each says, and what its faults are called there."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.bulk.cells import quoted, worded
from app.bulk.headings import Place
from app.domain.errors import Fault


class Origin(NamedTuple):
    """Where a row begins: the line of the file and, of a table, the row that a spreadsheet shows.

    `places` are the columns by the pointers to what their cells became, `parts` the rows that a
    published index was made of by the pointers to what each said. `cells` are its cells, `short` is
    how many of them and of headings there are, where cells are missing.
    """

    line: int
    row: int = 0
    places: Mapping[str, Place] = {}
    parts: Mapping[str, "Origin"] = {}
    cells: Sequence[str] = ()
    short: tuple[int, int] | None = None

    def sited(self, fault: Fault) -> tuple[int, Fault]:
        """The line at fault and the fault, with `row` and `column` if the file is a table."""
        if not self.row:
            return self.line, fault
        part, place = self._site(fault.pointer)
        params: dict[str, object] = {"row": part.row}
        if place is not None and place.column.many and fault.code == "missing":
            columns = {"columns": place.column.heading[0]}
            fault = Fault(fault.pointer, "cells-all-empty", columns)
        elif place is not None and place.heading:
            cell = part.cells[place.number] if place.number < len(part.cells) else ""
            params["column"] = place.heading
            # A row that lacks cells has something else where this should be.
            if part.short is None and (words := quoted(place.column, cell)):
                params["cell"] = words
            fault = worded(place.column, fault, cell)
        return part.line, Fault(fault.pointer, fault.code, params | dict(fault.params))

    def lacking(self) -> Sequence[str]:
        """The required columns that the file does not have, by their Vietnamese names."""
        found = self.places.values()
        names = [place.column.heading[0] for place in found if place.lacking]
        return [*dict.fromkeys(names)]

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
    """The column of what the pointer leads to, what that is a part of, or its own first part."""
    nearest = pointer
    while nearest and nearest not in places:
        nearest = nearest.rpartition("/")[0]
    if nearest or not pointer:
        return places.get(nearest)
    return next((place for at, place in places.items() if at.startswith(f"{pointer}/")), None)


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
