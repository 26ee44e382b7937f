import csv
import gzip
import io
import json
import re
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import texts
from app.bulk import reading
from app.bulk.columns import SHEETS
from app.bulk.files import judged
from app.bulk.lines import Bounds
from app.bulk.published import MOST_WAITING
from app.bulk.reading import Form, read
from app.bulk.rows import Broken, Line
from app.domain.errors import Fault

RATING = {
    "id": "01896777-46f0-7c3e-9f0a-1f6f5b0a4c11",
    "agency": "H32.15",
    "survey": "tthc-2023",
    "dossier": "000.00.15.H32-230712-0001",
    "channel": "tablet",
    "answers": {"q1": "5", "q2": "4"},
}
HEADING = "agency,survey,dossier,channel,rated_at,answers.q1,answers.q2,comment"
CUT = 'agency,comment\nA1,"no end\nA2,x\n'
READERS = ("cells", "files", "headings", "lines", "nesting", "published", "reading", "rows")
SMALL = Bounds(line=200, total=100_000)


def rows(content, kind="ratings", form=Form.CSV, bounds=SMALL):
    content = content.encode() if isinstance(content, str) else content
    return list(read([content], kind, form, bounds))


def only(content, kind="ratings", **more):
    (row,) = rows(content, kind, **more)
    assert isinstance(row, Line), row
    return row.fields


def codes(found):
    return [(row.origin.line, row.fault.code) for row in found if isinstance(row, Broken)]


def said(found):
    return [(row.origin.line, row.fields) for row in found if isinstance(row, Line)]


def told(row, pointer, code, **params):
    """The line of a fault, its code, and what else is said of it."""
    line, fault = row.origin.sited(Fault(pointer, code, params))
    assert fault.pointer == pointer
    return line, fault.code, dict(fault.params)


def test_every_line_of_json_is_a_row():
    content = json.dumps(RATING) + "\r\n\n  \n" + json.dumps({"agency": "Sở"})
    assert said(rows(content, form=Form.NDJSON)) == [(1, RATING), (4, {"agency": "Sở"})]


def test_a_line_that_is_no_json_object_is_named_and_the_others_are_read():
    content = b'{"a":1}\n[1]\n{"a":\n{"a":"\xc3"}\n{"a":2}\n'
    found = rows(content, form=Form.NDJSON)
    assert codes(found) == [(2, "line-not-an-object"), (3, "bad-json"), (4, "bad-encoding")]
    assert [line for line, _ in said(found)] == [1, 5]


def test_a_line_that_is_too_long_is_named_and_the_others_are_read():
    content = '{"a":1}\n{"a":"' + "x" * 300 + '"}\n{"a":2}\n'
    found = rows(content, form=Form.NDJSON)
    assert codes(found) == [(2, "line-too-long")]
    assert [row.fields for row in found if isinstance(row, Line)] == [{"a": 1}, {"a": 2}]


@given(
    st.lists(st.integers(1, 7), max_size=30), st.booleans(), st.sampled_from(["utf-8", "utf-16"])
)
def test_how_a_file_is_cut_into_blocks_does_not_matter(cuts, packed, encoding):
    content = (HEADING + '\nA1,s1,d,tablet,,5,4,"Sở\nCông Thương"\nA2,s1,d,tablet,,4,4,\n').encode(
        encoding
    )
    content = gzip.compress(content) if packed else content
    blocks, rest = [], content
    for cut in cuts:
        blocks.append(rest[:cut])
        rest = rest[cut:]
    assert said(read([*blocks, rest], "ratings", Form.CSV)) == said(rows(content))
    assert [(row.origin.line, row.origin.row) for row in rows(content)] == [(2, 2), (4, 3)]


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: gzip.compress(text.encode("utf-8-sig")),
        lambda text: (
            gzip.compress(text[:20].encode()) + b"\0" * 9 + gzip.compress(text[20:].encode())
        ),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode("utf-16"),
        lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode(),
        lambda text: ("sep=\t\n" + text.replace(",", "\t")).encode(),
        lambda text: text.replace("\n", ",,,\n").encode(),
        lambda text: ("\n" + text + ",,,,,,,\n\n").encode(),
    ],
)
def test_tables_are_read_in_the_forms_that_people_have(encode):
    content = HEADING + "\nH32.15,tthc-2023,D1,tablet,18/07/2023 09:31,5,4,Hướng dẫn tận tình.\n"
    assert only(encode(content)) == {
        "agency": "H32.15",
        "survey": "tthc-2023",
        "dossier": "D1",
        "channel": "tablet",
        "rated_at": "2023-07-18T09:31:00+07:00",
        "answers": {"q1": "5", "q2": "4"},
        "comment": "Hướng dẫn tận tình.",
    }


