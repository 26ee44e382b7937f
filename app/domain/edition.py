"""Editions: figures and rankings as one document, frozen, with a digest to check it by.

The document is JSON in canonical form (RFC 8785): whoever holds it can write it again, byte for
byte, and so compute the digest again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Any

from app.domain.advice import Lever
from app.domain.change import Change
from app.domain.errors import DomainError, Fault, InvalidError
from app.domain.evidence import Funnel, Reached, together
from app.domain.figure import Figure, Finding, Terms
from app.domain.forms import Forms
from app.domain.measure import Level, Status
from app.domain.period import Period
from app.domain.questionnaire import Text
from app.domain.standing import Ranking

FORMAT = "hailong-edition@1"
LARGEST = 2**53  # whole numbers up to it are exact in every JSON reader

Json = dict[str, Any]


class EditionEmptyError(DomainError):
    """The edition ranks nobody, and takes the place of none that does."""

    code = "edition-empty"


def check_begun(period: Period, day: date) -> None:
    """Nothing when the period has begun on that day; else InvalidError."""
    if day < period.first:
        raise InvalidError(Fault("/period", "period-not-begun", {"day": period.first}))


def ranked(document: Mapping[str, Any]) -> bool:
    """Whether any agency has a place by any criterion."""
    return any(ranking["rows"] for ranking in document["rankings"])


def check_publishable(document: Mapping[str, Any]) -> None:
    """Nothing when the edition ranks somebody, or else withdraws another; or EditionEmptyError."""
    if not ranked(document) and document["supersedes"] is None:
        raise EditionEmptyError(Fault("/path/edition", "edition-empty", {"code": document["code"]}))


def canonical(document: Mapping[str, Any]) -> bytes:
    """The document in the one way that it can be written.

    Its numbers are counts of people, and percentages and points with few decimals: those Python
    writes as RFC 8785 asks, from 0.0001 on (no weight is less) and up to 2^53 (see `_sum`).
    """
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def number(value: Decimal | Fraction | None) -> int | float | None:
    """The number as JSON: whole ones without a point."""
    if value is None:
        return None
    return int(value) if value == int(value) else float(value)


@dataclass(frozen=True, slots=True)
class AgencyPart:
    """What an edition says of one agency: its forms, its dossiers, a figure for each criterion."""

    agency: str
    forms: Forms
    funnel: Funnel
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class RankingPart:
    """What an edition says of one criterion: the places of the agencies, and all of them pooled."""

    criterion: str
    name: Text
    peer_count: int
    ranking: Ranking
    changes: Mapping[str, Change]
    levers: Mapping[str, Lever | None]
    total: Figure | None


def document(
    head: Mapping[str, Any],
    terms: Terms,
    agencies: Sequence[AgencyPart],
    rankings: Sequence[RankingPart],
) -> Json:
    """An edition: its head, then each agency's figures, then the rankings by each criterion."""
    totals = [part.total for part in rankings if part.total]
    weights = next((_weights(one.ranking) for one in rankings if one.criterion == "overall"), {})
    reached = {part.agency: (part.forms, part.funnel) for part in agencies}
    scale = _scale([*totals, *(figure for part in agencies for figure in part.figures)])
    return {
        "format": FORMAT,
        **head,
        "criteria": [
            {
                "code": part.criterion,
                "name": dict(part.name),
                "weight": number(weights.get(part.criterion)),
            }
            for part in rankings
        ],
        "agencies": [_agency(part, scale) for part in agencies],
        "rankings": [_ranking(part, reached, terms, scale) for part in rankings],
    }


def _weights(overall: Ranking) -> dict[str, Fraction]:
    """The weights of the criteria of which the overall figures are means; else nothing."""
    return {
        part.measure.code: part.weight
        for figure in overall.figures.values()
        for part in figure.measure.parts
        if part.measure.level is Level.CRITERION
    }


def _scale(figures: Iterable[Figure]) -> int:
    """Into how many parts a point is divided throughout the edition, so that none is broken.

    It stays whole where two decimals hold all points: a third of a point is no number of JSON, and
    sums over agencies and criteria must come out.
    """
    ratios = [figure.measure.ratio for figure in figures]
    whole = lcm(
        *(part.denominator for one in ratios if one for part in (one.numerator, one.denominator))
    )
    return whole if 100 % whole else 1


