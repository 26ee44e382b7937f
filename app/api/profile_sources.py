"""Figures of the official profiles: what dossiers, ratings and self-assessments give by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.api.deps import Session
from app.db import funnel, self_assessments, tallies
from app.db import profiles as counts
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import profile_figures, profiles, withholding
from app.domain.evidence import Funnel
from app.domain.figure import Terms
from app.domain.measure import question_key
from app.domain.profile_figures import Profile
from app.domain.profiles import QD766, Scorecard, Source
from app.domain.tally import SurveyTally

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
    came = await funnel.read(session, list(ids), terms.period)
    made = {}
    for one, found in counted.items():
        few = 0 < came.get(one, Funnel()).rated < terms.minimum_n
        made[ids[one]] = profile_figures.of_dossiers(found, few=few)
    return made


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
        made[code] = profile_figures.of_scorecard(shown, _suppressed(shown, own, terms))
    return made


def _suppressed(card: Scorecard, tallies: Sequence[SurveyTally], terms: Terms) -> frozenset[str]:
    """The indices with points that are asked for beside a question which is withheld."""
    hidden = withholding.of(tallies, terms.minimum_n).questions
    questions = [one for tally in tallies for one in tally.questions()]
    criteria = {one.criterion.code for one in questions if question_key(one) in hidden}
    return frozenset(
        index.number
        for index in card.indices
        if index.source is Source.SURVEYS
        and index.points is not None
        and f"tt01-{index.number}" in criteria
    )
