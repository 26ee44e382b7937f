"""What the bearer of a token may rate: a dossier, or an agency in a survey."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import funnel, rated, ratings
from app.db.tables import (
    Agency,
    Dossier,
    Invitation,
    Questionnaire,
    Survey,
    SurveyInvitation,
)
from app.domain import invitation as rules
from app.domain.errors import (
    DomainError,
    Fault,
    InvitationExpiredError,
    InvitationNotFoundError,
    InvitationRevokedError,
    InvitationUsedError,
)

Held = Invitation | SurveyInvitation
Kind = TypeVar("Kind", Invitation, SurveyInvitation)


@dataclass(frozen=True, slots=True)
class Invited:
    """What a token invites, or invited, to rate; `refusal` says that it no longer does."""

    agency: str
    survey: str
    held: Held
    refusal: DomainError | None

    @property
    def dossier(self) -> str | None:
        """The dossier to rate; None where the survey itself invites."""
        return self.held.dossier if isinstance(self.held, Invitation) else None

    def reference(self, key: bytes) -> bytes:
        """What a rating is tied to what is rated by."""
        if isinstance(self.held, Invitation):
            return ratings.reference(key, self.agency, self.held.dossier)
        return ratings.survey_reference(key, self.held.recipient)


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
    """What the token invites to rate, or once did; raises InvitationNotFoundError."""
    unknown = InvitationNotFoundError(Fault(pointer, InvitationNotFoundError.code))
    try:
        agency_id, canonical = rules.read(token)
    except ValueError:
        raise unknown from None
    key = (agency_id, rules.hashed(canonical))
    found: tuple[Held, str, str] | None = await _find(session, Invitation, key)
    found = found or await _find(session, SurveyInvitation, key)
    if found is None:
        raise unknown
    held, agency, survey = found
    refusal: DomainError | None = None
    if held.revoked_at is not None:
        refusal = InvitationRevokedError(Fault(pointer, InvitationRevokedError.code))
    elif held.expires_at <= now:
        refusal = InvitationExpiredError(Fault(pointer, InvitationExpiredError.code))
    return Invited(agency, survey, held, refusal)


async def _find(
    session: AsyncSession, table: type[Kind], key: tuple[int, bytes]
) -> tuple[Kind, str, str] | None:
    """The invitation with the codes of its agency and its survey, if the table has it."""
    stmt = (
        select(table, col(Agency.code), col(Survey.code))
        .join(Agency, col(Agency.id) == col(table.agency_id))
        .join(Survey, col(Survey.id) == col(table.survey_id))
        .where(col(table.agency_id) == key[0], col(table.token_hash) == key[1])
    )
    row = (await session.execute(stmt)).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


async def show(session: AsyncSession, key: bytes, token: str, now: datetime) -> Shown:
    """What the bearer of a token is shown.

    Raises InvitationNotFoundError, InvitationRevokedError or InvitationExpiredError, or
    InvitationUsedError when the one rating is there.
    """
    invited = await find(session, token, now, "/path/token")
    if invited.refusal is not None:
        raise invited.refusal
    if await rated.is_rated(session, invited.held.agency_id, invited.reference(key)):
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
        .where(col(Agency.id) == invited.held.agency_id)
    )
    return Shown(invited, *(await session.execute(stmt)).one())


async def record_opening(session: AsyncSession, invited: Invited) -> None:
    """Note the first opening of an invitation; the funnel counts one for each dossier."""
    held = invited.held
    if held.opened:
        return
    if isinstance(held, SurveyInvitation):
        await _open(session, held)
        return
    await session.get(Dossier, (held.agency_id, held.dossier), with_for_update=True)
    async with funnel.moved(session, held.agency_id, held.dossier):
        await _open(session, held)


async def _open(session: AsyncSession, held: Held) -> None:
    table = type(held)
    await session.execute(
        update(table)
        .where(
            col(table.agency_id) == held.agency_id,
            col(table.token_hash) == held.token_hash,
        )
        .values(opened=True)
    )
