"""Editions: figures and rankings as one document, frozen, with a digest to check it by.

The document is JSON in canonical form (RFC 8785): whoever holds it can write it again, byte for
byte, and so compute the digest again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any

from app.domain.advice import Lever
from app.domain.change import Change
from app.domain.evidence import Funnel
from app.domain.figure import Figure, Finding, Terms
from app.domain.forms import Forms
from app.domain.measure import Status
from app.domain.standing import Ranking

FORMAT = "hailong-edition@1"

Json = dict[str, Any]


def canonical(document: Mapping[str, Any]) -> bytes:
    """The document in the one way that it can be written.

    It holds whole numbers and numbers with few decimals only, which Python writes as RFC 8785 asks.
    """
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def digest(document: bytes) -> str:
    """The SHA-256 digest of a document, in hexadecimal digits."""
    return sha256(document).hexdigest()


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
    return {
        "format": FORMAT,
        **head,
        "agencies": [_agency(part) for part in agencies],
        "rankings": [_ranking(part, terms) for part in rankings],
    }


def _agency(part: AgencyPart) -> Json:
    forms, funnel = part.forms, part.funnel
    return {
        "agency": part.agency,
        "forms": {**asdict(forms), "response_rate": number(forms.response_rate)},
        "dossiers": {**asdict(funnel), "share_rated": number(funnel.share_rated)},
        "figures": [_figure(figure) for figure in part.figures],
    }


def _figure(figure: Figure) -> Json:
    measure = figure.measure
    ratio, exact = measure.ratio, measure.value
    return {
        "code": measure.code,
        "status": figure.status.value,
        "value": number(figure.value),
        "exact": None if exact is None else str(exact),
        "numerator": number(ratio.numerator) if ratio else None,
        "denominator": number(ratio.denominator) if ratio else None,
        # A source that prints a value does not print how many people it rests on.
        "n": None if measure.status is Status.OK and not measure.n else measure.n,
        "ci_low": number(figure.low),
        "ci_high": number(figure.high),
        "target": number(figure.target),
        "gap": number(figure.gap),
        "met": figure.met,
        "findings": [_finding(finding) for finding in figure.findings],
    }


def _finding(finding: Finding) -> Json:
    params = {
        name: value if isinstance(value, int) else str(value)
        for name, value in finding.params.items()
    }
    return {**asdict(finding), "params": params}


def _ranking(part: RankingPart, terms: Terms) -> Json:
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
        "total": _figure(part.total) if part.total else None,
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


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure or a rank that two documents do not have in common."""

    agency: str
    criterion: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Where two editions of the same figures differ in status, value, people or rank."""
    old, new = _entries(before), _entries(after)
    return [
        Difference(agency, criterion, old.get(key), new.get(key))
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
        for agency, criterion in (key,)
    ]


COMPARED = ("status", "value", "exact", "n")


def _entries(document: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Per agency and criterion what two editions are compared by."""
    ranks = {
        (row["agency"], ranking["criterion"]): row["rank"]
        for ranking in document["rankings"]
        for row in ranking["rows"]
    }
    return {
        (part["agency"], figure["code"]): {
            **{name: figure[name] for name in COMPARED},
            "rank": ranks.get((part["agency"], figure["code"])),
        }
        for part in document["agencies"]
        for figure in part["figures"]
    }
