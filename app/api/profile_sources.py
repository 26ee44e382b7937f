"""Figures of the official profiles: what dossiers, ratings and self-assessments give by them."""

from collections.abc import Sequence
from dataclasses import replace

from app.api.deps import Session
from app.db import funnel, self_assessments, tallies
from app.db import profiles as counts
from app.db.surveys import SurveyForm
from app.db.tables import Agency
from app.domain import profile_figures, profiles, standing
from app.domain.evidence import Funnel
from app.domain.figure import Terms
from app.domain.measure import Key, Level
from app.domain.methods import METHODS
from app.domain.profile_figures import Profile
from app.domain.profiles import QD766, Scorecard, Source
from app.domain.tally import SurveyTally

Profiles = dict[str, Profile]


async def of_dossiers(
    session: Session, peers: Sequence[Agency], terms: Terms, reference_key: bytes
) -> Profiles:
    """Each agency, by its code, according to QĐ 766."""
    ids = {agency.id or 0: agency.code for agency in peers}
    counted = await counts.counts(session, list(ids), terms.period, reference_key)
    came = await funnel.read(session, list(ids), terms.period)
    made = {}
    for one, found in counted.items():
        few = 0 < came.get(one, Funnel()).rated < terms.minimum_n
        made[ids[one]] = profile_figures.of_dossiers(found, few=few)
    return made


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
        shown = profiles.withhold(card, terms.minimum_n)
        made[code] = profile_figures.of_scorecard(_without(shown, _suppressed(own, terms)))
    return made


def _suppressed(tallies: Sequence[SurveyTally], terms: Terms) -> frozenset[Key]:
    """The criteria that are withheld, for the sake of others, when they are asked for as shares."""
    kinds = (METHODS["top2-share@1"], METHODS["mean-score@1"])
    return frozenset().union(*(standing.suppressed(kind, terms, tallies) for kind in kinds))


def _without(card: Scorecard, hidden: frozenset[Key]) -> Scorecard:
    """The scorecard without the indices that are asked for under a withheld criterion."""
    return Scorecard(
        tuple(
            replace(index, numerator=None)
            if index.source is Source.SURVEYS
            and (Level.CRITERION, f"tt01-{index.number}") in hidden
            else index
            for index in card.indices
        )
    )


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
