"""What happens to a dossier: recorded with all that follows from it, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.db import agencies, dossiers, funnel, invitations, ratings
from app.db.invitations import Issued
from app.db.tables import Dossier, DossierEvent
from app.domain import course as rules
from app.domain.dossier import Event, EventType, Receipt
from app.domain.errors import AlreadyRatedError, Fault


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it was recorded, now or before, and where that leaves the dossier."""

    event: DossierEvent
    dossier: Dossier
    invitation: Issued | None = None
    replayed: bool = False


async def record(
    session: AsyncSession, key: bytes, agency: str, code: str, event: Event
) -> Recorded:
    """Record what happened to a dossier; said again it changes nothing.

    A returned result is answered with an invitation to rate, where a survey invites. Raises
    DossierMoveRefusedError, or AlreadyRatedError when a return that was rated is to be cancelled.
    """
    owner = await agencies.get(session, agency)
    dossier = await dossiers.find(session, owner, code, lock=True)
    rows = await dossiers.events(session, dossier)
    told = [dossiers.event_of(row) for row in rows]
    if before := rules.said_before(told, event):
        row = next(row for row in rows if row.number == before.number)
        returned = event.type is EventType.RESULT_RETURNED
        live = await invitations.current(session, key, owner, dossier) if returned else None
        return Recorded(row, dossier, live, replayed=True)
    receipt = Receipt(dossier.received_at, dossier.receipt_due_at)
    course = rules.record(receipt, told, event, dossiers.HOLIDAYS)
    was_returned, is_returned = dossier.returned_at is not None, course.returned_at is not None
    reference = ratings.reference(key, owner.code, code)
    if was_returned and not is_returned:
        await _check_unrated(session, dossier, reference)
    issued = None
    async with funnel.moved(session, dossier.agency_id, code):
        row = _stored(session, dossier, rows, event)
        for name, value in dossiers.state(course).items():
            setattr(dossier, name, value)
        dossier.revision += 1
        if is_returned and not was_returned:
            # One whose rating was voided for good has no right to rate left to invite to.
            if not await ratings.is_rated(session, dossier.agency_id, reference):
                issued = await invitations.issue(session, key, owner, dossier, event.recorded_at)
        elif was_returned and not is_returned:
            await invitations.revoke(session, dossier, event.recorded_at)
    return Recorded(row, dossier, issued)


def _stored(
    session: AsyncSession, dossier: Dossier, rows: Sequence[DossierEvent], event: Event
) -> DossierEvent:
    """The event's row, after those that are there; the one that it cancels says so."""
    number = rows[-1].number + 1 if rows else 1
    for row in rows:
        if row.number == event.cancels:
            row.cancelled_by = number
    added = DossierEvent(
        agency_id=dossier.agency_id,
        dossier=dossier.code,
        number=number,
        type=event.type.value,
        at=event.at,
        due_at=event.due_at,
        new_due_at=event.new_due_at,
        reason=event.reason,
        cancels=event.cancels,
        recorded_at=event.recorded_at,
    )
    session.add(added)
    return added


async def _check_unrated(session: AsyncSession, dossier: Dossier, reference: bytes) -> None:
    """Nothing when no rating of the dossier counts; else AlreadyRatedError."""
    if await ratings.is_counted(session, dossier.agency_id, reference):
        raise AlreadyRatedError(Fault("/event", "return-was-rated"))
