"""An agency's ratings: listed without a trace of who gave them, and voided with a reason."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict, Field

from app.api.bodies import NamedOnce
from app.api.deps import REPLAYS, IdCursor, Now, Paging, RatingReader, RatingVoider, Session
from app.api.errors import problems
from app.api.schemas import Code, In, Line, Moment, Out, example
from app.db import voiding
from app.db.surveys import SurveyForm
from app.db.tables import Rating
from app.db.voiding import Voiding, Wanted
from app.domain.errors import (
    AgencyNotFoundError,
    AlreadyVoidedError,
    RatingNotFoundError,
    SurveyNotFoundError,
)
from app.domain.period import local_day

router = APIRouter(prefix="/v1/agencies/{agency}/ratings", tags=["ratings"], route_class=NamedOnce)

LISTED = {
    "id": "01896777-46f0-7c3e-9f0a-1f6f5b0a4c11",
    "survey": "tthc-2023",
    "basis": "dossier",
    "channel": "tablet",
    "counter": "Q05",
    "answers": {"q1": "5", "q2": "4"},
    "comment": "Công chức hướng dẫn tận tình.",
    "rated_on": "2023-07-18",
    "voided_at": None,
    "void_reason": None,
    "rate_again": False,
}
REASON = "Cán bộ tự đánh giá thay người dân, đã lập biên bản."
VOIDING = {"reason": REASON, "rate_again": True}
VOIDED = {
    "id": "01896777-46f0-7c3e-9f0a-1f6f5b0a4c11",
    "agency": "H32.15",
    "survey": "tthc-2023",
    "voided_at": "2023-07-19T08:00:00+07:00",
    **VOIDING,
}


class ListedRating(Out):
    """A rating. Of its moment only the day is told, so that nobody is found by it."""

    model_config = ConfigDict(json_schema_extra=example(LISTED))

    id: UUID = Field(description="Id of the rating")
    survey: str
    basis: str
    channel: str = Field(description="Where it was rated, which is not how it was served")
    counter: str | None = Field(description="Code of the counter that is rated; null: none")
    answers: dict[str, str] = Field(
        description="Code of the option ticked, by the code of the question"
    )
    comment: str | None
    rated_on: date
    voided_at: Moment | None = Field(description="Since then it counts nowhere; null: it counts")
    void_reason: str | None = Field(description="Why it counts nowhere; null: it counts")
    rate_again: bool = Field(description="Whether its dossier may be rated again")


class RatingPage(Out):
    """Ratings in the order of their ids."""

    model_config = ConfigDict(json_schema_extra=example({"items": [LISTED], "next_cursor": None}))

    items: list[ListedRating]
    next_cursor: UUID | None


class VoidingIn(In):
    """Why a rating is not to count."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example(VOIDING))

    reason: Line = Field(
        description="Why it is not to count; kept with the rating, so without personal data"
    )
    rate_again: bool = Field(
        default=False, strict=True, description="Whether its dossier may be rated again"
    )


class VoidedRating(Out):
    """A rating that counts nowhere, and why."""

    model_config = ConfigDict(json_schema_extra=example(VOIDED))

    id: UUID = Field(description="Id of the rating")
    agency: str
    survey: str
    voided_at: Moment = Field(description="Since then it counts nowhere")
    reason: str = Field(description="Why it does not count")
    rate_again: bool


@router.get(
    "", operation_id="list_ratings", responses=problems(AgencyNotFoundError, SurveyNotFoundError)
)
async def list_ratings(
    agency: Code,
    session: Session,
    caller: RatingReader,
    paging: Paging,
    survey: Annotated[Code | None, Query()] = None,
    voided: Annotated[bool | None, Query(description="Only those that count, or do not")] = None,
    cursor: IdCursor = None,
) -> RatingPage:
    """An agency's ratings, a page at a time; nothing tells whose they are, or of which dossier."""
    caller.check_agency(agency, "/path/agency")
    wanted = Wanted(survey, voided)
    rows = await voiding.list_page(session, agency, wanted, cursor, paging.rows)
    page, following = paging.page(rows, lambda row: row[0].id)
    return RatingPage(items=[_listed(*row) for row in page], next_cursor=following)


@router.get(
    "/{rating}",
    operation_id="get_rating",
    responses=problems(AgencyNotFoundError, RatingNotFoundError),
)
async def get_rating(
    agency: Code,
    rating: Annotated[UUID, Path(description="The id it was answered with")],
    session: Session,
    caller: RatingReader,
) -> ListedRating:
    """A rating of the agency, as it is listed."""
    caller.check_agency(agency, "/path/agency")
    return _listed(*await voiding.get(session, agency, rating))


@router.post(
    "/{rating}/void",
    operation_id="void_rating",
    responses={
        200: REPLAYS,
        **problems(AgencyNotFoundError, RatingNotFoundError, AlreadyVoidedError),
    },
)
async def void_rating(
    agency: Code,
    rating: Annotated[UUID, Path(description="The id it was answered with")],
    body: VoidingIn,
    response: Response,
    session: Session,
    caller: RatingVoider,
    moment: Now,
) -> VoidedRating:
    """Take a rating out of every figure. It stays on record, with the reason.

    Said again in the same words it changes nothing and is answered as before, with
    `Idempotent-Replayed: true`; with `rate_again: true` it releases the dossier afterwards.
    """
    caller.check_agency(agency, "/path/agency")
    said = Voiding(body.reason, body.rate_again, caller.key, moment)
    row, survey, replayed = await voiding.void(session, agency, rating, said)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return VoidedRating(
        id=row.id,
        agency=agency,
        survey=survey,
        voided_at=row.voided_at or moment,
        reason=body.reason,
        rate_again=body.rate_again,
    )


def _listed(row: Rating, form: SurveyForm) -> ListedRating:
    ticked = zip(form.questionnaire.questions, row.answers, strict=True)
    return ListedRating(
        id=row.id,
        survey=form.survey.code,
        basis=row.basis,
        channel=row.channel,
        counter=row.counter,
        answers={
            question.code: question.options[place - 1].code for question, place in ticked if place
        },
        comment=row.comment,
        rated_on=local_day(row.rated_at),
        voided_at=row.voided_at,
        void_reason=row.void_reason,
        rate_again=row.released,
    )