def test_headings_of_the_template_are_understood_in_both_languages():
    told = (
        "Cơ quan *;ĐỢT KHẢO SÁT;Dossier;Kênh đánh giá;Câu hỏi q1;question q2\n"
        "A;S;D;Điện thoại;5;4\n"
    )
    decomposed = unicodedata.normalize("NFD", "agency,Hồ sơ\nA,D\n")
    assert only(told) == {
        "agency": "A",
        "survey": "S",
        "dossier": "D",
        "channel": "mobile",
        "answers": {"q1": "5", "q2": "4"},
    }
    assert only(decomposed) == {"agency": "A", "dossier": "D"}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('="H32.15"', "H32.15"),
        ("'0015", "0015"),
        (" Q05 ", "Q05"),
    ],
)
def test_codes_that_were_kept_from_excel_are_unwrapped(cell, value):
    written = io.StringIO()
    csv.writer(written).writerows([["agency", "counter"], ["A1", cell]])
    assert only(written.getvalue())["counter"] == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("18/07/2023", "2023-07-18T23:59:59+07:00"),
        ("8/7/2023 9:05", "2023-07-08T09:05:00+07:00"),
        ("18/07/2023 09:31:10", "2023-07-18T09:31:10+07:00"),
        ("2023-07-18 09:31", "2023-07-18T09:31:00+07:00"),
        ("2023-07-18T09:31:10", "2023-07-18T09:31:10+07:00"),
        ("2023-07-18T02:31:10Z", "2023-07-18T02:31:10Z"),
        ("2023-07-18T09:31:10.5+07:00", "2023-07-18T09:31:10.5+07:00"),
        ("07/18/2023", "07/18/2023"),
        ("31/02/2023 08:00", "31/02/2023 08:00"),
        ("18/07/2023 25:00", "18/07/2023 25:00"),
        ("45125.4", "45125.4"),
    ],
)
def test_days_and_times_are_those_of_vietnam(cell, value):
    assert only(f"agency,rated_at\nA1,{cell}\n")["rated_at"] == value


def test_a_due_day_without_a_time_lasts_until_its_end():
    content = "agency,received_at,due_at\nA1,12/07/2023,19/07/2023\n"
    assert only(content, "dossiers") == {
        "agency": "A1",
        "received_at": "2023-07-12T00:00:00+07:00",
        "due_at": "2023-07-19T23:59:59+07:00",
    }


def test_a_dossiers_columns_are_its_events():
    content = "code,finished_at,returned_at,withdrawn_at\nD1,18/07/2023 08:00,18/07/2023 09:30,\n"
    assert only(content, "dossiers") == {
        "code": "D1",
        "events": [
            {"type": "finished", "at": "2023-07-18T08:00:00+07:00"},
            {"type": "result_returned", "at": "2023-07-18T09:30:00+07:00"},
        ],
    }


def test_a_tally_sheet_is_a_row_with_a_column_for_each_count():
    content = (
        "agency;period;forms;counts.q1.5;counts.q1.4;Số lượt q2.1.na;Lý do chấp nhận q1\n"
        "A1;10/2022;13;6;7;x;Theo số liệu đã công bố\n"
    )
    assert only(content, "tally-sheets") == {
        "agency": "A1",
        "period": "2022-10",
        "forms": 13,
        "counts": {"q1": {"5": 6, "4": 7}, "q2.1": {"na": "x"}},
        "accept": [{"pointer": "/counts/q1", "reason": "Theo số liệu đã công bố"}],
    }


@pytest.mark.parametrize("cell", ["1.234", "1,000", "10,0", "10.0", "-1", "1e3", "5.5", "9" * 60])
def test_a_count_that_may_mean_two_things_is_left_to_be_refused(cell):
    assert only(f"forms;period\n{cell};2022-10\n", "tally-sheets")["forms"] == cell


INDEX = "source;period;agency;title.vi;criterion;name.vi;value;rank;peer_count\n"


