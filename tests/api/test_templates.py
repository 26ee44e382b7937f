import io

import pytest
from openpyxl import load_workbook

from app.bulk.columns import KINDS


def headings(answer):
    assert answer.status_code == 200, answer.text
    sheet = load_workbook(io.BytesIO(answer.content))["Dữ liệu"]
    return [cell.value for cell in sheet[1]]


@pytest.mark.parametrize("kind", KINDS)
async def test_there_is_a_workbook_for_every_kind_of_rows(client, kind):
    answer = await client.get(f"/v1/imports/{kind}/template.xlsx")
    assert "Cơ quan *" in headings(answer)
    assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert f'filename="{kind}.xlsx"' in answer.headers["Content-Disposition"]


async def test_a_surveys_questions_and_options_are_the_columns(make, client):
    await make.agency("A1")
    await make.survey("s1")
    ratings = headings(await client.get("/v1/imports/ratings/template.xlsx?survey=s1"))
    assert [name for name in ratings if name.startswith("Câu hỏi")] == [
        "Câu hỏi q1: Câu hỏi q1",
        "Câu hỏi q2: Câu hỏi q2",
    ]
    sheets = headings(await client.get("/v1/imports/tally-sheets/template.xlsx?survey=s1"))
    assert [name.partition(":")[0] for name in sheets[-3:-1]] == ["Số lượt q2.1", "Số lượt q2.na"]


async def test_what_is_not_there_has_no_workbook(make, client):
    for path, status in (("ratings/template.xlsx?survey=s9", 404), ("x/template.xlsx", 422)):
        assert (await client.get(f"/v1/imports/{path}")).status_code == status
    other = await make.caller("indices:read")
    assert (await other.get("/v1/imports/ratings/template.xlsx")).status_code == 403
