"""Figures as CSV: who is given it, and rows that stand for themselves."""

import csv
import io

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st

from app.api.tables import (
    INDEX_COLUMNS,
    RANKING_COLUMNS,
    csv_answer,
    rows_of_indices,
    rows_of_ranking,
    wants_csv,
)

FINDINGS = [
    {"code": "more-answers-than-forms", "detail": "15 > 13", "reason": "as published"},
    {"code": "forms-differ-from-distribution", "detail": "13, 17", "reason": None},
]
INDICES = {
    "agency": {"code": "A1", "name": "Sở Công Thương"},
    "period": {"first": "2026-01-01", "last": "2026-03-31"},
    "surveys": ["s1", "s2"],
    "source": None,
    "method": {"id": "top2-share@1", "name": "Tỷ lệ hài lòng và rất hài lòng"},
    "base": "answers",
    "minimum_n": 5,
    "as_of": "2026-06-15T17:00:00+07:00",
    "edition": None,
    "forms": {"issued": 30, "returned": 29, "valid": 28, "response_rate": 96.67},
    "figures": [
        {
            "level": "overall",
            "code": "overall",
            "questionnaire": None,
            "name": "Chỉ số hài lòng chung",
            "value": 81.0,
            "numerator": 162,
            "denominator": 200,
            "n": 200,
            "ci_low": 75.02,
            "ci_high": 85.83,
            "status": "ok",
            "target": 82.25,
            "gap": -1.25,
            "met": False,
            "response_rate": 96.67,
            "share_rated": None,
            "findings": FINDINGS,
            "options": [{"code": "5", "label": "Rất hài lòng", "count": 18, "share": 60.0}],
            "rank": None,
            "peer_count": None,
        }
    ],
}
RANKING = {
    "peer_group": "so-ban-nganh",
    "peer_count": 3,
    "criterion": "access",
    "period": {"first": "2026-01-01", "last": "2026-12-31"},
    "surveys": ["s1"],
    "source": None,
    "method": {"id": "top2-share@1", "name": "Tỷ lệ"},
    "base": "forms",
    "minimum_n": 5,
    "view": "as_was",
    "rank_basis": "computed",
    "as_of": "2026-06-15T17:00:00+07:00",
    "edition": "2026-q1",
    "rows": [
        {
            "rank": 1,
            "rank_low": 1,
            "rank_high": 2,
            "tied_with": ["A2", "A3"],
            "agency": {"code": "A1", "name": "Sở Công Thương"},
            "value": 91.2,
            "numerator": 1094,
            "denominator": 1200,
            "n": 1204,
            "ci_low": 89.5,
            "ci_high": 92.6,
            "target": None,
            "gap": None,
            "met": True,
            "response_rate": 50.0,
            "share_rated": 12.5,
            "findings": [],
            "gap_to_next": 0.4,
            "improvement": {"criterion": "cost", "name": "Chi phí", "value": 70.5, "lift": 1.2},
            "change": {
                "value": -1.3,
                "rank": -2,
                "comparable": False,
                "reasons": ["peers-differ", "method-differs"],
            },
        },
        {"rank": None, "tied_with": [], "agency": {"code": "A2", "name": "B"}, "value": 90.0},
    ],
    "unranked": [{"agency": {"code": "A3", "name": "C"}, "status": "too_few", "n": 3}],
}


def asking(*accept):
    headers = [(b"accept", one.encode()) for one in accept]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    "accept",
    [
        "text/csv",
        "TEXT/CSV",
        "text/*",
        "text/csv;header=present",
        "text/csv; charset=utf-8; q=0.8, application/json; q=0.7",
        "application/json;q=0.999, text/csv",
        "application/json;q=0, */*",
        "text/csv, */*",
        "text/html, text/csv;q=0.1",
        "application/*;q=0.5, text/csv;q=0.6",
        "application/json;q=unreadable, text/csv;q=0.001",
        "text/csv;q=0.2, text/csv;header=absent;q=0.1, application/json;q=0.15",
    ],
)
def test_csv_is_for_those_who_prefer_it(accept):
    assert wants_csv(asking(accept))


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, text/csv",
        "text/csv;q=0.5, application/json;q=0.9",
        "text/csv;q=0.5, */*",
        "text/csv;q=0",
        "text/csv;q=0.0, text/*",
        "text/csv;q=2",
        "text/csv;q=nan",
        "text/csv;q=",
        "text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8",
        "text/plain",
        "application/csv",
        "text/csv-schema",
        ";;,,",
    ],
)
def test_json_is_for_everybody_else(accept):
    assert not wants_csv(asking(accept))


