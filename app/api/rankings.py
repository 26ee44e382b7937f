"""Rankings: the agencies of a peer group, best first."""

import asyncio
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.api.comparisons import Ask, Asker, Compared, compared
from app.api.deps import Chosen, IndexReader, Language, Now, ReferenceKey, Session
from app.api.errors import problems
from app.api.figures import (
    AgencyRef,
    FigureOut,
    agency_ref,
    as_float,
    figure_out,
    tag_figures,
)
from app.api.methods import method_ref
from app.api.ranking_schemas import (
    ChangeOut,
    ImprovementOut,
    RankedOut,
    RankingOut,
    RankingQuery,
    UnrankedOut,
)
from app.api.schemas import PeriodOut, in_language
from app.api.tables import RANKING_COLUMNS, csv_answer, csv_described, rows_of_ranking, wants_csv
from app.domain.advice import Lever
from app.domain.change import Change, earlier
from app.domain.comparison import CriterionNotFoundError, changes
from app.domain.errors import (
    InvalidError,
    MethodNotApplicableError,
    MethodNotFoundError,
    PeerGroupNotFoundError,
    SurveyNotFoundError,
)
from app.domain.evidence import together
from app.domain.figure import Terms
from app.domain.forms import Reach
from app.domain.methods import At
from app.domain.period import local_day
from app.domain.standing import Standing

router = APIRouter(prefix="/v1/rankings", tags=["figures"])


@router.get(
    "",
    operation_id="get_ranking",
    response_model=RankingOut,
    responses={
        200: csv_described(RANKING_COLUMNS),
        **problems(
            PeerGroupNotFoundError,
            SurveyNotFoundError,
            MethodNotFoundError,
            CriterionNotFoundError,
            MethodNotApplicableError,
            InvalidError,
        ),
    },
)
async def get_ranking(
    query: Annotated[RankingQuery, Query()],
    request: Request,
    response: Response,
    session: Session,
    caller: IndexReader,
    language: Language,
    moment: Now,
    chosen: Chosen,
    secret: ReferenceKey,
) -> RankingOut | Response:
    """A peer group ranked by an index of its agencies, or by a published source.

    With `Accept: text/csv` a table with a row for each agency.
    """
    query.check()
    terms = Terms(query.months, query.base, chosen.minimum_n)
    ask = Ask(
        query.peer_group,
        query.survey,
        query.source,
        query.method,
        query.criterion,
        terms,
        query.view,
        earlier(query.months),
        query.earlier_survey,
    )
    at = At(level="/query/criterion")
    asker = Asker(
        caller,
        local_day(moment),
        "/query/peer_group",
        "/query/survey",
        "/query/earlier_survey",
        "/query/view",
        at,
        secret,
    )
    found = await compared(session, ask, asker)
    answer = RankingOut(
        peer_group=query.peer_group,
        criterion=query.criterion,
        period=PeriodOut.model_validate(query.months),
        surveys=query.survey,
        source=query.source,
        view=query.view,
        compared_with=PeriodOut.model_validate(ask.earlier),
        method=method_ref(found.now.method, query.source, language),
        base=query.base,
        minimum_n=chosen.minimum_n,
        as_of=moment,
        edition=None,
        # Of thousands of agencies it takes seconds: meanwhile others are served.
        **await asyncio.to_thread(_places, found, ask, language),
    )
    tag_figures(response, answer)
    if wants_csv(request):
        rows = rows_of_ranking(answer.model_dump(mode="json"))
        return csv_answer(RANKING_COLUMNS, rows, "rankings", response)
    return answer


def _places(found: Compared, ask: Ask, language: Language) -> dict[str, Any]:
    """The rows of a ranking, and those who are not ranked."""
    criterion = ask.criterion or "overall"
    ranking = found.now.ranking(criterion)
    moved = changes(found.now, ranking, found.before, criterion)
    total = found.now.total(criterion, ranking)
    names = {agency.code: agency_ref(agency, language) for agency in found.agencies}
    rows = []
    for standing in ranking.rows:
        code = standing.place.agency
        forms, funnel = found.reached[code]
        row = Row(
            standing,
            names[code],
            Reach() if ask.source else Reach(forms.response_rate, funnel.share_rated),
            found.now.lever(code) if criterion == "overall" else None,
            moved.get(code),
        )
        rows.append(_row(row, ask.terms, language))
    everyone = together(found.reached[row.place.agency] for row in ranking.rows)
    return {
        "peer_count": found.now.peer_count(criterion),
        "rank_basis": "printed" if ranking.printed else "computed",
        "rows": rows,
        "unranked": [
            UnrankedOut(agency=names[code], status=figure.status, n=figure.measure.n)
            for code, figure in ranking.unranked
        ],
        "total": total and figure_out(total, everyone, language),
    }


@dataclass(frozen=True, slots=True)
class Row:
    """All that is said of an agency in a ranking."""

    standing: Standing
    agency: AgencyRef
    reach: Reach
    lever: Lever | None
    change: Change | None


def _row(row: Row, terms: Terms, language: Language) -> RankedOut:
    standing, lever, change = row.standing, row.lever, row.change
    shown = figure_out(standing.figure, row.reach, language)
    fields = shown.model_dump(include=set(RankedOut.model_fields) & set(FigureOut.model_fields))
    fields["rank"] = standing.place.rank
    return RankedOut(
        **fields,
        rank_low=standing.low,
        rank_high=standing.high,
        tied_with=list(standing.place.tied_with),
        agency=row.agency,
        gap_to_next=_shown(standing.gap_to_next, terms),
        improvement=lever
        and ImprovementOut(
            criterion=lever.criterion,
            name=in_language(lever.name, language),
            value=float(terms.shown(lever.value)),
            lift=float(terms.shown(lever.lift)),
        ),
        change=change
        and ChangeOut(
            value=float(terms.shown(change.value)),
            rank=change.rank,
            comparable=change.comparable,
            reasons=list(change.reasons),
        ),
    )


def _shown(value: Fraction | None, terms: Terms) -> float | None:
    return None if value is None else as_float(terms.shown(value))
