import csv
import io

import pytest
from openpyxl import load_workbook

from app.api.dossier_schemas import DossierIn, EventIn
from app.api.published_indices import PublishedIndexIn
from app.api.rating_schemas import RatingIn
from app.api.schemas import Channel, ServiceChannel
from app.api.tally_sheets import TallySheetIn
from app.bulk.columns import COLUMNS, KINDS, RATED_ON, SERVED_BY
from app.bulk.reading import Form, read
from app.bulk.rows import Line
from app.bulk.templates import Asked, Surveyed, template

SURVEY = Surveyed(
    "sct-2022-a",
    [
        Asked("q1", "Mức độ dễ dàng", {"5": "Rất dễ dàng", "na": "Không áp dụng"}),
        Asked("q1.2", "Thời gian", {"yes": "Có", "no": "Không"}),
    ],
)


def opened(kind, survey=SURVEY):
    return load_workbook(io.BytesIO(template(kind, survey)))


def saved(kind, delimiter=";"):
    """The first sheet as Excel saves it as CSV UTF-8."""
    written = io.StringIO()
    rows = [
        ["" if value is None else str(value) for value in row]
        for row in opened(kind)["Dữ liệu"].iter_rows(values_only=True)
    ]
    csv.writer(written, delimiter=delimiter).writerows(rows)
    return written.getvalue().encode("utf-8-sig")


def example(kind):
    (row,) = read([saved(kind)], kind, Form.CSV)
    assert isinstance(row, Line), row
    return row.fields


def test_the_example_of_ratings_is_a_rating():
    rating = RatingIn.model_validate(example("ratings"))
    rating.check()
    assert rating.survey == "sct-2022-a"
    assert rating.answers == {"q1": "5", "q1.2": "yes"}
    assert rating.rated_at is not None


def test_the_example_of_dossiers_is_a_dossier_that_was_returned():
    fields = example("dossiers")
    events = [EventIn.model_validate(event) for event in fields.pop("events")]
    assert (fields.pop("agency"), fields.pop("code")) == ("VI-DU", "000.00.15.H32-230712-0001")
    dossier = DossierIn.model_validate(fields)
    assert [event.type for event in events] == ["finished", "result_returned"]
    assert dossier.received_at < events[0].at < events[1].at


def test_the_example_of_tally_sheets_adds_up():
    sheet = TallySheetIn.model_validate(example("tally-sheets"))
    assert sheet.channel == "paper"
    headings = [cell.value for cell in opened("tally-sheets")["Dữ liệu"][1]]
    assert headings[-2:] == ["Số lượt q1.2.no: Thời gian – Không", "Mã dòng"]
    assert sheet.counts == {"q1": {"5": 13, "na": 0}, "q1.2": {"yes": 13, "no": 0}}
    assert sheet.forms == 13


def test_the_example_of_published_indices_is_one():
    fields = example("published-indices")
    assert [fields.pop(name) for name in ("source", "period", "agency")] == [
        "sipas",
        "2022",
        "VI-DU",
    ]
    (figure,) = PublishedIndexIn.model_validate(fields).figures
    assert figure.value == "81.75"


@pytest.mark.parametrize("kind", KINDS)
def test_codes_and_days_stay_as_they_were_typed(kind):
    sheet = opened(kind)["Dữ liệu"]
    assert sheet.freeze_panes == ("F2" if kind == "tally-sheets" else "A2")
    for place, cell in enumerate(sheet[2]):
        counted = isinstance(cell.value, int)
        assert cell.number_format == ("0" if counted else "@"), place
        assert sheet[1][place].comment is not None


def test_what_may_stand_in_a_column_can_be_chosen_from_a_list():
    book = opened("ratings")
    sheet, lists = book["Dữ liệu"], book["Danh mục"]
    offered = {}
    for rule in sheet.data_validations.dataValidation:
        column = str(rule.sqref).split(":")[0].rstrip("0123456789")
        cells = lists[rule.formula1.split("!")[1].replace("$", "")]
        offered[sheet[f"{column}1"].value] = [cell.value for (cell,) in cells]
    assert offered == {
        "Kênh đánh giá *": list(RATED_ON.values()),
        "Câu hỏi q1: Mức độ dễ dàng": ["5", "na"],
        "Câu hỏi q1.2: Thời gian": ["yes", "no"],
    }
    assert lists.sheet_state == "hidden"


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_explains_every_column_in_both_languages(kind):
    told = [row for row in opened(kind)["Hướng dẫn"].iter_rows(values_only=True) if row[0]]
    for column in COLUMNS[kind]:
        row = next(row for row in told if row[0] == column.heading[0])
        assert row[1].removesuffix(".…") == column.stem
        assert row[3].startswith(column.explained[0])
        assert row[4].startswith(column.explained[1])
        shown = SURVEY.code if column.name == "survey" else column.example
        assert (row[5] or "") == column.choices.get(shown, shown)
    assert any("CSV UTF-8" in row[0] for row in told)


@pytest.mark.parametrize("kind", ["ratings", "tally-sheets"])
def test_the_row_id_stands_last_and_is_said_to_be_no_running_number(kind):
    sheet = opened(kind)["Dữ liệu"]
    assert sheet[1][-1].value == "Mã dòng"
    assert "không phải số thứ tự" in sheet[1][-1].comment.text


def test_what_must_be_filled_in_is_coloured_and_counts_are_narrow():
    sheet = opened("tally-sheets")["Dữ liệu"]
    filled = {cell.value for cell in sheet[1] if cell.fill.fill_type}
    assert filled == {cell.value for cell in sheet[1] if cell.value.endswith("*")}
    count = next(cell for cell in sheet[1] if cell.value.startswith("Số lượt"))
    assert count.alignment.wrap_text
    assert sheet.column_dimensions[count.column_letter].width < 16


def test_what_is_typed_in_wrongly_is_answered_with_the_rule():
    said = {
        rule.type: rule.error
        for rule in opened("tally-sheets")["Dữ liệu"].data_validations.dataValidation
    }
    assert said == {
        "list": "Chọn một giá trị trong danh sách.",
        "whole": "Chỉ nhập số nguyên, không dấu chấm.",
    }


def test_the_same_questions_give_the_same_bytes():
    assert template("ratings", SURVEY) == template("ratings", SURVEY)


def test_the_lists_are_those_of_the_requests():
    assert set(RATED_ON) == set(Channel.__args__)
    assert set(SERVED_BY) == set(ServiceChannel.__args__)
