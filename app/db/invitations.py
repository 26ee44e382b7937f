"""Invitations to rate a dossier: issued, and revoked. Of the token only a hash is stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, funnel, rated, ratings, surveys
from app.db.tables import Agency, Dossier, Invitation, Survey
from app.domain import invitation as rules
from app.domain.errors import (
    AlreadyRatedError,
    DossierNotFoundError,
    Fault,
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


async def issue(
    session: AsyncSession, key: bytes, owner: Agency, dossier: Dossier, now: datetime
) -> Issued | None:
    """A new invitation in place of the live one, or None when nothing invites to rate.

    The dossier is returned and locked, and the caller is within `funnel.moved`.
    """
    survey = await _inviting(session, owner.code, now)
    expires_at = None if survey is None else _expiry(survey, dossier, now)
    if survey is None or expires_at is None:
        return None
    return await _store(session, key, (owner, dossier, survey), now, expires_at)


async def issue_first(
    session: AsyncSession, key: bytes, returned: Iterable[tuple[str, Dossier]], now: datetime
) -> None:
    """Invite to rate dossiers (each with its agency's code) that were never invited before.

    They are returned and new, so nobody can have rated them.
    """
    inviting: dict[str, Survey | None] = {}
    for agency, dossier in returned:
        if agency not in inviting:
            inviting[agency] = await _inviting(session, agency, now)
        survey = inviting[agency]
        expires_at = None if survey is None else _expiry(survey, dossier, now)
        if survey is not None and expires_at is not None:
            token = rules.make(key, dossier.agency_id, agency, dossier.code, 1)
            session.add(_row(dossier, 1, token, survey, (now, expires_at)))


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


async def renew(
    session: AsyncSession,
    key: bytes,
    place: tuple[str, str],
    now: datetime,
    request_key: str | None = None,
) -> tuple[Issued, bool]:
    """A new invitation to rate an agency's dossier; the old one is revoked.

    With it, whether it was issued before, to a request of this name. Raises ResultNotReturnedError,
    AlreadyRatedError, SurveyClosedError when no survey invites, or RatingWindowClosedError.
    """
    agency, code = place
    owner = await agencies.get(session, agency)
    dossier = await _locked(session, owner.id or 0, code)
    if request_key is not None:
        asked = select(Invitation).where(_of(dossier), col(Invitation.request_key) == request_key)
        if (held := await session.scalar(asked)) is not None:
            token = rules.make(key, held.agency_id, agency, code, held.number)
            return Issued(token, held.expires_at), True
    if dossier.returned_at is None:
        raise ResultNotReturnedError(Fault("/path/dossier", ResultNotReturnedError.code))
    reference = ratings.reference(key, agency, code)
    if await rated.is_rated(session, dossier.agency_id, reference):
        raise AlreadyRatedError(Fault("/path/dossier", AlreadyRatedError.code))
    async with funnel.moved(session, dossier.agency_id, code):
        issued = await issue(session, key, owner, dossier, now)
    if issued is None and await _inviting(session, agency, now) is None:
        raise SurveyClosedError(Fault("", "no-survey-invites"))
    if issued is None:
        raise RatingWindowClosedError(Fault("/path/dossier", RatingWindowClosedError.code))
    live = update(Invitation).where(_of(dossier), col(Invitation.revoked_at).is_(None))
    await session.execute(live.values(request_key=request_key))
    return issued, False


async def withdraw(session: AsyncSession, agency: str, code: str, now: datetime) -> None:
    """Revoke the dossier's invitation, if one is live."""
    owner = await agencies.get(session, agency)
    await revoke(session, await _locked(session, owner.id or 0, code), now)


async def _inviting(session: AsyncSession, agency: str, now: datetime) -> Survey | None:
    """Of the surveys open today that cover the agency and invite, the one that opened last."""
    stmt = (
        select(Survey)
        .where(col(Survey.invitation_days).is_not(None), *surveys.open_to(agency, local_day(now)))
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
    session.add(_row(dossier, number, token, survey, (now, expires_at)))
    await session.flush()
    return Issued(token, expires_at)


def _row(
    dossier: Dossier, number: int, token: str, survey: Survey, span: tuple[datetime, datetime]
) -> Invitation:
    issued_at, expires_at = span
    return Invitation(
        agency_id=dossier.agency_id,
        dossier=dossier.code,
        number=number,
        token_hash=rules.hashed(token),
        survey_id=survey.id or 0,
        issued_at=issued_at,
        expires_at=expires_at,
    )


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
