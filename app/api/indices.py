"""Satisfaction indices of one agency: overall, per criterion, per question, per option."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from app.api.deps import Chosen, IndexReader, Language, Now, Session
from app.api.errors import problems
from app.api.figures import AgencyRef, FigureOut, FigureQuery, agency_ref, figure_out, tag_figures
from app.api.methods import MethodRef, method_ref
from app.api.schemas import Code, Moment, Out, PeriodOut, example
from app.db import agencies, published_indices, surveys, targets
from app.db.figures import Evidence, evidence
from app.db.surveys import SurveyForm
from app.db.tables import Agency, Distribution
from app.domain import forms as counted_forms
from app.domain import methods, published
from app.domain.errors import (
    AgencyNotFoundError,
    InvalidError,
    MethodNotApplicableError,
    MethodNotFoundError,
    Refusals,
    SurveyNotFoundError,
)
from app.domain.figure import Finding, judge, target_for
from app.domain.forms import Forms
from app.domain.measure import Base, Level, Measure
from app.domain.methods import Method

router = APIRouter(prefix="/v1/indices", tags=["figures"])

DEFAULT_METHOD = "top2-share@1"

OVERALL = {
    "agency": {"code": "H32.15", "name": "Sở Công Thương"},
    "period": {"first": "2022-01-01", "last": "2022-12-31"},
    "surveys": ["sct-2022-a", "sct-2022-b"],
    "source": None,
    "method": {"id": "overall-question@1", "name": "Câu hỏi đánh giá chung"},
    "base": "answers",
    "as_of": "2022-12-31T10:00:00+07:00",
    "edition": None,
    "forms": {"issued": 30, "returned": 30, "valid": 30, "response_rate": 100.0},
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


class IndexQuery(FigureQuery):
    """Whose indices, and at which level."""

    agency: Code
    by: Level = Field(default=Level.OVERALL, description="What each figure speaks of")


class FormsOut(Out):
    """Forms of the surveys: how many went out, came back, and count."""

    issued: int | None
    returned: int | None
    valid: int | None
    response_rate: float | None


class IndicesOut(Out):
    """Figures of an agency, with the method that made them and the moment they are true of."""

    model_config = ConfigDict(json_schema_extra=example(OVERALL))

    agency: AgencyRef
    period: PeriodOut
    surveys: list[str]
    source: str | None
    method: MethodRef
    base: Base
    as_of: Moment
    edition: str | None
    forms: FormsOut
    figures: list[FigureOut]


@router.get(
    "",
    operation_id="get_indices",
    responses=problems(
        AgencyNotFoundError,
        SurveyNotFoundError,
        MethodNotFoundError,
        MethodNotApplicableError,
        InvalidError,
    ),
)
async def get_indices(
    query: Annotated[IndexQuery, Query()],
    response: Response,
    session: Session,
    caller: IndexReader,
    language: Language,
    moment: Now,
    chosen: Chosen,
) -> IndicesOut:
    """Satisfaction indices of an agency, from its surveys or from a published source."""
    caller.check_agency(query.agency, "/query/agency")
    if query.source is None:
        agency, method, forms, figures = await _counted(session, query, chosen.minimum_n, language)
    else:
        agency, method, forms, figures = await _published(session, query, language)
    answer = IndicesOut(
        agency=agency_ref(agency, language),
        period=PeriodOut.model_validate(query.months),
        surveys=query.survey,
        source=query.source,
        method=method_ref(method, language),
        base=query.base,
        as_of=moment,
        edition=None,
        forms=FormsOut.model_validate(forms),
        figures=figures,
    )
    tag_figures(response, answer)
    return answer


Found = tuple[Agency, str, Forms, list[FigureOut]]


async def _counted(
    session: Session, query: IndexQuery, minimum_n: int, language: Language
) -> Found:
    """The figures that our own tallies give."""
    months, refusals = query.months, Refusals()
    with refusals:
        agency = await agencies.get(session, query.agency, "/query/agency")
    with refusals:
        forms = await surveys.with_forms(session, query.survey, "/query/survey")
    with refusals:
        method = methods.find(query.method or DEFAULT_METHOD, query.by, query.base)
    refusals.raise_all()
    bodies = [agency]
    if method.of_units:
        bodies = list(await agencies.children(session, agency.code, months.first, months.last))
    found = await evidence(session, bodies, forms, months)
    issued = await surveys.distributed(session, query.survey, [body.code for body in bodies])
    aims = await targets.of_agencies(session, [agency.code], months)
    summary = _forms(forms, issued, found, query)
    notes = [*(note for one in found for note in one.findings), *counted_forms.findings(summary)]
    figures = [
        judge(
            measure,
            query.base,
            minimum_n,
            target_for(aims.get(agency.code, []), measure, months),
            notes,
        )
        for measure in _measures(method, found, query, minimum_n)
    ]
    return agency, method.id, summary, [figure_out(figure, language) for figure in figures]


def _measures(
    method: Method, found: Sequence[Evidence], query: IndexQuery, minimum_n: int
) -> list[Measure]:
    if method.of_units:
        return [methods.mean_of_units([one.tallies for one in found], query.base, minimum_n)]
    return methods.measures(method, found[0].tallies, query.by, query.base)


def _forms(
    surveyed: Sequence[SurveyForm],
    issued: Sequence[Distribution],
    found: Sequence[Evidence],
    query: IndexQuery,
) -> Forms:
    """Distributions are of whole surveys, so they are shown only when the period holds them."""
    months = query.months
    whole = all(
        form.survey.closes_on is not None
        and months.first <= form.survey.opens_on
        and form.survey.closes_on <= months.last
        for form in surveyed
    )
    counted = sum(tally.forms for one in found for tally in one.tallies)
    return counted_forms.summary(
        [(row.issued, row.returned, row.invalid) for row in issued] if whole else [], counted
    )


async def _published(session: Session, query: IndexQuery, language: Language) -> Found:
    """The figures that a source printed, or that follow from what it printed."""
    months, refusals = query.months, Refusals()
    with refusals:
        agency = await agencies.get(session, query.agency, "/query/agency")
    with refusals:
        method = published.find(query.method or published.AS_PUBLISHED, query.by)
    refusals.raise_all()
    bodies = [agency.code]
    if method == published.MEAN_OF_UNITS:
        under = await agencies.children(session, agency.code, months.first, months.last)
        bodies = [unit.code for unit in under]
    printed = await published_indices.of_agencies(session, query.source or "", months, bodies)
    aims = (await targets.of_agencies(session, [agency.code], months)).get(agency.code, [])
    own = printed.get(agency.code, [])
    notes: list[Finding] = published.findings(own)
    figures = []
    for measure in published.measures(method, query.by, [printed.get(b, []) for b in bodies]):
        about = notes if measure.code == "overall" else []
        aim = target_for(aims, measure, months)
        shown = figure_out(judge(measure, Base.ANSWERS, 0, aim, about), language)
        if method == published.AS_PUBLISHED:
            shown.rank, shown.peer_count = published.place(own, measure.code)
        figures.append(shown)
    return agency, method, Forms(None, None, None), figures
