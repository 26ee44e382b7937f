"""A peer group as it is now and as it was before, read for a ranking or for an edition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.api import profile_sources
from app.api.deps import Session
from app.api.profile_sources import Basis
from app.db import funnel, peer_groups, published_indices, surveys, targets
from app.db.figures import evidence, tallied
from app.db.peers import Peers, Standpoint, as_seen, peers
from app.db.surveys import SurveyForm
from app.db.tables import Agency, PeerGroup
from app.domain import methods, profile_figures, published
from app.domain.access import Caller
from app.domain.comparison import Counted, Group, Printed, check_criterion
from app.domain.evidence import Evidence, Funnel, Reached
from app.domain.figure import Terms
from app.domain.forms import Forms, summary
from app.domain.measure import Level
from app.domain.methods import At, not_applicable
from app.domain.period import Period
from app.domain.profile_figures import Profiled
from app.domain.profile_names import INDICES
from app.domain.profiles import REGIMES
from app.domain.refusals import Refusals
from app.domain.structure import View


@dataclass(frozen=True, slots=True)
class Ask:
    """Which peers are compared, by which figures, and with which earlier months.

    `criterion` is None where every one is wanted; without `earlier_surveys` they are the same.
    """

    peer_group: str
    surveys: Sequence[str]
    source: str | None
    method: str | None
    criterion: str | None
    terms: Terms
    view: View
    earlier: Period
    earlier_surveys: Sequence[str]

    @property
    def level(self) -> Level:
        """What the figures speak of; overall where every criterion is wanted."""
        return Level.OVERALL if self.criterion in {None, "overall"} else Level.CRITERION


@dataclass(frozen=True, slots=True)
class Compared:
    """The group now and before, and how many forms and dossiers each of its agencies had.

    `forms` are empty of a printed source.
    """

    group: PeerGroup
    agencies: Sequence[Agency]
    forms: Sequence[SurveyForm]
    reached: Mapping[str, Reached]
    now: Group
    before: Group


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, on which day, and where in the request each term stands."""

    caller: Caller
    day: date
    peer_group: str
    surveys: str
    earlier_surveys: str
    view: str
    method: At
    reference_key: bytes


async def compared(session: Session, ask: Ask, asker: Asker) -> Compared:
    """All that is asked for, checked and read; a refusal names everything that is wrong."""
    refusals = Refusals()
    with refusals:
        group = await peer_groups.get(session, ask.peer_group, asker.peer_group)
    span = Period(ask.earlier.first, ask.terms.period.last)
    standpoint = Standpoint(ask.peer_group, ask.view, asker.day, span)
    found = await peers(session, standpoint, ask.terms.period)
    then = found
    if ask.view is View.AS_WAS:
        then = await peers(session, standpoint, ask.earlier)
    if ask.method in REGIMES:
        made = await _profiled(session, ask, (found, then), asker, refusals)
    elif ask.source is None:
        made = await _counted(session, ask, (found, then), asker, refusals)
    else:
        made = await _printed(session, ask, (found, then), asker, refusals)
    for agency in (*found.agencies, *found.sources, *then.agencies):
        asker.caller.check_agency(agency.code, asker.peer_group)
    forms, evidence, now, before = made
    reached = await _reached(session, ask, found, evidence)
    return Compared(group, found.agencies, forms, reached, now, before)


async def _reached(
    session: Session, ask: Ask, found: Peers, evidence: Mapping[str, Evidence]
) -> Mapping[str, Reached]:
    """Each peer's forms and dossiers; of profiles and printed figures no forms are known."""
    if evidence:
        return {code: (summary(own.parts), own.funnel) for code, own in evidence.items()}
    ids = {agency.id or 0: agency.code for agency in found.agencies}
    moved = await funnel.read(session, list(ids), ask.terms.period)
    unknown = Forms(None, None, None)
    return {code: (unknown, moved.get(one, Funnel())) for one, code in ids.items()}


Made = tuple[Sequence[SurveyForm], dict[str, Evidence], Group, Group]