def test_who_says_nothing_gets_json():
    assert not wants_csv(asking())


def test_a_wish_may_stand_in_several_headers():
    assert wants_csv(asking("application/json;q=0.5", "text/csv"))
    assert not wants_csv(asking("text/csv;q=0.5", "application/json"))


qualities = st.integers(0, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}")


@given(qualities, qualities, st.permutations(["text/csv", "application/json", "text/html"]))
def test_the_greater_wish_wins_in_whatever_order(for_csv, for_json, order):
    wishes = {"text/csv": for_csv, "application/json": for_json, "text/html": "1"}
    accept = ", ".join(f"{kind};q={wishes[kind]}" for kind in order)
    assert wants_csv(asking(accept)) == (for_csv > for_json)


def read(answer):
    return list(csv.reader(io.StringIO(answer.body.decode(), newline=""), strict=True))


def tagged():
    response = Response()
    response.headers["ETag"] = 'W/"abc"'
    response.headers["Vary"] = "Accept-Language, Authorization"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def test_an_answer_keeps_its_headers_and_varies_with_what_is_accepted():
    answer = csv_answer(["a"], [{"a": 1}], "ranking", tagged())
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ranking.csv"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Accept-Language, Authorization, Accept"
    assert answer.headers["Content-Length"] == str(len(answer.body))


def test_csv_and_json_of_the_same_figures_have_different_etags():
    assert csv_answer(["a"], [], "ranking", tagged()).headers["ETag"] == 'W/"abc-csv"'
    assert "ETag" not in csv_answer(["a"], [], "ranking", Response()).headers


@pytest.mark.parametrize(("said", "vary"), [(None, "Accept"), ("Origin, Accept", "Origin, Accept")])
def test_accept_stands_once_in_vary(said, vary):
    response = Response(headers={"Vary": said} if said else None)
    assert csv_answer(["a"], [], "ranking", response).headers["Vary"] == vary


def test_cells_are_written_as_json_writes_them_and_nothing_is_empty():
    row = {"a": None, "b": True, "c": False, "d": 100.0, "e": 30, "f": ["x", "y"], "g": [], "z": 1}
    answer = csv_answer([*"abcdefgh"], [row], "cells", Response())
    assert read(answer) == [[*"abcdefgh"], ["", "true", "false", "100.0", "30", "x;y", "", ""]]


