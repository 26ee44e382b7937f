"""Files of rows, read lazily and in constant memory: what each row says, as a request's body."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from app.bulk import headings
from app.bulk.columns import PUBLISHED
from app.bulk.headings import Place
from app.bulk.lines import USUAL, Bounds, UnreadableError, lines
from app.bulk.nesting import body


class Form(StrEnum):
    """How rows are written. Either may be packed with gzip, which reading finds out by itself."""

    NDJSON = "ndjson"
    CSV = "csv"


class Line(NamedTuple):
    """A row in the shape of the request's body; `number` is the line where it begins, from 1."""

    number: int
    fields: dict[str, Any]


class Broken(NamedTuple):
    """What cannot be read, by a code that has a text. It may be the whole rest of the file."""

    number: int
    pointer: str
    code: str
    params: dict[str, Any]


def read(
    blocks: Iterable[bytes], kind: str, form: Form, bounds: Bounds = USUAL
) -> Iterator[Line | Broken]:
    """The rows of a file of this kind, in order. Never raises: what is wrong is a row of its own.

    An error in the packing, in the headings or of size ends the file. Blank lines are no rows.
    """
    numbered = _Numbered(lines(blocks, bounds), bounds.line)
    try:
        yield from _json(numbered) if form is Form.NDJSON else _table(numbered, kind)
    except UnreadableError as error:
        yield Broken(numbered.number + 1, "", error.code, error.params)


class _Numbered:
    """The lines of a file, and how many of them were read."""

    def __init__(self, of: Iterator[bytes | None], longest: int) -> None:
        self._of, self.longest, self.number = of, longest, 0

    def __iter__(self) -> Iterator[bytes | None]:
        for line in self._of:
            self.number += 1
            yield line


def _json(numbered: _Numbered) -> Iterator[Line | Broken]:
    for number, line in enumerate(numbered, 1):
        if line is None:
            yield Broken(number, "", "line-too-long", {"limit": numbered.longest})
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            if line.strip():
                yield Broken(number, "", _unreadable(line), {})
            continue
        if isinstance(fields, dict):
            yield Line(number, fields)
        else:
            yield Broken(number, "", "line-not-an-object", {})


def _unreadable(line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "bad-encoding"
    return "bad-json"


class _Texts:
    """Lines as the parser takes them; a record of several lines is bounded as one line is."""

    def __init__(self, numbered: _Numbered) -> None:
        self._lines, self._longest, self._size = iter(numbered), numbered.longest, 0

    def begin(self) -> None:
        """A record begins with the next line."""
        self._size = 0

    def __iter__(self) -> "_Texts":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._size += self._longest + 1 if line is None else len(line)
        if line is None or self._size > self._longest:
            raise UnreadableError("line-too-long", limit=self._longest)
        try:
            return line.decode().removesuffix("\r") + "\n"
        except UnicodeDecodeError:
            raise UnreadableError("bad-encoding") from None


def _table(numbered: _Numbered, kind: str) -> Iterator[Line | Broken]:
    texts = _Texts(numbered)
    try:
        heading, separated_by = _heading(texts)
        if heading is None:
            return
        places, separated_by = headings.places(heading, kind, separated_by)
    except UnreadableError as error:
        yield Broken(max(1, numbered.number), "", error.code, error.params)
        return
    records = csv.reader(texts, delimiter=separated_by, strict=True)
    rows = _rows(numbered, texts, records, places)
    yield from _indices(rows) if kind == PUBLISHED else rows


def _heading(texts: _Texts) -> tuple[str | None, str | None]:
    """The first line that says something, and what separates its cells if a line before said so."""
    separated_by = None
    for line in texts:
        texts.begin()
        if not line.strip():
            continue
        if separated_by is not None or (separated_by := headings.separator(line)) is None:
            return line, separated_by
    return None, None


def _rows(
    numbered: _Numbered,
    texts: _Texts,
    records: Iterator[list[str]],
    places: Sequence[Place | None],
) -> Iterator[Line | Broken]:
    while True:
        texts.begin()
        began = numbered.number + 1
        try:
            fields = body(places, next(records))
        except StopIteration:
            return
        except csv.Error:
            yield Broken(began, "", "bad-csv", {})
        except UnreadableError as error:
            yield Broken(began, "", error.code, error.params)
        else:
            if fields:
                yield Line(began, fields)


_OF_INDEX = ("source", "period", "agency", "title", "peer_group")
_NAMING = ("source", "period", "agency")
MOST_FIGURES = 1000  # kept of one index; the request's own model takes fewer


class _Index:
    """A published index as its rows come, and what is wrong with it as a whole."""

    def __init__(self, line: Line, fault: str | None) -> None:
        self.number, self.fault = line.number, fault
        self.fields: dict[str, Any] = {"figures": []}
        self.name = _name(line)

    def add(self, line: Line) -> None:
        """One more printed value; what is of the whole index may stand in any of its rows."""
        for field in _OF_INDEX:
            said = line.fields.pop(field, None)
            if said is not None and self.fields.setdefault(field, said) != said:
                self.fault = "rows-disagree"
        if len(self.fields["figures"]) < MOST_FIGURES:
            self.fields["figures"].append(line.fields)

    def whole(self) -> Line | Broken:
        """The index, unless something is wrong with it: half of one must not replace another."""
        if self.fault is None:
            return Line(self.number, self.fields)
        return Broken(self.number, "", self.fault, {})


def _indices(rows: Iterator[Line | Broken]) -> Iterator[Line | Broken]:
    """Published indices of the rows that stand together."""
    seen: set[tuple[object, ...]] = set()
    index, torn = None, False
    for row in rows:
        if isinstance(row, Broken):
            torn = True
            if index is not None:
                index.fault = index.fault or "rows-broken"
            yield row
            continue
        if index is None or _name(row) != index.name:
            if index is not None:
                yield index.whole()
            fault = "rows-apart" if _name(row) in seen else "rows-broken" if torn else None
            index, torn = _Index(row, fault), False
            seen.add(index.name)
        index.add(row)
        torn = False
    if index is not None:
        yield index.whole()


def _name(line: Line) -> tuple[object, ...]:
    return tuple(line.fields.get(name) for name in _NAMING)
