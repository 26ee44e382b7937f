"""What an edition's document says, in the form of a live ranking or of an agency's indices."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.api.figures import AgencyRef, FigureOut
from app.api.findings import findings_out
from app.api.indices import DossiersOut, FormsOut, IndicesOut
from app.api.methods import MethodRef, unit
from app.api.ranking_schemas import RankingOut, RowOut, UnrankedOut
from app.api.schemas import in_language
from app.api.texts import Language
from app.domain.errors import AgencyNotFoundError, EditionNotFoundError, Fault
from app.domain.figure import Finding

Document = Mapping[str, Any]


def indices(document: Document, agency: str, language: Language) -> IndicesOut:
    """An agency's figures; raises AgencyNotFoundError where the edition does not hold it."""
    own = next((part for part in document["agencies"] if part["agency"] == agency), None)
    if own is None:
        raise AgencyNotFoundError(Fault("/path/agency", "agency-not-found", {"code": agency}))
    return IndicesOut(
        agency=_agencies(document, language)[agency],
        forms=FormsOut.model_validate(own["forms"]),
        dossiers=DossiersOut.model_validate(own["dossiers"]),
        figures=[_figure(document, figure, own, language) for figure in own["figures"]],
        **_common(document, language),
    )


def ranking(document: Document, criterion: str, language: Language) -> RankingOut:
    """The ranking by a criterion; raises EditionNotFoundError where the edition holds none."""
    places = next((one for one in document["rankings"] if one["criterion"] == criterion), None)
    if places is None:
        raise EditionNotFoundError(
            Fault("/path/criterion", "not-allowed", {"allowed": ", ".join(_names(document))})
        )
    agencies = _agencies(document, language)
    return RankingOut(
        peer_group=document["peer_group"]["code"],
        peer_count=places["peer_count"],
        criterion=criterion,
        view=document["view"],
        compared_with=document["compared_with"],
        rank_basis=places["rank_basis"],
        rows=[
            _row(
                row,
                agencies,
                _figure_of(document, row["agency"], criterion, language),
                language,
            )
            for row in places["rows"]
        ],
        unranked=[
            UnrankedOut(agency=agencies[row["agency"]], status=row["status"], n=row["n"])
            for row in places["unranked"]
        ],
        total=places["total"] and _figure(document, places["total"], NOBODY, language),
        **_common(document, language),
    )


NOBODY: Document = {"forms": {"response_rate": None}, "dossiers": {"share_rated": None}}


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
            unit=unit(method["id"]),
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


def _names(document: Document) -> dict[str, Mapping[str, str]]:
    return {one["code"]: one["name"] for one in document["criteria"]}


def _figure_of(document: Document, agency: str, criterion: str, language: Language) -> FigureOut:
    part = next(one for one in document["agencies"] if one["agency"] == agency)
    figure = next(one for one in part["figures"] if one["code"] == criterion)
    return _figure(document, figure, part, language)


def _figure(document: Document, figure: Document, part: Document, language: Language) -> FigureOut:
    fields = {name: value for name, value in figure.items() if name not in {"exact", "findings"}}
    return FigureOut(
        **fields,
        level="overall" if figure["code"] == "overall" else "criterion",
        questionnaire=None,
        name=in_language(_names(document)[figure["code"]], language),
        response_rate=part["forms"]["response_rate"],
        share_rated=part["dossiers"]["share_rated"],
        findings=findings_out([Finding(**finding) for finding in figure["findings"]], language),
        options=[],
    )


def _row(
    row: Document, agencies: Mapping[str, AgencyRef], figure: FigureOut, language: Language
) -> RowOut:
    fields = figure.model_dump(include=set(RowOut.model_fields) & set(FigureOut.model_fields))
    lever = row["improvement"]
    fields |= {
        **row,
        "agency": agencies[row["agency"]],
        "improvement": lever and {**lever, "name": in_language(lever["name"], language)},
    }
    return RowOut.model_validate(fields)
