"""What an edition's document says, in the form of a live ranking or of an agency's indices."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.api.figures import AgencyRef, FigureOut
from app.api.findings import findings_out
from app.api.indices import DossiersOut, FormsOut, IndicesOut
from app.api.methods import MethodRef
from app.api.ranking_schemas import RankedOut, RankingOut, UnrankedOut
from app.api.schemas import in_language
from app.api.texts import Language
from app.db.editions import Contents
from app.domain.edition import finding, ranked

Document = Mapping[str, Any]


def contents(document: Document) -> Contents:
    """What can be asked for of the edition that the document is of."""
    return Contents(
        frozenset(one["code"] for one in document["criteria"]),
        frozenset(part["agency"] for part in document["agencies"]),
        ranked(document),
    )


def indices(document: Document, agency: str, language: Language) -> IndicesOut:
    """The figures of an agency that the edition holds."""
    own = next(part for part in document["agencies"] if part["agency"] == agency)
    names, reach = _names(document, language), _reach(document, own)
    places = _places(document, agency)
    return IndicesOut(
        agency=_agencies(document, language)[agency],
        forms=FormsOut.model_validate(own["forms"]),
        dossiers=DossiersOut.model_validate(own["dossiers"]),
        figures=[
            _figure(figure | reach | places[figure["code"]], names[figure["code"]], language)
            for figure in own["figures"]
        ],
        **_common(document, language),
    )


def ranking(document: Document, criterion: str, language: Language) -> RankingOut:
    """The ranking by a criterion that the edition holds."""
    names = _names(document, language)
    # Figures and rankings stand in the order of the criteria.
    place, name = list(names).index(criterion), names[criterion]
    places, agencies = document["rankings"][place], _agencies(document, language)
    figures = {
        part["agency"]: _figure(part["figures"][place] | _reach(document, part), name, language)
        for part in document["agencies"]
    }
    return RankingOut(
        peer_group=document["peer_group"]["code"],
        peer_count=places["peer_count"],
        criterion=criterion,
        view=document["view"],
        compared_with=document["compared_with"],
        rank_basis=places["rank_basis"],
        rows=[
            _row(row, agencies[row["agency"]], figures[row["agency"]], language)
            for row in places["rows"]
        ],
        unranked=[
            UnrankedOut(agency=agencies[row["agency"]], status=row["status"], n=row["n"])
            for row in places["unranked"]
        ],
        total=places["total"] and _figure(places["total"], name, language),
        **_common(document, language),
    )


def _common(document: Document, language: Language) -> dict[str, Any]:
    method = document["method"]
    return {
        "period": document["period"],
        "surveys": [survey["code"] for survey in document["surveys"]],
        "source": document["source"],
        "method": MethodRef(
            id=method["id"],
            name=in_language(method["name"], language),
            regime=method["regime"],
            regime_name=in_language(method["regime_name"], language),
            unit=method["unit"],
        ),
        "base": document["base"],
        "minimum_n": document["minimum_n"],
        "as_of": datetime.fromisoformat(document["frozen_at"]),
        "edition": document["code"],
    }


def _agencies(document: Document, language: Language) -> dict[str, AgencyRef]:
    return {
        agency["code"]: AgencyRef(code=agency["code"], name=in_language(agency["name"], language))
        for agency in document["organisation"]
    }


def _places(document: Document, agency: str) -> dict[str, dict[str, int | None]]:
    """The agency's place by each criterion, and among how many."""
    return {
        ranking["criterion"]: {
            "rank": next((row["rank"] for row in ranking["rows"] if row["agency"] == agency), None),
            "peer_count": ranking["peer_count"],
        }
        for ranking in document["rankings"]
    }


def _names(document: Document, language: Language) -> dict[str, str]:
    return {one["code"]: in_language(one["name"], language) for one in document["criteria"]}


def _reach(document: Document, part: Document) -> dict[str, Any]:
    """How much the agency's figures speak for; of what a source printed nobody knows."""
    known = document["source"] is None
    return {
        "response_rate": part["forms"]["response_rate"] if known else None,
        "share_rated": part["dossiers"]["share_rated"] if known else None,
    }


def _figure(figure: Document, name: str, language: Language) -> FigureOut:
    fields = {key: value for key, value in figure.items() if key not in {"exact", "findings"}}
    return FigureOut(
        **fields,
        level="overall" if figure["code"] == "overall" else "criterion",
        questionnaire=None,
        name=name,
        findings=findings_out([finding(one) for one in figure["findings"]], language),
        options=[],
    )


def _row(row: Document, agency: AgencyRef, figure: FigureOut, language: Language) -> RankedOut:
    fields = figure.model_dump(include=set(RankedOut.model_fields) & set(FigureOut.model_fields))
    lever = row["improvement"]
    fields |= {
        **row,
        "agency": agency,
        "improvement": lever and {**lever, "name": in_language(lever["name"], language)},
    }
    return RankedOut.model_validate(fields)
