"""Invitations: issued, looked up by their token, opened, revoked. Only a hash is stored."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, funnel, ratings
from app.db.tables import (
    Agency,
    Dossier,
    Invitation,
    PeerGroupMember,
    Questionnaire,
    Survey,
    SurveyAgency,
)
from app.domain import invitation as rules
from app.domain.errors import (
    AlreadyRatedError,
    DomainError,
    DossierNotFoundError,
    Fault,
    InvitationExpiredError,
    InvitationNotFoundError,
    InvitationRevokedError,
    InvitationUsedError,
    RatingWindowClosedError,
    ResultNotReturnedError,
    SurveyClosedError,
)
from app.domain.period import local_day


@dataclass(frozen=True, slots=True)
class Issued:
    """A live invitation, with the token that nobody can read in the database."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invited:
    """What the bearer of a token may rate."""

    agency_id: int
    agency: str
    survey: str
    dossier: str
    number: int
    opened: bool
    expires_at: datetime
    refusal: DomainError | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the bearer of a token is asked, by whom and in which survey."""

    invited: Invited
    agency: Agency
    survey: Survey
    questionnaire: Questionnaire


async def find(
    session: AsyncSession, token: str, now: datetime, pointer: str = "/invitation"
) -> Invited:
    """What the token invites, or invited, to rate; `refusal` says that it no longer does.

    Raises InvitationNotFoundError.
    """
    unknown = InvitationNotFoundError(Fault(pointer, InvitationNotFoundError.code))
    try:
        agency_id, canonical = rules.read(token)
    except ValueError:
        raise unknown from None
    stmt = (
        select(Invitation, col(Agency.code), col(Survey.code))
        .join(Agency, col(Agency.id) == col(Invitation.agency_id))
        .join(Survey, col(Survey.id) == col(Invitation.survey_id))
        .where(
            col(Invitation.agency_id) == agency_id,
            col(Invitation.token_hash) == rules.hashed(canonical),
        )
    )
    row = (await session.execute(stmt)).one_or_none()
    if row is None:
        raise unknown
    held, agency, survey = row
    refusal: DomainError | None = None
    if held.revoked_at is not None:
        refusal = InvitationRevokedError(Fault(pointer, InvitationRevokedError.code))
    elif held.expires_at <= now:
        refusal = InvitationExpiredError(Fault(pointer, InvitationExpiredError.code))
    return Invited(
        agency_id,
        agency,
        survey,
        held.dossier,
        held.number,
        held.opened,
        held.expires_at,
        refusal,
    )


async def show(session: AsyncSession, key: bytes, token: str, now: datetime) -> Shown:
    """What the bearer of a token is shown.

    Raises InvitationNotFoundError, InvitationRevokedError or InvitationExpiredError, or
    InvitationUsedError when the dossier has its one rating.
    """
    invited = await find(session, token, now, "/path/token")
    if invited.refusal is not None:
        raise invited.refusal
    reference = ratings.reference(key, invited.agency, invited.dossier)
    if await ratings.is_rated(session, invited.agency_id, reference):
        raise InvitationUsedError(Fault("/path/token", InvitationUsedError.code))
    stmt = (
        select(Agency, Survey, Questionnaire)
        .select_from(Agency)
        .join(Survey, col(Survey.code) == invited.survey)
        .join(
            Questionnaire,
            (col(Questionnaire.code) == col(Survey.questionnaire))
            & (col(Questionnaire.version) == col(Survey.version)),
        )
        .where(col(Agency.id) == invited.agency_id)
    )
    return Shown(invited, *(await session.execute(stmt)).one())


async def record_opening(session: AsyncSession, invited: Invited) -> None:
    """Note the first opening of an invitation; the funnel counts one for each dossier."""
    if invited.opened:
        return
    await _locked(session, invited.agency_id, invited.dossier)
    async with funnel.moved(session, invited.agency_id, invited.dossier):
        await session.execute(
            update(Invitation)
            .where(
                col(Invitation.agency_id) == invited.agency_id,
                col(Invitation.dossier) == invited.dossier,
                col(Invitation.number) == invited.number,
            )
            .values(opened=True)
        )


async def issue(
    session: AsyncSession, key: bytes, owner: Agency, dossier: Dossier, now: datetime
) -> Issued | None:
    """A new invitation in place of the live one, or None when nothing invites to rate.

    The dossier is returned and locked, and the caller is within `funnel.moved`.
    """
    survey = await _inviting(session, owner, now)
    expires_at = None if survey is None else _expiry(survey, dossier, now)
    if survey is None or expires_at is None:
        return None
    return await _store(session, key, (owner, dossier, survey), now, expires_at)


async def current(
    session: AsyncSession, key: bytes, owner: Agency, dossier: Dossier
) -> Issued | None:
    """The invitation that was issued last and not revoked, as it was issued."""
    stmt = select(Invitation).where(_of(dossier), col(Invitation.revoked_at).is_(None))
    held = await session.scalar(stmt)
    if held is None:
        return None
    token = rules.make(key, held.agency_id, owner.code, dossier.code, held.number)
    return Issued(token, held.expires_at)


async def revoke(session: AsyncSession, dossier: Dossier, now: datetime) -> bool:
    """Whether there was a live invitation to revoke. The dossier was invited all the same."""
    stmt = (
        update(Invitation)
        .where(_of(dossier), col(Invitation.revoked_at).is_(None))
        .values(revoked_at=now)
        .returning(col(Invitation.number))
    )
    return await session.scalar(stmt) is not None


async def renew(session: AsyncSession, key: bytes, agency: str, code: str, now: datetime) -> Issued:
    """A new invitation to rate a dossier; the old one is revoked.

    Raises ResultNotReturnedError, AlreadyRatedError, SurveyClosedError when no survey invites, or
    RatingWindowClosedError.
    """
    owner = await agencies.get(session, agency)
    dossier = await _locked(session, owner.id or 0, code)
    if dossier.returned_at is None:
        raise ResultNotReturnedError(Fault("/path/dossier", ResultNotReturnedError.code))
    reference = ratings.reference(key, agency, code)
    if await ratings.is_rated(session, dossier.agency_id, reference):
        raise AlreadyRatedError(Fault("/path/dossier", AlreadyRatedError.code))
    async with funnel.moved(session, dossier.agency_id, code):
        issued = await issue(session, key, owner, dossier, now)
    if issued is None and await _inviting(session, owner, now) is None:
        raise SurveyClosedError(Fault("", "no-survey-invites"))
    if issued is None:
        raise RatingWindowClosedError(Fault("/path/dossier", RatingWindowClosedError.code))
    return issued


async def withdraw(session: AsyncSession, agency: str, code: str, now: datetime) -> None:
    """Revoke the dossier's invitation, if one is live."""
    owner = await agencies.get(session, agency)
    await revoke(session, await _locked(session, owner.id or 0, code), now)


