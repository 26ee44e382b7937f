"""Rows as files: NDJSON, a JSON object on each line, or CSV with a heading."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from app.bulk.cells import guarded

Row = Mapping[str, Any]


def ndjson(rows: Iterable[Row]) -> bytes:
    """Each row as one line of JSON, the last one too; instants with their offset."""
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def heading(columns: Sequence[str]) -> bytes:
    """The first line of a table."""
    return _csv([columns])


def table(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """The rows as CSV (RFC 4180) in UTF-8, without the heading.

    A column `answers.q1` is what `answers` has for q1. None and what a row does not have is empty,
    true and false are words, lists are JSON, and a text that a spreadsheet would take for a formula
    has an apostrophe before it, which reading takes away again.
    """
    return _csv([_cell(_value(row, column)) for column in columns] for row in rows)


def _csv(lines: Iterable[Sequence[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(lines)
    return written.getvalue().encode()


def _value(row: Row, column: str) -> Any:
    if column in row:
        return row[column]
    name, _, key = column.partition(".")
    return row.get(name, {}).get(key)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, list):
        return orjson.dumps(value).decode()
    return guarded(value) if isinstance(value, str) else str(value)
