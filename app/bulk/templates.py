"""An Excel workbook to fill in: typed columns with lists to choose from, and how to send it."""

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from app.bulk.column import MANY, Column, Holds
from app.bulk.columns import COLUMNS, PUBLISHED, SHEETS

DATA, GUIDE, LISTS = "Dữ liệu", "Hướng dẫn", "Danh mục"
ROWS = 1_048_576  # of a sheet
WIDEST, NARROW = 45, 14
REQUIRED = "#FFF2CC"  # what a required column's heading is filled with
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

_STEPS = (
    (
        "1. Điền trang “Dữ liệu”: mỗi dòng một bản ghi. Xóa dòng ví dụ (chữ nghiêng).",
        "1. Fill in the sheet “Dữ liệu”, a record on each row. Delete the example (in italics).",
    ),
    (
        "2. Mở trang “Dữ liệu”, chọn Tệp > Lưu thành (Save As), loại “CSV UTF-8”.",
        "2. Go to the sheet “Dữ liệu”, then File > Save As, type “CSV UTF-8”.",
    ),
    (
        "3. Gửi tệp .csv cho đơn vị vận hành, hoặc tự nhập: hailong import {kind} TỆP.csv.",
        "3. Send the .csv file to who runs the service, or: hailong import {kind} FILE.csv.",
    ),
    (
        "4. Nên nhập thử trước (--dry-run, ?dry_run=true): kiểm tra mà không lưu gì.",
        "4. Try it first (--dry-run, ?dry_run=true): it is checked and nothing is stored.",
    ),
    (
        "Không đổi tên cột; được xóa cột không bắt buộc, được đổi thứ tự cột. Dấu *: bắt buộc.",
        "Keep the names of columns; those not required may be deleted, their order may change.",
    ),
)
_APART = (
    "Các dòng của cùng một nguồn, kỳ và cơ quan phải liền nhau.",
    "Rows of the same source, period and agency must stand together.",
)


class Asked(NamedTuple):
    """A question of a survey: its code, its text in Vietnamese, and its options with theirs."""

    code: str
    text: str
    options: Mapping[str, str]


class Surveyed(NamedTuple):
    """A survey and what it asks."""

    code: str
    questions: Sequence[Asked]


LEVELS = {
    "5": "Rất hài lòng",
    "4": "Hài lòng",
    "3": "Bình thường",
    "2": "Không hài lòng",
    "1": "Rất không hài lòng",
}
USUAL = Surveyed("tthc-2023", [Asked(code, "", LEVELS) for code in ("q1", "q2")])


class _Filled(NamedTuple):
    """A column as it stands in the workbook, what is noted on its heading, and its example."""

    column: Column
    heading: str
    note: str
    example: str
    choices: Sequence[str] = ()


def template(kind: str, survey: Surveyed = USUAL) -> bytes:
    """The workbook (XLSX) for rows of this kind, with columns for what the survey asks."""
    written, columns = io.BytesIO(), list(_columns(kind, survey))
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        # The same columns give the same bytes.
        book.set_properties({"title": f"hailong: {kind}", "created": _LONG_AGO})
        data, guide, lists = (book.add_worksheet(name) for name in (DATA, GUIDE, LISTS))
        lists.hide()
        _fill_data(book, data, columns, frozen=_leading(columns) if kind == SHEETS else 0)
        for place, filled in enumerate(columns):
            _restrict(data, lists, place, filled)
        _fill_guide(book, guide, kind, survey.code)
    return written.getvalue()


def _columns(kind: str, survey: Surveyed) -> Iterator[_Filled]:
    for column in COLUMNS[kind]:
        if column.stem == "answers":
            yield from (_answer(column, asked) for asked in survey.questions)
        elif column.stem == "counts":
            for asked in survey.questions:
                yield from _counts(column, asked)
        elif not column.many:
            heading = column.heading[0] + (" *" if column.required else "")
            shown = survey.code if column.name == "survey" else column.example
            words = [*column.choices.values()]
            yield _Filled(column, heading, _note(column), column.choices.get(shown, shown), words)


def _note(column: Column, *more: str) -> str:
    return "\n".join([*filter(None, more), *column.explained])


def _answer(column: Column, asked: Asked) -> _Filled:
    options = [f"{code}: {label}" for code, label in asked.options.items()]
    note = _note(column, asked.text, *options)
    codes = [*asked.options]
    return _Filled(column, _heading(column, asked.code, asked.text), note, codes[0], codes)


