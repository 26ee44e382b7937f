"""A peer group as it is now and as it was before, read for a ranking or for an edition."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from app.api import profile_sources
from app.api.deps import Session
from app.db import peer_groups, published_indices, surveys, targets
from app.db.peers import Peers, Standpoint, evidence_of, peers
from app.db.surveys import SurveyForm
from app.db.tables import Agency, PeerGroup
from app.domain import methods, profile_figures, published
from app.domain.access import Caller
from app.domain.comparison import Counted, Group, Printed
from app.domain.evidence import Evidence
from app.domain.figure import Terms
from app.domain.measure import Level
from app.domain.methods import At, not_applicable
from app.domain.period import Period
from app.domain.profile_figures import Profiled
from app.domain.profiles import REGIMES
from app.domain.refusals import Refusals
from app.domain.structure import View


@dataclass(frozen=True, slots=True)
class Ask:
    """Which peers are compared, by which figures, and with which earlier months.

    `criterion` is None where every one is wanted.
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


@dataclass(frozen=True, slots=True)
class Compared:
    """The group now and before; `evidence` and `forms` are empty of a printed source."""

    group: PeerGroup
    agencies: Sequence[Agency]
    forms: Sequence[SurveyForm]
    evidence: dict[str, Evidence]
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
    for agency in (*found.agencies, *found.sources):
        asker.caller.check_agency(agency.code, asker.peer_group)
    return Compared(group, found.agencies, *made)


Made = tuple[Sequence[SurveyForm], dict[str, Evidence], Group, Group]


async def _counted(
    session: Session, ask: Ask, found: tuple[Peers, Peers], asker: Asker, refusals: Refusals
) -> Made:
    """The peers from our own tallies."""
    level = Level.OVERALL if ask.criterion in {None, "overall"} else Level.CRITERION
    with refusals:
        forms = await surveys.with_forms(session, ask.surveys, asker.surveys)
    with refusals:
        earlier_at = asker.earlier_surveys
        forms_before = await surveys.with_forms(session, ask.earlier_surveys, earlier_at)
    with refusals:
        asked_for = ask.method or methods.DEFAULT_METHOD
        method = methods.find(asked_for, level, ask.terms.base, asker.method)
        methods.check_ranks(method, asker.method)
    refusals.raise_all()
    now, then = found
    evidence = await evidence_of(session, now, forms, ask.terms.period)
    earlier = await evidence_of(session, then, forms_before, ask.earlier)
    own = {one.agency: one for one in evidence}
    before = {one.agency: one for one in earlier}
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
    level = Level.OVERALL if ask.criterion in {None, "overall"} else Level.CRITERION
    with refusals:
        forms = await surveys.with_forms(session, ask.surveys, asker.surveys)
    with refusals:
        profile_figures.check(method, level, ask.terms.base, asker.method)
        _check_view(ask, asker)
    refusals.raise_all()
    groups = []
    for one, months in zip(found, (ask.terms.period, ask.earlier), strict=True):
        terms = replace(ask.terms, period=months)
        given = (forms, asker.reference_key)
        made = await profile_sources.of_peers(session, method, one.agencies, terms, given)
        codes = [agency.code for agency in one.agencies]
        aims = await targets.of_agencies(session, codes, months)
        groups.append(Profiled(method, terms, made, aims))
    return forms, {}, groups[0], groups[1]


async def _printed(
    session: Session, ask: Ask, found: tuple[Peers, Peers], asker: Asker, refusals: Refusals
) -> Made:
    """The peers as a source printed them."""
    with refusals:
        method = published.find(ask.method or methods.AS_PUBLISHED, Level.OVERALL, asker.method)
        published.check_ranks(method, asker.method)
        _check_view(ask, asker)
    refusals.raise_all()
    groups = []
    for one, months in zip(found, (ask.terms.period, ask.earlier), strict=True):
        codes = [agency.code for agency in one.agencies]
        printed = await published_indices.of_agencies(session, ask.source or "", months, codes)
        aims = await targets.of_agencies(session, codes, months)
        terms = replace(ask.terms, period=months, minimum_n=0)
        groups.append(Printed(terms, {code: printed.get(code, []) for code in codes}, aims))
    return (), {}, groups[0], groups[1]


def _check_view(ask: Ask, asker: Asker) -> None:
    """Nothing, or a refusal: only tallies can be added up anew in today's structure."""
    if ask.view is View.TODAY:
        raise not_applicable(asker.view, [View.AS_WAS, View.LIKE_FOR_LIKE])
