"""Surveys: which questionnaire they use, which agencies they cover, how many forms went out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, catalogue, peer_groups
from app.db.catalogue import Expected
from app.db.tables import Distribution, PeerGroupMember, Questionnaire, Survey, SurveyAgency
from app.domain import questionnaire as forms
from app.domain.errors import (
    AgencyNotSurveyedError,
    DistributionNotFoundError,
    Fault,
    SurveyNotFoundError,
    SurveyQuestionnaireFixedError,
    UnknownReferenceError,
)
from app.domain.forms import Forms, Issued
from app.domain.period import Period
from app.domain.refusals import Refusals


@dataclass(frozen=True, slots=True)
class SurveyForm:
    """A survey with the questionnaire that its answers are read by."""

    survey: Survey
    questionnaire: forms.Questionnaire
    places: Mapping[str, Mapping[str, int]]

    @property
    def id(self) -> int:
        """The number under which answers are stored."""
        return self.survey.id or 0

    def within(self, period: Period) -> bool:
        """Whether all of the survey's days lie in the period."""
        opens, closes = self.survey.opens_on, self.survey.closes_on
        return closes is not None and period.first <= opens and closes <= period.last


async def get(session: AsyncSession, code: str, pointer: str = "/path/survey") -> Survey:
    """The survey; raises SurveyNotFoundError."""
    survey = await session.scalar(select(Survey).where(col(Survey.code) == code))
    if survey is None:
        raise SurveyNotFoundError(Fault(pointer, "survey-not-found", {"code": code}))
    return survey


async def list_page(
    session: AsyncSession, agency: str | None, day: date | None, after: str | None, limit: int
) -> Sequence[Survey]:
    """Up to `limit` surveys after the one named: all, or those for an agency, or open on a day.

    Raises AgencyNotFoundError, or InvalidError when there is no survey of that code.
    """
    stmt = await catalogue.page(session, select(Survey), col(Survey.code), after, limit)
    if agency is not None:
        await agencies.get(session, agency, "/query/agency")
    return (await session.scalars(stmt.where(*open_to(agency, day)))).all()


def open_to(agency: str | None, day: date | None) -> list[ColumnElement[bool]]:
    """What is so of a survey for the agency that is open on the day; None: for any, on any day."""
    named = select(col(SurveyAgency.survey)).where(col(SurveyAgency.agency) == agency)
    groups = select(col(PeerGroupMember.peer_group)).where(col(PeerGroupMember.agency) == agency)
    found: list[ColumnElement[bool]] = []
    if day is not None:
        groups = groups.where(
            col(PeerGroupMember.valid_from) <= day,
            col(PeerGroupMember.valid_to).is_(None) | (col(PeerGroupMember.valid_to) >= day),
        )
        found = [
            col(Survey.opens_on) <= day,
            col(Survey.closes_on).is_(None) | (col(Survey.closes_on) >= day),
        ]
    if agency is not None:
        found.append(col(Survey.code).in_(named) | col(Survey.peer_group).in_(groups))
    return found


async def with_forms(session: AsyncSession, codes: Sequence[str], pointer: str) -> list[SurveyForm]:
    """The surveys in the order asked for; raises SurveyNotFoundError naming each unknown one."""
    stmt = (
        select(Survey, col(Questionnaire.document))
        .join(
            Questionnaire,
            (col(Questionnaire.code) == Survey.questionnaire)
            & (col(Questionnaire.version) == Survey.version),
        )
        .where(col(Survey.code).in_(codes))
    )
    found = {
        survey.code: _form(survey, document) for survey, document in await session.execute(stmt)
    }
    if faults := [
        Fault(pointer, "survey-not-found", {"code": code}) for code in codes if code not in found
    ]:
        raise SurveyNotFoundError(*faults)
    return [found[code] for code in dict.fromkeys(codes)]


def _form(survey: Survey, document: Mapping[str, Any]) -> SurveyForm:
    questionnaire = forms.read(survey.questionnaire, survey.version, document)
    return SurveyForm(survey, questionnaire, questionnaire.places)


async def named_agencies(session: AsyncSession, code: str) -> Sequence[str]:
    """The codes of the agencies that the survey names."""
    stmt = (
        select(col(SurveyAgency.agency))
        .where(col(SurveyAgency.survey) == code)
        .order_by(col(SurveyAgency.agency))
    )
    return (await session.scalars(stmt)).all()


async def put(
    session: AsyncSession,
    code: str,
    values: Mapping[str, Any],
    named: Sequence[str],
    expected: Expected,
) -> Survey:
    """Store the survey with exactly these agencies and return it."""
    await catalogue.alone(session, Survey, code)
    held = await session.scalar(select(Survey).where(col(Survey.code) == code).with_for_update())
    form = (values["questionnaire"], values["version"])
    if held is not None and (held.questionnaire, held.version) != form:
        raise SurveyQuestionnaireFixedError(Fault("/questionnaire", "survey-questionnaire-fixed"))
    # Locked, so that the version is not changed before this survey makes it immutable.
    read = {"read": True, "key_share": True}
    document = (await session.get_one(Questionnaire, form, with_for_update=read)).document
    layout = list(forms.read(*form, document).layout)
    survey = await catalogue.put(
        session, Survey, {"code": code}, {**values, "layout": layout}, expected
    )
    await session.execute(delete(SurveyAgency).where(col(SurveyAgency.survey) == code))
    if named:
        rows = [{"survey": code, "agency": agency} for agency in dict.fromkeys(named)]
        await session.execute(insert(SurveyAgency), rows)
    return survey


