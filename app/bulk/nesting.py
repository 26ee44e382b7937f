"""A row's cells as the nested body of a request."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from app.bulk.headings import Place
from app.bulk.lines import UnreadableError

ACCEPTED, COUNTS = "accept", "counts"


def body(places: Sequence[Place | None], cells: Sequence[str]) -> dict[str, Any]:
    """What a row says; blank cells say nothing, so a blank row is empty.

    Raises UnreadableError when a cell says something under no heading.
    """
    fields: dict[str, Any] = {}
    for place, cell in zip_longest(places, cells):
        if not cell or cell.isspace():
            continue
        if place is None:
            raise UnreadableError("cell-without-heading")
        _put(fields, place, place.read(cell))
    return fields


def _put(fields: dict[str, Any], place: Place, value: object) -> None:
    stem, key = place.column.stem, place.key
    if place.column.event:
        fields.setdefault("events", []).append({"type": place.column.event, "at": value})
    elif stem == ACCEPTED:
        accepted = {"pointer": f"/{COUNTS}/{key}", "reason": value}
        fields.setdefault(ACCEPTED, []).append(accepted)
    elif stem == COUNTS:
        question, _, option = key.rpartition(".")
        fields.setdefault(COUNTS, {}).setdefault(question, {})[option] = value
    elif key:
        fields.setdefault(stem, {})[key] = value
    else:
        name, _, part = stem.partition(".")
        if part:
            fields.setdefault(name, {})[part] = value
        else:
            fields[name] = value
