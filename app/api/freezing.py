"""An edition's document, put together from one consistent cut of the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.api import texts
from app.api.comparisons import Ask, Asker, Compared, compared
from app.api.deps import Session
from app.api.edition_schemas import EditionIn
from app.api.methods import regime
from app.db import peer_groups, successions
from app.db.tables import Survey
from app.domain import edition, period
from app.domain.access import Caller
from app.domain.change import earlier
from app.domain.comparison import changes
from app.domain.edition import AgencyPart, RankingPart
from app.domain.evidence import Funnel
from app.domain.figure import Terms
from app.domain.forms import Forms, summary
from app.domain.methods import At
from app.domain.period import VIETNAM, local_day

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """Who freezes, and when, and the secret that tells which dossier was rated."""

    caller: Caller
    at: datetime
    reference_key: bytes


async def document(session: Session, asked: EditionIn, minimum_n: int, moment: Moment) -> Json:
    """The edition that is asked for, as it is now; a refusal names everything that is wrong."""
    terms = Terms(period.parse(asked.period), asked.base, minimum_n, asked.decimals, asked.rounding)
    ask = Ask(
        asked.peer_group,
        asked.surveys,
        asked.source,
        asked.method,
        None,
        terms,
        asked.view,
        earlier(terms.period),
        asked.earlier_surveys or asked.surveys,
    )
    asker = Asker(
        moment.caller,
        local_day(moment.at),
        "/peer_group",
        "/surveys",
        "/earlier_surveys",
        "/view",
        At("/method", "/method", "/base"),
        moment.reference_key,
    )
    found = await compared(session, ask, asker)
    head = _head(asked, ask, found, moment.at)
    head["organisation"] = await _organisation(session, ask, found)
    return _composed(head, ask, found)


def _head(asked: EditionIn, ask: Ask, found: Compared, at: datetime) -> Json:
    """What the edition says of itself."""
    terms, method = ask.terms, found.now.method
    return {
        "code": asked.code,
        "title": asked.title.model_dump(exclude_none=True),
        "peer_group": {"code": found.group.code, "name": found.group.name},
        "period": {"first": str(terms.period.first), "last": str(terms.period.last)},
        "compared_with": {"first": str(ask.earlier.first), "last": str(ask.earlier.last)},
        "surveys": [_survey(form.survey) for form in found.forms],
        "source": ask.source,
        "earlier_surveys": list(asked.earlier_surveys),
        "method": {
            "id": method,
            **{
                part: texts.both(f"method:{method}:{part}")
                for part in ("name", "formula", "limits")
            },
            "regime": regime(method),
            "regime_name": texts.both(f"regime:{regime(method)}"),
        },
        "base": terms.base.value,
        "view": ask.view.value,
        "rounding": terms.rounding.value,
        "decimals": terms.decimals,
        "minimum_n": terms.minimum_n,
        "frozen_at": at.astimezone(VIETNAM).isoformat(timespec="seconds"),
        "supersedes": asked.supersedes,
        "reason": asked.reason,
        "criteria": [
            {"code": code, "name": dict(name)} for code, name in found.now.criteria().items()
        ],
    }


def _survey(survey: Survey) -> Json:
    return {
        "code": survey.code,
        "title": survey.title,
        "questionnaire": survey.questionnaire,
        "version": survey.version,
        "opens_on": str(survey.opens_on),
        "closes_on": survey.closes_on and str(survey.closes_on),
    }


async def _organisation(session: Session, ask: Ask, found: Compared) -> list[Json]:
    """Each peer as the catalogue has it: its days, its membership, and who took over from whom."""
    codes = [agency.code for agency in found.agencies]
    members = await peer_groups.members(session, ask.peer_group)
    passed = await successions.involving(session, codes)
    return [
        {
            "code": agency.code,
            "name": agency.name,
            "kind": agency.kind,
            "parent": agency.parent,
            "valid_from": str(agency.valid_from),
            "valid_to": agency.valid_to and str(agency.valid_to),
            "membership": [
                {"valid_from": str(one.valid_from), "valid_to": one.valid_to and str(one.valid_to)}
                for one in members
                if one.agency == agency.code
            ],
            "successors": [
                {"agency": one.successor, "share": str(one.share), "on": str(one.on)}
                for one in passed
                if one.agency == agency.code
            ],
            "predecessors": [
                {"agency": one.agency, "share": str(one.share), "on": str(one.on)}
                for one in passed
                if one.successor == agency.code
            ],
        }
        for agency in found.agencies
    ]


def _composed(head: Json, ask: Ask, found: Compared) -> Json:
    """The document: every agency's figures, and a ranking by every criterion."""
    codes = [agency.code for agency in found.agencies]
    rankings: list[RankingPart] = []
    figures: dict[str, list[Any]] = {code: [] for code in codes}
    for criterion in found.now.criteria():
        ranking = found.now.ranking(criterion)
        for code, figure in found.now.figures(criterion).items():
            figures[code].append(figure)
        rankings.append(
            RankingPart(
                criterion,
                found.now.peer_count(criterion),
                ranking,
                changes(found.now, ranking, found.before, criterion),
                _levers(found, codes) if criterion == "overall" else {},
                found.now.total(criterion, ranking),
            )
        )
    agencies = []
    for code in codes:
        own = found.evidence.get(code)
        forms = summary(own.parts) if own else Forms(None, None, None)
        agencies.append(AgencyPart(code, forms, own.funnel if own else Funnel(), figures[code]))
    return edition.document(head, ask.terms, agencies, rankings)


def _levers(found: Compared, codes: Sequence[str]) -> Json:
    return {code: found.now.lever(code) for code in codes}
