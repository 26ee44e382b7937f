"""Figures of the official profiles: what dossiers, ratings and self-assessments give by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.api.deps import Session
from app.db import profiles as counts
from app.db import self_assessments, tallies
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import profile_figures, profiles
from app.domain.figure import Terms
from app.domain.profile_figures import Profile
from app.domain.profiles import QD766

Profiles = dict[str, Profile]


@dataclass(frozen=True, slots=True)
class Basis:
    """What an official profile is made on: its terms, surveys, and the secret of references."""

    method: str
    terms: Terms
    forms: Sequence[SurveyForm]
    reference_key: bytes


async def of_peers(session: Session, peers: Sequence[Agency], basis: Basis) -> Profiles:
    """Each agency, by its code, according to the profile."""
    made = _of_dossiers if basis.method == QD766 else _of_scorecards
    return await made(session, {agency.id or 0: agency.code for agency in peers}, basis)


async def _of_dossiers(session: Session, ids: Mapping[int, str], basis: Basis) -> Profiles:
    """Each agency according to QĐ 766."""
    terms = basis.terms
    counted = await counts.counts(session, list(ids), terms.period, basis.reference_key)
    return {
        ids[one]: profile_figures.of_dossiers(found, terms.minimum_n)
        for one, found in counted.items()
    }


async def _of_scorecards(session: Session, ids: Mapping[int, str], basis: Basis) -> Profiles:
    """Each agency according to TT 01/2018."""
    terms = basis.terms
    said = await self_assessments.of_agencies(session, list(ids.values()), terms.period)
    complaints = {one: said[code].complaints for one, code in ids.items() if code in said}
    came = await counts.timeliness(session, list(ids), terms.period, complaints)
    answered = await tallies.read(session, list(ids), basis.forms, terms.period)
    made = {}
    for one, code in ids.items():
        own = list(answered.get(one, {}).values())
        card = profiles.tt01(*came[one], own, said.get(code))
        shown = profiles.withhold(card, terms.minimum_n)
        made[code] = profile_figures.of_scorecard(
            shown, profile_figures.suppressed(shown, own, terms.minimum_n)
        )
    return made
