"""What happens to a dossier: recorded with all that follows from it, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import agencies, dossiers, funnel, invitations, rated, ratings
from app.db.invitations import Issued
from app.db.tables import Dossier, DossierEvent
from app.domain import course as rules
from app.domain.dossier import Event, EventType, Receipt
from app.domain.errors import AlreadyRatedError, Fault, IdempotencyKeyReusedError

_CONTENT = ("type", "at", "due_at", "new_due_at", "reason", "cancels")


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it was recorded, now or before, and where that leaves the dossier."""

    event: DossierEvent
    dossier: Dossier
    invitation: Issued | None = None
    replayed: bool = False


async def record(
    session: AsyncSession,
    key: bytes,
    of: tuple[str, str],
    event: Event,
    request_key: str | None = None,
) -> Recorded:
    """Record what happened to a dossier (of an agency); said again it changes nothing.

    A return is answered with an invitation, where a survey invites. Raises DossierMoveRefusedError,
    IdempotencyKeyReusedError, or AlreadyRatedError when a rated return is to be cancelled.
    """
    agency, code = of
    owner = await agencies.get(session, agency)
    dossier = await dossiers.find(session, owner, code, lock=True)
    rows = await dossiers.events(session, dossier)
    told = [dossiers.event_of(row) for row in rows]
    if (row := _named(rows, event, request_key) or _said(rows, told, event)) is not None:
        returned = event.type is EventType.RESULT_RETURNED
        live = await invitations.current(session, key, owner, dossier) if returned else None
        return Recorded(row, dossier, live, replayed=True)
    receipt = Receipt(dossier.received_at, dossier.receipt_due_at)
    course = rules.record(receipt, told, event, dossiers.HOLIDAYS)
    returns = (course.returned_at is not None) - (dossier.returned_at is not None)
    reference = ratings.reference(key, owner.code, code)
    if returns < 0:
        await _check_unrated(session, dossier, reference)
    issued = None
    async with funnel.moved(session, dossier.agency_id, code):
        row = _stored(session, dossier, rows, event)
        row.request_key = request_key
        for name, value in dossiers.state(course).items():
            setattr(dossier, name, value)
        dossier.revision += 1
        # One whose rating was voided for good has no right to rate left to invite to.
        if returns > 0 and not await rated.is_rated(session, dossier.agency_id, reference):
            issued = await invitations.issue(session, key, owner, dossier, event.recorded_at)
        if returns < 0:
            await invitations.revoke(session, dossier, event.recorded_at)
    return Recorded(row, dossier, issued)


def _said(rows: Sequence[DossierEvent], told: Sequence[Event], event: Event) -> DossierEvent | None:
    """The same event, if it was recorded before and not cancelled since."""
    before = rules.said_before(told, event)
    number = None if before is None else before.number
    return next((row for row in rows if row.number == number), None)


def _named(
    rows: Sequence[DossierEvent], event: Event, request_key: str | None
) -> DossierEvent | None:
    """The event recorded by the same request, if one was, even if it was cancelled since."""
    for row in rows if request_key is not None else ():
        if row.request_key != request_key:
            continue
        if all(getattr(row, name) == getattr(event, name) for name in _CONTENT):
            return row
        raise IdempotencyKeyReusedError(
            Fault("/header/Idempotency-Key", IdempotencyKeyReusedError.code)
        )
    return None


def _stored(
    session: AsyncSession, dossier: Dossier, rows: Sequence[DossierEvent], event: Event
) -> DossierEvent:
    """The event's row, after those that are there; the one that it cancels says so."""
    number = rows[-1].number + 1 if rows else 1
    for row in rows:
        if row.number == event.cancels:
            row.cancelled_by = number
    said = dossiers.recorded(event, number)
    added = DossierEvent(agency_id=dossier.agency_id, dossier=dossier.code, **said)
    session.add(added)
    return added


async def _check_unrated(session: AsyncSession, dossier: Dossier, reference: bytes) -> None:
    """Nothing when no rating of the dossier counts; else AlreadyRatedError."""
    if await rated.is_counted(session, dossier.agency_id, reference):
        raise AlreadyRatedError(Fault("/event", "return-was-rated"))