def _agency(part: AgencyPart, scale: int) -> Json:
    forms, funnel = part.forms, part.funnel
    return {
        "agency": part.agency,
        "forms": {**asdict(forms), "response_rate": number(forms.response_rate)},
        "dossiers": {**asdict(funnel), "share_rated": number(funnel.share_rated)},
        "figures": [_figure(figure, scale) for figure in part.figures],
    }


def _figure(figure: Figure, scale: int) -> Json:
    measure = figure.measure
    ratio, exact = measure.ratio, measure.value
    return {
        "code": measure.code,
        "status": figure.status.value,
        "value": number(figure.value),
        "exact": None if exact is None else str(exact),
        "numerator": _sum(ratio.numerator * scale) if ratio else None,
        "denominator": _sum(ratio.denominator * scale) if ratio else None,
        # A source that prints a value does not print how many people it rests on.
        "n": None if measure.status is Status.OK and not measure.n else measure.n,
        "ci_low": number(figure.low),
        "ci_high": number(figure.high),
        "target": number(figure.target),
        "gap": number(figure.gap),
        "met": figure.met,
        "findings": [_finding(finding) for finding in figure.findings],
    }


def _sum(points: Fraction) -> int | float | None:
    """The sum as a number of JSON, or None where not every reader could hold it; `exact` does."""
    return number(points) if points <= LARGEST else None


def _finding(finding: Finding) -> Json:
    params = {
        name: value if isinstance(value, int) else str(value)
        for name, value in finding.params.items()
    }
    return {**asdict(finding), "params": params}


# Parameters that are decimals, as text: with all the places that a source printed.
PRINTED = frozenset({"published", "computed"})


def finding(document: Mapping[str, Any]) -> Finding:
    """The finding that an edition's document describes."""
    params = {
        name: Decimal(value) if name in PRINTED else value
        for name, value in document["params"].items()
    }
    return Finding(**{**document, "params": params})


def _ranking(part: RankingPart, reached: Mapping[str, Reached], terms: Terms, scale: int) -> Json:
    rows = [
        {
            "rank": standing.place.rank,
            "rank_low": standing.low,
            "rank_high": standing.high,
            "tied_with": list(standing.place.tied_with),
            "agency": standing.place.agency,
            "gap_to_next": _shown(standing.gap_to_next, terms),
            "improvement": _lever(part.levers.get(standing.place.agency), terms),
            "change": _change(part.changes.get(standing.place.agency), terms),
        }
        for standing in part.ranking.rows
    ]
    return {
        "criterion": part.criterion,
        "peer_count": part.peer_count,
        "rank_basis": "printed" if part.ranking.printed else "computed",
        "rows": rows,
        "unranked": [
            {"agency": agency, "status": figure.status.value, "n": figure.measure.n}
            for agency, figure in part.ranking.unranked
        ],
        "total": part.total and _total(part.total, part.ranking, reached, scale),
    }


def _total(total: Figure, ranking: Ranking, reached: Mapping[str, Reached], scale: int) -> Json:
    """All ranked agencies together, with how much of their forms and dossiers that speaks for."""
    reach = together(reached[row.place.agency] for row in ranking.rows)
    return {
        **_figure(total, scale),
        "response_rate": number(reach.response_rate),
        "share_rated": number(reach.share_rated),
    }


def _shown(value: Fraction | None, terms: Terms) -> int | float | None:
    return None if value is None else number(terms.shown(value))


def _lever(lever: Lever | None, terms: Terms) -> Json | None:
    if lever is None:
        return None
    return {
        "criterion": lever.criterion,
        "name": dict(lever.name),
        "value": _shown(lever.value, terms),
        "lift": _shown(lever.lift, terms),
    }


def _change(change: Change | None, terms: Terms) -> Json | None:
    if change is None:
        return None
    return {
        "value": _shown(change.value, terms),
        "rank": change.rank,
        "comparable": change.comparable,
        "reasons": list(change.reasons),
    }
