"""Dossiers and what happened to them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db import agencies, catalogue, funnel, procedures
from app.db.catalogue import Expected
from app.db.tables import Agency, Dossier, DossierEvent
from app.domain import dossier as rules
from app.domain.errors import (
    DossierMoveRefusedError,
    DossierNotFoundError,
    Fault,
    Refusals,
)


async def get(session: AsyncSession, agency: str, code: str) -> Dossier:
    """The dossier; raises AgencyNotFoundError or DossierNotFoundError."""
    owner = await agencies.get(session, agency)
    return await _get(session, owner, code, lock=False)


async def register(
    session: AsyncSession, agency: str, code: str, values: Mapping[str, Any], expected: Expected
) -> Dossier:
    """Store a received dossier and return it.

    Said again it may correct the receipt until the result is returned; afterwards only the same
    words are accepted, others raise DossierMoveRefusedError.
    """
    owner = await agencies.get(session, agency)
    key = {"agency_id": owner.id, "code": code}
    await catalogue.alone(session, Dossier, owner.id, code)
    held = await session.get(Dossier, key, with_for_update=True)
    if held is not None and held.status == rules.RETURNED:
        catalogue.check(held.revision, expected)
        if any(getattr(held, name) != value for name, value in values.items()):
            raise DossierMoveRefusedError(Fault("", "returned-already"))
        return held
    changed = {**values, "receipt_due_at": values["due_at"], "status": rules.RECEIVED}
    async with funnel.moved(session, owner.id or 0, code):
        return await catalogue.put(session, Dossier, key, changed, expected)


async def record_return(
    session: AsyncSession, agency: str, code: str, at: datetime, now: datetime
) -> Dossier:
    """Record that the result was returned, and return the dossier.

    Said again with the same moment it changes nothing. Raises DossierMoveRefusedError.
    """
    owner = await agencies.get(session, agency)
    dossier = await _get(session, owner, code, lock=True)
    if dossier.returned_at == at:
        return dossier
    rules.check_return(dossier.status, dossier.received_at, at, now)
    async with funnel.moved(session, owner.id or 0, code):
        await _return(session, dossier, at, now)
    return dossier


async def _return(session: AsyncSession, dossier: Dossier, at: datetime, now: datetime) -> None:
    number = select(func.coalesce(func.max(col(DossierEvent.number)), 0) + 1).where(
        col(DossierEvent.agency_id) == dossier.agency_id,
        col(DossierEvent.dossier) == dossier.code,
    )
    await session.execute(
        insert(DossierEvent).values(
            agency_id=dossier.agency_id,
            dossier=dossier.code,
            number=number.scalar_subquery(),
            type="result_returned",
            at=at,
            recorded_at=now,
        )
    )
    dossier.status, dossier.returned_at, dossier.ended_at = rules.RETURNED, at, at
    dossier.revision += 1
    session.add(dossier)


async def _get(session: AsyncSession, owner: Agency, code: str, *, lock: bool) -> Dossier:
    key = {"agency_id": owner.id, "code": code}
    dossier = await session.get(Dossier, key, with_for_update=lock)
    if dossier is None:
        raise DossierNotFoundError(Fault("/path/dossier", "dossier-not-found", {"code": code}))
    return dossier


async def check_references(
    session: AsyncSession, agency: str, procedure: str, counter: str | None
) -> None:
    """Nothing when the agency, its counter and the procedure exist; else names what does not."""
    refusals = Refusals()
    with refusals:
        await agencies.get(session, agency)
    with refusals:
        await procedures.check_known(session, procedure)
    with refusals:
        await agencies.check_counter(session, agency, counter)
    refusals.raise_all()
