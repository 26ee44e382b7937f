"""Invitations to a survey: issued to many recipients at once, revoked, and counted.

Only hashes are stored. Rows and references go in sorted, so that not even their order tells whose
they are (docs/decisions/0037).
"""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, catalogue, ratings, surveys
from app.db.invitations import Issued
from app.db.tables import Agency, Survey, SurveyInvitation
from app.domain import invitation as rules
from app.domain.errors import (
    AgencyNotSurveyedError,
    Fault,
    IdempotencyKeyReusedError,
    SurveyClosedError,
)
from app.domain.period import local_day

_RATED = text("""
    SELECT reference FROM rating
     WHERE agency_id = :agency AND reference = ANY(CAST(:references AS bytea[])) AND NOT released
""")


@dataclass(frozen=True, slots=True)
class Sending:
    """Who is to be invited to answer about an agency, and on which channel they hear of it.

    `recipients` are the sender's references. `request` names the request, if it has a name.
    """

    agency: str
    survey: str
    channel: str
    recipients: Sequence[str]
    last_day: date | None = None
    request: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """For each recipient the invitation, or None for who has answered already."""

    invitations: Sequence[Issued | None]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """How many recipients were invited, and what became of their last invitations."""

    issued: int
    opened: int
    used: int
    expired: int
    revoked: int


@dataclass(frozen=True, slots=True)
class _Round:
    """An agency in a survey, and the key by which its recipients are hashed."""

    key: bytes
    owner: Agency
    survey: Survey

    @property
    def of_it(self) -> ColumnElement[bool]:
        """The condition that an invitation is to answer this survey about this agency."""
        return (col(SurveyInvitation.agency_id) == self.owner.id) & (
            col(SurveyInvitation.survey_id) == self.survey.id
        )

    def hashes(self, recipients: Sequence[str]) -> list[bytes]:
        """What is kept of each recipient."""
        return [
            rules.recipient(self.key, self.owner.code, self.survey.code, one) for one in recipients
        ]

    def issued(self, recipient: bytes, number: int, expires_at: datetime) -> Issued:
        """A recipient's nth invitation, with its token."""
        token = rules.make_for_recipient(self.key, self.owner.id or 0, recipient, number)
        return Issued(token, expires_at)


async def issue(session: AsyncSession, key: bytes, sending: Sending, now: datetime) -> Sent:
    """A new invitation for each recipient who has not answered; their old ones are revoked.

    Raises SurveyNotFoundError, AgencyNotFoundError, SurveyClosedError, AgencyNotSurveyedError,
    InvalidError for the day asked for, or IdempotencyKeyReusedError.
    """
    held = await _round(session, key, sending.agency, sending.survey)
    # One after the other, so that two senders do not both invite a recipient.
    await catalogue.alone(session, SurveyInvitation, sending.agency, sending.survey)
    hashes = held.hashes(sending.recipients)
    request, digest = _named(key, sending, hashes)
    if request is not None and (known := await _known(session, held, request, digest)):
        return Sent([known.get(recipient) for recipient in hashes], replayed=True)
    await _check_open(session, held, now)
    expires_at = rules.survey_expiry(
        now, sending.last_day, held.survey.closes_on, held.survey.invitation_days
    )
    used = await _used(session, held, hashes)
    numbers = await _renewed(session, held, set(hashes) - used, now)
    said = {
        "channel": sending.channel,
        "issued_at": now,
        "expires_at": expires_at,
        "request": request,
        "digest": digest,
    }
    made = await _store(session, held, numbers, said)
    return Sent([made.get(recipient) for recipient in hashes], replayed=False)


async def revoke(
    session: AsyncSession,
    key: bytes,
    named: tuple[str, str],
    recipients: Sequence[str],
    now: datetime,
) -> int:
    """Revoke what invites these recipients of an agency and a survey; how many it did invite."""
    held = await _round(session, key, *named)
    return await _revoke(session, held, held.hashes(recipients), now)


async def counts(
    session: AsyncSession, key: bytes, named: tuple[str, str], now: datetime
) -> Counts:
    """What became of the invitations of an agency and a survey; nothing about any one of them."""
    held = await _round(session, key, *named, "/query/agency")
    live = col(SurveyInvitation.revoked_at).is_(None)
    stmt = (
        select(
            col(SurveyInvitation.recipient),
            func.bool_or(SurveyInvitation.opened),
            func.max(col(SurveyInvitation.expires_at)).filter(live),
        )
        .where(held.of_it)
        .group_by(col(SurveyInvitation.recipient))
    )
    rows = (await session.execute(stmt)).all()
    used = await _used(session, held, [recipient for recipient, *_ in rows])
    left = [ends for recipient, _, ends in rows if recipient not in used]
    return Counts(
        issued=len(rows),
        opened=sum(opened for _, opened, _ in rows),
        used=len(used),
        expired=sum(ends is not None and ends <= now for ends in left),
        revoked=left.count(None),
    )


