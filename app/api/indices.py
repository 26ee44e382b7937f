"""Satisfaction indices of one agency: overall, per criterion, per question, per option."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from app.api.deps import Chosen, IndexReader, Language, Now, Session
from app.api.errors import problems
from app.api.figures import AgencyRef, FigureOut, FigureQuery, agency_ref, figure_out, tag_figures
from app.api.methods import MethodRef, method_ref
from app.api.schemas import Code, Moment, Out, PeriodOut, example
from app.db import agencies, published_indices, surveys, targets
from app.db.figures import evidence
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import methods, published
from app.domain.access import Caller
from app.domain.errors import (
    AgencyNotFoundError,
    InvalidError,
    MethodNotApplicableError,
    MethodNotFoundError,
    SurveyNotFoundError,
)
from app.domain.figure import judge, target_for
from app.domain.forms import Forms, summary
from app.domain.measure import Base, Level
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/indices", tags=["figures"])

DEFAULT_METHOD = "top2-share@1"

OVERALL = {
    "agency": {"code": "H32.15", "name": "Sở Công Thương"},
    "period": {"first": "2022-01-01", "last": "2022-12-31"},
    "surveys": ["sct-2022-a", "sct-2022-b"],
    "source": None,
    "method": {"id": "overall-question@1", "name": "Câu hỏi đánh giá chung"},
    "base": "answers",
    "minimum_n": 5,
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
    minimum_n: int = Field(description="Figures that rest on fewer people are withheld")
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
    reader = Reader(caller, language, chosen.minimum_n)
    made = _counted if query.source is None else _published
    agency, method, forms, figures = await made(session, query, reader)
    answer = IndicesOut(
        agency=agency_ref(agency, language),
        period=PeriodOut.model_validate(query.months),
        surveys=query.survey,
        source=query.source,
        method=method_ref(method, language),
        base=query.base,
        minimum_n=chosen.minimum_n,
        as_of=moment,
        edition=None,
        forms=FormsOut.model_validate(forms),
        figures=figures,
    )
    tag_figures(response, answer)
    return answer


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, in which language, and from how many people on figures are shown."""

    caller: Caller
    language: Language
    minimum_n: int

    def check(self, units: Sequence[Agency]) -> None:
        """Nothing when the caller may see every unit; a mean of few gives each away."""
        for unit in units:
            self.caller.check_agency(unit.code, "/query/agency")


Found = tuple[Agency, str, Forms, list[FigureOut]]


async def _counted(session: Session, query: IndexQuery, reader: Reader) -> Found:
    """The figures that our own tallies give."""
    months, refusals = query.months, Refusals()
    with refusals:
        agency = await agencies.get(session, query.agency, "/query/agency")
    with refusals:
        forms = await surveys.with_forms(session, query.survey, "/query/survey")
    with refusals:
        method = methods.find(query.method or DEFAULT_METHOD, query.by, query.base)
    refusals.raise_all()
    if method.of_units:
        return await _of_units(session, agency, forms, query, reader)
    (found,) = await evidence(session, [agency], forms, months)
    shown = []
    for measure in methods.measures(method, found.tallies, query.by, query.base):
        aim = target_for(found.targets, measure, months)
        figure = judge(measure, query.base, reader.minimum_n, aim, found.findings)
        shown.append(figure_out(figure, reader.language))
    return agency, method.id, summary(found.parts), shown


async def _of_units(
    session: Session,
    agency: Agency,
    forms: Sequence[SurveyForm],
    query: IndexQuery,
    reader: Reader,
) -> Found:
    """The mean of the indices of the agencies under this one."""
    months = query.months
    units = await agencies.children(session, agency.code, months.first, months.last)
    reader.check(units)
    found = await evidence(session, units, forms, months)
    aims = (await targets.of_agencies(session, [agency.code], months)).get(agency.code, [])
    measure, used = methods.mean_of_units(
        [one.tallies for one in found], query.base, reader.minimum_n
    )
    notes = [methods.units_finding(len(used), len(units))]
    notes += [
        replace(note, agency=units[place].code) for place in used for note in found[place].findings
    ]
    aim = target_for(aims, measure, months)
    figure = judge(measure, query.base, reader.minimum_n, aim, notes)
    parts = [part for one in found for part in one.parts]
    return agency, methods.MEAN_OF_UNITS, summary(parts), [figure_out(figure, reader.language)]


async def _published(session: Session, query: IndexQuery, reader: Reader) -> Found:
    """The figures that a source printed, or that follow from what it printed."""
    months, refusals = query.months, Refusals()
    with refusals:
        agency = await agencies.get(session, query.agency, "/query/agency")
    with refusals:
        method = published.find(query.method or methods.AS_PUBLISHED, query.by)
    refusals.raise_all()
    bodies = [agency.code]
    if method == methods.MEAN_OF_UNITS:
        under = await agencies.children(session, agency.code, months.first, months.last)
        reader.check(under)
        bodies = [unit.code for unit in under]
    printed = await published_indices.of_agencies(session, query.source or "", months, bodies)
    aims = (await targets.of_agencies(session, [agency.code], months)).get(agency.code, [])
    notes = published.notes(method, [printed.get(body, []) for body in bodies])
    shown = []
    for measure in published.measures(method, query.by, [printed.get(b, []) for b in bodies]):
        aim = target_for(aims, measure, months)
        about = notes if measure.level is Level.OVERALL else []
        figure = figure_out(judge(measure, Base.ANSWERS, 0, aim, about), reader.language)
        if method == methods.AS_PUBLISHED:
            own = printed.get(agency.code, [])
            figure.rank, figure.peer_count = published.place(own, measure.code)
        shown.append(figure)
    return agency, method, Forms(None, None, None), shown
