import csv
import io
import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.bulk import cells, writing
from app.bulk.columns import COLUMNS
from app.bulk.reading import Form, read

COMMENT = next(column for column in COLUMNS["ratings"] if column.name == "comment")
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


def test_each_row_is_a_line_and_the_last_line_has_an_end():
    rows = [{"a": "xin\nchào", "at": NOON}, {"a": None, "at": None}]
    written = writing.ndjson(rows)
    assert written.endswith(b"\n")
    assert [json.loads(line) for line in written.split(b"\n")[:-1]] == [
        {"a": "xin\nchào", "at": "2026-06-15T12:00:00+00:00"},
        {"a": None, "at": None},
    ]


def test_cells_are_words_numbers_and_json():
    columns = ("answers.q1", "answers.q2", "on_time", "events", "at", "n")
    row = {"answers": {"q1": "5"}, "on_time": True, "events": [{"at": NOON}], "at": NOON, "n": -1}
    (cells_of,) = csv.reader(io.StringIO(writing.table(columns, [row]).decode()))
    at = "2026-06-15T12:00:00+00:00"
    assert cells_of == ["5", "", "true", json.dumps([{"at": at}], separators=(",", ":")), at, "-1"]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_a_comment_that_was_written_is_read_as_it_was(comment):
    if comment.isspace() or (comment.startswith("'") and comment[1:].startswith(cells.FORMULA)):
        return
    row = {"agency": "A1", "comment": comment}
    content = writing.heading(("agency", "comment")) + writing.table(("agency", "comment"), [row])
    (line,) = read([content], "ratings", Form.CSV)
    assert line.fields == row


def test_no_cell_is_a_formula():
    for start in cells.FORMULA:
        content = writing.table(("comment",), [{"comment": f"{start}1+1"}])
        ((cell,),) = csv.reader(io.StringIO(content.decode(), newline=""))
        assert cell == f"'{start}1+1"
