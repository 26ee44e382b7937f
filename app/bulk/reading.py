"""Files of rows, read lazily and in constant memory: what each row says, as a request's body."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import count
from typing import NamedTuple, Self

import orjson

from app.bulk import headings
from app.bulk.columns import PUBLISHED
from app.bulk.headings import Place
from app.bulk.lines import USUAL, Bounds, UnreadableError, UnreadableRowError, lines
from app.bulk.nesting import body, pointers
from app.bulk.published import indices
from app.bulk.rows import Broken, Line, Origin
from app.domain.errors import Fault

MOST_EMPTY = 5_000_000  # rows; an empty sheet of a spreadsheet has a million

# A record is bounded as a line is, so a cell need not be: refused halfway, its rest would be rows.
csv.field_size_limit(2**31 - 1)


class Form(StrEnum):
    """How rows are written. Either may be packed with gzip, which reading finds out by itself."""

    NDJSON = "ndjson"
    CSV = "csv"


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
        yield Broken(Origin(numbered.number + 1), error.fault, ends=True)


class _Numbered:
    """The lines of a file, and how many of them were read, and said nothing."""

    def __init__(self, of: Iterator[bytes | None], longest: int) -> None:
        self._of, self.longest, self.number, self._empty = of, longest, 0, 0

    def __iter__(self) -> Iterator[bytes | None]:
        for line in self._of:
            self.number += 1
            yield line

    def says_nothing(self) -> None:
        """One more row that says nothing; raises UnreadableError when the file is made of them."""
        self._empty += 1
        if self._empty > MOST_EMPTY:
            raise UnreadableError("too-many-empty-rows", limit=MOST_EMPTY)


def _json(numbered: _Numbered) -> Iterator[Line | Broken]:
    for number, line in enumerate(numbered, 1):
        if line is None:
            fault = Fault("", "line-too-long", {"limit": numbered.longest})
            yield Broken(Origin(number), fault)
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            if line.strip():
                yield Broken(Origin(number), Fault("", _unreadable(line)))
            else:
                numbered.says_nothing()
            continue
        if isinstance(fields, dict):
            yield Line(Origin(number), fields, len(line))
        else:
            yield Broken(Origin(number), Fault("", "line-not-an-object"))


def _unreadable(line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "bad-encoding"
    return "bad-json"


class _Texts:
    """Lines as the parser takes them; a record of several lines is bounded as one line is."""

    def __init__(self, numbered: _Numbered) -> None:
        self._numbered, self._lines, self.size = numbered, iter(numbered), 0
        self._before, self._ended, self._quotes = 0, False, 0

    def begin(self) -> int:
        """A record begins with the next line, which is of this number."""
        self.size, self._quotes, self._before = 0, 0, self._numbered.number
        return self._before + 1

    def empty(self) -> None:
        """The record says nothing."""
        self._numbered.says_nothing()

    @property
    def torn(self) -> bool:
        """Whether the record took in lines after its first, the end of the file, or half of one.

        What comes then may be within quotes, and no row.
        """
        lines = self._numbered.number - self._before
        return self._ended or lines > 1 or self._quotes > 0

    def __iter__(self) -> "_Texts":
        return self

    def __next__(self) -> str:
        longest = self._numbered.longest
        try:
            line = next(self._lines)
        except StopIteration:
            self._ended = True
            raise
        if line is None:  # it may open quotes, or close them
            raise UnreadableError("line-too-long", limit=longest)
        self.size += len(line)
        self._quotes += line.count(b'"')
        if self.size > longest:
            raise UnreadableError("open-quote")
        try:
            return line.decode().removesuffix("\r") + "\n"
        except UnicodeDecodeError:
            raise UnreadableError("bad-encoding") from None


class _Heading(NamedTuple):
    """The first line that says something, and the row of the spreadsheet that it is."""

    text: str
    row: int
    separated_by: str | None


def _table(numbered: _Numbered, kind: str) -> Iterator[Line | Broken]:
    texts = _Texts(numbered)
    try:
        heading = _heading(texts)
        if heading is None:
            return
        places, separated_by = headings.places(heading.text, kind, heading.separated_by)
    except UnreadableError as error:
        line = max(1, numbered.number)
        yield Broken(Origin(line, line), error.fault, ends=True)
        return
    records = csv.reader(texts, delimiter=separated_by, strict=True)
    rows = _rows(texts, records, _Columns.of(places, kind, heading.row))
    yield from indices(rows) if kind == PUBLISHED else rows


def _heading(texts: _Texts) -> _Heading | None:
    separated_by, row = None, 0
    for line in texts:
        texts.begin()
        said = headings.separator(line) if separated_by is None else None
        if said is not None:
            separated_by = said  # a spreadsheet does not show this line
            continue
        row += 1
        if line.strip():
            return _Heading(_closed(line, texts), row, separated_by)
        texts.empty()
    return None


def _closed(line: str, texts: _Texts) -> str:
    """The line, with those after it as long as it is within quotes."""
    pieces, quotes = [line], line.count('"')
    while quotes % 2:
        if (more := next(texts, None)) is None:
            raise UnreadableError("open-quote")
        pieces.append(more)
        quotes += more.count('"')
    return "".join(pieces)


class _Columns(NamedTuple):
    """The columns of a file in their order and by pointers, and the row of their headings."""

    places: Sequence[Place | None]
    by_pointer: Mapping[str, Place]
    row: int
    number: int

    @classmethod
    def of(cls, places: Sequence[Place | None], kind: str, row: int) -> Self:
        number = max(number for number, place in enumerate(places, 1) if place)
        return cls(places, pointers(places, kind), row, number)

    def line(self, number: int, row: int, cells: Sequence[str], size: int) -> Line | None:
        """What the cells of a row say, if anything; raises UnreadableRowError."""
        fields, items = body(self.places, cells)
        if not fields:
            return None
        by_pointer = {**self.by_pointer, **items} if items else self.by_pointer
        short = (len(cells), self.number) if len(cells) < self.number else None
        return Line(Origin(number, row, by_pointer, cells=cells, short=short), fields, size)


def _rows(
    texts: _Texts, records: Iterator[list[str]], columns: _Columns
) -> Iterator[Line | Broken]:
    for row in count(columns.row + 1):
        number = texts.begin()
        try:
            cells = _record(texts, records)
            if (line := columns.line(number, row, cells, texts.size)) is None:
                texts.empty()
        except StopIteration:
            return
        except UnreadableRowError as error:
            yield Broken(Origin(number, row), error.fault)
        except UnreadableError as error:
            yield Broken(Origin(number, row), error.fault, ends=True)
            return
        else:
            if line is not None:
                yield line


def _record(texts: _Texts, records: Iterator[list[str]]) -> list[str]:
    try:
        return next(records)
    except csv.Error:
        if texts.torn:  # within quotes it took in rows after it, which are lost
            raise UnreadableError("open-quote") from None
        raise UnreadableRowError("bad-csv") from None
