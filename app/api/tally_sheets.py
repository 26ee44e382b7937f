"""Tally sheets: counts per option typed in from paper."""

import hashlib
import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from app.api.bodies import NamedOnce
from app.api.deps import REPLAYS, Language, NewId, Now, RatingWriter, RequestKey, Session
from app.api.errors import problems
from app.api.findings import FindingOut, findings_out
from app.api.schemas import Channel, Code, Count, In, Line, Moment, MonthText, Out, example
from app.db import agencies, surveys, tally_sheets
from app.db.tables import TallySheet
from app.db.tally_sheets import NewSheet
from app.domain import period, rating, sheet
from app.domain.errors import (
    AgencyNotFoundError,
    AgencyNotSurveyedError,
    IdempotencyKeyReusedError,
    InvalidError,
    SheetDoesNotAddUpError,
    SurveyClosedError,
    SurveyNotFoundError,
)
from app.domain.figure import Finding
from app.domain.refusals import Refusals

router = APIRouter(prefix="/v1/tally-sheets", tags=["ratings"], route_class=NamedOnce)

MOST_QUESTIONS, MOST_OPTIONS = 5000, 20

PAPER = {
    "agency": "H32.15",
    "survey": "sct-2022-a",
    "channel": "paper",
    "period": "2022-10",
    "forms": 13,
    "counts": {
        "q1": {"5": 6, "4": 7, "3": 0, "2": 0, "1": 0},
        "q4": {"5": 6, "4": 7, "3": 2, "2": 0, "1": 0},
    },
    "accept": [{"pointer": "/counts/q4", "reason": "Theo đúng số liệu đã công bố"}],
}


class Acceptance(In):
    """Why a flaw is let stand."""

    pointer: Line = Field(description="Where the flaw is, as the refusal says it, e.g. /counts/q4")
    reason: Line = Field(
        description="Why the counts are right as they are; shown with every figure made of them"
    )


class TallySheetIn(In):
    """The counts of a month's forms. An option that nobody ticked may be left out."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(PAPER))

    agency: Code
    survey: Code
    channel: Channel
    period: MonthText = Field(description="The month in which the forms came in, e.g. 2022-10")
    forms: Count = Field(description="Number of valid forms")
    counts: Annotated[
        dict[Code, Annotated[dict[Code, Count], Field(max_length=MOST_OPTIONS)]],
        Field(min_length=1, max_length=MOST_QUESTIONS),
    ] = Field(description="Number of answers, by the code of the question and of the option")
    accept: Annotated[list[Acceptance], Field(max_length=MOST_QUESTIONS)] = Field(
        default=[], description="Flaws that are to be let stand"
    )


class TallySheetOut(Out):
    """A counted sheet and what was found in it."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "id": "01896777-46f0-7c3e-9f0a-1f6f5b0a4c12",
                "agency": "H32.15",
                "survey": "sct-2022-a",
                "basis": "sheet",
                "received_at": "2022-11-30T15:00:00+07:00",
                "findings": [],
            }
        )
    )

    id: UUID = Field(description="Id of the sheet")
    agency: str
    survey: str
    basis: str
    received_at: Moment
    findings: list[FindingOut]


@router.post(
    "",
    status_code=201,
    operation_id="submit_tally_sheet",
    responses={
        201: REPLAYS,
        **problems(
            AgencyNotFoundError,
            SurveyNotFoundError,
            AgencyNotSurveyedError,
            SurveyClosedError,
            InvalidError,
            SheetDoesNotAddUpError,
            IdempotencyKeyReusedError,
        ),
    },
)
async def submit_tally_sheet(
    body: TallySheetIn,
    response: Response,
    session: Session,
    caller: RatingWriter,
    moment: Now,
    new_id: NewId,
    language: Language,
    request_key: RequestKey = None,
) -> TallySheetOut:
    """Count a paper tally sheet. Flaws are refused until each is accepted with a reason.

    Without an `Idempotency-Key` a sheet of the same counts is the same sheet.

    The same sheet sent again is counted once and answered as before, with
    `Idempotent-Replayed: true`.
    """
    caller.check_agency(body.agency, "/agency")
    new = await checked_sheet(body, session, moment, new_id, request_key)
    row, replayed = await tally_sheets.submit(session, new)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return _out(body, row, language)


async def checked_sheet(
    body: TallySheetIn, session: Session, moment: datetime, new_id: UUID, request_key: str | None
) -> NewSheet:
    """The sheet, once its agency and survey are known and its flaws accepted."""
    unknown, unfit = Refusals(), Refusals()
    with unknown:
        agency = await agencies.get(session, body.agency, "/agency")
    with unknown:
        (form,) = await surveys.with_forms(session, [body.survey], "/survey")
    unknown.raise_all()
    month, opened = period.parse(body.period), (form.survey.opens_on, form.survey.closes_on)
    accepted = {acceptance.pointer: acceptance.reason for acceptance in body.accept}
    with unfit:
        checked = sheet.check(form.questionnaire, body.forms, body.counts, accepted)
    with unfit:
        rating.check_month(month, *opened, moment)
    with unfit:
        await surveys.check_covered(session, body.survey, body.agency, month)
    unfit.raise_all()
    sent = body.model_dump(mode="json", include=set(TallySheetIn.model_fields))
    # Without a key the counts are the sheet: not its reasons, nor zeros that were written out.
    cells = [[*cell, n] for cell, n in sorted(checked.cells.items())]
    told = {name: sent[name] for name in ("agency", "survey", "channel", "period")}
    content = sent if request_key else {**told, "cells": cells}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return NewSheet(
        id=new_id,
        agency_id=agency.id or 0,
        survey_id=form.id,
        request_key=f"key:{request_key}" if request_key else f"sha256:{digest.hex()}",
        digest=digest,
        channel=body.channel,
        month=month.first,
        sent=sent,
        checked=checked,
        received_at=moment,
    )


def _out(body: TallySheetIn, row: TallySheet, language: Language) -> TallySheetOut:
    return TallySheetOut(
        id=row.id,
        agency=body.agency,
        survey=body.survey,
        basis="sheet",
        received_at=row.received_at,
        findings=findings_out([Finding(**finding) for finding in row.findings], language),
    )
