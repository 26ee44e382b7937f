"""A row's cells as the nested body of a request."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from app.bulk import headings
from app.bulk.headings import Place
from app.bulk.lines import UnreadableRowError

EVENTS, ACCEPTED, COUNTS = "events", "accept", "counts"


def pointers(places: Sequence[Place | None], kind: str) -> Mapping[str, Place]:
    """The columns of a file by where their cells stand in the body, and those it does not have.

    Without those whose cells become items of a list: which item depends on the row.
    """
    known = [
        place
        for place in (*places, *headings.absent(places, kind))
        if place and not place.column.event and place.column.stem != ACCEPTED
    ]
    found = {_pointer(place): place for place in known}
    for place in known:
        if not place.key:  # a title that is missing in every language
            found.setdefault(_path(place.column.stem.partition(".")[0]), place)
    return found


def _pointer(place: Place) -> str:
    stem, key = place.column.stem, place.key
    if stem == COUNTS and key:
        question, _, option = key.rpartition(".")
        return _path(COUNTS, question, option)
    return _path(stem, key) if key else _path(*stem.split("."))


def _path(*steps: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def body(
    places: Sequence[Place | None], cells: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Place]]:
    """What a row says, and the columns of its lists' items by their pointers.

    Blank cells say nothing, so a blank row is empty. Raises UnreadableRowError when a cell says
    something under no heading.
    """
    fields: dict[str, Any] = {}
    items: dict[str, Place] = {}
    for place, cell in zip_longest(places, cells):
        if not cell or cell.isspace():
            continue
        if place is None:
            raise UnreadableRowError("cell-without-heading")
        if place.column.event:
            said = {"type": place.column.event, "at": place.read(cell)}
            items[_append(fields, EVENTS, said)] = place
        elif place.column.stem == ACCEPTED:
            said = {"pointer": _path(COUNTS, place.key), "reason": place.read(cell)}
            items[_append(fields, ACCEPTED, said)] = place
        else:
            _put(fields, place, place.read(cell))
    return fields, items


def _append(fields: dict[str, Any], to: str, item: object) -> str:
    """The pointer to the item, which is the last now."""
    items = fields.setdefault(to, [])
    items.append(item)
    return _path(to, str(len(items) - 1))


def _put(fields: dict[str, Any], place: Place, value: object) -> None:
    stem, key = place.column.stem, place.key
    if stem == COUNTS:
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