def test_the_rows_of_a_published_index_are_one_body():
    content = INDEX + (
        "sipas;2022;A1;SIPAS;access;Tiếp cận;70,69;17;18\n"
        "sipas;2022;A1;;overall;Chung;81.75 %;13;18\n"
        "sipas;Q3/2022;A1;SIPAS;overall;Chung;90;;\n"
    )
    first, second = rows(content, "published-indices")
    assert (first.origin.line, first.fields) == (
        2,
        {
            "source": "sipas",
            "period": "2022",
            "agency": "A1",
            "title": {"vi": "SIPAS"},
            "figures": [
                {
                    "criterion": "access",
                    "name": {"vi": "Tiếp cận"},
                    "value": "70.69",
                    "rank": 17,
                    "peer_count": 18,
                },
                {
                    "criterion": "overall",
                    "name": {"vi": "Chung"},
                    "value": "81.75",
                    "rank": 13,
                    "peer_count": 18,
                },
            ],
        },
    )
    assert (second.origin.line, second.fields["period"]) == (4, "2022-Q3")


def test_half_of_a_published_index_is_not_one():
    def index(agency, title="T", value="9", more=""):
        return f"sipas;2022;{agency};{title};overall;Chung;{value};;{more}\n"

    apart = INDEX + index("A1") + index("A2") + index("A1")
    assert codes(rows(apart, "published-indices")) == [(2, "rows-apart"), (4, "rows-apart")]
    disagree = INDEX + index("A1") + index("A1", "U") + index("A2")
    assert codes(rows(disagree, "published-indices")) == [(3, "rows-disagree")]
    broken = INDEX + index("A1") + index("A1", more=";stray") + index("A2") + index("A3")
    found = rows(broken, "published-indices")
    assert codes(found) == [(2, "rows-broken"), (3, "cell-without-heading"), (4, "rows-broken")]
    assert [row.fields["agency"] for row in found if isinstance(row, Line)] == ["A3"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("agency,colour\nA1,red\n", [(1, "unknown-column")]),
        ("agency,Cơ quan\nA1,A1\n", [(1, "duplicate-column")]),
        ("A1,s1,D1\nA2,s1,D2\n", [(1, "no-heading")]),
        ("agency,comment\nA1,x,y\nA2,x\n", [(2, "cell-without-heading")]),
        ("agency,comment\nA1,x,,\nA2,x\n", []),
        ('agency,comment\nA1,"x"y\nA2,x\n', [(2, "open-quote")]),
        (CUT, [(2, "open-quote")]),
        ('agency,comment\nA1,"no end', [(2, "open-quote")]),
        (CUT + "A3,x\n" * 60, [(2, "open-quote")]),
        ('agency,comment\nA1,"no end\nA2,"x"\nA3,x\n', [(2, "open-quote")]),
        ("agency,comment\nA1," + "x" * 300 + "\nA2,x\n", [(2, "line-too-long")]),
        (b"agency,comment\nA1,C\xf4ng\n", [(2, "bad-encoding")]),
        (b"agency,Kh\xf4ng\nA1,x\n", [(1, "bad-encoding")]),
        (b"PK\x03\x04 and so on", [(1, "workbook-not-csv")]),
        (b"\xff\xfea", [(1, "bad-encoding")]),
        (b"\x1f\x8b\x08 and so on", [(1, "bad-gzip")]),
        (gzip.compress(b"agency\n")[:-4], [(2, "bad-gzip")]),
        (gzip.compress(b"agency\nA1\n") + b"more", [(3, "bad-gzip")]),
        (gzip.compress(b"agency\n" + b"A" * 1_000_000), [(1, "file-too-large")]),
        (b"", []),
        (b"\xef\xbb\xbf", []),
        (gzip.compress(b""), []),
        ("agency\n", []),
        ("sep=;\n", []),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(content, expected):
    found = rows(content)
    assert codes(found) == expected


@pytest.mark.parametrize(
    ("content", "read_before"),
    [
        (CUT, 0),
        (CUT + "A3,x\n" * 60, 0),
        ('agency,comment\nA0,x\nA1,"no end\nA2,"x"\nA3,x\n', 1),
        ('agency,comment\nA1,x\nA2,"y\nA3,z\n', 1),
        (b"agency,comment\nA1,x\nA2,C\xf4ng\nA3,z\n", 1),
        (b"agency,Kh\xf4ng\nA1,x\n", 0),
        (gzip.compress(b"agency\nA1\n") + b"more", 1),
        ("agency,colour\nA1,red\n", 0),
    ],
)
def test_a_table_that_is_damaged_ends_there(content, read_before):
    *before, last = rows(content)
    assert isinstance(last, Broken)
    assert last.ends
    assert len(said(before)) == read_before
    again = rows(
        INDEX.encode() + b"sipas;2022;A1;T;overall;C;9;;\nsipas;2022;A2;T;x;\xf4;9;;\n",
        "published-indices",
    )
    assert codes(again) == [(2, "rows-broken"), (3, "bad-encoding")]
    assert again[-1].ends


@pytest.mark.parametrize(
    "broken",
    [
        'A1,"first\n{row}\n' + "x" * 200_000 + '\n{row}\nend"\n',
        'A1,"' + "x" * 2000 + '\n{row}\nend"\n',
        'A1,"a"x,"first\n{row}\nend"\n',
        'A1,"cao 1" quá\n{row}\nend"\n',
    ],
)
def test_what_stands_within_quotes_is_never_a_row(broken):
    bounds = Bounds(line=1000, total=1_000_000)
    found = rows("agency,comment\nA0,x\n" + broken.replace("{row}", "A9,y"), bounds=bounds)
    assert said(found) == [(2, {"agency": "A0", "comment": "x"})]
    assert isinstance(found[-1], Broken)
    assert found[-1].ends


def test_a_cell_may_be_as_long_as_a_line():
    comment = "x" * 200_000
    bounds = Bounds(line=300_000, total=1_000_000)
    assert only(f"agency,comment\nA1,{comment}\n", bounds=bounds)["comment"] == comment


@pytest.mark.parametrize("form", Form)
def test_a_file_of_rows_that_say_nothing_ends_in_time(form, monkeypatch):
    monkeypatch.setattr(reading, "MOST_EMPTY", 3)
    few, many = "agency,comment\n\n\n,\nA1,x\n", "\n\n\n\nagency,comment\nA1,x\n"
    if form is Form.NDJSON:
        few, many = '\n\n \n{"agency": "A1"}\n', '\n\n \n\n{"agency": "A1"}\n'
    assert codes(rows(few, form=form)) == []
    (ended,) = rows(many, form=form)
    assert (ended.fault.code, ended.ends) == ("too-many-empty-rows", True)


def test_a_sheet_that_nests_without_end_is_left_to_be_refused():
    deep = '{"agency": "A1", "counts": ' + "[" * 900 + "]" * 900 + "}\n"
    found = list(
        judged(iter(rows(deep * 2, form=Form.NDJSON, bounds=Bounds(5000, 50_000))), SHEETS)
    )
    assert [isinstance(row, Line) for row in found] == [True, True]


def test_a_row_tells_how_much_it_took_of_the_file():
    content = "agency,comment\nA1,x\nA2,yyyyy\n"
    assert [row.size for row in rows(content)] == [4, 8]
    assert [row.size for row in rows('{"a": 1}\n{"a": 10}\n', form=Form.NDJSON)] == [8, 9]


def test_a_published_index_is_bounded_as_a_line_is():
    heading = "source,period,agency,title.vi,criterion,name.vi,value\n"
    row = f"sipas,2022,A1,t,c,{'n' * 1000},81.75\n"
    found = rows(heading + row * 1100, "published-indices", bounds=Bounds(2000, 2_000_000))
    assert codes(found) == [(1026, "line-too-long")]


@pytest.mark.parametrize("form", Form)
def test_one_row_that_cannot_be_read_does_not_end_the_file(form):
    content = {
        Form.CSV: "agency,comment\nA1,x\ry\nA2,x,y\nA3,x\n",
        Form.NDJSON: b'{"a": "\xff"}\n[1]\n{"a": 1}\n',
    }[form]
    found = rows(content, form=form)
    assert len(said(found)) == 1
    assert not any(row.ends for row in found if isinstance(row, Broken))


def test_a_fault_of_a_table_is_told_with_the_row_and_column_that_a_spreadsheet_shows():
    content = (
        "sep=;\n\nMã hồ sơ *; Ngày  có kết quả ;Ngày trả kết quả;Hình thức nộp\n"
        "D1;;18/07/2023 09:30;desk\n"
        '"D2";18/07/2023 08:00;"18/07/2023\n09:30";Fax\n'
        "D3;;hôm qua;desk\n"
    )
    first, second, third = rows(content, "dossiers")
    assert told(first, "/events/0/at", "in-the-future") == (
        4,
        "in-the-future",
        {"row": 3, "column": "Ngày trả kết quả", "cell": "18/07/2023 09:30"},
    )
    assert told(second, "/events/0/at", "in-the-future")[2]["column"] == "Ngày có kết quả"
    assert told(second, "/code", "bad-dossier-code")[2]["column"] == "Mã hồ sơ *"
    line, code, params = told(third, "/events/0/at", "bad-instant")
    assert (line, params["row"]) == (7, 5)
    assert code == "cell-not-a-moment"
    assert told(third, "", "dossier-not-found") == (7, "dossier-not-found", {"row": 5})
    line, code, params = told(second, "/channel", "not-allowed", allowed="desk, online")
    assert (line, code, params["cell"]) == (5, "cell-not-listed", "Fax")
    assert params["allowed"] == "Trực tiếp (desk), Trực tuyến (online), Bưu chính (post)"
    assert told(third, "/code", "missing")[1] == "cell-empty"


def test_a_fault_of_json_is_told_as_the_request_would_be():
    (row,) = rows(json.dumps(RATING), form=Form.NDJSON)
    assert told(row, "/channel", "not-allowed", allowed="a") == (1, "not-allowed", {"allowed": "a"})


@pytest.mark.parametrize(
    ("kind", "heading", "pointer", "code", "expected"),
    [
        ("tally-sheets", "Số phiếu hợp lệ", "/forms", "wrong-type", "cell-not-a-count"),
        (
            "tally-sheets",
            "Số lượt q1.5: Dễ – Rất",
            "/counts/q1/5",
            "wrong-type",
            "cell-not-a-count",
        ),
        ("tally-sheets", "Lý do chấp nhận q1", "/accept/0/pointer", "bad-format", "bad-format"),
        ("tally-sheets", "Tháng", "/period", "too-long", "cell-not-a-period"),
        ("published-indices", "value", "/figures/0/value", "bad-format", "cell-not-a-percentage"),
        ("published-indices", "Tên tài liệu", "/title", "too-long", "too-long"),
        ("dossiers", "Ngày hẹn trả", "/due_at", "bad-instant", "cell-not-a-moment"),
        ("ratings", "Câu hỏi q1: Mức độ dễ dàng", "/answers/q1", "bad-code", "cell-not-a-code"),
        ("ratings", "Thời điểm đánh giá", "/rated_at", "bad-instant", "cell-not-a-moment"),
        ("ratings", "Mã dòng", "/id", "wrong-type", "cell-not-a-row-id"),
        ("tally-sheets", "Mã dòng", "/id", "idempotency-key-reused", "cell-row-id-used"),
        ("tally-sheets", "Cơ quan *", "/agency", "bad-code", "cell-not-a-code"),
        ("tally-sheets", "Cơ quan *", "/agency", "missing", "cell-empty"),
    ],
)
def test_what_cannot_be_read_is_told_in_the_words_of_the_sheet(
    kind, heading, pointer, code, expected
):
    (row,) = rows(f"{heading}\nx\n", kind)
    _, found, params = told(row, pointer, code)
    assert found == expected
    assert (params["row"], params["column"]) == (2, heading.partition(":")[0])


@pytest.mark.parametrize(
    ("kind", "heading", "cell", "expected"),
    [
        ("ratings", "rated_at", "31/9/2026", "cell-not-in-the-calendar"),
        ("ratings", "rated_at", "2026-02-30 08:00", "cell-not-in-the-calendar"),
        ("ratings", "rated_at", "07/18/2023", "cell-not-in-the-calendar"),
        ("ratings", "rated_at", "30/9/2026 25:00", "cell-not-a-moment"),
        ("tally-sheets", "period", "13/2026", "cell-not-in-the-calendar"),
        ("tally-sheets", "period", "Tháng 9", "cell-not-a-period"),
        ("tally-sheets", "period", "2026", "cell-not-a-period"),
    ],
)
def test_a_day_or_month_that_does_not_exist_is_told_as_such(kind, heading, cell, expected):
    (row,) = rows(f"{heading}\n{cell}\n", kind)
    code = "bad-instant" if heading == "rated_at" else "bad-period"
    assert told(row, f"/{heading}", code)[1] == expected


@pytest.mark.parametrize(
    ("heading", "cell", "shown"),
    [
        ("agency", " Sở Minh họa ", "Sở Minh họa"),
        ("agency", "x" * 41, None),
        ("agency", "Bà Năm 0905123456", None),
        ("counter", "Q\x1b5", None),
        ("comment", "Tốt", None),
        ("dossier", "000.00.15.H32-230712-0001", None),
        ("id", "1", None),
    ],
)
def test_a_cell_is_quoted_if_it_is_short_and_says_nothing_of_a_person(heading, cell, shown):
    (row,) = rows(f"{heading}\n{cell}\n")
    assert told(row, f"/{heading}", "unknown")[2].get("cell") == shown


def test_a_row_in_which_nothing_is_answered_is_told_which_columns_to_fill_in():
    rating, sheet = (
        rows(f"agency;{column}\nA1;\n", kind)[0]
        for column, kind in (("Câu hỏi q1", "ratings"), ("counts.q1.5", "tally-sheets"))
    )
    assert told(rating, "/answers", "missing")[1:] == (
        "cells-all-empty",
        {"row": 2, "columns": "Câu hỏi"},
    )
    assert told(sheet, "/counts", "missing")[2]["columns"] == "Số lượt"


def test_what_is_wrong_with_a_question_is_told_with_its_first_column():
    (row,) = rows("forms;Số lượt Q1.5;Số lượt Q1.4\n5;3;4\n", "tally-sheets")
    assert told(row, "/counts/Q1", "unknown-question")[2]["column"] == "Số lượt Q1.5"
    _, code, params = told(row, "/counts/Q1", "more-answers-than-forms", question="Q1")
    assert (code, params["question"]) == ("cells-exceed-forms", "Q1")


def test_a_heading_may_have_line_breaks_and_a_long_one_is_cut_at_a_word():
    (row,) = rows('agency;"Câu hỏi q1: Mức độ\n""dễ"" dàng"\nA1;5\n')
    assert row.fields == {"agency": "A1", "answers": {"q1": "5"}}
    assert (row.origin.line, row.origin.row) == (3, 2)
    assert codes(rows('agency;"Câu hỏi\nA1;5\n')) == [(2, "open-quote")]
    (unknown,) = rows("agency," + "từ dài " * 12 + "\nA1,x\n")
    assert unknown.fault.params["column"] == "từ dài " * 8 + "từ dài…"


REQUIRED = "agency,survey,channel,period,forms,counts.q1.5"


def all_of(content, kind="tally-sheets", form=Form.CSV):
    return list(judged(iter(rows(content, kind, form, Bounds())), kind))


def test_a_table_without_required_columns_ends_at_once_naming_them():
    (ended,) = all_of("survey,channel,period,forms\ns1,paper,10/2022,5\n" * 3)
    assert (ended.fault.code, ended.ends) == ("column-missing", True)
    assert ended.fault.params == {"columns": "Cơ quan, Số lượt"}
    assert len(all_of('{"forms": 1}\n{"forms": 2}\n', form=Form.NDJSON)) == 2


def test_a_tally_sheet_that_repeats_another_of_its_file_is_refused():
    sheets = REQUIRED + (
        ",counts.q1.4,accept.q1,id\n"
        "A1,s1,paper,10/2022,5,5,,,\n"
        "A1,s1,paper,10/2022,5,5,0,vì sao,\n"
        "A1,s1,paper,10/2022,5,5,,,t-2\n"
        "A1,s1,paper,10/2022,5,5,,,t-2\n"
        "A1,s1,paper,11/2022,5,5,,,\n"
    )
    found = all_of(sheets)
    assert codes(found) == [(3, "row-repeated")]
    assert told(found[1], "/id", "row-repeated")[2] == {"row": 3, "column": "id"}
    assert found[1].fault.params == {"earlier": 2}
    line = json.dumps({"forms": 1, "counts": {"q1": {"5": 1}}}) + "\n"
    assert codes(all_of(line * 3, form=Form.NDJSON)) == [(2, "row-repeated"), (3, "row-repeated")]
    assert codes(all_of(line * 3, "ratings", Form.NDJSON)) == []


@given(st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(), max_size=3))
def test_whatever_stands_where_counts_should_is_left_to_be_refused(counts):
    content = json.dumps({"counts": counts}) + "\n"
    for kind in ("tally-sheets", "ratings"):
        assert len(all_of(content, kind, Form.NDJSON)) == 1


