"""Where the figures of one agency come from: its tallies, its units, or what a source printed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.api import profile_sources, texts
from app.api.deps import Session
from app.api.figures import IndexQuery
from app.api.profile_sources import Basis
from app.db import agencies, procedures, published_indices, surveys, tallies, targets
from app.db import funnel as funnels
from app.db.figures import evidence
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import methods, profile_figures, published, standing
from app.domain.access import Caller
from app.domain.breakdown import Slice, breakdown
from app.domain.evidence import Evidence, Funnel
from app.domain.explanation import Explanation, explain
from app.domain.figure import Figure, Terms, judge
from app.domain.forms import Forms, Reach, summary
from app.domain.measure import FACETS, Level, Measure
from app.domain.methods import At, Method
from app.domain.questionnaire import Text
from app.domain.refusals import Refusals
from app.domain.tally import QuestionTally, SurveyTally


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and on which terms figures are shown."""

    caller: Caller
    terms: Terms

    def check(self, units: Sequence[Agency]) -> None:
        """Nothing when the caller may see every unit; a mean of few gives each away."""
        for unit in units:
            self.caller.check_agency(unit.code, "/query/agency")


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure, how much of the whole it speaks for, and where a source printed its place."""

    figure: Figure
    reach: Reach
    rank: int | None = None
    peer_count: int | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The figures of an agency by a method, with the forms and dossiers that they rest on."""

    agency: Agency
    method: str
    forms: Forms
    funnel: Funnel
    figures: Sequence[Shown]


async def counted(session: Session, query: IndexQuery, reader: Reader) -> Found:
    """The figures that our own tallies give."""
    refusals = Refusals()
    with refusals:
        agency = await agencies.get(session, query.agency, "/query/agency")
    with refusals:
        forms = await surveys.with_forms(session, query.survey, "/query/survey")
    with refusals:
        method = methods.find(query.method or methods.DEFAULT_METHOD, query.by, query.base, At())
    refusals.raise_all()
    if method.of_units:
        return await _of_units(session, agency, forms, reader, explained=query.explain)
    (whole,) = await evidence(session, [agency], forms, reader.terms.period)
    if query.by in FACETS:
        made = await _broken_down(session, query.by, Sources(agency, forms, method, whole), reader)
    else:
        shown = standing.figures(standing.judging(method, reader.terms, whole), query.by)
        made = [Shown(figure, whole.reach) for figure in shown]
    if query.explain:
        # Single questions of slices are not withheld for each other's sake, so none is shown.
        apart = query.by not in FACETS
        may = standing.shows(reader.terms, whole.tallies) if apart else _none
        made = [_explained(one, method.id, reader.terms, may) for one in made]
    return Found(agency, method.id, summary(whole.parts), whole.funnel, made)


def _explained(
    shown: Shown, method: str, terms: Terms, may: Callable[[QuestionTally], bool]
) -> Shown:
    """The figure with how it was made, as far as single counts may be shown."""
    return replace(shown, explanation=explain(method, shown.figure, terms, may))


def _every(_tally: QuestionTally) -> bool:
    return True


def _none(_tally: QuestionTally) -> bool:
    return False


async def profiled(
    session: Session, query: IndexQuery, reader: Reader, reference_key: bytes
) -> Found:
    """The figures of an official profile, from dossiers, ratings and self-assessments."""
    terms, method, refusals = reader.terms, query.method or "", Refusals()
    with refusals:
        agency = await agencies.get(session, query.agency, "/query/agency")
    with refusals:
        forms = await surveys.with_forms(session, query.survey, "/query/survey")
    with refusals:
        profile_figures.check(method, query.by, query.base, At())
    refusals.raise_all()
    basis = Basis(method, terms, forms, reference_key)
    found = await profile_sources.of_peers(session, [agency], basis)
    came = await _funnel(session, agency, terms)
    reach = Reach(None, came.share_rated)
    judged = profile_figures.judged(found[agency.code], query.by, terms)
    shown = [Shown(figure, reach) for figure in judged]
    if query.explain:
        shown = [_explained(one, method, terms, _every) for one in shown]
    return Found(agency, method, Forms(None, None, None), came, shown)


async def _funnel(session: Session, agency: Agency, terms: Terms) -> Funnel:
    """How far the agency's dossiers of the period came."""
    one = agency.id or 0
    return (await funnels.read(session, [one], terms.period)).get(one, Funnel())


@dataclass(frozen=True, slots=True)
class Sources:
    """An agency, the surveys asked for, the method, and what its figures rest on as a whole."""

    agency: Agency
    forms: Sequence[SurveyForm]
    method: Method
    whole: Evidence


