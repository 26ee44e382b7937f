"""Satisfaction indices of one agency: as a whole, in its parts, and broken down."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field

from app.api import index_sources
from app.api.deps import Chosen, IndexReader, Language, Now, ReferenceKey, Session
from app.api.errors import problems
from app.api.explanations import explanation_out
from app.api.figures import AgencyRef, FigureOut, IndexQuery, agency_ref, figure_out, tag_figures
from app.api.index_sources import Reader, Shown
from app.api.methods import MethodRef, method_ref
from app.api.schemas import Moment, Out, PeriodOut, example
from app.api.tables import INDEX_COLUMNS, csv_answer, csv_described, rows_of_indices, wants_csv
from app.domain.errors import (
    AgencyNotFoundError,
    InvalidError,
    MethodNotApplicableError,
    MethodNotFoundError,
    SurveyNotFoundError,
)
from app.domain.figure import Terms
from app.domain.measure import Base
from app.domain.profiles import REGIMES

router = APIRouter(prefix="/v1/indices", tags=["figures"])

OVERALL = {
    "agency": {"code": "H32.15", "name": "Sở Công Thương"},
    "period": {"first": "2022-01-01", "last": "2022-12-31"},
    "surveys": ["sct-2022-a", "sct-2022-b"],
    "source": None,
    "method": {
        "id": "overall-question@1",
        "name": "Câu hỏi đánh giá chung",
        "regime": "ratings",
        "regime_name": "Kết quả đánh giá, khảo sát do hệ thống này thu nhận",
        "unit": "percent",
    },
    "base": "answers",
    "minimum_n": 5,
    "as_of": "2022-12-31T10:00:00+07:00",
    "edition": None,
    "forms": {"issued": 30, "returned": 30, "valid": 30, "response_rate": 100.0},
    "dossiers": {
        "received": 0,
        "returned": 0,
        "late": 0,
        "invited": 0,
        "opened": 0,
        "rated": 0,
        "share_rated": None,
    },
    "figures": [
        {
            "level": "overall",
            "code": "overall",
            "questionnaire": None,
            "name": "Chỉ số hài lòng chung",
            "value": 100.0,
            "numerator": 30,
            "denominator": 30,
            "n": 30,
            "ci_low": 88.65,
            "ci_high": 100.0,
            "status": "ok",
            "target": 83.0,
            "gap": 17.0,
            "met": True,
            "response_rate": 100.0,
            "share_rated": None,
            "findings": [],
            "options": [
                {"code": "5", "label": "Rất hài lòng", "count": 18, "share": 60.0},
                {"code": "4", "label": "Hài lòng", "count": 12, "share": 40.0},
            ],
            "rank": None,
            "peer_count": None,
        }
    ],
}


class FormsOut(Out):
    """Forms of the surveys: how many went out, came back, and count."""

    issued: int | None
    returned: int | None
    valid: int | None = Field(description="Number of forms that count; null: of a source")
    response_rate: float | None


class DossiersOut(Out):
    """Dossiers of the period, whatever the survey: how many came how far."""

    received: int = Field(description="Number of dossiers received in the period")
    returned: int = Field(description="Number whose result was returned in the period")
    late: int = Field(description="Of those returned, after the appointment in force")
    invited: int = Field(description="Of those returned, with an invitation to rate")
    opened: int = Field(description="Of those returned, whose invitation was opened")
    rated: int = Field(description="Of those returned, rated by whatever way")
    share_rated: float | None


class IndicesOut(Out):
    """Figures of an agency, with the method that made them and the moment they are true of."""

    model_config = ConfigDict(json_schema_extra=example(OVERALL))

    agency: AgencyRef = Field(description="The agency that the figures are of")
    period: PeriodOut
    surveys: list[str]
    source: str | None
    method: MethodRef
    base: Base
    minimum_n: int = Field(description="Figures that rest on fewer people are withheld")
    as_of: Moment
    edition: str | None
    forms: FormsOut = Field(description="How many forms the figures rest on")
    dossiers: DossiersOut = Field(description="Dossiers of the period, whatever the survey")
    figures: list[FigureOut] = Field(
        description="In the order of the form, or of what they are broken down by"
    )


@router.get(
    "",
    operation_id="get_indices",
    response_model=IndicesOut,
    responses={
        200: csv_described(INDEX_COLUMNS),
        **problems(
            AgencyNotFoundError,
            SurveyNotFoundError,
            MethodNotFoundError,
            MethodNotApplicableError,
            InvalidError,
        ),
    },
)
async def get_indices(
    query: Annotated[IndexQuery, Query()],
    request: Request,
    response: Response,
    session: Session,
    caller: IndexReader,
    language: Language,
    moment: Now,
    chosen: Chosen,
    secret: ReferenceKey,
) -> IndicesOut | Response:
    """Satisfaction indices of an agency, from its surveys or from a published source.

    With `Accept: text/csv` a table with a row for each figure.
    """
    query.check()
    caller.check_agency(query.agency, "/query/agency")
    terms = Terms(query.months, query.base, chosen.minimum_n)
    reader = Reader(caller, terms)
    if query.method in REGIMES:
        found = await index_sources.profiled(session, query, reader, secret)
    else:
        made = index_sources.counted if query.source is None else index_sources.printed
        found = await made(session, query, reader)
    answer = IndicesOut(
        agency=agency_ref(found.agency, language),
        period=PeriodOut.model_validate(query.months),
        surveys=query.survey,
        source=query.source,
        method=method_ref(found.method, query.source, language),
        base=query.base,
        minimum_n=chosen.minimum_n,
        as_of=moment,
        edition=None,
        forms=FormsOut.model_validate(found.forms),
        dossiers=DossiersOut.model_validate(found.funnel),
        figures=[_out(shown, language) for shown in found.figures],
    )
    tag_figures(response, answer)
    if wants_csv(request):
        rows = rows_of_indices(answer.model_dump(mode="json"))
        return csv_answer(INDEX_COLUMNS, rows, "indices", response)
    return answer


def _out(shown: Shown, language: Language) -> FigureOut:
    out = figure_out(shown.figure, shown.reach, language)
    out.rank, out.peer_count = shown.rank, shown.peer_count
    if shown.explanation is not None:
        out.explanation = explanation_out(shown.explanation)
    return out
