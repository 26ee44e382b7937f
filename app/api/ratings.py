"""Ratings: one per dossier, counted the moment they are acknowledged."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field, JsonValue, ValidationError

from app.api import limits, texts
from app.api.bodies import NamedOnce
from app.api.deps import REPLAYS, Language
from app.api.errors import Problem, document, problems
from app.api.faults import fault_of
from app.api.intake import RatingIntake, Stored
from app.api.rating_check import Checked
from app.api.rating_schemas import ON_TABLET, STORED, SUBMITTING, RatingIn, RatingOut
from app.api.schemas import In, Out, example
from app.api.statuses import STATUS
from app.domain.errors import (
    AgencyNotFoundError,
    AgencyNotSurveyedError,
    AlreadyRatedError,
    AnswersInvalidError,
    CounterNotAllowedError,
    CredentialMissingError,
    DomainError,
    DossierNotFoundError,
    IdempotencyKeyReusedError,
    InvalidError,
    InvitationExpiredError,
    InvitationNotFoundError,
    InvitationRevokedError,
    InvitationUsedError,
    RatingWindowClosedError,
    ResultNotReturnedError,
    SaturatedError,
    SurveyClosedError,
    SurveyNotFoundError,
    UnknownReferenceError,
)

router = APIRouter(prefix="/v1/ratings", tags=["ratings"], route_class=NamedOnce)

MOST_ROWS = 500


@router.post(
    "",
    status_code=201,
    operation_id="submit_rating",
    responses={
        201: REPLAYS,
        **problems(
            AgencyNotFoundError,
            SurveyNotFoundError,
            DossierNotFoundError,
            AgencyNotSurveyedError,
            SurveyClosedError,
            ResultNotReturnedError,
            RatingWindowClosedError,
            AlreadyRatedError,
            InvitationNotFoundError,
            InvitationExpiredError,
            InvitationUsedError,
            InvitationRevokedError,
            CounterNotAllowedError,
            AnswersInvalidError,
            UnknownReferenceError,
            IdempotencyKeyReusedError,
            SaturatedError,
        ),
    },
    response_model=RatingOut,
    openapi_extra=dict(SUBMITTING),
)
async def submit_rating(body: RatingIn, intake: RatingIntake) -> Response:
    """Rate a dossier whose result was returned, once.

    With an invitation no key is needed. Sent again under the same `id`, `Idempotency-Key` or, by a
    device, `device_seq`, it is counted once and answered as before, with `Idempotent-Replayed:
    true`.
    """
    stored = await intake.submit(body)
    replayed = {"Idempotent-Replayed": "true"} if stored.replayed else None
    return Response(stored.rating.model_dump_json(), 201, replayed, "application/json")


class BatchIn(In):
    """Ratings that waited in a queue. Each is judged by itself."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=example({"ratings": [ON_TABLET]}))

    ratings: Annotated[
        list[dict[str, JsonValue]],
        Field(min_length=1, max_length=MOST_ROWS, description="Each as in `POST /v1/ratings`"),
    ]


class OutcomeOut(Out):
    """What became of one rating: as if it had been sent alone."""

    status: int = Field(description="HTTP status that it would have been answered with alone")
    replayed: bool = Field(default=False, description="It was there before")
    rating: RatingOut | None = Field(
        default=None, description="As it was stored; null: it was refused"
    )
    problem: Problem | None = Field(
        default=None, description="Why it was refused; null: it was stored"
    )


class BatchOut(Out):
    """An outcome per rating, in the order sent."""

    model_config = ConfigDict(
        json_schema_extra=example(
            {"outcomes": [{"status": 201, "replayed": False, "rating": STORED, "problem": None}]}
        )
    )

    outcomes: list[OutcomeOut] = Field(description="In the order of the ratings sent")


@router.post(
    "/batch",
    operation_id="submit_ratings",
    responses=problems(InvalidError, SaturatedError),
    openapi_extra={**SUBMITTING, "security": [{"HTTPBearer": []}]},
)
async def submit_ratings(
    body: BatchIn,
    request: Request,
    intake: RatingIntake,
    language: Language,
) -> BatchOut:
    """Submit what an offline device has gathered: up to 500 ratings, with an outcome for each.

    One that is refused does not keep back the others. Sent again, what is there is not counted
    again, if each has its `id` or `device_seq`, or the whole its `Idempotency-Key`.
    """
    if intake.checking.caller is None:
        raise CredentialMissingError
    await limits.charge(request, len(body.ratings))
    key = intake.request_key
    found: dict[int, Stored | DomainError] = {}
    checked: dict[int, Checked] = {}
    for place, row in enumerate(body.ratings):
        try:
            checked[place] = await intake.checking.check(
                RatingIn.model_validate(row), key and f"{key}\n{place}"
            )
        except ValidationError as error:
            faults = [fault_of({**one, "loc": ("body", *one["loc"])}) for one in error.errors()]
            found[place] = InvalidError(*faults)
        except DomainError as error:
            found[place] = error
    if checked:
        found |= dict(zip(checked, await intake.store_all([*checked.values()]), strict=True))
    refused = [
        (body.ratings[place].get("device_seq"), said)
        for place, said in found.items()
        if isinstance(said, DomainError)
    ]
    await intake.note_refusals(refused)
    return BatchOut(
        outcomes=[_row(request, language, found[place]) for place in range(len(body.ratings))]
    )


def _row(request: Request, language: texts.Language, said: Stored | DomainError) -> OutcomeOut:
    if isinstance(said, Stored):
        return OutcomeOut(status=201, replayed=said.replayed, rating=said.rating)
    status = STATUS[type(said)]
    problem = document(language, request.url.path, status, said.code, said.faults)
    return OutcomeOut(status=status, problem=problem)
