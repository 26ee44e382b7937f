"""Ratings: one per dossier, counted the moment they are acknowledged."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StrictInt

from app.api.deps import NewId, Now, RatingWriter, ReferenceKey, Session
from app.api.errors import problems
from app.api.schemas import Channel, Code, DossierCode, In, Instant, Moment, Out, Prose, example
from app.db import agencies, ratings, surveys
from app.db.ratings import CREATED, REFUSALS, NewRating
from app.domain import rating as rules
from app.domain.errors import (
    AgencyNotFoundError,
    AgencyNotSurveyedError,
    AlreadyRatedError,
    AnswersInvalidError,
    DossierNotFoundError,
    Fault,
    RatingWindowClosedError,
    Refusals,
    ResultNotReturnedError,
    SurveyClosedError,
    SurveyNotFoundError,
    UnknownReferenceError,
)
from app.domain.period import day_of

router = APIRouter(prefix="/v1/ratings", tags=["ratings"])

MOST_ANSWERS = 5000
LAST_SEQUENCE = 2**53 - 1

ON_TABLET = {
    "agency": "H32.15",
    "survey": "tthc-2023",
    "dossier": "000.00.15.H32-230712-0001",
    "channel": "tablet",
    "counter": "Q05",
    "answers": {"q1": "5", "q2": "4"},
    "comment": "Công chức hướng dẫn tận tình.",
    "rated_at": "2023-07-18T09:31:10+07:00",
    "device_seq": 413,
}


class RatingIn(In):
    """One person's answers about one dossier; nothing identifies the person.

    Without `rated_at` the rating was given now. Without `counter` it belongs to the dossier's.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(ON_TABLET))

    agency: Code
    survey: Code
    dossier: DossierCode
    channel: Channel = Field(description="Where it was rated, which is not how it was served")
    counter: Code | None = None
    answers: Annotated[
        dict[Code, Code],
        Field(max_length=MOST_ANSWERS, description="The option ticked for each question"),
    ]
    comment: Prose | None = None
    rated_at: Instant | None = None
    device_seq: Annotated[StrictInt, Field(ge=0, le=LAST_SEQUENCE)] | None = Field(
        default=None, description="The device's own count of its ratings"
    )


class RatingOut(Out):
    """What became of a rating: stored, and counted."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {
                "id": "01896777-46f0-7c3e-9f0a-1f6f5b0a4c11",
                "agency": "H32.15",
                "survey": "tthc-2023",
                "basis": "dossier",
                "received_at": "2023-07-18T09:31:12+07:00",
            }
        )
    )

    id: UUID
    agency: str
    survey: str
    basis: str
    received_at: Moment


@router.post(
    "",
    status_code=201,
    operation_id="submit_rating",
    responses=problems(
        AgencyNotFoundError,
        SurveyNotFoundError,
        DossierNotFoundError,
        AgencyNotSurveyedError,
        SurveyClosedError,
        ResultNotReturnedError,
        RatingWindowClosedError,
        AlreadyRatedError,
        AnswersInvalidError,
        UnknownReferenceError,
    ),
)
async def submit_rating(
    body: RatingIn,
    session: Session,
    caller: RatingWriter,
    moment: Now,
    new_id: NewId,
    key: ReferenceKey,
) -> RatingOut:
    """Rate a dossier whose result was returned, once."""
    caller.check_agency(body.agency, "/agency")
    new = await _checked(body, session, moment, new_id, key)
    (outcome,) = await ratings.submit(session, [new])
    if outcome != CREATED:
        raise REFUSALS[outcome](Fault("/dossier", outcome, {"code": body.dossier}))
    return RatingOut(
        id=new.id, agency=body.agency, survey=body.survey, basis="dossier", received_at=moment
    )


async def _checked(
    body: RatingIn, session: Session, moment: datetime, new_id: UUID, key: bytes
) -> NewRating:
    """The rating, once its agency, survey, moment and answers fit."""
    unknown, unfit = Refusals(), Refusals()
    with unknown:
        agency = await agencies.get(session, body.agency, "/agency")
    with unknown:
        (form,) = await surveys.with_forms(session, [body.survey], "/survey")
    with unknown:
        await agencies.check_counter(session, body.agency, body.counter)
    unknown.raise_all()
    rated_at = body.rated_at or moment
    with unfit:
        answers = form.questionnaire.positions(body.answers)
    with unfit:
        rules.check_moment(rated_at, form.survey.opens_on, form.survey.closes_on, moment)
    with unfit:
        await surveys.check_covered(session, body.survey, body.agency, day_of(rated_at))
    unfit.raise_all()
    return NewRating(
        id=new_id,
        agency_id=agency.id or 0,
        survey_id=form.id,
        dossier=body.dossier,
        dossier_reference=ratings.reference(key, body.agency, body.dossier),
        window=timedelta(days=form.survey.rating_window_days),
        channel=body.channel,
        counter=body.counter,
        answers=answers,
        comment=body.comment or None,
        device_seq=body.device_seq,
        rated_at=rated_at,
        received_at=moment,
    )
