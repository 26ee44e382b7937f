"""What a file tells only as a whole: columns that it lacks, and rows that repeat others."""

import hashlib
from collections.abc import Iterator

import orjson

from app.bulk.columns import SHEETS
from app.bulk.rows import Broken, Line, Origin
from app.domain.errors import Fault


def judged(rows: Iterator[Line | Broken], kind: str) -> Iterator[Line | Broken]:
    """The rows, or that the file lacks columns which must be there, and then none.

    Of tally sheets that say the same and have no id all but the first are refused: without an id
    they are one sheet, and whoever counted two must hear of it.
    """
    looked, seen = False, dict[bytes, int]()
    for row in rows:
        if isinstance(row, Line):
            if not looked and (lacking := row.origin.lacking()):
                params = {"columns": ", ".join(lacking)}
                yield Broken(Origin(1, 1), Fault("", "column-missing", params), ends=True)
                return
            looked = True
            if kind == SHEETS and row.fields.get("id") is None:
                at = row.origin.row or row.origin.line
                if (earlier := seen.setdefault(_digest(row), at)) != at:
                    yield Broken(row.origin, Fault("/id", "row-repeated", {"earlier": earlier}))
                    continue
        yield row


def _digest(row: Line) -> bytes:
    """What the sheet counts: neither its reasons, nor zeros that were written out."""
    said = {name: value for name, value in row.fields.items() if name != "accept"}
    if isinstance(counts := said.get("counts"), dict):
        said["counts"] = {
            question: {option: number for option, number in options.items() if number != 0}
            if isinstance(options, dict)
            else options
            for question, options in counts.items()
        }
    try:
        written = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than any sheet, so it is refused anyway
        written = b"line %d" % row.origin.line
    return hashlib.blake2b(written, digest_size=16).digest()