async def check_references(
    session: AsyncSession, values: Mapping[str, Any], named: Sequence[str]
) -> None:
    """Nothing when all that a survey names exists; else raises UnknownReferenceError."""
    refusals = Refusals()
    form = (values["questionnaire"], values["version"])
    with refusals:
        if await session.get(Questionnaire, form) is None:
            params = {"code": f"{form[0]}@{form[1]}"}
            raise UnknownReferenceError(Fault("/questionnaire", "questionnaire-not-found", params))
    with refusals:
        await peer_groups.check_known(session, values["peer_group"])
    with refusals:
        await agencies.check_known(
            session, {f"/agencies/{place}": agency for place, agency in enumerate(named)}
        )
    refusals.raise_all()


async def check_covered(session: AsyncSession, survey: str, agency: str, period: Period) -> None:
    """Nothing when the survey covers the agency then; else raises AgencyNotSurveyedError."""
    if not await covered(session, [survey], [agency], period):
        raise AgencyNotSurveyedError(Fault("/agency", "agency-not-surveyed"))


async def covered(
    session: AsyncSession, surveys: Sequence[str], agencies: Sequence[str], period: Period
) -> set[tuple[str, str]]:
    """The pairs (survey, agency) where the survey covers the agency at some time in the period."""
    rows = await session.execute(
        text("""
        SELECT survey.code, named.agency
          FROM survey
          JOIN survey_agency AS named ON named.survey = survey.code
         WHERE survey.code = ANY(:surveys) AND named.agency = ANY(:agencies)
        UNION
        SELECT survey.code, member.agency
          FROM survey
          JOIN peer_group_member AS member ON member.peer_group = survey.peer_group
         WHERE survey.code = ANY(:surveys) AND member.agency = ANY(:agencies)
           AND member.valid_from <= :last
           AND coalesce(member.valid_to, 'infinity') >= :first
        """),
        {
            "surveys": list(surveys),
            "agencies": list(agencies),
            "first": period.first,
            "last": period.last,
        },
    )
    return {(survey, agency) for survey, agency in rows}


async def coverage(
    session: AsyncSession, survey: str, agency: str
) -> tuple[tuple[date, date | None], ...]:
    """From when to when (None: for good) the survey covers the agency, its own days aside."""
    rows = await session.execute(
        text("""
        SELECT date '0001-01-01', NULL::date
          FROM survey_agency AS named
         WHERE named.survey = :survey AND named.agency = :agency
        UNION ALL
        SELECT member.valid_from, member.valid_to
          FROM survey
          JOIN peer_group_member AS member ON member.peer_group = survey.peer_group
         WHERE survey.code = :survey AND member.agency = :agency
        """),
        {"survey": survey, "agency": agency},
    )
    return tuple((first, last) for first, last in rows)


async def get_distribution(
    session: AsyncSession, survey: str, agency: str, channel: str
) -> Distribution:
    """The forms that went out on a channel; raises DistributionNotFoundError."""
    found = await session.get(Distribution, (agency, survey, channel))
    if found is None:
        raise DistributionNotFoundError(
            Fault("/path/channel", "distribution-not-found", {"code": channel})
        )
    return found


async def put_distribution(
    session: AsyncSession, key: Mapping[str, str], values: Mapping[str, int], expected: Expected
) -> Distribution:
    """Store how many forms of a survey an agency issued on a channel, and return it."""
    await get(session, key["survey"])
    await agencies.get(session, key["agency"])
    return await catalogue.put(session, Distribution, key, values, expected)


async def issued(
    session: AsyncSession, surveys: Sequence[str], agencies: Sequence[str]
) -> dict[tuple[str, str], Issued]:
    """What each agency said of its forms in each survey, added over the channels."""
    sums = [
        func.sum(col(getattr(Distribution, name))) for name in ("issued", "returned", "invalid")
    ]
    stmt = (
        select(col(Distribution.survey), col(Distribution.agency), *sums)
        .where(col(Distribution.agency).in_(agencies), col(Distribution.survey).in_(surveys))
        .group_by(col(Distribution.survey), col(Distribution.agency))
    )
    return {
        (survey, agency): Issued(survey, *said)
        for survey, agency, *said in await session.execute(stmt)
    }


async def response_rates(
    session: AsyncSession, surveys: Sequence[str], agency: str
) -> dict[str, Decimal | None]:
    """Per channel the returned forms of an agency in percent of those it issued."""
    sums = [func.sum(col(getattr(Distribution, name))) for name in ("issued", "returned")]
    stmt = (
        select(col(Distribution.channel), *sums)
        .where(col(Distribution.agency) == agency, col(Distribution.survey).in_(surveys))
        .group_by(col(Distribution.channel))
    )
    return {
        channel: Forms(issued, returned, None).response_rate
        for channel, issued, returned in await session.execute(stmt)
    }