def test_texts_that_begin_like_a_formula_are_quoted_and_negative_numbers_are_not():
    row = {"a": "-1+1", "b": -1.25, "c": -3, "d": ["@x", "y"], "e": "a=b", "f": "＝1"}
    answer = csv_answer([*"abcdef"], [row], "cells", Response())
    assert read(answer)[1] == ["'-1+1", "-1.25", "-3", "'@x;y", "a=b", "'＝1"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_text_is_read_back(texts):
    columns = [str(place) for place in range(len(texts))]
    answer = csv_answer(columns, [dict(zip(columns, texts, strict=True))], "texts", Response())
    heading, cells = read(answer)
    assert heading == columns
    assert [cell.removeprefix("'") for cell in cells] == [text.removeprefix("'") for text in texts]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_a_row_of_indices_stands_for_itself():
    (row,) = rows_of_indices(INDICES)
    assert row == {
        "agency": "A1",
        "agency_name": "Sở Công Thương",
        "period": "2026-01-01/2026-03-31",
        "period_first": "2026-01-01",
        "period_last": "2026-03-31",
        "criterion": "overall",
        "level": "overall",
        "code": "overall",
        "name": "Chỉ số hài lòng chung",
        "questionnaire": None,
        "status": "ok",
        "value": 81.0,
        "numerator": 162,
        "denominator": 200,
        "n": 200,
        "ci_low": 75.02,
        "ci_high": 85.83,
        "target": 82.25,
        "gap": -1.25,
        "met": False,
        "response_rate": 96.67,
        "share_rated": None,
        "findings": ["more-answers-than-forms", "forms-differ-from-distribution"],
        "rank": None,
        "peer_count": None,
        "forms_issued": 30,
        "forms_returned": 29,
        "forms_valid": 28,
        "surveys": ["s1", "s2"],
        "source": None,
        "method": "top2-share@1",
        "method_name": "Tỷ lệ hài lòng và rất hài lòng",
        "base": "answers",
        "minimum_n": 5,
        "as_of": "2026-06-15T17:00:00+07:00",
        "edition": None,
    }
    assert tuple(row) == INDEX_COLUMNS


@pytest.mark.parametrize(
    ("level", "code", "criterion"),
    [
        ("overall", "overall", "overall"),
        ("criterion", "access", "access"),
        ("month", "2026-01", "overall"),
        ("channel", "online", "overall"),
        ("question", "q1", None),
        ("option", "q1:5", None),
    ],
)
def test_a_figure_names_the_criterion_that_it_is_of(level, code, criterion):
    answer = INDICES | {"figures": [{"level": level, "code": code, "status": "pending"}]}
    (row,) = rows_of_indices(answer)
    assert (row["criterion"], row["code"], row["status"]) == (criterion, code, "pending")


def test_an_agency_without_figures_has_no_rows():
    assert rows_of_indices(INDICES | {"figures": []}) == []


def test_a_ranked_agencys_row_stands_for_itself():
    row = rows_of_ranking(RANKING)[0]
    assert row == {
        "peer_group": "so-ban-nganh",
        "peer_count": 3,
        "period": "2026-01-01/2026-12-31",
        "period_first": "2026-01-01",
        "period_last": "2026-12-31",
        "criterion": "access",
        "agency": "A1",
        "agency_name": "Sở Công Thương",
        "rank": 1,
        "rank_low": 1,
        "rank_high": 2,
        "tied_with": ["A2", "A3"],
        "rank_basis": "computed",
        "status": "ok",
        "value": 91.2,
        "numerator": 1094,
        "denominator": 1200,
        "n": 1204,
        "ci_low": 89.5,
        "ci_high": 92.6,
        "target": None,
        "gap": None,
        "met": True,
        "response_rate": 50.0,
        "share_rated": 12.5,
        "findings": [],
        "gap_to_next": 0.4,
        "improvement_criterion": "cost",
        "improvement_name": "Chi phí",
        "improvement_value": 70.5,
        "improvement_lift": 1.2,
        "change_value": -1.3,
        "change_rank": -2,
        "change_comparable": False,
        "change_reasons": ["peers-differ", "method-differs"],
        "view": "as_was",
        "surveys": ["s1"],
        "source": None,
        "method": "top2-share@1",
        "method_name": "Tỷ lệ",
        "base": "forms",
        "minimum_n": 5,
        "as_of": "2026-06-15T17:00:00+07:00",
        "edition": "2026-q1",
    }
    assert tuple(row) == RANKING_COLUMNS


def test_an_unranked_agency_has_a_row_with_its_status_and_no_value():
    unranked = rows_of_ranking(RANKING)[-1]
    assert (unranked["agency"], unranked["status"], unranked["n"]) == ("A3", "too_few", 3)
    assert (unranked["rank"], unranked["value"], unranked["criterion"]) == (None, None, "access")
    assert (unranked["method"], unranked["edition"]) == ("top2-share@1", "2026-q1")


def test_what_an_agency_has_not_is_empty_in_its_row():
    plain = rows_of_ranking(RANKING)[1]
    assert (plain["agency"], plain["status"], plain["value"]) == ("A2", "ok", 90.0)
    empty = ("rank", "rank_low", "gap_to_next", "improvement_name", "change_comparable", "met")
    assert {plain[column] for column in empty} == {None}
    without = {"improvement": None, "change": None}
    assert rows_of_ranking(RANKING | {"rows": [RANKING["rows"][1] | without]})[0] == plain


def test_a_ranking_of_nobody_still_has_its_columns():
    rows = rows_of_ranking(RANKING | {"rows": [], "unranked": []})
    assert read(csv_answer(RANKING_COLUMNS, rows, "ranking", Response())) == [[*RANKING_COLUMNS]]
