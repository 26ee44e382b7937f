"""Workbooks to fill in, from which rows are imported."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from app.api.deps import CatalogueReader, Session
from app.api.errors import problems
from app.api.schemas import Code
from app.bulk.templates import USUAL, Asked, Surveyed, template
from app.db import surveys
from app.db.surveys import SurveyForm
from app.domain.errors import SurveyNotFoundError

router = APIRouter(prefix="/v1/imports", tags=["imports"])

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOK = {"schema": {"type": "string", "format": "binary"}, "example": "PK\u0003\u0004"}


@router.get(
    "/{kind}/template.xlsx",
    operation_id="get_import_template",
    response_class=Response,
    responses={
        200: {"content": {XLSX: WORKBOOK}, "description": "The workbook"},
        **problems(SurveyNotFoundError),
    },
)
async def get_import_template(
    kind: Literal["ratings", "dossiers", "tally-sheets", "published-indices"],
    session: Session,
    _caller: CatalogueReader,
    survey: Annotated[
        Code | None, Query(description="Whose questions are the columns (ratings, tally sheets)")
    ] = None,
) -> Response:
    """An Excel workbook with the columns of such rows, explained in Vietnamese and English.

    Filled in and saved as CSV it is what `POST /v1/imports/{kind}` takes.
    """
    asked = USUAL
    if survey is not None:
        (form,) = await surveys.with_forms(session, [survey], "/query/survey")
        asked = _asked(form)
    headers = {
        "Content-Disposition": f'attachment; filename="{kind}.xlsx"',
        "Cache-Control": "no-cache",
    }
    return Response(template(kind, asked), headers=headers, media_type=XLSX)


def _asked(form: SurveyForm) -> Surveyed:
    questions = [
        Asked(
            question.code,
            question.text["vi"],
            {option.code: option.label["vi"] for option in question.options},
        )
        for question in form.questionnaire.questions
    ]
    return Surveyed(form.survey.code, questions)
