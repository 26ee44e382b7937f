"""RENDERS: finished figures as files. A document in, bytes out."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

# OWASP, "CSV Injection": what spreadsheets evaluate, also in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> bytes:
    """The rows as CSV (RFC 4180), UTF-8 without a byte order mark, under a header of the columns.

    A text that a spreadsheet would take for a formula has an apostrophe before it; numbers never.
    None and what a row does not have is empty, true and false are words, lists are joined by ";".
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return written.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        value = ";".join(map(str, value))
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