def test_of_a_row_with_too_few_cells_only_that_is_told():
    heading = "agency;survey;dossier;channel;rated_at;answers.q1\n"
    short, whole = rows(heading + "A1;D1;tablet;18/07/2023;5\nA1;s1;D1;tablet;;\n")
    found = [Fault("/rated_at", "bad-instant"), Fault("/channel", "not-allowed")]
    (told_once,) = short.origin.unfit(found)
    _, fault = short.origin.sited(told_once)
    assert fault.code == "too-few-cells"
    assert fault.params == {"row": 2, "column": "channel", "cells": 5, "headings": 6}
    assert whole.origin.unfit(found) == found


def test_cells_that_only_look_alike_are_what_the_list_says():
    cell = unicodedata.normalize("NFD", "Máy tính bảng tại QUẦY")
    assert only(f"agency,channel\nA1,{cell}\n")["channel"] == "tablet"


def test_a_fault_of_a_published_index_is_told_with_its_own_row():
    content = INDEX + (
        "sipas;2022;A1;;access;Tiếp cận;70,69;17;18\nsipas;2022;A1;T;overall;Chung;101,5;13;18\n"
    )
    (row,) = rows(content, "published-indices")
    assert told(row, "/figures/1/value", "bad-format") == (
        3,
        "cell-not-a-percentage",
        {"row": 3, "column": "value", "cell": "101,5"},
    )
    assert told(row, "/title/vi", "too-long")[0] == 3
    assert told(row, "/agency", "agency-not-found") == (
        2,
        "agency-not-found",
        {"row": 2, "column": "agency", "cell": "A1"},
    )