def _heading(column: Column, key: str, words: str) -> str:
    """What the column is called; reading goes by what stands before the colon."""
    name = f"{column.heading[0]} {key}"
    return f"{name}: {' '.join(words.split())}" if words else name


def _counts(column: Column, asked: Asked) -> Iterator[_Filled]:
    """A column for each option; in the example all chose the first, so that it adds up."""
    for place, (code, label) in enumerate(asked.options.items()):
        words = " – ".join(filter(None, (asked.text, label)))
        heading = _heading(column, f"{asked.code}.{code}", words)
        yield _Filled(
            column, heading, _note(column, asked.text, label), "0" if place else column.example
        )


def _leading(columns: Sequence[_Filled]) -> int:
    """How many columns stand before the first of a question, which there are many of."""
    return next((place for place, one in enumerate(columns) if one.column.many), 0)


def _width(filled: _Filled) -> int:
    if filled.column.many and filled.column.holds is Holds.COUNT:
        return NARROW
    return min(WIDEST, max(len(filled.heading), len(filled.example)) + 2)


def _fill_data(
    book: Workbook, sheet: Worksheet, columns: Sequence[_Filled], *, frozen: int
) -> None:
    heading = {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1}
    bold, must = (book.add_format(heading | more) for more in ({}, {"bg_color": REQUIRED}))
    shown = {"italic": True, "font_color": "#666666"}
    # Excel would make numbers and days of codes, and change them: 2.000260, 2022-10, 08/07/2023.
    whole, plain = {"num_format": "0"}, {"num_format": "@"}
    formats = {form is whole: book.add_format(form) for form in (whole, plain)}
    examples = {form is whole: book.add_format(form | shown) for form in (whole, plain)}
    sheet.freeze_panes(1, frozen)
    for place, filled in enumerate(columns):
        counted = filled.column.holds is Holds.COUNT
        required = filled.column.required and not filled.column.many
        sheet.set_column(place, place, _width(filled), formats[counted])
        sheet.write_string(0, place, filled.heading, must if required else bold)
        sheet.write_comment(0, place, filled.note, {"x_scale": 2.5, "y_scale": 1.5})
        if counted and filled.example:
            sheet.write_number(1, place, int(filled.example), examples[counted])
        else:
            sheet.write_string(1, place, filled.example, examples[counted])


def _restrict(data: Worksheet, lists: Worksheet, place: int, filled: _Filled) -> None:
    """Let only what is right be typed into a column, where a list or a number is wanted."""
    rule: dict[str, Any] = {"validate": "integer", "criteria": ">=", "value": 0}
    told = "Chỉ nhập số nguyên, không dấu chấm."
    if filled.choices:
        told = "Chọn một giá trị trong danh sách."
        lists.write_column(0, place, filled.choices)
        name = xl_col_to_name(place, col_abs=True)
        rule = {"validate": "list", "source": f"='{LISTS}'!{name}$1:{name}${len(filled.choices)}"}
    elif filled.column.holds is not Holds.COUNT:
        return
    refusal = {"error_title": "Giá trị không hợp lệ", "error_message": told}
    data.data_validation(1, place, ROWS - 1, place, rule | refusal)


def _fill_guide(book: Workbook, sheet: Worksheet, kind: str, survey: str) -> None:
    bold = book.add_format({"bold": True, "valign": "top", "bottom": 1})
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    for place, width in enumerate((28, 24, 10, 62, 62, 28)):
        sheet.set_column(place, place, width, wrapped)
    steps = [*_STEPS, *([_APART] if kind == PUBLISHED else [])]
    for row, (vietnamese, english) in enumerate(steps):
        for place, said in ((0, vietnamese), (4, english)):
            sheet.merge_range(
                row, place, row, 3 if place == 0 else 5, said.format(kind=kind), wrapped
            )
        sheet.set_row(row, 32)
    first = len(steps) + 1
    sheet.write_row(
        first, 0, ("Cột", "Field", "Bắt buộc", "Giải thích", "Explanation", "Ví dụ"), bold
    )
    for row, column in enumerate(COLUMNS[kind], first + 1):
        shown = survey if column.name == "survey" else column.example
        words = "; ".join(column.choices.values())
        codes = ", ".join(column.choices)
        told = (
            column.heading[0],
            column.name.replace(MANY, ".…"),
            "x" if column.required else "",
            f"{column.explained[0]} {words}".strip(),
            f"{column.explained[1]} {codes}".strip(),
            column.choices.get(shown, shown),
        )
        for place, said in enumerate(told):
            sheet.write_string(row, place, said, wrapped)
