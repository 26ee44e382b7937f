"""Tally sheets: counts typed in from paper, added to the tally through the same door."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.db.surveys import SurveyForm
from app.db.tables import TallySheet
from app.db.tallies import ADD_COUNTS, SHEET_COUNTS
from app.domain.errors import Fault, IdempotencyKeyReusedError
from app.domain.figure import Finding
from app.domain.period import Period
from app.domain.sheet import CheckedSheet


@dataclass(frozen=True, slots=True)
class NewSheet:
    """A sheet that adds up, or whose flaws were accepted, on its way into the table.

    `request_key` makes it countable once: the client's key, or else the digest of what it sent.
    """

    id: UUID
    agency_id: int
    survey_id: int
    request_key: str
    digest: bytes
    channel: str
    month: date
    sent: Mapping[str, Any]
    checked: CheckedSheet
    received_at: datetime


_COUNT = text(
    ADD_COUNTS.format(
        counts=SHEET_COUNTS.format(
            sheets="(SELECT * FROM tally_sheet WHERE agency_id = :agency_id AND id = :id)"
        )
    )
)


async def submit(session: AsyncSession, new: NewSheet) -> tuple[TallySheet, bool]:
    """Store and count the sheet; the stored sheet, and whether it had been counted before.

    Raises IdempotencyKeyReusedError when the key came with another body.
    """
    stored = await session.scalar(
        insert(TallySheet)
        .values(
            id=new.id,
            agency_id=new.agency_id,
            survey_id=new.survey_id,
            request_key=new.request_key,
            digest=new.digest,
            channel=new.channel,
            month=new.month,
            sheet={"sent": new.sent, "cells": _cells(new.checked)},
            findings=[asdict(finding) for finding in new.checked.findings],
            received_at=new.received_at,
        )
        .on_conflict_do_nothing(index_elements=["agency_id", "request_key"])
        .returning(TallySheet)
    )
    if stored is not None:
        await session.execute(_COUNT, {"agency_id": new.agency_id, "id": new.id})
        return stored, False
    held = await session.scalar(
        select(TallySheet).where(
            col(TallySheet.agency_id) == new.agency_id,
            col(TallySheet.request_key) == new.request_key,
        )
    )
    if held is None or held.digest != new.digest:
        raise IdempotencyKeyReusedError(Fault("/header/Idempotency-Key", "idempotency-key-reused"))
    return held, True


def _cells(checked: CheckedSheet) -> list[dict[str, int]]:
    return [
        {"question": question, "option": option, "n": n}
        for (question, option), n in checked.cells.items()
    ]


async def findings(
    session: AsyncSession, agencies: Sequence[int], surveys: Sequence[SurveyForm], period: Period
) -> dict[int, list[Finding]]:
    """Per agency what is known to be wrong, or worth a note, with its sheets of the period."""
    codes = {survey.id: survey.survey.code for survey in surveys}
    stmt = (
        select(
            col(TallySheet.agency_id),
            col(TallySheet.survey_id),
            col(TallySheet.month),
            col(TallySheet.findings),
        )
        .where(
            col(TallySheet.agency_id).in_(agencies),
            col(TallySheet.survey_id).in_(list(codes)),
            col(TallySheet.month).between(period.first, period.last),
        )
        .order_by(col(TallySheet.month), col(TallySheet.received_at))
    )
    found: dict[int, list[Finding]] = {}
    for agency, survey, month, noted in await session.execute(stmt):
        about = {"survey": codes[survey], "month": f"{month:%Y-%m}"}
        found.setdefault(agency, []).extend(Finding(**finding | about) for finding in noted)
    return found