async def _inviting(session: AsyncSession, owner: Agency, now: datetime) -> Survey | None:
    """Of the surveys open today that cover the agency and invite, the one that opened last."""
    day = local_day(now)
    named = select(col(SurveyAgency.survey)).where(col(SurveyAgency.agency) == owner.code)
    groups = select(col(PeerGroupMember.peer_group)).where(
        col(PeerGroupMember.agency) == owner.code,
        col(PeerGroupMember.valid_from) <= day,
        col(PeerGroupMember.valid_to).is_(None) | (col(PeerGroupMember.valid_to) >= day),
    )
    stmt = (
        select(Survey)
        .where(
            col(Survey.invitation_days).is_not(None),
            col(Survey.opens_on) <= day,
            col(Survey.closes_on).is_(None) | (col(Survey.closes_on) >= day),
            col(Survey.code).in_(named) | col(Survey.peer_group).in_(groups),
        )
        .order_by(col(Survey.opens_on).desc(), col(Survey.code).collate("C").desc())
        .limit(1)
    )
    return await session.scalar(stmt)


def _expiry(survey: Survey, dossier: Dossier, now: datetime) -> datetime | None:
    if survey.invitation_days is None or dossier.returned_at is None:
        return None
    terms = rules.Terms(survey.invitation_days, survey.rating_window_days, survey.closes_on)
    return terms.expiry(now, dossier.returned_at)


async def _store(
    session: AsyncSession,
    key: bytes,
    what: tuple[Agency, Dossier, Survey],
    now: datetime,
    expires_at: datetime,
) -> Issued:
    owner, dossier, survey = what
    await revoke(session, dossier, now)
    last = await session.scalar(select(func.max(col(Invitation.number))).where(_of(dossier)))
    number = (last or 0) + 1
    token = rules.make(key, dossier.agency_id, owner.code, dossier.code, number)
    session.add(
        Invitation(
            agency_id=dossier.agency_id,
            dossier=dossier.code,
            number=number,
            token_hash=rules.hashed(token),
            survey_id=survey.id or 0,
            issued_at=now,
            expires_at=expires_at,
        )
    )
    await session.flush()
    return Issued(token, expires_at)


def _of(dossier: Dossier) -> ColumnElement[bool]:
    """The condition that an invitation is to rate this dossier."""
    return (col(Invitation.agency_id) == dossier.agency_id) & (
        col(Invitation.dossier) == dossier.code
    )


async def _locked(session: AsyncSession, agency_id: int, code: str) -> Dossier:
    dossier = await session.get(Dossier, (agency_id, code), with_for_update=True)
    if dossier is None:
        raise DossierNotFoundError(Fault("/path/dossier", "dossier-not-found", {"code": code}))
    return dossier
