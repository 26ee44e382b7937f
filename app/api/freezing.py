"""An edition's document, put together from one consistent cut of the database."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.api import texts
from app.api.comparisons import Ask, Asker, Compared, compared
from app.api.deps import Session
from app.api.edition_schemas import EditionIn
from app.api.methods import regime, unit
from app.db import peer_groups, successions
from app.db.tables import Agency, PeerGroupMember, Survey
from app.domain import edition, period
from app.domain.access import Caller
from app.domain.advice import Lever
from app.domain.change import earlier
from app.domain.comparison import changes
from app.domain.edition import AgencyPart, RankingPart
from app.domain.figure import Figure, Terms
from app.domain.methods import At
from app.domain.period import VIETNAM, local_day
from app.domain.standing import Ranking

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """Who freezes, and when, and the secret that tells which dossier was rated.

    `peer_group` is where in the request the peers are named.
    """

    caller: Caller
    at: datetime
    reference_key: bytes
    peer_group: str = "/peer_group"


@dataclass(frozen=True, slots=True)
class Cut:
    """All that an edition is made of, as it was at one moment."""

    head: Json
    ask: Ask
    found: Compared


async def cut(session: Session, asked: EditionIn, minimum_n: int, moment: Moment) -> Cut:
    """What the edition that is asked for is made of; a refusal names everything that is wrong."""
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
        asked.earlier_surveys,
    )
    asker = Asker(
        moment.caller,
        local_day(moment.at),
        moment.peer_group,
        "/surveys",
        "/earlier_surveys",
        "/view",
        At("/method", "/method", "/base"),
        moment.reference_key,
    )
    found = await compared(session, ask, asker)
    head = _head(asked, ask, found, moment.at)
    head["organisation"] = await _organisation(session, ask, found)
    return Cut(head, ask, found)


def _head(asked: EditionIn, ask: Ask, found: Compared, at: datetime) -> Json:
    """What the edition says of itself."""
    terms, method = ask.terms, found.now.method
    of = regime(method, ask.source)
    return {
        "code": asked.code,
        "title": asked.title.model_dump(exclude_none=True),
        "peer_group": {"code": found.group.code, "name": found.group.name},
        "period": {"first": str(terms.period.first), "last": str(terms.period.last)},
        "period_over": terms.period.last < local_day(at),
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
            "regime": of,
            "regime_name": texts.both(f"regime:{of}"),
            "unit": unit(method),
        },
        "base": terms.base.value,
        "view": ask.view.value,
        "rounding": terms.rounding.value,
        "decimals": terms.decimals,
        "minimum_n": terms.minimum_n,
        "frozen_at": at.astimezone(VIETNAM).isoformat(timespec="seconds"),
        "supersedes": asked.supersedes,
        "reason": asked.reason,
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
    membership: dict[str, list[Json]] = defaultdict(list)
    for member in await peer_groups.members(session, ask.peer_group):
        membership[member.agency].append(_days(member))
    successors: dict[str, list[Json]] = defaultdict(list)
    predecessors: dict[str, list[Json]] = defaultdict(list)
    for one in await successions.involving(session, codes):
        passed = {"share": str(one.share), "on": str(one.on)}
        successors[one.agency].append({"agency": one.successor, **passed})
        predecessors[one.successor].append({"agency": one.agency, **passed})
    return [
        {
            "code": agency.code,
            "name": agency.name,
            "kind": agency.kind,
            "parent": agency.parent,
            **_days(agency),
            "membership": membership[agency.code],
            "successors": successors[agency.code],
            "predecessors": predecessors[agency.code],
        }
        for agency in found.agencies
    ]


def _days(of: Agency | PeerGroupMember) -> Json:
    return {"valid_from": str(of.valid_from), "valid_to": of.valid_to and str(of.valid_to)}


def document(made_of: Cut) -> Json:
    """The edition: every agency's figures, and a ranking by every criterion.

    It takes seconds of thousands of agencies, and needs no database.
    """
    found = made_of.found
    codes = [agency.code for agency in found.agencies]
    rankings: list[RankingPart] = []
    figures: dict[str, list[Figure]] = {code: [] for code in codes}
    for criterion, name in found.now.criteria().items():
        ranking = found.now.ranking(criterion)
        for code, figure in ranking.figures.items():
            figures[code].append(figure)
        rankings.append(
            RankingPart(
                criterion,
                name,
                found.now.peer_count(criterion),
                ranking,
                changes(found.now, ranking, found.before, criterion),
                _levers(found, ranking) if criterion == "overall" else {},
                found.now.total(criterion, ranking),
            )
        )
    agencies = [AgencyPart(code, *found.reached[code], figures[code]) for code in codes]
    return edition.document(made_of.head, made_of.ask.terms, agencies, rankings)


def _levers(found: Compared, ranking: Ranking) -> dict[str, Lever | None]:
    return {row.place.agency: found.now.lever(row.place.agency) for row in ranking.rows}