def test_a_part_of_an_index_that_comes_too_late_is_told_as_such():
    def index(agency):
        return f"sipas;2022;{agency};T;overall;Chung;9;;\n"

    many = "".join(index(f"B{number}") for number in range(MOST_WAITING))
    found = rows(INDEX + index("A1") + many + index("A1"), "published-indices", bounds=Bounds())
    assert codes(found) == [(MOST_WAITING + 3, "rows-apart-late")]
    assert len(found) == MOST_WAITING + 2


def test_an_unknown_column_is_told_by_its_name_but_not_what_stands_in_a_file_without_headings():
    (named,) = rows("agency,colour\nA1,red\n")
    (unnamed,) = rows("A1,0905123456\n")
    assert named.fault.params == {"column": "colour"}
    assert unnamed.fault.params == {}


def test_rows_come_before_the_file_has_ended():
    def blocks():
        yield b'{"a":1}\n{"a":2'
        raise ConnectionResetError

    found = read(blocks(), "ratings", Form.NDJSON)
    assert next(found).fields == {"a": 1}
    with pytest.raises(ConnectionResetError):
        next(found)


def test_a_line_without_an_end_takes_no_more_memory_than_a_block():
    tracemalloc.start()
    blocks = (b"x" * 1_000_000 for _ in range(64))
    assert codes(read(blocks, "ratings", Form.NDJSON, Bounds(line=100))) == [(1, "line-too-long")]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16_000_000