async def _round(
    session: AsyncSession, key: bytes, agency: str, survey: str, pointer: str = "/agency"
) -> _Round:
    """Raises SurveyNotFoundError, or AgencyNotFoundError with the pointer."""
    found = await surveys.get(session, survey)
    return _Round(key, await agencies.get(session, agency, pointer), found)


async def _check_open(session: AsyncSession, held: _Round, now: datetime) -> None:
    """Nothing when the survey is open today and covers the agency."""
    day, survey = local_day(now), held.survey
    if day < survey.opens_on or (survey.closes_on is not None and day > survey.closes_on):
        raise SurveyClosedError(Fault("/path/survey", SurveyClosedError.code))
    covered = await surveys.coverage(session, survey.code, held.owner.code)
    if not any(first <= day and (last is None or day <= last) for first, last in covered):
        raise AgencyNotSurveyedError(Fault("/agency", AgencyNotSurveyedError.code))


def _named(
    key: bytes, sending: Sending, hashes: Sequence[bytes]
) -> tuple[bytes | None, bytes | None]:
    """What is kept of a request's name and of what it said; nothing of one without a name."""
    if sending.request is None:
        return None, None
    said = repr((sending.channel, sending.last_day, hashes))
    name = f"survey invitation request\n{sending.request}"
    return hmac.digest(key, name.encode(), "sha256"), hmac.digest(key, said.encode(), "sha256")


async def _known(
    session: AsyncSession, held: _Round, request: bytes, digest: bytes | None
) -> Mapping[bytes, Issued]:
    """What the request was answered with before; raises IdempotencyKeyReusedError."""
    stmt = select(SurveyInvitation).where(held.of_it, col(SurveyInvitation.request) == request)
    rows = (await session.scalars(stmt)).all()
    if any(row.digest != digest for row in rows):
        code = IdempotencyKeyReusedError.code
        raise IdempotencyKeyReusedError(Fault("/header/Idempotency-Key", code))
    return {row.recipient: held.issued(row.recipient, row.number, row.expires_at) for row in rows}


async def _used(session: AsyncSession, held: _Round, hashes: Sequence[bytes]) -> set[bytes]:
    """Those of the recipients who have answered."""

    def hashed() -> dict[bytes, bytes]:
        return {ratings.survey_reference(held.key, recipient): recipient for recipient in hashes}

    # There may be tens of thousands: meanwhile others are served.
    references = await asyncio.to_thread(hashed)
    asked = {"agency": held.owner.id, "references": sorted(references)}
    return {references[reference] for reference in await session.scalars(_RATED, asked)}


async def _renewed(
    session: AsyncSession, held: _Round, recipients: set[bytes], now: datetime
) -> dict[bytes, int]:
    """The number of each recipient's next invitation, once the one before is revoked."""
    await _revoke(session, held, sorted(recipients), now)
    stmt = (
        select(col(SurveyInvitation.recipient), func.max(col(SurveyInvitation.number)))
        .where(held.of_it, col(SurveyInvitation.recipient).in_(sorted(recipients)))
        .group_by(col(SurveyInvitation.recipient))
    )
    numbers = dict.fromkeys(recipients, 1)
    for recipient, last in await session.execute(stmt):
        numbers[recipient] = last + 1
    return numbers


async def _store(
    session: AsyncSession, held: _Round, numbers: Mapping[bytes, int], said: Mapping[str, Any]
) -> dict[bytes, Issued]:
    """Each recipient's invitation of that number, stored."""
    made = {
        recipient: held.issued(recipient, number, said["expires_at"])
        for recipient, number in sorted(numbers.items())
    }
    of_it = {"agency_id": held.owner.id, "survey_id": held.survey.id, "opened": False}
    rows = [
        {**of_it, **said, "recipient": recipient, "number": numbers[recipient]}
        | {"token_hash": rules.hashed(issued.token)}
        for recipient, issued in made.items()
    ]
    if rows:
        await session.execute(insert(SurveyInvitation), rows)
    return made


async def _revoke(
    session: AsyncSession, held: _Round, hashes: Sequence[bytes], now: datetime
) -> int:
    stmt = (
        update(SurveyInvitation)
        .where(
            held.of_it,
            col(SurveyInvitation.recipient).in_(sorted(hashes)),
            col(SurveyInvitation.revoked_at).is_(None),
        )
        .values(revoked_at=now)
        .returning(col(SurveyInvitation.number))
    )
    return len((await session.scalars(stmt)).all())