async def _broken_down(
    session: Session, by: Level, sources: Sources, reader: Reader
) -> list[Shown]:
    """The overall figure of each month, channel, counter or procedure."""
    months, agency = reader.terms.period, sources.agency
    split = await tallies.split(session, agency.id or 0, sources.forms, months, by)
    came = await funnels.split(session, agency.id or 0, months, by)
    names = await _names(session, by, agency, split)
    whole_surveys = [form.survey.code for form in sources.forms if form.within(months)]
    rates: Mapping[str, Decimal | None] = {}
    if by is Level.CHANNEL and len(whole_surveys) == len(sources.forms):
        rates = await surveys.response_rates(session, whole_surveys, agency.code)
    slices = [Slice(code, names[code], split[code]) for code in sorted(split)]
    figures = breakdown(sources.method, reader.terms, sources.whole, by, slices)
    return [
        Shown(
            figure,
            Reach(
                rates.get(figure.measure.code),
                came.get(figure.measure.code, Funnel()).share_rated,
            ),
        )
        for figure in figures
    ]


async def _names(
    session: Session, by: Level, agency: Agency, codes: Iterable[str]
) -> Mapping[str, Text]:
    """What months, channels, counters or procedures are called; a code where nobody named it."""
    known: Mapping[str, Text] = {}
    if by is Level.COUNTER:
        known = await agencies.counter_names(session, agency.code)
    elif by is Level.PROCEDURE:
        known = await procedures.names(session, list(codes))
    elif by is Level.CHANNEL:
        known = {code: texts.both(f"channel:{code}") for code in codes}
    else:
        known = {code: texts.month(code) for code in codes}
    return {code: known.get(code, {"vi": code}) for code in codes}


async def _of_units(
    session: Session,
    agency: Agency,
    forms: Sequence[SurveyForm],
    reader: Reader,
    *,
    explained: bool,
) -> Found:
    """The mean of the indices of the agencies under this one."""
    terms, months = reader.terms, reader.terms.period
    units = await agencies.children(session, agency.code, months.first, months.last)
    reader.check(units)
    found = await evidence(session, units, forms, months)
    aims = (await targets.of_agencies(session, [agency.code], months)).get(agency.code, [])
    own = {one.agency: one.tallies for one in found}
    measure, used = methods.mean_of_units(own, terms.base, terms.minimum_n)
    notes = [methods.units_finding(len(used), len(units))]
    notes += [
        replace(note, agency=one.agency)
        for one in found
        if one.agency in used
        for note in one.findings
    ]
    forms_of_all = summary([part for one in found for part in one.parts])
    came = sum((one.funnel for one in found), Funnel())
    figure = judge(_with_names(measure, units), terms, aims, notes)
    shown = Shown(figure, Reach(forms_of_all.response_rate, came.share_rated))
    if explained:
        may = _every if _all_shown(measure, own, terms) else _none
        shown = _explained(shown, methods.MEAN_OF_UNITS, terms, may)
    return Found(agency, methods.MEAN_OF_UNITS, forms_of_all, came, [shown])


def _with_names(mean: Measure, units: Iterable[Agency]) -> Measure:
    """The mean of units, each part under the name of its unit."""
    names = {unit.code: unit.name for unit in units}
    parts = [
        replace(part, measure=replace(part.measure, name=names[part.measure.code]))
        for part in mean.parts
    ]
    return replace(mean, parts=tuple(parts))


def _all_shown(mean: Measure, units: Mapping[str, Sequence[SurveyTally]], terms: Terms) -> bool:
    """Whether each question behind a mean of units may be shown by itself, as one of its unit."""
    return all(
        all(map(standing.shows(terms, units[part.measure.code]), part.measure.questions))
        for part in mean.parts
    )


async def printed(session: Session, query: IndexQuery, reader: Reader) -> Found:
    """The figures that a source printed, or that follow from what it printed."""
    terms, refusals = replace(reader.terms, minimum_n=0), Refusals()
    months = terms.period
    with refusals:
        agency = await agencies.get(session, query.agency, "/query/agency")
    with refusals:
        method = published.find(query.method or methods.AS_PUBLISHED, query.by, At())
    refusals.raise_all()
    named: Sequence[Agency] = [agency]
    if method == methods.MEAN_OF_UNITS:
        named = await agencies.children(session, agency.code, months.first, months.last)
        reader.check(named)
    codes = [one.code for one in named]
    known = await published_indices.of_agencies(session, query.source or "", months, codes)
    bodies = {code: known.get(code, []) for code in codes}
    aims = (await targets.of_agencies(session, [agency.code], months)).get(agency.code, [])
    notes = published.notes(method, list(bodies.values()))
    shown = []
    for found in published.measures(method, query.by, bodies):
        measure = _with_names(found, named) if method == methods.MEAN_OF_UNITS else found
        about = notes if measure.level is Level.OVERALL else []
        place: tuple[int | None, int | None] = (None, None)
        if method == methods.AS_PUBLISHED:
            place = published.place(bodies[agency.code], measure.code)
        shown.append(Shown(judge(measure, terms, aims, about), Reach(), *place))
    if query.explain:
        shown = [_explained(one, method, terms, _every) for one in shown]
    came = await _funnel(session, agency, terms)
    return Found(agency, method, Forms(None, None, None), came, shown)