def test_a_gzip_bomb_is_unpacked_a_piece_at_a_time():
    asked = 0

    def blocks():
        nonlocal asked
        packed = gzip.compress(b"x" * 60_000_000)
        for at in range(0, len(packed), 1000):
            asked += 1
            yield packed[at : at + 1000]

    (found,) = read(blocks(), "ratings", Form.NDJSON, Bounds(line=100, total=5_000_000))
    assert found.fault.code == "file-too-large"
    assert asked < 10


@given(st.binary(max_size=300), st.sampled_from(["ratings", "tally-sheets", "published-indices"]))
def test_whatever_the_bytes_reading_never_fails(content, kind):
    for form in Form:
        for row in rows(b"agency,period\n" + content, kind, form):
            assert isinstance(row, Line | Broken)
        for row in rows(content, kind, form):
            if isinstance(row, Broken):
                texts.say("vi", f"{row.fault.code}:detail", **row.fault.params)


def test_all_that_can_be_wrong_with_a_file_is_explained_in_both_languages():
    folder = Path(reading.__file__).parent
    source = "".join((folder / f"{name}.py").read_text("utf-8") for name in READERS)
    found = set(re.findall(r'(?:Error\(|Fault\("", |return (?=.bad-))"([a-z-]+)"', source))
    found |= set(re.findall(r'"((?:rows?|cells?)-[a-z-]+)"', source))
    assert len(found) == 32
    for language in texts.LANGUAGES:
        for code in found:
            assert {code, f"{code}:detail", f"{code}:help"} <= set(texts.catalogue(language)), code
