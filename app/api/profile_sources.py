"""Figures of the official profiles: what dossiers, ratings and self-assessments give by them."""

from collections.abc import Sequence

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


async def of_dossiers(
    session: Session, peers: Sequence[Agency], terms: Terms, reference_key: bytes
) -> Profiles:
    """Each agency, by its code, according to QĐ 766."""
    ids = {agency.id or 0: agency.code for agency in peers}
    counted = await counts.counts(session, list(ids), terms.period, reference_key)
    return {ids[one]: profile_figures.of_dossiers(found) for one, found in counted.items()}


async def of_scorecards(
    session: Session, peers: Sequence[Agency], terms: Terms, forms: Sequence[SurveyForm]
) -> Profiles:
    """Each agency, by its code, according to TT 01/2018."""
    ids = {agency.id or 0: agency.code for agency in peers}
    said = await self_assessments.of_agencies(session, list(ids.values()), terms.period)
    complaints = {one: said[code].complaints for one, code in ids.items() if code in said}
    came = await counts.timeliness(session, list(ids), terms.period, complaints)
    answered = await tallies.read(session, list(ids), forms, terms.period)
    made = {}
    for one, code in ids.items():
        own = list(answered.get(one, {}).values())
        card = profiles.tt01(*came[one], own, said.get(code))
        made[code] = profile_figures.of_scorecard(profiles.withhold(card, terms.minimum_n))
    return made


async def of_peers(
    session: Session,
    method: str,
    peers: Sequence[Agency],
    terms: Terms,
    given: tuple[Sequence[SurveyForm], bytes],
) -> Profiles:
    """Each agency, by its code, according to the profile; `given` are surveys and secret."""
    forms, reference_key = given
    if method == QD766:
        return await of_dossiers(session, peers, terms, reference_key)
    return await of_scorecards(session, peers, terms, forms)
