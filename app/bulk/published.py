"""Published indices of a table, each made of the rows that stand together."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from app.bulk.lines import MEBIBYTE
from app.bulk.rows import Broken, Line, Origin
from app.domain.errors import Fault

MOST_FIGURES = 1000  # kept of one index; the request's own model takes fewer
USUAL_LENGTH = 1024  # of a row, in bytes, at most
MOST_WAITING = 5000  # rows that are looked at before the first of them is given on

TOO_LONG = Fault("", "line-too-long", {"limit": MEBIBYTE})

_OF_INDEX = ("source", "period", "agency", "title", "peer_group")
_NAMING = ("source", "period", "agency")


class _Index:
    """A published index as its rows come, and what is wrong with it as a whole."""

    def __init__(self, first: Line, fault: str | None) -> None:
        self.name, self.weight, self.size = _name(first), 0, 0
        self.wrong: Broken | None = None
        self._origin, self._parts = first.origin, dict[str, Origin]()
        self._fields: dict[str, Any] = {"figures": []}
        if fault is not None:
            self.refuse(fault)

    def add(self, line: Line) -> None:
        """One more printed value; what is of the whole index may stand in any of its rows."""
        self.weight += _weight(line)
        self.size += line.size
        if self.size > MEBIBYTE:
            self.wrong = self.wrong or Broken(line.origin, TOO_LONG)
            return
        for field in _OF_INDEX:
            if (said := line.fields.pop(field, None)) is None:
                continue
            if self._fields.setdefault(field, said) != said:
                wrong = Broken(line.origin, Fault(f"/{field}", "rows-disagree"))
                self.wrong = self.wrong or wrong
            self._parts.setdefault(f"/{field}", line.origin)
        number = len(self._fields["figures"])
        if number < MOST_FIGURES:
            self._parts[f"/figures/{number}"] = line.origin
            self._fields["figures"].append(line.fields)

    def refuse(self, code: str) -> None:
        """Something is wrong with it, if nothing was so far."""
        self.wrong = self.wrong or Broken(self._origin, Fault("", code))

    def whole(self) -> Line | Broken:
        """The index, unless something is wrong with it: half of one must not replace another."""
        whole = Line(self._origin._replace(parts=self._parts), self._fields, self.size)
        return self.wrong or whole


class _Waiting:
    """Indices and broken rows in their order, as long as another part of theirs may come."""

    def __init__(self) -> None:
        self._all: deque[_Index | Broken] = deque()
        self._by_name: dict[tuple[object, ...], _Index] = {}
        self._seen: set[tuple[object, ...]] = set()
        self._weight = 0
        self._last: _Index | None = None  # whose rows may go on
        self._torn = False  # a broken row may be of the next index

    def add(self, row: Line | Broken) -> None:
        """One more row; a part of an index that stands apart spoils both."""
        self._weight += 1 if isinstance(row, Broken) else _weight(row)
        if isinstance(row, Broken):
            self._all.append(row)
            self._torn = True
            if self._last is not None:
                self._last.refuse("rows-broken")
            return
        if self._last is None or self._last.name != _name(row):
            self._last = self._begun(row)
            self._all.append(self._last)
        self._torn = False
        self._last.add(row)

    def _begun(self, row: Line) -> _Index:
        name = _name(row)
        fault = "rows-broken" if self._torn else None
        if (earlier := self._by_name.get(name)) is not None:
            fault = "rows-apart"
            earlier.refuse(fault)
        elif name in self._seen:
            fault = "rows-apart-late"
        self._seen.add(name)
        self._by_name[name] = begun = _Index(row, fault)
        return begun

    def close(self, *, whole: bool) -> None:
        """No more rows come, or none that can be read."""
        if self._last is not None and not whole:
            self._last.refuse("rows-broken")
        self._last = None

    def due(self, most: int) -> Iterator[Line | Broken]:
        """Those that wait no longer, so that at most so many rows do."""
        while self._weight > most and self._all[0] is not self._last:
            first = self._all.popleft()
            if isinstance(first, Broken):
                self._weight -= 1
                yield first
                continue
            self._weight -= first.weight
            if self._by_name.get(first.name) is first:
                del self._by_name[first.name]
            yield first.whole()


def indices(rows: Iterator[Line | Broken]) -> Iterator[Line | Broken]:
    """Published indices of the rows that stand together.

    Nothing is given on of one whose rows stand apart, unless the first of them is 5,000 rows back.
    """
    waiting = _Waiting()
    for row in rows:
        if isinstance(row, Broken) and row.ends:
            waiting.close(whole=False)
            yield from waiting.due(0)
            yield row
            return
        waiting.add(row)
        yield from waiting.due(MOST_WAITING)
    waiting.close(whole=True)
    yield from waiting.due(0)


def _weight(line: Line) -> int:
    """As how many rows of usual length it counts, so that what waits is bounded in memory."""
    return 1 + line.size // USUAL_LENGTH


def _name(line: Line) -> tuple[object, ...]:
    return tuple(line.fields.get(name) for name in _NAMING)