async def _counted(
    session: Session, ask: Ask, found: tuple[Peers, Peers], asker: Asker, refusals: Refusals
) -> Made:
    """The peers from our own tallies."""
    forms, forms_before = await _surveys(session, ask, asker, refusals)
    with refusals:
        asked_for = ask.method or methods.DEFAULT_METHOD
        method = methods.find(asked_for, Level.OVERALL, ask.terms.base, asker.method)
        with refusals:
            methods.check_ranks(method, asker.method)
        if ask.level not in method.levels:
            raise not_applicable(asker.method.level, [Level.OVERALL])
        if ask.criterion is not None and forms:
            asked = {one.code for form in forms for one in form.questionnaire.criteria}
            check_criterion(ask.criterion, asked, asker.method.level)
    refusals.raise_all()
    now, then = found
    own = as_seen(now, await evidence(session, now.sources, forms, ask.terms.period))
    before = as_seen(then, await tallied(session, then.sources, forms_before, ask.earlier))
    return (
        forms,
        own,
        Counted(method, ask.terms, own),
        Counted(method, replace(ask.terms, period=ask.earlier), before),
    )


async def _profiled(
    session: Session, ask: Ask, found: tuple[Peers, Peers], asker: Asker, refusals: Refusals
) -> Made:
    """The peers by an official profile, each with its own data."""
    method = ask.method or ""
    asked = await _surveys(session, ask, asker, refusals)
    with refusals:
        profile_figures.check(method, ask.level, ask.terms.base, asker.method)
        if ask.criterion is not None:
            check_criterion(ask.criterion, INDICES, asker.method.level)
    with refusals:
        _check_view(ask, asker)
    refusals.raise_all()
    groups = []
    periods = (ask.terms.period, ask.earlier)
    for one, forms, months in zip(found, asked, periods, strict=True):
        terms = replace(ask.terms, period=months)
        basis = Basis(method, terms, forms, asker.reference_key)
        made = await profile_sources.of_peers(session, one.agencies, basis)
        groups.append(Profiled(method, terms, made))
    return asked[0], {}, groups[0], groups[1]


async def _printed(
    session: Session, ask: Ask, found: tuple[Peers, Peers], asker: Asker, refusals: Refusals
) -> Made:
    """The peers as a source printed them."""
    with refusals:
        method = published.find(ask.method or methods.AS_PUBLISHED, Level.OVERALL, asker.method)
        published.check_ranks(method, asker.method)
    with refusals:
        _check_view(ask, asker)
    refusals.raise_all()
    groups = []
    for one, months in zip(found, (ask.terms.period, ask.earlier), strict=True):
        codes = [agency.code for agency in one.agencies]
        printed = await published_indices.of_agencies(session, ask.source or "", months, codes)
        aims = await targets.of_agencies(session, codes, months)
        terms = replace(ask.terms, period=months, minimum_n=0)
        groups.append(Printed(terms, {code: printed.get(code, []) for code in codes}, aims))
    if ask.criterion is not None:
        check_criterion(ask.criterion, groups[0].criteria(), asker.method.level)
    return (), {}, groups[0], groups[1]


async def _surveys(
    session: Session, ask: Ask, asker: Asker, refusals: Refusals
) -> tuple[Sequence[SurveyForm], Sequence[SurveyForm]]:
    """The surveys of the period and those of the one before."""
    now: Sequence[SurveyForm] = ()
    with refusals:
        now = await surveys.with_forms(session, ask.surveys, asker.surveys)
    before = now
    with refusals:
        if ask.earlier_surveys:
            named, at = ask.earlier_surveys, asker.earlier_surveys
            before = await surveys.with_forms(session, named, at)
    return now, before


def _check_view(ask: Ask, asker: Asker) -> None:
    """Nothing, or a refusal: only tallies can be added up anew in today's structure."""
    if ask.view is View.TODAY:
        raise not_applicable(asker.view, [View.AS_WAS, View.LIKE_FOR_LIKE])
